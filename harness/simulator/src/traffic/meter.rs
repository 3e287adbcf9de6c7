//! The counters of one pod.

use std::collections::VecDeque;
use std::rc::Rc;

use behaviour::{Batch, Buckets, Draws, Effective, Latency, Moment, Piece, Profile, Sampler};
use units::{Duration, Ratio, Time};

use super::account::{Group, Totals};
use crate::actions::Clock;
use crate::api::ObjectId;

/// Counters older than this are not looked back at.
const HISTORY: Duration = Duration::from_mins(60);

/// Behaviours whose samplers are kept; more are seen only while something ramps.
const SAMPLERS_KEPT: usize = 16;

/// The meters of pods, found by a pod's place in the store.
#[derive(Debug, Default)]
pub(super) struct Meters<'a>(Vec<Option<Box<Meter<'a>>>>);

impl<'a> Meters<'a> {
    pub(super) fn get(&self, pod: ObjectId) -> Option<&Meter<'a>> {
        self.0.get(pod.index())?.as_deref()
    }

    pub(super) fn get_mut(&mut self, pod: ObjectId) -> Option<&mut Meter<'a>> {
        self.0.get_mut(pod.index())?.as_deref_mut()
    }

    /// Gives a pod its first meter.
    pub(super) fn insert(&mut self, meter: Meter<'a>) {
        let index = meter.pod.index();
        self.0.resize_with(self.0.len().max(index + 1), || None);
        self.0[index] = Some(Box::new(meter));
    }

    /// All of them, in the order in which their pods were created.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Meter<'a>> {
        self.0.iter().filter_map(Option::as_deref)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Meter<'a>> {
        self.0.iter_mut().filter_map(Option::as_deref_mut)
    }
}

/// What a pod has counted, and how fast it goes on.
#[derive(Debug)]
pub(super) struct Meter<'a> {
    pub(super) pod: ObjectId,
    /// Requests a second that are sent to it now.
    pub(super) rate: f64,
    /// How they are accounted; `None` where none are sent.
    pub(super) group: Option<Group>,
    draws: Draws,
    container: Container<'a>,
    /// The counters of the container, as it exposes them.
    counters: Batch,
    /// How the container answers at present, once it was asked.
    steady: Option<Steady>,
    /// What earlier containers of the pod counted.
    earlier: Totals,
    /// What all containers had counted when the present account began.
    accounted: Totals,
    /// Until when the counters have advanced.
    advanced: Time,
    /// Requests so far at moments in the past, the oldest first; never empty.
    history: VecDeque<(Time, f64)>,
}

/// A container that runs a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Container<'a> {
    pub(super) started: Time,
    pub(super) profile: &'a Profile,
    /// The pod's count among those of its model version, from 0.
    pub(super) pod_of_model: u64,
}

/// A behaviour that lasts, unless the scenario's clock starts before.
#[derive(Debug)]
struct Steady {
    sampler: Rc<Sampler>,
    clock: Clock,
    until: Time,
}

impl<'a> Meter<'a> {
    /// A meter that has counted nothing yet.
    pub(super) fn new(
        pod: ObjectId,
        draws: Draws,
        container: Container<'a>,
        buckets: &Buckets,
        now: Time,
    ) -> Self {
        Self {
            pod,
            rate: 0.0,
            group: None,
            draws,
            container,
            counters: Batch::empty(buckets),
            steady: None,
            earlier: Totals::default(),
            accounted: Totals::default(),
            advanced: now,
            history: VecDeque::from([(now, 0.0)]),
        }
    }

    pub(super) fn counters(&self) -> &Batch {
        &self.counters
    }

    /// When the container started whose counters these are.
    pub(super) fn started(&self) -> Time {
        self.container.started
    }

    /// A container that was started again counts from zero.
    pub(super) fn restart(&mut self, container: Container<'a>, buckets: &Buckets) {
        self.container = container;
        self.earlier = self.totals();
        self.counters = Batch::empty(buckets);
        self.steady = None;
    }

    /// Counts the requests until now. Before its server answers, the pod refuses them all.
    pub(super) fn advance(&mut self, now: Time, clock: Clock, answers: bool, samplers: &mut Samplers) {
        let mut from = self.advanced;
        while self.rate > 0.0 && from < now {
            let known = self.steady.take().filter(|it| answers && it.until > from && it.clock == clock);
            let steady = match known {
                Some(steady) => steady,
                None if answers => self.container.behaviour(from, clock, samplers),
                None => Steady { sampler: samplers.of(refused()), clock, until: now },
            };
            let until = now.min(steady.until);
            let expected = self.rate * until.since(from).as_secs_f64();
            steady.sampler.sample_into(expected, &mut self.draws, &mut self.counters);
            self.steady = Some(steady);
            from = until;
        }
        self.reach(now);
    }

    /// The counters stand at this moment now.
    fn reach(&mut self, now: Time) {
        if now == self.advanced {
            return;
        }
        self.advanced = now;
        self.history.push_back((now, self.totals().requests));
        while self.history.get(1).is_some_and(|(at, _)| now.since(*at) > HISTORY) {
            self.history.pop_front();
        }
    }

    /// What was counted since the last call.
    pub(super) fn account(&mut self) -> Totals {
        let totals = self.totals();
        totals - std::mem::replace(&mut self.accounted, totals)
    }

    /// Requests after a moment in the past, by the last count before it; at most those of [`HISTORY`].
    pub(super) fn requests_since(&self, from: Time) -> f64 {
        let later = self.history.partition_point(|(at, _)| *at <= from);
        let before = self.history.get(later.saturating_sub(1)).map_or(0.0, |(_, requests)| *requests);
        self.totals().requests - before
    }

    fn totals(&self) -> Totals {
        self.earlier + Totals::of(&self.counters)
    }
}

impl Container<'_> {
    /// How it answers from a moment on. It gets older while the scenario's clock is held.
    fn behaviour(self, from: Time, clock: Clock, samplers: &mut Samplers) -> Steady {
        let on_clock = match clock {
            Clock::Held => Duration::ZERO,
            Clock::Since(start) => from.since(start),
        };
        let age = from.since(self.started);
        let Piece { effective, lasts } =
            self.profile.piece(Moment { age, now: Time::ZERO + on_clock, pod: self.pod_of_model });
        Steady { sampler: samplers.of(effective), clock, until: from + lasts }
    }
}

/// The samplers of the behaviours that were seen last: their tables are costly to make.
#[derive(Debug)]
pub(super) struct Samplers {
    pub(super) buckets: Buckets,
    /// From here on an answer is slow.
    pub(super) slow: Option<Duration>,
    kept: Vec<Rc<Sampler>>,
}

impl Samplers {
    pub(super) fn new(buckets: Buckets) -> Self {
        Self { buckets, slow: None, kept: Vec::new() }
    }

    /// The sampler of a behaviour.
    pub(super) fn of(&mut self, effective: Effective) -> Rc<Sampler> {
        if let Some(known) = self.kept.iter().find(|sampler| *sampler.effective() == effective) {
            return Rc::clone(known);
        }
        if self.kept.len() >= SAMPLERS_KEPT {
            self.kept.remove(0);
        }
        let sampler = Rc::new(Sampler::new(effective, &self.buckets, self.slow));
        self.kept.push(Rc::clone(&sampler));
        sampler
    }
}

/// How a connection that is refused fares: nothing answers.
pub(super) fn refused() -> Effective {
    let latency = Latency::new(Duration::from_millis(1), Duration::from_millis(2));
    let latency = latency.expect("one and two milliseconds are a valid latency").distribution();
    let none = Ratio::ZERO;
    Effective { latency, errors: Ratio::ONE, wrong: none, truncated: none }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use behaviour::Arrivals;

    use super::*;

    const CLOCK: Clock = Clock::Since(Time::ZERO);

    static PROFILE: LazyLock<Profile> = LazyLock::new(|| {
        let text = "{latency: {p50: 100ms, p99: 200ms}, load: 10s, faults: [{from: 60s, errors: 100%}]}";
        yaml::decode(&yaml::parse_one("profile.yaml", text.as_bytes()).unwrap()).unwrap()
    });

    fn container(started: u64) -> Container<'static> {
        Container { started: Time::from_secs(started), profile: &PROFILE, pod_of_model: 0 }
    }

    /// A meter that counts ten requests a second from second 100 on.
    fn meter() -> (Meter<'static>, Samplers) {
        let (samplers, draws) =
            (Samplers::new(Buckets::default()), Draws::new(Arrivals::Expected, 1, "test"));
        let pod = ObjectId::default();
        let mut meter = Meter::new(pod, draws, container(90), &samplers.buckets, Time::from_secs(100));
        meter.rate = 10.0;
        (meter, samplers)
    }

    fn advance(meter: &mut Meter<'_>, samplers: &mut Samplers, second: u64) {
        meter.advance(Time::from_secs(second), CLOCK, false, samplers);
    }

    #[test]
    fn a_behaviour_lasts_until_it_changes_or_the_server_does_not_answer() {
        let (mut meter, mut samplers) = meter();
        // The fault begins in second 150.
        for (second, answers, errors) in
            [(120, true, 0.0), (140, true, 0.0), (160, true, 100.0), (161, false, 110.0), (200, true, 500.0)]
        {
            meter.advance(Time::from_secs(second), CLOCK, answers, &mut samplers);
            assert!((meter.counters().errors - errors).abs() < 1e-6, "{second}: {:?}", meter.counters());
        }
        meter.restart(container(200), &Buckets::default());
        meter.advance(Time::from_secs(230), CLOCK, true, &mut samplers);
        assert!((meter.counters().errors - 100.0).abs() < 1e-6, "ten seconds of loading");
    }

    #[test]
    fn requests_are_looked_back_at_by_the_last_count_before() {
        let (mut meter, mut samplers) = meter();
        for second in [110, 120, 130] {
            advance(&mut meter, &mut samplers, second);
        }
        for (from, requests) in
            [(0, 300.0), (100, 300.0), (109, 300.0), (110, 200.0), (125, 100.0), (130, 0.0)]
        {
            assert!((meter.requests_since(Time::from_secs(from)) - requests).abs() < 1e-6, "since {from}");
        }
    }

    #[test]
    fn history_is_bounded_and_what_lies_before_counts_from_its_beginning() {
        let (mut meter, mut samplers) = meter();
        for second in (110..=10_000).step_by(10) {
            advance(&mut meter, &mut samplers, second);
        }
        assert!(meter.history.len() <= 362, "{}", meter.history.len());
        let all = meter.requests_since(Time::ZERO);
        assert!((36_000.0..=36_200.0).contains(&all), "{all}");
    }

    #[test]
    fn another_container_begins_at_zero_and_loses_nothing_of_the_account() {
        let (mut meter, mut samplers) = meter();
        advance(&mut meter, &mut samplers, 110);
        assert!((meter.account().requests - 100.0).abs() < 1e-6);
        advance(&mut meter, &mut samplers, 120);
        meter.restart(container(120), &Buckets::default());
        assert_eq!(meter.counters().requests, 0.0);
        advance(&mut meter, &mut samplers, 125);
        assert!((meter.counters().requests - 50.0).abs() < 1e-6);
        let totals = meter.account();
        assert!((totals.requests - 150.0).abs() < 1e-6 && (totals.errors - 150.0).abs() < 1e-6, "{totals:?}");
        assert!((meter.requests_since(Time::from_secs(100)) - 250.0).abs() < 1e-6);
        assert_eq!(meter.account(), Totals::default());
    }

    #[test]
    fn few_samplers_are_kept() {
        let mut samplers = Samplers::new(Buckets::default());
        for percent in 0..100 {
            let errors = Ratio::new(f64::from(percent) / 100.0).unwrap();
            let effective = Effective { errors, ..refused() };
            assert_eq!(*samplers.of(effective).effective(), effective);
        }
        assert_eq!(samplers.kept.len(), SAMPLERS_KEPT);
    }
}
