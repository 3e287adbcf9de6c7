use yaml::{Node, Place};

use super::ObjectKey;

/// Something that a manifest asks for and that is not modelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotModelled {
    /// The path, such as `spec.strategy.canary.trafficRouting.istio`.
    pub path: String,
    /// Where it stands.
    pub place: Place,
    /// What it would do.
    pub why: &'static str,
}

/// A key that the real API does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// The path.
    pub path: String,
    /// Where its value stands.
    pub place: Place,
    /// The key that was probably meant.
    pub did_you_mean: Option<&'static str>,
}

pub(crate) struct Coverage {
    pub(crate) not_modelled: Vec<NotModelled>,
    pub(crate) unknown: Vec<UnknownField>,
}

pub(crate) fn report(_node: &Node, _key: &ObjectKey, _unread: Vec<(String, Place)>) -> Coverage {
    Coverage { not_modelled: Vec::new(), unknown: Vec::new() }
}
