use super::family::{Family, Kind};
use super::meters::{Finish, Measure, Page, Spec};

/// `0.0001 · 1.5ⁿ` for n = 1…35 (text-generation-inference router/src/server.rs: run).
pub(super) fn bounds() -> Vec<f64> {
    let mut bound = 0.0001;
    std::iter::repeat_with(|| {
        bound *= 1.5;
        bound
    })
    .take(35)
    .collect()
}

/// The histograms of Text Generation Inference: seconds, though no name says so.
pub(super) fn specs(max_tokens: u32) -> Vec<Spec> {
    let spec = |name, help, measure| Spec { name, help, measure, bounds: bounds() };
    let lengths = |name, help, measure| Spec { name, help, measure, bounds: lengths(max_tokens) };
    vec![
        spec("tgi_request_duration", "Total time.", Measure::Duration),
        spec("tgi_request_validation_duration", "Time to read the request.", Measure::Validation),
        spec("tgi_request_queue_duration", "Time in the queue.", Measure::Queue),
        spec("tgi_request_inference_duration", "Time in the batch.", Measure::Inference),
        spec("tgi_request_mean_time_per_token_duration", "Mean time a token.", Measure::MeanBetween),
        lengths("tgi_request_input_length", "Tokens of the prompt.", Measure::PromptTokens),
        lengths("tgi_request_generated_tokens", "Tokens of the answer.", Measure::OutputTokens),
        lengths("tgi_request_max_new_tokens", "The most tokens of the answer.", Measure::MaxTokens),
    ]
}

/// A hundred equal parts of the longest sequence (router/src/server.rs: start).
fn lengths(max_tokens: u32) -> Vec<f64> {
    let part = f64::from(max_tokens) / 100.0;
    (1..=100).map(|n| part * f64::from(n)).collect()
}

/// Text Generation Inference's page. Its counters have no `_total`.
pub(super) fn families(page: &Page<'_>) -> Vec<Family> {
    let counter = |name, help, value| Family::single(name, help, Kind::BareCounter, Vec::new(), value);
    let gauge = |name, help, value: usize| Family::single(name, help, Kind::Gauge, Vec::new(), value as f64);
    let mut failures = Family::new("tgi_request_failure", "Failed requests, by cause.", Kind::BareCounter);
    let causes = [
        ("overloaded", page.counts.overloaded as f64),
        ("validation", page.counts.invalid as f64),
        ("generation", page.finished(Finish::Error)),
        ("incomplete", 0.0),
        ("dropped", page.finished(Finish::Abort)),
        ("template", 0.0),
    ];
    for (cause, value) in causes {
        failures.add(vec![("err".into(), cause.to_owned())], value);
    }
    let success = page.finished(Finish::Stop) + page.finished(Finish::Length);
    let mut families: Vec<_> = page.histograms("tgi_", &Vec::new()).collect();
    families.extend([
        counter("tgi_request_count", "Requests.", page.counts.requests as f64),
        counter("tgi_request_success", "Successful requests.", success),
        failures,
        gauge("tgi_queue_size", "Requests in the queue.", page.load.waiting),
        gauge("tgi_batch_current_size", "Requests in the batch.", page.load.running),
    ]);
    families
}
