//! Values as Go's `fmt` writes them.

use strconv::{Format, format_float, quote};

use super::error::ExpandError;
use super::value::Value;

/// `fmt.Sprint`: spaces stand between two operands of which neither is a text.
pub(super) fn print(values: &[Value]) -> Result<String, ExpandError> {
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if at > 0 && !is_text(value) && !is_text(&values[at - 1]) {
            text.push(' ');
        }
        text.push_str(&Directive::default().write(value)?);
    }
    Ok(text)
}

/// `fmt.Sprintln`.
pub(super) fn print_line(values: &[Value]) -> Result<String, ExpandError> {
    let words: Vec<String> =
        values.iter().map(|value| Directive::default().write(value)).collect::<Result<_, _>>()?;
    Ok(format!("{}\n", words.join(" ")))
}

/// A value as an action prints it (go text/template/exec.go: printableValue).
pub(super) fn show(value: &Value) -> Result<String, ExpandError> {
    match value {
        Value::Nil => Ok("<no value>".to_owned()),
        // A pointer is followed first.
        Value::Sample(_) => Directive::default().write(value).map(|text| text[1..].to_owned()),
        value => Directive::default().write(value),
    }
}

/// `fmt.Sprintf`.
pub(super) fn print_formatted(format: &str, values: &[Value]) -> Result<String, ExpandError> {
    let mut text = String::new();
    let mut rest = format;
    let mut arguments = Arguments { values, next: 0 };
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (directive, after) = Directive::parse(rest, &mut arguments)?;
        rest = after;
        match directive.verb {
            None => text.push_str("%!(NOVERB)"),
            Some('%') => text.push('%'),
            Some(verb) => match arguments.take() {
                Some(value) => text.push_str(&directive.write(value)?),
                None => text.push_str(&format!("%!{verb}(MISSING)")),
            },
        }
    }
    text.push_str(rest);
    let surplus = &values[arguments.next.min(values.len())..];
    if !surplus.is_empty() {
        let written: Vec<String> = surplus.iter().map(described).collect::<Result<_, _>>()?;
        text.push_str(&format!("%!(EXTRA {})", written.join(", ")));
    }
    Ok(text)
}

struct Arguments<'a> {
    values: &'a [Value],
    next: usize,
}

impl<'a> Arguments<'a> {
    fn take(&mut self) -> Option<&'a Value> {
        self.next += 1;
        self.values.get(self.next - 1)
    }
}

/// How one value is to be written.
#[derive(Debug, Clone, Copy, Default)]
struct Directive {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    /// None at the end of a format; `v` by default.
    verb: Option<char>,
}

/// The widest field that is written.
const MAX_WIDTH: usize = 1_000;

impl Directive {
    /// Reads what follows a `%`.
    fn parse<'a>(text: &'a str, arguments: &mut Arguments<'_>) -> Result<(Self, &'a str), ExpandError> {
        let mut found = Self::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next().filter(|flag| "+-# 0".contains(*flag)) {
            match flag {
                '+' => found.plus = true,
                '-' => found.minus = true,
                '#' => found.sharp = true,
                ' ' => found.space = true,
                _ => found.zero = true,
            }
            rest = &rest[1..];
        }
        (found.width, rest) = number(rest, arguments)?;
        if let Some(after) = rest.strip_prefix('.') {
            (found.precision, rest) = number(after, arguments)?;
            found.precision = found.precision.or(Some(0));
        }
        if rest.starts_with('[') {
            return Err(ExpandError::NotSimulated("argument indexes in `printf`".to_owned()));
        }
        found.verb = rest.chars().next();
        Ok((found, &rest[found.verb.map_or(0, char::len_utf8)..]))
    }

    fn write(&self, value: &Value) -> Result<String, ExpandError> {
        let verb = self.verb.unwrap_or('v');
        if verb == 'v' && self.sharp {
            return Err(ExpandError::NotSimulated("`%#v` in `printf`".to_owned()));
        }
        if verb == 'T' {
            return Ok(self.padded(value.type_name().to_owned()));
        }
        match value {
            Value::Nil if verb == 'v' => Ok(self.padded("<nil>".to_owned())),
            Value::Nil => Ok(format!("%!{verb}(<nil>)")),
            Value::Bool(value) if matches!(verb, 't' | 'v') => Ok(self.padded(value.to_string())),
            Value::Int(number) => self.integer(*number, verb),
            Value::Float(number) => self.float(*number, verb),
            Value::Text(text) => self.text(text, verb),
            Value::Labels(labels) => {
                let entries = labels.iter().map(|label| {
                    let (name, text) =
                        (Value::Text(label.name.to_string()), Value::Text(label.value.to_string()));
                    Ok(format!("{}:{}", self.write(&name)?, self.write(&text)?))
                });
                Ok(format!("map[{}]", entries.collect::<Result<Vec<_>, ExpandError>>()?.join(" ")))
            }
            Value::Arguments(arguments) => {
                let entries = arguments.iter().map(|(name, value)| {
                    Ok(format!("{}:{}", self.write(&Value::Text(name.clone()))?, self.write(value)?))
                });
                Ok(format!("map[{}]", entries.collect::<Result<Vec<_>, ExpandError>>()?.join(" ")))
            }
            Value::Sample(sample) if verb == 'v' => {
                let labels = self.write(&Value::Labels(sample.labels.clone()))?;
                let value = self.write(&Value::Float(sample.value))?;
                Ok(match self.plus {
                    true => format!("&{{Labels:{labels} Value:{value}}}"),
                    false => format!("&{{{labels} {value}}}"),
                })
            }
            Value::Sample(_) | Value::Samples(_) | Value::Root => Err(ExpandError::NotSimulated(format!(
                "a value of type {} in the text of a template",
                value.type_name()
            ))),
            Value::Bool(_) => self.bad_verb(value, verb),
        }
    }

    fn bad_verb(&self, value: &Value, verb: char) -> Result<String, ExpandError> {
        Ok(format!("%!{verb}({})", described(value)?))
    }

    fn integer(&self, number: i64, verb: char) -> Result<String, ExpandError> {
        let size = number.unsigned_abs();
        let (digits, prefix) = match verb {
            'v' | 'd' => (size.to_string(), ""),
            'x' => (format!("{size:x}"), if self.sharp { "0x" } else { "" }),
            'X' => (format!("{size:X}"), if self.sharp { "0X" } else { "" }),
            'o' => (format!("{size:o}"), if self.sharp { "0" } else { "" }),
            'b' => (format!("{size:b}"), if self.sharp { "0b" } else { "" }),
            'c' => {
                let c = u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
                return Ok(self.padded(c.to_string()));
            }
            'O' | 'U' | 'q' => {
                return Err(ExpandError::NotSimulated(format!("`%{verb}` of a number in `printf`")));
            }
            _ => return self.bad_verb(&Value::Int(number), verb),
        };
        if self.precision == Some(0) && number == 0 {
            return Ok(self.padded(String::new()));
        }
        let digits = format!("{digits:0>width$}", width = self.precision.unwrap_or(0));
        let zeros = self.zero && self.precision.is_none();
        let directive = Self { plus: self.plus && verb != 'v', ..*self };
        Ok(directive.signed(number < 0, &format!("{prefix}{digits}"), zeros))
    }

    fn float(&self, number: f64, verb: char) -> Result<String, ExpandError> {
        // In `%+v` the plus asks for names of fields, not for signs.
        let format = match verb {
            'v' | 'g' | 'G' => Format::General,
            'e' | 'E' => Format::Exponent,
            'f' | 'F' => Format::Plain,
            'b' | 'x' | 'X' => {
                return Err(ExpandError::NotSimulated(format!("`%{verb}` of a number in `printf`")));
            }
            _ => return self.bad_verb(&Value::Float(number), verb),
        };
        if self.sharp {
            return Err(ExpandError::NotSimulated(format!("`%#{verb}` of a number in `printf`")));
        }
        let precision = match format {
            Format::General => self.precision,
            Format::Exponent | Format::Plain => self.precision.or(Some(6)),
        };
        let written = format_float(number, format, precision);
        let written = if verb.is_ascii_uppercase() { written.replace('e', "E") } else { written };
        let size = written.trim_start_matches(['+', '-']);
        // Infinity has a plus of its own.
        let always_signed = number == f64::INFINITY && !self.space;
        let directive = Self { plus: always_signed || self.plus && verb != 'v', ..*self };
        Ok(directive.signed(written.starts_with('-'), size, self.zero && number.is_finite()))
    }

    /// Puts a sign, and zeros or spaces, before digits.
    fn signed(&self, negative: bool, digits: &str, zeros: bool) -> String {
        let sign = match negative {
            true => "-",
            false if self.plus => "+",
            false if self.space => " ",
            false => "",
        };
        let width = self.width.unwrap_or(0).saturating_sub(sign.len());
        if zeros && !self.minus {
            return format!("{sign}{digits:0>width$}");
        }
        self.padded(format!("{sign}{digits}"))
    }

    fn text(&self, text: &str, verb: char) -> Result<String, ExpandError> {
        let shortened = || match self.precision {
            Some(length) => text.chars().take(length).collect(),
            None => text.to_owned(),
        };
        Ok(match verb {
            'v' | 's' => self.padded(shortened()),
            'q' if !self.sharp && !self.plus => self.padded(quote(&shortened())),
            'x' => self.padded(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
            'X' => self.padded(text.bytes().map(|byte| format!("{byte:02X}")).collect()),
            'q' => return Err(ExpandError::NotSimulated("`%q` with flags in `printf`".to_owned())),
            _ => return self.bad_verb(&Value::Text(text.to_owned()), verb),
        })
    }

    fn padded(&self, text: String) -> String {
        let width = self.width.unwrap_or(0);
        if self.minus { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }
}

/// A number in a directive, or the argument that `*` stands for.
fn number<'a>(text: &'a str, arguments: &mut Arguments<'_>) -> Result<(Option<usize>, &'a str), ExpandError> {
    if let Some(rest) = text.strip_prefix('*') {
        return match arguments.take() {
            Some(Value::Int(number)) if (0..=MAX_WIDTH as i64).contains(number) => {
                Ok((Some(*number as usize), rest))
            }
            _ => {
                Err(ExpandError::NotSimulated("`*` in `printf` with anything but a small number".to_owned()))
            }
        };
    }
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    match digits.parse::<usize>() {
        Err(_) if digits.is_empty() => Ok((None, rest)),
        Ok(number) if number <= MAX_WIDTH => Ok((Some(number), rest)),
        Ok(_) | Err(_) => Err(ExpandError::NotSimulated(format!("a width above {MAX_WIDTH} in `printf`"))),
    }
}

/// A value with its type, as in complaints of `fmt`.
fn described(value: &Value) -> Result<String, ExpandError> {
    Ok(match value {
        Value::Nil => "<nil>".to_owned(),
        value => format!("{}={}", value.type_name(), Directive::default().write(value)?),
    })
}
