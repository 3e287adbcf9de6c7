//! The beginning of a pass: what there is, whether the spec is valid, and the ReplicaSet of the wanted
//! template (argo-rollouts v1.10.1 `rollout/controller.go: newRolloutContext`).

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::objects::analysis::AnalysisTemplate;
use manifests::objects::{self, InvalidSpec, ObjectKey, PodTemplate, References, Rollout, Service};
use timeline::Source;
use units::Duration;
use yaml::Problem;

use super::pass::{Pass, phase_and_message, set_revision, write};
use super::pause::PauseContext;
use super::retry::Failure;
use super::sets::{self, Set};
use super::status::{Condition, ConditionKind, ConditionStatus, Reason, RolloutState};
use super::{HASH_LABEL, ephemeral, experiments, retry, undo, workload};
use crate::api::{Body, ObjectId};
use crate::kubernetes::ReplicaSet;
use crate::{Task, World};

/// How long upstream waits before it looks again for a workload that is not there.
const WORKLOAD_RETRY: Duration = Duration::from_secs(20);

/// Everything that a pass starts from; `None` where the pass ends here: no workload, or a ReplicaSet that was just made.
///
/// # Errors
/// An invalid spec.
pub(super) fn begin(world: &mut World<'_>, id: ObjectId) -> Result<Option<Pass>, Failure> {
    let object = world.api.get(id);
    let Body::Rollout(spec, state) = &object.body else { return Ok(None) };
    let (spec, state) = (Arc::clone(spec), (**state).clone());
    let namespace: Arc<str> = object.key.namespace.clone().unwrap_or_default();
    if let Some(message) = workload::not_simulated(&spec) {
        let manifest = object.manifest.as_deref();
        let reference = manifest.and_then(|manifest| manifest.at(&["spec", "workloadRef"]));
        let problem =
            reference.map_or_else(|| Problem::new(message.as_str()), |node| node.problem(message.as_str()));
        world.fail(problem.with_help("only Deployments are followed; write the template into the Rollout"));
        return Ok(None);
    }
    let (rollout, workload_generation) = match workload::resolve(world, &spec, &namespace) {
        Ok(resolved) => resolved,
        Err(error) => {
            let message = format!("The Rollout \"{}\" is invalid: {error}", spec.metadata.name);
            refuse(world, id, &spec, &state, &message);
            let again = world.now() + WORKLOAD_RETRY;
            world.kernel.requeue_at(again, Task::Rollout(id));
            return Ok(None);
        }
    };
    if let Err(invalid) = validate(world, id, &spec, &rollout, &namespace) {
        refuse(world, id, &rollout, &state, &invalid.message);
        return Err(Failure::Refused);
    }
    let sets = sets::of(world, id);
    let hash = pod_hash(&rollout.spec.template);
    let found = sets.iter().position(|set| *set.hash == *hash);
    let Some(new) = found.or_else(|| undo::find_by_content(world, id, &sets)) else {
        create_set(world, id, &rollout, &state, &namespace, &sets);
        return Ok(None);
    };
    let stable = state.stable_rs.as_ref().and_then(|hash| sets.iter().position(|set| set.hash == *hash));
    let (experiment, other_experiments) = experiments::of(world, id, state.current_experiment.as_ref());
    let object = world.api.get(id);
    let now = world.now();
    let mut pass = Pass {
        id,
        name: Arc::clone(&object.key.name),
        namespace,
        template_hash: hash.into(),
        generation: object.generation,
        workload_generation,
        now,
        outdated: Vec::new(),
        was_waiting: sets[new].deadline.is_some_and(|deadline| deadline > now),
        sets,
        new,
        stable,
        pauses: PauseContext::default(),
        restarted_at: state.restarted_at.clone(),
        step_run: None,
        background_run: None,
        experiment,
        other_experiments,
        current_experiment: None,
        weights: state.weights.clone(),
        shares: state.shares.clone(),
        routes: state.routes.clone(),
        plugins: None,
        plugin_error: false,
        before: state,
        rollout,
    };
    if pass.before.is_fully_promoted() && pass.pauses.is_aborted(&pass.before) {
        // Nothing is left to be aborted.
        pass.pauses.remove_abort();
    }
    Ok(Some(pass))
}

/// What the controller remembers outside of its objects.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The Rollouts that were found valid last, each as it was written, with the count of written manifests then.
    valid: BTreeMap<ObjectId, (Arc<Rollout>, u64)>,
    pub(super) retries: retry::Retries,
}

/// Whether a Rollout as it was `written` and then `resolved` is valid together with what it refers to:
/// nothing else but manifests decides that.
fn validate(
    world: &mut World<'_>,
    id: ObjectId,
    written: &Arc<Rollout>,
    resolved: &Rollout,
    namespace: &str,
) -> Result<(), InvalidSpec> {
    let manifests = world.api.manifests();
    let valid = world.rollouts.valid.get(&id);
    if valid.is_some_and(|(rollout, then)| Arc::ptr_eq(rollout, written) && *then == manifests) {
        return Ok(());
    }
    resolved.validate()?;
    resolved.validate_references(&InNamespace { world, namespace })?;
    world.rollouts.valid.insert(id, (Arc::clone(written), manifests));
    Ok(())
}

/// The hash of a template as a Rollout names it (`utils/hash/hash.go: ComputePodTemplateHash`). It is
/// not the one that a Deployment gives to the same template, so that a Rollout and the Deployment that it
/// refers to can have the same name.
pub(crate) fn pod_hash(template: &PodTemplate) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = format!("rollouts/{}", template.hash);
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// Notes that the spec is invalid (`createInvalidRolloutCondition`): nothing else happens until it is not.
fn refuse(world: &mut World<'_>, id: ObjectId, rollout: &Rollout, state: &RolloutState, message: &str) {
    let mut next = state.clone();
    let present = state.condition(ConditionKind::InvalidSpec);
    if present.is_some_and(|condition| condition.message != message) {
        next.remove_condition(ConditionKind::InvalidSpec);
    }
    let (kind, reason) = (ConditionKind::InvalidSpec, Reason::InvalidSpec);
    next.set_condition(Condition::new(kind, ConditionStatus::True, reason, message, world.now()));
    next.observed_generation = world.api.get(id).generation;
    (next.phase, next.message) = phase_and_message(rollout, &next);
    if next != *state {
        write(world, id, next);
    }
}

/// Makes the ReplicaSet of the wanted template, without pods (`createDesiredReplicaSet`).
fn create_set(
    world: &mut World<'_>,
    id: ObjectId,
    rollout: &Rollout,
    state: &RolloutState,
    namespace: &str,
    sets: &[Set],
) {
    let (for_new, for_stable) = ephemeral::wanted(rollout);
    let has_stable = sets.iter().any(|set| state.stable_rs.as_ref() == Some(&set.hash));
    let metadata = if has_stable { for_new } else { for_stable };
    let revision = sets.iter().map(|set| set.revision).max().unwrap_or(0) + 1;
    let hash = pod_hash(&rollout.spec.template);
    let template = Arc::new(rollout.spec.template.clone());
    let mut set = ReplicaSet::new(template, hash.clone(), HASH_LABEL, rollout.spec.min_ready());
    set.noted.revision = revision;
    set.noted.desired_replicas = Some(rollout.spec.replicas());
    set.noted.made_from.clone_from(&world.api.get(workload::template_owner(world, id)).manifest);
    ephemeral::inject(&mut set, metadata);
    let mut labels = rollout.spec.template.metadata.labels.clone();
    labels.insert(HASH_LABEL.to_owned(), hash.clone());
    let name = format!("{}-{hash}", world.api.get(id).key.name);
    let key = ObjectKey::new("apps", "ReplicaSet", Some(namespace), &name);
    if world.api.find(&key).is_some() {
        let message = format!(
            "Failed to create new replica set \"{name}\": replicasets.apps \"{name}\" already exists"
        );
        world.record(Source::Rollouts, id, true, "ReplicaSetCreateError", message);
        return;
    }
    let now = world.now();
    let set_id = world.api.create(key, Some(id), Body::ReplicaSet(set), now);
    world.api.update_metadata(set_id, |object| {
        object.annotations.insert(super::REVISION.to_owned(), revision.to_string());
        object.labels = labels;
    });
    if state.revision != revision {
        set_revision(world, id, revision);
    }
    let message = format!("Created ReplicaSet {name} (revision {revision})");
    world.record(Source::Rollouts, id, false, "NewReplicaSetCreated", message);
    let mut next = RolloutState { revision, ..state.clone() };
    let message = format!("Created new replica set \"{name}\"");
    let (kind, reason) = (ConditionKind::Progressing, Reason::NewReplicaSetCreated);
    next.set_condition(Condition::new(kind, ConditionStatus::True, reason, message, now));
    write(world, id, next);
}

/// What a Rollout's references lead to.
pub(crate) struct InNamespace<'a, 'w> {
    pub(crate) world: &'a World<'w>,
    pub(crate) namespace: &'a str,
}

impl InNamespace<'_, '_> {
    fn find(&self, group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<&objects::Object> {
        self.world.api.named(group, kind, namespace, name)?.plain()
    }
}

impl References for InNamespace<'_, '_> {
    fn analysis_template(&self, name: &str) -> Option<Arc<AnalysisTemplate>> {
        match self.find("argoproj.io", "AnalysisTemplate", Some(self.namespace), name)? {
            objects::Object::AnalysisTemplate(template) => Some(Arc::clone(template)),
            _ => None,
        }
    }

    fn cluster_analysis_template(&self, name: &str) -> Option<Arc<AnalysisTemplate>> {
        match self.find("argoproj.io", "ClusterAnalysisTemplate", None, name)? {
            objects::Object::ClusterAnalysisTemplate(template) => Some(Arc::clone(template)),
            _ => None,
        }
    }

    fn service(&self, name: &str) -> Option<Arc<Service>> {
        match self.find("", "Service", Some(self.namespace), name)? {
            objects::Object::Service(service) => Some(Arc::clone(service)),
            _ => None,
        }
    }
}
