//! The text of a query: a light scan for what the parser cannot say, namely where things are and
//! whether the text is within bounds.

use std::fmt;

use crate::query::{Feature, QueryError};

/// The longest query, in bytes.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;
/// How deep parentheses, braces and brackets may nest.
pub const MAX_NESTING: usize = 64;
/// How many operators a query may have; matchers count too.
pub const MAX_OPERATORS: usize = 200;
/// The longest duration that is accepted, in seconds: about 100 years.
const MAX_DURATION_S: f64 = 3.2e9;

/// A place in a query, counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    Text,
    Symbol,
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    at: usize,
}

/// A query's text and its tokens.
pub(crate) struct Source<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
}

impl<'a> Source<'a> {
    /// Scans a text and checks what the parser does not: bounds, balance, syntax newer than it knows.
    pub(crate) fn scan(text: &'a str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(QueryError::TooComplex { what: "bytes", count: text.len(), limit: MAX_QUERY_BYTES });
        }
        let source = Self { text, tokens: tokens(text)? };
        source.check_template()?;
        source.check_balance()?;
        source.check_operators()?;
        source.check_durations()?;
        source.check_modifiers()?;
        source.check_strings()?;
        Ok(source)
    }

    /// The query as written.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Where a word stands that is used as a function or aggregation, if it does.
    pub(crate) fn call(&self, name: &str) -> Option<Position> {
        let called = |token: &Token<'_>| token.kind == Kind::Word && token.text.eq_ignore_ascii_case(name);
        let pairs = self.tokens.windows(2);
        pairs
            .filter(|pair| called(&pair[0]) && matches!(pair[1].text, "(" | "by" | "without"))
            .map(|pair| self.position(pair[0].at))
            .next()
    }

    /// Where a word stands, if it does.
    pub(crate) fn word(&self, word: &str) -> Option<Position> {
        self.tokens
            .iter()
            .find(|token| token.text.eq_ignore_ascii_case(word))
            .map(|token| self.position(token.at))
    }

    /// A syntax error with the whole text.
    pub(crate) fn error(&self, message: impl Into<String>, position: Option<Position>) -> QueryError {
        invalid(self.text, message, position)
    }

    fn position(&self, at: usize) -> Position {
        position(self.text, at)
    }

    fn error_at(&self, message: impl Into<String>, at: usize) -> QueryError {
        self.error(message, Some(self.position(at)))
    }

    fn check_template(&self) -> Result<(), QueryError> {
        let open = self.tokens.windows(2).find(|pair| pair[0].text == "{" && pair[1].text == "{");
        match open {
            Some(pair) => Err(self.error_at(
                "`{{` starts a template argument, which is not PromQL; substitute the arguments first",
                pair[0].at,
            )),
            None => Ok(()),
        }
    }

    fn check_balance(&self) -> Result<(), QueryError> {
        let mut open: Vec<&Token<'_>> = Vec::new();
        for token in self.tokens.iter().filter(|token| token.kind == Kind::Symbol) {
            let opening = match token.text {
                "(" | "[" | "{" if open.len() == MAX_NESTING => {
                    let what = "levels of parentheses";
                    return Err(QueryError::TooComplex { what, count: MAX_NESTING + 1, limit: MAX_NESTING });
                }
                "(" | "[" | "{" => {
                    open.push(token);
                    continue;
                }
                ")" => "(",
                "]" => "[",
                "}" => "{",
                _ => continue,
            };
            match open.pop() {
                Some(last) if last.text == opening => {}
                Some(last) => {
                    let message = format!("`{}` is closed by `{}`", last.text, token.text);
                    return Err(self.error_at(message, token.at));
                }
                None => return Err(self.error_at(format!("`{}` closes nothing", token.text), token.at)),
            }
        }
        match open.first() {
            Some(token) => Err(self.error_at(format!("`{}` is not closed", token.text), token.at)),
            None => Ok(()),
        }
    }

    fn check_operators(&self) -> Result<(), QueryError> {
        let operator = |token: &&Token<'_>| match token.kind {
            Kind::Symbol => "+-*/%^=<>!".contains(token.text),
            Kind::Word => {
                ["and", "or", "unless", "atan2"].iter().any(|word| token.text.eq_ignore_ascii_case(word))
            }
            Kind::Number | Kind::Text => false,
        };
        let count = self.tokens.iter().filter(operator).count();
        if count > MAX_OPERATORS {
            return Err(QueryError::TooComplex { what: "operators", count, limit: MAX_OPERATORS });
        }
        Ok(())
    }

    /// Durations that the parser would cut or stumble over, and duration expressions.
    fn check_durations(&self) -> Result<(), QueryError> {
        let mut in_brackets = false;
        let mut after_offset = false;
        for token in &self.tokens {
            let sign = matches!(token.text, "+" | "-");
            match (token.kind, token.text) {
                (Kind::Symbol, "[") => in_brackets = true,
                (Kind::Symbol, "]") => in_brackets = false,
                (Kind::Symbol, text) if (in_brackets && text != ":") || (after_offset && text == "(") => {
                    return Err(self.not_simulated("duration expression".to_owned(), token.at));
                }
                (Kind::Word, text)
                    if (in_brackets || after_offset)
                        && ["step", "min", "max"].iter().any(|name| text.eq_ignore_ascii_case(name)) =>
                {
                    return Err(self.not_simulated("duration expression".to_owned(), token.at));
                }
                (Kind::Number, text) if !short_enough(text, in_brackets || after_offset) => {
                    return Err(
                        self.error_at(format!("`{text}` is not a duration within 100 years"), token.at)
                    );
                }
                (Kind::Word, text) if in_brackets || (after_offset && !sign) => {
                    return Err(self.error_at(format!("`{text}` is not a duration"), token.at));
                }
                (Kind::Symbol | Kind::Number | Kind::Word | Kind::Text, _) => {}
            }
            after_offset = token.text.eq_ignore_ascii_case("offset") || (after_offset && sign);
        }
        Ok(())
    }

    fn check_modifiers(&self) -> Result<(), QueryError> {
        for pair in self.tokens.windows(2) {
            let modifier =
                ["smoothed", "anchored"].iter().find(|word| pair[1].text.eq_ignore_ascii_case(word));
            let follows = pair[0].kind == Kind::Word || matches!(pair[0].text, "]" | "}");
            if let Some(modifier) = modifier
                && follows
                && pair[1].kind == Kind::Word
                && !pair[0].text.eq_ignore_ascii_case("by")
            {
                return Err(self.not_simulated(format!("PromQL modifier `{modifier}`"), pair[1].at));
            }
        }
        Ok(())
    }

    /// Escapes of bytes above 127: Prometheus's strings are bytes, ours are Unicode.
    fn check_strings(&self) -> Result<(), QueryError> {
        for token in
            self.tokens.iter().filter(|token| token.kind == Kind::Text && !token.text.starts_with('`'))
        {
            let mut rest = token.text;
            while let Some(at) = rest.find('\\') {
                let escape = &rest[at + 1..];
                let digit = |at: usize| escape.chars().nth(at).and_then(|c| c.to_digit(16)).unwrap_or(0);
                let above_ascii = match escape.chars().next() {
                    Some('x') => digit(1) >= 8,
                    Some('2' | '3') => true,
                    Some(_) | None => false,
                };
                if above_ascii {
                    return Err(self.not_simulated("byte escape in a string".to_owned(), token.at));
                }
                rest = escape.get(escape.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
            }
        }
        Ok(())
    }

    fn not_simulated(&self, name: String, at: usize) -> QueryError {
        let features = vec![Feature { name, position: Some(self.position(at)) }];
        QueryError::NotSimulated { query: self.text.to_owned(), features }
    }
}

pub(crate) fn invalid(text: &str, message: impl Into<String>, position: Option<Position>) -> QueryError {
    QueryError::Invalid { query: text.to_owned(), message: message.into(), position }
}

/// Whether a number can be a duration: whole digits that fit the parser's counters.
fn short_enough(text: &str, must_be_duration: bool) -> bool {
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let has_unit = !hexadecimal && text.contains(['y', 'w', 'd', 'h', 'm', 's']);
    if has_unit {
        let seconds_of = [('y', 31_536_000.0), ('w', 604_800.0), ('d', 86_400.0), ('h', 3600.0)];
        let mut total = 0.0;
        for part in text.split_inclusive(char::is_alphabetic) {
            let digits = part.trim_end_matches(char::is_alphabetic);
            let Ok(count) = digits.parse::<f64>() else { return digits.is_empty() };
            if digits.len() > 9 {
                return false;
            }
            let unit = seconds_of.iter().find(|(unit, _)| part.ends_with(*unit));
            total += count * unit.map_or(60.0, |(_, seconds)| *seconds);
        }
        return total <= MAX_DURATION_S;
    }
    !must_be_duration || text.parse::<f64>().is_ok_and(|seconds| seconds <= MAX_DURATION_S)
}

fn position(text: &str, at: usize) -> Position {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, QueryError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match first {
            '#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '"' | '\'' | '`' => match text_length(rest, first) {
                Some(length) => (Kind::Text, length),
                None => return Err(invalid(text, "this string does not end", Some(position(text, at)))),
            },
            c if starts_word(c) || (c == ':' && rest[1..].starts_with(starts_word)) => {
                (Kind::Word, word_length(rest))
            }
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit())) => {
                (Kind::Number, number_length(rest))
            }
            c => (Kind::Symbol, c.len_utf8()),
        };
        tokens.push(Token { kind, text: &rest[..length], at });
        at += length;
    }
    Ok(tokens)
}

fn starts_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn word_length(rest: &str) -> usize {
    rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len())
}

fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let exponent_sign =
            matches!(byte, b'+' | b'-') && !hexadecimal && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || exponent_sign) {
            break;
        }
        end += 1;
    }
    end
}

fn text_length(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}
