//! The progress of runs on a cluster: stage by stage on standard error, with the time of each.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use cluster::{Progress, Stage};
use indicatif::{ProgressBar, ProgressStyle};
use scenario::Scenario;
use timeline::{Entry, Event, StageTime};

use crate::kind::stage_time;
use crate::output;

/// How often the time on the line is brought up to date.
const TICK: Duration = Duration::from_millis(200);

/// The stages of a session and of its runs.
pub(crate) struct Stages {
    /// Which scenario, where there are several.
    title: String,
    several: bool,
    /// What was done before this run.
    before: Vec<StageTime>,
    done: Mutex<Vec<StageTime>>,
    bar: ProgressBar,
    begun: Instant,
}

impl Stages {
    /// The stages of a session with so many scenarios.
    pub(crate) fn new(scenarios: usize) -> Self {
        Self {
            title: String::new(),
            several: scenarios > 1,
            before: Vec::new(),
            done: Mutex::default(),
            bar: spinner(),
            begun: Instant::now(),
        }
    }

    /// The stages of one scenario of it.
    pub(crate) fn of(&self, scenario: &Scenario) -> Self {
        let title = if self.several { format!("{}: ", scenario.name) } else { String::new() };
        Self {
            title,
            several: self.several,
            before: self.times(),
            done: Mutex::default(),
            bar: spinner(),
            begun: self.begun,
        }
    }

    /// Every stage so far, those before this run included.
    pub(crate) fn times(&self) -> Vec<StageTime> {
        let done = self.done.lock().map(|done| done.clone()).unwrap_or_default();
        self.before.iter().cloned().chain(done).collect()
    }

    /// The seconds of what was done before this run.
    pub(crate) fn before(&self) -> f64 {
        self.before.iter().map(|it| it.seconds).sum()
    }
}

/// A line with the running time; nothing where standard error is no terminal.
fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

impl Progress for Stages {
    fn begins(&self, stage: Stage) {
        self.bar.reset_elapsed();
        self.bar.set_message(format!("{}{stage}", self.title));
        self.bar.enable_steady_tick(TICK);
    }

    fn ends(&self, stage: Stage, took: Duration) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        let total = self.begun.elapsed().as_secs_f64();
        output::say(&format!("{:>6.1} s  {}{stage} took {:.1} s", total, self.title, took.as_secs_f64()));
        if let Ok(mut done) = self.done.lock() {
            done.push(stage_time(stage, took));
        }
    }

    fn entry(&self, entry: &Entry) {
        let told = match &entry.event {
            Event::ActionPerformed(action) => action.text.clone(),
            Event::Rollout(status) => {
                let step = status.step.map(|step| format!(", step {step} of {}", status.steps));
                format!("rollout {} {:?}{}", status.name, status.phase, step.unwrap_or_default())
            }
            Event::Application(status) => {
                format!("application {} {:?}, {:?}", status.application, status.sync, status.health)
            }
            Event::AnalysisRun(run) => format!("analysis of {} {:?}", run.rollout, run.phase),
            _ => return,
        };
        self.bar.set_message(format!("{}scenario, {}: {told}", self.title, entry.at));
    }
}
