//! Multi-head attention (Vaswani et al. 2017, Eq. 1), with diffusers' names.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::kernels::attention;
use crate::{Init, Linear};

/// `softmax(Q Kᵀ / sqrt(d_head)) V` for each head, between two projections.
#[derive(Module, Debug)]
pub struct Attention {
    /// `[n_heads * d_head, d_query]`
    pub to_q: Linear,
    /// `[n_heads * d_head, d_context]`
    pub to_k: Linear,
    /// `[n_heads * d_head, d_context]`
    pub to_v: Linear,
    /// One linear back to `d_query`; a list because checkpoints name it `to_out.0`.
    pub to_out: Vec<Linear>,
    /// How many heads share the width.
    pub n_heads: usize,
}

impl Attention {
    /// Attention of `d_query`-wide tokens over `d_context`-wide ones; `to_q`, `to_k`, `to_v` have a
    /// bias in the VAE and none in the transformer blocks.
    pub fn new(
        init: &mut Init,
        [d_query, d_context]: [usize; 2],
        n_heads: usize,
        d_head: usize,
        qkv_bias: bool,
    ) -> Self {
        let d_inner = n_heads * d_head;
        let project = if qkv_bias { Linear::new } else { Linear::without_bias };
        Self {
            to_q: project(init, [d_query, d_inner]),
            to_k: project(init, [d_context, d_inner]),
            to_v: project(init, [d_context, d_inner]),
            to_out: vec![Linear::new(init, [d_inner, d_query])],
            n_heads,
        }
    }

    /// # Shapes
    /// - `x`: `[batch, tokens, d_query]`
    /// - `context`: `[batch, context_tokens, d_context]`; pass `x` for self-attention
    /// - returns `[batch, tokens, d_query]`
    pub fn forward(&self, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let q = self.to_q.forward(x);
        let k = self.to_k.forward(context.clone());
        let v = self.to_v.forward(context);
        self.to_out[0].forward(attention(q, k, v, self.n_heads))
    }
}

/// `[batch, tokens, n_heads * d_head] -> [batch, n_heads, tokens, d_head]`
pub fn split_heads(x: Tensor<3>, n_heads: usize) -> Tensor<4> {
    let [batch, tokens, d_inner] = x.dims();
    x.reshape([batch, tokens, n_heads, d_inner / n_heads]).swap_dims(1, 2)
}

/// `[batch, n_heads, tokens, d_head] -> [batch, tokens, n_heads * d_head]`
pub fn merge_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, n_heads, tokens, d_head] = x.dims();
    x.swap_dims(1, 2).reshape([batch, tokens, n_heads * d_head])
}
