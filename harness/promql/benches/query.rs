//! How long an instant query over 100 series takes. The bound is 10 µs.

#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use promql::{Labels, Options, Query, Storage};

const END_MS: i64 = 3_600_000;

/// Ten pods with ten buckets each, scraped every 15 s for an hour; a stable set beside them.
fn storage() -> Storage {
    let bounds = ["0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf"];
    let mut storage = Storage::new();
    for role in ["canary", "stable"] {
        for pod in 0..10 {
            for (at, le) in bounds.into_iter().enumerate() {
                let pod = format!("{role}-{pod}");
                let labels =
                    [("__name__", "x_bucket"), ("job", "model"), ("le", le), ("pod", &pod), ("role", role)];
                let series = storage.series(&Labels::new(labels));
                for at_ms in (0..=END_MS).step_by(15_000) {
                    let value = at_ms as f64 / 1000.0 * (at + 1) as f64;
                    storage.append(series, at_ms, value).expect("times rise");
                }
            }
        }
    }
    storage
}

fn queries(criterion: &mut Criterion) {
    let storage = storage();
    let cases = [
        ("quantile", r#"histogram_quantile(0.99, sum by (le) (rate(x_bucket{role="canary"}[5m])))"#),
        ("sum of rates", r#"sum(rate(x_bucket{role="canary"}[5m]))"#),
        ("newest values", r#"sum(x_bucket{role="canary"})"#),
    ];
    for (name, text) in cases {
        let query = Query::parse(text).expect("valid PromQL");
        let mut prepared = query.prepare(Options::default());
        criterion.bench_function(&format!("prepared: {name}"), |bencher| {
            bencher.iter(|| prepared.instant(&storage, END_MS));
        });
        criterion.bench_function(&format!("fresh: {name}"), |bencher| {
            bencher.iter(|| query.instant(&storage, END_MS));
        });
    }
    let mut counters = Storage::new();
    let series = counters.series(&Labels::new([("__name__", "c_total")]));
    let mut at_ms = 0;
    criterion.bench_function("append", |bencher| {
        bencher.iter(|| {
            at_ms += 1;
            counters.append(series, at_ms, 1.0)
        });
    });
}

criterion_group!(benches, queries);
criterion_main!(benches);
