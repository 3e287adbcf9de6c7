//! What clients experienced, told once for each step of a canary and each time without a ready pod.

use std::collections::BTreeMap;

use timeline::{Event, RequestTotals, Requests, Role, Timeline};

use crate::numbers::{count, percent};
use crate::sentence::{Mark, Sentence};

/// The stretches of requests that are told, by the position of their last entry.
pub(super) fn served(timeline: &Timeline) -> BTreeMap<usize, Sentence> {
    let mut open: Vec<Stretch> = Vec::new();
    let mut told = BTreeMap::new();
    for (index, entry) in timeline.entries.iter().enumerate() {
        let Event::Requests(requests) = &entry.event else { continue };
        if !is_told(requests) {
            continue;
        }
        let same_pods = open.iter().position(|stretch| stretch.first.owner == requests.owner);
        let stretch = match same_pods {
            Some(position) if open[position].continues_with(requests) => &mut open[position],
            Some(position) => {
                let done = std::mem::replace(&mut open[position], Stretch::new(requests));
                told.insert(done.last, done.sentence());
                &mut open[position]
            }
            None => {
                open.push(Stretch::new(requests));
                open.last_mut().expect("one was pushed")
            }
        };
        stretch.totals.add(requests);
        stretch.last = index;
    }
    told.extend(open.into_iter().map(|done| (done.last, done.sentence())));
    told
}

fn is_told(requests: &Requests) -> bool {
    requests.total >= 0.5 && (requests.role == Role::Canary || requests.owner.is_empty())
}

struct Stretch<'a> {
    first: &'a Requests,
    last: usize,
    totals: RequestTotals,
}

impl<'a> Stretch<'a> {
    fn new(first: &'a Requests) -> Self {
        Self { first, last: 0, totals: RequestTotals::default() }
    }

    fn continues_with(&self, requests: &Requests) -> bool {
        self.first.step == requests.step && self.first.model == requests.model
    }

    fn sentence(&self) -> Sentence {
        let (total, hurt) = (count(self.totals.total), count(self.totals.hurt));
        if self.first.owner.is_empty() {
            let text = format!("{total} requests to {} found no ready pod", self.first.service);
            return Sentence::new(Mark::Bad, text);
        }
        let step = self.first.step.map_or(String::new(), |step| format!(" at step {step}"));
        let share = percent(self.totals.hurt, self.totals.total);
        let text =
            format!("the canary {} answered {total} requests{step}: {hurt} hurt ({share})", self.first.model);
        Sentence::new(Mark::None, text)
    }
}
