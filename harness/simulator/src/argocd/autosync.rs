//! Whether a comparison starts a sync by itself (argo-cd controller/appcontroller.go: autoSync).

use manifests::objects::application::{ApplicationSource, ApplicationSpec, Automated, Retry};
use planted::Bug;
use timeline::{OperationPhase, SyncStatus};
use units::{Duration, Time};

use super::status::{ApplicationStatus, Operation, OperationState, ResourceStatus, SelectedResource};

/// The first wait between two self-heals of one commit, its factor, its longest.
const HEAL_BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(2), factor: 3, longest: Duration::from_secs(300) };

/// After how long without a heal the count begins anew.
const HEAL_COOLDOWN: Duration = Duration::from_secs(330);

/// How often a failed sync is retried where the spec does not say.
const RETRY_LIMIT: i64 = 5;

/// Waits that grow (k8s.io/apimachinery util/wait: Backoff).
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    first: Duration,
    factor: u64,
    longest: Duration,
}

impl Backoff {
    /// The wait before attempt number `attempt`; none before the first, number 0.
    fn wait(self, attempt: u32) -> Duration {
        match attempt.min(64) {
            _ if planted::is(Bug::HealWithoutBackoff) => Duration::ZERO,
            0 => Duration::ZERO,
            // The product is cut at each step, so that it cannot overflow.
            attempt => (1..attempt).fold(self.first, |wait, _| (wait * self.factor).min(self.longest)),
        }
    }
}

/// What a comparison leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// Nothing is to be done.
    Nothing,
    /// Something is to be done and is not: condition SyncError.
    Refused(String),
    /// A self-heal has to wait.
    HealAfter(Duration),
    /// A sync starts.
    Start(Box<Operation>),
}

/// What a decision rests on.
pub(super) struct Situation<'s> {
    pub(super) spec: &'s ApplicationSpec,
    pub(super) status: &'s ApplicationStatus,
    pub(super) source: &'s ApplicationSource,
    pub(super) sync: SyncStatus,
    pub(super) revision: &'s str,
    /// Whether the commit may change anything for the Application.
    pub(super) may_have_changed: bool,
    pub(super) resources: &'s [ResourceStatus],
    pub(super) now: Time,
}

/// Decides whether to sync.
pub(super) fn decide(situation: &Situation<'_>) -> Decision {
    let Situation { spec, status, resources, .. } = situation;
    let Some(automated) = spec.sync_policy.automated() else { return Decision::Nothing };
    if status.operation.is_some() || situation.sync != SyncStatus::OutOfSync {
        return Decision::Nothing;
    }
    let differs = |resource: &&ResourceStatus| resource.sync != SyncStatus::Synced;
    if !automated.prune && resources.iter().filter(differs).all(|resource| resource.requires_pruning) {
        return Decision::Nothing;
    }
    let mut operation = ordinary(situation, automated);
    if let Some((state, attempted)) = already_attempted(situation) {
        if state.phase != OperationPhase::Succeeded && !planted::is(Bug::FailedSyncRetried) {
            return Decision::Refused(format!(
                "Failed last sync attempt to [{attempted}]: {}",
                state.message
            ));
        }
        if !automated.self_heal {
            return Decision::Nothing;
        }
        let attempts = attempts_so_far(state, situation.now);
        let wait = heal_wait(HEAL_BACKOFF, attempts, state.finished_at, situation.now);
        if wait > Duration::ZERO {
            return Decision::HealAfter(wait);
        }
        operation.self_heal_attempts = attempts + 1;
        operation.resources = resources.iter().filter(differs).map(selected).collect();
    }
    if automated.prune && !automated.allow_empty && resources.iter().all(|resource| resource.requires_pruning)
    {
        let revision = situation.revision;
        return Decision::Refused(format!(
            "Skipping sync attempt to [{revision}]: auto-sync will wipe out all resources"
        ));
    }
    Decision::Start(Box::new(operation))
}

fn ordinary(situation: &Situation<'_>, automated: Automated) -> Operation {
    let policy = &situation.spec.sync_policy;
    Operation {
        revision: situation.revision.to_owned(),
        source: situation.source.clone(),
        prune: automated.prune,
        options: policy.sync_options.clone(),
        retry: policy.retry.clone().unwrap_or(Retry { limit: RETRY_LIMIT, ..Retry::default() }),
        automated: true,
        resources: Vec::new(),
        self_heal_attempts: 0,
    }
}

fn selected(resource: &ResourceStatus) -> SelectedResource {
    let key = &resource.key;
    SelectedResource { group: key.group.clone(), kind: key.kind.clone(), name: key.name.clone() }
}

/// The latest operation and its commit, if it was for the commit and source at hand, or the commit
/// changes nothing for the Application (`alreadyAttemptedSync`). One that ended without a result
/// counts as such.
fn already_attempted<'s>(situation: &'s Situation<'_>) -> Option<(&'s OperationState, &'s str)> {
    let state = situation.status.operation_state.as_ref()?;
    match &state.sync_result {
        None => state.is_complete().then_some((state, "")),
        Some(result) => {
            let same_commit = result.revision == situation.revision || !situation.may_have_changed;
            let same = same_commit && result.source == *situation.source;
            same.then_some((state, result.revision.as_str()))
        }
    }
}

/// The self-heals of this commit so far; forgotten after a quiet while (`selfHealBackoffCooldownElapsed`).
fn attempts_so_far(state: &OperationState, now: Time) -> u32 {
    let cooled_down = match state.finished_at {
        None => true,
        Some(finished) => now.since(finished) >= HEAL_COOLDOWN && state.phase == OperationPhase::Succeeded,
    };
    if cooled_down { 0 } else { state.operation.self_heal_attempts }
}

/// How long the next self-heal has to wait (`selfHealRemainingBackoff`).
pub(super) fn heal_wait(backoff: Backoff, attempts: u32, finished_at: Option<Time>, now: Time) -> Duration {
    let elapsed = finished_at.map_or(Duration::ZERO, |finished| now.since(finished));
    backoff.wait(attempts).saturating_sub(elapsed)
}

#[cfg(test)]
mod tests {
    use manifests::objects::ObjectKey;

    use super::super::status::SyncResult;
    use super::*;

    /// Upstream's own table (TestSelfHealRemainingBackoff), with its cap of two minutes.
    #[test]
    fn the_wait_before_a_self_heal_grows_and_counts_from_the_last_one() {
        let backoff = Backoff { first: Duration::from_secs(2), factor: 3, longest: Duration::from_secs(120) };
        let now = Time::from_secs(1000);
        let table = [
            (0, Some(now), 0),
            (1, Some(now), 2),
            (2, Some(now), 6),
            (3, None, 18),
            (4, None, 54),
            (5, None, 120),
            (6, None, 120),
            (6, Some(now), 120),
            (40, Some(Time::from_secs(940)), 60),
        ];
        for (attempts, finished_at, expected) in table {
            assert_eq!(
                heal_wait(backoff, attempts, finished_at, now),
                Duration::from_secs(expected),
                "{attempts}"
            );
        }
    }

    #[test]
    fn the_default_waits_are_those_of_the_controller() {
        let waits: Vec<u64> = (0..9).map(|attempt| HEAL_BACKOFF.wait(attempt).as_secs()).collect();
        assert_eq!(waits, [0, 2, 6, 18, 54, 162, 300, 300, 300]);
    }

    fn spec(policy: &str) -> ApplicationSpec {
        let text = format!("project: p\ndestination: {{}}\nsyncPolicy: {policy}\n");
        yaml::decode(&yaml::parse_one("app.yaml", text.as_bytes()).unwrap()).unwrap()
    }

    fn resource(name: &str, sync: SyncStatus, requires_pruning: bool) -> ResourceStatus {
        let key = ObjectKey::new("", "ConfigMap", Some("ai"), name);
        ResourceStatus { key, sync, requires_pruning, health: None }
    }

    /// The state after an operation for commit `c1` that ended at 100 s.
    fn after(phase: OperationPhase, self_heal_attempts: u32) -> ApplicationStatus {
        let operation = Operation {
            self_heal_attempts,
            ..ordinary(&situation(&spec("{}"), &ApplicationStatus::default(), &[]), Automated::default())
        };
        let state = OperationState {
            phase,
            message: "because".to_owned(),
            finished_at: Some(Time::from_secs(100)),
            sync_result: Some(SyncResult {
                revision: "c1".to_owned(),
                source: ApplicationSource::default(),
                resources: vec![],
            }),
            ..OperationState::new(operation, Time::from_secs(99))
        };
        ApplicationStatus { operation_state: Some(state), ..ApplicationStatus::default() }
    }

    fn situation<'s>(
        spec: &'s ApplicationSpec,
        status: &'s ApplicationStatus,
        resources: &'s [ResourceStatus],
    ) -> Situation<'s> {
        static SOURCE: ApplicationSource = ApplicationSource {
            repo_url: String::new(),
            target_revision: String::new(),
            path: String::new(),
        };
        let now = Time::from_secs(100);
        Situation {
            spec,
            status,
            source: &SOURCE,
            sync: SyncStatus::OutOfSync,
            revision: "c1",
            may_have_changed: true,
            resources,
            now,
        }
    }

    const PRUNE_AND_HEAL: &str = "{automated: {prune: true, selfHeal: true}}";

    #[test]
    fn nothing_starts_without_a_policy_while_an_operation_runs_or_unless_out_of_sync() {
        let resources = [resource("a", SyncStatus::OutOfSync, false)];
        let idle = ApplicationStatus::default();
        let manual = spec("{}");
        let off = spec("{automated: {enabled: false}}");
        for spec in [&manual, &off] {
            assert_eq!(decide(&situation(spec, &idle, &resources)), Decision::Nothing);
        }
        let spec = spec(PRUNE_AND_HEAL);
        for sync in [SyncStatus::Synced, SyncStatus::Unknown] {
            assert_eq!(decide(&Situation { sync, ..situation(&spec, &idle, &resources) }), Decision::Nothing);
        }
        let busy = ApplicationStatus {
            operation: after(OperationPhase::Running, 0).operation_state.map(|state| state.operation),
            ..idle
        };
        assert_eq!(decide(&situation(&spec, &busy, &resources)), Decision::Nothing);
    }

    #[test]
    fn a_new_commit_starts_an_ordinary_sync_with_five_retries_by_default() {
        let (spec, status) = (spec("{automated: {}}"), after(OperationPhase::Failed, 3));
        let resources = [resource("a", SyncStatus::OutOfSync, false)];
        let Decision::Start(operation) =
            decide(&Situation { revision: "c2", ..situation(&spec, &status, &resources) })
        else {
            panic!("a sync must start");
        };
        assert_eq!(
            (operation.revision.as_str(), operation.retry.limit, operation.self_heal_attempts),
            ("c2", 5, 0)
        );
        assert!(operation.resources.is_empty() && operation.automated);
    }

    #[test]
    fn a_commit_that_failed_is_not_tried_again_even_with_self_heal() {
        let (spec, status) = (spec(PRUNE_AND_HEAL), after(OperationPhase::Failed, 0));
        let resources = [resource("a", SyncStatus::OutOfSync, false)];
        let refused = Decision::Refused("Failed last sync attempt to [c1]: because".to_owned());
        assert_eq!(decide(&situation(&spec, &status, &resources)), refused);
        let elsewhere =
            Situation { revision: "c2", may_have_changed: false, ..situation(&spec, &status, &resources) };
        assert_eq!(decide(&elsewhere), refused, "a commit that changes nothing here is the same attempt");
    }

    #[test]
    fn drift_is_healed_partially_and_with_growing_waits() {
        let spec = spec(PRUNE_AND_HEAL);
        let resources =
            [resource("a", SyncStatus::OutOfSync, false), resource("b", SyncStatus::Synced, false)];
        let status = after(OperationPhase::Succeeded, 0);
        let Decision::Start(operation) = decide(&situation(&spec, &status, &resources)) else {
            panic!("a heal must start")
        };
        assert_eq!(operation.self_heal_attempts, 1);
        assert_eq!(operation.resources.len(), 1);
        let status = after(OperationPhase::Succeeded, 2);
        assert_eq!(
            decide(&situation(&spec, &status, &resources)),
            Decision::HealAfter(Duration::from_secs(6))
        );
        let later = Situation { now: Time::from_secs(430), ..situation(&spec, &status, &resources) };
        assert!(matches!(decide(&later), Decision::Start(operation) if operation.self_heal_attempts == 1));
    }

    #[test]
    fn drift_stays_without_self_heal() {
        let (spec, status) = (spec("{automated: {prune: true}}"), after(OperationPhase::Succeeded, 0));
        let resources = [resource("a", SyncStatus::OutOfSync, false)];
        assert_eq!(decide(&situation(&spec, &status, &resources)), Decision::Nothing);
    }

    #[test]
    fn pruning_needs_the_policy_and_never_deletes_everything_unasked() {
        let resources = [resource("a", SyncStatus::OutOfSync, true)];
        let status = ApplicationStatus::default();
        assert_eq!(decide(&situation(&spec("{automated: {}}"), &status, &resources)), Decision::Nothing);
        let message = "Skipping sync attempt to [c1]: auto-sync will wipe out all resources".to_owned();
        assert_eq!(
            decide(&situation(&spec(PRUNE_AND_HEAL), &status, &resources)),
            Decision::Refused(message)
        );
        let empty = spec("{automated: {prune: true, allowEmpty: true}}");
        assert!(matches!(decide(&situation(&empty, &status, &resources)), Decision::Start(_)));
    }
}
