//! Prometheus: discovery, scrapes, samples.

use crate::World;
use crate::api::ObjectId;

/// Targets and samples.
#[derive(Debug, Default)]
pub struct State {}

/// Learns the targets of a ServiceMonitor anew.
pub(crate) fn discover(_world: &mut World<'_>, _monitor: ObjectId) {}

/// Scrapes one target.
pub(crate) fn scrape(_world: &mut World<'_>, _target: usize) {}
