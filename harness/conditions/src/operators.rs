//! Operators on values (expr `vm/runtime`).

use std::rc::Rc;

use planted::Bug;

use crate::condition::Dialect;
use crate::datum::{Datum, ListType};
use crate::error::Trouble;
use crate::syntax::BinaryOp;

/// The longest string a condition may build, in bytes.
pub(crate) const MAX_TEXT: usize = 1 << 20;

pub(crate) fn upstream<T>(message: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Upstream(message.into()))
}

/// Go's failed type assertion.
pub(crate) fn not_a<T>(datum: &Datum, wanted: &str) -> Result<T, Trouble> {
    let found = if matches!(datum, Datum::Nil) { "nil".to_string() } else { datum.type_name() };
    upstream(format!("interface conversion: interface {{}} is {found}, not {wanted}"))
}

pub(crate) fn boolean(datum: &Datum) -> Result<bool, Trouble> {
    datum.as_bool().map_or_else(|| not_a(datum, "bool"), Ok)
}

pub(crate) fn string(datum: &Datum) -> Result<&str, Trouble> {
    match datum {
        Datum::Str(text) => Ok(text),
        _ => not_a(datum, "string"),
    }
}

/// `runtime.ToInt`.
pub(crate) fn index(datum: &Datum) -> Result<i64, Trouble> {
    datum.as_index().map_or_else(|| upstream(format!("invalid operation: int({})", datum.type_name())), Ok)
}

pub(crate) fn text(text: String) -> Result<Datum, Trouble> {
    if text.len() > MAX_TEXT {
        return Err(Trouble::Limit(format!("a string exceeds {MAX_TEXT} bytes")));
    }
    Ok(Datum::Str(text.into()))
}

pub(crate) fn negate(datum: &Datum) -> Result<Datum, Trouble> {
    match datum {
        Datum::Int(number) => Ok(Datum::Int(number.wrapping_neg())),
        Datum::Int64(number) => Ok(Datum::Int64(number.wrapping_neg())),
        Datum::Float(number) => Ok(Datum::Float(-number)),
        _ => upstream(format!("invalid operation: - {}", datum.type_name())),
    }
}

/// Both sides as integers, or both as floats if one is a float.
enum Numbers {
    Integers(i64, i64),
    Floats(f64, f64),
}

fn numbers(a: &Datum, b: &Datum) -> Option<Numbers> {
    match (a, b) {
        (Datum::Int(x) | Datum::Int64(x), Datum::Int(y) | Datum::Int64(y)) => Some(Numbers::Integers(*x, *y)),
        _ => Some(Numbers::Floats(a.as_float()?, b.as_float()?)),
    }
}

/// Arithmetic, comparison and string operators whose operands are both evaluated.
pub(crate) fn binary(operator: BinaryOp, a: &Datum, b: &Datum, dialect: Dialect) -> Result<Datum, Trouble> {
    match operator {
        BinaryOp::Equal => Ok(Datum::Bool(equal(a, b, dialect))),
        BinaryOp::NotEqual => Ok(Datum::Bool(!equal(a, b, dialect))),
        BinaryOp::Contains | BinaryOp::StartsWith | BinaryOp::EndsWith => affix(operator, a, b, dialect),
        BinaryOp::Power | BinaryOp::Caret => match (a.as_float(), b.as_float()) {
            (Some(a), Some(b)) => Ok(Datum::Float(libm::pow(a, b))),
            (None, _) => upstream(format!("invalid operation: float({})", a.type_name())),
            (_, None) => upstream(format!("invalid operation: float({})", b.type_name())),
        },
        _ => {
            let result = match (numbers(a, b), a, b) {
                (Some(numbers), _, _) => arithmetic(operator, numbers)?,
                (None, Datum::Str(a), Datum::Str(b)) => on_strings(operator, a, b)?,
                (None, _, _) => None,
            };
            let (a, b) = (a.type_name(), b.type_name());
            let message = format!("invalid operation: {a} {} {b}", operator.text());
            result.map_or_else(|| upstream(message), Ok)
        }
    }
}

fn arithmetic(operator: BinaryOp, numbers: Numbers) -> Result<Option<Datum>, Trouble> {
    use Datum::{Bool, Float, Int};
    Ok(Some(match (operator, numbers) {
        (BinaryOp::Less, Numbers::Integers(a, b)) => Bool(a < b),
        (BinaryOp::Less, Numbers::Floats(a, b)) => Bool(a < b || (planted::is(Bug::NanIsLess) && a.is_nan())),
        (BinaryOp::More, Numbers::Integers(a, b)) => Bool(a > b),
        (BinaryOp::More, Numbers::Floats(a, b)) => Bool(a > b),
        (BinaryOp::LessOrEqual, Numbers::Integers(a, b)) => Bool(a <= b),
        (BinaryOp::LessOrEqual, Numbers::Floats(a, b)) => Bool(a <= b),
        (BinaryOp::MoreOrEqual, Numbers::Integers(a, b)) => Bool(a >= b),
        (BinaryOp::MoreOrEqual, Numbers::Floats(a, b)) => Bool(a >= b),
        (BinaryOp::Add, Numbers::Integers(a, b)) => Int(a.wrapping_add(b)),
        (BinaryOp::Add, Numbers::Floats(a, b)) => Float(a + b),
        (BinaryOp::Subtract, Numbers::Integers(a, b)) => Int(a.wrapping_sub(b)),
        (BinaryOp::Subtract, Numbers::Floats(a, b)) => Float(a - b),
        (BinaryOp::Multiply, Numbers::Integers(a, b)) => Int(a.wrapping_mul(b)),
        (BinaryOp::Multiply, Numbers::Floats(a, b)) => Float(a * b),
        (BinaryOp::Divide, Numbers::Integers(a, b)) => Float(a as f64 / b as f64),
        (BinaryOp::Divide, Numbers::Floats(a, b)) => Float(a / b),
        (BinaryOp::Modulo, Numbers::Integers(_, 0)) => {
            return upstream("runtime error: integer divide by zero");
        }
        (BinaryOp::Modulo, Numbers::Integers(a, b)) => Int(a.wrapping_rem(b)),
        _ => return Ok(None),
    }))
}

fn on_strings(operator: BinaryOp, a: &str, b: &str) -> Result<Option<Datum>, Trouble> {
    Ok(Some(match operator {
        BinaryOp::Less => Datum::Bool(a < b),
        BinaryOp::More => Datum::Bool(a > b),
        BinaryOp::LessOrEqual => Datum::Bool(a <= b),
        BinaryOp::MoreOrEqual => Datum::Bool(a >= b),
        BinaryOp::Add => text([a, b].concat())?,
        _ => return Ok(None),
    }))
}

/// 1.17 lets nil on either side be false; 1.15 fails on it.
fn affix(operator: BinaryOp, a: &Datum, b: &Datum, dialect: Dialect) -> Result<Datum, Trouble> {
    if dialect == Dialect::Expr1_17 && (a.is_nil() || b.is_nil()) {
        return Ok(Datum::Bool(false));
    }
    let (a, b) = (string(a)?, string(b)?);
    Ok(Datum::Bool(match operator {
        BinaryOp::StartsWith => a.starts_with(b),
        BinaryOp::EndsWith => a.ends_with(b),
        _ => a.contains(b),
    }))
}

/// `runtime.Equal`. Lists of different Go types are equal by elements only in 1.17, and only if one of
/// them is a `[]interface {}`.
pub(crate) fn equal(a: &Datum, b: &Datum, dialect: Dialect) -> bool {
    match numbers(a, b) {
        Some(Numbers::Integers(a, b)) => return a == b,
        Some(Numbers::Floats(a, b)) => return a == b,
        None => {}
    }
    match (a, b) {
        (Datum::List(x, xs), Datum::List(y, ys)) => {
            let comparable = x == y || *x == ListType::Anys || *y == ListType::Anys;
            match dialect {
                Dialect::Expr1_17 if comparable => {
                    xs.len() == ys.len() && xs.iter().zip(ys.iter()).all(|(x, y)| equal(x, y, dialect))
                }
                Dialect::Expr1_17 | Dialect::Expr1_15 => identical(a, b),
            }
        }
        _ => a.is_nil() && b.is_nil() || identical(a, b),
    }
}

/// Go's `reflect.DeepEqual`: same types, same contents; a list is equal to itself even with NaN inside.
pub(crate) fn identical(a: &Datum, b: &Datum) -> bool {
    match (a, b) {
        (Datum::Nil, Datum::Nil) => true,
        (Datum::Bool(a), Datum::Bool(b)) => a == b,
        (Datum::Int(a), Datum::Int(b)) | (Datum::Int64(a), Datum::Int64(b)) => a == b,
        (Datum::Float(a), Datum::Float(b)) => a == b,
        (Datum::Str(a), Datum::Str(b)) => a == b,
        (Datum::List(x, xs), Datum::List(y, ys)) => {
            let alike = || xs.iter().zip(ys.iter()).all(|(x, y)| identical(x, y));
            x == y && xs.len() == ys.len() && (Rc::ptr_eq(xs, ys) || alike())
        }
        (Datum::Map(a), Datum::Map(b)) => {
            Rc::ptr_eq(a, b)
                || a.len() == b.len()
                    && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| identical(value, other)))
        }
        (Datum::Groups(a), Datum::Groups(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| {
                    b.iter().any(|(other, items)| identical(key, other) && identical(value, items))
                })
        }
        _ => false,
    }
}

/// `runtime.In`.
pub(crate) fn contains(needle: &Datum, container: &Datum, dialect: Dialect) -> Result<bool, Trouble> {
    match container {
        Datum::Nil => Ok(false),
        Datum::List(_, items) => Ok(items.iter().any(|item| equal(item, needle, dialect))),
        Datum::Map(fields) => match needle {
            Datum::Nil => Ok(fields.contains_key("")),
            Datum::Str(key) => Ok(fields.contains_key(&**key)),
            _ => wrong_key(needle, "string"),
        },
        Datum::Groups(groups) => Ok(groups.iter().any(|(key, _)| identical(key, needle))),
        _ => upstream(format!("operator \"in\" not defined on {}", container.type_name())),
    }
}

pub(crate) fn wrong_key<T>(key: &Datum, wanted: &str) -> Result<T, Trouble> {
    let found = key.type_name();
    upstream(format!("reflect.Value.MapIndex: value of type {found} is not assignable to type {wanted}"))
}

/// `runtime.Fetch`: an element, a field, or a group.
pub(crate) fn fetch(from: &Datum, key: &Datum, dialect: Dialect) -> Result<Datum, Trouble> {
    match from {
        Datum::List(_, items) => {
            let length = items.len() as i64;
            let position = index(key)?;
            let position = if position < 0 { length.wrapping_add(position) } else { position };
            let found = usize::try_from(position).ok().and_then(|position| items.get(position));
            found.cloned().map_or_else(
                || {
                    upstream(match dialect {
                        Dialect::Expr1_17 => {
                            format!("index out of range: {position} (array length is {length})")
                        }
                        Dialect::Expr1_15 => "reflect: slice index out of range".to_string(),
                    })
                },
                Ok,
            )
        }
        Datum::Map(fields) => match key {
            Datum::Nil => Ok(fields.get("").cloned().unwrap_or(Datum::Nil)),
            Datum::Str(name) => Ok(fields.get(&**name).cloned().unwrap_or(Datum::Nil)),
            _ => wrong_key(key, "string"),
        },
        Datum::Groups(groups) => {
            let found = groups.iter().find(|(name, _)| identical(name, key));
            let missing = || Datum::List(ListType::NilAnys, Vec::new().into());
            Ok(found.map_or_else(missing, |(_, items)| items.clone()))
        }
        Datum::Str(_) => Err(Trouble::NotSimulated("an index into a string".to_string())),
        Datum::Nil
        | Datum::Bool(_)
        | Datum::Int(_)
        | Datum::Int64(_)
        | Datum::Float(_)
        | Datum::Function(_) => upstream(format!("cannot fetch {} from {}", key.text(), from.type_name())),
    }
}

/// `runtime.Slice`.
pub(crate) fn slice(from: &Datum, start: &Datum, end: &Datum) -> Result<Datum, Trouble> {
    let bounds = |length: usize| -> Result<(usize, usize), Trouble> {
        let length = length as i64;
        let place = |position: i64| {
            let position = if position < 0 { length.saturating_add(position) } else { position };
            position.clamp(0, length)
        };
        let (start, end) = (place(index(start)?), place(index(end)?));
        Ok((start.min(end) as usize, end as usize))
    };
    match from {
        Datum::List(list, items) => {
            let (start, end) = bounds(items.len())?;
            let all = end - start == items.len();
            Ok(Datum::List(*list, if all { Rc::clone(items) } else { items[start..end].into() }))
        }
        Datum::Str(text) => {
            let (start, end) = bounds(text.len())?;
            match text.get(start..end) {
                Some(part) => Ok(Datum::Str(part.into())),
                None => Err(Trouble::NotSimulated("a slice that splits a character".to_string())),
            }
        }
        _ => upstream(format!("cannot slice {}", start.text())),
    }
}

/// `runtime.Len`, in bytes for a string.
pub(crate) fn length(datum: &Datum) -> Result<usize, Trouble> {
    match datum {
        Datum::List(_, items) => Ok(items.len()),
        Datum::Map(fields) => Ok(fields.len()),
        Datum::Groups(groups) => Ok(groups.len()),
        Datum::Str(text) => Ok(text.len()),
        _ => upstream(format!("invalid argument for len (type {})", datum.type_name())),
    }
}
