use std::borrow::Cow;
use std::fmt::Write;

use super::histogram::Histogram;

/// The labels of a series.
pub(crate) type Labels = Vec<(Cow<'static, str>, String)>;

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its samples end in `_total`.
    Counter,
    /// A counter whose samples have no ending, as some servers write them.
    BareCounter,
    Gauge,
    Histogram,
}

/// A metric with all its series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Family {
    /// Without the ending of its samples.
    pub(crate) name: Cow<'static, str>,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

/// One line of the page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// The ending of the name.
    pub(crate) suffix: &'static str,
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    /// Seconds since the epoch, where the sample carries a time.
    pub(crate) at: Option<f64>,
}

/// The format of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    OpenMetrics,
}

impl Family {
    pub(crate) fn new(name: &'static str, help: &'static str, kind: Kind) -> Self {
        Self { name: Cow::Borrowed(name), help, kind, samples: Vec::new() }
    }

    /// A gauge or counter with one series.
    pub(crate) fn single(
        name: &'static str,
        help: &'static str,
        kind: Kind,
        labels: Labels,
        value: f64,
    ) -> Self {
        let mut family = Self::new(name, help, kind);
        family.add(labels, value);
        family
    }

    /// One more series of a gauge or counter.
    pub(crate) fn add(&mut self, labels: Labels, value: f64) {
        let suffix = if self.kind == Kind::Counter { "_total" } else { "" };
        self.samples.push(Sample { suffix, labels, value, at: None });
    }

    /// One more series of a histogram.
    pub(crate) fn add_histogram(&mut self, labels: &Labels, histogram: &Histogram) {
        for (bound, count) in histogram.cumulative() {
            let mut labels = labels.clone();
            labels.push((Cow::Borrowed("le"), number(bound)));
            self.samples.push(Sample { suffix: "_bucket", labels, value: count as f64, at: None });
        }
        for (suffix, value) in [("_sum", histogram.sum()), ("_count", histogram.count() as f64)] {
            self.samples.push(Sample { suffix, labels: labels.clone(), value, at: None });
        }
    }

    /// Whether a person who says `name` means this family: with or without the ending of its samples.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        name == self.name || self.kind == Kind::Counter && name.strip_suffix("_total") == Some(&self.name)
    }
}

impl Format {
    /// The format that a scraper with this `Accept` header wants.
    pub(crate) fn wanted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The page in this format.
    pub(crate) fn page(self, families: &[Family]) -> String {
        let mut page = String::with_capacity(16 << 10);
        for family in families {
            self.write_family(&mut page, family);
        }
        if self == Self::OpenMetrics {
            page.push_str("# EOF\n");
        }
        page
    }

    fn write_family(self, page: &mut String, family: &Family) {
        let (name, kind) = match (self, family.kind) {
            (Self::Text, Kind::Counter) => (Cow::Owned(format!("{}_total", family.name)), "counter"),
            (Self::OpenMetrics, Kind::Counter) => (Cow::Borrowed(&*family.name), "counter"),
            (Self::Text, Kind::BareCounter) => (Cow::Borrowed(&*family.name), "counter"),
            (Self::OpenMetrics, Kind::BareCounter) => (Cow::Borrowed(&*family.name), "unknown"),
            (_, Kind::Gauge) => (Cow::Borrowed(&*family.name), "gauge"),
            (_, Kind::Histogram) => (Cow::Borrowed(&*family.name), "histogram"),
        };
        let _ = writeln!(page, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
        for sample in &family.samples {
            page.push_str(&family.name);
            page.push_str(sample.suffix);
            write_labels(page, &sample.labels);
            page.push(' ');
            page.push_str(&number(sample.value));
            match (self, sample.at) {
                (_, None) => {}
                (Self::Text, Some(at)) => {
                    let _ = write!(page, " {}", (at * 1e3) as i64);
                }
                (Self::OpenMetrics, Some(at)) => {
                    let _ = write!(page, " {at:.3}");
                }
            }
            page.push('\n');
        }
    }
}

fn write_labels(page: &mut String, labels: &Labels) {
    if labels.is_empty() {
        return;
    }
    for (index, (name, value)) in labels.iter().enumerate() {
        page.push(if index == 0 { '{' } else { ',' });
        page.push_str(name);
        page.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => page.push_str("\\\\"),
                '"' => page.push_str("\\\""),
                '\n' => page.push_str("\\n"),
                other => page.push(other),
            }
        }
        page.push('"');
    }
    page.push('}');
}

/// A number as Prometheus' client for Python writes it: `1.0`, `0.05`, `+Inf`, `NaN`.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        format!("{value:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let mut histogram = Histogram::new(&[0.5, 1.0]);
        histogram.observe(0.75, 2);
        let mut durations = Family::new("d_seconds", "Durations.", Kind::Histogram);
        durations.add_histogram(&vec![("model".into(), "a\"\\\nb".into())], &histogram);
        vec![
            durations,
            Family::single("requests", "Requests.", Kind::Counter, Vec::new(), 3.0),
            Family::single("bare", "Bare.", Kind::BareCounter, Vec::new(), 1e21),
            Family::single("load", "Load.", Kind::Gauge, Vec::new(), f64::NAN),
        ]
    }

    const TEXT: &str = r#"# HELP d_seconds Durations.
# TYPE d_seconds histogram
d_seconds_bucket{model="a\"\\\nb",le="0.5"} 0.0
d_seconds_bucket{model="a\"\\\nb",le="1.0"} 2.0
d_seconds_bucket{model="a\"\\\nb",le="+Inf"} 2.0
d_seconds_sum{model="a\"\\\nb"} 1.5
d_seconds_count{model="a\"\\\nb"} 2.0
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total 3.0
# HELP bare Bare.
# TYPE bare counter
bare 1e21
# HELP load Load.
# TYPE load gauge
load NaN
"#;

    #[test]
    fn the_page_is_written_in_both_formats() {
        assert_eq!(Format::Text.page(&families()), TEXT);
        let open = TEXT
            .replace("HELP requests_total", "HELP requests")
            .replace("TYPE requests_total", "TYPE requests");
        let open = open.replace("TYPE bare counter", "TYPE bare unknown");
        assert_eq!(Format::OpenMetrics.page(&families()), open + "# EOF\n");
    }
}
