//! Aggregations over the elements of a vector (prometheus promql/engine.go: aggregation,
//! aggregationK, aggregationCountValues).

use std::collections::BTreeMap;

use strconv::{Format, format_float, shortest};

use crate::cache::LabelId;
use crate::error::EvalError;
use crate::evaluate::{Element, Evaluated, Evaluator};
use crate::plan::{AggregateOp, LabelRule, Range, RangeSource, RuleRef, ScalarNode, VectorNode};
use crate::sum::{Mean, Sum, quantile};

impl Evaluator<'_> {
    pub(crate) fn aggregate(
        &mut self,
        op: &AggregateOp,
        operand: &VectorNode,
        rule: RuleRef,
        at_ms: i64,
    ) -> Evaluated<Vec<Element>> {
        match op {
            AggregateOp::Sum => self.fold(operand, rule, at_ms, Sum::of, Sum::add, Sum::total),
            AggregateOp::Avg => self.fold(operand, rule, at_ms, Mean::of, Mean::add, Mean::mean),
            AggregateOp::Min => {
                let keep_smaller = |best: &mut f64, value| {
                    if *best > value || best.is_nan() {
                        *best = value;
                    }
                };
                self.fold(operand, rule, at_ms, |first| first, keep_smaller, |best| best)
            }
            AggregateOp::Max => {
                let keep_larger = |best: &mut f64, value| {
                    if *best < value || best.is_nan() {
                        *best = value;
                    }
                };
                self.fold(operand, rule, at_ms, |first| first, keep_larger, |best| best)
            }
            AggregateOp::Count => {
                self.fold(operand, rule, at_ms, |_| 1.0, |count, _| *count += 1.0, |count| count)
            }
            AggregateOp::Group => self.fold(operand, rule, at_ms, |_| (), |(), _| (), |()| 1.0),
            AggregateOp::Stddev => {
                self.fold(operand, rule, at_ms, Spread::of, Spread::add, |spread| spread.variance().sqrt())
            }
            AggregateOp::Stdvar => {
                self.fold(operand, rule, at_ms, Spread::of, Spread::add, |spread| spread.variance())
            }
            AggregateOp::Quantile(q) => {
                let q = self.scalar(q, at_ms)?;
                let all = |first| vec![first];
                self.fold(operand, rule, at_ms, all, Vec::push, |mut values| quantile(q, &mut values))
            }
            AggregateOp::TopK(k) => self.pick(k, operand, rule, at_ms, true),
            AggregateOp::BottomK(k) => self.pick(k, operand, rule, at_ms, false),
        }
    }

    /// Folds each group of elements into one value.
    fn fold<S>(
        &mut self,
        operand: &VectorNode,
        rule: RuleRef,
        at_ms: i64,
        first: impl Fn(f64) -> S,
        add: impl Fn(&mut S, f64),
        result: impl Fn(S) -> f64,
    ) -> Evaluated<Vec<Element>> {
        let elements = match operand {
            VectorNode::OverTime { function, range, .. } if self.may_keep_metadata(range, rule) => {
                self.over_time(function, range, None, at_ms)?
            }
            other => self.vector(other, at_ms)?,
        };
        self.cache.slots.clear();
        let mut groups: Vec<(LabelId, S)> = Vec::new();
        for element in elements {
            let group = self.cache.relabel(self.plan, rule, element.labels);
            match self.cache.slots.get(group.index()) {
                Some(slot) => add(&mut groups[slot].1, element.value),
                None => {
                    self.cache.slots.insert(group.index(), groups.len());
                    groups.push((group, first(element.value)));
                }
            }
        }
        Ok(groups.into_iter().map(|(labels, state)| Element { labels, value: result(state) }).collect())
    }

    /// Whether a grouping makes the same of series as of series without metadata, and no two of them would
    /// be the same without, so that nobody needs the labels in between.
    fn may_keep_metadata(&self, range: &Range, grouping: RuleRef) -> bool {
        let RangeSource::Selector(selector) = &range.source else { return false };
        let of_one_metric =
            self.plan.selectors[selector.0].metric_name().is_some() && !self.storage.has_metadata();
        of_one_metric && self.plan.rules[grouping.0].drops_name()
    }

    /// `topk` and `bottomk`: the first `k` elements of each group, which keep their labels. Of elements
    /// with the same value the first in order of labels is kept; upstream's choice is arbitrary.
    fn pick(
        &mut self,
        k: &ScalarNode,
        operand: &VectorNode,
        rule: RuleRef,
        at_ms: i64,
        largest: bool,
    ) -> Evaluated<Vec<Element>> {
        let k = self.scalar(k, at_ms)?;
        let elements = self.vector(operand, at_ms)?;
        if k < 1.0 {
            return Ok(Vec::new());
        }
        let k = integer(k)?;
        self.cache.slots.clear();
        let mut groups: Vec<Vec<Element>> = Vec::new();
        for element in elements {
            let group = self.cache.relabel(self.plan, rule, element.labels);
            match self.cache.slots.get(group.index()) {
                Some(slot) => groups[slot].push(element),
                None => {
                    self.cache.slots.insert(group.index(), groups.len());
                    groups.push(vec![element]);
                }
            }
        }
        let picked = groups.into_iter().flat_map(|group| {
            let mut group = self.sorted_by_value(group, largest);
            group.truncate(k);
            group
        });
        Ok(picked.collect())
    }

    pub(crate) fn count_values(
        &mut self,
        label: &str,
        grouping: &LabelRule,
        elements: &[Element],
    ) -> Vec<Element> {
        let mut counts: BTreeMap<LabelId, f64> = BTreeMap::new();
        for element in elements {
            let value = format_float(element.value, Format::Plain, None);
            let labels = self.cache.labels.get(element.labels).with(label, &value);
            let group = self.cache.labels.id(grouping.apply(&labels));
            *counts.entry(group).or_default() += 1.0;
        }
        counts.into_iter().map(|(labels, value)| Element { labels, value }).collect()
    }
}

/// The `k` of `topk` and `bottomk` (prometheus promql/engine.go: rangeEvalAgg).
fn integer(k: f64) -> Evaluated<usize> {
    const MAX: f64 = 9_223_372_036_854_774_784.0;
    match k {
        k if k.is_nan() => Err(EvalError::NotANumber),
        k if k >= MAX => Err(EvalError::TooLarge(shortest(k))),
        k => Ok(k as usize),
    }
}

/// Variance over elements (Welford). NaN if the first value is not finite, as upstream.
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn of(first: f64) -> Self {
        Self { count: 1.0, mean: first, squares: if first.is_finite() { 0.0 } else { f64::NAN } }
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / self.count
    }
}
