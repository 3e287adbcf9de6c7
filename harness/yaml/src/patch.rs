use crate::{Map, Node, Value};

/// Applies a JSON merge patch (RFC 7386): mappings merge, null removes, anything else replaces.
pub fn merge_patch(target: &mut Node, patch: &Node) {
    let Some(changes) = patch.as_map() else {
        *target = patch.clone();
        return;
    };
    if target.as_map().is_none() {
        *target = Node::new(Value::Map(Map::new()), patch.place.clone());
    }
    let Some(map) = target.as_map_mut() else { return };
    for (key, change) in changes {
        if change.is_null() {
            map.shift_remove(key);
        } else if let Some(existing) = map.get_mut(key) {
            merge_patch(existing, change);
        } else {
            let mut added = Node::new(Value::Null, change.place.clone());
            merge_patch(&mut added, change);
            map.insert(key.clone(), added);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        // A document by itself may not be null.
        let document = crate::parse_one("test.yaml", format!("node: {text}").as_bytes()).unwrap();
        document.get("node").unwrap().clone()
    }

    #[test]
    fn merge_patches_do_what_the_appendix_of_rfc_7386_says() {
        for (target, patch, result) in [
            ("{a: b}", "{a: c}", "{a: c}"),
            ("{a: b}", "{b: c}", "{a: b, b: c}"),
            ("{a: b}", "{a: null}", "{}"),
            ("{a: b, b: c}", "{a: null}", "{b: c}"),
            ("{a: [b]}", "{a: c}", "{a: c}"),
            ("{a: c}", "{a: [b]}", "{a: [b]}"),
            ("{a: {b: c}}", "{a: {b: d, c: null}}", "{a: {b: d}}"),
            ("{a: [{b: c}]}", "{a: [1]}", "{a: [1]}"),
            ("[a, b]", "[c, d]", "[c, d]"),
            ("{a: b}", "[c]", "[c]"),
            ("{a: foo}", "null", "null"),
            ("{a: foo}", "bar", "bar"),
            ("{e: null}", "{a: 1}", "{e: null, a: 1}"),
            ("[1, 2]", "{a: b, c: null}", "{a: b}"),
            ("{}", "{a: {bb: {ccc: null}}}", "{a: {bb: {}}}"),
        ] {
            let mut patched = node(target);
            merge_patch(&mut patched, &node(patch));
            assert_eq!(patched, node(result), "{target} patched with {patch}");
        }
    }
}
