//! Noise that a seed alone determines, bit for bit, on every machine and in every batch.
//!
//! The values of draw `k` for an image with seed `s` are defined as follows.
//!
//! 1. The generator is `ChaCha` with 8 rounds, a zero block counter and a 64-bit stream number. Its
//!    32-byte key is `s` as 8 little-endian bytes, then the 24 ASCII bytes
//!    `byteedit latent noise v1`. The stream number is `k`.
//! 2. Each output of 64 bits `w` (the first 32-bit word is the low half) becomes a uniform number
//!    strictly between 0 and 1: `u = (⌊w / 2¹²⌋ + ½) · 2⁻⁵²`, which f64 holds exactly.
//! 3. Two of them make two normals (Box and Muller 1958), in f64:
//!    `√(−2 ln u₁) cos(2π u₂)` and `√(−2 ln u₁) sin(2π u₂)`, each rounded to f32. Logarithm, cosine
//!    and sine are those of the `libm` crate, which uses no instruction that differs by machine.
//! 4. They fill `[channels, height, width]` in row-major order; an odd last sine is dropped.
//!
//! Neither an image's place in a batch, its neighbours nor the device enters anywhere.

use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Says which use of the seed this is, so that another use of `ChaCha` with the same seed is unrelated.
const DOMAIN: &[u8; 24] = b"byteedit latent noise v1";

/// A supply of standard normal noise for a batch of images.
///
/// The loop takes this and not [`NoiseSource`], so that noise recorded elsewhere can be replayed.
pub trait DrawNoise {
    /// Images in the batch, and so the first axis of every draw.
    fn n_images(&self) -> usize;

    /// The next draw for each image.
    ///
    /// # Shapes
    /// - `item`: `[channels, height, width]`
    /// - returns: `[n_images, channels, height, width]`, standard normal
    fn draw(&mut self, item: [usize; 3], device: &Device) -> Tensor<4>;
}

/// Seeded noise: one seed for each image, one counter of draws for the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoiseSource {
    seeds: Vec<u64>,
    n_draws: u64,
}

impl NoiseSource {
    /// A source at its first draw; `seeds[i]` is the seed of image `i`.
    pub fn new(seeds: &[u64]) -> Self {
        Self { seeds: seeds.to_vec(), n_draws: 0 }
    }

    /// The same source with `n_draws` draws already taken, to continue an interrupted run.
    #[must_use]
    pub fn after_draws(mut self, n_draws: u64) -> Self {
        self.n_draws = n_draws;
        self
    }
}

impl DrawNoise for NoiseSource {
    fn n_images(&self) -> usize {
        self.seeds.len()
    }

    fn draw(&mut self, item: [usize; 3], device: &Device) -> Tensor<4> {
        let [channels, height, width] = item;
        let len = channels * height * width;
        let values: Vec<f32> =
            self.seeds.iter().flat_map(|&seed| standard_normal(seed, self.n_draws, len)).collect();
        self.n_draws += 1;
        Tensor::from_data(TensorData::new(values, [self.seeds.len(), channels, height, width]), device)
    }
}

/// The first `len` values of draw `draw` for one seed, as the module's text defines them.
///
/// A shorter draw is a prefix of a longer one.
pub fn standard_normal(seed: u64, draw: u64, len: usize) -> Vec<f32> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..].copy_from_slice(DOMAIN);
    let mut bits = ChaCha8Rng::from_seed(key);
    bits.set_stream(draw);

    let mut values = Vec::with_capacity(len + 1);
    while values.len() < len {
        let radius = libm::sqrt(-2.0 * libm::log(uniform(&mut bits)));
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * uniform(&mut bits));
        values.push((radius * cosine) as f32);
        values.push((radius * sine) as f32);
    }
    values.truncate(len);
    values
}

/// A uniform number strictly between 0 and 1, the middle of one of 2⁵² equal intervals.
fn uniform(bits: &mut ChaCha8Rng) -> f64 {
    ((bits.next_u64() >> 12) as f64 + 0.5) * f64::EPSILON
}

/// The next draw, in the shape, type and device of `x`.
pub(crate) fn noise_like(source: &mut dyn DrawNoise, x: &Tensor<4>) -> Tensor<4> {
    let [_, channels, height, width] = x.dims();
    source.draw([channels, height, width], &x.device()).cast(x.dtype())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::{DrawNoise, NoiseSource, standard_normal};

    fn draws(seeds: &[u64], n: usize) -> Vec<Vec<f32>> {
        let mut source = NoiseSource::new(seeds);
        let mut draw = || source.draw([2, 3, 3], &Device::default()).into_data();
        (0..n).map(|_| draw().as_slice::<f32>().unwrap().to_vec()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn an_image_does_not_notice_its_batch(seeds in prop::collection::vec(any::<u64>(), 1..5)) {
            let together = draws(&seeds, 2);
            for (i, &seed) in seeds.iter().enumerate() {
                for (batch, alone) in together.iter().zip(draws(&[seed], 2)) {
                    prop_assert_eq!(&batch[i * 18..(i + 1) * 18], &alone[..]);
                }
            }
        }

        #[test]
        fn a_shorter_draw_is_a_prefix(seed: u64, draw: u64, len in 0_usize..40) {
            prop_assert_eq!(&standard_normal(seed, draw, 40)[..len], &standard_normal(seed, draw, len)[..]);
        }
    }

    #[test]
    fn draws_and_seeds_differ() {
        let first = draws(&[1], 3);
        assert_ne!(first[0], first[1]);
        assert_ne!(first[0], draws(&[2], 1)[0]);
        let mut later = NoiseSource::new(&[1]).after_draws(2);
        let later = later.draw([2, 3, 3], &Device::default()).into_data();
        assert_eq!(later.as_slice::<f32>().unwrap(), first[2]);
    }

    #[test]
    fn the_moments_are_those_of_a_standard_normal() {
        let n = 200_000;
        let values = standard_normal(7, 0, n);
        let moment = |p: i32| values.iter().map(|&x| f64::from(x).powi(p)).sum::<f64>() / n as f64;
        // Five standard errors of each: sqrt(1, 2, 15, 96) / sqrt(n).
        for (p, expected, spread) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0_f64)] {
            let tolerance = 5.0 * (spread / n as f64).sqrt();
            assert!((moment(p) - expected).abs() < tolerance, "moment {p} is {}", moment(p));
        }
        let neighbours = values.windows(2).map(|w| f64::from(w[0] * w[1])).sum::<f64>() / n as f64;
        assert!(neighbours.abs() < 5.0 / (n as f64).sqrt(), "neighbours correlate: {neighbours}");
    }
}
