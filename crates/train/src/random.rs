//! Randomness of a training step: drawn on the host, addressed by (seed, use, index), so that step `k`
//! draws the same whether or not the steps before it were made by this process.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_data::Stream;
use byteedit_diffusion::standard_normal;
use rayon::prelude::*;

/// What a draw is for; each use is independent of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// How smooth latents are made that a decoder learns from. The last free number: another use needs more [`USES`], which
    /// changes what every run draws.
    LatentSmoothing = 0,
    /// The noise of the autoencoder's posterior.
    Posterior = 1,
    /// Which pictures of a folder, and how they are cut.
    Pictures = 2,
    /// The noise that a latent is mixed with.
    Diffusion = 3,
    /// The shift of that noise's mean.
    Offset = 4,
    /// Which cached sample is taken, at which timestep, with its caption or without.
    Items = 5,
    /// The task of a pair, and what a folder's pair is cut from.
    Pairs = 6,
    /// The noise of the validation loss.
    Validation = 7,
    /// The noise by which the decoder's response is measured.
    Response = 8,
    /// Noise in the latents that a decoder learns to see through, and how strong it is.
    LatentNoise = 9,
    LatentNoiseStrength = 10,
    /// The task of a collection of candidates.
    Tasks = 11,
    /// What a simulated annotator mistakes.
    Opinions = 12,
    /// What a reward compares.
    Comparisons = 13,
    /// What the head of a reward does without.
    Dropout = 14,
    /// The noise that a rollout starts from, and its last step.
    Rollout = 15,
}

/// Leaves room for every [`Use`] between two neighbouring indices.
const USES: u64 = 16;
/// The last of them.
const _: () = assert!((Use::Rollout as u64) < USES, "a use would draw what another draws for the next index");

/// Standard normal noise for the items `first .. first + shape[0]` of a batch.
pub(crate) fn normal(seed: u64, r#use: Use, first: u64, shape: [usize; 4], device: &Device) -> Tensor<4> {
    let [batch, channels, height, width] = shape;
    let values: Vec<f32> = (first..first + batch as u64)
        .into_par_iter()
        .flat_map_iter(|index| standard_normal(seed, index * USES + r#use as u64, channels * height * width))
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A stream of draws for item `index`.
pub(crate) fn stream(seed: u64, r#use: Use, index: u64) -> Stream {
    /// Keeps these streams apart from those of the data crate's samples, whose domains are small.
    const DOMAIN: u64 = 0x7472_6169_6e00_0000;
    Stream::new([seed, DOMAIN + r#use as u64, index, 0])
}
