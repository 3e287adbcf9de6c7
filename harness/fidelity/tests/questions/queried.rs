//! What a query to Prometheus gives.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use promql::{Labels, Point, Sample, Series};
use serde_json::Value;

/// A type of result and the numbers of each series, as text.
pub(crate) fn given(question: &Value) -> promql::Value {
    let numbers = |series: &Value| -> Vec<f64> {
        series
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap().parse().unwrap_or(f64::NAN))
            .collect()
    };
    let series: Vec<Vec<f64>> = question["series"].as_array().unwrap().iter().map(numbers).collect();
    let labels = Labels::empty;
    let points = |numbers: Vec<f64>| numbers.into_iter().map(|value| Point { at_ms: 0, value }).collect();
    match question["type"].as_str().unwrap() {
        "scalar" => promql::Value::Scalar(series[0][0]),
        "vector" => promql::Value::Vector(
            series.into_iter().map(|numbers| Sample { labels: labels(), value: numbers[0] }).collect(),
        ),
        "matrix" => promql::Value::Matrix(
            series.into_iter().map(|numbers| Series { labels: labels(), points: points(numbers) }).collect(),
        ),
        _ => promql::Value::String(String::new()),
    }
}
