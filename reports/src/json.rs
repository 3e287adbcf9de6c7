use timeline::Report;

/// `report.json`: the report as indented JSON, ending with a line feed.
pub fn json(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("a report holds only what JSON can say");
    text.push('\n');
    text
}
