//! The same scenario at another speed and under other names, for clusters that run in real time and are
//! shared.
//!
//! [`transform`] takes a repository and a scenario that runs on it, and returns both with every duration
//! divided by the [`Speed`] and every name changed by [`Names`]. It works on what the user wrote:
//! manifests, patches, queries, the manifests in a scenario's events. What it cannot change it says in
//! [`Note`]s; a speed below the [floors](mod@floor) of real controllers is refused. At speed 1 and with
//! unchanged names nothing changes, and files of which nothing changes keep their bytes.
//!
//! Two passes go over the same documents. Each is a table of rules, a path within a kind and what is
//! there: `timing` divides, `naming` renames. `fields` walks an object, a patch or a JSON patch
//! operation along the paths; `documents` knows which file is which of these.
//!
//! [`probing()`] is a third pass, for scenarios with a real inference server: it leads probes to where that
//! server answers them.
//!
//! What upstream has as constants does not scale, here or in the simulator: the retry of an analysis
//! after an error (10 s), times stored in whole seconds, the back-off of self-heal, periods of the
//! kubelet, of endpoints and of the autoscaler, and the 5 minutes that an instant query looks back.
//! Latencies, `timeoutSeconds` of probes and `pod_start` are none of the pipeline's times and stay too.
//!
//! ```
//! use transform::{Names, Plan, Speed, transform};
//!
//! let yaml = "{ name: idle, repository: ., settle: 10m, expect: [{ requests: { failed: == 0 } }] }";
//! let scenario = scenario::Scenario::read("idle.yaml", yaml.as_bytes()).unwrap().remove(0);
//! let mut repository = manifests::tree::Tree::new();
//! let monitor = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: m}\n\
//!                spec: {selector: {}, endpoints: [{interval: 15s}]}\n";
//! repository.insert("monitor.yaml", monitor.as_bytes()).unwrap();
//!
//! let plan = Plan { speed: Speed::new(30.0).unwrap(), names: Names::unchanged() };
//! let transformed = transform(&repository, &scenario, &plan).unwrap();
//! let text = transformed.repository.get("monitor.yaml").unwrap();
//! assert!(String::from_utf8_lossy(text).contains("interval: 500ms"));
//! assert!(transform::highest_speed(&repository, &scenario) == plan.speed);
//! ```

mod argocd;
mod documents;
mod duration;
mod fields;
pub mod floor;
mod names;
mod naming;
mod needs;
mod note;
mod probing;
mod query;
mod room;
mod scenario;
mod speed;
mod timing;

use std::collections::BTreeSet;

use ::scenario::Scenario;
use manifests::tree::Tree;
use yaml::{Node, Problem};

pub use argocd::{ArgoSettings, SETTINGS_FILE};
pub use names::{Names, SHARED_NAMESPACES};
pub use needs::{Needs, PrometheusAddress};
pub use note::{Note, Noted};
pub use probing::probing;
pub use room::with_small_requests;
pub use speed::{NotASpeed, PODS_START, Speed, UNSCALED};

use crate::documents::Documents;
use crate::floor::Limit;
use crate::naming::Naming;
use crate::scenario::States;
use crate::timing::Timing;

/// How a repository and its scenario are to be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What durations are divided by.
    pub speed: Speed,
    /// What things are called.
    pub names: Names,
}

/// A repository and its scenario, changed.
#[derive(Debug, Clone)]
pub struct Transformed {
    /// The repository, to be served in place of the user's.
    pub repository: Tree,
    /// The scenario, to be run in place of the user's. Its references and expectations use the user's
    /// names; the manifests in its events use those of the cluster.
    pub scenario: Scenario,
    /// What was changed, and what was not, in the order of files.
    pub notes: Vec<Note>,
}

/// Changes a repository and its scenario by a plan.
///
/// # Errors
/// Everything that is below its [floor] at this speed, each with the highest speed that it allows,
/// and names that become too long.
pub fn transform(repository: &Tree, scenario: &Scenario, plan: &Plan) -> Result<Transformed, Vec<Problem>> {
    let mut documents = Documents::of(repository);
    let survey = survey(&documents, scenario);
    refuse_beyond(&survey.limits, plan.speed)?;
    let mut notes = Vec::new();
    let mut changed = scenario.clone();
    if !plan.speed.is_real() {
        let mut timing = Timing::at(plan.speed, survey);
        changed = scenario::rewrite_manifests(changed, &documents, States::Change, &mut timing);
        documents.rewrite(&mut timing);
        notes.extend(timing.notes);
        changed = scenario::at_speed(changed, plan.speed, &mut notes);
    }
    if !plan.names.is_unchanged() {
        let mut naming = Naming::new(&plan.names, &documents, repository_urls(repository, scenario));
        changed = scenario::rewrite_manifests(changed, &documents, States::Keep, &mut naming);
        documents.rewrite(&mut naming);
        if !naming.problems.is_empty() {
            return Err(naming.problems);
        }
        notes.extend(naming.into_notes());
    }
    let tree = documents.into_tree(repository).map_err(|problem| vec![problem])?;
    let (repository, scenario) = argocd::with_settings(tree, changed, plan.speed);
    notes.sort_by_cached_key(sort_key);
    notes.dedup();
    Ok(Transformed { repository, scenario, notes })
}

/// The highest of [`Speed::CANDIDATES`] that the [floors](mod@floor) allow.
pub fn highest_speed(repository: &Tree, scenario: &Scenario) -> Speed {
    floor::highest_speed(&survey(&Documents::of(repository), scenario).limits)
}

/// What bounds the speed, in the repository and in the scenario.
pub fn limits(repository: &Tree, scenario: &Scenario) -> Vec<Limit> {
    survey(&Documents::of(repository), scenario).limits
}

fn survey(documents: &Documents, scenario: &Scenario) -> Timing {
    let once = |mut timing: Timing| {
        scenario::rewrite_manifests(scenario.clone(), documents, States::Keep, &mut timing);
        documents.clone().rewrite(&mut timing);
        timing
    };
    let mut timing = once(once(Timing::survey()).again());
    timing.limits.extend(scenario::limits(scenario));
    timing
}

fn refuse_beyond(limits: &[Limit], speed: Speed) -> Result<(), Vec<Problem>> {
    let advised = floor::highest_speed(limits);
    let broken = limits.iter().filter(|limit| limit.highest() < speed.factor() && !speed.is_real());
    let problems: Vec<Problem> = broken.map(|limit| limit.problem(speed, advised)).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The URLs by which the Applications that the scenario applies call the repository.
fn repository_urls(repository: &Tree, scenario: &Scenario) -> BTreeSet<String> {
    let applied = scenario.apply.iter().filter_map(|path| repository.documents(path)?.ok()).flatten();
    let mut urls = BTreeSet::new();
    for node in applied {
        let spec = match node.str_at(&["kind"]) {
            Some("Application") => node.get("spec"),
            Some("ApplicationSet") => node.at(&["spec", "template", "spec"]),
            _ => None,
        };
        let Some(spec) = spec else { continue };
        let several = spec.get("sources").and_then(Node::as_seq).unwrap_or_default();
        let sources = spec.get("source").into_iter().chain(several);
        urls.extend(sources.filter_map(|source| source.str_at(&["repoURL"])).map(str::to_owned));
    }
    urls
}

/// Notes are told in the order of files.
fn sort_key(note: &Note) -> (String, u32, u32, String) {
    let place = note.place.as_ref();
    let (file, line, column) = place.map_or(("", 0, 0), |it| (it.source.name.as_str(), it.line, it.column));
    (file.to_owned(), line, column, note.to_string())
}
