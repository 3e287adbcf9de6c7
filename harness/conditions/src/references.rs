//! How a condition uses `result`.

use crate::syntax::{Function, Kind, Node};

/// The ways in which a condition uses `result`. Several can be true at once, as in
/// `len(result) == 0 || result[0] < 0.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResultUse {
    /// As one value: `result < 0.5`, `asFloat(result)`. On a vector this does not compile, or is not
    /// what was meant.
    pub scalar: bool,
    /// By position: `result[0]`, `result[1:]`, `first(result)`.
    pub indexed: bool,
    /// By field name: `result.value`, `result["value"]`.
    pub field: bool,
    /// Its length: `len(result)`.
    pub length: bool,
    /// As a collection: `all(result, # < 0.5)`, `max(result)`, `2 in result`.
    pub collection: bool,
    /// Through `isNil` or `default`, which look at the whole result and do not see an empty vector.
    pub nil_check: bool,
}

pub(crate) fn result_use(tree: &Node) -> ResultUse {
    let mut found = ResultUse::default();
    collect(tree, &mut found);
    found
}

fn is_result(node: &Node) -> bool {
    node.is_identifier("result")
}

fn collect(node: &Node, found: &mut ResultUse) {
    match &node.kind {
        Kind::Identifier(_) if is_result(node) => found.scalar = true,
        Kind::Member { object, property, .. } if is_result(object) => {
            if matches!(property.kind, Kind::Str(_)) {
                found.field = true;
            } else {
                found.indexed = true;
            }
            collect(property, found);
        }
        Kind::Slice { object, from, to } if is_result(object) => {
            found.indexed = true;
            for bound in [from, to].into_iter().flatten() {
                collect(bound, found);
            }
        }
        Kind::Binary(crate::syntax::BinaryOp::In, left, right) if is_result(right) => {
            found.collection = true;
            collect(left, found);
        }
        Kind::Call { callee, arguments }
            if callee.is_identifier("isNil") || callee.is_identifier("default") =>
        {
            found.nil_check = true;
            for argument in arguments.iter().filter(|argument| !is_result(argument)) {
                collect(argument, found);
            }
        }
        Kind::Builtin { function, arguments, .. } => {
            for argument in arguments {
                if is_result(argument) {
                    mark_argument(*function, found);
                } else {
                    collect(argument, found);
                }
            }
        }
        _ => node.children().into_iter().for_each(|child| collect(child, found)),
    }
}

fn mark_argument(function: Function, found: &mut ResultUse) {
    match function {
        Function::Len => found.length = true,
        Function::First | Function::Last | Function::Get | Function::Take => found.indexed = true,
        Function::Type
        | Function::Abs
        | Function::Ceil
        | Function::Floor
        | Function::Round
        | Function::Int
        | Function::Float
        | Function::String
        | Function::Trim
        | Function::TrimPrefix
        | Function::TrimSuffix
        | Function::Upper
        | Function::Lower
        | Function::Split
        | Function::Replace
        | Function::IndexOf
        | Function::LastIndexOf
        | Function::HasPrefix
        | Function::HasSuffix => found.scalar = true,
        Function::All
        | Function::None
        | Function::Any
        | Function::One
        | Function::Filter
        | Function::Map
        | Function::Count
        | Function::Sum
        | Function::Find
        | Function::FindIndex
        | Function::FindLast
        | Function::FindLastIndex
        | Function::GroupBy
        | Function::Reduce
        | Function::Join
        | Function::Max
        | Function::Min
        | Function::Mean
        | Function::Median
        | Function::Keys
        | Function::Values
        | Function::Reverse
        | Function::Uniq
        | Function::Concat
        | Function::Flatten
        | Function::Sort => found.collection = true,
    }
}
