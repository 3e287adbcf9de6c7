//! Objects as Go writes them after reading them into its own types: fields that it does not know are gone,
//! those that it knows are in its order, and what is empty is left out or not (`encoding/json`). Upstream puts
//! arguments into a metric's text, and looks for a Rollout's fields in it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value as Json};

mod quantity;

/// Every structure of a Rollout and a metric, a line each: its name and its fields in their order. After a name,
/// `?` stands for `omitempty` and `!` for `omitzero`. Written by the comparison of arguments in `harness/fidelity`,
/// which fails where it is not what upstream's types say.
pub const STRUCTURES: &str = include_str!("go/structures.txt");

static KNOWN: LazyLock<BTreeMap<&str, Vec<Field>>> = LazyLock::new(|| {
    let fields = |line: &'static str| line.split(' ').skip(1).filter_map(Field::read).collect();
    STRUCTURES.lines().map(|line| (line.split(' ').next().unwrap_or_default(), fields(line))).collect()
});

/// A field of a structure.
struct Field {
    name: &'static str,
    omit: bool,
    kind: Kind,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pointer(&'static str),
    List(&'static str),
    Map(&'static str),
    Structure(&'static str),
    Plain(&'static str),
}

impl Field {
    fn read(text: &'static str) -> Option<Self> {
        let (name, kind) = text.split_once(':')?;
        let bare = name.trim_end_matches(['?', '!']);
        let omit = name.len() > bare.len();
        Some(Self { name: bare, omit, kind: Kind::read(kind) })
    }

    /// Whether nothing is written: what is empty, and no structure, of which Go counts a quantity as one.
    fn is_omitted(&self, value: &Json) -> bool {
        let is_zero = match (self.kind, value) {
            (_, Json::Null) => {
                !matches!(self.kind, Kind::Structure(_) | Kind::Plain("quantity" | "intOrText"))
            }
            (Kind::Plain("text" | "bytes"), Json::String(text)) => text.is_empty(),
            (Kind::Plain("bool"), Json::Bool(value)) => !value,
            (Kind::Plain("int"), Json::Number(number)) => number.as_f64() == Some(0.0),
            (Kind::List(_), Json::Array(items)) => items.is_empty(),
            (Kind::Map(_), Json::Object(entries)) => entries.is_empty(),
            (_, _) => false,
        };
        self.omit && is_zero
    }
}

impl Kind {
    fn read(text: &'static str) -> Self {
        if let Some(inner) = text.strip_prefix('*') {
            Self::Pointer(inner)
        } else if let Some(inner) = text.strip_prefix("[]") {
            Self::List(inner)
        } else if let Some(inner) = text.strip_prefix("{}") {
            Self::Map(inner)
        } else if text.contains('.') {
            Self::Structure(text)
        } else {
            Self::Plain(text)
        }
    }
}

/// The text that Go writes for a value of a structure, such as `rollouts.Metric`.
pub fn encode(structure: &'static str, value: &Json) -> String {
    let mut out = String::new();
    write(Kind::Structure(structure), value, &mut out);
    out
}

/// The text that Go writes for a value that is no structure: texts, numbers, and maps of them.
pub(crate) fn text(value: &Json) -> String {
    let mut out = String::new();
    escape(&value.to_string(), &mut out);
    out
}

/// What Go reads from the text that it writes.
pub fn reencode(structure: &'static str, value: &Json) -> Json {
    serde_json::from_str(&encode(structure, value)).unwrap_or_default()
}

fn write(kind: Kind, value: &Json, out: &mut String) {
    match (kind, value) {
        (Kind::Structure(name), Json::Object(values)) => write_structure(name, values, out),
        (Kind::Structure(name), Json::Null) => write_structure(name, &Map::new(), out),
        (Kind::List(inner), Json::Array(items)) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(Kind::read(inner), item, out);
            }
            out.push(']');
        }
        (Kind::Map(inner), Json::Object(entries)) => {
            out.push('{');
            for (index, (key, entry)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_text(key, out);
                out.push(':');
                write(Kind::read(inner), entry, out);
            }
            out.push('}');
        }
        (Kind::Pointer(_) | Kind::List(_) | Kind::Map(_), Json::Null) => out.push_str("null"),
        (Kind::Pointer(inner), value) => write(Kind::read(inner), value, out),
        (Kind::Plain(name), value) => write_plain(name, value, out),
        // What has another type than Go's is never stored: the API server refuses it.
        (Kind::Structure(_) | Kind::List(_) | Kind::Map(_), value) => write_plain("raw", value, out),
    }
}

fn write_structure(name: &str, values: &Map<String, Json>, out: &mut String) {
    let fields = KNOWN.get(name).map(Vec::as_slice).unwrap_or_default();
    let mut separator = "";
    out.push('{');
    for field in fields {
        let value = values.get(field.name).unwrap_or(&Json::Null);
        if field.is_omitted(value) {
            continue;
        }
        out.push_str(separator);
        separator = ",";
        write_text(field.name, out);
        out.push(':');
        write(field.kind, value, out);
    }
    out.push('}');
}

fn write_plain(name: &str, value: &Json, out: &mut String) {
    match (name, value) {
        ("text" | "bytes", Json::Null) => out.push_str("\"\""),
        ("int" | "intOrText", Json::Null) => out.push('0'),
        ("bool", Json::Null) => out.push_str("false"),
        ("quantity", Json::Null) => out.push_str("\"0\""),
        ("quantity", Json::Number(number)) => write_text(&quantity::canonical(&number.to_string()), out),
        ("quantity", Json::String(text)) => write_text(&quantity::canonical(text), out),
        ("time", Json::String(text)) => write_text(&whole_seconds(text), out),
        (_, Json::String(text)) => write_text(text, out),
        // Go escapes within texts, and nothing else of JSON has these characters.
        (_, value) => escape(&value.to_string(), out),
    }
}

fn write_text(text: &str, out: &mut String) {
    escape(&Json::from(text).to_string(), out);
}

/// What Go escapes beside what JSON asks for.
fn escape(json: &str, out: &mut String) {
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// A time without its fraction of a second, which `metav1.Time` does not write.
fn whole_seconds(text: &str) -> String {
    let Some((seconds, fraction)) = text.split_once('.') else { return text.to_owned() };
    let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{seconds}{zone}")
}
