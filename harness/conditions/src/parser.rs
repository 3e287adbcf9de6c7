//! Builds the syntax tree (expr `parser/parser.go`).
//!
//! Differences between the dialects are where upstream added syntax: expr 1.17 has `if {} else {}`,
//! sequences, `?.[]`, chained comparisons, optional predicates and a trailing comma in calls.

use crate::condition::Dialect;
use crate::error::{ErrorKind, Fault, Location};
use crate::lexer::{self, Token, TokenKind};
use crate::syntax::{Argument, BinaryOp, FUNCTIONS_NOT_SIMULATED, Function, Kind, Node, Pointer, UnaryOp};

/// The longest condition, in bytes.
const MAX_LENGTH: usize = 8 * 1024;
/// The deepest tree.
const MAX_DEPTH: u32 = 128;
/// The largest tree, in nodes. Upstream's limit is 10,000.
const MAX_NODES: u32 = 4_096;

pub(crate) fn parse(text: &str, dialect: Dialect) -> Result<Node, Fault> {
    let start = Location::default();
    if text.len() > MAX_LENGTH {
        return Err(Fault::new(
            ErrorKind::Limit,
            start,
            format!("the condition has {} bytes; the limit is {MAX_LENGTH}", text.len()),
        ));
    }
    let lexed = lexer::lex(text, dialect);
    if let (Dialect::Expr1_15, Some(fault)) = (dialect, &lexed.fault) {
        return Err(fault.clone());
    }
    let mut tokens = lexed.tokens;
    let first = match (tokens.is_empty(), &lexed.fault) {
        (true, Some(fault)) => return Err(fault.clone()),
        (true, None) => Token { kind: TokenKind::Eof, at: start, value: String::new() },
        (false, _) => tokens.remove(0),
    };
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        lexer_fault: lexed.fault,
        current: first,
        dialect,
        predicate_depth: 0,
        nesting: 0,
        next_id: 0,
    };
    let node = parser.sequence()?;
    if parser.current.kind == TokenKind::Eof { Ok(node) } else { Err(parser.unexpected()) }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    lexer_fault: Option<Fault>,
    current: Token,
    dialect: Dialect,
    /// How many predicates enclose the current token; `#` is an element only inside one.
    predicate_depth: u32,
    nesting: u32,
    next_id: u32,
}

impl Parser {
    fn advance(&mut self) -> Result<Token, Fault> {
        let next = match self.tokens.next() {
            Some(token) => token,
            None => {
                let end = Fault::syntax(self.current.at, "unexpected end of expression");
                return Err(self.lexer_fault.clone().unwrap_or(end));
            }
        };
        Ok(std::mem::replace(&mut self.current, next))
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::syntax(self.current.at, message)
    }

    fn unexpected(&self) -> Fault {
        self.fault(format!("unexpected token {}", self.current.describe()))
    }

    fn expect_operator(&mut self, value: &str) -> Result<(), Fault> {
        if !self.current.is_operator(value) {
            return Err(self.unexpected());
        }
        self.advance().map(drop)
    }

    fn expect_bracket(&mut self, value: &str) -> Result<(), Fault> {
        if !self.current.is_bracket(value) {
            return Err(self.unexpected());
        }
        self.advance().map(drop)
    }

    fn expect_identifier(&mut self) -> Result<Token, Fault> {
        if self.current.kind != TokenKind::Identifier {
            return Err(self.unexpected());
        }
        self.advance()
    }

    fn node(&mut self, at: Location, kind: Kind) -> Result<Node, Fault> {
        let mut node = Node { id: self.next_id, at, depth: 1, size: 1, kind };
        self.next_id += 1;
        let children = node.children();
        let depth = 1 + children.iter().map(|child| child.depth).max().unwrap_or(0);
        let size = children.iter().fold(1u32, |size, child| size.saturating_add(child.size));
        (node.depth, node.size) = (depth, size);
        if node.depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        if node.size > MAX_NODES {
            let message = format!("the condition has more than {MAX_NODES} nodes");
            return Err(Fault::new(ErrorKind::Limit, at, message));
        }
        Ok(node)
    }

    fn sequence(&mut self) -> Result<Node, Fault> {
        let mut nodes = vec![self.expression(0)?];
        while self.dialect == Dialect::Expr1_17 && self.current.is_operator(";") {
            self.advance()?;
            if self.current.kind == TokenKind::Eof {
                break;
            }
            nodes.push(self.expression(0)?);
        }
        match nodes.len() {
            1 => Ok(nodes.remove(0)),
            _ => self.node(nodes[0].at, Kind::Sequence(nodes)),
        }
    }

    /// Bounds the recursion of the parser itself, then parses operators from `precedence` upwards.
    fn expression(&mut self, precedence: u32) -> Result<Node, Fault> {
        if self.nesting >= MAX_DEPTH {
            return Err(too_deep(self.current.at));
        }
        self.nesting += 1;
        let node = self.expression_unbounded(precedence);
        self.nesting -= 1;
        node
    }

    fn expression_unbounded(&mut self, precedence: u32) -> Result<Node, Fault> {
        if precedence == 0 && self.current.is_operator("let") {
            return self.variable_declaration();
        }
        if precedence == 0 && self.current.is_operator("if") {
            return self.conditional_if();
        }
        let mut left = self.primary()?;
        let mut after_coalesce = false;
        while self.current.kind == TokenKind::Operator {
            let Some((operator, negated)) = self.binary_operator(precedence)? else { break };
            let token = self.advance()?;
            if operator == BinaryOp::Pipe {
                let name = self.expect_identifier()?;
                left = self.call(name, vec![left])?;
            } else if after_coalesce && operator != BinaryOp::Coalesce {
                return Err(Fault::syntax(
                    token.at,
                    format!(
                        "Operator ({}) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses.",
                        token.value
                    ),
                ));
            } else if operator.is_comparison() && self.dialect == Dialect::Expr1_17 {
                left = self.comparison(left, operator, token.at)?;
            } else {
                let own = operator.precedence();
                let right = self.expression(if operator.is_right_associative() { own } else { own + 1 })?;
                left = self.node(token.at, Kind::Binary(operator, Box::new(left), Box::new(right)))?;
                if negated {
                    left = self.node(token.at, Kind::Unary(UnaryOp::Not, Box::new(left)))?;
                }
            }
            after_coalesce = operator == BinaryOp::Coalesce;
        }
        if precedence == 0 { self.conditional(left) } else { Ok(left) }
    }

    /// The operator at the current token if it binds at least as tightly as `precedence`, and whether
    /// `not` precedes it. A `not` is consumed only together with its operator.
    fn binary_operator(&mut self, precedence: u32) -> Result<Option<(BinaryOp, bool)>, Fault> {
        let binds = |operator: &BinaryOp| operator.precedence() >= precedence;
        if !self.current.is_operator("not") {
            let operator = BinaryOp::from_text(&self.current.value);
            return Ok(operator.filter(binds).map(|operator| (operator, false)));
        }
        if self.dialect == Dialect::Expr1_15 {
            // Any operator may follow, and `not` is lost if the operator binds too loosely.
            self.advance()?;
            let operator = BinaryOp::from_text(&self.current.value);
            return Ok(operator.filter(binds).map(|operator| (operator, true)));
        }
        let next = self.tokens.peek();
        let operator = next.and_then(|token| BinaryOp::from_text(&token.value));
        match operator.filter(|operator| operator.is_negatable()) {
            Some(operator) if binds(&operator) => {
                self.advance()?;
                Ok(Some((operator, true)))
            }
            Some(_) => Ok(None),
            None => {
                self.advance()?;
                Err(self.unexpected())
            }
        }
    }

    /// `a < b < c` means `a < b && b < c` (expr 1.17 `parseComparison`).
    fn comparison(&mut self, left: Node, operator: BinaryOp, at: Location) -> Result<Node, Fault> {
        let (mut left, mut operator, mut at) = (left, operator, at);
        let mut root: Option<Node> = None;
        loop {
            let right = self.expression(operator.precedence() + 1)?;
            let compared = self.node(at, Kind::Binary(operator, Box::new(left), Box::new(right.clone())))?;
            root = Some(match root {
                None => compared,
                Some(root) => {
                    self.node(at, Kind::Binary(BinaryOp::And, Box::new(root), Box::new(compared)))?
                }
            });
            let next = BinaryOp::from_text(&self.current.value).filter(|next| next.is_comparison());
            match next {
                Some(next) if self.current.kind == TokenKind::Operator => {
                    (left, operator) = (right, next);
                    at = self.advance()?.at;
                }
                _ => break,
            }
        }
        root.ok_or_else(|| self.unexpected())
    }

    fn variable_declaration(&mut self) -> Result<Node, Fault> {
        self.expect_operator("let")?;
        let name = self.expect_identifier()?;
        self.expect_operator("=")?;
        let value = Box::new(self.expression(0)?);
        self.expect_operator(";")?;
        let body = Box::new(self.sequence()?);
        self.node(name.at, Kind::Let { name: name.value, value, body })
    }

    fn conditional_if(&mut self) -> Result<Node, Fault> {
        self.advance()?;
        let condition = Box::new(self.expression(0)?);
        self.expect_bracket("{")?;
        let then = Box::new(self.sequence()?);
        self.expect_bracket("}")?;
        self.expect_operator("else")?;
        let otherwise = if self.current.is_operator("if") {
            // Through `expression`, so that a long `else if` ladder is bounded.
            Box::new(self.expression(0)?)
        } else {
            self.expect_bracket("{")?;
            let otherwise = Box::new(self.sequence()?);
            self.expect_bracket("}")?;
            otherwise
        };
        self.node(Location::default(), Kind::Conditional { condition, then, otherwise })
    }

    fn conditional(&mut self, node: Node) -> Result<Node, Fault> {
        let mut node = node;
        while self.current.is_operator("?") {
            self.advance()?;
            let then = if self.current.is_operator(":") { node.clone() } else { self.expression(0)? };
            self.expect_operator(":")?;
            let otherwise = Box::new(self.expression(0)?);
            let (condition, then) = (Box::new(node), Box::new(then));
            let at = self.current.at;
            node = self.node(at, Kind::Conditional { condition, then, otherwise })?;
        }
        Ok(node)
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let at = self.current.at;
        if self.current.kind == TokenKind::Operator
            && let Some(operator) = UnaryOp::from_text(&self.current.value)
        {
            self.advance()?;
            let inner = self.expression(operator.precedence())?;
            let node = self.node(at, Kind::Unary(operator, Box::new(inner)))?;
            return self.postfix(node);
        }
        if self.current.is_bracket("(") {
            self.advance()?;
            let node = self.sequence()?;
            self.expect_bracket(")")?;
            return self.postfix(node);
        }
        if self.current.is_operator("#") || self.current.is_operator(".") {
            if self.predicate_depth > 0 {
                return self.pointer();
            }
            if self.dialect == Dialect::Expr1_15 {
                return Err(self.fault("cannot use pointer accessor outside closure"));
            }
        }
        if self.current.is_operator("::") {
            self.advance()?;
            let name = self.expect_identifier()?;
            let node = self.call(name, Vec::new())?;
            return self.postfix(node);
        }
        self.secondary()
    }

    fn pointer(&mut self) -> Result<Node, Fault> {
        let at = self.current.at;
        let mut pointer = Pointer::Element;
        if self.current.is_operator("#") {
            self.advance()?;
            if self.current.kind == TokenKind::Identifier {
                let name = self.advance()?.value;
                pointer = match name.as_str() {
                    "index" => Pointer::Index,
                    "acc" => Pointer::Accumulator,
                    _ => Pointer::Other(name),
                };
            }
        }
        let node = self.node(at, Kind::Pointer(pointer))?;
        self.postfix(node)
    }

    fn secondary(&mut self) -> Result<Node, Fault> {
        let at = self.current.at;
        let node = match self.current.kind {
            TokenKind::Identifier => {
                let token = self.advance()?;
                match token.value.as_str() {
                    "true" => return self.node(at, Kind::Bool(true)),
                    "false" => return self.node(at, Kind::Bool(false)),
                    "nil" => return self.node(at, Kind::Nil),
                    _ if self.current.is_bracket("(") => self.call(token, Vec::new())?,
                    _ => self.identifier(token)?,
                }
            }
            TokenKind::Number => {
                let token = self.advance()?;
                let number = self.number(&token.value)?;
                return self.node(at, number);
            }
            TokenKind::String => {
                let token = self.advance()?;
                let node = self.node(at, Kind::Str(token.value))?;
                if self.dialect == Dialect::Expr1_15 {
                    return Ok(node);
                }
                node
            }
            TokenKind::Bracket if self.current.value == "[" => self.array()?,
            TokenKind::Bracket if self.current.value == "{" => self.map()?,
            TokenKind::Bracket | TokenKind::Operator | TokenKind::Eof => return Err(self.unexpected()),
        };
        self.postfix(node)
    }

    fn identifier(&mut self, token: Token) -> Result<Node, Fault> {
        if token.value == "$env" {
            return Err(Fault::not_simulated(token.at, "expr variable `$env`"));
        }
        self.node(token.at, Kind::Identifier(token.value))
    }

    fn number(&self, text: &str) -> Result<Kind, Fault> {
        let value = text.replace('_', "");
        let lower = value.to_ascii_lowercase();
        let hex = match self.dialect {
            Dialect::Expr1_17 => lower.starts_with("0x"),
            Dialect::Expr1_15 => value.contains('x'),
        };
        let prefixed = |name: &str, prefix: &str, radix| {
            let fault = |reason| self.fault(format!("invalid {name} literal: {reason}"));
            strconv::parse_int(&value, lower.strip_prefix(prefix), radix).map(Kind::Int).map_err(fault)
        };
        if hex {
            return prefixed("hex", "0x", 16);
        }
        if lower.contains(['.', 'e']) {
            let fault = |reason| self.fault(format!("invalid float literal: {reason}"));
            return strconv::parse_float(&value).map(Kind::Float).map_err(fault);
        }
        match self.dialect {
            Dialect::Expr1_17 if lower.starts_with("0b") => prefixed("binary", "0b", 2),
            Dialect::Expr1_17 if lower.starts_with("0o") => prefixed("octal", "0o", 8),
            Dialect::Expr1_17 | Dialect::Expr1_15 => prefixed("integer", "", 10),
        }
    }

    /// A call of a function by name; `piped` is the left-hand side of `|`, if any.
    fn call(&mut self, name: Token, piped: Vec<Node>) -> Result<Node, Fault> {
        if FUNCTIONS_NOT_SIMULATED.contains(&name.value.as_str()) {
            return Err(Fault::not_simulated(name.at, format!("expr function `{}`", name.value)));
        }
        let function = Function::from_text(&name.value).filter(|function| self.knows(*function));
        let Some(function) = function else {
            let callee = Box::new(self.node(name.at, Kind::Identifier(name.value))?);
            let arguments = self.arguments(piped)?;
            return self.node(name.at, Kind::Call { callee, arguments });
        };
        let arguments = match self.predicate_parameters(function) {
            Some(parameters) => self.predicate_arguments(parameters, piped)?,
            None => self.arguments(piped)?,
        };
        let kind = Kind::Builtin { function, arguments, mapped: None, throws: false };
        self.node(name.at, kind)
    }

    /// Whether the dialect has the function.
    fn knows(&self, function: Function) -> bool {
        self.dialect == Dialect::Expr1_17
            || !matches!(function, Function::Reverse | Function::Uniq | Function::Concat | Function::Flatten)
    }

    fn predicate_parameters(&self, function: Function) -> Option<&'static [Argument]> {
        match (self.dialect, function) {
            (Dialect::Expr1_15, Function::Sum) => None,
            (Dialect::Expr1_15, Function::Count) => Some(&[Argument::Expression, Argument::Predicate]),
            (Dialect::Expr1_15 | Dialect::Expr1_17, _) => function.predicate_parameters(),
        }
    }

    fn predicate_arguments(&mut self, parameters: &[Argument], piped: Vec<Node>) -> Result<Vec<Node>, Fault> {
        self.expect_bracket("(")?;
        let parameters = &parameters[piped.len()..];
        let mut arguments = piped;
        for (i, parameter) in parameters.iter().enumerate() {
            if self.current.is_bracket(")") {
                match (parameter, self.dialect) {
                    (Argument::OptionalPredicate | Argument::OptionalExpression, _) => break,
                    (Argument::Expression | Argument::Predicate, Dialect::Expr1_15) => {
                        return Err(self.unexpected());
                    }
                    (Argument::Expression | Argument::Predicate, Dialect::Expr1_17) => {
                        let message = format!("expected at least {} arguments", parameters.len());
                        return Err(self.fault(message));
                    }
                }
            }
            if i > 0 {
                self.expect_operator(",")?;
            }
            arguments.push(match parameter {
                Argument::Expression | Argument::OptionalExpression => self.expression(0)?,
                Argument::Predicate | Argument::OptionalPredicate => self.predicate()?,
            });
        }
        if self.dialect == Dialect::Expr1_17 && self.current.is_operator(",") {
            self.advance()?;
        }
        self.expect_bracket(")")?;
        Ok(arguments)
    }

    fn predicate(&mut self) -> Result<Node, Fault> {
        let at = self.current.at;
        let braced = self.current.is_bracket("{");
        if braced {
            self.advance()?;
        }
        self.predicate_depth += 1;
        let body = if braced { self.sequence()? } else { self.expression(0)? };
        if !braced && self.dialect == Dialect::Expr1_17 && self.current.is_operator(";") {
            return Err(self.fault("wrap predicate with brackets { and }"));
        }
        self.predicate_depth -= 1;
        if braced {
            self.expect_bracket("}")?;
        }
        self.node(at, Kind::Predicate(Box::new(body)))
    }

    fn arguments(&mut self, piped: Vec<Node>) -> Result<Vec<Node>, Fault> {
        let offset = piped.len();
        let mut arguments = piped;
        self.expect_bracket("(")?;
        while !self.current.is_bracket(")") {
            if arguments.len() > offset {
                self.expect_operator(",")?;
                if self.dialect == Dialect::Expr1_17 && self.current.is_bracket(")") {
                    break;
                }
            }
            arguments.push(self.expression(0)?);
        }
        self.expect_bracket(")")?;
        Ok(arguments)
    }

    fn array(&mut self) -> Result<Node, Fault> {
        let at = self.current.at;
        self.expect_bracket("[")?;
        let mut nodes = Vec::new();
        while !self.current.is_bracket("]") {
            if !nodes.is_empty() {
                self.expect_operator(",")?;
                if self.current.is_bracket("]") {
                    break;
                }
            }
            nodes.push(self.expression(0)?);
        }
        self.expect_bracket("]")?;
        self.node(at, Kind::Array(nodes))
    }

    fn map(&mut self) -> Result<Node, Fault> {
        let at = self.current.at;
        self.expect_bracket("{")?;
        let mut pairs = Vec::new();
        while !self.current.is_bracket("}") {
            if !pairs.is_empty() {
                self.expect_operator(",")?;
                if self.current.is_bracket("}") {
                    break;
                }
                if self.current.is_operator(",") {
                    return Err(self.unexpected());
                }
            }
            let key = self.map_key()?;
            self.expect_operator(":")?;
            pairs.push((key, self.expression(0)?));
        }
        self.expect_bracket("}")?;
        self.node(at, Kind::Map(pairs))
    }

    fn map_key(&mut self) -> Result<Node, Fault> {
        match self.current.kind {
            TokenKind::Number | TokenKind::String | TokenKind::Identifier => {
                let token = self.advance()?;
                self.node(token.at, Kind::Str(token.value))
            }
            TokenKind::Bracket if self.current.value == "(" => self.expression(0),
            TokenKind::Bracket | TokenKind::Operator | TokenKind::Eof => Err(self.fault(format!(
                "a map key must be a quoted string, a number, a identifier, or an expression enclosed in \
                 parentheses (unexpected token {})",
                self.current.describe()
            ))),
        }
    }

    fn postfix(&mut self, node: Node) -> Result<Node, Fault> {
        let mut node = node;
        loop {
            if self.current.is_operator(".") || self.current.is_operator("?.") {
                let token = self.advance()?;
                let optional = token.value == "?.";
                let indexed = self.dialect == Dialect::Expr1_17 && self.current.is_bracket("[");
                node =
                    if optional && indexed { self.index(node, true)? } else { self.member(node, optional)? };
            } else if self.current.is_bracket("[") {
                node = self.index(node, false)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn member(&mut self, node: Node, optional: bool) -> Result<Node, Fault> {
        let property = self.advance()?;
        let is_name = property.kind == TokenKind::Identifier
            || property.kind == TokenKind::Operator && property.value.starts_with(lexer::is_alphabetic);
        if !is_name {
            return Err(self.fault("expected name"));
        }
        let at = property.at;
        let property = Box::new(self.node(at, Kind::Str(property.value))?);
        let (object, chained) = match node.kind {
            Kind::Chain(inner) => (inner, true),
            _ => (Box::new(node), false),
        };
        let method = self.current.is_bracket("(");
        let mut node = self.node(at, Kind::Member { object, property, optional, method })?;
        if method {
            let arguments = self.arguments(Vec::new())?;
            node = self.node(at, Kind::Call { callee: Box::new(node), arguments })?;
        }
        if chained || optional {
            node = self.node(at, Kind::Chain(Box::new(node)))?;
        }
        Ok(node)
    }

    /// `[i]`, `[a:b]`, and `?.[i]` in expr 1.17.
    fn index(&mut self, node: Node, optional: bool) -> Result<Node, Fault> {
        let at = self.current.at;
        self.expect_bracket("[")?;
        let object = Box::new(node);
        let from = if self.current.is_operator(":") { None } else { Some(Box::new(self.expression(0)?)) };
        if self.current.is_operator(":") {
            self.advance()?;
            let open = self.current.is_bracket("]");
            let to = if open { None } else { Some(Box::new(self.expression(0)?)) };
            self.expect_bracket("]")?;
            return self.node(at, Kind::Slice { object, from, to });
        }
        self.expect_bracket("]")?;
        let Some(property) = from else { return Err(self.unexpected()) };
        let node = self.node(at, Kind::Member { object, property, optional, method: false })?;
        if optional { self.node(at, Kind::Chain(Box::new(node))) } else { Ok(node) }
    }
}

fn too_deep(at: Location) -> Fault {
    Fault::new(ErrorKind::Limit, at, format!("the condition is nested deeper than {MAX_DEPTH} levels"))
}
