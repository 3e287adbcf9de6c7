use std::collections::BTreeMap;

/// A real inference server, which runs in place of fake-inference on a real cluster. The simulator performs
/// the models' behaviours whether there is one or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelServer {
    /// Its image, as docker names it.
    pub image: String,
    /// What is started in place of the image's own entrypoint and command; empty for those.
    pub command: Vec<String>,
    /// Its environment beside the image's own. What manifests set wins.
    pub environment: BTreeMap<String, String>,
    /// Where it answers probes.
    pub probes: ServerProbes,
}

/// Where a real server answers probes. What is `None` stays as the manifests have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ServerProbes {
    /// The path of every `httpGet`.
    pub path: Option<String>,
    /// The port of every `httpGet`.
    pub port: Option<u16>,
}
