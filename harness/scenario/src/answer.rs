use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, IgnoredAny};
use units::Duration;
use yaml::{Node, Place, Problem};

use crate::{raw, read};

/// An answer to what asks something outside of the pipeline: a metric of an AnalysisRun, or a step that runs a plugin. Of
/// several that fit the first in the file is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What is asked and what comes back.
    pub to: Question,
    /// The model version under test; `None` for any.
    pub model: Option<String>,
    /// From when it is given, counted from the start of the run.
    pub from: Duration,
    /// Until when it is given.
    pub until: Option<Duration>,
    /// How long the answer, the Job or the plugin's run takes.
    pub takes: Duration,
    /// Where it stands.
    pub place: Place,
}

/// What is asked, and what comes back.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// A web metric asks this URL.
    Url(Pattern, Reply),
    /// The Job of a metric of this name runs.
    Job(Pattern, JobEnd),
    /// A step asks the plugin of this name to do this.
    Plugin(Pattern, PluginOperation, PluginReply),
}

/// What a step plugin is asked to do (argo-rollouts v1.10.1 `pkg/apis/rollouts/v1alpha1/types.go: StepPluginOperation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, schemars::JsonSchema)]
pub enum PluginOperation {
    /// The work of the step.
    Run,
    /// To stop a run because of a full promotion.
    Terminate,
    /// To take a run back because the update is aborted.
    Abort,
}

impl PluginOperation {
    /// The name as upstream spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "Run",
            Self::Terminate => "Terminate",
            Self::Abort => "Abort",
        }
    }
}

/// What a step plugin says of an operation (`StepPluginPhase`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, schemars::JsonSchema)]
pub enum PluginPhase {
    /// It is not over.
    Running,
    /// It is done.
    Successful,
    /// It is not done and never will be.
    Failed,
    /// It cannot be said.
    Error,
}

impl PluginPhase {
    /// The name as upstream spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Error => "Error",
        }
    }
}

/// What comes back from a step plugin (`utils/plugin/types/steps.go: RpcStepResult`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginReply {
    /// A result.
    Result {
        /// What it says of the operation.
        phase: PluginPhase,
        /// What it says beside.
        message: String,
        /// After which time it wants to be asked again.
        requeue_after: Duration,
    },
    /// The call fails with this text.
    Unreachable(String),
}

/// What comes back from a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A response.
    Response {
        /// Its status.
        status: u16,
        /// Its body.
        body: String,
    },
    /// The connection fails with this text.
    Unreachable(String),
}

/// How a Job ends: the condition that it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, schemars::JsonSchema)]
#[schemars(rename = "JobEnd")]
pub enum JobEnd {
    /// It succeeds.
    Complete,
    /// It fails for good.
    Failed,
}

/// A text in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as it is written.
    pub fn new(written: impl Into<String>) -> Self {
        Self(written.into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text is one of those that it stands for.
    pub fn matches(&self, text: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut left) = text.strip_prefix(start) else { return false };
        let (between, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        // Every part between two stars where it comes first leaves the most for what follows.
        for part in between.split('*') {
            let Some(at) = left.find(part) else { return false };
            left = &left[at + part.len()..];
        }
        left.ends_with(end)
    }
}

impl Answer {
    /// Reads an answer, in a file of whatever kind.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn read(node: &Node) -> Result<Self, Problem> {
        read::answer(node)
    }

    /// Whether it is given at a time, counted from the start of the run, with this model under test.
    pub fn fits(&self, at: Duration, model: Option<&str>) -> bool {
        self.from <= at
            && self.until.is_none_or(|until| at < until)
            && self.model.as_deref().is_none_or(|wanted| model == Some(wanted))
    }
}

/// An answer as it is written, for files of other kinds that have some: it is described for editors, and read
/// from its node by [`Answer::read`].
#[derive(Debug, Clone, Copy)]
pub struct AnswerForm;

impl<'de> Deserialize<'de> for AnswerForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for AnswerForm {
    fn schema_name() -> Cow<'static, str> {
        raw::Answer::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        raw::Answer::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, matches) in [
            ("http://a/score", "http://a/score", true),
            ("http://a/score", "http://a/score?x=1", false),
            ("http://a/*", "http://a/", true),
            ("http://a/*", "http://b/", false),
            ("*score*", "http://a/score?x=1", true),
            ("*.svc/*/v1", "http://a.svc/b/v1", true),
            ("*.svc/*/v1", "http://a.svc/v1", false),
            ("a*a", "a", false),
            ("a**b", "ab", true),
            ("*", "", true),
            ("a*bc*c", "abc", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{pattern} {text}");
        }
    }
}
