//! The type check of calls (expr `checker.go: builtinNode, checkFunction, checkArguments` and the
//! `Validate` functions of `builtin/builtin.go`).

use crate::check::{Checker, fault};
use crate::condition::Dialect;
use crate::error::Fault;
use crate::syntax::{Function, Node};
use crate::types::{GoType, Nature};

/// The parameters and the result of one overload.
pub(crate) type Signature<'a> = (&'a [GoType], GoType);

impl Checker {
    pub(crate) fn builtin(
        &mut self,
        node: &Node,
        function: Function,
        arguments: &[Node],
    ) -> Result<Nature, Fault> {
        let over_collection = match (self.dialect, function) {
            (Dialect::Expr1_15, Function::Sum) => false,
            (Dialect::Expr1_15 | Dialect::Expr1_17, _) => function.predicate_parameters().is_some(),
        };
        if over_collection {
            return self.predicate_function(node, function, arguments);
        }
        if function == Function::Get {
            return self.get(node, arguments);
        }
        let signatures = overloads_of(function, self.dialect);
        if !signatures.is_empty() {
            return self.overloads(node, function.text(), arguments, &signatures);
        }
        let mut types = Vec::new();
        for argument in arguments {
            types.push(ArgumentType::of(&self.visit(argument)?));
        }
        validate(function, &types, self.dialect).map_err(|message| fault(node, message))
    }

    fn predicate_function(
        &mut self,
        node: &Node,
        function: Function,
        arguments: &[Node],
    ) -> Result<Nature, Fault> {
        let Some(first) = arguments.first() else {
            return Err(fault(node, "expected at least 1 arguments"));
        };
        let collection = self.visit(first)?;
        if !collection.is_array() && !collection.is_unknown() {
            let got = self.name(&collection);
            let message = format!("builtin {} takes only array (got {got})", function.text());
            return Err(fault(first, message));
        }
        let output = match arguments.get(1) {
            Some(predicate) => {
                let output = self.predicate(function, &collection, predicate)?;
                if returns_bool(function) && !output.is_bool() && !output.is_unknown() {
                    let got = self.name(&output);
                    return Err(fault(predicate, format!("predicate should return boolean (got {got})")));
                }
                Some(output)
            }
            None => None,
        };
        if let Some(initial) = arguments.get(2) {
            self.visit(initial)?;
        }
        let element = if collection.is_unknown() { Nature::Unknown } else { collection.element() };
        Ok(match function {
            Function::All | Function::None | Function::Any | Function::One => GoType::Bool.into(),
            Function::Count | Function::FindIndex | Function::FindLastIndex => GoType::Int.into(),
            Function::Filter if collection.is_unknown() => GoType::anys().into(),
            Function::Filter => Nature::array_of(element, self.dialect),
            Function::Map => Nature::array_of(output.unwrap_or(Nature::Unknown), self.dialect),
            Function::GroupBy => GoType::map_of(GoType::Any, GoType::anys()).into(),
            // Upstream reads the result of the predicate from its Go type alone.
            Function::Sum => match output {
                Some(output) => output.go().cloned().unwrap_or(GoType::Any).into(),
                None => element,
            },
            Function::Reduce => output.unwrap_or(element),
            _ => element,
        })
    }

    fn get(&mut self, node: &Node, arguments: &[Node]) -> Result<Nature, Fault> {
        let [object, property] = arguments else {
            let message = format!("invalid number of arguments (expected 2, got {})", arguments.len());
            return Err(fault(node, message));
        };
        let base = self.visit(object)?;
        let index = self.visit(property)?;
        if base.is_unknown() {
            return Ok(Nature::Unknown);
        }
        let nil_index = self.dialect == Dialect::Expr1_15 && index.is_nil();
        if base.is_array() {
            if nil_index {
                return Err(fault(property, "cannot use nil as slice index"));
            }
            if !index.is_integer() && !index.is_unknown() {
                return Err(fault(property, format!("non-integer slice index {}", self.name(&index))));
            }
            return Ok(base.element());
        }
        if let Some(GoType::Map(key, _)) = base.go() {
            if nil_index {
                return Err(fault(property, "cannot use nil as map index"));
            }
            if !index.is_unknown() && !index.assignable_to(&(**key).clone().into()) {
                let (index, base) = (self.name(&index), self.name(&base));
                return Err(fault(property, format!("cannot use {index} to get an element from {base}")));
            }
            return Ok(base.element());
        }
        Err(fault(object, format!("type {} does not support indexing", self.name(&base))))
    }

    /// The result of the first overload that fits; otherwise the error of the last one.
    pub(crate) fn overloads(
        &mut self,
        node: &Node,
        name: &str,
        arguments: &[Node],
        signatures: &[Signature<'_>],
    ) -> Result<Nature, Fault> {
        let mut natures = Vec::new();
        for argument in arguments {
            natures.push(self.visit(argument)?);
        }
        let mut last = fault(node, format!("no matching overload for {name}"));
        for (parameters, output) in signatures {
            match self.fits(node, name, arguments, &natures, parameters) {
                Ok(()) => return Ok(output.clone().into()),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    fn fits(
        &self,
        node: &Node,
        name: &str,
        arguments: &[Node],
        natures: &[Nature],
        parameters: &[GoType],
    ) -> Result<(), Fault> {
        if arguments.len() > parameters.len() {
            return Err(fault(node, format!("too many arguments to call {name}")));
        }
        if arguments.len() < parameters.len() {
            return Err(fault(node, format!("not enough arguments to call {name}")));
        }
        for ((argument, nature), parameter) in arguments.iter().zip(natures).zip(parameters) {
            let message = match (self.dialect, nature) {
                (Dialect::Expr1_15, Nature::Nil) => continue,
                (Dialect::Expr1_17, Nature::Nil) if *parameter == GoType::Any => continue,
                (Dialect::Expr1_17, Nature::Nil) => {
                    format!("cannot use nil as argument (type {parameter}) to call {name}")
                }
                _ if parameter.is_number() && nature.is_integer() => continue,
                _ if nature.is_unknown() || nature.assignable_to(&parameter.clone().into()) => continue,
                // Upstream's message ends with a space.
                _ => {
                    let got = self.name(nature);
                    format!("cannot use {got} as argument (type {parameter}) to call {name} ")
                }
            };
            return Err(fault(argument, message));
        }
        Ok(())
    }
}

fn returns_bool(function: Function) -> bool {
    !matches!(function, Function::Map | Function::Sum | Function::GroupBy | Function::Reduce)
}

fn overloads_of(function: Function, dialect: Dialect) -> Vec<Signature<'static>> {
    use GoType::{Any, Bool, Float, Int, String};
    let strings = || GoType::slice_of(String);
    match function {
        Function::Type | Function::String => vec![(&[Any], String)],
        Function::Trim => vec![(&[String], String), (&[String, String], String)],
        Function::TrimPrefix | Function::TrimSuffix => {
            vec![(&[String, String], String), (&[String], String)]
        }
        Function::Upper | Function::Lower => vec![(&[String], String)],
        Function::Split => vec![(&[String, String], strings()), (&[String, String, Int], strings())],
        Function::Replace => {
            vec![(&[String, String, String, Int], String), (&[String, String, String], String)]
        }
        Function::Join => join_overloads(),
        Function::IndexOf | Function::LastIndexOf => vec![(&[String, String], Int)],
        Function::HasPrefix | Function::HasSuffix => vec![(&[String, String], Bool)],
        Function::Sort if dialect == Dialect::Expr1_17 => {
            let mut overloads = Vec::new();
            for element in [Any, Int, Float, String] {
                overloads.push((sortable(&element, true), GoType::anys()));
            }
            for element in [Any, Float, String, Int] {
                overloads.push((sortable(&element, false), GoType::anys()));
            }
            overloads
        }
        _ => Vec::new(),
    }
}

/// The parameters of `sort` for a list of this element type.
fn sortable(element: &GoType, with_order: bool) -> &'static [GoType] {
    use std::sync::LazyLock;
    type Parameters = [GoType; 2];
    static TABLE: LazyLock<[Parameters; 4]> = LazyLock::new(|| {
        [GoType::Any, GoType::Int, GoType::Float, GoType::String]
            .map(|element| [GoType::slice_of(element), GoType::String])
    });
    let row = match element {
        GoType::Int => 1,
        GoType::Float => 2,
        GoType::String => 3,
        _ => 0,
    };
    &TABLE[row][..if with_order { 2 } else { 1 }]
}

fn join_overloads() -> Vec<Signature<'static>> {
    let (strings, anys) = (&GoType::String, &GoType::Any);
    vec![
        (sortable(strings, true), GoType::String),
        (sortable(anys, true), GoType::String),
        (sortable(anys, false), GoType::String),
        (sortable(strings, true), GoType::String),
        (sortable(strings, false), GoType::String),
    ]
}

/// The type of an argument as `Validate` functions see it.
enum ArgumentType {
    Nil,
    Go(GoType),
}

impl ArgumentType {
    fn of(nature: &Nature) -> ArgumentType {
        match nature {
            Nature::Nil => ArgumentType::Nil,
            Nature::Unknown => ArgumentType::Go(GoType::Any),
            Nature::Known(go, _) => ArgumentType::Go(go.clone()),
        }
    }

    fn text(&self) -> String {
        match self {
            ArgumentType::Nil => "%!s(<nil>)".to_string(),
            ArgumentType::Go(go) => go.to_string(),
        }
    }

    fn is(&self, accepts: impl Fn(&GoType) -> bool) -> bool {
        match self {
            ArgumentType::Nil => false,
            ArgumentType::Go(go) => accepts(go),
        }
    }

    fn is_any(&self) -> bool {
        self.is(|go| *go == GoType::Any)
    }

    fn is_number(&self) -> bool {
        self.is(GoType::is_number)
    }

    fn is_slice(&self) -> bool {
        self.is(|go| matches!(go, GoType::Slice(_)))
    }

    fn is_map(&self) -> bool {
        self.is(|go| matches!(go, GoType::Map(..)))
    }

    fn is_string(&self) -> bool {
        self.is(|go| *go == GoType::String)
    }

    fn go(&self) -> GoType {
        match self {
            ArgumentType::Nil => GoType::Any,
            ArgumentType::Go(go) => go.clone(),
        }
    }
}

fn validate(function: Function, arguments: &[ArgumentType], dialect: Dialect) -> Result<Nature, String> {
    match function {
        Function::Max | Function::Min => return aggregate(function, arguments, dialect),
        Function::Mean | Function::Median if dialect == Dialect::Expr1_17 => {
            return aggregate(function, arguments, dialect);
        }
        Function::Concat => return concat(arguments),
        Function::Take => return take(arguments),
        Function::Sort => return sort(arguments),
        _ => {}
    }
    let [argument] = arguments else {
        return Err(format!("invalid number of arguments (expected 1, got {})", arguments.len()));
    };
    let (name, got) = (function.text(), argument.text());
    let given = |fits: bool, go: GoType, message: String| if fits { Ok(go.into()) } else { Err(message) };
    let any = argument.is_any();
    let list = any || argument.is_slice();
    let invalid = format!("invalid argument for {name} (type {got})");
    match function {
        Function::Len => given(list || argument.is_map() || argument.is_string(), GoType::Int, invalid),
        Function::Abs => given(any || argument.is_number(), argument.go(), invalid),
        Function::Round if dialect == Dialect::Expr1_15 => {
            let message = format!("invalid argument for floor (type {got})");
            given(any || argument.is_number(), GoType::Float, message)
        }
        Function::Ceil | Function::Floor | Function::Round => {
            given(any || argument.is_number(), GoType::Float, invalid)
        }
        Function::Int => given(any || argument.is_number() || argument.is_string(), GoType::Int, invalid),
        Function::Float => given(any || argument.is_number() || argument.is_string(), GoType::Float, invalid),
        Function::First | Function::Last => {
            let element = match argument {
                ArgumentType::Go(GoType::Slice(element)) => (**element).clone(),
                ArgumentType::Go(_) | ArgumentType::Nil => GoType::Any,
            };
            given(list, element, format!("cannot get {name} element from {got}"))
        }
        Function::Keys | Function::Values => {
            given(any || argument.is_map(), GoType::anys(), format!("cannot get {name} from {got}"))
        }
        Function::Sum => given(list, GoType::Any, format!("cannot sum {got}")),
        Function::Mean => given(list, GoType::Float, format!("cannot avg {got}")),
        Function::Median => given(list, GoType::Float, format!("cannot median {got}")),
        // reverse, uniq, flatten
        _ => given(list, GoType::anys(), format!("cannot {name} {got}")),
    }
}

fn aggregate(function: Function, arguments: &[ArgumentType], dialect: Dialect) -> Result<Nature, String> {
    let name = function.text();
    let Some(first) = arguments.first() else {
        return Err(format!("not enough arguments to call {name}"));
    };
    for argument in arguments {
        if argument.is_any() || argument.is_slice() && dialect == Dialect::Expr1_17 {
            return Ok(GoType::Any.into());
        }
        if !argument.is_number() {
            return Err(format!("invalid argument for {name} (type {})", argument.text()));
        }
    }
    Ok(first.go().into())
}

fn concat(arguments: &[ArgumentType]) -> Result<Nature, String> {
    if arguments.is_empty() {
        return Err("invalid number of arguments (expected at least 1, got 0)".to_string());
    }
    match arguments.iter().find(|argument| !argument.is_any() && !argument.is_slice()) {
        Some(other) => Err(format!("cannot concat {}", other.text())),
        None => Ok(GoType::anys().into()),
    }
}

fn take(arguments: &[ArgumentType]) -> Result<Nature, String> {
    let [list, count] = arguments else {
        return Err(format!("invalid number of arguments (expected 2, got {})", arguments.len()));
    };
    if !list.is_any() && !list.is_slice() {
        return Err(format!("cannot take from {}", list.text()));
    }
    if !count.is_any() && !count.is(GoType::is_integer) {
        return Err(format!("cannot take {} elements", count.text()));
    }
    Ok(list.go().into())
}

/// `sort` of expr 1.15; 1.17 has overloads instead.
fn sort(arguments: &[ArgumentType]) -> Result<Nature, String> {
    let (list, order) = match arguments {
        [list] => (list, None),
        [list, order] => (list, Some(order)),
        _ => {
            let got = arguments.len();
            return Err(format!("invalid number of arguments (expected 1 or 2, got {got})"));
        }
    };
    if !list.is_any() && !list.is_slice() {
        return Err(format!("cannot sort {}", list.text()));
    }
    match order.filter(|order| !order.is_any() && !order.is_string()) {
        Some(order) => Err(format!("invalid argument for sort (expected string, got {})", order.text())),
        None => Ok(GoType::anys().into()),
    }
}
