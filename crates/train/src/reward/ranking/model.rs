//! A ranking reward in training: with projections that only its training needs.

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use byteedit_models::Component;
use byteedit_nn::{Init, Linear};
use byteedit_reward::ImageRewardNetwork;

/// What similarities are divided by before their softmax: between BLIP's 0.07 to begin with and what it learns.
const TEMPERATURE: f64 = 0.1;

/// The reward, and where its encoders meet apart from each other (BLIP's contrastive loss, Li et al. 2022, Section 3.2).
#[derive(Module, Debug)]
pub(super) struct RankingModel {
    pub(super) network: ImageRewardNetwork,
    /// `[width, hidden_size]` of the picture's first token.
    vision_proj: Linear,
    /// `[width, hidden_size]` of the text's.
    text_proj: Linear,
}

/// Texts as the network takes them.
pub(super) struct Texts {
    pub(super) ids: Tensor<2, Int>,
    pub(super) is_padding: Tensor<2, Bool>,
}

impl RankingModel {
    /// A reward with new projections.
    pub(super) fn new(network: ImageRewardNetwork, init: &mut Init) -> Self {
        let config = &network.config().blip_config;
        let width = config.image_text_hidden_size;
        let (vision, text) = (config.vision_config.hidden_size, config.text_config.hidden_size);
        Self {
            vision_proj: Linear::new(init, [vision, width]),
            text_proj: Linear::new(init, [text, width]),
            network,
        }
    }

    /// Whether a parameter is there for [`RankingModel::contrast`] alone.
    pub(super) fn is_projection(name: &str) -> bool {
        name.starts_with("vision_proj.") || name.starts_with("text_proj.")
    }

    /// How badly pictures and their texts find each other in a batch: the mean of both cross-entropies over cosines.
    /// `is_wrong` says, row by row, which text is known to be wrong of which picture; others are no alternative.
    ///
    /// # Shapes
    /// - `picture`: `[n, 1 + patches, hidden_size]`; `n` texts
    /// - returns `[1]`
    pub(super) fn contrast(&self, picture: Tensor<3>, texts: Texts, is_wrong: &[bool]) -> Tensor<1> {
        let [n, _, width] = picture.dims();
        let pictures = unit_rows(self.vision_proj.forward(picture.narrow(1, 0, 1).reshape([n, width])));
        let Texts { ids, is_padding } = texts;
        let texts = self.network.blip.text_encoder.first_token(ids, is_padding, None);
        contrastive_loss(pictures, unit_rows(self.text_proj.forward(texts)), is_wrong)
    }

    /// 0, of every parameter that [`RankingModel::contrast`] alone would give a gradient.
    pub(super) fn nothing(&self) -> Tensor<1> {
        let sum = |linear: &Linear| {
            let bias = linear.bias.as_ref().map(|bias| bias.val().sum());
            let weight = linear.weight.val().sum();
            match bias {
                Some(bias) => weight + bias,
                None => weight,
            }
        };
        (sum(&self.vision_proj) + sum(&self.text_proj)) * 0.0
    }
}

/// The mean of both cross-entropies, from pictures to texts and back, over cosines divided by [`TEMPERATURE`].
///
/// # Shapes
/// - `pictures`, `texts`: `[n, width]`, rows of length 1
/// - returns `[1]`
fn contrastive_loss(pictures: Tensor<2>, texts: Tensor<2>, is_wrong: &[bool]) -> Tensor<1> {
    let n = pictures.dims()[0];
    let device = pictures.device().inner();
    let logits = pictures.matmul(texts.transpose()) / TEMPERATURE + hidden(is_wrong, n, &device); // [n, n]
    let own = Tensor::<2>::eye(n, &device);
    let entropy = |logits: Tensor<2>| (log_softmax(logits, 1) * own.clone()).sum() / -(n as f64);
    (entropy(logits.clone()) + entropy(logits.transpose())) / 2.0
}

/// Rows of length 1.
fn unit_rows(x: Tensor<2>) -> Tensor<2> {
    let length = x.clone().square().sum_dim(1).add_scalar(1e-12).sqrt();
    x / length
}

/// A large negative number where a text of the batch may be true of another's picture.
fn hidden(is_wrong: &[bool], n: usize, device: &Device) -> Tensor<2> {
    let value = |at: usize| if is_wrong[at] || at / n == at % n { 0.0 } else { -1e4 };
    Tensor::from_data(TensorData::new((0..n * n).map(value).collect::<Vec<f32>>(), [n, n]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contrast_has_its_closed_form() {
        let device = Device::default();
        let rows = |values: [[f32; 2]; 2]| Tensor::<2>::from_data(values, &device);
        let loss = |is_wrong: [bool; 4]| {
            let (pictures, texts) = (rows([[1.0, 0.0], [0.0, 1.0]]), rows([[0.6, 0.8], [0.0, 1.0]]));
            f64::from(contrastive_loss(pictures, texts, &is_wrong).into_scalar::<f32>())
        };
        // Cosines [[0.6, 0], [0.8, 1]]: each row and each column has its own and one other.
        let entropy = |own: f64, other: f64| ((other - own) / TEMPERATURE).exp().ln_1p();
        let rows = entropy(0.6, 0.0) + entropy(1.0, 0.8);
        let columns = entropy(0.6, 0.8) + entropy(1.0, 0.0);
        assert!((loss([false, true, true, false]) - (rows + columns) / 4.0).abs() < 1e-5);
        // What may be true of the second picture is no alternative to its own text, nor that picture one to its own.
        let rows = entropy(0.6, 0.0);
        let columns = entropy(1.0, 0.0);
        assert!((loss([false, true, false, false]) - (rows + columns) / 4.0).abs() < 1e-5);
    }

    #[test]
    fn what_may_be_true_is_no_alternative() {
        let mask: Vec<f32> =
            hidden(&[false, true, false, false], 2, &Device::default()).into_data().iter().collect();
        assert_eq!(mask, [0.0, 0.0, -1e4, 0.0]);
        let rows = Tensor::<2>::from_data([[3.0_f32, 4.0], [0.0, 2.0]], &Device::default());
        let rows: Vec<f32> = unit_rows(rows).into_data().iter().collect();
        assert!(rows.iter().zip([0.6, 0.8, 0.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{rows:?}");
    }
}
