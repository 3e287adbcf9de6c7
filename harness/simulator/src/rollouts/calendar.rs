//! RFC 3339 times and virtual time: `restartAt` is the one field of a Rollout that holds a date.

use units::Time;

use git::EPOCH;

const DAY: i64 = 86_400;

/// The date that a point of virtual time stands for, to the second: `2026-01-01T00:02:00Z`.
pub(crate) fn format(time: Time) -> String {
    let seconds = (EPOCH + time.as_nanos() / 1_000_000_000).cast_signed();
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

/// The point of virtual time that a date stands for; one before the start counts as the start. `None`
/// for a text that is no RFC 3339 time.
pub(super) fn parse(text: &str) -> Option<Time> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separated.iter().any(|(at, mark)| text.as_bytes().get(*at) != Some(mark)) {
        return None;
    }
    let (month, day) = (number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    let rest = text.get(19..)?;
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let seconds = days(number(0, 4)?, month, day) * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    let since_start = u64::try_from(seconds - EPOCH.cast_signed()).unwrap_or(0);
    in_range.then(|| Time::from_secs(since_start))
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    Some(sign * (hours.parse::<u8>().ok()? as i64 * 3600 + minutes.parse::<u8>().ok()? as i64 * 60))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; years are counted from March, so that the
/// leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        for seconds in [0, 1, 86_399, 86_400, 59 * 86_400, 400 * 86_400, 900 * 86_400] {
            let time = Time::from_secs(seconds);
            assert_eq!(parse(&format(time)), Some(time));
        }
        assert_eq!(format(Time::ZERO), "2026-01-01T00:00:00Z");
        assert_eq!(format(Time::from_secs(59 * 86_400)), "2026-03-01T00:00:00Z");
    }

    #[test]
    fn zones_and_fractions_are_read_and_other_texts_are_not() {
        assert_eq!(parse("2026-01-01T02:00:10.5+02:00"), Some(Time::from_secs(10)));
        assert_eq!(parse("2025-12-31T23:00:00Z"), Some(Time::ZERO));
        for text in
            ["", "soon", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00é"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
