//! Reading YAML as Prometheus reads it: no key that is not known, and texts that may be written as
//! numbers.

use units::Duration;
use yaml::{Map, Node, Problem, Value, did_you_mean};

use crate::duration;

/// A mapping with known keys.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    node: &'a Node,
    map: Option<&'a Map>,
}

/// An entry of a mapping of texts.
pub(crate) struct TextEntry<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: String,
    pub(crate) node: &'a Node,
}

impl<'a> Fields<'a> {
    /// A mapping, or nothing at all.
    ///
    /// # Errors
    /// Anything else, or a key that is not known.
    pub(crate) fn of(node: &'a Node, what: &str, known: &[&str]) -> Result<Self, Problem> {
        if node.is_null() {
            return Ok(Self { node, map: None });
        }
        let map = node.as_map().ok_or_else(|| wrong_kind(node, what, "a mapping"))?;
        if let Some((key, value)) = map.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            let problem = value.problem(format!("unknown key `{key}` in {what}"));
            return Err(problem.with_help(match did_you_mean(key, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the keys here are {}", known.join(", ")),
            }));
        }
        Ok(Self { node, map: Some(map) })
    }

    /// The mapping itself.
    pub(crate) fn node(&self) -> &'a Node {
        self.node
    }

    /// A value that is there and not null.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.map?.get(key).filter(|node| !node.is_null())
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, Problem> {
        self.get(key).map(|node| text(node, key)).transpose()
    }

    pub(crate) fn duration(&self, key: &str) -> Result<Option<Duration>, Problem> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let parsed = duration::parse(&text(node, key)?);
        parsed.map(Some).map_err(|why| {
            node.problem(format!("`{key}`: {why}")).with_help("write for example 30s, 5m or 1h30m")
        })
    }

    pub(crate) fn whole_number(&self, key: &str) -> Result<Option<i64>, Problem> {
        match self.get(key).map(|node| (node, &node.value)) {
            None => Ok(None),
            Some((_, Value::Int(number))) => Ok(Some(*number)),
            Some((node, _)) => Err(wrong_kind(node, key, "a whole number")),
        }
    }

    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, Problem> {
        match self.get(key).map(|node| (node, &node.value)) {
            None => Ok(None),
            Some((_, Value::Bool(value))) => Ok(Some(*value)),
            Some((node, _)) => Err(wrong_kind(node, key, "true or false")),
        }
    }

    pub(crate) fn list(&self, key: &str) -> Result<&'a [Node], Problem> {
        match self.get(key) {
            None => Ok(&[]),
            Some(node) => node.as_seq().ok_or_else(|| wrong_kind(node, key, "a list")),
        }
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Vec<TextEntry<'a>>, Problem> {
        let Some(node) = self.get(key) else { return Ok(Vec::new()) };
        let map = node.as_map().ok_or_else(|| wrong_kind(node, key, "a mapping of texts"))?;
        map.iter().map(|(name, node)| Ok(TextEntry { name, text: text(node, name)?, node })).collect()
    }
}

pub(crate) fn wrong_kind(node: &Node, what: &str, wanted: &str) -> Problem {
    node.problem(format!("`{what}` must be {wanted}, not {}", node.kind()))
}

/// A scalar as it is written; upstream takes the text of a number or boolean, too.
pub(crate) fn text(node: &Node, what: &str) -> Result<String, Problem> {
    node.text_as_written().ok_or_else(|| wrong_kind(node, what, "text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        yaml::parse_one("t.yaml", text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_and_booleans_are_texts_as_written() {
        let node = node("{a: 1.10, b: 007, c: yes, d: [1, 2], e: , f: x}");
        let map = node.as_map().unwrap();
        for (key, expected) in [("a", "1.10"), ("b", "007"), ("c", "yes"), ("e", ""), ("f", "x")] {
            assert_eq!(text(&map[key], key).as_deref(), Ok(expected));
        }
        assert_eq!(text(&map["d"], "d").unwrap_err().message, "`d` must be text, not a list");
    }

    #[test]
    fn unknown_keys_come_with_the_one_that_was_meant() {
        let node = node("expre: up");
        let problem = Fields::of(&node, "a rule", &["expr", "for"]).err().unwrap();
        assert_eq!(problem.message, "unknown key `expre` in a rule");
        assert_eq!(problem.help.as_deref(), Some("did you mean `expr`?"));
    }
}
