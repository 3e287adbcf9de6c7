//! A smaller case that still differs.

use crate::case::Case;

/// The most candidates that are tried.
const MOST: usize = 400;

/// Drops actions, steps, metrics, faults and settings for as long as `differs` holds.
pub fn shrink(case: &Case, mut differs: impl FnMut(&Case) -> bool) -> Case {
    let mut smallest = case.clone();
    let mut tried = 0;
    loop {
        let smaller = candidates(&smallest).into_iter().find(|candidate| {
            tried += 1;
            tried <= MOST && differs(candidate)
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

fn candidates(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Case)| {
        let mut changed = case.clone();
        change(&mut changed);
        if changed != *case {
            all.push(changed);
        }
    };
    for index in 0..case.actions.len() {
        add(&|case| drop(case.actions.remove(index)));
    }
    for index in 0..case.plugins.len() {
        add(&|case| drop(case.plugins.remove(index)));
    }
    for index in 0..case.steps.len() {
        add(&|case| drop(case.steps.remove(index)));
    }
    add(&|case| case.background = None);
    for (name, template) in &case.templates {
        for index in 0..template.metrics.len() {
            add(&|case| {
                let template = case.templates.get_mut(name).expect("it is a clone");
                drop(template.metrics.remove(index));
                template.dry_run.clear();
            });
        }
    }
    for key in case.spec.keys() {
        add(&|case| drop(case.spec.remove(key)));
    }
    for key in case.canary.keys() {
        add(&|case| drop(case.canary.remove(key)));
    }
    for key in case.blue_green.iter().flat_map(|strategy| strategy.keys()) {
        add(&|case| drop(case.blue_green.as_mut().expect("it is a clone").remove(key)));
    }
    for name in case.models.keys() {
        add(&|case| case.models.get_mut(name).expect("it is a clone").faults.clear());
    }
    for replicas in [1, 2, case.replicas.saturating_sub(1).max(1)] {
        if replicas < case.replicas {
            add(&|case| case.replicas = replicas);
        }
    }
    if case.duration > 600 {
        add(&|case| case.duration = case.duration * 2 / 3);
    }
    all
}
