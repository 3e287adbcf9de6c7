//! The simulator's account of a case.

use std::collections::BTreeMap;

use behaviour::{Arrivals, stream};
use manifests::objects::ObjectKey;
use manifests::objects::rollout::HASH_LABEL;
use rand::Rng;
use scenario::Scenario;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use simulator::{Input, Options, simulate, tree_of};
use timeline::{Event, RolloutStatus, Source, Timeline};
use units::{Duration, Time};

use crate::account::{
    Account, Measurement, NOT_COMPARED, Pods, ROLE, Run, Size, State, without_hash, without_hashes,
};
use crate::case::{Act, Case, Model, PluginAnswer, ROLLOUT};

/// Of what the simulator draws.
pub(crate) const SEED: u64 = 1;

/// The file that is applied at the start.
const MANIFESTS: &str = "all.yaml";

/// What the simulator says, and what the other side must know of its choices.
#[derive(Debug)]
pub struct Ours {
    /// What happened.
    pub account: Account,
    /// What it chose for each pod: by template and then by pod, both in the order of creation.
    pub pods: Vec<Vec<Choice>>,
}

/// What the simulator chose for a pod, and upstream leaves to hashes that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// By which the API server lists it among others.
    pub name: String,
    /// When within an interval it is scraped, in milliseconds.
    pub scrape_offset: u64,
}

impl Case {
    /// Runs the case in the simulator, with expected values in place of draws.
    ///
    /// # Errors
    /// What the simulator does not accept, for people.
    pub fn simulate(&self) -> Result<Ours, String> {
        let text = self.scenario().to_string();
        let scenarios = Scenario::read("case.yaml", text.as_bytes());
        let scenario = scenarios.map_err(|problems| problems[0].to_string())?.remove(0);
        let documents = self.objects().into_iter().chain(monitoring());
        let manifests: Vec<String> = documents.map(|object| object.to_string()).collect();
        let repository = tree_of([(MANIFESTS, manifests.join("\n---\n").as_str())]);
        let options = Options {
            seed: SEED,
            arrivals: Arrivals::Expected,
            limit: Duration::from_secs(24 * 3600),
            version: "fidelity".to_owned(),
            speed: 1.0,
            render: None,
        };
        let input = Input { scenario: &scenario, repository: &repository, options: &options };
        let run = simulate(&input).map_err(|problem| problem.to_string())?;
        let missing = run.timeline.entries.iter().filter_map(|entry| match &entry.event {
            Event::NotSimulated(missing) => Some(missing),
            _ => None,
        });
        if let Some(missing) = missing.into_iter().find(|missing| !is_compared(&missing.what)) {
            return Err(format!("not simulated: {} {}", missing.what, missing.place));
        }
        let reader = Reader { routed: self.is_routed(), ..Reader::default() };
        Ok(reader.read(&run.timeline, self.scrape_interval))
    }

    fn scenario(&self) -> Value {
        let events: Vec<Value> = self.actions.iter().map(|action| event(action.at, &action.act)).collect();
        let models: BTreeMap<&String, Value> =
            self.models.iter().map(|(name, model)| (name, behaviour_of(model))).collect();
        let services = self
            .services()
            .into_iter()
            .map(|name| json!({"resource": {"kind": "Service", "name": name}, "exists": true}));
        let healthy = json!({"rollout": ROLLOUT, "becomes": "healthy"});
        let pods = json!({"resource": {"kind": "Pod", "name": format!("{ROLLOUT}-*")}, "exists": true});
        let expected: Vec<Value> = [healthy, pods].into_iter().chain(services).collect();
        let mut traffic = json!({"rate": format!("{}/s", self.rate)});
        if let Some(service) = self.called() {
            traffic["service"] = json!(service);
        }
        json!({
            "name": "case",
            "repository": ".",
            "apply": [MANIFESTS],
            "models": models,
            "traffic": traffic,
            "cluster": {
                "nodes": 1,
                "pod_start": seconds(self.pod_start),
                "scrape_interval": seconds(self.scrape_interval),
            },
            "answers": self.plugins.iter().map(answer).collect::<Vec<Value>>(),
            "events": events,
            "expect": expected,
            "duration": seconds(self.duration),
        })
    }
}

/// What the simulator tells that it takes a generic router for, which is what the other side has, too.
fn is_compared(what: &str) -> bool {
    what.ends_with("trafficRouting.plugins")
        || what.ends_with(".setHeaderRoute")
        || what.ends_with(".setMirrorRoute")
}

fn seconds(count: u32) -> String {
    format!("{count}s")
}

fn answer(of: &PluginAnswer) -> Value {
    let mut answer = json!({"plugin": of.plugin, "operation": of.operation});
    if of.until > 0 {
        answer["until"] = json!(seconds(of.until));
    }
    if of.takes > 0 {
        answer["takes"] = json!(seconds(of.takes));
    }
    if of.unreachable.is_empty() {
        answer["phase"] = json!(of.phase);
        answer["message"] = json!(of.message);
        answer["requeue_after"] = json!(seconds(of.requeue_after));
    } else {
        answer["unreachable"] = json!(of.unreachable);
    }
    answer
}

fn event(at: u64, act: &Act) -> Value {
    let mut event = match act {
        Act::Release(_) | Act::Scale(_) | Act::Steps(_) | Act::Paused(_) => json!({"patch": {
            "resource": {"kind": "Rollout", "name": ROLLOUT, "namespace": "default"},
            "with": act.patch(),
        }}),
        Act::Traffic(rate) => json!({"traffic": {"rate": format!("{rate}/s")}}),
        Act::Abort => json!({"abort": ROLLOUT}),
        Act::Retry => json!({"retry": ROLLOUT}),
        Act::Promote => json!({"promote": ROLLOUT}),
        Act::PromoteFull => json!({"promote_full": ROLLOUT}),
        Act::Undo(None) => json!({"undo": ROLLOUT}),
        Act::Undo(Some(revision)) => json!({"undo": {"rollout": ROLLOUT, "to_revision": revision}}),
        Act::Restart => json!({"restart": ROLLOUT}),
    };
    event["at"] = json!(format!("{at}ms"));
    event
}

fn permille(count: u32) -> String {
    format!("{}.{}%", count / 10, count % 10)
}

fn behaviour_of(model: &Model) -> Value {
    let latency = |p50: u32, p99: u32| json!({"p50": format!("{p50}ms"), "p99": format!("{p99}ms")});
    let faults = model.faults.iter().map(|fault| {
        let mut written = json!({"clock": "run", "from": seconds(fault.from), "until": seconds(fault.until)});
        if let Some(errors) = fault.errors {
            written["errors"] = json!(permille(errors));
        }
        if let Some((p50, p99)) = fault.latency {
            written["latency"] = latency(p50, p99);
        }
        written
    });
    let mut profile = json!({
        "latency": latency(model.p50, model.p99),
        "errors": permille(model.errors),
        "load": seconds(model.load),
        "ready": if model.never_ready { "never" } else { "when-loaded" },
    });
    let faults: Vec<Value> = faults.collect();
    if !faults.is_empty() {
        profile["faults"] = Value::from(faults);
    }
    profile
}

/// How the pods are found and scraped.
fn monitoring() -> [Value; 2] {
    [
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": ROLLOUT, "namespace": "default", "labels": {"app": ROLLOUT}},
            "spec": {"selector": {"app": ROLLOUT}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        }),
        json!({
            "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor",
            "metadata": {"name": ROLLOUT, "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": {"app": ROLLOUT}},
                "endpoints": [{"port": "http"}],
                "podTargetLabels": [HASH_LABEL],
            },
        }),
    ]
}

/// Reads a timeline.
#[derive(Debug, Default)]
struct Reader {
    routed: bool,
    selected: BTreeMap<String, Option<usize>>,
    hashes: Vec<String>,
    pods: BTreeMap<String, usize>,
    /// Pods that are there, by name, with their template and role.
    present: BTreeMap<String, String>,
    made: BTreeMap<String, u32>,
    ours: Vec<Vec<Choice>>,
    account: Account,
}

impl Reader {
    fn read(mut self, timeline: &Timeline, scrape_interval: u32) -> Ours {
        // What the harness says in its own name has nothing beside it upstream.
        for entry in timeline.entries.iter().filter(|entry| entry.source != Source::Rehearse) {
            self.note(as_seconds(entry.at), &entry.event, scrape_interval);
        }
        Ours { account: self.account, pods: self.ours }
    }

    fn template(&mut self, hash: &str) -> usize {
        self.hashes.iter().position(|known| known == hash).unwrap_or_else(|| {
            self.hashes.push(hash.to_owned());
            self.ours.push(Vec::new());
            self.hashes.len() - 1
        })
    }

    fn note(&mut self, at: f64, event: &Event, scrape_interval: u32) {
        match event {
            Event::Rollout(status) => {
                let state = self.state(status);
                self.account.states.push((at, state));
            }
            Event::Scaled(scaled) => {
                let template = self.template(&hash_of(&scaled.replica_set));
                self.account.sizes.push((at, Size { template, desired: scaled.to }));
            }
            Event::Pod(pod) => {
                let template = self.template(&hash_of(&pod.replica_set));
                if self.pods.insert(pod.pod.clone(), template).is_none() {
                    let scrape_offset = scrape_offset(&pod.pod, scrape_interval);
                    self.ours[template].push(Choice { name: pod.pod.clone(), scrape_offset });
                }
            }
            Event::AnalysisRun(run) => {
                let (name, phase) = (without_hash(&run.name), run.phase.to_string());
                self.account.runs.push((at, Run { name, phase, message: run.message.clone() }));
            }
            Event::Measurement(taken) => {
                let measurement = Measurement {
                    run: without_hash(&taken.run),
                    metric: taken.metric.clone(),
                    phase: taken.phase.to_string(),
                    value: taken.value.clone(),
                    message: taken.message.clone(),
                };
                self.account.measurements.push((at, measurement));
            }
            Event::Recorded(recorded)
                if recorded.resource.kind == "Rollout"
                    && !NOT_COMPARED.contains(&recorded.reason.as_str()) =>
            {
                self.account.events.push((at, recorded.reason.clone()));
            }
            Event::Resource(written) if written.resource.kind == "Service" => {
                let object = written.object.as_ref();
                let hash = object.and_then(|it| it["spec"]["selector"][HASH_LABEL].as_str());
                let template = hash.map(|hash| self.template(hash));
                self.selected.insert(written.resource.name.clone(), template);
                self.account.services.push((at, self.selected.clone()));
            }
            Event::Resource(written) if written.resource.kind == "Pod" => {
                let name = &written.resource.name;
                let Some(template) = self.pods.get(name) else { return };
                let role =
                    |pod: &Value| pod["metadata"]["labels"][ROLE].as_str().unwrap_or_default().to_owned();
                let is_new = match &written.object {
                    Some(pod) => {
                        self.present.insert(name.clone(), format!("{template} {}", role(pod))).is_none()
                    }
                    None => self.present.remove(name).is_none(),
                };
                *self.made.entry(template.to_string()).or_default() += u32::from(is_new);
                let mut present = BTreeMap::new();
                for of in self.present.values() {
                    *present.entry(of.clone()).or_default() += 1;
                }
                self.account.pods.push((at, Pods { made: self.made.clone(), present }));
            }
            _ => {}
        }
    }

    fn state(&mut self, status: &RolloutStatus) -> State {
        let stable = status.stable.as_ref().map(|version| self.template(&version.hash));
        let canary = status.canary.as_ref().map(|version| self.template(&version.hash));
        State {
            phase: status.phase.to_string(),
            message: without_hashes(&status.message, &self.hashes),
            aborted: status.aborted,
            step: status.step,
            stable,
            current: canary.or(stable),
            weight: self.routed.then_some(status.weight),
            routes: status.routes.clone(),
        }
    }
}

fn as_seconds(at: Time) -> f64 {
    at.as_millis() as f64 / 1000.0
}

/// What tells a ReplicaSet's template from others: its hash or, in an experiment, its name.
fn hash_of(replica_set: &str) -> String {
    match replica_set.split('-').collect::<Vec<_>>().as_slice() {
        [_, hash] => (*hash).to_owned(),
        _ => replica_set.to_owned(),
    }
}

/// The simulator's choice, which upstream leaves to a hash of the target's labels.
fn scrape_offset(pod: &str, interval: u32) -> u64 {
    let key = ObjectKey::new("", "Pod", Some("default"), pod);
    stream(SEED, &format!("scrape offset of {key}")).next_u64() % (u64::from(interval) * 1000)
}
