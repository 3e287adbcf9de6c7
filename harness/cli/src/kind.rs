//! Scenarios on a kind cluster with the real controllers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cluster::components::{FOLDER_VARIABLE, Lock, NODE_IMAGE_VARIABLE, Sources};
use cluster::host::undo::undo;
use cluster::host::{About, Cluster, Docker, Journal, Kept, Kind, Made, Note, Places, Reaper, State};
use cluster::{Demand, Rehearsal, Repository, Session, Stage, Supply};
use futures::stream::{StreamExt as _, iter};
use manifests::tree::Tree;
use scenario::{Answer, Question, Scenario};
use simulator::Render;
use timeline::{NotSimulated, SlowBound, StageTime, Timeline};
use tokio::runtime::Runtime;
use transform::{ArgoSettings, Names, Needs, Plan, Speed, Transformed};
use units::Duration;
use yaml::Problem;

use crate::args::OnCluster;
use crate::failure::Failure;
use crate::output;
use crate::runtime::interrupted;
use crate::server::{self, Servers};
use crate::stages::Stages;

/// The longest time that a run may take.
const LONGEST_RUN: Duration = Duration::from_secs(3600);

/// What is said of a run that was interrupted.
const INTERRUPTED: &str = "interrupted; what the run had made is removed";

/// A scenario to be run.
pub(crate) struct Wanted<'a> {
    /// The scenario, as the user wrote it.
    pub(crate) scenario: &'a Scenario,
    /// Its repository.
    pub(crate) repository: &'a Tree,
    /// The seed.
    pub(crate) seed: u64,
}

/// A scenario that was run.
pub(crate) struct Ran {
    /// The scenario as it was run: with its times compressed.
    pub(crate) scenario: Scenario,
    /// The repository as it was served, but with the user's names.
    pub(crate) repository: Tree,
    /// What happened.
    pub(crate) timeline: Timeline,
    /// By what factor time was compressed.
    pub(crate) speed: Speed,
    /// How long it took.
    pub(crate) wall_seconds: f64,
    /// How long each part of it took.
    pub(crate) stages: Vec<StageTime>,
}

/// A scenario at its speed and with its names in the cluster.
struct Prepared<'a> {
    wanted: &'a Wanted<'a>,
    /// What is served at speed 1 and with the user's names: with the probes that a real server answers.
    served: Transformed,
    speed: Speed,
    names: Names,
    repository_name: String,
    transformed: Transformed,
    needs: Needs,
    slow: Option<SlowBound>,
}

/// Runs every scenario, in their order, on one cluster.
///
/// # Errors
/// Wrong input, or an environment that lacks something or fails. Whatever was made is removed.
pub(crate) fn run_all(
    how: &OnCluster,
    render: Option<Render>,
    jobs: usize,
    wanted: &[Wanted<'_>],
) -> Result<Vec<Ran>, Failure> {
    for wanted in wanted {
        ensure_possible(wanted.scenario)?;
        simulator::ensure_alerts_are_defined(wanted.scenario, wanted.repository)?;
    }
    let runtime = Runtime::new().map_err(Failure::defect)?;
    runtime.block_on(async {
        let docker = Docker::find().await?;
        let kind = Kind::find(&docker).await?;
        let places = Places::of_user()?;
        let state = State::open(&places.state)?;
        let journal = Journal::begin(&state)?;
        let program = std::env::current_exe().map_err(Failure::defect)?;
        Reaper::start(&program, &state, &journal).await?;
        let sources = Sources::new(&docker, &places, folder(how));
        let lock = Lock::of_this_version()?;
        let node_image = how.node_image.clone().or_else(|| std::env::var(NODE_IMAGE_VARIABLE).ok());
        let supply =
            Supply { kind: &kind, sources: &sources, lock: &lock, node_image: node_image.as_deref() };
        let machine = Machine { render, state: &state, journal: &journal, supply };
        let ran = tokio::select! {
            ran = machine.run(how, jobs, wanted) => ran,
            () = interrupted() => Err(Failure::Environment(INTERRUPTED.to_owned())),
        };
        let left = undo(&journal, &mut |line| output::say(line)).await;
        match (ran, left.into_iter().next()) {
            (Ok(_), Some(failure)) => Err(failure.into()),
            (ran, _) => ran,
        }
    })
}

/// What a scenario asks that the kind engine cannot do: to answer a web metric or a step plugin, since on a cluster these ask
/// a real server, and are a real program.
///
/// # Errors
/// The first that it asks.
fn ensure_possible(scenario: &Scenario) -> Result<(), Problem> {
    let refusal = |answer: &Answer| {
        let what = match answer.to {
            Question::Url(..) => "nothing serves an answer to a URL",
            Question::Plugin(..) => "no plugin of a step is installed",
            Question::Job(..) => return None,
        };
        Some(Problem::at(&answer.place, format!("on the engine `kind` {what}")))
    };
    match scenario.answers.iter().find_map(refusal) {
        Some(problem) => Err(problem.with_help(
            "run the scenario with the engine `sim`; on a cluster web metrics ask the real server, and Jobs run for real",
        )),
        None => Ok(()),
    }
}

fn folder(how: &OnCluster) -> Option<PathBuf> {
    how.components.clone().or_else(|| std::env::var_os(FOLDER_VARIABLE).map(Into::into))
}

/// The machine that the cluster is on.
struct Machine<'a> {
    render: Option<Render>,
    state: &'a State,
    journal: &'a Journal,
    supply: Supply<'a>,
}

impl Machine<'_> {
    async fn run(&self, how: &OnCluster, jobs: usize, wanted: &[Wanted<'_>]) -> Result<Vec<Ran>, Failure> {
        let stages = Stages::new(wanted.len());
        let alone = wanted.len() == 1 && how.reuse.is_none();
        let prepared = self.prepare(how, alone, wanted)?;
        let demand = demand(&prepared)?;
        let session = match &how.reuse {
            Some(name) => {
                Session::reopen(&self.supply, self.kept(name, &prepared)?, &demand, &stages).await?
            }
            None => Session::open(&self.supply, self.journal, &demand, &stages).await?,
        };
        if how.keep {
            self.keep(&session, &prepared)?;
        }
        let ran = self.run_prepared(&session, jobs, &prepared, &stages).await?;
        if !how.keep && how.reuse.is_none() {
            session.close(self.journal, &stages).await?;
        }
        Ok(ran)
    }

    /// Scenarios of equal settings of Argo CD run side by side, others one after another.
    async fn run_prepared(
        &self,
        session: &Session,
        jobs: usize,
        prepared: &[Prepared<'_>],
        stages: &Stages,
    ) -> Result<Vec<Ran>, Failure> {
        let mut groups: BTreeMap<BTreeMap<String, String>, Vec<usize>> = BTreeMap::new();
        for (index, prepared) in prepared.iter().enumerate() {
            groups.entry(settings(&prepared.transformed)).or_default().push(index);
        }
        let mut ran: Vec<(usize, Ran)> = Vec::new();
        for (settings, indices) in groups {
            session.demand(&settings).await?;
            let runs = indices.iter().map(|&index| async move {
                self.run_one(session, &prepared[index], stages).await.map(|ran| (index, ran))
            });
            let mut runs = iter(runs).buffer_unordered(jobs);
            while let Some(done) = runs.next().await {
                ran.push(done?);
            }
        }
        ran.sort_by_key(|(index, _)| *index);
        Ok(ran.into_iter().map(|(_, ran)| ran).collect())
    }

    async fn run_one(
        &self,
        session: &Session,
        prepared: &Prepared<'_>,
        stages: &Stages,
    ) -> Result<Ran, Failure> {
        let begun = Instant::now();
        let scenario = &prepared.transformed.scenario;
        let stages = stages.of(scenario);
        let rehearsal = Rehearsal {
            scenario,
            repository: &prepared.transformed.repository,
            needs: &prepared.needs,
            names: &prepared.names,
            repository_name: &prepared.repository_name,
            run: self.journal.run().as_str(),
            seed: prepared.wanted.seed,
            speed: prepared.speed.factor(),
            slow: prepared.slow.clone(),
            version: env!("CARGO_PKG_VERSION"),
            notes: notes(prepared),
            limit: LONGEST_RUN,
        };
        let timeline = cluster::rehearse(&session.server, &session.images, &rehearsal, &stages).await?;
        Ok(Ran {
            scenario: scenario.clone(),
            repository: at_speed(prepared)?,
            speed: prepared.speed,
            timeline,
            wall_seconds: stages.before() + begun.elapsed().as_secs_f64(),
            stages: stages.times(),
        })
    }

    fn prepare<'a>(
        &self,
        how: &OnCluster,
        alone: bool,
        wanted: &'a [Wanted<'a>],
    ) -> Result<Vec<Prepared<'a>>, Failure> {
        let tail = self.journal.run().as_str().rsplit('-').next().unwrap_or_default();
        let tail: String = tail.chars().take(4).collect();
        let prepare = |(index, wanted): (usize, &'a Wanted<'a>)| {
            let suffix = if alone { String::new() } else { format!("-{tail}{index}") };
            let repository_name = format!("{}{suffix}", wanted.scenario.name.replace('.', "-"));
            let names = Names::with_suffix(&suffix)?.serving(Repository::url(&repository_name));
            let highest = || pace::highest(wanted.repository, wanted.scenario, self.render);
            let speed = match how.speed {
                Some(speed) => speed,
                None => highest()?.speed,
            };
            let plan = Plan { speed, names: names.clone() };
            let served = server::served(wanted.repository, wanted.scenario)?;
            let transformed = transform::transform(&served.repository, &served.scenario, &plan)?;
            let needs = Needs::of(&transformed.repository, &transformed.scenario);
            let slow = simulator::traffic::slow_bound(wanted.scenario, wanted.repository);
            Ok(Prepared { wanted, served, speed, names, repository_name, transformed, needs, slow })
        };
        wanted.iter().enumerate().map(prepare).collect()
    }

    /// A cluster that was kept.
    fn kept(&self, name: &str, prepared: &[Prepared<'_>]) -> Result<Cluster, Failure> {
        let kept = Kept::find(self.state, name)?;
        let note = self.note_what_is_made_in(&kept, prepared)?;
        Ok(Cluster { name: kept.name, kubeconfig: kept.kubeconfig, note })
    }

    /// Takes the cluster out of the run's hands, whatever becomes of the run. What the run makes in it stays
    /// in the journal.
    fn keep(&self, session: &Session, prepared: &[Prepared<'_>]) -> Result<(), Failure> {
        let lock = self.supply.lock.components();
        let about = About {
            rehearse: env!("CARGO_PKG_VERSION").to_owned(),
            node_image: self.supply.node_image.unwrap_or_default().to_owned(),
            components: lock.iter().map(|it| (it.name.clone(), it.version.clone())).collect(),
        };
        let kept = Kept::keep(self.state, self.journal, session.cluster(), about)?;
        output::say(&format!(
            "kept the cluster {}; use it again with --reuse {}, remove it with `rehearse clean {}`",
            kept.name, kept.name, kept.name
        ));
        self.note_what_is_made_in(&kept, prepared)?;
        output::say(&format!("  kubectl --kubeconfig {} get pods -A", display(&kept.kubeconfig)));
        Ok(())
    }

    /// Puts what a run makes in a cluster that stays into the journal, before it is made.
    fn note_what_is_made_in(&self, kept: &Kept, prepared: &[Prepared<'_>]) -> Result<Note, Failure> {
        let (cluster, kubeconfig) = (&kept.name, &kept.kubeconfig);
        for Prepared { repository_name: name, .. } in prepared {
            let (cluster, kubeconfig, name) = (cluster.clone(), kubeconfig.clone(), name.clone());
            self.journal.note(Made::Repository { cluster, kubeconfig, name })?;
        }
        let objects = Made::Objects { cluster: cluster.clone(), kubeconfig: kubeconfig.clone() };
        Ok(self.journal.note(objects)?)
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

fn settings(transformed: &Transformed) -> BTreeMap<String, String> {
    let settings = ArgoSettings::of(&transformed.repository, &transformed.scenario).data();
    settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What all scenarios need together.
fn demand(prepared: &[Prepared<'_>]) -> Result<Demand, Failure> {
    let mut demand = Demand::default();
    let mut servers = Servers::default();
    for prepared in prepared {
        let Prepared { needs, transformed, .. } = prepared;
        demand.own_images.extend(needs.job_images.iter().cloned());
        servers.stand_in(needs.images.iter().cloned(), &transformed.scenario)?;
        demand.application_sets |= needs.kinds.iter().any(|(_, kind)| kind == "ApplicationSet");
        demand.argocd = settings(transformed);
    }
    demand.images = servers.into_images();
    demand.own_images.retain(|image| !demand.images.contains_key(image));
    Ok(demand)
}

/// What the report says of how time was compressed, where the ratio is not what was asked for, and of a real
/// server.
fn notes(prepared: &Prepared<'_>) -> Vec<NotSimulated> {
    let deviations = prepared.transformed.notes.iter().filter(|note| note.is_deviation());
    let told = deviations.map(|note| NotSimulated {
        what: note.to_string(),
        place: String::new(),
        instead: format!("at speed {}", prepared.speed),
    });
    told.chain(server::notes(&prepared.served)).chain(server::notes_of_jobs(&prepared.needs)).collect()
}

/// The repository at the run's speed, with the user's names.
fn at_speed(prepared: &Prepared<'_>) -> Result<Tree, Failure> {
    let plan = Plan { speed: prepared.speed, names: Names::unchanged() };
    let served = &prepared.served;
    Ok(transform::transform(&served.repository, &served.scenario, &plan)?.repository)
}

/// The stage of a run as the report names it.
pub(crate) fn stage_time(stage: Stage, took: std::time::Duration) -> StageTime {
    StageTime { stage: stage.to_string(), seconds: took.as_secs_f64() }
}
