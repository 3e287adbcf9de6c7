//! The templates that a gate is made of.

use manifests::objects::Object;
use manifests::objects::analysis::TemplateReference;
use manifests::objects::rollout::{Analyses, MergedAnalysis, ReferencedResources};
use yaml::{Node, Problem, did_you_mean};

use crate::GateTests;

/// AnalysisTemplates and ClusterAnalysisTemplates, by their names.
#[derive(Debug, Clone, Default)]
pub struct Templates(ReferencedResources);

impl Templates {
    /// Adds the templates among the objects of a file; others are left out.
    ///
    /// # Errors
    /// A document that is no object, a template that the API server would refuse, a file without any
    /// template, and two templates of the same name.
    pub fn add(&mut self, documents: &[Node]) -> Result<(), Problem> {
        let mut found = false;
        for node in documents {
            let (templates, template) = match Object::decode(node)? {
                Object::AnalysisTemplate(template) => (&mut self.0.analysis_templates, template),
                Object::ClusterAnalysisTemplate(template) => {
                    (&mut self.0.cluster_analysis_templates, template)
                }
                _ => continue,
            };
            found = true;
            let name = template.metadata.name.clone();
            if templates.insert(name.clone(), template).is_some() {
                return Err(node.problem(format!("there are two templates with the name `{name}`")));
            }
        }
        match documents.first() {
            Some(node) if !found => Err(node.problem("no document of this file is an AnalysisTemplate")),
            Some(_) | None => Ok(()),
        }
    }

    /// The AnalysisRun's spec that the tests' templates and arguments make
    /// (argo-rollouts v1.10.1 `utils/analysis/helpers.go: NewAnalysisRunFromTemplates`).
    ///
    /// # Errors
    /// A template that is not there or is not named, an argument without a value or from elsewhere, and
    /// templates that upstream refuses to merge, in its words.
    pub fn merge(&self, tests: &GateTests) -> Result<MergedAnalysis, Problem> {
        let whole = yaml::Place::whole(&tests.source);
        let place = tests.gate.first().map_or(&whole, |(_, place)| place);
        let references = self.references(tests)?;
        let analyses = Analyses::find(&references, &self.0, "spec.templates")
            .map_err(|error| Problem::at(place, error.to_string()))?;
        let merged = analyses.merge(&tests.args, &[], &[]).map_err(|error| Problem::at(place, error))?;
        if let Some(argument) = merged.args.iter().find(|argument| argument.value.is_none()) {
            let message = format!("the argument `{}` has its value from elsewhere", argument.name);
            return Err(Problem::at(place, message).with_help("give it a value under `args`"));
        }
        match tests.args.iter().find(|argument| merged.args.iter().all(|known| known.name != argument.name)) {
            Some(argument) => {
                let message = format!("the templates declare no argument `{}`", argument.name);
                Err(Problem::at(place, message))
            }
            None => Ok(merged),
        }
    }

    fn references(&self, tests: &GateTests) -> Result<Vec<TemplateReference>, Problem> {
        let (namespaced, cluster) = (&self.0.analysis_templates, &self.0.cluster_analysis_templates);
        let mut all =
            namespaced.keys().map(|name| (name, false)).chain(cluster.keys().map(|name| (name, true)));
        let reference =
            |name: &str, cluster_scope| TemplateReference { template_name: name.to_owned(), cluster_scope };
        if tests.gate.is_empty() {
            let first = all.next();
            return match (first, all.next()) {
                (Some((name, cluster_scope)), None) => Ok(vec![reference(name, cluster_scope)]),
                (_, _) => Err(Problem::at(
                    &yaml::Place::whole(&tests.source),
                    "the files hold several templates, and `gate` does not say which are meant",
                )),
            };
        }
        let named = tests.gate.iter().map(|(name, place)| {
            if namespaced.contains_key(name) || cluster.contains_key(name) {
                return Ok(reference(name, !namespaced.contains_key(name)));
            }
            let problem = Problem::at(place, format!("no template is named `{name}`"));
            let known = namespaced.keys().chain(cluster.keys()).map(String::as_str);
            Err(match did_you_mean(name, known) {
                Some(meant) => problem.with_help(format!("did you mean `{meant}`?")),
                None => problem,
            })
        });
        named.collect()
    }
}
