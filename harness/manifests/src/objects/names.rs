//! Which names Kubernetes takes, and its words for those that it does not (apimachinery
//! `util/validation/validation.go`). Every function gives all that is wrong, in upstream's order.

const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
                         validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// A name with an optional prefix, such as the key of a label (`IsQualifiedName`).
pub(crate) fn qualified_name(name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let name = match name.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [prefix, name] => {
            match *prefix {
                "" => wrong.push("prefix part must be non-empty".to_owned()),
                prefix => wrong.extend(subdomain(prefix).iter().map(|wrong| format!("prefix part {wrong}"))),
            }
            *name
        }
        _ => {
            return vec![format!(
                "a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else {
        wrong.extend(too_long(name, 63).map(|wrong| format!("name part {wrong}")));
    }
    if !is_part(name, is_alphanumeric, "-_.") {
        wrong.push(format!("name part {QUALIFIED}"));
    }
    wrong
}

/// The value of a label (`IsValidLabelValue`).
pub(crate) fn label_value(value: &str) -> Vec<String> {
    let mut wrong: Vec<String> = too_long(value, 63).into_iter().collect();
    if !value.is_empty() && !is_part(value, is_alphanumeric, "-_.") {
        wrong.push(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
             for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                .to_owned(),
        );
    }
    wrong
}

/// A name that may be a part of a host's name (`IsDNS1123Label`).
pub(crate) fn dns_label(name: &str) -> Vec<String> {
    let mut wrong: Vec<String> = too_long(name, 63).into_iter().collect();
    if !is_label(name) {
        wrong.push(if name.split('.').all(is_label) {
            "must not contain dots".to_owned()
        } else {
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
             and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .to_owned()
        });
    }
    wrong
}

/// The name of an environment variable (`IsEnvVarName`).
pub(crate) fn variable_name(name: &str) -> Vec<String> {
    let is_known = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let mut wrong = Vec::new();
    if !name.bytes().all(is_known) || name.bytes().next().is_none_or(|b| b.is_ascii_digit()) {
        wrong.push(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and \
             must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for \
             validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')"
                .to_owned(),
        );
    }
    match name {
        "." => wrong.push("must not be '.'".to_owned()),
        ".." => wrong.push("must not be '..'".to_owned()),
        name if name.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => {}
    }
    wrong
}

/// `IsDNS1123Subdomain`
fn subdomain(name: &str) -> Vec<String> {
    let mut wrong: Vec<String> = too_long(name, 253).into_iter().collect();
    if !name.split('.').all(is_label) {
        wrong.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .to_owned(),
        );
    }
    wrong
}

fn is_label(name: &str) -> bool {
    is_part(name, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), "-")
}

fn is_alphanumeric(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

/// Whether a name begins and ends with an edge, and has nothing else but these characters between.
fn is_part(name: &str, is_edge: impl Fn(u8) -> bool, between: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().copied().is_some_and(&is_edge)
        && bytes.last().copied().is_some_and(&is_edge)
        && bytes.iter().all(|b| is_edge(*b) || between.as_bytes().contains(b))
}

fn too_long(name: &str, most: usize) -> Option<String> {
    (name.len() > most).then(|| format!("must be no more than {most} characters"))
}
