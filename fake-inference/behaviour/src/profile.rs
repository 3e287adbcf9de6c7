use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use units::{Duration, Ratio, Time};

use crate::{Fault, Invalid, Latency, Lognormal, Moment};

const DEFAULT_LOAD: Duration = Duration::from_secs(60);
const MAX_FAULTS: usize = 100;

/// What a server that has not loaded its weights needs to say so: it looks nothing up.
const REFUSAL_P50: f64 = 0.001;
const REFUSAL_P99: f64 = 0.005;

/// How a model version behaves: its latency, its errors, the quality of its answers, the life of its
/// pods, and faults that change the first three over time.
///
/// ```
/// use behaviour::Profile;
/// let profile: Profile = serde_saphyr::from_str("latency: { p50: 180ms, p99: 350ms }").unwrap();
/// assert_eq!(profile, Profile::new(profile.latency));
/// assert_eq!(profile.load.to_string(), "1m");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// How long its answers take, end to end: `{ p50: 180ms, p99: 350ms }`. Errors take as long.
    pub latency: Latency,
    /// The share of requests answered with an error; 0% if left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errors: Ratio,
    /// The share of answers that are wrong, which no latency or error metric sees; 0% if left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wrong: Ratio,
    /// The share of answers whose stream is cut short with status 200, which no latency or error
    /// metric sees; 0% if left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated: Ratio,
    /// The time from the container's start until the weights are loaded; 60s if left out. Until then
    /// every request that reaches the pod is answered with an error, within milliseconds.
    #[serde(default = "default_load", skip_serializing_if = "is_default_load")]
    pub load: Duration,
    /// When the readiness probe begins to say yes; `when-loaded` if left out.
    #[serde(default, skip_serializing_if = "is_when_loaded")]
    pub ready: Ready,
    /// Changes of behaviour over time, at most 100. Where several act at once a later one overrides an
    /// earlier one.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded_faults")]
    #[schemars(length(max = 100))]
    pub faults: Vec<Fault>,
}

/// When a pod's readiness probe begins to say yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// As soon as the weights are loaded: the probe tells the truth.
    #[default]
    WhenLoaded,
    /// As soon as the container runs: traffic comes before the weights and is answered with errors.
    AtOnce,
    /// Never: the rollout makes no progress.
    Never,
}

/// How a pod answers at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effective {
    /// How long answers take, errors included.
    pub latency: Lognormal,
    /// The share of requests answered with an error.
    pub errors: Ratio,
    /// The share of answers, errors not counted, that are wrong.
    pub wrong: Ratio,
    /// The share of answers, errors not counted, that are cut short.
    pub truncated: Ratio,
}

/// A stretch of time, from some moment on, in which a pod's behaviour does not change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// The behaviour in it.
    pub effective: Effective,
    /// How long it lasts; [`Duration::MAX`] for ever.
    pub lasts: Duration,
}

impl Profile {
    /// A healthy model with this latency: no errors, loads in 60 s, tells the truth, no faults.
    pub fn new(latency: Latency) -> Self {
        Self {
            latency,
            errors: Ratio::ZERO,
            wrong: Ratio::ZERO,
            truncated: Ratio::ZERO,
            load: DEFAULT_LOAD,
            ready: Ready::WhenLoaded,
            faults: Vec::new(),
        }
    }

    /// The same model in a run whose every time is divided by `speed`: it loads faster, and its faults
    /// come sooner and last shorter. Latency is none of the pipeline's times and stays.
    #[must_use]
    pub fn at_speed(&self, speed: f64) -> Self {
        let faults = self.faults.iter().map(|fault| fault.at_speed(speed)).collect();
        Self { load: self.load / speed, faults, ..self.clone() }
    }

    /// The pod's age at which its readiness probe begins to say yes; `None` for never.
    pub fn ready_after(&self) -> Option<Duration> {
        match self.ready {
            Ready::WhenLoaded => Some(self.load),
            Ready::AtOnce => Some(Duration::ZERO),
            Ready::Never => None,
        }
    }

    /// How the pod answers at this moment. Before its weights are loaded, every request is an error
    /// that takes some milliseconds; after that the base values, changed by the faults in their order.
    pub fn at(&self, moment: Moment) -> Effective {
        if moment.age < self.load {
            return Effective {
                latency: Lognormal::from_quantiles(REFUSAL_P50, REFUSAL_P99),
                errors: Ratio::ONE,
                wrong: Ratio::ZERO,
                truncated: Ratio::ZERO,
            };
        }
        let mut levels = Levels {
            p50: self.latency.p50().as_secs_f64(),
            p99: self.latency.p99().as_secs_f64(),
            errors: self.errors.as_f64(),
            wrong: self.wrong.as_f64(),
            truncated: self.truncated.as_f64(),
        };
        for fault in &self.faults {
            fault.apply(moment, &mut levels);
        }
        levels.effective()
    }

    /// The next instant after this moment at which the pod's behaviour may differ from what it is now,
    /// on the run's clock; `None` if it stays as it is for ever. It never says too late, but may name
    /// an instant at which nothing changes. A ramp changes once in [`RAMP_STEP`](crate::RAMP_STEP).
    pub fn next_change(&self, moment: Moment) -> Option<Time> {
        let loaded = Some(self.load.saturating_sub(moment.age)).filter(|left| *left > Duration::ZERO);
        let faults = self.faults.iter().filter_map(|fault| fault.next_change(moment));
        let span = loaded.into_iter().chain(faults).min()?;
        Some(moment.now + span)
    }

    /// How the pod answers from this moment on, and how long. Every moment within the piece has the same
    /// end, so that counting up to it in several steps is the same as in one.
    ///
    /// ```
    /// use behaviour::{Moment, Profile};
    /// use units::{Duration, Time};
    /// let yaml = "{ latency: { p50: 1s, p99: 2s }, load: 10s, faults: [{ from: 15s, errors: 5% }] }";
    /// let profile: Profile = serde_saphyr::from_str(yaml).unwrap();
    /// let lasts = |age| {
    ///     let (age, now) = (Duration::from_secs(age), Time::from_secs(100 + age));
    ///     profile.piece(Moment { age, now, pod: 0 }).lasts
    /// };
    /// assert_eq!([0, 9, 10].map(lasts), [10, 1, 5].map(Duration::from_secs));
    /// assert_eq!(lasts(15), Duration::MAX);
    /// ```
    pub fn piece(&self, from: Moment) -> Piece {
        let lasts = self.next_change(from).map_or(Duration::MAX, |change| change.since(from.now));
        Piece { effective: self.at(from), lasts }
    }
}

/// The values that faults move, as plain numbers: seconds and shares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Levels {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) errors: f64,
    pub(crate) wrong: f64,
    pub(crate) truncated: f64,
}

impl Levels {
    fn effective(self) -> Effective {
        Effective {
            latency: Lognormal::from_quantiles(self.p50, self.p99),
            errors: share(self.errors),
            wrong: share(self.wrong),
            truncated: share(self.truncated),
        }
    }
}

/// A level between two shares is a share, but for rounding.
fn share(level: f64) -> Ratio {
    Ratio::new(level.clamp(0.0, 1.0)).expect("a finite number clamped to 0..=1 is a share")
}

fn bounded_faults<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Fault>, D::Error> {
    let faults = Vec::deserialize(deserializer)?;
    if faults.len() > MAX_FAULTS {
        let error = Invalid::TooManyFaults { count: faults.len(), limit: MAX_FAULTS };
        return Err(serde::de::Error::custom(error));
    }
    Ok(faults)
}

fn default_load() -> Duration {
    DEFAULT_LOAD
}

fn is_default_load(load: &Duration) -> bool {
    *load == DEFAULT_LOAD
}

fn is_zero(ratio: &Ratio) -> bool {
    *ratio == Ratio::ZERO
}

fn is_when_loaded(ready: &Ready) -> bool {
    *ready == Ready::WhenLoaded
}
