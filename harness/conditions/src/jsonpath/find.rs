//! From a document to what a template finds in it (client-go `util/jsonpath/jsonpath.go`).

use serde_json::Value as Json;

use super::compare;
use super::parse::{Filter, Node, Param};

/// More than any body has: `..` after `..` multiplies.
const MAX_FOUND: usize = 100_000;

/// A value on the way.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item<'a> {
    /// A part of the document.
    Json(&'a Json),
    /// Go's zero `reflect.Value`: a document that is `null`.
    Nothing,
    /// A text of the template.
    Text(String),
    /// A whole number of the template.
    Int(i64),
    /// Another number of the template.
    Float(f64),
    /// A truth value of the template.
    Bool(bool),
    /// A byte of a text, over which wildcards go.
    Byte(u8),
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    Upstream(String),
    NotSimulated(String),
}

/// What a walk found, or what it had beside an error: `exists` looks at that too.
type Walked<'a> = Result<Vec<Item<'a>>, (Vec<Item<'a>>, Trouble)>;

/// The state of one search, as in `JSONPath`.
#[derive(Debug, Default)]
pub(super) struct Finding {
    begin_range: u32,
    in_range: u32,
    end_range: u32,
    last_end: Option<usize>,
    /// Whether the fields of an object were met in an order that upstream leaves to chance.
    pub(super) by_chance: bool,
}

impl Finding {
    /// The results of each top-level node from `start` on (`FindResults`).
    pub(super) fn results<'a>(
        &mut self,
        root: Item<'a>,
        nodes: &[Node],
        start: usize,
    ) -> Result<Vec<Vec<Item<'a>>>, Trouble> {
        let current = vec![root];
        let mut all = Vec::new();
        let mut index = start;
        while index < nodes.len() {
            let results = self.walk(current.clone(), &nodes[index]).map_err(|(_, trouble)| trouble)?;
            if self.end_range > 0 && self.end_range <= self.in_range {
                self.end_range -= 1;
                self.last_end = Some(index);
                break;
            }
            if self.begin_range > 0 {
                self.begin_range -= 1;
                self.in_range += 1;
                if results.is_empty() {
                    // What is in the range is gone through all the same, to find its end.
                    self.results(Item::Nothing, nodes, index + 1)?;
                }
                for value in results {
                    all.extend(self.results(interface(value)?, nodes, index + 1)?);
                }
                self.in_range -= 1;
                if let Some(end) = self.last_end.filter(|end| *end > index) {
                    index = end;
                }
                index += 1;
                continue;
            }
            all.push(results);
            index += 1;
        }
        Ok(all)
    }

    fn list<'a>(&mut self, input: Vec<Item<'a>>, nodes: &[Node]) -> Walked<'a> {
        nodes.iter().try_fold(input, |current, node| {
            let found = self.walk(current, node)?;
            if found.len() > MAX_FOUND {
                let what = format!("a `jsonPath` that finds more than {MAX_FOUND} values");
                return Err((Vec::new(), Trouble::NotSimulated(what)));
            }
            Ok(found)
        })
    }

    fn walk<'a>(&mut self, input: Vec<Item<'a>>, node: &Node) -> Walked<'a> {
        match node {
            Node::List(nodes) => self.list(input, nodes),
            Node::Text(text) => Ok(vec![Item::Text(text.clone())]),
            Node::Field(name) => field(input, name),
            Node::Array(params) => array(input, params),
            Node::Filter(filter) => self.filter(input, filter),
            Node::Int(number) => Ok(vec![Item::Int(*number); input.len()]),
            Node::Float(number) => Ok(vec![Item::Float(*number); input.len()]),
            Node::Bool(truth) => Ok(vec![Item::Bool(*truth); input.len()]),
            Node::Wildcard => Ok(input.iter().flat_map(|item| self.contents(item)).collect()),
            Node::Recursive => Ok(self.descend(&input)),
            Node::Union(parts) => self.union(input, parts),
            Node::Identifier(name) => self.identifier(input, name),
        }
    }

    fn identifier<'a>(&mut self, input: Vec<Item<'a>>, name: &str) -> Walked<'a> {
        match name {
            "range" => {
                self.begin_range += 1;
                Ok(input)
            }
            "end" if self.in_range > 0 => {
                self.end_range += 1;
                Ok(Vec::new())
            }
            "end" => failed(Vec::new(), "not in range, nothing to end"),
            name => failed(input, format!("unrecognized identifier {name}")),
        }
    }

    fn union<'a>(&mut self, input: Vec<Item<'a>>, parts: &[Vec<Node>]) -> Walked<'a> {
        let mut found = Vec::new();
        for part in parts {
            match self.list(input.clone(), part) {
                Ok(more) => found.extend(more),
                Err((_, trouble)) => return Err((input, trouble)),
            }
        }
        Ok(found)
    }

    /// What an object, a list or a text contains.
    fn contents<'a>(&mut self, item: &Item<'a>) -> Vec<Item<'a>> {
        match item {
            Item::Json(Json::Object(fields)) => {
                self.by_chance |= fields.len() > 1;
                fields.values().map(Item::Json).collect()
            }
            Item::Json(Json::Array(items)) => items.iter().map(Item::Json).collect(),
            Item::Json(Json::String(text)) => text.bytes().map(Item::Byte).collect(),
            Item::Text(text) => text.bytes().map(Item::Byte).collect(),
            Item::Json(Json::Null | Json::Bool(_) | Json::Number(_))
            | Item::Nothing
            | Item::Int(_)
            | Item::Float(_)
            | Item::Bool(_)
            | Item::Byte(_) => Vec::new(),
        }
    }

    /// Everything that contains something, from the outside in.
    fn descend<'a>(&mut self, input: &[Item<'a>]) -> Vec<Item<'a>> {
        let mut found = Vec::new();
        for item in input {
            let contents = self.contents(item);
            if !contents.is_empty() {
                found.push(item.clone());
                found.extend(self.descend(&contents));
            }
        }
        found
    }

    fn filter<'a>(&mut self, input: Vec<Item<'a>>, filter: &Filter) -> Walked<'a> {
        let mut found = Vec::new();
        for item in &input {
            let Item::Json(Json::Array(elements)) = item else {
                let shown = shown(item);
                return failed(input, format!("{shown} is not array or slice and cannot be filtered"));
            };
            for element in elements {
                match self.passes(element, filter) {
                    Ok(true) => found.push(Item::Json(element)),
                    Ok(false) => {}
                    Err((Beside::Input, trouble)) => return Err((input, trouble)),
                    Err((Beside::Found, trouble)) => return Err((found, trouble)),
                }
            }
        }
        Ok(found)
    }

    fn passes(&mut self, element: &Json, filter: &Filter) -> Result<bool, (Beside, Trouble)> {
        let lefts = self.list(vec![Item::Json(element)], &filter.left);
        if filter.operator == "exists" {
            return Ok(!lefts.unwrap_or_else(|(found, _)| found).is_empty());
        }
        let beside_input = |(_, trouble)| (Beside::Input, trouble);
        let lefts = lefts.map_err(beside_input)?;
        let Some(left) = single(lefts)? else { return Ok(false) };
        let rights = self.list(vec![Item::Json(element)], &filter.right).map_err(beside_input)?;
        let Some(right) = single(rights)? else { return Ok(false) };
        compare::holds(&filter.operator, &left, &right)
            .map_err(|message| (Beside::Found, Trouble::Upstream(message)))
    }
}

/// What a filter has beside an error.
enum Beside {
    Input,
    Found,
}

fn single(items: Vec<Item<'_>>) -> Result<Option<Item<'_>>, (Beside, Trouble)> {
    let mut items = items.into_iter();
    match (items.next(), items.next()) {
        (_, Some(_)) => {
            let message = "can only compare one element at a time".to_owned();
            Err((Beside::Input, Trouble::Upstream(message)))
        }
        (item, None) => Ok(item),
    }
}

fn failed<'a>(beside: Vec<Item<'a>>, message: impl Into<String>) -> Walked<'a> {
    Err((beside, Trouble::Upstream(message.into())))
}

fn panics<'a>(beside: Vec<Item<'a>>) -> Walked<'a> {
    Err((beside, panic_of_null()))
}

fn panic_of_null() -> Trouble {
    let what = "a `null` of which the controller of Argo Rollouts v1.10.1 panics";
    Trouble::NotSimulated(what.to_owned())
}

/// An element of a range as the document of what is in it (`value.Interface()`).
fn interface(item: Item<'_>) -> Result<Item<'_>, Trouble> {
    match item {
        Item::Nothing => Err(panic_of_null()),
        Item::Json(Json::Null) => Ok(Item::Nothing),
        item => Ok(item),
    }
}

fn field<'a>(input: Vec<Item<'a>>, name: &str) -> Walked<'a> {
    if input.is_empty() {
        return Ok(input);
    }
    let value = |item: &Item<'a>| match item {
        Item::Json(Json::Object(fields)) => fields.get(name).map(Item::Json),
        _ => None,
    };
    let found: Vec<_> = input.iter().filter_map(value).collect();
    match found.is_empty() {
        true => failed(found, format!("{name} is not found")),
        false => Ok(found),
    }
}

fn array<'a>(input: Vec<Item<'a>>, params: &[Param; 3]) -> Walked<'a> {
    let mut found = Vec::new();
    for item in &input {
        let elements = match item {
            Item::Json(Json::Array(elements)) => elements,
            Item::Json(Json::Null) => continue,
            Item::Nothing => return panics(input),
            other => {
                let message = format!("{} is not array or slice", type_name(other));
                return failed(input, message);
            }
        };
        match bounds(params, elements.len()) {
            Ok(None) => return Ok(found),
            Ok(Some((start, end, step))) => {
                found.extend(elements[start..end].iter().step_by(step).map(Item::Json));
            }
            Err(message) => return failed(input, message),
        }
    }
    Ok(found)
}

/// Start, end and step within a list; `None` where start and end are the same.
fn bounds(
    [first, second, third]: &[Param; 3],
    length: usize,
) -> Result<Option<(usize, usize, usize)>, String> {
    let size = i64::try_from(length).unwrap_or(i64::MAX);
    let mut start = if first.known { first.value } else { 0 };
    if start < 0 {
        start = start.saturating_add(size);
    }
    let mut end = if second.known { second.value } else { size };
    if end < 0 || (end == 0 && second.derived) {
        end = end.saturating_add(size);
    }
    if start == end {
        return Ok(None);
    }
    let outside = |index: i64| format!("array index out of bounds: index {index}, length {length}");
    if start >= size || start < 0 {
        return Err(outside(start));
    }
    if end > size || end < 0 {
        return Err(outside(end.saturating_sub(1)));
    }
    if start > end {
        return Err(format!("starting index {start} is greater than ending index {end}"));
    }
    let step = match third {
        Param { known: true, value, .. } => {
            usize::try_from(*value).ok().filter(|step| *step > 0).ok_or("step must be > 0")?
        }
        Param { known: false, .. } => 1,
    };
    let index = |value: i64| usize::try_from(value).unwrap_or(length);
    Ok(Some((index(start), index(end), step)))
}

fn type_name(item: &Item<'_>) -> &'static str {
    match item {
        Item::Json(Json::Object(_)) => "map[string]interface {}",
        Item::Json(Json::Array(_)) => "[]interface {}",
        Item::Json(Json::String(_)) | Item::Text(_) => "string",
        Item::Json(Json::Number(_)) | Item::Float(_) => "float64",
        Item::Json(Json::Bool(_)) | Item::Bool(_) => "bool",
        Item::Json(Json::Null) | Item::Nothing => "<nil>",
        Item::Int(_) => "int",
        Item::Byte(_) => "uint8",
    }
}

/// As `%v` prints it.
fn shown(item: &Item<'_>) -> String {
    match item {
        Item::Json(json) => json_shown(json),
        Item::Nothing => "<invalid reflect.Value>".to_owned(),
        Item::Text(text) => text.clone(),
        Item::Int(number) => number.to_string(),
        Item::Float(number) => strconv::shortest(*number),
        Item::Bool(truth) => truth.to_string(),
        Item::Byte(byte) => byte.to_string(),
    }
}

fn json_shown(json: &Json) -> String {
    match json {
        Json::Null => "<nil>".to_owned(),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => strconv::shortest(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => text.clone(),
        Json::Array(items) => {
            format!("[{}]", items.iter().map(json_shown).collect::<Vec<_>>().join(" "))
        }
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields = fields.into_iter().map(|(name, value)| format!("{name}:{}", json_shown(value)));
            format!("map[{}]", fields.collect::<Vec<_>>().join(" "))
        }
    }
}
