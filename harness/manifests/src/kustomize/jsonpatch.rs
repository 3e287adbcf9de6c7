//! JSON patches (RFC 6902) as kustomize applies them (evanphx/json-patch v4), on nodes, so that
//! every value keeps its place.
//!
//! Two rules are wider than the RFC and are kept: `replace` of a missing key of an object adds it,
//! and negative indices count from the end.

use yaml::{Map, Node, Problem, Value};

use super::error::Result;
use super::resource::size;

/// How many values the `copy` and `move` operations of one patch may duplicate.
const MAX_COPIED: usize = 100_000;

/// How deep an operation may nest an object.
const MAX_DEPTH: usize = 128;

/// One operation of a patch.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    kind: Kind,
    path: String,
    node: Node,
}

#[derive(Debug, Clone)]
enum Kind {
    Add(Node),
    Remove,
    Replace(Node),
    Move(String),
    Copy(String),
    Test(Node),
}

/// Reads a patch.
///
/// # Errors
/// Anything but a list of operations, an unknown operation, a missing path.
pub(crate) fn decode(node: &Node) -> Result<Vec<Operation>> {
    let Some(items) = node.as_seq() else {
        return Err(node
            .problem(format!("a JSON patch is a list of operations, and this is {}", node.kind()))
            .into());
    };
    items.iter().map(operation).collect()
}

fn operation(node: &Node) -> Result<Operation> {
    let Some(map) = node.as_map() else {
        return Err(node
            .problem(format!("an operation of a JSON patch is a mapping, and this is {}", node.kind()))
            .into());
    };
    let word = |key: &str| map.get(key).and_then(Node::as_str).map(str::to_owned);
    let op = word("op").unwrap_or_else(|| "unknown".to_owned());
    let missing = |what: &str| node.problem(format!("{op} operation failed to decode {what}: missing value"));
    let path = word("path").ok_or_else(|| missing("path"))?;
    let from = || word("from").ok_or_else(|| missing("from"));
    let value = || map.get("value").cloned().unwrap_or_else(|| Node::new(Value::Null, node.place.clone()));
    let kind = match op.as_str() {
        "add" => Kind::Add(value()),
        "remove" => Kind::Remove,
        "replace" => Kind::Replace(value()),
        "move" => Kind::Move(from()?),
        "copy" => Kind::Copy(from()?),
        "test" => Kind::Test(value()),
        other => {
            let help = "the operations are `add`, `remove`, `replace`, `move`, `copy` and `test`";
            return Err(node.problem(format!("Unexpected kind: {other}")).with_help(help).into());
        }
    };
    Ok(Operation { kind, path, node: node.clone() })
}

/// Applies the operations in order.
///
/// # Errors
/// An operation whose path does not exist, a failed test, too much copying.
pub(crate) fn apply(object: &mut Node, operations: &[Operation]) -> Result<()> {
    let mut copied = 0;
    for operation in operations {
        apply_one(object, operation, &mut copied)
            .map_err(|message| Problem::at(&operation.node.place, message))?;
    }
    Ok(())
}

fn apply_one(
    object: &mut Node,
    operation: &Operation,
    copied: &mut usize,
) -> std::result::Result<(), String> {
    let path = operation.path.as_str();
    match &operation.kind {
        Kind::Add(value) => {
            demand_shallow(path, value)?;
            let (parent, key) = parent(object, path).ok_or_else(|| {
                format!("add operation does not apply: doc is missing path: \"{path}\": missing value")
            })?;
            add(parent, &key, value.clone()).map_err(|why| format!("error in add for path: '{path}': {why}"))
        }
        Kind::Remove => {
            let (parent, key) = parent(object, path).ok_or_else(|| {
                format!("remove operation does not apply: doc is missing path: \"{path}\": missing value")
            })?;
            remove(parent, &key)
                .map(|_| ())
                .map_err(|why| format!("error in remove for path: '{path}': {why}"))
        }
        Kind::Replace(value) => replace(object, path, value),
        Kind::Move(from) => {
            let (parent, key) = source(object, "move", from)?;
            let value =
                remove(parent, &key).map_err(|why| format!("error in move for path: '{key}': {why}"))?;
            put(object, "move", path, value)
        }
        Kind::Copy(from) => {
            let (parent, key) = source(object, "copy", from)?;
            let value = get(parent, &key)
                .map_err(|why| format!("error in copy for from: '{from}': {why}"))?
                .cloned()
                .unwrap_or_else(|| Node::new(Value::Null, operation.node.place.clone()));
            *copied += size(&value);
            if *copied > MAX_COPIED {
                return Err(format!("the patch copies more than {MAX_COPIED} values"));
            }
            put(object, "copy", path, value)
        }
        Kind::Test(expected) => test(object, path, expected),
    }
}

fn replace(object: &mut Node, path: &str, value: &Node) -> std::result::Result<(), String> {
    demand_shallow(path, value)?;
    if path.is_empty() {
        if value.as_map().is_none() {
            return Err("replace operation value must be object or array".to_owned());
        }
        *object = value.clone();
        return Ok(());
    }
    let (parent, key) = parent(object, path).ok_or_else(|| {
        format!("replace operation does not apply: doc is missing path: {path}: missing value")
    })?;
    match &mut parent.value {
        Value::Seq(items) => {
            let index = index(&key, items.len()).map_err(|_| {
                format!("replace operation does not apply: doc is missing key: {path}: missing value")
            })?;
            items[index] = value.clone();
            Ok(())
        }
        _ => add(parent, &key, value.clone()),
    }
}

fn test(object: &mut Node, path: &str, expected: &Node) -> std::result::Result<(), String> {
    let found = if path.is_empty() {
        Some(&*object)
    } else {
        let (parent, key) = parent(object, path).ok_or_else(|| {
            format!("test operation does not apply: is missing path: {path}: missing value")
        })?;
        get(parent, &key).map_err(|why| format!("error in test for path: '{path}': {why}"))?
    };
    let equal = found.map_or(expected.is_null(), |found| found == expected);
    if equal { Ok(()) } else { Err(format!("testing value {path} failed: test failed")) }
}

fn source<'a>(
    object: &'a mut Node,
    op: &str,
    from: &str,
) -> std::result::Result<(&'a mut Node, String), String> {
    parent(object, from).ok_or_else(|| {
        format!("{op} operation does not apply: doc is missing from path: {from}: missing value")
    })
}

fn put(object: &mut Node, op: &str, path: &str, value: Node) -> std::result::Result<(), String> {
    demand_shallow(path, &value)?;
    let (parent, key) = parent(object, path).ok_or_else(|| {
        format!("{op} operation does not apply: doc is missing destination path: {path}: missing value")
    })?;
    add(parent, &key, value).map_err(|why| format!("error in {op} for path: '{path}': {why}"))
}

/// The container that the path's last key belongs to, and that key
/// (evanphx/json-patch patch.go: findObject, which ignores what stands before the first slash).
fn parent<'a>(object: &'a mut Node, path: &str) -> Option<(&'a mut Node, String)> {
    let mut keys: Vec<String> = path.split('/').skip(1).map(unescape).collect();
    let last = keys.pop()?;
    let mut container = object;
    for key in keys {
        container = match &mut container.value {
            Value::Map(map) => map.get_mut(&key)?,
            Value::Seq(items) => {
                let index = index(&key, items.len()).ok()?;
                items.get_mut(index)?
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => return None,
        };
    }
    matches!(container.value, Value::Map(_) | Value::Seq(_)).then_some((container, last))
}

/// `~1` is a slash and `~0` a tilde, read in one pass.
fn unescape(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    let mut rest = key;
    while let Some(tilde) = rest.find('~') {
        let (before, after) = rest.split_at(tilde);
        text.push_str(before);
        let (character, length) = match after.as_bytes().get(1) {
            Some(b'1') => ('/', 2),
            Some(b'0') => ('~', 2),
            _ => ('~', 1),
        };
        text.push(character);
        rest = &after[length..];
    }
    text.push_str(rest);
    text
}

/// The place of an existing element; negative indices count from the end.
fn index(key: &str, length: usize) -> std::result::Result<usize, String> {
    let index: i64 = key.parse().map_err(|_| format!("value was not a proper array index: '{key}'"))?;
    let length = length as i64;
    let from_start = if index < 0 { index + length } else { index };
    if (0..length).contains(&from_start) {
        Ok(from_start as usize)
    } else {
        Err(format!("Unable to access invalid index: {index}: invalid index referenced"))
    }
}

fn get<'a>(parent: &'a Node, key: &str) -> std::result::Result<Option<&'a Node>, String> {
    match &parent.value {
        Value::Seq(items) => index(key, items.len()).map(|index| items.get(index)),
        _ => Ok(parent.get(key)),
    }
}

fn add(parent: &mut Node, key: &str, value: Node) -> std::result::Result<(), String> {
    match &mut parent.value {
        Value::Map(map) => {
            map.insert(key.to_owned(), value);
        }
        Value::Seq(items) if key == "-" => items.push(value),
        Value::Seq(items) => {
            let index = index(key, items.len() + 1)?;
            items.insert(index, value);
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
    Ok(())
}

fn remove(parent: &mut Node, key: &str) -> std::result::Result<Node, String> {
    match &mut parent.value {
        Value::Seq(items) => {
            let index = index(key, items.len())?;
            Ok(items.remove(index))
        }
        _ => parent
            .as_map_mut()
            .and_then(|map: &mut Map| map.shift_remove(key))
            .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value")),
    }
}

fn demand_shallow(path: &str, value: &Node) -> std::result::Result<(), String> {
    if path.split('/').count() + depth(value) <= MAX_DEPTH {
        return Ok(());
    }
    Err(format!("the patch nests values deeper than {MAX_DEPTH}"))
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Seq(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(object: &str, patch: &str) -> std::result::Result<Node, String> {
        let mut object = yaml::parse_one("object", object.as_bytes()).unwrap();
        let operations = decode(&yaml::parse_one("patch", patch.as_bytes()).unwrap())
            .map_err(|error| error.into_problem().message)?;
        apply(&mut object, &operations).map_err(|error| error.into_problem().message)?;
        Ok(object)
    }

    #[test]
    fn operations_do_what_the_library_of_kustomize_does() {
        let cases = [
            ("{a: {b: 1}}", "[{op: add, path: /a/c, value: 2}]", "{a: {b: 1, c: 2}}"),
            ("{a: {}}", "[{op: replace, path: /a/missing, value: 2}]", "{a: {missing: 2}}"),
            (
                "{a: [1, 2]}",
                "[{op: add, path: /a/-, value: 3}, {op: add, path: /a/0, value: 0}]",
                "{a: [0, 1, 2, 3]}",
            ),
            ("{a: [1, 2, 3]}", "[{op: remove, path: /a/-1}]", "{a: [1, 2]}"),
            ("{a/b: {x~y: 1}}", "[{op: replace, path: /a~1b/x~0y, value: 2}]", "{a/b: {x~y: 2}}"),
            ("{a: {~1: 1}}", "[{op: replace, path: /a/~01, value: 2}]", "{a: {~1: 2}}"),
            ("{a: 1}", "[{op: move, from: /a, path: /b}]", "{b: 1}"),
            (
                "{a: {x: 1}}",
                "[{op: copy, from: /a, path: /b}, {op: test, path: /b/x, value: 1}]",
                "{a: {x: 1}, b: {x: 1}}",
            ),
            ("{a: 1}", "[{op: test, path: /none, value: null}]", "{a: 1}"),
        ];
        for (object, patch, expected) in cases {
            assert_eq!(
                patched(object, patch),
                Ok(yaml::parse_one("x", expected.as_bytes()).unwrap()),
                "{patch}"
            );
        }
    }

    #[test]
    fn an_operation_that_does_not_apply_says_why() {
        let cases = [
            "[{op: replace, path: /x/y, value: 1}]",
            "[{op: remove, path: /none}]",
            "[{op: add, path: '', value: 1}]",
            "[{op: add, path: /list/9, value: 1}]",
            "[{op: add, path: /list/first, value: 1}]",
            "[{op: replace, path: /list/9, value: 1}]",
            "[{op: test, path: /a, value: 2}]",
            "[{op: move, from: /a/b, path: /c}]",
            "[{op: merge, path: /a}]",
            "[{op: add}]",
            "[7]",
        ];
        let refused =
            |patch: &&str| format!("{patch}\n  {}", patched("{a: 1, list: []}", patch).unwrap_err());
        insta::assert_snapshot!(cases.iter().map(refused).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn copying_and_nesting_are_bounded() {
        let nest = "{op: add, path: /b, value: {}}, {op: move, from: /a, path: /b/x}, {op: move, from: /b, path: /a},";
        let error = patched("{a: 1}", &format!("[{}]", nest.repeat(200))).unwrap_err();
        assert_eq!(error, "the patch nests values deeper than 128");

        let double = "{op: copy, from: /a, path: /a/-},".repeat(40);
        let error = patched("{a: [1, 2]}", &format!("[{double}]")).unwrap_err();
        assert_eq!(error, "the patch copies more than 100000 values");
    }
}
