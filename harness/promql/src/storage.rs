//! [`Storage`]: series of samples in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexSet;

use crate::labels::{Labels, Symbols};
use crate::matcher::Matcher;
use crate::query::Point;

/// The bit pattern that marks a series as stale (prometheus model/value/value.go: StaleNaN).
pub const STALE_NAN: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// A series of one [`Storage`], in order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u32);

impl SeriesId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why a sample was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A sample must be newer than all that its series holds.
    #[error(
        "cannot append to {labels} at {at_ms} ms: the series already has a sample at {last_ms} ms; \
         append in order of time, one sample a moment"
    )]
    OutOfOrder {
        /// The series.
        labels: Labels,
        /// The time of the newest sample or stale marker.
        last_ms: i64,
        /// The time that was refused.
        at_ms: i64,
    },
}

/// The samples of one series. Stale markers are kept apart, so that a range of samples is a slice:
/// range functions skip markers, and an instant lookup asks whether one follows its sample.
#[derive(Debug, Clone)]
struct Series {
    labels: Labels,
    times: Vec<i64>,
    values: Vec<f64>,
    stale: Vec<i64>,
    /// The time of the newest sample or stale marker.
    newest_ms: Option<i64>,
}

/// In-memory series, indexed by metric name. Times are milliseconds of virtual time.
///
/// ```
/// use promql::{Labels, Storage};
///
/// let mut storage = Storage::new();
/// let up = storage.series(&Labels::new([("__name__", "up"), ("role", "canary")]));
/// storage.append(up, 15_000, 1.0)?;
/// storage.mark_stale(up, 30_000)?;
/// assert!(storage.append(up, 30_000, 1.0).is_err(), "not newer than the stale marker");
/// # Ok::<(), promql::AppendError>(())
/// ```
#[derive(Debug, Default)]
pub struct Storage {
    series: Vec<Series>,
    /// The labels of every series, in order of creation.
    by_labels: IndexSet<Labels>,
    /// Series by metric name, in order of creation; a series without a name is under the empty text.
    by_name: BTreeMap<Arc<str>, Vec<SeriesId>>,
    symbols: Symbols,
    identity: Identity,
}

/// Tells one storage from another, so that a prepared query notices when it is given a different one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity(Arc<()>);

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Clone for Storage {
    /// A clone is another storage: from here on the two may hold different series.
    fn clone(&self) -> Self {
        Self {
            series: self.series.clone(),
            by_labels: self.by_labels.clone(),
            by_name: self.by_name.clone(),
            symbols: self.symbols.clone(),
            identity: Identity::default(),
        }
    }
}

impl Storage {
    /// A storage without series.
    pub fn new() -> Self {
        Self::default()
    }

    /// The series with these labels; it is created if there is none.
    ///
    /// Keep the id: appending by id does no label work.
    pub fn series(&mut self, labels: &Labels) -> SeriesId {
        let labels = labels.intern(&mut self.symbols);
        let (index, is_new) = self.by_labels.insert_full(labels.clone());
        let id = SeriesId(u32::try_from(index).expect("memory ends long before 2^32 series"));
        if !is_new {
            return id;
        }
        self.by_name.entry(labels.metric_name().unwrap_or_default().into()).or_default().push(id);
        let (times, values, stale) = (Vec::new(), Vec::new(), Vec::new());
        self.series.push(Series { labels, times, values, stale, newest_ms: None });
        id
    }

    /// Adds a sample. A value of [`STALE_NAN`] is a stale marker, as upstream.
    ///
    /// # Errors
    /// The series already has a sample or stale marker at this time or later.
    pub fn append(&mut self, series: SeriesId, at_ms: i64, value: f64) -> Result<(), AppendError> {
        let series = &mut self.series[series.index()];
        if let Some(last_ms) = series.newest_ms
            && at_ms <= last_ms
        {
            return Err(AppendError::OutOfOrder { labels: series.labels.clone(), last_ms, at_ms });
        }
        series.newest_ms = Some(at_ms);
        if value.to_bits() == STALE_NAN.to_bits() {
            series.stale.push(at_ms);
        } else {
            series.times.push(at_ms);
            series.values.push(value);
        }
        Ok(())
    }

    /// Ends the series at this time: instant lookups find nothing until the next sample.
    ///
    /// # Errors
    /// The series already has a sample or stale marker at this time or later.
    pub fn mark_stale(&mut self, series: SeriesId, at_ms: i64) -> Result<(), AppendError> {
        self.append(series, at_ms, STALE_NAN)
    }

    /// The labels of a series.
    pub fn labels(&self, series: SeriesId) -> &Labels {
        &self.series[series.index()].labels
    }

    /// The number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// All series that match, in order of creation, whether or not they have samples.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesId> {
        self.candidates(matchers, 0).filter(|&id| matches_all(self.labels(id), matchers)).collect()
    }

    /// The series that could match and were created at or after the `from`th, using the index when
    /// the metric name is given.
    pub(crate) fn candidates(
        &self,
        matchers: &[Matcher],
        from: usize,
    ) -> Box<dyn Iterator<Item = SeriesId> + '_> {
        match Matcher::metric_name(matchers) {
            Some(name) => {
                let named = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
                Box::new(named[named.partition_point(|id| id.index() < from)..].iter().copied())
            }
            None => Box::new((from as u32..self.series.len() as u32).map(SeriesId)),
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The samples of a series with `after_ms < time <= until_ms`. `near` is where the last window
    /// was found, counted from the end: series that are scraped together are found at once.
    pub(crate) fn window(
        &self,
        series: SeriesId,
        after_ms: i64,
        until_ms: i64,
        near: &mut Near,
    ) -> Window<'_> {
        let Series { times, values, .. } = &self.series[series.index()];
        let end = position(times, until_ms, &mut near.end);
        let start = position(&times[..end], after_ms, &mut near.start);
        Window { times: &times[start..end], values: &values[start..end] }
    }

    /// The newest sample with `after_ms < time <= until_ms` that no stale marker follows.
    pub(crate) fn latest(
        &self,
        series: SeriesId,
        after_ms: i64,
        until_ms: i64,
        near: &mut Near,
    ) -> Option<(i64, f64)> {
        let Series { times, values, stale, .. } = &self.series[series.index()];
        let at = position(times, until_ms, &mut near.end).checked_sub(1)?;
        let time = times[at];
        if time <= after_ms {
            return None;
        }
        let followed = match stale.last() {
            None => false,
            Some(&newest) if newest < time => false,
            Some(_) => stale.iter().rev().any(|&marker| marker <= until_ms && marker > time),
        };
        (!followed).then(|| (time, values[at]))
    }
}

/// Distances from the end of a series at which the last lookups ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Near {
    start: usize,
    end: usize,
}

/// Consecutive samples of one series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
}

impl<'a> Window<'a> {
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn points(self) -> impl Iterator<Item = Point> + 'a {
        self.times.iter().zip(self.values).map(|(&at_ms, &value)| Point { at_ms, value })
    }
}

/// The number of times that are not after `until_ms`.
fn position(times: &[i64], until_ms: i64, near: &mut usize) -> usize {
    if let Some(guess) = times.len().checked_sub(*near)
        && (guess == 0 || times[guess - 1] <= until_ms)
        && times.get(guess).is_none_or(|&next| next > until_ms)
    {
        return guess;
    }
    let found = times.partition_point(|&time| time <= until_ms);
    *near = times.len() - found;
    found
}

pub(crate) fn matches_all(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_series(times: &[i64]) -> (Storage, SeriesId) {
        let mut storage = Storage::new();
        let id = storage.series(&Labels::new([("__name__", "x")]));
        for &time in times {
            storage.append(id, time, time as f64).unwrap();
        }
        (storage, id)
    }

    #[test]
    fn the_same_labels_are_the_same_series() {
        let (mut storage, id) = one_series(&[]);
        assert_eq!(storage.series(&Labels::new([("__name__", "x"), ("empty", "")])), id);
        assert_ne!(storage.series(&Labels::new([("__name__", "y")])), id);
    }

    #[test]
    fn a_sample_that_is_not_newer_is_refused() {
        let (mut storage, id) = one_series(&[10]);
        let error = storage.append(id, 10, 1.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot append to x at 10 ms: the series already has a sample at 10 ms; \
             append in order of time, one sample a moment"
        );
        storage.mark_stale(id, 20).unwrap();
        assert!(storage.append(id, 20, 1.0).is_err());
        storage.append(id, 21, 1.0).unwrap();
    }

    #[test]
    fn windows_are_open_on_the_left_and_closed_on_the_right() {
        let (storage, id) = one_series(&[10, 20, 30, 40]);
        let window = storage.window(id, 10, 30, &mut Near::default());
        assert_eq!(window.times, [20, 30]);
    }

    #[test]
    fn a_wrong_guess_changes_nothing() {
        let (storage, id) = one_series(&[10, 20, 30, 40]);
        for start in 0..6 {
            for end in 0..6 {
                let mut near = Near { start, end };
                assert_eq!(storage.window(id, 10, 30, &mut near).times, [20, 30], "{start} {end}");
            }
        }
    }

    #[test]
    fn a_stale_marker_ends_a_series_until_the_next_sample() {
        let (mut storage, id) = one_series(&[10]);
        storage.mark_stale(id, 20).unwrap();
        storage.append(id, 30, 30.0).unwrap();
        let at = |until| storage.latest(id, 0, until, &mut Near::default()).map(|(time, _)| time);
        assert_eq!(
            [at(9), at(10), at(19), at(20), at(29), at(30)],
            [None, Some(10), Some(10), None, None, Some(30)]
        );
    }

    #[test]
    fn a_clone_is_another_storage() {
        let (storage, _) = one_series(&[]);
        assert!(storage.clone().identity() != storage.identity());
    }
}
