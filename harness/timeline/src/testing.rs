//! Timelines and scenarios built by hand, for tests.

use scenario::Scenario;
use units::{Duration, Time};

use crate::{
    ActionPerformed, AnalysisPhase, AnalysisRunStatus, ApplicationStatus, EndReason, Engine, Entry, Event,
    FORMAT, HealthStatus, Measurement, QueryEvidence, Requests, Role, RolloutPhase, RolloutStatus,
    RolloutVersion, RunEnded, RunStarted, SlowBound, Source, SyncStatus, Timeline,
};

/// A timeline in the making. Times are given in milliseconds and never go back.
#[derive(Debug)]
pub struct Recorder {
    entries: Vec<Entry>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A run of the simulator that has just begun; 500 ms is slow.
    pub fn new() -> Self {
        let started = RunStarted {
            rehearse: "0.1.0".into(),
            format: FORMAT,
            scenario: "test".into(),
            engine: Engine::Sim,
            seed: 7,
            speed: 1.0,
            slow: Some(SlowBound { seconds: 0.5, from: "inference-latency".into() }),
        };
        let entry = Entry { at: Time::ZERO, source: Source::Rehearse, event: Event::RunStarted(started) };
        Self { entries: vec![entry] }
    }

    /// A run in which no latency counts as slow.
    pub fn without_slow_bound() -> Self {
        let mut recorder = Self::new();
        if let Event::RunStarted(started) = &mut recorder.entries[0].event {
            started.slow = None;
        }
        recorder
    }

    /// Adds an entry; the position that it has is that of all entries so far.
    #[must_use]
    pub fn at(mut self, millis: u64, source: Source, event: Event) -> Self {
        let at = Time::ZERO + Duration::from_millis(millis);
        assert!(self.entries.last().is_none_or(|last| last.at <= at), "entries come in order of time");
        self.entries.push(Entry { at, source, event });
        self
    }

    /// An action was performed.
    #[must_use]
    pub fn action(self, millis: u64, index: usize, action: &str) -> Self {
        let performed =
            ActionPerformed { index, action: action.into(), id: None, text: format!("{action} something") };
        self.at(millis, Source::Rehearse, Event::ActionPerformed(performed))
    }

    /// A Rollout changed.
    #[must_use]
    pub fn rollout(self, millis: u64, status: RolloutStatus) -> Self {
        self.at(millis, Source::Rollouts, Event::Rollout(status))
    }

    /// An Application changed.
    #[must_use]
    pub fn application(self, millis: u64, sync: SyncStatus, health: HealthStatus, revision: &str) -> Self {
        let status = ApplicationStatus {
            application: "llama3".into(),
            sync,
            health,
            revision: revision.into(),
            operation: None,
            conditions: Vec::new(),
            resources: Vec::new(),
        };
        self.at(millis, Source::ArgoCd, Event::Application(status))
    }

    /// A metric of the analysis `run` was measured.
    #[must_use]
    pub fn measured(
        self,
        millis: u64,
        metric: &str,
        phase: AnalysisPhase,
        evidence: Option<QueryEvidence>,
    ) -> Self {
        self.at(millis, Source::Analysis, Event::Measurement(measurement(metric, phase, evidence)))
    }

    /// The analysis `run` changed its phase.
    #[must_use]
    pub fn analysis(self, millis: u64, phase: AnalysisPhase) -> Self {
        let status = AnalysisRunStatus {
            namespace: "ai".into(),
            name: "run".into(),
            rollout: "serving".into(),
            step: Some(2),
            phase,
            message: String::new(),
        };
        self.at(millis, Source::Analysis, Event::AnalysisRun(status))
    }

    /// Clients sent requests from `since` to `millis`.
    #[must_use]
    pub fn requests(self, since: u64, millis: u64, role: Role, model: &str, total: f64, slow: f64) -> Self {
        let requests = Requests {
            service: "serving".into(),
            owner: "serving".into(),
            role,
            model: model.into(),
            step: Some(1),
            since: Time::ZERO + Duration::from_millis(since),
            total,
            failed: 0.0,
            slow,
            wrong: 0.0,
            truncated: 0.0,
            hurt: slow,
        };
        self.at(millis, Source::Clients, Event::Requests(requests))
    }

    /// The run ends.
    pub fn ended(self, millis: u64, reason: EndReason) -> Timeline {
        let done = self.at(millis, Source::Rehearse, Event::RunEnded(RunEnded::because(reason)));
        Timeline { entries: done.entries }
    }

    /// The run ends because everything has settled.
    pub fn settled(self, millis: u64) -> Timeline {
        self.ended(millis, EndReason::Settled)
    }
}

/// A version of the Rollout `ai/serving` with one ready pod.
pub fn version(revision: u64, model: &str) -> RolloutVersion {
    RolloutVersion {
        revision,
        hash: format!("hash{revision}"),
        models: vec![model.into()],
        desired: 1,
        ready: 1,
        available: 1,
    }
}

/// The Rollout `ai/serving`, done and healthy with this stable version.
pub fn healthy(stable: RolloutVersion) -> RolloutStatus {
    RolloutStatus {
        namespace: "ai".into(),
        name: "serving".into(),
        phase: RolloutPhase::Healthy,
        message: String::new(),
        aborted: false,
        invalid: false,
        step: Some(4),
        steps: 4,
        step_text: String::new(),
        weight: 100,
        routes: Vec::new(),
        stable: Some(stable),
        canary: None,
    }
}

/// The Rollout `ai/serving` at a step of an update.
pub fn updating(stable: RolloutVersion, canary: RolloutVersion, step: u32) -> RolloutStatus {
    RolloutStatus {
        phase: RolloutPhase::Progressing,
        step: Some(step),
        step_text: format!("step text {step}"),
        weight: 10,
        canary: Some(canary),
        ..healthy(stable)
    }
}

/// The Rollout `ai/serving` after an abort.
pub fn aborted(stable: RolloutVersion, canary: RolloutVersion) -> RolloutStatus {
    RolloutStatus {
        phase: RolloutPhase::Degraded,
        message: "RolloutAborted: Rollout aborted update to revision 2".into(),
        aborted: true,
        weight: 0,
        ..updating(stable, canary, 0)
    }
}

/// A first measurement by the analysis `ai/run` of the Rollout `serving`.
pub fn measurement(metric: &str, phase: AnalysisPhase, evidence: Option<QueryEvidence>) -> Measurement {
    Measurement {
        namespace: "ai".into(),
        run: "run".into(),
        rollout: "serving".into(),
        step: Some(2),
        metric: metric.into(),
        number: 1,
        phase,
        value: "[0.87]".into(),
        message: String::new(),
        condition: "result < 0.5".into(),
        evidence,
        help: String::new(),
    }
}

/// What a query saw that looked back over a minute.
pub fn saw(series: u64, requests: f64) -> QueryEvidence {
    QueryEvidence { series, samples: series * 4, range_seconds: 60.0, requests }
}

/// A scenario of these `events:` and `expect:`, as YAML.
///
/// # Panics
/// Where the text is not a scenario.
pub fn scenario(events: &str, expect: &str) -> Scenario {
    let text = format!("name: test\nstory: A story.\nrepository: .\nevents: {events}\nexpect: {expect}\n");
    match Scenario::read("test.yaml", text.as_bytes()) {
        Ok(mut cases) => cases.remove(0),
        Err(problems) => panic!("{}", problems.iter().map(ToString::to_string).collect::<String>()),
    }
}
