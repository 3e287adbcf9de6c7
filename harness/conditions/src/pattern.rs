//! Regular expressions of `matches`: Go's RE2 syntax, translated for the `regex` crate.
//!
//! Both descend from RE2; the translation makes `\d`, `\w`, `\s` and `\b` ASCII as in Go, and what would
//! mean something else here is refused.

use regex::Regex;

use crate::error::Trouble;

/// Compiles a pattern as Go's `regexp.Compile`.
pub(crate) fn compile(pattern: &str) -> Result<Regex, Trouble> {
    let translated = translate(pattern)?;
    regex::RegexBuilder::new(&translated).size_limit(1 << 20).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            Trouble::Limit(format!("the regular expression `{pattern}` is too large"))
        }
        error => Trouble::Upstream(format!("error parsing regexp: {}", last_line(&error.to_string()))),
    })
}

fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or(message).trim_start_matches("error: ").to_string()
}

fn translate(pattern: &str) -> Result<String, Trouble> {
    let refuse = |what: &str| Trouble::NotSimulated(format!("regular expression syntax `{what}`"));
    let mut translated = String::new();
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some(escaped) => translated.push_str(&escape(escaped, in_class).map_err(refuse)?),
                None => translated.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                translated.push('[');
                if characters.next_if_eq(&'^').is_some() {
                    translated.push('^');
                }
                if characters.next_if_eq(&']').is_some() {
                    translated.push_str("\\]");
                }
            }
            '[' if characters.peek() == Some(&':') => {
                translated.push('[');
                for c in characters.by_ref() {
                    translated.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' => translated.push_str("\\["),
            ']' => {
                in_class = false;
                translated.push(']');
            }
            '&' | '~' if in_class => translated.extend(['\\', c]),
            '-' if in_class && characters.peek() == Some(&'-') => return Err(refuse("--")),
            '(' if !in_class && characters.peek() == Some(&'?') => {
                translated.push('(');
                group_flags(&mut characters, &mut translated).map_err(refuse)?;
            }
            c => translated.push(c),
        }
    }
    Ok(translated)
}

fn escape(escaped: char, in_class: bool) -> Result<String, &'static str> {
    Ok(match escaped {
        'd' => "[0-9]".to_string(),
        'D' => "[^0-9]".to_string(),
        'w' => "[0-9A-Za-z_]".to_string(),
        'W' => "[^0-9A-Za-z_]".to_string(),
        's' => "[\\t\\n\\f\\r ]".to_string(),
        'S' => "[^\\t\\n\\f\\r ]".to_string(),
        'b' if !in_class => "(?-u:\\b)".to_string(),
        'B' if !in_class => return Err("\\B"),
        'C' => return Err("\\C"),
        'Q' => return Err("\\Q"),
        'p' | 'P' => return Err("\\p"),
        '<' | '>' => format!("\\x{:02x}", u32::from(escaped)),
        other => format!("\\{other}"),
    })
}

/// Flags that Go does not know would change the meaning silently.
fn group_flags(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    translated: &mut String,
) -> Result<(), &'static str> {
    for c in characters.by_ref() {
        translated.push(c);
        match c {
            ':' | ')' | '<' | 'P' => break,
            '?' | '-' | 'i' | 'm' | 's' | 'U' => {}
            _ => return Err("(?flags)"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ascii_and_brackets_literal_as_in_go() {
        let cases = [
            (r"^\d+$", "١", false),
            (r"^\d+$", "12", true),
            (r"^[\w-]+$", "a-b", true),
            (r"[[]", "[", true),
            (r"^[a&&b]$", "&", true),
            (r"(?i)ok", "OK", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(compile(pattern).expect(pattern).is_match(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn syntax_that_means_something_else_here_is_refused_by_name() {
        for pattern in [r"\Qa.b\E", r"(?x) a", r"[a--b]", r"\pL"] {
            assert!(matches!(compile(pattern), Err(Trouble::NotSimulated(_))), "{pattern}");
        }
    }
}
