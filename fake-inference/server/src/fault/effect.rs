use behaviour::Latency;
use serde::Deserialize;
use units::{Duration, Ratio};

use crate::settings::ShutdownMode;

/// What a fault does. The key in a definition is the variant's name in snake case, and the fault's kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Time before anything else.
    Delay(Delay),
    /// The whole answer takes this many times longer.
    Slow(Slow),
    /// The first token comes later.
    Ttft(Stretch),
    /// Every later token comes later.
    Itl(Stretch),
    /// The batch has only this many slots.
    Queue(Slots),
    /// A share of the KV cache is taken.
    KvPressure(Reserve),

    /// An error status with the body that goes with it.
    Status(Status),
    /// The connection is reset before the response.
    Reset(Nothing),
    /// The connection is closed in order before the response.
    Close(Nothing),
    /// No response.
    Hang(Hang),
    /// Status 200 with a body that is not what was asked for.
    Malformed(Malformed),
    /// At most so many requests in so long; 429 beyond.
    RateLimit(RateLimit),
    /// A shorter sequence is accepted than the model's.
    ContextLength(ContextLength),

    /// The stream pauses.
    Stall(Stall),
    /// The stream, or the text, ends in the middle.
    Truncate(AfterTokens),
    /// The stream ends without `[DONE]`.
    NoDone(Nothing),
    /// An error event after status 200.
    LateError(AfterTokens),
    /// Events are cut in two, inside a character where there is one of several bytes.
    Split(Nothing),
    /// Several events at once.
    Coalesce(Coalesce),
    /// A chunk comes twice.
    Duplicate(AfterTokens),
    /// Two chunks change places.
    Reorder(AfterTokens),
    /// The usage is missing or not what was sent.
    UsageWrong(UsageWrong),

    /// A wrong answer in good form.
    Wrong(Nothing),
    /// Noise.
    Garbled(Nothing),
    /// No text.
    Empty(Nothing),
    /// A refusal.
    Refusal(Nothing),
    /// The same words until the length runs out.
    Looping(Nothing),
    /// The right answer in another language.
    Language(Nothing),
    /// The right answer in another form than asked for.
    Format(Nothing),
    /// The response names another version.
    StaleModelId(StaleModelId),
    /// Another version of the file is served under this one's name.
    IdentitySwap(IdentitySwap),
    /// The temperature of the request is not used.
    TemperatureIgnored(Nothing),
    /// The answer shows the system prompt.
    LeakPrompt(Nothing),

    /// Loading takes longer.
    SlowLoad(For),
    /// Ready before the weights are loaded.
    ReadyBeforeLoaded(Nothing),
    /// Never ready.
    NeverReady(Nothing),
    /// Ready and not ready in turns.
    Flap(Flap),
    /// The process ends with this code.
    Exit(Exit),
    /// Requests hang while the probes say yes.
    Wedge(Nothing),
    /// Memory that each request leaves behind.
    Leak(Leak),
    /// What SIGTERM does.
    Shutdown(ShutdownChange),

    /// A metric is not there.
    Absent(Metric),
    /// A metric has another name.
    Rename(Rename),
    /// A label is not there.
    LabelLoss(LabelLoss),
    /// A label has another value.
    LabelValue(LabelValue),
    /// All values stay what they are.
    Frozen(Nothing),
    /// The values of a metric are no numbers, or impossible ones.
    Value(Value),
    /// All counters begin at zero again.
    CounterReset(Nothing),
    /// The time to the first token is observed as a part of what it was.
    LyingTtft(Factor),
    /// The duration is observed as a part of what it was.
    LyingDuration(Factor),
    /// Errors are not counted as errors.
    Undercount(Nothing),
    /// A scrape takes long.
    SlowScrape(For),
    /// A scrape gets an error status.
    ScrapeStatus(ScrapeStatus),
    /// A scrape brings very many series.
    Huge(Huge),
    /// Samples carry a time stamp in the past.
    Late(Late),
    /// The histogram of durations has other bounds.
    BucketChange(BucketChange),

    /// The model registry refuses at the start.
    Registry(Registry),
}

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

/// What an effect acts upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acts {
    /// Any request for an answer.
    OnRequests,
    /// Requests whose answer is text.
    OnTexts,
    /// Requests whose answer is a stream.
    OnStreams,
    /// The server as a whole.
    OnServer,
    /// The page of metrics.
    OnMetrics,
    /// The start of the server.
    OnStart,
}

macro_rules! kinds {
    ($($variant:ident $kind:literal $acts:ident,)+) => {
        impl Effect {
            /// The kind of fault, as in its definition and in `fault_injected_total{kind}`.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)+ }
            }

            /// What it acts upon.
            pub const fn acts(&self) -> Acts {
                match self { $(Self::$variant(_) => Acts::$acts,)+ }
            }
        }

        /// Every kind of fault.
        pub const KINDS: &[&str] = &[$($kind,)+];
    };
}

kinds! {
    Delay "delay" OnRequests,
    Slow "slow" OnRequests,
    Ttft "ttft" OnRequests,
    Itl "itl" OnRequests,
    Queue "queue" OnServer,
    KvPressure "kv_pressure" OnServer,
    Status "status" OnRequests,
    Reset "reset" OnRequests,
    Close "close" OnRequests,
    Hang "hang" OnRequests,
    Malformed "malformed" OnRequests,
    RateLimit "rate_limit" OnRequests,
    ContextLength "context_length" OnTexts,
    Stall "stall" OnStreams,
    Truncate "truncate" OnTexts,
    NoDone "no_done" OnStreams,
    LateError "late_error" OnStreams,
    Split "split" OnStreams,
    Coalesce "coalesce" OnStreams,
    Duplicate "duplicate" OnStreams,
    Reorder "reorder" OnStreams,
    UsageWrong "usage_wrong" OnTexts,
    Wrong "wrong" OnRequests,
    Garbled "garbled" OnTexts,
    Empty "empty" OnTexts,
    Refusal "refusal" OnTexts,
    Looping "looping" OnTexts,
    Language "language" OnTexts,
    Format "format" OnTexts,
    StaleModelId "stale_model_id" OnRequests,
    IdentitySwap "identity_swap" OnRequests,
    TemperatureIgnored "temperature_ignored" OnTexts,
    LeakPrompt "leak_prompt" OnTexts,
    SlowLoad "slow_load" OnStart,
    ReadyBeforeLoaded "ready_before_loaded" OnServer,
    NeverReady "never_ready" OnServer,
    Flap "flap" OnServer,
    Exit "exit" OnServer,
    Wedge "wedge" OnServer,
    Leak "leak" OnRequests,
    Shutdown "shutdown" OnServer,
    Absent "absent" OnMetrics,
    Rename "rename" OnMetrics,
    LabelLoss "label_loss" OnMetrics,
    LabelValue "label_value" OnMetrics,
    Frozen "frozen" OnMetrics,
    Value "value" OnMetrics,
    CounterReset "counter_reset" OnMetrics,
    LyingTtft "lying_ttft" OnRequests,
    LyingDuration "lying_duration" OnRequests,
    Undercount "undercount" OnRequests,
    SlowScrape "slow_scrape" OnMetrics,
    ScrapeStatus "scrape_status" OnMetrics,
    Huge "huge" OnMetrics,
    Late "late" OnMetrics,
    BucketChange "bucket_change" OnMetrics,
    Registry "registry" OnStart,
}

impl Effect {
    /// What is wrong with the parameters, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let factor = |factor: f64| {
            let fits = factor.is_finite() && (0.0..=1e6).contains(&factor);
            if fits { Ok(()) } else { Err("`factor` must be a number from 0 to 1000000".to_owned()) }
        };
        let status = |code: u16| {
            let fits = (400..=599).contains(&code);
            if fits { Ok(()) } else { Err(format!("`code` is {code}; an error status is from 400 to 599")) }
        };
        match self {
            Self::Slow(Slow { factor: f }) | Self::Ttft(Stretch { factor: f, .. }) => factor(*f),
            Self::Itl(Stretch { factor: f, .. }) => factor(*f),
            Self::LyingTtft(Factor { factor: f }) | Self::LyingDuration(Factor { factor: f }) => factor(*f),
            Self::Status(Status { code, .. }) | Self::ScrapeStatus(ScrapeStatus { code }) => status(*code),
            Self::Delay(Delay::Uniform(Between { from, to })) if from > to => {
                Err(format!("`to` ({to}) is below `from` ({from}); swap the two"))
            }
            Self::Queue(Slots { slots: 0 }) => Err("`slots` must be at least 1".to_owned()),
            Self::RateLimit(RateLimit { requests, per }) if *requests == 0 || *per == Duration::ZERO => {
                Err("`requests` and `per` must be above zero".to_owned())
            }
            Self::Coalesce(Coalesce { events }) if !(2..=1000).contains(events) => {
                Err("`events` must be from 2 to 1000".to_owned())
            }
            Self::Flap(Flap { every, lasts }) if *lasts == Duration::ZERO || lasts >= every => {
                Err(format!("`for` ({lasts}) must be above 0s and below `every` ({every})"))
            }
            Self::Leak(Leak { cap, .. }) if *cap > 64 << 30 => Err("`cap` may be at most 64 GiB".to_owned()),
            Self::Huge(Huge { series }) if *series > 1_000_000 => {
                Err("`series` may be at most 1000000".to_owned())
            }
            Self::BucketChange(BucketChange { bounds }) => {
                behaviour::Buckets::new(bounds.clone()).map(|_| ()).map_err(|error| error.to_string())
            }
            Self::Rename(Rename { to, .. }) if !is_metric_name(to) => {
                Err(format!("`{to}` is not a metric's name"))
            }
            _ => Ok(()),
        }
    }
}

fn is_metric_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.chars().next().is_some_and(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}
