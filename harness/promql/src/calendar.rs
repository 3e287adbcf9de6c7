//! The date functions: what a time in seconds since 1970 is in UTC.
//!
//! Upstream turns the value into an integer and asks Go's `time` package (prometheus promql/functions.go:
//! dateWrapper). That counts days from a day so early that no time it knows is before it, in unsigned
//! arithmetic that wraps; values that are no time (NaN, infinities) therefore have dates too, and here
//! they have the same.

const SECONDS_PER_DAY: u64 = 86_400;
/// Days of 400 years, after which the calendar repeats.
const DAYS_PER_CYCLE: u64 = 146_097;
/// The calendar starts on 1 March of this many years before the year 0 (go time/time.go: absoluteYears).
const YEARS_BEFORE_ZERO: u64 = 292_277_022_400;
/// From 1 March of the year 0 to 1 January 1970.
const DAYS_TO_1970: u64 = 719_468;
/// From the start of the calendar to 1970, in seconds.
const START_TO_1970: u64 =
    (YEARS_BEFORE_ZERO / 400 * DAYS_PER_CYCLE + DAYS_TO_1970).wrapping_mul(SECONDS_PER_DAY);
/// The day of the week that the calendar starts with: a Wednesday.
const FIRST_WEEKDAY: u64 = 3;
/// Days from 1 January to 1 March in a year that is no leap year.
const JANUARY_AND_FEBRUARY: u64 = 59;

/// What a date function asks of a time. Dates are those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatePart {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 0 is Sunday.
    DayOfWeek,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 366.
    DayOfYear,
    /// 28 to 31.
    DaysInMonth,
    /// 1 is January.
    Month,
    /// With four digits in our days.
    Year,
}

impl DatePart {
    /// The part of a time in seconds since 1970.
    ///
    /// ```
    /// assert_eq!(promql::DatePart::Year.of(1_709_210_096.0), 2024.0);
    /// ```
    pub fn of(self, seconds: f64) -> f64 {
        let since_start = (go_integer(seconds) as u64).wrapping_add(START_TO_1970);
        let days = since_start / SECONDS_PER_DAY;
        match self {
            Self::Minute => (since_start % 3_600 / 60) as f64,
            Self::Hour => (since_start % SECONDS_PER_DAY / 3_600) as f64,
            Self::DayOfWeek => ((days + FIRST_WEEKDAY) % 7) as f64,
            Self::DayOfMonth => Date::of(days).day as f64,
            Self::DayOfYear => Date::of(days).day_of_year as f64,
            Self::DaysInMonth => Date::of(days).days_in_month() as f64,
            Self::Month => Date::of(days).month as f64,
            Self::Year => Date::of(days).year as f64,
        }
    }
}

/// A float as Go on amd64 makes an integer of it: what does not fit is the least one.
fn go_integer(value: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&value) { value as i64 } else { i64::MIN }
}

struct Date {
    year: i64,
    /// 1 is January.
    month: u64,
    day: u64,
    day_of_year: u64,
}

impl Date {
    /// The date that many days after the start of the calendar. Years are counted from March on, so that
    /// the day that a leap year has more is the last one.
    fn of(days: u64) -> Self {
        let (cycle, day_of_cycle) = (days / DAYS_PER_CYCLE, days % DAYS_PER_CYCLE);
        let year_of_cycle =
            (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
        let since_march = day_of_cycle - (year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100);
        let months_since_march = (5 * since_march + 2) / 153;
        let day = since_march - (153 * months_since_march + 2) / 5 + 1;
        let is_next_year = months_since_march >= 10;
        let month = if is_next_year { months_since_march - 9 } else { months_since_march + 3 };
        let year = (cycle * 400 + year_of_cycle) as i64 - YEARS_BEFORE_ZERO as i64 + i64::from(is_next_year);
        let day_of_year = match is_next_year {
            true => since_march - 306 + 1,
            false => since_march + JANUARY_AND_FEBRUARY + u64::from(is_leap(year)) + 1,
        };
        Self { year, month, day, day_of_year }
    }

    fn days_in_month(&self) -> u64 {
        match self.month {
            2 => 28 + u64::from(is_leap(self.year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        use DatePart::{DayOfMonth, DayOfWeek, DayOfYear, DaysInMonth, Hour, Minute, Month, Year};
        let parts = [Year, Month, DayOfMonth, DayOfYear, DaysInMonth, DayOfWeek, Hour, Minute];
        let cases = [
            (0.0, [1970.0, 1.0, 1.0, 1.0, 31.0, 4.0, 0.0, 0.0]),
            (-1.0, [1969.0, 12.0, 31.0, 365.0, 31.0, 3.0, 23.0, 59.0]),
            (951_782_399.9, [2000.0, 2.0, 28.0, 59.0, 29.0, 1.0, 23.0, 59.0]),
            (951_782_400.0, [2000.0, 2.0, 29.0, 60.0, 29.0, 2.0, 0.0, 0.0]),
            (978_264_000.0, [2000.0, 12.0, 31.0, 366.0, 31.0, 0.0, 12.0, 0.0]),
            (4_107_542_400.0, [2100.0, 3.0, 1.0, 60.0, 31.0, 1.0, 0.0, 0.0]),
            (4_107_456_000.0, [2100.0, 2.0, 28.0, 59.0, 28.0, 0.0, 0.0, 0.0]),
            (1_709_210_096.0, [2024.0, 2.0, 29.0, 60.0, 29.0, 4.0, 12.0, 34.0]),
            (-62_135_596_800.0, [1.0, 1.0, 1.0, 1.0, 31.0, 1.0, 0.0, 0.0]),
        ];
        for (seconds, expected) in cases {
            assert_eq!(parts.map(|part| part.of(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn what_is_no_time_has_the_date_of_the_least_integer() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(DatePart::Year.of(value), DatePart::Year.of(i64::MIN as f64));
        }
    }
}
