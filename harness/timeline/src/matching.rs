use serde_json::Value as Json;
use yaml::{Node, Value};

/// Where `object` does not contain what `wanted` says, as `path: what is there`; `None` where it does.
///
/// Mappings are compared by the keys that `wanted` has, lists whole, scalars by value, where `1` and
/// `1.0` are one number. A key that `wanted` sets to null must be null or missing.
pub(crate) fn difference(wanted: &Node, object: &Json) -> Option<String> {
    let mut path = Vec::new();
    differs_at(wanted, object, &mut path, Extent::Part).then(|| {
        let there = path.iter().try_fold(object, |value, key: &String| match value {
            Json::Array(items) => items.get(key.parse::<usize>().ok()?),
            other => other.get(key),
        });
        let found = there.map_or("missing".to_owned(), Json::to_string);
        if path.is_empty() { format!("it is {found}") } else { format!("{} is {found}", path.join(".")) }
    })
}

/// How much of a mapping must be said.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    /// Keys that are not spoken of are free.
    Part,
    /// The keys must be the same: inside lists.
    Whole,
}

/// Leaves the path of the first difference in `path`.
fn differs_at(wanted: &Node, object: &Json, path: &mut Vec<String>, extent: Extent) -> bool {
    match (&wanted.value, object) {
        (Value::Map(map), Json::Object(fields)) => {
            for (key, node) in map {
                path.push(key.clone());
                if differs_at(node, fields.get(key).unwrap_or(&Json::Null), path, extent) {
                    return true;
                }
                path.pop();
            }
            match fields.keys().find(|key| extent == Extent::Whole && !map.contains_key(*key)) {
                Some(extra) => {
                    path.push(extra.clone());
                    true
                }
                None => false,
            }
        }
        (Value::Seq(nodes), Json::Array(items)) => {
            for (index, (node, item)) in nodes.iter().zip(items).enumerate() {
                path.push(index.to_string());
                if differs_at(node, item, path, Extent::Whole) {
                    return true;
                }
                path.pop();
            }
            nodes.len() != items.len()
        }
        (Value::Int(number), Json::Number(other)) => !same_number(*number as f64, other),
        (Value::Float(number), Json::Number(other)) => !same_number(*number, other),
        (Value::String(text), Json::String(other)) => text != other,
        (Value::Bool(flag), Json::Bool(other)) => flag != other,
        (Value::Null, other) => !other.is_null(),
        (
            Value::Map(_)
            | Value::Seq(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Bool(_),
            _,
        ) => true,
    }
}

fn same_number(wanted: f64, found: &serde_json::Number) -> bool {
    found.as_f64() == Some(wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The difference between a YAML text and an object.
    fn check(wanted: &str, object: Json) -> Option<String> {
        difference(&yaml::parse_one("wanted.yaml", wanted.as_bytes()).unwrap(), &object)
    }

    #[test]
    fn mappings_match_by_their_keys_and_lists_as_a_whole() {
        let object =
            json!({"spec": {"replicas": 5, "paused": null, "args": ["a", {"b": 1, "c": 2}]}, "status": {}});
        let cases = [
            ("spec: {replicas: 5}", None),
            ("spec: {replicas: 5.0}", None),
            ("spec: {absent: null}", None),
            ("spec: {args: [a, {b: 1, c: 2}]}", None),
            ("spec: {replicas: 4}", Some("spec.replicas is 5")),
            ("spec: {replicas: '5'}", Some("spec.replicas is 5")),
            ("spec: {other: 1}", Some("spec.other is missing")),
            ("spec: {args: [a]}", Some("spec.args is [\"a\",{\"b\":1,\"c\":2}]")),
            ("spec: {args: [a, {b: 1}]}", Some("spec.args.1.c is 2")),
            ("spec: {args: [b, {b: 1, c: 2}]}", Some("spec.args.0 is \"a\"")),
            ("status: [1]", Some("status is {}")),
        ];
        for (wanted, expected) in cases {
            assert_eq!(check(wanted, object.clone()).as_deref(), expected, "{wanted}");
        }
    }
}
