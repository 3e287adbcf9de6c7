//! `rehearse reap`: what a run starts beside itself, to clean up if it is killed.

use std::process::ExitCode;

use crate::args::Reap;
use crate::failure::{Failure, first_of};
use crate::runtime::block_on;

pub(crate) fn reap(arguments: &Reap) -> Result<ExitCode, Failure> {
    let failures =
        block_on(async { Ok(cluster::host::reaper::reap(arguments.state.clone(), &arguments.run).await?) })?;
    first_of(failures)
}
