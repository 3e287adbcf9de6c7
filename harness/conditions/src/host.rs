//! The functions that Argo Rollouts adds (argo-rollouts `utils/evaluate/evaluate.go`).

use crate::datum::{Datum, float_to_int};
use crate::error::Trouble;
use crate::operators::{self, upstream};
use crate::types::HostFunction;

/// Calls a function. `isNil` and `default` look at the whole result, not at their first
/// argument.
pub(crate) fn call(function: HostFunction, arguments: &[Datum], result: &Datum) -> Result<Datum, Trouble> {
    let argument = arguments.first().unwrap_or(&Datum::Nil);
    match function {
        HostFunction::AsInt => as_int(argument),
        HostFunction::AsFloat => as_float(argument),
        HostFunction::IsNan | HostFunction::IsInf => match argument {
            Datum::Float(number) if function == HostFunction::IsNan => Ok(Datum::Bool(number.is_nan())),
            Datum::Float(number) => Ok(Datum::Bool(number.is_infinite())),
            _ => operators::not_a(argument, "float64"),
        },
        HostFunction::IsNil => Ok(Datum::Bool(matches!(result, Datum::Nil))),
        HostFunction::Default => match result {
            Datum::Nil => Ok(arguments.get(1).cloned().unwrap_or(Datum::Nil)),
            _ => Ok(result.clone()),
        },
    }
}

fn as_int(argument: &Datum) -> Result<Datum, Trouble> {
    match argument {
        Datum::Int(number) | Datum::Int64(number) => Ok(Datum::Int64(*number)),
        Datum::Float(number) => Ok(Datum::Int64(float_to_int(*number))),
        Datum::Str(text) => {
            strconv::parse_int(text, Some(text), 10).map(Datum::Int64).map_err(Trouble::Upstream)
        }
        _ => unsupported("asInt", argument),
    }
}

fn as_float(argument: &Datum) -> Result<Datum, Trouble> {
    match argument {
        Datum::Str(text) if strconv::is_hexadecimal(text) => {
            Err(Trouble::NotSimulated("a hexadecimal floating-point number".to_string()))
        }
        Datum::Str(text) => strconv::parse_float(text).map(Datum::Float).map_err(Trouble::Upstream),
        _ => argument
            .as_float()
            .map_or_else(|| unsupported("asFloat", argument), |number| Ok(Datum::Float(number))),
    }
}

fn unsupported(name: &str, argument: &Datum) -> Result<Datum, Trouble> {
    if matches!(argument, Datum::Function(_)) {
        return Err(Trouble::NotSimulated("the address of a function".to_string()));
    }
    upstream(format!("{name}() not supported on {} {}", argument.type_name(), argument.text()))
}
