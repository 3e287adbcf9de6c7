use std::collections::BTreeMap;

use manifests::objects::ObjectKey;
use scenario::Scenario;
use timeline::{Entry, Event, NotSimulated, Recorded, ResourceName, Source};
use units::Time;
use yaml::Problem;

use crate::answers::Questions;
use crate::api::{Api, ObjectId};
use crate::kernel::Kernel;
use crate::run::Options;
use crate::{actions, analysis, argocd, kubernetes, observe, prometheus, rollouts, traffic};
use git::GitHost;

/// What the kernel hands out. The order of the variants is the order within one instant: what a
/// person does, then pods and their controllers, then Prometheus, then analysis runs and
/// experiments to a standstill, then Rollouts to a standstill, then Argo CD (`reference: argo-rollouts timing, ties`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// The scenario's action with this index is due.
    Action(Index),
    /// A pod's next change: scheduling, container start, readiness.
    Kubelet(ObjectId),
    /// A ReplicaSet: pods made or removed, its status counted.
    ReplicaSet(ObjectId),
    /// A Deployment.
    Deployment(ObjectId),
    /// A Service's endpoints.
    Endpoints(ObjectId),
    /// The time of a Job has passed.
    Job(ObjectId),
    /// The request rate, the endpoints or a pod's behaviour changed, or a span of accounting ends.
    Traffic,
    /// Prometheus learns the targets of a ServiceMonitor's Service anew.
    Discovery(ObjectId),
    /// Prometheus scrapes the target with this index.
    Scrape(Index),
    /// Prometheus learns the rules of a PrometheusRule anew.
    Rules(ObjectId),
    /// Prometheus evaluates the group of rules with this index.
    RuleGroup(Index),
    /// An AnalysisRun.
    AnalysisRun(ObjectId),
    /// An Experiment.
    Experiment(ObjectId),
    /// A Rollout.
    Rollout(ObjectId),
    /// The periodic resync of Argo Rollouts' informers.
    RolloutsResync,
    /// An Application's turn in Argo CD's refresh queue, and then in its operation queue.
    Application(ObjectId),
    /// The Application informer's periodic resync of one Application.
    ApplicationResync(ObjectId),
    /// A namespace: what is left of it goes away with it.
    Namespace(ObjectId),
    /// The scenario's clock was held for long enough.
    Clock,
}

/// A place in a list, small enough that the kernel has little to move about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(u32);

impl Index {
    /// The place at this position.
    pub(crate) fn of(position: usize) -> Self {
        Self(u32::try_from(position).expect("memory ends long before 2^32 of anything"))
    }

    /// The position.
    pub(crate) fn position(self) -> usize {
        self.0 as usize
    }
}

/// Entries that there is room for from the start: a run of an hour has some hundreds.
const ENTRIES: usize = 512;

/// Everything that a run consists of.
pub struct World<'a> {
    /// What is rehearsed.
    pub scenario: &'a Scenario,
    /// How it is run.
    pub options: &'a Options,
    /// The clock and the queue.
    pub kernel: Kernel<Task>,
    /// The objects.
    pub api: Api,
    /// The Git host.
    pub git: GitHost,
    /// Argo CD's own memory: queues, caches.
    pub argocd: argocd::State,
    /// Kubernetes: counts of pods, endpoints.
    pub kubernetes: kubernetes::State,
    pub(crate) rollouts: rollouts::State,
    pub(crate) analysis: analysis::State,
    /// What was asked that the scenario answers.
    pub(crate) questions: Questions,
    /// Prometheus: targets and samples.
    pub prometheus: prometheus::State,
    /// The clients and what they experienced.
    pub traffic: traffic::State<'a>,
    pub(crate) actions: actions::State,
    pub(crate) observed: observe::State,
    /// What happened so far.
    pub entries: Vec<Entry>,
    /// Something in the user's input that only running could find; it ends the run.
    pub failure: Option<Problem>,
    not_simulated: BTreeMap<String, ()>,
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: &'a Scenario, options: &'a Options) -> Self {
        let traffic = traffic::State::new(scenario, options);
        Self {
            scenario,
            options,
            kernel: Kernel::default(),
            api: Api::default(),
            git: GitHost::default(),
            argocd: argocd::State::default(),
            kubernetes: kubernetes::State::default(),
            rollouts: rollouts::State::default(),
            analysis: analysis::State::default(),
            questions: Questions::default(),
            prometheus: prometheus::State::new(traffic.buckets()),
            traffic,
            actions: actions::State::new(scenario, options.speed),
            observed: observe::State::new(scenario),
            entries: Vec::with_capacity(ENTRIES),
            failure: None,
            not_simulated: BTreeMap::new(),
        }
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.kernel.now()
    }

    /// Writes an entry to the timeline.
    pub fn emit(&mut self, source: Source, event: Event) {
        let at = self.now();
        self.entries.push(Entry { at, source, event });
    }

    /// Records a Kubernetes Event about an object.
    pub fn record(
        &mut self,
        source: Source,
        object: ObjectId,
        warning: bool,
        reason: &str,
        message: impl Into<String>,
    ) {
        let resource = resource_name(&self.api.get(object).key);
        let event = Recorded { resource, warning, reason: reason.to_owned(), message: message.into() };
        self.emit(source, Event::Recorded(event));
    }

    /// Reports, once, something that was met and is not modelled.
    pub fn not_simulated(
        &mut self,
        what: impl Into<String>,
        place: impl Into<String>,
        instead: impl Into<String>,
    ) {
        let (what, place) = (what.into(), place.into());
        if self.not_simulated.insert(format!("{what} {place}"), ()).is_none() {
            let event = NotSimulated { what, place, instead: instead.into() };
            self.emit(Source::Rehearse, Event::NotSimulated(event));
        }
    }

    /// Ends the run: something in the user's input is wrong that only running could find.
    pub fn fail(&mut self, problem: Problem) {
        self.failure.get_or_insert(problem);
    }
}

/// The name that the timeline knows an object by.
pub(crate) fn resource_name(key: &ObjectKey) -> ResourceName {
    ResourceName {
        kind: key.kind.to_string(),
        namespace: key.namespace.as_deref().unwrap_or_default().to_owned(),
        name: key.name.to_string(),
    }
}
