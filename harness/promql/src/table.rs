//! [`Table`]: the samples of series that always get one together, as those of a scraped target do.

use crate::query::Point;
use planted::Bug;

use crate::storage::STALE_NAN;

/// Rows that there is room for from the first one on: scrapes of an hour, four a minute.
const ROOM: usize = 240;

/// One row for each moment, with one value for each series, so that a scrape adds one row. Stale markers are kept apart, so that a
/// range of samples is a range of rows: range functions skip markers, and an instant lookup asks whether
/// one follows its sample.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Values in a row.
    width: usize,
    times: Vec<i64>,
    /// Row after row.
    values: Vec<f64>,
    /// The rows in which some value is below the one before it, as after a counter's reset.
    falls: Vec<usize>,
    stale: Vec<i64>,
    newest_ms: Option<i64>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(width: usize) -> Self {
        let (times, values, falls, stale) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { width, times, values, falls, stale, newest_ms: None }
    }

    /// How many series it holds.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The time of the newest row or stale marker.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        self.newest_ms
    }

    /// Adds a row, or a stale marker where all values of the row are one. The time is newer than
    /// everything that the table holds.
    pub(crate) fn push(&mut self, at_ms: i64, row: &[f64]) {
        self.newest_ms = Some(at_ms);
        if row.iter().copied().all(is_stale) {
            self.stale.push(at_ms);
            return;
        }
        if self.times.is_empty() {
            self.times.reserve(ROOM);
            self.values.reserve(ROOM * self.width);
        }
        let before = &self.values[self.values.len().saturating_sub(self.width)..];
        if before.iter().zip(row).fold(false, |falls, (before, after)| falls | (after < before)) {
            self.falls.push(self.times.len());
        }
        self.times.push(at_ms);
        self.values.extend_from_slice(row);
    }

    /// A table of each series alone.
    pub(crate) fn apart(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.width).map(|column| Self {
            width: 1,
            times: self.times.clone(),
            values: self.values.iter().skip(column).step_by(self.width).copied().collect(),
            falls: self.falls.clone(),
            stale: self.stale.clone(),
            newest_ms: self.newest_ms,
        })
    }

    /// The rows with `after_ms < time <= until_ms`. `near` is where the last ones were found, counted from the
    /// end: series that are scraped at one interval are found at once.
    pub(crate) fn rows(&self, after_ms: i64, until_ms: i64, near: &mut Near) -> Rows {
        if self.times.last().is_none_or(|newest| *newest <= after_ms) {
            return Rows::default();
        }
        let end = position(&self.times, until_ms, &mut near.end);
        let start = position(&self.times[..end], after_ms, &mut near.start);
        let may_fall = self.falls.iter().rev().take_while(|row| **row > start).any(|row| *row < end);
        Rows { start, end, may_fall }
    }

    /// The samples of a column in these rows.
    pub(crate) fn window(&self, column: usize, rows: Rows) -> Window<'_> {
        let Rows { start, end, may_fall } = rows;
        if start >= end {
            return Window::of(&[], &[]);
        }
        let cells = &self.values[start * self.width + column..=(end - 1) * self.width + column];
        Window { times: &self.times[start..end], values: Values { cells, width: self.width }, may_fall }
    }

    /// The newest sample of a column with `after_ms < time <= until_ms` that no stale marker follows.
    pub(crate) fn latest(
        &self,
        column: usize,
        after_ms: i64,
        until_ms: i64,
        near: &mut Near,
    ) -> Option<(i64, f64)> {
        let row = position(&self.times, until_ms, &mut near.end).checked_sub(1)?;
        let time = self.times[row];
        if time <= after_ms {
            return None;
        }
        let followed = match self.stale.last() {
            _ if planted::is(Bug::StaleMarkerIgnored) => false,
            None => false,
            Some(&newest) if newest < time => false,
            Some(_) => self.stale.iter().rev().any(|&marker| marker <= until_ms && marker > time),
        };
        (!followed).then(|| (time, self.values[row * self.width + column]))
    }
}

/// Whether a value is the stale marker and no other NaN.
pub(crate) fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN.to_bits()
}

/// Distances from the end of a table at which the last lookups ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Near {
    start: usize,
    end: usize,
}

/// Consecutive rows of a table.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rows {
    start: usize,
    end: usize,
    /// Whether in one of them, but the first, some value may be below the one before it.
    may_fall: bool,
}

/// Consecutive samples of one series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: Values<'a>,
    /// Whether some value may be below the one before it.
    pub(crate) may_fall: bool,
}

impl<'a> Window<'a> {
    /// Samples that stand side by side.
    pub(crate) fn of(times: &'a [i64], values: &'a [f64]) -> Self {
        Self { times, values: Values { cells: values, width: 1 }, may_fall: true }
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn points(self) -> impl Iterator<Item = Point> + 'a {
        self.times.iter().zip(self.values.iter()).map(|(&at_ms, value)| Point { at_ms, value })
    }
}

/// Consecutive values of one column, oldest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    /// From the first value to the last; between them lie those of the other columns.
    cells: &'a [f64],
    width: usize,
}

impl<'a> Values<'a> {
    pub(crate) fn first(self) -> Option<f64> {
        self.cells.first().copied()
    }

    pub(crate) fn last(self) -> Option<f64> {
        self.cells.last().copied()
    }

    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = f64> + ExactSizeIterator + 'a {
        self.cells.iter().step_by(self.width).copied()
    }

    /// Neighbouring values.
    pub(crate) fn pairs(self) -> impl DoubleEndedIterator<Item = (f64, f64)> + 'a {
        let later = Self { cells: self.cells.get(self.width..).unwrap_or_default(), ..self };
        self.iter().zip(later.iter())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two columns: the times, and the times with the sign turned.
    fn table(times: &[i64]) -> Table {
        let mut table = Table::new(2);
        for &time in times {
            table.push(time, &[time as f64, -time as f64]);
        }
        table
    }

    fn window(table: &Table, column: usize, after_ms: i64, until_ms: i64) -> Window<'_> {
        table.window(column, table.rows(after_ms, until_ms, &mut Near::default()))
    }

    #[test]
    fn windows_are_open_on_the_left_and_closed_on_the_right() {
        let table = table(&[10, 20, 30, 40]);
        for (column, expected) in [(0, [20.0, 30.0]), (1, [-20.0, -30.0])] {
            let window = window(&table, column, 10, 30);
            assert_eq!(window.times, [20, 30]);
            assert_eq!(window.values.iter().collect::<Vec<_>>(), expected);
            assert_eq!((window.values.first(), window.values.last()), (Some(expected[0]), Some(expected[1])));
            assert_eq!(window.values.pairs().collect::<Vec<_>>(), [(expected[0], expected[1])]);
        }
    }

    #[test]
    fn an_empty_window_has_no_values() {
        let table = table(&[10, 40]);
        for (after, until) in [(0, 9), (10, 39), (40, 90), (20, 20)] {
            let window = window(&table, 1, after, until);
            assert_eq!(
                (window.len(), window.values.iter().count(), window.values.pairs().count()),
                (0, 0, 0)
            );
        }
    }

    #[test]
    fn a_wrong_guess_changes_nothing() {
        let table = table(&[10, 20, 30, 40]);
        for start in 0..6 {
            for end in 0..6 {
                let mut near = Near { start, end };
                let rows = table.rows(10, 30, &mut near);
                assert_eq!(table.window(0, rows).times, [20, 30], "{start} {end}");
            }
        }
    }

    #[test]
    fn a_stale_marker_ends_all_series_until_the_next_row() {
        let mut table = table(&[10]);
        table.push(20, &[STALE_NAN; 2]);
        table.push(30, &[30.0, -30.0]);
        for column in 0..2 {
            let at = |until| table.latest(column, 0, until, &mut Near::default()).map(|(time, _)| time);
            assert_eq!(
                [at(9), at(10), at(19), at(20), at(29), at(30)],
                [None, Some(10), Some(10), None, None, Some(30)]
            );
        }
    }

    #[test]
    fn a_window_knows_whether_some_series_falls_in_it() {
        let mut table = Table::new(2);
        for (at, row) in [(10, [1.0, 1.0]), (20, [2.0, 0.0]), (30, [2.0, f64::NAN]), (40, [3.0, 0.0])] {
            table.push(at, &row);
        }
        let may_fall = |after, until| window(&table, 0, after, until).may_fall;
        assert_eq!((may_fall(0, 10), may_fall(0, 20), may_fall(10, 40)), (false, true, false));
        assert!(table.apart().all(|own| window(&own, 0, 0, 40).may_fall));
    }

    #[test]
    fn apart_each_series_keeps_its_samples_and_markers() {
        let mut table = table(&[10, 20]);
        table.push(30, &[STALE_NAN; 2]);
        let apart: Vec<Table> = table.apart().collect();
        let latest = |column: usize, until| apart[column].latest(0, 0, until, &mut Near::default());
        assert_eq!((latest(0, 20), latest(1, 20)), (Some((20, 20.0)), Some((20, -20.0))));
        assert_eq!((latest(0, 30), latest(1, 30)), (None, None));
        assert_eq!(apart[1].newest_ms(), Some(30));
    }
}
