use manifests::objects::Metric;
use manifests::objects::analysis::CheckedProvider;

use super::*;

/// What a metric makes of a reply: phase, value, message.
fn measured(metric: &str, reply: &Reply) -> Result<(String, String, String), String> {
    let node = yaml::parse_one("m.yaml", metric.as_bytes()).unwrap();
    let metric: Metric = yaml::decode(&node).unwrap();
    let planned = PlannedMetric::new(metric.check().unwrap(), false, 10);
    let CheckedProvider::Web(web) = planned.checked.provider.clone() else { panic!("{:?}", planned.checked) };
    let taken = match Request::prepare(&planned.checked, &web).map_err(|problem| problem.message)? {
        Ok(request) => {
            request.answered(&planned, reply, Duration::ZERO).map_err(|problem| problem.message)?
        }
        Err(message) => Taken::error(message, ""),
    };
    Ok((taken.phase.to_string(), taken.value, taken.message))
}

fn ok(body: &str) -> Reply {
    Reply::Response { status: 200, body: body.to_owned() }
}

fn web(rest: &str, conditions: &str) -> String {
    format!("{{name: foo, provider: {{web: {{url: 'http://q.e/s'{rest}}}}}{conditions}}}")
}

/// The cases of upstream's own test (`webmetric_test.go: TestRunSuite`).
#[test]
fn upstreams_own_cases_come_out_as_they_do_there() {
    let whole = r#"{"a": 1, "b": true, "c": [1, 2, 3, 4], "d": null}"#;
    let of = |value: &str| format!(r#"{{"key": [{{"key2": {{"value": {value}}}}}]}}"#);
    let path = ", jsonPath: '{$.key[0].key2.value}'";
    let both = |success: &str, failure: &str| {
        format!(", successCondition: '{success}', failureCondition: '{failure}'")
    };
    let condition =
        |a: &str| format!("result.a {a} && result.b && all(result.c, {{# < 5}}) && result.d == nil");
    for (rest, conditions, body, phase, value) in [
        (
            "",
            format!(", successCondition: '{}'", condition("> 0")),
            whole.to_owned(),
            "Successful",
            r#"{"a":1,"b":true,"c":[1,2,3,4],"d":null}"#,
        ),
        (
            "",
            both(&condition(">= 2"), &condition("<= 0")),
            whole.to_owned(),
            "Inconclusive",
            r#"{"a":1,"b":true,"c":[1,2,3,4],"d":null}"#,
        ),
        (path, both("asInt(result) > 0", "asInt(result) <= 0"), of("\"1\""), "Successful", "\"1\""),
        (path, both("asInt(result) > 0", "asInt(result) <= 0"), of("\"0\""), "Failed", "\"0\""),
        (
            path,
            both("asFloat(result) > 1.1", "asFloat(result) <= 1.1"),
            of("\"1.2\""),
            "Successful",
            "\"1.2\"",
        ),
        (path, both("result > 0", "result <= 0"), of("1"), "Successful", "1"),
        (path, both("result > 0", "result <= 0"), of("-1.1"), "Failed", "-1.1"),
        (
            path,
            ", successCondition: 'result == \"true\"'".to_owned(),
            of("\"true\""),
            "Successful",
            "\"true\"",
        ),
        (path, ", successCondition: result".to_owned(), of("true"), "Successful", "true"),
        (path, ", successCondition: result".to_owned(), of("false"), "Failed", "false"),
        (
            ", jsonPath: '{$.key}'",
            ", successCondition: 5 in result".to_owned(),
            r#"{"key": [1, 2, 3, 4, 5, 6]}"#.to_owned(),
            "Successful",
            "[1,2,3,4,5,6]",
        ),
        (
            ", jsonPath: '{$.key}'",
            ", successCondition: 0 in result".to_owned(),
            r#"{"key": [1, 2, 3, 4, 5, 6]}"#.to_owned(),
            "Failed",
            "[1,2,3,4,5,6]",
        ),
        ("", String::new(), "{}".to_owned(), "Successful", "{}"),
    ] {
        let expected = Ok((phase.to_owned(), value.to_owned(), String::new()));
        assert_eq!(measured(&web(rest, &conditions), &ok(&body)), expected, "{rest} {conditions} {body}");
    }
}

/// So do upstream's own cases.
#[test]
fn what_is_no_json_is_successful_whatever_the_conditions_are() {
    let never = ", successCondition: asInt(result) > 0, failureCondition: asInt(result) <= 0";
    for body in ["", "test: notJson"] {
        let expected = Ok(("Successful".to_owned(), body.to_owned(), String::new()));
        assert_eq!(
            measured(&web(", jsonPath: '{$.key[0].key2.value}'", never), &ok(body)),
            expected,
            "{body}"
        );
    }
}

#[test]
fn what_cannot_be_measured_is_an_error_in_upstreams_words() {
    let missing = "Could not find JSONPath in body: novalue is not found";
    let both = "use either Body or JSONBody; both cannot exists for WebMetric payload";
    let get = "Body/JSONBody can only be used with POST or PUT WebMetric Method types";
    for (rest, reply, message) in [
        (", jsonPath: '{$.novalue}'", ok("{\"a\": 1}"), missing),
        (", jsonPath: '{$.a'", ok("{}"), "unclosed action"),
        (", body: x", ok("{}"), get),
        (", jsonBody: {}", ok("{}"), get),
        (", method: POST, body: x, jsonBody: {a: b}", ok("{}"), both),
        (", method: 'PO ST'", ok("{}"), "net/http: invalid method \"PO ST\""),
        ("", Reply::Response { status: 503, body: "{}".to_owned() }, "received non 2xx response code: 503"),
        ("", Reply::Response { status: 302, body: String::new() }, "received non 2xx response code: 302"),
        ("", Reply::Unreachable("connection refused".to_owned()), "Get \"http://q.e/s\": connection refused"),
        (", method: POST", Reply::Unreachable("EOF".to_owned()), "Post \"http://q.e/s\": EOF"),
        (
            ", authentication: {oauth2: {tokenUrl: 'http://t'}}",
            ok("{}"),
            "missing mandatory parameter in metric for OAuth2 setup",
        ),
    ] {
        let expected = Ok(("Error".to_owned(), String::new(), message.to_owned()));
        assert_eq!(measured(&web(rest, ""), &reply), expected, "{rest}");
    }
    let empty =
        measured(&web(", jsonPath: '{$.a}'", ", successCondition: result > 1"), &ok("{\"a\": []}")).unwrap();
    assert_eq!(
        empty.2,
        "could not evaluate successCondition \"result > 1\": metric result is nil or empty: no data returned from the \
         metric provider"
    );
}

#[test]
fn a_status_of_200_to_299_is_a_success() {
    for (status, phase) in
        [(200, "Successful"), (201, "Successful"), (299, "Successful"), (300, "Error"), (404, "Error")]
    {
        let reply = Reply::Response { status, body: "{}".to_owned() };
        assert_eq!(measured(&web("", ""), &reply).unwrap().0, phase, "{status}");
    }
}

#[test]
fn urls_without_a_scheme_or_a_host_are_never_connected() {
    for (url, message) in [
        ("", "Get \"\": unsupported protocol scheme \"\""),
        ("quality/score", "Get \"quality/score\": unsupported protocol scheme \"\""),
        ("quality:8080/score", "Get \"quality:8080/score\": unsupported protocol scheme \"quality\""),
        ("ftp://quality/score", "Get \"ftp://quality/score\": unsupported protocol scheme \"ftp\""),
        ("http://", "Get \"http:\": http: no Host in request URL"),
        ("http:///score", "Get \"http:///score\": http: no Host in request URL"),
    ] {
        let (phase, _, said) = measured(&web("", "").replace("http://q.e/s", url), &ok("{}")).unwrap();
        assert_eq!((phase.as_str(), said.as_str()), ("Error", message));
    }
    let secret = web("", "").replace("http://q.e/s", "HTTP://me:secret@q.e/s");
    let (_, _, said) = measured(&secret, &Reply::Unreachable("EOF".to_owned())).unwrap();
    assert_eq!(said, "Get \"http://me:***@q.e/s\": EOF");
}

#[test]
fn what_upstream_would_show_otherwise_is_refused_by_name() {
    for (rest, reply, said) in [
        (
            ", jsonPath: '{.*}'",
            ok("{\"a\": 1, \"b\": 2}"),
            "the order in which a `jsonPath` meets the fields",
        ),
        ("", ok("null"), "a body `null`, of which the controller of Argo Rollouts v1.10.1 panics"),
        ("", ok("\"\\ud800\""), "half a surrogate pair"),
        (", method: HEAD", ok(""), "the method HEAD"),
        (", headers: [{key: 'a b', value: c}]", ok(""), "the HTTP header \"a b\""),
    ] {
        let refused = measured(&web(rest, ""), &reply).unwrap_err();
        assert!(refused.starts_with("not simulated: ") && refused.contains(said), "{refused}");
    }
    for url in ["http://a b/", "http://a/é", "http://a:port/", "http://a/%zz", "http://a/#x"] {
        let refused = measured(&web("", "").replace("http://q.e/s", url), &ok("{}")).unwrap_err();
        assert!(refused.contains("the URL"), "{refused}");
    }
}
