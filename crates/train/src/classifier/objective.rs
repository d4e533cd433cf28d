//! What the training loop asks of a classifier: cross-entropy on glimpses, accuracy on held-out ones.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData, activation};
use byteedit_data::{GlimpseSpec, World};
use byteedit_models::classifier::{Classifier, most_probable, pixels_from_rgb8};
use byteedit_models::flops::TRAINING_FACTOR;

use super::exam::{Answer, Exam, accuracy, cross_entropy, glimpses, label_of};
use super::{ClassifierRunConfig, Role};
use crate::Result;
use crate::step::Loss;
use crate::training::Objective;

/// Naming what glimpses of a world show.
pub(super) struct Naming<'a, C: Classifier> {
    config: &'a ClassifierRunConfig<C::Config>,
    world: &'a World,
    device: &'a Device,
    spec: GlimpseSpec,
    /// Photographs of the validation split with the renderings that it learns.
    usual: Exam,
    /// The same with renderings that it does not learn, if there are any.
    held_out: Option<Exam>,
}

impl<'a, C: Classifier> Naming<'a, C> {
    /// Draws the held-out glimpses.
    pub(super) fn new(
        config: &'a ClassifierRunConfig<C::Config>,
        role: Role,
        world: &'a World,
        device: &'a Device,
    ) -> Result<Self> {
        let spec = config.training_spec(C::side(&config.network), role);
        let usual = Exam::usual(world, &spec, config.n_validation)?;
        let held_out = Exam::held_out(world, &spec, config.n_validation)?;
        Ok(Self { config, world, device, spec, usual, held_out })
    }
}

impl<C: Classifier> Objective for Naming<'_, C> {
    type Model = C;

    fn loss(&mut self, model: &C, _n_images: u64, first: u64) -> Result<Loss> {
        let batch = first..first + self.config.training.batch_size as u64;
        let glimpses = glimpses(self.world, &self.spec, batch)?;
        let labels: Vec<usize> = glimpses.iter().map(|glimpse| label_of(glimpse, self.world)).collect();
        let pictures = glimpses.iter().map(|glimpse| glimpse.picture.data.as_slice());
        let pixels = pixels_from_rgb8(pictures, self.spec.side, self.device);
        let logits = model.logits(model.features(pixels));
        let accuracy = Tensor::from_data([share_right(&logits, &labels)], self.device);
        let total = smoothed_cross_entropy(logits, &labels, self.config.loss.label_smoothing);
        Ok(Loss { total, parts: vec![("accuracy", accuracy)] })
    }

    fn validate(&self, model: &C) -> Result<BTreeMap<String, f64>> {
        let usual = self.usual.answered(model, self.device);
        let is_nothing = |answer: &&Answer| answer.right == self.world.concepts().len();
        let mut figures = vec![
            ("loss", cross_entropy(&usual)),
            ("accuracy", accuracy(&usual)),
            ("accuracy_nothing", accuracy(usual.iter().filter(is_nothing))),
        ];
        if let Some(exam) = &self.held_out {
            figures.push(("accuracy_held_out_renderings", accuracy(&exam.answered(model, self.device))));
        }
        Ok(figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn sample(&self, model: &C, path: &Path) -> Result<()> {
        let answers = self.usual.answered(model, self.device);
        self.usual.write_mistakes(&answers, C::labels(&self.config.network), path)
    }

    fn gflop_per_image(&self) -> f64 {
        TRAINING_FACTOR * C::flops(&self.config.network) / 1e9
    }
}

/// Mean over the batch of `-Σ q_k ln p_k`, where `q` is 1 at the label, less `smoothing`, which is spread
/// over all labels (Szegedy et al. 2016, arXiv 1512.00567, Section 7).
///
/// # Shapes
/// - `logits`: `[batch, n_labels]`
/// - returns `[1]`
fn smoothed_cross_entropy(logits: Tensor<2>, labels: &[usize], smoothing: f64) -> Tensor<1> {
    let [batch, n_labels] = logits.dims();
    let mut targets = vec![(smoothing / n_labels as f64) as f32; batch * n_labels];
    for (row, &label) in targets.chunks_exact_mut(n_labels).zip(labels) {
        row[label] += (1.0 - smoothing) as f32;
    }
    let targets = Tensor::from_data(TensorData::new(targets, [batch, n_labels]), &logits.device());
    (activation::log_softmax(logits, 1) * targets).sum_dim(1).mean().neg()
}

/// Share of the rows whose largest logit is the label's.
fn share_right(logits: &Tensor<2>, labels: &[usize]) -> f32 {
    let [batch, n_labels] = logits.dims();
    let data = logits.clone().into_data().convert::<f32>();
    let values = data.as_slice::<f32>().expect("converted to f32 just above");
    let n_right = values
        .chunks_exact(n_labels)
        .zip(labels)
        .filter(|(row, label)| most_probable(row) == **label)
        .count();
    n_right as f32 / batch as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits() -> Tensor<2> {
        // Probabilities 1/2, 1/4, 1/4 and 1/3 each.
        let half = 2.0_f32.ln();
        Tensor::from_data([[half, 0.0, 0.0], [0.0, 0.0, 0.0]], &Device::default())
    }

    #[test]
    fn the_cross_entropy_has_its_closed_form() {
        let value = |labels: &[usize], smoothing| {
            f64::from(smoothed_cross_entropy(logits(), labels, smoothing).into_scalar::<f32>())
        };
        let plain = 0.5 * (4.0_f64.ln() + 3.0_f64.ln());
        assert!((value(&[1, 0], 0.0) - plain).abs() < 1e-6);
        let spread = (2.0_f64.ln() + 2.0 * 4.0_f64.ln()) / 3.0;
        let smoothed = 0.5 * (0.7 * 4.0_f64.ln() + 0.3 * spread + 3.0_f64.ln());
        assert!((value(&[1, 0], 0.3) - smoothed).abs() < 1e-6);
    }

    #[test]
    fn right_answers_are_counted_and_the_first_of_equals_is_the_answer() {
        assert!((share_right(&logits(), &[0, 0]) - 1.0).abs() < 1e-6);
        assert!((share_right(&logits(), &[0, 2]) - 0.5).abs() < 1e-6);
    }
}
