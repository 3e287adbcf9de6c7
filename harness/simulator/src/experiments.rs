//! Argo Rollouts' experiment controller, v1.10.1: ReplicaSets beside a Rollout's for a while, and the
//! analyses that judge them (`experiments/experiment.go`).
//!
//! [`reconcile`] is one pass. Deviation: the conditions of an Experiment are not kept, nothing reads them.

use std::sync::Arc;

use manifests::objects::PodTemplate;
use manifests::objects::analysis::{Argument, DryRun, TemplateReference};
use timeline::{AnalysisPhase, Source};
use units::{Duration, Time};

use crate::analysis::badness;
use crate::api::{Body, ObjectId};
use crate::rollouts::Hash;
use crate::{Task, World};

mod runs;
mod templates;

#[cfg(feature = "conformance")]
pub(crate) use runs::{KnownSet, resolve_value};

/// `argoproj.io/Experiment`, as a Rollout's step makes it.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The Rollout that made it.
    pub rollout: Arc<str>,
    /// The hash of the Rollout's wanted template.
    pub hash: Hash,
    /// The step that it decides.
    pub step: u32,
    /// What it does.
    pub spec: ExperimentSpec,
    /// Whether it was told to end.
    pub terminate: bool,
    /// What came of it so far.
    pub status: ExperimentStatus,
}

/// What an Experiment does; frozen when it was made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExperimentSpec {
    /// How long its pods run once all of them are available; `None` for as long as the analyses take.
    pub duration: Option<Duration>,
    /// How long a template may take to get or lose its pods.
    pub progress_deadline: Duration,
    /// How long its pods stay at the end.
    pub scale_down_delay: Duration,
    /// The ReplicaSets.
    pub templates: Vec<TemplateSpec>,
    /// The analyses.
    pub analyses: Vec<AnalysisSpec>,
    /// Metrics that are measured but decide nothing.
    pub dry_run: Vec<DryRun>,
}

/// A ReplicaSet of an Experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateSpec {
    /// Its name within the Experiment.
    pub name: String,
    /// How many pods.
    pub replicas: u32,
    /// The pods.
    pub template: Arc<PodTemplate>,
    /// Time that a pod must be ready before it counts as available.
    pub min_ready: Duration,
    /// The Service for them, by name; an empty name stands for the ReplicaSet's.
    pub service: Option<String>,
}

/// An analysis of an Experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisSpec {
    /// Its name within the Experiment.
    pub name: String,
    /// The template.
    pub template: TemplateReference,
    /// Arguments, with the Rollout's values in them.
    pub args: Vec<Argument>,
    /// Whether its success ends the Experiment.
    pub required: bool,
}

/// What came of an Experiment so far (`ExperimentStatus`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExperimentStatus {
    /// Its phase; `None` before the first pass.
    pub phase: Option<AnalysisPhase>,
    /// The message beside it.
    pub message: String,
    /// Since when all templates run.
    pub available_at: Option<Time>,
    /// The templates, in the order of their first pass.
    pub templates: Vec<TemplateStatus>,
    /// The analyses, in the same order as in the spec.
    pub runs: Vec<ExperimentRun>,
}

/// What came of a template so far (`TemplateStatus`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateStatus {
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: Option<TemplatePhase>,
    /// The message beside it.
    pub message: String,
    /// Pods that exist.
    pub replicas: u32,
    /// Pods that are ready.
    pub ready: u32,
    /// Pods that are available.
    pub available: u32,
    /// When its pods moved last.
    pub transitioned: Option<Time>,
    /// Its Service, while there is one.
    pub service: Option<String>,
    /// The hash of its pods, while there is a Service.
    pub hash: Hash,
}

/// The phase of a template (`TemplateStatusCode`), the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum TemplatePhase {
    Successful,
    Running,
    Progressing,
    Error,
    Failed,
}

impl TemplatePhase {
    fn is_over(self) -> bool {
        match self {
            Self::Successful | Self::Error | Self::Failed => true,
            Self::Running | Self::Progressing => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Successful => "Successful",
            Self::Running => "Running",
            Self::Progressing => "Progressing",
            Self::Error => "Error",
            Self::Failed => "Failed",
        }
    }
}

/// An analysis as the Experiment's status repeats it (`ExperimentAnalysisRunStatus`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExperimentRun {
    /// Its name within the Experiment.
    pub name: String,
    /// The AnalysisRun, once there is one.
    pub run: Option<Arc<str>>,
    /// Its phase.
    pub phase: Option<AnalysisPhase>,
    /// The message beside it.
    pub message: String,
}

/// One pass over one Experiment.
pub(crate) fn reconcile(world: &mut World<'_>, id: ObjectId) {
    if !world.api.exists(id) {
        return;
    }
    let Some(experiment) = as_experiment(world, id) else { return };
    let before = experiment.clone();
    let mut next = before.status.clone();
    for template in &before.spec.templates {
        templates::reconcile(world, id, &before, template, &mut next);
    }
    for analysis in &before.spec.analyses {
        runs::reconcile(world, id, &before, analysis, &mut next);
    }
    next.assess(&before.spec, world.now());
    if let Some(at) = wake_time(&Experiment { status: next.clone(), ..before.clone() }, world.now()) {
        world.kernel.wake_at(at, Task::Experiment(id));
    }
    if next == before.status {
        return;
    }
    announce(world, id, &before.status, &next);
    world.api.update_status(id, |object| {
        if let Body::Experiment(experiment) = &mut object.body {
            experiment.status = next;
        }
    });
}

/// `recordEvent`
fn announce(world: &mut World<'_>, id: ObjectId, before: &ExperimentStatus, after: &ExperimentStatus) {
    use AnalysisPhase::{Error, Failed, Inconclusive, Pending, Running, Successful};
    let Some(phase) = after.phase.filter(|_| before.phase != after.phase) else { return };
    let warning = match phase {
        Error | Failed | Inconclusive => true,
        Pending | Running | Successful => false,
    };
    let earlier = before.phase.map(|phase| phase.to_string()).unwrap_or_default();
    let message = format!("Experiment transitioned from {earlier} -> {phase}");
    world.record(Source::Rollouts, id, warning, &format!("Experiment{phase}"), message);
}

/// The Experiment in an object.
pub(crate) fn as_experiment<'w>(world: &'w World<'_>, id: ObjectId) -> Option<&'w Experiment> {
    match &world.api.get(id).body {
        Body::Experiment(experiment) => Some(experiment),
        Body::ReplicaSet(_)
        | Body::Pod(_)
        | Body::AnalysisRun(_)
        | Body::Rollout(..)
        | Body::Deployment(..)
        | Body::Application(..)
        | Body::Job(_)
        | Body::Plain(_) => None,
    }
}

fn is_over(phase: Option<AnalysisPhase>) -> bool {
    use AnalysisPhase::{Error, Failed, Inconclusive, Pending, Running, Successful};
    match phase {
        Some(Successful | Failed | Error | Inconclusive) => true,
        Some(Pending | Running) | None => false,
    }
}

impl Experiment {
    /// Whether it has come to an end.
    pub(crate) fn is_over(&self) -> bool {
        is_over(self.status.phase)
    }

    /// Whether its pods and analyses are to end (`IsTerminating`).
    fn is_terminating(&self) -> bool {
        let failed =
            |phase: Option<AnalysisPhase>| is_over(phase) && phase != Some(AnalysisPhase::Successful);
        self.terminate
            || self.is_over()
            || self
                .status
                .templates
                .iter()
                .any(|template| matches!(template.phase, Some(TemplatePhase::Failed | TemplatePhase::Error)))
            || self.status.runs.iter().any(|run| failed(run.phase))
            || self.status.required_succeeded(&self.spec)
    }

    /// How many pods a template is to have (`CalculateTemplateReplicasCount`).
    fn wanted(&self, template: &TemplateSpec) -> u32 {
        let status = self.status.template(&template.name);
        let is_over = status.and_then(|status| status.phase).is_some_and(TemplatePhase::is_over);
        if self.is_terminating() || is_over { 0 } else { template.replicas }
    }

    /// When its time is over, once that is known (`PassedDurations`).
    fn end(&self) -> Option<Time> {
        Some(self.status.available_at? + self.spec.duration?)
    }
}

impl ExperimentStatus {
    fn template(&self, name: &str) -> Option<&TemplateStatus> {
        self.templates.iter().find(|template| template.name == name)
    }

    fn run(&self, name: &str) -> Option<&ExperimentRun> {
        self.runs.iter().find(|run| run.name == name)
    }

    /// Whether the analyses that end the Experiment have succeeded (`RequiredAnalysisRunsSuccessful`).
    fn required_succeeded(&self, spec: &ExperimentSpec) -> bool {
        let mut required = spec.analyses.iter().filter(|analysis| analysis.required).peekable();
        let succeeded = |analysis: &AnalysisSpec| {
            self.run(&analysis.name).and_then(|run| run.phase) == Some(AnalysisPhase::Successful)
        };
        required.peek().is_some() && required.all(succeeded)
    }

    /// Phase and message from those of templates and analyses (`calculateStatus`).
    fn assess(&mut self, spec: &ExperimentSpec, now: Time) {
        use AnalysisPhase::{Pending, Running, Successful};
        match self.phase {
            None => self.phase = Some(Pending),
            Some(Pending | Running) => {
                let (templates, of_templates) = self.worst_template(spec);
                let (analyses, of_analyses) = self.worst_analysis(spec);
                if templates == Running && self.available_at.is_none() {
                    self.available_at = Some(now.truncated_to_secs());
                }
                let has_required = spec.analyses.iter().any(|analysis| analysis.required);
                let analyses_decide = if is_over(Some(templates)) {
                    templates == Successful && (is_over(Some(analyses)) || has_required)
                } else {
                    (is_over(Some(analyses)) && analyses != Successful) || self.required_succeeded(spec)
                };
                (self.phase, self.message) = match analyses_decide {
                    true => (Some(analyses), of_analyses),
                    false => (Some(templates), of_templates),
                };
            }
            Some(_) => {}
        }
    }

    /// `assessTemplates`
    fn worst_template(&self, spec: &ExperimentSpec) -> (AnalysisPhase, String) {
        let mut worst = (TemplatePhase::Successful, String::new());
        for template in &spec.templates {
            let status = self.template(&template.name);
            let phase = status.and_then(|status| status.phase).unwrap_or(TemplatePhase::Progressing);
            if phase > worst.0 {
                worst = (phase, status.map(|status| status.message.clone()).unwrap_or_default());
            }
        }
        let phase = match worst.0 {
            TemplatePhase::Successful => AnalysisPhase::Successful,
            TemplatePhase::Running => AnalysisPhase::Running,
            TemplatePhase::Progressing => AnalysisPhase::Pending,
            TemplatePhase::Error => AnalysisPhase::Error,
            TemplatePhase::Failed => AnalysisPhase::Failed,
        };
        (phase, worst.1)
    }

    /// `assessAnalysisRuns`
    fn worst_analysis(&self, spec: &ExperimentSpec) -> (AnalysisPhase, String) {
        let mut worst = (AnalysisPhase::Successful, String::new());
        for analysis in &spec.analyses {
            let Some(run) = self.run(&analysis.name) else { continue };
            let phase = run.phase.unwrap_or(AnalysisPhase::Successful);
            if badness(phase) > badness(worst.0) {
                worst = (phase, run.message.clone());
            }
        }
        if self.required_succeeded(spec) && badness(worst.0) < badness(AnalysisPhase::Running) {
            return (AnalysisPhase::Successful, "Required AnalysisRuns completed".to_owned());
        }
        if worst.0 == AnalysisPhase::Pending {
            worst.0 = AnalysisPhase::Running;
        }
        worst
    }
}

/// When to look again: at the end, or at the earliest deadline of a template (`calculateEnqueueDuration`).
fn wake_time(experiment: &Experiment, now: Time) -> Option<Time> {
    if experiment.is_terminating() {
        return None;
    }
    let waiting = experiment.spec.templates.iter().filter_map(|template| {
        let status = experiment.status.template(&template.name)?;
        let moves = matches!(status.phase, Some(TemplatePhase::Progressing | TemplatePhase::Running))
            && status.available != experiment.wanted(template);
        Some(status.transitioned? + experiment.spec.progress_deadline).filter(|_| moves)
    });
    experiment.end().into_iter().chain(waiting).filter(|at| *at > now).min()
}

#[cfg(test)]
mod tests;
