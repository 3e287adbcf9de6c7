//! A query whose selectors are fixed in time (promql/promqltest/test.go: atModifierTestCases).

use std::time::{Duration, SystemTime};

use promql_parser::parser::{AtModifier, Expr, parse};

/// Functions whose result depends on the evaluation time whatever their arguments
/// (promql/functions.go: AtModifierUnsafeFunctions).
const OF_THEIR_TIME: [&str; 11] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "time",
    "timestamp",
    "year",
];

/// The query with `@` at all selectors that have none; `None` where its result would still depend on the
/// evaluation time, or where the parser does not print what it read.
pub(crate) fn at(query: &str, at_ms: i64) -> Option<String> {
    let mut expression = parse(query).ok()?;
    if parse(&expression.to_string()).ok()? != expression {
        return None;
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at_ms).ok()?);
    fix(&mut expression, &AtModifier::At(time)).then(|| expression.to_string())
}

/// Fixes an expression, and says whether that makes it independent of the evaluation time.
fn fix(expression: &mut Expr, at: &AtModifier) -> bool {
    match expression {
        Expr::VectorSelector(selector) => {
            selector.at.get_or_insert_with(|| at.clone());
            true
        }
        Expr::MatrixSelector(matrix) => {
            matrix.vs.at.get_or_insert_with(|| at.clone());
            true
        }
        Expr::Subquery(subquery) => {
            // What is below a fixed subquery stays as it is.
            subquery.at.get_or_insert_with(|| at.clone());
            true
        }
        Expr::Call(call) => {
            let arguments = call.args.args.iter_mut();
            !OF_THEIR_TIME.contains(&call.func.name) & arguments.fold(true, |all, one| fix(one, at) & all)
        }
        Expr::Aggregate(aggregate) => {
            let parameter = aggregate.param.as_mut().is_none_or(|parameter| fix(parameter, at));
            fix(&mut aggregate.expr, at) & parameter
        }
        Expr::Unary(unary) => fix(&mut unary.expr, at),
        Expr::Paren(paren) => fix(&mut paren.expr, at),
        Expr::Binary(binary) => fix(&mut binary.lhs, at) & fix(&mut binary.rhs, at),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => true,
        Expr::Extension(_) => false,
    }
}
