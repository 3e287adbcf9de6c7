//! Every page of metrics, read by Prometheus' own parser. Needs promtool.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{Client, server};
use serde_json::json;

/// `promtool check metrics` ends with 3 where it can read a page but finds fault with its names, which are real
/// servers' names here.
const READ: [Option<i32>; 2] = [Some(0), Some(3)];

#[tokio::test(start_paused = true)]
async fn promtool_reads_the_page_of_every_profile() {
    for profile in ["document", "vllm-v0", "vllm-v1", "tgi", "sglang", "document, vllm-v1"] {
        let server = server(&format!(
            "server: {{ metrics: [{profile}] }}\nfaults: [{{ status: {{ code: 500 }}, share: 50% }}]"
        ));
        let mut client = Client::memory(&server).await;
        for stream in [true, false, true, false] {
            client.chat(json!({ "stream": stream })).await;
        }
        let page = client.get("/metrics").await.body;
        let (code, said) = promtool(&page);
        assert!(READ.contains(&code) && !said.contains("error while linting"), "{profile}: {said}\n{page}");
        let (code, said) = promtool(&page.replacen("} ", "} x", 1));
        assert!(!READ.contains(&code), "promtool reads anything: {said}");
    }
}

fn promtool(page: &str) -> (Option<i32>, String) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool is installed");
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
