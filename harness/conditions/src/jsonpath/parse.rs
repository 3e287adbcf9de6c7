//! From text to nodes (client-go `util/jsonpath/parser.go`). Every message is upstream's.

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// An action: what is between braces.
    List(Vec<Node>),
    Text(String),
    Field(String),
    /// `range`, `end`, or a word that is neither.
    Identifier(String),
    Array([Param; 3]),
    Filter(Box<Filter>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Wildcard,
    Recursive,
    Union(Vec<Vec<Node>>),
}

/// `[?(left operator right)]`; the operator is `exists` where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    pub(super) left: Vec<Node>,
    pub(super) operator: String,
    pub(super) right: Vec<Node>,
}

/// Start, end or step of `[start:end:step]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Param {
    pub(super) known: bool,
    pub(super) value: i64,
    /// Whether it is the end of a single index, `[2]`.
    pub(super) derived: bool,
}

/// The nodes of a whole template.
pub(super) fn template(text: &str) -> Result<Vec<Node>, String> {
    let mut parser = Parser { input: text, pos: 0, start: 0, width: 0 };
    let mut root = Vec::new();
    loop {
        while parser.pos < text.len() && !text[parser.pos..].starts_with('{') {
            parser.next();
        }
        if parser.pos > parser.start {
            root.push(Node::Text(parser.consume().to_owned()));
        }
        if parser.pos >= text.len() {
            return Ok(root);
        }
        parser.pos += 1;
        parser.consume();
        root.push(Node::List(parser.action()?));
    }
}

/// The nodes of what would stand between braces (`parseAction`).
fn inside(text: &str) -> Result<Vec<Node>, String> {
    match template(&format!("{{{text}}}"))?.into_iter().next() {
        Some(Node::List(nodes)) => Ok(nodes),
        Some(_) | None => Ok(Vec::new()),
    }
}

struct Parser<'a> {
    input: &'a str,
    pos: usize,
    start: usize,
    /// How long the character is that [`Parser::next`] gave last.
    width: usize,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<char> {
        let c = self.input[self.pos..].chars().next();
        self.width = c.map_or(0, char::len_utf8);
        self.pos += self.width;
        c
    }

    fn back(&mut self) {
        self.pos -= self.width;
    }

    fn peek(&mut self) -> Option<char> {
        let c = self.next();
        self.back();
        c
    }

    /// The text since the last call.
    fn consume(&mut self) -> &'a str {
        let text = &self.input[self.start..self.pos];
        self.start = self.pos;
        text
    }

    /// What is left of an action, up to its brace (`parseInsideAction`).
    fn action(&mut self) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        loop {
            let rest = &self.input[self.pos..];
            if rest.starts_with('}') {
                self.pos += 1;
                self.consume();
                return Ok(nodes);
            }
            if rest.starts_with("[?(") {
                nodes.push(self.filter()?);
                continue;
            }
            if rest.starts_with("..") {
                self.recursive(&mut nodes)?;
                continue;
            }
            match self.next() {
                None | Some('\r' | '\n') => return Err("unclosed action".to_owned()),
                Some(' ' | '@' | '$') => {
                    self.consume();
                }
                Some('[') => self.array(&mut nodes)?,
                Some(quote @ ('"' | '\'')) => nodes.push(self.quote(quote)?),
                Some('.') => nodes.push(self.field()),
                Some(c) if c == '+' || c == '-' || is_digit(c) => {
                    self.back();
                    nodes.push(self.number()?);
                }
                Some(c) if is_alphanumeric(c) => {
                    self.back();
                    nodes.push(self.identifier());
                }
                Some(c) => {
                    return Err(format!(
                        "unrecognized character in action: U+{:04X}{}",
                        u32::from(c),
                        printed(c)
                    ));
                }
            }
        }
    }

    fn identifier(&mut self) -> Node {
        while !is_terminator(self.next()) {}
        self.back();
        match self.consume() {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            word => Node::Identifier(word.to_owned()),
        }
    }

    fn recursive(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        if nodes.last() == Some(&Node::Recursive) {
            return Err("invalid multiple recursive descent".to_owned());
        }
        self.pos += 2;
        self.consume();
        nodes.push(Node::Recursive);
        if self.peek().is_some_and(is_alphanumeric) {
            let field = self.field();
            nodes.push(field);
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Node, String> {
        if matches!(self.peek(), Some('+' | '-')) {
            self.next();
        }
        while self.next().is_some_and(|c| c == '.' || is_digit(c)) {}
        self.back();
        let text = self.consume();
        if let Ok(number) = text.parse() {
            return Ok(Node::Int(number));
        }
        let digits = text.trim_start_matches(['+', '-']);
        let written = digits.bytes().any(|byte| byte.is_ascii_digit());
        let float = text.parse::<f64>().ok().filter(|float| written && float.is_finite());
        float.map(Node::Float).ok_or_else(|| format!("cannot parse number {text}"))
    }

    fn array(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated array".to_owned()),
                Some(']') => break,
                Some(_) => {}
            }
        }
        let text = self.consume();
        let text = &text[1..text.len() - 1];
        let text = if text == "*" { ":" } else { text };
        if text.contains(',') {
            let parts = text.split(',').map(|part| inside(&format!("[{}]", part.trim_matches(' '))));
            nodes.push(Node::Union(parts.collect::<Result<_, _>>()?));
            return Ok(());
        }
        let key = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        if let Some(key) = key.filter(|key| !key.contains('\'')) {
            nodes.extend(inside(&format!(".{key}"))?);
            return Ok(());
        }
        nodes.push(Node::Array(slice(text)?));
        Ok(())
    }

    fn filter(&mut self) -> Result<Node, String> {
        self.pos += "[?(".len();
        self.consume();
        let (mut quoted, mut closed, mut pair) = (false, false, '"');
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated filter".to_owned()),
                Some(quote @ ('"' | '\'')) if !quoted => (quoted, pair) = (true, quote),
                Some(quote @ ('"' | '\'')) => {
                    if self.input.as_bytes()[self.pos - 2] != b'\\' && quote == pair {
                        closed = true;
                    }
                }
                Some(')') if quoted == closed => break,
                Some(_) => {}
            }
        }
        if self.next() != Some(']') {
            return Err("unclosed array expect ]".to_owned());
        }
        let text = self.consume();
        let text = &text[..text.len() - 2];
        let filter = match comparison(text) {
            Some((left, operator, right)) => {
                let (left, right) = (inside(left)?, inside(right)?);
                Filter { left, operator: operator.to_owned(), right }
            }
            None => Filter { left: inside(text)?, operator: "exists".to_owned(), right: Vec::new() },
        };
        Ok(Node::Filter(Box::new(filter)))
    }

    fn quote(&mut self, end: char) -> Result<Node, String> {
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated quoted string".to_owned()),
                Some(c) if c == end && self.input.as_bytes()[self.pos - 2] != b'\\' => break,
                Some(_) => {}
            }
        }
        let text = self.consume();
        let read = unquoted(text).ok_or_else(|| format!("unquote string {text} error invalid syntax"))?;
        Ok(Node::Text(read))
    }

    fn field(&mut self) -> Node {
        self.consume();
        loop {
            match self.next() {
                Some('\\') => {
                    self.next();
                }
                c if is_terminator(c) => break,
                _ => {}
            }
        }
        self.back();
        match self.consume() {
            "*" => Node::Wildcard,
            name => Node::Field(name.replace('\\', "")),
        }
    }
}

/// Left side, operator and right side of a comparison
/// (`^([^!<>=]+)([!<>=]+)(.+?)$`).
fn comparison(text: &str) -> Option<(&str, &str, &str)> {
    const OPERATORS: [char; 4] = ['!', '<', '>', '='];
    let start = text.find(OPERATORS).filter(|start| *start > 0)?;
    let length = text[start..].find(|c| !OPERATORS.contains(&c)).unwrap_or(text.len() - start);
    // Where nothing follows, the last character of the operator is the right side.
    let end = if start + length == text.len() { text.len() - 1 } else { start + length };
    (end > start).then(|| (&text[..start], &text[start..end], &text[end..]))
}

/// `start:end:step` (`^(-?[\d]*)(:-?[\d]*)?(:-?[\d]*)?$`).
fn slice(text: &str) -> Result<[Param; 3], String> {
    let invalid = || format!("invalid array index {text}");
    let mut written = text.split(':');
    let parts = [written.next(), written.next(), written.next()];
    let is_index =
        |part: &str| part.strip_prefix('-').unwrap_or(part).bytes().all(|byte| byte.is_ascii_digit());
    if written.next().is_some() || !parts.iter().flatten().all(|part| is_index(part)) {
        return Err(invalid());
    }
    let mut params = [Param::default(); 3];
    for (index, part) in parts.into_iter().enumerate() {
        params[index] = match part {
            // Of the end it matters whether its colon is there.
            None if index == 1 => {
                Param { known: true, value: params[0].value.saturating_add(1), derived: true }
            }
            None | Some("") => Param::default(),
            Some(part) => {
                let value = part.parse().map_err(|_| format!("array index {part} is not a number"))?;
                Param { known: true, value, derived: false }
            }
        };
    }
    Ok(params)
}

/// A quoted text (`UnquoteExtend`); `None` for an escape that there is not, and for a byte above 127, since
/// texts are Unicode here.
fn unquoted(text: &str) -> Option<String> {
    let quote = text.chars().next()?;
    let mut rest = text.get(1..text.len() - 1)?.chars();
    let mut read = String::new();
    while let Some(c) = rest.next() {
        if c != '\\' {
            if c == quote {
                return None;
            }
            read.push(c);
            continue;
        }
        match rest.next()? {
            'a' => read.push('\u{7}'),
            'b' => read.push('\u{8}'),
            'f' => read.push('\u{c}'),
            'n' => read.push('\n'),
            'r' => read.push('\r'),
            't' => read.push('\t'),
            'v' => read.push('\u{b}'),
            '\\' => read.push('\\'),
            escaped @ ('\'' | '"') if escaped == quote => read.push(escaped),
            first @ '0'..='7' => {
                let digits = format!("{first}{}", rest.by_ref().take(2).collect::<String>());
                let code = u32::from_str_radix(&digits, 8).ok().filter(|_| digits.len() == 3)?;
                read.push(char::from_u32(code).filter(char::is_ascii)?);
            }
            'x' => read.push(numbered(&mut rest, 2).filter(char::is_ascii)?),
            'u' => read.push(numbered(&mut rest, 4)?),
            'U' => read.push(numbered(&mut rest, 8)?),
            _ => return None,
        }
    }
    Some(read)
}

fn numbered(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let code = rest.by_ref().take(digits).collect::<String>();
    let all = code.len() == digits && code.bytes().all(|byte| byte.is_ascii_hexdigit());
    char::from_u32(u32::from_str_radix(&code, 16).ok().filter(|_| all)?)
}

fn is_terminator(c: Option<char>) -> bool {
    match c {
        None => true,
        Some(c) => matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}'),
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphabetic() || is_digit(c)
}

/// What `%#U` appends to the code of a character that can be printed.
fn printed(c: char) -> String {
    if c.is_control() { String::new() } else { format!(" '{c}'") }
}
