//! Where `kubectl argo rollouts undo` leads back to (argo-rollouts v1.10.1
//! `pkg/kubectl-argo-rollouts/cmd/undo/undo.go`).

use yaml::{Node, Value};

/// The ReplicaSet that an undo restores, of those that are told with their revisions: that of the revision `to`,
/// or else that of the last revision but one.
///
/// # Errors
/// There is no such revision, in upstream's words.
pub fn set_to_restore<T>(
    rollout: &str,
    sets: impl IntoIterator<Item = (u64, T)>,
    to: Option<u64>,
) -> Result<T, String> {
    let mut sets = sets.into_iter();
    if let Some(to) = to {
        let named = sets.find(|(revision, _)| *revision == to);
        let missing = || format!("unable to find specified revision {to} in history");
        return named.map(|(_, set)| set).ok_or_else(missing);
    }
    let mut latest_first: Vec<(u64, T)> = sets.collect();
    latest_first.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
    let previous = latest_first.into_iter().nth(1);
    previous.map(|(_, set)| set).ok_or_else(|| format!("no revision found for rollout \"{rollout}\""))
}

/// Whether all that a template says stands in another one, too, which an undo to that one takes for equal and then
/// does nothing (apimachinery `equality.Semantic.DeepDerivative`): entries that the other has beside it do not
/// count, nor does a list's longer end, nor what is empty.
pub fn is_derivative(template: &Node, other: &Node) -> bool {
    match (&template.value, &other.value) {
        (Value::Null, _) => true,
        (Value::String(text), Value::String(other)) => text.is_empty() || text == other,
        (Value::Seq(items), Value::Seq(others)) => {
            let pairs = items.iter().zip(others);
            items.len() <= others.len() && pairs.into_iter().all(|(item, other)| is_derivative(item, other))
        }
        (Value::Map(entries), Value::Map(_)) => {
            entries.iter().all(|(key, value)| other.get(key).is_some_and(|other| is_derivative(value, other)))
        }
        (value, other) => value == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_revision_but_one_is_restored_or_the_one_that_is_named() {
        let sets = [(3, "v1"), (2, "v2"), (4, "v3")];
        assert_eq!(set_to_restore("model", sets, None), Ok("v1"));
        assert_eq!(set_to_restore("model", sets, Some(2)), Ok("v2"));
        assert_eq!(
            set_to_restore("model", sets, Some(1)),
            Err("unable to find specified revision 1 in history".to_owned())
        );
        assert_eq!(
            set_to_restore("model", [(1, "v1")], None),
            Err("no revision found for rollout \"model\"".to_owned())
        );
    }

    #[test]
    fn a_template_is_a_derivative_of_one_that_says_more() {
        for (template, other, expected) in [
            ("{a: 1}", "{a: 1}", true),
            ("{a: 1}", "{a: 1, b: 2}", true),
            ("{a: 1, b: 2}", "{a: 1}", false),
            ("{a: 1}", "{a: 2}", false),
            ("{a: {b: x}}", "{a: {b: x, c: y}}", true),
            ("{a: ''}", "{a: x}", true),
            ("{a: null}", "{a: x}", true),
            ("{a: null}", "{}", false),
            ("{a: [x]}", "{a: [x, y]}", true),
            ("{a: [x, y]}", "{a: [x]}", false),
            ("{a: [y]}", "{a: [x, y]}", false),
            ("{a: []}", "{a: [x]}", true),
            ("{a: 1}", "{a: '1'}", false),
        ] {
            let read = |text: &str| yaml::parse_one("t.yaml", text.as_bytes()).unwrap();
            assert_eq!(is_derivative(&read(template), &read(other)), expected, "{template} {other}");
        }
    }
}
