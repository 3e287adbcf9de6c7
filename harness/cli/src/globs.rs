//! Patterns of file names as Go's `path/filepath` reads them: `*`, `?` and `[…]` within one part of a
//! path, nothing across parts.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The files that a pattern stands for, in order of their names.
///
/// # Errors
/// The pattern is malformed, or a folder cannot be read.
pub(crate) fn files(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(part) = component else {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        let part = part.to_string_lossy();
        if !part.contains(['*', '?', '[', '\\']) {
            found.iter_mut().for_each(|path| path.push(&*part));
            continue;
        }
        let part = parse(&part).ok_or_else(|| format!("`{}` is a malformed pattern", pattern.display()))?;
        let folders = std::mem::take(&mut found);
        for folder in folders.iter().filter(|folder| folder.as_os_str().is_empty() || folder.is_dir()) {
            found.extend(entries(folder, &part)?);
        }
    }
    found.retain(|path| path.exists());
    Ok(found)
}

fn entries(folder: &Path, pattern: &[Piece]) -> Result<Vec<PathBuf>, String> {
    let read_from = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let failed = |error: std::io::Error| format!("`{}` cannot be read: {error}", read_from.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(read_from).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let letters: Vec<char> = name.chars().collect();
        if matches(pattern, &letters) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

/// What one piece of a pattern takes.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    /// `*`
    AnyText,
    /// `?`
    AnyLetter,
    /// A letter.
    Letter(char),
    /// `[a-z]`, or with `^` any letter but these.
    OneOf { ranges: Vec<(char, char)>, negated: bool },
}

fn parse(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        pieces.push(match letter {
            '*' => Piece::AnyText,
            '?' => Piece::AnyLetter,
            '\\' => Piece::Letter(letters.next()?),
            '[' => {
                let negated = letters.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || letters.peek() != Some(&']') {
                    let low = class_letter(&mut letters)?;
                    let high = match letters.next_if_eq(&'-') {
                        Some(_) => class_letter(&mut letters)?,
                        None => low,
                    };
                    ranges.push((low, high));
                }
                letters.next();
                Piece::OneOf { ranges, negated }
            }
            letter => Piece::Letter(letter),
        });
    }
    Some(pieces)
}

fn class_letter(letters: &mut impl Iterator<Item = char>) -> Option<char> {
    match letters.next()? {
        '\\' => letters.next(),
        '-' | ']' => None,
        letter => Some(letter),
    }
}

fn matches(pattern: &[Piece], name: &[char]) -> bool {
    // Where the last `*` began, and how much of the name it has taken.
    let (mut piece, mut at, mut star) = (0, 0, None);
    loop {
        let fits = match (pattern.get(piece), name.get(at)) {
            (None, None) => return true,
            (Some(Piece::AnyText), _) => {
                star = Some((piece, at));
                piece += 1;
                continue;
            }
            (Some(Piece::AnyLetter), Some(_)) => true,
            (Some(Piece::Letter(wanted)), Some(letter)) => wanted == letter,
            (Some(Piece::OneOf { ranges, negated }), Some(letter)) => {
                ranges.iter().any(|(low, high)| (low..=high).contains(&letter)) != *negated
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        match (fits, star) {
            (true, _) => (piece, at) = (piece + 1, at + 1),
            (false, Some((from, taken))) if taken < name.len() => {
                star = Some((from, taken + 1));
                (piece, at) = (from + 1, taken + 1);
            }
            (false, _) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_those_of_go() {
        let cases = [
            ("*.yaml", "rules.yaml", true),
            ("*.yaml", ".yaml", true),
            ("*.yaml", "rules.yml", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbX", false),
            ("?.y", "é.y", true),
            ("[a-c]1", "b1", true),
            ("[^a-c]1", "b1", false),
            ("[a\\-z]", "-", true),
            ("\\*", "*", true),
            ("**", "anything", true),
            ("", "", true),
        ];
        for (pattern, name, expected) in cases {
            let name: Vec<char> = name.chars().collect();
            assert_eq!(matches(&parse(pattern).unwrap(), &name), expected, "{pattern} {name:?}");
        }
        for pattern in ["[", "[]", "[a", "[-]", "\\", "[a-]"] {
            assert_eq!(parse(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn files_are_found_in_order_part_by_part() {
        let room = tempfile::tempdir().unwrap();
        for file in ["b/x.yaml", "a/y.yaml", "a/x.yaml", "a/x.txt"] {
            let path = room.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = |pattern: &str| -> Vec<String> {
            let paths = files(&room.path().join(pattern)).unwrap();
            let relative = paths.iter().map(|path| path.strip_prefix(room.path()).unwrap());
            relative.map(|path| path.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(found("*/*.yaml"), ["a/x.yaml", "a/y.yaml", "b/x.yaml"]);
        assert_eq!(found("a/x.yaml"), ["a/x.yaml"]);
        assert_eq!(found("c/*"), [""; 0]);
        assert_eq!(found("a/z.yaml"), [""; 0]);
    }
}
