//! Every form of the language is read as what it says.
#![allow(clippy::unwrap_used)]

use scenario::{
    Action, Anchor, ApplicationState, Bound, Claim, Cluster, Comparison, HealthWord, JobEnd, Limit, Merge,
    Pattern, PluginOperation, PluginPhase, PluginReply, Question, Reached, Reply, RequestFilter, RequestKind,
    RevertTarget, RolloutState, RolloutWord, Scenario, State, SyncWord, Trigger,
};
use units::{Duration, Rate, Ratio};
use yaml::Value;

fn read(name: &str, text: &str) -> Vec<Scenario> {
    Scenario::read(name, text.as_bytes()).unwrap_or_else(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n"))
    })
}

fn rollout(state: RolloutState) -> State {
    State::Rollout("model-serving".into(), state)
}

fn is(word: RolloutWord) -> State {
    rollout(RolloutState { is: Some(word), ..RolloutState::default() })
}

#[test]
fn a_real_server_is_what_all_models_say() {
    let scenario = read("real-server.yaml", include_str!("files/real-server.yaml")).remove(0);
    let server = scenario.server.clone().unwrap();
    assert_eq!(server.image, "vllm/vllm-openai:v0.10.2");
    assert_eq!((server.command.len(), server.command[0].as_str()), (5, "python3"));
    let environment: Vec<_> = server.environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(environment, [("HF_HUB_OFFLINE", "1"), ("VLLM_LOGGING_LEVEL", "WARNING")]);
    assert_eq!((server.probes.path.as_deref(), server.probes.port), (Some("/health"), Some(8000)));
    // The simulator's models are what they are without a server.
    assert_eq!(scenario.models["3.2-8b"].latency.p99(), Duration::from_millis(900));
    assert_eq!(scenario.place_of_server().line, 7);
    let without = read("bad-model.yaml", include_str!("files/bad-model.yaml")).remove(0);
    assert_eq!(without.server, None);
}

#[test]
fn answers_are_read_with_their_times_and_bodies() {
    let answers = read("every-form.yaml", include_str!("files/every-form.yaml")).remove(0).answers;
    let body = |index: usize| match &answers[index].to {
        Question::Url(_, Reply::Response { status, body }) => (*status, body.as_str()),
        other => panic!("{other:?}"),
    };
    assert_eq!(body(0), (201, "{\"of\":[1,null],\"score\":0.93}"));
    assert_eq!(
        (body(2), body(3), body(4), body(5)),
        ((200, "plain text"), (200, "[1,2]"), (500, "0.5"), (200, "true"))
    );
    let first = &answers[0];
    assert_eq!((first.from, first.until), (Duration::from_mins(2), Some(Duration::from_mins(60))));
    assert_eq!((first.model.as_deref(), first.takes), (Some("3.1"), Duration::from_secs(2)));
    let at = |minutes| first.fits(Duration::from_mins(minutes), Some("3.1"));
    assert_eq!([at(1), at(2), at(59), at(60)], [false, true, true, false]);
    assert!(!first.fits(Duration::from_mins(2), None) && !first.fits(Duration::from_mins(2), Some("3.2")));
    let unreachable = Question::Url(
        Pattern::new("http://quality.svc/score"),
        Reply::Unreachable("connection refused".into()),
    );
    assert_eq!(answers[1].to, unreachable);
    let jobs: Vec<_> = answers[6..9].iter().map(|answer| &answer.to).collect();
    let job = |name: &str, end| Question::Job(Pattern::new(name), end);
    assert_eq!(
        jobs,
        [&job("suite", JobEnd::Complete), &job("*", JobEnd::Complete), &job("other", JobEnd::Failed)]
    );
    assert_eq!(answers[7].takes, Duration::from_secs(90));
    let plugin = |name: &str, operation, reply| Question::Plugin(Pattern::new(name), operation, reply);
    let said = |phase, message: &str, seconds| PluginReply::Result {
        phase,
        message: message.to_owned(),
        requeue_after: Duration::from_secs(seconds),
    };
    assert_eq!(
        answers[9].to,
        plugin("example/smoke-test", PluginOperation::Run, said(PluginPhase::Running, "3 of 12", 60))
    );
    assert_eq!(
        answers[10].to,
        plugin("example/*", PluginOperation::Run, said(PluginPhase::Successful, "", 0))
    );
    assert_eq!(answers[10].takes, Duration::from_mins(4));
    assert_eq!(answers[11].to, plugin("*", PluginOperation::Abort, said(PluginPhase::Failed, "", 0)));
    let shut_down = PluginReply::Unreachable("connection is shut down".to_owned());
    assert_eq!(answers[12].to, plugin("*", PluginOperation::Terminate, shut_down));
}

#[test]
fn the_main_example_is_read_as_exactly_what_it_says() {
    let scenarios = read("bad-model.yaml", include_str!("files/bad-model.yaml"));
    let [scenario] = scenarios.as_slice() else { panic!("one scenario, not {}", scenarios.len()) };
    assert_eq!((scenario.name.as_str(), scenario.case.as_str()), ("bad-model", ""));
    assert!(scenario.story.starts_with("A slower revision is merged."));
    assert_eq!(scenario.repository, "../../fixtures/ai-deployments");
    assert_eq!(scenario.apply, ["argocd/project.yaml", "argocd/llama3-production.yaml"]);
    let models: Vec<_> =
        scenario.models.iter().map(|(version, profile)| (version.as_str(), profile.latency.p99())).collect();
    assert_eq!(
        models,
        [("3.1-70b-instruct", Duration::from_millis(350)), ("3.2-70b-instruct", Duration::from_millis(900))]
    );
    assert_eq!(scenario.traffic.rate, Rate::new(20.0).unwrap());
    assert_eq!((&scenario.traffic.service, scenario.traffic.slow), (&None, None));
    assert_eq!(scenario.cluster, Cluster::default());
    assert_eq!((scenario.duration, scenario.settle), (None, Duration::from_mins(5)));

    let [merge, revert] = scenario.events.as_slice() else { panic!("two events") };
    assert_eq!((&merge.id, &merge.trigger), (&None, &Trigger::At(Duration::from_mins(2))));
    assert_eq!(merge.place.to_string(), "bad-model.yaml:11:5");
    let Action::Merge(Merge { title, author, edit, write, delete }) = &merge.action else {
        panic!("a merge")
    };
    assert_eq!((title.as_str(), author.as_str()), ("Update llama3 to 3.2-70b-instruct", "dev"));
    assert!(write.is_empty() && delete.is_empty() && edit.len() == 1);
    let patch = &edit["overlays/production/model-config.yaml"];
    assert_eq!(patch.str_at(&["data", "MODEL_VERSION"]), Some("3.2-70b-instruct"));
    assert_eq!(patch.at(&["data", "MODEL_REVISION"]).unwrap().place.to_string(), "bad-model.yaml:16:68");
    let aborted = Trigger::After { reached: Reached(is(RolloutWord::Aborted)), wait: Duration::from_mins(3) };
    assert_eq!(revert.trigger, aborted);
    assert_eq!(revert.action, Action::Revert(RevertTarget::Last));

    let claims: Vec<_> = scenario.expect.iter().map(|expectation| expectation.claim.clone()).collect();
    let stable = RolloutState { stable: Some("3.1-70b-instruct".into()), ..RolloutState::default() };
    let clean = ApplicationState {
        sync: Some(SyncWord::Synced),
        health: Some(HealthWord::Healthy),
        ..ApplicationState::default()
    };
    let two_percent = Bound { comparison: Comparison::Less, limit: Limit::Share(Ratio::new(0.02).unwrap()) };
    assert_eq!(
        claims,
        [
            Claim::Becomes {
                state: is(RolloutWord::Aborted),
                within: Some(Duration::from_mins(8)),
                of: Anchor::FirstAction,
                because: Some("inference-latency".into()),
                before: None,
            },
            Claim::Always { state: rollout(stable), of: Anchor::FirstAction, before: None },
            Claim::Becomes {
                state: State::Application("llama3-production".into(), clean),
                within: Some(Duration::from_mins(10)),
                of: Anchor::Action("revert".into()),
                because: None,
                before: None,
            },
            Claim::Requests {
                which: RequestFilter::default(),
                bounds: vec![(RequestKind::Slow, two_percent)],
            },
        ]
    );
}

/// Every claim as the line that reports show, in which everything that was understood appears.
#[test]
fn every_claim_reads_as_it_was_meant() {
    let scenario = &read("every-form.yaml", include_str!("files/every-form.yaml"))[0];
    let lines: Vec<String> = scenario
        .expect
        .iter()
        .map(|expectation| match expectation.in_seeds {
            Some(share) => format!("{} [in {share} of seeds]", expectation.text),
            None => expectation.text.clone(),
        })
        .collect();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(lines.join("\n")) });
}

#[test]
fn every_action_is_read_with_its_time() {
    let scenario = &read("every-form.yaml", include_str!("files/every-form.yaml"))[0];
    let lines: Vec<String> = scenario
        .events
        .iter()
        .map(|event| {
            let time = match &event.trigger {
                Trigger::At(at) => format!("at {at}"),
                Trigger::After { reached: Reached(state), wait } => format!("{wait} after {state}"),
            };
            let id = event.id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
            format!("{time}{id}: {}", action(&event.action))
        })
        .collect();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(lines.join("\n")) });
}

fn action(action: &Action) -> String {
    match action {
        Action::Merge(merge) => {
            let edits: Vec<_> =
                merge.edit.iter().map(|(path, patch)| format!("{path}: {}", patch.to_json())).collect();
            let Merge { title, author, write, delete, .. } = merge;
            format!("merge {title:?} by {author}, edit {edits:?}, write {write:?}, delete {delete:?}")
        }
        Action::Patch { resource, with } => format!("patch {resource} with {}", with.to_json()),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_matrix_makes_a_case_of_each_combination() {
    let cases = read("matrix.yaml", include_str!("files/matrix.yaml"));
    let texts: Vec<&str> = cases.iter().map(|case| case.case.as_str()).collect();
    assert_eq!(texts.len(), 8);
    assert_eq!(texts[0], "rate=1, nodes=3, webhook=true, model=good");
    assert_eq!(texts[1], "rate=1, nodes=3, webhook=true, model=bad");
    assert_eq!(texts[7], "rate=2.5, nodes=3, webhook=false, model=bad");
    let last = &cases[7];
    assert_eq!(last.traffic.rate, Rate::new(2.5).unwrap());
    assert_eq!((last.cluster.nodes, last.cluster.webhook), (3, false));
    assert_eq!(last.expect[0].text, "requests: slow < 2.5%");
    assert_eq!(last.story, "Costs ${HOME} nothing, ${not a placeholder} either.");
    let Action::Merge(merge) = &last.events[0].action else { panic!("a merge") };
    assert_eq!(merge.title, "Release bad");
    let data = merge.edit["overlays/bad.yaml"].get("data").unwrap();
    assert_eq!(data.str_at(&["V"]), Some("bad"));
    assert_eq!(data.get("N").unwrap().value, Value::Int(3), "a whole placeholder keeps the value's type");
}

#[test]
fn a_file_says_only_what_it_must() {
    let scenario =
        &read("x.yaml", "{ name: x, repository: ., expect: [{ rollout: r, never: degraded }] }")[0];
    assert!(scenario.events.is_empty() && scenario.apply.is_empty() && scenario.models.is_empty());
    assert_eq!(scenario.traffic.rate, Rate::ZERO);
    assert_eq!(scenario.expect[0].text, "rollout r never degraded");
}
