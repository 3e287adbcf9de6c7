use serde::Serialize;
use timeline::Report;

/// `report.json`: the report as indented JSON, ending with a line feed.
pub fn json(report: &Report) -> String {
    indented(report)
}

/// A value as indented JSON, ending with a line feed.
pub(crate) fn indented(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a report holds only what JSON can say");
    text.push('\n');
    text
}
