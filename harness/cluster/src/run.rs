//! A run on a cluster from its start to its end.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use manifests::tree::Tree;
use scenario::{Action, Scenario, Trigger};
use serde_json::{Value, json};
use timeline::{
    ActionPerformed, ClockStarted, CommitReason, EndReason, Engine, Entry, Event, LONGEST_HOLD, NotSimulated,
    PodPhase, RunEnded, RunStarted, SlowBound, Source, Timeline, holds_clock,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Duration as Wait, Instant, sleep_until};
use transform::{Names, Needs};
use units::{Duration, Time};

use crate::act::{ARGOCD, Done, Hands};
use crate::api::Server;
use crate::host::objects::RUN_LABEL;
use crate::monitoring::Monitoring;
use crate::observe::Onlooker;
use crate::repository::Repository;
use crate::session::timed;
use crate::traffic::Clients;
use crate::watch::{News, follow};
use crate::{Failure, Progress, Stage, models, prometheus, standin, traffic};

mod applied;
mod plans;

use applied::{applications, destinations};
use plans::Plans;

/// What runs on a cluster.
pub struct Rehearsal<'a> {
    /// The scenario, as [`transform::transform`] changed it.
    pub scenario: &'a Scenario,
    /// The repository, likewise.
    pub repository: &'a Tree,
    /// What both need of the cluster.
    pub needs: &'a Needs,
    /// What things are called in the cluster.
    pub names: &'a Names,
    /// The name of the repository on the Git server.
    pub repository_name: &'a str,
    /// The value of the label `rehearse.dev/run` of everything that the run makes.
    pub run: &'a str,
    /// The seed of the load generator and of the models.
    pub seed: u64,
    /// By what factor time is compressed.
    pub speed: f64,
    /// What counts as slow.
    pub slow: Option<SlowBound>,
    /// The version of rehearse.
    pub version: &'a str,
    /// What is to be told of the scenario's changes.
    pub notes: Vec<NotSimulated>,
    /// The longest time that the run may take.
    pub limit: Duration,
}

/// The images that a run starts containers of.
#[derive(Debug, Clone)]
pub struct Images {
    /// fake-inference.
    pub fake_inference: String,
    /// Prometheus.
    pub prometheus: String,
}

/// How often the loop looks whether everything has settled.
const LOOK: Wait = Wait::from_millis(250);

/// How long the API server may be away before the run is given up.
const LONGEST_SILENCE: Wait = Wait::from_secs(30);

/// How much longer than a scenario's `settle` an Application that has not compared the newest commit is waited for:
/// on a busy machine it polls late, and one that follows a tag never will.
const NOTICED_WITHIN: Wait = Wait::from_secs(30);

/// For how long nothing may have moved for what was applied to count as in place.
const IN_PLACE: Wait = Wait::from_secs(1);

/// The kinds that the timeline speaks of, by where they are.
const IN_NAMESPACES: [(&str, &str); 6] = [
    ("v1", "ConfigMap"),
    ("argoproj.io/v1alpha1", "Rollout"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "Pod"),
    ("argoproj.io/v1alpha1", "AnalysisRun"),
    ("v1", "Event"),
];

/// The kinds that Prometheus is configured by.
const MONITORING: [(&str, &str); 2] =
    [("monitoring.coreos.com/v1", "ServiceMonitor"), ("monitoring.coreos.com/v1", "PrometheusRule")];

/// Runs a scenario to its end, in a cluster that has every component that it needs.
///
/// # Errors
/// What only running can find wrong in the user's input, or a cluster that fails.
pub async fn rehearse(
    server: &Server,
    images: &Images,
    rehearsal: &Rehearsal<'_>,
    progress: &dyn Progress,
) -> Result<Timeline, Failure> {
    let setting = Run::set(server, images, rehearsal, progress);
    let mut run = timed(progress, Stage::Setting, setting).await?;
    let reason = timed(progress, Stage::Scenario, run.play()).await;
    let closed = timed(progress, Stage::CleanUp, run.close()).await;
    let reason = reason?;
    closed?;
    run.tell(Source::Rehearse, Event::RunEnded(RunEnded::because(reason)));
    Ok(Timeline { entries: run.entries })
}

/// A run under way.
struct Run<'a> {
    server: &'a Server,
    rehearsal: &'a Rehearsal<'a>,
    progress: &'a dyn Progress,
    hands: Hands<'a>,
    clients: Clients,
    onlooker: Onlooker,
    monitoring: Monitoring<'a>,
    plans: Plans<'a>,
    entries: Vec<Entry>,
    /// The start of the run.
    begun: Instant,
    /// Its start in seconds since 1970.
    begun_at: f64,
    /// When the scenario's clock started; `None` while it waits for what was applied.
    clock: Option<Instant>,
    /// The last time that anything but traffic moved.
    moved: Instant,
    /// Since when the API server has not been heard of, where a watch broke, and why.
    silent: Option<(Instant, String)>,
    /// Since when Prometheus has not answered, and why.
    away: Option<(Instant, String)>,
    /// Whether clients send requests, which they do once a pod was ready.
    clients_begun: bool,
    rate: units::Rate,
    sender: UnboundedSender<(Instant, News)>,
    news: UnboundedReceiver<(Instant, News)>,
    watches: JoinSet<()>,
}

impl<'a> Run<'a> {
    /// Makes everything ready that the run needs beside the cluster's components.
    async fn set(
        server: &'a Server,
        images: &Images,
        rehearsal: &'a Rehearsal<'a>,
        progress: &'a dyn Progress,
    ) -> Result<Self, Failure> {
        let scenario = rehearsal.scenario;
        let labels = json!({RUN_LABEL: rehearsal.run});
        let namespaces: Vec<String> = destinations(rehearsal.repository, scenario).into_iter().collect();
        let begun_at = unix_time();
        let behaviours = models::behaviours(scenario, begun_at, rehearsal.seed);
        for place in &namespaces {
            models::offer(server, &images.fake_inference, place, &behaviours, &labels).await?;
        }
        let followed = scenario.alerts().map(|(alert, _)| alert.clone()).collect();
        let monitoring = Monitoring::new(server, rehearsal.names, rehearsal.needs, rehearsal.speed, followed);
        let interval = scenario.cluster.scrape_interval;
        for address in monitoring.addresses() {
            prometheus::install(server, &images.prometheus, address, interval, &labels).await?;
        }
        let repository = Repository::create(server, rehearsal.repository_name).await?;
        let (sender, news) = unbounded_channel();
        let slow = rehearsal.slow.as_ref().map(|bound| Duration::from_secs_f64(bound.seconds));
        let clients = Clients::new(images.fake_inference.clone(), slow, rehearsal.seed, labels);
        let hands = Hands {
            server,
            run: rehearsal.run,
            git: git::GitHost::default(),
            repository,
            names: rehearsal.names,
            namespaces,
            applications: applications(rehearsal.repository, scenario),
            webhook: scenario.cluster.webhook,
        };
        let mut run = Self {
            server,
            rehearsal,
            progress,
            hands,
            clients,
            onlooker: Onlooker::new(scenario.followed()),
            monitoring,
            plans: Plans::of(&scenario.events),
            entries: Vec::new(),
            begun: Instant::now(),
            begun_at,
            clock: None,
            moved: Instant::now(),
            silent: None,
            away: None,
            clients_begun: false,
            rate: scenario.traffic.rate,
            sender,
            news,
            watches: JoinSet::new(),
        };
        run.begin().await?;
        Ok(run)
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        let Rehearsal { scenario, repository, seed, speed, version, .. } = self.rehearsal;
        self.watch().await?;
        let author = "Operator <operator@example.com>";
        let initial = CommitReason::Initial;
        let commit =
            self.hands.git.push((*repository).clone(), "Initial commit", author, Time::ZERO, initial, None);
        let commit = commit.clone();
        self.hands.publish(commit.clone()).await?;
        self.begun = Instant::now();
        self.begun_at = unix_time();
        self.moved = self.begun;
        let started = RunStarted {
            rehearse: (*version).to_owned(),
            format: timeline::FORMAT,
            scenario: scenario.name.clone(),
            engine: Engine::Kind,
            seed: *seed,
            speed: *speed,
            slow: self.rehearsal.slow.clone(),
        };
        self.tell(Source::Rehearse, Event::RunStarted(started));
        self.tell(Source::Git, Event::Commit(commit.told(&scenario.repository)));
        let notes =
            self.rehearsal.notes.clone().into_iter().chain(standin::told(self.rehearsal.needs.kinds.iter()));
        for note in notes.collect::<Vec<_>>() {
            self.tell(Source::Rehearse, Event::NotSimulated(note));
        }
        self.merge_at_zero().await?;
        for (index, file) in scenario.apply.iter().enumerate() {
            self.hands.apply(std::slice::from_ref(file), &scenario.place_of_applied(index)).await?;
        }
        Ok(())
    }

    /// What is merged at zero is on the branch before Argo CD looks for the first time.
    async fn merge_at_zero(&mut self) -> Result<(), Failure> {
        for (index, event) in self.rehearsal.scenario.events.iter().enumerate() {
            let is_merge = matches!(event.action, Action::Merge(_) | Action::Revert(_));
            if is_merge && event.trigger == Trigger::At(Duration::ZERO) {
                self.plans.take(index);
                self.perform(index).await?;
            }
        }
        Ok(())
    }

    async fn watch(&mut self) -> Result<(), Failure> {
        let (server, needs) = (self.server, self.rehearsal.needs);
        let kind = ("argoproj.io/v1alpha1", "Application");
        follow(&mut self.watches, server, kind, Some(ARGOCD), self.sender.clone()).await?;
        let always = IN_NAMESPACES.iter().chain(&MONITORING);
        let mut kinds: BTreeSet<(String, String)> =
            always.map(|(version, kind)| ((*version).to_owned(), (*kind).to_owned())).collect();
        for resource in self.rehearsal.scenario.followed() {
            if let Some(api_version) = server.api_version_of(&resource.kind).await? {
                kinds.insert((api_version, resource.kind));
            }
        }
        kinds.remove(&(kind.0.to_owned(), kind.1.to_owned()));
        for namespace in self.hands.namespaces.clone() {
            for (api_version, kind) in &kinds {
                let (kind, news) = ((api_version.as_str(), kind.as_str()), self.sender.clone());
                follow(&mut self.watches, server, kind, Some(&namespace), news).await?;
            }
        }
        // Monitors and rules count wherever they are.
        for namespace in needs.namespaces.iter().filter(|it| !self.hands.namespaces.contains(it)) {
            for kind in MONITORING {
                follow(&mut self.watches, server, kind, Some(namespace), self.sender.clone()).await?;
            }
        }
        let interval = self.rehearsal.scenario.cluster.scrape_interval;
        self.monitoring.follow(needs, interval, &self.sender, &mut self.watches);
        Ok(())
    }

    /// Lets the scenario happen.
    async fn play(&mut self) -> Result<EndReason, Failure> {
        loop {
            while let Ok((at, news)) = self.news.try_recv() {
                self.hear(at, news).await?;
            }
            self.ensure_heard()?;
            self.start_clock();
            self.monitoring.deliver().await?;
            while let Some(index) = self.plans.take_due() {
                self.perform(index).await?;
            }
            if let Some(reason) = self.over() {
                return Ok(reason);
            }
            let wake = Instant::now() + LOOK;
            let due = [self.plans.next_due(), self.monitoring.next_due()].into_iter().flatten();
            let wake = due.fold(wake, Instant::min);
            tokio::select! {
                heard = self.news.recv() => {
                    if let Some((at, news)) = heard {
                        self.hear(at, news).await?;
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    fn ensure_heard(&self) -> Result<(), Failure> {
        for (who, silent, mend) in [
            ("the cluster", &self.silent, "look whether its container still runs: `docker ps`"),
            ("Prometheus", &self.away, "run with --keep and look at its pod with `kubectl describe`"),
        ] {
            if let Some((_, why)) = silent.as_ref().filter(|(since, _)| since.elapsed() >= LONGEST_SILENCE) {
                let what = format!("{who} has not answered for {} s", LONGEST_SILENCE.as_secs());
                return Err(Failure::environment(what, why, mend));
            }
        }
        Ok(())
    }

    async fn hear(&mut self, at: Instant, news: News) -> Result<(), Failure> {
        match news {
            News::Changed(change) => {
                self.silent = None;
                if let Some(said) = self.monitoring.notice(&change, at) {
                    self.tell_at(at, Source::Kubernetes, said);
                }
                let change = self.hands.original(change);
                let Some(change) = change else { return Ok(()) };
                let entries = self.onlooker.see(self.time(at), &change);
                for entry in entries {
                    self.write(entry, at);
                }
                self.begin_clients(&change.object).await?;
            }
            News::Listed => self.silent = None,
            News::Requests(told) => {
                for event in self.clients.told(&told, self.begun_at, &self.onlooker) {
                    self.tell_at(at, Source::Clients, event);
                }
            }
            News::Rules(answer) => {
                self.away = None;
                for (time, event) in self.monitoring.see(&answer, self.time(at), self.begun_at) {
                    let entry = Entry { at: time, source: Source::Prometheus, event };
                    self.write(entry, at.min(self.begun + wait(time.since(Time::ZERO))));
                }
            }
            News::Gap { kind, why } => {
                self.silent.get_or_insert_with(|| (at, why.clone()));
                self.tell_gap(at, format!("the watch of {kind} broke: {why}"));
            }
            News::Away(why) => {
                self.away.get_or_insert_with(|| (at, why.clone()));
                self.tell_gap(at, format!("Prometheus did not tell its rules: {why}"));
            }
        }
        Ok(())
    }

    fn tell_gap(&mut self, at: Instant, what: String) {
        let instead = "it was begun again; states in between may be missing".to_owned();
        let gap = NotSimulated { what, place: String::new(), instead };
        self.tell_at(at, Source::Rehearse, Event::NotSimulated(gap));
    }

    /// Clients begin when the first pod is ready, since a deployment that has never served has none.
    async fn begin_clients(&mut self, object: &Value) -> Result<(), Failure> {
        if self.clients_begun || object["kind"] != "Pod" || !crate::api::is_ready(object) {
            return Ok(());
        }
        let wanted = self.rehearsal.scenario.traffic.service.as_deref();
        let called = traffic::called(self.server, &self.hands.namespaces, wanted, object).await?;
        let Some(called) = called else { return Ok(()) };
        self.clients_begun = true;
        self.clients.call(called);
        self.clients.set_rate(self.server, self.rate, &self.sender, &mut self.watches).await
    }

    /// Starts the scenario's clock: at once, or where it waits for what was applied, once that is in place.
    fn start_clock(&mut self) {
        if self.clock.is_some() {
            return;
        }
        let (now, waits) = (Instant::now(), holds_clock(self.rehearsal.scenario, self.rehearsal.speed));
        let nothing_due = self.plans.next_due().is_none();
        let in_place = nothing_due && self.onlooker.is_in_place() && now - self.moved >= IN_PLACE;
        if waits && !in_place && now - self.begun < wait(LONGEST_HOLD) {
            return;
        }
        let start = if waits { now } else { self.begun };
        self.clock = Some(start);
        if waits {
            self.tell(Source::Rehearse, Event::ClockStarted(ClockStarted { in_place }));
        }
        self.plans.start(start);
    }

    async fn perform(&mut self, index: usize) -> Result<(), Failure> {
        let event = &self.rehearsal.scenario.events[index];
        let performed = ActionPerformed {
            index,
            action: event.action.key().to_owned(),
            id: event.id.clone(),
            text: event.action.to_string(),
        };
        let now = Instant::now();
        let done = self.hands.perform(event, self.time(now), &self.onlooker).await?;
        // A merge and its commit are told as one instant, whatever the push took.
        self.tell_at(now, Source::Rehearse, Event::ActionPerformed(performed));
        match done {
            Done::Nothing => {}
            Done::Commit(commit) => {
                let told = commit.told(&self.rehearsal.scenario.repository);
                self.tell_at(now, Source::Git, Event::Commit(told));
            }
            Done::Traffic(rate) => {
                self.rate = rate;
                if self.clients_begun {
                    self.clients.set_rate(self.server, rate, &self.sender, &mut self.watches).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether the run is over, and why.
    fn over(&self) -> Option<EndReason> {
        let (now, scenario) = (Instant::now(), self.rehearsal.scenario);
        if let Some(duration) = scenario.duration {
            let begun = self.clock?;
            return (now - begun >= wait(duration)).then_some(EndReason::DurationReached);
        }
        let to_come = self.plans.is_to_come();
        let compared = self.hands.git.head().is_none_or(|head| self.onlooker.has_compared(head.id.as_str()));
        let late = if compared { Wait::ZERO } else { NOTICED_WITHIN };
        let at_rest = self.onlooker.is_settled() && self.monitoring.is_settled();
        if !to_come && now - self.moved >= wait(scenario.settle) + late && at_rest {
            return Some(EndReason::Settled);
        }
        (now - self.begun >= wait(self.rehearsal.limit)).then_some(EndReason::TimeLimit)
    }

    /// Takes away what the run has made in its namespaces.
    async fn close(&mut self) -> Result<(), Failure> {
        self.watches.abort_all();
        self.clients.stop(self.server).await?;
        let prometheus = self.monitoring.addresses().iter().map(|address| address.namespace.clone());
        let namespaces: Vec<String> = self.hands.namespaces.iter().cloned().chain(prometheus).collect();
        self.hands.leave(&namespaces).await
    }

    fn time(&self, at: Instant) -> Time {
        let since = at.saturating_duration_since(self.begun).as_nanos();
        Time::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
    }

    fn tell(&mut self, source: Source, event: Event) {
        self.tell_at(Instant::now(), source, event);
    }

    fn tell_at(&mut self, at: Instant, source: Source, event: Event) {
        let entry = Entry { at: self.time(at), source, event };
        self.write(entry, at);
    }

    /// Adds an entry, and shows it to whoever waits for it. Watches report side by side, so that one may
    /// come a little after a later one: time never goes back.
    fn write(&mut self, mut entry: Entry, at: Instant) {
        let latest = self.entries.last().map_or(Time::ZERO, |entry| entry.at);
        entry.at = entry.at.max(latest);
        if self.moves(&entry.event) {
            self.moved = self.moved.max(at);
        }
        self.plans.see(&entry, at);
        self.progress.entry(&entry);
        self.entries.push(entry);
    }

    /// Whether an event keeps the run from settling: what clients experience does not, nor what is only said, nor an
    /// alert that the scenario does not speak of.
    fn moves(&self, event: &Event) -> bool {
        match event {
            Event::Requests(_) | Event::NotSimulated(_) | Event::Recorded(_) | Event::Rules(_) => false,
            Event::Alert(alert) => self.monitoring.follows(alert),
            Event::Pod(status) => status.phase != PodPhase::NotReady,
            _ => true,
        }
    }
}

fn wait(duration: Duration) -> Wait {
    Wait::from_nanos(duration.as_nanos())
}

fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
