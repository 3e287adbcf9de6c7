//! Numbers as people read them.

use units::{Duration, Time};

/// A number of requests with its thousands apart: `12,000`.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole in percent, with more digits the smaller it is; `0%` of nothing.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    if part <= 0.0 || whole <= 0.0 {
        return "0%".into();
    }
    let percent = part / whole * 100.0;
    let digits = if percent < 0.1 { 3 } else { 1 };
    let text = format!("{percent:.digits$}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `count` of things, with the plural's `s` where it is due: `1 pod`, `5 pods`.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A span without the fraction of a second that nobody reads, unless that is all there is.
pub(crate) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        0 => Duration::from_millis(duration.as_millis()).to_string(),
        secs => Duration::from_secs(secs).to_string(),
    }
}

/// A point in time to the second: `02:05`.
pub(crate) fn clock(time: Time) -> String {
    time.truncated_to_secs().to_string()
}

/// The first digits of a commit's id, as Git shortens it; anything else as it is.
pub(crate) fn short_commit(commit: &str) -> &str {
    let is_id = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { &commit[..7] } else { commit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [count(0.0), count(999.4), count(1_000.0), count(1_234_567.0)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(percent(1.0, 0.0), "0%");
        assert_eq!([percent(1.0, 3.0), percent(1.0, 2.0), percent(1.0, 10_000.0)], ["33.3%", "50%", "0.01%"]);
        assert_eq!([counted(1, "pod"), counted(0, "pod")], ["1 pod", "0 pods"]);
        assert_eq!([span(Duration::from_millis(61_900)), span(Duration::from_millis(50))], ["1m1s", "50ms"]);
        assert_eq!(short_commit("0123456789abcdef0123456789abcdef01234567"), "0123456");
        assert_eq!(short_commit("main"), "main");
    }
}
