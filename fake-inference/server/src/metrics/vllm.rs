use super::family::{Family, Kind, Labels};
use super::meters::{Finish, Measure, Page, Spec};

/// vLLM's two engines, whose metrics differ in names, labels and bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// vllm/engine/metrics.py: Metrics.
    V0,
    /// vllm/v1/metrics/loggers.py: PrometheusStatLogger, after the removals of vllm PR #29330.
    V1,
}

pub(super) const E2E_V0: [f64; 10] = [1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0];

pub(super) const E2E_V1: [f64; 21] = [
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
    960.0, 1920.0, 7680.0,
];

const TTFT_V0: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const TTFT_V1_MORE: [f64; 6] = [20.0, 40.0, 80.0, 160.0, 640.0, 2560.0];

const TOKEN_V0: [f64; 13] = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];

const TOKEN_V1_MORE: [f64; 6] = [5.0, 7.5, 10.0, 20.0, 40.0, 80.0];

const CHOICES: [f64; 5] = [1.0, 2.0, 5.0, 10.0, 20.0];

fn spec(name: &'static str, help: &'static str, measure: Measure, bounds: &[f64]) -> Spec {
    Spec { name, help, measure, bounds: bounds.to_vec() }
}

/// The histograms of this engine for a model with this longest sequence.
pub(super) fn specs(engine: Engine, max_tokens: u32) -> Vec<Spec> {
    use Measure::{Choices, MaxTokens, OutputTokens, PromptTokens};
    let lengths = one_two_five(max_tokens);
    let mut specs = vec![
        spec("vllm:request_prompt_tokens", "Number of prefill tokens processed.", PromptTokens, &lengths),
        spec(
            "vllm:request_generation_tokens",
            "Number of generation tokens processed.",
            OutputTokens,
            &lengths,
        ),
        spec("vllm:request_params_n", "Histogram of the n request parameter.", Choices, &CHOICES),
        spec(
            "vllm:request_params_max_tokens",
            "Histogram of the max_tokens request parameter.",
            MaxTokens,
            &lengths,
        ),
    ];
    specs.extend(times(engine));
    if engine == Engine::V1 {
        specs.push(spec(
            "vllm:request_max_num_generation_tokens",
            "Histogram of maximum number of requested generation tokens.",
            MaxTokens,
            &lengths,
        ));
    }
    specs
}

/// The histograms of seconds.
fn times(engine: Engine) -> Vec<Spec> {
    use Measure::{Between, Decode, Duration, Inference, MeanBetween, Prefill, Queue, Ttft};
    let ttft = |bounds| {
        spec("vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.", Ttft, bounds)
    };
    let phase = |name, help, measure| spec(name, help, measure, &E2E_V1);
    let e2e = ("vllm:e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", Duration);
    let token = [TOKEN_V0.as_slice(), &TOKEN_V1_MORE].concat();
    match engine {
        Engine::V0 => vec![
            ttft(&TTFT_V0),
            spec(
                "vllm:time_per_output_token_seconds",
                "Histogram of time per output token in seconds.",
                Between,
                &TOKEN_V0,
            ),
            spec(e2e.0, e2e.1, e2e.2, &E2E_V0),
        ],
        Engine::V1 => vec![
            ttft(&[TTFT_V0.as_slice(), &TTFT_V1_MORE].concat()),
            spec(
                "vllm:inter_token_latency_seconds",
                "Histogram of inter-token latency in seconds.",
                Between,
                &token,
            ),
            spec(
                "vllm:request_time_per_output_token_seconds",
                "Histogram of time_per_output_token_seconds per request.",
                MeanBetween,
                &token,
            ),
            phase(e2e.0, e2e.1, e2e.2),
            phase("vllm:request_queue_time_seconds", "Histogram of time spent in WAITING phase.", Queue),
            phase(
                "vllm:request_inference_time_seconds",
                "Histogram of time spent in RUNNING phase.",
                Inference,
            ),
            phase("vllm:request_prefill_time_seconds", "Histogram of time spent in PREFILL phase.", Prefill),
            phase("vllm:request_decode_time_seconds", "Histogram of time spent in DECODE phase.", Decode),
        ],
    }
}

/// 1, 2, 5, 10, … up to the longest sequence (vllm/v1/metrics/loggers.py: build_1_2_5_buckets).
fn one_two_five(most: u32) -> Vec<f64> {
    let decades = std::iter::successors(Some(1_u64), |decade| Some(decade * 10));
    let values = decades.take(10).flat_map(|decade| [1, 2, 5].map(|mantissa| mantissa * decade));
    values.take_while(|value| *value <= u64::from(most)).map(|value| value as f64).collect()
}

/// The page of a vLLM server, with the counts of its HTTP instrumentation: vLLM counts no errors itself.
pub(super) fn families(page: &Page<'_>, engine: Engine) -> Vec<Family> {
    let labels = labels(page, engine);
    let load = page.load;
    let gauge = |name, help, value| Family::single(name, help, Kind::Gauge, labels.clone(), value);
    let counter =
        |name, help, value: u64| Family::single(name, help, Kind::Counter, labels.clone(), value as f64);
    let mut families = vec![
        gauge("vllm:num_requests_running", "Number of requests in execution.", load.running as f64),
        gauge("vllm:num_requests_waiting", "Number of requests waiting.", load.waiting as f64),
        counter("vllm:num_preemptions", "Cumulative number of preemptions.", load.preemptions),
        counter("vllm:prompt_tokens", "Number of prefill tokens processed.", page.counts.prompt_tokens),
        counter(
            "vllm:generation_tokens",
            "Number of generation tokens processed.",
            page.counts.output_tokens,
        ),
        successes(page, &labels),
        cache_config(page, &labels),
    ];
    match engine {
        Engine::V0 => families.extend([
            gauge("vllm:num_requests_swapped", "Number of requests swapped to CPU.", 0.0),
            gauge("vllm:gpu_cache_usage_perc", "GPU KV-cache usage. 1 means 100 percent.", load.kv_usage),
            gauge("vllm:cpu_cache_usage_perc", "CPU KV-cache usage. 1 means 100 percent.", 0.0),
            gauge("vllm:gpu_prefix_cache_hit_rate", "GPU prefix cache block hit rate.", 0.0),
        ]),
        Engine::V1 => families.extend([
            gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent.", load.kv_usage),
            counter(
                "vllm:prefix_cache_queries",
                "Prefix cache queries, in tokens.",
                page.counts.prompt_tokens,
            ),
            counter("vllm:prefix_cache_hits", "Prefix cache hits, in tokens.", 0),
        ]),
    }
    families.extend(page.histograms("vllm:", &labels));
    families.push(http(page));
    families
}

fn labels(page: &Page<'_>, engine: Engine) -> Labels {
    let name = ("model_name".into(), page.identity.name.clone());
    match engine {
        Engine::V0 => vec![name],
        Engine::V1 => vec![name, ("engine".into(), "0".to_owned())],
    }
}

fn successes(page: &Page<'_>, labels: &Labels) -> Family {
    let mut family =
        Family::new("vllm:request_success", "Count of successfully processed requests.", Kind::Counter);
    for (reason, finish) in [("stop", Finish::Stop), ("length", Finish::Length), ("abort", Finish::Abort)] {
        let mut labels = labels.clone();
        labels.push(("finished_reason".into(), reason.to_owned()));
        family.add(labels, page.finished(finish));
    }
    family
}

fn cache_config(page: &Page<'_>, labels: &Labels) -> Family {
    let mut labels = labels.clone();
    labels.push(("cache_dtype".into(), "auto".to_owned()));
    labels.push(("quantization".into(), page.identity.quantization.clone()));
    Family::single(
        "vllm:cache_config_info",
        "Information of the LLMEngine CacheConfig",
        Kind::Gauge,
        labels,
        1.0,
    )
}

fn http(page: &Page<'_>) -> Family {
    let mut family = Family::new(
        "http_requests",
        "Total number of requests by method, status and handler.",
        Kind::Counter,
    );
    for ((handler, method, status), count) in &page.counts.http {
        let labels = [("handler", handler), ("method", method), ("status", status)];
        family.add(labels.map(|(name, value)| (name.into(), (*value).to_owned())).into(), *count as f64);
    }
    family
}
