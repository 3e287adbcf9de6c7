//! The counters of one pod.

use std::collections::VecDeque;

use behaviour::{Batch, Buckets, Draws, Effective, Latency, Sampler};
use units::{Duration, Ratio, Time};

use super::account::{Group, Totals};

/// Counters older than this are not looked back at.
const HISTORY: Duration = Duration::from_mins(60);

/// Behaviours whose samplers are kept; more are seen only while something ramps.
const SAMPLERS_KEPT: usize = 16;

/// What a pod has counted, and how fast it goes on.
#[derive(Debug)]
pub(super) struct Meter {
    /// Requests a second that are sent to it now.
    pub(super) rate: f64,
    /// How they are accounted; `None` where none are sent.
    pub(super) group: Option<Group>,
    draws: Draws,
    /// The counters of the present container, as it exposes them.
    counters: Batch,
    /// The start of that container.
    started: Time,
    /// What earlier containers of the pod counted.
    earlier: Totals,
    /// What all containers had counted when the present account began.
    accounted: Totals,
    /// Until when the counters have advanced.
    advanced: Time,
    /// Requests so far at moments in the past, the oldest first; never empty.
    history: VecDeque<(Time, f64)>,
}

impl Meter {
    /// A meter that has counted nothing yet.
    pub(super) fn new(draws: Draws, buckets: &Buckets, started: Time, now: Time) -> Self {
        Self {
            rate: 0.0,
            group: None,
            draws,
            counters: Batch::empty(buckets),
            started,
            earlier: Totals::default(),
            accounted: Totals::default(),
            advanced: now,
            history: VecDeque::from([(now, 0.0)]),
        }
    }

    pub(super) fn counters(&self) -> &Batch {
        &self.counters
    }

    pub(super) fn advanced(&self) -> Time {
        self.advanced
    }

    /// A container that was started again counts from zero.
    pub(super) fn ensure_container(&mut self, started: Time, buckets: &Buckets) {
        if self.started != started {
            self.started = started;
            self.earlier = self.totals();
            self.counters = Batch::empty(buckets);
        }
    }

    /// Counts the requests of a span.
    pub(super) fn count(&mut self, sampler: &Sampler, span: Duration) {
        sampler.sample_into(self.rate * span.as_secs_f64(), &mut self.draws, &mut self.counters);
    }

    /// The counters stand at this moment now.
    pub(super) fn reach(&mut self, now: Time) {
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

/// The samplers of the behaviours that were seen last: their tables are costly to make.
#[derive(Debug, Default)]
pub(super) struct Samplers(Vec<Sampler>);

impl Samplers {
    /// The sampler of a behaviour.
    pub(super) fn of(&mut self, effective: Effective, buckets: &Buckets, slow: Option<Duration>) -> &Sampler {
        let kept = &mut self.0;
        let known = kept.iter().position(|sampler| *sampler.effective() == effective);
        let position = known.unwrap_or_else(|| {
            if kept.len() >= SAMPLERS_KEPT {
                kept.remove(0);
            }
            kept.push(Sampler::new(effective, buckets, slow));
            kept.len() - 1
        });
        &kept[position]
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
    use behaviour::Arrivals;

    use super::*;

    /// A meter that counts ten requests a second from second 100 on.
    fn meter() -> (Meter, Buckets, Samplers) {
        let (buckets, draws) = (Buckets::default(), Draws::new(Arrivals::Expected, 1, "test"));
        let mut meter = Meter::new(draws, &buckets, Time::from_secs(90), Time::from_secs(100));
        meter.rate = 10.0;
        (meter, buckets, Samplers::default())
    }

    fn advance(meter: &mut Meter, samplers: &mut Samplers, buckets: &Buckets, second: u64) {
        let now = Time::from_secs(second);
        let span = now.since(meter.advanced());
        meter.count(samplers.of(refused(), buckets, None), span);
        meter.reach(now);
    }

    #[test]
    fn requests_are_looked_back_at_by_the_last_count_before() {
        let (mut meter, buckets, mut samplers) = meter();
        for second in [110, 120, 130] {
            advance(&mut meter, &mut samplers, &buckets, second);
        }
        for (from, requests) in
            [(0, 300.0), (100, 300.0), (109, 300.0), (110, 200.0), (125, 100.0), (130, 0.0)]
        {
            assert!((meter.requests_since(Time::from_secs(from)) - requests).abs() < 1e-6, "since {from}");
        }
    }

    #[test]
    fn history_is_bounded_and_what_lies_before_counts_from_its_beginning() {
        let (mut meter, buckets, mut samplers) = meter();
        for second in (110..=10_000).step_by(10) {
            advance(&mut meter, &mut samplers, &buckets, second);
        }
        assert!(meter.history.len() <= 362, "{}", meter.history.len());
        let all = meter.requests_since(Time::ZERO);
        assert!((36_000.0..=36_200.0).contains(&all), "{all}");
    }

    #[test]
    fn another_container_begins_at_zero_and_loses_nothing_of_the_account() {
        let (mut meter, buckets, mut samplers) = meter();
        advance(&mut meter, &mut samplers, &buckets, 110);
        assert!((meter.account().requests - 100.0).abs() < 1e-6);
        advance(&mut meter, &mut samplers, &buckets, 120);
        meter.ensure_container(Time::from_secs(120), &buckets);
        assert_eq!(meter.counters().requests, 0.0);
        advance(&mut meter, &mut samplers, &buckets, 125);
        assert!((meter.counters().requests - 50.0).abs() < 1e-6);
        let totals = meter.account();
        assert!((totals.requests - 150.0).abs() < 1e-6 && (totals.errors - 150.0).abs() < 1e-6, "{totals:?}");
        assert!((meter.requests_since(Time::from_secs(100)) - 250.0).abs() < 1e-6);
        assert_eq!(meter.account(), Totals::default());
    }

    #[test]
    fn few_samplers_are_kept() {
        let (mut samplers, buckets) = (Samplers::default(), Buckets::default());
        for percent in 0..100 {
            let errors = Ratio::new(f64::from(percent) / 100.0).unwrap();
            let effective = Effective { errors, ..refused() };
            assert_eq!(*samplers.of(effective, &buckets, None).effective(), effective);
        }
        assert_eq!(samplers.0.len(), SAMPLERS_KEPT);
    }
}
