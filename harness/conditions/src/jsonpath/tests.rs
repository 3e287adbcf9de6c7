use serde_json::json;

use super::*;

fn measure(path: &str, body: &Json) -> Result<String, String> {
    let told = |error| match error {
        JsonPathError::Upstream(message) => message,
        JsonPathError::NotSimulated(what) => format!("not simulated: {what}"),
    };
    let path = JsonPath::parse(path).map_err(told)?;
    path.measure(body).map(|value| crate::web_value(&value)).map_err(told)
}

/// The answers of upstream's own tests (`webmetric_test.go: TestRunSuite`).
#[test]
fn the_paths_of_upstreams_tests_find_what_they_find_there() {
    let of = |value: Json| json!({"key": [{"key2": {"value": value}}]});
    for (path, body, found) in [
        ("", json!({"a": 1, "b": true, "c": [1, 2], "d": null}), r#"{"a":1,"b":true,"c":[1,2],"d":null}"#),
        ("{$.key[0].key2.value}", of(json!("1.2")), r#""1.2""#),
        ("{$.key[0].key2.value}", of(json!(-1.1)), "-1.1"),
        ("{$.key[0].key2.value}", of(json!(false)), "false"),
        ("{$.key}", json!({"key": [1, 2, 3, 4, 5, 6]}), "[1,2,3,4,5,6]"),
        (
            "{$.key}",
            json!({"key": {"num": 1.2, "bool": true, "mapfield": {"foo": "bar"}}}),
            r#"{"bool":true,"mapfield":{"foo":"bar"},"num":1.2}"#,
        ),
    ] {
        assert_eq!(measure(path, &body), Ok(found.to_owned()), "{path}");
    }
    let missing = measure("{$.key[0].key2.novalue}", &of(json!("true")));
    assert_eq!(missing, Err("Could not find JSONPath in body: novalue is not found".to_owned()));
}

#[test]
fn the_first_value_of_the_first_part_that_has_one_is_measured() {
    let body = json!({"runs": [{"n": "a", "v": 1}, {"n": "b", "v": 2}], "x.y": 3, "empty": []});
    for (path, found) in [
        ("{.runs[*].v}", "1"),
        ("{.runs[-1].v}", "2"),
        ("{.runs[0:2:2].n}", "\"a\""),
        ("{.runs[?(@.n == \"b\")].v}", "2"),
        ("{.runs[?(@.v > 1.0)].v}", "2"),
        (
            "{..v}",
            "not simulated: the order in which a `jsonPath` meets the fields of an object, which chance decides",
        ),
        ("{['runs'][0]['n','v']}", "\"a\""),
        ("{.x\\.y}", "3"),
        ("{range .runs[*]}{.v}{end}", "1"),
        // An empty range is gone through with no document at all.
        ("{range .empty[*]}{.v}{end}", "Could not find JSONPath in body: v is not found"),
        ("{range .empty[*]}{end}{.runs[1].v}", "2"),
        ("score {.runs[0].v}", "\"score \""),
        ("$.runs[0].v", "\"$.runs[0].v\""),
        ("{\"text\"}", "\"text\""),
        ("{true}", "true"),
        ("{.empty[*]}", "result of web metric produced no value"),
        ("{.runs[7]}", "Could not find JSONPath in body: array index out of bounds: index 7, length 2"),
        ("{.runs.v}", "Could not find JSONPath in body: v is not found"),
        ("{[0]}", "Could not find JSONPath in body: map[string]interface {} is not array or slice"),
        // A number of the body is a float64 and 1 an int: upstream does not compare them.
        ("{.runs[?(@.v == 1)]}", "Could not find JSONPath in body: incompatible types for comparison"),
        ("{.runs[?(@.v == 1.0)].n}", "\"a\""),
        ("{.runs", "unclosed action"),
        ("{.runs[0}", "unterminated array"),
        ("{.runs[a]}", "invalid array index a"),
        ("{#}", "unrecognized character in action: U+0023 '#'"),
        ("{.runs[?(@.v)}", "unclosed array expect ]"),
        ("{end}", "Could not find JSONPath in body: not in range, nothing to end"),
        ("{word}", "Could not find JSONPath in body: unrecognized identifier word"),
        ("{7}", "not simulated: a `jsonPath` that measures a whole number of its own"),
    ] {
        let measured = measure(path, &body).unwrap_or_else(|error| error);
        assert_eq!(measured, found, "{path}");
    }
}

#[test]
fn a_body_of_null_is_refused_since_upstream_panics() {
    for path in ["", "{$}", "{[0]}"] {
        let refused = measure(path, &Json::Null).unwrap_err();
        assert!(refused.starts_with("not simulated: ") && refused.contains("panics"), "{path}: {refused}");
    }
    assert_eq!(
        measure("{.a}", &Json::Null),
        Err("Could not find JSONPath in body: a is not found".to_owned())
    );
    assert_eq!(measure("{.a}", &json!({"a": null})), Ok("null".to_owned()));
}

#[test]
fn one_field_is_no_matter_of_chance() {
    assert_eq!(measure("{..v}", &json!({"a": {"v": 4}})), Ok("4".to_owned()));
    assert_eq!(measure("{.*}", &json!({"a": 5})), Ok("5".to_owned()));
    assert_eq!(measure("{.*}", &json!({"a": 5, "b": 5})), Ok("5".to_owned()));
}
