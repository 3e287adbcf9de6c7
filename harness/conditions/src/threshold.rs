//! Recognises conditions that compare the result with one bound.

use std::fmt;

use crate::syntax::{BinaryOp, Function, Kind, Node, UnaryOp};

/// How the measured number relates to the bound when the condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Comparison {
    /// Whether a number satisfies the comparison with the bound; NaN only satisfies `!=`.
    pub fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Comparison::Less => number < bound,
            Comparison::LessOrEqual => number <= bound,
            Comparison::Greater => number > bound,
            Comparison::GreaterOrEqual => number >= bound,
            Comparison::Equal => number == bound,
            Comparison::NotEqual => number != bound,
        }
    }

    fn of(operator: BinaryOp) -> Option<Comparison> {
        match operator {
            BinaryOp::Less => Some(Comparison::Less),
            BinaryOp::LessOrEqual => Some(Comparison::LessOrEqual),
            BinaryOp::More => Some(Comparison::Greater),
            BinaryOp::MoreOrEqual => Some(Comparison::GreaterOrEqual),
            BinaryOp::Equal => Some(Comparison::Equal),
            BinaryOp::NotEqual => Some(Comparison::NotEqual),
            _ => None,
        }
    }

    /// The comparison with its sides exchanged.
    fn mirrored(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            Comparison::Equal | Comparison::NotEqual => self,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
        })
    }
}

/// The bound under which a condition is true, guards for missing data aside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// How the number must relate to the bound.
    pub comparison: Comparison,
    /// The bound.
    pub bound: f64,
}

/// A comparison of the result with a constant, alone or beside guards.
pub(crate) fn threshold(tree: &Node) -> Option<Threshold> {
    if let Kind::Binary(operator, left, right) = &tree.kind {
        if operator.is_and() || operator.is_or() {
            return match (is_guard(left), is_guard(right)) {
                (true, false) => threshold(right),
                (false, true) => threshold(left),
                (true, true) | (false, false) => None,
            };
        }
        let comparison = Comparison::of(*operator)?;
        if is_measured(left) {
            return Some(Threshold { comparison, bound: constant(right)? });
        }
        if is_measured(right) {
            return Some(Threshold { comparison: comparison.mirrored(), bound: constant(left)? });
        }
    }
    None
}

/// `result`, `result[i]`, `first(result)`, `asFloat(…)` and `default(result, …)` of such.
fn is_measured(node: &Node) -> bool {
    match &node.kind {
        Kind::Identifier(name) => name == "result",
        Kind::Member { object, property, .. } => is_measured(object) && constant(property).is_some(),
        Kind::Chain(inner) => is_measured(inner),
        Kind::Call { callee, arguments } => {
            (callee.is_identifier("asFloat") || callee.is_identifier("default"))
                && arguments.first().is_some_and(is_measured)
        }
        Kind::Builtin { function, arguments, .. } => {
            matches!(function, Function::First | Function::Last | Function::Float)
                && arguments.first().is_some_and(is_measured)
        }
        _ => false,
    }
}

/// Tests of whether there is a number at all: `len(result) == 0`, `!isNaN(result[0])`, `result != nil`,
/// `result[0] == result[0]`.
fn is_guard(node: &Node) -> bool {
    match &node.kind {
        Kind::Unary(UnaryOp::Bang | UnaryOp::Not, inner) => is_guard(inner),
        Kind::Call { callee, .. } => {
            ["isNaN", "isInf", "isNil"].iter().any(|name| callee.is_identifier(name))
        }
        Kind::Binary(operator, left, right) if operator.is_and() || operator.is_or() => {
            is_guard(left) && is_guard(right)
        }
        Kind::Binary(operator, left, right) if Comparison::of(*operator).is_some() => {
            let counts = |node: &Node| {
                matches!(&node.kind, Kind::Builtin { function: Function::Len, .. })
                    || matches!(node.kind, Kind::Nil)
            };
            counts(left) || counts(right) || is_measured(left) && is_measured(right)
        }
        _ => false,
    }
}

fn constant(node: &Node) -> Option<f64> {
    match &node.kind {
        Kind::Int(number) => Some(*number as f64),
        Kind::Float(number) => Some(*number),
        Kind::Unary(UnaryOp::Minus, inner) => constant(inner).map(|number| -number),
        Kind::Unary(UnaryOp::Plus, inner) => constant(inner),
        Kind::Binary(operator, left, right) => {
            let (a, b) = (constant(left)?, constant(right)?);
            match operator {
                BinaryOp::Add => Some(a + b),
                BinaryOp::Subtract => Some(a - b),
                BinaryOp::Multiply => Some(a * b),
                BinaryOp::Divide => Some(a / b),
                _ => None,
            }
        }
        _ => None,
    }
}
