//! Generated conditions.

use proptest::prelude::*;

/// Conditions that are syntactically valid; many fit `[]float64`, many do not fit at all.
pub(crate) fn condition() -> impl Strategy<Value = String> {
    boolean(number().boxed(), 2)
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        (-3i32..4).prop_map(|number| number.to_string()),
        (-20i32..20).prop_map(|tenths| format!("{:?}", f64::from(tenths) / 10.0)),
    ]
}

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => literal(),
        2 => Just("result".to_string()),
        3 => (-3i32..3).prop_map(|index| format!("result[{index}]")),
        1 => Just("len(result)".to_string()),
        1 => prop::sample::select(vec![
            "result.value", "result.items", "result.missing", "result.name", "result.flag", "result?.value",
            "result.missing?.value", "result.items[0].value", "result?.[1]", "result[1:]", "result[:1]", "nil",
            "(1..3)", "[]", "[1, 2.0]", "{\"value\": 1}", "isNaN", "len",
        ])
        .prop_map(String::from),
        1 => Just("\"a\"".to_string()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%"]);
        let function = prop::sample::select(vec![
            "abs", "ceil", "floor", "round", "int", "float", "sum", "max", "min", "mean", "median", "first",
            "last", "asInt", "asFloat",
        ]);
        let loop_function = prop::sample::select(vec![
            "filter",
            "map",
            "count",
            "sum",
            "find",
            "findIndex",
            "findLast",
            "findLastIndex",
            "groupBy",
            "reduce",
        ]);
        let element = prop::sample::select(vec![
            "# > 0.4",
            "# < 0.4",
            "# * 2",
            "#",
            ".value",
            "{let y = #; y == y}",
            "#acc + #",
            "#index",
            "# in result",
        ]);
        let list_function =
            prop::sample::select(vec!["reverse", "uniq", "flatten", "sort", "len", "string", "type", "keys"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (loop_function, inner.clone(), element).prop_map(|(f, a, e)| format!("{f}({a}, {e})")),
            (list_function, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (inner.clone(), -2i32..3).prop_map(|(a, i)| format!("({a})[{i}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("concat({a}, {b})")),
            (function, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("max({a}, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ?? {b})")),
            inner.prop_map(|a| format!("default(result, {a})")),
        ]
    })
}

fn boolean(number: BoxedStrategy<String>, depth: u32) -> BoxedStrategy<String> {
    let comparison = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!=", "in", "not in"]);
    let quantifier = prop::sample::select(vec!["all", "any", "none", "one"]);
    let leaf = prop_oneof![
        6 => (number.clone(), comparison.clone(), number.clone())
            .prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        2 => (quantifier, comparison.clone(), number.clone())
            .prop_map(|(f, o, b)| format!("{f}(result, # {o} {b})")),
        1 => (comparison, number.clone()).prop_map(|(o, b)| format!("filter(result, # {o} {b})[0] > 0")),
        1 => number.clone().prop_map(|a| format!("isNaN({a})")),
        1 => Just("true".to_string()),
        1 => Just("false".to_string()),
    ];
    leaf.prop_recursive(depth, 12, 3, |inner| {
        let operator = prop::sample::select(vec!["&&", "||", "and", "or", "==", "!="]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a}) {o} ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("{a} ? {b} : {c}")),
        ]
    })
    .boxed()
}

/// Tokens in any order.
pub(crate) fn tokens() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "result", "0", "1", "0.5", "[", "]", "(", ")", "{", "}", "<", ">", "==", "!=", "&&", "||", "!",
        "not", "and", "or", "in", "..", ".", ",", ":", "?", "??", "?.", "|", "#", "+", "-", "*", "/", "%",
        "**", "len", "all", "any", "filter", "true", "nil", "\"a\"", "let", "x", "=", ";", "value", "isNaN",
        "if", "else",
    ]);
    prop::collection::vec(token, 1..10).prop_map(|tokens| tokens.join(" "))
}
