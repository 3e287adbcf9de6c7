//! The suffix that names of generated objects carry, so that a change of content is a new object.

use std::collections::BTreeMap;

use planted::Bug;
use sha2::{Digest, Sha256};
use yaml::{Node, Value};

use super::resource::{Resource, text, text_at};

/// Appends the hash of its content to the name of every generated object that asks for it
/// (api internal/builtins/HashTransformer.go).
pub(crate) fn add_hashes(resources: &mut [Resource]) {
    for resource in resources.iter_mut().filter(|resource| resource.history.needs_hash) {
        let name = format!("{}-{}", resource.name(), content_hash(&resource.node));
        resource.store_previous_id();
        let place = resource.place().clone();
        resource.set_name(&name, &place);
    }
}

/// SHA-256 over the object's data, kind and type as Go's JSON with sorted keys; ten hexadecimal
/// digits, those that could form words replaced (api hasher/hasher.go: Hash).
///
/// The name enters as the empty string: the lookup upstream takes `metadata/name` for one key.
pub(crate) fn content_hash(object: &Node) -> String {
    let mut fields = BTreeMap::from([("name", "\"\"".to_owned()), ("data", data(object, "data"))]);
    let is_map = |field| object.get(field).is_some_and(|node: &Node| node.as_map().is_some());
    if text_at(object, &["kind"]) == "Secret" {
        fields.insert("kind", "\"Secret\"".to_owned());
        fields.insert("type", go_string(&text_at(object, &["type"])));
        if is_map("stringData") {
            fields.insert("stringData", data(object, "stringData"));
        }
    } else {
        fields.insert("kind", "\"ConfigMap\"".to_owned());
        if is_map("binaryData") {
            fields.insert("binaryData", data(object, "binaryData"));
        }
    }
    let members: Vec<String> = fields.iter().map(|(key, json)| format!("\"{key}\":{json}")).collect();
    let digest = Sha256::digest(format!("{{{}}}", members.join(",")));
    let digits = digest.iter().take(5).flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| match digit {
            0 => 'g',
            1 => 'h',
            3 => 'k',
            10 => 'm',
            14 => 't',
            digit => char::from_digit(u32::from(digit), 16).expect("four bits are a hexadecimal digit"),
        })
        .collect()
}

fn data(object: &Node, field: &str) -> String {
    match object.get(field) {
        _ if planted::is(Bug::HashWithoutData) => "\"\"".to_owned(),
        None => "\"\"".to_owned(),
        Some(node) if node.as_map().is_some() || node.as_seq().is_some() => go_json(node),
        Some(scalar) => go_string(&text(scalar)),
    }
}

/// JSON as Go writes it: keys sorted, no spaces.
fn go_json(node: &Node) -> String {
    match &node.value {
        Value::Map(map) => {
            let sorted: BTreeMap<&String, &Node> = map.iter().collect();
            let members: Vec<String> =
                sorted.iter().map(|(key, value)| format!("{}:{}", go_string(key), go_json(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Seq(items) => format!("[{}]", items.iter().map(go_json).collect::<Vec<_>>().join(",")),
        Value::String(text) => go_string(text),
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
    }
}

/// A string as Go's encoding/json writes it, with `<`, `>` and `&` escaped.
fn go_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => json.push(character),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_kustomize() {
        let hash = |text: &str| content_hash(&yaml::parse_one("x", text.as_bytes()).unwrap());
        assert_eq!(
            hash("{kind: ConfigMap, metadata: {name: x}, data: {MODEL_VERSION: '3.1'}}"),
            "2fgc7dh88c"
        );
        assert_eq!(
            hash("{kind: ConfigMap, metadata: {name: y}, data: {MODEL_VERSION: '3.2'}}"),
            "f2bft7bbk9"
        );
        assert_eq!(hash("{kind: ConfigMap, data: {MODEL_VERSION: '3.1', A: b}}"), "74tm4tg9tt");
        // The fixed vectors of api hasher/hasher_test.go.
        assert_eq!(hash("{apiVersion: v1, kind: ConfigMap}"), "6ct58987ht");
        assert_eq!(hash("{apiVersion: v1, kind: ConfigMap, data: {one: ''}}"), "9g67k2htb6");
    }
}
