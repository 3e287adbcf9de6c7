//! What the server counts, and the pages that it shows: the document's own metrics, and those of real
//! servers under their own names, labels and bounds.

mod document;
mod family;
mod histogram;
mod lies;
mod meters;
mod sglang;
mod tgi;
mod vllm;

pub(crate) use family::Format;
pub(crate) use lies::{Liar, Scrape};
pub(crate) use meters::{Finish, Meters, Observation};

use behaviour::Buckets;
use serde::Deserialize;

/// A set of metrics that `/metrics` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricProfile {
    /// `inference_duration_seconds`, `inference_requests_total`, `inference_errors_total` and more.
    Document,
    /// vLLM's first engine: names up to 0.8.
    VllmV0,
    /// vLLM's second engine: names from 0.9 on, after its renames.
    VllmV1,
    /// Text Generation Inference.
    Tgi,
    /// SGLang.
    Sglang,
}

/// The bounds of `inference_duration_seconds`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BucketChoice {
    /// Dense around 500 ms: what the simulator uses.
    #[default]
    Gate,
    /// The default of Prometheus' clients.
    ClientDefault,
    /// vLLM's end-to-end latency, first engine.
    VllmV0,
    /// vLLM's end-to-end latency, second engine.
    VllmV1,
    /// Text Generation Inference.
    Tgi,
    /// SGLang's end-to-end latency.
    Sglang,
    /// These, in seconds.
    Bounds(Vec<f64>),
}

const CLIENT_DEFAULT: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl BucketChoice {
    /// The chosen bounds.
    ///
    /// # Errors
    /// Own bounds that are not ascending positive numbers.
    pub fn buckets(&self) -> Result<Buckets, behaviour::Invalid> {
        let bounds = match self {
            Self::Gate => return Ok(Buckets::default()),
            Self::ClientDefault => CLIENT_DEFAULT.to_vec(),
            Self::VllmV0 => vllm::E2E_V0.to_vec(),
            Self::VllmV1 => vllm::E2E_V1.to_vec(),
            Self::Tgi => tgi::bounds(),
            Self::Sglang => sglang::E2E.to_vec(),
            Self::Bounds(bounds) => bounds.clone(),
        };
        Buckets::new(bounds)
    }
}
