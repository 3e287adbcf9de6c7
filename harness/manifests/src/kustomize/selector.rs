//! Patch targets and label selectors.

use std::collections::BTreeSet;

use regex::Regex;
use yaml::{Node, Place, Problem};

use super::error::Result;
use super::file::Target;
use super::resource::{Id, Resource, text};

/// A patch target ready to be matched (api types/selector.go: SelectorRegex).
pub(crate) struct Selector {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

impl Selector {
    /// # Errors
    /// A part that is no regular expression, or no label selector.
    pub(crate) fn new(target: &Target, place: &Place) -> Result<Self> {
        let anchored = |pattern: &str| match pattern {
            "" => Ok(None),
            pattern => Regex::new(&format!("^(?:{pattern})$")).map(Some).map_err(|error| {
                Problem::at(place, format!("`{pattern}` is not a regular expression: {error}"))
            }),
        };
        Ok(Self {
            group: anchored(&target.group)?,
            version: anchored(&target.version)?,
            kind: anchored(&target.kind)?,
            name: anchored(&target.name)?,
            namespace: anchored(&target.namespace)?,
            labels: requirements(&target.label_selector, place)?,
            annotations: requirements(&target.annotation_selector, place)?,
        })
    }

    /// Whether the resource is meant, by its present or its original name and namespace
    /// (api resmap/reswrangler.go: Select).
    pub(crate) fn matches(&self, resource: &Resource) -> bool {
        let fits =
            |pattern: &Option<Regex>, text: &str| pattern.as_ref().is_none_or(|regex| regex.is_match(text));
        let either = |pattern: &Option<Regex>, part: fn(&Id<'_>) -> String| {
            pattern.is_none()
                || fits(pattern, &part(&resource.original_id()))
                || fits(pattern, &part(&resource.id()))
        };
        let gvk = resource.gvk();
        either(&self.namespace, |id| id.effective_namespace().to_owned())
            && either(&self.name, |id| id.name.to_string())
            && fits(&self.group, &gvk.group)
            && fits(&self.version, &gvk.version)
            && fits(&self.kind, &gvk.kind)
            && self.matches_labels(resource)
    }

    /// Whether the labels and annotations fit.
    pub(crate) fn matches_labels(&self, resource: &Resource) -> bool {
        all_met(&self.labels, resource.node.at(&["metadata", "labels"]))
            && all_met(&self.annotations, resource.node.at(&["metadata", "annotations"]))
    }

    /// Whether one id fits, its namespace as written (api types/replacement.go: Selects).
    pub(crate) fn selects(&self, id: &Id<'_>) -> bool {
        fits(&self.group, &id.gvk.group)
            && fits(&self.version, &id.gvk.version)
            && fits(&self.kind, &id.gvk.kind)
            && fits(&self.name, &id.name)
            && fits(&self.namespace, &id.namespace)
    }
}

fn fits(pattern: &Option<Regex>, text: &str) -> bool {
    pattern.as_ref().is_none_or(|regex| regex.is_match(text))
}

/// One condition of a label selector (apimachinery labels/selector.go).
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Greater(i64),
    Less(i64),
}

fn all_met(requirements: &[Requirement], labels: Option<&Node>) -> bool {
    requirements.iter().all(|requirement| {
        let value = labels.and_then(|labels| labels.get(&requirement.key)).map(text);
        let number = |value: &Option<std::borrow::Cow<'_, str>>| {
            value.as_ref().and_then(|text| text.parse::<i64>().ok())
        };
        match &requirement.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.contains(value.as_ref())),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value.as_ref())),
            Test::Greater(limit) => number(&value).is_some_and(|value| value > *limit),
            Test::Less(limit) => number(&value).is_some_and(|value| value < *limit),
        }
    })
}

/// Reads `a=b,c!=d,e,!f,g in (x, y),h notin (z),i>1`.
fn requirements(selector: &str, place: &Place) -> Result<Vec<Requirement>> {
    let mut requirements = Vec::new();
    let mut rest = selector.trim();
    while !rest.is_empty() {
        // A comma inside parentheses does not end a requirement.
        let mut depth = 0_usize;
        let end = rest.find(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        let (one, after) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
        let requirement = requirement(one.trim()).ok_or_else(|| {
            Problem::at(
                place,
                format!("unable to parse requirement: `{}` in the selector `{selector}`", one.trim()),
            )
            .with_help("a selector looks like `app=web,tier in (a, b),!canary`")
        })?;
        requirements.push(requirement);
        rest = after.trim();
    }
    Ok(requirements)
}

fn requirement(text: &str) -> Option<Requirement> {
    let made = |key: &str, test| {
        let key = key.trim();
        let valid = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        valid.then(|| Requirement { key: key.to_owned(), test })
    };
    let one = |value: &str| {
        let value = value.trim();
        let valid = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        valid.then(|| BTreeSet::from([value.to_owned()]))
    };
    if let Some(key) = text.strip_prefix('!') {
        return made(key, Test::Absent);
    }
    if let Some((key, value)) = text.split_once("!=") {
        return made(key, Test::NotIn(one(value)?));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return made(key, Test::In(one(value)?));
    }
    if let Some((key, value)) = text.split_once('>') {
        return made(key, Test::Greater(value.trim().parse().ok()?));
    }
    if let Some((key, value)) = text.split_once('<') {
        return made(key, Test::Less(value.trim().parse().ok()?));
    }
    let Some((key, rest)) = text.split_once(char::is_whitespace) else { return made(text, Test::Exists) };
    let (negated, list) = match rest.trim().strip_prefix("notin") {
        Some(list) => (true, list),
        None => (false, rest.trim().strip_prefix("in")?),
    };
    let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
    let values = list.split(',').map(|value| value.trim().to_owned()).collect();
    made(key, if negated { Test::NotIn(values) } else { Test::In(values) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_selector_is_read_as_kubernetes_reads_it() {
        let place = Place::whole(&yaml::Source::new("x", ""));
        let labels = yaml::parse_one("x", b"{app: web, tier: a, n: '5'}").unwrap();
        let met = |selector: &str| all_met(&requirements(selector, &place).unwrap(), Some(&labels));
        for selector in [
            "",
            "app=web",
            "app==web, tier in (a, b)",
            "!none",
            "app",
            "tier notin (x)",
            "n>4,n<6",
            "none!=x",
        ] {
            assert!(met(selector), "{selector}");
        }
        for selector in ["app=other", "!app", "none", "tier in (b)", "app!=web", "n>5", "none>1"] {
            assert!(!met(selector), "{selector}");
        }
        for selector in ["=x", "a b", "a in b", "a,,b", "n>x"] {
            assert!(requirements(selector, &place).is_err(), "{selector}");
        }
    }
}
