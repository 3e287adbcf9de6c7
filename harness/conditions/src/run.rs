//! Evaluates a checked condition (expr `compiler/compiler.go` and `vm/vm.go`).

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::builtins;
use crate::check::Natures;
use crate::condition::Dialect;
use crate::datum::{Datum, ListType};
use crate::error::{ErrorKind, Fault, Trouble};
use crate::host;
use crate::loops::Scope;
use crate::operators::{self, boolean, upstream};
use crate::pattern;
use crate::syntax::{BinaryOp, Function, Kind, Node, Pointer, UnaryOp};
use crate::types::{GoType, HostFunction};
use crate::value::Value;

/// Upstream's budget for list elements made in one run (expr `conf.DefaultMemoryBudget`).
const MEMORY_BUDGET: u64 = 1_000_000;
/// The most steps of one run: nodes evaluated plus elements compared or copied.
const MAX_STEPS: u64 = 2_000_000;

pub(crate) fn run(tree: &Node, natures: &Natures, result: &Value, dialect: Dialect) -> Result<Datum, Fault> {
    let result = Datum::of(result);
    let mut runner = Runner {
        natures,
        dialect,
        result,
        variables: Vec::new(),
        scopes: Vec::new(),
        memory: 0,
        steps_left: MAX_STEPS,
        pending: 0,
    };
    match runner.eval(tree) {
        Ok(datum) => Ok(datum),
        Err(Stop::Chain) => Ok(Datum::Nil),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

/// Why evaluation leaves a node without a value.
pub(crate) enum Stop {
    Fault(Fault),
    /// `?.` met nil; the enclosing chain is nil.
    Chain,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

pub(crate) struct Runner<'a> {
    natures: &'a Natures,
    pub(crate) dialect: Dialect,
    result: Datum,
    variables: Vec<(&'a str, Datum)>,
    pub(crate) scopes: Vec<Scope>,
    memory: u64,
    steps_left: u64,
    /// How many operands wait on upstream's stack while the current node is evaluated.
    pub(crate) pending: usize,
}

/// Gives a trouble the place of the node.
pub(crate) fn at<T>(node: &Node, outcome: Result<T, Trouble>) -> Result<T, Stop> {
    outcome.map_err(|trouble| Stop::Fault(trouble.at(node.at, ErrorKind::Run)))
}

impl<'a> Runner<'a> {
    pub(crate) fn charge(&mut self, node: &Node, steps: u64) -> Result<(), Stop> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => at(node, Err(Trouble::Limit(format!("the condition takes more than {MAX_STEPS} steps")))),
        }
    }

    /// Charges for an operation that looks at everything inside its operands.
    fn charge_contents(&mut self, node: &Node, operands: &[&Datum]) -> Result<(), Stop> {
        let mut left = self.steps_left;
        let fits = operands.iter().all(|datum| weigh(datum, &mut left));
        let spent = if fits { self.steps_left - left } else { u64::MAX };
        self.charge(node, spent)
    }

    /// Upstream's memory budget.
    pub(crate) fn grow(&mut self, node: &Node, elements: usize) -> Result<(), Stop> {
        self.memory = self.memory.saturating_add(elements as u64);
        if self.memory >= MEMORY_BUDGET { at(node, upstream("memory budget exceeded")) } else { Ok(()) }
    }

    pub(crate) fn eval(&mut self, node: &'a Node) -> Result<Datum, Stop> {
        self.charge(node, 1)?;
        match &node.kind {
            Kind::Nil => Ok(Datum::Nil),
            Kind::Bool(truth) => Ok(Datum::Bool(*truth)),
            Kind::Int(number) => Ok(Datum::Int(*number)),
            Kind::Float(number) => Ok(Datum::Float(*number)),
            Kind::Str(text) => Ok(Datum::Str(text.as_str().into())),
            Kind::Identifier(name) => Ok(self.identifier(name)),
            Kind::Unary(operator, inner) => self.unary(node, *operator, inner),
            Kind::Binary(operator, left, right) => self.binary(node, *operator, left, right),
            Kind::Chain(inner) => match self.eval(inner) {
                Err(Stop::Chain) => Ok(Datum::Nil),
                Ok(datum) if datum.is_nil() && self.dialect == Dialect::Expr1_17 => Ok(Datum::Nil),
                outcome => outcome,
            },
            Kind::Member { object, property, optional, .. } => {
                let object = self.eval(object)?;
                if *optional && object.is_nil() {
                    return Err(Stop::Chain);
                }
                let key = self.eval_after(1, property)?;
                at(node, operators::fetch(&object, &key, self.dialect))
            }
            Kind::Slice { object, from, to } => self.slice(node, object, from.as_deref(), to.as_deref()),
            Kind::Call { callee, arguments } => self.call(node, callee, arguments),
            Kind::Builtin { function, arguments, mapped, throws } => {
                let looping = arguments.len() > 1 || !matches!(function, Function::Sum);
                match function.predicate_parameters() {
                    Some(_) if looping || self.dialect == Dialect::Expr1_17 => {
                        self.over_collection(node, *function, arguments, mapped.as_deref(), *throws)
                    }
                    _ => self.builtin(node, *function, arguments),
                }
            }
            Kind::Predicate(body) => self.eval(body),
            Kind::Pointer(pointer) => self.pointer(node, pointer),
            Kind::Let { name, value, body } => {
                let value = self.eval(value)?;
                self.variables.push((name, value));
                let result = self.eval(body);
                self.variables.pop();
                result
            }
            Kind::Sequence(nodes) => {
                let mut last = Datum::Nil;
                for node in nodes {
                    last = self.eval(node)?;
                }
                Ok(last)
            }
            Kind::Conditional { condition, then, otherwise } => {
                let datum = self.eval(condition)?;
                let truth = at(node, boolean(&datum))?;
                self.eval(if truth { then } else { otherwise })
            }
            Kind::Array(nodes) => {
                let items = self.eval_all(nodes)?;
                self.grow(node, items.len())?;
                Ok(Datum::anys(items))
            }
            Kind::Map(pairs) => self.map(node, pairs),
        }
    }

    /// Evaluates while `waiting` more operands are on upstream's stack.
    fn eval_after(&mut self, waiting: usize, node: &'a Node) -> Result<Datum, Stop> {
        self.pending += waiting;
        let outcome = self.eval(node);
        self.pending -= waiting;
        outcome
    }

    pub(crate) fn eval_all(&mut self, nodes: &'a [Node]) -> Result<Vec<Datum>, Stop> {
        nodes.iter().enumerate().map(|(waiting, node)| self.eval_after(waiting, node)).collect()
    }

    fn identifier(&self, name: &str) -> Datum {
        if let Some((_, datum)) = self.variables.iter().rev().find(|(variable, _)| *variable == name) {
            return datum.clone();
        }
        match HostFunction::from_text(name) {
            Some(function) => Datum::Function(function),
            None if name == "result" => self.result.clone(),
            None => Datum::Nil,
        }
    }

    fn unary(&mut self, node: &Node, operator: UnaryOp, inner: &'a Node) -> Result<Datum, Stop> {
        let datum = self.eval(inner)?;
        match operator {
            UnaryOp::Bang | UnaryOp::Not => Ok(Datum::Bool(!at(node, boolean(&datum))?)),
            UnaryOp::Minus => at(node, operators::negate(&datum)),
            UnaryOp::Plus => Ok(datum),
        }
    }

    fn binary(
        &mut self,
        node: &'a Node,
        operator: BinaryOp,
        left: &'a Node,
        right: &'a Node,
    ) -> Result<Datum, Stop> {
        let a = self.eval(left)?;
        if operator.is_and() || operator.is_or() {
            let decided = at(node, boolean(&a))? == operator.is_or();
            return if decided { Ok(a) } else { self.eval(right) };
        }
        if operator == BinaryOp::Coalesce {
            return if a.is_nil() { self.eval(right) } else { Ok(a) };
        }
        if operator == BinaryOp::In {
            return self.membership(node, &a, left, right);
        }
        let b = self.eval_after(1, right)?;
        match operator {
            BinaryOp::Equal | BinaryOp::NotEqual => {
                self.charge_contents(node, &[&a, &b])?;
                at(node, self.same_static_type(operator, left, right, &a, &b))?;
                at(node, operators::binary(operator, &a, &b, self.dialect))
            }
            BinaryOp::Range => self.range(node, &a, &b, left, right),
            BinaryOp::Matches => {
                self.charge_contents(node, &[&a, &b])?;
                at(node, matches(&a, &b, self.dialect))
            }
            _ => at(node, operators::binary(operator, &a, &b, self.dialect)),
        }
    }

    /// Two operands of static type `int` (or `string`) are asserted to be such before the comparison;
    /// `max(1, 2.5)` is a static `int` and fails here (expr `compiler.go: equalBinaryNode`).
    fn same_static_type(
        &self,
        operator: BinaryOp,
        left: &Node,
        right: &Node,
        a: &Datum,
        b: &Datum,
    ) -> Result<(), Trouble> {
        if operator == BinaryOp::NotEqual && self.dialect == Dialect::Expr1_15 {
            return Ok(());
        }
        let (l, r) = (self.natures.of(left), self.natures.of(right));
        for datum in [a, b] {
            if l.is(&GoType::Int) && r.is(&GoType::Int) && !matches!(datum, Datum::Int(_)) {
                return operators::not_a(datum, "int");
            }
            if l.is_string() && r.is_string() {
                operators::string(datum)?;
            }
        }
        Ok(())
    }

    /// `in`, with the optimizer's sets for constant arrays and bounds for constant ranges
    /// (expr `optimizer/in_array.go`, `in_range.go`).
    fn membership(
        &mut self,
        node: &'a Node,
        needle: &Datum,
        left: &Node,
        right: &'a Node,
    ) -> Result<Datum, Stop> {
        let static_int = self.natures.of(left).is(&GoType::Int);
        match &right.kind {
            Kind::Binary(BinaryOp::Range, from, to) if static_int => {
                if let (Kind::Int(from), Kind::Int(to)) = (&from.kind, &to.kind) {
                    let low =
                        operators::binary(BinaryOp::MoreOrEqual, needle, &Datum::Int(*from), self.dialect);
                    let high =
                        operators::binary(BinaryOp::LessOrEqual, needle, &Datum::Int(*to), self.dialect);
                    let within =
                        at(node, low)?.as_bool() == Some(true) && at(node, high)?.as_bool() == Some(true);
                    return Ok(Datum::Bool(within));
                }
            }
            Kind::Array(nodes) if !nodes.is_empty() => {
                let ints = nodes.iter().all(|node| matches!(node.kind, Kind::Int(_)));
                let texts = nodes.iter().all(|node| matches!(node.kind, Kind::Str(_)));
                if static_int && ints && !matches!(needle, Datum::Int(_)) {
                    return at(node, operators::wrong_key(needle, "int"));
                }
                if texts && matches!(needle, Datum::Nil) {
                    let empty =
                        nodes.iter().any(|node| matches!(&node.kind, Kind::Str(text) if text.is_empty()));
                    return Ok(Datum::Bool(empty));
                }
                if texts && !matches!(needle, Datum::Str(_)) {
                    return at(node, operators::wrong_key(needle, "string"));
                }
            }
            _ => {}
        }
        let container = self.eval_after(1, right)?;
        self.charge_contents(node, &[&container])?;
        Ok(Datum::Bool(at(node, operators::contains(needle, &container, self.dialect))?))
    }

    fn range(&mut self, node: &Node, a: &Datum, b: &Datum, left: &Node, right: &Node) -> Result<Datum, Stop> {
        let (low, high) = (at(node, operators::index(a))?, at(node, operators::index(b))?);
        let size = high.wrapping_sub(low).wrapping_add(1).max(0) as u64;
        let constant = matches!((&left.kind, &right.kind), (Kind::Int(_), Kind::Int(_)));
        // Expr 1.15 makes constant ranges while it compiles, outside the budget.
        if !(self.dialect == Dialect::Expr1_15 && constant && size <= MEMORY_BUDGET) {
            self.grow(node, usize::try_from(size).unwrap_or(usize::MAX))?;
        }
        self.charge(node, size)?;
        let items = (0..size as i64).map(|offset| Datum::Int(low.wrapping_add(offset)));
        Ok(Datum::List(ListType::Ints, items.collect()))
    }

    fn slice(
        &mut self,
        node: &Node,
        object: &'a Node,
        from: Option<&'a Node>,
        to: Option<&'a Node>,
    ) -> Result<Datum, Stop> {
        let object = self.eval(object)?;
        let end = match to {
            Some(to) => self.eval_after(1, to)?,
            None => Datum::Int(at(node, operators::length(&object))? as i64),
        };
        let start = match from {
            Some(from) => self.eval_after(2, from)?,
            None => Datum::Int(0),
        };
        self.charge_contents(node, &[&object])?;
        at(node, operators::slice(&object, &start, &end))
    }

    fn map(&mut self, node: &Node, pairs: &'a [(Node, Node)]) -> Result<Datum, Stop> {
        let mut evaluated = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let waiting = 2 * evaluated.len();
            evaluated.push((self.eval_after(waiting, key)?, self.eval_after(waiting + 1, value)?));
        }
        self.grow(node, pairs.len())?;
        let mut fields = BTreeMap::new();
        // Upstream fills the map from the last pair to the first: of equal keys the first wins.
        for (key, value) in evaluated.into_iter().rev() {
            fields.insert(at(node, operators::string(&key))?.to_string(), value);
        }
        Ok(Datum::Map(Rc::new(fields)))
    }

    pub(crate) fn pointer(&self, node: &Node, pointer: &Pointer) -> Result<Datum, Stop> {
        let Some(scope) = self.scopes.last() else {
            return at(node, upstream("cannot use pointer accessor outside predicate"));
        };
        match pointer {
            Pointer::Element => Ok(scope.items.get(scope.index).cloned().unwrap_or(Datum::Nil)),
            Pointer::Index => Ok(Datum::Int(scope.index as i64)),
            Pointer::Accumulator => Ok(scope.accumulator.clone()),
            Pointer::Other(name) => at(node, upstream(format!("unknown pointer {name}"))),
        }
    }

    fn call(&mut self, node: &Node, callee: &'a Node, arguments: &'a [Node]) -> Result<Datum, Stop> {
        let host = match &callee.kind {
            Kind::Identifier(name) => HostFunction::from_text(name),
            _ => None,
        };
        let wants_float = matches!(host, Some(HostFunction::IsNan | HostFunction::IsInf));
        let mut values = Vec::with_capacity(arguments.len());
        for (waiting, argument) in arguments.iter().enumerate() {
            values.push(match wants_float {
                true => self.eval_as_float(argument)?,
                false => self.eval_after(waiting, argument)?,
            });
        }
        match self.eval_after(arguments.len(), callee)? {
            Datum::Function(function) => {
                let contents: Vec<&Datum> = values.iter().collect();
                self.charge_contents(node, &contents)?;
                at(node, host::call(function, &values, &self.result))
            }
            other => at(node, upstream(self.not_callable(&other))),
        }
    }

    fn not_callable(&self, datum: &Datum) -> String {
        match (self.dialect, datum) {
            (Dialect::Expr1_17, Datum::Nil) => "invalid operation: cannot call nil".to_string(),
            (Dialect::Expr1_17, other) => {
                format!("invalid operation: cannot call non-function of type {}", other.type_name())
            }
            (Dialect::Expr1_15, Datum::Nil) => {
                "reflect: call of reflect.Value.Call on zero Value".to_string()
            }
            (Dialect::Expr1_15, other) => {
                format!("reflect: call of reflect.Value.Call on {} Value", other.kind_name())
            }
        }
    }

    /// Integer literals become floats for a `float64` parameter, other integers do not
    /// (expr `checker.go: traverseAndReplaceIntegerNodesWithFloatNodes`).
    fn eval_as_float(&mut self, node: &'a Node) -> Result<Datum, Stop> {
        if !self.natures.of(node).is_integer() {
            return self.eval(node);
        }
        match &node.kind {
            Kind::Int(number) => Ok(Datum::Float(*number as f64)),
            Kind::Unary(UnaryOp::Minus, inner) => {
                let datum = self.eval_as_float(inner)?;
                at(node, operators::negate(&datum))
            }
            Kind::Binary(
                operator @ (BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply),
                left,
                right,
            ) => {
                let a = self.eval_as_float(left)?;
                self.pending += 1;
                let b = self.eval_as_float(right);
                self.pending -= 1;
                let b = b?;
                at(node, operators::binary(*operator, &a, &b, self.dialect))
            }
            _ => self.eval(node),
        }
    }

    fn builtin(&mut self, node: &Node, function: Function, arguments: &'a [Node]) -> Result<Datum, Stop> {
        let arguments = self.eval_all(arguments)?;
        let contents: Vec<&Datum> = arguments.iter().collect();
        self.charge_contents(node, &contents)?;
        let result = at(node, builtins::call(function, &arguments, self.dialect))?;
        if let Datum::List(_, items) = &result
            && builtins::counts_memory(function)
        {
            self.grow(node, items.len())?;
        }
        Ok(result)
    }
}

/// Subtracts the size of a value, with all it contains; false when nothing is left.
fn weigh(datum: &Datum, left: &mut u64) -> bool {
    let own = match datum {
        Datum::Str(text) => 1 + text.len() as u64 / 64,
        _ => 1,
    };
    let Some(rest) = left.checked_sub(own) else { return false };
    *left = rest;
    match datum {
        Datum::List(_, items) => items.iter().all(|item| weigh(item, left)),
        Datum::Map(fields) => fields.values().all(|value| weigh(value, left)),
        Datum::Groups(groups) => groups.iter().all(|(key, items)| weigh(key, left) && weigh(items, left)),
        Datum::Nil
        | Datum::Bool(_)
        | Datum::Int(_)
        | Datum::Int64(_)
        | Datum::Float(_)
        | Datum::Str(_)
        | Datum::Function(_) => true,
    }
}

fn matches(a: &Datum, b: &Datum, dialect: Dialect) -> Result<Datum, Trouble> {
    if dialect == Dialect::Expr1_17 && (a.is_nil() || b.is_nil()) {
        return Ok(Datum::Bool(false));
    }
    let pattern = operators::string(b)?;
    let text = match (a, dialect) {
        (Datum::Str(text), _) => text,
        (_, Dialect::Expr1_17) => return operators::not_a(a, "[]uint8"),
        (_, Dialect::Expr1_15) => return operators::not_a(a, "string"),
    };
    Ok(Datum::Bool(pattern::compile(pattern)?.is_match(text)))
}
