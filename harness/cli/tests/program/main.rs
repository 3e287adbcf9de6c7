//! The program as its users meet it: arguments and files in; standard output, standard error and exit
//! code out.

#![allow(clippy::unwrap_used, reason = "what cannot be read or run fails the test")]

mod answers;
mod common;
mod exit_codes;
mod gates;
mod hostile_repositories;
mod hostile_scenarios;
#[cfg(feature = "kind")]
mod killed_runs;
mod kustomize;
mod machine;
mod on_cluster;
mod output;
#[cfg(feature = "kind")]
mod real_server;
mod recordings;
mod reports;
mod rules;
mod unusual_manifests;
