//! Durations in manifests, divided by the speed.

use std::collections::BTreeMap;

use units::Duration;
use yaml::{Node, Value};

use crate::documents::subjects_of;
use crate::duration::{Form, Reading, prometheus_duration, prometheus_text};
use crate::fields::{Change, Rule, Subject, is_about};
use crate::floor::{Floor, Limit, QUERY_RANGE};
use crate::query::{self, Role};
use crate::{Note, Noted, Speed};

mod table;

/// What a field has to do with time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Time {
    /// It is a duration.
    Span(Span),
    /// It is PromQL.
    Query,
    /// It is an expression for a bound of a range query, with `duration("…")` in it.
    RangeBound,
    /// It is an argument of an analysis, a duration if it is used as one.
    Argument,
    /// It is a target of a kustomization's replacement.
    Replacement,
    /// It is about time in a way that is not scaled, for this reason.
    NotScaled(&'static str),
}

/// A duration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    /// How it is written.
    pub(crate) form: Form,
    /// The least that it can be.
    pub(crate) floor: Option<Floor>,
    /// What it is in seconds where it is missing, if that has an effect.
    pub(crate) default: Option<u64>,
    /// How it shrinks.
    pub(crate) shrinks: Shrinks,
}

/// How a duration shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Shrinks {
    /// It is divided.
    #[default]
    Wholly,
    /// As what is given for something to happen that no speed shortens: see [`Speed::progress_deadline`].
    AsDeadline,
}

impl Shrinks {
    fn at(self, speed: Speed, span: Duration) -> Duration {
        match self {
            Self::Wholly => speed.scale(span),
            Self::AsDeadline => speed.progress_deadline(span),
        }
    }
}

/// Divides durations; keeps what there is to say about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timing {
    speed: Option<Speed>,
    /// Arguments of analyses that are used as durations, by name.
    arguments: BTreeMap<String, Span>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) notes: Vec<Note>,
}

impl Timing {
    /// One that changes nothing and learns what bounds the speed, and which arguments are durations.
    pub(crate) fn survey() -> Self {
        Self::default()
    }

    /// One that divides, and knows what a survey learnt.
    pub(crate) fn at(speed: Speed, survey: Self) -> Self {
        Self {
            speed: Some(speed).filter(|speed| !speed.is_real()),
            arguments: survey.arguments,
            ..Self::default()
        }
    }

    /// The same survey, before it meets an argument: an argument may stand before its use.
    pub(crate) fn again(self) -> Self {
        Self { arguments: self.arguments, ..Self::default() }
    }

    fn note(&mut self, node: &Node, what: Noted) {
        if self.speed.is_some() {
            self.notes.push(Note { place: Some(node.place.clone()), what });
        }
    }

    fn not_scaled(&mut self, node: &Node, field: &str, why: impl Into<String>) {
        let field = format!("{field}: {}", shown(&node.value));
        self.note(node, Noted::NotScaled { field, why: why.into() });
    }

    fn limit(&mut self, node: &Node, field: &str, text: &str, span: Duration, floor: Option<Floor>) {
        if let Some(floor) = floor {
            let (place, written) = (node.place.clone(), format!("{field}: {text}"));
            self.limits.push(Limit { place, written, bound: span, floor });
        }
    }

    fn span(&mut self, node: &mut Node, field: &str, it: Span) {
        if let Some(argument) = node.as_str().and_then(argument_name) {
            self.arguments.insert(argument.to_owned(), it);
            return;
        }
        let from = shown(&node.value);
        match it.form.read(node) {
            Reading::Nothing => {}
            Reading::Unreadable => self.not_scaled(node, field, "it is no duration that can be read"),
            Reading::Span(span) => {
                self.limit(node, field, &from, span, it.floor);
                let Some(speed) = self.speed else { return };
                let exact = it.shrinks.at(speed, span);
                let rounded = it.form.rounded(exact);
                node.value = it.form.write(rounded, &node.value);
                let (field, to) = (field.to_owned(), shown(&node.value));
                // What is lost below a microsecond in a thousand is no change of a ratio.
                let is_exact = rounded.saturating_sub(exact) <= exact / 1_000.0;
                self.note(
                    node,
                    match is_exact {
                        true => Noted::Scaled { field, from, to },
                        false => Noted::Rounded { field, from, to },
                    },
                );
            }
        }
    }

    fn query(&mut self, node: &mut Node, field: &str) {
        let Some(text) = node.as_str().map(str::to_owned) else { return };
        let mut rewriter = Ranges { timing: self, node, field };
        let new = query::rewrite(&text, &mut rewriter);
        node.value = Value::String(new);
    }

    /// `start: now() - duration("5m")`: what stands between the quotes.
    fn range_bound(&mut self, node: &mut Node, field: &str) {
        const CALL: &str = "duration(\"";
        let Some(text) = node.as_str().map(str::to_owned) else { return };
        let mut new = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(CALL) {
            let (before, after) = rest.split_at(at + CALL.len());
            let end = after.find('"').unwrap_or(after.len());
            new.push_str(before);
            let mut inner = Node::new(Value::String(after[..end].to_owned()), node.place.clone());
            self.span(
                &mut inner,
                field,
                Span { form: Form::Go, floor: None, default: None, shrinks: Shrinks::Wholly },
            );
            new.push_str(inner.as_str().unwrap_or_default());
            rest = &after[end..];
        }
        new.push_str(rest);
        node.value = Value::String(new);
    }

    /// An entry of `args`: a mapping with `name` and `value`.
    fn argument(&mut self, node: &mut Node) {
        let Some(name) = node.str_at(&["name"]).map(str::to_owned) else { return };
        let Some(span) = self.arguments.get(&name).copied() else { return };
        if let Some(value) = node.at_mut(&["value"]).filter(|value| !value.is_null()) {
            return self.span(value, &name, span);
        }
        if node.get("valueFrom").is_some() {
            let why = "its value comes from elsewhere and is used as a duration";
            let field = format!("argument {name}");
            self.note(node, Noted::NotScaled { field, why: why.to_owned() });
        }
    }

    /// A target of `replacements`: what is copied into a duration is not looked for.
    fn replacement(&mut self, node: &Node) {
        let subjects = node.get("select").map(subjects_of).unwrap_or_default();
        let paths = node.get("fieldPaths").and_then(Node::as_seq).unwrap_or_default();
        for (path, text) in paths.iter().filter_map(|path| Some((path, path.as_str()?))) {
            let keys: Vec<&str> = text.split('.').collect();
            if subjects.iter().any(|subject| is_about(&table::rules(subject), &keys)) {
                let (field, why) =
                    (text.to_owned(), "a replacement copies its value from elsewhere".to_owned());
                self.note(path, Noted::NotScaled { field, why });
            }
        }
    }
}

impl Change for Timing {
    type What = Time;

    fn rules(&self, subject: &Subject) -> Vec<Rule<Time>> {
        table::rules(subject)
    }

    fn change(&mut self, node: &mut Node, rule: &Rule<Time>) {
        match rule.what {
            Time::Span(span) => self.span(node, field_name(rule), span),
            Time::Query => self.query(node, field_name(rule)),
            Time::RangeBound => self.range_bound(node, field_name(rule)),
            Time::Argument => self.argument(node),
            Time::Replacement => self.replacement(node),
            Time::NotScaled(why) => {
                let (field, why) = (field_name(rule).to_owned(), why.to_owned());
                self.note(node, Noted::NotScaled { field, why });
            }
        }
    }

    fn missing(&mut self, parent: &Node, rule: &Rule<Time>) -> Option<Value> {
        let Time::Span(Span { form, default: Some(seconds), floor, shrinks }) = rule.what else {
            return None;
        };
        let speed = self.speed?;
        // Nobody chose a default, so that it must not bound the speed.
        let scaled = shrinks.at(speed, Duration::from_secs(seconds));
        let scaled = scaled.max(floor.map_or(Duration::ZERO, |floor| floor.least));
        let old = match form {
            Form::Seconds => Value::Int(0),
            Form::Go | Form::Argo | Form::Pause | Form::Prometheus => Value::String(String::new()),
        };
        let value = form.write(form.rounded(scaled), &old);
        self.note(parent, Noted::DefaultWritten { field: field_name(rule).to_owned(), to: shown(&value) });
        Some(value)
    }
}

/// The last key of the path, for people.
fn field_name(rule: &Rule<Time>) -> &str {
    let own = rule.field.rsplit('/').find(|segment| *segment != "[]");
    own.unwrap_or_else(|| rule.under.rsplit('/').find(|segment| *segment != "[]").unwrap_or_default())
}

/// `window` of `{{args.window}}`, where that is all of the text.
fn argument_name(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim().strip_prefix("args.")?;
    (!name.contains(['{', '}'])).then_some(name)
}

pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Seq(_) | Value::Map(_) => "…".to_owned(),
    }
}

/// Functions that give or take moments or seconds as plain numbers.
const SECONDS_AS_NUMBERS: [&str; 9] = [
    "time",
    "timestamp",
    "predict_linear",
    "minute",
    "hour",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "month",
];

/// Divides the durations of a query.
struct Ranges<'a> {
    timing: &'a mut Timing,
    node: &'a Node,
    field: &'a str,
}

impl query::Rewriter for Ranges<'_> {
    fn duration(&mut self, text: &str, role: Role) -> Option<String> {
        let floor = (role == Role::Range).then_some(QUERY_RANGE);
        if let Some(argument) = argument_name(text) {
            let span = Span { form: Form::Prometheus, floor, default: None, shrinks: Shrinks::Wholly };
            self.timing.arguments.insert(argument.to_owned(), span);
            return None;
        }
        // A plain number in brackets is one of seconds.
        let seconds = || text.parse().ok().map(Duration::from_secs);
        let Some(span) = prometheus_duration(text).or_else(seconds) else {
            let field = format!("{text} in {}", self.field);
            let why = "it is no duration that can be read".to_owned();
            self.timing.note(self.node, Noted::NotScaled { field, why });
            return None;
        };
        if span == Duration::ZERO {
            return None;
        }
        self.timing.limit(self.node, self.field, &format!("…[{text}]"), span, floor);
        let scaled = Form::Prometheus.rounded(self.timing.speed?.scale(span));
        let to = prometheus_text(scaled);
        let field = format!("{} in {}", if role == Role::Offset { "offset" } else { "range" }, self.field);
        self.timing.note(self.node, Noted::Scaled { field, from: text.to_owned(), to: to.clone() });
        Some(to)
    }

    fn function(&mut self, name: &str) {
        if SECONDS_AS_NUMBERS.contains(&name) {
            let field = format!("{name}() in {}", self.field);
            let why = "it gives or takes seconds as plain numbers".to_owned();
            self.timing.note(self.node, Noted::NotScaled { field, why });
        }
    }
}
