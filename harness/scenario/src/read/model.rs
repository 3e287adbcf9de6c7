//! A model: its behaviour, and the real server that may run in its place.

use behaviour::Profile;
use indexmap::IndexMap;
use yaml::{Map, Node, Problem, Value, decode, did_you_mean};

use super::check;
use crate::raw::Text;
use crate::raw::model::{Probes, SERVER_KEYS, Server};
use crate::{ModelServer, ServerProbes};

/// An entry of `models`.
pub(super) struct Model {
    pub(super) profile: Profile,
    server: Option<ModelServer>,
    node: Node,
}

/// Reads an entry.
pub(super) fn read(version: &str, node: &Node) -> Result<Model, Problem> {
    check::model_version(version, node)?;
    let of_server = |key: &String| SERVER_KEYS.contains(&key.as_str());
    let Some(map) = node.as_map().filter(|map| map.keys().any(of_server)) else {
        let profile = decode(node).map_err(|problem| knowing_servers(problem, node))?;
        return Ok(Model { profile, server: None, node: node.clone() });
    };
    let part = |wanted: bool| {
        let entries = map.iter().filter(|(key, _)| of_server(key) == wanted);
        let entries: Map = entries.map(|(key, value)| (key.clone(), value.clone())).collect();
        Node::new(Value::Map(entries), node.place.clone())
    };
    let behaviour = part(false);
    let profile = decode(&behaviour).map_err(|problem| knowing_servers(problem, &behaviour))?;
    Ok(Model { profile, server: Some(server(&part(true))?), node: node.clone() })
}

/// A complaint about a key of the behaviour that nobody knows, with the keys of servers in mind too.
fn knowing_servers(problem: Problem, behaviour: &Node) -> Problem {
    let keys = behaviour.as_map().into_iter().flat_map(|map| map.keys());
    let unknown = keys.into_iter().find(|key| problem.message == format!("unknown key `{key}`"));
    let Some(help) = problem.help.clone().filter(|help| help.starts_with("the keys here are")) else {
        return problem;
    };
    match unknown.map(|key| did_you_mean(key, SERVER_KEYS)) {
        Some(Some(meant)) => problem.with_help(format!("did you mean `{meant}`?")),
        Some(None) => {
            let more: String = SERVER_KEYS.iter().map(|key| format!(", `{key}`")).collect();
            problem.with_help(format!("{help}{more}"))
        }
        None => problem,
    }
}

fn server(node: &Node) -> Result<ModelServer, Problem> {
    let at = |path: &[&str]| node.at(path).unwrap_or(node);
    if node.get("image").is_none() {
        let key = node.as_map().and_then(|map| map.keys().next()).map_or("", String::as_str);
        let problem = at(&[key]).problem(format!("`{key}` is a real server's, and no `image` is stated"));
        return Err(problem.with_help("state the server's `image` beside it"));
    }
    let read: Server = decode(node)?;
    image(&read.image.0, at(&["image"]))?;
    let command: Vec<String> = match read.command {
        Some(words) if words.is_empty() => {
            return Err(at(&["command"])
                .problem("`command` is empty and so starts nothing")
                .with_help("leave it out for the image's own"));
        }
        words => words.into_iter().flatten().map(|Text(word)| word).collect(),
    };
    for (name, Text(value)) in &read.environment {
        variable(name, value, at(&["environment", name.as_str()]))?;
    }
    let environment = read.environment.into_iter().map(|(name, Text(value))| (name, value)).collect();
    let probes = read.probes.map(|read| probes(read, at(&["probes"]))).transpose()?.unwrap_or_default();
    Ok(ModelServer { image: read.image.0, command, environment, probes })
}

/// The name of an image, as far as its characters go: docker knows the rest.
fn image(text: &str, node: &Node) -> Result<(), Problem> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= check::MAX_RESOURCE_NAME_CHARS
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c));
    if fits {
        return Ok(());
    }
    let problem = node.problem(format!("`{}` cannot be the name of an image", check::shortened(text)));
    Err(problem.with_help("write it as docker does, such as `vllm/vllm-openai:v0.10.2`"))
}

fn variable(name: &str, value: &str, node: &Node) -> Result<(), Problem> {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        let message = format!("`{}` cannot be the name of a variable", check::shortened(name));
        return Err(node.problem(message).with_help("use letters, digits and `_`, and begin with no digit"));
    }
    if value.chars().any(char::is_control) {
        return Err(
            node.problem(format!("the value of `{name}` has line breaks or other control characters"))
        );
    }
    Ok(())
}

fn probes(read: Probes, node: &Node) -> Result<ServerProbes, Problem> {
    let at = |key: &str| node.get(key).unwrap_or(node);
    let path = read.path.map(|Text(path)| path);
    if path.is_none() && read.port.is_none() {
        return Err(node.problem("`probes` says nothing").with_help("give it a `path`, a `port` or both"));
    }
    if let Some(path) = path.as_ref().filter(|path| !path.starts_with('/')) {
        return Err(
            at("path").problem(format!("`{}` is no path: it begins with `/`", check::shortened(path)))
        );
    }
    if read.port == Some(0) {
        return Err(at("port").problem("`port` is 0; it must be from 1 to 65535"));
    }
    Ok(ServerProbes { path, port: read.port })
}

const ONE_TEMPLATE: &str = "give every model the same `image`, `command`, `environment` and `probes`, or none of them: \
                            the pods of all versions come from one template";

/// The server that all models have in common.
pub(super) fn common_server(models: &IndexMap<String, Model>) -> Result<Option<ModelServer>, Problem> {
    let Some((first, server)) = models.iter().find_map(|(version, it)| Some((version, it.server.as_ref()?)))
    else {
        return Ok(None);
    };
    for (version, model) in models {
        let Some(other) = &model.server else {
            let message = format!("`{version}` states no `image`, and `{first}` does");
            return Err(model.node.problem(message).with_help(ONE_TEMPLATE));
        };
        let differences = [
            ("image", other.image != server.image),
            ("command", other.command != server.command),
            ("environment", other.environment != server.environment),
            ("probes", other.probes != server.probes),
        ];
        if let Some((key, _)) = differences.iter().find(|(_, differs)| *differs) {
            let place = model.node.get(key).unwrap_or(&model.node);
            let message = format!("`{version}` differs from `{first}` in its `{key}`");
            return Err(place.problem(message).with_help(ONE_TEMPLATE));
        }
    }
    Ok(Some(server.clone()))
}
