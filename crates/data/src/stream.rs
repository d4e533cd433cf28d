//! The one source of randomness: `ChaCha8` keyed by an address instead of by what was drawn before.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random draws that depends on its key alone.
///
/// Two keys that differ in any number give independent streams, so sample 7 is the same whether or
/// not samples 0 to 6 were drawn. The draws below are defined here, on the generator's raw words,
/// because the distributions of `rand` may change their values from one release to the next.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream at `key`: by convention seed, domain, index and a part within the item.
    pub fn new(key: [u64; 4]) -> Self {
        let mut seed = [0; 32];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(key) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// Uniform in `[0, 1)`, on a grid of 2⁻²⁴.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1_u32 << 24) as f32
    }

    /// Uniform in `[low, high)`; `low` where the two are equal.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Log-uniform in `[low, high)`, both positive: as often in `[1/2, 1]` as in `[1, 2]`.
    pub fn log_uniform(&mut self, low: f32, high: f32) -> f32 {
        self.uniform(low.ln(), high.ln()).exp()
    }

    /// Uniform in `0..n`; 0 where `n` is 0. The bias, `n` / 2³², is far below what a data set can show.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }

    /// Uniform in `low..=high`; `low` where `high` is smaller.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// An index drawn with the given weights, none negative and not all zero.
    pub fn weighted(&mut self, weights: &[f32]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f32>();
        for (index, &weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        // Rounding can leave a sliver of the sum: it belongs to the last choice that can be drawn.
        weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_every_number_of_its_key() {
        let first = |key| Stream::new(key).unit();
        assert_eq!(first([1, 2, 3, 4]).to_bits(), first([1, 2, 3, 4]).to_bits());
        for other in [[9, 2, 3, 4], [1, 9, 3, 4], [1, 2, 9, 4], [1, 2, 3, 9]] {
            assert_ne!(first([1, 2, 3, 4]).to_bits(), first(other).to_bits());
        }
    }

    #[test]
    fn the_draws_are_pinned() {
        // Known values: a change of generator or of mapping would change every sample of the world.
        let mut stream = Stream::new([0, 0, 0, 0]);
        // First word of the ChaCha8 key stream for the zero key (RFC 8439 layout, 8 rounds).
        assert_eq!((stream.unit() * (1_u32 << 24) as f32) as u32, 0x2fef_003e >> 8);
    }

    #[test]
    fn weights_are_respected() {
        let mut stream = Stream::new([5, 0, 0, 0]);
        let mut counts = [0_usize; 3];
        for _ in 0..20_000 {
            counts[stream.weighted(&[0.2, 0.0, 0.8])] += 1;
        }
        assert_eq!(counts[1], 0);
        // Standard deviation of the first count is 57; five of them.
        assert!(counts[0].abs_diff(4000) < 285, "{counts:?}");
    }

    #[test]
    fn ranges_hold_their_ends() {
        let mut stream = Stream::new([6, 0, 0, 0]);
        let draws: Vec<_> = (0..1000).map(|_| stream.between(3, 5)).collect();
        assert_eq!((draws.iter().min(), draws.iter().max()), (Some(&3), Some(&5)));
        assert_eq!(stream.below(0), 0);
        assert!((0..1000).all(|_| (0.5..2.0).contains(&stream.log_uniform(0.5, 2.0))));
    }
}
