use super::*;

#[test]
fn the_name_of_a_job_is_cut_at_the_metric() {
    let uid = "01234567-89ab-4cde-a123-456789abcdef";
    assert_eq!(name(uid, "suite", 3), format!("{uid}.suite.3"));
    let long = "a-metric-with-a-name-that-is-long";
    let cut = name(uid, long, 12);
    assert_eq!((cut.len(), cut), (63, format!("{uid}.a-metric-with-a-name-th.12")));
}

#[test]
fn a_job_is_looked_at_ever_less_often() {
    for (elapsed, wait_) in [(0.0, 0.141_421_356), (2.0, 2.0), (50.0, 10.0), (200.0, 20.0)] {
        let found = wait(Duration::from_secs_f64(elapsed)).as_secs_f64();
        assert!((found - wait_).abs() < 1e-6, "{elapsed}: {found}");
    }
}
