//! Durations as manifests write them: read, divided, and written in the same form.

use manifests::objects::go_duration;
use units::Duration;
use yaml::{Node, Value};

/// How a field writes a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A number of whole seconds.
    Seconds,
    /// A Go duration as text.
    Go,
    /// A Go duration as text, or a number of seconds as text (Argo CD's `parseStringToDuration`).
    Argo,
    /// A number of seconds as number or text, or a Go duration, of which whole seconds count
    /// (Argo Rollouts' `RolloutPause.DurationSeconds`).
    Pause,
    /// A Prometheus duration as text: `1h30m`, in whole milliseconds.
    Prometheus,
}

/// What a field says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A span of time, above zero.
    Span(Duration),
    /// Nothing, zero or below: it switches something off or on at once, at any speed.
    Nothing,
    /// No duration in this form.
    Unreadable,
}

impl Form {
    pub(crate) fn read(self, node: &Node) -> Reading {
        let span = match (&node.value, self) {
            (Value::Null, _) => return Reading::Nothing,
            (Value::Int(seconds), Self::Seconds | Self::Pause | Self::Argo) => seconds_of(*seconds),
            (Value::String(text), _) => return self.read_text(text),
            _ => None,
        };
        reading(span)
    }

    pub(crate) fn read_text(self, text: &str) -> Reading {
        let go = || go_duration(text).ok().map(|nanos| u64::try_from(nanos).unwrap_or(0));
        reading(match self {
            Self::Go => go().map(Duration::from_nanos),
            Self::Argo | Self::Pause => match text.parse::<i64>() {
                Ok(seconds) => seconds_of(seconds),
                Err(_) => go().map(Duration::from_nanos),
            },
            // An integer field that holds text is refused by the API server.
            Self::Seconds => None,
            Self::Prometheus => prometheus_duration(text),
        })
    }

    /// The span as this form can say it, no less than it: whole seconds are rounded up, so that nothing
    /// that takes time takes none.
    pub(crate) fn rounded(self, span: Duration) -> Duration {
        let unit = match self {
            Self::Seconds | Self::Pause => 1_000_000_000,
            Self::Go | Self::Argo => 1,
            Self::Prometheus => 1_000_000,
        };
        let units = match self {
            Self::Prometheus => (span.as_nanos() + unit / 2) / unit,
            _ => span.as_nanos().div_ceil(unit),
        };
        Duration::from_nanos(units.max(1) * unit)
    }

    /// Writes a span that [`Form::rounded`] gave, in the way that `old` was written.
    pub(crate) fn write(self, span: Duration, old: &Value) -> Value {
        match (self, old) {
            (Self::Prometheus, _) => Value::String(prometheus_text(span)),
            (Self::Seconds, _) | (Self::Pause | Self::Argo, Value::Int(_))
                if span.as_nanos().is_multiple_of(1_000_000_000) =>
            {
                Value::Int(i64::try_from(span.as_secs()).unwrap_or(i64::MAX))
            }
            (Self::Pause, Value::String(text)) if text.parse::<i64>().is_ok() => {
                Value::String(span.as_secs().to_string())
            }
            _ => Value::String(span.to_string()),
        }
    }
}

fn seconds_of(seconds: i64) -> Option<Duration> {
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn reading(span: Option<Duration>) -> Reading {
    match span {
        None => Reading::Unreadable,
        Some(Duration::ZERO) => Reading::Nothing,
        Some(span) => Reading::Span(span),
    }
}

/// Units of Prometheus durations, in milliseconds, in the order in which they must stand
/// (prometheus/common model.ParseDuration).
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a Prometheus duration: whole numbers with units from large to small, or `0`.
pub(crate) fn prometheus_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut allowed, mut millis) = (text, &UNITS[..], 0_u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let position = allowed.iter().position(|(unit, _)| *unit == &after[..letters])?;
        millis = millis.checked_add(number.checked_mul(allowed[position].1)?)?;
        allowed = &allowed[position + 1..];
        rest = &after[letters..];
    }
    Some(Duration::from_millis(millis))
}

/// Writes whole milliseconds as Prometheus does, in hours and below.
pub(crate) fn prometheus_text(span: Duration) -> String {
    let mut left = span.as_millis();
    let mut text = String::new();
    for (unit, millis) in &UNITS[3..] {
        if left >= *millis {
            text += &format!("{}{unit}", left / millis);
            left %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yaml::{Place, Source};

    use super::*;

    fn divided(form: Form, value: Value, by: f64) -> Value {
        let node = Node::new(value, Place::whole(&Source::new("x", "")));
        let Reading::Span(span) = form.read(&node) else { panic!("{:?}", form.read(&node)) };
        form.write(form.rounded(span / by), &node.value)
    }

    #[test]
    fn every_form_is_written_as_it_was_read() {
        let text = |text: &str| Value::String(text.to_owned());
        let table = [
            (Form::Seconds, Value::Int(900), Value::Int(30)),
            (Form::Seconds, Value::Int(5), Value::Int(1)),
            (Form::Pause, Value::Int(300), Value::Int(10)),
            (Form::Pause, text("300"), text("10")),
            (Form::Pause, text("5m"), text("10s")),
            (Form::Pause, text("1h"), text("2m")),
            (Form::Pause, text("65s"), text("3s")),
            (Form::Go, text("1m"), text("2s")),
            (Form::Go, text("20s"), text("666.666667ms")),
            (Form::Argo, text("30"), text("1s")),
            (Form::Argo, text("3m"), text("6s")),
            (Form::Prometheus, text("15s"), text("500ms")),
            (Form::Prometheus, text("1d"), text("48m")),
            (Form::Prometheus, text("1h30m"), text("3m")),
            (Form::Prometheus, text("1m10s"), text("2s333ms")),
        ];
        for (form, from, to) in table {
            assert_eq!(divided(form, from.clone(), 30.0), to, "{form:?} {from:?}");
        }
    }

    #[test]
    fn what_is_no_duration_or_none_at_all_is_told_apart() {
        let read = |form: Form, text: &str| form.read_text(text);
        assert_eq!(read(Form::Go, "0s"), Reading::Nothing);
        assert_eq!(read(Form::Go, "-5s"), Reading::Nothing);
        assert_eq!(read(Form::Prometheus, "0"), Reading::Nothing);
        for (form, text) in [
            (Form::Go, "5"),
            (Form::Go, "1d"),
            (Form::Go, "{{args.interval}}"),
            (Form::Pause, "soon"),
            (Form::Prometheus, "1m1h"),
            (Form::Prometheus, "1.5m"),
            (Form::Prometheus, ""),
            (Form::Seconds, "30"),
        ] {
            assert_eq!(read(form, text), Reading::Unreadable, "{form:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_prometheus_duration_survives_its_own_text(millis in 0_u64..100_000_000_000) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(prometheus_duration(&prometheus_text(span)), Some(span));
        }

        // No text makes the parser panic.
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-z.]{0,12}|\\PC*") {
            let _ = prometheus_duration(&text);
        }
    }
}
