//! Values while a condition runs, with the Go types they would have.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::types::{GoType, HostFunction};
use crate::value::Value;

/// The Go type of a list at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListType {
    Anys,
    /// A nil slice, the value of a missing group.
    NilAnys,
    Floats,
    Ints,
    Strings,
}

#[derive(Debug, Clone)]
pub(crate) enum Datum {
    Nil,
    Bool(bool),
    Int(i64),
    /// Only `asInt` gives an `int64`.
    Int64(i64),
    Float(f64),
    Str(Rc<str>),
    List(ListType, Rc<[Datum]>),
    Map(Rc<BTreeMap<String, Datum>>),
    /// The result of `groupBy`, in order of first appearance.
    Groups(Rc<[(Datum, Datum)]>),
    Function(HostFunction),
}

impl Datum {
    pub(crate) fn anys(items: Vec<Datum>) -> Datum {
        Datum::List(ListType::Anys, items.into())
    }

    pub(crate) fn of(value: &Value) -> Datum {
        match value {
            Value::Float(number) => Datum::Float(*number),
            Value::Floats(numbers) => {
                Datum::List(ListType::Floats, numbers.iter().map(|number| Datum::Float(*number)).collect())
            }
            Value::Nil => Datum::Nil,
            Value::Text(text) => Datum::Str(text.as_str().into()),
            Value::Bool(truth) => Datum::Bool(*truth),
            Value::Json(json) => Datum::of_json(json),
        }
    }

    fn of_json(json: &serde_json::Value) -> Datum {
        use serde_json::Value as Json;
        match json {
            Json::Null => Datum::Nil,
            Json::Bool(truth) => Datum::Bool(*truth),
            Json::Number(number) => Datum::Float(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Datum::Str(text.as_str().into()),
            Json::Array(items) => Datum::anys(items.iter().map(Datum::of_json).collect()),
            Json::Object(fields) => Datum::Map(Rc::new(
                fields.iter().map(|(key, value)| (key.clone(), Datum::of_json(value))).collect(),
            )),
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Datum::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Nil, or a nil slice (expr `runtime.IsNil`).
    pub(crate) fn is_nil(&self) -> bool {
        matches!(self, Datum::Nil | Datum::List(ListType::NilAnys, _))
    }

    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Datum::Int(number) | Datum::Int64(number) => Some(*number as f64),
            Datum::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Integers as they are, floats truncated (expr `runtime.ToInt`).
    pub(crate) fn as_index(&self) -> Option<i64> {
        match self {
            Datum::Int(number) | Datum::Int64(number) => Some(*number),
            Datum::Float(number) => Some(float_to_int(*number)),
            _ => None,
        }
    }

    /// The name of the dynamic type as `%T` prints it.
    pub(crate) fn type_name(&self) -> String {
        match self {
            Datum::Nil => "<nil>".to_string(),
            Datum::Bool(_) => "bool".to_string(),
            Datum::Int(_) => "int".to_string(),
            Datum::Int64(_) => "int64".to_string(),
            Datum::Float(_) => "float64".to_string(),
            Datum::Str(_) => "string".to_string(),
            Datum::List(list, _) => list.name().to_string(),
            Datum::Map(_) => "map[string]interface {}".to_string(),
            Datum::Groups(_) => "map[interface {}][]interface {}".to_string(),
            Datum::Function(function) => GoType::Function(*function).to_string(),
        }
    }

    /// The name of the `reflect.Kind`.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Datum::Nil => "invalid",
            Datum::Bool(_) => "bool",
            Datum::Int(_) => "int",
            Datum::Int64(_) => "int64",
            Datum::Float(_) => "float64",
            Datum::Str(_) => "string",
            Datum::List(..) => "slice",
            Datum::Map(_) | Datum::Groups(_) => "map",
            Datum::Function(_) => "func",
        }
    }

    /// The value as `%v` prints it.
    pub(crate) fn text(&self) -> String {
        match self {
            Datum::Nil => "<nil>".to_string(),
            Datum::Bool(truth) => truth.to_string(),
            Datum::Int(number) | Datum::Int64(number) => number.to_string(),
            Datum::Float(number) => strconv::shortest(*number),
            Datum::Str(text) => text.to_string(),
            Datum::List(_, items) => {
                let items: Vec<String> = items.iter().map(Datum::text).collect();
                format!("[{}]", items.join(" "))
            }
            Datum::Map(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(key, value)| format!("{key}:{}", value.text())).collect();
                format!("map[{}]", fields.join(" "))
            }
            Datum::Groups(groups) => {
                let groups: Vec<String> =
                    groups.iter().map(|(key, value)| format!("{}:{}", key.text(), value.text())).collect();
                format!("map[{}]", groups.join(" "))
            }
            Datum::Function(_) => "function".to_string(),
        }
    }
}

impl ListType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ListType::Anys | ListType::NilAnys => "[]interface {}",
            ListType::Floats => "[]float64",
            ListType::Ints => "[]int",
            ListType::Strings => "[]string",
        }
    }
}

/// Go's conversion of a float64 to int64 on amd64: what does not fit becomes the smallest integer.
pub(crate) fn float_to_int(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}
