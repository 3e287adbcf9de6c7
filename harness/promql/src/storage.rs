//! [`Storage`]: series of samples in virtual time.

use std::cell::OnceCell;
use std::rc::Rc;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

use crate::labels::{BUCKET_BOUND, Labels, METADATA, METRIC_NAME, Symbols};
use crate::matcher::Matcher;
use crate::table::{Near, Rows, Table, Window, is_stale};

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

/// A metric as a target exposes it, without the labels of the target: its name, and for a bucket of a
/// histogram the upper bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Metric(Labels);

impl Metric {
    /// A metric with this name.
    pub fn new(name: &str) -> Self {
        Self(Labels::new([(METRIC_NAME, name)]))
    }

    /// A bucket with this name and this `le`.
    pub fn bucket(name: &str, bound: &str) -> Self {
        Self(Labels::new([(METRIC_NAME, name), (BUCKET_BOUND, bound)]))
    }
}

/// The labels of a [`Metric`]: what tells apart the series of one target.
const OWN: [&str; 2] = [METRIC_NAME, BUCKET_BOUND];

/// The series of one target, which get their samples together; see [`Storage::row`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    series: Vec<SeriesId>,
    /// Whether they were created one after the other, as the columns of a table are.
    in_order: bool,
}

impl Row {
    fn of(series: Vec<SeriesId>) -> Self {
        let in_order = series.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0);
        Self { series, in_order }
    }
}

/// The labels of one series.
#[derive(Debug, Clone)]
struct Series {
    /// All but [`OWN`].
    target: Labels,
    /// [`OWN`].
    metric: Labels,
    /// All of them, put together when someone asks.
    labels: OnceCell<Labels>,
}

impl Series {
    /// The value of a label; empty where there is none.
    fn label(&self, name: &str) -> &str {
        self.metric.get(name).or_else(|| self.target.get(name)).unwrap_or_default()
    }

    fn matches(&self, matchers: &[Matcher]) -> bool {
        matchers.iter().all(|matcher| matcher.accepts(self.label(&matcher.name)))
    }
}

/// Where the samples of a series are: a column of the table with this index.
#[derive(Debug, Clone, Copy)]
struct Place {
    table: usize,
    column: usize,
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
    /// Where each series is.
    places: Vec<Place>,
    tables: Vec<Table>,
    /// Series by the labels of their target, in order of creation. A target has few, which are mostly asked
    /// for in that order.
    by_target: IndexMap<Labels, Vec<SeriesId>, FixedState>,
    /// Series by metric name, in order of creation; a series without a name is under the empty text.
    by_name: IndexMap<Rc<str>, Vec<SeriesId>, FixedState>,
    symbols: Symbols,
    /// Whether some series has a label of its metric beside the name.
    has_metadata: bool,
    identity: Identity,
}

/// Tells one storage from another, so that a prepared query notices when it is given a different one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity(Rc<()>);

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Clone for Storage {
    /// A clone is another storage: from here on the two may hold different series.
    fn clone(&self) -> Self {
        Self {
            series: self.series.clone(),
            places: self.places.clone(),
            tables: self.tables.clone(),
            by_target: self.by_target.clone(),
            by_name: self.by_name.clone(),
            symbols: self.symbols.clone(),
            has_metadata: self.has_metadata,
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
        let metric = labels.keep(&OWN).intern(&mut self.symbols);
        self.series_of(labels, std::iter::once(metric))[0]
    }

    /// The series of a target's metrics, in their order; those that are missing are created.
    ///
    /// Samples for all of them at once ([`Storage::append_row`]) cost little more than one sample. Keep
    /// the row, and hand in the same metrics for every target, none of them twice: the series share their
    /// texts.
    ///
    /// ```
    /// use promql::{Labels, Metric, Storage};
    ///
    /// let mut storage = Storage::new();
    /// let metrics = [Metric::new("x_count"), Metric::bucket("x_bucket", "+Inf")];
    /// let row = storage.row(&Labels::new([("pod", "a")]), &metrics);
    /// storage.append_row(&row, 15_000, &[7.0, 7.0])?;
    /// storage.mark_row_stale(&row, 30_000)?;
    /// # Ok::<(), promql::AppendError>(())
    /// ```
    pub fn row(&mut self, target: &Labels, metrics: &[Metric]) -> Row {
        Row::of(self.series_of(target, metrics.iter().map(|metric| metric.0.clone())))
    }

    /// The series of a target with these [`OWN`] labels, which win over the target's. Those that are
    /// created are the columns of a new table.
    fn series_of(&mut self, target: &Labels, metrics: impl Iterator<Item = Labels>) -> Vec<SeriesId> {
        let inherited = target.keep(&OWN);
        self.has_metadata |= METADATA.iter().any(|name| *name != METRIC_NAME && target.get(name).is_some());
        let target = target.without(&OWN).intern(&mut self.symbols);
        let known = self.by_target.entry(target.clone()).or_default();
        // Metrics that differ stay different, unless they inherit the same label.
        let searched = if inherited.is_empty() { known.len() } else { usize::MAX };
        let first = self.series.len();
        let ids = metrics.enumerate().map(|(at, own)| {
            let metric = inherited.merged(&own);
            let is_it = |id: &&SeriesId| self.series[id.index()].metric == metric;
            if let Some(id) = known.get(at).filter(is_it).or_else(|| known.iter().take(searched).find(is_it))
            {
                return *id;
            }
            let id = SeriesId(u32::try_from(self.series.len()).expect("memory ends long before 2^32 series"));
            known.push(id);
            let name = metric.metric_name().unwrap_or_default();
            match self.by_name.get_mut(name) {
                Some(named) => named.push(id),
                None => drop(self.by_name.insert(name.into(), vec![id])),
            }
            self.series.push(Series { target: target.clone(), metric, labels: OnceCell::new() });
            self.places.push(Place { table: self.tables.len(), column: id.index() - first });
            id
        });
        let ids = ids.collect();
        let width = self.series.len() - first;
        if width > 0 {
            self.tables.push(Table::new(width));
        }
        ids
    }

    /// Adds a sample. A value of [`STALE_NAN`] is a stale marker, as upstream.
    ///
    /// # Errors
    /// The series already has a sample or stale marker at this time or later.
    pub fn append(&mut self, series: SeriesId, at_ms: i64, value: f64) -> Result<(), AppendError> {
        self.check_newer(series, at_ms)?;
        self.own_table(series).push(at_ms, &[value]);
        Ok(())
    }

    /// Adds a sample to each series of a row. A value of [`STALE_NAN`] is a stale marker, as upstream.
    ///
    /// # Errors
    /// Some series already has a sample or stale marker at this time or later. The others get theirs.
    ///
    /// # Panics
    /// Where there are not as many values as series.
    pub fn append_row(&mut self, row: &Row, at_ms: i64, values: &[f64]) -> Result<(), AppendError> {
        assert_eq!(row.series.len(), values.len(), "a row has one value for each of its series");
        let Some(&first) = row.series.first() else { return Ok(()) };
        match self.table_of(row) {
            Some(table) if is_uniform(values) => {
                self.check_newer(first, at_ms)?;
                self.tables[table].push(at_ms, values);
                Ok(())
            }
            Some(_) | None => {
                let each = row.series.iter().zip(values);
                {
                    // Every value is appended, also after one that is refused; the first refusal is told.
                    let mut told = Ok(());
                    for (id, value) in each {
                        let appended = self.append(*id, at_ms, *value);
                        told = told.and(appended);
                    }
                    told
                }
            }
        }
    }

    /// Ends the series at this time: instant lookups find nothing until the next sample.
    ///
    /// # Errors
    /// The series already has a sample or stale marker at this time or later.
    pub fn mark_stale(&mut self, series: SeriesId, at_ms: i64) -> Result<(), AppendError> {
        self.append(series, at_ms, STALE_NAN)
    }

    /// Ends the series of a row at this time.
    ///
    /// # Errors
    /// Some series already has a sample or stale marker at this time or later. The others end.
    pub fn mark_row_stale(&mut self, row: &Row, at_ms: i64) -> Result<(), AppendError> {
        self.append_row(row, at_ms, &vec![STALE_NAN; row.series.len()])
    }

    fn check_newer(&self, series: SeriesId, at_ms: i64) -> Result<(), AppendError> {
        match self.tables[self.places[series.index()].table].newest_ms() {
            Some(last_ms) if at_ms <= last_ms => {
                Err(AppendError::OutOfOrder { labels: self.labels(series).clone(), last_ms, at_ms })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The table whose columns are just this row.
    fn table_of(&self, row: &Row) -> Option<usize> {
        let first = row.series.first()?;
        let Place { table, column } = self.places[first.index()];
        let is_whole = row.in_order && column == 0 && self.tables[table].width() == row.series.len();
        is_whole.then_some(table)
    }

    /// The table of a series that gets a sample alone: series that shared one until now part.
    fn own_table(&mut self, series: SeriesId) -> &mut Table {
        let Place { table, column } = self.places[series.index()];
        if self.tables[table].width() > 1 {
            let shared = std::mem::replace(&mut self.tables[table], Table::new(0));
            let places = &mut self.places[series.index() - column..];
            for (place, own) in places.iter_mut().zip(shared.apart()) {
                *place = Place { table: self.tables.len(), column: 0 };
                self.tables.push(own);
            }
        }
        &mut self.tables[self.places[series.index()].table]
    }

    /// The labels of a series.
    pub fn labels(&self, series: SeriesId) -> &Labels {
        let Series { target, metric, labels } = &self.series[series.index()];
        labels.get_or_init(|| target.merged(metric))
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
        self.matching(matchers, 0).collect()
    }

    /// The series that match and were created at or after the `from`th, using the index when the metric
    /// name is given.
    pub(crate) fn matching<'a>(
        &'a self,
        matchers: &'a [Matcher],
        from: usize,
    ) -> impl Iterator<Item = SeriesId> + 'a {
        let candidates: Box<dyn Iterator<Item = SeriesId>> = match Matcher::metric_name(matchers) {
            Some(name) => {
                let named = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
                Box::new(named[named.partition_point(|id| id.index() < from)..].iter().copied())
            }
            None => Box::new((from as u32..self.series.len() as u32).map(SeriesId)),
        };
        candidates.filter(|id| self.series[id.index()].matches(matchers))
    }

    /// Whether some series has a label of its metric beside the name: its type or unit.
    pub(crate) fn has_metadata(&self) -> bool {
        self.has_metadata
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The windows of series with `after_ms < time <= until_ms`. Series of one target, asked for one after
    /// the other, share the search.
    pub(crate) fn windows<'a>(&'a self, after_ms: i64, until_ms: i64) -> impl FnMut(SeriesId) -> Window<'a> {
        let mut near = Near::default();
        let mut last = (usize::MAX, Rows::default());
        move |series| {
            let Place { table, column } = self.places[series.index()];
            if table != last.0 {
                last = (table, self.tables[table].rows(after_ms, until_ms, &mut near));
            }
            self.tables[table].window(column, last.1)
        }
    }

    /// The newest sample of a series; see [`Table::latest`].
    pub(crate) fn latest(
        &self,
        series: SeriesId,
        after_ms: i64,
        until_ms: i64,
        near: &mut Near,
    ) -> Option<(i64, f64)> {
        let Place { table, column } = self.places[series.index()];
        self.tables[table].latest(column, after_ms, until_ms, near)
    }
}

/// Whether a row consists of samples alone, or of stale markers alone.
fn is_uniform(row: &[f64]) -> bool {
    // Most rows have no NaN at all, which is quickly seen.
    let has_nan = row.iter().fold(false, |found, value| found | value.is_nan());
    !has_nan || row.iter().all(|value| is_stale(*value) == is_stale(row[0]))
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

    /// The time and value that an instant lookup finds.
    fn latest(storage: &Storage, series: SeriesId, at_ms: i64) -> Option<(i64, f64)> {
        storage.latest(series, 0, at_ms, &mut Near::default())
    }

    #[test]
    fn the_same_labels_are_the_same_series() {
        let (mut storage, id) = one_series(&[]);
        assert_eq!(storage.series(&Labels::new([("__name__", "x"), ("empty", "")])), id);
        assert_ne!(storage.series(&Labels::new([("__name__", "y")])), id);
        let row = storage.row(&Labels::empty(), &[Metric::new("z"), Metric::new("x")]);
        assert_eq!(row.series[1], id);
        assert_eq!(storage.series(&Labels::new([("__name__", "z")])), row.series[0]);
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
    fn the_labels_of_a_row_are_those_of_the_target_and_the_metric() {
        let mut storage = Storage::new();
        let metrics = [Metric::new("x"), Metric::bucket("x_bucket", "1.0")];
        // A target may itself have labels that a metric has: the metric's win.
        let target = Labels::new([("__name__", "t"), ("le", "odd"), ("pod", "a")]);
        let row = storage.row(&target, &metrics);
        let labels: Vec<String> = row.series.iter().map(|id| storage.labels(*id).to_string()).collect();
        assert_eq!(labels, [r#"x{le="odd", pod="a"}"#, r#"x_bucket{le="1.0", pod="a"}"#]);
        assert_eq!(storage.select(&[Matcher::equal("le", "odd")]), [row.series[0]]);
        assert_eq!(storage.row(&target, &metrics), row);
    }

    #[test]
    fn series_of_a_row_part_when_one_gets_a_sample_alone() {
        let mut storage = Storage::new();
        let row = storage.row(&Labels::empty(), &[Metric::new("x"), Metric::new("y")]);
        let [x, y] = row.series[..] else { panic!("two series") };
        storage.append_row(&row, 10, &[1.0, 2.0]).unwrap();
        storage.append(y, 20, 3.0).unwrap();
        assert_eq!((latest(&storage, x, 20), latest(&storage, y, 20)), (Some((10, 1.0)), Some((20, 3.0))));
        // What a row has for a series that is not behind is stored, the rest is refused.
        let refused = storage.append_row(&row, 15, &[4.0, 5.0]).unwrap_err();
        assert!(refused.to_string().starts_with("cannot append to y at 15 ms"), "{refused}");
        assert_eq!((latest(&storage, x, 20), latest(&storage, y, 20)), (Some((15, 4.0)), Some((20, 3.0))));
        storage.append_row(&row, 30, &[6.0, STALE_NAN]).unwrap();
        assert_eq!((latest(&storage, x, 30), latest(&storage, y, 30)), (Some((30, 6.0)), None));
    }

    #[test]
    fn a_clone_is_another_storage() {
        let (storage, _) = one_series(&[]);
        assert!(storage.clone().identity() != storage.identity());
    }
}
