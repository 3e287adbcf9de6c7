//! Functions of expr without predicates (expr `builtin/builtin.go`, `builtin/lib.go`).

use crate::condition::Dialect;
use crate::datum::{Datum, ListType};
use crate::error::Trouble;
use crate::operators::{self, MAX_TEXT, string, text, upstream};
use crate::syntax::{BinaryOp, Function};

/// The longest list that `uniq` compares pairwise.
const MAX_UNIQ: usize = 1_000;
/// Up to this length Go sorts by insertion, so the order of incomparable values is known.
const INSERTION_SORT: usize = 12;

/// Whether upstream counts the elements of the function's result against the memory budget.
pub(crate) fn counts_memory(function: Function) -> bool {
    matches!(function, Function::Reverse | Function::Concat | Function::Flatten | Function::Sort)
}

/// Calls a function; the type check has seen to the number of arguments.
pub(crate) fn call(function: Function, arguments: &[Datum], dialect: Dialect) -> Result<Datum, Trouble> {
    match function {
        Function::Max | Function::Min => return extreme(function, arguments, dialect),
        Function::Mean | Function::Median => return average(function, arguments, dialect),
        Function::Concat => return concat(arguments),
        _ => {}
    }
    match arguments {
        [argument] => unary(function, argument, dialect),
        [first, second] => binary(function, first, second, dialect),
        [subject, old, new] if function == Function::Replace => replace(subject, old, new, -1),
        [subject, old, new, count] if function == Function::Replace => {
            replace(subject, old, new, operators::index(count)?)
        }
        [subject, separator, count] if function == Function::Split => {
            split(subject, separator, operators::index(count)?)
        }
        _ => upstream(format!("no matching overload for {}", function.text())),
    }
}

fn unary(function: Function, argument: &Datum, dialect: Dialect) -> Result<Datum, Trouble> {
    let of_string = |change: fn(&str) -> String| string(argument).and_then(|subject| text(change(subject)));
    match function {
        Function::Len => length(argument, dialect),
        Function::Type => Ok(Datum::Str(type_of(argument).into())),
        Function::Abs => abs(argument),
        Function::Ceil => round(argument, "ceil", libm::ceil),
        Function::Floor => round(argument, "floor", libm::floor),
        Function::Round => round(argument, "round", libm::round),
        Function::Int => int(argument, dialect),
        Function::Float => float(argument),
        Function::String if has_function(argument) => {
            Err(Trouble::NotSimulated("the address of a function".to_string()))
        }
        Function::String => text(argument.text()),
        Function::Trim => of_string(|subject| subject.trim().to_string()),
        Function::Upper => of_string(|subject| subject.chars().map(upper).collect()),
        Function::Lower => of_string(|subject| subject.chars().map(lower).collect()),
        Function::TrimPrefix => of_string(|s| s.strip_prefix(' ').unwrap_or(s).to_string()),
        Function::TrimSuffix => of_string(|s| s.strip_suffix(' ').unwrap_or(s).to_string()),
        Function::Join => join(argument, ""),
        Function::First => end(argument, 0, dialect),
        Function::Last => end(argument, -1, dialect),
        Function::Keys | Function::Values => entries(function, argument),
        Function::Sum => sum_1_15(argument),
        Function::Reverse => {
            let items = list(argument, "reverse")?;
            Ok(Datum::anys(items.iter().rev().cloned().collect()))
        }
        Function::Uniq => uniq(list(argument, "uniq")?, dialect),
        Function::Flatten => {
            let mut flat = Vec::new();
            flatten(list(argument, "flatten")?, &mut flat);
            Ok(Datum::anys(flat))
        }
        Function::Sort => sort(argument, false, dialect),
        _ => upstream(format!("no matching overload for {}", function.text())),
    }
}

fn binary(function: Function, a: &Datum, b: &Datum, dialect: Dialect) -> Result<Datum, Trouble> {
    let find = |position: Option<usize>| Datum::Int(position.map_or(-1, |position| position as i64));
    match function {
        Function::Trim => {
            let cutset: Vec<char> = string(b)?.chars().collect();
            text(string(a)?.trim_matches(cutset.as_slice()).to_string())
        }
        Function::TrimPrefix => {
            let subject = string(a)?;
            text(subject.strip_prefix(string(b)?).unwrap_or(subject).to_string())
        }
        Function::TrimSuffix => {
            let subject = string(a)?;
            text(subject.strip_suffix(string(b)?).unwrap_or(subject).to_string())
        }
        Function::Split => split(a, b, -1),
        Function::Join => join(a, string(b)?),
        Function::IndexOf => Ok(find(string(a)?.find(string(b)?))),
        Function::LastIndexOf => Ok(find(string(a)?.rfind(string(b)?))),
        Function::HasPrefix => Ok(Datum::Bool(string(a)?.starts_with(string(b)?))),
        Function::HasSuffix => Ok(Datum::Bool(string(a)?.ends_with(string(b)?))),
        Function::Get => get(a, b, dialect),
        Function::Take => take(a, b),
        Function::Sort => match string(b)? {
            "asc" => sort(a, false, dialect),
            "desc" => sort(a, true, dialect),
            order => upstream(match dialect {
                Dialect::Expr1_17 => format!("invalid order {order}, expected asc or desc"),
                Dialect::Expr1_15 => {
                    format!(
                        "invalid argument for sort (expected \"asc\" or \"desc\", got {})",
                        strconv::quote(order)
                    )
                }
            }),
        },
        _ => upstream(format!("no matching overload for {}", function.text())),
    }
}

fn list<'a>(argument: &'a Datum, verb: &str) -> Result<&'a [Datum], Trouble> {
    match argument {
        Datum::List(_, items) => Ok(items),
        _ => upstream(format!("cannot {verb} {}", argument.kind_name())),
    }
}

/// Characters of a string in 1.17, bytes in 1.15.
fn length(argument: &Datum, dialect: Dialect) -> Result<Datum, Trouble> {
    let length = match (argument, dialect) {
        (Datum::Str(subject), Dialect::Expr1_17) => subject.chars().count(),
        _ => operators::length(argument)?,
    };
    Ok(Datum::Int(length as i64))
}

fn type_of(argument: &Datum) -> &'static str {
    match argument {
        Datum::Nil => "nil",
        Datum::Bool(_) => "bool",
        Datum::Int(_) | Datum::Int64(_) => "int",
        Datum::Float(_) => "float",
        Datum::Str(_) => "string",
        Datum::List(..) => "array",
        Datum::Map(_) | Datum::Groups(_) => "map",
        Datum::Function(_) => "func",
    }
}

/// Go prints a function as its address.
fn has_function(datum: &Datum) -> bool {
    match datum {
        Datum::Function(_) => true,
        Datum::List(_, items) => items.iter().any(has_function),
        Datum::Map(fields) => fields.values().any(has_function),
        Datum::Groups(groups) => groups.iter().any(|(_, items)| has_function(items)),
        Datum::Nil | Datum::Bool(_) | Datum::Int(_) | Datum::Int64(_) | Datum::Float(_) | Datum::Str(_) => {
            false
        }
    }
}

fn abs(argument: &Datum) -> Result<Datum, Trouble> {
    match argument {
        Datum::Int(number) => Ok(Datum::Int(number.wrapping_abs())),
        Datum::Int64(number) => Ok(Datum::Int64(number.wrapping_abs())),
        Datum::Float(number) if *number < 0.0 => Ok(Datum::Float(-number)),
        Datum::Float(_) => Ok(argument.clone()),
        _ => upstream(format!("invalid argument for abs (type {})", argument.type_name())),
    }
}

fn round(argument: &Datum, name: &str, rounding: fn(f64) -> f64) -> Result<Datum, Trouble> {
    match argument {
        Datum::Float(number) => Ok(Datum::Float(rounding(*number))),
        Datum::Int(number) | Datum::Int64(number) => Ok(Datum::Float(*number as f64)),
        _ => upstream(format!("invalid argument for {name} (type {})", argument.type_name())),
    }
}

fn int(argument: &Datum, dialect: Dialect) -> Result<Datum, Trouble> {
    match argument {
        Datum::Str(subject) => match strconv::parse_int(subject, Some(subject), 10) {
            Ok(number) => Ok(Datum::Int(number)),
            Err(_) => upstream(format!("invalid operation: int({subject})")),
        },
        Datum::Nil if dialect == Dialect::Expr1_17 => {
            upstream("reflect: call of reflect.Value.Type on zero Value")
        }
        _ => operators::index(argument).map(Datum::Int),
    }
}

fn float(argument: &Datum) -> Result<Datum, Trouble> {
    match argument {
        Datum::Str(subject) if strconv::is_hexadecimal(subject) => {
            Err(Trouble::NotSimulated("a hexadecimal floating-point number".to_string()))
        }
        Datum::Str(subject) => match strconv::parse_float(subject) {
            Ok(number) => Ok(Datum::Float(number)),
            Err(_) => upstream(format!("invalid operation: float({subject})")),
        },
        _ => match argument.as_float() {
            Some(number) => Ok(Datum::Float(number)),
            None => upstream(format!("invalid operation: float({})", argument.type_name())),
        },
    }
}

/// Go changes case character by character; one that becomes several stays.
fn upper(c: char) -> char {
    let mut changed = c.to_uppercase();
    if changed.len() == 1 { changed.next().unwrap_or(c) } else { c }
}

fn lower(c: char) -> char {
    let mut changed = c.to_lowercase();
    if changed.len() == 1 { changed.next().unwrap_or(c) } else { c }
}

/// `strings.SplitN`; a negative count means all.
fn split(subject: &Datum, separator: &Datum, count: i64) -> Result<Datum, Trouble> {
    let (subject, separator) = (string(subject)?, string(separator)?);
    let limit = if count < 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) };
    let parts: Vec<String> = if limit == 0 {
        Vec::new()
    } else if separator.is_empty() {
        let mut parts: Vec<String> = subject.chars().take(limit).map(String::from).collect();
        if let Some(last) = parts.last_mut() {
            last.extend(subject.chars().skip(limit));
        }
        parts
    } else {
        subject.splitn(limit, separator).map(String::from).collect()
    };
    Ok(Datum::List(ListType::Strings, parts.into_iter().map(|part| Datum::Str(part.into())).collect()))
}

fn replace(subject: &Datum, old: &Datum, new: &Datum, count: i64) -> Result<Datum, Trouble> {
    let (subject, old, new) = (string(subject)?, string(old)?, string(new)?);
    let count = if count < 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) };
    let matches = subject.matches(old).count().min(count);
    if subject.len().saturating_add(matches.saturating_mul(new.len())) > MAX_TEXT {
        return Err(Trouble::Limit(format!("a string exceeds {MAX_TEXT} bytes")));
    }
    text(subject.replacen(old, new, count))
}

fn join(argument: &Datum, glue: &str) -> Result<Datum, Trouble> {
    let Datum::List(ListType::Strings | ListType::Anys | ListType::NilAnys, items) = argument else {
        let found = match argument {
            Datum::Nil => "%!s(<nil>)".to_string(),
            other => other.type_name(),
        };
        return upstream(format!("invalid argument for join (type {found})"));
    };
    let mut joined = String::new();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            joined.push_str(glue);
        }
        joined.push_str(string(item)?);
        if joined.len() > MAX_TEXT {
            return Err(Trouble::Limit(format!("a string exceeds {MAX_TEXT} bytes")));
        }
    }
    text(joined)
}

/// `first` and `last` give nil where an index would fail.
fn end(argument: &Datum, position: i64, dialect: Dialect) -> Result<Datum, Trouble> {
    quietly(operators::fetch(argument, &Datum::Int(position), dialect))
}

fn quietly(outcome: Result<Datum, Trouble>) -> Result<Datum, Trouble> {
    match outcome {
        Err(Trouble::Upstream(_)) => Ok(Datum::Nil),
        outcome => outcome,
    }
}

/// 1.17 still fails on keys of a wrong type.
fn get(from: &Datum, key: &Datum, dialect: Dialect) -> Result<Datum, Trouble> {
    if dialect == Dialect::Expr1_17 {
        match (from, key) {
            (Datum::List(..), _) => {
                operators::index(key)?;
            }
            (Datum::Map(_), Datum::Nil | Datum::Str(_)) => {}
            (Datum::Map(_), _) => return operators::wrong_key(key, "string"),
            _ => {}
        }
    }
    match from {
        // `get` leaves a missing group nil.
        Datum::Groups(_) => match operators::fetch(from, key, dialect)? {
            group if group.is_nil() && dialect == Dialect::Expr1_17 => Ok(Datum::Nil),
            group => Ok(group),
        },
        _ => quietly(operators::fetch(from, key, dialect)),
    }
}

fn take(from: &Datum, count: &Datum) -> Result<Datum, Trouble> {
    let Datum::List(kind, items) = from else {
        return upstream(format!("cannot take from {}", from.kind_name()));
    };
    let (Datum::Int(count) | Datum::Int64(count)) = count else {
        return upstream(format!("cannot take {} elements", count.kind_name()));
    };
    match usize::try_from(*count) {
        Ok(count) => Ok(Datum::List(*kind, items[..count.min(items.len())].into())),
        Err(_) => upstream("reflect.Value.Slice: slice index out of bounds"),
    }
}

/// Deviation: Go iterates over a map in random order; here by key.
fn entries(function: Function, argument: &Datum) -> Result<Datum, Trouble> {
    let keys = function == Function::Keys;
    match argument {
        Datum::Map(fields) if keys => {
            Ok(Datum::anys(fields.keys().map(|key| Datum::Str(key.as_str().into())).collect()))
        }
        Datum::Map(fields) => Ok(Datum::anys(fields.values().cloned().collect())),
        Datum::Groups(groups) => {
            let pick = |(key, items): &(Datum, Datum)| if keys { key.clone() } else { items.clone() };
            Ok(Datum::anys(groups.iter().map(pick).collect()))
        }
        _ => upstream(format!("cannot get {} from {}", function.text(), argument.kind_name())),
    }
}

fn uniq(items: &[Datum], dialect: Dialect) -> Result<Datum, Trouble> {
    if items.len() > MAX_UNIQ {
        return Err(Trouble::Limit(format!("uniq of more than {MAX_UNIQ} elements")));
    }
    let mut seen: Vec<Datum> = Vec::new();
    for item in items {
        if !seen.iter().any(|other| operators::equal(item, other, dialect)) {
            seen.push(item.clone());
        }
    }
    Ok(Datum::anys(seen))
}

fn flatten(items: &[Datum], flat: &mut Vec<Datum>) {
    for item in items {
        match item {
            Datum::List(_, inner) => flatten(inner, flat),
            other => flat.push(other.clone()),
        }
    }
}

fn concat(arguments: &[Datum]) -> Result<Datum, Trouble> {
    let mut joined = Vec::new();
    for argument in arguments {
        joined.extend_from_slice(list(argument, "concat")?);
    }
    Ok(Datum::anys(joined))
}

fn precedes(a: &Datum, b: &Datum, descending: bool, dialect: Dialect) -> Result<bool, Trouble> {
    let (a, b) = if descending { (b, a) } else { (a, b) };
    Ok(operators::binary(BinaryOp::Less, a, b, dialect)?.as_bool() == Some(true))
}

fn sort(argument: &Datum, descending: bool, dialect: Dialect) -> Result<Datum, Trouble> {
    let Datum::List(_, items) = argument else {
        return match dialect {
            Dialect::Expr1_17 => Ok(Datum::List(ListType::NilAnys, Vec::new().into())),
            Dialect::Expr1_15 => upstream(format!("cannot sort {}", argument.kind_name())),
        };
    };
    let mut items = items.to_vec();
    let total = items.iter().all(|item| matches!(item, Datum::Float(number) if !number.is_nan()))
        || items.iter().all(|item| matches!(item, Datum::Str(_)))
        || items.iter().all(|item| matches!(item, Datum::Int(_)));
    if total {
        items.sort_by(|a, b| {
            let less = |a, b| matches!(precedes(a, b, descending, dialect), Ok(true));
            less(b, a).cmp(&less(a, b))
        });
        return Ok(Datum::anys(items));
    }
    if items.len() > INSERTION_SORT || dialect == Dialect::Expr1_15 {
        return Err(Trouble::NotSimulated("sort of values without a total order".to_string()));
    }
    for start in 1..items.len() {
        let mut place = start;
        while place > 0 && precedes(&items[place], &items[place - 1], descending, dialect)? {
            items.swap(place, place - 1);
            place -= 1;
        }
    }
    Ok(Datum::anys(items))
}

fn extreme(function: Function, arguments: &[Datum], dialect: Dialect) -> Result<Datum, Trouble> {
    let order = if function == Function::Max { BinaryOp::Less } else { BinaryOp::More };
    match dialect {
        Dialect::Expr1_17 => extreme_1_17(function, order, arguments),
        Dialect::Expr1_15 => {
            let mut extreme = Datum::Nil;
            for argument in arguments {
                let replaced = matches!(extreme, Datum::Nil)
                    || operators::binary(order, &extreme, argument, dialect)?.as_bool() == Some(true);
                if replaced {
                    extreme = argument.clone();
                }
            }
            Ok(extreme)
        }
    }
}

/// `minMax`: lists are searched, also nested ones; nil for an empty list.
fn extreme_1_17(function: Function, order: BinaryOp, arguments: &[Datum]) -> Result<Datum, Trouble> {
    let invalid = |datum: &Datum| {
        upstream(format!("invalid argument for {} (type {})", function.text(), datum.type_name()))
    };
    let mut extreme = Datum::Nil;
    let consider = |extreme: &mut Datum, candidate: &Datum| -> Result<(), Trouble> {
        let replaced = matches!(extreme, Datum::Nil)
            || operators::binary(order, extreme, candidate, Dialect::Expr1_17)?.as_bool() == Some(true);
        if replaced {
            *extreme = candidate.clone();
        }
        Ok(())
    };
    for argument in arguments {
        match argument {
            Datum::List(_, items) => {
                for item in items.iter() {
                    let found = extreme_1_17(function, order, std::slice::from_ref(item))?;
                    if found.as_float().is_none() {
                        return invalid(&found);
                    }
                    consider(&mut extreme, &found)?;
                }
            }
            Datum::Int(_) | Datum::Int64(_) | Datum::Float(_) => consider(&mut extreme, argument)?,
            other if arguments.len() == 1 => return Ok(other.clone()),
            other => return invalid(other),
        }
    }
    Ok(extreme)
}

fn average(function: Function, arguments: &[Datum], dialect: Dialect) -> Result<Datum, Trouble> {
    let mut numbers = Vec::new();
    match (dialect, arguments) {
        (Dialect::Expr1_15, [argument]) => {
            for item in list(argument, function.text())? {
                match item.as_float() {
                    Some(number) => numbers.push(number),
                    None => return cannot_1_15(function.text(), item),
                }
            }
        }
        (Dialect::Expr1_15 | Dialect::Expr1_17, _) => gather(function, arguments, &mut numbers)?,
    }
    if numbers.is_empty() {
        return Ok(Datum::Float(0.0));
    }
    if function == Function::Mean {
        return Ok(Datum::Float(mean(arguments, dialect, &numbers)));
    }
    // Go's sort.Float64s puts NaN first.
    numbers.sort_by(|a, b| {
        b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    });
    let middle = numbers.len() / 2;
    Ok(Datum::Float(if numbers.len() % 2 == 1 {
        numbers[middle]
    } else {
        (numbers[middle - 1] + numbers[middle]) / 2.0
    }))
}

/// 1.17 adds up nested lists separately, which decides the rounding.
fn mean(arguments: &[Datum], dialect: Dialect, numbers: &[f64]) -> f64 {
    fn total(items: &[Datum]) -> f64 {
        items.iter().fold(0.0, |sum, item| {
            sum + match item {
                Datum::List(_, inner) => total(inner),
                number => number.as_float().unwrap_or(0.0),
            }
        })
    }
    let sum = match dialect {
        Dialect::Expr1_17 => total(arguments),
        Dialect::Expr1_15 => numbers.iter().fold(0.0, |sum, number| sum + number),
    };
    sum / numbers.len() as f64
}

fn gather(function: Function, arguments: &[Datum], numbers: &mut Vec<f64>) -> Result<(), Trouble> {
    for argument in arguments {
        match (argument, argument.as_float()) {
            (Datum::List(_, items), _) => gather(function, items, numbers)?,
            (_, Some(number)) => numbers.push(number),
            (other, None) => {
                let (name, found) = (function.text(), other.type_name());
                return upstream(format!("invalid argument for {name} (type {found})"));
            }
        }
    }
    Ok(())
}

/// An element that is not a number; nil shows as the interface that holds it.
fn cannot_1_15<T>(verb: &str, item: &Datum) -> Result<T, Trouble> {
    let kind = if matches!(item, Datum::Nil) { "interface" } else { item.kind_name() };
    upstream(format!("cannot {verb} {kind}"))
}

/// Integers until the first float (expr 1.15 `sum`).
fn sum_1_15(argument: &Datum) -> Result<Datum, Trouble> {
    let mut sum = Datum::Int(0);
    for item in list(argument, "sum")? {
        if item.as_float().is_none() {
            return cannot_1_15("sum", item);
        }
        sum = operators::binary(BinaryOp::Add, &sum, item, Dialect::Expr1_15)?;
    }
    Ok(sum)
}
