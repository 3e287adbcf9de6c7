//! What the scenario answers to metrics that ask something outside of the pipeline.

use scenario::{Answer, JobEnd, Pattern, Question, Reply};
use units::Duration;
use yaml::{Place, Problem};

use super::measure::problem;
use crate::World;
use crate::api::{Body, ObjectId};
use crate::kubernetes::{as_pod, as_replica_set};

/// When something is asked, and about which model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// On the scenario's clock.
    at: Duration,
    /// The version that the run judges, where its pods run only one.
    model: Option<String>,
}

impl Asked {
    /// By the run `id`, now.
    pub(super) fn now(world: &World<'_>, id: ObjectId) -> Self {
        Self { at: world.actions.clock.passed(world.now()), model: judged_model(world, id) }
    }

    /// Where there are no pods.
    pub(super) fn without_model(at: Duration) -> Self {
        Self { at, model: None }
    }

    fn told(&self) -> String {
        match &self.model {
            Some(model) => format!("at {}, with `{model}` under test", self.at),
            None => format!("at {}", self.at),
        }
    }
}

/// The only model version that the pods under test run. Those of an Experiment are the Rollout's new
/// template in pods of their own.
fn judged_model(world: &World<'_>, id: ObjectId) -> Option<String> {
    let object = world.api.get(id);
    let Body::AnalysisRun(run) = &object.body else { return None };
    let owner = object.owner?;
    let owners = [Some(owner), world.api.get(owner).owner];
    let sets = owners.into_iter().flatten().flat_map(|owner| world.api.owned(owner));
    let under_test = sets.filter(|set| as_replica_set(set).is_some_and(|set| *set.hash == *run.hash));
    let mut models =
        under_test.flat_map(|set| world.api.owned(set.id)).filter_map(|pod| as_pod(pod)?.model.as_deref());
    let first = models.next()?;
    models.all(|model| model == first).then(|| first.to_owned())
}

/// What a URL answers, and how long it takes.
///
/// # Errors
/// The scenario does not say.
pub(super) fn of_url<'a>(
    answers: &'a [Answer],
    url: &str,
    asked: &Asked,
    place: Option<&Place>,
) -> Result<(&'a Reply, Duration), Problem> {
    let to = |answer: &'a Answer| match &answer.to {
        Question::Url(pattern, reply) => Some((pattern, reply)),
        Question::Job(..) => None,
    };
    let example = format!("such as `- {{ url: {url}, body: {{ … }} }}`");
    find(answers, url, asked, to).map_err(|why| unanswered(&format!("{url} is asked"), why, &example, place))
}

/// How the Job of a metric ends, and how long it takes.
///
/// # Errors
/// The scenario does not say.
pub(super) fn of_job<'a>(
    answers: &'a [Answer],
    metric: &str,
    asked: &Asked,
    place: Option<&Place>,
) -> Result<(JobEnd, Duration), Problem> {
    let to = |answer: &'a Answer| match &answer.to {
        Question::Job(pattern, end) => Some((pattern, *end)),
        Question::Url(..) => None,
    };
    let example = format!("such as `- {{ job: {metric}, takes: 2m, ends: Complete }}`");
    let found = find(answers, metric, asked, to);
    found.map_err(|why| unanswered(&format!("the Job of the metric `{metric}` runs"), why, &example, place))
}

/// The first answer that fits, or why none does.
fn find<'a, R>(
    answers: &'a [Answer],
    name: &str,
    asked: &Asked,
    to: impl Fn(&'a Answer) -> Option<(&'a Pattern, R)>,
) -> Result<(R, Duration), String> {
    let to_it = |answer: &'a Answer| {
        let (pattern, reply) = to(answer)?;
        pattern.matches(name).then_some((answer, reply))
    };
    let mut of_it = answers.iter().filter_map(to_it).peekable();
    if of_it.peek().is_none() {
        return Err("nothing under `answers` is to it".to_owned());
    }
    match of_it.find(|(answer, _)| answer.fits(asked.at, asked.model.as_deref())) {
        Some((answer, reply)) => Ok((reply, answer.takes)),
        None => Err(format!("no answer under `answers` is given {}", asked.told())),
    }
}

fn unanswered(what: &str, why: String, example: &str, place: Option<&Place>) -> Problem {
    let help = format!("script it with `answers:`, {example}");
    problem(place, format!("{what}, and {why}")).with_help(help)
}
