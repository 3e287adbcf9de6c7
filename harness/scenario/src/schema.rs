use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::matrix::PLACEHOLDER_PATTERN;
use crate::raw;

/// The JSON schema of a scenario file, for editors: every legal form is accepted, and keys that do
/// not exist are rejected. In draft 7, which the YAML language server reads.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<raw::File>();
    drop_null(&mut schema);
    allow_placeholders(&mut schema);
    let placeholder = json!({
        "type": "string",
        "pattern": PLACEHOLDER_PATTERN,
        "description": "A value of the matrix, by its key"
    });
    let definitions = schema.ensure_object().entry("definitions").or_insert_with(|| json!({}));
    let definitions = definitions.as_object_mut().expect("the definitions of a schema are an object");
    definitions.insert("Placeholder".to_owned(), placeholder);
    schema.to_value()
}

/// Exactly one of these keys is there.
pub(crate) fn exactly_one_of(keys: &[&str]) -> Value {
    json!({ "oneOf": keys.iter().map(|key| json!({ "required": [key] })).collect::<Value>() })
}

/// The schema of `F` with one more key, which must be there.
pub(crate) fn with_subject<F: JsonSchema, S: JsonSchema>(
    generator: &mut SchemaGenerator,
    key: &str,
    description: &str,
) -> Schema {
    let mut subject = generator.subschema_for::<S>();
    subject.insert("description".to_owned(), description.into());
    let mut schema = F::json_schema(generator);
    let object = schema.ensure_object();
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    properties[key] = subject.to_value();
    object.insert("required".to_owned(), json!([key]));
    schema
}

/// Takes null out of a schema: a key without a value is an error of the language, so that null is no value of
/// an optional key.
pub fn drop_null(schema: &mut Schema) {
    transform_subschemas(&mut drop_null, schema);
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    let Some(Value::Array(alternatives)) = object.get_mut("anyOf") else { return };
    let before = alternatives.len();
    alternatives.retain(|alternative| alternative.get("type").is_none_or(|name| name != "null"));
    if before > alternatives.len() && alternatives.len() == 1 {
        let only = alternatives.remove(0);
        object.remove("anyOf");
        if object.is_empty() {
            *schema = Schema::try_from(only).expect("an alternative of a schema is a schema");
        } else {
            // In draft 7 whatever stands beside a `$ref` is ignored.
            object.insert("allOf".to_owned(), json!([only]));
        }
    }
}

/// A scalar may be written as a placeholder, whatever its type is.
fn allow_placeholders(schema: &mut Schema) {
    if is_scalar(schema) {
        let object = schema.ensure_object();
        let description = object.remove("description");
        let default = object.remove("default");
        let placeholder = json!({ "$ref": "#/definitions/Placeholder" });
        let mut wrapped = json!({ "anyOf": [std::mem::take(object), placeholder] });
        for (key, value) in [("description", description), ("default", default)] {
            if let Some(value) = value {
                wrapped[key] = value;
            }
        }
        *schema = Schema::try_from(wrapped).expect("an object is a schema");
    } else {
        transform_subschemas(&mut allow_placeholders, schema);
    }
}

/// Whether the schema is of a number, a boolean or a text of a certain form. Choices with a
/// description each are a `oneOf` of constants.
fn is_scalar(schema: &Schema) -> bool {
    let constant = |choice: &Value| choice.get("const").is_some() || choice.get("enum").is_some();
    let choices = schema.get("oneOf").and_then(Value::as_array);
    let typed = |name: &Value| ["integer", "number", "boolean"].iter().any(|scalar| name == scalar);
    schema.get("pattern").is_some()
        || schema.get("enum").is_some()
        || schema.get("type").is_some_and(typed)
        || choices.is_some_and(|choices| choices.iter().all(constant))
}
