use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::settings::{EngineSettings, Warmup};

/// The batch: a number of slots, a queue before them, first come first served, and a cache of tokens.
///
/// Every sequence that is computed holds a slot and its tokens in the cache. Where a growing sequence
/// no longer fits, the youngest gives up its place and its tokens, waits at the head of the queue, and
/// computes its prompt again: vLLM's recomputation.
#[derive(Debug)]
pub struct Engine {
    state: Mutex<State>,
    queue_limit: usize,
    kv_tokens: Option<u64>,
    slots: usize,
    under_load: f64,
    warmup: Warmup,
    started: AtomicU64,
}

#[derive(Debug)]
struct State {
    next: u64,
    slots: usize,
    capacity: u64,
    running: BTreeMap<u64, Sequence>,
    waiting: VecDeque<(u64, Sequence)>,
    used: u64,
    preemptions: u64,
}

#[derive(Debug, Clone)]
struct Sequence {
    tokens: u64,
    admitted: Arc<Notify>,
    /// Whether it lost its place since it last grew, though it may have a new one by now.
    preempted: bool,
}

/// How full the engine is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Sequences in the batch.
    pub running: usize,
    /// Sequences before it.
    pub waiting: usize,
    /// The share of the cache that is used; 0 where it has no bound.
    pub kv_usage: f64,
    /// How often a sequence lost its place, in all.
    pub preemptions: u64,
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// A sequence's place in the batch; dropped, it is free at once.
#[derive(Debug)]
pub struct Seat {
    engine: Arc<Engine>,
    id: u64,
    admitted: Arc<Notify>,
    /// How many times longer this answer takes, by warm-up and by the batch that it met.
    pub factor: f64,
}

impl Engine {
    /// An engine with these settings; `max_batch_size` is the number of slots unless they say another.
    pub fn new(settings: &EngineSettings, max_batch_size: usize) -> Arc<Self> {
        let slots = settings.slots.unwrap_or(max_batch_size);
        let capacity = settings.kv_tokens.unwrap_or(u64::MAX);
        let state = State {
            next: 0,
            slots,
            capacity,
            running: BTreeMap::new(),
            waiting: VecDeque::new(),
            used: 0,
            preemptions: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            queue_limit: settings.queue.limit,
            kv_tokens: settings.kv_tokens,
            slots,
            under_load: settings.under_load,
            warmup: settings.warmup,
            started: AtomicU64::new(0),
        })
    }

    /// Waits for a place for a sequence whose prompt has this many tokens. A caller that gives up
    /// leaves the queue.
    ///
    /// # Errors
    /// [`Full`] at once, where the queue is.
    pub async fn seat(self: &Arc<Self>, prompt_tokens: u64) -> Result<Seat, Full> {
        let mut seat = self.enter(prompt_tokens)?;
        seat.admission().await;
        let earlier = self.started.fetch_add(1, Relaxed);
        seat.factor = self.load_factor() * self.warmup_factor(earlier);
        Ok(seat)
    }

    /// How full it is.
    pub fn load(&self) -> Load {
        let state = self.lock();
        Load {
            running: state.running.len(),
            waiting: state.waiting.len(),
            kv_usage: if self.kv_tokens.is_some() { state.used as f64 / state.capacity as f64 } else { 0.0 },
            preemptions: state.preemptions,
        }
    }

    /// Takes slots and a share of the cache away, or gives them back: `None` and 0 for nothing.
    pub fn constrain(&self, slots: Option<usize>, reserved: f64) {
        let slots = slots.map_or(self.slots, |slots| slots.min(self.slots));
        let capacity = self.kv_tokens.map_or(u64::MAX, |tokens| (tokens as f64 * (1.0 - reserved)) as u64);
        let mut state = self.lock();
        if (state.slots, state.capacity) != (slots, capacity) {
            (state.slots, state.capacity) = (slots, capacity);
            state.preempt_until_it_fits();
            state.admit();
        }
    }

    fn enter(self: &Arc<Self>, tokens: u64) -> Result<Seat, Full> {
        let mut state = self.lock();
        let id = state.next;
        let sequence = Sequence { tokens, admitted: Arc::new(Notify::new()), preempted: false };
        let admitted = Arc::clone(&sequence.admitted);
        if state.waiting.len() >= self.queue_limit && !(state.waiting.is_empty() && state.fits(tokens)) {
            return Err(Full);
        }
        state.next += 1;
        state.waiting.push_back((id, sequence));
        state.admit();
        drop(state);
        Ok(Seat { engine: Arc::clone(self), id, admitted, factor: 1.0 })
    }

    fn load_factor(&self) -> f64 {
        if self.under_load == 1.0 {
            return 1.0;
        }
        let others = self.lock().running.len().saturating_sub(1) as f64;
        1.0 + (self.under_load - 1.0) * others / (self.slots.saturating_sub(1).max(1)) as f64
    }

    fn warmup_factor(&self, earlier: u64) -> f64 {
        let Warmup { requests, factor } = self.warmup;
        if earlier >= requests {
            return 1.0;
        }
        1.0 + (factor - 1.0) * (requests - earlier) as f64 / requests as f64
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the batch")
    }
}

impl Seat {
    /// Adds tokens to the sequence. True where it lost its place in the meantime and has a new one: its
    /// prompt has to be computed again.
    pub async fn grow(&mut self, tokens: u64) -> bool {
        if self.engine.kv_tokens.is_none() {
            return false;
        }
        let mut preempted = false;
        {
            let mut state = self.engine.lock();
            if let Some(sequence) = state.running.get_mut(&self.id) {
                sequence.tokens += tokens;
                preempted = std::mem::take(&mut sequence.preempted);
                state.used += tokens;
                state.preempt_until_it_fits();
            }
            if state.running.contains_key(&self.id) {
                return preempted;
            }
        }
        self.admission().await;
        if let Some(sequence) = self.engine.lock().running.get_mut(&self.id) {
            sequence.preempted = false;
        }
        true
    }

    async fn admission(&mut self) {
        while !self.engine.lock().running.contains_key(&self.id) {
            self.admitted.notified().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.engine.lock();
        match state.running.remove(&self.id) {
            Some(sequence) => state.used -= sequence.tokens,
            None => state.waiting.retain(|(id, _)| *id != self.id),
        }
        state.admit();
    }
}

impl State {
    /// A sequence alone always fits: nothing would ever make room for it.
    fn fits(&self, tokens: u64) -> bool {
        self.running.len() < self.slots
            && (self.running.is_empty() || self.used.saturating_add(tokens) <= self.capacity)
    }

    fn admit(&mut self) {
        while self.waiting.front().is_some_and(|(_, sequence)| self.fits(sequence.tokens)) {
            let Some((id, sequence)) = self.waiting.pop_front() else { return };
            self.used += sequence.tokens;
            sequence.admitted.notify_one();
            self.running.insert(id, sequence);
        }
    }

    fn preempt_until_it_fits(&mut self) {
        while self.used > self.capacity && self.running.len() > 1 {
            let Some((id, mut youngest)) = self.running.pop_last() else { return };
            self.used -= youngest.tokens;
            self.preemptions += 1;
            youngest.preempted = true;
            self.waiting.push_front((id, youngest));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::settings::Queue;

    fn engine(settings: EngineSettings) -> Arc<Engine> {
        Engine::new(&settings, 2)
    }

    async fn waits(engine: &Arc<Engine>, tokens: u64) -> bool {
        timeout(Duration::from_secs(1), engine.seat(tokens)).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_a_slot_and_gets_the_first_that_is_free() {
        let engine = engine(EngineSettings::default());
        let first = engine.seat(1).await.unwrap();
        let _second = engine.seat(1).await.unwrap();
        assert!(waits(&engine, 1).await);
        assert_eq!((engine.load().running, engine.load().waiting), (2, 0), "who gives up leaves the queue");
        drop(first);
        assert!(!waits(&engine, 1).await);
    }

    #[tokio::test(start_paused = true)]
    async fn slots_are_given_in_the_order_of_arrival() {
        let engine = engine(EngineSettings { slots: Some(1), ..EngineSettings::default() });
        let seat = engine.seat(1).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiters = Vec::new();
        for number in 0..5 {
            let (engine, order) = (Arc::clone(&engine), Arc::clone(&order));
            waiters.push(tokio::spawn(async move {
                let _seat = engine.seat(1).await.unwrap();
                order.lock().unwrap().push(number);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }));
            tokio::task::yield_now().await;
        }
        drop(seat);
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once() {
        let queue = Queue { limit: 1, ..Queue::default() };
        let engine = engine(EngineSettings { queue, ..EngineSettings::default() });
        let _seats = (engine.seat(1).await.unwrap(), engine.seat(1).await.unwrap());
        let waiting = Arc::clone(&engine);
        let waiting = tokio::spawn(async move { waiting.seat(1).await.is_ok() });
        tokio::task::yield_now().await;
        assert!(matches!(engine.seat(1).await, Err(Full)));
        waiting.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_cache_makes_requests_wait_though_slots_are_free() {
        let engine = engine(EngineSettings { kv_tokens: Some(100), ..EngineSettings::default() });
        let _first = engine.seat(80).await.unwrap();
        assert!(waits(&engine, 30).await);
        assert!(!waits(&engine, 20).await);
        assert_eq!(engine.load().kv_usage, 0.8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_growing_sequence_takes_the_place_of_the_youngest_which_computes_its_prompt_again() {
        let engine = engine(EngineSettings { kv_tokens: Some(100), ..EngineSettings::default() });
        let mut old = engine.seat(60).await.unwrap();
        let mut young = engine.seat(40).await.unwrap();
        assert!(!old.grow(1).await);
        assert_eq!((engine.load().preemptions, engine.load().running, engine.load().waiting), (1, 1, 1));
        let resumed = tokio::spawn(async move { young.grow(1).await });
        tokio::task::yield_now().await;
        assert!(!resumed.is_finished());
        drop(old);
        assert!(resumed.await.unwrap());
        assert_eq!((engine.load().running, engine.load().waiting), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_sequence_larger_than_the_cache_is_not_stuck() {
        let engine = engine(EngineSettings { kv_tokens: Some(10), ..EngineSettings::default() });
        let mut seat = engine.seat(50).await.unwrap();
        assert!(!seat.grow(5).await);
    }

    #[tokio::test(start_paused = true)]
    async fn slots_that_are_taken_away_come_back() {
        let engine = engine(EngineSettings::default());
        engine.constrain(Some(1), 0.0);
        let _first = engine.seat(1).await.unwrap();
        assert!(waits(&engine, 1).await);
        engine.constrain(None, 0.0);
        assert!(!waits(&engine, 1).await);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_take_longer_in_a_full_batch_and_at_first() {
        let warmup = Warmup { requests: 2, factor: 3.0 };
        let settings = EngineSettings { under_load: 2.0, warmup, ..EngineSettings::default() };
        let engine = engine(settings);
        let first = engine.seat(1).await.unwrap();
        let second = engine.seat(1).await.unwrap();
        assert_eq!((first.factor, second.factor), (3.0, 2.0 * 2.0));
        drop((first, second));
        assert_eq!(engine.seat(1).await.unwrap().factor, 1.0);
    }
}
