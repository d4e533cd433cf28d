//! Gradient of attention. The probabilities are made again, block by block, from what the forward pass
//! left of each query's softmax (Dao et al. 2022, Algorithm 4).
//!
//! With `s` the scale and `P = softmax(s Q Kᵀ)`: `dV = Pᵀ dO`, `dP = dO Vᵀ`,
//! `dS = s P (dP - rowsum(O dO))`, `dQ = dS K`, `dK = dSᵀ Q`. A panel of keys is carried through all
//! queries: `Kᵀ` and `Vᵀ` are packed once, blocks of `P` and `dS` are at once the right matrices of
//! `dVᵀ = dOᵀ P` and `dKᵀ = Qᵀ dS`, and `dS` is the left one of `dQ`.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use super::attention::{AttentionShape, HeadOffsets, even};
use super::matrix::steps;
use super::pack::{self, Right};
use super::product::{Columns, Left, Product, SharedOut, Start, lanes, panel_product, panel_vectors};
use super::scratch::{parts, with_scratch};
use super::softmax::{Query, differentiate};
use super::turn::turn;

/// Queries of a block.
const QUERIES: usize = 128;
/// Tasks, where the heads of all pictures are fewer: a constant, as each part of the keys has a sum of
/// its own.
const TASKS: usize = 16;
/// Parts that the keys of a head are split into, at most.
const KEY_PARTS: usize = 4;

/// What went into an attention and what came out, and the gradient of that.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Attended<'a> {
    pub(in super::super) q: &'a [f32],
    pub(in super::super) k: &'a [f32],
    pub(in super::super) v: &'a [f32],
    pub(in super::super) out: &'a [f32],
    /// The second result of the forward pass.
    pub(in super::super) softmax: &'a [f32],
    pub(in super::super) grad: &'a [f32],
}

/// Gradients of `q`, `k` and `v`.
pub(in super::super) fn backward(attended: Attended<'_>, shape: AttentionShape) -> [Vec<f32>; 3] {
    let AttentionShape { batch, n_heads, .. } = shape;
    let lanes = lanes();
    let panels = pack::panels(shape.keys, lanes);
    let per_part = panels.len().div_ceil((TASKS / (batch * n_heads)).clamp(1, KEY_PARTS));
    let parts: Vec<_> = panels.chunks(per_part).collect();
    let (n_q, n_k) = (attended.q.len(), attended.k.len());
    let block = even(shape.tokens, QUERIES);
    let offsets = HeadOffsets::new(shape, block);
    let run = |task: usize, [q_grad, k_grad, v_grad]: [SharedOut<'_>; 3]| {
        let (index, part) = (task / parts.len(), task % parts.len());
        let (picture, head) = (index / n_heads, index % n_heads);
        let task = Task { attended, shape, offsets: &offsets, block, picture, head, q_start: part * n_q };
        task.run(parts[part], [q_grad, k_grad, v_grad]);
    };
    let (mut k_grad, mut v_grad) = (Vec::new(), Vec::new());
    // SAFETY: the tasks cover all heads of all pictures and all keys, and the first panel of each part
    // writes the gradient of its queries.
    #[expect(unsafe_code, reason = "the outputs are written once")]
    let mut q_grad = unsafe {
        SharedOut::fill([parts.len() * n_q, shape.width()], |q_grad| {
            k_grad = SharedOut::fill([n_k, shape.width()], |k_grad| {
                let n_tasks = batch * n_heads * parts.len();
                v_grad = SharedOut::collect([n_k, shape.width()], n_tasks, |task, v_grad| {
                    run(task, [q_grad, k_grad, v_grad]);
                });
            });
        })
    };
    if parts.len() > 1 {
        let (sum, others) = q_grad.split_at_mut(n_q);
        others.chunks_exact(n_q).for_each(|other| add(sum, other));
        q_grad.truncate(n_q);
        q_grad.shrink_to_fit();
    }
    [q_grad, k_grad, v_grad]
}

fn add(sum: &mut [f32], values: &[f32]) {
    const NUMBERS: usize = 16 * 1024;
    sum.par_chunks_mut(NUMBERS).zip(values.par_chunks(NUMBERS)).for_each(|(sum, values)| {
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    });
}

/// One head of one picture, for some of the keys.
struct Task<'a> {
    attended: Attended<'a>,
    shape: AttentionShape,
    offsets: &'a HeadOffsets,
    /// Queries of a block.
    block: usize,
    picture: usize,
    head: usize,
    /// Where the gradient of the first picture's queries begins for this task's part of the keys.
    q_start: usize,
}

/// What a task holds of a panel of keys.
struct Panel<'a> {
    keys: Range<usize>,
    width: usize,
    /// `Kᵀ`, `[d_head][width]`
    k: &'a mut [f32],
    /// `Vᵀ`, `[d_head][width]`
    v: &'a mut [f32],
    /// `K`, in panels of a few vectors, `[keys][vectors]`
    k_rows: &'a mut [f32],
    /// `dKᵀ` and `dVᵀ`, `[d_head][width]`
    k_grad: &'a mut [f32],
    v_grad: &'a mut [f32],
    /// `[queries][width]`
    scores: &'a mut [f32],
    grads: &'a mut [f32],
}

impl Task<'_> {
    fn run(&self, panels: &[Range<usize>], [q_out, k_out, v_out]: [SharedOut<'_>; 3]) {
        let queries = self.queries();
        let AttentionShape { keys, tokens, d_head, .. } = self.shape;
        let lanes = lanes();
        let largest = panel_vectors() * lanes;
        let (turned, rows) = (d_head * largest, d_head.next_multiple_of(lanes) * largest);
        let block = self.block * largest;
        let lengths = [turned, turned, rows, turned, turned, block, block];
        with_scratch([lengths.iter().sum(), turned], |buffer, row_buffer| {
            for (index, panel) in panels.iter().enumerate() {
                let [k, v, k_rows, k_grad, v_grad, scores, grads] = parts(buffer, lengths);
                let (keys, width) = (panel.start..panel.end.min(keys), panel.len());
                let mut panel = Panel { keys, width, k, v, k_rows, k_grad, v_grad, scores, grads };
                self.pack(&mut panel);
                for first in (0..tokens).step_by(self.block) {
                    let queries = &queries[first..(first + self.block).min(tokens)];
                    self.differentiate(&mut panel, first, queries);
                    self.write_q_grad(&panel, first..first + queries.len(), q_out, index > 0);
                }
                self.write(&panel, (k_out, panel.k_grad), row_buffer);
                self.write(&panel, (v_out, panel.v_grad), row_buffer);
            }
        });
    }

    fn queries(&self) -> Vec<Query> {
        let AttentionShape { tokens, n_heads, d_head, .. } = self.shape;
        let Attended { out, grad, softmax, .. } = self.attended;
        let start = self.shape.place(tokens, self.picture, 0, self.head);
        let mut products = vec![0.0; tokens];
        dots(&mut products, &out[start..], &grad[start..], [d_head, self.shape.width()]);
        let softmax = softmax[(self.picture * tokens * n_heads + self.head) * 2..].chunks(2 * n_heads);
        let query = |(dot, softmax): (f32, &[f32])| Query {
            largest: softmax[0],
            inverse_total: softmax[1],
            minus_dot: -self.shape.scale() * dot,
        };
        products.into_iter().zip(softmax).map(query).collect()
    }

    fn pack(&self, panel: &mut Panel<'_>) {
        let (d_head, stride, n_keys) = (self.shape.d_head, self.shape.width(), panel.keys.len());
        let start = self.shape.place(self.shape.keys, self.picture, panel.keys.start, self.head);
        let (k, v) = (&self.attended.k[start..], &self.attended.v[start..]);
        Right { values: k, row: 1, column: stride }.pack(panel.k, 0..d_head, 0..n_keys, panel.width);
        Right { values: v, row: 1, column: stride }.pack(panel.v, 0..d_head, 0..n_keys, panel.width);
        for columns in pack::panels(d_head, lanes()) {
            let out = &mut panel.k_rows[columns.start * n_keys..];
            let numbers = columns.start..columns.end.min(d_head);
            Right { values: k, row: stride, column: 1 }.pack(out, 0..n_keys, numbers, columns.len());
        }
    }

    /// `dS` of a block of queries, and what they add to the gradients of the keys and values.
    fn differentiate(&self, panel: &mut Panel<'_>, first: usize, queries: &[Query]) {
        let (n_queries, n_vectors, adds) = (queries.len(), panel.width / lanes(), first > 0);
        let start = self.shape.place(self.shape.tokens, self.picture, first, self.head);
        let (q, grad) = (&self.attended.q[start..], &self.attended.grad[start..]);
        let scores = &mut panel.scores[..n_queries * panel.width];
        let grads = &mut panel.grads[..n_queries * panel.width];
        panel_product(self.offsets.tokens(q, n_queries), panel.k, scores, n_vectors, false);
        panel_product(self.offsets.tokens(grad, n_queries), panel.v, grads, n_vectors, false);
        differentiate(scores, grads, queries, self.shape.scale());
        panel_product(self.offsets.turned(grad, n_queries), scores, panel.v_grad, n_vectors, adds);
        panel_product(self.offsets.turned(q, n_queries), grads, panel.k_grad, n_vectors, adds);
    }

    /// `dQ = dS K` of a block, or what this panel `adds` to that of earlier ones.
    fn write_q_grad(&self, panel: &Panel<'_>, queries: Range<usize>, out: SharedOut<'_>, adds: bool) {
        let AttentionShape { tokens, d_head, .. } = self.shape;
        let (lanes, n_keys) = (lanes(), panel.keys.len());
        let (rows, columns) = (steps(queries.len(), panel.width), steps(n_keys, 1));
        let left = Left { values: panel.grads, rows: &rows, columns: &columns };
        let place = self.q_start + self.shape.place(tokens, self.picture, queries.start, self.head);
        let start = if adds { Start::Out } else { Start::Zero };
        for numbers in pack::panels(d_head, lanes) {
            let right = &panel.k_rows[numbers.start * n_keys..];
            let vectors = numbers.step_by(lanes).map(|number| (place + number, lanes.min(d_head - number)));
            let columns = Columns::new(vectors);
            // SAFETY: each task has a head of its own, or a part of the keys and with it a gradient.
            #[expect(unsafe_code, reason = "tasks share the rows of tokens")]
            unsafe {
                Product { left, right, columns, start, out }.run();
            }
        }
    }

    /// Turns a gradient of keys or values, and writes it.
    fn write(&self, panel: &Panel<'_>, (out, turned): (SharedOut<'_>, &[f32]), rows: &mut [f32]) {
        let AttentionShape { keys, d_head, .. } = self.shape;
        turn((rows, d_head), (turned, panel.width), [panel.keys.len(), d_head]);
        for (key, row) in panel.keys.clone().zip(rows.chunks_exact(d_head)) {
            let place = self.shape.place(keys, self.picture, key, self.head);
            // SAFETY: no other task has these keys of this head.
            #[expect(unsafe_code, reason = "tasks share the rows of keys")]
            unsafe {
                out.write_slice(place, row);
            }
        }
    }
}

/// Products of the first `length` numbers of rows that begin `stride` apart.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn dots(products: &mut [f32], a: &[f32], b: &[f32], [length, stride]: [usize; 2]) {
    for ((product, a), b) in products.iter_mut().zip(a.chunks(stride)).zip(b.chunks(stride)) {
        let (a, rest_a) = a[..length].as_chunks::<8>();
        let (b, rest_b) = b[..length].as_chunks::<8>();
        let mut lanes = [0.0; 8];
        for (a, b) in a.iter().zip(b) {
            for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
                *lane += a * b;
            }
        }
        let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
        *product = lanes.iter().sum::<f32>() + rest;
    }
}
