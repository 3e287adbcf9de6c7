//! Reading rule files (prometheus model/rulefmt/rulefmt.go), also as they stand in Git: in the objects
//! `PrometheusRule` of prometheus-operator.

use std::collections::{BTreeMap, BTreeSet};

use promql::{METRIC_NAME, Query, QueryError};
use units::Duration;
use yaml::{Node, Problem};

use crate::fields::{Fields, TextEntry};
use crate::group::{Alerting, Group, Kind, Rule};
use crate::template::Template;

/// From a change of a PrometheusRule until Prometheus has its rules. The operator writes them to a ConfigMap
/// at once; the kubelet brings that into the pod when it next synchronises it, every 60 to 90 s and so after
/// 38 s on average (kubernetes pkg/kubelet: SyncFrequency, workerResyncIntervalJitterFactor), and the
/// reloader beside Prometheus has it read within seconds.
pub const LAG: Duration = Duration::from_secs(40);

/// The reason of what prometheus-operator records of rules that Prometheus would refuse (pkg/operator/rules.go:
/// Select).
pub const REJECTED: &str = "InvalidConfiguration";

/// What stands in a `PrometheusRule`.
#[derive(Debug, Clone, Default)]
pub struct ObjectRules {
    /// Its groups, without the rules that are not simulated.
    pub groups: Vec<Group>,
    /// What Prometheus would refuse; prometheus-operator leaves out the whole object for any of it.
    pub invalid: Vec<Problem>,
    /// What Prometheus would take and is not simulated, by name.
    pub not_simulated: Vec<Problem>,
}

impl ObjectRules {
    /// What prometheus-operator records of the object with this name, where it leaves it out: what is wrong first, and
    /// where. The operator's event says `invalid rule` alone; its log says what, in words of its own.
    pub fn rejection(&self, name: &str) -> Option<String> {
        let problem = self.invalid.first()?;
        let place = problem.place.as_ref().map_or(String::new(), |place| format!(" ({place})"));
        let why = format!("invalid rule: {}{place}", problem.message);
        Some(format!("PrometheusRule {name} was rejected due to invalid configuration: {why}"))
    }
}

/// Reads a `PrometheusRule`.
pub fn read_object(node: &Node) -> ObjectRules {
    let (mut groups, mut refusals) = (Vec::new(), Vec::new());
    read_groups(node.get("spec").unwrap_or(node), "the spec of a PrometheusRule", &mut groups, &mut refusals);
    let mut read = ObjectRules { groups, ..ObjectRules::default() };
    for refusal in refusals {
        match refusal {
            Refusal::Invalid(problem) => read.invalid.push(problem),
            Refusal::NotSimulated(problem) => read.not_simulated.push(problem),
        }
    }
    read
}

/// Why something written is not taken.
enum Refusal {
    /// Prometheus refuses it.
    Invalid(Problem),
    /// Only this crate does.
    NotSimulated(Problem),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Invalid(problem)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(problem) | Refusal::NotSimulated(problem) => problem,
        }
    }
}

/// Reads the groups of a rule file: of its first document, or of every `PrometheusRule` among its
/// documents.
///
/// # Errors
/// Everything that Prometheus would refuse, everything that is not simulated, and a file with several
/// documents that are no manifests, of which Prometheus would read the first and ignore the rest.
pub fn read_rules(documents: &[Node]) -> Result<Vec<Group>, Vec<Problem>> {
    let is_manifest = |node: &Node| node.get("apiVersion").is_some() && node.get("kind").is_some();
    let mut problems = Vec::new();
    let mut groups = Vec::new();
    if documents.iter().any(is_manifest) {
        let rules: Vec<&Node> =
            documents.iter().filter(|node| node.str_at(&["kind"]) == Some("PrometheusRule")).collect();
        if rules.is_empty() {
            let problem = documents[0].problem("no document of this file is a PrometheusRule");
            return Err(vec![problem.with_help("name rule files, or files with PrometheusRule objects")]);
        }
        for node in rules {
            let spec = node.get("spec").unwrap_or(node);
            read_groups(spec, "the spec of a PrometheusRule", &mut groups, &mut problems);
        }
    } else {
        if let Some(second) = documents.get(1) {
            let problem = second.problem("this rule file has several documents");
            return Err(vec![
                problem.with_help("Prometheus reads the first one only: write one file for each"),
            ]);
        }
        for node in documents {
            read_groups(node, "a rule file", &mut groups, &mut problems);
        }
    }
    if problems.is_empty() { Ok(groups) } else { Err(problems.into_iter().map(Problem::from).collect()) }
}

fn read_groups(node: &Node, what: &str, groups: &mut Vec<Group>, problems: &mut Vec<Refusal>) {
    let list = Fields::of(node, what, &["groups"]).and_then(|fields| fields.list("groups"));
    let list = match list {
        Ok(list) => list,
        Err(problem) => return problems.push(problem.into()),
    };
    let mut names = BTreeSet::new();
    for node in list {
        match read_group(node, problems) {
            Ok(group) if names.insert(group.name.clone()) => groups.push(group),
            Ok(group) => {
                let message = format!("the group name `{}` is repeated in the same file", group.name);
                problems.push(node.problem(message).into());
            }
            Err(problem) => problems.push(problem),
        }
    }
}

fn read_group(node: &Node, problems: &mut Vec<Refusal>) -> Result<Group, Refusal> {
    // The last key is Thanos's, which prometheus-operator passes on.
    const KEYS: [&str; 7] =
        ["name", "interval", "query_offset", "limit", "rules", "labels", "partial_response_strategy"];
    let fields = Fields::of(node, "a group of rules", &KEYS)?;
    let name = fields.text("name")?.unwrap_or_default();
    if name.is_empty() {
        return Err(node.problem("the name of a group of rules must not be empty").into());
    }
    let limit = fields.whole_number("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let labels = fields.texts("labels")?;
    labels.iter().try_for_each(check_label)?;
    let mut rules = Vec::new();
    for node in fields.list("rules")? {
        match read_rule(node, &labels) {
            Ok(rule) => rules.push(rule),
            Err(problem) => problems.push(problem),
        }
    }
    Ok(Group {
        name,
        interval: fields.duration("interval")?.filter(|interval| *interval > Duration::ZERO),
        query_offset: fields.duration("query_offset")?.unwrap_or(Duration::ZERO),
        limit: limit.filter(|limit| *limit > 0),
        rules,
        place: node.place.clone(),
    })
}

fn read_rule(node: &Node, group_labels: &[TextEntry<'_>]) -> Result<Rule, Refusal> {
    const KEYS: [&str; 7] = ["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];
    let fields = Fields::of(node, "a rule", &KEYS)?;
    let named = |key| Ok::<_, Problem>(fields.text(key)?.filter(|name| !name.is_empty()));
    let (record, alert) = (named("record")?, named("alert")?);
    let expr = read_expr(&fields)?;
    let labels = fields.texts("labels")?;
    labels.iter().try_for_each(check_label)?;
    let labels = group_labels.iter().chain(&labels);
    let kind = match (record, alert) {
        (Some(record), None) => {
            check_record(&fields, &record)?;
            let labels = labels.map(|entry| (entry.name.to_owned(), entry.text.clone())).collect();
            Kind::Recording { record, labels }
        }
        (None, Some(alert)) => Kind::Alerting(Alerting {
            alert,
            hold: fields.duration("for")?.unwrap_or(Duration::ZERO),
            keep_firing_for: fields.duration("keep_firing_for")?.unwrap_or(Duration::ZERO),
            labels: labels.map(|entry| template(entry, "label")).collect::<Result<_, _>>()?,
            annotations: read_annotations(&fields)?,
        }),
        (Some(_), Some(_)) => {
            return Err(node.problem("only one of `record` and `alert` must be set").into());
        }
        (None, None) => return Err(node.problem("one of `record` or `alert` must be set").into()),
    };
    Ok(Rule { kind, expr, place: node.place.clone() })
}

fn read_expr(fields: &Fields<'_>) -> Result<Query, Refusal> {
    let text = fields.text("expr")?.unwrap_or_default();
    match fields.get("expr") {
        Some(node) if !text.is_empty() => Query::parse(&text).map_err(|error| {
            let problem = node.problem(error.to_string());
            match error {
                QueryError::NotSimulated { .. } | QueryError::TooComplex { .. } => {
                    Refusal::NotSimulated(problem)
                }
                QueryError::Invalid { .. } => Refusal::Invalid(problem),
            }
        }),
        Some(_) | None => Err(fields.node().problem("the field `expr` must be set in a rule").into()),
    }
}

fn check_record(fields: &Fields<'_>, record: &str) -> Result<(), Problem> {
    for key in ["annotations", "for", "keep_firing_for"] {
        let is_set = match key {
            "annotations" => !fields.texts(key)?.is_empty(),
            _ => fields.duration(key)?.is_some_and(|duration| duration > Duration::ZERO),
        };
        if let Some(node) = fields.get(key).filter(|_| is_set) {
            return Err(node.problem(format!("a recording rule has no `{key}`")));
        }
    }
    match fields.get("record") {
        Some(node) if record.contains(['{', '}']) => Err(node
            .problem(format!("braces in the name of a recording rule: {record}"))
            .with_help("write selectors in `expr`")),
        _ => Ok(()),
    }
}

/// model.UTF8Validation.IsValidLabelName
fn check_label(entry: &TextEntry<'_>) -> Result<(), Problem> {
    match entry.name {
        "" | METRIC_NAME => Err(entry.node.problem(format!("invalid label name: `{}`", entry.name))),
        _ => Ok(()),
    }
}

fn read_annotations(fields: &Fields<'_>) -> Result<BTreeMap<String, Template>, Refusal> {
    let annotations = fields.texts("annotations")?;
    if let Some(unnamed) = annotations.iter().find(|entry| entry.name.is_empty()) {
        return Err(unnamed.node.problem("invalid annotation name: ``").into());
    }
    annotations.iter().map(|entry| template(entry, "annotation")).collect()
}

fn template(entry: &TextEntry<'_>, what: &str) -> Result<(String, Template), Refusal> {
    let template = Template::parse(&entry.text).map_err(|error| {
        let line = if error.line > 1 { format!(", in its line {}", error.line) } else { String::new() };
        let problem =
            entry.node.problem(format!("the template of the {what} `{}`{line}: {error}", entry.name));
        if error.not_simulated { Refusal::NotSimulated(problem) } else { Refusal::Invalid(problem) }
    });
    Ok((entry.name.to_owned(), template?))
}
