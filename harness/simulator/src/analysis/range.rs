//! The bounds of a range query (argo-rollouts v1.10.1 `metricproviders/prometheus/prometheus.go: executeQuery`,
//! `utils/evaluate/evaluate.go: EvalTime`).

use manifests::objects::analysis::RangeQuery;
use manifests::objects::go_duration;
use units::Time;

use crate::prometheus::in_ms;

/// A range of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) step_ms: i64,
}

/// Why there is no range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoRange {
    /// Upstream says so, in these words.
    Upstream(String),
    /// A bound that is not simulated.
    NotSimulated(String),
}

impl Range {
    /// Reads the bounds at a time.
    pub(super) fn of(query: &RangeQuery, now: Time) -> Result<Self, NoRange> {
        let now_ms = in_ms(now);
        let start_ms = bound("start", &query.start, now_ms)?;
        let end_ms = bound("end", &query.end, now_ms)?;
        let step = go_duration(&query.step).map_err(|error| {
            NoRange::Upstream(format!("failed to parse rangeQuery.step as duration: {error}"))
        })?;
        if end_ms < start_ms {
            let message = "bad_data: invalid parameter \"end\": end timestamp must not be before start time";
            return Err(NoRange::Upstream(message.to_owned()));
        }
        if step <= 0 {
            let message = "bad_data: invalid parameter \"step\": zero or negative query resolution step widths are not \
                           accepted. Try a positive integer";
            return Err(NoRange::Upstream(message.to_owned()));
        }
        let step_ms = step / 1_000_000;
        if step_ms == 0 {
            return Err(NoRange::NotSimulated("a `step` of less than a millisecond".to_owned()));
        }
        if (end_ms - start_ms) / step_ms > promql::MAX_STEPS {
            let message = "bad_data: exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the \
                           query resolution (?step=XX)";
            return Err(NoRange::Upstream(message.to_owned()));
        }
        Ok(Self { start_ms, end_ms, step_ms })
    }
}

/// `now()`, with durations added and subtracted: what there is a meaning for in virtual time.
fn bound(name: &str, text: &str, now_ms: i64) -> Result<i64, NoRange> {
    let refused = || {
        let what = format!("`{name}: {text}`; only `now()`, plus or minus `duration(\"…\")`, is simulated");
        NoRange::NotSimulated(what)
    };
    let mut rest = text.trim().strip_prefix("now()").ok_or_else(refused)?.trim_start();
    let mut nanos = 0_i64;
    while !rest.is_empty() {
        let (sign, after) = match rest.split_at_checked(1) {
            Some(("-", after)) => (-1, after),
            Some(("+", after)) => (1, after),
            Some(_) | None => return Err(refused()),
        };
        let after = after.trim_start().strip_prefix("duration(").ok_or_else(refused)?.trim_start();
        let quote = after.chars().next().filter(|c| "\"'`".contains(*c)).ok_or_else(refused)?;
        let (written, after) = after[1..].split_once(quote).ok_or_else(refused)?;
        rest = after.trim_start().strip_prefix(')').ok_or_else(refused)?.trim_start();
        let written = go_duration(written).map_err(|_| refused())?;
        nanos = written.checked_mul(sign).and_then(|span| nanos.checked_add(span)).ok_or_else(refused)?;
    }
    match nanos {
        // Samples that are to come have not been seen.
        1.. => Err(refused()),
        _ => Ok(now_ms + nanos.div_euclid(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: &str, end: &str, step: &str) -> Result<Range, NoRange> {
        let query = RangeQuery { start: start.to_owned(), end: end.to_owned(), step: step.to_owned() };
        Range::of(&query, Time::from_secs(1_000))
    }

    #[test]
    fn bounds_are_counted_from_now() {
        let read = |start, end, step| range(start, end, step).unwrap();
        let expected = Range { start_ms: 700_000, end_ms: 1_000_000, step_ms: 60_000 };
        assert_eq!(read("now() - duration(\"5m\")", "now()", "1m"), expected);
        assert_eq!(
            read(" now()-duration('4m') - duration(`60s`) ", "now() + duration(\"-0s\")", "60s"),
            expected
        );
    }

    #[test]
    fn what_prometheus_or_the_controller_refuses_is_told_in_their_words() {
        let now = "now()";
        let earlier = "now() - duration(\"100h\")";
        for (start, end, step, said) in [
            (
                now,
                now,
                "1x",
                "failed to parse rangeQuery.step as duration: time: unknown unit \"x\" in duration \"1x\"",
            ),
            (
                now,
                earlier,
                "1m",
                "bad_data: invalid parameter \"end\": end timestamp must not be before start time",
            ),
            (now, now, "0s", "bad_data: invalid parameter \"step\": zero or negative"),
            (earlier, now, "1s", "bad_data: exceeded maximum resolution of 11,000 points"),
        ] {
            let Err(NoRange::Upstream(message)) = range(start, end, step) else {
                panic!("{start} {end} {step}")
            };
            assert!(message.starts_with(said), "{message}");
        }
        for start in [
            "",
            "date(\"2024-01-01\")",
            "now() - \"5m\"",
            "now() - duration(\"5 m\")",
            "now() + duration(\"1m\")",
            "now() *",
        ] {
            assert!(matches!(range(start, now, "1m"), Err(NoRange::NotSimulated(_))), "{start}");
        }
    }
}
