//! The folder that `--report` names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Longer names than this are cut; file systems allow 255 bytes.
const MAX_NAME: usize = 120;

/// `DIR/<engine>/<scenario>[-<case>][-<seed>]/` holds the files of a run, `DIR` the summaries of all.
pub(crate) struct ReportFolder {
    root: PathBuf,
}

impl ReportFolder {
    /// Makes the folder. A summary that an earlier call left is taken away, since the runs beside it
    /// may be other ones if this call comes to no end.
    pub(crate) fn create(root: &Path) -> Result<Self, Failure> {
        let summary = root.join("report.json");
        fs::create_dir_all(root).map_err(|error| unwritable(root, &error))?;
        if summary.is_file() {
            fs::remove_file(&summary).map_err(|error| unwritable(&summary, &error))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// Writes the files of one run.
    pub(crate) fn write_run(
        &self,
        engine: &str,
        name: &str,
        timeline: &str,
        report: &str,
    ) -> Result<(), Failure> {
        let folder = self.root.join(engine).join(name);
        fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
        write(&folder.join("timeline.jsonl"), timeline)?;
        write(&folder.join("report.json"), report)
    }

    /// Writes what all runs came to.
    pub(crate) fn write_summary(&self, report: &str) -> Result<(), Failure> {
        write(&self.root.join("report.json"), report)
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Environment(format!("the report `{}` cannot be written: {error}", path.display()))
}

/// A name of a folder for each run: nothing in it leads elsewhere, and no two runs share one, also where
/// the file system does not tell small letters from capitals.
#[derive(Default)]
pub(crate) struct Names(BTreeSet<String>);

impl Names {
    pub(crate) fn name(&mut self, scenario: &str, case: &str, seed: Option<u64>) -> String {
        let seed = seed.map(|seed| seed.to_string()).unwrap_or_default();
        let parts = [scenario, case, &seed].into_iter().filter(|part| !part.is_empty());
        let name = file_name(&parts.collect::<Vec<_>>().join("-"));
        let mut unique = name.clone();
        for count in 2.. {
            if self.0.insert(unique.to_lowercase()) {
                break;
            }
            unique = format!("{name}~{count}");
        }
        unique
    }
}

fn file_name(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_=.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(kept).take(MAX_NAME).collect();
    // A leading dot hides the folder, or leads out of it.
    if name.starts_with('.') { name.replacen('.', "-", 1) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_folder_that_leads_nowhere_else() {
        let long = "x".repeat(1_000);
        let cases = [
            (("bad-model", "", None), "bad-model"),
            (("bad-model", "", Some(7)), "bad-model-7"),
            (("rates", "errors=3%, rate=20", Some(7)), "rates-errors=3---rate=20-7"),
            (("rates", "path=../../etc", None), "rates-path=..-..-etc"),
            (("..", "", None), "-."),
            ((".", "", None), "-"),
            ((".hidden", "", None), "-hidden"),
            (("größe", "a\0b\\c:d", None), "gr--e-a-b-c-d"),
            ((&long, "", None), &long[..MAX_NAME]),
        ];
        for ((scenario, case, seed), expected) in cases {
            assert_eq!(Names::default().name(scenario, case, seed), expected);
        }
    }

    #[test]
    fn no_two_runs_share_a_folder() {
        let mut names = Names::default();
        let given = [("a", ""), ("A", ""), ("a", "b c"), ("a", "b-c"), ("a~2", "")];
        let names: Vec<String> =
            given.iter().map(|(scenario, case)| names.name(scenario, case, None)).collect();
        assert_eq!(names, ["a", "A~2", "a-b-c", "a-b-c~2", "a-2"]);
    }
}
