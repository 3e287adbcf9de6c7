//! [`Labels`]: the identity of a series.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use foldhash::fast::FixedState;
use indexmap::IndexSet;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// The label that holds a classic histogram bucket's upper bound.
pub const BUCKET_BOUND: &str = "le";

/// Labels that describe the metric rather than the series; most functions and operators drop them
/// (prometheus schema/labels.go: IsMetadataLabel).
pub(crate) const METADATA: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// One label of a series.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// The label's name, such as `role`.
    pub name: Rc<str>,
    /// The label's value; never empty inside [`Labels`].
    pub value: Rc<str>,
}

impl Ord for Label {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.name, &other.name).then_with(|| compare(&self.value, &other.value))
    }
}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Interned texts are often the same text.
fn compare(one: &Rc<str>, other: &Rc<str>) -> Ordering {
    if Rc::ptr_eq(one, other) { Ordering::Equal } else { one.cmp(other) }
}

/// A set of labels, sorted by name; cloning is a reference count, which is not atomic: a storage and its
/// queries stay on one thread.
///
/// A label with an empty value is the same as no label, so none is kept. The order of two sets is
/// upstream's (prometheus model/labels: Compare): label by label, name first.
///
/// ```
/// use promql::Labels;
///
/// let labels = Labels::new([("role", "canary"), ("__name__", "up"), ("pod", "")]);
/// assert_eq!(labels.to_string(), r#"up{role="canary"}"#);
/// assert_eq!(labels.get("role"), Some("canary"));
/// assert_eq!(labels.get("pod"), None);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(Rc<[Label]>);

impl Hash for Labels {
    /// Of the values alone: sets that differ only in names are rare.
    fn hash<H: Hasher>(&self, state: &mut H) {
        for label in self.iter() {
            state.write(label.value.as_bytes());
        }
    }
}

impl Labels {
    /// Collects labels; of several with one name the last counts.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut pairs: Vec<(N, V)> = pairs.into_iter().collect();
        // The sort is stable: the last of a name stays the last.
        pairs.sort_by(|(one, _), (other, _)| one.as_ref().cmp(other.as_ref()));
        let counts = |at: usize| pairs.get(at + 1).is_none_or(|next| next.0.as_ref() != pairs[at].0.as_ref());
        let counted =
            pairs.iter().enumerate().filter(|(at, (_, value))| counts(*at) && !value.as_ref().is_empty());
        let mut labels = Vec::with_capacity(pairs.len());
        labels.extend(
            counted
                .map(|(_, (name, value))| Label { name: name.as_ref().into(), value: value.as_ref().into() }),
        );
        Self(labels.into())
    }

    /// Whether these pairs are what [`Labels::new`] makes this set of.
    pub fn are<N: AsRef<str>, V: AsRef<str>>(&self, pairs: &[(N, V)]) -> bool {
        let value_of =
            |name: &str| pairs.iter().rev().find(|pair| pair.0.as_ref() == name).map(|pair| pair.1.as_ref());
        let is_here = |name: &str| value_of(name).is_some_and(str::is_empty) || self.get(name).is_some();
        self.iter().all(|label| value_of(&label.name) == Some(&*label.value))
            && pairs.iter().all(|pair| is_here(pair.0.as_ref()))
    }

    /// The set without labels.
    pub fn empty() -> Self {
        Self(Rc::from([]))
    }

    /// The value of a label, if the label is there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|label| &*label.name == name).map(|label| &*label.value)
    }

    /// The metric's name, if there is one.
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// The labels in order of their names.
    pub fn iter(&self) -> std::slice::Iter<'_, Label> {
        self.0.iter()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// These labels with one set; an empty value removes it.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut labels = self.0.to_vec();
        set(&mut labels, name.into(), value.into());
        Self(labels.into())
    }

    /// These labels and those of another set, which win.
    pub fn merged(&self, over: &Self) -> Self {
        if self.is_empty() {
            return over.clone();
        }
        let mut labels = Vec::with_capacity(self.len() + over.len());
        let mut rest = &*self.0;
        for label in over.iter() {
            let (before, after) = rest.split_at(rest.partition_point(|mine| mine.name < label.name));
            labels.extend_from_slice(before);
            labels.push(label.clone());
            let is_won_over = after.first().is_some_and(|mine| mine.name == label.name);
            rest = &after[usize::from(is_won_over)..];
        }
        labels.extend_from_slice(rest);
        Self(labels.into())
    }

    /// Only the labels named.
    pub fn keep<S: AsRef<str>>(&self, names: &[S]) -> Self {
        self.filter(|label| names.iter().any(|name| name.as_ref() == &*label.name))
    }

    /// All labels but those named.
    pub fn without<S: AsRef<str>>(&self, names: &[S]) -> Self {
        self.filter(|label| names.iter().all(|name| name.as_ref() != &*label.name))
    }

    fn filter(&self, wanted: impl Fn(&Label) -> bool) -> Self {
        if self.0.iter().all(&wanted) {
            return self.clone();
        }
        let mut labels = Vec::with_capacity(self.len());
        labels.extend(self.iter().filter(|label| wanted(label)).cloned());
        Self(labels.into())
    }

    /// The same labels with every text shared through `symbols`.
    pub(crate) fn intern(&self, symbols: &mut Symbols) -> Self {
        Self(
            self.0
                .iter()
                .map(|label| Label { name: symbols.share(&label.name), value: symbols.share(&label.value) })
                .collect(),
        )
    }
}

fn set(labels: &mut Vec<Label>, name: Rc<str>, value: Rc<str>) {
    match (labels.binary_search_by(|label| label.name.cmp(&name)), value.is_empty()) {
        (Ok(at), true) => drop(labels.remove(at)),
        (Ok(at), false) => labels[at].value = value,
        (Err(_), true) => {}
        (Err(at), false) => labels.insert(at, Label { name, value }),
    }
}

/// Each label text once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Symbols(IndexSet<Rc<str>, FixedState>);

impl Symbols {
    fn share(&mut self, text: &Rc<str>) -> Rc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        self.0.insert(text.clone());
        text.clone()
    }
}

/// Upstream's notation without the metric's name moved to the front: `{__name__="up", role="canary"}`
/// (prometheus model/labels: String). Error texts use it.
pub(crate) struct Braced<'a>(pub(crate) &'a Labels);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_pairs(f, self.0.iter())
    }
}

fn write_pairs<'a>(f: &mut fmt::Formatter<'_>, labels: impl Iterator<Item = &'a Label>) -> fmt::Result {
    f.write_str("{")?;
    for (at, label) in labels.enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        write!(f, "{separator}{}={}", label.name, Quoted(&label.value))?;
    }
    f.write_str("}")
}

/// A text in double quotes, as PromQL writes a string.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("\"")
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(name) = self.metric_name() else { return write_pairs(f, self.iter()) };
        f.write_str(name)?;
        if self.len() == 1 {
            return Ok(());
        }
        write_pairs(f, self.iter().filter(|label| &*label.name != METRIC_NAME))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, Quoted(&self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_the_last_of_a_name_counts() {
        let labels = Labels::new([("b", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="2", b="3"}"#);
    }

    #[test]
    fn an_empty_value_removes_a_label() {
        let labels = Labels::new([("a", "1"), ("b", "2")]);
        assert_eq!(labels.with("a", ""), Labels::new([("b", "2")]));
    }

    #[test]
    fn of_two_sets_the_other_wins() {
        let merge = |one: &[_], other: &[_]| {
            Labels::new(one.iter().copied()).merged(&Labels::new(other.iter().copied())).to_string()
        };
        let [a, b, c, other_b]: [(&str, &str); 4] = [("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")];
        assert_eq!(merge(&[a, b, c], &[other_b]), r#"{a="1", b="4", c="3"}"#);
        assert_eq!(merge(&[b], &[a, c]), r#"{a="1", b="2", c="3"}"#);
        assert_eq!((merge(&[], &[a]), merge(&[a], &[])), (r#"{a="1"}"#.to_owned(), r#"{a="1"}"#.to_owned()));
    }

    #[test]
    fn pairs_are_told_to_make_a_set_where_they_do() {
        let labels = Labels::new([("a", "1"), ("b", "2")]);
        for pairs in [
            &[("a", "1"), ("b", "2")][..],
            &[("b", "0"), ("a", "1"), ("b", "2")],
            &[("a", "1"), ("b", "2"), ("c", "")],
            &[("a", "1"), ("b", "2"), ("c", "3"), ("c", "")],
            &[("a", "1")],
            &[("a", "1"), ("b", "")],
            &[("a", "1"), ("b", "2"), ("c", "3")],
            &[("a", "1"), ("b", "2"), ("b", "0")],
        ] {
            let same = Labels::new(pairs.iter().copied()) == labels;
            assert_eq!(labels.are(pairs), same, "{pairs:?}");
        }
    }

    #[test]
    fn order_is_label_by_label() {
        let shorter = Labels::new([("a", "1")]);
        let longer = Labels::new([("a", "1"), ("b", "1")]);
        let other = Labels::new([("b", "0")]);
        assert!(shorter < longer && longer < other);
    }

    #[test]
    fn values_are_quoted_as_promql_strings() {
        let labels = Labels::new([("__name__", "x"), ("path", "a\"b\\c\nd")]);
        assert_eq!(labels.to_string(), r#"x{path="a\"b\\c\nd"}"#);
    }

    #[test]
    fn interned_labels_share_their_texts() {
        let mut symbols = Symbols::default();
        let first = Labels::new([("role", "canary")]).intern(&mut symbols);
        let second = Labels::new([("role", "canary")]).intern(&mut symbols);
        assert!(Rc::ptr_eq(&first.0[0].value, &second.0[0].value));
    }
}
