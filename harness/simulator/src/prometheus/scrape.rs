//! A scrape: the counters of one pod become samples.

use planted::Bug;
use promql::{Labels, Metric, Row, SeriesId};
use units::{Duration, Time};

use super::discovery::Wanted;
use super::{State, in_ms};
use crate::kubernetes::{Pod, as_pod};
use crate::{Index, Task, World, traffic};

/// The route that the model's metrics are labelled with.
const ROUTE: &str = "/v1/chat/completions";

/// A pod that is scraped.
#[derive(Debug)]
pub(super) struct Target {
    /// What a monitor asked for.
    pub(super) wanted: Wanted,
    /// When its series are marked stale, once discovery took it away.
    stale_at: Option<Time>,
    /// Its series, once it was scraped.
    series: Option<Series>,
}

impl Target {
    /// A target that was not scraped yet.
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, stale_at: None, series: None }
    }

    /// Whether discovery still has it.
    pub(super) fn is_scraped(&self) -> bool {
        self.stale_at.is_none()
    }

    /// Discovery took it away: after two further intervals and a tenth its series are marked stale
    /// (prometheus scrape/scrape.go: endOfRunStaleness). Gives the time of that, unless it was given
    /// before.
    pub(super) fn give_up(&mut self, now: Time) -> Option<Time> {
        if !self.is_scraped() {
            return None;
        }
        let wait = Duration::from_nanos(self.wanted.interval.as_nanos().saturating_mul(21) / 10);
        let last = self.series.as_ref().map_or(now, |series| series.last);
        self.stale_at = Some(last + wait);
        self.stale_at
    }
}

/// The series of a target.
#[derive(Debug)]
pub(super) struct Series {
    up: SeriesId,
    /// The model's own; `None` until its server answered for the first time.
    model: Option<ModelSeries>,
    /// Whether the model's series had a sample in the last scrape.
    fresh: bool,
    last: Time,
}

#[derive(Debug)]
struct ModelSeries {
    /// The start of the container whose counters these are.
    started: Time,
    /// One for each of [`metrics`].
    row: Row,
}

/// Scrapes a target, or marks its series stale once it has been gone for long enough. Within one instant
/// pods change before they are scraped: one that is deleted in the moment of its scrape is not reached.
pub(crate) fn scrape(world: &mut World<'_>, index: usize) {
    let now = world.now();
    let target = &mut world.prometheus.targets[index];
    let (pod, interval) = (target.wanted.pod, target.wanted.interval);
    match target.stale_at {
        Some(at) if at <= now => return end(world, index),
        Some(_) => return,
        None => world.kernel.wake_at(now + interval, Task::Scrape(Index::of(index))),
    }
    let exists = world.api.exists(pod);
    let running = as_pod(world.api.get(pod)).filter(|pod| exists && pod.started.is_some());
    let answers = running.is_some_and(|pod| pod.serving_from.is_some_and(|from| from <= now));
    if running.is_some_and(|pod| pod.model.is_none()) {
        let place = target_name(world, index);
        world.not_simulated("metrics of a pod without MODEL_VERSION", place, "its target is down");
    }
    if answers {
        traffic::advance_pod(world, pod);
    }
    ensure_series(world, index, answers);
    write(world, index, answers);
}

fn target_name(world: &World<'_>, index: usize) -> String {
    world.api.get(world.prometheus.targets[index].wanted.service).key.to_string()
}

/// The target is gone: a marker at the first scrape that did not happen any more.
fn end(world: &mut World<'_>, index: usize) {
    let State { storage, targets, .. } = &mut world.prometheus;
    let target = &mut targets[index];
    let Some(series) = target.series.take() else { return };
    let at_ms = in_ms(series.last + target.wanted.interval);
    // Another target with the same labels may have written since; then nothing is stale.
    let _ = storage.mark_stale(series.up, at_ms);
    if let (Some(model), true) = (&series.model, series.fresh) {
        let _ = storage.mark_row_stale(&model.row, at_ms);
    }
}

/// The series of a target, and those of its model since the start of its container. A container that
/// was started again with another model leaves the series of the one before: they are missing from this
/// scrape and so marked stale.
fn ensure_series(world: &mut World<'_>, index: usize, answers: bool) {
    let at_ms = in_ms(world.now());
    let World { api, prometheus: State { storage, targets, metrics, .. }, .. } = world;
    let target = &mut targets[index];
    let series = target.series.get_or_insert_with(|| {
        let up = storage.series(&target.wanted.labels.with(promql::METRIC_NAME, "up"));
        Series { up, model: None, fresh: false, last: Time::ZERO }
    });
    let Some(pod) = as_pod(api.get(target.wanted.pod)).filter(|_| answers) else { return };
    let started = pod.started.unwrap_or_default();
    if series.model.as_ref().is_some_and(|model| model.started == started) {
        return;
    }
    let labels = merged(&target.wanted.labels, &own_labels(pod), target.wanted.honor_labels);
    let row = storage.row(&labels, metrics);
    let before = series.model.replace(ModelSeries { started, row: row.clone() });
    if let Some(before) = before.filter(|before| series.fresh && before.row != row) {
        // Another target with the same labels may have written since; then nothing is stale.
        let _ = storage.mark_row_stale(&before.row, at_ms);
    }
}

/// What a model's server exposes, for a latency histogram with these finite bounds.
pub(super) fn metrics(bounds: &[f64]) -> Vec<Metric> {
    let plain = ["inference_requests_total", "inference_errors_total"].into_iter();
    let plain = plain.chain(["inference_duration_seconds_count", "inference_duration_seconds_sum"]);
    // Prometheus 3 writes whole numbers as `1.0` (model/textparse: normalizeFloatsInLabelValues).
    let edges = bounds.iter().map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
    let buckets = edges.map(|le| Metric::bucket("inference_duration_seconds_bucket", &le));
    plain.map(Metric::new).chain(buckets).collect()
}

/// The labels that a model's server puts on its metrics.
fn own_labels(pod: &Pod) -> [(&'static str, &str); 3] {
    let (name, version) = (pod.model_name.as_deref(), pod.model.as_deref());
    [("model", name.unwrap_or_default()), ("version", version.unwrap_or_default()), ("endpoint", ROUTE)]
}

/// The labels of discovery and of the model. Where both have one, discovery's stays and the model's
/// becomes `exported_…`, unless labels are to be honoured (prometheus scrape/scrape.go: mutateSampleLabels).
fn merged(discovered: &Labels, own: &[(&str, &str)], honor: bool) -> Labels {
    // An empty label is none.
    let own = own.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| {
        let mut name = (*name).to_owned();
        while !honor && discovered.get(&name).is_some() {
            name.insert_str(0, "exported_");
        }
        (name, *value)
    });
    discovered.merged(&Labels::new(own))
}

fn write(world: &mut World<'_>, index: usize, answers: bool) {
    let now = world.now();
    let at_ms = in_ms(now);
    let World { prometheus: State { storage, targets, sample, .. }, traffic, .. } = world;
    let target = &mut targets[index];
    let Some(series) = &mut target.series else { return };
    // A sample that is not newer than what the series holds belongs to a target that was discovered
    // twice; Prometheus drops it as out of order, and so do we.
    let _ = storage.append(series.up, at_ms, f64::from(u8::from(answers)));
    series.last = now;
    let counters = traffic.counters(target.wanted.pod).filter(|_| answers);
    match (&series.model, counters) {
        (Some(model), Some(batch)) => {
            sample.clear();
            sample.extend([batch.requests, batch.errors, batch.requests, batch.duration_sum]);
            sample.extend(batch.cumulative());
            let _ = storage.append_row(&model.row, at_ms, sample);
            series.fresh = true;
        }
        (Some(model), None) if series.fresh && !planted::is(Bug::FailedScrapeNotStale) => {
            let _ = storage.mark_row_stale(&model.row, at_ms);
            series.fresh = false;
        }
        (Some(_) | None, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ObjectId;
    use crate::testing;

    /// A world with two pods of a model behind a monitored Service, and 10 requests a second.
    fn world(model: &str) -> World<'static> {
        let deployment = testing::DEPLOYMENT.replace("value: '1'", &format!("value: '{model}'"));
        let files = [&deployment, testing::SERVICE, testing::MONITOR].join("---");
        testing::world("traffic: {rate: 10/s}", &[("all.yaml", &files)])
    }

    fn query(world: &mut World<'_>, text: &str) -> Vec<(String, f64)> {
        let now = world.now();
        let result = world.prometheus.query(text, now).unwrap();
        let promql::Value::Vector(samples) = result.value else { panic!("{text} is no vector") };
        samples.into_iter().map(|sample| (sample.labels.to_string(), sample.value)).collect()
    }

    fn values(world: &mut World<'_>, text: &str) -> Vec<f64> {
        query(world, text).into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn a_target_is_down_until_its_server_answers_and_has_no_other_series_before() {
        let mut world = world("slow");
        testing::run_until(&mut world, 300);
        assert_eq!(values(&mut world, "up"), [0.0, 0.0]);
        assert_eq!(values(&mut world, "inference_requests_total"), [0.0; 0]);
        testing::run_until(&mut world, 620);
        assert_eq!(values(&mut world, "up"), [1.0, 1.0]);
        assert_eq!(values(&mut world, "inference_requests_total").len(), 2);
    }

    #[test]
    fn a_server_that_is_ready_before_it_is_loaded_shows_its_errors_at_once() {
        let mut world = world("eager");
        testing::run_until(&mut world, 11);
        testing::run_until(&mut world, 18);
        assert_eq!(values(&mut world, "up"), [1.0, 1.0]);
        assert!(values(&mut world, "sum(inference_errors_total)")[0] > 0.0);
    }

    #[test]
    fn counters_begin_at_zero_and_carry_the_labels_of_both_sides() {
        let files = [testing::DEPLOYMENT, testing::SERVICE, testing::MONITOR].join("---");
        let mut world = testing::world("", &[("all.yaml", &files)]);
        testing::run_until(&mut world, 30);
        assert_eq!(values(&mut world, "sum(inference_errors_total)"), [0.0]);
        assert_eq!(values(&mut world, "sum(inference_duration_seconds_bucket{le=\"1.0\"})"), [0.0]);
        let kept = "{model=\"llama\", version=\"1\", exported_endpoint=\"/v1/chat/completions\", endpoint=\"http\", role=\"plain\"}";
        let matcher = kept.replace(", ", ",");
        assert_eq!(values(&mut world, &format!("count(inference_requests_total{matcher})")), [2.0]);
    }

    #[test]
    fn exported_labels_give_way_unless_they_are_honoured() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Pairs<'_>, Pairs<'_>, bool, Pairs<'_>); 5] = [
            (&[("a", "1")], &[("b", "2")], false, &[("a", "1"), ("b", "2")]),
            (&[("a", "1")], &[("a", "2")], false, &[("a", "1"), ("exported_a", "2")]),
            (
                &[("a", "1"), ("exported_a", "0")],
                &[("a", "2")],
                false,
                &[("a", "1"), ("exported_a", "0"), ("exported_exported_a", "2")],
            ),
            (&[("a", "1")], &[("a", "2")], true, &[("a", "2")]),
            (&[("a", "1")], &[("a", "")], true, &[("a", "1")]),
        ];
        let labels = |pairs: Pairs<'_>| Labels::new(pairs.iter().copied());
        for (found, own, honor, expected) in cases {
            assert_eq!(merged(&labels(found), own, honor), labels(expected), "{found:?} {own:?} {honor}");
        }
    }

    /// The values of a selector at each second of a span.
    fn each_second(world: &mut World<'_>, text: &str, seconds: std::ops::RangeInclusive<u64>) -> Vec<usize> {
        seconds
            .map(|second| {
                testing::run_until(world, second);
                query(world, text).len()
            })
            .collect()
    }

    #[test]
    fn the_series_of_a_pod_that_is_gone_end_after_a_failed_scrape_and_two_intervals() {
        let mut world = world("1");
        testing::run_until(&mut world, 100);
        testing::patch(&mut world, "Deployment", "web", "{spec: {replicas: 1}}");
        // A scrape within the lag fails and ends the model's series, else the end of the target does. The
        // marker stands at the first scrape that was left out, so the series end looking back from there.
        let ups = each_second(&mut world, "up", 101..=140);
        assert_eq!((ups[0], ups.last()), (2, Some(&1)));
        let models = each_second(&mut world, "inference_requests_total", 141..=141);
        assert_eq!(models, [1]);
        let down_at = ups.iter().position(|count| *count == 1).unwrap() + 101;
        // Gone from 105 on; the last scrape was less than 10 s before.
        assert!((105 + 11..=105 + 22).contains(&down_at), "{down_at}");
    }

    #[test]
    fn a_failed_scrape_ends_the_models_series_at_once() {
        let mut world = world("1");
        testing::run_until(&mut world, 100);
        let gone = testing::pods(&world)[0];
        let name = world.api.get(gone).key.name.to_string();
        // The target stays: discovery is kept from noticing.
        let discovery = Task::Discovery(testing::id(&world, "Service", "web"));
        world.prometheus.pending.insert(discovery, Time::MAX);
        testing::delete(&mut world, gone);
        testing::run_until(&mut world, 110);
        assert_eq!(values(&mut world, &format!("up{{pod=\"{name}\"}}")), [0.0]);
        assert_eq!(values(&mut world, &format!("inference_requests_total{{pod=\"{name}\"}}")), [0.0; 0]);
    }

    /// Starts the pod's container again, as another model where one is named.
    fn restart(world: &mut World<'_>, id: ObjectId, model: Option<&str>) {
        traffic::advance_pod(world, id);
        let now = world.now();
        world.api.update_status(id, |object| {
            let crate::api::Body::Pod(pod) = &mut object.body else { return };
            pod.started = Some(now);
            pod.serving_from = Some(now);
            if let Some(model) = model {
                pod.model = Some(model.into());
            }
        });
        crate::run::after_task(world);
    }

    #[test]
    fn the_counters_of_a_container_that_starts_again_begin_anew() {
        let mut world = world("1");
        testing::run_until(&mut world, 100);
        let pod = testing::pods(&world)[0];
        let name = world.api.get(pod).key.name.to_string();
        let counter = format!("inference_requests_total{{pod=\"{name}\"}}");
        let before = values(&mut world, &counter)[0];
        restart(&mut world, pod, None);
        testing::run_until(&mut world, 120);
        let after = values(&mut world, &counter)[0];
        assert!(before > 300.0 && after < 101.0, "{before} {after}");
        let resets = values(&mut world, &format!("resets({counter}[5m])"));
        assert_eq!(resets, [1.0]);
    }

    #[test]
    fn another_model_in_the_same_pod_ends_the_series_of_the_one_before() {
        let mut world = world("1");
        testing::run_until(&mut world, 100);
        let pod = testing::pods(&world)[0];
        restart(&mut world, pod, Some("2"));
        testing::run_until(&mut world, 120);
        assert_eq!(values(&mut world, "count(inference_requests_total) by (version)").len(), 2);
        assert_eq!(values(&mut world, "count(inference_requests_total{version=\"1\"})"), [1.0]);
    }

    #[test]
    fn a_pod_without_a_model_is_down_and_reported() {
        let deployment = testing::DEPLOYMENT.replace("MODEL_VERSION", "OTHER");
        let files = [&deployment, testing::SERVICE, testing::MONITOR].join("---");
        let mut world = testing::world("", &[("all.yaml", &files)]);
        testing::run_until(&mut world, 60);
        assert_eq!(values(&mut world, "up"), [0.0, 0.0]);
        let told = testing::told(&world, |event| match event {
            timeline::Event::NotSimulated(found) => Some(format!("{} {}", found.what, found.place)),
            _ => None,
        });
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].ends_with("metrics of a pod without MODEL_VERSION Service default/web"), "{told:?}");
    }
}
