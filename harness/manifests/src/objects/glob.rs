//! The two dialects of globs that Argo CD uses. A pattern that is malformed matches nothing, as
//! upstream has it.

use regex::Regex;

/// A glob of `gobwas/glob`: `*` stops at separators, `**` does not, `{a,b}` chooses.
pub fn glob(pattern: &str, text: &str, separators: &[char]) -> bool {
    is_match(pattern, text, separators, true)
}

/// A glob of Go's `path/filepath`: `*` stops at `/`, braces mean themselves.
pub fn path_glob(pattern: &str, text: &str) -> bool {
    is_match(pattern, text, &['/'], false)
}

fn is_match(pattern: &str, text: &str, separators: &[char], braces: bool) -> bool {
    by_comparison(pattern, text, separators)
        .unwrap_or_else(|| by_expression(pattern, text, separators, braces))
}

/// Decides the globs that are frequent, a plain text or one with a single star, without the cost of a
/// regular expression; `None` for all others.
fn by_comparison(pattern: &str, text: &str, separators: &[char]) -> Option<bool> {
    if pattern.contains(['?', '\\', '[', '{']) {
        return None;
    }
    let Some((before, after)) = pattern.split_once('*') else { return Some(pattern == text) };
    let starred = || text.strip_prefix(before)?.strip_suffix(after);
    (!after.contains('*')).then(|| starred().is_some_and(|starred| !starred.contains(separators)))
}

fn by_expression(pattern: &str, text: &str, separators: &[char], braces: bool) -> bool {
    translate(pattern, separators, braces)
        .and_then(|expression| Regex::new(&expression).ok())
        .is_some_and(|expression| expression.is_match(text))
}

/// The glob as an anchored regular expression; `None` where it is malformed.
fn translate(pattern: &str, separators: &[char], braces: bool) -> Option<String> {
    let separators: String = separators.iter().map(|c| regex::escape(&c.to_string())).collect();
    let one = if separators.is_empty() { ".".to_owned() } else { format!("[^{separators}]") };
    let mut expression = String::from(r"(?s)\A");
    let mut depth = 0;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if braces && chars.next_if_eq(&'*').is_some() => expression.push_str(".*"),
            '*' => expression.push_str(&format!("{one}*")),
            '?' => expression.push_str(&one),
            '\\' => expression.push_str(&regex::escape(&chars.next()?.to_string())),
            '[' => expression.push_str(&class(&mut chars, if braces { '!' } else { '^' })?),
            '{' if braces => {
                depth += 1;
                expression.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                expression.push(')');
            }
            ',' if depth > 0 => expression.push('|'),
            c => expression.push_str(&regex::escape(&c.to_string())),
        }
    }
    (depth == 0).then(|| expression + r"\z")
}

/// What stands in brackets, after the opening one.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, negation: char) -> Option<String> {
    let mut expression = String::from("[");
    if chars.next_if_eq(&negation).is_some() {
        expression.push('^');
    }
    let mut empty = true;
    loop {
        match chars.next()? {
            ']' if !empty => return Some(expression + "]"),
            '-' if !empty && chars.peek() != Some(&']') => expression.push('-'),
            '\\' => expression.push_str(&regex::escape(&chars.next()?.to_string())),
            c => expression.push_str(&regex::escape(&c.to_string())),
        }
        empty = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Both ways of matching agree wherever the short one decides.
        #[test]
        fn a_comparison_decides_as_the_expression_does(pattern in "[ab/*},]{0,5}", text in "[ab/},]{0,6}") {
            for (separators, braces) in [(&[][..], true), (&['/'][..], true), (&['/'][..], false)] {
                if let Some(decided) = by_comparison(&pattern, &text, separators) {
                    prop_assert_eq!(decided, by_expression(&pattern, &text, separators, braces));
                }
            }
        }
    }
}
