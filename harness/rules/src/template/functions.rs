//! The functions that templates of rules can call: those of Go's text/template/funcs.go and of
//! prometheus template/template.go.

use std::collections::BTreeMap;
use std::rc::Rc;

use promql::{Labels, Sample};
use regex::Regex;

use super::error::ExpandError;
use super::text;
use super::value::Value;
use super::{compare, format, humanize};

/// A function by its name. `and` and `or` are not here to be called: they look at one argument after
/// the other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Function {
    And,
    Or,
    Plain(Call, Count),
    /// The samples of a query, which needs the storage.
    Query,
    /// The time of the evaluation.
    Now,
    /// Known to upstream and not to us.
    NotSimulated,
}

/// A function of its arguments alone.
pub(super) type Call = fn(&[Value]) -> Result<Value, ExpandError>;

/// How many arguments a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Exactly(usize),
    AtLeast(usize),
}

impl Function {
    /// The function of a name; none where upstream has none either.
    pub(super) fn named(name: &str) -> Option<Self> {
        use Count::{AtLeast, Exactly};
        Some(match name {
            "and" => Self::And,
            "or" => Self::Or,
            "query" => Self::Query,
            "now" => Self::Now,
            "not" => Self::Plain(|a| Ok(Value::Bool(!a[0].is_true())), Exactly(1)),
            "eq" => Self::Plain(compare::equal_to_any, AtLeast(1)),
            "ne" => Self::Plain(compare::not_equal, Exactly(2)),
            "lt" => Self::Plain(compare::less, Exactly(2)),
            "le" => Self::Plain(compare::less_or_equal, Exactly(2)),
            "gt" => Self::Plain(compare::greater, Exactly(2)),
            "ge" => Self::Plain(compare::greater_or_equal, Exactly(2)),
            "len" => Self::Plain(length, Exactly(1)),
            "index" => Self::Plain(index, AtLeast(1)),
            "slice" => Self::Plain(slice, AtLeast(1)),
            "print" => Self::Plain(|a| format::print(a).map(Value::Text), AtLeast(0)),
            "println" => Self::Plain(|a| format::print_line(a).map(Value::Text), AtLeast(0)),
            "printf" => Self::Plain(formatted, AtLeast(1)),
            "html" => Self::Plain(|a| Ok(Value::Text(text::html_escaped(&format::print(a)?))), AtLeast(0)),
            "urlquery" => {
                Self::Plain(|a| Ok(Value::Text(text::query_escaped(&format::print(a)?))), AtLeast(0))
            }
            "humanize" => Self::Plain(|a| humanize::metric(&a[0]), Exactly(1)),
            "humanize1024" => Self::Plain(|a| humanize::binary(&a[0]), Exactly(1)),
            "humanizeDuration" => Self::Plain(|a| humanize::duration(&a[0]), Exactly(1)),
            "humanizePercentage" => Self::Plain(|a| humanize::percentage(&a[0]), Exactly(1)),
            "humanizeTimestamp" => Self::Plain(|a| humanize::timestamp(&a[0]), Exactly(1)),
            "parseDuration" => Self::Plain(parse_duration, Exactly(1)),
            "first" => Self::Plain(first, Exactly(1)),
            "label" => Self::Plain(label, Exactly(2)),
            "value" => Self::Plain(|a| Ok(Value::Float(sample(&a[0])?.value)), Exactly(1)),
            "strvalue" => Self::Plain(|a| Ok(label_of(sample(&a[0])?, "__value__")), Exactly(1)),
            "sortByLabel" => Self::Plain(sort_by_label, Exactly(2)),
            "args" => Self::Plain(arguments, AtLeast(0)),
            "match" => Self::Plain(matches, Exactly(2)),
            "reReplaceAll" => Self::Plain(replace_all, Exactly(3)),
            "title" => Self::Plain(title, Exactly(1)),
            "toUpper" => Self::Plain(|a| Ok(Value::Text(string(&a[0])?.to_uppercase())), Exactly(1)),
            "toLower" => Self::Plain(|a| Ok(Value::Text(string(&a[0])?.to_lowercase())), Exactly(1)),
            "safeHtml" => Self::Plain(|a| Ok(Value::Text(string(&a[0])?.to_owned())), Exactly(1)),
            "urlQueryEscape" => {
                Self::Plain(|a| Ok(Value::Text(text::query_escaped(string(&a[0])?))), Exactly(1))
            }
            "graphLink" => Self::Plain(|a| link(a, 0), Exactly(1)),
            "tableLink" => Self::Plain(|a| link(a, 1), Exactly(1)),
            "stripPort" => {
                Self::Plain(|a| Ok(Value::Text(text::without_port(string(&a[0])?).to_owned())), Exactly(1))
            }
            "stripDomain" => {
                Self::Plain(|a| Ok(Value::Text(text::without_domain(string(&a[0])?))), Exactly(1))
            }
            "call" | "js" | "toTime" | "toDuration" | "externalURL" | "pathPrefix" => Self::NotSimulated,
            _ => return None,
        })
    }
}

/// A value as a text, where a function takes nothing else.
fn string(value: &Value) -> Result<&str, ExpandError> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(wrong_type(other, "string")),
    }
}

fn sample(value: &Value) -> Result<&Rc<Sample>, ExpandError> {
    match value {
        Value::Sample(sample) => Ok(sample),
        other => Err(wrong_type(other, "*template.sample")),
    }
}

fn samples(value: &Value) -> Result<&Rc<Vec<Sample>>, ExpandError> {
    match value {
        Value::Samples(samples) => Ok(samples),
        other => Err(wrong_type(other, "template.queryResult")),
    }
}

fn wrong_type(value: &Value, expected: &str) -> ExpandError {
    ExpandError::failed(format!("wrong type for value; expected {expected}; got {}", value.type_name()))
}

fn label_of(sample: &Sample, name: &str) -> Value {
    Value::Text(sample.labels.get(name).unwrap_or_default().to_owned())
}

fn length(a: &[Value]) -> Result<Value, ExpandError> {
    let length = match &a[0] {
        Value::Text(text) => text.len(),
        Value::Labels(labels) => labels.len(),
        Value::Arguments(arguments) => arguments.len(),
        Value::Samples(samples) => samples.len(),
        Value::Nil => return Err(ExpandError::failed("len of nil pointer")),
        other => return Err(ExpandError::failed(format!("len of type {}", other.type_name()))),
    };
    Ok(Value::Int(length as i64))
}

/// `index x i j` is `x[i][j]`; what is not there is empty.
fn index(a: &[Value]) -> Result<Value, ExpandError> {
    a[1..].iter().try_fold(a[0].clone(), |item, index| match (&item, index) {
        (Value::Labels(labels), Value::Text(name)) => {
            Ok(Value::Text(labels.get(name).unwrap_or_default().to_owned()))
        }
        (Value::Arguments(arguments), Value::Text(name)) => {
            Ok(arguments.get(name).cloned().unwrap_or(Value::Nil))
        }
        (Value::Samples(samples), index) => {
            let at = position(index, samples.len())?;
            let found = samples.get(at).ok_or_else(|| out_of_range(at as i64))?;
            Ok(Value::Sample(Rc::new(found.clone())))
        }
        (Value::Text(text), index) => {
            let at = position(index, text.len())?;
            text.as_bytes()
                .get(at)
                .map(|&byte| Value::Int(byte.into()))
                .ok_or_else(|| out_of_range(at as i64))
        }
        (Value::Labels(_) | Value::Arguments(_), other) => {
            Err(ExpandError::failed(format!("value has type {}; should be string", other.type_name())))
        }
        (Value::Nil, _) => Err(ExpandError::failed("index of untyped nil")),
        (other, _) => Err(ExpandError::failed(format!("can't index item of type {}", other.type_name()))),
    })
}

fn out_of_range(at: i64) -> ExpandError {
    ExpandError::failed(format!("index out of range: {at}"))
}

/// An index up to and including `length`.
fn position(index: &Value, length: usize) -> Result<usize, ExpandError> {
    match index {
        Value::Int(at) => match usize::try_from(*at) {
            Ok(at) if at <= length => Ok(at),
            Ok(_) | Err(_) => Err(out_of_range(*at)),
        },
        Value::Nil => Err(ExpandError::failed("cannot index slice/array with nil")),
        other => {
            Err(ExpandError::failed(format!("cannot index slice/array with type {}", other.type_name())))
        }
    }
}

/// `slice x i j` is `x[i:j]`, of texts in bytes.
fn slice(a: &[Value]) -> Result<Value, ExpandError> {
    let Value::Text(text) = &a[0] else {
        return Err(ExpandError::failed(format!("can't slice item of type {}", a[0].type_name())));
    };
    if a.len() > 3 {
        return Err(ExpandError::failed("cannot 3-index slice a string"));
    }
    let bound = |at: usize, default| a.get(at).map_or(Ok(default), |index| position(index, text.len()));
    let (start, end) = (bound(1, 0)?, bound(2, text.len())?);
    if start > end {
        return Err(ExpandError::failed(format!("invalid slice index: {start} > {end}")));
    }
    let sliced = text.get(start..end);
    let sliced =
        sliced.ok_or_else(|| ExpandError::NotSimulated("a slice of part of a character".to_owned()))?;
    Ok(Value::Text(sliced.to_owned()))
}

fn formatted(a: &[Value]) -> Result<Value, ExpandError> {
    format::print_formatted(string(&a[0])?, &a[1..]).map(Value::Text)
}

fn parse_duration(a: &[Value]) -> Result<Value, ExpandError> {
    let text = string(&a[0])?;
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => (-1.0, size),
        None => (1.0, text),
    };
    let duration = crate::duration::parse(size).map_err(|error| ExpandError::failed(error.to_string()))?;
    Ok(Value::Float(sign * duration.as_secs_f64()))
}

fn first(a: &[Value]) -> Result<Value, ExpandError> {
    match samples(&a[0])?.first() {
        Some(first) => Ok(Value::Sample(Rc::new(first.clone()))),
        None => Err(ExpandError::failed("first() called on vector with no elements")),
    }
}

fn label(a: &[Value]) -> Result<Value, ExpandError> {
    Ok(label_of(sample(&a[1])?, string(&a[0])?))
}

fn sort_by_label(a: &[Value]) -> Result<Value, ExpandError> {
    let name = string(&a[0])?;
    let mut sorted = samples(&a[1])?.to_vec();
    let of = |labels: &Labels| labels.get(name).unwrap_or_default().to_owned();
    sorted.sort_by_key(|sample| of(&sample.labels));
    Ok(Value::Samples(Rc::new(sorted)))
}

fn arguments(a: &[Value]) -> Result<Value, ExpandError> {
    let named: BTreeMap<String, Value> =
        a.iter().enumerate().map(|(at, value)| (format!("arg{at}"), value.clone())).collect();
    Ok(Value::Arguments(named))
}

fn pattern(text: &str) -> Result<Regex, ExpandError> {
    Regex::new(text).map_err(|_| ExpandError::failed(format!("error parsing regexp: `{text}`")))
}

fn matches(a: &[Value]) -> Result<Value, ExpandError> {
    Ok(Value::Bool(pattern(string(&a[0])?)?.is_match(string(&a[1])?)))
}

fn replace_all(a: &[Value]) -> Result<Value, ExpandError> {
    let replaced = pattern(string(&a[0])?)?.replace_all(string(&a[2])?, string(&a[1])?).into_owned();
    Ok(Value::Text(replaced))
}

fn title(a: &[Value]) -> Result<Value, ExpandError> {
    let title = text::title(string(&a[0])?);
    title.map(Value::Text).ok_or_else(|| {
        ExpandError::NotSimulated(
            "`title` of a text with other characters than ASCII letters, digits and spaces".to_owned(),
        )
    })
}

fn link(a: &[Value], tab: u8) -> Result<Value, ExpandError> {
    let expression = text::query_escaped(string(&a[0])?);
    Ok(Value::Text(format!("/graph?g0.expr={expression}&g0.tab={tab}")))
}
