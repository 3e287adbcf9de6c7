//! What a prepared query remembers between evaluations: series it selects, and labels as numbers.
//!
//! Each label set that turns up gets a [`LabelId`]. A change of labels depends on nothing but the
//! labels, so each [`LabelRule`] is applied once for each label set and looked up ever after.

use foldhash::fast::FixedState;
use indexmap::IndexSet;

use crate::labels::Labels;
use crate::plan::{LabelRule, Plan, RuleRef, Selector};
use crate::storage::{Identity, SeriesId, Storage};

/// A label set of one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LabelId(u32);

impl LabelId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Label sets that are remembered before memory is given back; `count_values` makes new ones forever.
const MAX_LABEL_SETS: usize = 100_000;

/// Memory of one query for one storage.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    identity: Option<Identity>,
    pub(crate) labels: LabelTable,
    rules: Vec<Vec<Option<LabelId>>>,
    selected: Vec<Selected>,
    /// For each function of histograms in the query, the upper bound that a label set's `le` states.
    pub(crate) bounds: Vec<Vec<Option<f64>>>,
    /// Scratch for grouping by label set.
    pub(crate) slots: Slots,
    /// Scratch for counting distinct series.
    pub(crate) touched: Slots,
}

impl Cache {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            identity: None,
            labels: LabelTable::default(),
            rules: vec![Vec::new(); plan.rules.len()],
            selected: vec![Selected::default(); plan.selectors.len()],
            bounds: vec![Vec::new(); plan.histograms],
            slots: Slots::default(),
            touched: Slots::default(),
        }
    }

    /// Notices another storage, and series that were created since the last evaluation.
    pub(crate) fn refresh(&mut self, plan: &Plan, storage: &Storage) {
        let full = self.labels.0.len() > MAX_LABEL_SETS;
        if full || self.identity.as_ref() != Some(storage.identity()) {
            *self = Self::new(plan);
            self.identity = Some(storage.identity().clone());
        }
        for (selected, selector) in self.selected.iter_mut().zip(&plan.selectors) {
            selected.refresh(selector, storage, &mut self.labels);
        }
    }

    /// The series of a selector, sorted by labels.
    pub(crate) fn selected(&self, selector: usize) -> &[(SeriesId, LabelId)] {
        &self.selected[selector].series
    }

    /// The series of a selector in order of creation, which is mostly that of their samples in memory, each
    /// with its place in order of labels.
    pub(crate) fn created(&self, selector: usize) -> &[(SeriesId, usize)] {
        &self.selected[selector].created
    }

    /// Applies a rule of the plan.
    pub(crate) fn relabel(&mut self, plan: &Plan, rule: RuleRef, from: LabelId) -> LabelId {
        if let Some(Some(known)) = self.rules[rule.0].get(from.index()) {
            return *known;
        }
        let to = self.labels.apply(&plan.rules[rule.0], from);
        let known = &mut self.rules[rule.0];
        known.resize(known.len().max(from.index() + 1), None);
        known[from.index()] = Some(to);
        to
    }
}

/// Label sets by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct LabelTable(IndexSet<Labels, FixedState>);

impl LabelTable {
    pub(crate) fn get(&self, id: LabelId) -> &Labels {
        &self.0[id.index()]
    }

    pub(crate) fn id(&mut self, labels: Labels) -> LabelId {
        let (index, _) = self.0.insert_full(labels);
        LabelId(u32::try_from(index).expect("memory ends long before 2^32 label sets"))
    }

    pub(crate) fn apply(&mut self, rule: &LabelRule, from: LabelId) -> LabelId {
        let changed = rule.apply(self.get(from));
        self.id(changed)
    }
}

/// The series that a selector matches, out of the first `scanned` of the storage.
#[derive(Debug, Clone, Default)]
struct Selected {
    scanned: usize,
    /// In order of labels.
    series: Vec<(SeriesId, LabelId)>,
    /// In order of creation, each with its place among the above.
    created: Vec<(SeriesId, usize)>,
}

impl Selected {
    fn refresh(&mut self, selector: &Selector, storage: &Storage, table: &mut LabelTable) {
        if self.scanned == storage.len() {
            return;
        }
        let new = storage.matching(&selector.matchers, self.scanned);
        let mut new: Vec<(SeriesId, LabelId)> =
            new.map(|id| (id, table.id(storage.labels(id).clone()))).collect();
        self.scanned = storage.len();
        if new.is_empty() {
            return;
        }
        new.sort_by(|(_, one), (_, other)| table.get(*one).cmp(table.get(*other)));
        self.merge(&new, table);
        self.created.clear();
        self.created.extend(self.series.iter().enumerate().map(|(place, (id, _))| (*id, place)));
        self.created.sort_unstable();
    }

    /// Puts new series in their places. Most are there already, so that few need be compared.
    fn merge(&mut self, new: &[(SeriesId, LabelId)], table: &LabelTable) {
        let mut merged = Vec::with_capacity(self.series.len() + new.len());
        let mut rest = self.series.as_slice();
        for one in new {
            let labels = table.get(one.1);
            let (before, after) =
                rest.split_at(rest.partition_point(|(_, known)| table.get(*known) < labels));
            merged.extend_from_slice(before);
            merged.push(*one);
            rest = after;
        }
        merged.extend_from_slice(rest);
        self.series = merged;
    }
}

/// A map from small numbers to small numbers that is emptied at no cost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots {
    generation: u64,
    entries: Vec<(u64, u32)>,
}

impl Slots {
    /// Forgets all entries.
    pub(crate) fn clear(&mut self) {
        self.generation += 1;
    }

    pub(crate) fn get(&self, key: usize) -> Option<usize> {
        let (generation, slot) = *self.entries.get(key)?;
        (generation == self.generation).then_some(slot as usize)
    }

    /// Enters a key that is not there, and says whether it was not.
    pub(crate) fn insert(&mut self, key: usize, slot: usize) -> bool {
        if key >= self.entries.len() {
            self.entries.resize(key + 1, (0, 0));
        }
        let entry = &mut self.entries[key];
        if entry.0 == self.generation {
            return false;
        }
        *entry = (self.generation, u32::try_from(slot).expect("fewer than 2^32 elements"));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_forget_when_cleared() {
        let mut slots = Slots::default();
        slots.clear();
        assert!(slots.insert(3, 7));
        assert!(!slots.insert(3, 8));
        assert_eq!((slots.get(3), slots.get(2), slots.get(9)), (Some(7), None, None));
        slots.clear();
        assert_eq!(slots.get(3), None);
    }
}
