//! How long an answer takes.

use behaviour::{Latency, Lognormal};
use units::Duration;

use super::Exchange;
use crate::Plan;
use crate::api::Endpoint;
use crate::script::Pace;
use crate::settings::TokenTimes;

impl Exchange {
    /// The times of an answer of so many tokens: by the profile, then by the batch (`factor`), then by the
    /// faults. `base` is the profile's latency without its faults, `law` the one at this moment.
    pub(super) fn pace(&self, plan: Plan, base: Latency, law: Lognormal, factor: f64, tokens: u64) -> Pace {
        let factor = factor * self.treatment.slow;
        let pace = match self.server.settings.engine.tokens {
            None => self.share_of(plan, factor, tokens),
            Some(times) => {
                let change = factor * law.quantile(0.5) / base.p50().as_secs_f64();
                self.by_token(times, change, tokens)
            }
        };
        let (ttft, itl) = (self.treatment.ttft, self.treatment.itl);
        let later = tokens.saturating_sub(1);
        let rounding = pace.total.saturating_sub(pace.first + pace.between * later);
        let first = scaled(pace.first, ttft.0) + ttft.1;
        let between = scaled(pace.between, itl.0) + itl.1;
        Pace { first, between, total: first + between * later + rounding }
    }

    /// The profile's time, divided: a vector comes as a whole.
    fn share_of(&self, plan: Plan, factor: f64, tokens: u64) -> Pace {
        let total = scaled(plan.duration, factor);
        let share = match self.endpoint {
            Endpoint::Embeddings => 1.0,
            Endpoint::Chat | Endpoint::Completions => self.server.settings.engine.first_token.as_f64(),
        };
        Pace::spread(total, scaled(total, share), tokens)
    }

    fn by_token(&self, times: TokenTimes, change: f64, tokens: u64) -> Pace {
        let drawn = |latency: Latency, purpose| {
            let u = self.server.chance.uniform(&self.id, purpose).max(f64::EPSILON);
            Duration::from_secs_f64(latency.distribution().quantile(u) * change)
        };
        let (first, between) = (drawn(times.ttft, "ttft"), drawn(times.itl, "itl"));
        Pace { first, between, total: first + between * tokens.saturating_sub(1) }
    }
}

fn scaled(span: Duration, factor: f64) -> Duration {
    Duration::from_secs_f64(span.as_secs_f64() * factor)
}
