//! The run of a slow model, by hand: merged, deployed, stopped by its gate, reverted.

use timeline::testing::{Recorder, saw, scenario};
use timeline::{
    AnalysisPhase, AnalysisRunStatus, ApplicationStatus, Commit, CommitReason, Event, HealthStatus,
    Measurement, NotSimulated, Operation, OperationPhase, PodPhase, PodStatus, Recorded, Requests,
    ResourceName, ResourceSynced, Role, RolloutPhase, RolloutStatus, RolloutVersion, Source, SyncOutcome,
    SyncStatus, Timeline,
};
use units::{Duration, Time};

const OLD: &str = "3.1-70b-instruct";
const NEW: &str = "3.2-70b-instruct";

const BEFORE: &str = "c0ffee0000000000000000000000000000000000";
const MERGED: &str = "b7f01c22d4000000000000000000000000000000";
const REVERTED: &str = "5ea1ed0000000000000000000000000000000000";

pub(crate) fn the_scenario() -> scenario::Scenario {
    let mut scenario = scenario(
        "[{ at: 2m, merge: { title: Update llama3 to 3.2-70b-instruct, write: { a.txt: b } } }, \
          { after: { rollout: model-serving, is: aborted }, wait: 3m, revert: last }]",
        "[{ rollout: model-serving, becomes: aborted, within: 8m, because: inference-latency }, \
          { rollout: model-serving, always: { stable: 3.1-70b-instruct } }, \
          { application: llama3-production, becomes: { sync: Synced, health: Healthy }, within: 10m, of: revert }, \
          { requests: { slow: < 2% } }, \
          { rollout: batch-serving, never: aborted }]",
    );
    scenario.name = "bad-model".into();
    scenario.story =
        "A slower revision is merged. Its p99 breaks 500 ms, the analysis fails, the canary aborts, \
                      stable keeps serving; a revert PR cleans up."
            .into();
    scenario
}

pub(crate) fn the_timeline() -> Timeline {
    let recorder = deployed(Recorder::new());
    let recorder = merged(recorder);
    let recorder = measured(recorder);
    reverted(recorder).settled(1_200_000)
}

fn deployed(recorder: Recorder) -> Recorder {
    let recorder = recorder
        .at(0, Source::Git, commit(BEFORE, CommitReason::Initial, "Initial"))
        .at(
            0,
            Source::Rehearse,
            Event::NotSimulated(NotSimulated {
                what: "spec.template.spec.topologySpreadConstraints".into(),
                place: "base/model-serving/rollout.yaml:31:7".into(),
                instead: "pods are placed on the node with the most free GPUs".into(),
            }),
        )
        .at(1_000, Source::ArgoCd, application(SyncStatus::OutOfSync, HealthStatus::Missing, BEFORE, None));
    let kinds = ["ConfigMap", "Service", "ServiceMonitor", "AnalysisTemplate", "Rollout"];
    let recorder = kinds.iter().fold(recorder, |recorder, kind| {
        recorder.at(1_200, Source::ArgoCd, synced(kind, SyncOutcome::Created))
    });
    let done = Some(OperationPhase::Succeeded);
    let recorder = recorder
        .at(1_500, Source::ArgoCd, application(SyncStatus::Synced, HealthStatus::Progressing, BEFORE, done))
        .at(
            2_000,
            Source::Rollouts,
            rollout(RolloutPhase::Progressing, 7, "", Some(version(1, "", 0)), None),
        );
    let recorder = (0..5).fold(recorder, |recorder, number| {
        let at = 40_000 + number * 3_000;
        recorder.at(at, Source::Kubernetes, pod(number, Role::Stable, PodPhase::Ready, OLD))
    });
    recorder
        .at(52_000, Source::Rollouts, rollout(RolloutPhase::Healthy, 7, "", Some(version(1, OLD, 5)), None))
        .at(52_000, Source::ArgoCd, application(SyncStatus::Synced, HealthStatus::Healthy, BEFORE, done))
        .at(120_000, Source::Clients, requests(Role::Stable, OLD, None, 52_000, 1_360.0, 3.0))
}

fn merged(recorder: Recorder) -> Recorder {
    let done = Some(OperationPhase::Succeeded);
    recorder
        .action(120_000, 0, "merge")
        .at(120_000, Source::Git, commit(MERGED, CommitReason::Merge, "Update llama3 to 3.2-70b-instruct"))
        .at(180_000, Source::ArgoCd, application(SyncStatus::OutOfSync, HealthStatus::Healthy, MERGED, done))
        .at(180_400, Source::ArgoCd, synced("ConfigMap", SyncOutcome::Configured))
        .at(180_400, Source::ArgoCd, synced("Rollout", SyncOutcome::Configured))
        .at(181_000, Source::ArgoCd, application(SyncStatus::Synced, HealthStatus::Progressing, MERGED, done))
        .at(181_000, Source::Rollouts, updating(0, "setWeight: 10", 0))
        .at(
            190_000,
            Source::Kubernetes,
            Event::Recorded(Recorded {
                resource: ResourceName {
                    kind: "Pod".into(),
                    namespace: "ai-inference".into(),
                    name: "model-serving-b-9".into(),
                },
                warning: true,
                reason: "Unhealthy".into(),
                message: "Readiness probe failed: HTTP probe failed with statuscode: 503".into(),
            }),
        )
        .at(220_000, Source::Kubernetes, pod(9, Role::Canary, PodPhase::Ready, NEW))
        .at(220_000, Source::Rollouts, updating(1, "pause: 5m", 1))
        .at(220_000, Source::Clients, requests(Role::Stable, OLD, Some(0), 120_000, 2_000.0, 4.0))
}

fn measured(recorder: Recorder) -> Recorder {
    let measurement = |metric: &str, value: &str, phase, condition: &str| {
        Event::Measurement(Measurement {
            namespace: "ai-inference".into(),
            run: "model-serving-b-2-2".into(),
            rollout: "model-serving".into(),
            step: Some(2),
            metric: metric.into(),
            number: 1,
            phase,
            value: value.into(),
            message: String::new(),
            condition: condition.into(),
            evidence: Some(saw(9, 200.0)),
            help: if metric == "error-rate" {
                "the query divides a counter by a counter that may be 0: guard it with `> 0`".into()
            } else {
                String::new()
            },
        })
    };
    let analysis = |phase, message: &str| {
        Event::AnalysisRun(AnalysisRunStatus {
            namespace: "ai-inference".into(),
            name: "model-serving-b-2-2".into(),
            rollout: "model-serving".into(),
            step: Some(2),
            phase,
            message: message.into(),
        })
    };
    let failed = AnalysisPhase::Failed;
    recorder
        .at(520_000, Source::Rollouts, updating(2, "analysis", 1))
        .at(520_000, Source::Clients, requests(Role::Stable, OLD, Some(1), 220_000, 4_800.0, 10.0))
        .at(520_000, Source::Clients, requests(Role::Canary, NEW, Some(1), 220_000, 1_200.0, 420.0))
        .at(520_000, Source::Analysis, analysis(AnalysisPhase::Running, ""))
        .at(520_100, Source::Analysis, measurement("inference-latency", "[0.874]", failed, "result[0] < 0.5"))
        .at(
            520_100,
            Source::Analysis,
            measurement("error-rate", "[0.001]", AnalysisPhase::Successful, "result[0] < 0.01"),
        )
        .at(
            520_200,
            Source::Analysis,
            analysis(
                failed,
                "Metric \"inference-latency\" assessed Failed due to failed (1) > failureLimit (0)",
            ),
        )
        .at(520_300, Source::Rollouts, aborted(1))
        .at(
            520_300,
            Source::ArgoCd,
            application(SyncStatus::Synced, HealthStatus::Degraded, MERGED, Some(OperationPhase::Succeeded)),
        )
        .at(550_000, Source::Rollouts, aborted(0))
        .at(550_000, Source::Clients, requests(Role::Canary, NEW, Some(0), 520_000, 120.0, 43.0))
}

fn reverted(recorder: Recorder) -> Recorder {
    let done = Some(OperationPhase::Succeeded);
    recorder
        .action(700_300, 1, "revert")
        .at(
            700_300,
            Source::Git,
            commit(REVERTED, CommitReason::Revert, "Revert \"Update llama3 to 3.2-70b-instruct\""),
        )
        .at(
            780_000,
            Source::ArgoCd,
            application(SyncStatus::OutOfSync, HealthStatus::Degraded, REVERTED, done),
        )
        .at(780_400, Source::ArgoCd, synced("ConfigMap", SyncOutcome::Configured))
        .at(780_400, Source::ArgoCd, synced("Rollout", SyncOutcome::Configured))
        .at(781_000, Source::Rollouts, rollout(RolloutPhase::Healthy, 7, "", Some(version(3, OLD, 5)), None))
        .at(781_000, Source::ArgoCd, application(SyncStatus::Synced, HealthStatus::Healthy, REVERTED, done))
        .at(1_200_000, Source::Clients, requests(Role::Stable, OLD, None, 550_000, 13_000.0, 30.0))
}

fn commit(id: &str, reason: CommitReason, title: &str) -> Event {
    Event::Commit(Commit {
        repository: "https://git.example/ai-deployments".into(),
        commit: id.into(),
        reason,
        title: title.into(),
        author: "Ada".into(),
        files: vec!["overlays/production/model-config.yaml".into()],
        reverts: None,
    })
}

fn application(
    sync: SyncStatus,
    health: HealthStatus,
    revision: &str,
    phase: Option<OperationPhase>,
) -> Event {
    Event::Application(ApplicationStatus {
        application: "llama3-production".into(),
        sync,
        health,
        revision: revision.into(),
        operation: phase.map(|phase| Operation {
            phase,
            message: "successfully synced".into(),
            revision: revision.into(),
            retries: 0,
            self_heal_attempts: 0,
        }),
        conditions: Vec::new(),
        resources: Vec::new(),
    })
}

fn synced(kind: &str, outcome: SyncOutcome) -> Event {
    Event::ResourceSynced(ResourceSynced {
        application: "llama3-production".into(),
        resource: ResourceName {
            kind: kind.into(),
            namespace: "ai-inference".into(),
            name: format!("model-{}", kind.to_lowercase()),
        },
        outcome,
        message: String::new(),
    })
}

fn version(revision: u64, model: &str, ready: u32) -> RolloutVersion {
    let models = if ready > 0 { vec![model.to_owned()] } else { Vec::new() };
    let hash = if model == NEW { "b" } else { "a" };
    RolloutVersion { revision, hash: hash.into(), models, desired: ready.max(1), ready, available: ready }
}

fn rollout(
    phase: RolloutPhase,
    step: u32,
    text: &str,
    stable: Option<RolloutVersion>,
    canary: Option<RolloutVersion>,
) -> Event {
    Event::Rollout(RolloutStatus {
        namespace: "ai-inference".into(),
        name: "model-serving".into(),
        phase,
        message: String::new(),
        aborted: false,
        invalid: false,
        step: Some(step),
        steps: 7,
        step_text: text.into(),
        weight: if canary.is_some() { 10 } else { 100 },
        routes: Vec::new(),
        stable,
        canary,
    })
}

fn updating(step: u32, text: &str, ready: u32) -> Event {
    let stable = version(1, OLD, 5 - ready);
    let phase = if step == 1 { RolloutPhase::Paused } else { RolloutPhase::Progressing };
    rollout(phase, step, text, Some(stable), Some(version(2, NEW, ready)))
}

fn aborted(ready: u32) -> Event {
    let Event::Rollout(status) = updating(0, "setWeight: 10", ready) else { unreachable!("it is a Rollout") };
    Event::Rollout(RolloutStatus {
        phase: RolloutPhase::Degraded,
        message: "RolloutAborted: Rollout aborted update to revision 2: Step-based analysis phase error/failed: Metric \
                  \"inference-latency\" assessed Failed due to failed (1) > failureLimit (0)"
            .into(),
        aborted: true,
        weight: 0,
        ..status
    })
}

fn pod(number: u64, role: Role, phase: PodPhase, model: &str) -> Event {
    Event::Pod(PodStatus {
        namespace: "ai-inference".into(),
        pod: format!("model-serving-{number}"),
        replica_set: "model-serving-a".into(),
        role,
        phase,
        model: Some(model.into()),
        reason: String::new(),
    })
}

fn requests(role: Role, model: &str, step: Option<u32>, since: u64, total: f64, slow: f64) -> Event {
    Event::Requests(Requests {
        service: "model-serving".into(),
        owner: "model-serving".into(),
        role,
        model: model.into(),
        step,
        since: Time::ZERO + Duration::from_millis(since),
        total,
        failed: 0.0,
        slow,
        wrong: 0.0,
        truncated: 0.0,
        hurt: slow,
    })
}
