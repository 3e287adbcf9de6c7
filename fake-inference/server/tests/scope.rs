//! Whom faults hit and when; and that it follows from the requests alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use common::{Client, identity, server, server_with};
use fake_inference::Server;
use serde_json::{Value, json};
use tokio::time::sleep;

async fn hit(server: &Arc<Server>, headers: &[(&str, &str)], more: Value) -> bool {
    let mut client = Client::memory(server).await;
    !client.try_chat(headers, more).await.unwrap().header("x-fault").is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_fault_hits_only_what_its_scope_selects() {
    let none: &[(&str, &str)] = &[];
    let table = [
        ("model: llama3", none, json!({}), true),
        ("model: other", none, json!({}), false),
        ("version: 3.1-70b, revision: a2431349ba, role: canary, pod: llama3-0", none, json!({}), true),
        ("role: stable", none, json!({}), false),
        ("path: /v1/chat/completions", none, json!({}), true),
        ("path: /v1/completions", none, json!({}), false),
        ("stream: true", none, json!({ "stream": true }), true),
        ("stream: true", none, json!({}), false),
        ("header: { x-canary: 'yes' }", &[("x-canary", "yes")], json!({}), true),
        ("header: { x-canary: 'yes' }", &[("x-canary", "no")], json!({}), false),
        ("prompt_tokens: { above: 7, up_to: 8 }", none, json!({}), true),
        ("prompt_tokens: { above: 8 }", none, json!({}), false),
        ("prompt_tokens: { up_to: 7 }", none, json!({}), false),
    ];
    for (scope, headers, more, expected) in table {
        let server = server(&format!("faults: [{{ wrong: {{}}, where: {{ {scope} }} }}]"));
        assert_eq!(hit(&server, headers, more).await, expected, "{scope}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_of_users_is_always_the_same_users() {
    let server = server("faults: [{ wrong: {}, where: { users: 50% } }]");
    let mut hits = 0;
    for user in 0..40 {
        let user = json!({ "user": format!("user-{user}") });
        let first = hit(&server, &[], user.clone()).await;
        assert_eq!(first, hit(&server, &[], user).await);
        hits += u32::from(first);
    }
    assert!((8..=32).contains(&hits), "{hits}");
}

#[tokio::test(start_paused = true)]
async fn a_fault_acts_in_its_time_and_grows_along_its_ramp() {
    let server = server("faults: [{ wrong: {}, from: 60s, until: 120s }]");
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(hit(&server, &[], json!({})).await);
        sleep(Duration::from_secs(30)).await;
    }
    assert_eq!(seen, [false, false, true, true, false]);

    let server = common::server("faults: [{ wrong: {}, from: 0s, ramp: 1000s }]");
    let mut shares = Vec::new();
    for _ in 0..2 {
        let mut hits = 0;
        for _ in 0..100 {
            hits += u32::from(hit(&server, &[], json!({})).await);
        }
        shares.push(hits);
        sleep(Duration::from_secs(700)).await;
    }
    assert!(shares[0] < 20 && shares[1] > 55, "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn a_window_opens_and_closes() {
    let server = server("faults: [{ wrong: {}, window: { every: 60s, for: 20s } }]");
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(hit(&server, &[], json!({})).await);
        sleep(Duration::from_millis(19_800)).await;
    }
    assert_eq!(seen, [true, false, false, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn first_after_and_max_count_requests() {
    let hits = async |more: &str| {
        let server = server(&format!("faults: [{{ wrong: {{}}, {more} }}]"));
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(u8::from(hit(&server, &[], json!({})).await));
        }
        seen
    };
    assert_eq!(hits("first: 2").await, [1, 1, 0, 0, 0]);
    assert_eq!(hits("after: 3").await, [0, 0, 0, 1, 1]);
    assert_eq!(hits("after: 1, first: 2").await, [0, 1, 1, 0, 0]);
    assert_eq!(hits("max: 3").await, [1, 1, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn one_fault_decides_the_response_the_highest_then_the_first_by_name() {
    let faults = "{ id: b, status: { code: 502 } }, { id: c, status: { code: 503 }, priority: 1 }, { id: a, wrong: {} }";
    let server = server(&format!("faults: [{faults}]"));
    let answer = Client::memory(&server).await.chat(json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-fault")), (503, "c"));
    let names: Vec<_> = server.faults.snapshot().iter().map(|fault| fault.hit_count()).collect();
    assert_eq!(names, [0, 0, 1], "what is not performed is not counted");
    let both = common::server("faults: [{ id: b, status: { code: 502 } }, { id: c, status: { code: 503 } }]");
    assert_eq!(Client::memory(&both).await.chat(json!({})).await.status, 502);
}

/// The requests that a fault hit, of those numbered 0 to 399, sent over so many connections.
async fn hit_requests(share: &str, seed: u64, connections: usize) -> BTreeSet<String> {
    let models = common::MODELS;
    let faults = format!(
        "{models}faults: [{{ wrong: {{}}, share: {share} }}, {{ id: cut, truncate: {{ after: 1 }}, share: 10% }}]"
    );
    let server = server_with(&faults, fake_inference::Identity { max_batch_size: 1000, ..identity() }, seed);
    let mut tasks = Vec::new();
    for connection in 0..connections {
        let server = Arc::clone(&server);
        tasks.push(tokio::spawn(async move {
            let mut client = Client::memory(&server).await;
            let mut hit = BTreeSet::new();
            for number in (0..400).filter(|number| number % connections == connection) {
                let id = format!("request-{number}");
                let answer = client.chat_as(&id, json!({})).await;
                if answer.header("x-fault").split(',').any(|name| name == "wrong") {
                    hit.insert(id);
                }
            }
            hit
        }));
    }
    let mut all = BTreeSet::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn the_same_requests_are_hit_over_one_connection_and_over_64() {
    let one = hit_requests("20%", 7, 1).await;
    assert_eq!(one, hit_requests("20%", 7, 64).await);
    // Five standard errors around 80.
    assert!((40..=120).contains(&one.len()), "{}", one.len());
    assert_ne!(one, hit_requests("20%", 8, 1).await);
}

#[tokio::test(start_paused = true)]
async fn what_a_small_share_hits_a_larger_one_hits_too() {
    let (small, large) = (hit_requests("5%", 7, 8).await, hit_requests("20%", 7, 8).await);
    assert!(small.is_subset(&large) && small.len() < large.len());
}

/// The tables of the guide and the catalogue do not drift apart.
#[test]
fn every_definition_in_the_guide_is_one_and_every_kind_is_there() {
    let guide = include_str!("../../../docs/fake-inference.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `{ ")?.split_once('`'));
    let mut kinds = BTreeSet::new();
    for (definition, _) in rows {
        let text = format!("{{ {definition}");
        let node = yaml::parse_one("the guide", text.as_bytes()).unwrap();
        let fault =
            fake_inference::Definition::read(&node, None).unwrap_or_else(|problem| panic!("{problem}"));
        kinds.insert(fault.effect.kind());
    }
    assert_eq!(kinds, fake_inference::fault::KINDS.iter().copied().collect());
}

#[test]
fn the_settings_and_faults_of_the_guide_are_valid() {
    let guide = include_str!("../../../docs/fake-inference.md");
    let blocks = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut read = 0;
    for block in blocks {
        let models = if block.contains("models:") { "" } else { common::MODELS };
        let text = format!("{models}{block}");
        fake_inference::BehaviourFile::read("the guide", text.as_bytes())
            .unwrap_or_else(|problem| panic!("{problem}"));
        read += 1;
    }
    assert_eq!(read, 3);
}
