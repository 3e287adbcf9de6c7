//! Resource requests of the manifests, made small: a stand-in for a model computes nothing, and a cluster
//! on one machine must not refuse its pods for want of a server room.

use manifests::tree::Tree;
use scenario::Scenario;
use yaml::{Node, Problem, Value};

use crate::documents::Documents;
use crate::fields::{Change, Rule, Subject};
use crate::scenario::{States, rewrite_manifests};
use crate::timing::shown;
use crate::{Note, Noted, Transformed};

/// What a container asks for in place of what it asks for, by resource.
const SMALL: [(&str, &str); 2] = [("cpu", "20m"), ("memory", "32Mi")];

/// The same repository and scenario with small requests of processor and memory. Limits stay, and so do
/// GPUs, which a cluster can be told that it has.
///
/// # Errors
/// A path of the repository that is none, which cannot be.
pub fn with_small_requests(repository: &Tree, scenario: &Scenario) -> Result<Transformed, Problem> {
    let (mut documents, scenario) = (Documents::of(repository), scenario.clone());
    let mut room = Room { notes: Vec::new() };
    let scenario = rewrite_manifests(scenario, &documents, States::Change, &mut room);
    documents.rewrite(&mut room);
    Ok(Transformed { repository: documents.into_tree(repository)?, scenario, notes: room.notes })
}

struct Room {
    notes: Vec<Note>,
}

impl Change for Room {
    type What = ();

    fn rules(&self, _subject: &Subject) -> Vec<Rule<()>> {
        Vec::new()
    }

    fn change(&mut self, _node: &mut Node, _rule: &Rule<()>) {}

    fn anywhere(&mut self, key: Option<&str>, node: &mut Node) {
        if key == Some("resources") {
            self.shrink(node);
        }
        match &mut node.value {
            Value::Map(map) => map.iter_mut().for_each(|(key, value)| self.anywhere(Some(key), value)),
            Value::Seq(items) => items.iter_mut().for_each(|item| self.anywhere(None, item)),
            _ => {}
        }
    }
}

impl Room {
    fn shrink(&mut self, resources: &mut Node) {
        let place = resources.place.clone();
        for (resource, small) in SMALL {
            let states = |list: &str| resources.at(&[list, resource]).is_some_and(|it| !it.is_null());
            // A limit without a request is a request.
            if !states("requests") && !states("limits") {
                continue;
            }
            let Some(map) = resources.as_map_mut() else { return };
            if map.get("requests").is_none_or(|requests| requests.as_map().is_none()) {
                map.insert("requests".to_owned(), Node::new(Value::Map(yaml::Map::new()), place.clone()));
            }
            let Some(requests) = map.get_mut("requests").and_then(Node::as_map_mut) else { return };
            let asked = requests.get(resource).map(|it| shown(&it.value));
            requests.insert(resource.to_owned(), Node::new(Value::String(small.to_owned()), place.clone()));
            let field = format!("requests.{resource}");
            let from = asked.unwrap_or_else(|| "of its limit".to_owned());
            let what = Noted::Small { field, from, to: small.to_owned() };
            self.notes.push(Note { place: Some(place.clone()), what });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(manifest: &str) -> (String, Vec<String>) {
        let scenario = "{ name: s, repository: ., expect: [{ requests: { failed: == 0 } }] }";
        let scenario = Scenario::read("s.yaml", scenario.as_bytes()).unwrap().remove(0);
        let mut tree = Tree::new();
        tree.insert("d.yaml", manifest.as_bytes()).unwrap();
        let made = with_small_requests(&tree, &scenario).unwrap();
        let text = String::from_utf8(made.repository.get("d.yaml").unwrap().to_vec()).unwrap();
        (text, made.notes.iter().map(Note::to_string).collect())
    }

    fn pod(resources: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    resources: {resources}\n"
        )
    }

    #[test]
    fn requests_are_small_and_limits_stay() {
        let (text, notes) = room(&pod("{requests: {cpu: 8, memory: 64Gi}, limits: {nvidia.com/gpu: 1}}"));
        let pod = yaml::parse_one("d.yaml", text.as_bytes()).unwrap().to_json();
        let resources = &pod["spec"]["containers"][0]["resources"];
        assert_eq!(
            *resources,
            serde_json::json!({"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"nvidia.com/gpu": 1}})
        );
        assert_eq!(notes.len(), 2);
        assert!(notes[0].ends_with("requests.cpu 8 is 20m, since a stand-in needs no more"), "{notes:?}");
    }

    #[test]
    fn a_limit_without_a_request_gets_a_small_one() {
        let (text, _) = room(&pod("{limits: {memory: 64Gi}}"));
        let pod = yaml::parse_one("d.yaml", text.as_bytes()).unwrap().to_json();
        let resources = &pod["spec"]["containers"][0]["resources"];
        assert_eq!(
            *resources,
            serde_json::json!({"limits": {"memory": "64Gi"}, "requests": {"memory": "32Mi"}})
        );
    }

    #[test]
    fn what_asks_for_nothing_keeps_its_bytes() {
        let manifest = pod("{limits: {nvidia.com/gpu: 1}}  # one");
        assert_eq!(room(&manifest), (manifest, Vec::new()));
    }
}
