use units::Duration;

/// Who this process is: what it was told at its start and keeps until its end. A ConfigMap that
/// changes later changes nothing here, as with a real server.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The id that clients ask for (`MODEL_NAME`).
    pub name: String,
    /// The version that is loaded (`MODEL_VERSION`).
    pub version: String,
    /// The revision of the weights (`MODEL_REVISION`); may be empty.
    pub revision: String,
    /// How many sequences are computed at once (`MAX_BATCH_SIZE`).
    pub max_batch_size: usize,
    /// The most tokens of prompt and answer together (`MAX_SEQUENCE_LENGTH`).
    pub max_sequence_length: u32,
    /// How the weights are stored (`QUANTIZATION`); may be empty.
    pub quantization: String,
    /// The temperature where a request gives none (`TEMPERATURE_DEFAULT`).
    pub temperature: f64,
    /// The pod (`POD_NAME`, or else `HOSTNAME`).
    pub pod: String,
    /// The pod's number among those of its version, from 0 (`POD_INDEX`).
    pub pod_index: u64,
    /// The role that the pod's label gave it at its start (`POD_ROLE`), for the scope of faults.
    pub role: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            revision: String::new(),
            max_batch_size: 256,
            max_sequence_length: 4096,
            quantization: String::new(),
            temperature: 0.7,
            pod: "localhost".to_owned(),
            pod_index: 0,
            role: String::new(),
        }
    }
}

/// Environment variables that cannot be what they say, one sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BadEnvironment(pub Vec<String>);

impl Identity {
    /// The identity by these environment variables. What is not set has a default, except the name and
    /// the version, which stay empty.
    ///
    /// # Errors
    /// Every variable whose value cannot be used.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadEnvironment> {
        let mut wrong = Vec::new();
        let default = Self::default();
        let text = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        let identity = Self {
            name: text("MODEL_NAME").unwrap_or_default(),
            version: text("MODEL_VERSION").unwrap_or_default(),
            revision: text("MODEL_REVISION").unwrap_or_default(),
            max_batch_size: number(
                &text,
                "MAX_BATCH_SIZE",
                default.max_batch_size,
                1..=1_000_000,
                &mut wrong,
            ),
            max_sequence_length: number(
                &text,
                "MAX_SEQUENCE_LENGTH",
                default.max_sequence_length,
                1..=100_000_000,
                &mut wrong,
            ),
            quantization: text("QUANTIZATION").unwrap_or_default(),
            temperature: number(&text, "TEMPERATURE_DEFAULT", default.temperature, 0.0..=2.0, &mut wrong),
            pod: text("POD_NAME").or_else(|| text("HOSTNAME")).unwrap_or(default.pod),
            pod_index: number(&text, "POD_INDEX", 0, 0..=1_000_000, &mut wrong),
            role: text("POD_ROLE").unwrap_or_default(),
        };
        if wrong.is_empty() { Ok(identity) } else { Err(BadEnvironment(wrong)) }
    }
}

fn number<T>(
    text: &impl Fn(&str) -> Option<String>,
    name: &str,
    default: T,
    allowed: std::ops::RangeInclusive<T>,
    wrong: &mut Vec<String>,
) -> T
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let Some(given) = text(name) else { return default };
    match given.parse::<T>() {
        Ok(value) if allowed.contains(&value) => value,
        _ => {
            let (least, most) = allowed.into_inner();
            wrong.push(format!("{name} is `{given}`; it must be a number from {least} to {most}"));
            default
        }
    }
}

/// The clocks of a pod: when its container and the run started.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    started: tokio::time::Instant,
    started_unix: Duration,
    run_started_before: Duration,
}

impl Clocks {
    /// Clocks of a container that starts now, `unix` after the epoch, in a run that started
    /// `run_started_before` earlier.
    pub fn start(unix: Duration, run_started_before: Duration) -> Self {
        Self { started: tokio::time::Instant::now(), started_unix: unix, run_started_before }
    }

    /// The time since the container's start.
    pub fn age(&self) -> Duration {
        Duration::from_nanos(self.started.elapsed().as_nanos() as u64)
    }

    /// This moment in the life of the pod with this number.
    pub fn moment(&self, pod: u64) -> behaviour::Moment {
        let age = self.age();
        behaviour::Moment { age, now: units::Time::ZERO + self.run_started_before + age, pod }
    }

    /// Seconds since the epoch, for `created` fields and timestamps.
    pub fn unix_seconds(&self) -> f64 {
        (self.started_unix + self.age()).as_secs_f64()
    }

    /// The container's start in seconds since the epoch.
    pub fn started_unix_seconds(&self) -> f64 {
        self.started_unix.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_the_config_map_are_read() {
        let variables = [
            ("MODEL_NAME", "llama3"),
            ("MODEL_VERSION", "3.1-70b-instruct"),
            ("MODEL_REVISION", "a2431349ba"),
            ("MAX_BATCH_SIZE", "32"),
            ("MAX_SEQUENCE_LENGTH", "4096"),
            ("QUANTIZATION", "awq-int4"),
            ("TEMPERATURE_DEFAULT", "0.7"),
        ];
        let of = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let identity = Identity::from_variables(of).unwrap();
        assert_eq!((identity.name.as_str(), identity.version.as_str()), ("llama3", "3.1-70b-instruct"));
        assert_eq!((identity.max_batch_size, identity.max_sequence_length), (32, 4096));
        assert_eq!((identity.quantization.as_str(), identity.temperature), ("awq-int4", 0.7));
    }

    #[test]
    fn every_variable_that_is_no_number_is_named() {
        let error = Identity::from_variables(|name| match name {
            "MAX_BATCH_SIZE" => Some("0".to_owned()),
            "MAX_SEQUENCE_LENGTH" => Some("4k".to_owned()),
            "TEMPERATURE_DEFAULT" => Some("NaN".to_owned()),
            _ => None,
        });
        let message = error.unwrap_err().to_string();
        for name in ["MAX_BATCH_SIZE is `0`", "MAX_SEQUENCE_LENGTH is `4k`", "TEMPERATURE_DEFAULT is `NaN`"] {
            assert!(message.contains(name), "{message}");
        }
    }
}
