//! Random canaries behind a traffic router.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};

use super::{Draw, basic};
use crate::case::{Act, Case};

/// Seeds of what a router adds to a basic case are apart from those of the case.
const APART: u64 = 1 << 32;

/// The routes that steps may make.
const ROUTES: [&str; 2] = ["by-header", "mirror"];

/// A basic case with a router before it.
pub(super) fn case(seed: u64) -> Case {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed + APART));
    let mut case = basic(seed);
    case.canary.extend(draw.routing(case.replicas));
    draw.add_steps(&mut case.steps, case.replicas);
    for action in &mut case.actions {
        if let Act::Steps(steps) = &mut action.act {
            draw.add_steps(steps, case.replicas);
        }
    }
    case
}

impl Draw {
    fn routing(&mut self, replicas: u32) -> BTreeMap<String, Value> {
        let managed: Vec<Value> = ROUTES.iter().map(|name| json!({"name": name})).collect();
        let mut router = json!({"plugins": {"example/router": {}}, "managedRoutes": managed});
        if self.one_in(6) {
            router["maxTrafficWeight"] = json!(self.of(&[100, 200, 1000]));
        }
        let mut routing = BTreeMap::from([
            ("trafficRouting".to_owned(), router),
            ("canaryService".to_owned(), json!("model-canary")),
            ("stableService".to_owned(), json!("model-stable")),
        ]);
        let mut set = |key: &str, value: u32| routing.insert(key.to_owned(), json!(value));
        let dynamic = self.one_in(3);
        if !dynamic && self.one_in(2) {
            set("scaleDownDelaySeconds", self.of(&[0, 5, 20, 60, 200]));
        }
        if self.one_in(2) {
            set("abortScaleDownDelaySeconds", self.of(&[0, 0, 7, 45, 120, 1000]));
        }
        if self.one_in(4) {
            set("minPodsPerReplicaSet", self.between(1, replicas.min(4)));
        }
        if self.one_in(6) {
            set("scaleDownDelayRevisionLimit", self.between(0, 2));
        }
        if dynamic {
            routing.insert("dynamicStableScale".to_owned(), json!(true));
        }
        if self.one_in(8) {
            let threshold = json!({"type": self.of(&["Percent", "Pods"]), "value": self.of(&[1, 2, 50, 80])});
            routing.insert("replicaProgressThreshold".to_owned(), threshold);
        }
        routing
    }

    /// Steps that only a router makes possible, anywhere between the others.
    fn add_steps(&mut self, steps: &mut Vec<Value>, replicas: u32) {
        for _ in 0..self.of(&[0, 0, 1, 1, 2]) {
            let step = match self.between(0, 7) {
                0 | 1 => json!({"setCanaryScale": {"replicas": self.between(0, replicas + 1)}}),
                2 => json!({"setCanaryScale": {"weight": self.between(0, 100)}}),
                3 | 4 => json!({"setCanaryScale": {"matchTrafficWeight": true}}),
                5 => json!({"setMirrorRoute": {"name": ROUTES[1], "percentage": 50,
                    "match": [{"method": {"exact": "GET"}}]}}),
                6 => json!({"setHeaderRoute": {"name": ROUTES[0],
                    "match": [{"headerName": "version", "headerValue": {"exact": "next"}}]}}),
                _ => json!({"setHeaderRoute": {"name": ROUTES[0]}}),
            };
            let at = self.between(0, steps.len() as u32);
            steps.insert(at as usize, step);
        }
    }
}
