//! Prometheus: discovery, scrapes, samples, queries, rules.
//!
//! Targets come from ServiceMonitors alone: a Service that none selects has no series, which is what
//! would happen. Labels of a pod reach its series as they were when the target was discovered; a label
//! that changes in place is noticed at the next change of the Service's endpoints, since neither the
//! endpoints role nor the endpointslice role of discovery re-evaluates on a pod's labels
//! (prometheus discovery/kubernetes/endpoints.go).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use behaviour::{Buckets, stream};
use manifests::objects::ObjectKey;
use promql::{EvalError, Metric, PreparedQuery, Query, QueryError, Storage};
use rand::Rng;
use units::{Duration, Time};

use crate::analysis::Range;
use crate::{Task, World};

mod discovery;
mod rule_groups;
mod scrape;

pub(crate) use discovery::discover;
pub(crate) use rule_groups::{evaluate as evaluate_rules, notice as notice_rules, pending as pending_alerts};
pub(crate) use scrape::scrape;

/// Targets and samples.
#[derive(Debug)]
pub struct State {
    storage: Storage,
    targets: Vec<scrape::Target>,
    /// What every model's server exposes.
    metrics: Vec<Metric>,
    /// One value for each of them: room for the scrape at hand.
    sample: Vec<f64>,
    /// What it learns of changed objects, and when.
    pending: BTreeMap<Task, Time>,
    queries: BTreeMap<String, Prepared>,
    rules: rule_groups::Rules,
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
    /// Samples without targets.
    pub(crate) fn holding(storage: Storage) -> Self {
        Self {
            storage,
            targets: Vec::new(),
            metrics: Vec::new(),
            sample: Vec::new(),
            pending: BTreeMap::new(),
            queries: BTreeMap::new(),
            rules: rule_groups::Rules::default(),
        }
    }

    /// No targets yet. Models have latency histograms with these buckets.
    pub(crate) fn new(buckets: &Buckets) -> Self {
        Self { metrics: scrape::metrics(buckets.bounds()), ..Self::holding(Storage::new()) }
    }

    /// Evaluates an instant query.
    ///
    /// # Errors
    /// A query that Prometheus would refuse, or one that is not simulated.
    pub(crate) fn query(&mut self, text: &str, now: Time) -> Result<QueryResult, RefusedQuery> {
        let prepared = prepared(&mut self.queries, text)?;
        let evaluation = prepared
            .query
            .instant(&self.storage, in_ms(now))
            .map_err(|error| RefusedQuery::Rejected(format!("execution: {error}")))?;
        Ok(prepared.result(evaluation, Duration::ZERO))
    }

    /// Evaluates a query over a range (prometheus web/api/v1: queryRange).
    ///
    /// # Errors
    /// As [`State::query`].
    pub(crate) fn query_range(
        &mut self,
        text: &str,
        range: Range,
        now: Time,
    ) -> Result<QueryResult, RefusedQuery> {
        let prepared = prepared(&mut self.queries, text)?;
        let evaluated = prepared.query.range(&self.storage, range.start_ms, range.end_ms, range.step_ms);
        let evaluation = evaluated.map_err(|error| match error {
            EvalError::NotForRanges(kind) => RefusedQuery::Rejected(format!(
                "bad_data: invalid parameter \"query\": invalid expression type \"{kind}\" for range query, must be \
                 Scalar or instant Vector"
            )),
            EvalError::TooManySteps { .. } => RefusedQuery::NotSimulated(error.to_string()),
            error => RefusedQuery::Rejected(format!("execution: {error}")),
        })?;
        let start = u64::try_from(range.start_ms).unwrap_or(0);
        Ok(prepared.result(evaluation, now.since(Time::ZERO).saturating_sub(Duration::from_millis(start))))
    }
}

/// Whether Prometheus learns of a change now. If not, the task comes again once the lag has passed; what
/// changes until then is learnt with it.
fn learns_now(world: &mut World<'_>, task: Task, lag: Duration) -> bool {
    let now = world.now();
    match world.prometheus.pending.entry(task) {
        Entry::Vacant(new) => {
            new.insert(now + lag);
            world.kernel.wake_at(now + lag, task);
            false
        }
        Entry::Occupied(due) if *due.get() <= now => {
            due.remove();
            true
        }
        Entry::Occupied(_) => false,
    }
}

/// A time as Prometheus has it.
pub(crate) fn in_ms(time: Time) -> i64 {
    // A virtual time fits: 2^63 ms are 292 million years.
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The first time, from `earliest` on, of what recurs at a fixed offset within an interval. The offset spreads
/// what has one interval: a hash upstream, a draw for `purpose` here (prometheus scrape/target.go: offset;
/// rules/group.go: EvalTimestamp).
fn first_time(world: &World<'_>, purpose: &str, interval: Duration, earliest: Time) -> Time {
    let interval = interval.as_nanos().max(1);
    let millis = (interval / 1_000_000).max(1);
    let offset = stream(world.options.seed, purpose).next_u64() % millis * 1_000_000;
    let earliest = earliest.as_nanos();
    let base = earliest - earliest % interval + offset;
    Time::from_nanos(if base >= earliest { base } else { base + interval })
}

fn prepared<'a>(
    queries: &'a mut BTreeMap<String, Prepared>,
    text: &str,
) -> Result<&'a mut Prepared, RefusedQuery> {
    Ok(match queries.entry(text.to_owned()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(prepare(text)?),
    })
}

impl Prepared {
    /// What an evaluation gave that looked this far back by itself.
    fn result(&self, evaluation: promql::Evaluation, back: Duration) -> QueryResult {
        QueryResult {
            value: evaluation.value,
            series: evaluation.series as u64,
            samples: evaluation.samples,
            range: self.range + back,
            selectors: self.selectors.clone(),
        }
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

/// Whether the address of an AnalysisTemplate leads to the World's Prometheus; `path` is what is asked of it.
///
/// # Errors
/// What the request fails with.
pub(crate) fn resolves(world: &World<'_>, address: &str, path: &str) -> Result<(), String> {
    let request = format!("Post \"{}/api/v1/{path}\"", address.trim_end_matches('/'));
    dial(world, address).map_err(|cause| format!("{request}: {cause}"))
}

/// Whether the pod of Argo Rollouts, which resolves the name, reaches the host of a URL: one with a dot, or
/// an IP address, counts as reachable, a bare name only as a Service in that pod's own namespace.
///
/// # Errors
/// What the connection fails with.
pub(crate) fn dial(world: &World<'_>, url: &str) -> Result<(), String> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host_and_port.starts_with('[') {
        return Ok(());
    }
    let port = if url.starts_with("https:") { "443" } else { "80" };
    let (host, port) = host_and_port.split_once(':').unwrap_or((host_and_port, port));
    if host.is_empty() {
        return Err("http: no Host in request URL".to_owned());
    }
    if host == "localhost" {
        return Err(format!("dial tcp [::1]:{port}: connect: connection refused"));
    }
    let key = ObjectKey::new("", "Service", Some("argo-rollouts"), host);
    if host.contains('.') || world.api.find(&key).is_some() {
        return Ok(());
    }
    Err(format!("dial tcp: lookup {host} on 10.96.0.10:53: no such host"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_bare_name_resolves_only_in_the_namespace_of_argo_rollouts() {
        let services = "
{apiVersion: v1, kind: Service, metadata: {name: metrics, namespace: argo-rollouts}, spec: {}}
---
{apiVersion: v1, kind: Service, metadata: {name: prometheus, namespace: monitoring}, spec: {}}
";
        let world = testing::world("", &[("all.yaml", services)]);
        for (address, why) in [
            ("http://prometheus.monitoring.svc.cluster.local:9090", ""),
            ("http://prometheus.monitoring:9090", ""),
            ("https://user:secret@prometheus.example.com/prefix", ""),
            ("http://10.0.0.7:9090", ""),
            ("http://[fd00::7]:9090", ""),
            ("http://metrics:9090", ""),
            ("http://prometheus:9090", "lookup prometheus on 10.96.0.10:53: no such host"),
            ("http://prometheus:9090/", "Post \"http://prometheus:9090/api/v1/query\": dial tcp: lookup"),
            ("http://user@prometheus", "lookup prometheus on"),
            ("http://localhost:9090", "dial tcp [::1]:9090: connect: connection refused"),
            ("http://:9090", "no Host in request URL"),
        ] {
            let result = resolves(&world, address, "query");
            assert_eq!(result.is_ok(), why.is_empty(), "{address}: {result:?}");
            assert!(result.err().unwrap_or_default().contains(why), "{address}");
        }
    }

    #[test]
    fn a_query_tells_what_it_looked_at() {
        let files = [testing::DEPLOYMENT, testing::SERVICE, testing::MONITOR].join("---");
        let mut world = testing::world("", &[("all.yaml", &files)]);
        testing::run_until(&mut world, 100);
        let now = world.now();
        let text = "sum(rate(inference_requests_total{role=\"plain\"}[30s] offset 10s))";
        for _ in 0..2 {
            let result = world.prometheus.query(text, now).unwrap();
            assert_eq!((result.series, result.samples), (2, 6));
            assert_eq!(result.range, Duration::from_secs(40));
            assert_eq!(result.selectors, ["inference_requests_total{role=\"plain\"}"]);
        }
    }

    #[test]
    fn a_query_that_prometheus_refuses_is_told_apart_from_one_that_is_not_simulated() {
        let mut state = State::new(&Buckets::default());
        let refused = state.query("sum(", Time::ZERO).unwrap_err();
        assert!(
            matches!(&refused, RefusedQuery::Rejected(text) if text.starts_with("bad_data")),
            "{refused:?}"
        );
        let beyond = state.query("mad_over_time(up[5m])", Time::ZERO).unwrap_err();
        assert!(matches!(&beyond, RefusedQuery::NotSimulated(_)), "{beyond:?}");
    }
}
