//! What a run cost, as a block of a report.

use timeline::{Blind, RequestTotals, Summary};

use crate::numbers::{count, percent, span as length};
use crate::page::{Page, Tone, columns, padded, plain, span};

const LABEL: usize = 12;

pub(crate) fn write(page: &mut Page, summary: &Summary) {
    page.heading("cost");
    let all = &summary.requests;
    if all.total <= 0.0 {
        page.line([plain("  ")], [plain("the run had no requests")]);
        return;
    }
    row(page, "requests", &requests(summary));
    row(page, "hurt", &format!("{} ({})", count(all.hurt), percent(all.hurt, all.total)));
    table(page, "by version", summary.by_model.iter().map(|(model, totals)| (version(model), totals)));
    let hurt = summary.by_step.iter().filter(|(_, totals)| totals.requests.hurt > 0.0);
    let steps = hurt.map(|((rollout, step), at)| (step_name(rollout, *step, &at.text), &at.requests));
    table(page, "by step", steps);
    for blind in &summary.blind {
        let tone = match blind.unseen {
            Some(unseen) if unseen.requests > 0.0 => Tone::Open,
            Some(_) | None => Tone::Plain,
        };
        page.line([label("blind")], [span(tone, blind_text(blind))]);
    }
}

fn label(text: &str) -> crate::page::Span {
    span(Tone::Dim, padded(&format!("  {text}"), LABEL + 2))
}

fn row(page: &mut Page, name: &str, text: &str) {
    page.line([label(name)], [plain(text)]);
}

fn requests(summary: &Summary) -> String {
    let RequestTotals { total, failed, slow, wrong, truncated, .. } = summary.requests;
    let share = |part: f64| if part > 0.0 { format!(" ({})", percent(part, total)) } else { String::new() };
    let slow = match &summary.slow {
        Some(bound) => {
            let above = length(units::Duration::from_secs_f64(bound.seconds));
            format!("{}{} slower than {above} (from {})", count(slow), share(slow), bound.from)
        }
        None => "none counts as slow, since no bound is known".into(),
    };
    let rare = [(wrong, "wrong"), (truncated, "cut short")];
    let rare = rare.iter().filter(|(number, _)| *number > 0.0);
    let rare: String =
        rare.map(|(number, kind)| format!(", {}{} {kind}", count(*number), share(*number))).collect();
    format!("{}: {}{} failed, {slow}{rare}", count(total), count(failed), share(failed))
}

fn version(model: &str) -> String {
    if model.is_empty() { "no ready pod".into() } else { model.into() }
}

fn step_name(rollout: &str, step: Option<u32>, text: &str) -> String {
    match (rollout.is_empty(), step) {
        (true, _) => "no ready pod".into(),
        (false, None) => format!("{rollout}, no step"),
        (false, Some(step)) if text.is_empty() => format!("{rollout}, step {step}"),
        (false, Some(step)) => format!("{rollout}, step {step} ({text})"),
    }
}

/// Rows of a name and its requests hurt; the label stands beside the first.
fn table<'a>(page: &mut Page, name: &str, rows: impl Iterator<Item = (String, &'a RequestTotals)>) {
    let rows: Vec<(String, &RequestTotals)> = rows.collect();
    let widest = rows.iter().map(|(name, _)| columns(name)).max().unwrap_or(0).min(48);
    let mut name = name;
    for (what, totals) in rows {
        let share = percent(totals.hurt, totals.total);
        let numbers = format!("{} of {} ({share})", count(totals.hurt), count(totals.total));
        let tone = if totals.hurt > 0.0 { Tone::Plain } else { Tone::Dim };
        page.line([label(name)], [span(tone, format!("{}  {numbers}", padded(&what, widest)))]);
        name = "";
    }
}

fn blind_text(blind: &Blind) -> String {
    let served = format!(
        "the canary of {} served {} and {} requests",
        blind.rollout,
        length(blind.served.time),
        count(blind.served.requests)
    );
    match blind.unseen {
        None => format!("{served}; what the measurements looked at is not known"),
        Some(unseen) if unseen.time == units::Duration::ZERO => {
            format!("{served}; measurements looked at all of it")
        }
        Some(unseen) => format!(
            "{served}; no measurement looked at {} of it and {} requests ({})",
            length(unseen.time),
            count(unseen.requests),
            percent(unseen.requests, blind.served.requests)
        ),
    }
}
