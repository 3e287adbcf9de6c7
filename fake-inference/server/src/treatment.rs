//! What the faults that hit a request make of it, together.

use std::sync::Arc;

use units::Duration;

use crate::Chance;
use crate::answer::Quality;
use crate::fault::{
    AfterTokens, Between, Coalesce, ContextLength, Delay, Effect, Factor, Hang, Hit, IdentitySwap, InForce,
    Leak, Malformed, MalformedBody, RateLimit, Slow, StaleModelId, Stall, Status, Stretch, UsageWrong,
};
use crate::script::StreamFaults;

/// What decides the response instead of the model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Terminal {
    /// An error status.
    Status { code: u16, retry_after: Option<Duration> },
    /// 429, with the limit in the headers.
    RateLimited { requests: u32, per: Duration },
    /// The connection is reset.
    Reset,
    /// The connection is closed.
    Close,
    /// Nothing for so long, then the connection is closed.
    Hang { lasts: Option<Duration> },
}

/// A fault that was performed, for the journal.
#[derive(Debug, Clone)]
pub(crate) struct Performed {
    pub(crate) fault: Arc<InForce>,
    pub(crate) u: f64,
}

/// What becomes of one request besides what its profile says.
#[derive(Debug, Clone)]
pub(crate) struct Treatment {
    pub(crate) terminal: Option<Terminal>,
    pub(crate) malformed: Option<MalformedBody>,
    pub(crate) delay: Duration,
    pub(crate) slow: f64,
    pub(crate) ttft: (f64, Duration),
    pub(crate) itl: (f64, Duration),
    pub(crate) stream: StreamFaults,
    pub(crate) quality: Option<Quality>,
    pub(crate) context_limit: Option<u32>,
    pub(crate) stale_version: Option<String>,
    pub(crate) swapped_to: Option<String>,
    pub(crate) temperature_ignored: bool,
    pub(crate) leak_prompt: bool,
    pub(crate) leaks: Vec<Leak>,
    pub(crate) observed_ttft: f64,
    pub(crate) observed_duration: f64,
    pub(crate) undercount: bool,
    pub(crate) performed: Vec<Performed>,
}

impl Default for Treatment {
    fn default() -> Self {
        Self {
            terminal: None,
            malformed: None,
            delay: Duration::ZERO,
            slow: 1.0,
            ttft: (1.0, Duration::ZERO),
            itl: (1.0, Duration::ZERO),
            stream: StreamFaults::default(),
            quality: None,
            context_limit: None,
            stale_version: None,
            swapped_to: None,
            temperature_ignored: false,
            leak_prompt: false,
            leaks: Vec::new(),
            observed_ttft: 1.0,
            observed_duration: 1.0,
            undercount: false,
            performed: Vec::new(),
        }
    }
}

impl Treatment {
    /// Puts the faults together, the most urgent first. The first that decides the response leaves no
    /// room for others that would change the answer: they are not performed, and not counted.
    pub(crate) fn of(hits: Vec<Hit>, chance: Chance, request: &str) -> Self {
        let mut treatment = Self::default();
        let (deciding, others): (Vec<_>, Vec<_>) =
            hits.into_iter().partition(|hit| terminal(&hit.fault.definition.effect).is_some());
        if let Some(hit) = deciding.into_iter().find(|hit| hit.fault.take()) {
            treatment.terminal = terminal(&hit.fault.definition.effect);
            treatment.performed.push(Performed { fault: hit.fault, u: hit.u });
        }
        for hit in others {
            let effect = &hit.fault.definition.effect;
            let moot = treatment.terminal.is_some() && changes_the_answer(effect)
                || treatment.quality.is_some() && quality(effect).is_some();
            if moot || !hit.fault.take() {
                continue;
            }
            treatment.apply(&hit, chance, request);
            treatment.performed.push(Performed { fault: hit.fault, u: hit.u });
        }
        treatment
    }

    fn apply(&mut self, hit: &Hit, chance: Chance, request: &str) {
        let id = &hit.fault.definition.id;
        let effect = &hit.fault.definition.effect;
        self.quality = self.quality.or(quality(effect));
        match effect {
            Effect::Delay(delay) => {
                let u = chance.uniform(request, &format!("{id}/delay"));
                self.delay = self.delay + drawn(delay, u);
            }
            Effect::Slow(Slow { factor }) => self.slow *= factor,
            Effect::Ttft(stretch) => stretched(&mut self.ttft, stretch),
            Effect::Itl(stretch) => stretched(&mut self.itl, stretch),
            Effect::Malformed(Malformed { body }) => self.malformed = Some(*body),
            Effect::ContextLength(ContextLength { limit }) => {
                self.context_limit = Some(self.context_limit.map_or(*limit, |other| other.min(*limit)));
            }
            Effect::StaleModelId(StaleModelId { version }) => self.stale_version = Some(version.clone()),
            Effect::IdentitySwap(IdentitySwap { model }) => self.swapped_to = Some(model.clone()),
            Effect::TemperatureIgnored(_) => self.temperature_ignored = true,
            Effect::LeakPrompt(_) => self.leak_prompt = true,
            Effect::Leak(leak) => self.leaks.push(leak.clone()),
            Effect::LyingTtft(Factor { factor }) => self.observed_ttft *= factor,
            Effect::LyingDuration(Factor { factor }) => self.observed_duration *= factor,
            Effect::Undercount(_) => self.undercount = true,
            other => spoil_stream(&mut self.stream, other),
        }
    }
}

fn spoil_stream(stream: &mut StreamFaults, effect: &Effect) {
    match effect {
        Effect::Stall(Stall { after, lasts }) => stream.stall = Some((*after, *lasts)),
        Effect::Truncate(AfterTokens { after }) => stream.truncate = Some(*after),
        Effect::NoDone(_) => stream.no_done = true,
        Effect::LateError(AfterTokens { after }) => stream.late_error = Some(*after),
        Effect::Split(_) => stream.split = true,
        Effect::Coalesce(Coalesce { events }) => stream.coalesce = Some(*events),
        Effect::Duplicate(AfterTokens { after }) => stream.duplicate = Some(*after),
        Effect::Reorder(AfterTokens { after }) => stream.reorder = Some(*after),
        Effect::UsageWrong(UsageWrong { usage }) => stream.usage = Some(*usage),
        // The effects that are no stream's: their callers have dealt with them.
        _ => {}
    }
}

fn terminal(effect: &Effect) -> Option<Terminal> {
    match effect {
        Effect::Status(Status { code, retry_after }) => {
            let usual = matches!(code, 429 | 503).then_some(Duration::from_secs(1));
            Some(Terminal::Status { code: *code, retry_after: retry_after.or(usual) })
        }
        Effect::RateLimit(RateLimit { requests, per }) => {
            Some(Terminal::RateLimited { requests: *requests, per: *per })
        }
        Effect::Reset(_) => Some(Terminal::Reset),
        Effect::Close(_) => Some(Terminal::Close),
        Effect::Hang(Hang { lasts }) => Some(Terminal::Hang { lasts: *lasts }),
        _ => None,
    }
}

/// Whether an effect shows only in an answer that the model gives.
fn changes_the_answer(effect: &Effect) -> bool {
    !matches!(effect, Effect::Delay(_) | Effect::Leak(_) | Effect::LyingDuration(_) | Effect::Undercount(_))
}

fn quality(effect: &Effect) -> Option<Quality> {
    match effect {
        Effect::Wrong(_) => Some(Quality::Wrong),
        Effect::Garbled(_) => Some(Quality::Garbled),
        Effect::Empty(_) => Some(Quality::Empty),
        Effect::Refusal(_) => Some(Quality::Refusal),
        Effect::Looping(_) => Some(Quality::Looping),
        Effect::Language(_) => Some(Quality::Language),
        Effect::Format(_) => Some(Quality::Format),
        _ => None,
    }
}

fn stretched(all: &mut (f64, Duration), stretch: &Stretch) {
    *all = (all.0 * stretch.factor, all.1 + stretch.add);
}

fn drawn(delay: &Delay, u: f64) -> Duration {
    match delay {
        Delay::Fixed(time) => *time,
        Delay::Uniform(Between { from, to }) => {
            let span = to.saturating_sub(*from).as_nanos() as f64;
            *from + Duration::from_nanos((span * u) as u64)
        }
        Delay::Lognormal(latency) => {
            Duration::from_secs_f64(latency.distribution().quantile(u.max(f64::EPSILON)))
        }
    }
}
