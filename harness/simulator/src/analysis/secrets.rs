//! Arguments that come from Secrets: read at every measurement, and never told (argo-rollouts v1.10.1
//! `analysis/analysis.go: resolveArgs`).

use manifests::objects::analysis::{Argument, CheckedMetric};
use manifests::objects::{self, ObjectKey};

use super::measure::Step;
use super::plan::{Plan, PlannedMetric};
use super::run::AnalysisRun;
use crate::World;

/// A run's arguments with the values of their Secrets.
pub(super) struct WithSecrets {
    arguments: Vec<Argument>,
    secrets: Vec<String>,
}

/// The arguments of a run, where one of them comes from a Secret; `None` where none does.
///
/// # Errors
/// A Secret, or an entry of one, that is not there, in upstream's words.
pub(super) fn arguments(
    world: &World<'_>,
    namespace: &str,
    arguments: &[Argument],
) -> Result<Option<WithSecrets>, String> {
    let mut found = WithSecrets { arguments: Vec::with_capacity(arguments.len()), secrets: Vec::new() };
    for argument in arguments {
        let source = argument.value_from.as_ref().and_then(|source| source.secret_key_ref.as_ref());
        let Some(reference) = source else {
            found.arguments.push(argument.clone());
            continue;
        };
        let value = secret_entry(world, namespace, &reference.name, &reference.key)?;
        found.arguments.push(Argument::with_value(&argument.name, &value));
        found.secrets.push(value);
    }
    Ok((!found.secrets.is_empty()).then_some(found))
}

fn secret_entry(world: &World<'_>, namespace: &str, name: &str, entry: &str) -> Result<String, String> {
    let missing = || format!("secrets \"{name}\" not found");
    let object = world.api.find(&ObjectKey::new("", "Secret", Some(namespace), name)).ok_or_else(missing)?;
    let Some(objects::Object::Secret(secret)) = object.plain() else { return Err(missing()) };
    let in_base64 = || secret.data.get(entry).and_then(|text| decode_base64(text));
    secret
        .string_data
        .get(entry)
        .cloned()
        .or_else(in_base64)
        .ok_or_else(|| format!("key '{entry}' does not exist in secret '{name}'"))
}

/// Text in base64; what is no UTF-8 is replaced.
pub(crate) fn decode_base64(text: &str) -> Option<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for c in text.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=') {
        let six = ALPHABET.iter().position(|letter| *letter == c)?;
        bits = bits << 6 | six as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl WithSecrets {
    /// The metric with the real values in place.
    ///
    /// # Errors
    /// An argument that cannot be put in.
    pub(super) fn resolve(
        &self,
        run: &AnalysisRun,
        plan: &Plan,
        planned: &PlannedMetric,
    ) -> Result<PlannedMetric, String> {
        let index = plan.metrics.iter().position(|known| std::ptr::eq(known, planned));
        let metric = index.and_then(|index| run.analysis.metrics.get(index));
        let metric = metric.ok_or("the metric is not in the run's spec")?.resolve(&self.arguments)?;
        let text = |text: String| (!text.is_empty()).then_some(text);
        // Limits and times stay those of the spec without Secrets, which was checked.
        let checked = CheckedMetric {
            provider: metric.provider.check()?,
            success_condition: text(metric.success_condition),
            failure_condition: text(metric.failure_condition),
            ..planned.checked.clone()
        };
        Ok(PlannedMetric::new(checked, planned.dry_run, planned.retention))
    }

    /// Takes the values out of what is told.
    pub(super) fn redact(&self, step: Step) -> Step {
        let Step::Taken(mut taken) = step else { return step };
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            for text in [&mut taken.message, &mut taken.condition, &mut taken.help] {
                *text = text.replace(secret, "*****");
            }
        }
        Step::Taken(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (text, expected) in
            [("", ""), ("aGk=", "hi"), ("aGk", "hi"), ("czNjcmV0", "s3cret"), ("aGkK\n", "hi\n")]
        {
            assert_eq!(decode_base64(text).as_deref(), Some(expected));
        }
        assert_eq!(decode_base64("a-b"), None);
    }
}
