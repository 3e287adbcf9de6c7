//! PromQL as text: which parts of a query are durations, which are label matchers. A query is rewritten
//! where it says them and keeps every other character, so that what the parser of one version of
//! Prometheus does not know passes unchanged.

/// What a duration in a query does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The range of a selector or of a subquery: `[5m]`, `[1h:…]`.
    Range,
    /// The resolution of a subquery: `[…:1m]`.
    Resolution,
    /// The offset of a selector: `offset 5m`.
    Offset,
}

/// What a rewriter is asked.
pub(crate) trait Rewriter {
    /// What to write in place of a duration (or of a placeholder in its place).
    fn duration(&mut self, _text: &str, _role: Role) -> Option<String> {
        None
    }

    /// What to write in place of the value of `label="value"`.
    fn matcher(&mut self, _label: &str, _value: &str) -> Option<String> {
        None
    }

    /// A function is called.
    fn function(&mut self, _name: &str) {}
}

/// The query with what the rewriter gives in place of durations and values of matchers.
pub(crate) fn rewrite(query: &str, rewriter: &mut impl Rewriter) -> String {
    let mut lexer = Lexer { rest: query, out: String::with_capacity(query.len()) };
    while let Some(next) = lexer.rest.chars().next() {
        match next {
            '#' => {
                let end = lexer.rest.find('\n').unwrap_or(lexer.rest.len());
                lexer.copy(end);
            }
            '"' | '\'' | '`' => lexer.copy(string_end(lexer.rest)),
            '{' if lexer.rest.starts_with("{{") => lexer.copy(placeholder_end(lexer.rest)),
            '{' => lexer.matchers(rewriter),
            '[' => lexer.brackets(rewriter),
            c if is_word_start(c) => lexer.word(rewriter),
            c => lexer.copy(c.len_utf8()),
        }
    }
    lexer.out
}

struct Lexer<'q> {
    rest: &'q str,
    out: String,
}

impl<'q> Lexer<'q> {
    /// Passes over `length` bytes and returns them.
    fn skip(&mut self, length: usize) -> &'q str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn copy(&mut self, length: usize) {
        let taken = self.skip(length);
        self.out.push_str(taken);
    }

    fn copy_spaces(&mut self) {
        let end = self.rest.find(|c: char| !c.is_whitespace()).unwrap_or(self.rest.len());
        self.copy(end);
    }

    /// A keyword, a function, a metric or a number with its unit.
    fn word(&mut self, rewriter: &mut impl Rewriter) {
        let end = self.rest.find(|c: char| !is_word(c)).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        self.copy(end);
        if word.eq_ignore_ascii_case("offset") {
            self.copy_spaces();
            if self.rest.starts_with('-') {
                self.copy(1);
                self.copy_spaces();
            }
            self.duration(rewriter, Role::Offset);
        } else if self.rest.trim_start().starts_with('(') {
            rewriter.function(word);
        }
    }

    /// What stands between `[` and `]`.
    fn brackets(&mut self, rewriter: &mut impl Rewriter) {
        self.copy(1);
        let mut role = Role::Range;
        while let Some(next) = self.rest.chars().next() {
            match next {
                ']' => return self.copy(1),
                ':' => {
                    role = Role::Resolution;
                    self.copy(1);
                }
                c if c.is_ascii_alphanumeric() || c == '{' => self.duration(rewriter, role),
                c => self.copy(c.len_utf8()),
            }
        }
    }

    /// A duration or a placeholder, if one comes next.
    fn duration(&mut self, rewriter: &mut impl Rewriter, role: Role) {
        let end = if self.rest.starts_with("{{") {
            placeholder_end(self.rest)
        } else {
            self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len())
        };
        if end == 0 {
            // A lone brace: no PromQL, and passed over so that the end is reached.
            let length = self.rest.chars().next().map_or(0, char::len_utf8);
            if role != Role::Offset {
                self.copy(length);
            }
            return;
        }
        let text = self.skip(end);
        match rewriter.duration(text, role) {
            Some(new) => self.out.push_str(&new),
            None => self.out.push_str(text),
        }
    }

    /// What stands between `{` and `}`: names, operators, texts and commas.
    fn matchers(&mut self, rewriter: &mut impl Rewriter) {
        self.copy(1);
        let (mut label, mut operator) = ("", String::new());
        while let Some(next) = self.rest.chars().next() {
            match next {
                '}' => return self.copy(1),
                '"' | '\'' | '`' => {
                    let text = self.skip(string_end(self.rest));
                    let value = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
                    let new = if operator == "=" { rewriter.matcher(label, value) } else { None };
                    match new {
                        Some(new) => self.out.push_str(&format!("{next}{new}{next}")),
                        None => self.out.push_str(text),
                    }
                }
                ',' => {
                    (label, operator) = ("", String::new());
                    self.copy(1);
                }
                c if is_word_start(c) => {
                    let end = self.rest.find(|c: char| !is_word(c)).unwrap_or(self.rest.len());
                    label = &self.rest[..end];
                    self.copy(end);
                }
                '=' | '!' | '~' => {
                    operator.push(next);
                    self.copy(1);
                }
                c => self.copy(c.len_utf8()),
            }
        }
    }
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn is_word(c: char) -> bool {
    is_word_start(c) || c == '.'
}

/// The length of the text literal at the start, its quotes included; all of it where it does not end.
fn string_end(text: &str) -> usize {
    let quote = text.chars().next().unwrap_or('"');
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the `{{…}}` at the start; all of the text where it does not end.
fn placeholder_end(text: &str) -> usize {
    text.find("}}").map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Mark(Vec<String>);

    impl Rewriter for Mark {
        fn duration(&mut self, text: &str, role: Role) -> Option<String> {
            self.0.push(format!("{role:?} {text}"));
            Some(format!("<{text}>"))
        }
        fn matcher(&mut self, label: &str, value: &str) -> Option<String> {
            (label == "namespace").then(|| format!("<{value}>"))
        }
        fn function(&mut self, name: &str) {
            if name == "time" {
                self.0.push("time()".to_owned());
            }
        }
    }

    #[test]
    fn durations_are_found_where_they_mean_time_and_nowhere_else() {
        let table = [
            ("rate(x[5m])", "rate(x[<5m>])"),
            ("rate(x[ 1h30m ])", "rate(x[ <1h30m> ])"),
            ("max_over_time(rate(x[5m])[30m:1m])", "max_over_time(rate(x[<5m>])[<30m>:<1m>])"),
            ("x[30m:]", "x[<30m>:]"),
            ("x offset 5m", "x offset <5m>"),
            ("x[5m] OFFSET -1h", "x[<5m>] OFFSET -<1h>"),
            ("x @ 1609746000 offset 5m", "x @ 1609746000 offset <5m>"),
            (r#"x{window="[5m]", y='offset 5m'}[5m]"#, r#"x{window="[5m]", y='offset 5m'}[<5m>]"#),
            ("x # [5m] offset 5m\n+ y[5m]", "x # [5m] offset 5m\n+ y[<5m>]"),
            (
                r#"label_replace(x, "a", "[5m]", "b", "\"[5m]")"#,
                r#"label_replace(x, "a", "[5m]", "b", "\"[5m]")"#,
            ),
            ("x[{{args.window}}]", "x[<{{args.window}}>]"),
            (r#"x{v="{{args.v}}"}[5m]"#, r#"x{v="{{args.v}}"}[<5m>]"#),
            ("sum by (offset) (x)", "sum by (offset) (x)"),
            ("my_offset + offset_5m", "my_offset + offset_5m"),
            ("5 * 60 > 5m", "5 * 60 > 5m"),
            ("{{args.query}}", "{{args.query}}"),
            ("", ""),
        ];
        for (query, expected) in table {
            assert_eq!(rewrite(query, &mut Mark::default()), expected, "{query}");
        }
    }

    #[test]
    fn only_equality_of_the_asked_label_is_rewritten() {
        let query =
            r#"x{namespace="ai", ns="ai", namespace=~"ai", namespace!="ai"} / y{a="b",namespace='ai'}"#;
        let expected =
            r#"x{namespace="<ai>", ns="ai", namespace=~"ai", namespace!="ai"} / y{a="b",namespace='<ai>'}"#;
        assert_eq!(rewrite(query, &mut Mark::default()), expected);
    }

    #[test]
    fn functions_that_speak_of_seconds_are_seen() {
        let mut mark = Mark::default();
        rewrite("time() - max(x[5m:30s])", &mut mark);
        assert_eq!(mark.0, ["time()", "Range 5m", "Resolution 30s"]);
    }

    struct Nothing;
    impl Rewriter for Nothing {}

    proptest! {
        // Whatever the text, nothing is lost and nothing panics.
        #[test]
        fn any_text_is_kept(text in "[a-z0-9 {}\\[\\]\"'`\\\\:#=,.\\n-]{0,60}|\\PC*") {
            prop_assert_eq!(rewrite(&text, &mut Nothing), text);
        }
    }
}
