use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};

use behaviour::Moment;
use tokio::time::Instant;
use units::Duration;

use super::{Acts, Definition, Effect, Facts, RateLimit};
use crate::{Chance, Identity};

/// Who added a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The behaviour file.
    File,
    /// The admin interface.
    Admin,
}

/// A fault that is in force, and what it has done.
#[derive(Debug)]
pub struct InForce {
    /// Its definition.
    pub definition: Definition,
    /// Who added it.
    pub origin: Origin,
    added: Instant,
    seen: AtomicU64,
    hits: AtomicU64,
    allowance: Mutex<Allowance>,
}

/// What is left of a rate limit's bucket.
#[derive(Debug)]
struct Allowance {
    tokens: f64,
    at: Instant,
}

/// A fault that hits a request, and the number that decided it.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The fault.
    pub fault: Arc<InForce>,
    /// The number in `[0, 1)` that lay below its share.
    pub u: f64,
}

/// Why faults were not added. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// One more than the server keeps.
    #[error("{count} faults would be too many; the server keeps {limit}")]
    TooMany {
        /// How many there would be.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Two of one name.
    #[error("the fault `{0}` is defined twice")]
    Twice(String),
    /// A fault of the start, and the server has started.
    #[error(
        "`{0}` acts while the server starts; this one has started: put the fault into the behaviour file"
    )]
    TooLate(&'static str),
    /// A version that the file does not have.
    #[error("the behaviour file has no model `{0}`")]
    UnknownModel(String),
    /// A metric that the page does not have.
    #[error("the page of metrics has no `{0}`; name it without `_bucket`, `_sum` and `_count`")]
    UnknownMetric(String),
}

/// The faults in force. Readers take a snapshot; every change replaces the whole list or nothing.
#[derive(Debug, Default)]
pub struct FaultSet {
    list: RwLock<Arc<Vec<Arc<InForce>>>>,
}

impl FaultSet {
    /// The most faults at once.
    pub const LIMIT: usize = 1000;

    /// The faults in force now, by id.
    pub fn snapshot(&self) -> Arc<Vec<Arc<InForce>>> {
        let list = self.list.read().expect("no code panics while it changes the list");
        if list.iter().all(|fault| !fault.is_over()) {
            return Arc::clone(&list);
        }
        Arc::new(list.iter().filter(|fault| !fault.is_over()).cloned().collect())
    }

    /// Whether no fault is in force or waits to be forgotten.
    pub fn is_empty(&self) -> bool {
        self.list.read().expect("no code panics while it changes the list").is_empty()
    }

    /// Adds faults, or replaces those of the same name: all or none.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn add(&self, definitions: Vec<Definition>, origin: Origin) -> Result<(), Rejected> {
        let mut ids: Vec<_> = definitions.iter().map(|definition| definition.id.as_str()).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Rejected::Twice(twice[0].to_owned()));
        }
        let mut list = self.list.write().expect("no code panics while it changes the list");
        let kept = list.iter().filter(|fault| !fault.is_over());
        let kept = kept.filter(|fault| ids.binary_search(&fault.definition.id.as_str()).is_err());
        let mut all: Vec<_> = kept.cloned().collect();
        all.extend(definitions.into_iter().map(|definition| Arc::new(InForce::new(definition, origin))));
        if all.len() > Self::LIMIT {
            return Err(Rejected::TooMany { count: all.len(), limit: Self::LIMIT });
        }
        all.sort_by(|a, b| a.definition.id.cmp(&b.definition.id));
        *list = Arc::new(all);
        Ok(())
    }

    /// Removes the fault of this name; whether there was one.
    pub fn remove(&self, id: &str) -> bool {
        self.retain(|fault| fault.definition.id != id) > 0
    }

    /// Removes all faults that `keep` does not want; how many.
    pub fn retain(&self, keep: impl Fn(&InForce) -> bool) -> usize {
        let mut list = self.list.write().expect("no code panics while it changes the list");
        let live: Vec<_> = list.iter().filter(|fault| !fault.is_over()).cloned().collect();
        let kept: Vec<_> = live.iter().filter(|fault| keep(fault)).cloned().collect();
        let removed = live.len() - kept.len();
        *list = Arc::new(kept);
        removed
    }

    /// The faults that hit this request, the most urgent first.
    pub fn hits(&self, facts: &Facts<'_>, identity: &Identity, moment: Moment, chance: Chance) -> Vec<Hit> {
        if self.is_empty() {
            return Vec::new();
        }
        let list = self.snapshot();
        let mut hits: Vec<_> =
            list.iter().filter_map(|fault| fault.hit(facts, identity, moment, chance)).collect();
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.fault.definition.priority));
        hits
    }

    /// The faults of the server as a whole that act now.
    pub fn acting(&self, identity: &Identity, moment: Moment) -> Vec<Arc<InForce>> {
        let list = self.snapshot();
        list.iter().filter(|fault| fault.acts_on_server(identity, moment)).cloned().collect()
    }
}

impl InForce {
    fn new(definition: Definition, origin: Origin) -> Self {
        let tokens = match definition.effect {
            Effect::RateLimit(RateLimit { requests, .. }) => f64::from(requests),
            _ => 0.0,
        };
        let now = Instant::now();
        let allowance = Mutex::new(Allowance { tokens, at: now });
        Self { definition, origin, added: now, seen: AtomicU64::new(0), hits: AtomicU64::new(0), allowance }
    }

    /// How often it hit.
    pub fn hit_count(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// How long it is still in force; `None` for ever.
    pub fn expires_in(&self) -> Option<Duration> {
        let elapsed = Duration::from_nanos(self.added.elapsed().as_nanos() as u64);
        self.definition.ttl.map(|ttl| ttl.saturating_sub(elapsed))
    }

    /// One more hit; false where the fault has had all that it may have.
    pub(crate) fn take(&self) -> bool {
        let most = self.definition.max.unwrap_or(u64::MAX);
        self.hits.fetch_update(Relaxed, Relaxed, |hits| (hits < most).then_some(hits + 1)).is_ok()
    }

    fn is_over(&self) -> bool {
        self.expires_in() == Some(Duration::ZERO)
    }

    fn acts_on_server(&self, identity: &Identity, moment: Moment) -> bool {
        let definition = &self.definition;
        let of_server = matches!(definition.effect.acts(), Acts::OnServer | Acts::OnMetrics | Acts::OnStart);
        of_server && definition.scope.holds_server(identity) && definition.schedule.progress(moment).is_some()
    }

    fn hit(
        self: &Arc<Self>,
        facts: &Facts<'_>,
        identity: &Identity,
        moment: Moment,
        chance: Chance,
    ) -> Option<Hit> {
        let definition = &self.definition;
        let concerned = match definition.effect.acts() {
            Acts::OnRequests => true,
            Acts::OnTexts => facts.text,
            Acts::OnStreams => facts.stream,
            Acts::OnServer | Acts::OnMetrics | Acts::OnStart => false,
        };
        if !concerned || !definition.scope.holds_server(identity) {
            return None;
        }
        let progress = definition.schedule.progress(moment)?;
        if !definition.scope.holds_request(facts, chance, &definition.id) || !self.is_in_turn() {
            return None;
        }
        let u = chance.uniform(facts.request, &definition.id);
        if u >= definition.share.as_f64() * progress || !self.exceeds_allowance() {
            return None;
        }
        Some(Hit { fault: Arc::clone(self), u })
    }

    /// Counts a request of the scope; whether it is one of those that the fault looks at.
    fn is_in_turn(&self) -> bool {
        let earlier = self.seen.fetch_add(1, Relaxed);
        match earlier.checked_sub(self.definition.after) {
            None => false,
            Some(turn) => self.definition.first.is_none_or(|first| turn < first),
        }
    }

    /// Whether a rate limit has nothing left for this request; always true for other effects.
    fn exceeds_allowance(&self) -> bool {
        let Effect::RateLimit(RateLimit { requests, per }) = self.definition.effect else { return true };
        let mut allowance = self.allowance.lock().expect("nothing panics while it holds the allowance");
        let now = Instant::now();
        let refill = now.duration_since(allowance.at).as_secs_f64() / per.as_secs_f64() * f64::from(requests);
        allowance.at = now;
        allowance.tokens = (allowance.tokens + refill).min(f64::from(requests));
        if allowance.tokens >= 1.0 {
            allowance.tokens -= 1.0;
            return false;
        }
        true
    }
}
