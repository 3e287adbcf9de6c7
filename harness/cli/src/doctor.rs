//! `rehearse doctor`: what the kind engine needs of this machine.

use std::process::ExitCode;

use cluster::components::{Lock, NODE_IMAGE_VARIABLE};
use cluster::host::Places;
use cluster::host::doctor::{Finding, Health, examine};

use crate::args::{Doctor, Format};
use crate::components::named_folder;
use crate::failure::Failure;
use crate::output;
use crate::runtime::block_on;

pub(crate) fn doctor(arguments: &Doctor) -> Result<ExitCode, Failure> {
    let lock = Lock::of_this_version()?;
    let folder = named_folder(arguments.components.as_deref());
    let node_image = std::env::var(NODE_IMAGE_VARIABLE).ok();
    let findings = block_on(async {
        Ok(examine(&lock, &Places::of_user()?, folder.as_deref(), node_image.as_deref()).await?)
    })?;
    let is_ready = findings.iter().all(|finding| finding.health != Health::Missing);
    match arguments.format {
        Format::Text => output::print(&table(&findings, is_ready))?,
        Format::Json => {
            let version = env!("CARGO_PKG_VERSION");
            let report = serde_json::json!({ "rehearse": version, "ready": is_ready, "findings": findings });
            output::print(&format!("{report:#}\n"))?;
        }
    }
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

/// A line each, and below those what mends the ones that are not good.
fn table(findings: &[Finding], is_ready: bool) -> String {
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let sign = match finding.health {
            Health::Good => '✓',
            Health::Weak => '!',
            Health::Missing => '✗',
        };
        text += &format!("{sign} {:width$}  {}\n", finding.what, finding.found);
    }
    let mut mends: Vec<&str> = Vec::new();
    for finding in findings {
        if !finding.mend.is_empty() && !mends.contains(&finding.mend.as_str()) {
            mends.push(&finding.mend);
        }
    }
    if !mends.is_empty() {
        text += "\nwhat mends it:\n";
        mends.iter().for_each(|mend| text += &format!("  {mend}\n"));
    }
    text += if is_ready { "\nready for --engine kind\n" } else { "\nnot ready for --engine kind\n" };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(what: &str, health: Health, found: &str, mend: &str) -> Finding {
        Finding { what: what.to_owned(), health, found: found.to_owned(), mend: mend.to_owned() }
    }

    #[test]
    fn what_is_missing_is_followed_by_the_commands_that_mend_it_once_each() {
        let findings = [
            finding("docker", Health::Good, "engine 28.0.0", ""),
            finding("inotify max_user_instances", Health::Weak, "128", "sudo sysctl x=512"),
            finding("git 1", Health::Missing, "no image local/git-http:1", "rehearse components fetch git"),
            finding("git 1", Health::Missing, "no manifest a.yaml", "rehearse components fetch git"),
        ];
        assert_eq!(
            table(&findings, false),
            "\
✓ docker                      engine 28.0.0
! inotify max_user_instances  128
✗ git 1                       no image local/git-http:1
✗ git 1                       no manifest a.yaml

what mends it:
  sudo sysctl x=512
  rehearse components fetch git

not ready for --engine kind
"
        );
        assert_eq!(table(&findings[..1], true), "✓ docker  engine 28.0.0\n\nready for --engine kind\n");
    }
}
