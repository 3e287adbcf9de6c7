//! Functions of texts: escapes, host names, titles.

use std::net::IpAddr;

/// `text/template.HTMLEscapeString`
pub(super) fn html_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => escaped.push('\u{fffd}'),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `net/url.QueryEscape`
pub(super) fn query_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => escaped.push('+'),
            b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// `net.SplitHostPort`: host and port; none where there is no port or more than one colon.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let colon = text.rfind(':')?;
    let (host, after) = match text.strip_prefix('[') {
        Some(inner) => {
            let end = inner.find(']')?;
            if end + 2 != colon {
                return None;
            }
            (&inner[..end], &inner[end + 1..])
        }
        None if text[..colon].contains(':') => return None,
        None => (&text[..colon], text),
    };
    let brackets = host.contains('[') || after.contains(['[', ']']);
    (!brackets).then(|| (host, &text[colon + 1..]))
}

pub(super) fn without_port(text: &str) -> &str {
    split_host_port(text).map_or(text, |(host, _)| host)
}

/// The first part of a host's name, with its port; addresses stay.
pub(super) fn without_domain(text: &str) -> String {
    let (host, port) = split_host_port(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let first = host.split('.').next().unwrap_or_default();
    match (port, first.contains(':')) {
        ("", _) => first.to_owned(),
        (port, true) => format!("[{first}]:{port}"),
        (port, false) => format!("{first}:{port}"),
    }
}

/// `cases.Title(language.AmericanEnglish, cases.NoLower)` for ASCII; none for other texts. A word starts
/// at its first letter; points, colons and apostrophes between letters do not end it.
pub(super) fn title(text: &str) -> Option<String> {
    let (mut in_word, mut after_mid) = (false, false);
    text.chars()
        .map(|c| {
            let starts = c.is_ascii_alphabetic() && !in_word;
            match c {
                c if !c.is_ascii() => return None,
                c if c.is_ascii_alphabetic() => (in_word, after_mid) = (true, false),
                c if c.is_ascii_digit() || c == '_' => after_mid = false,
                '.' | ':' | '\'' if in_word && !after_mid => after_mid = true,
                _ => (in_word, after_mid) = (false, false),
            }
            Some(if starts { c.to_ascii_uppercase() } else { c })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_begin_words_as_upstream_does() {
        let cases = [
            ("hello world", "Hello World"),
            ("4xx errors", "4Xx Errors"),
            ("foo-bar_baz", "Foo-Bar_baz"),
            ("foo.bar: don't", "Foo.bar: Don't"),
            ("it''s a..b", "It''S A..B"),
            ("FOO bAR", "FOO BAR"),
            ("foo.4bar 4.xx", "Foo.4bar 4.Xx"),
        ];
        for (text, expected) in cases {
            assert_eq!(title(text).as_deref(), Some(expected));
        }
        assert_eq!(title("é"), None);
    }

    #[test]
    fn hosts_lose_ports_and_domains() {
        let cases = [
            ("web-1.example.com:9090", "web-1.example.com", "web-1:9090"),
            ("web-1", "web-1", "web-1"),
            ("10.0.0.1:9090", "10.0.0.1", "10.0.0.1:9090"),
            ("[::1]:80", "::1", "[::1]:80"),
            ("::1", "::1", "::1"),
            ("a:b:c", "a:b:c", "a:b:c"),
        ];
        for (text, host, short) in cases {
            assert_eq!((without_port(text), &*without_domain(text)), (host, short), "{text}");
        }
    }

    #[test]
    fn escapes_are_those_of_html_and_queries() {
        assert_eq!(html_escaped("<a href=\"x\">'&"), "&lt;a href=&#34;x&#34;&gt;&#39;&amp;");
        assert_eq!(query_escaped("up{a=\"b c\"} > ~1é"), "up%7Ba%3D%22b+c%22%7D+%3E+~1%C3%A9");
    }
}
