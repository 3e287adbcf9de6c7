//! Binary operators with at least one vector (prometheus promql/engine.go: VectorBinop,
//! VectorscalarBinop, VectorAnd, VectorOr, VectorUnless).

use std::collections::BTreeSet;

use crate::cache::LabelId;
use crate::error::EvalError;
use crate::evaluate::{Element, Evaluated, Evaluator};
use crate::labels::Braced;
use crate::plan::{
    BinaryOp, Cardinality, Comparison, RuleRef, SetOp, SetOperation, VectorScalar, VectorVector,
};

impl BinaryOp {
    /// The value of an arithmetic operator, or the left side of a comparison.
    pub(crate) fn arithmetic(self, lhs: f64, rhs: f64) -> f64 {
        match self {
            Self::Add => lhs + rhs,
            Self::Sub => lhs - rhs,
            Self::Mul => lhs * rhs,
            Self::Div => lhs / rhs,
            Self::Mod => lhs % rhs,
            Self::Pow => libm::pow(lhs, rhs),
            Self::Atan2 => libm::atan2(lhs, rhs),
            Self::Compare(_) => lhs,
        }
    }

    /// The value for two elements; none if a comparison filters it out.
    fn value(self, lhs: f64, rhs: f64, return_bool: bool) -> Option<f64> {
        match self {
            Self::Compare(comparison) if return_bool => Some(f64::from(comparison.holds(lhs, rhs))),
            Self::Compare(comparison) => comparison.holds(lhs, rhs).then_some(lhs),
            _ => Some(self.arithmetic(lhs, rhs)),
        }
    }
}

impl Comparison {
    pub(crate) fn holds(self, lhs: f64, rhs: f64) -> bool {
        match self {
            Self::Equal => lhs == rhs,
            Self::NotEqual => lhs != rhs,
            Self::Less => lhs < rhs,
            Self::LessOrEqual => lhs <= rhs,
            Self::Greater => lhs > rhs,
            Self::GreaterOrEqual => lhs >= rhs,
        }
    }
}

impl Evaluator<'_> {
    pub(crate) fn vector_scalar(&mut self, node: &VectorScalar, at_ms: i64) -> Evaluated<Vec<Element>> {
        let scalar = self.scalar(&node.scalar, at_ms)?;
        let mut elements = self.vector(&node.vector, at_ms)?;
        // A comparison that filters keeps the vector's value, whichever side it is on.
        let filters = matches!(node.op, BinaryOp::Compare(_)) && !node.return_bool;
        elements.retain_mut(|element| {
            let (lhs, rhs) = if node.swapped { (scalar, element.value) } else { (element.value, scalar) };
            let Some(value) = node.op.value(lhs, rhs, node.return_bool) else { return false };
            if !filters {
                element.value = value;
            }
            true
        });
        self.map(elements, node.rule, |value| value)
    }

    pub(crate) fn vector_vector(&mut self, node: &VectorVector, at_ms: i64) -> Evaluated<Vec<Element>> {
        let lhs = self.vector(&node.lhs, at_ms)?;
        let rhs = self.vector(&node.rhs, at_ms)?;
        if lhs.is_empty() || rhs.is_empty() {
            return Ok(Vec::new());
        }
        // With `group_right` the sides change places; values are put back in order below.
        let (many, one, copied, one_side): (_, _, &[String], _) = match &node.cardinality {
            Cardinality::OneToOne => (lhs, rhs, &[], "right"),
            Cardinality::ManyToOne(labels) => (lhs, rhs, labels, "right"),
            Cardinality::OneToMany(labels) => (rhs, lhs, labels, "left"),
        };
        self.index_one_side(&one, node.signature, one_side)?;
        let one_to_one = matches!(node.cardinality, Cardinality::OneToOne);
        let swapped = matches!(node.cardinality, Cardinality::OneToMany(_));
        let mut matched: BTreeSet<(usize, Option<LabelId>)> = BTreeSet::new();
        let mut results = Vec::with_capacity(many.len());
        for element in many {
            let signature = self.cache.relabel(self.plan, node.signature, element.labels);
            let Some(slot) = self.cache.slots.get(signature.index()) else { continue };
            let other = one[slot];
            let (left, right) =
                if swapped { (other.value, element.value) } else { (element.value, other.value) };
            let Some(value) = node.op.value(left, right, node.return_bool) else { continue };
            let labels = self.result_labels(node.result, element.labels, other.labels, copied);
            if !matched.insert((slot, (!one_to_one).then_some(labels))) {
                return Err(match one_to_one {
                    true => EvalError::ManyToOneNotExplicit,
                    false => EvalError::GroupingNotUnique,
                });
            }
            results.push(Element { labels, value });
        }
        self.unique(&results)?;
        Ok(results)
    }

    /// Enters the elements of the side that must be unique into the slots, by signature.
    fn index_one_side(&mut self, one: &[Element], signature: RuleRef, side: &'static str) -> Evaluated<()> {
        self.cache.slots.clear();
        for (at, element) in one.iter().enumerate() {
            let group = self.cache.relabel(self.plan, signature, element.labels);
            if !self.cache.slots.insert(group.index(), at) {
                let earlier = self.cache.slots.get(group.index()).map_or(element, |slot| &one[slot]);
                let written = |labels| Braced(self.cache.labels.get(labels)).to_string();
                return Err(EvalError::ManyToMany {
                    group: written(group),
                    side,
                    one: written(element.labels),
                    other: written(earlier.labels),
                });
            }
        }
        Ok(())
    }

    fn result_labels(&mut self, rule: RuleRef, many: LabelId, one: LabelId, copied: &[String]) -> LabelId {
        let labels = self.cache.relabel(self.plan, rule, many);
        if copied.is_empty() {
            return labels;
        }
        let mut result = self.cache.labels.get(labels).clone();
        for name in copied {
            result = result.with(name, self.cache.labels.get(one).get(name).unwrap_or_default());
        }
        self.cache.labels.id(result)
    }

    pub(crate) fn set_operation(&mut self, node: &SetOperation, at_ms: i64) -> Evaluated<Vec<Element>> {
        let mut lhs = self.vector(&node.lhs, at_ms)?;
        let mut rhs = self.vector(&node.rhs, at_ms)?;
        match node.op {
            SetOp::And => self.retain_matching(&mut lhs, &rhs, node.signature, true),
            SetOp::Unless => self.retain_matching(&mut lhs, &rhs, node.signature, false),
            SetOp::Or => {
                self.retain_matching(&mut rhs, &lhs, node.signature, false);
                lhs.append(&mut rhs);
                self.unique(&lhs)?;
            }
        }
        Ok(lhs)
    }

    /// Keeps the elements that have, or have not, a match among others.
    fn retain_matching(
        &mut self,
        kept: &mut Vec<Element>,
        others: &[Element],
        signature: RuleRef,
        wanted: bool,
    ) {
        self.cache.slots.clear();
        for element in others {
            let group = self.cache.relabel(self.plan, signature, element.labels);
            self.cache.slots.insert(group.index(), 0);
        }
        kept.retain(|element| {
            let group = self.cache.relabel(self.plan, signature, element.labels);
            self.cache.slots.get(group.index()).is_some() == wanted
        });
    }
}
