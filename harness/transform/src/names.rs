use yaml::Problem;

/// How the names of a scenario differ in a cluster that it shares with others: a suffix on its namespaces,
/// Applications, AppProjects and cluster-wide objects, and another URL of its repository.
///
/// Manifests and what is done to them carry the names of the cluster; the scenario's references
/// (`rollout: …`, `application: …`), its timeline and its reports keep the user's. The methods go from
/// one to the other.
///
/// ```
/// use transform::Names;
/// let names = Names::with_suffix("-a1").unwrap();
/// assert_eq!(names.namespace("ai-inference"), "ai-inference-a1");
/// assert_eq!(names.namespace("argocd"), "argocd");
/// assert_eq!(names.original_namespace("ai-inference-a1"), "ai-inference");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    suffix: String,
    repository: Option<String>,
}

/// Namespaces that belong to the cluster or to its controllers and are shared by all scenarios.
pub const SHARED_NAMESPACES: [&str; 8] = [
    "argo-rollouts",
    "argocd",
    "default",
    "external-secrets",
    "kube-node-lease",
    "kube-public",
    "kube-system",
    "local-path-storage",
];

/// The AppProject that every Argo CD has.
const DEFAULT_PROJECT: &str = "default";

/// The longest name of a namespace, which is a DNS label.
pub(crate) const LONGEST_NAMESPACE: usize = 63;
const LONGEST_SUFFIX: usize = 20;

impl Names {
    /// Names as they are written.
    pub fn unchanged() -> Self {
        Self::default()
    }

    /// Names that end in a suffix such as `-a1`; with an empty one they are unchanged.
    ///
    /// # Errors
    /// A suffix that cannot end a DNS label: it begins with a hyphen and has small letters, digits and
    /// hyphens, the last of them no hyphen, at most 20 in all.
    pub fn with_suffix(suffix: &str) -> Result<Self, Problem> {
        let plain = suffix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let framed = suffix.len() > 1 && suffix.starts_with('-') && !suffix.ends_with('-');
        match suffix.is_empty() || plain && framed && suffix.len() <= LONGEST_SUFFIX {
            true => Ok(Self { suffix: suffix.to_owned(), repository: None }),
            false => Err(Problem::new(format!("`{suffix}` cannot end the name of a namespace"))
                .with_help("write a hyphen and some small letters or digits, such as -a1")),
        }
    }

    /// The same names, and `url` in place of the repository that the scenario's Applications name.
    #[must_use]
    pub fn serving(self, url: impl Into<String>) -> Self {
        Self { repository: Some(url.into()), ..self }
    }

    /// Whether nothing changes.
    pub fn is_unchanged(&self) -> bool {
        self.suffix.is_empty() && self.repository.is_none()
    }

    /// What names end in; may be empty.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// The URL in place of the repository's.
    pub fn repository(&self) -> Option<&str> {
        self.repository.as_deref()
    }

    /// A namespace's name in the cluster.
    pub fn namespace(&self, original: &str) -> String {
        match SHARED_NAMESPACES.contains(&original) {
            true => original.to_owned(),
            false => self.suffixed(original),
        }
    }

    /// The user's name of a namespace of the cluster.
    pub fn original_namespace(&self, name: &str) -> String {
        if SHARED_NAMESPACES.contains(&name) { name.to_owned() } else { self.original(name) }
    }

    /// The name of an Application or ApplicationSet in the cluster.
    pub fn application(&self, original: &str) -> String {
        self.suffixed(original)
    }

    /// The user's name of an Application or ApplicationSet of the cluster.
    pub fn original_application(&self, name: &str) -> String {
        self.original(name)
    }

    /// An AppProject's name in the cluster; `default` is every Argo CD's own.
    pub fn project(&self, original: &str) -> String {
        if original == DEFAULT_PROJECT { original.to_owned() } else { self.suffixed(original) }
    }

    /// The user's name of an AppProject of the cluster.
    pub fn original_project(&self, name: &str) -> String {
        self.original(name)
    }

    /// The name in the cluster of a cluster-wide object that the scenario brings.
    pub fn cluster_object(&self, original: &str) -> String {
        self.suffixed(original)
    }

    /// The user's name of a cluster-wide object that the scenario brings.
    pub fn original_cluster_object(&self, name: &str) -> String {
        self.original(name)
    }

    /// A message of a controller with the user's names: the suffix is taken off every word that ends
    /// in it.
    ///
    /// ```
    /// let names = transform::Names::with_suffix("-a1").unwrap();
    /// let message = "Application referencing project ai-models-a1 which does not exist";
    /// assert_eq!(names.original_text(message), message.replace("-a1", ""));
    /// assert_eq!(names.original_text("pod x-a1b2c"), "pod x-a1b2c");
    /// ```
    pub fn original_text(&self, message: &str) -> String {
        if self.suffix.is_empty() {
            return message.to_owned();
        }
        let mut parts = message.split(&self.suffix).peekable();
        let mut text = String::with_capacity(message.len());
        while let Some(part) = parts.next() {
            text.push_str(part);
            let Some(next) = parts.peek() else { break };
            let ends_word = !next.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
            let has_word = text.ends_with(|c: char| c.is_ascii_alphanumeric());
            if !(ends_word && has_word) {
                text.push_str(&self.suffix);
            }
        }
        text
    }

    fn suffixed(&self, original: &str) -> String {
        format!("{original}{}", self.suffix)
    }

    fn original(&self, name: &str) -> String {
        let original = name.strip_suffix(self.suffix.as_str()).filter(|original| !original.is_empty());
        original.unwrap_or(name).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_suffix_must_be_able_to_end_a_label() {
        for bad in ["a1", "-", "-A", "-a-", "-a.b", "-a_b", "-aaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert!(Names::with_suffix(bad).is_err(), "{bad}");
        }
        assert!(Names::with_suffix("").unwrap().is_unchanged());
    }

    proptest! {
        // Names and original names are inverse to each other, and no two names meet.
        #[test]
        fn names_are_a_bijection(one in "[a-z][a-z0-9-]{0,12}", two in "[a-z][a-z0-9-]{0,12}", suffix in "(-[a-z0-9]{1,5})?") {
            let names = Names::with_suffix(&suffix).unwrap();
            for original in [one.as_str(), "default", "argocd"] {
                prop_assert_eq!(names.original_namespace(&names.namespace(original)), original);
                prop_assert_eq!(names.original_application(&names.application(original)), original);
                prop_assert_eq!(names.original_project(&names.project(original)), original);
            }
            prop_assert_eq!(names.namespace(&one) == names.namespace(&two), one == two);
        }
    }
}
