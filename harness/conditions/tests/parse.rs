//! Places, refusals, bounds, and what a linter may ask.

mod generate;

use conditions::{Comparison, Condition, ConditionError, Dialect, ErrorKind, ResultUse, Threshold, Value};
use proptest::prelude::*;

fn parse(text: &str) -> Condition {
    Condition::parse(text, Dialect::Expr1_17).expect(text)
}

fn refusal(text: &str) -> ConditionError {
    Condition::parse(text, Dialect::Expr1_17).expect_err(text)
}

#[test]
fn an_error_shows_its_place_as_expr_shows_it() {
    let error = parse("result < 0.5").evaluate(&Value::Floats(vec![0.1])).expect_err("a type error");
    assert_eq!(
        error.to_string(),
        "invalid operation: < (mismatched types []float64 and float64) (1:8)\n | result < 0.5\n | .......^"
    );
    let span = error.span().expect("a place");
    assert_eq!((span.offset, span.length, span.line, span.column), (7, 1, 1, 8));
    assert_eq!(error.kind(), ErrorKind::Type);
}

#[test]
fn a_place_counts_bytes_for_the_offset_and_characters_for_the_column() {
    let error = refusal("\"ä\" ==\n  @");
    let span = error.span().expect("a place");
    assert_eq!((span.offset, span.line, span.column), (10, 2, 3));
    assert_eq!(error.message(), "unrecognized character: U+0040 '@'");
}

#[test]
fn what_is_not_simulated_is_refused_by_name() {
    let cases = [
        ("fromJSON(result)", "not simulated: expr function `fromJSON`"),
        ("result | toJSON() == \"\"", "not simulated: expr function `toJSON`"),
        ("now() == nil", "not simulated: expr function `now`"),
        ("$env.result > 1", "not simulated: expr variable `$env`"),
    ];
    for (text, message) in cases {
        let error = refusal(text);
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotSimulated, message));
    }
    let error = parse("len == nil").evaluate(&Value::Nil).expect_err("a refusal");
    assert_eq!(error.message(), "not simulated: expr function `len` used as a value");
}

#[test]
fn long_deep_and_endless_conditions_reach_a_bound_by_name() {
    let long = format!("{}true", " ".repeat(9_000));
    let deep = format!("{}true{}", "(".repeat(200), ")".repeat(200));
    let chained = format!("1{}", " + 1".repeat(200));
    for text in [long, deep, chained] {
        assert_eq!(refusal(&text).kind(), ErrorKind::Limit);
    }
    let endless = parse("all(1..5000, all(1..5000, # > 0))");
    let error = endless.evaluate(&Value::Nil).expect_err("a bound");
    assert_eq!(error.kind(), ErrorKind::Limit);
    let doubled = (0..40).map(|i| format!("let b{} = b{i} + b{i}; ", i + 1)).collect::<String>();
    let error = parse(&format!("let b0 = \"xx\"; {doubled} true")).evaluate(&Value::Nil);
    assert_eq!(error.expect_err("a bound").kind(), ErrorKind::Limit);
}

#[test]
fn the_deepest_condition_that_parses_is_evaluated() {
    let texts = [
        format!("{}result[0]{} < 1", "abs(".repeat(120), ")".repeat(120)),
        format!("{}true", "!".repeat(120)),
        format!("{}true{}", "all(result, ".repeat(60), ")".repeat(60)),
        format!("{}true{}", "(".repeat(120), ")".repeat(120)),
        format!("result[0]{} < 200", " + 1".repeat(120)),
    ];
    for text in texts {
        assert_eq!(parse(&text).evaluate(&Value::Floats(vec![0.1])), Ok(true), "{text}");
    }
}

#[test]
fn a_search_from_the_end_beside_another_operand_is_refused() {
    // Expr itself reads a wrong operand there.
    let value = Value::Floats(vec![0.3, 0.7]);
    let error = parse("0.5 < filter(result, # > 0)[-1]").evaluate(&value).expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::NotSimulated);
    assert_eq!(parse("filter(result, # > 0)[-1] > 0.5").evaluate(&value), Ok(true));
}

#[test]
fn a_linter_learns_how_the_result_is_used() {
    let none = ResultUse::default();
    let cases = [
        ("result < 0.5", ResultUse { scalar: true, ..none }),
        ("result[0] < 0.5", ResultUse { indexed: true, ..none }),
        ("first(result) < 0.5", ResultUse { indexed: true, ..none }),
        ("len(result) == 0 || result[0] < 0.5", ResultUse { indexed: true, length: true, ..none }),
        ("all(result, # < 0.5)", ResultUse { collection: true, ..none }),
        ("2 in result", ResultUse { collection: true, ..none }),
        ("result.value < 3", ResultUse { field: true, ..none }),
        ("asFloat(result) < 3", ResultUse { scalar: true, ..none }),
        ("isNil(result) || result < 1", ResultUse { scalar: true, nil_check: true, ..none }),
        ("default(result, 0) < 1", ResultUse { nil_check: true, ..none }),
        ("true", none),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).references_result_as(), expected, "{text}");
    }
}

#[test]
fn a_threshold_is_the_bound_under_which_the_condition_holds() {
    let cases = [
        ("result < 0.5", Some((Comparison::Less, 0.5))),
        ("result[0] < 0.5", Some((Comparison::Less, 0.5))),
        ("result[0] <= 5e-1", Some((Comparison::LessOrEqual, 0.5))),
        ("0.95 <= result[0]", Some((Comparison::GreaterOrEqual, 0.95))),
        ("result[0] > -1", Some((Comparison::Greater, -1.0))),
        ("result[0] < 2 * 60", Some((Comparison::Less, 120.0))),
        ("asFloat(result) >= 1", Some((Comparison::GreaterOrEqual, 1.0))),
        ("default(result, 0) < 1", Some((Comparison::Less, 1.0))),
        ("len(result) == 0 || result[0] < 0.5", Some((Comparison::Less, 0.5))),
        ("!isNaN(result[0]) && result[0] < 0.5", Some((Comparison::Less, 0.5))),
        ("len(result) > 0 && !isNaN(result[0]) && result[0] < 0.5", Some((Comparison::Less, 0.5))),
        ("isNaN(result[0]) or result[0] == 1", Some((Comparison::Equal, 1.0))),
        ("result[0] < 0.5 && result[0] > 0.1", None),
        ("result[0] < result[1]", None),
        ("result[0] / 2 < 1", None),
        ("len(result) == 0", None),
        ("all(result, # < 0.5)", None),
        ("true", None),
    ];
    for (text, expected) in cases {
        let expected = expected.map(|(comparison, bound)| Threshold { comparison, bound });
        assert_eq!(parse(text).threshold(), expected, "{text}");
    }
}

fn shapes() -> Vec<Value> {
    vec![
        Value::Float(0.1),
        Value::Floats(vec![0.3, f64::NAN]),
        Value::Floats(vec![]),
        Value::Nil,
        Value::Text("1.5".to_string()),
        Value::Json(serde_json::json!({"value": [1, {"a": null}]})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text, valid or not, is parsed and evaluated without a panic.
    #[test]
    fn any_text_is_either_evaluated_or_refused(text in "\\PC{0,60}") {
        try_everything(&text);
    }

    /// The same for texts made of tokens of the language, which get further.
    #[test]
    fn any_tokens_are_either_evaluated_or_refused(text in generate::tokens()) {
        try_everything(&text);
    }

    /// A generated condition always parses, and evaluation is a function of its input.
    #[test]
    fn a_valid_condition_gives_the_same_answer_twice(text in generate::condition()) {
        let condition = Condition::parse(&text, Dialect::Expr1_17).expect("valid syntax");
        for value in shapes() {
            prop_assert_eq!(condition.evaluate(&value), condition.evaluate(&value));
        }
    }

    /// Where a threshold is recognised in a bare comparison, it decides as the condition does.
    #[test]
    fn a_threshold_decides_as_its_condition(
        comparison in prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]),
        bound in -3i32..3,
        sample in -3i32..3,
        mirrored in any::<bool>(),
    ) {
        let text = if mirrored { format!("{bound} {comparison} result[0]") }
            else { format!("result[0] {comparison} {bound}") };
        let condition = parse(&text);
        let threshold = condition.threshold().expect("a bare comparison has a threshold");
        let sample = f64::from(sample);
        let held = condition.evaluate(&Value::Floats(vec![sample]));
        prop_assert_eq!(Ok(threshold.comparison.holds(sample, threshold.bound)), held);
    }
}

fn try_everything(text: &str) {
    for dialect in [Dialect::Expr1_17, Dialect::Expr1_15] {
        let Ok(condition) = Condition::parse(text, dialect) else { continue };
        condition.references_result_as();
        condition.threshold();
        for value in shapes() {
            if let Err(error) = condition.evaluate(&value) {
                assert!(!error.message().is_empty());
            }
        }
    }
}
