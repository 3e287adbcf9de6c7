//! Whole rollouts: the simulator's account beside that of the real controllers.

#![cfg(feature = "oracle")]
#![expect(clippy::print_stdout, reason = "the rates are the point")]
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::SystemTime;

use fidelity::{Account, Answer, Aspect, Case, Family, Oracle, differences, shrink};

/// The first seed, which `FIDELITY_SEED` replaces.
const FIRST: u64 = 1;

/// How many cases of each family are new in each run. They count together with the fixed ones, so that the
/// shares rest on enough of them, and one known difference more is no alarm.
const FRESH: u64 = 30;

/// Cases of one call of the Go program.
const BATCH: usize = 10;

/// Go programs at a time.
const PROGRAMS: usize = 2;

/// The least share of cases that must agree in their outcome, and in everything.
const FLOORS: (f64, f64) = (0.99, 0.99);

fn chosen(variable: &str, default: u64) -> u64 {
    let parse = |text: String| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}"));
    std::env::var(variable).ok().map_or(default, parse)
}

/// The seeds of a run: those that were asked for, or the fixed ones and fresh ones.
fn seeds(family: Family, count: u64) -> Vec<u64> {
    let first = chosen("FIDELITY_SEED", FIRST);
    let mut seeds: Vec<u64> = (first..first + count).collect();
    let is_chosen = ["FIDELITY_SEED", "FIDELITY_CASES"].iter().any(|it| std::env::var_os(it).is_some());
    if !is_chosen {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        println!("{family:?}, fresh cases: FIDELITY_SEED={now} FIDELITY_CASES={FRESH}");
        seeds.extend(now..now + FRESH);
    }
    seeds
}

/// `FIDELITY_ORDER` is when upstream's ReplicaSets come: `first`, `late` or `overlapping`.
fn chosen_order() -> ReplicaSets {
    let Ok(order) = std::env::var("FIDELITY_ORDER") else { return ReplicaSets::First };
    serde_json::from_value(order.into()).unwrap_or_else(|error| panic!("FIDELITY_ORDER: {error}"))
}

/// Where the sides differ and how upstream ends, or why one of them gave no account.
type Outcome = Result<(BTreeMap<Aspect, String>, String), String>;

/// When upstream's ReplicaSet controller works within an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReplicaSets {
    /// Before all others, as in the simulator.
    First,
    /// After all others: what differs then, and not otherwise, chance decides in a cluster.
    Late,
    /// First, but with what it decides written after the next pass of another: what differs then chance decides, too.
    Overlapping,
}

fn question(case: &Case, pods: &[Vec<fidelity::Choice>], replica_sets: ReplicaSets) -> serde_json::Value {
    let mut question = case.question(pods);
    question["replicaSets"] = serde_json::to_value(replica_sets).unwrap();
    question
}

fn run(oracle: &Oracle, cases: &[Case], replica_sets: ReplicaSets) -> Vec<Outcome> {
    let ours: Vec<_> = cases.iter().map(Case::simulate).collect();
    let questions: Vec<_> = cases
        .iter()
        .zip(&ours)
        .map(|(case, ours)| question(case, ours.as_ref().map_or(&[], |ours| &ours.pods), replica_sets))
        .collect();
    let answers: Vec<Answer> = oracle.ask("timelines", &questions);
    ours.into_iter()
        .zip(answers)
        .zip(cases)
        .map(|((ours, answer), case)| match (ours, answer.account(case)) {
            (Ok(ours), Ok(theirs)) => Ok((differences(&ours.account, &theirs), ending(&theirs))),
            (Err(ours), Err(theirs)) if refuse_alike(&ours, &theirs) => {
                Ok((BTreeMap::new(), "an undo is refused".to_owned()))
            }
            (Err(problem), _) => Err(format!("ours: {problem}")),
            (_, Err(problem)) => Err(format!("upstream: {problem}")),
        })
        .collect()
}

/// Whether both refuse an undo, in the same words: a run of the simulator ends with what a person cannot do.
fn refuse_alike(ours: &str, theirs: &str) -> bool {
    let refusals = ["no revision found for rollout", "unable to find specified revision"];
    refusals.into_iter().any(|refusal| ours.contains(refusal) && theirs.contains(refusal))
}

/// The kind of end that a run comes to, which tells what the random cases reach.
fn ending(account: &Account) -> String {
    let Some((_, last)) = account.states.last() else { return "none".to_owned() };
    let (kind, cause) = last.message.split_once(':').unwrap_or((&last.message, ""));
    let cause = ["timed out", "assessed Failed", "assessed Error", "aborted update to revision"]
        .into_iter()
        .find(|known| cause.contains(known));
    format!("{} {kind} {}", last.phase, cause.unwrap_or_default()).trim().to_owned()
}

fn run_all(oracle: &Oracle, family: Family, seeds: &[u64]) -> BTreeMap<u64, Outcome> {
    let batches: Vec<&[u64]> = seeds.chunks(BATCH).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..PROGRAMS {
            scope.spawn(|| {
                while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let cases: Vec<Case> = batch.iter().map(|seed| family.case(*seed)).collect();
                    let outcomes = run(oracle, &cases, chosen_order());
                    done.lock().unwrap().extend(batch.iter().copied().zip(outcomes));
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// The families, and how many fixed cases of each are compared unless `FIDELITY_CASES` says how many.
const FAMILIES: [(Family, u64); 5] = [
    (Family::Basic, 120),
    (Family::Routed, 60),
    (Family::BlueGreen, 60),
    (Family::Experiments, 60),
    (Family::Plugins, 60),
];

/// How many cases agree.
#[derive(Default)]
struct Rates {
    cases: usize,
    outcomes: usize,
    everything: usize,
}

/// All families count together: of one of them a run has too few cases to tell a share that is too low
/// from chance. `FIDELITY_FAMILY` chooses one.
#[test]
fn random_rollouts_agree() {
    let oracle = Oracle::build();
    let family = std::env::var("FIDELITY_FAMILY").ok();
    let mut all = Rates::default();
    for (family, count) in FAMILIES
        .into_iter()
        .filter(|(it, _)| family.as_ref().is_none_or(|family| format!("{it:?}").eq_ignore_ascii_case(family)))
    {
        let rates = compare(&oracle, family, count);
        all.cases += rates.cases;
        all.outcomes += rates.outcomes;
        all.everything += rates.everything;
    }
    let Rates { cases, outcomes, everything } = all;
    println!("of {cases} cases {outcomes} agree in their outcome and {everything} in everything");
    assert!(cases > 0, "FIDELITY_FAMILY names no family");
    let share = |count: usize| count as f64 / cases as f64;
    assert!(share(outcomes) >= FLOORS.0, "outcomes agree in {outcomes} of {cases} cases");
    assert!(share(everything) >= FLOORS.1, "{everything} of {cases} cases agree in everything");
}

/// Nothing in the Go program is left to its scheduler.
#[test]
fn equal_questions_have_equal_answers() {
    let cases =
        FAMILIES.into_iter().flat_map(|(family, _)| (FIRST..FIRST + 3).map(move |seed| family.case(seed)));
    let questions: Vec<serde_json::Value> = cases
        .flat_map(|case| {
            let pods = case.simulate().map_or(Vec::new(), |ours| ours.pods);
            [ReplicaSets::First, ReplicaSets::Overlapping].map(|order| question(&case, &pods, order))
        })
        .collect();
    let twice: Vec<serde_json::Value> =
        Oracle::build().ask("timelines", &[&questions[..], &questions].concat());
    let (once, again) = twice.split_at(questions.len());
    for (seed, (once, again)) in once.iter().zip(again).enumerate() {
        assert_eq!(once, again, "question {seed}");
    }
}

/// Compares cases of a family, and prints every difference and the rates.
fn compare(oracle: &Oracle, family: Family, count: u64) -> Rates {
    let count = chosen("FIDELITY_CASES", count);
    let outcomes = run_all(oracle, family, &seeds(family, count));
    let mut differing: BTreeMap<Aspect, Vec<u64>> = BTreeMap::new();
    let mut endings: BTreeMap<String, u32> = BTreeMap::new();
    let mut agreeing = 0;
    for (seed, outcome) in &outcomes {
        match outcome {
            Err(problem) => println!("seed {seed} gave no account: {problem}"),
            Ok((found, ending)) => {
                agreeing += usize::from(found.is_empty());
                *endings.entry(ending.clone()).or_default() += 1;
                for (aspect, text) in found {
                    println!("seed {seed}, {aspect:?}:\n{text}");
                    differing.entry(*aspect).or_default().push(*seed);
                }
                if !found.is_empty() && chosen("FIDELITY_SHRINK", 0) == 1 {
                    keep(oracle, family, *seed, *found.keys().next().unwrap());
                }
            }
        }
    }
    let whole = |outcome: &Outcome| matches!(outcome, Ok((found, _)) if found.is_empty());
    let (fixed, fresh): (Vec<_>, Vec<_>) = outcomes.iter().partition(|(seed, _)| **seed < FIRST + count);
    for (set, outcomes) in [("fixed", fixed), ("fresh or chosen", fresh)] {
        let agreeing = outcomes.iter().filter(|(_, outcome)| whole(outcome)).count();
        println!("{family:?}, {set}: {agreeing} of {} cases agree in everything", outcomes.len());
    }
    let compared = outcomes.values().filter(|outcome| outcome.is_ok()).count();
    println!("how upstream ends: {endings:#?}");
    println!(
        "{agreeing} of {compared} cases agree in everything; {} gave no account",
        outcomes.len() - compared
    );
    for aspect in Aspect::ALL {
        let seeds = differing.get(&aspect).map_or(&[][..], Vec::as_slice);
        println!("{aspect:?}: {} of {compared} agree; seeds that differ: {seeds:?}", compared - seeds.len());
    }
    assert_eq!(compared, outcomes.len(), "every case has two accounts");
    let outcomes = compared - differing.get(&Aspect::Outcome).map_or(0, Vec::len);
    Rates { cases: compared, outcomes, everything: agreeing }
}

/// Writes the smallest case that still differs in this aspect.
fn keep(oracle: &Oracle, family: Family, seed: u64, aspect: Aspect) {
    let differs = |case: &Case| {
        let outcome = run(oracle, std::slice::from_ref(case), chosen_order()).remove(0);
        outcome.is_ok_and(|(found, _)| found.contains_key(&aspect))
    };
    let smallest = shrink(&family.case(seed), differs);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fidelity");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{family:?}-{seed}-{aspect:?}.json").to_lowercase());
    fs::write(&file, serde_json::to_string_pretty(&smallest).unwrap()).unwrap();
    println!("seed {seed}: the smallest case that differs is in {}", file.display());
}

/// A case that was kept, and the aspects in which the sides are known to differ.
#[derive(Clone, serde::Deserialize)]
struct Kept {
    why: String,
    differs_in: Vec<String>,
    /// Where upstream's ReplicaSets come late; empty where that was not looked at.
    #[serde(default)]
    late_differs_in: Vec<String>,
    /// Where they overlap with others; likewise.
    #[serde(default)]
    overlapping_differs_in: Vec<String>,
    case: Case,
}

#[test]
fn kept_cases_differ_where_they_are_known_to_and_nowhere_else() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let kept = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, kept)
    };
    let kept: Vec<(PathBuf, Kept)> = files.into_iter().map(read).collect();
    let oracle = Oracle::build();
    assert_differences(&oracle, &kept, ReplicaSets::First, |kept| &kept.differs_in);
    type Expected = fn(&Kept) -> &Vec<String>;
    let others: [(ReplicaSets, Expected); 2] = [
        (ReplicaSets::Late, |kept| &kept.late_differs_in),
        (ReplicaSets::Overlapping, |kept| &kept.overlapping_differs_in),
    ];
    for (order, expected) in others {
        let of_order: Vec<_> = kept.iter().filter(|(_, kept)| !expected(kept).is_empty()).cloned().collect();
        assert_differences(&oracle, &of_order, order, expected);
    }
}

fn assert_differences(
    oracle: &Oracle,
    kept: &[(PathBuf, Kept)],
    replica_sets: ReplicaSets,
    expected: impl Fn(&Kept) -> &Vec<String>,
) {
    let cases: Vec<Case> = kept.iter().map(|(_, kept)| kept.case.clone()).collect();
    let mut unexpected = String::new();
    for ((file, kept), outcome) in kept.iter().zip(run(oracle, &cases, replica_sets)) {
        let file = file.display();
        let (found, _) = outcome.unwrap_or_else(|problem| panic!("{file}: {problem}"));
        let names: Vec<String> = found.keys().map(|aspect| format!("{aspect:?}").to_lowercase()).collect();
        if names != *expected(kept) {
            let told: String = found.into_values().collect();
            unexpected += &format!("{file}: {}\ndiffers in {names:?}\n{told}\n", kept.why);
        }
    }
    assert!(unexpected.is_empty(), "ReplicaSets {replica_sets:?}:\n{unexpected}");
}
