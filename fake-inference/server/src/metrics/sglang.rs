use super::family::{Family, Kind, Labels};
use super::meters::{Finish, Measure, Page, Spec};

const TTFT: [f64; 18] =
    [0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 200.0, 400.0];

pub(super) const E2E: [f64; 22] = [
    0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 200.0, 400.0,
    600.0, 1200.0, 1800.0, 2400.0,
];

const BETWEEN: [f64; 23] = [
    0.002, 0.004, 0.006, 0.008, 0.010, 0.015, 0.020, 0.025, 0.030, 0.035, 0.040, 0.060, 0.080, 0.100, 0.200,
    0.400, 0.600, 0.800, 1.0, 2.0, 4.0, 6.0, 8.0,
];

/// SGLang's histograms (sglang python/sglang/srt/metrics/collector.py: TokenizerMetricsCollector; the gauges are those
/// of its SchedulerMetricsCollector).
pub(super) fn specs() -> Vec<Spec> {
    let spec = |name, help, measure, bounds: &[f64]| Spec { name, help, measure, bounds: bounds.to_vec() };
    vec![
        spec(
            "sglang:time_to_first_token_seconds",
            "Histogram of time to first token in seconds.",
            Measure::Ttft,
            &TTFT,
        ),
        spec(
            "sglang:inter_token_latency_seconds",
            "Histogram of inter-token latency in seconds.",
            Measure::Between,
            &BETWEEN,
        ),
        spec(
            "sglang:e2e_request_latency_seconds",
            "Histogram of End-to-end request latency in seconds",
            Measure::Duration,
            &E2E,
        ),
    ]
}

/// SGLang's page.
pub(super) fn families(page: &Page<'_>) -> Vec<Family> {
    // The scheduler, one for each rank, says which it is; the tokenizer does not.
    let labels: Labels = vec![("model_name".into(), page.identity.name.clone())];
    let ranks = [("engine_type", "unified"), ("pp_rank", "0"), ("tp_rank", "0")];
    let ranks = ranks.map(|(name, value)| (name.into(), value.to_owned()));
    let of_scheduler: Labels = labels.iter().cloned().chain(ranks).collect();
    let load = page.load;
    let gauge = |name, help, value| Family::single(name, help, Kind::Gauge, of_scheduler.clone(), value);
    let counter = |name, help, value| Family::single(name, help, Kind::Counter, labels.clone(), value);
    let done = page.finished(Finish::Stop) + page.finished(Finish::Length);
    let mut families = vec![
        gauge("sglang:num_running_reqs", "The number of running requests.", load.running as f64),
        gauge("sglang:num_queue_reqs", "The number of requests in the waiting queue.", load.waiting as f64),
        gauge("sglang:token_usage", "The token usage.", load.kv_usage),
        gauge("sglang:cache_hit_rate", "The prefix cache hit rate.", 0.0),
        counter(
            "sglang:prompt_tokens",
            "Number of prefill tokens processed.",
            page.counts.prompt_tokens as f64,
        ),
        counter(
            "sglang:generation_tokens",
            "Number of generation tokens processed.",
            page.counts.output_tokens as f64,
        ),
        counter("sglang:num_requests", "Number of requests processed.", done),
        counter("sglang:num_aborted_requests", "Number of requests aborted.", page.finished(Finish::Abort)),
    ];
    families.extend(page.histograms("sglang:", &labels));
    families
}
