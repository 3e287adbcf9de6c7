//! From a template's text to its tokens (go text/template/parse/lex.go).

use super::error::ParseError;

/// What a token is; spaces between operands are tokens, since they separate arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Open,
    Close,
    Space,
    Identifier,
    Field,
    Variable,
    Dot,
    Bool,
    Number,
    Char,
    String,
    RawString,
    Declare,
    Assign,
    Pipe,
    LeftParen,
    RightParen,
    Comma,
    /// Any other printable character.
    Other,
    End,
}

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Where it starts, in bytes.
    pub(super) at: usize,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// All tokens of a template; the last one is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ParseError> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    while lexer.at < text.len() {
        lexer.text_until_action()?;
    }
    lexer.push(Kind::End, text.len());
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Adds the text from here to `end` as a token.
    fn push(&mut self, kind: Kind, end: usize) {
        self.tokens.push(Token { kind, text: &self.text[self.at..end], at: self.at });
        self.at = end;
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::at(self.text, self.at, message)
    }

    fn text_until_action(&mut self) -> Result<(), ParseError> {
        let Some(length) = self.rest().find("{{") else {
            self.push(Kind::Text, self.text.len());
            return Ok(());
        };
        let inner = self.at + length + 2;
        let trims = has_left_trim(&self.text[inner..]);
        let text = &self.text[self.at..self.at + length];
        let kept = if trims { text.trim_end_matches(SPACES).len() } else { length };
        if kept > 0 {
            self.push(Kind::Text, self.at + kept);
        }
        self.at = inner - 2;
        let after_marker = inner + if trims { 2 } else { 0 };
        if self.text[after_marker..].starts_with("/*") {
            self.at = after_marker;
            return self.comment();
        }
        self.push(Kind::Open, inner);
        self.at = after_marker;
        self.action()
    }

    fn comment(&mut self) -> Result<(), ParseError> {
        let Some(length) = self.rest()[2..].find("*/") else { return Err(self.error("unclosed comment")) };
        self.at += 2 + length + 2;
        if !self.close_action() {
            return Err(self.error("comment ends before closing delimiter"));
        }
        Ok(())
    }

    /// Passes a closing delimiter, if one is here, and the spaces that its marker trims.
    fn close_action(&mut self) -> bool {
        if let Some(after) = trimmed_close(self.rest()) {
            self.at = self.text.len() - after.trim_start_matches(SPACES).len();
            return true;
        }
        if self.rest().starts_with("}}") {
            self.at += 2;
            return true;
        }
        false
    }

    fn action(&mut self) -> Result<(), ParseError> {
        let mut open_parens = 0_usize;
        loop {
            let start = self.at;
            if self.close_action() {
                if open_parens > 0 {
                    self.at = start;
                    return Err(self.error("unclosed left paren"));
                }
                self.tokens.push(Token { kind: Kind::Close, text: "}}", at: start });
                return Ok(());
            }
            let Some(first) = self.rest().chars().next() else { return Err(self.error("unclosed action")) };
            let next = self.at + first.len_utf8();
            match first {
                c if SPACES.contains(&c) => self.spaces(),
                '=' => self.push(Kind::Assign, next),
                ':' if self.rest().starts_with(":=") => self.push(Kind::Declare, next + 1),
                ':' => return Err(self.error("expected :=")),
                '|' => self.push(Kind::Pipe, next),
                ',' => self.push(Kind::Comma, next),
                '"' | '\'' => self.quoted(first)?,
                '`' => self.raw_string()?,
                '$' => self.word(Kind::Variable, next)?,
                '.' if !self.text[next..].starts_with(|c: char| c.is_ascii_digit()) => {
                    self.word(Kind::Field, next)?;
                }
                '.' | '+' | '-' | '0'..='9' => self.number()?,
                '(' => {
                    open_parens += 1;
                    self.push(Kind::LeftParen, next);
                }
                ')' if open_parens == 0 => return Err(self.error("unexpected right paren")),
                ')' => {
                    open_parens -= 1;
                    self.push(Kind::RightParen, next);
                }
                c if is_alphanumeric(c) => self.word(Kind::Identifier, self.at)?,
                c if c.is_ascii_graphic() => self.push(Kind::Other, next),
                c => return Err(self.error(format!("unrecognized character in action: {c:?}"))),
            }
        }
    }

    /// Spaces, but for the one that belongs to a closing delimiter with a trim marker.
    fn spaces(&mut self) {
        let length = self.rest().len() - self.rest().trim_start_matches(SPACES).len();
        let closes = trimmed_close(&self.rest()[length - 1..]).is_some();
        let end = self.at + length - usize::from(closes);
        if end > self.at {
            self.push(Kind::Space, end);
        }
    }

    /// A word whose letters start at `from`.
    fn word(&mut self, kind: Kind, from: usize) -> Result<(), ParseError> {
        let letters = &self.text[from..];
        let length = letters.find(|c: char| !is_alphanumeric(c)).unwrap_or(letters.len());
        let end = from + length;
        let after = &self.text[end..];
        let terminated = after.is_empty()
            || after.starts_with([' ', '\t', '\r', '\n', '.', ',', '|', ':', ')', '('])
            || after.starts_with("}}");
        if !terminated {
            self.at = end;
            return Err(self.error(format!("bad character {:?}", after.chars().next().unwrap_or(' '))));
        }
        let kind = match (kind, &self.text[self.at..end]) {
            (Kind::Field, ".") => Kind::Dot,
            (Kind::Identifier, "true" | "false") => Kind::Bool,
            (kind, _) => kind,
        };
        self.push(kind, end);
        Ok(())
    }

    fn quoted(&mut self, quote: char) -> Result<(), ParseError> {
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    let kind = if quote == '"' { Kind::String } else { Kind::Char };
                    self.push(kind, self.at + at + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        let what = if quote == '"' { "quoted string" } else { "character constant" };
        Err(self.error(format!("unterminated {what}")))
    }

    fn raw_string(&mut self) -> Result<(), ParseError> {
        match self.rest()[1..].find('`') {
            Some(length) => {
                self.push(Kind::RawString, self.at + length + 2);
                Ok(())
            }
            None => Err(self.error("unterminated raw quoted string")),
        }
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let rest = self.rest().as_bytes();
        let mut end = usize::from(matches!(rest[0], b'+' | b'-'));
        while let Some(byte) = rest.get(end) {
            let exponent_sign = matches!(byte, b'+' | b'-')
                && matches!(rest[end - 1], b'e' | b'E' | b'p' | b'P')
                && !is_hexadecimal(&self.rest()[..end]);
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || exponent_sign) {
                break;
            }
            end += 1;
        }
        self.push(Kind::Number, self.at + end);
        Ok(())
    }
}

fn is_hexadecimal(number: &str) -> bool {
    let digits = number.trim_start_matches(['+', '-']);
    (digits.starts_with("0x") || digits.starts_with("0X")) && !digits.contains(['p', 'P'])
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn has_left_trim(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(SPACES))
}

/// What follows ` -}}`, if that is here.
fn trimmed_close(text: &str) -> Option<&str> {
    text.strip_prefix(SPACES)?.strip_prefix("-}}")
}
