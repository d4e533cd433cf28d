//! The losses of reward models and those that rewards are for (Ren et al. 2024).
//!
//! All are built of `-log σ(x)`, which is computed without `σ`: it neither overflows nor loses its gradient, however
//! large the score. Each is reduced for one item at a time and left to the caller to average: weights by item stay
//! possible, and sums repeat bit for bit.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use serde::{Deserialize, Serialize};

use crate::Region;

/// How a reward `R` becomes a loss: `-log σ(R)` (Ren et al. 2024, Eqs. 2 and 7). Of pixels it is taken before their
/// mean.
///
/// # Shapes
/// - `reward`, result: `[...]`
pub fn reward_loss<const D: usize>(reward: Tensor<D>) -> Tensor<D> {
    log_sigmoid(reward).neg()
}

/// What a reward minimises that learns from pairs: `-log σ(R(better) - R(worse))`, of two pictures of one prompt (Ren
/// et al. 2024, Eq. 1) or of two prompts of one picture (Eq. 5).
///
/// # Shapes
/// - `better`, `worse`, result: `[batch]`
pub fn pairwise_loss(better: Tensor<1>, worse: Tensor<1>) -> Tensor<1> {
    reward_loss(better - worse)
}

/// Which pixels of a generated picture count as generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FakeRegion {
    /// All of them, as the paper has it.
    #[default]
    All,
    /// What was repainted; the others have no label, since kept pixels of an edited picture are true ones that went
    /// through the autoencoder, and telling these is not telling incoherence.
    Mask,
    /// What was repainted, and the others count as true. Where all pictures went through the autoencoder, they are; and
    /// only then is it of no use to know a generated picture as a whole.
    MaskAgainstRest,
}

/// What the coherent reward minimises: `-log σ(R(z)) - log(1 - σ(R(z')))`, averaged over the pixels `z` of true
/// pictures and `z'` of generated ones (Ren et al. 2024, Eq. 6); which of those count as generated is for `fake_region`
/// to say. A picture without a repainted pixel adds nothing there.
///
/// # Shapes
/// - `real`, `generated`: `[batch, 1, height, width]`, logits of "real"
/// - `edit_mask`: `[batch, 1, height, width]`, 1 = repainted
/// - returns `[batch]`
pub fn coherence_loss(
    real: Tensor<4>,
    generated: Tensor<4>,
    edit_mask: &Tensor<4>,
    fake_region: FakeRegion,
) -> Tensor<1> {
    let of_real = Region::All.mean(reward_loss(real), edit_mask);
    // 1 - σ(x) = σ(-x)
    let fake = reward_loss(generated.clone().neg());
    match fake_region {
        FakeRegion::All => of_real + Region::All.mean(fake, edit_mask),
        FakeRegion::Mask => of_real + Region::Mask.mean(fake, edit_mask),
        FakeRegion::MaskAgainstRest => {
            let rest = edit_mask.clone().neg() + 1.0;
            of_real + Region::Mask.mean(fake, edit_mask) + Region::Mask.mean(reward_loss(generated), &rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, TensorData};

    use super::*;

    /// One rounding of f64 in each of a few operations.
    const ROUNDING: f64 = 1e-14;

    fn scores<const N: usize>(values: [f64; N]) -> Tensor<1> {
        Tensor::from_data(TensorData::from(values), (&Device::flex(), DType::F64))
    }

    fn map(values: [f64; 4]) -> Tensor<4> {
        scores(values).reshape([1, 1, 2, 2])
    }

    #[track_caller]
    fn assert_values(actual: Tensor<1>, expected: &[f64]) {
        let actual: Vec<f64> = actual.into_data().iter::<f64>().collect();
        assert_eq!(actual.len(), expected.len());
        for (actual, expected) in actual.iter().zip(expected) {
            assert!(
                (actual - expected).abs() <= ROUNDING * expected.abs().max(1.0),
                "{actual} for {expected}"
            );
        }
    }

    fn softplus(x: f64) -> f64 {
        x.exp().ln_1p()
    }

    #[test]
    fn a_reward_of_0_costs_the_logarithm_of_2() {
        let ln_2 = std::f64::consts::LN_2;
        assert_values(
            reward_loss(scores([0.0, 3.0_f64.ln(), -1.5])),
            &[ln_2, (4.0_f64 / 3.0).ln(), softplus(1.5)],
        );
    }

    /// Naively `σ(-1000)` is 0 and its logarithm infinite.
    #[test]
    fn rewards_of_any_size_have_a_loss_and_a_gradient() {
        let reward = Tensor::from_inner(scores([0.0, -1000.0, 1000.0, 30.0])).require_grad();
        let loss = reward_loss(reward.clone());
        assert_values(loss.clone().inner(), &[std::f64::consts::LN_2, 1000.0, 0.0, softplus(-30.0)]);
        let gradient = reward.grad(&loss.sum().backward()).expect("the reward is tracked");
        // -σ(-R)
        assert_values(gradient, &[-0.5, -1.0, 0.0, -1.0 / (1.0 + 30.0_f64.exp())]);
    }

    /// The loss is a two-way cross-entropy, and knows only differences.
    #[test]
    fn a_pair_costs_what_its_difference_says() {
        let loss = pairwise_loss(scores([2.0, -1.0, 7.25]), scores([0.5, 1.0, 7.25]));
        let cross_entropy = |better: f64, worse: f64| (better.exp() + worse.exp()).ln() - better;
        assert_values(loss, &[cross_entropy(2.0, 0.5), cross_entropy(-1.0, 1.0), std::f64::consts::LN_2]);
    }

    #[test]
    fn every_pixel_is_a_question_of_real_or_generated() {
        let (real, generated) = ([1.0, -2.0, 0.0, 3.0], [0.5, -1.0, 2.0, 0.0]);
        let edit_mask = map([0.0, 1.0, 1.0, 0.0]);
        let loss = |region: FakeRegion| coherence_loss(map(real), map(generated), &edit_mask, region);
        let of_real = real.map(|x| softplus(-x)).iter().sum::<f64>() / 4.0;
        let of_all = generated.map(softplus).iter().sum::<f64>() / 4.0;
        assert_values(loss(FakeRegion::All), &[of_real + of_all]);
        let of_mask = f64::midpoint(softplus(-1.0), softplus(2.0));
        assert_values(loss(FakeRegion::Mask), &[of_real + of_mask]);
        let of_rest = f64::midpoint(softplus(-0.5), softplus(0.0));
        assert_values(loss(FakeRegion::MaskAgainstRest), &[of_real + of_mask + of_rest]);
        let untouched = coherence_loss(map(real), map(generated), &map([0.0; 4]), FakeRegion::Mask);
        assert_values(untouched, &[of_real]);
    }
}
