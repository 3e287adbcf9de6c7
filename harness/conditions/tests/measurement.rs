//! Measurements judged as Argo Rollouts judges them, with its messages.

use conditions::{Condition, Dialect, Outcome, Value, judge_measurement, prometheus_value};
use serde_json::json;

fn parse(text: &str) -> Condition {
    Condition::parse(text, Dialect::Expr1_17).expect(text)
}

/// An empty text means that the condition is not set, as in the metric's YAML.
fn judge(value: &Value, success: &str, failure: &str) -> Outcome {
    let condition = |text: &str| (!text.is_empty()).then(|| parse(text));
    judge_measurement(condition(success).as_ref(), condition(failure).as_ref(), value)
}

fn failed_to_evaluate(name: &str, condition: &str, why: &str) -> Outcome {
    Outcome::Error(format!("could not evaluate {name} \"{condition}\": {why}"))
}

const NO_DATA: &str = "metric result is nil or empty: no data returned from the metric provider";

#[test]
fn a_vector_from_prometheus_is_judged_by_success_condition() {
    use Outcome::{Failed, Successful};
    let vector = |samples: &[f64]| Value::Floats(samples.to_vec());
    let cases = [
        (vector(&[0.1]), "result[0] < 0.5", Successful),
        (vector(&[0.1]), "result[-1] < 1", Successful),
        (vector(&[]), "len(result) == 0 || result[0] < 0.5", Successful),
        (vector(&[]), "all(result, # < 0.5)", Successful),
        (vector(&[]), "any(result, # > 0.5)", Failed),
        (vector(&[f64::NAN]), "result[0] < 0.5", Failed),
        (vector(&[f64::NAN]), "result[0] != result[0]", Successful),
        (Value::Nil, "default(result, 0) < 0.5", Successful),
    ];
    for (value, condition, expected) in cases {
        assert_eq!(judge(&value, condition, ""), expected, "{condition} on {value:?}");
    }
}

#[test]
fn a_condition_that_does_not_fit_the_value_is_an_error_with_upstreams_message() {
    let cases = [
        (
            Value::Floats(vec![0.1]),
            "result < 0.5",
            "invalid operation: < (mismatched types []float64 and float64)",
        ),
        (Value::Float(0.1), "result[0] < 0.5", "type float64[int] is undefined"),
        (Value::Floats(vec![]), "result[0] < 0.5", NO_DATA),
        (Value::Floats(vec![]), "isNil(result) || result[0] < 0.5", NO_DATA),
        (Value::Floats(vec![]), "default(result, [0])[0] < 0.5", NO_DATA),
        (Value::Floats(vec![]), "(result[0] ?? 1) > 0", NO_DATA),
        (Value::Floats(vec![0.1]), "result[5] < 1", "index out of range: 5 (array length is 1)"),
        (Value::Floats(vec![0.1]), "result[0]", "expected bool, but got float64"),
        (Value::Nil, "result < 0.5", NO_DATA),
        (Value::Bool(true), "a == true", "unknown name a"),
    ];
    for (value, condition, why) in cases {
        let expected = failed_to_evaluate("successCondition", condition, why);
        assert_eq!(judge(&value, condition, ""), expected, "{condition} on {value:?}");
    }
}

#[test]
fn success_and_failure_conditions_combine_as_in_evaluate_result() {
    use Outcome::{Failed, Inconclusive, Successful};
    let cases = [
        ("", "", Successful),
        ("true", "", Successful),
        ("false", "", Failed),
        ("", "true", Failed),
        ("", "false", Successful),
        ("true", "false", Successful),
        ("true", "true", Failed),
        ("false", "true", Failed),
        ("false", "false", Inconclusive),
    ];
    for (success, failure, expected) in cases {
        assert_eq!(judge(&Value::Bool(true), success, failure), expected, "{success:?}, {failure:?}");
    }
}

#[test]
fn a_sample_that_is_not_a_number_slips_past_a_failure_condition() {
    let value = Value::Floats(vec![f64::NAN]);
    assert_eq!(judge(&value, "", "result[0] >= 0.5"), Outcome::Successful);
    assert_eq!(judge(&value, "result[0] < 0.5", "result[0] >= 0.5"), Outcome::Inconclusive);
}

#[test]
fn the_success_condition_is_evaluated_first_and_an_error_prevails() {
    let unknown = "unknown name a";
    assert_eq!(
        judge(&Value::Bool(true), "a == true", "b == true"),
        failed_to_evaluate("successCondition", "a == true", unknown)
    );
    assert_eq!(
        judge(&Value::Bool(true), "true", "a == true"),
        failed_to_evaluate("failureCondition", "a == true", unknown)
    );
}

#[test]
fn releases_before_1_10_record_the_bare_message() {
    let condition = Condition::parse("result[0] < 0.5", Dialect::Expr1_15).expect("valid");
    let outcome = judge_measurement(Some(&condition), None, &Value::Floats(vec![]));
    assert_eq!(outcome, Outcome::Error("reflect: slice index out of range".to_string()));
}

/// The cases of argo-rollouts v1.10.1 `utils/evaluate/evaluate_test.go` that evaluate one condition.
#[test]
fn upstreams_own_cases_give_upstreams_answers() {
    let apdex = json!({"service_apdex": {"label": null, "values": {"values": [2, 2]}}});
    let text = |text: &str| Value::Text(text.to_string());
    let cases = [
        (Value::Bool(true), "result == true", Ok(true)),
        (Value::Bool(true), "result == false", Ok(false)),
        (Value::Bool(true), "1", Err("expected bool, but got int")),
        (Value::Bool(true), "invalidVariable", Err("unknown name invalidVariable")),
        (Value::Json(apdex), "all(result.service_apdex.values.values, {# > 1})", Ok(true)),
        (Value::Floats(vec![2.0, 2.0]), "2 in result", Ok(true)),
        (Value::Float(5.0), "result > 1", Ok(true)),
        (Value::Bool(true), "result.Name() == 'hi'", Err("type bool has no method Name")),
        (text("1.1"), "asInt(result) == 1.1", Err("strconv.ParseInt: parsing \"1.1\": invalid syntax")),
        (text("1"), "asInt(result) == 1", Ok(true)),
        (Value::Float(1.0), "asInt(result) == 1", Ok(true)),
        (Value::Float(1.123), "asInt(result) == 1", Ok(true)),
        (
            text("NotANum"),
            "asFloat(result) == 1.1",
            Err("strconv.ParseFloat: parsing \"NotANum\": invalid syntax"),
        ),
        (
            text("1.1"),
            "asFloat(result) == \"1.1\"",
            Err("invalid operation: == (mismatched types float64 and string)"),
        ),
        (text("1.1"), "asFloat(result) == 1.1", Ok(true)),
        (text("1.1"), "asFloat(result) >= 1.1", Ok(true)),
        (text("1.1"), "asFloat(result) <= 1.1", Ok(true)),
        (Value::Float(1.1), "asFloat(result) == 1.1", Ok(true)),
        (Value::Float(1.0), "asFloat(result) == 1", Ok(true)),
        (Value::Float(f64::INFINITY), "isInf(result)", Ok(true)),
        (Value::Float(0.0), "isInf(result)", Ok(false)),
        (Value::Nil, "default(result, 2) == 2", Ok(true)),
        (Value::Float(1.0), "default(result, 0) == 1", Ok(true)),
        (Value::Nil, "isNil(result)", Ok(true)),
        (Value::Json(json!(["hi", "hello"])), "isNil(result)", Ok(false)),
        (Value::Bool(false), "isNil(result)", Ok(false)),
    ];
    for (value, condition, expected) in cases {
        let outcome = parse(condition).evaluate(&value);
        let outcome = outcome.as_ref().map_err(|error| error.message()).copied();
        assert_eq!(outcome, expected, "{condition} on {value:?}");
    }
}

#[test]
fn the_dialects_differ_where_expr_changed() {
    let value = Value::Floats(vec![0.3, 0.7]);
    type Expected = Result<bool, &'static str>;
    let cases: [(&str, Expected, Expected); 5] = [
        (
            "result[5] != 0.3",
            Err("reflect: slice index out of range"),
            Err("index out of range: 5 (array length is 2)"),
        ),
        ("result?.[9] ?? 1.0", Err("expected name"), Err("index out of range: 9 (array length is 2)")),
        ("max(result) > 1", Err("invalid argument for max (type []float64)"), Ok(false)),
        ("if true { true } else { false }", Err("unexpected token Identifier(\"true\")"), Ok(true)),
        ("0.1 < result[0] < 0.5", Err("invalid operation: < (mismatched types bool and float64)"), Ok(true)),
    ];
    for (text, old, current) in cases {
        for (dialect, expected) in [(Dialect::Expr1_15, old), (Dialect::Expr1_17, current)] {
            let outcome = Condition::parse(text, dialect).and_then(|condition| condition.evaluate(&value));
            let outcome = outcome.as_ref().map_err(|error| error.message()).copied();
            assert_eq!(outcome, expected, "{text} in {dialect:?}");
        }
    }
}

#[test]
fn values_are_recorded_as_the_prometheus_provider_records_them() {
    let cases = [
        (Value::Float(0.1), Some("0.1")),
        (Value::Float(f64::NAN), Some("NaN")),
        (Value::Float(f64::INFINITY), Some("+Inf")),
        (Value::Float(1e21), Some("1000000000000000000000")),
        (Value::Floats(vec![0.1, 0.2]), Some("[0.1,0.2]")),
        (Value::Floats(vec![]), Some("[]")),
        (Value::Floats(vec![f64::NEG_INFINITY]), Some("[-Inf]")),
        (Value::Text("x".to_string()), None),
    ];
    for (value, expected) in cases {
        assert_eq!(prometheus_value(&value).as_deref(), expected, "{value:?}");
    }
}
