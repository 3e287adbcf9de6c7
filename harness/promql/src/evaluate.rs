//! Walks a plan at one time after the other.
//!
//! Inside, labels are numbers ([`LabelId`]); label sets come back when a result leaves.
//!
//! Upstream evaluates a range query (and a subquery) node by node over all steps, here each step stands
//! alone. One thing tells the difference: where functions of ranges, the unary minus and the functions of
//! labels give two series the same labels, upstream fails even if these are never there at the same step.
//! So over several steps the evaluator remembers which series the results came from.

use std::collections::BTreeMap;

use crate::cache::{Cache, LabelId};
use crate::error::{EvalError, MAX_STEPS};
use crate::labels::Labels;
use crate::plan::{BinaryOp, Plan, RangeFunction, Root, RuleRef, ScalarNode, VectorNode};
use crate::query::{Options, Point, Sample, Series, Value};
use crate::select::{Steps, sorted};
use crate::storage::Storage;
use crate::sum::nan_first;

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
    pub(crate) options: Options,
    /// Where `@ start()` and `@ end()` are.
    pub(crate) ends: (i64, i64),
    pub(crate) series: usize,
    pub(crate) samples: u64,
    pub(crate) subquery_steps: i64,
    /// Over several steps: the labels that a rule made of a series, and that series.
    pub(crate) origins: Option<BTreeMap<(RuleRef, LabelId), LabelId>>,
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
        Self { plan, storage, cache, options, ends, series: 0, samples: 0, subquery_steps: 0, origins: None }
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
        let steps = Steps::new(self.ends.0, self.ends.1, step_ms);
        if steps.count_left() > MAX_STEPS {
            return Err(EvalError::TooManySteps { steps: steps.count_left() });
        }
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
                Ok(vec![Element { labels: self.cache.labels.id(Labels::empty()), value }])
            }
            VectorNode::Negate { operand, rule } => {
                let elements = self.vector(operand, at_ms)?;
                self.relabel_series(elements, *rule, |value| -value)
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
                self.relabel_series(elements, *rule, |value| value)
            }
            VectorNode::Histogram(node) => self.histogram(node, at_ms),
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

    /// [`Self::map`] where no two series may get the same labels, at whatever steps.
    pub(crate) fn relabel_series(
        &mut self,
        elements: Vec<Element>,
        rule: RuleRef,
        function: impl Fn(f64) -> f64,
    ) -> Evaluated<Vec<Element>> {
        if let Some(origins) = &mut self.origins {
            for element in &elements {
                let labels = self.cache.relabel(self.plan, rule, element.labels);
                if *origins.entry((rule, labels)).or_insert(element.labels) != element.labels {
                    return Err(EvalError::SameLabels);
                }
            }
        }
        self.map(elements, Some(rule), function)
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
        vec![Element { labels: self.cache.labels.id(labels.clone()), value: 1.0 }]
    }
}
