//! What pictures are judged by, and what that says of their pixels (Ren et al. 2024, Eqs. 2 to 4, 7 and 8).
//!
//! Every term is differentiated by itself down to the pixels, where all of them meet, and their sum is handed on to the
//! decoder and the U-Net from there ([`Judgement::loss`]). So the tape of one network is gone before the next is asked, a
//! term's gradient can be read off where it can be compared with the others', and one that is no number is named.

use burn::module::Module;
use burn::tensor::Tensor;
use byteedit_models::vgg::Vgg16Features;
use byteedit_reward::losses::{FakeRegion, coherence_loss, reward_loss};
use byteedit_reward::preprocess::Preprocessing;
use byteedit_reward::{CoherentNetwork, Region, Reward, Shown};

use super::PeflLossConfig;
use crate::{Result, TrainError};

/// Pictures with what they are compared to.
#[derive(Clone)]
pub(super) struct Judged<'a> {
    /// `G(x, m, c, t')`, `[batch, 3, height, width]` in [-1, 1], of no tape.
    pub(super) pixels: Tensor<4>,
    /// The source `x`, of the same shape.
    pub(super) truth: &'a Tensor<4>,
    /// The same as the adversary is shown it.
    pub(super) real: &'a Tensor<4>,
    /// 1 = repainted, `[batch, 1, height, width]`.
    pub(super) edit_mask: &'a Tensor<4>,
    /// What was asked for, or "".
    pub(super) prompts: &'a [String],
    /// Whether the aesthetic and alignment rewards know pictures of this step.
    pub(super) is_rewarded: bool,
    /// How what they see is disturbed, if it is.
    pub(super) disturbance: Option<Disturbance>,
}

/// What keeps a reward from being pleased by one picture's last digits.
#[derive(Clone)]
pub(super) struct Disturbance {
    /// Added to what is seen, `[batch, 3, height, width]`.
    pub(super) noise: Tensor<4>,
    /// Whether left and right are exchanged.
    pub(super) mirrors: bool,
}

/// Who judges; all of them frozen.
pub(super) struct Critics {
    /// `R_alpha`.
    pub(super) aesthetic: Option<Box<dyn Reward>>,
    /// `R_beta`.
    pub(super) alignment: Option<Box<dyn Reward>>,
    /// `V`.
    pub(super) features: Option<Vgg16Features>,
}

/// One term.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// Its name in the log.
    pub(super) name: &'static str,
    /// Its value before its weight.
    pub(super) value: f64,
    /// The norm of its gradient at the pixels of a picture, with its weight.
    pub(super) gradient_norm: f64,
}

/// The terms of a batch.
pub(super) struct Judgement {
    pub(super) terms: Vec<Term>,
    /// The weighted sum of their values.
    total: f64,
    /// Of that sum in the pixels, `[batch, 3, height, width]`.
    gradient: Tensor<4>,
}

impl Judgement {
    /// A number with the value of the weighted sum of all terms and, in `pixels`, its gradient: what remains of the loss once
    /// the rewards have been asked.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`, those that were judged, on a tape
    /// - returns `[1]`
    pub(super) fn loss(&self, pixels: Tensor<4>) -> Tensor<1> {
        let slope = sum_per_item(pixels * self.gradient.clone()).sum();
        slope.clone() - slope.detach() + self.total
    }
}

impl Judged<'_> {
    /// Pictures as the aesthetic and alignment rewards see them.
    fn shown(&self, pixels: Tensor<4>, pastes: bool) -> Result<Shown> {
        let mut seen = unit(pasted(pixels, self.truth, self.edit_mask, pastes));
        let mut edit_mask = self.edit_mask.clone();
        if let Some(Disturbance { noise, mirrors }) = &self.disturbance {
            seen = seen + noise.clone();
            if *mirrors {
                (seen, edit_mask) = (seen.flip([3]), edit_mask.flip([3]));
            }
        }
        Ok(Shown::new(seen, edit_mask, self.prompts.to_vec())?)
    }
}

impl Critics {
    /// Numbers of all their networks.
    pub(super) fn n_parameters(&self) -> usize {
        let rewards = [self.aesthetic.as_deref(), self.alignment.as_deref()].into_iter().flatten();
        let of_rewards: usize = rewards.map(Reward::n_parameters).sum();
        of_rewards + self.features.as_ref().map_or(0, Module::num_params)
    }

    /// Asks everybody: `w_pefl (w_aesthetic L_alpha + w_alignment L_beta + eta (L_reg + L_vgg)) + w_adv L_gamma`.
    ///
    /// # Errors
    /// What a reward says of what it is shown, and [`TrainError::Term`] for a term that is no number.
    pub(super) fn ask(
        &self,
        judged: &Judged<'_>,
        coherent: Option<(&CoherentNetwork, Region)>,
        config: &PeflLossConfig,
    ) -> Result<Judgement> {
        let mut judgement = Judgement { terms: Vec::new(), total: 0.0, gradient: judged.pixels.zeros_like() };
        let weight = |weight: f64| config.w_pefl * weight;
        if judged.is_rewarded {
            if let Some(reward) = self.aesthetic.as_deref() {
                let ones = vec![1.0; judged.prompts.len()];
                let term = |pixels| reward_term(reward, &judged.shown(pixels, config.pastes)?, &ones);
                judgement.add("aesthetic", weight(config.w_aesthetic), judged, term)?;
            }
            if let Some(reward) = self.alignment.as_deref() {
                // A picture of which nothing was asked cannot obey.
                let prompted = judged.prompts.iter().map(|prompt| if prompt.is_empty() { 0.0 } else { 1.0 });
                let prompted: Vec<f64> = prompted.collect();
                let term = |pixels| reward_term(reward, &judged.shown(pixels, config.pastes)?, &prompted);
                judgement.add("alignment", weight(config.w_alignment), judged, term)?;
            }
        }
        let places = places(judged.edit_mask, config.w_inside);
        let l1 = |pixels: Tensor<4>| Ok(distance(pixels, judged.truth.clone(), &places));
        judgement.add("l1", weight(config.eta), judged, l1)?;
        if let Some(features) = &self.features {
            let term = |pixels| Ok(feature_distance(features, pixels, judged.truth.clone(), &places));
            judgement.add("vgg", weight(config.eta), judged, term)?;
        }
        if let Some((network, region)) = coherent {
            let term = |pixels: Tensor<4>| {
                let seen = unit(pasted(pixels, judged.real, judged.edit_mask, config.pastes));
                Ok(coherent_term(network, seen, judged.edit_mask, region))
            };
            judgement.add("coherent", config.w_adv, judged, term)?;
        }
        Ok(judgement)
    }
}

impl Judgement {
    /// Adds a term with its gradient in the pixels; one of no weight is not computed.
    fn add(
        &mut self,
        name: &'static str,
        weight: f64,
        judged: &Judged<'_>,
        term: impl FnOnce(Tensor<4>) -> Result<Tensor<1>>,
    ) -> Result<()> {
        if weight == 0.0 {
            return Ok(());
        }
        let pixels = judged.pixels.clone().autodiff().require_grad();
        let value = term(pixels.clone())?;
        let number = value.clone().into_scalar::<f64>();
        let gradient = pixels.grad(&value.backward());
        let gradient = gradient.unwrap_or_else(|| judged.pixels.zeros_like()) * weight;
        let n_items = judged.prompts.len() as f64;
        let norm = sum_per_item(gradient.clone().square()).sum().sqrt().into_scalar::<f64>();
        if !(number.is_finite() && norm.is_finite()) {
            return Err(TrainError::Term { name, value: number, gradient_norm: norm });
        }
        self.terms.push(Term { name, value: number, gradient_norm: norm / n_items.sqrt() });
        self.total += weight * number;
        self.gradient = self.gradient.clone() + gradient;
        Ok(())
    }
}

/// `-log σ(R(c, G))`, averaged over the batch (the paper's Eq. 2); items of weight 0 count as 0.
fn reward_term(reward: &dyn Reward, shown: &Shown, weights: &[f64]) -> Result<Tensor<1>> {
    let losses = reward_loss(reward.score(shown)?);
    let weights = Tensor::<1>::from_data(weights, (&losses.device().inner(), losses.dtype()));
    Ok((losses * weights).mean())
}

/// `-log σ(R_gamma)` of every pixel, averaged over those of a region and over the batch (the paper's Eq. 7).
fn coherent_term(
    network: &CoherentNetwork,
    seen: Tensor<4>,
    edit_mask: &Tensor<4>,
    region: Region,
) -> Tensor<1> {
    region.mean(reward_loss(network.pixel_logits(seen)), edit_mask).mean()
}

/// What the adversary minimises (the paper's Eq. 6), without a gradient for the editor.
///
/// # Shapes
/// - returns `[1]`
pub(super) fn adversary_loss(
    network: &CoherentNetwork,
    judged: &Judged<'_>,
    fake_region: FakeRegion,
    pastes: bool,
) -> Tensor<1> {
    let fake = pasted(judged.pixels.clone(), judged.real, judged.edit_mask, pastes);
    let n = judged.prompts.len();
    let logits = network.pixel_logits(unit(Tensor::cat(vec![judged.real.clone(), fake], 0)));
    let (real, fake) = (logits.clone().narrow(0, 0, n), logits.narrow(0, n, n));
    coherence_loss(real, fake, judged.edit_mask, fake_region).mean()
}

/// `|x - G|` with a weight for each place, averaged over all numbers (the paper's Eq. 3, where all weights are 1).
///
/// # Shapes
/// - `pixels`, `truth`: `[batch, channels, height, width]`
/// - `places`: `[batch, 1, height, width]`
/// - returns `[1]`
fn distance(pixels: Tensor<4>, truth: Tensor<4>, places: &Tensor<4>) -> Tensor<1> {
    let [_, channels, height, width] = pixels.dims();
    let errors = (pixels - truth).abs() * places.clone();
    sum_per_item(errors).mean() / (channels * height * width) as f64
}

/// The same of what a network sees in both, averaged over its five depths (the paper's Eq. 3).
fn feature_distance(
    features: &Vgg16Features,
    pixels: Tensor<4>,
    truth: Tensor<4>,
    places: &Tensor<4>,
) -> Tensor<1> {
    let [_, _, height, _] = pixels.dims();
    let network = Preprocessing::imagenet(height);
    let of = |pixels: Tensor<4>| features.forward(network.forward(unit(pixels)));
    let (seen, wanted) = (of(pixels), of(truth));
    let mut sum: Option<Tensor<1>> = None;
    for (seen, wanted) in seen.into_iter().zip(wanted) {
        let [_, _, height, width] = seen.dims();
        let places = byteedit_reward::preprocess::resize(
            places.clone(),
            [height, width],
            byteedit_image::Filter::Bilinear,
        );
        let term = distance(seen, wanted, &places);
        sum = Some(match sum {
            Some(sum) => sum + term,
            None => term,
        });
    }
    sum.expect("there are five depths; this is a bug") / 5.0
}

/// Weights of 1 outside of the mask and `w_inside` under it.
fn places(edit_mask: &Tensor<4>, w_inside: f64) -> Tensor<4> {
    edit_mask.clone() * (w_inside - 1.0) + 1.0
}

/// The pictures with the kept pixels of others, if they are pasted.
///
/// # Shapes
/// - `pixels`, `kept`, result: `[batch, 3, height, width]`
/// - `edit_mask`: `[batch, 1, height, width]`
fn pasted(pixels: Tensor<4>, kept: &Tensor<4>, edit_mask: &Tensor<4>, pastes: bool) -> Tensor<4> {
    if !pastes {
        return pixels;
    }
    pixels * edit_mask.clone() + kept.clone() * (edit_mask.clone().neg() + 1.0)
}

/// From [-1, 1] to [0, 1].
fn unit(pixels: Tensor<4>) -> Tensor<4> {
    pixels * 0.5 + 0.5
}

/// `[batch]`, summed item by item in a fixed order.
fn sum_per_item(x: Tensor<4>) -> Tensor<1> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels * height * width]).sum_dim(1).reshape([batch])
}

#[cfg(test)]
mod tests;
