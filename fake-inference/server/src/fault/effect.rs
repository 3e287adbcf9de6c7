use serde::Deserialize;
use units::Duration;

use super::parameters::{
    AfterTokens, Between, BucketChange, Coalesce, ContextLength, Delay, Exit, Factor, Flap, For, Hang, Huge,
    IdentitySwap, LabelLoss, LabelValue, Late, Leak, Malformed, Metric, Nothing, RateLimit, Registry, Rename,
    Reserve, ScrapeStatus, ShutdownChange, Slots, Slow, StaleModelId, Stall, Status, Stretch, UsageWrong,
    Value,
};

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
