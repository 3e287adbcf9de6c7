//! `rehearse rules test`: promtool's unit tests of rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use clap::{Args, Subcommand};
use reports::{Tested, TestedFile};
use rules::Group;
use rules::unit_test::TestFile;
use yaml::Problem;

use crate::args::{Format, Shown};
use crate::failure::Failure;
use crate::{files, globs, output};

/// Alerting and recording rules of Prometheus.
#[derive(Args)]
pub(crate) struct Rules {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run promtool's unit tests of rules.
    ///
    /// Takes the files of `promtool test rules` as they are and gives its verdict. Rule files may also be
    /// manifests with PrometheusRule objects, as they stand in Git.
    #[command(after_help = "\
Examples:
  rehearse rules test tests/alerts.yaml
  rehearse rules test tests/*.yaml --format json | jq '.results[] | {file, verdict}'")]
    Test(Test),
}

#[derive(Args)]
struct Test {
    /// Files of unit tests.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

pub(crate) fn run(arguments: &Rules) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::Test(arguments) => test(arguments),
    }
}

fn test(arguments: &Test) -> Result<ExitCode, Failure> {
    let mut all_problems = Vec::new();
    let mut tested = Vec::new();
    for path in &arguments.files {
        let mut warnings = Vec::new();
        let outcome = match test_file(path, &mut warnings) {
            Ok(results) => Tested::Ran(results),
            Err(problems) => {
                let told = problems.iter().map(Problem::to_string).collect();
                all_problems.extend(problems);
                Tested::Invalid(told)
            }
        };
        tested.push(TestedFile { file: path.display().to_string(), warnings, outcome });
    }
    output::print(&match arguments.shown.format {
        Format::Text => reports::rule_tests(&tested, &output::options(arguments.shown.color, false)),
        Format::Json => reports::rule_tests_json(&tested, env!("CARGO_PKG_VERSION")),
    })?;
    if !all_problems.is_empty() {
        return Err(Failure::Input(all_problems));
    }
    Ok(if tested.iter().all(TestedFile::passed) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn test_file(
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Vec<rules::unit_test::GroupResult>, Vec<Problem>> {
    let one = |problem| vec![problem];
    let file = TestFile::read(&read_yaml(path, "file of unit tests").map_err(one)?)?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut groups: BTreeMap<PathBuf, Vec<Rc<Group>>> = BTreeMap::new();
    let mut order = Vec::new();
    let mut problems = Vec::new();
    for (pattern, place) in &file.rule_files {
        let found = globs::files(&folder.join(pattern)).map_err(|why| one(Problem::at(place, why)))?;
        if found.is_empty() {
            warnings.push(format!("no rule file matches `{pattern}`"));
        }
        for path in found {
            if groups.contains_key(&path) {
                continue;
            }
            let read = read_yaml(&path, "rule file").map_err(one).and_then(|it| rules::read_rules(&it));
            match read {
                Ok(read) => drop(groups.insert(path.clone(), read.into_iter().map(Rc::new).collect())),
                Err(found) => problems.extend(found),
            }
            order.push(path);
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let groups: Vec<Rc<Group>> = order.iter().flat_map(|path| groups[path].clone()).collect();
    file.run(&groups).map_err(one)
}

fn read_yaml(path: &Path, what: &str) -> Result<Vec<yaml::Node>, Problem> {
    let bytes = files::read(path, yaml::MAX_BYTES)
        .map_err(|why| Problem::new(format!("the {what} `{}` cannot be read: {why}", path.display())))?;
    yaml::parse_with_non_finite(&path.to_string_lossy(), &bytes)
}
