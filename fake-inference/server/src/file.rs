use behaviour::Profile;
use indexmap::IndexMap;
use serde::Deserialize;
use units::Duration;
use yaml::{Node, Problem, Value};

use crate::fault::{Definition, Effect, IdentitySwap};
use crate::settings::Settings;

/// The keys of a scenario that say nothing about a server.
const SCENARIO_KEYS: [&str; 12] = [
    "name",
    "story",
    "repository",
    "apply",
    "traffic",
    "answers",
    "cluster",
    "events",
    "expect",
    "matrix",
    "duration",
    "settle",
];

/// The keys of a scenario's model that speak of a real server in place of this one.
const REAL_SERVER_KEYS: [&str; 4] = ["image", "command", "environment", "probes"];

/// The keys that mean something here.
const OWN_KEYS: [&str; 4] = ["models", "server", "faults", "run"];

/// A behaviour file: the `models:` of a scenario, or the scenario itself; and what only a server that
/// really runs needs, `server:`, `faults:` and `run:`.
#[derive(Debug, Clone)]
pub struct BehaviourFile {
    /// How each model version behaves.
    pub models: IndexMap<String, Profile>,
    /// How the server speaks, queues, starts and stops.
    pub settings: Settings,
    /// The faults from the start on.
    pub faults: Vec<Definition>,
    /// The run that the server is a part of.
    pub run: Run,
    /// Keys of a scenario that were found and mean nothing here.
    pub unused: Vec<String>,
}

/// The `run:` part: what whoever runs a scenario knows of the run, where the server's environment does not
/// say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct Run {
    /// When it started, as the time since 1970; in the file a number of seconds.
    #[serde(deserialize_with = "since_1970")]
    pub started: Option<Duration>,
    /// The seed of all chance.
    pub seed: Option<u64>,
    /// The pod's number among those of its version, from 0.
    pub pod_index: Option<u64>,
}

fn since_1970<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom(format!("{seconds} is not a number of seconds since 1970"));
    Run::moment(seconds).map(Some).ok_or_else(wrong)
}

impl Run {
    /// So many seconds since 1970, to the microsecond, which is as fine as such numbers are; `None` where it is
    /// no moment.
    pub fn moment(seconds: f64) -> Option<Duration> {
        let whole = (0.0..1e10).contains(&seconds);
        whole.then(|| Duration::from_nanos((seconds * 1e6).round() as u64 * 1000))
    }
}

impl BehaviourFile {
    /// Reads a file of this name.
    ///
    /// # Errors
    /// What is wrong, at its place.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let root = yaml::parse_one(name, bytes)?;
        let Some(map) = root.as_map() else {
            return Err(root.problem(format!("a behaviour file is a mapping, found {}", root.kind())));
        };
        let mut file = Self {
            models: IndexMap::new(),
            settings: Settings::default(),
            faults: Vec::new(),
            run: Run::default(),
            unused: Vec::new(),
        };
        for (key, node) in map {
            match key.as_str() {
                "models" => file.models = models(node)?,
                "server" => file.settings = settings(node)?,
                "faults" => file.faults = faults(node)?,
                "run" => file.run = yaml::decode(node)?,
                known if SCENARIO_KEYS.contains(&known) => file.unused.push(key.clone()),
                unknown => {
                    let keys = OWN_KEYS.into_iter().chain(SCENARIO_KEYS);
                    let problem = node.problem(format!("unknown key `{unknown}`"));
                    return Err(match yaml::did_you_mean(unknown, keys) {
                        Some(meant) => problem.with_help(format!("did you mean `{meant}`?")),
                        None => {
                            problem.with_help("a behaviour file has `models`, `server`, `faults` and `run`")
                        }
                    });
                }
            }
        }
        if file.models.is_empty() {
            let problem = root.problem("the file describes no model");
            return Err(problem.with_help(
                "add for example `models: { 3.1-70b: { latency: { p50: 180ms, p99: 350ms } } }`",
            ));
        }
        file.check_swaps(&root)?;
        Ok(file)
    }

    fn check_swaps(&self, root: &Node) -> Result<(), Problem> {
        for fault in &self.faults {
            if let Effect::IdentitySwap(IdentitySwap { model }) = &fault.effect
                && !self.models.contains_key(model)
            {
                return Err(root.problem(format!(
                    "fault `{}` swaps to `{model}`, which `models` does not have",
                    fault.id
                )));
            }
        }
        Ok(())
    }

    /// The version that a server of this file performs: the one that is asked for, or the only one.
    ///
    /// # Errors
    /// The versions there are, where it is none of them or not clear.
    pub fn choose(&self, asked: Option<&str>) -> Result<&str, String> {
        let known = || self.models.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        match asked {
            Some(version) => match self.models.get_key_value(version) {
                Some((key, _)) => Ok(key),
                None => Err(format!("the file has no model `{version}`; it has {}", known())),
            },
            None if self.models.len() == 1 => Ok(self.models.keys().next().map_or("", String::as_str)),
            None => Err(format!(
                "the file has several models; choose one of {} with --model or MODEL_VERSION",
                known()
            )),
        }
    }
}

fn models(node: &Node) -> Result<IndexMap<String, Profile>, Problem> {
    match &node.value {
        Value::Map(map) => map.iter().map(|(key, node)| Ok((key.clone(), profile(node.clone())?))).collect(),
        _ => {
            Err(node
                .problem(format!("`models` is a mapping from versions to profiles, found {}", node.kind())))
        }
    }
}

fn profile(mut node: Node) -> Result<Profile, Problem> {
    if let Some(map) = node.as_map_mut() {
        map.retain(|key, _| !REAL_SERVER_KEYS.contains(&key.as_str()));
    }
    yaml::decode(&node)
}

fn settings(node: &Node) -> Result<Settings, Problem> {
    let settings: Settings = yaml::decode(node)?;
    settings.check().map_err(|message| node.problem(message))?;
    Ok(settings)
}

/// A list of definitions, each with its own id.
pub(crate) fn faults(node: &Node) -> Result<Vec<Definition>, Problem> {
    let Some(list) = node.as_seq() else {
        return Err(node.problem(format!("`faults` is a list, found {}", node.kind())));
    };
    let faults = list.iter().map(|node| Definition::read(node, None)).collect::<Result<Vec<_>, _>>()?;
    for (index, fault) in faults.iter().enumerate() {
        if faults[..index].iter().any(|other| other.id == fault.id) {
            let problem = list[index].problem(format!("a second fault is called `{}`", fault.id));
            return Err(problem.with_help("give each its own `id`"));
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        BehaviourFile::read("behaviour.yaml", text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_a_harness_knows_of_the_run_stands_in_the_file() {
        let run = |text: &str| BehaviourFile::read("b", format!("{MODELS}{text}").as_bytes()).unwrap().run;
        let started = Some(Duration::from_millis(1_760_000_000_250));
        let whole = "run: { started: 1760000000.25, seed: 7, pod_index: 2 }";
        assert_eq!(run(whole), Run { started, seed: Some(7), pod_index: Some(2) });
        assert_eq!(run("run: { started: 1760000000 }").started, Some(Duration::from_secs(1_760_000_000)));
        assert_eq!(run(""), Run::default());
    }

    const MODELS: &str = "models: { a: { latency: { p50: 1s, p99: 2s } } }\n";

    #[test]
    fn a_scenario_is_a_behaviour_file_and_what_it_says_besides_is_listed() {
        let file = BehaviourFile::read("s", format!("name: x\nexpect: []\n{MODELS}").as_bytes()).unwrap();
        assert_eq!((file.choose(None).unwrap(), file.unused.join(",").as_str()), ("a", "name,expect"));
        assert!(file.choose(Some("b")).unwrap_err().contains("it has `a`"));
    }

    #[test]
    fn what_a_scenario_says_of_a_real_server_means_nothing_here() {
        let more = "image: vllm, command: [serve], environment: { A: b }, probes: { port: 1 }";
        let text = format!("models: {{ a: {{ latency: {{ p50: 1s, p99: 2s }}, {more} }} }}");
        let plain = BehaviourFile::read("b", MODELS.as_bytes()).unwrap().models;
        assert_eq!(BehaviourFile::read("s", text.as_bytes()).unwrap().models, plain);
        assert!(error("models: { a: { image: vllm, latencies: {} } }").contains("did you mean `latency`"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let table = [
            ("[]", "is a mapping"),
            ("server: {}", "describes no model"),
            ("modles: {}", "did you mean `models`"),
            ("models: { a: { latency: { p50: 2s, p99: 1s } } }", "p99 (1s) is below"),
        ];
        for (text, message) in table {
            assert!(error(text).contains(message), "{text}: {}", error(text));
        }
        let more = [
            ("server: { engin: {} }", "did you mean `engine`"),
            ("server: { dialect: openia }", "did you mean `openai`"),
            ("server: { engine: { queue: { status: 500 } } }", "must be 429 or 503"),
            ("server: { metrics: [vllm-v0, vllm-v1] }", "one version of vLLM"),
            ("server: { buckets: { bounds: [1, 1] } }", "histogram bound"),
            ("server: { health: { health: ready } }", "begins with /"),
            ("run: { started: -1 }", "seconds since 1970"),
            ("run: { sede: 1 }", "did you mean `seed`"),
            ("faults: [{ reset: {} }, { reset: {} }]", "second fault"),
            ("faults: [{ identity_swap: { model: b } }]", "does not have"),
        ];
        for (text, message) in more {
            let error = error(&format!("{MODELS}{text}"));
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    proptest! {
        // No text makes the reader panic.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = BehaviourFile::read("x", text.as_bytes());
            let _ = BehaviourFile::read("x", format!("{MODELS}server: {text}").as_bytes());
            let _ = BehaviourFile::read("x", format!("{MODELS}faults: [{text}]").as_bytes());
        }
    }
}
