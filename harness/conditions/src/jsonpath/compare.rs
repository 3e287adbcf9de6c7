//! How filters compare (client-go `third_party/forked/golang/template/funcs.go`). A number of a document is
//! a `float64`, a whole number of a template an `int`: upstream does not compare the two.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::find::Item;

const TYPE: &str = "invalid type for comparison";
const TYPES: &str = "incompatible types for comparison";

/// What can be compared.
enum Basic<'a> {
    Bool(bool),
    Int(i64),
    Uint(u8),
    Float(f64),
    Text(&'a str),
}

/// Whether a comparison holds.
///
/// # Errors
/// Upstream's message: types that do not compare, an operator that there is not.
pub(super) fn holds(operator: &str, left: &Item<'_>, right: &Item<'_>) -> Result<bool, String> {
    let told = |message: &str| message.to_owned();
    match operator {
        "<" => less(left, right).map_err(told),
        "==" => equal(left, right).map_err(told),
        "!=" => equal(left, right).map(|equal| !equal).map_err(told),
        "<=" => less_or_equal(left, right).map_err(told),
        ">" => less_or_equal(left, right).map(|other| !other).map_err(told),
        ">=" => less(left, right).map(|other| !other).map_err(told),
        other => Err(format!("unrecognized filter operator {other}")),
    }
}

fn less_or_equal(left: &Item<'_>, right: &Item<'_>) -> Result<bool, &'static str> {
    Ok(less(left, right)? || equal(left, right)?)
}

fn equal(left: &Item<'_>, right: &Item<'_>) -> Result<bool, &'static str> {
    match (basic(left)?, basic(right)?) {
        (Basic::Bool(a), Basic::Bool(b)) => Ok(a == b),
        (Basic::Float(a), Basic::Float(b)) => Ok(a == b),
        (Basic::Text(a), Basic::Text(b)) => Ok(a == b),
        (a, b) => whole(&a).zip(whole(&b)).map(|(a, b)| a == b).ok_or(TYPES),
    }
}

fn less(left: &Item<'_>, right: &Item<'_>) -> Result<bool, &'static str> {
    match (basic(left)?, basic(right)?) {
        (Basic::Bool(_), Basic::Bool(_)) => Err(TYPE),
        (Basic::Float(a), Basic::Float(b)) => Ok(a < b),
        (Basic::Text(a), Basic::Text(b)) => Ok(a.cmp(b) == Ordering::Less),
        (a, b) => whole(&a).zip(whole(&b)).map(|(a, b)| a < b).ok_or(TYPES),
    }
}

fn whole(basic: &Basic<'_>) -> Option<i64> {
    match basic {
        Basic::Int(number) => Some(*number),
        Basic::Uint(byte) => Some(i64::from(*byte)),
        Basic::Bool(_) | Basic::Float(_) | Basic::Text(_) => None,
    }
}

fn basic<'a>(item: &'a Item<'_>) -> Result<Basic<'a>, &'static str> {
    Ok(match item {
        Item::Json(Json::Bool(truth)) => Basic::Bool(*truth),
        Item::Json(Json::Number(number)) => Basic::Float(number.as_f64().unwrap_or(f64::NAN)),
        Item::Json(Json::String(text)) => Basic::Text(text),
        Item::Bool(truth) => Basic::Bool(*truth),
        Item::Int(number) => Basic::Int(*number),
        Item::Float(number) => Basic::Float(*number),
        Item::Text(text) => Basic::Text(text),
        Item::Byte(byte) => Basic::Uint(*byte),
        Item::Json(Json::Null | Json::Array(_) | Json::Object(_)) | Item::Nothing => return Err(TYPE),
    })
}
