//! Kubernetes, Argo and Prometheus objects as manifests write them.
//!
//! [`Object::read`] turns a manifest into a typed object that holds what decides how a deployment
//! behaves, and reports beside it, by name and place, what the manifest says that is not modelled
//! ([`NotModelled`]) and what the real API does not know either ([`UnknownField`]). What the API
//! server would refuse for its type is a [`Problem`].
//!
//! The types follow upstream's, defaults are methods. What upstream refuses only later, in a
//! controller, is in `validate` and `check` methods with upstream's messages.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use yaml::{Node, Problem, decode, decode_noting_unknown};

pub mod analysis;
pub mod application;
pub mod core;
pub mod go;
pub mod monitoring;
pub mod pod;
pub mod project;
pub mod rollout;
pub mod undo;
pub mod workload;

mod coverage;
mod field;
mod glob;
mod hash;
mod key;
mod names;
mod values;

pub use analysis::{AnalysisTemplate, Metric};
pub use application::{Application, ApplicationSet};
pub use core::{ConfigMap, Namespace, PersistentVolumeClaim, Secret, Service, ServiceAccount};
pub use coverage::{NotModelled, UnknownField};
pub use field::FieldError;
pub use glob::{glob, path_glob};
pub use key::{ApiVersion, Metadata, ObjectKey, api_version, is_namespaced, object_key};
pub use monitoring::{ExternalSecret, PrometheusRule, ServiceMonitor};
pub use pod::{Container, Pod, PodSpec, PodTemplate};
pub use project::AppProject;
pub use rollout::{InvalidSpec, References, Rollout, Step, StepKind};
pub use values::{IntOrString, LabelRequirement, LabelSelector, Quantity, Rounding, go_duration};
pub use workload::{Deployment, HorizontalPodAutoscaler, ReplicaSet};

/// An object, by kind. Cloning is cheap.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Object {
    AnalysisTemplate(Arc<AnalysisTemplate>),
    AppProject(Arc<AppProject>),
    Application(Arc<Application>),
    ApplicationSet(Arc<ApplicationSet>),
    ClusterAnalysisTemplate(Arc<AnalysisTemplate>),
    ConfigMap(Arc<ConfigMap>),
    Deployment(Arc<Deployment>),
    ExternalSecret(Arc<ExternalSecret>),
    HorizontalPodAutoscaler(Arc<HorizontalPodAutoscaler>),
    Namespace(Arc<Namespace>),
    PersistentVolumeClaim(Arc<PersistentVolumeClaim>),
    Pod(Arc<Pod>),
    PrometheusRule(Arc<PrometheusRule>),
    ReplicaSet(Arc<ReplicaSet>),
    Rollout(Arc<Rollout>),
    Secret(Arc<Secret>),
    Service(Arc<Service>),
    ServiceAccount(Arc<ServiceAccount>),
    ServiceMonitor(Arc<ServiceMonitor>),
    /// Any other kind: it is applied, tracked and deleted, but nothing acts upon it.
    Other(ObjectKey),
}

/// What reading a manifest gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// Which object it is.
    pub key: ObjectKey,
    /// The group and version that the manifest is written in.
    pub api_version: ApiVersion,
    /// The object.
    pub object: Object,
    /// What the manifest asks for that is not modelled.
    pub not_modelled: Vec<NotModelled>,
    /// Keys that the real API does not know: it drops them, or refuses them where it validates strictly.
    pub unknown: Vec<UnknownField>,
}

impl Object {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Something that is no object, or a value of a type that the API server refuses.
    pub fn read(node: &Node) -> Result<Read, Problem> {
        let key = object_key(node)?;
        let mut unread = Vec::new();
        let object = build(node, &key, &mut Decoder { unread: Some(&mut unread) })?;
        let coverage = coverage::report(node, &key, unread);
        let api_version = api_version(node)?;
        Ok(Read { key, api_version, object, not_modelled: coverage.not_modelled, unknown: coverage.unknown })
    }

    /// Reads a manifest without a report of what is not modelled, which costs time.
    ///
    /// # Errors
    /// As [`Object::read`].
    pub fn decode(node: &Node) -> Result<Self, Problem> {
        build(node, &object_key(node)?, &mut Decoder { unread: None })
    }
}

/// Decodes with or without noting the keys that no field reads.
struct Decoder<'a> {
    unread: Option<&'a mut Vec<(String, yaml::Place)>>,
}

impl Decoder<'_> {
    fn decode<T: DeserializeOwned>(&mut self, node: &Node) -> Result<T, Problem> {
        match &mut self.unread {
            None => decode(node),
            Some(unread) => {
                let (value, keys) = decode_noting_unknown(node)?;
                unread.extend(keys);
                Ok(value)
            }
        }
    }

    /// Decodes, then lets `finish` add what serde cannot see.
    fn finish<T: DeserializeOwned>(
        &mut self,
        node: &Node,
        finish: impl FnOnce(&mut T, &Node),
    ) -> Result<Arc<T>, Problem> {
        let mut value = self.decode(node)?;
        finish(&mut value, node);
        Ok(Arc::new(value))
    }

    fn plain<T: DeserializeOwned>(&mut self, node: &Node) -> Result<Arc<T>, Problem> {
        self.finish(node, |_, _| ())
    }
}

fn build(node: &Node, key: &ObjectKey, decoder: &mut Decoder<'_>) -> Result<Object, Problem> {
    Ok(match (&*key.group, &*key.kind) {
        ("", "ConfigMap") => Object::ConfigMap(decoder.plain(node)?),
        ("", "Namespace") => Object::Namespace(decoder.plain(node)?),
        ("", "PersistentVolumeClaim") => Object::PersistentVolumeClaim(decoder.plain(node)?),
        ("", "Pod") => Object::Pod(decoder.finish(node, |pod: &mut Pod, node| pod.finish(node))?),
        ("", "Secret") => Object::Secret(decoder.plain(node)?),
        ("", "Service") => Object::Service(decoder.plain(node)?),
        ("", "ServiceAccount") => Object::ServiceAccount(decoder.plain(node)?),
        ("apps", "Deployment") => Object::Deployment(decoder.finish(node, Deployment::finish)?),
        ("apps", "ReplicaSet") => Object::ReplicaSet(decoder.finish(node, ReplicaSet::finish)?),
        ("argoproj.io", "AnalysisTemplate") => {
            Object::AnalysisTemplate(decoder.finish(node, AnalysisTemplate::finish)?)
        }
        ("argoproj.io", "AppProject") => Object::AppProject(decoder.plain(node)?),
        ("argoproj.io", "Application") => Object::Application(decoder.plain(node)?),
        ("argoproj.io", "ApplicationSet") => {
            let mut set: ApplicationSet = decoder.decode(node)?;
            set.finish(node)?;
            Object::ApplicationSet(Arc::new(set))
        }
        ("argoproj.io", "ClusterAnalysisTemplate") => {
            Object::ClusterAnalysisTemplate(decoder.finish(node, AnalysisTemplate::finish)?)
        }
        ("argoproj.io", "Rollout") => Object::Rollout(decoder.finish(node, Rollout::finish)?),
        ("autoscaling", "HorizontalPodAutoscaler") => Object::HorizontalPodAutoscaler(decoder.plain(node)?),
        ("external-secrets.io", "ExternalSecret") => Object::ExternalSecret(decoder.plain(node)?),
        ("monitoring.coreos.com", "PrometheusRule") => {
            Object::PrometheusRule(decoder.finish(node, PrometheusRule::finish)?)
        }
        ("monitoring.coreos.com", "ServiceMonitor") => Object::ServiceMonitor(decoder.plain(node)?),
        (_, _) => Object::Other(key.clone()),
    })
}
