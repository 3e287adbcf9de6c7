//! Questions with one right answer, and what counts as giving it.

use serde::{Deserialize, Serialize};
use yaml::{Place, Problem, Source};

/// The largest evaluation set, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// The most questions of a set.
const MAX_QUESTIONS: usize = 10_000;

/// The longest prompt, in bytes.
const MAX_PROMPT: usize = 64 << 10;

/// A question and its right answer: one line of an evaluation set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What the model is asked.
    pub prompt: String,
    /// What its answer must be.
    pub expected: Expected,
}

/// What makes an answer right.
///
/// ```
/// use load::Expected;
/// assert!(Expected::Number(42.0).fits("17 + 25 = 42."));
/// assert!(Expected::Contains("paris".into()).fits("The answer is Paris."));
/// assert!(!Expected::Exact("Paris".into()).fits("The answer is Paris."));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// The whole answer, but for white space around it.
    Exact(String),
    /// A part of the answer, in small or capital letters.
    Contains(String),
    /// The last number of the answer. Digits may be in groups of three: `1,234`.
    Number(f64),
}

/// A set of questions, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation(Vec<Question>);

impl Evaluation {
    /// The set that ships: arithmetic and capitals.
    pub fn shipped() -> Self {
        Self::parse("evaluation.jsonl", include_bytes!("../evaluation.jsonl"))
            .expect("a test reads the set that ships")
    }

    /// Reads a set in JSON lines, such as `{"prompt": "What is 6 * 7?", "expected": {"number": 42}}`. Empty
    /// lines are allowed. `name` is the file, for messages.
    ///
    /// # Errors
    /// The first line that is not a question, or a set that has none or is too large.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.len() > MAX_BYTES {
            return Err(Problem::new(format!("{name} is larger than {} MiB", MAX_BYTES >> 20)));
        }
        let text = str::from_utf8(bytes).map_err(|_| Problem::new(format!("{name} is not UTF-8")))?;
        let source = Source::new(name, text);
        let mut questions = Vec::new();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let at = |column| Place { source: source.clone(), line, column };
            questions.push(question(text).map_err(|(column, why)| {
                Problem::at(&at(column), why).with_help(
                    r#"a line is {"prompt": "…", "expected": {"number": 42}}, or with "contains" or "exact" and a text"#,
                )
            })?);
            if questions.len() > MAX_QUESTIONS {
                return Err(Problem::at(&at(1), format!("more than {MAX_QUESTIONS} questions")));
            }
        }
        if questions.is_empty() {
            return Err(Problem::new(format!("{name} has no questions")));
        }
        Ok(Self(questions))
    }

    /// A set of one question.
    pub fn of(question: Question) -> Self {
        Self(vec![question])
    }

    /// The questions.
    pub fn questions(&self) -> &[Question] {
        &self.0
    }

    /// The question that the request with this number asks: all in turns.
    pub fn question(&self, request: u64) -> &Question {
        &self.0[(request % self.0.len() as u64) as usize]
    }
}

/// The question of a line, or the column and the reason why it is none.
fn question(line: &str) -> Result<Question, (u32, String)> {
    let question: Question = serde_json::from_str(line).map_err(|error| {
        let why = error.to_string();
        let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
        (u32::try_from(error.column()).unwrap_or(1).max(1), why.to_owned())
    })?;
    let answer_is_empty = match &question.expected {
        Expected::Exact(text) | Expected::Contains(text) => text.trim().is_empty(),
        Expected::Number(_) => false,
    };
    if question.prompt.trim().is_empty() {
        return Err((1, "the prompt is empty".to_owned()));
    }
    if question.prompt.len() > MAX_PROMPT {
        return Err((1, format!("the prompt is longer than {} KiB", MAX_PROMPT >> 10)));
    }
    if answer_is_empty {
        return Err((1, "the expected answer is empty: every answer would fit it".to_owned()));
    }
    Ok(question)
}

impl Expected {
    /// Whether this text gives the answer.
    pub fn fits(&self, answer: &str) -> bool {
        match self {
            Self::Exact(text) => answer.trim() == text.trim(),
            Self::Contains(text) => answer.to_lowercase().contains(&text.to_lowercase()),
            Self::Number(expected) => last_number(answer)
                .is_some_and(|found| (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)),
        }
    }
}

/// The last number in a text, with its sign and its groups of digits.
fn last_number(text: &str) -> Option<f64> {
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = text[..end].rfind(|c: char| !(c.is_ascii_digit() || ".,".contains(c)));
    let (before, number) = match start {
        Some(start) => {
            let after = start + text[start..].chars().next().map_or(0, char::len_utf8);
            (&text[..after], &text[after..end])
        }
        None => ("", &text[..end]),
    };
    let number = number.trim_start_matches([',', '.']);
    let value: f64 = ungrouped(number)?.parse().ok()?;
    let mut before = before.chars().rev();
    let negative = matches!(before.next(), Some('-' | '−'))
        // `12-30` is a difference, `-30` a number.
        && !before.next().is_some_and(|c| c.is_alphanumeric() || c == ')');
    Some(if negative { -value } else { value })
}

/// The digits without their groups: `1,234.5` is one number, of `1,2` the last is 2.
fn ungrouped(number: &str) -> Option<String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains(['.', ',']) {
        return number.rsplit(['.', ',']).next().map(str::to_owned);
    }
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let grouped = (1..=3).contains(&first.len()) && groups.clone().all(|group| group.len() == 3);
    let whole =
        if grouped { whole.replace(',', "") } else { whole.rsplit(',').next().unwrap_or(whole).to_owned() };
    Some(if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_number_of_an_answer_counts() {
        let table = [
            ("The answer is 42.", Some(42.0)),
            ("17 + 25 = 42", Some(42.0)),
            ("It is -18.", Some(-18.0)),
            ("It is −18.", Some(-18.0)),
            ("12-30", Some(30.0)),
            ("about 1,234,567 people", Some(1_234_567.0)),
            ("3.50 euros", Some(3.5)),
            ("one of 1, 2, 3", Some(3.0)),
            ("1,2", Some(2.0)),
            ("version 1.2.3", Some(3.0)),
            ("**7**", Some(7.0)),
            ("seven", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(last_number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_set_that_ships_is_read_and_has_its_kinds_of_answers() {
        let questions = Evaluation::shipped().0;
        assert!(questions.len() >= 20);
        assert!(questions.iter().any(|it| matches!(it.expected, Expected::Number(_))));
        assert!(questions.iter().any(|it| matches!(it.expected, Expected::Contains(_))));
    }

    #[test]
    fn what_is_wrong_with_a_set_is_told_at_its_line() {
        let good = r#"{"prompt": "6 * 7?", "expected": {"number": 42}}"#;
        let told: Vec<String> = [
            r#"{"prompt": "6 * 7?"}"#,
            r#"{"prompt": "6 * 7?", "expected": {"regex": ".*"}}"#,
            r#"{"prompt": "6 * 7?", "expects": {"number": 42}}"#,
            r#"{"prompt": " ", "expected": {"number": 42}}"#,
            r#"{"prompt": "6 * 7?", "expected": {"contains": ""}}"#,
            r#"{"prompt": "6 * 7?", "expected": {"number": "42"}}"#,
            "6 * 7 = 42",
        ]
        .into_iter()
        .map(|line| format!("{good}\n\n{line}\n"))
        .chain([String::new()])
        .map(|text| Evaluation::parse("set.jsonl", text.as_bytes()).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(told.join("\n\n"));
    }

    proptest! {
        // No text makes the readers panic.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}", digits in "[0-9.,−é-]{0,20}") {
            let _ = Evaluation::parse("x", text.as_bytes());
            let _ = last_number(&text);
            let _ = last_number(&digits);
        }

        // An answer that ends in a number is that number.
        #[test]
        fn a_number_at_the_end_is_found(text in "[a-z ]{0,20}", number in -1_000_000_i64..1_000_000) {
            let answer = format!("{text} {number}.");
            prop_assert!(Expected::Number(number as f64).fits(&answer));
            prop_assert!(!Expected::Number(number as f64 + 1.0).fits(&answer));
        }
    }
}
