//! The admin port: what it shows, what it changes, and whom it lets in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::Method;
use common::{Answer, Client, running, server};
use fake_inference::{Gate, Running, Server, start};
use serde_json::json;

async fn open(more: &str) -> (Arc<Server>, Running, Client) {
    let server = server(more);
    let running = running(&server).await;
    let client = Client::tcp(running.admin.unwrap()).await;
    (server, running, client)
}

async fn put(client: &mut Client, id: &str, body: &str) -> Answer {
    client.send(Method::PUT, &format!("/admin/faults/{id}"), &[], body).await.unwrap()
}

async fn post(client: &mut Client, body: &str) -> Answer {
    client.send(Method::POST, "/admin/faults", &[], body).await.unwrap()
}

async fn ids(client: &mut Client) -> Vec<String> {
    let list = client.get("/admin/faults").await.json();
    list["faults"].as_array().unwrap().iter().map(|fault| fault["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn faults_are_added_changed_listed_and_removed_at_run_time() {
    let (_, running, mut admin) = open("").await;
    let mut client = Client::tcp(running.address).await;
    let added = put(&mut admin, "errors", "status: { code: 503 }").await;
    assert_eq!(added.status, 201);
    assert_eq!(client.chat(json!({})).await.status, 503);
    let changed = put(&mut admin, "errors", r#"{"status":{"code":500},"share":"100%"}"#).await;
    assert_eq!(changed.status, 200);
    let answer = client.chat(json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-fault")), (500, "errors"));
    let shown = admin.get("/admin/faults/errors").await.json();
    assert_eq!(
        (&shown["kind"], &shown["hits"], &shown["origin"]),
        (&json!("status"), &json!(1), &json!("admin"))
    );
    assert_eq!(shown["definition"], json!({ "status": { "code": 500 }, "share": "100%" }));
    assert_eq!(ids(&mut admin).await, ["errors"]);
    let removed = admin.send(Method::DELETE, "/admin/faults/errors", &[], "").await.unwrap();
    assert_eq!(removed.status, 204);
    assert_eq!(client.chat(json!({})).await.status, 200);
    assert_eq!(admin.get("/admin/faults/errors").await.status, 404);
}

#[tokio::test]
async fn a_list_with_one_bad_definition_changes_nothing() {
    let (_, _running, mut admin) = open("faults: [{ id: old, delay: { fixed: 1ms } }]").await;
    let table = [
        (r#"[{"reset":{}},{"trunkate":{"after":3}}]"#, "did you mean `truncate`"),
        (r#"[{"reset":{}},{"reset":{}}]"#, "second fault"),
        (r#"[{"reset":{}},{"absent":{"metric":"nothing"}}]"#, "no `nothing`"),
        (r#"[{"reset":{}},{"identity_swap":{"model":"none"}}]"#, "no model `none`"),
        ("{", "request body"),
        ("3", "a fault is a mapping"),
        ("", "request body"),
        ("a: &a [*a]", "request body"),
    ];
    for (body, message) in table {
        let refused = post(&mut admin, body).await;
        assert_eq!(refused.status, 400, "{body}");
        let error = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(message), "{body}: {error}");
        assert_eq!(ids(&mut admin).await, ["old"], "{body}");
    }
    let many: Vec<_> = (0..1001).map(|n| json!({ "id": format!("f{n}"), "reset": {} })).collect();
    assert_eq!(post(&mut admin, &json!(many).to_string()).await.status, 409);
    assert_eq!(put(&mut admin, "one", r#"{"id":"two","reset":{}}"#).await.status, 400);
    assert_eq!(put(&mut admin, "late", r#"{"slow_load":{"for":"5m"}}"#).await.status, 409);
    assert_eq!(ids(&mut admin).await, ["old"]);
    assert_eq!(post(&mut admin, r#"[{"reset":{}},{"close":{}}]"#).await.status, 201);
    assert_eq!(ids(&mut admin).await, ["close", "old", "reset"]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_dies_with_its_time_to_live() {
    let (server, _running, mut admin) = open("").await;
    put(&mut admin, "errors", "{ status: { code: 503 }, ttl: 5m }").await;
    let mut client = Client::memory(&server).await;
    assert_eq!(client.chat(json!({})).await.status, 503);
    let left = admin.get("/admin/faults/errors").await.json()["expires_in"].as_f64().unwrap();
    assert!(left > 290.0 && left <= 300.0, "{left}");
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    assert_eq!(Client::memory(&server).await.chat(json!({})).await.status, 200);
    assert!(server.faults.snapshot().is_empty());
}

#[tokio::test]
async fn a_reset_leaves_the_faults_of_the_file() {
    let (_, _running, mut admin) = open("faults: [{ id: old, delay: { fixed: 1ms } }]").await;
    put(&mut admin, "new", "reset: {}").await;
    let reset = admin.send(Method::POST, "/admin/reset", &[], "").await.unwrap();
    assert_eq!(reset.json()["removed"], 1);
    assert_eq!(ids(&mut admin).await, ["old"]);
    let removed = admin.send(Method::DELETE, "/admin/faults", &[], "").await.unwrap();
    assert_eq!(removed.json()["removed"], 1);
    assert!(ids(&mut admin).await.is_empty());
}

#[tokio::test]
async fn state_profile_and_journal_can_be_read() {
    let (_, running, mut admin) = open("faults: [{ wrong: {}, where: { header: { x-user: eve } } }]").await;
    let mut client = Client::tcp(running.address).await;
    client.try_chat(&[("x-user", "adam"), ("x-request-id", "one")], json!({})).await.unwrap();
    client.try_chat(&[("x-user", "eve"), ("x-request-id", "two")], json!({})).await.unwrap();
    let state = admin.get("/admin/state").await.json();
    assert_eq!(
        (&state["phase"], &state["version"], &state["requests"]),
        (&json!("ready"), &json!("3.1-70b"), &json!(2))
    );
    let profile = admin.get("/admin/profile").await.json();
    assert_eq!(profile["models"]["3.1-70b"]["latency"]["p50"], "200ms");
    let journal = admin.get("/admin/journal?after=0&limit=5").await.json();
    assert_eq!(journal["entries"].as_array().unwrap().len(), 1);
    assert_eq!((&journal["entries"][0]["request"], &journal["next"]), (&json!("two"), &json!(1)));
    assert_eq!(admin.get("/admin/journal?after=1").await.json()["entries"], json!([]));
    assert_eq!(admin.get("/admin/journal?since=1").await.status, 400);
}

#[tokio::test]
async fn web_pages_and_rebound_names_are_turned_away() {
    let (_, _running, mut admin) = open("").await;
    let get = async |admin: &mut Client, headers: &[(&str, &str)]| {
        admin.send(Method::GET, "/admin/state", headers, "").await.unwrap().status.as_u16()
    };
    assert_eq!(get(&mut admin, &[]).await, 200);
    assert_eq!(get(&mut admin, &[("origin", "http://evil.example")]).await, 403);
    assert_eq!(get(&mut admin, &[("host", "evil.example")]).await, 403);
    assert_eq!(get(&mut admin, &[("host", "[::1]:8001")]).await, 200);
}

#[tokio::test]
async fn a_token_is_asked_for_on_every_route() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "correct-horse-battery\n").unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let server = server("");
    let running = start(server, any, Some((any, Gate::new(any, Some(&file)).unwrap()))).await.unwrap();
    let mut admin = Client::tcp(running.admin.unwrap()).await;
    for path in ["/admin/state", "/admin/faults", "/admin/journal", "/nothing"] {
        for given in
            ["", "Bearer wrong-horse-battery", "Bearer correct-horse-battery-", "Basic correct-horse-battery"]
        {
            let answer = admin.send(Method::GET, path, &[("authorization", given)], "").await.unwrap();
            assert_eq!(answer.status, 401, "{path} {given}");
        }
    }
    let right = ("authorization", "Bearer correct-horse-battery");
    assert_eq!(
        admin.send(Method::GET, "/admin/state", &[right, ("host", "pod.example")], "").await.unwrap().status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn no_fault_can_be_reached_from_the_serving_port() {
    let server = server("");
    for path in ["/admin/state", "/admin/faults", "/admin/faults/x", "/admin/journal", "/admin/reset"] {
        let mut client = Client::memory(&server).await;
        for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE] {
            assert_eq!(client.send(method, path, &[], "reset: {}").await.unwrap().status, 404, "{path}");
        }
    }
    assert!(server.faults.snapshot().is_empty());
}
