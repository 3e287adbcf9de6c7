use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use axum::http::{HeaderName, HeaderValue};
use behaviour::{Moment, Profile, Ready};
use indexmap::IndexMap;
use units::Duration;

use crate::engine::Engine;
use crate::fault::{
    BucketChange, Definition, Effect, Exit, Facts, FaultSet, Flap, For, IdentitySwap, InForce, Leak, Metric,
    Origin, Rejected, Rename, Reserve, ShutdownChange, Slots, Value,
};
use crate::identity::{Clocks, Identity};
use crate::journal::{Cause, Journal};
use crate::lifecycle::{Lifecycle, Phase, Stage};
use crate::metrics::{Liar, Meters, Scrape};
use crate::settings::{Settings, Shutdown};
use crate::treatment::Treatment;
use crate::{BehaviourFile, Chance};

/// A model server: what it is, what it counts, and the faults in force.
#[derive(Debug)]
pub struct Server {
    /// Who it is.
    pub identity: Identity,
    /// How it speaks, queues, starts and stops.
    pub settings: Settings,
    /// The faults in force.
    pub faults: FaultSet,
    /// What was performed.
    pub journal: Journal,
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    pub(crate) models: IndexMap<String, Profile>,
    pub(crate) profile: Profile,
    pub(crate) chance: Chance,
    pub(crate) clocks: Clocks,
    pub(crate) engine: Arc<Engine>,
    pub(crate) meters: Meters,
    /// The bytes of all bodies being read.
    pub(crate) body_bytes: AtomicUsize,
    pub(crate) under_way: AtomicUsize,
    /// What answers name: the model, and the system's fingerprint.
    pub(crate) name: Arc<str>,
    pub(crate) fingerprint: Arc<str>,
    /// The headers of every response that say who answered.
    pub(crate) who: Vec<(HeaderName, HeaderValue)>,
    liar: Liar,
    requests: AtomicU64,
    /// What begins the identifiers that requests without their own are given, and how many were.
    id_prefix: String,
    ids: AtomicU64,
    lacks_credentials: bool,
    /// The faults of the server as a whole that were acting at the last look.
    acting: Mutex<BTreeSet<String>>,
    leaked: Mutex<Vec<Vec<u8>>>,
    leaked_bytes: AtomicU64,
}

/// What a server is made of besides its file.
#[derive(Debug, Clone)]
pub struct Start {
    /// Who it is; the version names the profile.
    pub identity: Identity,
    /// The seed of all chance.
    pub seed: u64,
    /// The time, as the time since the epoch.
    pub unix_time: Duration,
    /// How long ago the run started.
    pub run_started_before: Duration,
    /// Whether the environment has credentials for the model registry.
    pub has_credentials: bool,
}

impl Server {
    /// A server that performs the profile of its version in the file.
    ///
    /// # Errors
    /// A version that the file does not have, or faults that cannot be in force together.
    pub fn new(file: &BehaviourFile, start: Start) -> Result<Arc<Self>, String> {
        let version =
            file.choose(Some(&start.identity.version).filter(|v| !v.is_empty()).map(String::as_str))?;
        let mut identity = start.identity;
        identity.version = version.to_owned();
        if identity.name.is_empty() {
            identity.name = version.to_owned();
        }
        let settings = file.settings.clone();
        let chance = Chance::new(start.seed);
        let buckets = settings.buckets.buckets().map_err(|error| error.to_string())?;
        let server = Arc::new(Self {
            engine: Engine::new(&settings.engine, identity.max_batch_size),
            meters: Meters::new(&settings.metrics, buckets, identity.max_sequence_length),
            models: file.models.clone(),
            profile: file.models[version].clone(),
            chance,
            clocks: Clocks::start(start.unix_time, start.run_started_before),
            name: identity.name.as_str().into(),
            fingerprint: fingerprint(&identity.version, &identity.revision),
            id_prefix: with_hex("", chance.bits(&identity.pod, "requests")),
            who: who(&identity),
            lacks_credentials: settings.loading.needs_credentials && !start.has_credentials,
            identity,
            settings,
            faults: FaultSet::default(),
            journal: Journal::default(),
            lifecycle: Lifecycle::default(),
            body_bytes: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            liar: Liar::default(),
            requests: AtomicU64::new(0),
            ids: AtomicU64::new(0),
            acting: Mutex::default(),
            leaked: Mutex::default(),
            leaked_bytes: AtomicU64::new(0),
        });
        server.add_faults(file.faults.clone(), Origin::File).map_err(|rejected| rejected.to_string())?;
        Ok(server)
    }

    /// This moment of the pod's life.
    pub fn moment(&self) -> Moment {
        self.clocks.moment(self.identity.pod_index)
    }

    /// Where the process is in its life.
    pub fn phase(&self) -> Phase {
        match self.lifecycle.stage() {
            Stage::Starting => return Phase::Starting,
            Stage::Draining { .. } => return Phase::Draining,
            Stage::Ended(0) => return Phase::Stopped,
            Stage::Ended(_) => return Phase::Dead,
            Stage::Running => {}
        }
        let (age, load, parts) = (self.clocks.age(), self.load_time(), self.settings.loading);
        if age < load {
            return match age {
                age if age < parts.download => Phase::Downloading,
                age if age + parts.warming >= load => Phase::Warming,
                _ => Phase::Loading,
            };
        }
        if self.is_wedged() { Phase::Wedged } else { Phase::Ready }
    }

    /// Whether the readiness probe says yes, truly or not.
    pub fn is_ready(&self) -> bool {
        let age = self.clocks.age();
        let (mut lies, mut never) = (self.profile.ready == Ready::AtOnce, self.profile.ready == Ready::Never);
        for fault in self.acting() {
            match &fault.definition.effect {
                Effect::ReadyBeforeLoaded(_) => lies = true,
                Effect::NeverReady(_) => never = true,
                Effect::Flap(Flap { every, lasts }) => {
                    never |= age.as_nanos() % every.as_nanos() < lasts.as_nanos()
                }
                _ => {}
            }
        }
        let dead = matches!(self.lifecycle.stage(), Stage::Ended(_));
        !never && !dead && (lies || age >= self.load_time())
    }

    /// How old the container is when its weights are loaded.
    pub fn load_time(&self) -> Duration {
        let acting = self.acting();
        let more = acting.iter().filter_map(|fault| match fault.definition.effect {
            Effect::SlowLoad(For { lasts }) => Some(lasts),
            _ => None,
        });
        more.fold(self.profile.load, |sum, more| sum + more)
    }

    /// Adds faults or replaces those of the same name: all or none.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn add_faults(&self, faults: Vec<Definition>, origin: Origin) -> Result<(), Rejected> {
        for fault in &faults {
            self.check_fault(fault, origin)?;
        }
        let kinds: Vec<_> = faults.iter().map(|fault| fault.effect.kind()).collect();
        self.faults.add(faults, origin)?;
        // A counter that appears with its first hit would hide that hit from `rate`.
        kinds.into_iter().for_each(|kind| self.meters.fault(kind, 0));
        self.refresh();
        Ok(())
    }

    /// Brings what follows from time and faults up to date. Called after each change and ten times a second.
    pub fn refresh(&self) {
        let acting = self.acting();
        self.note_beginnings(&acting);
        self.constrain_engine(&acting);
        let bounds = acting.iter().find_map(|fault| match &fault.definition.effect {
            Effect::BucketChange(BucketChange { bounds }) => Some(bounds.as_slice()),
            _ => None,
        });
        self.meters.use_bounds(bounds);
        if self.liar.resets_due(&acting) {
            self.meters.reset();
        }
    }

    /// What SIGTERM does now.
    pub fn shutdown(&self) -> Shutdown {
        let acting = self.acting();
        let change = acting.iter().find_map(|fault| match &fault.definition.effect {
            Effect::Shutdown(ShutdownChange { mode, grace }) => Some((*mode, *grace)),
            _ => None,
        });
        match change {
            None => self.settings.shutdown,
            Some((mode, grace)) => {
                let usual = self.settings.shutdown;
                Shutdown { mode, grace: grace.unwrap_or(usual.grace), ..usual }
            }
        }
    }

    /// The accepted requests that have not ended.
    pub fn requests_under_way(&self) -> usize {
        self.under_way.load(Relaxed)
    }

    /// The requests that were accepted since the start.
    pub fn requests_accepted(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(crate) fn next_request_id(&self) -> Arc<str> {
        let number = self.ids.fetch_add(1, Relaxed);
        // Not the client's, so it only has to differ from every other of this process.
        [&self.id_prefix, "-", &number.to_string()].concat().into()
    }

    /// The faults that hit a request, put together, counted and written down.
    pub(crate) fn treat(&self, facts: &Facts<'_>) -> Treatment {
        self.requests.fetch_add(1, Relaxed);
        let moment = self.moment();
        let hits = self.faults.hits(facts, &self.identity, moment, self.chance);
        let treatment = Treatment::of(hits, self.chance, facts.request);
        for performed in &treatment.performed {
            self.meters.fault(performed.fault.definition.effect.kind(), 1);
            let cause = Cause::Fault(Arc::clone(&performed.fault));
            self.journal.write(moment.age, Some(facts.request.into()), cause, Some(performed.u));
        }
        treatment.leaks.iter().for_each(|leak| self.leak(leak));
        self.die_if_due();
        treatment
    }

    /// Writes down what a share of the profile did to a request.
    pub(crate) fn note_profile(&self, kind: &'static str, request: &Arc<str>, u: f64) {
        self.meters.fault(kind, 1);
        self.journal.write(self.clocks.age(), Some(Arc::clone(request)), Cause::Profile(kind), Some(u));
    }

    /// The profile, with the load time that faults give it.
    pub(crate) fn profile_now(&self) -> Cow<'_, Profile> {
        let load = self.load_time();
        if load == self.profile.load {
            return Cow::Borrowed(&self.profile);
        }
        Cow::Owned(Profile { load, ..self.profile.clone() })
    }

    pub(crate) async fn until_not_wedged(&self) {
        while self.is_wedged() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// The page of metrics as a scraper sees it now.
    pub(crate) fn scrape(&self) -> Scrape {
        self.refresh();
        let families = self.meters.families(&self.identity, &self.engine.load());
        self.liar.scrape(families, &self.acting(), self.clocks.unix_seconds())
    }

    fn acting(&self) -> Vec<Arc<InForce>> {
        if self.faults.is_empty() {
            return Vec::new();
        }
        self.faults.acting(&self.identity, self.moment())
    }

    fn is_wedged(&self) -> bool {
        self.acting().iter().any(|fault| matches!(fault.definition.effect, Effect::Wedge(_)))
    }

    fn check_fault(&self, fault: &Definition, origin: Origin) -> Result<(), Rejected> {
        let starts = matches!(fault.effect, Effect::SlowLoad(_) | Effect::Registry(_));
        if starts && origin == Origin::Admin && self.clocks.age() >= self.load_time() {
            return Err(Rejected::TooLate(fault.effect.kind()));
        }
        if let Effect::IdentitySwap(IdentitySwap { model }) = &fault.effect
            && !self.models.contains_key(model)
        {
            return Err(Rejected::UnknownModel(model.clone()));
        }
        let (Effect::Absent(Metric { metric })
        | Effect::Rename(Rename { metric, .. })
        | Effect::Value(Value { metric, .. })) = &fault.effect
        else {
            return Ok(());
        };
        let families = self.meters.families(&self.identity, &self.engine.load());
        let known = families.iter().any(|family| family.is_called(metric));
        if known { Ok(()) } else { Err(Rejected::UnknownMetric(metric.clone())) }
    }

    /// Counts and writes down the faults of the server as a whole that have begun since the last look.
    fn note_beginnings(&self, acting: &[Arc<InForce>]) {
        let mut before = self.acting.lock().expect("nothing panics while it holds the names");
        let counted = acting.iter().filter(|fault| !matches!(fault.definition.effect, Effect::Exit(_)));
        let now: BTreeSet<String> = counted.clone().map(|fault| fault.definition.id.clone()).collect();
        for fault in counted.filter(|fault| !before.contains(&fault.definition.id)) {
            self.note_server_fault(fault);
        }
        *before = now;
    }

    fn note_server_fault(&self, fault: &Arc<InForce>) {
        fault.take();
        self.meters.fault(fault.definition.effect.kind(), 1);
        self.journal.write(self.clocks.age(), None, Cause::Fault(Arc::clone(fault)), None);
    }

    fn constrain_engine(&self, acting: &[Arc<InForce>]) {
        let (mut slots, mut reserved) = (None, 0.0_f64);
        for fault in acting {
            match fault.definition.effect {
                Effect::Queue(Slots { slots: left }) => {
                    slots = Some(slots.map_or(left, |s: usize| s.min(left)))
                }
                Effect::KvPressure(Reserve { reserve }) => reserved = reserved.max(reserve.as_f64()),
                _ => {}
            }
        }
        self.engine.constrain(slots, reserved);
    }

    /// Ends the process where a fault or its start says so. Apart from [`Server::refresh`], so that who adds
    /// such a fault still gets an answer.
    pub(crate) fn die_if_due(&self) {
        let (acting, age) = (self.acting(), self.clocks.age());
        if age < self.load_time() && age >= self.settings.loading.download {
            let refused = acting.iter().find(|fault| matches!(fault.definition.effect, Effect::Registry(_)));
            if self.lacks_credentials || refused.is_some() {
                self.lifecycle.end(1);
            }
        }
        for fault in &acting {
            if let Effect::Exit(Exit { code }) = fault.definition.effect
                && self.requests_accepted() >= fault.definition.after
                && !matches!(self.lifecycle.stage(), Stage::Ended(_))
            {
                self.note_server_fault(fault);
                self.lifecycle.end(code);
            }
        }
    }

    fn leak(&self, leak: &Leak) {
        let held = self.leaked_bytes.load(Relaxed);
        let more = leak.bytes.min(leak.cap.saturating_sub(held));
        self.leaked_bytes.fetch_add(more, Relaxed);
        // Written to, so that the memory is really taken.
        self.leaked.lock().expect("nothing panics while it leaks").push(vec![1; more as usize]);
        if held + more >= leak.cap
            && let Some(code) = leak.exit
        {
            self.lifecycle.end(code);
        }
    }

    /// The bytes that `leak` holds.
    pub fn leaked_bytes(&self) -> u64 {
        self.leaked_bytes.load(Relaxed)
    }
}

/// What answers name as `system_fingerprint`.
pub(crate) fn fingerprint(version: &str, revision: &str) -> Arc<str> {
    format!("fp_{version}_{revision}").into()
}

/// A text and the 16 hexadecimal digits of a number.
pub(crate) fn with_hex(text: &str, number: u64) -> String {
    let mut whole = String::with_capacity(text.len() + 16);
    whole.push_str(text);
    // As `{:016x}` writes them, in less time: every answer has two.
    whole.extend((0..16).rev().filter_map(|place| char::from_digit((number >> (4 * place)) as u32 & 15, 16)));
    whole
}

/// What every response says of who answered; what is not known is left out.
fn who(identity: &Identity) -> Vec<(HeaderName, HeaderValue)> {
    let named = [
        ("x-model-version", &identity.version),
        ("x-model-revision", &identity.revision),
        ("x-inference-pod", &identity.pod),
    ];
    let known = named.into_iter().filter(|(_, value)| !value.is_empty());
    known
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?)))
        .collect()
}
