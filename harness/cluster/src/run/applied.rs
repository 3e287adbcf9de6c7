//! What a scenario applies at its start, as its repository has it.

use std::collections::BTreeSet;

use manifests::tree::Tree;
use scenario::Scenario;

/// The documents that a scenario applies at its start.
fn applied<'t>(repository: &'t Tree, scenario: &Scenario) -> Vec<&'t yaml::Node> {
    let documents = scenario.apply.iter().filter_map(|path| repository.documents(path)?.ok());
    documents.flatten().collect()
}

/// The namespaces that the Applications deploy to.
pub(super) fn destinations(repository: &Tree, scenario: &Scenario) -> BTreeSet<String> {
    let of = |node: &yaml::Node| {
        let spec: &[&str] = match node.str_at(&["kind"])? {
            "Application" => &["spec", "destination", "namespace"],
            "ApplicationSet" => &["spec", "template", "spec", "destination", "namespace"],
            _ => return None,
        };
        node.str_at(spec).map(str::to_owned)
    };
    applied(repository, scenario).into_iter().filter_map(of).collect()
}

/// The Applications that the scenario applies.
pub(super) fn applications(repository: &Tree, scenario: &Scenario) -> Vec<String> {
    let of = |node: &&yaml::Node| node.str_at(&["kind"]) == Some("Application");
    let names = applied(repository, scenario).into_iter().filter(of);
    names.filter_map(|node| node.str_at(&["metadata", "name"]).map(str::to_owned)).collect()
}
