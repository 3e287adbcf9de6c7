//! Binary operators and vector matching.

use promql_parser::parser::token::{
    T_ADD, T_ATAN2, T_DIV, T_EQLC, T_GTE, T_GTR, T_LAND, T_LOR, T_LSS, T_LTE, T_LUNLESS, T_MOD, T_MUL, T_NEQ,
    T_POW, T_SUB,
};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{BinModifier, BinaryExpr, Expr, LabelModifier, VectorMatchCardinality};

use super::{Compiled, Compiler};
use crate::labels::METADATA;
use crate::plan::{
    BinaryOp, Cardinality, Comparison, LabelRule, SetOp, SetOperation, VectorNode, VectorScalar, VectorVector,
};

impl Compiler<'_> {
    pub(super) fn binary(&mut self, binary: &BinaryExpr) -> Compiled<VectorNode> {
        let set_op = match binary.op.id() {
            T_LAND => Some(SetOp::And),
            T_LOR => Some(SetOp::Or),
            T_LUNLESS => Some(SetOp::Unless),
            _ => None,
        };
        let vector_like = |side: &Expr| side.value_type() == ValueType::Vector;
        if let Some(op) = set_op {
            let (lhs, rhs) = (self.vector(&binary.lhs)?, self.vector(&binary.rhs)?);
            let signature = self.rule(signature(binary.modifier.as_ref()));
            return Ok(VectorNode::Set(Box::new(SetOperation { op, lhs, rhs, signature })));
        }
        match (vector_like(&binary.lhs), vector_like(&binary.rhs)) {
            (true, true) => self.vector_vector(binary),
            (true, false) => self.vector_scalar(binary, &binary.lhs, &binary.rhs, false),
            (false, true) => self.vector_scalar(binary, &binary.rhs, &binary.lhs, true),
            (false, false) => Err(self.expected("instant vector", &binary.lhs)),
        }
    }

    fn vector_scalar(
        &mut self,
        binary: &BinaryExpr,
        vector: &Expr,
        scalar: &Expr,
        swapped: bool,
    ) -> Compiled<VectorNode> {
        let op = self.binary_op(binary)?;
        let return_bool = binary.return_bool();
        // In order of appearance, for the list of selectors.
        let (vector, scalar) = if swapped {
            let scalar = self.scalar(scalar)?;
            (self.vector(vector)?, scalar)
        } else {
            (self.vector(vector)?, self.scalar(scalar)?)
        };
        let rule = (changes_metric(op) || return_bool).then(|| self.drop_metadata());
        let node = VectorScalar { op, vector, scalar, swapped, return_bool, rule };
        Ok(VectorNode::VectorScalar(Box::new(node)))
    }

    fn vector_vector(&mut self, binary: &BinaryExpr) -> Compiled<VectorNode> {
        let op = self.binary_op(binary)?;
        let return_bool = binary.return_bool();
        let modifier = binary.modifier.as_ref();
        let cardinality = match modifier.map(|modifier| &modifier.card) {
            None | Some(VectorMatchCardinality::OneToOne) => Cardinality::OneToOne,
            Some(VectorMatchCardinality::ManyToOne(labels)) => Cardinality::ManyToOne(labels.labels.clone()),
            Some(VectorMatchCardinality::OneToMany(labels)) => Cardinality::OneToMany(labels.labels.clone()),
            Some(VectorMatchCardinality::ManyToMany) => {
                return Err(self.source.error("many-to-many matching is for set operators", None));
            }
        };
        let (lhs, rhs) = (self.vector(&binary.lhs)?, self.vector(&binary.rhs)?);
        let signature = self.rule(signature(modifier));
        let drops_name = changes_metric(op) || return_bool;
        let one_to_one = matches!(cardinality, Cardinality::OneToOne);
        let result = self.rule(result_labels(modifier, one_to_one, drops_name));
        let node = VectorVector { op, lhs, rhs, return_bool, signature, result, cardinality };
        Ok(VectorNode::VectorVector(Box::new(node)))
    }

    pub(super) fn binary_op(&self, binary: &BinaryExpr) -> Compiled<BinaryOp> {
        Ok(match binary.op.id() {
            T_ADD => BinaryOp::Add,
            T_SUB => BinaryOp::Sub,
            T_MUL => BinaryOp::Mul,
            T_DIV => BinaryOp::Div,
            T_MOD => BinaryOp::Mod,
            T_POW => BinaryOp::Pow,
            T_ATAN2 => BinaryOp::Atan2,
            T_EQLC => BinaryOp::Compare(Comparison::Equal),
            T_NEQ => BinaryOp::Compare(Comparison::NotEqual),
            T_LSS => BinaryOp::Compare(Comparison::Less),
            T_LTE => BinaryOp::Compare(Comparison::LessOrEqual),
            T_GTR => BinaryOp::Compare(Comparison::Greater),
            T_GTE => BinaryOp::Compare(Comparison::GreaterOrEqual),
            _ => return Err(self.source.error(format!("unknown operator `{}`", binary.op), None)),
        })
    }
}

/// promql/engine.go: changesMetricSchema
fn changes_metric(op: BinaryOp) -> bool {
    !matches!(op, BinaryOp::Compare(_))
}

/// promql/engine.go: signatureFunc
fn signature(modifier: Option<&BinModifier>) -> LabelRule {
    match modifier.and_then(|modifier| modifier.matching.as_ref()) {
        None => LabelRule::without_and_name(Vec::new()),
        Some(LabelModifier::Include(labels)) => LabelRule::Keep(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => LabelRule::without_and_name(labels.labels.clone()),
    }
}

/// promql/engine.go: resultMetric, but for the labels that `group_left` copies.
fn result_labels(modifier: Option<&BinModifier>, one_to_one: bool, drops_name: bool) -> LabelRule {
    let dropped = if drops_name { METADATA.map(str::to_owned).to_vec() } else { Vec::new() };
    match modifier.and_then(|modifier| modifier.matching.as_ref()) {
        Some(LabelModifier::Include(labels)) if one_to_one => {
            LabelRule::Keep(labels.labels.iter().filter(|name| !dropped.contains(name)).cloned().collect())
        }
        Some(LabelModifier::Exclude(labels)) if one_to_one => {
            LabelRule::Without([dropped, labels.labels.clone()].concat())
        }
        None | Some(LabelModifier::Include(_) | LabelModifier::Exclude(_)) => LabelRule::Without(dropped),
    }
}
