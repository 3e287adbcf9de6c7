//! The engines that run a scenario on a real cluster.

mod act;
mod alerts;
mod api;
mod argocd;
pub mod components;
mod failure;
pub mod host;
mod install;
mod models;
mod monitoring;
mod observe;
mod progress;
mod prometheus;
mod repository;
mod run;
mod session;
mod standin;
mod traffic;
mod watch;

pub use api::Server;
pub use failure::{Failure, Lack};
pub use models::behaviour_url;
pub use progress::{Progress, Stage};
pub use repository::Repository;
pub use run::{Images, Rehearsal, rehearse};
pub use session::{Demand, Session, Supply};
