//! From the parser's tree to a [`Plan`]: types are settled, names become enums, and whatever cannot
//! be evaluated is collected by name.

use std::time::{Duration, SystemTime};

use promql_parser::label::{self, MatchOp as ParsedOp};
use promql_parser::parser::token::{
    T_ADD, T_AVG, T_BOTTOMK, T_COUNT, T_COUNT_VALUES, T_DIV, T_EQLC, T_GROUP, T_GTE, T_GTR, T_LAND, T_LOR,
    T_LSS, T_LTE, T_LUNLESS, T_MAX, T_MIN, T_MOD, T_MUL, T_NEQ, T_POW, T_QUANTILE, T_STDDEV, T_STDVAR, T_SUB,
    T_SUM, T_TOPK,
};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{
    self, AggregateExpr, AtModifier, BinModifier, BinaryExpr, Call, Expr, LabelModifier, Offset,
    SubqueryExpr, VectorMatchCardinality,
};

use crate::labels::{BUCKET_BOUND, Labels, METADATA, METRIC_NAME};
use crate::matcher::{MatchOp, Matcher, Pattern};
use crate::plan::{
    AggregateOp, At, BinaryOp, Cardinality, Comparison, HistogramQuantile, LabelRule, MapFunction, Plan,
    Range, RangeFunction, RangeSource, Root, RuleRef, ScalarNode, Selector, SelectorRef, SetOp, SetOperation,
    Shift, VectorNode, VectorScalar, VectorVector,
};
use crate::query::{Feature, QueryError};
use crate::source::Source;
use crate::unsupported::unsupported;

/// Compiles a parsed expression.
pub(crate) fn compile(source: &Source<'_>, expression: &Expr) -> Result<Plan, QueryError> {
    let features = unsupported(source, expression);
    if !features.is_empty() {
        return Err(QueryError::NotSimulated { query: source.text().to_owned(), features });
    }
    let mut compiler =
        Compiler { source, selectors: Vec::new(), rules: Vec::new(), quantiles: 0, subquery_ms: 0 };
    let root = compiler.root(expression)?;
    Ok(Plan { root, selectors: compiler.selectors, rules: compiler.rules, quantiles: compiler.quantiles })
}

struct Compiler<'a> {
    source: &'a Source<'a>,
    selectors: Vec<Selector>,
    rules: Vec<LabelRule>,
    quantiles: usize,
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

    fn call(&mut self, call: &Call) -> Compiled<VectorNode> {
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
            "histogram_quantile" => self.histogram_quantile(call)?,
            "quantile_over_time" => {
                let quantile = self.scalar(argument(call, 0))?;
                let range = self.range(argument(call, 1))?;
                let rule = Some(self.drop_metadata());
                VectorNode::OverTime { function: RangeFunction::Quantile(quantile), range, rule }
            }
            name => match range_function(name) {
                Some(function) => self.over_time(function, call)?,
                None => self.map(call)?,
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

    fn over_time(&mut self, function: RangeFunction, call: &Call) -> Compiled<VectorNode> {
        let range = self.range(argument(call, 0))?;
        // `last_over_time` alone keeps the metric's name (promql/engine.go: eval, Call).
        let keeps_name = matches!(function, RangeFunction::Last);
        let rule = (!keeps_name).then(|| self.drop_metadata());
        Ok(VectorNode::OverTime { function, range, rule })
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

    fn histogram_quantile(&mut self, call: &Call) -> Compiled<VectorNode> {
        let quantile = self.scalar(argument(call, 0))?;
        let operand = self.vector(argument(call, 1))?;
        let bound = BUCKET_BOUND.to_owned();
        let group = self.rule(LabelRule::Without(vec![bound.clone()]));
        let mut dropped = METADATA.map(str::to_owned).to_vec();
        dropped.push(bound);
        let result = self.rule(LabelRule::Without(dropped));
        let index = self.quantiles;
        self.quantiles += 1;
        let node = HistogramQuantile { quantile, operand, group, result, index };
        Ok(VectorNode::HistogramQuantile(Box::new(node)))
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

    fn binary(&mut self, binary: &BinaryExpr) -> Compiled<VectorNode> {
        let set_op = match binary.op.id() {
            T_LAND => Some(SetOp::And),
            T_LOR => Some(SetOp::Or),
            T_LUNLESS => Some(SetOp::Unless),
            _ => None,
        };
        let vector_like = |side: &Expr| side.value_type() == ValueType::Vector;
        if let Some(op) = set_op {
            let (lhs, rhs) = (self.vector(&binary.lhs)?, self.vector(&binary.rhs)?);
            let signature = self.rule(signature(binary.modifier.as_ref()));
            return Ok(VectorNode::Set(Box::new(SetOperation { op, lhs, rhs, signature })));
        }
        match (vector_like(&binary.lhs), vector_like(&binary.rhs)) {
            (true, true) => self.vector_vector(binary),
            (true, false) => self.vector_scalar(binary, &binary.lhs, &binary.rhs, false),
            (false, true) => self.vector_scalar(binary, &binary.rhs, &binary.lhs, true),
            (false, false) => Err(self.expected("instant vector", &binary.lhs)),
        }
    }

    fn vector_scalar(
        &mut self,
        binary: &BinaryExpr,
        vector: &Expr,
        scalar: &Expr,
        swapped: bool,
    ) -> Compiled<VectorNode> {
        let op = self.binary_op(binary)?;
        let return_bool = binary.return_bool();
        // In order of appearance, for the list of selectors.
        let (vector, scalar) = if swapped {
            let scalar = self.scalar(scalar)?;
            (self.vector(vector)?, scalar)
        } else {
            (self.vector(vector)?, self.scalar(scalar)?)
        };
        let rule = (changes_metric(op) || return_bool).then(|| self.drop_metadata());
        let node = VectorScalar { op, vector, scalar, swapped, return_bool, rule };
        Ok(VectorNode::VectorScalar(Box::new(node)))
    }

    fn vector_vector(&mut self, binary: &BinaryExpr) -> Compiled<VectorNode> {
        let op = self.binary_op(binary)?;
        let return_bool = binary.return_bool();
        let modifier = binary.modifier.as_ref();
        let cardinality = match modifier.map(|modifier| &modifier.card) {
            None | Some(VectorMatchCardinality::OneToOne) => Cardinality::OneToOne,
            Some(VectorMatchCardinality::ManyToOne(labels)) => Cardinality::ManyToOne(labels.labels.clone()),
            Some(VectorMatchCardinality::OneToMany(labels)) => Cardinality::OneToMany(labels.labels.clone()),
            Some(VectorMatchCardinality::ManyToMany) => {
                return Err(self.source.error("many-to-many matching is for set operators", None));
            }
        };
        let (lhs, rhs) = (self.vector(&binary.lhs)?, self.vector(&binary.rhs)?);
        let signature = self.rule(signature(modifier));
        let drops_name = changes_metric(op) || return_bool;
        let one_to_one = matches!(cardinality, Cardinality::OneToOne);
        let result = self.rule(result_labels(modifier, one_to_one, drops_name));
        let node = VectorVector { op, lhs, rhs, return_bool, signature, result, cardinality };
        Ok(VectorNode::VectorVector(Box::new(node)))
    }

    fn binary_op(&self, binary: &BinaryExpr) -> Compiled<BinaryOp> {
        Ok(match binary.op.id() {
            T_ADD => BinaryOp::Add,
            T_SUB => BinaryOp::Sub,
            T_MUL => BinaryOp::Mul,
            T_DIV => BinaryOp::Div,
            T_MOD => BinaryOp::Mod,
            T_POW => BinaryOp::Pow,
            T_EQLC => BinaryOp::Compare(Comparison::Equal),
            T_NEQ => BinaryOp::Compare(Comparison::NotEqual),
            T_LSS => BinaryOp::Compare(Comparison::Less),
            T_LTE => BinaryOp::Compare(Comparison::LessOrEqual),
            T_GTR => BinaryOp::Compare(Comparison::Greater),
            T_GTE => BinaryOp::Compare(Comparison::GreaterOrEqual),
            _ => return Err(self.source.error(format!("unknown operator `{}`", binary.op), None)),
        })
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

fn argument(call: &Call, at: usize) -> &Expr {
    call.args.args.get(at).expect("the parser has checked the number of arguments")
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

/// promql/engine.go: changesMetricSchema
fn changes_metric(op: BinaryOp) -> bool {
    !matches!(op, BinaryOp::Compare(_))
}

/// promql/engine.go: generateGroupingLabels
fn grouping(modifier: Option<&LabelModifier>) -> LabelRule {
    match modifier {
        None => LabelRule::Keep(Vec::new()),
        Some(LabelModifier::Include(labels)) => LabelRule::Keep(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => LabelRule::without_and_name(labels.labels.clone()),
    }
}

/// promql/engine.go: signatureFunc
fn signature(modifier: Option<&BinModifier>) -> LabelRule {
    match modifier.and_then(|modifier| modifier.matching.as_ref()) {
        None => LabelRule::without_and_name(Vec::new()),
        Some(LabelModifier::Include(labels)) => LabelRule::Keep(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => LabelRule::without_and_name(labels.labels.clone()),
    }
}

/// promql/engine.go: resultMetric, but for the labels that `group_left` copies.
fn result_labels(modifier: Option<&BinModifier>, one_to_one: bool, drops_name: bool) -> LabelRule {
    let dropped = if drops_name { METADATA.map(str::to_owned).to_vec() } else { Vec::new() };
    match modifier.and_then(|modifier| modifier.matching.as_ref()) {
        Some(LabelModifier::Include(labels)) if one_to_one => {
            LabelRule::Keep(labels.labels.iter().filter(|name| !dropped.contains(name)).cloned().collect())
        }
        Some(LabelModifier::Exclude(labels)) if one_to_one => {
            LabelRule::Without([dropped, labels.labels.clone()].concat())
        }
        None | Some(LabelModifier::Include(_) | LabelModifier::Exclude(_)) => LabelRule::Without(dropped),
    }
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
