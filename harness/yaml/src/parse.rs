use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::NonFiniteFloatPolicy;

use crate::{Map, Node, Place, Problem, Source, Value};

/// The largest file that is read.
pub const MAX_BYTES: usize = 4 << 20;
/// The deepest nesting that is read.
const MAX_DEPTH: usize = 64;
/// The most values that are read from a file, those of an alias counted wherever it stands.
const MAX_VALUES: usize = 250_000;

/// Reads every document of a file; empty documents are left out.
///
/// # Errors
/// Malformed YAML, text that is not UTF-8, duplicate keys, and anything beyond the bounds of size,
/// depth, node count or alias expansion.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Node>, Problem> {
    parse_under(name, bytes, NonFiniteFloatPolicy::Reject)
}

/// [`parse`] for files that may hold `.nan` and `.inf`, which no JSON can say and so no manifest.
///
/// # Errors
/// As [`parse`].
///
/// ```
/// let documents = yaml::parse_with_non_finite("test.yaml", b"value: -.inf").unwrap();
/// assert_eq!(documents[0].get("value").unwrap().value, yaml::Value::Float(f64::NEG_INFINITY));
/// assert!(yaml::parse("test.yaml", b"value: -.inf").is_err());
/// ```
pub fn parse_with_non_finite(name: &str, bytes: &[u8]) -> Result<Vec<Node>, Problem> {
    parse_under(name, bytes, NonFiniteFloatPolicy::PassThrough)
}

fn parse_under(name: &str, bytes: &[u8], policy: NonFiniteFloatPolicy) -> Result<Vec<Node>, Problem> {
    let source = read(name, bytes)?;
    // An empty file is no document; the parser below would take it for a null.
    if source.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    let raw: Vec<Spanned<Raw>> = serde_saphyr::from_multiple_with_options(&source.text, options(policy))
        .map_err(|error| problem(&error, &source))?;
    Ok(raw
        .into_iter()
        .map(|document| document_node(document, &source))
        .filter(|node| !node.is_null())
        .collect())
}

/// Reads a file of exactly one document.
///
/// # Errors
/// As [`parse`], and a file with no document or several.
pub fn parse_one(name: &str, bytes: &[u8]) -> Result<Node, Problem> {
    only(name, &parse(name, bytes)?).cloned()
}

/// The document of a file that was read and has exactly one.
///
/// # Errors
/// A file with no document or several.
pub fn only<'d>(name: &str, documents: &'d [Node]) -> Result<&'d Node, Problem> {
    match documents {
        [document] => Ok(document),
        [] => Err(Problem::new(format!("{name} is empty"))),
        [_, second, ..] => {
            let count = documents.len();
            Err(second.problem(format!("{name} has {count} documents where one belongs")))
        }
    }
}

fn read(name: &str, bytes: &[u8]) -> Result<Arc<Source>, Problem> {
    if bytes.len() > MAX_BYTES {
        return Err(Problem::new(format!(
            "{name} is too large: {} bytes, and at most {MAX_BYTES} are read",
            bytes.len()
        )));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text.strip_prefix('\u{feff}').unwrap_or(text))),
        Err(error) => {
            let source = Source::new(name, String::from_utf8_lossy(bytes));
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
            let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() as u32 + 1;
            Err(Problem::at(&Place { source, line, column }, "the file is not UTF-8 text")
                .with_help("save it as UTF-8"))
        }
    }
}

fn options(policy: NonFiniteFloatPolicy) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_VALUES,
        },
        legacy_octal_numbers: true,
        non_finite_float_policy: policy,
        with_snippet: false,
    }
}

fn problem(error: &serde_saphyr::Error, source: &Arc<Source>) -> Problem {
    let place = error.location().map(|location| place_of(&location, source));
    let place = Some(place.unwrap_or_else(|| Place::whole(source)));
    Problem { message: message(error), place, help: None }
}

fn message(error: &serde_saphyr::Error) -> String {
    let message = error.without_snippet().to_string();
    // The parser appends the place to its message; ours is shown beside the line.
    let message = message.split(" at line ").next().unwrap_or(&message);
    // Advice to programmers in parentheses or behind a semicolon is no advice to users.
    let message = match message.find("DuplicateKeyPolicy") {
        Some(at) => message[..at].rsplit_once([',', ';', '(']).map_or(message, |(said, _)| said),
        None => message,
    };
    match message.trim() {
        // The scanner has a limit of its own, which it reaches first where there are only brackets.
        it if it == "recursion limit exceeded" || it.starts_with("budget breached: Depth") => {
            format!("the YAML nests deeper than {MAX_DEPTH} levels")
        }
        it if it.starts_with("budget breached: Nodes") => {
            format!(
                "the YAML has more than {MAX_VALUES} values, those of aliases counted wherever they stand"
            )
        }
        it => it.to_owned(),
    }
}

fn place_of(location: &serde_saphyr::Location, source: &Arc<Source>) -> Place {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Place { source: Arc::clone(source), line: number(location.line()), column: number(location.column()) }
}

/// A value as the parser hands it over, before it learns its source.
enum Raw {
    Scalar(Value),
    Seq(Vec<Spanned<Raw>>),
    Map(IndexMap<String, Spanned<Raw>>),
}

fn document_node(raw: Spanned<Raw>, source: &Arc<Source>) -> Node {
    let place = place_of(&raw.referenced, source);
    let value = match raw.value {
        Raw::Scalar(value) => value,
        Raw::Seq(items) => Value::Seq(items.into_iter().map(|item| document_node(item, source)).collect()),
        Raw::Map(map) => Value::Map(
            map.into_iter().map(|(key, value)| (key, document_node(value, source))).collect::<Map>(),
        ),
    };
    Node::new(value, place)
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int)))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Scalar(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int)))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Scalar(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        // Kubernetes reads YAML by way of JSON, where 3.0 and 3 are one number.
        let whole = value.fract() == 0.0 && value.abs() < 9e15;
        Ok(Raw::Scalar(if whole { Value::Int(value as i64) } else { Value::Float(value) }))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::String(value.to_owned())))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::String(value)))
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<Raw, E> {
        Err(E::custom("binary values are not supported; write the text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut map = IndexMap::new();
        while let Some((key, value)) = access.next_entry::<String, Spanned<Raw>>()? {
            map.insert(key, value);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Node {
        parse_one("test.yaml", text.as_bytes()).unwrap()
    }

    #[test]
    fn every_value_knows_its_line_and_column() {
        let node = one("a: 1\nb:\n  - x\n  - {c: [true, null]}\n");
        let item = &node.get("b").unwrap().as_seq().unwrap()[1];
        let flag = &item.get("c").unwrap().as_seq().unwrap()[0];
        assert_eq!((flag.place.line, flag.place.column), (4, 10));
        assert_eq!(flag.value, Value::Bool(true));
    }

    #[test]
    fn scalars_are_read_as_kubernetes_reads_them() {
        let node = one("mode: 0644\nyes: on\nwhole: 3.0\npart: 0.5\nnothing: ~\nquoted: '32'\n");
        assert_eq!(node.get("mode").unwrap().value, Value::Int(0o644));
        assert_eq!(node.get("whole").unwrap().value, Value::Int(3));
        assert_eq!(node.get("part").unwrap().value, Value::Float(0.5));
        assert!(node.get("nothing").unwrap().is_null());
        assert_eq!(node.str_at(&["quoted"]), Some("32"));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let text = |bytes: &[u8]| parse("bad.yaml", bytes).unwrap_err().to_string();
        assert!(text(b"a: 1\na: 2\n").contains("bad.yaml:2:1"), "{}", text(b"a: 1\na: 2\n"));
        assert!(text(b"a: [1, 2\nb: 3\n").contains("bad.yaml:"), "{}", text(b"a: [1, 2\nb: 3\n"));
        assert!(text(b"ok: 1\nbad: \xff\xfe\n").contains("bad.yaml:2:6"));
        assert!(text(&vec![b'a'; MAX_BYTES + 1]).contains("too large"));
        for depth in [MAX_DEPTH + 1, 1_000, 100_000] {
            let brackets = "[".repeat(depth) + &"]".repeat(depth);
            assert!(
                text(brackets.as_bytes())
                    .starts_with("the YAML nests deeper than 64 levels\n  --> bad.yaml:1:")
            );
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let refs = vec![format!("*a{}", level - 1); 9].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        let problem = parse("bomb.yaml", bomb.as_bytes()).unwrap_err();
        assert!(problem.message.starts_with("the YAML has more than 250000 values"), "{problem}");
    }

    #[test]
    fn empty_documents_are_left_out() {
        assert!(parse("x", b"").unwrap().is_empty());
        assert!(parse("x", b"# only a comment\n---\n").unwrap().is_empty());
        assert_eq!(parse("x", b"---\na: 1\n---\n---\nb: 2\n").unwrap().len(), 2);
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            (-1e9..1e9_f64).prop_map(Into::into),
            "\\PC{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[a-z~0-9: ]{1,6}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        // No bytes make the parser panic.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("x", &bytes);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-a-z0-9:{}\\[\\],&*!|> \n'\"#~.]{0,80}") {
            let _ = parse("x", text.as_bytes());
        }

        // What is emitted is read back as the same value.
        #[test]
        fn a_tree_survives_its_own_text(json in any_json()) {
            let source = Source::new("x", "");
            let node = Node::from_json(&json, &Place::whole(&source));
            prop_assume!(!node.is_null());
            let again = parse_one("x", node.to_yaml().as_bytes()).unwrap();
            prop_assert_eq!(again, node);
        }
    }
}
