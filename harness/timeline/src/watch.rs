use indexmap::IndexMap;
use scenario::{
    ApplicationState, HealthWord, OperationWord, ResourceRef, ResourceState, RolloutState, RolloutWord,
    State, SyncWord,
};

use crate::alerts::Alerts;
use crate::{
    ApplicationStatus, Entry, Event, HealthStatus, OperationPhase, ResourceName, ResourceWritten,
    RolloutPhase, RolloutStatus, RolloutVersion, SyncStatus,
};

/// Whether a state holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It cannot be said: no container runs whose model could be compared.
    Undefined,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// Follows one state through a run, entry by entry, so that engines (`after:`) and the judge mean the
/// same by it.
///
/// `promoted` is about a new version: it holds when the Rollout is healthy, done with its steps and
/// trusts another version than when the first action was performed (for the judge: than at the claim's
/// anchor). The first version that a Rollout ever trusts runs no steps and is not promoted.
#[derive(Debug, Clone)]
pub struct Watch {
    state: State,
    /// The hash that the Rollout trusts now.
    stable: Option<String>,
    /// The hash that it trusted when counting began, or the first one after that.
    trusted: Option<String>,
    acted: bool,
    held: bool,
    /// The resources that the state may speak of and that exist, the latest written last, and whether
    /// each matches.
    live: IndexMap<ResourceName, bool>,
    commit: CommitOfAction,
    alerts: Alerts,
}

impl Watch {
    /// A watch that has seen nothing yet; it is shown every entry of a run in turn.
    pub fn new(state: &State) -> Self {
        let action = match state {
            State::Application(_, wanted) => wanted.revision.clone(),
            State::Rollout(..) | State::Resource(..) | State::Alert(..) => None,
        };
        Self {
            state: state.clone(),
            stable: None,
            trusted: None,
            acted: false,
            held: false,
            live: IndexMap::new(),
            commit: CommitOfAction { action, ..CommitOfAction::default() },
            alerts: Alerts::default(),
        }
    }

    /// Whether the state is entered by this entry: it holds now and did not before.
    pub fn entered(&mut self, entry: &Entry) -> bool {
        if matches!(entry.event, Event::ActionPerformed(_)) && !self.acted {
            self.acted = true;
            self.count_from_here();
        }
        match self.observe(entry) {
            Some(Holds::Yes) => !std::mem::replace(&mut self.held, true),
            Some(Holds::No | Holds::Undefined) => {
                self.held = false;
                false
            }
            None => false,
        }
    }

    /// What the entry says about the state; `None` where it is about something else.
    pub(crate) fn observe(&mut self, entry: &Entry) -> Option<Holds> {
        self.commit.observe(entry);
        match (&self.state, &entry.event) {
            (State::Rollout(name, wanted), Event::Rollout(status))
                if is_named(name, &status.namespace, &status.name) =>
            {
                self.stable = status.stable.as_ref().map(|version| version.hash.clone());
                if self.trusted.is_none() {
                    self.trusted.clone_from(&self.stable);
                }
                Some(rollout_holds(wanted, status, self.trusted.as_deref()))
            }
            (State::Application(name, wanted), Event::Application(status)) if *name == status.application => {
                Some(application_holds(wanted, status, self.commit.commit.as_deref()))
            }
            (State::Resource(resource, wanted), Event::Resource(written))
                if refers_to(resource, &written.resource) =>
            {
                self.write(&wanted.clone(), written)
            }
            (State::Alert(alert, wanted), Event::Rules(status)) => {
                self.alerts.load(alert, status).then(|| self.alerts.holds(*wanted))
            }
            (State::Alert(alert, wanted), Event::Alert(status)) => {
                self.alerts.change(alert, status).then(|| self.alerts.holds(*wanted))
            }
            (State::Rollout(..) | State::Application(..) | State::Resource(..) | State::Alert(..), _) => None,
        }
    }

    /// From here on `promoted` means a version other than the one trusted now.
    pub(crate) fn count_from_here(&mut self) {
        self.trusted.clone_from(&self.stable);
    }

    fn write(&mut self, wanted: &ResourceState, written: &ResourceWritten) -> Option<Holds> {
        self.live.shift_remove(&written.resource);
        if let Some(object) = &written.object {
            let matches = match wanted {
                ResourceState::Matches(node) => crate::matching::difference(node, object).is_none(),
                ResourceState::Exists | ResourceState::Absent => true,
            };
            self.live.insert(written.resource.clone(), matches);
        }
        Some(match wanted {
            ResourceState::Exists => Holds::from(!self.live.is_empty()),
            ResourceState::Absent => Holds::from(self.live.is_empty()),
            ResourceState::Matches(_) => Holds::from(self.live.last().is_some_and(|(_, matches)| *matches)),
        })
    }
}

/// The commit that an action made: the one at the instant of the action.
#[derive(Debug, Clone, Default)]
struct CommitOfAction {
    /// The action, by `id` or by kind.
    action: Option<String>,
    performed: Option<units::Time>,
    latest: Option<(units::Time, String)>,
    commit: Option<String>,
}

impl CommitOfAction {
    fn observe(&mut self, entry: &Entry) {
        let Some(action) = &self.action else { return };
        match &entry.event {
            Event::ActionPerformed(performed)
                if self.performed.is_none()
                    && (performed.id.as_ref() == Some(action) || performed.action == *action) =>
            {
                self.performed = Some(entry.at);
            }
            Event::Commit(commit) => self.latest = Some((entry.at, commit.commit.clone())),
            Event::RunStarted(_)
            | Event::ClockStarted(_)
            | Event::ActionPerformed(_)
            | Event::Application(_)
            | Event::ResourceSynced(_)
            | Event::Rollout(_)
            | Event::Scaled(_)
            | Event::Pod(_)
            | Event::AnalysisRun(_)
            | Event::Measurement(_)
            | Event::Rules(_)
            | Event::Alert(_)
            | Event::Recorded(_)
            | Event::Requests(_)
            | Event::Resource(_)
            | Event::NotSimulated(_)
            | Event::RunEnded(_) => {}
        }
        if let (None, Some(at), Some((made, commit))) = (&self.commit, self.performed, &self.latest)
            && at == *made
        {
            self.commit = Some(commit.clone());
        }
    }
}

/// Whether `reference`, a `name` or `namespace/name`, names this object.
pub(crate) fn is_named(reference: &str, namespace: &str, name: &str) -> bool {
    match reference.split_once('/') {
        Some((wanted_namespace, wanted_name)) => wanted_namespace == namespace && wanted_name == name,
        None => reference == name,
    }
}

/// Whether `reference` may stand for this resource.
pub(crate) fn refers_to(reference: &ResourceRef, resource: &ResourceName) -> bool {
    let named = match reference.name.strip_suffix('*') {
        Some(beginning) => resource.name.starts_with(beginning),
        None => resource.name == reference.name,
    };
    named
        && reference.kind == resource.kind
        && reference.namespace.as_ref().is_none_or(|namespace| *namespace == resource.namespace)
}

fn rollout_holds(wanted: &RolloutState, status: &RolloutStatus, trusted: Option<&str>) -> Holds {
    let ready = |version: &Option<RolloutVersion>| version.as_ref().map_or(0, |version| version.ready);
    all([
        wanted.is.map(|word| is_word(word, status, trusted).into()),
        wanted.step.map(|step| (status.step == Some(step)).into()),
        wanted.weight.map(|weight| (status.weight == weight).into()),
        wanted.stable.as_deref().map(|model| runs_only(model, status.stable.as_ref())),
        wanted.canary.as_deref().map(|model| runs_only(model, status.canary.as_ref())),
        wanted.canary_pods.map(|pods| (ready(&status.canary) == pods).into()),
        wanted.stable_pods.map(|pods| (ready(&status.stable) == pods).into()),
        wanted.message.as_deref().map(|part| status.message.contains(part).into()),
    ])
}

fn is_word(word: RolloutWord, status: &RolloutStatus, trusted: Option<&str>) -> bool {
    match word {
        RolloutWord::Aborted => status.aborted,
        RolloutWord::Promoted => {
            status.promoted() && status.stable.as_ref().map(|version| version.hash.as_str()) != trusted
        }
        RolloutWord::Updating => status.stable.is_some() && status.canary.is_some() && !status.aborted,
        RolloutWord::Healthy => status.phase == RolloutPhase::Healthy,
        RolloutWord::Degraded => status.phase == RolloutPhase::Degraded,
        RolloutWord::Progressing => status.phase == RolloutPhase::Progressing,
        RolloutWord::Paused => status.phase == RolloutPhase::Paused,
        RolloutWord::Invalid => status.invalid,
    }
}

fn runs_only(model: &str, version: Option<&RolloutVersion>) -> Holds {
    match version.map_or(&[][..], |version| &version.models[..]) {
        [] => Holds::Undefined,
        models => Holds::from(models.iter().all(|running| running == model)),
    }
}

fn application_holds(wanted: &ApplicationState, status: &ApplicationStatus, commit: Option<&str>) -> Holds {
    let has = |part: &str| {
        let operation = status.operation.iter().map(|operation| &operation.message);
        status.conditions.iter().chain(operation).any(|message| message.contains(part))
    };
    all([
        wanted.sync.map(|word| (sync_status(word) == status.sync).into()),
        wanted.health.map(|word| (health_status(word) == status.health).into()),
        wanted.operation.map(|word| {
            let phase = status.operation.as_ref().map(|operation| operation.phase);
            (phase == Some(operation_phase(word))).into()
        }),
        wanted.message.as_deref().map(|part| has(part).into()),
        wanted.revision.as_ref().map(|_| (commit == Some(status.revision.as_str())).into()),
    ])
}

fn sync_status(word: SyncWord) -> SyncStatus {
    match word {
        SyncWord::Synced => SyncStatus::Synced,
        SyncWord::OutOfSync => SyncStatus::OutOfSync,
        SyncWord::Unknown => SyncStatus::Unknown,
    }
}

fn health_status(word: HealthWord) -> HealthStatus {
    match word {
        HealthWord::Healthy => HealthStatus::Healthy,
        HealthWord::Suspended => HealthStatus::Suspended,
        HealthWord::Progressing => HealthStatus::Progressing,
        HealthWord::Missing => HealthStatus::Missing,
        HealthWord::Degraded => HealthStatus::Degraded,
        HealthWord::Unknown => HealthStatus::Unknown,
    }
}

fn operation_phase(word: OperationWord) -> OperationPhase {
    match word {
        OperationWord::Running => OperationPhase::Running,
        OperationWord::Succeeded => OperationPhase::Succeeded,
        OperationWord::Failed => OperationPhase::Failed,
        OperationWord::Error => OperationPhase::Error,
    }
}

/// All parts that are asked for: one that fails decides, then one that is undefined.
fn all<const N: usize>(parts: [Option<Holds>; N]) -> Holds {
    let asked = || parts.iter().flatten();
    if asked().any(|part| *part == Holds::No) {
        Holds::No
    } else if asked().any(|part| *part == Holds::Undefined) {
        Holds::Undefined
    } else {
        Holds::Yes
    }
}
