//! What the kinds of faults are told: one struct a kind.

use behaviour::Latency;
use serde::Deserialize;
use units::{Duration, Ratio};

use crate::settings::ShutdownMode;

/// An effect without parameters, written `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an empty mapping, {}")]
pub struct Nothing {}

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field:meta])* $key:ident: $type:ty),+ $(,)? })+) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, expecting = "a mapping")]
        pub struct $name { $($(#[$field])* pub $key: $type),+ })+
    };
}

/// Time before anything else: exactly one of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// Evenly between two.
    Uniform(Between),
    /// A lognormal by two quantiles.
    Lognormal(Latency),
}

/// Two ends of a span of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub struct Between {
    /// The least.
    pub from: Duration,
    /// The most.
    pub to: Duration,
}

parameters! {
    /// Parameters of `slow`.
    Slow {
        /// How many times longer.
        factor: f64,
    }
    /// Parameters of `ttft` and `itl`: the time becomes `time · factor + add`.
    Stretch {
        /// How many times longer; 1 if left out.
        #[serde(default = "one")] factor: f64,
        /// How much longer; 0s if left out.
        #[serde(default)] add: Duration,
    }
    /// Parameters of `queue`.
    Slots {
        /// The slots that are left.
        slots: usize,
    }
    /// Parameters of `kv_pressure`.
    Reserve {
        /// The share of the cache that is taken.
        reserve: Ratio,
    }
    /// Parameters of `status`.
    Status {
        /// The status, 400 to 599.
        code: u16,
        /// What `Retry-After` says; only 429 and 503 have one if left out: 1s.
        #[serde(default)] retry_after: Option<Duration>,
    }
    /// Parameters of `hang`.
    Hang {
        /// How long, before the connection closes; until the client leaves if left out.
        #[serde(default, rename = "for")] lasts: Option<Duration>,
    }
    /// Parameters of `malformed`.
    Malformed {
        /// What the body is.
        #[serde(default)] body: MalformedBody,
    }
    /// Parameters of `rate_limit`.
    RateLimit {
        /// The requests.
        requests: u32,
        /// In how long.
        per: Duration,
    }
    /// Parameters of `context_length`.
    ContextLength {
        /// The most tokens of prompt and answer.
        limit: u32,
    }
    /// Parameters of `stall`.
    Stall {
        /// The tokens before the pause; 1 if left out.
        #[serde(default = "one_token")] after: u32,
        /// How long; until the client leaves if left out.
        #[serde(default, rename = "for")] lasts: Option<Duration>,
    }
    /// Parameters of faults in the middle of a stream.
    AfterTokens {
        /// The tokens before it.
        after: u32,
    }
    /// Parameters of `coalesce`.
    Coalesce {
        /// How many events in one.
        events: u32,
    }
    /// Parameters of `usage_wrong`.
    UsageWrong {
        /// Whether it is missing or false.
        usage: UsageFault,
    }
    /// Parameters of `stale_model_id`.
    StaleModelId {
        /// The version that responses name.
        version: String,
    }
    /// Parameters of `identity_swap`.
    IdentitySwap {
        /// The version in the behaviour file whose behaviour is performed.
        model: String,
    }
    /// Parameters of `slow_load` and `slow_scrape`.
    For {
        /// How much longer.
        #[serde(rename = "for")] lasts: Duration,
    }
    /// Parameters of `flap`.
    Flap {
        /// The period.
        every: Duration,
        /// How long it is not ready at the start of each.
        #[serde(rename = "for")] lasts: Duration,
    }
    /// Parameters of `exit`.
    Exit {
        /// The exit code: 137 is what a kill for memory looks like.
        code: u8,
    }
    /// Parameters of `leak`.
    Leak {
        /// Bytes for each request.
        bytes: u64,
        /// The most that is kept; no more than 64 GiB.
        cap: u64,
        /// The exit code when the cap is reached; the process lives on if left out.
        #[serde(default)] exit: Option<u8>,
    }
    /// Parameters of `shutdown`.
    ShutdownChange {
        /// What becomes of requests.
        mode: ShutdownMode,
        /// How long it may last; the server's own if left out.
        #[serde(default)] grace: Option<Duration>,
    }
    /// Parameters of `absent`.
    Metric {
        /// The metric's name, without `_total`, `_bucket`, `_sum` or `_count`.
        metric: String,
    }
    /// Parameters of `rename`.
    Rename {
        /// The metric's name.
        metric: String,
        /// What it is called instead.
        to: String,
    }
    /// Parameters of `label_loss`.
    LabelLoss {
        /// The label.
        label: String,
    }
    /// Parameters of `label_value`.
    LabelValue {
        /// The label.
        label: String,
        /// Its value.
        value: String,
    }
    /// Parameters of `value`.
    Value {
        /// The metric's name.
        metric: String,
        /// What its values are.
        is: BadValue,
    }
    /// Parameters of `lying_ttft` and `lying_duration`.
    Factor {
        /// What is observed is the time multiplied by this.
        factor: f64,
    }
    /// Parameters of `scrape_status`.
    ScrapeStatus {
        /// The status, 400 to 599.
        code: u16,
    }
    /// Parameters of `huge`.
    Huge {
        /// How many series, at most 1,000,000.
        series: u32,
    }
    /// Parameters of `late`.
    Late {
        /// How far in the past.
        by: Duration,
    }
    /// Parameters of `bucket_change`.
    BucketChange {
        /// The finite bounds in seconds.
        bounds: Vec<f64>,
    }
    /// Parameters of `registry`.
    Registry {
        /// What the registry says.
        says: RegistryAnswer,
    }
}

/// What a malformed body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MalformedBody {
    /// JSON that ends in the middle.
    #[default]
    Json,
    /// An HTML page, with its content type.
    Html,
    /// The right JSON as `text/plain`.
    ContentType,
}

/// What is wrong with the usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageFault {
    /// It is not there.
    Missing,
    /// It counts more tokens than were sent.
    Wrong,
}

/// A value that no healthy metric has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadValue {
    /// Not a number.
    Nan,
    /// Plus infinity.
    Inf,
    /// Below zero.
    Negative,
}

/// What a model registry says that does not give its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryAnswer {
    /// 401: no credentials.
    CredentialsMissing,
    /// 403: credentials that are no longer valid.
    CredentialsExpired,
    /// 404: no such revision.
    WeightsMissing,
    /// The weights are not those that their checksum promises.
    Checksum,
}

fn one() -> f64 {
    1.0
}

fn one_token() -> u32 {
    1
}
