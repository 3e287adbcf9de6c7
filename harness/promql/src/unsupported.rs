//! What a query uses that is not simulated, listed before anything is compiled.

use promql_parser::parser::token::{T_LIMIT_RATIO, T_LIMITK};
use promql_parser::parser::{Expr, VectorSelector};

use crate::query::Feature;
use crate::source::Source;

/// The PromQL functions that are evaluated: all that Prometheus documents as stable and that make sense
/// of floats. Refused by name are those of native histograms alone (`histogram_count`, `histogram_sum`,
/// `histogram_avg`, `histogram_stddev`, `histogram_stdvar`) and the experimental ones, which a
/// Prometheus without feature flags refuses too.
pub const FUNCTIONS: [&str; 67] = [
    "abs",
    "absent",
    "absent_over_time",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "avg_over_time",
    "ceil",
    "changes",
    "clamp",
    "clamp_max",
    "clamp_min",
    "cos",
    "cosh",
    "count_over_time",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "deg",
    "delta",
    "deriv",
    "exp",
    "floor",
    "histogram_fraction",
    "histogram_quantile",
    "hour",
    "idelta",
    "increase",
    "irate",
    "label_join",
    "label_replace",
    "last_over_time",
    "ln",
    "log10",
    "log2",
    "max_over_time",
    "min_over_time",
    "minute",
    "month",
    "pi",
    "predict_linear",
    "present_over_time",
    "quantile_over_time",
    "rad",
    "rate",
    "resets",
    "round",
    "scalar",
    "sgn",
    "sin",
    "sinh",
    "sort",
    "sort_desc",
    "sqrt",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "tan",
    "tanh",
    "time",
    "timestamp",
    "vector",
    "year",
];

/// Everything in the expression that is not simulated, in order of appearance, each once.
pub(crate) fn unsupported(source: &Source<'_>, expression: &Expr) -> Vec<Feature> {
    let mut found = Found { source, features: Vec::new() };
    found.walk(expression);
    found.features
}

struct Found<'a> {
    source: &'a Source<'a>,
    features: Vec<Feature>,
}

impl Found<'_> {
    fn walk(&mut self, expression: &Expr) {
        match expression {
            Expr::Aggregate(aggregate) => {
                if matches!(aggregate.op.id(), T_LIMITK | T_LIMIT_RATIO) {
                    self.add("PromQL aggregation", &aggregate.op.to_string());
                }
                aggregate.param.iter().for_each(|parameter| self.walk(parameter));
                self.walk(&aggregate.expr);
            }
            Expr::Unary(unary) => self.walk(&unary.expr),
            Expr::Binary(binary) => {
                self.walk(&binary.lhs);
                let fill = binary.modifier.as_ref().map(|modifier| &modifier.fill_values);
                if fill.is_some_and(|fill| fill.lhs.is_some() || fill.rhs.is_some()) {
                    self.add("PromQL modifier", "fill");
                }
                self.walk(&binary.rhs);
            }
            Expr::Paren(paren) => self.walk(&paren.expr),
            Expr::Subquery(subquery) => self.walk(&subquery.expr),
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs),
            Expr::Call(call) => {
                if !FUNCTIONS.contains(&call.func.name) {
                    self.add("PromQL function", call.func.name);
                }
                call.args.args.iter().for_each(|argument| self.walk(argument));
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => {}
            Expr::Extension(extension) => self.add("PromQL extension", extension.expr.name()),
        }
    }

    fn selector(&mut self, selector: &VectorSelector) {
        if !selector.matchers.or_matchers.is_empty() {
            self.add("extension of PromQL, matchers joined by", "or");
        }
    }

    fn add(&mut self, kind: &str, name: &str) {
        let position = self.source.call(name).or_else(|| self.source.word(name));
        let feature = Feature { name: format!("{kind} `{name}`"), position };
        if !self.features.contains(&feature) {
            self.features.push(feature);
        }
    }
}
