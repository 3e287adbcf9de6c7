//! The simulator beside the controllers that it stands for.
//!
//! A Go program in this folder holds the real things: functions of Argo Rollouts, and its controllers
//! with Kubernetes' ReplicaSet controller and the Prometheus engine in virtual time. `Oracle` builds it
//! and asks it. A [`Case`] is a rollout with everything that happens to it, made from a seed by
//! a [`Family`]; both sides run it, and [`differences`] tells where their [`Account`]s part.

mod account;
mod case;
mod compare;
mod generate;
#[cfg(feature = "oracle")]
mod oracle;
mod ours;
#[cfg(feature = "oracle")]
mod shrink;
mod theirs;

pub use account::{Account, Measurement, Pods, Run, Services, Size, State};
pub use case::{Act, Action, Case, Fault, Model, ROLLOUT, Template};
pub use compare::{Aspect, TIME_TOLERANCE, VALUE_TOLERANCE, differences};
pub use generate::Family;
#[cfg(feature = "oracle")]
pub use oracle::Oracle;
pub use ours::{Choice, Ours};
#[cfg(feature = "oracle")]
pub use shrink::shrink;
pub use theirs::Answer;
