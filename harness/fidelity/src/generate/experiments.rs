//! Random canaries with experiments among their steps.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};

use super::{Draw, basic, routed};
use crate::case::{Act, Case};

/// Seeds of what is drawn here are apart from those of the case without experiments.
const APART: u64 = 3 << 32;

/// A basic or a routed case with experiments.
pub(super) fn case(seed: u64) -> Case {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed + APART));
    let mut case = if draw.one_in(2) { routed::case(seed) } else { basic(seed) };
    let routed = case.is_routed();
    draw.add_experiments(&mut case.steps, routed);
    for action in &mut case.actions {
        if let Act::Steps(steps) = &mut action.act {
            draw.add_experiments(steps, routed);
        }
    }
    case
}

impl Draw {
    fn add_experiments(&mut self, steps: &mut Vec<Value>, routed: bool) {
        for _ in 0..self.of(&[1, 1, 2]) {
            let step = json!({"experiment": self.experiment(routed)});
            let at = self.between(0, steps.len() as u32);
            steps.insert(at as usize, step);
        }
    }

    fn experiment(&mut self, routed: bool) -> Value {
        let names = ["baseline", "trial"];
        let count = self.between(1, 2) as usize;
        let templates: Vec<Value> =
            names[..count].iter().map(|name| self.template_of(name, routed)).collect();
        let mut experiment = json!({"templates": templates});
        let analysed = self.one_in(2);
        if !analysed || !self.one_in(3) {
            experiment["duration"] = json!(self.of(&["20s", "1m", "95s", "3m"]));
        }
        if analysed {
            let hash = match self.between(0, 2) {
                0 => {
                    json!({"name": "hash", "value": format!("{{{{templates.{}.podTemplateHash}}}}", names[0])})
                }
                1 => json!({"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}),
                _ => json!({"name": "hash", "valueFrom": {"podTemplateHashValue": "Stable"}}),
            };
            experiment["analyses"] = json!([{
                "name": "check", "templateName": self.of(&["gate", "guard"]), "args": [hash],
                "requiredForCompletion": self.one_in(2),
            }]);
        }
        if self.one_in(2) {
            experiment["scaleDownDelaySeconds"] = json!(self.of(&[0, 5, 45]));
        }
        experiment
    }

    fn template_of(&mut self, name: &str, routed: bool) -> Value {
        let mut template = json!({"name": name, "specRef": self.of(&["canary", "stable"])});
        if self.one_in(2) {
            template["replicas"] = json!(self.between(1, 3));
        }
        if self.one_in(2) {
            template["metadata"] = json!({"labels": {"trial": name}});
        }
        if routed && self.one_in(2) {
            template["weight"] = json!(self.between(1, 20));
        } else if self.one_in(4) {
            template["service"] = json!({"name": format!("of-{name}")});
        }
        template
    }
}
