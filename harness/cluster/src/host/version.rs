use std::fmt;

/// The version of a program: three numbers, whatever stands around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first version in a text, as programs tell it: `kind v0.33.0 go1.26.1 linux/amd64`,
    /// `20.10.24+dfsg1`. What is missing behind the second number is zero.
    pub fn find(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| Self::parse(word.trim_start_matches('v')))
    }

    fn parse(word: &str) -> Option<Self> {
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let mut numbers = word[..end].split('.').map(str::parse);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
        Some(Self(major, minor, patch))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, patch) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        let cases = [
            ("kind v0.33.0 go1.26.1 linux/amd64", Some(Version(0, 33, 0))),
            ("20.10.24+dfsg1", Some(Version(20, 10, 24))),
            ("29.0.0-rc.1", Some(Version(29, 0, 0))),
            ("v0.27", Some(Version(0, 27, 0))),
            ("git version 2.39.5", Some(Version(2, 39, 5))),
            ("kind version", None),
            ("99999999999.1.1", None),
            ("", None),
        ];
        for (text, version) in cases {
            assert_eq!(Version::find(text), version, "{text}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number_and_not_by_text() {
        assert!(Version(0, 9, 0) < Version(0, 27, 0));
        assert!(Version(28, 0, 0) > Version(20, 10, 24));
    }
}
