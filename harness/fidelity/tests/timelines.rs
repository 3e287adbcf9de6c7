//! Whole rollouts: the simulator's account beside that of the real controllers.

#![cfg(feature = "oracle")]
#![expect(clippy::print_stdout, reason = "the rates are the point")]

use std::collections::BTreeMap;

use fidelity::{Answer, Aspect, Case, Oracle, differences, generate};

/// The first seed and the number of cases; `FIDELITY_SEED` and `FIDELITY_CASES` choose others.
const FIXED: (u64, u64) = (1, 100);

/// Cases of one call of the Go program.
const BATCH: usize = 25;

fn chosen(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

/// Both sides of some cases: where they differ, or why one of them gave no account.
fn run(oracle: &Oracle, cases: &[Case]) -> Vec<Result<BTreeMap<Aspect, String>, String>> {
    let ours: Vec<_> = cases.iter().map(Case::simulate).collect();
    let questions: Vec<_> = cases
        .iter()
        .zip(&ours)
        .map(|(case, ours)| case.question(ours.as_ref().map_or(&[], |ours| &ours.scrape_offsets)))
        .collect();
    let answers: Vec<Answer> = oracle.ask("timelines", &questions);
    ours.into_iter()
        .zip(answers)
        .map(|(ours, answer)| {
            let ours = ours.map_err(|problem| format!("ours: {problem}"))?;
            let theirs = answer.account().map_err(|problem| format!("upstream: {problem}"))?;
            Ok(differences(&ours.account, &theirs))
        })
        .collect()
}

#[test]
fn random_rollouts_agree() {
    let oracle = Oracle::build();
    let (first, count) = (chosen("FIDELITY_SEED", FIXED.0), chosen("FIDELITY_CASES", FIXED.1));
    let seeds: Vec<u64> = (first..first + count).collect();
    let mut differing: BTreeMap<Aspect, Vec<u64>> = BTreeMap::new();
    let (mut compared, mut whole, mut failed) = (0, 0, Vec::new());
    let mut told = Vec::new();
    for batch in seeds.chunks(BATCH) {
        let cases: Vec<Case> = batch.iter().copied().map(generate).collect();
        for (seed, outcome) in batch.iter().zip(run(&oracle, &cases)) {
            match outcome {
                Err(problem) => failed.push(format!("{seed}: {problem}")),
                Ok(found) => {
                    compared += 1;
                    whole += u32::from(found.is_empty());
                    for (aspect, text) in found {
                        told.push(format!("seed {seed}, {aspect:?}:\n{text}"));
                        differing.entry(aspect).or_default().push(*seed);
                    }
                }
            }
        }
    }
    for text in &told {
        println!("{text}");
    }
    println!("{whole} of {compared} cases agree in everything; {} gave no account", failed.len());
    for aspect in Aspect::ALL {
        let seeds = differing.get(&aspect).map_or(&[][..], Vec::as_slice);
        println!("{aspect:?}: {} of {compared} agree; seeds that differ: {seeds:?}", compared - seeds.len());
    }
    for problem in &failed {
        println!("no account: {problem}");
    }
}
