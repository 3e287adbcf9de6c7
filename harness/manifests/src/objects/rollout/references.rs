//! What a Rollout refers to: Services and analysis templates, and how templates become one run
//! (argo-rollouts v1.10.1 `pkg/apis/rollouts/validation/validation_references.go`,
//! `utils/analysis/helpers.go`, `utils/analysis/factory.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use strconv::quote;

use super::super::Object;
use super::super::analysis::{
    AnalysisTemplate, Argument, DryRun, MeasurementRetention, Metric, TemplateReference, merge_arguments,
};
use super::super::core::Service;
use super::super::field::FieldError;
use super::super::values::IntOrString;
use super::{Analysis, HASH_LABEL, InvalidSpec, Rollout};

/// The annotation with which a Rollout claims a Service.
const MANAGED_BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";
/// How deep templates may name one another. Upstream has no bound.
const MAX_DEPTH: usize = 32;

/// Where a Rollout's references lead, all in its own namespace.
pub trait References {
    /// The AnalysisTemplate of this name.
    fn analysis_template(&self, name: &str) -> Option<Arc<AnalysisTemplate>>;
    /// The ClusterAnalysisTemplate of this name.
    fn cluster_analysis_template(&self, name: &str) -> Option<Arc<AnalysisTemplate>>;
    /// The Service of this name.
    fn service(&self, name: &str) -> Option<Arc<Service>>;
}

/// What is there for the Rollouts of a namespace to refer to, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReferencedResources {
    /// AnalysisTemplates.
    pub analysis_templates: BTreeMap<String, Arc<AnalysisTemplate>>,
    /// ClusterAnalysisTemplates.
    pub cluster_analysis_templates: BTreeMap<String, Arc<AnalysisTemplate>>,
    /// Services.
    pub services: BTreeMap<String, Arc<Service>>,
}

/// Objects of other kinds are left out; of two of the same kind and name the last one stays.
impl FromIterator<Object> for ReferencedResources {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        let mut resources = Self::default();
        for object in objects {
            match object {
                Object::AnalysisTemplate(template) => {
                    resources.analysis_templates.insert(template.metadata.name.clone(), template);
                }
                Object::ClusterAnalysisTemplate(template) => {
                    resources.cluster_analysis_templates.insert(template.metadata.name.clone(), template);
                }
                Object::Service(service) => {
                    resources.services.insert(service.metadata.name.clone(), service);
                }
                _ => {}
            }
        }
        resources
    }
}

impl References for ReferencedResources {
    fn analysis_template(&self, name: &str) -> Option<Arc<AnalysisTemplate>> {
        self.analysis_templates.get(name).cloned()
    }

    fn cluster_analysis_template(&self, name: &str) -> Option<Arc<AnalysisTemplate>> {
        self.cluster_analysis_templates.get(name).cloned()
    }

    fn service(&self, name: &str) -> Option<Arc<Service>> {
        self.services.get(name).cloned()
    }
}

/// The templates of one analysis, nested ones included, without repetition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Analyses {
    /// AnalysisTemplates.
    pub templates: Vec<Arc<AnalysisTemplate>>,
    /// ClusterAnalysisTemplates.
    pub cluster_templates: Vec<Arc<AnalysisTemplate>>,
}

/// Templates merged into what one AnalysisRun does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MergedAnalysis {
    /// The metrics, with placeholders still in them.
    pub metrics: Vec<Metric>,
    /// The arguments; all have a value or a source.
    pub args: Vec<Argument>,
    /// Metrics that decide nothing.
    pub dry_run: Vec<DryRun>,
    /// How many measurements are kept.
    pub measurement_retention: Vec<MeasurementRetention>,
}

impl Rollout {
    /// Checks what the Rollout refers to (`getRolloutReferencedResources`,
    /// `ValidateRolloutReferencedResources`), after [`Rollout::validate`]. Upstream does so on every
    /// pass, so that a template's edit can make a running Rollout invalid.
    ///
    /// # Errors
    /// The message that the Rollout's `InvalidSpec` condition gets.
    pub fn validate_references(&self, references: &dyn References) -> Result<(), InvalidSpec> {
        self.check_references(references).map_err(|error| InvalidSpec::new(&self.metadata.name, &error))
    }

    fn check_references(&self, references: &dyn References) -> Result<(), FieldError> {
        let mut services = Vec::new();
        for (field, name) in self.named_services() {
            let service = references.service(name).ok_or_else(|| {
                FieldError::invalid_text(&field, name, &format!("service {} not found", quote(name)))
            })?;
            services.push((field, service));
        }
        let mut analyses = Vec::new();
        for (field, analysis, background) in self.named_analyses() {
            analyses.push((
                Analyses::find(&analysis.templates, references, &field)?,
                analysis,
                field,
                background,
            ));
        }
        for (field, service) in &services {
            self.check_service(field, service)?;
        }
        for (templates, analysis, field, background) in &analyses {
            self.check_analysis(templates, analysis, field, *background)?;
        }
        Ok(())
    }

    /// The Services that the Rollout names, each with the path of its name.
    fn named_services(&self) -> Vec<(String, &str)> {
        let mut named: Vec<(&str, &str)> = Vec::new();
        if let Some(strategy) = self.blue_green() {
            named.push(("blueGreen.activeService", &strategy.active_service));
            named.push(("blueGreen.previewService", &strategy.preview_service));
        } else if let Some(canary) = self.canary() {
            named.push(("canary.stableService", &canary.stable_service));
            named.push(("canary.canaryService", &canary.canary_service));
            if let Some(turns) = &canary.ping_pong {
                named.push(("canary.pingPong.pingService", &turns.ping_service));
                named.push(("canary.pingPong.pongService", &turns.pong_service));
            }
        }
        let named = named.into_iter().filter(|(_, name)| !name.is_empty());
        named.map(|(field, name)| (format!("spec.strategy.{field}"), name)).collect()
    }

    /// The analyses that the Rollout runs, each with the path of its templates, and whether it runs beside
    /// the steps (`getReferencedRolloutAnalyses`).
    fn named_analyses(&self) -> Vec<(String, &Analysis, bool)> {
        if let Some(strategy) = self.blue_green() {
            let analyses = [
                ("prePromotionAnalysis", &strategy.pre_promotion_analysis),
                ("postPromotionAnalysis", &strategy.post_promotion_analysis),
            ];
            let found = analyses.into_iter().filter_map(|(name, analysis)| {
                let field = format!("spec.strategy.blueGreen.{name}.templates");
                Some((field, analysis.as_ref()?, false))
            });
            return found.collect();
        }
        let Some(canary) = self.canary() else { return Vec::new() };
        let steps = canary.steps.iter().enumerate().filter_map(|(index, step)| {
            let field = format!("spec.strategy.canary.steps[{index}].analysis.templates");
            Some((field, step.analysis.as_ref()?, false))
        });
        let background = canary.analysis.as_ref().map(|background| {
            ("spec.strategy.canary.analysis.templates".to_owned(), &background.analysis, true)
        });
        steps.chain(background).collect()
    }

    fn check_service(&self, field: &str, service: &Service) -> Result<(), FieldError> {
        let name = &service.metadata.name;
        let labels = &self.spec.template.metadata.labels;
        let unmatched = service
            .spec
            .selector
            .iter()
            .find(|(key, value)| *key != HASH_LABEL && labels.get(*key) != Some(*value));
        if let Some((key, _)) = unmatched {
            let detail = format!("Service {} has unmatch label {} in rollout", quote(name), quote(key));
            return Err(FieldError::invalid_text(field, name, &detail));
        }
        match service.metadata.annotation(MANAGED_BY) {
            Some(owner) if owner != self.metadata.name => {
                let detail = format!("Service {} is managed by another Rollout", quote(name));
                Err(FieldError::invalid_text(field, name, &detail))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// `ValidateAnalysisTemplatesWithType`.
    fn check_analysis(
        &self,
        templates: &Analyses,
        analysis: &Analysis,
        field: &str,
        background: bool,
    ) -> Result<(), FieldError> {
        let args = self.placeholder_arguments(&analysis.args);
        let steps = self.canary().map_or(&[][..], |canary| &canary.steps);
        let mut rules = vec![(&[][..], &[][..])];
        rules.extend(
            steps
                .iter()
                .filter_map(|step| step.analysis.as_ref())
                .map(|analysis| (analysis.dry_run.as_slice(), analysis.measurement_retention.as_slice())),
        );
        for (dry_run, retention) in rules {
            templates.merge(&args, dry_run, retention).map_err(|error| {
                let names: Vec<&str> =
                    templates.iter().map(|template| template.metadata.name.as_str()).collect();
                FieldError::invalid_text(field, &format!("templateNames: [{}]", names.join(" ")), &error)
            })?;
        }
        for template in templates.iter() {
            if background {
                self.check_background_args(template, field)?;
            } else {
                check_finite(template, field)?;
            }
        }
        Ok(())
    }

    fn check_background_args(&self, template: &AnalysisTemplate, field: &str) -> Result<(), FieldError> {
        let supplied = self.canary().and_then(|canary| canary.analysis.as_ref());
        let supplied = supplied.map_or(&[][..], |background| &background.analysis.args);
        let name = &template.metadata.name;
        let open = |argument: &&Argument| argument.value.is_none() && argument.value_from.is_none();
        for argument in template.spec.args.iter().filter(open) {
            if supplied.is_empty() {
                let detail = "missing analysis arguments in rollout spec";
                return Err(FieldError::invalid_text(field, name, detail));
            }
            if supplied.iter().all(|given| given.name != argument.name) {
                return Err(FieldError::invalid_text(field, name, &argument.name));
            }
        }
        Ok(())
    }
}

impl Analyses {
    /// Finds the templates and those that they name in turn (`getReferencedAnalysisTemplatesFromRef`,
    /// `FilterUniqueTemplates`).
    ///
    /// Deviation: templates that name one another in a circle are refused; upstream's controller never
    /// returns from it.
    ///
    /// # Errors
    /// A template that does not exist, a circle, and templates named more than 32 deep.
    pub fn find(
        named: &[TemplateReference],
        references: &dyn References,
        field: &str,
    ) -> Result<Self, FieldError> {
        let mut found = Self::default();
        found.add(named, references, field, &mut Vec::new())?;
        Ok(found)
    }

    fn add(
        &mut self,
        named: &[TemplateReference],
        references: &dyn References,
        field: &str,
        ancestors: &mut Vec<TemplateReference>,
    ) -> Result<(), FieldError> {
        for reference in named {
            let name = &reference.template_name;
            if ancestors.contains(reference) || ancestors.len() == MAX_DEPTH {
                let detail =
                    format!("analysis templates name one another in a circle or over {MAX_DEPTH} deep");
                return Err(FieldError::invalid_text(field, name, &detail));
            }
            let (kind, template, list) = match reference.cluster_scope {
                true => (
                    "ClusterAnalysisTemplate",
                    references.cluster_analysis_template(name),
                    &mut self.cluster_templates,
                ),
                false => ("AnalysisTemplate", references.analysis_template(name), &mut self.templates),
            };
            let Some(template) = template else {
                return Err(FieldError::invalid_text(field, name, &format!("{kind} '{name}' not found")));
            };
            if list.iter().any(|known| known.metadata.name == *name) {
                continue;
            }
            list.push(Arc::clone(&template));
            ancestors.push(reference.clone());
            self.add(&template.spec.templates, references, "spec.templates", ancestors)?;
            ancestors.pop();
        }
        Ok(())
    }

    /// The templates in upstream's order: namespaced ones, then cluster-wide ones.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<AnalysisTemplate>> {
        self.templates.iter().chain(&self.cluster_templates)
    }

    /// Merges the templates with a Rollout's arguments and rules (`NewAnalysisRunFromTemplates`).
    ///
    /// # Errors
    /// In upstream's words: two metrics or rules of one name, one argument with two values, an
    /// argument without a value.
    pub fn merge(
        &self,
        args: &[Argument],
        dry_run: &[DryRun],
        retention: &[MeasurementRetention],
    ) -> Result<MergedAnalysis, String> {
        let metrics: Vec<Metric> = self.iter().flat_map(|template| template.spec.metrics.clone()).collect();
        if let Some(name) = repeated(metrics.iter().map(|metric| metric.name.as_str())) {
            return Err(format!("two metrics have the same name '{name}'"));
        }
        let of_templates: Vec<DryRun> =
            self.iter().flat_map(|template| template.spec.dry_run.clone()).collect();
        check_dry_run(&of_templates)?;
        let kept: Vec<MeasurementRetention> =
            self.iter().flat_map(|template| template.spec.measurement_retention.clone()).collect();
        check_retention(&kept)?;
        // Upstream looks at the Rollout's own rules last, which decides what is told of several faults.
        let args = merge_arguments(args, &self.declared_arguments()?)?;
        let dry_run = [dry_run, &of_templates].concat();
        check_dry_run(&dry_run)?;
        let retention = [retention, &kept].concat();
        check_retention(&retention)?;
        Ok(MergedAnalysis { metrics, args, dry_run, measurement_retention: retention })
    }

    /// `flattenArgs`.
    fn declared_arguments(&self) -> Result<Vec<Argument>, String> {
        let mut declared: Vec<Argument> = Vec::new();
        for argument in self.iter().flat_map(|template| &template.spec.args) {
            let Some(earlier) = declared.iter_mut().find(|earlier| earlier.name == argument.name) else {
                declared.push(argument.clone());
                continue;
            };
            match (&earlier.value, &argument.value) {
                (Some(one), Some(other)) if one != other => {
                    return Err(format!(
                        "Argument `{}` specified multiple times with different values: '{one}', '{other}'",
                        argument.name
                    ));
                }
                (Some(_), _) => {}
                (None, _) => *earlier = argument.clone(),
            }
        }
        Ok(declared)
    }
}

fn check_dry_run(rules: &[DryRun]) -> Result<(), String> {
    repeated(rules.iter().map(|rule| rule.metric_name.as_str()))
        .map_or(Ok(()), |name| Err(format!("two Dry-Run metric rules have the same name '{name}'")))
}

fn check_retention(rules: &[MeasurementRetention]) -> Result<(), String> {
    repeated(rules.iter().map(|rule| rule.metric_name.as_str())).map_or(Ok(()), |name| {
        Err(format!("two Measurement Retention metric rules have the same name '{name}'"))
    })
}

fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// An analysis that a step waits for must come to an end. The check puts a stand-in for every argument
/// without a default, so that a `count` from such an argument counts as none
/// (`ValidateAnalysisTemplateWithType`).
fn check_finite(template: &AnalysisTemplate, field: &str) -> Result<(), FieldError> {
    let name = &template.metadata.name;
    let stand_in = |argument: &Argument| {
        Argument::with_value(&argument.name, argument.value.as_deref().unwrap_or("dummy-value"))
    };
    let invalid = |detail: String| FieldError::invalid_text(field, name, &detail);
    if let Some(both) = template.spec.args.iter().find(|arg| arg.value.is_some() && arg.value_from.is_some())
    {
        return Err(invalid(format!(
            "AnalysisTemplate {name}: arg '{}' has both Value and ValueFrom fields",
            both.name
        )));
    }
    let args: Vec<Argument> = template.spec.args.iter().map(stand_in).collect();
    let resolved = template.spec.metrics.iter().map(|metric| metric.resolve(&args));
    let resolved: Vec<Metric> = resolved
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(format!("AnalysisTemplate {name}: {error}")))?;
    for metric in resolved {
        if metric.is_infinite() {
            let count = metric.count.as_ref().map_or_else(|| "<nil>".to_owned(), IntOrString::to_string);
            return Err(invalid(format!(
                "AnalysisTemplate {name} has metric {} which runs indefinitely. Invalid value for count: {count}",
                metric.name
            )));
        }
    }
    Ok(())
}
