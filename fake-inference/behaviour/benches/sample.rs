//! What a scrape interval of one pod costs: a draw for few, for some and for many requests.

use std::hint::black_box;

use behaviour::{Arrivals, Batch, Buckets, Draws, Latency, Moment, Profile, Sampler};
use criterion::{Criterion, criterion_group, criterion_main};
use units::{Duration, Ratio, Time};

fn model() -> Profile {
    let latency = Latency::new(Duration::from_millis(180), Duration::from_millis(350)).expect("p50 < p99");
    Profile { errors: Ratio::new(0.001).expect("a share"), ..Profile::new(latency) }
}

fn sample(c: &mut Criterion) {
    let moment = Moment { age: Duration::from_mins(10), now: Time::from_secs(900), pod: 0 };
    let buckets = Buckets::default();
    let threshold = Some(Duration::from_millis(500));
    let sampler = Sampler::new(model().at(moment), &buckets, threshold);
    for expected in [5.0, 50.0, 300.0, 500.0, 50_000.0] {
        let mut draws = Draws::new(Arrivals::Drawn, 1, "bench");
        let mut batch = Batch::empty(&buckets);
        c.bench_function(&format!("sample {expected} requests"), |b| {
            b.iter(|| sampler.sample_into(black_box(expected), &mut draws, &mut batch));
        });
    }
    let mut draws = Draws::new(Arrivals::Expected, 1, "bench");
    let mut batch = Batch::empty(&buckets);
    c.bench_function("expect 50 requests", |b| {
        b.iter(|| sampler.sample_into(black_box(50.0), &mut draws, &mut batch));
    });
    c.bench_function("behaviour at a moment", |b| b.iter(|| model().at(black_box(moment))));
    c.bench_function("new sampler", |b| {
        b.iter(|| Sampler::new(model().at(black_box(moment)), &buckets, threshold));
    });
}

criterion_group!(benches, sample);
criterion_main!(benches);
