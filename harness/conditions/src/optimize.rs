//! The rewrites of expr's optimizer that change results (expr `optimizer`).
//!
//! A constant `false` beside `&&` removes an operand that would have failed; `filter(…)[0]` stops at
//! the first match and fails with another message; `all(x, p) && all(x, q)` becomes one loop.

use crate::condition::Dialect;
use crate::error::{ErrorKind, Fault, Location};
use crate::syntax::{BinaryOp, Function, Kind, Node, UnaryOp};

/// The node has no nature of its own.
const MADE_HERE: u32 = u32::MAX;

/// # Errors
/// Upstream refuses a remainder by a constant zero while it optimizes, after the type check.
pub(crate) fn optimize(tree: &Node, dialect: Dialect) -> Result<Node, Fault> {
    let mut tree = rewrite(tree.clone(), &mut fold)?;
    for pass in [filter_map, filter_len, filter_last, filter_first] {
        tree = rewrite(tree, &mut |node| Ok(pass(node)))?;
    }
    match dialect {
        Dialect::Expr1_17 => rewrite(tree, &mut |node| Ok(combine_predicates(node))),
        Dialect::Expr1_15 => Ok(tree),
    }
}

/// Applies a rewrite to each node, children first.
fn rewrite(node: Node, visit: &mut dyn FnMut(Node) -> Result<Node, Fault>) -> Result<Node, Fault> {
    let Node { id, at, depth, size, kind } = node;
    let mut one = |node: Box<Node>| rewrite(*node, visit).map(Box::new);
    let kind = match kind {
        Kind::Unary(operator, inner) => Kind::Unary(operator, one(inner)?),
        Kind::Binary(operator, left, right) => Kind::Binary(operator, one(left)?, one(right)?),
        Kind::Chain(inner) => Kind::Chain(one(inner)?),
        Kind::Predicate(inner) => Kind::Predicate(one(inner)?),
        Kind::Member { object, property, optional, method } => {
            Kind::Member { object: one(object)?, property: one(property)?, optional, method }
        }
        Kind::Slice { object, from, to } => Kind::Slice {
            object: one(object)?,
            from: from.map(&mut one).transpose()?,
            to: to.map(&mut one).transpose()?,
        },
        Kind::Let { name, value, body } => Kind::Let { name, value: one(value)?, body: one(body)? },
        Kind::Conditional { condition, then, otherwise } => {
            Kind::Conditional { condition: one(condition)?, then: one(then)?, otherwise: one(otherwise)? }
        }
        Kind::Call { callee, arguments } => {
            Kind::Call { callee: one(callee)?, arguments: rewrite_all(arguments, visit)? }
        }
        Kind::Builtin { function, arguments, mapped, throws } => {
            let mapped = mapped.map(&mut one).transpose()?;
            Kind::Builtin { function, arguments: rewrite_all(arguments, visit)?, mapped, throws }
        }
        Kind::Sequence(nodes) => Kind::Sequence(rewrite_all(nodes, visit)?),
        Kind::Array(nodes) => Kind::Array(rewrite_all(nodes, visit)?),
        Kind::Map(pairs) => {
            let mut rewritten = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                rewritten.push((rewrite(key, visit)?, rewrite(value, visit)?));
            }
            Kind::Map(rewritten)
        }
        kind @ (Kind::Nil
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_)
        | Kind::Str(_)
        | Kind::Identifier(_)
        | Kind::Pointer(_)) => kind,
    };
    visit(Node { id, at, depth, size, kind })
}

fn rewrite_all(
    nodes: Vec<Node>,
    visit: &mut dyn FnMut(Node) -> Result<Node, Fault>,
) -> Result<Vec<Node>, Fault> {
    nodes.into_iter().map(|node| rewrite(node, visit)).collect()
}

fn made(at: Location, kind: Kind) -> Node {
    Node { id: MADE_HERE, at, depth: 1, size: 1, kind }
}

/// `optimizer/fold.go`.
fn fold(node: Node) -> Result<Node, Fault> {
    let at = node.at;
    match node.kind {
        Kind::Unary(operator, inner) => Ok(match (operator, &inner.kind) {
            (UnaryOp::Minus, Kind::Int(number)) => made(at, Kind::Int(number.wrapping_neg())),
            (UnaryOp::Minus, Kind::Float(number)) => made(at, Kind::Float(-number)),
            (UnaryOp::Plus, Kind::Int(_) | Kind::Float(_)) => Node { at, ..*inner },
            (UnaryOp::Bang | UnaryOp::Not, Kind::Bool(truth)) => made(at, Kind::Bool(!truth)),
            _ => Node { kind: Kind::Unary(operator, inner), ..node },
        }),
        // A remainder is not folded here: as an argument of `isNaN` upstream leaves it an integer, unlike
        // literals and their sums.
        Kind::Binary(BinaryOp::Modulo, left, right)
            if matches!((&left.kind, &right.kind), (Kind::Int(_), Kind::Int(0))) =>
        {
            Err(Fault::new(ErrorKind::Run, at, "integer divide by zero"))
        }
        Kind::Binary(operator, left, right) if operator.is_and() || operator.is_or() => {
            // `absorbing` decides the whole, its opposite leaves the other operand.
            let absorbing = operator.is_or();
            Ok(match (&left.kind, &right.kind) {
                (Kind::Bool(truth), _) if *truth != absorbing => *right,
                (_, Kind::Bool(truth)) if *truth != absorbing => *left,
                (Kind::Bool(_), _) | (_, Kind::Bool(_)) => made(at, Kind::Bool(absorbing)),
                _ => Node { kind: Kind::Binary(operator, left, right), ..node },
            })
        }
        Kind::Binary(operator, left, right) => {
            let constant = fold_constants(operator, &left.kind, &right.kind);
            Ok(match constant {
                Some(kind) => made(at, kind),
                None => Node { kind: Kind::Binary(operator, left, right), ..node },
            })
        }
        Kind::Builtin { function: Function::Filter, .. } => Ok(filter_filter(node)),
        kind => Ok(Node { kind, ..node }),
    }
}

fn fold_constants(operator: BinaryOp, left: &Kind, right: &Kind) -> Option<Kind> {
    let (a, b) = match (left, right) {
        (Kind::Int(a), Kind::Int(b)) => {
            return match operator {
                BinaryOp::Add => Some(Kind::Int(a.wrapping_add(*b))),
                BinaryOp::Subtract => Some(Kind::Int(a.wrapping_sub(*b))),
                BinaryOp::Multiply => Some(Kind::Int(a.wrapping_mul(*b))),
                BinaryOp::Equal => Some(Kind::Bool(a == b)),
                _ => None,
            };
        }
        (Kind::Str(a), Kind::Str(b)) => {
            return match operator {
                BinaryOp::Add => Some(Kind::Str([a.as_str(), b.as_str()].concat())),
                BinaryOp::Equal => Some(Kind::Bool(a == b)),
                _ => None,
            };
        }
        (Kind::Bool(a), Kind::Bool(b)) if operator == BinaryOp::Equal => return Some(Kind::Bool(a == b)),
        (Kind::Int(a), Kind::Float(b)) => (*a as f64, *b),
        (Kind::Float(a), Kind::Int(b)) => (*a, *b as f64),
        (Kind::Float(a), Kind::Float(b)) => (*a, *b),
        _ => return None,
    };
    match operator {
        BinaryOp::Add => Some(Kind::Float(a + b)),
        BinaryOp::Subtract => Some(Kind::Float(a - b)),
        BinaryOp::Multiply => Some(Kind::Float(a * b)),
        BinaryOp::Divide => Some(Kind::Float(a / b)),
        _ => None,
    }
}

/// The parts of a `filter` node.
struct Filter {
    collection: Node,
    predicate: Node,
    mapped: Option<Box<Node>>,
}

fn as_filter(node: Node) -> Result<Filter, Node> {
    match node.kind {
        Kind::Builtin { function: Function::Filter, mut arguments, mapped, throws: _ }
            if arguments.len() == 2 =>
        {
            let (predicate, collection) = (arguments.remove(1), arguments.remove(0));
            Ok(Filter { collection, predicate, mapped })
        }
        kind => Err(Node { kind, ..node }),
    }
}

fn is_filter(node: &Node) -> bool {
    matches!(&node.kind, Kind::Builtin { function: Function::Filter, .. })
}

fn predicate_body(node: Node) -> Node {
    match node.kind {
        Kind::Predicate(body) => *body,
        kind => Node { kind, ..node },
    }
}

/// `filter(filter(x, p), q)` is `filter(x, p && q)`.
fn filter_filter(node: Node) -> Node {
    let (id, at) = (node.id, node.at);
    let outer = match as_filter(node) {
        Ok(outer) => outer,
        Err(node) => return node,
    };
    let (collection, predicate) = match as_filter(outer.collection) {
        Ok(inner) => {
            let (p, q) = (predicate_body(inner.predicate), predicate_body(outer.predicate));
            let both = made(p.at, Kind::Binary(BinaryOp::And, Box::new(p), Box::new(q)));
            (inner.collection, made(at, Kind::Predicate(Box::new(both))))
        }
        Err(collection) => (collection, outer.predicate),
    };
    let arguments = vec![collection, predicate];
    let kind = Kind::Builtin { function: Function::Filter, arguments, mapped: outer.mapped, throws: false };
    Node { id, ..made(at, kind) }
}

/// `map(filter(x, p), f)` without `#index` maps while it filters.
fn filter_map(node: Node) -> Node {
    let Kind::Builtin { function: Function::Map, arguments, .. } = &node.kind else { return node };
    let fits = match arguments.as_slice() {
        [Node { kind: Kind::Builtin { function: Function::Filter, mapped: None, .. }, .. }, predicate] => {
            !mentions_index(predicate)
        }
        _ => false,
    };
    if !fits {
        return node;
    }
    let (id, at) = (node.id, node.at);
    let Kind::Builtin { mut arguments, .. } = node.kind else { return node };
    let (body, filter) = (predicate_body(arguments.remove(1)), arguments.remove(0));
    match as_filter(filter) {
        Ok(filter) => {
            let arguments = vec![filter.collection, filter.predicate];
            let mapped = Some(Box::new(body));
            let kind = Kind::Builtin { function: Function::Filter, arguments, mapped, throws: false };
            Node { id, ..made(at, kind) }
        }
        Err(filter) => filter,
    }
}

fn mentions_index(node: &Node) -> bool {
    matches!(&node.kind, Kind::Pointer(crate::syntax::Pointer::Index))
        || node.children().into_iter().any(mentions_index)
}

/// `len(filter(x, p))` is `count(x, p)`.
fn filter_len(node: Node) -> Node {
    match node.kind {
        Kind::Builtin { function: Function::Len, mut arguments, .. }
            if arguments.len() == 1 && is_filter(&arguments[0]) =>
        {
            searched(node.id, node.at, arguments.remove(0), Function::Count, false)
        }
        kind => Node { kind, ..node },
    }
}

/// `filter(x, p)[-1]` and `last(filter(x, p))` search from the end.
fn filter_last(node: Node) -> Node {
    filter_end(node, -1, Function::Last, Function::FindLast)
}

/// `filter(x, p)[0]` and `first(filter(x, p))` stop at the first match.
fn filter_first(node: Node) -> Node {
    filter_end(node, 0, Function::First, Function::Find)
}

fn filter_end(node: Node, position: i64, taking: Function, search: Function) -> Node {
    match node.kind {
        Kind::Member { object, property, optional: false, .. }
            if is_filter(&object) && matches!(&property.kind, Kind::Int(i) if *i == position) =>
        {
            searched(node.id, node.at, *object, search, true)
        }
        Kind::Builtin { function, mut arguments, .. }
            if function == taking && arguments.len() == 1 && is_filter(&arguments[0]) =>
        {
            searched(node.id, node.at, arguments.remove(0), search, false)
        }
        kind => Node { kind, ..node },
    }
}

fn searched(id: u32, at: Location, filter: Node, function: Function, throws: bool) -> Node {
    match as_filter(filter) {
        Ok(filter) => {
            let arguments = vec![filter.collection, filter.predicate];
            let mapped = if function == Function::Count { None } else { filter.mapped };
            Node { id, ..made(at, Kind::Builtin { function, arguments, mapped, throws }) }
        }
        Err(filter) => filter,
    }
}

/// `all(x, p) && all(x, q)`, `any(x, p) || any(x, q)` and `none(x, p) && none(x, q)` become one loop.
fn combine_predicates(node: Node) -> Node {
    let Kind::Binary(operator, left, right) = &node.kind else { return node };
    let (Some((function, x)), Some((other, y))) = (quantifier(left), quantifier(right)) else { return node };
    let combined = match function {
        Function::All if operator.is_and() => BinaryOp::And,
        Function::Any if operator.is_or() => BinaryOp::Or,
        Function::None if operator.is_and() => BinaryOp::Or,
        _ => return node,
    };
    if function != other || !alike(x, y) {
        return node;
    }
    let (id, at) = (node.id, node.at);
    let Kind::Binary(_, left, right) = node.kind else { return node };
    let (Kind::Builtin { arguments: mut first, .. }, Kind::Builtin { arguments: mut second, .. }) =
        (left.kind, right.kind)
    else {
        return made(at, Kind::Nil);
    };
    let (p, q) = (predicate_body(first.remove(1)), predicate_body(second.remove(1)));
    let body = combine_predicates(made(at, Kind::Binary(combined, Box::new(p), Box::new(q))));
    let arguments = vec![first.remove(0), made(at, Kind::Predicate(Box::new(body)))];
    Node { id, ..made(at, Kind::Builtin { function, arguments, mapped: None, throws: false }) }
}

/// The function and collection of an `all`, `any` or `none`.
fn quantifier(node: &Node) -> Option<(Function, &Node)> {
    match &node.kind {
        Kind::Builtin { function, arguments, .. } if arguments.len() == 2 => Some((*function, &arguments[0])),
        _ => None,
    }
}

/// The same expression, wherever it stands in the text.
pub(crate) fn alike(a: &Node, b: &Node) -> bool {
    let same = match (&a.kind, &b.kind) {
        (Kind::Bool(a), Kind::Bool(b)) => a == b,
        (Kind::Int(a), Kind::Int(b)) => a == b,
        (Kind::Float(a), Kind::Float(b)) => a == b,
        (Kind::Str(a), Kind::Str(b)) | (Kind::Identifier(a), Kind::Identifier(b)) => a == b,
        (Kind::Unary(a, _), Kind::Unary(b, _)) => a == b,
        (Kind::Binary(a, ..), Kind::Binary(b, ..)) => a == b,
        (Kind::Builtin { function: a, .. }, Kind::Builtin { function: b, .. }) => a == b,
        (Kind::Pointer(a), Kind::Pointer(b)) => a == b,
        (Kind::Let { name: a, .. }, Kind::Let { name: b, .. }) => a == b,
        (Kind::Member { optional: a, .. }, Kind::Member { optional: b, .. }) => a == b,
        (Kind::Slice { from: a, .. }, Kind::Slice { from: b, .. }) => a.is_some() == b.is_some(),
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    let (mine, others) = (a.children(), b.children());
    same && mine.len() == others.len() && mine.iter().zip(others).all(|(a, b)| alike(a, b))
}
