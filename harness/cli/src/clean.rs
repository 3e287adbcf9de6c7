//! `rehearse clean`: what killed runs have left.

use std::process::ExitCode;

use cluster::host::clean::{Cleaned, Wanted};
use cluster::host::{Docker, Places, State};

use crate::args::Clean;
use crate::failure::{Failure, first_of};
use crate::output;
use crate::runtime::block_on;

pub(crate) fn clean(arguments: &Clean) -> Result<ExitCode, Failure> {
    let wanted =
        Wanted { dry_run: arguments.dry_run, all: arguments.all, clusters: arguments.clusters.clone() };
    let cleaned = block_on(async {
        let state = State::open(Places::of_user()?.state)?;
        let docker = Docker::find().await?;
        // What is printed last tells of an output that is closed.
        let mut tell = |line: &str| drop(output::print(&format!("{line}\n")));
        Ok(cluster::host::clean::clean(&state, &docker, &wanted, &mut tell).await?)
    })?;
    conclude(cleaned)
}

fn conclude(cleaned: Cleaned) -> Result<ExitCode, Failure> {
    let mut last: Vec<String> = cleaned.left.iter().map(|line| format!("left: {line}\n")).collect();
    if cleaned.removed.is_empty() && cleaned.failures.is_empty() {
        last.push("nothing to clean\n".to_owned());
    }
    output::print(&last.concat())?;
    first_of(cleaned.failures)
}
