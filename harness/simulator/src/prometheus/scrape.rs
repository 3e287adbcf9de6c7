//! A scrape: the counters of one pod become samples.

use std::collections::BTreeMap;

use promql::{Labels, SeriesId, Storage};
use units::{Duration, Time};

use crate::api::ObjectId;
use crate::kubernetes::as_pod;
use crate::{Task, World, traffic};

/// The route that the model's metrics are labelled with.
const ROUTE: &str = "/v1/chat/completions";

/// A pod that is scraped.
#[derive(Debug)]
pub(super) struct Target {
    /// The ServiceMonitor that asked for it.
    pub(super) monitor: ObjectId,
    /// The pod.
    pub(super) pod: ObjectId,
    /// The labels that discovery gave it.
    pub(super) labels: BTreeMap<String, String>,
    /// The time between scrapes.
    pub(super) interval: Duration,
    /// Whether the model's own labels win over discovery's.
    pub(super) honor_labels: bool,
    /// When discovery took it away.
    pub(super) ended: Option<Time>,
    /// Its series, once it was scraped.
    pub(super) series: Option<Series>,
}

/// The series of a target.
#[derive(Debug)]
pub(super) struct Series {
    up: SeriesId,
    /// The model's own; `None` until its server answered for the first time.
    model: Option<ModelSeries>,
    /// Whether the model's series had a sample in the last scrape.
    fresh: bool,
    last: i64,
}

#[derive(Debug)]
struct ModelSeries {
    /// The start of the container whose counters these are.
    started: Time,
    requests: SeriesId,
    errors: SeriesId,
    count: SeriesId,
    sum: SeriesId,
    buckets: Vec<SeriesId>,
}

impl ModelSeries {
    fn all(&self) -> impl Iterator<Item = SeriesId> + '_ {
        [self.requests, self.errors, self.count, self.sum].into_iter().chain(self.buckets.iter().copied())
    }
}

/// Scrapes a target, or marks its series stale once it has been gone for long enough.
pub(crate) fn scrape(world: &mut World<'_>, index: usize) {
    let now = world.now();
    let target = &world.prometheus.targets[index];
    let (pod, interval) = (target.pod, target.interval);
    if target.ended.is_some() {
        end(world, index, now);
        return;
    }
    let serving = as_pod(world.api.get(pod))
        .is_some_and(|pod| pod.model.is_some() && pod.serving_from.is_some_and(|from| from <= now));
    let serving = serving && world.api.exists(pod);
    if serving {
        traffic::advance_pod(world, pod);
    }
    ensure_series(world, index, serving);
    write(world, index, serving);
    world.kernel.wake_at(now + interval, Task::Scrape(index));
}

/// The target is gone: a marker at the first scrape that did not happen any more.
fn end(world: &mut World<'_>, index: usize, now: Time) {
    let prometheus = &mut world.prometheus;
    let target = &mut prometheus.targets[index];
    let due = target
        .ended
        .is_some_and(|ended| now.since(ended).as_secs_f64() >= target.interval.as_secs_f64() * 2.0);
    let Some(series) = target.series.take_if(|_| due) else { return };
    let at = series.last + i64::try_from(target.interval.as_millis()).unwrap_or(0);
    mark_stale(&mut prometheus.storage, [series.up], at);
    if let (Some(model), true) = (&series.model, series.fresh) {
        mark_stale(&mut prometheus.storage, model.all(), at);
    }
}

fn mark_stale(storage: &mut Storage, series: impl IntoIterator<Item = SeriesId>, at_ms: i64) {
    for id in series {
        // Another target with the same labels may have written since; then nothing is stale.
        let _ = storage.mark_stale(id, at_ms);
    }
}

fn ensure_series(world: &mut World<'_>, index: usize, serving: bool) {
    let bounds = world.traffic.bucket_bounds();
    let target = &world.prometheus.targets[index];
    let pod = as_pod(world.api.get(target.pod));
    let started = pod.and_then(|pod| pod.started).unwrap_or_default();
    let known = target.series.as_ref();
    let stale_model =
        known.is_none_or(|series| series.model.as_ref().is_none_or(|model| model.started != started));
    if known.is_some() && !(serving && stale_model) {
        return;
    }
    let text = |value: Option<&std::sync::Arc<str>>| value.map(|value| value.to_string()).unwrap_or_default();
    let (model, version) =
        (text(pod.and_then(|p| p.model_name.as_ref())), text(pod.and_then(|p| p.model.as_ref())));
    let own = [("model", model.as_str()), ("version", version.as_str()), ("endpoint", ROUTE)];
    let labels = merged(&target.labels, &own, target.honor_labels);
    let base = target.labels.clone();
    let storage = &mut world.prometheus.storage;
    let model = serving.then(|| model_series(storage, &labels, &bounds, started));
    let up = storage.series(&named("up", &base));
    let target = &mut world.prometheus.targets[index];
    match &mut target.series {
        Some(series) => series.model = model,
        None => target.series = Some(Series { up, model, fresh: false, last: 0 }),
    }
}

fn model_series(
    storage: &mut Storage,
    labels: &BTreeMap<String, String>,
    bounds: &[f64],
    started: Time,
) -> ModelSeries {
    let histogram = "inference_duration_seconds";
    let bucket = |le: String| named(&format!("{histogram}_bucket"), labels).with(promql::BUCKET_BOUND, &le);
    let edges = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    ModelSeries {
        started,
        requests: storage.series(&named("inference_requests_total", labels)),
        errors: storage.series(&named("inference_errors_total", labels)),
        count: storage.series(&named(&format!("{histogram}_count"), labels)),
        sum: storage.series(&named(&format!("{histogram}_sum"), labels)),
        buckets: edges.map(|le| storage.series(&bucket(le))).collect(),
    }
}

fn named(metric: &str, labels: &BTreeMap<String, String>) -> Labels {
    Labels::new(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .with(promql::METRIC_NAME, metric)
}

/// The labels of discovery and of the model. Where both have one, discovery's stays and the model's
/// becomes `exported_…`, unless labels are to be honoured (prometheus scrape/scrape.go: mutateSampleLabels).
fn merged(
    discovered: &BTreeMap<String, String>,
    own: &[(&str, &str)],
    honor: bool,
) -> BTreeMap<String, String> {
    let mut labels = discovered.clone();
    for (name, value) in own {
        let taken = !honor && labels.contains_key(*name);
        let name = if taken { format!("exported_{name}") } else { (*name).to_owned() };
        labels.insert(name, (*value).to_owned());
    }
    labels
}

fn write(world: &mut World<'_>, index: usize, serving: bool) {
    let at_ms = i64::try_from(world.now().as_millis()).unwrap_or(i64::MAX);
    let World { prometheus, traffic, .. } = world;
    let target = &mut prometheus.targets[index];
    let Some(series) = &mut target.series else { return };
    let storage = &mut prometheus.storage;
    // A sample that is not newer than what the series holds belongs to a target that was discovered
    // twice; Prometheus drops it as out of order, and so do we.
    let mut append = |id: SeriesId, value: f64| {
        let _ = storage.append(id, at_ms, value);
    };
    append(series.up, f64::from(u8::from(serving)));
    series.last = at_ms;
    let counters = traffic.counters(target.pod).filter(|_| serving);
    match (&series.model, counters) {
        (Some(model), Some(batch)) => {
            append(model.requests, batch.requests);
            append(model.errors, batch.errors);
            append(model.count, batch.requests);
            append(model.sum, batch.duration_sum);
            for (id, value) in model.buckets.iter().zip(batch.cumulative()) {
                append(*id, value);
            }
            series.fresh = true;
        }
        (Some(model), None) if series.fresh => {
            mark_stale(storage, model.all(), at_ms);
            series.fresh = false;
        }
        (Some(_) | None, _) => {}
    }
}
