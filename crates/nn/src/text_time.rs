//! A text as one vector that is added to the time embedding, so that every residual block knows it (Saharia et al.
//! 2022, arXiv 2205.11487), with diffusers' names: `TextTimeEmbedding`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::kernels::attention;
use crate::{Init, LayerNorm, Linear};

/// Added to the variance in both norms, `PyTorch`'s default.
const EPSILON: f64 = 1e-5;

/// `norm2(proj(pool(norm1(context))))`
#[derive(Module, Debug)]
pub struct TextTimeEmbedding {
    /// Over each token.
    pub norm1: LayerNorm,
    /// From tokens to one vector.
    pub pool: AttentionPooling,
    /// `[d_time, d_context]`
    pub proj: Linear,
    /// Over the result.
    pub norm2: LayerNorm,
}

impl TextTimeEmbedding {
    /// From tokens of `d_context` to `d_time`; `n_heads` divides `d_context`, which configurations check.
    pub fn new(init: &mut Init, [d_context, d_time]: [usize; 2], n_heads: usize) -> Self {
        Self {
            norm1: LayerNorm::new(init, d_context, EPSILON),
            pool: AttentionPooling::new(init, d_context, n_heads),
            proj: Linear::new(init, [d_context, d_time]),
            norm2: LayerNorm::new(init, d_time, EPSILON),
        }
    }

    /// # Shapes
    /// - `context`: `[batch, tokens, d_context]`
    /// - returns `[batch, d_time]`
    pub fn forward(&self, context: Tensor<3>) -> Tensor<2> {
        let pooled = self.pool.forward(self.norm1.forward(context)); // [batch, d_context]
        self.norm2.forward(self.proj.forward(pooled))
    }
}

/// Attention of the tokens' mean over the mean and the tokens.
#[derive(Module, Debug)]
pub struct AttentionPooling {
    /// `[1, d_model]`, added to the mean.
    pub positional_embedding: Param<Tensor<2>>,
    /// `[d_model, d_model]`
    pub k_proj: Linear,
    /// `[d_model, d_model]`
    pub q_proj: Linear,
    /// `[d_model, d_model]`
    pub v_proj: Linear,
    /// How many heads share the width.
    pub n_heads: usize,
}

impl AttentionPooling {
    /// `n_heads` divides `d_model`.
    pub fn new(init: &mut Init, d_model: usize, n_heads: usize) -> Self {
        Self {
            positional_embedding: init.normal([1, d_model], 1.0 / (d_model as f64).sqrt()),
            k_proj: Linear::new(init, [d_model, d_model]),
            q_proj: Linear::new(init, [d_model, d_model]),
            v_proj: Linear::new(init, [d_model, d_model]),
            n_heads,
        }
    }

    /// # Shapes
    /// - `x`: `[batch, tokens, d_model]`
    /// - returns `[batch, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let [batch, _, d_model] = x.dims();
        let mean = x.clone().mean_dim(1) + self.positional_embedding.val().unsqueeze_dim(0); // [batch, 1, d_model]
        let tokens = Tensor::cat(vec![mean.clone(), x], 1); // [batch, 1 + tokens, d_model]
        let (k, v) = (self.k_proj.forward(tokens.clone()), self.v_proj.forward(tokens));
        attention(self.q_proj.forward(mean), k, v, self.n_heads).reshape([batch, d_model])
    }
}
