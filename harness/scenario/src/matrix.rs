//! `matrix:` makes several cases of one file. Placeholders are replaced in the nodes, before anything
//! is decoded, so that every later complaint still points at the line that was written.

use indexmap::IndexMap;
use yaml::{Map, Node, Problem, Value, did_you_mean};

const MAX_CASES: usize = 256;
const MAX_KEY_CHARS: usize = 100;
const MAX_VALUE_CHARS: usize = 1_000;
/// The most text that all cases of one file may amount to, so that a small file cannot fill memory.
const MAX_EXPANSION: usize = 64 << 20;
/// What a node costs beside its text.
const NODE_COST: usize = 128;

/// A text with a placeholder in it, as JSON schema says it.
pub(crate) const PLACEHOLDER_PATTERN: &str = r"\$\{[A-Za-z_][A-Za-z0-9_-]*\}";

/// One combination of the matrix: the file as it reads for it.
pub(crate) struct Case {
    /// `key=value, …`; empty without a matrix.
    pub(crate) text: String,
    /// The document without its `matrix:`, every placeholder replaced.
    pub(crate) document: Node,
}

/// The cases of a document, one where it has no matrix. Keys vary like the digits of a number: the
/// last key the fastest.
pub(crate) fn expand(document: &Node) -> Result<Vec<Case>, Problem> {
    let mut bare = document.clone();
    let matrix = bare.as_map_mut().and_then(|map| map.shift_remove("matrix"));
    let axes = matrix.as_ref().map(axes).transpose()?.unwrap_or_default();
    let mut expansion = Expansion { axes: &axes, used: vec![false; axes.len()], cost: 0 };
    let count = axes.values().map(|values| values.len()).product();
    let cases = (0..count)
        .map(|index| {
            let chosen = combination(&axes, index);
            let text = chosen.iter().map(|(key, value)| format!("{key}={}", scalar_text(value)));
            let text = text.collect::<Vec<_>>().join(", ");
            Ok(Case { text, document: expansion.substitute(&bare, &chosen)? })
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    match expansion.used.iter().position(|used| !used) {
        Some(unused) => {
            let (key, values) = axes.get_index(unused).expect("there is a mark for each key");
            Err(values[0]
                .problem(format!("the matrix has `{key}`, but nothing in the file uses it"))
                .with_help(format!("write `${{{key}}}` where its values belong, or remove it")))
        }
        None => Ok(cases),
    }
}

type Axes<'a> = IndexMap<&'a str, &'a [Node]>;

fn axes(matrix: &Node) -> Result<Axes<'_>, Problem> {
    let shape = "`matrix` is a mapping of lists, such as `{ replicas: [1, 2, 3] }`";
    let map = matrix.as_map().ok_or_else(|| matrix.problem(format!("{shape}; this is {}", matrix.kind())))?;
    let mut axes = Axes::new();
    let mut count = 1_usize;
    for (key, list) in map {
        if !is_key(key) {
            return Err(list
                .problem(format!("`{key}` cannot be a key of the matrix"))
                .with_help("use letters, digits, `-` and `_`, and begin with a letter"));
        }
        let values = list
            .as_seq()
            .filter(|values| !values.is_empty())
            .ok_or_else(|| list.problem(format!("`{key}` needs a list of values with at least one in it")))?;
        check_values(key, values)?;
        count = count.saturating_mul(values.len());
        axes.insert(key, values);
    }
    if count > MAX_CASES {
        return Err(matrix
            .problem(format!("the matrix has {count} cases, and at most {MAX_CASES} are run"))
            .with_help("vary fewer values, or split the file"));
    }
    match axes.is_empty() {
        true => Err(matrix
            .problem("the matrix is empty")
            .with_help("remove it, or give it a key with a list of values")),
        false => Ok(axes),
    }
}

fn check_values(key: &str, values: &[Node]) -> Result<(), Problem> {
    for (index, value) in values.iter().enumerate() {
        match &value.value {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
            Value::String(text) if text.chars().nth(MAX_VALUE_CHARS).is_some() => {
                return Err(
                    value.problem(format!("a value of the matrix has at most {MAX_VALUE_CHARS} characters"))
                );
            }
            Value::String(_) => {}
            Value::Null | Value::Seq(_) | Value::Map(_) => {
                let message =
                    format!("a value of `{key}` is text, a number or a boolean; this is {}", value.kind());
                return Err(value.problem(message));
            }
        }
        if values[..index].contains(value) {
            return Err(value.problem(format!("`{key}` has the value `{}` twice", scalar_text(value))));
        }
        if index >= MAX_CASES {
            return Err(value.problem(format!("`{key}` has more than {MAX_CASES} values")));
        }
    }
    Ok(())
}

fn is_key(text: &str) -> bool {
    text.len() <= MAX_KEY_CHARS
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// The values of case `index`, in the order of the keys.
fn combination<'a>(axes: &Axes<'a>, mut index: usize) -> IndexMap<&'a str, &'a Node> {
    let mut chosen: IndexMap<&str, &Node> = IndexMap::with_capacity(axes.len());
    for (key, values) in axes.iter().rev() {
        chosen.insert(*key, &values[index % values.len()]);
        index /= values.len();
    }
    chosen.reverse();
    chosen
}

fn scalar_text(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Seq(_) | Value::Map(_) => node.kind().to_owned(),
    }
}

struct Expansion<'a> {
    axes: &'a Axes<'a>,
    used: Vec<bool>,
    cost: usize,
}

impl Expansion<'_> {
    fn substitute(&mut self, node: &Node, chosen: &IndexMap<&str, &Node>) -> Result<Node, Problem> {
        let value = match &node.value {
            Value::String(text) => self.text(text, node, chosen)?,
            Value::Seq(items) => {
                Value::Seq(items.iter().map(|item| self.substitute(item, chosen)).collect::<Result<_, _>>()?)
            }
            Value::Map(map) => Value::Map(self.map(map, chosen)?),
            scalar @ (Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_)) => scalar.clone(),
        };
        self.spend(NODE_COST, node)?;
        Ok(Node::new(value, node.place.clone()))
    }

    fn map(&mut self, map: &Map, chosen: &IndexMap<&str, &Node>) -> Result<Map, Problem> {
        let mut result = Map::with_capacity(map.len());
        for (key, value) in map {
            let key = match self.text(key, value, chosen)? {
                Value::String(key) => key,
                other => scalar_text(&Node::new(other, value.place.clone())),
            };
            let substituted = self.substitute(value, chosen)?;
            if let Some(first) = result.insert(key.clone(), substituted) {
                return Err(value.problem(format!("`{key}` is written twice, first at {}", first.place)));
            }
        }
        Ok(result)
    }

    /// A text with its placeholders replaced; a text that is nothing but a placeholder becomes the
    /// value itself, a number or a boolean where it is one.
    fn text(&mut self, text: &str, node: &Node, chosen: &IndexMap<&str, &Node>) -> Result<Value, Problem> {
        self.spend(text.len(), node)?;
        let mut result = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find("${") {
            let (before, placeholder) = rest.split_at(dollar);
            let Some((key, after)) = placeholder[2..].split_once('}').filter(|(key, _)| is_key(key)) else {
                result.push_str(&rest[..dollar + 2]);
                rest = &placeholder[2..];
                continue;
            };
            rest = after;
            if let Some(escaped) = before.strip_suffix('$') {
                result.push_str(escaped);
                result.push_str(&placeholder[..key.len() + 3]);
                continue;
            }
            let value = self.value(key, node, chosen)?;
            if key.len() + 3 == text.len() {
                return Ok(value.value.clone());
            }
            let replacement = scalar_text(value);
            self.spend(replacement.len(), node)?;
            result.push_str(before);
            result.push_str(&replacement);
        }
        result.push_str(rest);
        Ok(Value::String(result))
    }

    fn value<'a>(
        &mut self,
        key: &str,
        node: &Node,
        chosen: &IndexMap<&str, &'a Node>,
    ) -> Result<&'a Node, Problem> {
        if let Some((index, _, value)) = chosen.get_full(key) {
            self.used[index] = true;
            return Ok(value);
        }
        let literal = format!("for the text itself write `$${{{key}}}`");
        let problem = match self.axes.is_empty() {
            true => node
                .problem(format!("`${{{key}}}` stands for a value of the matrix, and there is no `matrix:`")),
            false => node.problem(format!("`${{{key}}}` is no key of the matrix")),
        };
        Err(problem.with_help(match did_you_mean(key, self.axes.keys().copied()) {
            Some(known) => format!("did you mean `${{{known}}}`? {literal}"),
            None => literal,
        }))
    }

    fn spend(&mut self, cost: usize, node: &Node) -> Result<(), Problem> {
        self.cost += cost;
        if self.cost > MAX_EXPANSION {
            let message = format!("the cases of this file amount to more than {} MiB", MAX_EXPANSION >> 20);
            return Err(node.problem(message).with_help("vary fewer values, or split the file"));
        }
        Ok(())
    }
}
