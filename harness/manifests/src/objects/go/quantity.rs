//! The canonical text of a quantity (apimachinery `resource.Quantity.CanonicalizeBytes`).

/// The amount below which nothing is kept: it is rounded up to this power of ten.
const FINEST: i32 = -9;

/// The text that is written for a quantity; one that is no quantity stays as it is.
pub(super) fn canonical(text: &str) -> String {
    read(text.trim()).unwrap_or_else(|| text.to_owned())
}

fn read(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { "-" } else { "" };
    let stripped = unsigned.trim_start_matches('0');
    let digits = stripped.find(|c: char| !c.is_ascii_digit()).unwrap_or(stripped.len());
    let (whole, rest) = stripped.split_at(digits);
    let after = rest.strip_prefix('.').unwrap_or(rest);
    let end = if after.len() < rest.len() {
        after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len())
    } else {
        0
    };
    let (fraction, suffix) = after.split_at(end);
    let whole = if whole.is_empty() { "0" } else { whole };
    let digits = format!("{whole}{fraction}");
    let value: i128 = digits.parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    if let Some(power) = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|known| *known == suffix) {
        let power = power as u32 + 1;
        // Upstream keeps the text of what it takes for canonical already.
        if fraction.is_empty() && value & 7 != 0 {
            return Some(text.to_owned());
        }
        return binary(sign, value.checked_mul(1 << (10 * power))?, places);
    }
    let (exponent, style) = decimal_exponent(suffix)?;
    let scale = exponent - places;
    if value != 0 && scale >= FINEST && scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
    {
        return Some(text.to_owned());
    }
    decimal(sign, value, scale, style)
}

/// How an amount of tens is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Suffix,
    Exponent,
}

const SUFFIXES: [(i32, &str); 10] =
    [(-9, "n"), (-6, "u"), (-3, "m"), (0, ""), (3, "k"), (6, "M"), (9, "G"), (12, "T"), (15, "P"), (18, "E")];

fn decimal_exponent(suffix: &str) -> Option<(i32, Style)> {
    if let Some((exponent, _)) = SUFFIXES.iter().find(|(_, known)| *known == suffix) {
        return Some((*exponent, Style::Suffix));
    }
    Some((suffix.strip_prefix(['e', 'E'])?.parse().ok()?, Style::Exponent))
}

/// `value` · 10^`scale`.
fn decimal(sign: &str, mut value: i128, mut scale: i32, style: Style) -> Option<String> {
    if value == 0 {
        return Some("0".to_owned());
    }
    while scale < FINEST {
        value = value / 10 + i128::from(value % 10 > 0);
        scale += 1;
    }
    while value >= 10 && value % 10 == 0 {
        value /= 10;
        scale += 1;
    }
    while scale % 3 != 0 {
        value = value.checked_mul(10)?;
        scale -= 1;
    }
    let suffix = match style {
        Style::Exponent if scale == 0 => String::new(),
        Style::Exponent => format!("e{scale}"),
        Style::Suffix => SUFFIXES.iter().find(|(exponent, _)| *exponent == scale)?.1.to_owned(),
    };
    Some(format!("{sign}{value}{suffix}"))
}

/// `value` / 10^`places`, in powers of 1024 where it is whole and at least one of them.
fn binary(sign: &str, value: i128, places: i32) -> Option<String> {
    let tens = 10_i128.checked_pow(u32::try_from(places).ok()?)?;
    let mut whole = value / tens;
    if value % tens != 0 || whole < 1024 {
        return decimal(sign, value, -places, Style::Suffix);
    }
    let mut power = 0;
    while whole >= 1024 && whole % 1024 == 0 {
        whole /= 1024;
        power += 1;
    }
    let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(power)?;
    Some(format!("{sign}{whole}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn quantities_are_written_as_go_writes_them() {
        for (text, expected) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("16Gi", "16Gi"),
            ("100000000", "100M"),
            ("1e3", "1e3"),
            ("10e3", "10e3"),
            ("0", "0"),
            ("0m", "0"),
            ("-1000m", "-1"),
            ("512", "512"),
            ("0.1Ki", "102400m"),
            ("soon", "soon"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }
}
