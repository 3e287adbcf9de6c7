use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use units::Duration;

use super::family::{Family, Kind};
use crate::fault::{
    BadValue, Effect, For, Huge, InForce, LabelLoss, LabelValue, Late, Metric, Rename, ScrapeStatus, Value,
};

/// What faults do to a scrape.
#[derive(Debug)]
pub(crate) struct Scrape {
    pub(crate) families: Vec<Family>,
    pub(crate) wait: Duration,
    pub(crate) status: Option<u16>,
}

/// Makes pages of metrics that are not true, and remembers what that needs.
#[derive(Debug, Default)]
pub(crate) struct Liar {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    frozen: Option<Vec<Family>>,
    /// The counter resets that have happened, by fault.
    reset: BTreeSet<String>,
}

impl Liar {
    /// The ids of faults that reset counters and have just begun to act.
    pub(crate) fn resets_due(&self, acting: &[Arc<InForce>]) -> bool {
        let resets = acting.iter().filter(|fault| matches!(fault.definition.effect, Effect::CounterReset(_)));
        let now: BTreeSet<String> = resets.map(|fault| fault.definition.id.clone()).collect();
        let mut memory = self.memory.lock().expect("nothing panics while it holds the memory");
        let due = !now.is_subset(&memory.reset);
        memory.reset = now;
        due
    }

    /// What a scraper sees of these families while these faults act.
    pub(crate) fn scrape(
        &self,
        mut families: Vec<Family>,
        acting: &[Arc<InForce>],
        unix_seconds: f64,
    ) -> Scrape {
        let mut memory = self.memory.lock().expect("nothing panics while it holds the memory");
        if acting.iter().any(|fault| matches!(fault.definition.effect, Effect::Frozen(_))) {
            families = memory.frozen.get_or_insert(families).clone();
        } else {
            memory.frozen = None;
        }
        drop(memory);
        let mut scrape = Scrape { families, wait: Duration::ZERO, status: None };
        for fault in acting {
            scrape.apply(&fault.definition.effect, unix_seconds);
        }
        scrape
    }
}

impl Scrape {
    fn apply(&mut self, effect: &Effect, unix_seconds: f64) {
        match effect {
            Effect::Absent(Metric { metric }) => self.families.retain(|family| !family.is_called(metric)),
            Effect::Rename(Rename { metric, to }) => self.rename(metric, to),
            Effect::LabelLoss(LabelLoss { label }) => {
                self.each_label(|labels| labels.retain(|(name, _)| name != label));
            }
            Effect::LabelValue(LabelValue { label, value }) => self.each_label(|labels| {
                for (_, old) in labels.iter_mut().filter(|(name, _)| name == label) {
                    old.clone_from(value);
                }
            }),
            Effect::Value(Value { metric, is }) => {
                let value = match is {
                    BadValue::Nan => f64::NAN,
                    BadValue::Inf => f64::INFINITY,
                    BadValue::Negative => -1.0,
                };
                let called = self.families.iter_mut().filter(|family| family.is_called(metric));
                called.flat_map(|family| &mut family.samples).for_each(|sample| sample.value = value);
            }
            Effect::Late(Late { by }) => {
                let at = Some(unix_seconds - by.as_secs_f64());
                self.families
                    .iter_mut()
                    .flat_map(|family| &mut family.samples)
                    .for_each(|sample| sample.at = at);
            }
            Effect::Huge(Huge { series }) => self.families.push(padding(*series)),
            Effect::SlowScrape(For { lasts }) => self.wait = self.wait + *lasts,
            Effect::ScrapeStatus(ScrapeStatus { code }) => self.status = Some(*code),
            // Frozen pages and resets are done before; other effects are not a page's.
            _ => {}
        }
    }

    fn rename(&mut self, metric: &str, to: &str) {
        for family in self.families.iter_mut().filter(|family| family.is_called(metric)) {
            let bare =
                if family.kind == Kind::Counter { to.strip_suffix("_total").unwrap_or(to) } else { to };
            family.name = Cow::Owned(bare.to_owned());
        }
    }

    fn each_label(&mut self, change: impl Fn(&mut super::family::Labels)) {
        for sample in self.families.iter_mut().flat_map(|family| &mut family.samples) {
            change(&mut sample.labels);
        }
    }
}

fn padding(series: u32) -> Family {
    let mut family = Family::new("fake_inference_padding", "Series that fill the page.", Kind::Gauge);
    for number in 0..series {
        family.add(vec![("series".into(), number.to_string())], 0.0);
    }
    family
}
