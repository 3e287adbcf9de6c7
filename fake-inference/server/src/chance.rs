use std::hash::Hasher;

use siphasher::sip::SipHasher24;

/// The second half of the hash's key: the bytes of `rehearse` as a little-endian number.
const KEY: u64 = u64::from_le_bytes(*b"rehearse");

/// The only source of chance: a published hash of the seed, a request's identifier and a purpose.
///
/// The hash is SipHash-2-4 with the key (seed, `rehearse`) over the bytes of the request's identifier,
/// the byte 0xff, and the bytes of the purpose. So a decision does not depend on the order of requests
/// or on what else is decided, and because the same number is compared with every share, what a share
/// of 1 % hits is among what a share of 2 % hits.
///
/// ```
/// use fake_inference::Chance;
/// let chance = Chance::new(7);
/// let number = chance.uniform("request-1", "errors");
/// assert!((0.0..1.0).contains(&number));
/// assert_eq!(number, Chance::new(7).uniform("request-1", "errors"));
/// assert_ne!(number, chance.uniform("request-1", "wrong"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    seed: u64,
}

impl Chance {
    /// The chance of the run with this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed.
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// 64 bits for a request and a purpose.
    pub fn bits(self, request: &str, purpose: &str) -> u64 {
        self.of(request).bits(purpose)
    }

    /// A number in `[0, 1)`, in steps of 2⁻⁵³.
    pub fn uniform(self, request: &str, purpose: &str) -> f64 {
        self.of(request).uniform(purpose)
    }

    /// The chance of one request, for several purposes.
    pub fn of(self, request: &str) -> OfRequest {
        let mut hasher = SipHasher24::new_with_keys(self.seed, KEY);
        hasher.write(request.as_bytes());
        hasher.write(&[0xff]);
        OfRequest(hasher)
    }
}

/// The chance of one request: the hash after its identifier.
#[derive(Debug, Clone, Copy)]
pub struct OfRequest(SipHasher24);

impl OfRequest {
    /// 64 bits for a purpose.
    pub fn bits(self, purpose: &str) -> u64 {
        let mut hasher = self.0;
        hasher.write(purpose.as_bytes());
        hasher.finish()
    }

    /// A number in `[0, 1)`, in steps of 2⁻⁵³.
    pub fn uniform(self, purpose: &str) -> f64 {
        (self.bits(purpose) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // The first and the sixteenth vector of the reference implementation of SipHash-2-4.
        let key = |first: u8| u64::from_le_bytes(std::array::from_fn(|i| first + i as u8));
        let of = |message: &[u8]| {
            let mut hasher = SipHasher24::new_with_keys(key(0), key(8));
            hasher.write(message);
            hasher.finish()
        };
        assert_eq!(of(&[]), 0x726f_db47_dd0e_0e31);
        assert_eq!(of(&(0..15).collect::<Vec<u8>>()), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn decisions_are_the_same_on_every_machine() {
        // Recordings and the same scenario on other machines rest on these numbers.
        assert_eq!(Chance::new(42).bits("request-1", "errors"), 14_065_745_343_045_622_408);
    }

    #[test]
    fn numbers_are_uniform_and_purposes_independent() {
        let chance = Chance::new(1);
        let (mut low, mut both) = (0, 0);
        for request in 0..10_000 {
            let request = request.to_string();
            let (a, b) = (chance.uniform(&request, "a") < 0.5, chance.uniform(&request, "b") < 0.5);
            low += i32::from(a);
            both += i32::from(a && b);
        }
        // Five standard errors: 250 and 217.
        assert!((low - 5_000).abs() < 250, "{low}");
        assert!((both - 2_500).abs() < 217, "{both}");
    }
}
