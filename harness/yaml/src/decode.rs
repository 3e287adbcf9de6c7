use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use crate::{Map, Node, Place, Problem, Value, did_you_mean};

/// Turns a node into a typed value.
///
/// # Errors
/// The first thing that does not fit, at its own place; an unknown key with a suggestion.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, Problem> {
    T::deserialize(NodeDeserializer { node, unknown: None }).map_err(|error| error.located(&node.place))
}

/// Like [`decode`], and returns beside the value every key that `T` has no field for, as a node at
/// its place with its path. For manifests, whose types here name only what is modelled.
///
/// # Errors
/// As [`decode`].
pub fn decode_noting_unknown<T: DeserializeOwned>(node: &Node) -> Result<(T, Vec<(String, Place)>), Problem> {
    let unknown = RefCell::new(Unknown::default());
    let value = T::deserialize(NodeDeserializer { node, unknown: Some(&unknown) })
        .map_err(|error| error.located(&node.place))?;
    Ok((value, unknown.into_inner().found))
}

/// A value and where it stands in the file it was decoded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its line, from 1.
    pub line: u32,
    /// Its column in characters, from 1.
    pub column: u32,
}

impl<T> Located<T> {
    /// Its place, given the source that it was decoded from.
    pub fn place(&self, source: &std::sync::Arc<crate::Source>) -> Place {
        Place { source: source.clone(), line: self.line, column: self.column }
    }
}

const LOCATED: &str = "$rehearse::Located";

impl<'de, T: de::Deserialize<'de>> de::Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<T>(PhantomData<T>);
        impl<'de, T: de::Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = Located<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value read from YAML")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Located<T>, A::Error> {
                let missing = || de::Error::custom("a located value comes only from a YAML node");
                let line = access.next_element()?.ok_or_else(missing)?;
                let column = access.next_element()?.ok_or_else(missing)?;
                let value = access.next_element()?.ok_or_else(missing)?;
                Ok(Located { value, line, column })
            }
        }
        deserializer.deserialize_tuple_struct(LOCATED, 3, Parts(PhantomData))
    }
}

/// Keys met on the way that the target has no field for.
#[derive(Default)]
struct Unknown {
    path: Vec<String>,
    found: Vec<(String, Place)>,
}

/// Why a node does not fit; it gains a place at the innermost node that knows one.
#[derive(Debug)]
struct DecodeError {
    message: String,
    place: Option<Place>,
    help: Option<String>,
}

impl DecodeError {
    fn at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    fn located(self, place: &Place) -> Problem {
        let error = self.at(place);
        Problem { message: error.message, place: error.place, help: error.help }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), place: None, help: None }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let help = match did_you_mean(field, expected.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None if expected.is_empty() => "no keys belong here".to_owned(),
            None => format!("the keys here are {}", list(expected)),
        };
        Self { help: Some(help), ..Self::custom(format!("unknown key `{}`", shortened(field))) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let help = match did_you_mean(variant, expected.iter().copied()) {
            Some(known) => format!("did you mean `{known}`? The choices are {}", list(expected)),
            None => format!("the choices are {}", list(expected)),
        };
        Self { help: Some(help), ..Self::custom(format!("`{}` is not a choice here", shortened(variant))) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("the key `{field}` is missing"))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            de::Unexpected::Signed(value) => value.to_string(),
            de::Unexpected::Unsigned(value) => value.to_string(),
            de::Unexpected::Float(value) => value.to_string(),
            other => other.to_string(),
        };
        let expected = match expected.to_string().as_str() {
            "u8" | "u16" | "u32" | "u64" | "usize" => {
                "a whole number that is not negative and not too large".to_owned()
            }
            "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number that is not too large".to_owned(),
            other => other.to_owned(),
        };
        Self::custom(format!("expected {expected}, found {found}"))
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            de::Unexpected::Map => "a mapping".to_owned(),
            de::Unexpected::Seq => "a list".to_owned(),
            de::Unexpected::Unit => "nothing".to_owned(),
            de::Unexpected::Str(text) => format!("the text `{}`", shortened(text)),
            de::Unexpected::Bool(value) => format!("the boolean {value}"),
            de::Unexpected::Signed(value) => format!("the number {value}"),
            de::Unexpected::Unsigned(value) => format!("the number {value}"),
            de::Unexpected::Float(value) => format!("the number {value}"),
            other => other.to_string(),
        };
        let expected = match expected.to_string().as_str() {
            "a sequence" => "a list".to_owned(),
            "a map" => "a mapping".to_owned(),
            "a string" => "text".to_owned(),
            "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
            "f32" | "f64" => "a number".to_owned(),
            other => {
                other.strip_prefix("struct ").map_or_else(|| other.to_owned(), |_| "a mapping".to_owned())
            }
        };
        Self::custom(format!("expected {expected}, found {found}"))
    }
}

/// A word long enough to recognise it by.
fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[derive(Clone, Copy)]
struct NodeDeserializer<'a> {
    node: &'a Node,
    unknown: Option<&'a RefCell<Unknown>>,
}

impl<'a> NodeDeserializer<'a> {
    fn child(self, node: &'a Node) -> Self {
        Self { node, ..self }
    }

    fn map_access(self, map: &'a Map, fields: Option<&'static [&'static str]>) -> MapReader<'a> {
        MapReader { parent: self, entries: map.iter(), current: None, fields, ignoring: false }
    }

    fn mismatch<'de, V: Visitor<'de>>(self, visitor: &V) -> DecodeError {
        let unexpected = match &self.node.value {
            Value::Null => de::Unexpected::Unit,
            Value::Bool(value) => de::Unexpected::Bool(*value),
            Value::Int(value) => de::Unexpected::Signed(*value),
            Value::Float(value) => de::Unexpected::Float(*value),
            Value::String(text) => de::Unexpected::Str(text),
            Value::Seq(_) => de::Unexpected::Seq,
            Value::Map(_) => de::Unexpected::Map,
        };
        <DecodeError as de::Error>::invalid_type(unexpected, visitor).at(&self.node.place)
    }
}

impl<'de, 'a: 'de> Deserializer<'de> for NodeDeserializer<'a> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_str(text),
            Value::Seq(items) => {
                visitor.visit_seq(SeqReader { parent: self, items: items.iter().enumerate() })
            }
            Value::Map(map) => visitor.visit_map(self.map_access(map, None)),
        }
        .map_err(|error| error.at(&self.node.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self).map_err(|error| error.at(&self.node.place))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == LOCATED {
            visitor.visit_seq(LocatedParts { inner: self, next: 0 })
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Map(map) => visitor
                .visit_map(self.map_access(map, Some(fields)))
                .map_err(|error| error.at(&self.node.place)),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        choices: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Map(map) if map.len() == 1 => {
                let (name, content) = map.first().expect("the map has one entry");
                visitor.visit_enum(Variant { name, content: self.child(content) })
            }
            Value::Map(map) if map.is_empty() => {
                Err(de::Error::custom(format!("one of {} belongs here", list(choices))))
            }
            Value::Map(map) => Err(de::Error::custom(format!(
                "exactly one of {} belongs here, found {}",
                list(choices),
                list(&map.keys().map(String::as_str).collect::<Vec<_>>())
            ))),
            _ => Err(self.mismatch(&visitor)),
        }
        .map_err(|error: DecodeError| error.at(&self.node.place))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple map identifier
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}

struct SeqReader<'a> {
    parent: NodeDeserializer<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de, 'a: 'de> de::SeqAccess<'de> for SeqReader<'a> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        within(self.parent.unknown, || format!("[{index}]"), || seed.deserialize(self.parent.child(item)))
            .map(Some)
    }
}

struct MapReader<'a> {
    parent: NodeDeserializer<'a>,
    entries: indexmap::map::Iter<'a, String, Node>,
    current: Option<(&'a str, &'a Node)>,
    /// The fields of the struct being read, where it is one.
    fields: Option<&'static [&'static str]>,
    ignoring: bool,
}

impl<'de, 'a: 'de> de::MapAccess<'de> for MapReader<'a> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.current = Some((key, node));
        self.ignoring = self.fields.is_some_and(|fields| !fields.contains(&key.as_str()));
        if let (true, Some(unknown)) = (self.ignoring, self.parent.unknown) {
            let mut unknown = unknown.borrow_mut();
            let path = unknown.path.iter().map(String::as_str).chain([key.as_str()]).collect::<Vec<_>>();
            let path = path.join(".").replace(".[", "[");
            unknown.found.push((path, node.place.clone()));
        }
        seed.deserialize(key.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: DecodeError| error.at(&key_place(key, node)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let (key, node) = self.current.expect("serde asks for a value after its key");
        within(self.parent.unknown, || key.to_owned(), || seed.deserialize(self.parent.child(node)))
            .map_err(|error| error.at(&node.place))
    }
}

/// Runs `read` with `segment` on the path that unknown keys are reported with.
fn within<T>(
    unknown: Option<&RefCell<Unknown>>,
    segment: impl FnOnce() -> String,
    read: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let Some(unknown) = unknown else { return read() };
    unknown.borrow_mut().path.push(segment());
    let result = read();
    unknown.borrow_mut().path.pop();
    result
}

/// Where a key stands: nodes keep the place of their value, and the key is looked for before it, on
/// the same line or on the nearest line above that begins with it.
fn key_place(key: &str, value: &Node) -> Place {
    let place = &value.place;
    let lines: Vec<&str> = place.source.text.lines().take(place.line as usize).collect();
    for (index, line) in lines.iter().enumerate().rev() {
        let Some(byte) = line.find(key) else { continue };
        let column = line[..byte].chars().count() as u32 + 1;
        return Place { line: index as u32 + 1, column, ..place.clone() };
    }
    place.clone()
}

struct Variant<'a> {
    name: &'a str,
    content: NodeDeserializer<'a>,
}

impl<'de, 'a: 'de> de::EnumAccess<'de> for Variant<'a> {
    type Error = DecodeError;
    type Variant = NodeDeserializer<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), DecodeError> {
        let name = seed
            .deserialize(self.name.into_deserializer())
            .map_err(|error: DecodeError| error.at(&key_place(self.name, self.content.node)))?;
        Ok((name, self.content))
    }
}

impl<'de, 'a: 'de> de::VariantAccess<'de> for NodeDeserializer<'a> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.node.value {
            Value::Null => Ok(()),
            _ => {
                Err(<DecodeError as de::Error>::custom("nothing belongs under this key").at(&self.node.place))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_struct("", fields, visitor)
    }
}

/// Hands a [`Located`] its line, its column and then the value.
struct LocatedParts<'a> {
    inner: NodeDeserializer<'a>,
    next: u8,
}

impl<'de, 'a: 'de> de::SeqAccess<'de> for LocatedParts<'a> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        self.next += 1;
        let place = &self.inner.node.place;
        match self.next {
            1 => seed.deserialize(place.line.into_deserializer()),
            2 => seed.deserialize(place.column.into_deserializer()),
            3 => seed.deserialize(self.inner),
            _ => return Ok(None),
        }
        .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::parse_one;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        replicas: u32,
        #[serde(default)]
        strategy: Option<Strategy>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Strategy {
        Canary { weight: Located<u32> },
        Recreate,
    }

    #[derive(Debug, Deserialize)]
    struct Lenient {
        #[allow(dead_code)]
        spec: LenientSpec,
    }

    #[derive(Debug, Deserialize)]
    struct LenientSpec {
        #[allow(dead_code)]
        replicas: u32,
    }

    fn strict(text: &str) -> Result<Strict, String> {
        decode(&parse_one("r.yaml", text.as_bytes()).unwrap()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_misspelt_key_is_shown_with_its_line_and_a_suggestion() {
        let error = strict("replicas: 3\nstratgy:\n  canary: {weight: 10}\n").unwrap_err();
        assert!(error.contains("unknown key `stratgy`"), "{error}");
        assert!(error.contains("r.yaml:2:1"), "{error}");
        assert!(error.contains("2 | stratgy:"), "{error}");
        assert!(error.contains("did you mean `strategy`?"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_told_at_its_own_place() {
        let error = strict("replicas: 3\nstrategy:\n  canary:\n    weight: ten\n").unwrap_err();
        assert!(error.contains("r.yaml:4:13") && error.contains("the text `ten`"), "{error}");
        let error = strict("replicas: [1]\n").unwrap_err();
        assert!(error.contains("r.yaml:1:11") && error.contains("found a list"), "{error}");
    }

    #[test]
    fn a_missing_key_and_a_wrong_choice_are_named() {
        assert!(strict("strategy: recreate\n").unwrap_err().contains("the key `replicas` is missing"));
        let error = strict("replicas: 1\nstrategy: recreat\n").unwrap_err();
        assert!(error.contains("did you mean `recreate`?"), "{error}");
        let error = strict("replicas: 1\nstrategy: {canary: {weight: 1}, recreate: }\n").unwrap_err();
        assert!(error.contains("exactly one of"), "{error}");
    }

    #[test]
    fn a_located_value_keeps_its_place() {
        let value = strict("replicas: 3\nstrategy: {canary: {weight: 10}}\n").unwrap();
        let weight = Located { value: 10, line: 2, column: 29 };
        assert_eq!(value.strategy, Some(Strategy::Canary { weight }));
    }

    #[test]
    fn keys_without_a_field_are_noted_with_path_and_place() {
        let node = parse_one("r.yaml", b"spec:\n  replicas: 3\n  paused: true\n").unwrap();
        let (_, unknown) = decode_noting_unknown::<Lenient>(&node).unwrap();
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].0, "spec.paused");
        assert_eq!(unknown[0].1.to_string(), "r.yaml:3:11");
    }
}
