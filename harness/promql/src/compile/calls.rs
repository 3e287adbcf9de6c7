//! Function calls.

use promql_parser::label::MatchOp as ParsedOp;
use promql_parser::parser::{Call, Expr};

use super::{Compiled, Compiler, without_parentheses};
use crate::calendar::DatePart;
use crate::labels::{BUCKET_BOUND, Labels, METADATA, METRIC_NAME};
use crate::matcher::Pattern;
use crate::plan::{
    Histogram, HistogramFunction, LabelRule, MapFunction, RangeFunction, ScalarNode, Shift, VectorNode,
};
use crate::query::{Feature, QueryError};

impl Compiler<'_> {
    pub(super) fn call(&mut self, call: &Call) -> Compiled<VectorNode> {
        let node = match call.func.name {
            "vector" => VectorNode::Of(self.scalar(argument(call, 0))?),
            "timestamp" => self.timestamp(call)?,
            "sort" => VectorNode::Sort { descending: false, operand: self.operand(call)? },
            "sort_desc" => VectorNode::Sort { descending: true, operand: self.operand(call)? },
            "absent" => {
                let labels = absent_labels(argument(call, 0));
                VectorNode::Absent { operand: self.operand(call)?, labels }
            }
            "absent_over_time" => {
                let labels = absent_labels(argument(call, 0));
                VectorNode::AbsentOverTime { range: self.range(argument(call, 0))?, labels }
            }
            "label_replace" => {
                let operand = self.operand(call)?;
                let rule = self.label_replace(call)?;
                VectorNode::Relabel { operand, rule: self.rule(rule) }
            }
            "label_join" => {
                let operand = self.operand(call)?;
                let rule = self.label_join(call)?;
                VectorNode::Relabel { operand, rule: self.rule(rule) }
            }
            "histogram_quantile" => {
                let function = HistogramFunction::Quantile(self.scalar(argument(call, 0))?);
                self.histogram(function, argument(call, 1))?
            }
            "histogram_fraction" => {
                let (lower, upper) = (self.scalar(argument(call, 0))?, self.scalar(argument(call, 1))?);
                self.histogram(HistogramFunction::Fraction(lower, upper), argument(call, 2))?
            }
            "quantile_over_time" => {
                let function = RangeFunction::Quantile(self.scalar(argument(call, 0))?);
                self.over_time(function, argument(call, 1))?
            }
            "predict_linear" => {
                let range = self.range(argument(call, 0))?;
                let function = RangeFunction::PredictLinear(self.scalar(argument(call, 1))?);
                VectorNode::OverTime { function, range, rule: Some(self.drop_metadata()) }
            }
            name => match (range_function(name), date_part(name)) {
                (Some(function), _) => self.over_time(function, argument(call, 0))?,
                (None, Some(part)) => self.date(part, call)?,
                (None, None) => self.map(call)?,
            },
        };
        Ok(node)
    }

    /// The first argument, an instant vector.
    fn operand(&mut self, call: &Call) -> Compiled<Box<VectorNode>> {
        Ok(Box::new(self.vector(argument(call, 0))?))
    }

    fn timestamp(&mut self, call: &Call) -> Compiled<VectorNode> {
        let mut operand = self.operand(call)?;
        // Upstream computes the offset of such a selector anew from `@` alone
        // (promql/engine.go: rangeEvalTimestampFunctionOverVectorSelector).
        if let VectorNode::Selector { shift: Shift { at: Some(_), offset_ms }, .. } = &mut *operand {
            *offset_ms = 0;
        }
        Ok(VectorNode::Timestamp { operand, rule: self.drop_metadata() })
    }

    fn over_time(&mut self, function: RangeFunction, range: &Expr) -> Compiled<VectorNode> {
        let range = self.range(range)?;
        // `last_over_time` alone keeps the metric's name (promql/engine.go: eval, Call).
        let keeps_name = matches!(function, RangeFunction::Last);
        let rule = (!keeps_name).then(|| self.drop_metadata());
        Ok(VectorNode::OverTime { function, range, rule })
    }

    /// Without an argument a date function is of the evaluation time.
    fn date(&mut self, part: DatePart, call: &Call) -> Compiled<VectorNode> {
        let operand = match call.args.is_empty() {
            true => Box::new(VectorNode::Of(ScalarNode::Time)),
            false => self.operand(call)?,
        };
        Ok(VectorNode::Map { function: MapFunction::Date(part), operand, rule: self.drop_metadata() })
    }

    fn map(&mut self, call: &Call) -> Compiled<VectorNode> {
        let operand = self.operand(call)?;
        let function = match call.func.name {
            "abs" => MapFunction::Abs,
            "ceil" => MapFunction::Ceil,
            "floor" => MapFunction::Floor,
            "exp" => MapFunction::Exp,
            "ln" => MapFunction::Ln,
            "log2" => MapFunction::Log2,
            "log10" => MapFunction::Log10,
            "sqrt" => MapFunction::Sqrt,
            "sgn" => MapFunction::Sgn,
            "acos" => MapFunction::Acos,
            "acosh" => MapFunction::Acosh,
            "asin" => MapFunction::Asin,
            "asinh" => MapFunction::Asinh,
            "atan" => MapFunction::Atan,
            "atanh" => MapFunction::Atanh,
            "cos" => MapFunction::Cos,
            "cosh" => MapFunction::Cosh,
            "sin" => MapFunction::Sin,
            "sinh" => MapFunction::Sinh,
            "tan" => MapFunction::Tan,
            "tanh" => MapFunction::Tanh,
            "deg" => MapFunction::Deg,
            "rad" => MapFunction::Rad,
            "round" if call.args.len() == 1 => MapFunction::Round(ScalarNode::Number(1.0)),
            "round" => MapFunction::Round(self.scalar(argument(call, 1))?),
            "clamp" => MapFunction::Clamp(self.scalar(argument(call, 1))?, self.scalar(argument(call, 2))?),
            "clamp_min" => MapFunction::ClampMin(self.scalar(argument(call, 1))?),
            "clamp_max" => MapFunction::ClampMax(self.scalar(argument(call, 1))?),
            other => {
                let features = vec![Feature {
                    name: format!("PromQL function `{other}`"),
                    position: self.source.call(other),
                }];
                return Err(QueryError::NotSimulated { query: self.source.text().to_owned(), features });
            }
        };
        Ok(VectorNode::Map { function, operand, rule: self.drop_metadata() })
    }

    fn histogram(&mut self, function: HistogramFunction, operand: &Expr) -> Compiled<VectorNode> {
        let operand = self.vector(operand)?;
        let bound = BUCKET_BOUND.to_owned();
        let group = self.rule(LabelRule::Without(vec![bound.clone()]));
        let mut dropped = METADATA.map(str::to_owned).to_vec();
        dropped.push(bound);
        let result = self.rule(LabelRule::Without(dropped));
        let index = self.histograms;
        self.histograms += 1;
        Ok(VectorNode::Histogram(Box::new(Histogram { function, operand, group, result, index })))
    }

    fn label_replace(&self, call: &Call) -> Compiled<LabelRule> {
        let target = self.text_argument(call, 1)?;
        let replacement = self.text_argument(call, 2)?;
        let source = self.text_argument(call, 3)?;
        let pattern = self.text_argument(call, 4)?;
        let position = self.source.call("label_replace");
        let Ok(pattern) = Pattern::new(&pattern) else {
            let message = format!("invalid regular expression in label_replace(): {pattern}");
            return Err(self.source.error(message, position));
        };
        if target.is_empty() {
            return Err(self.source.error("invalid destination label name in label_replace(): ", position));
        }
        Ok(LabelRule::Replace { target, replacement, source, pattern })
    }

    fn label_join(&self, call: &Call) -> Compiled<LabelRule> {
        let target = self.text_argument(call, 1)?;
        let separator = self.text_argument(call, 2)?;
        let sources: Vec<String> =
            (3..call.args.len()).map(|at| self.text_argument(call, at)).collect::<Compiled<_>>()?;
        let position = self.source.call("label_join");
        if sources.iter().any(String::is_empty) {
            return Err(self.source.error("invalid source label name in label_join(): ", position));
        }
        if target.is_empty() {
            return Err(self.source.error("invalid destination label name in label_join(): ", position));
        }
        Ok(LabelRule::Join { target, separator, sources })
    }

    fn text_argument(&self, call: &Call, at: usize) -> Compiled<String> {
        self.text(argument(call, at))
    }
}

fn date_part(name: &str) -> Option<DatePart> {
    Some(match name {
        "minute" => DatePart::Minute,
        "hour" => DatePart::Hour,
        "day_of_week" => DatePart::DayOfWeek,
        "day_of_month" => DatePart::DayOfMonth,
        "day_of_year" => DatePart::DayOfYear,
        "days_in_month" => DatePart::DaysInMonth,
        "month" => DatePart::Month,
        "year" => DatePart::Year,
        _ => return None,
    })
}

fn range_function(name: &str) -> Option<RangeFunction> {
    Some(match name {
        "rate" => RangeFunction::Rate,
        "increase" => RangeFunction::Increase,
        "delta" => RangeFunction::Delta,
        "irate" => RangeFunction::Irate,
        "idelta" => RangeFunction::Idelta,
        "deriv" => RangeFunction::Deriv,
        "changes" => RangeFunction::Changes,
        "resets" => RangeFunction::Resets,
        "avg_over_time" => RangeFunction::Avg,
        "min_over_time" => RangeFunction::Min,
        "max_over_time" => RangeFunction::Max,
        "sum_over_time" => RangeFunction::Sum,
        "count_over_time" => RangeFunction::Count,
        "last_over_time" => RangeFunction::Last,
        "stddev_over_time" => RangeFunction::Stddev,
        "stdvar_over_time" => RangeFunction::Stdvar,
        "present_over_time" => RangeFunction::Present,
        _ => return None,
    })
}

/// The labels that a selector fixes (promql/functions.go: createLabelsForAbsentFunction): those with
/// exactly one matcher, which is `=`; other expressions fix none.
fn absent_labels(expression: &Expr) -> Labels {
    let selector = match without_parentheses(expression) {
        Expr::VectorSelector(selector) => selector,
        Expr::MatrixSelector(matrix) => &matrix.vs,
        _ => return Labels::empty(),
    };
    let mut labels = Labels::empty();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in selector.matchers.matchers.iter().filter(|matcher| matcher.name != METRIC_NAME) {
        if matches!(matcher.op, ParsedOp::Equal) && !seen.contains(&matcher.name.as_str()) {
            labels = labels.with(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            labels = labels.with(&matcher.name, "");
        }
    }
    labels
}

pub(super) fn argument(call: &Call, at: usize) -> &Expr {
    call.args.args.get(at).expect("the parser has checked the number of arguments")
}
