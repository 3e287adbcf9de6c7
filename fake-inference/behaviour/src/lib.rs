//! The behaviour profile of a model version: how fast, how reliably and how well its pods answer,
//! and how that changes over time.
//!
//! A [`Profile`] is read from a scenario's `models:` mapping. At each moment of a pod's life it has
//! an [`Effective`] behaviour; a [`Sampler`] turns that and an expected number of requests into the
//! counts that a pod's metrics advance by (a [`Batch`]). Nothing here does IO, reads a clock or asks
//! for entropy: the same profile, seed and moments give the same bytes on every machine.
//!
//! ```
//! use behaviour::{Arrivals, Batch, Buckets, Draws, Moment, Sampler};
//! use units::{Duration, Time};
//!
//! let profile: behaviour::Profile = serde_saphyr::from_str(
//!     "latency: { p50: 180ms, p99: 350ms }
//! errors: 0.1%
//! faults: [{ from: 6m, until: 11m, errors: 5% }]",
//! )
//! .unwrap();
//!
//! let buckets = Buckets::default();
//! let moment = Moment { age: Duration::from_mins(7), now: Time::from_secs(900), pod: 0 };
//! let sampler = Sampler::new(profile.at(moment), &buckets, Some(Duration::from_millis(500)));
//! let mut draws = Draws::new(Arrivals::Expected, 42, "pod/llama3-0");
//! let mut counters = Batch::empty(&buckets);
//! sampler.sample_into(100.0, &mut draws, &mut counters);
//! assert_eq!(counters.errors, 5.0);
//! ```

mod buckets;
mod error;
mod fault;
mod latency;
mod profile;
mod random;
mod sample;
mod schedule;

pub use buckets::Buckets;
pub use error::Invalid;
pub use fault::Fault;
pub use latency::{Latency, Lognormal};
pub use profile::{Effective, Piece, Profile, Ready};
pub use random::{Arrivals, Draws, Stream, stream};
pub use sample::{Batch, Sampler};
pub use schedule::{Clock, Moment, RAMP_STEP, Schedule, Timing, Window};
