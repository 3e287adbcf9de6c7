//! The simulator beside the controllers that it stands for.
//!
//! A Go program in this folder holds the real things: functions of Argo Rollouts, and its controllers
//! with Kubernetes' ReplicaSet controller and the Prometheus engine in virtual time. [`Oracle`] builds
//! it and asks it. What is asked is made here from a seed; what both sides say is compared one by one.

#[cfg(feature = "oracle")]
mod oracle;

#[cfg(feature = "oracle")]
pub use oracle::Oracle;
