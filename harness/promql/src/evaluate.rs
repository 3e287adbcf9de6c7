//! Walks a plan at one time after the other.
//!
//! Inside, labels are numbers ([`LabelId`]); label sets come back when a result leaves.
//!
//! Deviation: upstream evaluates a range query (and a subquery) node by node over all steps, and fails
//! when two series get the same labels even at different steps; here each step stands alone.

use std::collections::BTreeMap;

use crate::cache::{Cache, LabelId};
use crate::histogram::{Bucket, bucket_quantile};
use crate::labels::{BUCKET_BOUND, Labels};
use crate::over_time::{self, Bounds};
use crate::plan::{
    At, BinaryOp, Comparison, HistogramQuantile, MapFunction, Plan, Range, RangeFunction, RangeSource, Root,
    RuleRef, ScalarNode, SelectorRef, Shift, VectorNode,
};
use crate::query::{Options, Point, Sample, Series, Value};
use crate::storage::{Near, Storage, Window};
use crate::sum::nan_first;

/// How many steps a range query or a subquery may have (prometheus web/api/v1: queryRange).
pub const MAX_STEPS: i64 = 11_000;

/// Why an evaluation has no result. The texts of the first five are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Two elements of a result would have the same labels.
    #[error("vector cannot contain metrics with the same labelset")]
    SameLabels,
    /// The side of a binary operation that must be unique is not.
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
         [{one}, {other}];many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany {
        /// The labels that both elements match by.
        group: String,
        /// `left` or `right`.
        side: &'static str,
        /// One of the elements.
        one: String,
        /// Another one.
        other: String,
    },
    /// Several elements on the left match one on the right without `group_left` or `group_right`.
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    ManyToOneNotExplicit,
    /// With `group_left` or `group_right`, two results have the same labels.
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    GroupingNotUnique,
    /// `topk` or `bottomk` of a number that is no integer.
    #[error("Scalar value {0} overflows int64")]
    NotAnInteger(String),
    /// Only scalars and instant vectors have a range evaluation.
    #[error("a range query needs an expression of type scalar or instant vector, not {0}")]
    NotForRanges(&'static str),
    /// A step that never ends.
    #[error("the step of a range query must be positive, not {0} ms")]
    StepNotPositive(i64),
    /// More steps than are evaluated.
    #[error(
        "{steps} steps are too many; at most {MAX_STEPS} are evaluated: use a longer step or a shorter range"
    )]
    TooManySteps {
        /// The number of steps asked for.
        steps: i64,
    },
    /// More samples than one evaluation may read.
    #[error("the query reads more than {limit} samples")]
    TooManySamples {
        /// [`Options::max_samples`].
        limit: u64,
    },
}

/// A result, and what was looked at to find it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The result.
    pub value: Value,
    /// How many different series had samples that were read.
    pub series: usize,
    /// How many samples were read; one that is read at several steps counts each time.
    pub samples: u64,
}

/// One element of an instant vector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element {
    pub(crate) labels: LabelId,
    pub(crate) value: f64,
}

pub(crate) type Evaluated<T> = Result<T, EvalError>;

/// One evaluation of a plan.
pub(crate) struct Evaluator<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) storage: &'a Storage,
    pub(crate) cache: &'a mut Cache,
    options: Options,
    /// Where `@ start()` and `@ end()` are.
    ends: (i64, i64),
    series: usize,
    samples: u64,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        storage: &'a Storage,
        cache: &'a mut Cache,
        options: Options,
        ends: (i64, i64),
    ) -> Self {
        cache.refresh(plan, storage);
        cache.touched.clear();
        Self { plan, storage, cache, options, ends, series: 0, samples: 0 }
    }

    /// Evaluates at one time.
    pub(crate) fn instant(mut self, at_ms: i64) -> Evaluated<Evaluation> {
        let plan = self.plan;
        let value = match &plan.root {
            Root::Scalar(node) => Value::Scalar(self.scalar(node, at_ms)?),
            Root::Text(text) => Value::String(text.clone()),
            Root::Matrix(range) => Value::Matrix(self.matrix(range, at_ms)?),
            Root::Vector { node, ordered } => {
                let elements = self.vector(node, at_ms)?;
                let mut samples: Vec<Sample> = elements
                    .iter()
                    .map(|element| Sample {
                        labels: self.cache.labels.get(element.labels).clone(),
                        value: element.value,
                    })
                    .collect();
                if !ordered {
                    samples.sort_by(|one, other| one.labels.cmp(&other.labels));
                }
                Value::Vector(samples)
            }
        };
        Ok(Evaluation { value, series: self.series, samples: self.samples })
    }

    /// Evaluates at the start, and then every step until the end.
    pub(crate) fn range(mut self, step_ms: i64) -> Evaluated<Evaluation> {
        if step_ms <= 0 {
            return Err(EvalError::StepNotPositive(step_ms));
        }
        let plan = self.plan;
        let steps = Steps::new(self.ends.0, self.ends.1, step_ms)?;
        let series = match &plan.root {
            Root::Scalar(node) => {
                let points: Evaluated<Vec<Point>> =
                    steps.map(|at_ms| Ok(Point { at_ms, value: self.scalar(node, at_ms)? })).collect();
                vec![Series { labels: Labels::empty(), points: points? }]
            }
            Root::Vector { node, .. } => {
                let columns = self.columns(node, steps)?;
                let labelled = columns.into_iter().map(|(labels, column)| Series {
                    labels: self.cache.labels.get(labels).clone(),
                    points: column.points().collect(),
                });
                sorted(labelled.collect())
            }
            Root::Matrix(_) => return Err(EvalError::NotForRanges("range vector")),
            Root::Text(_) => return Err(EvalError::NotForRanges("string")),
        };
        Ok(Evaluation { value: Value::Matrix(series), series: self.series, samples: self.samples })
    }

    pub(crate) fn scalar(&mut self, node: &ScalarNode, at_ms: i64) -> Evaluated<f64> {
        Ok(match node {
            ScalarNode::Number(number) => *number,
            ScalarNode::Time => at_ms as f64 / 1000.0,
            ScalarNode::Of(vector) => match self.vector(vector, at_ms)?.as_slice() {
                [only] => only.value,
                _ => f64::NAN,
            },
            ScalarNode::Negate(operand) => -self.scalar(operand, at_ms)?,
            ScalarNode::Binary { op, lhs, rhs } => {
                let (lhs, rhs) = (self.scalar(lhs, at_ms)?, self.scalar(rhs, at_ms)?);
                match op {
                    BinaryOp::Compare(comparison) => f64::from(comparison.holds(lhs, rhs)),
                    _ => op.arithmetic(lhs, rhs),
                }
            }
        })
    }

    pub(crate) fn vector(&mut self, node: &VectorNode, at_ms: i64) -> Evaluated<Vec<Element>> {
        match node {
            VectorNode::Selector { selector, shift } => {
                self.latest(*selector, *shift, at_ms, |_, value| value)
            }
            VectorNode::Of(scalar) => {
                let value = self.scalar(scalar, at_ms)?;
                Ok(vec![Element { labels: self.cache.labels.id(&Labels::empty()), value }])
            }
            VectorNode::Negate { operand, rule } => {
                let elements = self.vector(operand, at_ms)?;
                self.map(elements, Some(*rule), |value| -value)
            }
            VectorNode::Map { function, operand, rule } => {
                let elements = self.vector(operand, at_ms)?;
                self.map_function(function, elements, *rule, at_ms)
            }
            VectorNode::Timestamp { operand, rule } => {
                let seconds = |time_ms: i64| time_ms as f64 / 1000.0;
                let elements = match &**operand {
                    VectorNode::Selector { selector, shift } => {
                        self.latest(*selector, *shift, at_ms, |time_ms, _| seconds(time_ms))?
                    }
                    other => {
                        let elements = self.vector(other, at_ms)?;
                        elements.into_iter().map(|e| Element { value: seconds(at_ms), ..e }).collect()
                    }
                };
                self.map(elements, Some(*rule), |value| value)
            }
            VectorNode::Sort { descending, operand } => {
                let elements = self.vector(operand, at_ms)?;
                Ok(self.sorted_by_value(elements, *descending))
            }
            VectorNode::Absent { operand, labels } => {
                let found = !self.vector(operand, at_ms)?.is_empty();
                Ok(self.absent(found, labels))
            }
            VectorNode::Relabel { operand, rule } => {
                let elements = self.vector(operand, at_ms)?;
                self.map(elements, Some(*rule), |value| value)
            }
            VectorNode::HistogramQuantile(node) => self.histogram_quantile(node, at_ms),
            VectorNode::OverTime { function, range, rule } => self.over_time(function, range, *rule, at_ms),
            VectorNode::AbsentOverTime { range, labels } => {
                let found = !self.over_time(&RangeFunction::Present, range, None, at_ms)?.is_empty();
                Ok(self.absent(found, labels))
            }
            VectorNode::Aggregate { op, operand, rule } => self.aggregate(op, operand, *rule, at_ms),
            VectorNode::CountValues { label, grouping, operand } => {
                let elements = self.vector(operand, at_ms)?;
                Ok(self.count_values(label, grouping, &elements))
            }
            VectorNode::VectorScalar(node) => self.vector_scalar(node, at_ms),
            VectorNode::VectorVector(node) => self.vector_vector(node, at_ms),
            VectorNode::Set(node) => self.set_operation(node, at_ms),
        }
    }

    /// The newest value of each series within the lookback (prometheus promql/engine.go:
    /// vectorSelectorSingle).
    fn latest(
        &mut self,
        selector: SelectorRef,
        shift: Shift,
        at_ms: i64,
        value_of: impl Fn(i64, f64) -> f64,
    ) -> Evaluated<Vec<Element>> {
        let until_ms = self.shifted(shift, at_ms);
        let after_ms = until_ms.saturating_sub(self.options.lookback_ms);
        let count = self.cache.selected(selector.0).len();
        let mut elements = Vec::with_capacity(count);
        let mut near = Near::default();
        for at in 0..count {
            let (series, labels) = self.cache.selected(selector.0)[at];
            if let Some((time_ms, value)) = self.storage.latest(series, after_ms, until_ms, &mut near) {
                self.read(series.index(), 1);
                elements.push(Element { labels, value: value_of(time_ms, value) });
            }
        }
        self.check_samples()?;
        Ok(elements)
    }

    fn over_time(
        &mut self,
        function: &RangeFunction,
        range: &Range,
        rule: Option<RuleRef>,
        at_ms: i64,
    ) -> Evaluated<Vec<Element>> {
        let end_ms = self.shifted(range.shift, at_ms);
        let start_ms = end_ms.saturating_sub(range.range_ms);
        let quantile = match function {
            RangeFunction::Quantile(quantile) => self.scalar(quantile, at_ms)?,
            _ => f64::NAN,
        };
        let bounds = Bounds { start_ms, end_ms, quantile };
        let mut elements = Vec::new();
        match &range.source {
            RangeSource::Selector(selector) => {
                let count = self.cache.selected(selector.0).len();
                elements.reserve(count);
                let mut near = Near::default();
                for at in 0..count {
                    let (series, labels) = self.cache.selected(selector.0)[at];
                    let window = self.storage.window(series, start_ms, end_ms, &mut near);
                    if window.len() == 0 {
                        continue;
                    }
                    self.read(series.index(), window.len());
                    if let Some(value) = over_time::apply(function, window, bounds) {
                        elements.push(Element { labels, value });
                    }
                }
                self.check_samples()?;
            }
            RangeSource::Subquery { node, step_ms } => {
                for (labels, column) in self.subquery(node, *step_ms, start_ms, end_ms)? {
                    if let Some(value) = over_time::apply(function, column.window(), bounds) {
                        elements.push(Element { labels, value });
                    }
                }
            }
        }
        self.map(elements, rule, |value| value)
    }

    /// The samples of a range vector themselves.
    fn matrix(&mut self, range: &Range, at_ms: i64) -> Evaluated<Vec<Series>> {
        let end_ms = self.shifted(range.shift, at_ms);
        let start_ms = end_ms.saturating_sub(range.range_ms);
        let mut found = Vec::new();
        match &range.source {
            RangeSource::Selector(selector) => {
                let mut near = Near::default();
                for at in 0..self.cache.selected(selector.0).len() {
                    let (series, _) = self.cache.selected(selector.0)[at];
                    let window = self.storage.window(series, start_ms, end_ms, &mut near);
                    if window.len() > 0 {
                        self.read(series.index(), window.len());
                        let labels = self.storage.labels(series).clone();
                        found.push(Series { labels, points: window.points().collect() });
                    }
                }
                self.check_samples()?;
            }
            RangeSource::Subquery { node, step_ms } => {
                for (labels, column) in self.subquery(node, *step_ms, start_ms, end_ms)? {
                    let labels = self.cache.labels.get(labels).clone();
                    found.push(Series { labels, points: column.points().collect() });
                }
            }
        }
        Ok(sorted(found))
    }

    /// Evaluates at the multiples of the step within the range (prometheus promql/engine.go: eval,
    /// SubqueryExpr).
    fn subquery(
        &mut self,
        node: &VectorNode,
        step_ms: Option<i64>,
        start_ms: i64,
        end_ms: i64,
    ) -> Evaluated<Vec<(LabelId, Column)>> {
        let step_ms = step_ms.unwrap_or(self.options.subquery_step_ms).max(1);
        let first_ms = (start_ms.div_euclid(step_ms) + 1) * step_ms;
        self.columns(node, Steps::new(first_ms, end_ms, step_ms)?)
    }

    /// A vector at each step, turned into one column for each label set.
    fn columns(&mut self, node: &VectorNode, steps: Steps) -> Evaluated<Vec<(LabelId, Column)>> {
        let mut places: BTreeMap<LabelId, usize> = BTreeMap::new();
        let mut columns: Vec<(LabelId, Column)> = Vec::new();
        for at_ms in steps {
            for element in self.vector(node, at_ms)? {
                let place = *places.entry(element.labels).or_insert_with(|| {
                    columns.push((element.labels, Column::default()));
                    columns.len() - 1
                });
                let column = &mut columns[place].1;
                column.times.push(at_ms);
                column.values.push(element.value);
            }
        }
        Ok(columns)
    }

    fn histogram_quantile(&mut self, node: &HistogramQuantile, at_ms: i64) -> Evaluated<Vec<Element>> {
        let quantile = self.scalar(&node.quantile, at_ms)?;
        let elements = self.vector(&node.operand, at_ms)?;
        self.cache.slots.clear();
        let mut results: Vec<LabelId> = Vec::new();
        let mut buckets: Vec<(usize, Bucket)> = Vec::with_capacity(elements.len());
        for element in elements {
            // An element without a bound is no bucket (promql/engine.go: resetHistograms).
            let Some(bound) = self.bucket_bound(node.index, element.labels) else { continue };
            let group = self.cache.relabel(self.plan, node.group, element.labels);
            let slot = self.cache.slots.get(group.index()).unwrap_or(results.len());
            if self.cache.slots.insert(group.index(), slot) {
                results.push(self.cache.relabel(self.plan, node.result, element.labels));
            }
            buckets.push((slot, Bucket { bound, count: element.value }));
        }
        let mut own = Vec::new();
        let mut quantiles = Vec::with_capacity(results.len());
        for (slot, labels) in results.into_iter().enumerate() {
            own.clear();
            own.extend(buckets.iter().filter(|(of, _)| *of == slot).map(|(_, bucket)| *bucket));
            quantiles.push(Element { labels, value: bucket_quantile(quantile, &mut own) });
        }
        self.unique(&quantiles)?;
        Ok(quantiles)
    }

    fn bucket_bound(&mut self, index: usize, labels: LabelId) -> Option<f64> {
        let known = self.cache.bounds[index].get(labels.index()).copied();
        if let Some(Some(bound)) = known {
            return Some(bound);
        }
        let bound = self.cache.labels.get(labels).get(BUCKET_BOUND)?.parse().ok()?;
        let bounds = &mut self.cache.bounds[index];
        bounds.resize(bounds.len().max(labels.index() + 1), None);
        bounds[labels.index()] = Some(bound);
        Some(bound)
    }

    fn map_function(
        &mut self,
        function: &MapFunction,
        elements: Vec<Element>,
        rule: RuleRef,
        at_ms: i64,
    ) -> Evaluated<Vec<Element>> {
        let rule = Some(rule);
        match function {
            MapFunction::Abs => self.map(elements, rule, f64::abs),
            MapFunction::Ceil => self.map(elements, rule, f64::ceil),
            MapFunction::Floor => self.map(elements, rule, f64::floor),
            MapFunction::Exp => self.map(elements, rule, libm::exp),
            MapFunction::Ln => self.map(elements, rule, libm::log),
            MapFunction::Log2 => self.map(elements, rule, libm::log2),
            MapFunction::Log10 => self.map(elements, rule, libm::log10),
            MapFunction::Sqrt => self.map(elements, rule, f64::sqrt),
            MapFunction::Sgn => self.map(elements, rule, |value| {
                if value < 0.0 {
                    -1.0
                } else if value > 0.0 {
                    1.0
                } else {
                    value
                }
            }),
            MapFunction::Round(nearest) => {
                // Upstream's way to round: ties go up, and the inverse is exact for decimal fractions.
                let inverse = 1.0 / self.scalar(nearest, at_ms)?;
                self.map(elements, rule, |value| (value * inverse + 0.5).floor() / inverse)
            }
            MapFunction::Clamp(min, max) => {
                let (min, max) = (self.scalar(min, at_ms)?, self.scalar(max, at_ms)?);
                self.clamp(elements, rule, min, max)
            }
            MapFunction::ClampMin(min) => {
                let min = self.scalar(min, at_ms)?;
                self.clamp(elements, rule, min, f64::INFINITY)
            }
            MapFunction::ClampMax(max) => {
                let max = self.scalar(max, at_ms)?;
                self.clamp(elements, rule, f64::NEG_INFINITY, max)
            }
        }
    }

    fn clamp(
        &mut self,
        elements: Vec<Element>,
        rule: Option<RuleRef>,
        min: f64,
        max: f64,
    ) -> Evaluated<Vec<Element>> {
        if max < min {
            return Ok(Vec::new());
        }
        self.map(elements, rule, |value| larger(min, smaller(max, value)))
    }

    /// Changes each value and, by a rule, the labels.
    pub(crate) fn map(
        &mut self,
        mut elements: Vec<Element>,
        rule: Option<RuleRef>,
        function: impl Fn(f64) -> f64,
    ) -> Evaluated<Vec<Element>> {
        for element in &mut elements {
            element.value = function(element.value);
        }
        if let Some(rule) = rule {
            for element in &mut elements {
                element.labels = self.cache.relabel(self.plan, rule, element.labels);
            }
            self.unique(&elements)?;
        }
        Ok(elements)
    }

    /// Refuses two elements with the same labels (prometheus promql/value.go: ContainsSameLabelset).
    pub(crate) fn unique(&mut self, elements: &[Element]) -> Evaluated<()> {
        if elements.len() < 2 {
            return Ok(());
        }
        self.cache.slots.clear();
        for element in elements {
            if !self.cache.slots.insert(element.labels.index(), 0) {
                return Err(EvalError::SameLabels);
            }
        }
        Ok(())
    }

    /// Sorts by value with NaN last, and by labels where values are the same.
    pub(crate) fn sorted_by_value(&self, mut elements: Vec<Element>, descending: bool) -> Vec<Element> {
        let table = &self.cache.labels;
        elements.sort_by(|one, other| {
            let by_value = match descending {
                true => nan_first(&other.value, &one.value),
                false => nan_first(&one.value, &other.value),
            };
            let nan_last = one.value.is_nan().cmp(&other.value.is_nan());
            nan_last.then(by_value).then_with(|| table.get(one.labels).cmp(table.get(other.labels)))
        });
        elements
    }

    fn absent(&mut self, found: bool, labels: &Labels) -> Vec<Element> {
        if found {
            return Vec::new();
        }
        vec![Element { labels: self.cache.labels.id(labels), value: 1.0 }]
    }

    fn shifted(&self, shift: Shift, at_ms: i64) -> i64 {
        let at_ms = match shift.at {
            None => at_ms,
            Some(At::Start) => self.ends.0,
            Some(At::End) => self.ends.1,
            Some(At::Ms(fixed_ms)) => fixed_ms,
        };
        at_ms.saturating_sub(shift.offset_ms)
    }

    fn read(&mut self, series: usize, samples: usize) {
        self.samples += samples as u64;
        self.series += usize::from(self.cache.touched.insert(series, 0));
    }

    fn check_samples(&self) -> Evaluated<()> {
        let limit = self.options.max_samples;
        if self.samples > limit { Err(EvalError::TooManySamples { limit }) } else { Ok(()) }
    }
}

/// Values over time, before they have labels.
#[derive(Debug, Default)]
struct Column {
    times: Vec<i64>,
    values: Vec<f64>,
}

impl Column {
    fn window(&self) -> Window<'_> {
        Window { times: &self.times, values: &self.values }
    }

    fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.window().points()
    }
}

/// The times of a range evaluation.
struct Steps {
    next_ms: i64,
    left: i64,
    step_ms: i64,
}

impl Steps {
    fn new(start_ms: i64, end_ms: i64, step_ms: i64) -> Evaluated<Self> {
        let span_ms = end_ms.saturating_sub(start_ms);
        let steps = if span_ms < 0 { 0 } else { span_ms / step_ms + 1 };
        if steps > MAX_STEPS {
            return Err(EvalError::TooManySteps { steps });
        }
        Ok(Self { next_ms: start_ms, left: steps, step_ms })
    }
}

impl Iterator for Steps {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        if self.left == 0 {
            return None;
        }
        let now_ms = self.next_ms;
        self.left -= 1;
        self.next_ms = now_ms.saturating_add(self.step_ms);
        Some(now_ms)
    }
}

fn sorted(mut series: Vec<Series>) -> Vec<Series> {
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    series
}

/// Go's math.Min: NaN wins, but for negative infinity.
fn smaller(one: f64, other: f64) -> f64 {
    match one == f64::NEG_INFINITY || other == f64::NEG_INFINITY {
        true => f64::NEG_INFINITY,
        false if one.is_nan() || other.is_nan() => f64::NAN,
        false => one.min(other),
    }
}

/// Go's math.Max: NaN wins, but for infinity.
fn larger(one: f64, other: f64) -> f64 {
    -smaller(-one, -other)
}

impl Comparison {
    pub(crate) fn holds(self, lhs: f64, rhs: f64) -> bool {
        match self {
            Self::Equal => lhs == rhs,
            Self::NotEqual => lhs != rhs,
            Self::Less => lhs < rhs,
            Self::LessOrEqual => lhs <= rhs,
            Self::Greater => lhs > rhs,
            Self::GreaterOrEqual => lhs >= rhs,
        }
    }
}
