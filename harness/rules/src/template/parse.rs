//! From tokens to a tree (go text/template/parse/parse.go).

use std::collections::BTreeMap;

use super::error::ParseError;
use super::functions::Function;
use super::lex::{Kind, Token, tokens};
use super::literal;
use super::tree::{Base, Branch, Command, List, Node, Operand, Pipeline};

/// How deep parentheses and control structures may nest.
const MAX_NESTING: usize = 64;

/// A template and those that it defines for itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Parsed {
    pub(super) list: List,
    pub(super) defined: BTreeMap<String, List>,
}

/// Parses a template in which `variables` are known from the start.
pub(super) fn parse(text: &str, variables: &[&str]) -> Result<Parsed> {
    let variables = variables.iter().map(|&name| name.to_owned()).collect();
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        next: 0,
        variables,
        range_depth: 0,
        depth: 0,
        defined: BTreeMap::new(),
    };
    let list = parser.top()?;
    Ok(Parsed { list, defined: parser.defined })
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    /// The variables that are known here, `$` first.
    variables: Vec<String>,
    range_depth: usize,
    depth: usize,
    defined: BTreeMap<String, List>,
}

/// What ended a list.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    End,
    Else,
}

type Result<T> = std::result::Result<T, ParseError>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens[self.next]
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        if token.kind != Kind::End {
            self.next += 1;
        }
        token
    }

    fn skip_spaces(&mut self) {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
    }

    fn take_non_space(&mut self) -> Token<'a> {
        self.skip_spaces();
        self.take()
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(ParseError::at(self.text, self.peek().at, message))
    }

    fn unexpected<T>(&self, token: Token<'_>, context: &str) -> Result<T> {
        let what = match token.kind {
            Kind::End => "EOF".to_owned(),
            _ => format!("{:?}", token.text),
        };
        Err(ParseError::at(self.text, token.at, format!("unexpected {what} in {context}")))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'a>> {
        let token = self.take_non_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(token, context) }
    }

    fn top(&mut self) -> Result<List> {
        match self.list()? {
            (list, None) => Ok(list),
            (_, Some(Ending::End)) => self.error("unexpected {{end}}"),
            (_, Some(Ending::Else)) => self.error("unexpected {{else}}"),
        }
    }

    /// Nodes until `{{end}}`, `{{else}}` or the end of the text.
    fn list(&mut self) -> Result<(List, Option<Ending>)> {
        let mut list = List::new();
        loop {
            let token = self.take();
            match token.kind {
                Kind::End => return Ok((list, None)),
                Kind::Text => list.push(Node::Text(token.text.to_owned())),
                Kind::Open => match self.action()? {
                    Action::Node(node) => list.push(node),
                    Action::Nothing => {}
                    Action::Ending(ending) => return Ok((list, Some(ending))),
                },
                _ => return self.unexpected(token, "input"),
            }
        }
    }

    /// Nodes of a control structure.
    fn inner_list(&mut self) -> Result<(List, Ending)> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return self.error("the template nests too deep");
        }
        let (list, ending) = self.list()?;
        self.depth -= 1;
        match ending {
            Some(ending) => Ok((list, ending)),
            None => self.error("unexpected EOF"),
        }
    }

    fn action(&mut self) -> Result<Action> {
        self.skip_spaces();
        let token = self.peek();
        let keyword = if token.kind == Kind::Identifier { token.text } else { "" };
        let is_keyword = matches!(
            keyword,
            "if" | "range" | "with" | "else" | "end" | "template" | "define" | "block" | "break" | "continue"
        );
        if is_keyword {
            self.next += 1;
        }
        Ok(match keyword {
            "if" => Action::Node(Node::If(self.branch("if")?)),
            "range" => Action::Node(Node::Range(self.branch("range")?)),
            "with" => Action::Node(Node::With(self.branch("with")?)),
            "end" => {
                self.expect(Kind::Close, "end")?;
                Action::Ending(Ending::End)
            }
            "else" => {
                self.skip_spaces();
                // `{{else if …}}` leaves the `if` for the branch around it.
                if !matches!(self.peek().text, "if" | "with") {
                    self.expect(Kind::Close, "else")?;
                }
                Action::Ending(Ending::Else)
            }
            "template" => Action::Node(self.template()?),
            "define" => self.define()?,
            "block" => return self.not_simulated(token, "`{{block}}` in a template"),
            "break" => Action::Node(self.leave_range(Node::Break, "{{break}}")?),
            "continue" => Action::Node(self.leave_range(Node::Continue, "{{continue}}")?),
            _ => Action::Node(Node::Action(self.pipeline("command", Kind::Close)?)),
        })
    }

    fn not_simulated<T>(&self, token: Token<'_>, what: &str) -> Result<T> {
        Err(ParseError::not_simulated(self.text, token.at, what))
    }

    fn leave_range(&mut self, node: Node, name: &str) -> Result<Node> {
        if self.range_depth == 0 {
            return self.error(format!("{name} outside {{{{range}}}}"));
        }
        self.expect(Kind::Close, name)?;
        Ok(node)
    }

    fn branch(&mut self, context: &str) -> Result<Branch> {
        let known = self.variables.len();
        let pipeline = self.pipeline(context, Kind::Close)?;
        self.range_depth += usize::from(context == "range");
        let (list, ending) = self.inner_list()?;
        self.range_depth -= usize::from(context == "range");
        let mut otherwise = List::new();
        if ending == Ending::Else {
            let token = self.peek();
            otherwise = match (context, token.text) {
                ("if", "if") if token.kind == Kind::Identifier => vec![Node::If(self.chained("if")?)],
                ("with", "with") if token.kind == Kind::Identifier => vec![Node::With(self.chained("with")?)],
                _ => match self.inner_list()? {
                    (list, Ending::End) => list,
                    (_, Ending::Else) => return self.error("expected end; found {{else}}"),
                },
            };
        }
        self.variables.truncate(known);
        Ok(Branch { pipeline, list, otherwise })
    }

    /// The branch after `{{else`, whose end ends the one around it too.
    fn chained(&mut self, context: &str) -> Result<Branch> {
        self.next += 1;
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return self.error("the template nests too deep");
        }
        let branch = self.branch(context)?;
        self.depth -= 1;
        Ok(branch)
    }

    fn template_name(&mut self, context: &str) -> Result<String> {
        let token = self.take_non_space();
        match token.kind {
            Kind::String | Kind::RawString => self.string(token),
            _ => self.unexpected(token, context),
        }
    }

    fn template(&mut self) -> Result<Node> {
        let name = self.template_name("template clause")?;
        self.skip_spaces();
        if self.peek().kind == Kind::Close {
            self.next += 1;
            return Ok(Node::Template { name, data: None });
        }
        let data = Some(self.pipeline("template clause", Kind::Close)?);
        Ok(Node::Template { name, data })
    }

    /// A template of its own, which knows only `$`.
    fn define(&mut self) -> Result<Action> {
        if self.depth > 0 {
            return self.error("unexpected {{define}}");
        }
        let name = self.template_name("define clause")?;
        self.expect(Kind::Close, "define clause")?;
        let outside = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let (list, ending) = self.inner_list()?;
        if ending != Ending::End {
            return self.error("unexpected {{else}} in define clause");
        }
        self.variables = outside;
        self.defined.insert(name, list);
        Ok(Action::Nothing)
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipeline> {
        let (variables, assigns) = self.declarations(context)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            self.skip_spaces();
            let token = self.peek();
            if token.kind == end {
                self.next += 1;
                break;
            }
            if !starts_operand(token.kind) {
                return self.unexpected(token, context);
            }
            let command = self.command()?;
            let is_literal = matches!(
                command.first,
                Operand::Nil | Operand::Bool(_) | Operand::Int(_) | Operand::Float(_) | Operand::Text(_)
            );
            let is_dot = matches!(&command.first, Operand::Path(Base::Dot, fields) if fields.is_empty());
            if !commands.is_empty() && (is_literal || is_dot) {
                let stage = commands.len() + 1;
                return self.error(format!("non executable command in pipeline stage {stage}"));
            }
            commands.push(command);
        }
        if commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        Ok(Pipeline { variables, assigns, commands })
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<String>, bool)> {
        let mut variables = Vec::new();
        loop {
            self.skip_spaces();
            let (start, token) = (self.next, self.peek());
            if token.kind != Kind::Variable {
                return Ok((variables, false));
            }
            self.next += 1;
            self.skip_spaces();
            match self.peek().kind {
                Kind::Declare | Kind::Assign => {
                    let assigns = self.take().kind == Kind::Assign;
                    variables.push(token.text.to_owned());
                    self.variables.push(token.text.to_owned());
                    return Ok((variables, assigns));
                }
                Kind::Comma if context == "range" && variables.is_empty() => {
                    self.next += 1;
                    variables.push(token.text.to_owned());
                    self.variables.push(token.text.to_owned());
                    self.skip_spaces();
                    if self.peek().kind != Kind::Variable {
                        return self.error("range can only initialize variables");
                    }
                }
                Kind::Comma => return self.error(format!("too many declarations in {context}")),
                _ => {
                    self.next = start;
                    return Ok((variables, false));
                }
            }
        }
    }

    /// Operands separated by spaces, up to a pipe or the end of the pipeline.
    fn command(&mut self) -> Result<Command> {
        let mut operands = Vec::new();
        loop {
            self.skip_spaces();
            if starts_operand(self.peek().kind) {
                operands.push(self.operand()?);
            }
            let token = self.peek();
            match token.kind {
                Kind::Space => {}
                Kind::Close | Kind::RightParen => break,
                Kind::Pipe => {
                    self.next += 1;
                    break;
                }
                _ => return self.unexpected(token, "operand"),
            }
        }
        let mut operands = operands.into_iter();
        match operands.next() {
            Some(first) => Ok(Command { first, arguments: operands.collect() }),
            None => self.error("empty command"),
        }
    }

    fn operand(&mut self) -> Result<Operand> {
        let token = self.take();
        let term = self.term(token)?;
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.take().text[1..].to_owned());
        }
        Ok(match term {
            Operand::Path(base, mut own) => {
                own.extend(fields);
                Operand::Path(base, own)
            }
            term if fields.is_empty() => term,
            Operand::Function(name) => Operand::Path(Base::Function(name), fields),
            _ => return self.error(format!("unexpected . after term {:?}", token.text)),
        })
    }

    fn term(&mut self, token: Token<'a>) -> Result<Operand> {
        let failed = |error: String| ParseError::at(self.text, token.at, error);
        Ok(match token.kind {
            Kind::Identifier if token.text == "nil" => Operand::Nil,
            Kind::Identifier => return self.function(token),
            Kind::Dot => Operand::Path(Base::Dot, Vec::new()),
            Kind::Field => Operand::Path(Base::Dot, vec![token.text[1..].to_owned()]),
            Kind::Variable => {
                if !self.variables.iter().any(|known| known == token.text) {
                    return Err(failed(format!("undefined variable {:?}", token.text)));
                }
                Operand::Path(Base::Variable(token.text.to_owned()), Vec::new())
            }
            Kind::Bool => Operand::Bool(token.text == "true"),
            Kind::Number => match literal::number(token.text).map_err(failed)? {
                literal::Number::Int(number) => Operand::Int(number),
                literal::Number::Float(number) => Operand::Float(number),
            },
            Kind::Char => Operand::Int(literal::character(token.text).map_err(failed)?),
            Kind::String | Kind::RawString => Operand::Text(self.string(token)?),
            Kind::LeftParen => {
                self.depth += 1;
                if self.depth > MAX_NESTING {
                    return self.error("max expression depth exceeded");
                }
                let pipeline = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                Operand::Path(Base::Pipeline(Box::new(pipeline)), Vec::new())
            }
            _ => return self.unexpected(token, "operand"),
        })
    }

    fn function(&self, token: Token<'_>) -> Result<Operand> {
        match Function::named(token.text) {
            Some(Function::NotSimulated) => {
                self.not_simulated(token, &format!("the template function `{}`", token.text))
            }
            Some(_) => Ok(Operand::Function(token.text.to_owned())),
            None => {
                let message = format!("function {:?} not defined", token.text);
                Err(ParseError::at(self.text, token.at, message))
            }
        }
    }

    fn string(&self, token: Token<'_>) -> Result<String> {
        match token.kind {
            Kind::RawString => Ok(token.text[1..token.text.len() - 1].replace('\r', "")),
            _ => literal::string(token.text).map_err(|error| ParseError::at(self.text, token.at, error)),
        }
    }
}

enum Action {
    Node(Node),
    /// A definition, which leaves no node.
    Nothing,
    Ending(Ending),
}

fn starts_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Identifier
            | Kind::Dot
            | Kind::Field
            | Kind::Variable
            | Kind::Bool
            | Kind::Number
            | Kind::Char
            | Kind::String
            | Kind::RawString
            | Kind::LeftParen
    )
}
