//! What the model says: text that can be checked without a model.
//!
//! Questions with one right answer (sums, differences, products, capitals, repetition) are answered
//! rightly, so that a quality check can tell a right answer from a wrong one. Other prompts get
//! sentences that follow from a number.

/// What is wrong with the text of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quality {
    /// Nothing.
    #[default]
    Right,
    /// Another answer in the same form.
    Wrong,
    /// Noise.
    Garbled,
    /// No text at all.
    Empty,
    /// A refusal.
    Refusal,
    /// The same words without end.
    Looping,
    /// The right answer in French.
    Language,
    /// JSON where text was asked for, text where JSON was.
    Format,
}

/// What an answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What is asked.
    pub prompt: &'a str,
    /// Whether JSON is asked for.
    pub json: bool,
    /// Decides the words of an answer to an open question, and of a wrong one.
    pub variety: u64,
    /// The tokens of an answer to an open question.
    pub open_tokens: usize,
}

/// The most characters of one token.
const TOKEN_CHARS: usize = 8;

/// How long a looping answer is before its length limit ends it.
const LOOP_TOKENS: usize = 4096;

/// Questions are looked for at the beginning of a prompt.
const QUESTION_BYTES: usize = 4096;

const CAPITALS: [(&str, &str); 12] = [
    ("france", "Paris"),
    ("germany", "Berlin"),
    ("italy", "Rome"),
    ("spain", "Madrid"),
    ("japan", "Tokyo"),
    ("norway", "Oslo"),
    ("egypt", "Cairo"),
    ("canada", "Ottawa"),
    ("kenya", "Nairobi"),
    ("peru", "Lima"),
    ("portugal", "Lisbon"),
    ("greece", "Athens"),
];

const WORDS: [&str; 24] = [
    "the", "model", "answers", "a", "question", "with", "several", "words", "that", "follow", "from", "one",
    "number", "and", "carry", "no", "meaning", "of", "their", "own", "until", "this", "sentence", "ends",
];

/// The text of the answer to a question.
///
/// ```
/// use fake_inference::{Quality, Question, answer};
/// let question = Question { prompt: "What is the sum of 17 and 25?", json: false, variety: 0, open_tokens: 32 };
/// assert_eq!(answer(&question, Quality::Right), "The answer is 42.");
/// assert!(!answer(&question, Quality::Wrong).contains("42"));
/// ```
pub fn answer(question: &Question<'_>, quality: Quality) -> String {
    match quality {
        Quality::Right => formed(question, &known(question.prompt), question.json),
        Quality::Wrong => formed(question, &wrong(&known(question.prompt), question.variety), question.json),
        Quality::Format => formed(question, &known(question.prompt), !question.json),
        Quality::Garbled => garbled(question.variety, question.open_tokens),
        Quality::Empty => String::new(),
        Quality::Refusal => "I'm sorry, but I can't help with that.".to_owned(),
        Quality::Looping => "again and ".repeat(LOOP_TOKENS / 2).trim_end().to_owned(),
        Quality::Language => match known(question.prompt) {
            Known::Fact(fact) => format!("La réponse est {fact}."),
            Known::Open => "Voilà une réponse à côté de la langue demandée.".to_owned(),
        },
    }
}

/// A text as tokens: words with the space before them, at most eight characters each.
pub fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    token_ends(text).map(move |end| {
        let token = &text[start..end];
        start = end;
        token
    })
}

/// How many tokens a text has.
pub fn count_tokens(text: &str) -> usize {
    token_ends(text).count()
}

/// Where each token of a text ends, in bytes.
pub(crate) fn token_ends(text: &str) -> impl Iterator<Item = usize> {
    let mut chars = text.char_indices().chain([(text.len(), ' ')]);
    let (mut length, mut in_word) = (0, false);
    std::iter::from_fn(move || {
        for (index, c) in chars.by_ref() {
            let ends =
                length > 0 && (index == text.len() || length == TOKEN_CHARS || c.is_whitespace() && in_word);
            length = if ends { 1 } else { length + 1 };
            in_word = !c.is_whitespace();
            if ends {
                return Some(index);
            }
        }
        None
    })
}

enum Known {
    /// The one right answer.
    Fact(String),
    /// Anything will do.
    Open,
}

fn known(prompt: &str) -> Known {
    let question = &prompt[..prompt.floor_char_boundary(QUESTION_BYTES)];
    let lower = question.to_lowercase();
    let fact =
        arithmetic(&lower).map(|n| n.to_string()).or_else(|| capital(&lower)).or_else(|| repeat(question));
    fact.map_or(Known::Open, Known::Fact)
}

fn formed(question: &Question<'_>, known: &Known, json: bool) -> String {
    let text = match known {
        Known::Fact(fact) if json => return serde_json::json!({ "answer": fact }).to_string(),
        Known::Fact(fact) => return format!("The answer is {fact}."),
        Known::Open => open(question.variety, question.open_tokens),
    };
    if json { serde_json::json!({ "answer": text }).to_string() } else { text }
}

fn wrong(known: &Known, variety: u64) -> Known {
    let Known::Fact(fact) = known else {
        return Known::Fact("that the moon is made of green cheese".to_owned());
    };
    if let Ok(number) = fact.parse::<i128>() {
        return Known::Fact((number + 1 + i128::from(variety % 9)).to_string());
    }
    let other = (0..CAPITALS.len()).map(|step| CAPITALS[(variety as usize % 7 + step) % CAPITALS.len()].1);
    Known::Fact(other.into_iter().find(|city| city != fact).unwrap_or("Atlantis").to_owned())
}

/// `A + B`, `A plus B`, or else `sum of A and B`, and so for differences and products.
fn arithmetic(prompt: &str) -> Option<i128> {
    let between = |c: char| c.is_whitespace() || matches!(c, '?' | '.' | ',' | ';' | ':' | '!' | '=');
    let mut last = [""; 5];
    let mut named = None;
    for word in prompt.split(between).filter(|word| !word.is_empty()) {
        last.rotate_left(1);
        last[4] = word;
        let [_, _, a, operator, b] = last;
        if let Some(result) = infix(a, operator, b) {
            return Some(result);
        }
        named = named.or_else(|| of_two(last));
    }
    named
}

fn number(word: &str) -> Option<i128> {
    word.parse::<i64>().ok().map(i128::from)
}

fn infix(a: &str, operator: &str, b: &str) -> Option<i128> {
    let compute: fn(i128, i128) -> i128 = match operator {
        "+" | "plus" => |a, b| a + b,
        "-" | "minus" => |a, b| a - b,
        "*" | "x" | "×" | "times" => |a, b| a * b,
        _ => return None,
    };
    Some(compute(number(a)?, number(b)?))
}

fn of_two(words: [&str; 5]) -> Option<i128> {
    let [operation, "of", a, "and", b] = words else { return None };
    let operator = match operation {
        "sum" => "+",
        "difference" => "-",
        "product" => "*",
        _ => return None,
    };
    infix(a, operator, b)
}

fn capital(prompt: &str) -> Option<String> {
    let (_, after) = prompt.split_once("capital of ")?;
    let country = after.split(|c: char| !c.is_alphabetic()).next()?;
    CAPITALS.iter().find(|(name, _)| *name == country).map(|(_, city)| (*city).to_owned())
}

/// `Repeat: X` and `Repeat exactly: X`.
fn repeat(prompt: &str) -> Option<String> {
    let rest = prompt.trim().strip_prefix("Repeat")?;
    let text = rest.strip_prefix(" exactly").unwrap_or(rest).strip_prefix(':')?;
    Some(text.trim().to_owned())
}

fn open(variety: u64, tokens: usize) -> String {
    let mut words = Vec::with_capacity(tokens);
    let mut number = variety;
    for _ in 0..tokens {
        // The step of Knuth's 64-bit linear congruential generator.
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        words.push(WORDS[(number >> 33) as usize % WORDS.len()]);
    }
    words.join(" ")
}

fn garbled(variety: u64, tokens: usize) -> String {
    let text = open(variety, tokens);
    text.split(' ')
        .map(|word| word.chars().rev().chain(['�']).collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ask(prompt: &str, quality: Quality) -> String {
        answer(&Question { prompt, json: false, variety: 5, open_tokens: 16 }, quality)
    }

    #[test]
    fn questions_with_one_answer_are_answered_rightly_or_wrongly() {
        let table = [
            ("What is the sum of 17 and 25?", "42"),
            ("Compute 6 * 7.", "42"),
            ("12 minus 30 =", "-18"),
            ("the product of 3 and -4", "-12"),
            ("What is the capital of France?", "Paris"),
            ("Repeat exactly: blue", "blue"),
        ];
        for (prompt, right) in table {
            assert_eq!(ask(prompt, Quality::Right), format!("The answer is {right}."));
            assert!(!ask(prompt, Quality::Wrong).contains(right), "{prompt}");
            assert!(ask(prompt, Quality::Language).starts_with("La réponse"));
            assert_eq!(ask(prompt, Quality::Format), format!(r#"{{"answer":"{right}"}}"#));
        }
    }

    #[test]
    fn an_open_question_gets_as_many_tokens_as_asked_and_the_same_for_the_same_number() {
        let text = ask("Tell me a story", Quality::Right);
        assert_eq!(count_tokens(&text), 16);
        assert_eq!(text, ask("Tell me another story", Quality::Right));
    }

    proptest! {
        // Tokens make up the text, none is empty, and none is longer than eight characters.
        #[test]
        fn tokens_make_up_the_text(text in "[a-zé \\n]{0,80}") {
            let tokens: Vec<_> = tokens(&text).collect();
            prop_assert_eq!(tokens.len(), count_tokens(&text));
            prop_assert_eq!(tokens.concat(), text.clone());
            prop_assert!(tokens.iter().all(|token| (1..=TOKEN_CHARS).contains(&token.chars().count())));
        }

        // No prompt makes it panic, whatever the quality.
        #[test]
        fn any_prompt_is_answered(prompt in "\\PC{0,100}", a: i64, b: i64, variety: u64) {
            for quality in [Quality::Right, Quality::Wrong, Quality::Garbled, Quality::Language, Quality::Format] {
                for prompt in [prompt.clone(), format!("{a} * {b}"), format!("capital of {prompt}")] {
                    answer(&Question { prompt: &prompt, json: true, variety, open_tokens: 4 }, quality);
                }
            }
        }
    }
}
