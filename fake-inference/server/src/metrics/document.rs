use super::family::{Family, Kind, Labels};
use super::meters::{EndpointCounts, Page};
use crate::api::Endpoint;

/// The metrics of the document that a gate on latency and errors asks for. All series of the chat route
/// are there from the first scrape, with zeros: an error counter that appears with its first error would
/// make a healthy canary's error rate an empty vector. Other routes appear together when they are first
/// asked, so that a pod has the series that the simulator gives it and no 0/0 beside them.
pub(super) fn families(page: &Page<'_>) -> Vec<Family> {
    let mut requests = Family::new("inference_requests", "Requests accepted by a handler.", Kind::Counter);
    let mut errors = Family::new("inference_errors", "Requests that ended in an error.", Kind::Counter);
    let mut tokens = Family::new("inference_output_tokens", "Tokens that were answered.", Kind::Counter);
    let mut durations = Family::new(
        "inference_duration_seconds",
        "Time from a request to the end of its answer, errors included.",
        Kind::Histogram,
    );
    let mut ttft = Family::new(
        "inference_time_to_first_token_seconds",
        "Time from a request to the first token of its answer.",
        Kind::Histogram,
    );
    let asked = |(endpoint, counts): &(&Endpoint, &EndpointCounts)| {
        **endpoint == Endpoint::Chat || counts.requests > 0
    };
    for (endpoint, counts) in page.counts.endpoints.iter().filter(asked) {
        let mut labels = model(page);
        labels.push(("endpoint".into(), endpoint.path().to_owned()));
        durations.add_histogram(&labels, &counts.durations);
        ttft.add_histogram(&labels, &counts.ttft);
        requests.add(labels.clone(), counts.requests as f64);
        errors.add(labels.clone(), counts.errors as f64);
        tokens.add(labels, counts.output_tokens as f64);
    }
    let gauge = |name, help, value: usize| Family::single(name, help, Kind::Gauge, model(page), value as f64);
    let identity = page.identity;
    let info = vec![
        ("name".into(), identity.name.clone()),
        ("version".into(), identity.version.clone()),
        ("revision".into(), identity.revision.clone()),
    ];
    vec![
        durations,
        requests,
        errors,
        ttft,
        tokens,
        gauge("inference_inflight", "Requests in the batch.", page.load.running),
        gauge("inference_queue_length", "Requests that wait for a slot.", page.load.waiting),
        Family::single("model_info", "The model that this process loaded.", Kind::Gauge, info, 1.0),
    ]
}

fn model(page: &Page<'_>) -> Labels {
    vec![("model".into(), page.identity.name.clone()), ("version".into(), page.identity.version.clone())]
}
