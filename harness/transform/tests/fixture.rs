//! The fixture's repository and the shipped scenarios, transformed.

#![allow(clippy::unwrap_used, reason = "what cannot be transformed fails the test")]

mod common;

use common::{difference, fixture, plan, scenario, shipped, tree};
use manifests::kustomize;
use transform::{ArgoSettings, Names, Needs, Plan, Speed, highest_speed, transform};

#[test]
fn speed_1_and_unchanged_names_change_nothing() {
    for (name, scenario, tree) in shipped() {
        let same = transform(&tree, &scenario, &plan(1.0, "")).unwrap();
        assert_eq!(difference(&tree, &same.repository), "", "{name}");
        assert!(same.repository == tree && same.notes.is_empty(), "{name}");
        assert_eq!(format!("{:?}", same.scenario), format!("{scenario:?}"), "{name}");
    }
}

#[test]
fn every_overlay_still_renders_at_any_speed_and_under_other_names() {
    for (name, scenario, tree) in shipped() {
        let highest = highest_speed(&tree, &scenario);
        for speed in Speed::CANDIDATES.into_iter().filter(|speed| *speed <= highest) {
            let names = Names::with_suffix("-a1").unwrap().serving("http://git.rehearse.svc/a1");
            let changed = transform(&tree, &scenario, &Plan { speed, names }).unwrap();
            for overlay in ["overlays/development", "overlays/production", "overlays/staging"] {
                let before = kustomize::build(&tree, overlay);
                let after = kustomize::build(&changed.repository, overlay);
                assert_eq!(before.is_ok(), after.is_ok(), "{name} {overlay} at {speed}");
                let count = |it: Result<kustomize::Rendered, _>| it.map_or(0, |it| it.objects.len());
                assert_eq!(count(before), count(after), "{name} {overlay} at {speed}");
            }
        }
    }
}

fn bad_model() -> (scenario::Scenario, manifests::tree::Tree) {
    let (_, scenario, tree) = shipped().into_iter().find(|it| it.0 == "canary/bad-model.yaml").unwrap();
    (scenario, tree)
}

#[test]
fn the_fixture_at_speed_30() {
    let (scenario, tree) = bad_model();
    let changed = transform(&tree, &scenario, &plan(30.0, "")).unwrap();
    insta::assert_snapshot!("speed_30", difference(&tree, &changed.repository));
    let notes: Vec<String> = changed.notes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("speed_30_notes", notes.join("\n"));
}

#[test]
fn the_fixture_under_other_names() {
    let (scenario, tree) = bad_model();
    let names = Names::with_suffix("-a1").unwrap().serving("http://git.rehearse.svc.cluster.local/a1.git");
    let changed = transform(&tree, &scenario, &Plan { speed: Speed::REAL, names }).unwrap();
    insta::assert_snapshot!("other_names", difference(&tree, &changed.repository));
    assert_eq!(format!("{:?}", changed.scenario), format!("{scenario:?}"), "nothing in it has a name");
}

#[test]
fn the_scenario_at_speed_30() {
    let (scenario, tree) = bad_model();
    let changed = transform(&tree, &scenario, &plan(30.0, "")).unwrap().scenario;
    let texts: Vec<&str> = changed.expect.iter().map(|it| it.text.as_str()).collect();
    let triggers: Vec<String> = changed.events.iter().map(|it| format!("{:?}", it.trigger)).collect();
    let model = &changed.models["3.1-70b-instruct"];
    insta::assert_snapshot!(
        "scenario_30",
        format!(
            "{}\n{}\nrate {}, load {}, settle {}, scrapes every {}, pods start in {}",
            texts.join("\n"),
            triggers.join("\n"),
            changed.traffic.rate,
            model.load,
            changed.settle,
            changed.cluster.scrape_interval,
            changed.cluster.pod_start
        )
    );
}

#[test]
fn the_highest_speed_of_the_fixture_is_that_of_its_scrapes() {
    let (scenario, tree) = bad_model();
    assert_eq!(highest_speed(&tree, &scenario).factor(), 30.0);
    let problems = transform(&tree, &scenario, &plan(60.0, "")).unwrap_err();
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("speed_60", text.join("\n\n"));
}

#[test]
fn what_the_cluster_needs_is_known_beforehand() {
    let (scenario, tree) = bad_model();
    let names = Names::with_suffix("-a1").unwrap();
    let changed = transform(&tree, &scenario, &Plan { speed: Speed::REAL, names }).unwrap();
    insta::assert_debug_snapshot!("needs", Needs::of(&changed.repository, &changed.scenario));
}

#[test]
fn argo_cds_settings_scale_whether_the_scenario_has_them_or_not() {
    for (name, scenario, tree) in shipped() {
        let changed = transform(&tree, &scenario, &plan(4.0, "")).unwrap();
        let settings = ArgoSettings::of(&changed.repository, &changed.scenario);
        assert_eq!((settings.reconciliation.as_secs(), settings.jitter.as_secs()), (30, 15), "{name}");
    }
    assert!(fixture("ai-deployments-as-written").get(transform::SETTINGS_FILE).is_none());
}

#[test]
fn an_answer_comes_sooner_and_takes_as_long() {
    let written = "{ name: a, repository: ., expect: [{ requests: { failed: == 0 } }], \
                   answers: [{ job: suite, from: 10m, until: 20m, takes: 90s }] }";
    let changed = transform(&tree(&[]), &scenario(written), &plan(10.0, "")).unwrap().scenario;
    let answer = &changed.answers[0];
    assert_eq!((answer.from.as_secs(), answer.until.unwrap().as_secs()), (60, 120));
    assert_eq!(answer.takes.as_secs(), 90);
}
