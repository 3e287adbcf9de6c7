use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use units::Duration;

use crate::fault::InForce;

/// What caused an entry.
#[derive(Debug, Clone)]
pub(crate) enum Cause {
    /// An injected fault.
    Fault(Arc<InForce>),
    /// A share of the behaviour profile.
    Profile(&'static str),
}

/// A fault that was performed.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    /// Since the container's start.
    pub(crate) at: Duration,
    /// `None` for what concerns the server as a whole.
    pub(crate) request: Option<Arc<str>>,
    pub(crate) cause: Cause,
    pub(crate) u: Option<f64>,
}

/// What was performed, the latest [`Journal::KEPT`] entries.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    kept: VecDeque<Entry>,
}

impl Journal {
    /// The most entries that are kept.
    pub const KEPT: usize = 10_000;

    pub(crate) fn write(&self, at: Duration, request: Option<Arc<str>>, cause: Cause, u: Option<f64>) {
        let mut entries = self.entries.lock().expect("nothing panics while it writes");
        let sequence = entries.next;
        entries.next += 1;
        if entries.kept.len() == Self::KEPT {
            entries.kept.pop_front();
        }
        entries.kept.push_back(Entry { sequence, at, request, cause, u });
    }

    /// At most `limit` entries from this number on, the number to ask for next, and how many of those
    /// asked for are gone.
    pub fn page(&self, from: u64, limit: usize) -> Value {
        let entries = self.entries.lock().expect("nothing panics while it writes");
        let first = entries.kept.front().map_or(entries.next, |entry| entry.sequence);
        let skipped = from.saturating_sub(first) as usize;
        let page: Vec<_> = entries.kept.iter().skip(skipped).take(limit).map(Entry::json).collect();
        let next = (from.max(first) + page.len() as u64).min(entries.next);
        json!({ "entries": page, "next": next, "lost": first.saturating_sub(from) })
    }
}

impl Entry {
    fn json(&self) -> Value {
        let (fault, kind, effect) = match &self.cause {
            Cause::Profile(kind) => (format!("profile/{kind}"), *kind, Value::Null),
            Cause::Fault(fault) => {
                let definition = &fault.definition;
                let kind = definition.effect.kind();
                (definition.id.clone(), kind, definition.written.get(kind).cloned().unwrap_or_default())
            }
        };
        json!({
            "sequence": self.sequence, "at": self.at.as_secs_f64(), "request": self.request.as_deref(),
            "fault": fault, "kind": kind, "u": self.u, "effect": effect,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_comes_next_and_what_is_gone() {
        let journal = Journal::default();
        for _ in 0..Journal::KEPT + 5 {
            journal.write(Duration::ZERO, None, Cause::Profile("errors"), Some(0.5));
        }
        let page = journal.page(0, 10);
        assert_eq!((&page["lost"], &page["next"]), (&json!(5), &json!(15)));
        assert_eq!(page["entries"][0]["sequence"], 5);
        let last = journal.page(10_004, 10);
        assert_eq!((last["entries"].as_array().unwrap().len(), &last["next"]), (1, &json!(10_005)));
        assert_eq!(journal.page(99_999, 10)["entries"], json!([]));
    }
}
