//! Reading a file of unit tests.

use promql::{Labels, Sample, notation};
use units::Duration;
use yaml::{Node, Problem, Value};

use super::{AlertTest, ExpectedAlert, InputSeries, QueryTest, TestFile, TestGroup};
use crate::fields::{Fields, text, wrong_kind};

/// How often rules are evaluated where the file does not say.
const EVALUATION_INTERVAL: Duration = Duration::from_mins(1);

impl TestFile {
    /// Reads a file of unit tests.
    ///
    /// # Errors
    /// Everything in it that promtool would refuse or that is not simulated, and a file with several
    /// documents, of which promtool would read the first and ignore the rest.
    pub fn read(documents: &[Node]) -> Result<Self, Vec<Problem>> {
        if let Some(second) = documents.get(1) {
            let problem = second.problem("this file of unit tests has several documents");
            return Err(vec![
                problem.with_help("promtool reads the first one only: write one file for each"),
            ]);
        }
        let empty = Self {
            rule_files: Vec::new(),
            evaluation_interval: EVALUATION_INTERVAL,
            group_eval_order: Vec::new(),
            fuzzy_compare: false,
            tests: Vec::new(),
        };
        let Some(node) = documents.first() else { return Ok(empty) };
        let mut problems = Vec::new();
        let file = read_file(node, empty, &mut problems).map_err(|problem| problems.push(problem));
        match file {
            Ok(file) if problems.is_empty() => Ok(file),
            Ok(_) | Err(()) => Err(problems),
        }
    }
}

fn read_file(node: &Node, file: TestFile, problems: &mut Vec<Problem>) -> Result<TestFile, Problem> {
    const KEYS: [&str; 5] =
        ["rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests"];
    let fields = Fields::of(node, "a file of unit tests", &KEYS)?;
    let interval = fields.duration("evaluation_interval")?.filter(|interval| *interval > Duration::ZERO);
    let evaluation_interval = interval.unwrap_or(file.evaluation_interval);
    let mut group_eval_order = Vec::new();
    for name in fields.list("group_eval_order")? {
        let group = text(name, "group_eval_order")?;
        if group_eval_order.contains(&group) {
            return Err(name.problem(format!("the group `{group}` is named twice in the evaluation order")));
        }
        group_eval_order.push(group);
    }
    let mut tests = Vec::new();
    for (index, node) in fields.list("tests")?.iter().enumerate() {
        match read_group(node, index, evaluation_interval) {
            Ok(group) => tests.push(group),
            Err(problem) => problems.push(problem),
        }
    }
    let rule_files = fields.list("rule_files")?.iter();
    Ok(TestFile {
        rule_files: rule_files
            .map(|node| Ok((text(node, "rule_files")?, node.place.clone())))
            .collect::<Result<_, Problem>>()?,
        evaluation_interval,
        group_eval_order,
        fuzzy_compare: fields.boolean("fuzzy_compare")?.unwrap_or(false),
        tests,
    })
}

fn read_group(node: &Node, index: usize, evaluation_interval: Duration) -> Result<TestGroup, Problem> {
    const KEYS: [&str; 8] = [
        "name",
        "interval",
        "input_series",
        "alert_rule_test",
        "promql_expr_test",
        "external_labels",
        "external_url",
        "start_timestamp",
    ];
    let fields = Fields::of(node, "a test", &KEYS)?;
    let interval = fields.duration("interval")?.filter(|interval| *interval > Duration::ZERO);
    let external_labels = fields.texts("external_labels")?;
    Ok(TestGroup {
        name: fields
            .text("name")?
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| format!("unnamed#{index}")),
        start_ms: fields.get("start_timestamp").map_or(Ok(0), read_timestamp)?,
        interval: interval.unwrap_or(evaluation_interval),
        input_series: fields.list("input_series")?.iter().map(read_series).collect::<Result<_, _>>()?,
        alerts: fields.list("alert_rule_test")?.iter().map(read_alert_test).collect::<Result<_, _>>()?,
        queries: fields.list("promql_expr_test")?.iter().map(read_query_test).collect::<Result<_, _>>()?,
        external_labels: Labels::new(external_labels.iter().map(|entry| (entry.name, &entry.text))),
        external_url: fields.text("external_url")?.unwrap_or_default(),
        place: node.place.clone(),
    })
}

fn read_series(node: &Node) -> Result<InputSeries, Problem> {
    let fields = Fields::of(node, "an input series", &["series", "values"])?;
    let wrong = |key: &str, error: notation::NotationError| {
        fields.get(key).unwrap_or(node).problem(format!("`{key}`: {error}"))
    };
    let labels = notation::labels(&fields.text("series")?.unwrap_or_default());
    let values = notation::samples(&fields.text("values")?.unwrap_or_default());
    Ok(InputSeries {
        labels: labels.map_err(|error| wrong("series", error))?,
        values: values.map_err(|error| wrong("values", error))?,
    })
}

fn read_alert_test(node: &Node) -> Result<AlertTest, Problem> {
    let fields = Fields::of(node, "an alert rule test", &["eval_time", "alertname", "exp_alerts"])?;
    let alertname = fields.text("alertname")?.filter(|name| !name.is_empty());
    let Some(alertname) = alertname else {
        return Err(node.problem("this item of `alert_rule_test` has no `alertname`"));
    };
    let expected = fields.list("exp_alerts")?.iter().map(|node| read_alert(node, &alertname));
    Ok(AlertTest {
        eval_time: fields.duration("eval_time")?.unwrap_or(Duration::ZERO),
        expected: expected.collect::<Result<_, _>>()?,
        alertname,
        place: node.place.clone(),
    })
}

fn read_alert(node: &Node, alertname: &str) -> Result<ExpectedAlert, Problem> {
    let fields = Fields::of(node, "an expected alert", &["exp_labels", "exp_annotations"])?;
    let texts = |key| {
        let texts = fields.texts(key)?;
        Ok::<_, Problem>(texts.into_iter().map(|entry| (entry.name.to_owned(), entry.text)).collect())
    };
    let mut expected = ExpectedAlert { labels: texts("exp_labels")?, annotations: texts("exp_annotations")? };
    expected.labels.insert("alertname".to_owned(), alertname.to_owned());
    Ok(expected)
}

fn read_query_test(node: &Node) -> Result<QueryTest, Problem> {
    let fields = Fields::of(node, "a query test", &["expr", "eval_time", "exp_samples"])?;
    Ok(QueryTest {
        expr: fields.text("expr")?.unwrap_or_default(),
        eval_time: fields.duration("eval_time")?.unwrap_or(Duration::ZERO),
        expected: fields.list("exp_samples")?.iter().map(read_sample).collect::<Result<_, _>>()?,
        place: node.place.clone(),
    })
}

fn read_sample(node: &Node) -> Result<Sample, Problem> {
    let fields = Fields::of(node, "an expected sample", &["labels", "value", "histogram"])?;
    if let Some(histogram) = fields.get("histogram").filter(|node| node.as_str() != Some("")) {
        return Err(histogram.problem("not simulated: native histograms"));
    }
    let labels = notation::labels(&fields.text("labels")?.unwrap_or_default());
    let labels =
        labels.map_err(|error| fields.get("labels").unwrap_or(node).problem(format!("`labels`: {error}")))?;
    let value = match fields.get("value").map(|node| (node, &node.value)) {
        None => 0.0,
        Some((_, Value::Int(number))) => *number as f64,
        Some((_, Value::Float(number))) => *number,
        Some((node, _)) => {
            return Err(
                wrong_kind(node, "value", "a number").with_help("write `.nan` and `.inf` without quotes")
            );
        }
    };
    Ok(Sample { labels, value })
}

/// Seconds since 1970, or a time in the form of RFC 3339 (web/api/v1: parseTime, of Prometheus 3.9).
fn read_timestamp(node: &Node) -> Result<i64, Problem> {
    let written = text(node, "start_timestamp")?;
    if let Ok(seconds) = written.parse::<f64>()
        && seconds.abs() < 1e11
    {
        return Ok((seconds * 1000.0).round() as i64);
    }
    rfc3339(&written).ok_or_else(|| {
        node.problem(format!("`start_timestamp`: `{written}` is no time"))
            .with_help("write seconds since 1970, or for example 2026-02-29T12:00:00Z")
    })
}

fn rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let offset_minutes = match zone {
        "Z" | "z" => 0,
        zone => {
            let [hours, minutes] = numbers(&zone[1..], ':')?;
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))?
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(clock, ':')?);
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let millis: i64 = match fraction {
        "" => 0,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{digits:0<3}").get(..3)?.parse().ok()?
        }
        _ => return None,
    };
    let days = days_since_1970(year, month, day);
    let seconds = ((days * 24 + hour) * 60 + minute - offset_minutes) * 60 + second;
    in_range.then_some(seconds * 1000 + millis)
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let parts: Option<Vec<i64>> = text
        .split(separator)
        .map(|part| part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit())))
        .collect();
    parts?.try_into().ok()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Years are counted from March on, so that the leap day is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_cycle = year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4 - year.rem_euclid(400) / 100;
    year.div_euclid(400) * 146_097 + day_of_cycle + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T12:34:56.5Z", 1_709_210_096_500),
            ("2024-02-29T14:34:56+02:00", 1_709_210_096_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ];
        for (text, millis) in cases {
            assert_eq!(rfc3339(text), Some(millis), "{text}");
        }
        for text in ["2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01", "2024-01-01T00:00:00", "x"]
        {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }
}
