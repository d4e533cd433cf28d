//! Attention with the softmax taken on the way (Dao et al. 2022, Algorithm 1), block by block of keys, so
//! that no `tokens x keys` matrix is ever whole in memory.
//!
//! All runs on its side: a panel of queries is the right matrix of `K Qᵀ`, a column of which holds the
//! scores of one query, and what the softmax makes of it is at once the right matrix of `Vᵀ Pᵀ`. So
//! keys and values are left matrices, read where they lie, and any width of a head fills the vectors.

use std::ops::Range;

use super::matrix::steps;
use super::pack::{self, Right};
use super::product::{Left, SharedOut, lanes, panel_product, panel_vectors};
use super::scratch::{parts, with_scratch};
use super::softmax::{Seen, scale_columns};
use super::turn::turn;

/// Keys of a block: their scores with a panel of queries stay in a core's nearest cache.
const KEYS: usize = 128;
/// Panels that share the reading of the keys, at most.
const PANELS: usize = 4;
/// Tasks for each thread, where there is work for as many.
const TASKS_PER_THREAD: usize = 8;

/// Shape of an attention.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct AttentionShape {
    pub(in super::super) batch: usize,
    pub(in super::super) tokens: usize,
    pub(in super::super) keys: usize,
    pub(in super::super) n_heads: usize,
    pub(in super::super) d_head: usize,
}

impl AttentionShape {
    pub(super) fn width(self) -> usize {
        self.n_heads * self.d_head
    }

    pub(super) fn scale(self) -> f32 {
        1.0 / (self.d_head as f32).sqrt()
    }

    /// Where one head of one token lies among those of all pictures, of `length` tokens each.
    pub(super) fn place(self, length: usize, picture: usize, token: usize, head: usize) -> usize {
        (picture * length + token) * self.width() + head * self.d_head
    }
}

/// Offsets within a head of some tokens in a row.
#[derive(Debug)]
pub(super) struct HeadOffsets {
    tokens: Vec<u32>,
    numbers: Vec<u32>,
}

impl HeadOffsets {
    /// For up to `n_tokens` tokens.
    pub(super) fn new(shape: AttentionShape, n_tokens: usize) -> Self {
        Self { tokens: steps(n_tokens, shape.width()), numbers: steps(shape.d_head, 1) }
    }

    /// `[n_tokens][d_head]`
    pub(super) fn tokens<'a>(&'a self, values: &'a [f32], n_tokens: usize) -> Left<'a> {
        Left { values, rows: &self.tokens[..n_tokens], columns: &self.numbers }
    }

    /// `[d_head][n_tokens]`
    pub(super) fn turned<'a>(&'a self, values: &'a [f32], n_tokens: usize) -> Left<'a> {
        Left { values, rows: &self.numbers, columns: &self.tokens[..n_tokens] }
    }
}

/// `softmax(q kᵀ / sqrt(d_head)) v`, and for the gradient of each query in each head its largest score and
/// one over the sum of its exponentials relative to that, `[batch, tokens, n_heads, 2]`.
pub(in super::super) fn forward([q, k, v]: [&[f32]; 3], shape: AttentionShape) -> (Vec<f32>, Vec<f32>) {
    let AttentionShape { batch, n_heads, .. } = shape;
    let panels = pack::panels(shape.tokens, lanes());
    let n_tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    let per_task = (batch * n_heads * panels.len()).div_ceil(n_tasks).clamp(1, PANELS);
    let n_groups = panels.len().div_ceil(per_task);
    let offsets = HeadOffsets::new(shape, KEYS.min(shape.keys));
    let run = |task: usize, out: SharedOut<'_>, softmax: SharedOut<'_>| {
        let (index, group) = (task / n_groups, task % n_groups);
        let panels = panels.chunks(per_task).nth(group).expect("a group for each task; this is a bug");
        let task = Task { shape, offsets: &offsets, picture: index / n_heads, head: index % n_heads };
        task.run([q, k, v], panels, out, softmax);
    };
    let mut softmax = Vec::new();
    // SAFETY: the tasks cover all queries of all heads.
    #[expect(unsafe_code, reason = "the outputs are written once")]
    let out = unsafe {
        SharedOut::fill([q.len(), shape.width()], |out| {
            let n_numbers = 2 * n_heads;
            softmax = SharedOut::collect(
                [batch * shape.tokens * n_numbers, n_numbers],
                batch * n_heads * n_groups,
                |task, softmax| run(task, out, softmax),
            );
        })
    };
    (out, softmax)
}

/// One head of one picture.
struct Task<'a> {
    shape: AttentionShape,
    offsets: &'a HeadOffsets,
    picture: usize,
    head: usize,
}

impl Task<'_> {
    /// Carries some panels of queries through all keys.
    fn run(
        &self,
        [q, k, v]: [&[f32]; 3],
        panels: &[Range<usize>],
        out: SharedOut<'_>,
        softmax: SharedOut<'_>,
    ) {
        let AttentionShape { tokens, keys, d_head, .. } = self.shape;
        let largest = panel_vectors() * lanes();
        let block = even(keys, KEYS);
        let per_panel = (2 * d_head + 3) * largest;
        with_scratch([panels.len() * per_panel, block.max(d_head) * largest], |buffer, scores| {
            let cut = panels.iter().zip(buffer.chunks_exact_mut(per_panel));
            let begin = |(panel, buffer): (&Range<usize>, _)| {
                let mut panel = Panel::new(panel.clone(), buffer, self.shape);
                panel.begin(&q[self.place(tokens, panel.queries.start)..], self.shape);
                panel
            };
            let mut panels: Vec<_> = cut.map(begin).collect();
            for first in (0..keys).step_by(block) {
                let n_keys = block.min(keys - first);
                let start = self.place(keys, first);
                let k = self.offsets.tokens(&k[start..], n_keys);
                let v = self.offsets.turned(&v[start..], n_keys);
                for panel in &mut panels {
                    panel.attend(k, v, scores, self.shape.scale(), first > 0);
                }
            }
            for panel in &mut panels {
                panel.end();
                self.write(panel, scores, out, softmax);
            }
        });
    }

    fn place(&self, length: usize, token: usize) -> usize {
        self.shape.place(length, self.picture, token, self.head)
    }

    /// Writes what a panel's queries found, by way of `rows`.
    fn write(&self, panel: &Panel<'_>, rows: &mut [f32], out: SharedOut<'_>, softmax: SharedOut<'_>) {
        let AttentionShape { tokens, n_heads, d_head, .. } = self.shape;
        turn((rows, d_head), (panel.sums, panel.width), [panel.queries.len(), d_head]);
        let numbers = panel.seen.largest.iter().zip(panel.seen.total.iter());
        let rows = rows.chunks_exact(d_head).zip(numbers);
        for (query, (row, (largest, inverse_total))) in panel.queries.clone().zip(rows) {
            let place = ((self.picture * tokens + query) * n_heads + self.head) * 2;
            // SAFETY: no other task has these queries of this head.
            #[expect(unsafe_code, reason = "tasks share the rows of tokens")]
            unsafe {
                out.write_slice(self.place(tokens, query), row);
                softmax.write(place, [*largest, *inverse_total]);
            }
        }
    }
}

/// The size of even blocks of at most `largest`.
pub(super) fn even(n: usize, largest: usize) -> usize {
    n.div_ceil(n.div_ceil(largest))
}

/// A panel of queries on its way through the keys of one head.
struct Panel<'a> {
    queries: Range<usize>,
    width: usize,
    /// `Qᵀ`, `[d_head][width]`
    q: &'a mut [f32],
    /// `Vᵀ Pᵀ` so far, `[d_head][width]`
    sums: &'a mut [f32],
    seen: Seen<'a>,
}

impl<'a> Panel<'a> {
    fn new(panel: Range<usize>, buffer: &'a mut [f32], shape: AttentionShape) -> Self {
        let width = panel.len();
        let queries = panel.start..panel.end.min(shape.tokens);
        let size = shape.d_head * width;
        let [q, sums, largest, total, factor] = parts(buffer, [size, size, width, width, width]);
        Self { queries, width, q, sums, seen: Seen { largest, total, factor } }
    }

    /// Starts with a head of its queries.
    fn begin(&mut self, q: &[f32], shape: AttentionShape) {
        let q = Right { values: q, row: 1, column: shape.width() };
        q.pack(self.q, 0..shape.d_head, 0..self.queries.len(), self.width);
        self.seen.clear();
    }

    /// Takes in some keys and their values; `adds` unless they are the first.
    fn attend(&mut self, k: Left<'_>, v: Left<'_>, scores: &mut [f32], scale: f32, adds: bool) {
        let n_vectors = self.width / lanes();
        let scores = &mut scores[..k.rows.len() * self.width];
        panel_product(k, self.q, scores, n_vectors, false);
        self.seen.take(scores, scale);
        if adds && self.seen.has_grown() {
            scale_columns(self.sums, self.seen.factor);
        }
        panel_product(v, scores, self.sums, n_vectors, adds);
    }

    /// Divides by the sums of the exponentials, of which one over them is left.
    fn end(&mut self) {
        for total in self.seen.total.iter_mut() {
            *total = 1.0 / *total;
        }
        scale_columns(self.sums, self.seen.total);
    }
}
