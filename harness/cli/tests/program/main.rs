//! The program as its users meet it: arguments and files in; standard output, standard error and exit
//! code out.

mod common;
mod exit_codes;
mod hostile_repositories;
mod hostile_scenarios;
mod kustomize;
mod output;
mod recordings;
mod reports;
mod unusual_manifests;
