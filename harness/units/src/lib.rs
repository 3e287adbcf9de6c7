//! Quantities that always carry their unit: [`Duration`] and [`Time`] in integer nanoseconds,
//! [`Ratio`] (written `0.1%`) and [`Rate`] (written `20/s`).
//!
//! Every quantity in a scenario is parsed into one of these; a bare number is an error that names
//! the units that would fit. Virtual time starts at [`Time::ZERO`], so nothing here knows a calendar.

mod duration;
mod ratio;

pub use duration::{Duration, Time};
pub use ratio::{Rate, Ratio};

/// Why a text is not a quantity. The message is a fragment that reads after "invalid value: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub(crate) String);

/// Implements serde and JSON-schema for a quantity through its text form.
macro_rules! quantity_in_text {
    ($name:ident, $expecting:literal, $pattern:literal, $description:literal) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "pattern": $pattern, "description": $description
                })
            }
        }
    };
}
pub(crate) use quantity_in_text;
