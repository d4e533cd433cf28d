//! Attention and its gradient, block by block of queries, so that no `tokens x keys` matrix is ever
//! whole in memory or kept for the gradient. Heads lie side by side in each token and are strided
//! over, not moved.

use multiversion::multiversion;
use rayon::prelude::*;

use super::gemm::{Product, Strides, gemm};
use super::math::exp;

/// Shape of an attention.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct AttentionShape {
    pub(in super::super) batch: usize,
    pub(in super::super) tokens: usize,
    pub(in super::super) keys: usize,
    pub(in super::super) n_heads: usize,
    pub(in super::super) d_head: usize,
}

/// Numbers of one block of scores: a quarter of a core's second-level cache.
const BLOCK: usize = 64 * 1024;

impl AttentionShape {
    fn width(self) -> usize {
        self.n_heads * self.d_head
    }

    fn scale(self) -> f32 {
        1.0 / (self.d_head as f32).sqrt()
    }

    fn block_tokens(self) -> usize {
        (BLOCK / self.keys.max(1)).clamp(1, self.tokens.max(1))
    }
}

/// `softmax(q kᵀ / sqrt(d_head)) v`
pub(in super::super) fn forward(q: &[f32], k: &[f32], v: &[f32], shape: AttentionShape) -> Vec<f32> {
    let (width, block) = (shape.width(), shape.block_tokens());
    let mut out = vec![0.0; q.len()];
    for picture in 0..shape.batch {
        let keys = picture * shape.keys * width..(picture + 1) * shape.keys * width;
        let (k, v) = (&k[keys.clone()], &v[keys]);
        let tokens = picture * shape.tokens * width..(picture + 1) * shape.tokens * width;
        let blocks =
            out[tokens.clone()].par_chunks_mut(block * width).zip(q[tokens].par_chunks(block * width));
        blocks.for_each(|(out, q)| {
            let mut scores = vec![0.0; q.len() / width * shape.keys];
            for head in 0..shape.n_heads {
                let start = head * shape.d_head;
                probabilities(&mut scores, &q[start..], &k[start..], shape);
                let size = Product { m: q.len() / width, n: shape.d_head, k: shape.keys };
                let values = (&v[start..], Strides::rows(width));
                gemm(
                    size,
                    (&mut out[start..], width),
                    (&scores, Strides::rows(shape.keys)),
                    values,
                    1.0,
                    false,
                );
            }
        });
    }
    out
}

/// Gradients of `q`, `k` and `v`. Tasks are pictures: within one, every sum has one order.
pub(in super::super) fn backward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    grad: &[f32],
    shape: AttentionShape,
) -> [Vec<f32>; 3] {
    let (tokens, keys) = (shape.tokens * shape.width(), shape.keys * shape.width());
    let (mut q_grad, mut k_grad, mut v_grad) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    q_grad
        .par_chunks_mut(tokens)
        .zip(k_grad.par_chunks_mut(keys))
        .zip(v_grad.par_chunks_mut(keys))
        .enumerate()
        .for_each(|(picture, ((q_grad, k_grad), v_grad))| {
            let (of_tokens, of_keys) =
                (picture * tokens..(picture + 1) * tokens, picture * keys..(picture + 1) * keys);
            let inputs = Inputs {
                q: &q[of_tokens.clone()],
                k: &k[of_keys.clone()],
                v: &v[of_keys],
                grad: &grad[of_tokens],
            };
            backward_picture(&inputs, [q_grad, k_grad, v_grad], shape);
        });
    [q_grad, k_grad, v_grad]
}

struct Inputs<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    grad: &'a [f32],
}

/// With `P = softmax(S)`: `dV = Pᵀ dO`, `dP = dO Vᵀ`, `dS = P (dP - rowsum(P dP))`, `dQ = s dS K`,
/// `dK = s dSᵀ Q`.
fn backward_picture(inputs: &Inputs<'_>, [q_grad, k_grad, v_grad]: [&mut [f32]; 3], shape: AttentionShape) {
    let (width, d, keys) = (shape.width(), shape.d_head, shape.keys);
    let block = shape.block_tokens();
    let mut scores = vec![0.0; block * keys];
    let mut scores_grad = vec![0.0; block * keys];
    for head in 0..shape.n_heads {
        let start = head * d;
        let (k, v) = (&inputs.k[start..], &inputs.v[start..]);
        for first in (0..shape.tokens).step_by(block) {
            let m = block.min(shape.tokens - first);
            let at = first * width + start;
            let (q, grad) = (&inputs.q[at..], &inputs.grad[at..]);
            let scores = &mut scores[..m * keys];
            let scores_grad = &mut scores_grad[..m * keys];
            probabilities(scores, q, k, shape);
            let accumulate = first > 0;
            let (rows, columns) = (Strides::rows(width), Strides::columns(width));
            let size = Product { m: keys, n: d, k: m };
            let transposed = Strides::columns(keys);
            gemm(size, (&mut v_grad[start..], width), (scores, transposed), (grad, rows), 1.0, accumulate);
            let size = Product { m, n: keys, k: d };
            gemm(size, (scores_grad, keys), (grad, rows), (v, columns), 1.0, false);
            softmax_grad(scores_grad, scores, keys);
            let size = Product { m, n: d, k: keys };
            let left = (&*scores_grad, Strides::rows(keys));
            gemm(size, (&mut q_grad[at..], width), left, (k, rows), shape.scale(), false);
            let size = Product { m: keys, n: d, k: m };
            let left = (&*scores_grad, transposed);
            gemm(size, (&mut k_grad[start..], width), left, (q, rows), shape.scale(), accumulate);
        }
    }
}

/// Rows of softmaxed scores of one head; `q` and `k` begin at the head's first number.
fn probabilities(scores: &mut [f32], q: &[f32], k: &[f32], shape: AttentionShape) {
    let (width, keys) = (shape.width(), shape.keys);
    let size = Product { m: scores.len() / keys, n: keys, k: shape.d_head };
    gemm(size, (scores, keys), (q, Strides::rows(width)), (k, Strides::columns(width)), shape.scale(), false);
    softmax_rows(scores, keys);
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn softmax_rows(scores: &mut [f32], width: usize) {
    for row in scores.chunks_exact_mut(width) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut lanes = [0.0_f32; 16];
        let mut chunks = row.chunks_exact_mut(16);
        for chunk in &mut chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *value = exp(*value - largest);
                *lane += *value;
            }
        }
        let mut total: f32 = lanes.iter().sum();
        for value in chunks.into_remainder() {
            *value = exp(*value - largest);
            total += *value;
        }
        let scale = 1.0 / total;
        for value in row {
            *value *= scale;
        }
    }
}

/// `dP` becomes `dS = P (dP - rowsum(P dP))`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn softmax_grad(grads: &mut [f32], probabilities: &[f32], width: usize) {
    for (grads, p) in grads.chunks_exact_mut(width).zip(probabilities.chunks_exact(width)) {
        let mut lanes = [0.0_f32; 16];
        let (gs, ps) = (grads.chunks_exact(16), p.chunks_exact(16));
        let rest: f32 = gs.remainder().iter().zip(ps.remainder()).map(|(g, p)| g * p).sum();
        for (g, p) in gs.zip(ps) {
            for (lane, (g, p)) in lanes.iter_mut().zip(g.iter().zip(p)) {
                *lane += g * p;
            }
        }
        let total = lanes.iter().sum::<f32>() + rest;
        for (grad, p) in grads.iter_mut().zip(p) {
            *grad = p * (*grad - total);
        }
    }
}
