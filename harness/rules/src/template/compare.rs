//! Comparisons (go text/template/funcs.go: eq, lt). A number with a point and one without are of
//! different types and cannot be compared.

use std::cmp::Ordering;

use super::error::ExpandError;
use super::value::Value;

type Answer = Result<Value, ExpandError>;

/// Whether the first argument equals one of the others.
pub(super) fn equal_to_any(a: &[Value]) -> Answer {
    if a.len() < 2 {
        return Err(ExpandError::failed("missing argument for comparison"));
    }
    for other in &a[1..] {
        if equal(&a[0], other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn not_equal(a: &[Value]) -> Answer {
    Ok(Value::Bool(!equal(&a[0], &a[1])?))
}

pub(super) fn less(a: &[Value]) -> Answer {
    Ok(Value::Bool(order(&a[0], &a[1])? == Some(Ordering::Less)))
}

pub(super) fn less_or_equal(a: &[Value]) -> Answer {
    let less = order(&a[0], &a[1])? == Some(Ordering::Less);
    Ok(Value::Bool(less || equal(&a[0], &a[1])?))
}

/// Upstream's `gt` is the opposite of `le`, also for NaN.
pub(super) fn greater(a: &[Value]) -> Answer {
    negated(less_or_equal(a)?)
}

/// Upstream's `ge` is the opposite of `lt`, also for NaN.
pub(super) fn greater_or_equal(a: &[Value]) -> Answer {
    negated(less(a)?)
}

fn negated(answer: Value) -> Answer {
    Ok(Value::Bool(!answer.is_true()))
}

fn equal(one: &Value, other: &Value) -> Result<bool, ExpandError> {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => Ok(one == other),
        (Value::Int(one), Value::Int(other)) => Ok(one == other),
        (Value::Float(one), Value::Float(other)) => Ok(one == other),
        (Value::Text(one), Value::Text(other)) => Ok(one == other),
        (Value::Nil, other) | (other, Value::Nil) => Ok(*other == Value::Nil),
        _ if is_basic(one) || is_basic(other) => Err(incompatible(one, other)),
        _ => Err(ExpandError::NotSimulated(format!(
            "a comparison of {} with {} in a template",
            one.type_name(),
            other.type_name()
        ))),
    }
}

fn order(one: &Value, other: &Value) -> Result<Option<Ordering>, ExpandError> {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => Ok(Some(one.cmp(other))),
        (Value::Float(one), Value::Float(other)) => Ok(one.partial_cmp(other)),
        (Value::Text(one), Value::Text(other)) => Ok(Some(one.cmp(other))),
        (Value::Bool(_), Value::Bool(_)) => Err(ExpandError::failed("invalid type for comparison")),
        _ if is_basic(one) && is_basic(other) => Err(incompatible(one, other)),
        _ => Err(ExpandError::failed("invalid type for comparison")),
    }
}

fn is_basic(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_))
}

fn incompatible(one: &Value, other: &Value) -> ExpandError {
    let (one, other) = (one.type_name(), other.type_name());
    ExpandError::failed(format!("incompatible types for comparison: {one} and {other}"))
}
