//! What the scenario answers to metrics and steps that ask something outside of the pipeline.

use std::collections::BTreeSet;

use scenario::{Answer, JobEnd, Pattern, PluginOperation, PluginReply, Question, Reply};
use units::Duration;
use yaml::{Place, Problem, did_you_mean};

use crate::World;
use crate::analysis::problem;
use crate::api::{Body, Object, ObjectId};
use crate::kubernetes::{as_pod, as_replica_set};

/// When something is asked, and about which model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// On the scenario's clock.
    at: Duration,
    /// The version under test, where its pods run only one.
    model: Option<String>,
}

impl Asked {
    /// By the AnalysisRun `id`, now.
    pub(crate) fn by_run(world: &World<'_>, id: ObjectId) -> Self {
        Self { at: world.actions.clock.passed(world.now()), model: judged_model(world, id) }
    }

    /// About the pods of a ReplicaSet, now.
    pub(crate) fn about(world: &World<'_>, replica_set: ObjectId) -> Self {
        let model = only_model(world, [replica_set].into_iter());
        Self { at: world.actions.clock.passed(world.now()), model }
    }

    /// Where there are no pods.
    pub(crate) fn without_model(at: Duration) -> Self {
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
    let is_under_test = |set: &&Object| as_replica_set(set).is_some_and(|set| *set.hash == *run.hash);
    only_model(world, sets.filter(is_under_test).map(|set| set.id))
}

/// The only model version that the pods of these ReplicaSets run.
fn only_model(world: &World<'_>, sets: impl Iterator<Item = ObjectId>) -> Option<String> {
    let mut models =
        sets.flat_map(|set| world.api.owned(set)).filter_map(|pod| as_pod(pod)?.model.as_deref());
    let first = models.next()?;
    models.all(|model| model == first).then(|| first.to_owned())
}

/// What was asked so far, and the answers that were given, by their positions.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    urls: BTreeSet<String>,
    jobs: BTreeSet<String>,
    plugins: BTreeSet<(PluginOperation, String)>,
    given: BTreeSet<usize>,
}

impl Questions {
    /// What a URL answers, and how long it takes.
    ///
    /// # Errors
    /// The scenario does not say.
    pub(crate) fn url<'a>(
        &mut self,
        answers: &'a [Answer],
        url: &str,
        asked: &Asked,
        place: Option<&Place>,
    ) -> Result<(&'a Reply, Duration), Problem> {
        let to = |answer: &'a Answer| match &answer.to {
            Question::Url(pattern, reply) => Some((pattern, reply)),
            Question::Job(..) | Question::Plugin(..) => None,
        };
        self.urls.insert(url.to_owned());
        let example = format!("such as `- {{ url: {url}, body: {{ … }} }}`");
        let found = self.find(answers, url, asked, to);
        found.map_err(|why| unanswered(&format!("{url} is asked"), why, &example, place))
    }

    /// How the Job of a metric ends, and how long it takes.
    ///
    /// # Errors
    /// The scenario does not say.
    pub(crate) fn job(
        &mut self,
        answers: &[Answer],
        metric: &str,
        asked: &Asked,
        place: Option<&Place>,
    ) -> Result<(JobEnd, Duration), Problem> {
        fn to(answer: &Answer) -> Option<(&Pattern, JobEnd)> {
            match &answer.to {
                Question::Job(pattern, end) => Some((pattern, *end)),
                Question::Url(..) | Question::Plugin(..) => None,
            }
        }
        self.jobs.insert(metric.to_owned());
        let example = format!("such as `- {{ job: {metric}, takes: 2m, ends: Complete }}`");
        let found = self.find(answers, metric, asked, to);
        let what = format!("the Job of the metric `{metric}` runs");
        found.map_err(|why| unanswered(&what, why, &example, place))
    }

    /// What a step plugin says, and how long a run of it takes.
    ///
    /// # Errors
    /// The scenario does not say.
    pub(crate) fn plugin<'a>(
        &mut self,
        answers: &'a [Answer],
        plugin: &str,
        operation: PluginOperation,
        asked: &Asked,
        place: Option<&Place>,
    ) -> Result<(&'a PluginReply, Duration), Problem> {
        let to = |answer: &'a Answer| match &answer.to {
            Question::Plugin(pattern, of, reply) if *of == operation => Some((pattern, reply)),
            Question::Plugin(..) | Question::Url(..) | Question::Job(..) => None,
        };
        self.plugins.insert((operation, plugin.to_owned()));
        let example = format!("such as `- {{ plugin: {plugin}, takes: 2m, phase: Successful }}`");
        let found = self.find(answers, plugin, asked, to);
        let what = format!("the step plugin `{plugin}` is asked to {}", operation.name());
        found.map_err(|why| unanswered(&what, why, &example, place))
    }

    /// The first answer that fits, or why none does.
    fn find<'a, R>(
        &mut self,
        answers: &'a [Answer],
        name: &str,
        asked: &Asked,
        to: impl Fn(&'a Answer) -> Option<(&'a Pattern, R)>,
    ) -> Result<(R, Duration), String> {
        let to_it = |(index, answer): (usize, &'a Answer)| {
            let (pattern, reply) = to(answer)?;
            pattern.matches(name).then_some((index, answer, reply))
        };
        let mut of_it = answers.iter().enumerate().filter_map(to_it).peekable();
        if of_it.peek().is_none() {
            return Err("nothing under `answers` is to it".to_owned());
        }
        match of_it.find(|(_, answer, _)| answer.fits(asked.at, asked.model.as_deref())) {
            Some((index, answer, reply)) => {
                self.given.insert(index);
                Ok((reply, answer.takes))
            }
            None => Err(format!("no answer under `answers` is given {}", asked.told())),
        }
    }

    /// The answers that were never given, and why, for people.
    pub(crate) fn unused(&self, answers: &[Answer]) -> Vec<String> {
        let unused = answers.iter().enumerate().filter(|(index, _)| !self.given.contains(index));
        unused.map(|(_, answer)| self.why_unused(answer)).collect()
    }

    fn why_unused(&self, answer: &Answer) -> String {
        let (key, pattern, asked, nothing) = match &answer.to {
            Question::Url(pattern, _) => ("url", pattern, texts(&self.urls), "no web metric asks it"),
            Question::Job(pattern, _) => ("job", pattern, texts(&self.jobs), "no Job of such a metric runs"),
            Question::Plugin(pattern, operation, _) => {
                let asked = self.plugins.iter().filter(|(of, _)| of == operation);
                let names = asked.map(|(_, name)| name.as_str()).collect();
                ("plugin", pattern, names, "no step asks such a plugin to do that")
            }
        };
        let why = if asked.iter().any(|name| pattern.matches(name)) {
            "whenever it was asked for, an earlier one was given, or its time or model was another".to_owned()
        } else {
            match did_you_mean(pattern.as_str(), asked) {
                Some(meant) => format!("{nothing}; did you mean `{meant}`?"),
                None => nothing.to_owned(),
            }
        };
        format!("the answer to {key} {}{} was never given: {why}", pattern.as_str(), conditions(answer))
    }
}

fn texts(of: &BTreeSet<String>) -> Vec<&str> {
    of.iter().map(String::as_str).collect()
}

/// When an answer is given, and to whom.
fn conditions(answer: &Answer) -> String {
    let operation = match &answer.to {
        Question::Plugin(_, operation, _) => Some(operation.name().to_owned()),
        Question::Url(..) | Question::Job(..) => None,
    };
    let model = answer.model.as_ref().map(|model| format!("model {model}"));
    let from = Some(answer.from).filter(|from| *from > Duration::ZERO).map(|from| format!("from {from}"));
    let until = answer.until.map(|until| format!("until {until}"));
    let all: Vec<String> = [operation, model, from, until].into_iter().flatten().collect();
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

fn unanswered(what: &str, why: String, example: &str, place: Option<&Place>) -> Problem {
    let help = format!("script it with `answers:`, {example}");
    problem(place, format!("{what}, and {why}")).with_help(help)
}
