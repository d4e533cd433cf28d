//! Small classifiers of what a square of a picture shows: the concepts of the mini world, and nothing.
//!
//! Two networks that have nothing in common but what they are asked. The [`Judge`] measures editing
//! models and is used by the evaluation alone; the [`Annotator`] labels data for training. Whatever the
//! annotator teaches a model, the judge has another architecture, other weights and other photographs.

mod annotator;
mod config;
mod judge;
mod sight;

use burn::tensor::Tensor;

pub use annotator::{Annotator, AnnotatorConfig};
pub use judge::{Judge, JudgeConfig};
pub use sight::{most_probable, pixels_from_rgb8};

use crate::Component;

/// The last label: a background without an object.
pub const NOTHING: &str = "nothing";

/// A network that says which of its labels a square picture shows.
pub trait Classifier: Component {
    /// A configuration like `config` for these labels, of which the last is [`NOTHING`].
    fn config_for(config: &Self::Config, labels: Vec<String>) -> Self::Config;

    /// What it can say, in the order of its logits.
    fn labels(config: &Self::Config) -> &[String];

    /// Side in pixels of the pictures it takes.
    fn side(config: &Self::Config) -> usize;

    /// Floating-point operations of a forward pass of one picture.
    fn flops(config: &Self::Config) -> f64;

    /// The numbers that the answer is read from.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, side, side]` in [-1, 1]
    /// - returns `[batch, n_features]`
    fn features(&self, pixels: Tensor<4>) -> Tensor<2>;

    /// Logits over the labels.
    ///
    /// # Shapes
    /// - `features`: `[batch, n_features]`
    /// - returns `[batch, n_labels]`
    fn logits(&self, features: Tensor<2>) -> Tensor<2>;
}
