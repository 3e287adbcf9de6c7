//! The `server:` part of a behaviour file: what only a server that really runs needs to know.

use std::collections::BTreeMap;

use behaviour::Latency;
use serde::Deserialize;
use units::{Duration, Ratio};

use crate::metrics::{BucketChoice, MetricProfile};

/// How the server speaks, queues, starts, stops and defends itself. Everything has a default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct Settings {
    /// The shape of error bodies on the OpenAI routes.
    pub dialect: Dialect,
    /// The families of metrics that `/metrics` shows.
    pub metrics: Vec<MetricProfile>,
    /// The bounds of `inference_duration_seconds`.
    pub buckets: BucketChoice,
    /// The batch, the queue, the cache and the division of time.
    pub engine: EngineSettings,
    /// What decides the answer of a health route, by its path; overrides the defaults.
    pub health: BTreeMap<String, HealthRule>,
    /// What happens between start and readiness.
    pub loading: Loading,
    /// What SIGTERM does.
    pub shutdown: Shutdown,
    /// Bounds on what clients may send and hold.
    pub limits: Limits,
    /// Whether responses name the faults that hit them in the header `x-fault`; true.
    pub name_faults: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            metrics: vec![MetricProfile::Document],
            buckets: BucketChoice::default(),
            engine: EngineSettings::default(),
            health: BTreeMap::new(),
            loading: Loading::default(),
            shutdown: Shutdown::default(),
            limits: Limits::default(),
            name_faults: true,
        }
    }
}

/// The shape of error bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// `{"error":{"message","type","param","code"}}` with OpenAI's types and codes.
    #[default]
    Openai,
    /// vLLM from 0.10.1 on: the same shape, its own types, the status as code (vllm PR #22099).
    Vllm,
    /// vLLM before 0.10.1: flat, with `"object":"error"`.
    VllmV0,
    /// Text Generation Inference: `{"error","error_type"}`, 422 for requests that cannot be what they say, and a body
    /// on unhealthy health routes (its `router/src/server.rs`).
    Tgi,
}

/// Slots, queue, cache, and how an answer's time is divided.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct EngineSettings {
    /// The sequences computed at once; `MAX_BATCH_SIZE` if left out.
    pub slots: Option<usize>,
    /// Those that wait for a slot.
    pub queue: Queue,
    /// The tokens that fit into the KV cache; without bound if left out.
    pub kv_tokens: Option<u64>,
    /// How many times longer an answer takes while the batch is full; linear in the batch. 1 if left out.
    pub under_load: f64,
    /// The first requests take longer.
    pub warmup: Warmup,
    /// The share of an answer's time that passes before its first token; 20% if left out.
    pub first_token: Ratio,
    /// Time to first token and between tokens by their own distributions, instead of a share of the
    /// profile's latency. A profile's change of latency scales both.
    pub tokens: Option<TokenTimes>,
    /// The tokens of an answer to an open question; 32 if left out.
    pub output_tokens: u32,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            slots: None,
            queue: Queue::default(),
            kv_tokens: None,
            under_load: 1.0,
            warmup: Warmup::default(),
            first_token: Ratio::new(0.2).expect("0.2 is a share"),
            tokens: None,
            output_tokens: 32,
        }
    }
}

/// Requests that wait for a slot, first come first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct Queue {
    /// The most that may wait; the next is refused. 1000 if left out.
    pub limit: usize,
    /// The status of a refusal: 429 or 503; 503 if left out.
    pub status: u16,
    /// What the refusal's `Retry-After` says; 1s if left out.
    pub retry_after: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { limit: 1000, status: 503, retry_after: Duration::from_secs(1) }
    }
}

/// The first requests after loading take longer.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct Warmup {
    /// How many requests are slower; none if left out.
    pub requests: u64,
    /// How many times longer the very first takes, falling linearly to 1; 3 if left out.
    pub factor: f64,
}

impl Default for Warmup {
    fn default() -> Self {
        Self { requests: 0, factor: 3.0 }
    }
}

/// Distributions of the two times that make up an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub struct TokenTimes {
    /// The time to the first token.
    pub ttft: Latency,
    /// The time between tokens, one draw for each answer.
    pub itl: Latency,
}

/// What decides the answer of a health route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthRule {
    /// 200 while the process answers at all.
    Process,
    /// 200 from the moment the profile calls the pod ready, also while it drains or is stuck, as vLLM's
    /// `/health` does.
    Engine,
    /// As `engine`, but 503 while it drains.
    Ready,
}

/// What happens between start and readiness. The profile's `load` is the whole; these are parts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct Loading {
    /// The part at the beginning that downloads weights.
    pub download: Duration,
    /// The part at the end that warms up.
    pub warming: Duration,
    /// Whether connections are refused until the weights are loaded, as vLLM does; false: 503.
    pub refuse_connections: bool,
    /// Whether the process ends with code 1 if `MODEL_REGISTRY_USERNAME` or `MODEL_REGISTRY_PASSWORD`
    /// is not set.
    pub needs_credentials: bool,
}

/// What SIGTERM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct Shutdown {
    /// What becomes of requests under way and of new ones.
    pub mode: ShutdownMode,
    /// How long `drain` and `accept-while-draining` wait before they drop what is left; 30s if left out.
    pub grace: Duration,
    /// How long all goes on as before, as with a `preStop` hook that sleeps: the time in which the cluster
    /// learns that the pod goes. 0s if left out.
    pub pre_stop: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { mode: ShutdownMode::Abort, grace: Duration::from_secs(30), pre_stop: Duration::ZERO }
    }
}

/// What becomes of requests under way and of new ones at SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShutdownMode {
    /// Connections are reset and the process ends with 0, as vLLM by default.
    Abort,
    /// New requests get 503; those under way may finish; then 0.
    Drain,
    /// New requests are served too, until none is left or the grace is over; then 0.
    AcceptWhileDraining,
    /// Nothing happens; the process lives until it is killed.
    Ignore,
    /// The process ends at once with 143.
    AtOnce,
}

/// Bounds on what clients may send and hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct Limits {
    /// The largest body in bytes; the next byte is answered with 413. 2 MiB if left out.
    pub body_bytes: usize,
    /// All bodies being read at once, in bytes; above that, 503. 64 MiB if left out.
    pub all_bodies_bytes: usize,
    /// The largest request head in bytes; a larger one is answered with 431. 64 KiB if left out.
    pub head_bytes: usize,
    /// The time to send a whole request head, and that a connection may be idle; 75s if left out.
    pub head_timeout: Duration,
    /// The time to send a whole body; 408 after that. 30s if left out.
    pub body_timeout: Duration,
    /// The time that a client may leave a response unread; the connection is closed. 60s if left out.
    pub write_timeout: Duration,
    /// The most open connections; further ones wait to be accepted. 20000 if left out.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 2 << 20,
            all_bodies_bytes: 64 << 20,
            head_bytes: 64 << 10,
            head_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            connections: 20_000,
        }
    }
}

impl Settings {
    /// What is out of range, by name.
    pub(crate) fn check(&self) -> Result<(), String> {
        let engine = &self.engine;
        let rules = [
            (!matches!(engine.queue.status, 429 | 503), "server.engine.queue.status must be 429 or 503"),
            (
                !(engine.under_load.is_finite() && (1.0..=1e3).contains(&engine.under_load)),
                "server.engine.under_load must be a factor from 1 to 1000",
            ),
            (
                !(engine.warmup.factor.is_finite() && (1.0..=1e3).contains(&engine.warmup.factor)),
                "server.engine.warmup.factor must be a factor from 1 to 1000",
            ),
            (engine.slots == Some(0), "server.engine.slots must be at least 1"),
            (
                !(1..=10_000).contains(&engine.output_tokens),
                "server.engine.output_tokens must be from 1 to 10000",
            ),
            (engine.kv_tokens == Some(0), "server.engine.kv_tokens must be at least 1"),
            (self.limits.head_bytes < 8192, "server.limits.head_bytes must be at least 8192"),
            (self.limits.connections == 0, "server.limits.connections must be at least 1"),
        ];
        let both =
            self.metrics.contains(&MetricProfile::VllmV0) && self.metrics.contains(&MetricProfile::VllmV1);
        if both {
            return Err("server.metrics can show one version of vLLM, not both".to_owned());
        }
        if let Some(path) =
            self.health.keys().find(|path| !path.starts_with('/') || path.contains(['{', '}', '*']))
        {
            return Err(format!("server.health has `{path}`; a path begins with / and has no placeholders"));
        }
        self.buckets.buckets().map_err(|error| format!("server.buckets: {error}"))?;
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, rule)) => Err(rule.to_owned()),
            None => Ok(()),
        }
    }
}
