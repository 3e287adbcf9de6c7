use std::borrow::Cow;
use std::collections::BTreeMap;

use behaviour::Profile;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::Text;

/// The keys of a model that speak of a real server; the others are its behaviour's.
pub(crate) const SERVER_KEYS: [&str; 4] = ["image", "command", "environment", "probes"];

/// A real inference server in place of fake-inference.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Server {
    /// The image of a real inference server, which runs on a real cluster in place of fake-inference. All
    /// models of a scenario have the same one, or none has.
    pub(crate) image: Text,
    /// What is started in place of the image's own entrypoint and command; those if left out.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) command: Option<Vec<Text>>,
    /// The server's environment, beside the image's own; what manifests set wins.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, Text>,
    /// Where the server answers probes, in place of what manifests have under `httpGet`.
    #[serde(default)]
    pub(crate) probes: Option<Probes>,
}

/// Where a real server answers probes.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(rename = "ServerProbes", extend("minProperties" = 1))]
pub(crate) struct Probes {
    /// The path; as manifests have it if left out.
    #[serde(default)]
    pub(crate) path: Option<Text>,
    /// The port; as manifests have it if left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) port: Option<u16>,
}

/// A model: its behaviour, and the real server that runs in its place on a real cluster. The two are read
/// from their own keys of one mapping.
pub(crate) struct Model;

impl JsonSchema for Model {
    fn schema_name() -> Cow<'static, str> {
        "Model".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Profile::json_schema(generator);
        let mut server = Server::json_schema(generator);
        let properties = server.ensure_object().remove("properties").unwrap_or_else(|| json!({}));
        let object = schema.ensure_object();
        if let (Some(Value::Object(own)), Value::Object(more)) = (object.get_mut("properties"), properties) {
            own.extend(more);
        }
        let others = SERVER_KEYS.iter().filter(|key| **key != "image");
        let needed = others.map(|key| ((*key).to_owned(), json!(["image"]))).collect();
        object.insert("dependencies".to_owned(), Value::Object(needed));
        let description = "How a model version behaves, and the real inference server that runs in its place on a real cluster.";
        object.insert("description".to_owned(), description.into());
        schema
    }
}
