use serde::Deserialize;

use super::super::pod::{FieldReference, KeyReference};
use super::{Metric, Prometheus};

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

/// Puts arguments in place of `{{args.name}}` (`utils/template/template.go: ResolveArgs`). A value is
/// not searched for further placeholders.
///
/// # Errors
/// An argument without a value, a placeholder that names none, or one that is not closed.
pub fn resolve_text(text: &str, arguments: &[Argument]) -> Result<String, String> {
    if let Some(argument) = arguments.iter().find(|argument| argument.value.is_none()) {
        return Err(format!("argument \"{}\" was not supplied", argument.name));
    }
    let mut resolved = String::with_capacity(text.len());
    let mut unresolved = None;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((tag, next)) = after.split_once("}}") else {
            return Err(format!(
                "Cannot find end tag=\"}}}}\" in the template={text:?} starting from {after:?}"
            ));
        };
        resolved.push_str(before);
        let name = tag.trim().strip_prefix("args.");
        // Upstream keeps arguments in a map: of two with one name the later wins.
        match name.and_then(|name| arguments.iter().rev().find(|argument| argument.name == name)) {
            Some(argument) => resolved.push_str(argument.value.as_deref().unwrap_or_default()),
            None => unresolved = Some(tag),
        }
        rest = next;
    }
    resolved.push_str(rest);
    match unresolved {
        Some(tag) => Err(format!("failed to resolve {{{{{tag}}}}}")),
        None => Ok(resolved),
    }
}

impl Metric {
    /// The metric with arguments put into every text of it (`utils/analysis/factory.go:
    /// ResolveMetricArgs`). Upstream substitutes in the metric's JSON text; a placeholder never
    /// reaches beyond one text there, so that substituting text by text gives the same, and keeps
    /// places.
    ///
    /// # Errors
    /// As [`resolve_text`].
    pub fn resolve(&self, arguments: &[Argument]) -> Result<Self, String> {
        let text = |text: &String| resolve_text(text, arguments);
        let number = |number: &Option<_>| match number {
            Some(super::IntOrString::String(text)) => {
                resolve_text(text, arguments).map(|text| Some(super::IntOrString::String(text)))
            }
            number => Ok(number.clone()),
        };
        let mut provider = self.provider.clone();
        if let Some(prometheus) = &mut provider.prometheus {
            resolve_prometheus(prometheus, arguments)?;
        }
        if let Some(web) = &mut provider.web {
            web.resolve(arguments)?;
        }
        if let Some(job) = &mut provider.job {
            job.resolve(arguments)?;
        }
        Ok(Self {
            name: text(&self.name)?,
            interval: text(&self.interval)?,
            initial_delay: text(&self.initial_delay)?,
            count: number(&self.count)?,
            success_condition: text(&self.success_condition)?,
            failure_condition: text(&self.failure_condition)?,
            failure_limit: number(&self.failure_limit)?,
            inconclusive_limit: number(&self.inconclusive_limit)?,
            consecutive_error_limit: number(&self.consecutive_error_limit)?,
            consecutive_success_limit: number(&self.consecutive_success_limit)?,
            provider,
            places: self.places.clone(),
        })
    }
}

fn resolve_prometheus(prometheus: &mut Prometheus, arguments: &[Argument]) -> Result<(), String> {
    let mut texts = vec![&mut prometheus.address, &mut prometheus.query];
    for header in &mut prometheus.headers {
        texts.extend([&mut header.key, &mut header.value]);
    }
    if let Some(range) = &mut prometheus.range_query {
        texts.extend([&mut range.start, &mut range.end, &mut range.step]);
    }
    for text in texts {
        *text = resolve_text(text, arguments)?;
    }
    Ok(())
}
