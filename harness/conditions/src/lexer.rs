//! Splits a condition into tokens (expr `parser/lexer`).

use crate::condition::Dialect;
use crate::error::{Fault, Location};

/// The kinds of token, by upstream's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Identifier,
    Number,
    String,
    Operator,
    Bracket,
    Eof,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) at: Location,
    pub(crate) value: String,
}

impl Token {
    pub(crate) fn is(&self, kind: TokenKind, value: &str) -> bool {
        self.kind == kind && self.value == value
    }

    pub(crate) fn is_operator(&self, value: &str) -> bool {
        self.is(TokenKind::Operator, value)
    }

    pub(crate) fn is_bracket(&self, value: &str) -> bool {
        self.is(TokenKind::Bracket, value)
    }

    /// The token as messages name it: `Operator("=")`, `EOF`.
    pub(crate) fn describe(&self) -> String {
        let kind = match self.kind {
            TokenKind::Identifier => "Identifier",
            TokenKind::Number => "Number",
            TokenKind::String => "String",
            TokenKind::Operator => "Operator",
            TokenKind::Bracket => "Bracket",
            TokenKind::Eof => "EOF",
        };
        if self.value.is_empty() {
            kind.to_string()
        } else {
            format!("{kind}({})", strconv::quote(&self.value))
        }
    }
}

/// The tokens up to the end, or up to the place where the text stops being made of tokens.
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Token>,
    pub(crate) fault: Option<Fault>,
}

/// Splits the text. The parser reports the fault only when it needs the token that is missing.
pub(crate) fn lex(text: &str, dialect: Dialect) -> Tokens {
    let mut lexer = Lexer {
        text: text.chars().collect(),
        dialect,
        tokens: Vec::new(),
        start: 0,
        end: 0,
        read_past_end: false,
    };
    let fault = loop {
        match lexer.token() {
            Ok(true) => {}
            Ok(false) => break None,
            Err(fault) => break Some(fault),
        }
    };
    Tokens { tokens: lexer.tokens, fault }
}

struct Lexer {
    text: Vec<char>,
    dialect: Dialect,
    tokens: Vec<Token>,
    start: usize,
    end: usize,
    read_past_end: bool,
}

pub(crate) fn is_alphabetic(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphabetic()
}

fn is_alphanumeric(c: char) -> bool {
    is_alphabetic(c) || c.is_numeric()
}

impl Lexer {
    fn next(&mut self) -> Option<char> {
        let c = self.text.get(self.end).copied();
        match c {
            Some(_) => self.end += 1,
            None => self.read_past_end = true,
        }
        c
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.end).copied()
    }

    fn accept(&mut self, valid: &str) -> bool {
        let accepted = self.peek().is_some_and(|c| valid.contains(c));
        if accepted {
            self.end += 1;
        }
        accepted
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn accept_alphanumeric_run(&mut self) {
        while self.peek().is_some_and(is_alphanumeric) {
            self.end += 1;
        }
    }

    fn word(&self) -> String {
        self.text[self.start..self.end].iter().collect()
    }

    fn skip(&mut self) {
        self.start = self.end;
    }

    fn emit(&mut self, kind: TokenKind) {
        let value = self.word();
        self.emit_value(kind, value);
    }

    fn emit_value(&mut self, kind: TokenKind, value: String) {
        let at = Location { from: self.start, to: self.end };
        self.tokens.push(Token { kind, at, value });
        self.skip();
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        let end = if self.read_past_end { self.end + 1 } else { self.end };
        Fault::syntax(Location { from: end.saturating_sub(1), to: end }, message)
    }

    /// Reads one token (or space, or comment). `Ok(false)` at the end of the text.
    fn token(&mut self) -> Result<bool, Fault> {
        let Some(c) = self.next() else {
            let at = Location { from: self.end.saturating_sub(1), to: self.end };
            self.tokens.push(Token { kind: TokenKind::Eof, at, value: String::new() });
            return Ok(false);
        };
        match c {
            c if c.is_whitespace() => self.skip(),
            '\'' | '"' => self.string(c)?,
            '`' if self.dialect == Dialect::Expr1_17 => self.raw_string()?,
            '0'..='9' => {
                self.end -= 1;
                self.number()?;
            }
            '?' => {
                self.accept(".?");
                self.emit(TokenKind::Operator);
            }
            '/' => self.slash()?,
            '#' => self.pointer(),
            '|' => {
                self.accept("|");
                self.emit(TokenKind::Operator);
            }
            ':' => {
                if self.dialect == Dialect::Expr1_17 {
                    self.accept(":");
                }
                self.emit(TokenKind::Operator);
            }
            '(' | '[' | '{' | ')' | ']' | '}' => self.emit(TokenKind::Bracket),
            ',' | ';' | '%' | '+' | '-' | '^' => self.emit(TokenKind::Operator),
            '&' | '!' | '=' | '*' | '<' | '>' => {
                self.accept("&=*");
                self.emit(TokenKind::Operator);
            }
            '.' => self.dot()?,
            c if is_alphanumeric(c) => self.identifier(),
            c => return Err(self.fault(format!("unrecognized character: U+{:04X} '{c}'", u32::from(c)))),
        }
        Ok(true)
    }

    fn dot(&mut self) -> Result<(), Fault> {
        if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            // The token has begun with the dot: `.5` is one number.
            return self.number();
        }
        self.accept(".");
        self.emit(TokenKind::Operator);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        let before_dot = self.end;
        if self.accept(".") {
            if self.peek() == Some('.') {
                // `1..3` is a range, not the number `1.`.
                self.end = before_dot;
                self.emit(TokenKind::Number);
                return Ok(());
            }
            self.accept_run(digits);
        }
        if self.accept("eE") {
            self.accept("+-");
            self.accept_run(digits);
        }
        if self.peek().is_some_and(is_alphanumeric) {
            self.end += 1;
            return Err(self.fault(format!("bad number syntax: {}", strconv::quote(&self.word()))));
        }
        self.emit(TokenKind::Number);
        Ok(())
    }

    fn identifier(&mut self) {
        self.accept_alphanumeric_run();
        let word = self.word();
        match word.as_str() {
            "not" => self.not(),
            "in" | "or" | "and" | "matches" | "contains" | "startsWith" | "endsWith" | "let" => {
                self.emit(TokenKind::Operator);
            }
            "if" | "else" if self.dialect == Dialect::Expr1_17 => self.emit(TokenKind::Operator),
            _ => self.emit(TokenKind::Identifier),
        }
    }

    fn not(&mut self) {
        self.emit(TokenKind::Operator);
        self.accept_run(" ");
        self.skip();
        self.accept_alphanumeric_run();
        match self.word().as_str() {
            "in" | "matches" | "contains" | "startsWith" | "endsWith" => self.emit(TokenKind::Operator),
            _ => self.end = self.start,
        }
    }

    fn slash(&mut self) -> Result<(), Fault> {
        if self.accept("/") {
            while self.next().is_some_and(|c| c != '\n') {}
            self.skip();
            return Ok(());
        }
        if !self.accept("*") {
            self.emit(TokenKind::Operator);
            return Ok(());
        }
        loop {
            match self.next() {
                None => return Err(self.fault("unclosed comment")),
                Some('*') if self.accept("/") => break,
                Some(_) => {}
            }
        }
        self.skip();
        Ok(())
    }

    fn pointer(&mut self) {
        self.accept("#");
        self.emit(TokenKind::Operator);
        self.accept_alphanumeric_run();
        if self.start < self.end {
            self.emit(TokenKind::Identifier);
        }
    }

    fn string(&mut self, quote: char) -> Result<(), Fault> {
        let mut value = String::new();
        loop {
            match self.next() {
                None | Some('\n') => return Err(self.fault("literal not terminated")),
                Some(c) if c == quote => break,
                Some('\\') => value.push(self.escape(quote)?),
                Some('\r') => value.push('\n'),
                Some(c) => value.push(c),
            }
        }
        self.emit_value(TokenKind::String, value);
        Ok(())
    }

    fn escape(&mut self, quote: char) -> Result<char, Fault> {
        let c = self.next();
        match c {
            Some('a') => Ok('\u{7}'),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('v') => Ok('\u{b}'),
            Some('\\') => Ok('\\'),
            Some(c) if c == quote => Ok(c),
            Some(first @ '0'..='7') => {
                self.end -= 1;
                let code = self.digits(8, 3)?;
                match first {
                    '0'..='3' => self.character(code),
                    _ => Err(self.fault("unable to unescape string")),
                }
            }
            Some('x') => self.hexadecimal(2),
            Some('u') if self.dialect == Dialect::Expr1_17 && self.peek() == Some('{') => {
                self.braced_escape()
            }
            Some('u') => self.hexadecimal(4),
            Some('U') => self.hexadecimal(8),
            _ => Err(self.fault("invalid char escape")),
        }
    }

    fn hexadecimal(&mut self, count: usize) -> Result<char, Fault> {
        let code = self.digits(16, count)?;
        self.character(code)
    }

    fn digits(&mut self, base: u32, count: usize) -> Result<u32, Fault> {
        let mut code: u32 = 0;
        for _ in 0..count {
            let digit = self.next().and_then(|c| c.to_digit(base));
            let digit = digit.ok_or_else(|| self.fault("invalid char escape"))?;
            code = code.wrapping_mul(base).wrapping_add(digit);
        }
        Ok(code)
    }

    /// A surrogate becomes the replacement character, as Go encodes it.
    fn character(&self, code: u32) -> Result<char, Fault> {
        match code {
            0xD800..=0xDFFF => Ok('\u{FFFD}'),
            code => char::from_u32(code).ok_or_else(|| self.fault("unable to unescape string")),
        }
    }

    /// `\u{1F600}`: one to six digits.
    fn braced_escape(&mut self) -> Result<char, Fault> {
        self.end += 1;
        let first = self.end;
        while self.peek().is_some_and(|c| c.is_ascii_hexdigit()) && self.end - first < 6 {
            self.end += 1;
        }
        if self.end == first || self.peek() != Some('}') {
            return Err(self.fault("invalid char escape"));
        }
        let digits: String = self.text[first..self.end].iter().collect();
        self.end += 1;
        let code = u32::from_str_radix(&digits, 16).map_err(|_| self.fault("invalid char escape"))?;
        self.character(code)
    }

    /// A string in backquotes, in which two backquotes stand for one.
    fn raw_string(&mut self) -> Result<(), Fault> {
        let mut value = String::new();
        loop {
            match self.next() {
                None => return Err(self.fault("literal not terminated")),
                Some('`') if self.accept("`") => value.push('`'),
                Some('`') => break,
                Some(c) => value.push(c),
            }
        }
        self.emit_value(TokenKind::String, value);
        Ok(())
    }
}
