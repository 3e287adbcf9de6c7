//! From the parser's tree to a [`Plan`]: types are settled, names become enums, and whatever cannot
//! be evaluated is collected by name.

mod calls;
mod operators;

use std::time::{Duration, SystemTime};

use promql_parser::label::{self, MatchOp as ParsedOp};
use promql_parser::parser::token::{
    T_AVG, T_BOTTOMK, T_COUNT, T_COUNT_VALUES, T_GROUP, T_MAX, T_MIN, T_QUANTILE, T_STDDEV, T_STDVAR, T_SUM,
    T_TOPK,
};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{self, AggregateExpr, AtModifier, Expr, LabelModifier, Offset, SubqueryExpr};

use crate::labels::METRIC_NAME;
use crate::matcher::{MatchOp, Matcher, Pattern};
use crate::plan::{
    AggregateOp, At, LabelRule, Plan, Range, RangeSource, Root, RuleRef, ScalarNode, Selector, SelectorRef,
    Shift, VectorNode,
};
use crate::query::QueryError;
use crate::source::Source;
use crate::unsupported::unsupported;
use calls::argument;

/// Compiles a parsed expression.
pub(crate) fn compile(source: &Source<'_>, expression: &Expr) -> Result<Plan, QueryError> {
    let features = unsupported(source, expression);
    if !features.is_empty() {
        return Err(QueryError::NotSimulated { query: source.text().to_owned(), features });
    }
    let mut compiler =
        Compiler { source, selectors: Vec::new(), rules: Vec::new(), histograms: 0, subquery_ms: 0 };
    let root = compiler.root(expression)?;
    Ok(Plan { root, selectors: compiler.selectors, rules: compiler.rules, histograms: compiler.histograms })
}

struct Compiler<'a> {
    source: &'a Source<'a>,
    selectors: Vec<Selector>,
    rules: Vec<LabelRule>,
    histograms: usize,
    subquery_ms: i64,
}

type Compiled<T> = Result<T, QueryError>;

impl Compiler<'_> {
    fn root(&mut self, expression: &Expr) -> Compiled<Root> {
        let expression = without_parentheses(expression);
        Ok(match expression.value_type() {
            ValueType::Scalar => Root::Scalar(self.scalar(expression)?),
            ValueType::Vector => {
                let node = self.vector(expression)?;
                let ordered = matches!(
                    node,
                    VectorNode::Sort { .. }
                        | VectorNode::Aggregate { op: AggregateOp::TopK(_) | AggregateOp::BottomK(_), .. }
                );
                Root::Vector { node, ordered }
            }
            ValueType::Matrix => Root::Matrix(self.range(expression)?),
            ValueType::String => Root::Text(self.text(expression)?),
        })
    }

    fn scalar(&mut self, expression: &Expr) -> Compiled<ScalarNode> {
        match without_parentheses(expression) {
            Expr::NumberLiteral(number) => Ok(ScalarNode::Number(number.val)),
            Expr::Unary(unary) => Ok(ScalarNode::Negate(Box::new(self.scalar(&unary.expr)?))),
            Expr::Binary(binary) if expression.value_type() == ValueType::Scalar => {
                let op = self.binary_op(binary)?;
                let lhs = Box::new(self.scalar(&binary.lhs)?);
                Ok(ScalarNode::Binary { op, lhs, rhs: Box::new(self.scalar(&binary.rhs)?) })
            }
            Expr::Call(call) if call.func.name == "time" => Ok(ScalarNode::Time),
            Expr::Call(call) if call.func.name == "pi" => Ok(ScalarNode::Number(std::f64::consts::PI)),
            Expr::Call(call) if call.func.name == "scalar" => {
                Ok(ScalarNode::Of(Box::new(self.vector(argument(call, 0))?)))
            }
            other => Err(self.expected("scalar", other)),
        }
    }

    fn vector(&mut self, expression: &Expr) -> Compiled<VectorNode> {
        match without_parentheses(expression) {
            Expr::VectorSelector(selector) => {
                let (selector, shift) = self.selector(selector, None)?;
                Ok(VectorNode::Selector { selector, shift })
            }
            Expr::Unary(unary) => {
                let operand = Box::new(self.vector(&unary.expr)?);
                Ok(VectorNode::Negate { operand, rule: self.drop_metadata() })
            }
            Expr::Binary(binary) if expression.value_type() == ValueType::Vector => self.binary(binary),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Call(call) if call.func.return_type == ValueType::Vector => self.call(call),
            other => Err(self.expected("instant vector", other)),
        }
    }

    fn range(&mut self, expression: &Expr) -> Compiled<Range> {
        match without_parentheses(expression) {
            Expr::MatrixSelector(matrix) => {
                let range_ms = self.milliseconds(matrix.range)?;
                let (selector, shift) = self.selector(&matrix.vs, Some(range_ms))?;
                Ok(Range { source: RangeSource::Selector(selector), range_ms, shift })
            }
            Expr::Subquery(subquery) => self.subquery(subquery),
            other => Err(self.expected("range vector", other)),
        }
    }

    fn subquery(&mut self, subquery: &SubqueryExpr) -> Compiled<Range> {
        let range_ms = self.milliseconds(subquery.range)?;
        let step_ms = subquery.step.map(|step| self.milliseconds(step)).transpose()?.filter(|&step| step > 0);
        let shift = self.shift(subquery.at.as_ref(), subquery.offset.as_ref())?;
        self.subquery_ms += range_ms;
        let node = Box::new(self.vector(&subquery.expr)?);
        self.subquery_ms -= range_ms;
        Ok(Range { source: RangeSource::Subquery { node, step_ms }, range_ms, shift })
    }

    fn text(&self, expression: &Expr) -> Compiled<String> {
        match without_parentheses(expression) {
            Expr::StringLiteral(literal) => Ok(literal.val.clone()),
            other => Err(self.expected("string", other)),
        }
    }

    fn selector(
        &mut self,
        selector: &parser::VectorSelector,
        range_ms: Option<i64>,
    ) -> Compiled<(SelectorRef, Shift)> {
        let mut matchers = Vec::new();
        matchers.extend(selector.name.as_deref().map(|name| Matcher::equal(METRIC_NAME, name)));
        for parsed in &selector.matchers.matchers {
            matchers.push(self.matcher(parsed)?);
        }
        let shift = self.shift(selector.at.as_ref(), selector.offset.as_ref())?;
        let Shift { at, offset_ms } = shift;
        self.selectors.push(Selector { matchers, range_ms, offset_ms, at, subquery_ms: self.subquery_ms });
        Ok((SelectorRef(self.selectors.len() - 1), shift))
    }

    fn matcher(&self, parsed: &label::Matcher) -> Compiled<Matcher> {
        let value = parsed.value.as_str();
        let pattern = |compiled: &str| {
            Pattern::from_parser(value, compiled)
                .map_err(|error| self.source.error(format!("invalid regular expression: {error}"), None))
        };
        let op = match &parsed.op {
            ParsedOp::Equal => MatchOp::Equal(value.to_owned()),
            ParsedOp::NotEqual => MatchOp::NotEqual(value.to_owned()),
            ParsedOp::Re(regex) => MatchOp::Regex(pattern(regex.as_str())?),
            ParsedOp::NotRe(regex) => MatchOp::NotRegex(pattern(regex.as_str())?),
        };
        Ok(Matcher { name: parsed.name.clone(), op })
    }

    fn shift(&self, at: Option<&AtModifier>, offset: Option<&Offset>) -> Compiled<Shift> {
        let offset_ms = match offset {
            None => 0,
            Some(Offset::Pos(duration)) => self.milliseconds(*duration)?,
            Some(Offset::Neg(duration)) => -self.milliseconds(*duration)?,
        };
        let at = match at {
            None => None,
            Some(AtModifier::Start) => Some(At::Start),
            Some(AtModifier::End) => Some(At::End),
            Some(AtModifier::At(time)) => Some(At::Ms(match time.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(after) => self.milliseconds(after)?,
                Err(before) => -self.milliseconds(before.duration())?,
            })),
        };
        Ok(Shift { at, offset_ms })
    }

    /// Times stay far enough from the ends of the integers that adding a few cannot overflow.
    fn milliseconds(&self, duration: Duration) -> Compiled<i64> {
        const MAX: i64 = i64::MAX / 16;
        match i64::try_from(duration.as_millis()) {
            Ok(milliseconds) if milliseconds <= MAX => Ok(milliseconds),
            Ok(_) | Err(_) => Err(self.source.error("a time or duration is out of bounds", None)),
        }
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr) -> Compiled<VectorNode> {
        let grouping = grouping(aggregate.modifier.as_ref());
        let op = match aggregate.op.id() {
            T_SUM => AggregateOp::Sum,
            T_AVG => AggregateOp::Avg,
            T_MIN => AggregateOp::Min,
            T_MAX => AggregateOp::Max,
            T_COUNT => AggregateOp::Count,
            T_GROUP => AggregateOp::Group,
            T_STDDEV => AggregateOp::Stddev,
            T_STDVAR => AggregateOp::Stdvar,
            T_QUANTILE => AggregateOp::Quantile(self.aggregate_number(aggregate)?),
            T_TOPK => AggregateOp::TopK(self.aggregate_number(aggregate)?),
            T_BOTTOMK => AggregateOp::BottomK(self.aggregate_number(aggregate)?),
            T_COUNT_VALUES => return self.count_values(aggregate, grouping),
            _ => return Err(self.source.error(format!("unknown aggregation `{}`", aggregate.op), None)),
        };
        let operand = Box::new(self.vector(&aggregate.expr)?);
        Ok(VectorNode::Aggregate { op, operand, rule: self.rule(grouping) })
    }

    fn aggregate_number(&mut self, aggregate: &AggregateExpr) -> Compiled<ScalarNode> {
        match &aggregate.param {
            Some(parameter) => self.scalar(parameter),
            None => Err(self.source.error(format!("`{}` needs a parameter", aggregate.op), None)),
        }
    }

    fn count_values(&mut self, aggregate: &AggregateExpr, grouping: LabelRule) -> Compiled<VectorNode> {
        let label = match &aggregate.param {
            Some(parameter) => self.text(parameter)?,
            None => return Err(self.source.error("`count_values` needs a label name", None)),
        };
        if label.is_empty() {
            let position = self.source.call("count_values");
            return Err(self.source.error("invalid label name \"\"", position));
        }
        let grouping = match grouping {
            LabelRule::Keep(mut names) => {
                names.push(label.clone());
                LabelRule::Keep(names)
            }
            other => other,
        };
        let operand = Box::new(self.vector(&aggregate.expr)?);
        Ok(VectorNode::CountValues { label, grouping, operand })
    }

    fn rule(&mut self, rule: LabelRule) -> RuleRef {
        self.rules.push(rule);
        RuleRef(self.rules.len() - 1)
    }

    fn drop_metadata(&mut self) -> RuleRef {
        self.rule(LabelRule::drop_metadata())
    }

    fn expected(&self, wanted: &str, found: &Expr) -> QueryError {
        let found = match found.value_type() {
            ValueType::Scalar => "scalar",
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
            ValueType::String => "string",
        };
        self.source.error(format!("expected type {wanted}, got {found}"), None)
    }
}

fn without_parentheses(mut expression: &Expr) -> &Expr {
    while let Expr::Paren(paren) = expression {
        expression = &paren.expr;
    }
    expression
}

/// promql/engine.go: generateGroupingLabels
fn grouping(modifier: Option<&LabelModifier>) -> LabelRule {
    match modifier {
        None => LabelRule::Keep(Vec::new()),
        Some(LabelModifier::Include(labels)) => LabelRule::Keep(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => LabelRule::without_and_name(labels.labels.clone()),
    }
}
