use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use behaviour::Buckets;

use super::family::{Family, Kind, Labels};
use super::histogram::Histogram;
use super::{MetricProfile, document, sglang, tgi, vllm};
use crate::api::Endpoint;
use crate::engine::Load;
use crate::identity::Identity;

/// How a request ended, as the engine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Finish {
    Stop,
    Length,
    /// The client left, or the server stopped.
    Abort,
    Error,
}

/// What is known of a request at its end. Times are in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) endpoint: Endpoint,
    pub(crate) finish: Finish,
    pub(crate) duration: f64,
    /// `None` where no token came.
    pub(crate) ttft: Option<f64>,
    /// To read the request and to see that it can be answered.
    pub(crate) validation: f64,
    pub(crate) queue: f64,
    pub(crate) prefill: f64,
    pub(crate) decode: f64,
    pub(crate) prompt_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) choices: u64,
    /// Whether it counts as an error; false for errors that are hushed up.
    pub(crate) error: bool,
}

/// What a histogram of an engine observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Duration,
    Ttft,
    /// Each time between two tokens.
    Between,
    /// The mean time between two tokens of a request.
    MeanBetween,
    Validation,
    Queue,
    /// Prefill and decode.
    Inference,
    Prefill,
    Decode,
    PromptTokens,
    OutputTokens,
    MaxTokens,
    Choices,
}

/// A histogram of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) measure: Measure,
    pub(crate) bounds: Vec<f64>,
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Meters {
    profiles: Vec<MetricProfile>,
    specs: Vec<Spec>,
    duration_bounds: Buckets,
    counts: Mutex<Counts>,
}

#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) endpoints: BTreeMap<Endpoint, EndpointCounts>,
    pub(crate) finished: BTreeMap<Finish, u64>,
    pub(crate) prompt_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) requests: u64,
    pub(crate) overloaded: u64,
    pub(crate) invalid: u64,
    /// By handler, method and class of status.
    pub(crate) http: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// By kind of fault.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// One for each spec.
    histograms: Vec<Histogram>,
}

/// The counts of one route.
#[derive(Debug, Clone)]
pub(crate) struct EndpointCounts {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) output_tokens: u64,
    pub(crate) durations: Histogram,
    pub(crate) ttft: Histogram,
}

impl Meters {
    pub(crate) fn new(profiles: &[MetricProfile], durations: Buckets, max_tokens: u32) -> Self {
        let specs: Vec<Spec> = profiles.iter().flat_map(|profile| specs(*profile, max_tokens)).collect();
        let counts = Mutex::new(Counts::new(&specs, &durations));
        Self { profiles: profiles.to_vec(), specs, duration_bounds: durations, counts }
    }

    /// A request is accepted by a handler.
    pub(crate) fn accept(&self, endpoint: Endpoint) {
        let mut counts = self.lock();
        counts.requests += 1;
        if let Some(counts) = counts.endpoints.get_mut(&endpoint) {
            counts.requests += 1;
        }
    }

    /// An accepted request has ended. One whose client left has no duration and no error.
    pub(crate) fn finish(&self, seen: &Observation) {
        let mut counts = self.lock();
        let counts = &mut *counts;
        *counts.finished.entry(seen.finish).or_default() += 1;
        counts.prompt_tokens += seen.prompt_tokens;
        counts.output_tokens += seen.output_tokens;
        if seen.finish == Finish::Abort {
            return;
        }
        if let Some(endpoint) = counts.endpoints.get_mut(&seen.endpoint) {
            endpoint.durations.observe(seen.duration, 1);
            endpoint.errors += u64::from(seen.error);
            endpoint.output_tokens += seen.output_tokens;
            if let Some(ttft) = seen.ttft {
                endpoint.ttft.observe(ttft, 1);
            }
        }
        // The engines observe what they computed, not what failed before.
        if seen.finish != Finish::Error {
            for (spec, histogram) in self.specs.iter().zip(&mut counts.histograms) {
                if let Some((value, times)) = seen.value(spec.measure) {
                    histogram.observe(value, times);
                }
            }
        }
    }

    /// A response was sent, by whichever route.
    pub(crate) fn response(&self, handler: &'static str, method: &'static str, status: u16) {
        let class = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        let vllm = |profile: &MetricProfile| matches!(profile, MetricProfile::VllmV0 | MetricProfile::VllmV1);
        let mut counts = self.lock();
        if self.profiles.iter().any(vllm) {
            *counts.http.entry((handler, method, class)).or_default() += 1;
        }
        counts.invalid += u64::from(matches!(status, 400 | 422));
    }

    /// The queue was full.
    pub(crate) fn overload(&self) {
        self.lock().overloaded += 1;
    }

    /// A fault was performed.
    pub(crate) fn fault(&self, kind: &'static str, times: u64) {
        *self.lock().faults.entry(kind).or_default() += times;
    }

    /// All counters begin again, as after a restart; the count of faults goes on.
    pub(crate) fn reset(&self) {
        let mut counts = self.lock();
        let faults = std::mem::take(&mut counts.faults);
        *counts = Counts::new(&self.specs, &self.duration_bounds);
        counts.faults = faults;
    }

    /// Gives the histogram of durations other bounds, or its own; a change empties it.
    pub(crate) fn use_bounds(&self, other: Option<&[f64]>) {
        let bounds = other.unwrap_or(self.duration_bounds.bounds());
        for endpoint in self.lock().endpoints.values_mut() {
            if endpoint.durations.bounds() != bounds {
                endpoint.durations = Histogram::new(bounds);
            }
        }
    }

    /// Every family, as it is true.
    pub(crate) fn families(&self, identity: &Identity, load: &Load) -> Vec<Family> {
        let counts = self.lock().clone();
        let mut families = Vec::new();
        for profile in &self.profiles {
            let page = Page { identity, load, counts: &counts, specs: &self.specs };
            families.extend(match profile {
                MetricProfile::Document => document::families(&page),
                MetricProfile::VllmV0 => vllm::families(&page, vllm::Engine::V0),
                MetricProfile::VllmV1 => vllm::families(&page, vllm::Engine::V1),
                MetricProfile::Tgi => tgi::families(&page),
                MetricProfile::Sglang => sglang::families(&page),
            });
        }
        families.push(faults(&counts));
        families
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("nothing panics while it counts")
    }
}

/// What a page is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) load: &'a Load,
    pub(crate) counts: &'a Counts,
    specs: &'a [Spec],
}

impl Page<'_> {
    /// The histograms whose names begin like this, with these labels.
    pub(crate) fn histograms(&self, prefix: &str, labels: &Labels) -> impl Iterator<Item = Family> {
        let all = self.specs.iter().zip(&self.counts.histograms);
        all.filter(move |(spec, _)| spec.name.starts_with(prefix)).map(|(spec, histogram)| {
            let mut family = Family::new(spec.name, spec.help, Kind::Histogram);
            family.add_histogram(labels, histogram);
            family
        })
    }

    /// How many requests ended so.
    pub(crate) fn finished(&self, finish: Finish) -> f64 {
        self.counts.finished.get(&finish).copied().unwrap_or_default() as f64
    }
}

impl Counts {
    fn new(specs: &[Spec], durations: &Buckets) -> Self {
        let endpoint = || EndpointCounts {
            requests: 0,
            errors: 0,
            output_tokens: 0,
            durations: Histogram::new(durations.bounds()),
            ttft: Histogram::new(durations.bounds()),
        };
        Self {
            endpoints: Endpoint::ALL.map(|it| (it, endpoint())).into(),
            finished: BTreeMap::new(),
            prompt_tokens: 0,
            output_tokens: 0,
            requests: 0,
            overloaded: 0,
            invalid: 0,
            http: BTreeMap::new(),
            faults: BTreeMap::new(),
            histograms: specs.iter().map(|spec| Histogram::new(&spec.bounds)).collect(),
        }
    }
}

impl Observation {
    fn value(&self, measure: Measure) -> Option<(f64, u64)> {
        let between = (self.output_tokens > 1).then(|| self.decode / (self.output_tokens - 1) as f64);
        match measure {
            Measure::Duration => Some((self.duration, 1)),
            Measure::Ttft => Some((self.ttft?, 1)),
            Measure::Between => Some((between?, self.output_tokens - 1)),
            Measure::MeanBetween => Some((between?, 1)),
            Measure::Validation => Some((self.validation, 1)),
            Measure::Queue => Some((self.queue, 1)),
            Measure::Inference => Some((self.prefill + self.decode, 1)),
            Measure::Prefill => Some((self.prefill, 1)),
            Measure::Decode => Some((self.decode, 1)),
            Measure::PromptTokens => Some((self.prompt_tokens as f64, 1)),
            Measure::OutputTokens => Some((self.output_tokens as f64, 1)),
            Measure::MaxTokens => Some((self.max_tokens? as f64, 1)),
            Measure::Choices => Some((self.choices as f64, 1)),
        }
    }
}

fn specs(profile: MetricProfile, max_tokens: u32) -> Vec<Spec> {
    match profile {
        MetricProfile::Document => Vec::new(),
        MetricProfile::VllmV0 => vllm::specs(vllm::Engine::V0, max_tokens),
        MetricProfile::VllmV1 => vllm::specs(vllm::Engine::V1, max_tokens),
        MetricProfile::Tgi => tgi::specs(max_tokens),
        MetricProfile::Sglang => sglang::specs(),
    }
}

fn faults(counts: &Counts) -> Family {
    let mut family = Family::new("fault_injected", "Faults performed, by kind.", Kind::Counter);
    for (kind, count) in &counts.faults {
        family.add(vec![("kind".into(), (*kind).to_owned())], *count as f64);
    }
    family
}
