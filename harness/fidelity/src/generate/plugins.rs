//! Random canaries with plugins among their steps; behind a router some have Services that take turns.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};

use super::{Draw, basic, routed};
use crate::case::{Act, Case, PluginAnswer};

/// Seeds of what is drawn here are apart from those of the case without plugins.
const APART: u64 = 4 << 32;

const NAMES: [&str; 2] = ["example/smoke-test", "example/warm-up"];

/// A basic or a routed case with plugins.
pub(super) fn case(seed: u64) -> Case {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed + APART));
    let mut case = if draw.one_in(2) { routed::case(seed) } else { basic(seed) };
    draw.add_plugins(&mut case.steps);
    for action in &mut case.actions {
        if let Act::Steps(steps) = &mut action.act {
            draw.add_plugins(steps);
        }
    }
    if case.is_routed() && draw.one_in(3) {
        let turns = json!({"pingService": "model-ping", "pongService": "model-pong"});
        case.canary.insert("pingPong".to_owned(), turns);
        if !draw.one_in(3) {
            case.canary.remove("canaryService");
            case.canary.remove("stableService");
        }
    }
    let duration = case.duration;
    case.plugins = (0..draw.between(0, 4)).map(|_| draw.plugin_answer(duration)).collect();
    // The last ones hold always: a run of which nothing is said is refused here.
    case.plugins.extend(NAMES.map(|name| PluginAnswer { plugin: name.to_owned(), ..draw.last_answer() }));
    case
}

impl Draw {
    fn add_plugins(&mut self, steps: &mut Vec<Value>) {
        for _ in 0..self.of(&[1, 1, 2, 3]) {
            let step = json!({"plugin": {"name": self.of(&NAMES), "config": {"threshold": 3}}});
            let at = self.between(0, steps.len() as u32);
            steps.insert(at as usize, step);
        }
    }

    fn plugin_answer(&mut self, duration: u32) -> PluginAnswer {
        let unreachable = self.one_in(5);
        let operation = self.of(&["Run", "Run", "Abort", "Terminate"]);
        PluginAnswer {
            plugin: self.of(&["example/*", NAMES[0], NAMES[1]]).to_owned(),
            operation: operation.to_owned(),
            until: if self.one_in(4) { 0 } else { self.between(60, duration) },
            phase: self.of(&["Running", "Successful", "Successful", "Failed", "Error"]).to_owned(),
            message: self.of(&["", "3 of 12"]).to_owned(),
            unreachable: if unreachable { "connection refused" } else { "" }.to_owned(),
            ..self.last_answer().during(operation)
        }
    }

    /// Of a run that ends well, soon or later.
    fn last_answer(&mut self) -> PluginAnswer {
        PluginAnswer {
            plugin: String::new(),
            operation: "Run".to_owned(),
            until: 0,
            takes: self.of(&[0, 0, 20, 95, 200]),
            phase: "Successful".to_owned(),
            message: String::new(),
            requeue_after: self.of(&[0, 5, 15, 60]),
            unreachable: String::new(),
        }
    }
}

impl PluginAnswer {
    /// Nothing but a run takes time.
    fn during(mut self, operation: &str) -> Self {
        if operation != "Run" {
            self.takes = 0;
        }
        self
    }
}
