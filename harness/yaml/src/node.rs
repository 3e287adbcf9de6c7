use indexmap::IndexMap;

use crate::{Place, Problem};

/// The entries of a mapping in the order they were written.
pub type Map = IndexMap<String, Node>;

/// A YAML value and the place it was read from.
///
/// Equality compares values only: the same content at another place is equal.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands; for an alias, the place of the alias.
    pub place: Place,
}

/// The kinds of YAML values, those of JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `false` and YAML 1.1's other spellings.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping; keys are text.
    Map(Map),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self.as_map(), other.as_map()) {
            (Some(one), Some(two)) => same_entries(one, two),
            (Some(_) | None, _) => self.value == other.value,
        }
    }
}

/// Whether two mappings hold the same, in whatever order. It mostly is the same order, and then no key
/// has to be looked up.
fn same_entries(one: &Map, two: &Map) -> bool {
    let has_same = |(at, (key, value)): (usize, (&String, &Node))| match two.get_index(at) {
        Some((same, other)) if same == key => other == value,
        Some(_) | None => two.get(key) == Some(value),
    };
    one.len() == two.len() && one.iter().enumerate().all(has_same)
}

impl Node {
    /// A value at a place.
    pub fn new(value: Value, place: Place) -> Self {
        Self { value, place }
    }

    /// The entry `key` of a mapping; `None` for a missing key and for any other kind of value.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// The node at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Like [`Node::at`], to change what is there.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Node> {
        path.iter().try_fold(self, |node, key| node.as_map_mut()?.get_mut(*key))
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The mapping, to change it.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The sequence, if it is one.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar as text: a number or a boolean by the letters that it was written with, so that `1.10` and
    /// `0x20` stay what they are; nothing as the empty text. `None` for a list or a mapping.
    ///
    /// ```
    /// let node = yaml::parse_one("t.yaml", b"{ a: 1.10, b: 0x20, c: [1] }").unwrap();
    /// let text = |key: &str| node.get(key).unwrap().text_as_written();
    /// assert_eq!((text("a").as_deref(), text("b").as_deref(), text("c")), (Some("1.10"), Some("0x20"), None));
    /// ```
    pub fn text_as_written(&self) -> Option<String> {
        let value = match &self.value {
            Value::String(text) => return Some(text.clone()),
            Value::Null => return Some(String::new()),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Seq(_) | Value::Map(_) => return None,
        };
        Some(self.letters().unwrap_or(value))
    }

    /// The letters of a scalar without quotes in its file; none for an alias, whose letters are elsewhere.
    fn letters(&self) -> Option<String> {
        let line = self.place.line_text()?;
        let start = line.char_indices().nth((self.place.column as usize).checked_sub(1)?)?.0;
        let letters = line[start..].chars().take_while(|c| !c.is_whitespace() && !",}]".contains(*c));
        let letters: String = letters.collect();
        (!letters.is_empty() && !letters.starts_with(['*', '&', '!'])).then_some(letters)
    }

    /// The text at the end of a path of keys.
    pub fn str_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// What kind of value it is, for messages: "a mapping", "text".
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::String(_) => "text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// A problem at this node's place.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::at(&self.place, message)
    }

    /// The same value as JSON; a number that JSON cannot hold becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) => Json::from(*value),
            Value::String(value) => Json::String(value.clone()),
            Value::Seq(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(map) => map.iter().map(|(key, node)| (key.clone(), node.to_json())).collect(),
        }
    }

    /// A tree from JSON, every node of it at `place`.
    pub fn from_json(json: &serde_json::Value, place: &Place) -> Self {
        use serde_json::Value as Json;
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(text.clone()),
            Json::Array(items) => Value::Seq(items.iter().map(|item| Self::from_json(item, place)).collect()),
            Json::Object(map) => Value::Map(
                map.iter().map(|(key, value)| (key.clone(), Self::from_json(value, place))).collect(),
            ),
        };
        Self::new(value, place.clone())
    }

    /// The tree as YAML text, in block style, ending with a line feed.
    pub fn to_yaml(&self) -> String {
        let mut text = serde_saphyr::to_string(self).expect("a tree of plain values is always serialisable");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

impl serde::Serialize for Node {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::String(value) => serializer.serialize_str(value),
            Value::Seq(items) => serializer.collect_seq(items),
            Value::Map(map) => serializer.collect_map(map),
        }
    }
}
