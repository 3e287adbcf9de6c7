//! Prometheus: discovery, scrapes, samples, queries.
//!
//! Targets come from ServiceMonitors alone: a Service that none selects has no series, which is what
//! would happen. Labels of a pod reach its series as they were when the target was discovered; a label
//! that changes in place is noticed at the next change of the Service's endpoints, since neither the
//! endpoints role nor the endpointslice role of discovery re-evaluates on a pod's labels
//! (prometheus discovery/kubernetes/endpoints.go).

use std::collections::BTreeMap;

use promql::{PreparedQuery, Query, QueryError, Storage};
use units::{Duration, Time};

use crate::World;
use crate::api::ObjectId;

mod discovery;
mod scrape;

pub(crate) use discovery::discover;
pub(crate) use scrape::scrape;

/// Targets and samples.
#[derive(Debug, Default)]
pub struct State {
    storage: Storage,
    targets: Vec<scrape::Target>,
    /// Monitors whose Services changed, and when Prometheus gets to know.
    pending: BTreeMap<ObjectId, Time>,
    queries: BTreeMap<String, Prepared>,
}

#[derive(Debug)]
struct Prepared {
    query: PreparedQuery,
    range: Duration,
    /// The metric names and matchers that it selects by, for explanations.
    selectors: Vec<String>,
}

/// What a query gave.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryResult {
    /// The value.
    pub value: promql::Value,
    /// Series that had samples.
    pub series: u64,
    /// Samples that were read.
    pub samples: u64,
    /// How far the longest of its ranges looks back.
    pub range: Duration,
    /// Its selectors, as text.
    pub selectors: Vec<String>,
}

/// Why a query gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedQuery {
    /// It uses PromQL that is not evaluated here, by name.
    NotSimulated(String),
    /// Prometheus would refuse it with this text.
    Rejected(String),
}

impl State {
    /// Evaluates an instant query.
    ///
    /// # Errors
    /// A query that Prometheus would refuse, or one that is not simulated.
    pub(crate) fn query(&mut self, text: &str, now: Time) -> Result<QueryResult, RefusedQuery> {
        if !self.queries.contains_key(text) {
            let prepared = prepare(text)?;
            self.queries.insert(text.to_owned(), prepared);
        }
        let Some(prepared) = self.queries.get_mut(text) else {
            return Err(RefusedQuery::Rejected("the query is not prepared".to_owned()));
        };
        // A virtual time fits: 2^63 ms are 292 million years.
        let at_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let evaluation = prepared
            .query
            .instant(&self.storage, at_ms)
            .map_err(|error| RefusedQuery::Rejected(format!("execution: {error}")))?;
        Ok(QueryResult {
            value: evaluation.value,
            series: evaluation.series as u64,
            samples: evaluation.samples,
            range: prepared.range,
            selectors: prepared.selectors.clone(),
        })
    }
}

fn prepare(text: &str) -> Result<Prepared, RefusedQuery> {
    let query = Query::parse(text).map_err(|error| match error {
        QueryError::NotSimulated { .. } | QueryError::TooComplex { .. } => {
            RefusedQuery::NotSimulated(error.to_string())
        }
        QueryError::Invalid { message, .. } => {
            RefusedQuery::Rejected(format!("bad_data: invalid parameter \"query\": {message}"))
        }
    })?;
    let ranges = query.selectors().iter().map(|selector| {
        let reach = selector.range_ms.unwrap_or(0) + selector.offset_ms.max(0) + selector.subquery_ms;
        Duration::from_millis(u64::try_from(reach).unwrap_or(0))
    });
    let range = ranges.max().unwrap_or(Duration::ZERO);
    let selectors = query.selectors().iter().map(selector_text).collect();
    Ok(Prepared { query: query.prepare(promql::Options::default()), range, selectors })
}

fn selector_text(selector: &promql::Selector) -> String {
    let matchers = selector.matchers.iter().filter(|matcher| matcher.name != promql::METRIC_NAME);
    let matchers: Vec<String> = matchers.map(ToString::to_string).collect();
    format!("{}{{{}}}", selector.metric_name().unwrap_or_default(), matchers.join(","))
}

/// Whether the address of an AnalysisTemplate leads to the World's Prometheus. The name is resolved by
/// the pod of Argo Rollouts: one with a dot counts as resolvable, a bare one only as a Service in that
/// pod's own namespace.
pub(crate) fn resolves(world: &World<'_>, address: &str) -> Result<(), String> {
    let host = address.split("://").last().unwrap_or(address).split(['/', ':']).next().unwrap_or_default();
    if host.is_empty() {
        return Err(format!("prometheus address is not configured: \"{address}\""));
    }
    let key = manifests::objects::ObjectKey::new("", "Service", Some("argo-rollouts"), host);
    if host.contains('.') || world.api.find(&key).is_some() {
        return Ok(());
    }
    Err(format!("Post \"{address}/api/v1/query\": dial tcp: lookup {host} on 10.96.0.10:53: no such host"))
}
