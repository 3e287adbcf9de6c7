//! The type check that precedes each evaluation (expr `checker/checker.go`).
//!
//! The first error in visiting order is upstream's error. Where expr 1.15 differs, the dialect decides.

use crate::condition::Dialect;
use crate::error::{ErrorKind, Fault};
use crate::pattern;
use crate::syntax::{BinaryOp, FUNCTIONS_NOT_SIMULATED, Function, Kind, Node, Pointer, UnaryOp};
use crate::types::{GoType, HostFunction, Nature};
use crate::value::Value;

/// The nature of each node, by its id. Nodes that upstream does not visit are unknown.
#[derive(Debug)]
pub(crate) struct Natures(Vec<Nature>);

impl Natures {
    /// The static type of a node, also of one that the optimizer made.
    pub(crate) fn of(&self, node: &Node) -> Nature {
        match &node.kind {
            Kind::Int(_) => GoType::Int.into(),
            Kind::Float(_) => GoType::Float.into(),
            Kind::Str(_) => GoType::String.into(),
            Kind::Bool(_) => GoType::Bool.into(),
            _ => self.0.get(node.id as usize).cloned().unwrap_or(Nature::Unknown),
        }
    }
}

pub(crate) fn check(tree: &Node, result: &Value, dialect: Dialect) -> Result<Natures, Fault> {
    let mut checker = Checker {
        dialect,
        result: Nature::of(result),
        natures: Vec::new(),
        predicate_scopes: Vec::new(),
        variables: Vec::new(),
    };
    checker.visit(tree)?;
    Ok(Natures(checker.natures))
}

pub(crate) struct Checker {
    pub(crate) dialect: Dialect,
    result: Nature,
    natures: Vec<Nature>,
    predicate_scopes: Vec<PredicateScope>,
    variables: Vec<(String, Nature)>,
}

struct PredicateScope {
    collection: Nature,
    has_index: bool,
    has_accumulator: bool,
}

/// A type error at a node.
pub(crate) fn fault(node: &Node, message: impl Into<String>) -> Fault {
    Fault::new(ErrorKind::Type, node.at, message)
}

impl Checker {
    pub(crate) fn name(&self, nature: &Nature) -> String {
        nature.name(self.dialect)
    }

    pub(crate) fn visit(&mut self, node: &Node) -> Result<Nature, Fault> {
        let nature = self.visit_kind(node)?;
        let id = node.id as usize;
        if self.natures.len() <= id {
            self.natures.resize(id + 1, Nature::Unknown);
        }
        self.natures[id] = nature.clone();
        Ok(nature)
    }

    fn visit_kind(&mut self, node: &Node) -> Result<Nature, Fault> {
        match &node.kind {
            Kind::Nil => Ok(Nature::Nil),
            Kind::Bool(_) => Ok(GoType::Bool.into()),
            Kind::Int(_) => Ok(GoType::Int.into()),
            Kind::Float(_) => Ok(GoType::Float.into()),
            Kind::Str(_) => Ok(GoType::String.into()),
            Kind::Identifier(name) => self.identifier(node, name),
            Kind::Unary(operator, inner) => self.unary(node, *operator, inner),
            Kind::Binary(operator, left, right) => self.binary(node, *operator, left, right),
            Kind::Chain(inner) => self.visit(inner),
            Kind::Member { object, property, method, .. } => self.member(node, object, property, *method),
            Kind::Slice { object, from, to } => self.slice(node, object, from.as_deref(), to.as_deref()),
            Kind::Call { callee, arguments } => self.call(node, callee, arguments),
            Kind::Builtin { function, arguments, .. } => self.builtin(node, *function, arguments),
            Kind::Predicate(body) => self.visit(body),
            Kind::Pointer(pointer) => self.pointer(node, pointer),
            Kind::Let { name, value, body } => self.variable(node, name, value, body),
            Kind::Sequence(nodes) => {
                let mut last = Nature::Unknown;
                for node in nodes {
                    last = self.visit(node)?;
                }
                Ok(last)
            }
            Kind::Conditional { condition, then, otherwise } => self.conditional(condition, then, otherwise),
            Kind::Array(nodes) => self.array(nodes),
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    self.visit(key)?;
                    self.visit(value)?;
                }
                Ok(GoType::map_of(GoType::String, GoType::Any).into())
            }
        }
    }

    fn identifier(&self, node: &Node, name: &str) -> Result<Nature, Fault> {
        if let Some((_, nature)) = self.variables.iter().rev().find(|(variable, _)| variable == name) {
            return Ok(nature.clone());
        }
        if name == "result" {
            return Ok(self.result.clone());
        }
        if let Some(function) = HostFunction::from_text(name) {
            return Ok(GoType::Function(function).into());
        }
        if is_builtin(name) {
            return Err(Fault::not_simulated(node.at, format!("expr function `{name}` used as a value")));
        }
        Err(fault(node, format!("unknown name {name}")))
    }

    fn unary(&mut self, node: &Node, operator: UnaryOp, inner: &Node) -> Result<Nature, Fault> {
        let nature = self.visit(inner)?;
        if operator.is_negation() {
            if nature.is_bool() || nature.is_unknown() {
                return Ok(GoType::Bool.into());
            }
        } else if nature.is_number() {
            return Ok(nature);
        } else if nature.is_unknown() {
            return Ok(Nature::Unknown);
        }
        let message =
            format!("invalid operation: {} (mismatched type {})", operator.text(), self.name(&nature));
        Err(fault(node, message))
    }

    fn binary(
        &mut self,
        node: &Node,
        operator: BinaryOp,
        left: &Node,
        right: &Node,
    ) -> Result<Nature, Fault> {
        let l = self.visit(left)?;
        let r = self.visit(right)?;
        let nature = match operator {
            BinaryOp::In => self.membership(node, &l, &r, right)?,
            BinaryOp::Matches => {
                if let Kind::Str(text) = &right.kind {
                    pattern::compile(text).map_err(|refusal| refusal.at(node.at, ErrorKind::Type))?;
                }
                maybe(&l, &r, &[GoType::String]).then(|| GoType::Bool.into())
            }
            BinaryOp::Coalesce => Some(match (&l, &r) {
                (Nature::Nil, _) => r.clone(),
                (_, Nature::Nil) => l.clone(),
                _ if r.assignable_to(&l) => l.clone(),
                _ => Nature::Unknown,
            }),
            _ => self.arithmetic(operator, &l, &r),
        };
        nature.ok_or_else(|| {
            let (l, r) = (self.name(&l), self.name(&r));
            fault(node, format!("invalid operation: {} (mismatched types {l} and {r})", operator.text()))
        })
    }

    fn arithmetic(&self, operator: BinaryOp, l: &Nature, r: &Nature) -> Option<Nature> {
        const NUMBERS: &[GoType] = &[GoType::Int, GoType::Int64, GoType::Float];
        const INTEGERS: &[GoType] = &[GoType::Int, GoType::Int64];
        const ORDERED: &[GoType] = &[GoType::Int, GoType::Int64, GoType::Float, GoType::String];
        let numbers = l.is_number() && r.is_number();
        let integers = l.is_integer() && r.is_integer();
        let given = |condition: bool, go: GoType| condition.then(|| go.into());
        match operator {
            BinaryOp::Equal | BinaryOp::NotEqual => given(l.comparable_to(r, self.dialect), GoType::Bool),
            BinaryOp::Or | BinaryOp::OrWord | BinaryOp::And | BinaryOp::AndWord => {
                given(maybe(l, r, &[GoType::Bool]), GoType::Bool)
            }
            BinaryOp::Less | BinaryOp::More | BinaryOp::MoreOrEqual | BinaryOp::LessOrEqual => {
                given(numbers || maybe(l, r, ORDERED) && !mixed(l, r), GoType::Bool)
            }
            BinaryOp::Add if l.is_string() && r.is_string() => Some(GoType::String.into()),
            BinaryOp::Add if !numbers => given_unknown(maybe(l, r, ORDERED) && !mixed(l, r)),
            BinaryOp::Subtract | BinaryOp::Multiply if !numbers => given_unknown(maybe(l, r, NUMBERS)),
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply => Some(self.promoted(l, r)),
            BinaryOp::Divide | BinaryOp::Power | BinaryOp::Caret => {
                given(numbers || maybe(l, r, NUMBERS), GoType::Float)
            }
            BinaryOp::Modulo => match self.dialect {
                Dialect::Expr1_17 => given(integers || maybe(l, r, INTEGERS), GoType::Int),
                Dialect::Expr1_15 if integers => Some(self.promoted(l, r)),
                Dialect::Expr1_15 => given_unknown(maybe(l, r, INTEGERS)),
            },
            BinaryOp::Contains | BinaryOp::StartsWith | BinaryOp::EndsWith => {
                given(maybe(l, r, &[GoType::String]), GoType::Bool)
            }
            BinaryOp::Range => (integers || maybe(l, r, INTEGERS)).then(|| match self.dialect {
                Dialect::Expr1_17 => Nature::array_of(GoType::Int.into(), self.dialect),
                Dialect::Expr1_15 => GoType::slice_of(GoType::Int).into(),
            }),
            // Decided by the caller.
            BinaryOp::In | BinaryOp::Matches | BinaryOp::Coalesce | BinaryOp::Pipe => None,
        }
    }

    /// The type of a sum of numbers (1.17 `PromoteNumericNature`, 1.15 `combined`).
    fn promoted(&self, l: &Nature, r: &Nature) -> Nature {
        if self.dialect == Dialect::Expr1_15 && l == r {
            l.clone()
        } else if l.is(&GoType::Float) || r.is(&GoType::Float) {
            GoType::Float.into()
        } else {
            GoType::Int.into()
        }
    }

    fn membership(
        &mut self,
        node: &Node,
        l: &Nature,
        r: &Nature,
        right: &Node,
    ) -> Result<Option<Nature>, Fault> {
        let nil_is_comparable = self.dialect == Dialect::Expr1_15 && l.is_nil();
        let boolean = Ok(Some(GoType::Bool.into()));
        if let Some(GoType::Map(key, _)) = r.go() {
            let key = Nature::from((**key).clone());
            if nil_is_comparable || l.is_unknown() || l.assignable_to(&key) {
                return boolean;
            }
            let (l, key) = (self.name(l), self.name(&key));
            return Err(fault(node, format!("cannot use {l} as type {key} in map key")));
        }
        if r.is_array() {
            let element = match (self.dialect, &right.kind) {
                (Dialect::Expr1_15, Kind::Array(nodes)) => self.common_nature(nodes),
                _ => r.element(),
            };
            if nil_is_comparable || l.comparable_to(&element, self.dialect) {
                return boolean;
            }
            let (l, element) = (self.name(l), self.name(&element));
            return Err(fault(node, format!("cannot use {l} as type {element} in array")));
        }
        if l.is_unknown() && r.is_string() || r.is_unknown() {
            return boolean;
        }
        Ok(None)
    }

    /// The nature that all visited nodes share, by kind.
    fn common_nature(&self, nodes: &[Node]) -> Nature {
        let natures: Vec<Nature> = nodes
            .iter()
            .map(|node| self.natures.get(node.id as usize).cloned().unwrap_or(Nature::Unknown))
            .collect();
        let same = natures.windows(2).all(|pair| same_kind(&pair[0], &pair[1]));
        match natures.last() {
            Some(last) if same => last.clone(),
            _ => Nature::Unknown,
        }
    }

    fn member(&mut self, node: &Node, object: &Node, property: &Node, method: bool) -> Result<Nature, Fault> {
        let base = self.visit(object)?;
        let index = self.visit(property)?;
        if base.is_unknown() {
            return Ok(Nature::Unknown);
        }
        let field = match &property.kind {
            Kind::Str(name) => Some(name),
            _ => None,
        };
        if let (Nature::Nil, Some(name)) = (&base, field) {
            let nil = match self.dialect {
                Dialect::Expr1_17 => "nil",
                Dialect::Expr1_15 => "<nil>",
            };
            return Err(fault(node, format!("type {nil} has no field {name}")));
        }
        if let Some(GoType::Map(key, _)) = base.go() {
            let nil_is_allowed = self.dialect == Dialect::Expr1_15 && index.is_nil();
            if nil_is_allowed || index.is_unknown() || index.assignable_to(&(**key).clone().into()) {
                return Ok(base.element());
            }
            let (index, base) = (self.name(&index), self.name(&base));
            return Err(fault(property, format!("cannot use {index} to get an element from {base}")));
        }
        if base.is_array() {
            if index.is_integer() || index.is_unknown() {
                return Ok(base.element());
            }
            let message = "array elements can only be selected using an integer";
            return Err(fault(property, format!("{message} (got {})", self.name(&index))));
        }
        let base_name = self.name(&base);
        let message = match (self.dialect, field) {
            (Dialect::Expr1_17, Some(name)) if method => format!("type {base_name} has no method {name}"),
            (Dialect::Expr1_17, Some(name)) => format!("type {base_name} has no field {name}"),
            (Dialect::Expr1_17, None) | (Dialect::Expr1_15, _) => {
                format!("type {base_name}[{}] is undefined", self.name(&index))
            }
        };
        Err(fault(node, message))
    }

    fn slice(
        &mut self,
        node: &Node,
        object: &Node,
        from: Option<&Node>,
        to: Option<&Node>,
    ) -> Result<Nature, Fault> {
        let nature = self.visit(object)?;
        if nature.is_unknown() && self.dialect == Dialect::Expr1_17 {
            return Ok(Nature::Unknown);
        }
        if !(nature.is_unknown() || nature.is_string() || nature.is_array()) {
            return Err(fault(node, format!("cannot slice {}", self.name(&nature))));
        }
        for bound in [from, to].into_iter().flatten() {
            let index = self.visit(bound)?;
            if !index.is_integer() && !index.is_unknown() {
                return Err(fault(bound, format!("non-integer slice index {}", self.name(&index))));
            }
        }
        Ok(nature)
    }

    fn call(&mut self, node: &Node, callee: &Node, arguments: &[Node]) -> Result<Nature, Fault> {
        let nature = self.visit(callee)?;
        let name = match &callee.kind {
            Kind::Identifier(name) => name.clone(),
            Kind::Member { property, .. } => match &property.kind {
                Kind::Str(name) => name.clone(),
                _ => "function".to_string(),
            },
            _ => "function".to_string(),
        };
        match &nature {
            nature if nature.is_unknown() => Ok(Nature::Unknown),
            Nature::Known(GoType::Function(function), _) => {
                let signature = (function.parameters(), function.output());
                self.overloads(node, &name, arguments, &[signature])
            }
            Nature::Nil => Err(fault(node, format!("{name} is nil; cannot call nil as function"))),
            Nature::Known(..) | Nature::Unknown => {
                Err(fault(node, format!("{} is not callable", self.name(&nature))))
            }
        }
    }

    fn pointer(&self, node: &Node, pointer: &Pointer) -> Result<Nature, Fault> {
        let Some(scope) = self.predicate_scopes.last() else {
            return Err(fault(node, "cannot use pointer accessor outside predicate"));
        };
        match pointer {
            Pointer::Element => Ok(scope.collection.element()),
            Pointer::Index if scope.has_index => Ok(GoType::Int.into()),
            Pointer::Accumulator if scope.has_accumulator => Ok(Nature::Unknown),
            Pointer::Index => Err(fault(node, "unknown pointer #index")),
            Pointer::Accumulator => Err(fault(node, "unknown pointer #acc")),
            Pointer::Other(name) => Err(fault(node, format!("unknown pointer #{name}"))),
        }
    }

    /// Visits a predicate over a collection; gives the nature of its result.
    pub(crate) fn predicate(
        &mut self,
        function: Function,
        collection: &Nature,
        predicate: &Node,
    ) -> Result<Nature, Fault> {
        self.predicate_scopes.push(PredicateScope {
            collection: collection.clone(),
            has_index: matches!(function, Function::Map | Function::Reduce),
            has_accumulator: function == Function::Reduce,
        });
        let nature = self.visit(predicate)?;
        self.predicate_scopes.pop();
        match (self.dialect, &nature) {
            (Dialect::Expr1_15, Nature::Nil) => {
                let body = predicate.children().into_iter().next().unwrap_or(predicate);
                Err(fault(body, "closure cannot be nil"))
            }
            (Dialect::Expr1_17, Nature::Nil) => {
                let inputs = if function == Function::Reduce { "two" } else { "one" };
                let message = format!("predicate should has {inputs} input and one output param");
                Err(fault(predicate, message))
            }
            (Dialect::Expr1_15 | Dialect::Expr1_17, _) => Ok(nature),
        }
    }

    fn variable(&mut self, node: &Node, name: &str, value: &Node, body: &Node) -> Result<Nature, Fault> {
        if name == "result" || HostFunction::from_text(name).is_some() {
            return Err(fault(node, format!("cannot redeclare {name}")));
        }
        if is_builtin(name) {
            return Err(fault(node, format!("cannot redeclare builtin {name}")));
        }
        if self.variables.iter().any(|(variable, _)| variable == name) {
            return Err(fault(node, format!("cannot redeclare variable {name}")));
        }
        let nature = self.visit(value)?;
        self.variables.push((name.to_string(), nature));
        let nature = self.visit(body)?;
        self.variables.pop();
        Ok(nature)
    }

    fn conditional(&mut self, condition: &Node, then: &Node, otherwise: &Node) -> Result<Nature, Fault> {
        let nature = self.visit(condition)?;
        if !nature.is_bool() && !nature.is_unknown() {
            let message = format!("non-bool expression (type {}) used as condition", self.name(&nature));
            return Err(fault(condition, message));
        }
        let first = self.visit(then)?;
        let second = self.visit(otherwise)?;
        if first.is_nil() {
            return Ok(second);
        }
        if second.is_nil() {
            return Ok(first);
        }
        if !first.assignable_to(&second) {
            return Ok(Nature::Unknown);
        }
        if self.dialect == Dialect::Expr1_17 && first.is_array() && second.is_array() {
            let (a, b) = (first.element(), second.element());
            if !a.assignable_to(&b) || !b.assignable_to(&a) {
                return Ok(GoType::anys().into());
            }
        }
        Ok(first)
    }

    fn array(&mut self, nodes: &[Node]) -> Result<Nature, Fault> {
        for node in nodes {
            self.visit(node)?;
        }
        let same = nodes
            .windows(2)
            .all(|pair| same_kind(&self.natures[pair[0].id as usize], &self.natures[pair[1].id as usize]));
        match self.dialect {
            Dialect::Expr1_17 if same => Ok(Nature::array_of(self.common_nature(nodes), self.dialect)),
            Dialect::Expr1_17 | Dialect::Expr1_15 => Ok(GoType::anys().into()),
        }
    }
}

/// `MaybeCompatible`, or both sides known to be among the types.
fn maybe(l: &Nature, r: &Nature, allowed: &[GoType]) -> bool {
    let fits = |nature: &Nature| nature.is_unknown() || nature.go().is_some_and(|go| allowed.contains(go));
    fits(l) && fits(r)
}

/// One side is known to be a number and the other a string.
fn mixed(l: &Nature, r: &Nature) -> bool {
    l.is_string() && r.is_number() || l.is_number() && r.is_string()
}

fn given_unknown(condition: bool) -> Option<Nature> {
    condition.then_some(Nature::Unknown)
}

fn same_kind(a: &Nature, b: &Nature) -> bool {
    match (a.go(), b.go()) {
        (Some(a), Some(b)) => a.same_kind(b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn is_builtin(name: &str) -> bool {
    Function::from_text(name).is_some() || FUNCTIONS_NOT_SIMULATED.contains(&name)
}
