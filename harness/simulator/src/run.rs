use behaviour::Arrivals;
use manifests::tree::Tree;
use scenario::Scenario;
use timeline::Timeline;
use units::Duration;
use yaml::Problem;

/// What a run is fed with.
pub struct Input<'a> {
    /// What is rehearsed.
    pub scenario: &'a Scenario,
    /// The content of the repository that it names.
    pub repository: &'a Tree,
    /// How it is run.
    pub options: Options,
}

/// How a scenario is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed of every random choice.
    pub seed: u64,
    /// Whether requests are drawn or expected values are used.
    pub arrivals: Arrivals,
    /// The longest virtual time that a run may take.
    pub limit: Duration,
    /// The version of rehearse, for the timeline's head.
    pub version: String,
}

/// Runs a scenario to its end.
///
/// # Errors
/// What only running can find wrong in the user's input: a model version without behaviour, an action
/// on a resource that does not exist, an edit of a missing file.
pub fn simulate(input: &Input<'_>) -> Result<Timeline, Problem> {
    let _ = input;
    Ok(Timeline::default())
}
