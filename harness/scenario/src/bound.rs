use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use units::{ParseError, Ratio};

use crate::{Bound, Comparison, Limit};

const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

const EXAMPLES: &str = "write for example `< 2%`, `<= 100`, `\">= 1/s\"` or `== 0`";

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{share}"),
            Self::Rate(rate) => write!(f, "{rate}"),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.comparison, self.limit)
    }
}

/// ```
/// use scenario::Bound;
/// assert_eq!("<2%".parse::<Bound>().unwrap().to_string(), "< 2%");
/// assert!("5".parse::<Bound>().unwrap_err().contains("`== 5`"));
/// ```
impl FromStr for Bound {
    /// A fragment that reads after "invalid value: ".
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let Some((sign, comparison)) = COMPARISONS.iter().find(|(sign, _)| trimmed.starts_with(sign)) else {
            return Err(match limit(trimmed) {
                Ok(_) => {
                    format!("`{text}` does not say how to compare; write `== {trimmed}` or `<= {trimmed}`")
                }
                Err(_) => format!("`{text}` is not a bound; {EXAMPLES}"),
            });
        };
        let limit =
            limit(trimmed[sign.len()..].trim()).map_err(|why| format!("`{text}` is not a bound: {why}"))?;
        match (comparison, amount(limit)) {
            (Comparison::Less, 0.0) => Err(format!("`{text}` can never hold; write `== 0` for none at all")),
            (Comparison::GreaterOrEqual, 0.0) => {
                Err(format!("`{text}` always holds and so proves nothing; write `> 0` for at least some"))
            }
            (comparison, _) => Ok(Self { comparison: *comparison, limit }),
        }
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    let quantity = |error: ParseError| error.to_string();
    if text.is_empty() {
        return Err(format!("the limit is missing; {EXAMPLES}"));
    }
    if text.contains('%') {
        return text.parse().map(Limit::Share).map_err(quantity);
    }
    if text.contains('/') {
        return text.parse().map(Limit::Rate).map_err(quantity);
    }
    let digits_only = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    match text.parse::<f64>() {
        Ok(count) if digits_only && count.is_finite() => Ok(Limit::Count(count)),
        _ => Err(format!("`{text}` is not a number, a percentage or a rate; {EXAMPLES}")),
    }
}

fn amount(limit: Limit) -> f64 {
    match limit {
        Limit::Count(count) => count,
        Limit::Share(share) => share.as_f64(),
        Limit::Rate(rate) => rate.per_second(),
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoundVisitor;
        impl Visitor<'_> for BoundVisitor {
            type Value = Bound;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bound such as `< 2%` or `== 0`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bound, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Bound, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Bound, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(BoundVisitor)
    }
}

impl JsonSchema for Bound {
    fn schema_name() -> Cow<'static, str> {
        "Bound".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^ *(<|<=|>|>=|==) *[0-9]+(\.[0-9]+)? *(%|/ *(s|m|min|h))? *$",
            "description": "A number, a share of the requests or a rate to compare with: `< 2%`, `<= 100`, `\">= 1/s\"`, `== 0`"
        })
    }
}

/// The share of seeds in which an expectation must hold, written `">= 95% of seeds"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ShareOfSeeds(pub(crate) Ratio);

impl FromStr for ShareOfSeeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a share of seeds; write `\">= 95% of seeds\"`");
        let share = text.trim().strip_prefix(">=").and_then(|rest| rest.strip_suffix("of seeds"));
        let share: Ratio = share.ok_or_else(wrong)?.trim().parse().map_err(|_| wrong())?;
        if share == Ratio::ZERO {
            return Err(format!("`{text}` holds for every run and so proves nothing; ask for more than 0%"));
        }
        Ok(Self(share))
    }
}

impl<'de> Deserialize<'de> for ShareOfSeeds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::raw::Text::deserialize(deserializer)?.0.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for ShareOfSeeds {
    fn schema_name() -> Cow<'static, str> {
        "ShareOfSeeds".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^ *>= *[0-9]+(\.[0-9]+)? *% *of seeds$",
            "description": "A share of the seeds: `\">= 95% of seeds\"`"
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use units::Rate;

    use super::*;

    #[test]
    fn a_bound_says_how_to_compare_with_a_count_a_share_or_a_rate() {
        let bound = |text: &str| text.parse::<Bound>().unwrap();
        let expect = |comparison, limit| Bound { comparison, limit };
        assert_eq!(bound("< 2%"), expect(Comparison::Less, Limit::Share(Ratio::new(0.02).unwrap())));
        assert_eq!(bound("<=100"), expect(Comparison::LessOrEqual, Limit::Count(100.0)));
        assert_eq!(
            bound(" >= 1 / s "),
            expect(Comparison::GreaterOrEqual, Limit::Rate(Rate::new(1.0).unwrap()))
        );
        assert_eq!(bound("> 0"), expect(Comparison::Greater, Limit::Count(0.0)));
        assert_eq!(bound("== 0"), expect(Comparison::Equal, Limit::Count(0.0)));
    }

    #[test]
    fn what_is_wrong_with_a_bound_is_said() {
        let error = |text: &str| text.parse::<Bound>().unwrap_err();
        assert!(error("5%").contains("write `== 5%`"));
        assert!(error("few").contains("is not a bound; write for example"));
        assert!(error("<").contains("the limit is missing"));
        assert!(error("< x").contains("`x` is not a number"));
        assert!(error("< inf").contains("`inf` is not a number"));
        assert!(error("< -1").contains("`-1` is not a number"));
        assert!(error("< 200%").contains("between 0% and 100%"));
        assert!(error("< 1/d").contains("unknown unit"));
        assert!(error("< 0%").contains("can never hold"));
        assert!(error(">= 0").contains("always holds"));
    }

    #[test]
    fn a_share_of_seeds_is_written_out() {
        let share = |text: &str| text.parse::<ShareOfSeeds>();
        assert_eq!(share(">= 95 % of seeds").unwrap().0.to_string(), "95%");
        for text in ["95%", ">= 95%", "> 95% of seeds", ">= 0% of seeds", ">= x of seeds", "of seeds", ">="] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    proptest! {
        // No text makes the parsers panic, and what is printed is read back unchanged.
        #[test]
        fn any_text_is_read_or_refused(text in "([<>=]{1,2} ?[0-9./%smh]{0,8})|\\PC*") {
            let _ = text.parse::<ShareOfSeeds>();
            if let Ok(bound) = text.parse::<Bound>() {
                prop_assert_eq!(bound.to_string().parse::<Bound>().unwrap(), bound);
            }
        }
    }
}
