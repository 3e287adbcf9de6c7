//! What tests of functions ask with: draws from a seed, and manifests read as the simulator reads them.

#![allow(dead_code, reason = "each test needs a part")]

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::de::DeserializeOwned;
use serde_json::Value;
use yaml::{Node, Place, Source};

pub(crate) mod queried;
pub(crate) mod status;

/// A source of questions.
pub(crate) struct Draw(pub(crate) ChaCha8Rng);

impl Draw {
    /// The questions of a seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Read as the simulator reads manifests.
pub(crate) fn typed<T: DeserializeOwned>(value: &Value) -> T {
    read(value).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// Read as the simulator reads manifests.
///
/// # Errors
/// Why it is refused.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    let place = Place::whole(&Source::new("case", ""));
    yaml::decode(&Node::from_json(value, &place)).map_err(|problem| problem.message)
}
