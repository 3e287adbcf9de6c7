use serde::Deserialize;
use strconv::quote;

use super::super::go;
use super::super::pod::{FieldReference, KeyReference};
use super::Metric;

/// An argument of a template, or of a run once it has a value (`Argument`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Argument {
    /// The name.
    pub name: String,
    /// The value, or the default of a template.
    #[serde(default)]
    pub value: Option<String>,
    /// Where the value comes from.
    #[serde(default)]
    pub value_from: Option<ArgumentSource>,
}

/// Where an argument's value comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArgumentSource {
    /// An entry of a Secret, read at every measurement.
    #[serde(default)]
    pub secret_key_ref: Option<KeyReference>,
    /// A field of the Rollout.
    #[serde(default)]
    pub field_ref: Option<FieldReference>,
}

impl Argument {
    /// An argument with a value.
    pub fn with_value(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(value.into()), value_from: None }
    }
}

/// Gives the arguments that a template declares the values that the Rollout supplies
/// (`utils/analysis/helpers.go: MergeArgs`). A supplied name that the template does not declare is
/// dropped without a word.
///
/// # Errors
/// An argument that ends up without a value, in upstream's words.
pub fn merge_arguments(supplied: &[Argument], declared: &[Argument]) -> Result<Vec<Argument>, String> {
    let mut merged = declared.to_vec();
    for argument in supplied {
        let Some(target) = merged.iter_mut().find(|target| target.name == argument.name) else { continue };
        if argument.value.is_some() {
            target.value.clone_from(&argument.value);
        } else if argument.value_from.is_some() {
            target.value_from.clone_from(&argument.value_from);
        }
    }
    match merged.iter().find(|argument| argument.value.is_none() && argument.value_from.is_none()) {
        Some(argument) => Err(format!("args.{} was not resolved", argument.name)),
        None => Ok(merged),
    }
}

/// A text with placeholders (`fasttemplate.Template`).
struct Placeholders<'a> {
    /// Every placeholder, with the text before it.
    parts: Vec<(&'a str, &'a str)>,
    rest: &'a str,
}

impl<'a> Placeholders<'a> {
    /// # Errors
    /// A placeholder that is not closed.
    fn parse(text: &'a str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((tag, next)) = after.split_once("}}") else {
                let (text, after) = (quote(text), quote(after));
                return Err(format!(
                    "Cannot find end tag=\"}}}}\" in the template={text} starting from {after}"
                ));
            };
            parts.push((before, tag));
            rest = next;
        }
        Ok(Self { parts, rest })
    }

    /// # Errors
    /// The last placeholder that has no value.
    fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, String> {
        let (mut filled, mut unresolved) = (String::new(), None);
        for (before, tag) in &self.parts {
            filled.push_str(before);
            match value(tag.trim()) {
                Some(value) => filled.push_str(value),
                None => unresolved = Some(tag),
            }
        }
        filled.push_str(self.rest);
        unresolved.map_or(Ok(filled), |tag| Err(format!("failed to resolve {{{{{tag}}}}}")))
    }
}

/// Puts values in place of `{{name}}` (`utils/template/template.go: resolve`). A value is not searched for further
/// placeholders.
///
/// # Errors
/// A placeholder that is not closed, or the last one without a value, in upstream's words.
pub fn substitute<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, String> {
    Placeholders::parse(text)?.fill(value)
}

/// Puts arguments in place of `{{args.name}}` (`ResolveArgs`).
///
/// # Errors
/// As [`substitute`], and an argument without a value.
pub fn resolve_text(text: &str, arguments: &[Argument]) -> Result<String, String> {
    let placeholders = Placeholders::parse(text)?;
    if let Some(argument) = arguments.iter().find(|argument| argument.value.is_none()) {
        return Err(format!("argument \"{}\" was not supplied", argument.name));
    }
    // Upstream keeps arguments in a map: of two with one name the later wins.
    placeholders.fill(|tag| {
        let name = tag.strip_prefix("args.")?;
        arguments.iter().rev().find(|argument| argument.name == name)?.value.as_deref()
    })
}

/// Puts arguments into a text of JSON, with Go's escapes (`ResolveQuotedArgs`).
///
/// # Errors
/// As [`resolve_text`].
pub fn resolve_quoted(json: &str, arguments: &[Argument]) -> Result<String, String> {
    let escaped = arguments.iter().map(|argument| {
        let value = argument.value.as_ref().map(|value| {
            let quoted = quote(value);
            quoted[1..quoted.len() - 1].to_owned()
        });
        Argument { name: argument.name.clone(), value, value_from: None }
    });
    resolve_text(json, &escaped.collect::<Vec<_>>())
}

impl Metric {
    /// The metric with arguments put into the text that Go writes for it (`utils/analysis/factory.go:
    /// ResolveMetricArgs`).
    ///
    /// # Errors
    /// As [`resolve_text`], and a value with a character that Go escapes as JSON does not.
    pub fn resolve(&self, arguments: &[Argument]) -> Result<Self, String> {
        let written = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let resolved = resolve_quoted(&go::encode("rollouts.Metric", &written), arguments)?;
        check_escapes(&resolved)?;
        let metric: Self = serde_json::from_str(&resolved).map_err(|error| error.to_string())?;
        Ok(Self { places: self.places.clone(), ..metric })
    }
}

/// What `encoding/json` says of an escape that Go's quotes have and JSON has not.
fn check_escapes(json: &str) -> Result<(), String> {
    let mut chars = json.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            continue;
        }
        match chars.next() {
            Some(escape) if !"\"\\/bfnrtu".contains(escape) => {
                return Err(format!("invalid character '{escape}' in string escape code"));
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}
