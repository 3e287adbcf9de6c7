use behaviour::Effective;
use units::Duration;

use crate::Chance;

/// What becomes of one request by its model's behaviour profile, before any injected fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// How long it takes, end to end, once it has a place in the batch. Errors take as long.
    pub duration: Duration,
    /// Whether it is answered with an error.
    pub fails: bool,
    /// Whether the answer is wrong.
    pub wrong: bool,
    /// Whether the answer is cut short.
    pub truncated: bool,
}

impl Plan {
    /// What this behaviour makes of a request: the duration is the quantile at a number of the request's
    /// own, and each share hits it where another number of its own lies below the share.
    pub fn of(effective: &Effective, chance: Chance, request: &str) -> Self {
        let chance = chance.of(request);
        let below = |share: units::Ratio, purpose| chance.uniform(purpose) < share.as_f64();
        let uniform = chance.uniform("latency").max(f64::EPSILON);
        let fails = below(effective.errors, "errors");
        Self {
            duration: Duration::from_secs_f64(effective.latency.quantile(uniform)),
            fails,
            wrong: !fails && below(effective.wrong, "wrong"),
            truncated: !fails && below(effective.truncated, "truncated"),
        }
    }
}

#[cfg(test)]
mod tests {
    use behaviour::{Moment, Profile};
    use proptest::prelude::*;
    use units::Time;

    use super::*;

    fn effective(yaml: &str) -> Effective {
        let node = yaml::parse_one("test", yaml.as_bytes()).unwrap();
        let profile: Profile = yaml::decode(&node).unwrap();
        profile.at(Moment { age: Duration::from_mins(5), now: Time::from_secs(300), pod: 0 })
    }

    proptest! {
        // What a smaller share hits, a larger one hits too, and a slower profile is slower for every request.
        #[test]
        fn a_worse_profile_is_worse_for_the_same_requests(
            seed: u64, request in "[a-z0-9-]{1,20}", errors in 0..=100_u32, more in 0..=100_u32, slower in 1..500_u64,
        ) {
            let worse = (errors + more).min(100);
            let mild = effective(&format!("{{ latency: {{ p50: 100ms, p99: 300ms }}, errors: {errors}% }}"));
            let bad = effective(&format!("{{ latency: {{ p50: {}ms, p99: {}ms }}, errors: {worse}% }}", 100 + slower, 300 + 3 * slower));
            let chance = Chance::new(seed);
            let (mild, bad) = (Plan::of(&mild, chance, &request), Plan::of(&bad, chance, &request));
            prop_assert!(bad.duration >= mild.duration);
            prop_assert!(bad.fails || !mild.fails);
        }
    }

    #[test]
    fn shares_and_quantiles_are_those_of_the_profile() {
        let effective =
            effective("{ latency: { p50: 180ms, p99: 350ms }, errors: 3%, wrong: 10%, truncated: 5% }");
        let plans: Vec<_> =
            (0..20_000).map(|n| Plan::of(&effective, Chance::new(3), &format!("r{n}"))).collect();
        let share = |is: fn(&Plan) -> bool| plans.iter().filter(|plan| is(plan)).count() as f64 / 20_000.0;
        // Five standard errors.
        assert!((share(|p| p.fails) - 0.03).abs() < 0.006);
        assert!((share(|p| p.wrong) - 0.097).abs() < 0.0105);
        assert!((share(|p| p.truncated) - 0.0485).abs() < 0.008);
        assert!((share(|p| p.duration > Duration::from_millis(350)) - 0.01).abs() < 0.0036);
        assert!((share(|p| p.duration > Duration::from_millis(180)) - 0.5).abs() < 0.018);
    }
}
