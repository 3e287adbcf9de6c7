//! AnalysisTemplates (argo-rollouts v1.10.1 `pkg/apis/rollouts/v1alpha1/analysis_types.go`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use yaml::{Node, Place};

use super::Metadata;
use super::values::{IntOrString, nullable};

mod arguments;
mod metric;
mod outside;

pub use arguments::{Argument, ArgumentSource, merge_arguments, resolve_quoted, resolve_text, substitute};
pub use metric::{CheckedMetric, CheckedProvider};
use outside::credentials;
pub use outside::{Job, Web};

/// An AnalysisTemplate or, without a namespace, a ClusterAnalysisTemplate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AnalysisTemplate {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it measures.
    pub spec: AnalysisTemplateSpec,
}

/// What a template measures.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisTemplateSpec {
    /// The arguments that it takes.
    #[serde(default, deserialize_with = "nullable")]
    pub args: Vec<Argument>,
    /// The metrics.
    #[serde(default, deserialize_with = "nullable")]
    pub metrics: Vec<Metric>,
    /// Metrics that are measured but decide nothing.
    #[serde(default, deserialize_with = "nullable")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements are kept.
    #[serde(default, deserialize_with = "nullable")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Templates whose metrics are added.
    #[serde(default, deserialize_with = "nullable")]
    pub templates: Vec<TemplateReference>,
}

impl AnalysisTemplate {
    pub(crate) fn finish(&mut self, node: &Node) {
        let nodes = node.at(&["spec", "metrics"]).and_then(Node::as_seq).unwrap_or(&[]);
        for (metric, node) in self.spec.metrics.iter_mut().zip(nodes) {
            let place = |path: &[&str]| node.at(path).map(|node| node.place.clone());
            metric.places = MetricPlaces {
                metric: place(&[]),
                success_condition: place(&["successCondition"]),
                failure_condition: place(&["failureCondition"]),
                query: place(&["provider", "prometheus", "query"]),
                address: place(&["provider", "prometheus", "address"]),
                range_query: place(&["provider", "prometheus", "rangeQuery"]),
                web: place(&["provider", "web"]),
                url: place(&["provider", "web", "url"]),
                json_path: place(&["provider", "web", "jsonPath"]),
                job: place(&["provider", "job"]),
            };
        }
    }
}

/// A template that is referred to (`AnalysisTemplateRef`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateReference {
    /// Its name.
    pub template_name: String,
    /// Whether it is a ClusterAnalysisTemplate.
    #[serde(default, deserialize_with = "nullable")]
    pub cluster_scope: bool,
}

/// Metrics that decide nothing. The name is an unanchored regular expression.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// Which metrics.
    pub metric_name: String,
}

/// How many measurements of some metrics are kept. The name is an unanchored regular expression.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeasurementRetention {
    /// Which metrics.
    pub metric_name: String,
    /// How many.
    pub limit: i32,
}

/// A metric as written: every text may hold `{{args.name}}`. [`Metric::resolve`] puts arguments in,
/// [`Metric::check`] then turns it into a [`CheckedMetric`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// The name, unique within a run.
    pub name: String,
    /// Time between measurements, a Go duration; empty for a single one.
    #[serde(default, deserialize_with = "nullable")]
    pub interval: String,
    /// Time before the first measurement, a Go duration.
    #[serde(default, deserialize_with = "nullable")]
    pub initial_delay: String,
    /// How many measurements.
    #[serde(default)]
    pub count: Option<IntOrString>,
    /// The expression that makes a measurement successful.
    #[serde(default, deserialize_with = "nullable")]
    pub success_condition: String,
    /// The expression that makes a measurement a failure.
    #[serde(default, deserialize_with = "nullable")]
    pub failure_condition: String,
    /// Failures tolerated; 0 where unset, −1 for any number.
    #[serde(default)]
    pub failure_limit: Option<IntOrString>,
    /// Inconclusive measurements tolerated; 0 where unset.
    #[serde(default)]
    pub inconclusive_limit: Option<IntOrString>,
    /// Errors in a row tolerated; 4 where unset.
    #[serde(default)]
    pub consecutive_error_limit: Option<IntOrString>,
    /// Successes in a row that end the metric; 0 for none.
    #[serde(default)]
    pub consecutive_success_limit: Option<IntOrString>,
    /// Where measurements come from.
    pub provider: Provider,
    /// Where its parts stand.
    #[serde(skip)]
    pub places: MetricPlaces,
}

/// Where the parts of a metric stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricPlaces {
    /// The metric itself.
    pub metric: Option<Place>,
    /// `successCondition`.
    pub success_condition: Option<Place>,
    /// `failureCondition`.
    pub failure_condition: Option<Place>,
    /// The Prometheus query.
    pub query: Option<Place>,
    /// The Prometheus address.
    pub address: Option<Place>,
    /// The Prometheus range.
    pub range_query: Option<Place>,
    /// The web request.
    pub web: Option<Place>,
    /// The URL of the web request.
    pub url: Option<Place>,
    /// The path into its response.
    pub json_path: Option<Place>,
    /// The Job.
    pub job: Option<Place>,
}

/// Where measurements come from. Exactly one is set in a valid metric. Those that are not modelled are kept
/// as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// A Prometheus query.
    #[serde(default)]
    pub prometheus: Option<Prometheus>,
    /// Kayenta.
    #[serde(default)]
    pub kayenta: Option<Json>,
    /// An HTTP request.
    #[serde(default)]
    pub web: Option<Web>,
    /// Datadog.
    #[serde(default)]
    pub datadog: Option<Json>,
    /// Wavefront.
    #[serde(default)]
    pub wavefront: Option<Json>,
    /// New Relic.
    #[serde(default)]
    pub new_relic: Option<Json>,
    /// A Kubernetes Job.
    #[serde(default)]
    pub job: Option<Job>,
    /// CloudWatch.
    #[serde(default)]
    pub cloud_watch: Option<Json>,
    /// Graphite.
    #[serde(default)]
    pub graphite: Option<Json>,
    /// InfluxDB.
    #[serde(default)]
    pub influxdb: Option<Json>,
    /// SkyWalking.
    #[serde(default)]
    pub skywalking: Option<Json>,
    /// Plugins, by name.
    #[serde(default, deserialize_with = "nullable")]
    pub plugin: BTreeMap<String, Json>,
}

impl Provider {
    /// The names of the providers that are set, as the manifest spells them.
    pub fn names(&self) -> Vec<&str> {
        let modelled = [
            ("prometheus", self.prometheus.is_some()),
            ("job", self.job.is_some()),
            ("web", self.web.is_some()),
        ];
        let others = [
            ("wavefront", &self.wavefront),
            ("kayenta", &self.kayenta),
            ("datadog", &self.datadog),
            ("newRelic", &self.new_relic),
            ("cloudWatch", &self.cloud_watch),
            ("graphite", &self.graphite),
            ("influxdb", &self.influxdb),
            ("skywalking", &self.skywalking),
        ];
        let others = others.into_iter().map(|(name, provider)| (name, provider.is_some()));
        let set = modelled.into_iter().chain(others).filter(|(_, set)| *set).map(|(name, _)| name);
        set.chain(self.plugin.keys().map(String::as_str)).collect()
    }
}

/// A Prometheus query (`PrometheusMetric`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prometheus {
    /// The server, as the controller's pod would reach it.
    #[serde(default, deserialize_with = "nullable")]
    pub address: String,
    /// The query.
    #[serde(default, deserialize_with = "nullable")]
    pub query: String,
    /// Credentials; Prometheus asks for none here.
    #[serde(default, deserialize_with = "credentials")]
    pub authentication: Option<Json>,
    /// Seconds until the query has failed; 30 where unset.
    #[serde(default)]
    pub timeout: Option<i64>,
    /// Whether certificates go unchecked.
    #[serde(default, deserialize_with = "nullable")]
    pub insecure: bool,
    /// HTTP headers.
    #[serde(default, deserialize_with = "nullable")]
    pub headers: Vec<Header>,
    /// A query over a range of time in place of one instant.
    #[serde(default)]
    pub range_query: Option<RangeQuery>,
}

/// An HTTP header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Header {
    /// The name.
    pub key: String,
    /// The value.
    pub value: String,
}

/// The bounds of a range query: expressions for start and end, a Go duration for the step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct RangeQuery {
    /// The start.
    #[serde(default, deserialize_with = "nullable")]
    pub start: String,
    /// The end.
    #[serde(default, deserialize_with = "nullable")]
    pub end: String,
    /// The step.
    #[serde(default, deserialize_with = "nullable")]
    pub step: String,
}
