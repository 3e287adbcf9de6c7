//! Functions that take a predicate (expr `compiler.go: BuiltinNode`).

use std::rc::Rc;

use crate::condition::Dialect;
use crate::datum::Datum;
use crate::error::Trouble;
use crate::operators::{self, boolean, upstream};
use crate::run::{Runner, Stop, at};
use crate::syntax::{BinaryOp, Function, Kind, Node, Pointer};

/// One loop over a collection.
pub(crate) struct Scope {
    pub(crate) items: Rc<[Datum]>,
    pub(crate) index: usize,
    pub(crate) accumulator: Datum,
}

impl<'a> Runner<'a> {
    pub(crate) fn over_collection(
        &mut self,
        node: &'a Node,
        function: Function,
        arguments: &'a [Node],
        mapped: Option<&'a Node>,
        throws: bool,
    ) -> Result<Datum, Stop> {
        let Some(first) = arguments.first() else {
            return at(node, upstream("expected at least 1 arguments"));
        };
        if let Some(sum) = self.sum_of_array(node, function, arguments)? {
            return Ok(sum);
        }
        let collection = self.eval(first)?;
        let items = at(node, items_of(&collection))?;
        self.scopes.push(Scope { items, index: 0, accumulator: Datum::Int(0) });
        let predicate = arguments.get(1);
        let result = match function {
            Function::Reduce => self.reduce(node, predicate, arguments.get(2)),
            Function::Find | Function::FindLast | Function::FindIndex | Function::FindLastIndex => {
                self.find(node, function, predicate, mapped, throws)
            }
            Function::GroupBy => self.group(node, predicate),
            _ => self.quantify(node, function, predicate, mapped),
        };
        self.scopes.pop();
        result
    }

    /// `sum([a, b, c])` of a literal that is not constant is `a + (b + c)` (expr `optimizer/sum_array.go`).
    fn sum_of_array(
        &mut self,
        node: &Node,
        function: Function,
        arguments: &'a [Node],
    ) -> Result<Option<Datum>, Stop> {
        let [Node { kind: Kind::Array(nodes), .. }] = arguments else { return Ok(None) };
        let literal =
            |node: &Node| matches!(node.kind, Kind::Int(_) | Kind::Float(_) | Kind::Str(_) | Kind::Bool(_));
        if function != Function::Sum || nodes.len() < 2 || nodes.iter().all(literal) {
            return Ok(None);
        }
        let mut items = self.eval_all(nodes)?;
        let mut sum = items.pop().unwrap_or(Datum::Nil);
        while let Some(item) = items.pop() {
            sum = at(node, operators::binary(BinaryOp::Add, &item, &sum, self.dialect))?;
        }
        Ok(Some(sum))
    }

    fn scope_length(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.items.len())
    }

    fn move_to(&mut self, index: usize) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.index = index;
        }
    }

    fn accumulate(&mut self, datum: Datum) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.accumulator = datum;
        }
    }

    /// The predicate's value for the current element, or the element itself.
    fn inspect(&mut self, node: &Node, predicate: Option<&'a Node>) -> Result<Datum, Stop> {
        match predicate {
            Some(predicate) => self.eval(predicate),
            None => {
                self.charge(node, 1)?;
                self.pointer(node, &Pointer::Element)
            }
        }
    }

    fn holds(&mut self, node: &Node, predicate: Option<&'a Node>) -> Result<bool, Stop> {
        let datum = self.inspect(node, predicate)?;
        at(node, boolean(&datum))
    }

    fn quantify(
        &mut self,
        node: &Node,
        function: Function,
        predicate: Option<&'a Node>,
        mapped: Option<&'a Node>,
    ) -> Result<Datum, Stop> {
        let mut kept = Vec::new();
        let mut count = 0;
        let mut sum = Datum::Int(0);
        for index in 0..self.scope_length() {
            self.move_to(index);
            // Kept elements stay on upstream's stack until the list is made of them.
            self.pending += kept.len();
            let inspected = self.inspect(node, predicate);
            self.pending -= kept.len();
            let item = inspected?;
            match function {
                Function::Map => kept.push(item),
                Function::Sum => {
                    sum = at(node, operators::binary(BinaryOp::Add, &item, &sum, self.dialect))?;
                }
                _ => {
                    let holds = at(node, boolean(&item))?;
                    match function {
                        Function::All if !holds => return Ok(Datum::Bool(false)),
                        Function::None if holds => return Ok(Datum::Bool(false)),
                        Function::Any if holds => return Ok(Datum::Bool(true)),
                        Function::Filter if holds => {
                            self.pending += kept.len();
                            let mapped = self.inspect(node, mapped);
                            self.pending -= kept.len();
                            kept.push(mapped?);
                        }
                        _ => count += i64::from(holds),
                    }
                }
            }
        }
        Ok(match function {
            Function::All | Function::None => Datum::Bool(true),
            Function::Any => Datum::Bool(false),
            Function::One => Datum::Bool(count == 1),
            Function::Count => Datum::Int(count),
            Function::Sum => sum,
            _ => {
                self.grow(node, kept.len())?;
                Datum::anys(kept)
            }
        })
    }

    fn find(
        &mut self,
        node: &Node,
        function: Function,
        predicate: Option<&'a Node>,
        mapped: Option<&'a Node>,
        throws: bool,
    ) -> Result<Datum, Stop> {
        let length = self.scope_length();
        let backwards = matches!(function, Function::FindLast | Function::FindLastIndex);
        if backwards && self.pending > 0 {
            // The backwards loop of upstream leaves a boolean on the stack for each element it looks at
            // (expr `compiler.go: emitLoopBackwards`), which the waiting operator then takes for its left
            // operand.
            let what = "a search from the end (`findLast`, `filter(…)[-1]`) beside another operand";
            return at(node, Err(Trouble::NotSimulated(what.to_string())));
        }
        for step in 0..length {
            let index = if backwards { length - 1 - step } else { step };
            self.move_to(index);
            if self.holds(node, predicate)? {
                return match function {
                    Function::Find | Function::FindLast => self.inspect(node, mapped),
                    _ => Ok(Datum::Int(index as i64)),
                };
            }
        }
        if throws { at(node, upstream("reflect: slice index out of range")) } else { Ok(Datum::Nil) }
    }

    fn reduce(
        &mut self,
        node: &Node,
        predicate: Option<&'a Node>,
        initial: Option<&'a Node>,
    ) -> Result<Datum, Stop> {
        let first = match initial {
            Some(initial) => {
                let value = self.eval(initial)?;
                self.accumulate(value);
                0
            }
            None if self.scope_length() == 0 => {
                return at(node, upstream("reflect: slice index out of range"));
            }
            None => {
                let value = self.pointer(node, &Pointer::Element)?;
                self.accumulate(value);
                1
            }
        };
        for index in first..self.scope_length() {
            self.move_to(index);
            let value = self.inspect(node, predicate)?;
            self.accumulate(value);
        }
        self.pointer(node, &Pointer::Accumulator)
    }

    fn group(&mut self, node: &Node, predicate: Option<&'a Node>) -> Result<Datum, Stop> {
        let mut groups: Vec<(Datum, Vec<Datum>)> = Vec::new();
        for index in 0..self.scope_length() {
            self.move_to(index);
            let key = self.inspect(node, predicate)?;
            at(node, hashable(&key))?;
            self.charge(node, groups.len() as u64)?;
            let item = self.pointer(node, &Pointer::Element)?;
            match groups.iter_mut().find(|(other, _)| operators::identical(other, &key)) {
                Some((_, items)) => items.push(item),
                None => groups.push((key, vec![item])),
            }
        }
        if groups.is_empty() && self.dialect == Dialect::Expr1_15 {
            let what = "expr function `groupBy` on an empty list, which is nil in expr 1.15";
            return at(node, Err(Trouble::NotSimulated(what.to_string())));
        }
        Ok(Datum::Groups(groups.into_iter().map(|(key, items)| (key, Datum::anys(items))).collect()))
    }
}

fn items_of(collection: &Datum) -> Result<Rc<[Datum]>, Trouble> {
    match collection {
        Datum::List(_, items) => Ok(Rc::clone(items)),
        Datum::Str(_) => Err(Trouble::NotSimulated("a loop over a string".to_string())),
        Datum::Map(_) | Datum::Groups(_) => Err(Trouble::NotSimulated("a loop over a map".to_string())),
        Datum::Nil => upstream("reflect: call of reflect.Value.Len on zero Value"),
        Datum::Bool(_) | Datum::Int(_) | Datum::Int64(_) | Datum::Float(_) | Datum::Function(_) => {
            upstream(format!("reflect: call of reflect.Value.Len on {} Value", collection.kind_name()))
        }
    }
}

fn hashable(key: &Datum) -> Result<(), Trouble> {
    match key {
        Datum::List(..) | Datum::Map(_) | Datum::Groups(_) | Datum::Function(_) => {
            upstream(format!("runtime error: hash of unhashable type {}", key.type_name()))
        }
        Datum::Nil | Datum::Bool(_) | Datum::Int(_) | Datum::Int64(_) | Datum::Float(_) | Datum::Str(_) => {
            Ok(())
        }
    }
}
