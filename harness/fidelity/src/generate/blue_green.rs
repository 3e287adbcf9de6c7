//! Random blueGreen rollouts.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};

use super::{Draw, basic};
use crate::case::{Act, Case};

/// Seeds of what is drawn here are apart from those of the basic case.
const APART: u64 = 2 << 32;

/// A basic case with blueGreen in place of the canary.
pub(super) fn case(seed: u64) -> Case {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed + APART));
    let mut case = basic(seed);
    let kept = case.spec.get("revisionHistoryLimit").and_then(Value::as_u64).unwrap_or(10);
    case.blue_green = Some(draw.blue_green(case.replicas, kept as u32));
    (case.canary, case.steps, case.background) = (BTreeMap::new(), Vec::new(), None);
    for action in &mut case.actions {
        if matches!(action.act, Act::Steps(_)) {
            action.act = Act::Promote;
        }
    }
    case
}

impl Draw {
    fn blue_green(&mut self, replicas: u32, kept: u32) -> BTreeMap<String, Value> {
        let mut strategy = BTreeMap::from([("activeService".to_owned(), json!("model-active"))]);
        let mut set = |key: &str, value: Value| strategy.insert(key.to_owned(), value);
        if !self.one_in(3) {
            set("previewService", json!("model-preview"));
        }
        match self.between(0, 3) {
            0 => drop(set("autoPromotionEnabled", json!(false))),
            1 => drop(set("autoPromotionSeconds", json!(self.of(&[5, 20, 60, 150])))),
            2 => {
                set("autoPromotionEnabled", json!(self.one_in(2)));
                set("autoPromotionSeconds", json!(self.of(&[0, 30])));
            }
            _ => {}
        }
        if self.one_in(3) {
            set("previewReplicaCount", json!(self.between(1, replicas)));
        }
        if self.one_in(2) {
            set("scaleDownDelaySeconds", json!(self.of(&[0, 5, 20, 60, 200])));
        }
        if self.one_in(3) {
            set("scaleDownDelayRevisionLimit", json!(self.between(0, kept.min(2))));
        }
        if self.one_in(3) {
            set("abortScaleDownDelaySeconds", json!(self.of(&[0, 7, 45, 1000])));
        }
        for (field, template) in [("prePromotionAnalysis", "gate"), ("postPromotionAnalysis", "guard")] {
            if self.one_in(2) {
                set(field, self.promotion_analysis(template));
            }
        }
        strategy.extend(self.by_role(["previewMetadata", "activeMetadata"], ["preview", "active"]));
        strategy
    }

    fn promotion_analysis(&mut self, template: &str) -> Value {
        json!({
            "templates": [{"templateName": template}],
            "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": self.of(&["Latest", "Latest", "Stable"])}}],
        })
    }
}
