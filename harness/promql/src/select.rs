//! Selectors: which samples an expression sees at a time.

use std::collections::BTreeMap;

use planted::Bug;

use crate::cache::LabelId;
use crate::error::{EvalError, MAX_SUBQUERY_STEPS};
use crate::evaluate::{Element, Evaluated, Evaluator};
use crate::over_time::{self, Bounds};
use crate::plan::{At, Range, RangeFunction, RangeSource, RuleRef, SelectorRef, Shift, VectorNode};
use crate::query::{Point, Series};
use crate::table::{Near, Window};

impl Evaluator<'_> {
    /// The newest value of each series within the lookback (prometheus promql/engine.go:
    /// vectorSelectorSingle).
    pub(crate) fn latest(
        &mut self,
        selector: SelectorRef,
        shift: Shift,
        at_ms: i64,
        value_of: impl Fn(i64, f64) -> f64,
    ) -> Evaluated<Vec<Element>> {
        let until_ms = self.shifted(shift, at_ms);
        let closed = i64::from(planted::is(Bug::LookbackClosed));
        let after_ms = until_ms.saturating_sub(self.options.lookback_ms + closed);
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

    pub(crate) fn over_time(
        &mut self,
        function: &RangeFunction,
        range: &Range,
        rule: Option<RuleRef>,
        at_ms: i64,
    ) -> Evaluated<Vec<Element>> {
        let end_ms = self.shifted(range.shift, at_ms);
        let start_ms = end_ms.saturating_sub(range.range_ms);
        let parameter = match function {
            RangeFunction::Quantile(parameter) | RangeFunction::PredictLinear(parameter) => {
                self.scalar(parameter, at_ms)?
            }
            _ => f64::NAN,
        };
        let bounds = Bounds { start_ms, end_ms, at_ms, parameter };
        let mut elements = Vec::new();
        match &range.source {
            RangeSource::Selector(selector) => {
                let count = self.cache.selected(selector.0).len();
                let mut values = vec![None; count];
                let mut windows = self.storage.windows(start_ms, end_ms);
                for at in 0..count {
                    let (series, place) = self.cache.created(selector.0)[at];
                    let window = windows(series);
                    if window.len() > 0 {
                        self.read(series.index(), window.len());
                        values[place] = over_time::apply(function, window, bounds);
                    }
                }
                self.check_samples()?;
                elements.reserve(count);
                let labelled = self.cache.selected(selector.0).iter().zip(values);
                elements.extend(
                    labelled
                        .filter_map(|((_, labels), value)| Some(Element { labels: *labels, value: value? })),
                );
            }
            RangeSource::Subquery { node, step_ms } => {
                for (labels, column) in self.subquery(node, *step_ms, start_ms, end_ms)? {
                    if let Some(value) = over_time::apply(function, column.window(), bounds) {
                        elements.push(Element { labels, value });
                    }
                }
            }
        }
        match rule {
            Some(rule) => self.relabel_series(elements, rule, |value| value),
            None => Ok(elements),
        }
    }

    /// The samples of a range vector themselves.
    pub(crate) fn matrix(&mut self, range: &Range, at_ms: i64) -> Evaluated<Vec<Series>> {
        let end_ms = self.shifted(range.shift, at_ms);
        let start_ms = end_ms.saturating_sub(range.range_ms);
        let mut found = Vec::new();
        match &range.source {
            RangeSource::Selector(selector) => {
                let mut windows = self.storage.windows(start_ms, end_ms);
                for at in 0..self.cache.selected(selector.0).len() {
                    let (series, _) = self.cache.selected(selector.0)[at];
                    let window = windows(series);
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
        let steps = Steps::new(first_ms, end_ms, step_ms);
        self.subquery_steps = self.subquery_steps.saturating_add(steps.count_left());
        if self.subquery_steps > MAX_SUBQUERY_STEPS {
            return Err(EvalError::TooManySubquerySteps);
        }
        self.columns(node, steps)
    }

    /// A vector at each step, turned into one column for each label set.
    pub(crate) fn columns(&mut self, node: &VectorNode, steps: Steps) -> Evaluated<Vec<(LabelId, Column)>> {
        let mut places: BTreeMap<LabelId, usize> = BTreeMap::new();
        let mut columns: Vec<(LabelId, Column)> = Vec::new();
        self.origins.get_or_insert_default();
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
pub(crate) struct Column {
    times: Vec<i64>,
    values: Vec<f64>,
}

impl Column {
    fn window(&self) -> Window<'_> {
        Window::of(&self.times, &self.values)
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.window().points()
    }
}

/// The times of a range evaluation.
pub(crate) struct Steps {
    next_ms: i64,
    left: i64,
    step_ms: i64,
}

impl Steps {
    pub(crate) fn new(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let span_ms = end_ms.saturating_sub(start_ms);
        let left = if span_ms < 0 { 0 } else { span_ms / step_ms + 1 };
        Self { next_ms: start_ms, left, step_ms }
    }

    /// How many times are left.
    pub(crate) fn count_left(&self) -> i64 {
        self.left
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

pub(crate) fn sorted(mut series: Vec<Series>) -> Vec<Series> {
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    series
}
