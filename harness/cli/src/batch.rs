//! Independent pieces of work on several threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::failure::Failure;
use crate::progress;

/// Does every job on `threads` threads. The results are in the order of the jobs, whatever thread was
/// first, so that their number decides nothing that is told.
///
/// # Errors
/// Defects and failures of the environment: the first in the order of the jobs. Wrong input: all of it,
/// each problem once.
pub(crate) fn run<J: Sync, R: Send + Sync>(
    jobs: &[J],
    threads: usize,
    work: impl Fn(&J) -> Result<R, Failure> + Sync,
    describe: impl Fn(&J) -> String,
) -> Result<Vec<R>, Failure> {
    let (next, bar) = (AtomicUsize::new(0), progress::bar(jobs.len()));
    // `None` stands for work that panicked.
    let results: Vec<OnceLock<Option<Result<R, Failure>>>> = jobs.iter().map(|_| OnceLock::new()).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    let result = catch_unwind(AssertUnwindSafe(|| work(job))).ok();
                    // Each index is handed out once, so that its place is still empty.
                    let _ = results[index].set(result);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let stopped = |job| Failure::Defect(format!("{} stopped unexpectedly", describe(job)));
    let results = jobs
        .iter()
        .zip(results)
        .map(|(job, result)| result.into_inner().flatten().unwrap_or_else(|| Err(stopped(job))));
    gathered(results)
}

fn gathered<R>(results: impl Iterator<Item = Result<R, Failure>>) -> Result<Vec<R>, Failure> {
    let (mut done, mut problems) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(result) => done.push(result),
            Err(Failure::Input(found)) => {
                let new = found.into_iter().filter(|problem| !problems.contains(problem));
                problems.extend(new.collect::<Vec<_>>());
            }
            Err(failure @ (Failure::Environment(_) | Failure::Defect(_))) => return Err(failure),
        }
    }
    if problems.is_empty() { Ok(done) } else { Err(Failure::Input(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(job: &u32) -> String {
        format!("job {job}")
    }

    #[test]
    fn results_are_in_the_order_of_the_jobs() {
        let jobs: Vec<u32> = (0..100).collect();
        for threads in [1, 2, 7, 200] {
            let squares = run(&jobs, threads, |job| Ok(job * job), name).unwrap();
            assert_eq!(squares, jobs.iter().map(|job| job * job).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_problem_is_told_once() {
        let failure = run(&[1, 2, 1, 3], 2, |job| Err::<(), _>(Failure::input(name(job))), name);
        let Err(Failure::Input(problems)) = failure else { panic!("{failure:?}") };
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, ["job 1", "job 2", "job 3"]);
    }

    #[test]
    fn a_panic_is_a_defect_with_the_name_of_its_job() {
        let work = |job: &u32| if *job == 2 { panic!("a queue is empty") } else { Ok(()) };
        let failure = run(&[1, 2, 3], 1, work, name);
        assert!(
            matches!(&failure, Err(Failure::Defect(it)) if it == "job 2 stopped unexpectedly"),
            "{failure:?}"
        );
    }
}
