//! A table of vectors, looked up by index.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use crate::Init;

/// One learned vector for each index.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[n_embeddings, d_model]`
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Normal with standard deviation 0.02, as CLIP starts its tables.
    pub fn new(init: &mut Init, n_embeddings: usize, d_model: usize) -> Self {
        Self { weight: init.normal([n_embeddings, d_model], 0.02) }
    }

    /// # Shapes
    /// - `indices`: `[batch, tokens]`, each below `n_embeddings`
    /// - returns `[batch, tokens, d_model]`
    pub fn forward(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.weight.val(), indices)
    }
}
