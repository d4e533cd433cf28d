//! Products of whole matrices, cut into tasks of some rows and one panel.

use super::pack::{self, Right};
use super::product::{Columns, Left, Product, SharedOut, Start, lanes};
use super::scratch::with_scratch;

/// Summands of one product: a panel of so many rows fits into a core's nearest cache.
pub(super) const DEPTH: usize = 256;
/// Rows of a task: enough to make the packing of a panel cheap.
const ROWS: usize = 512;

/// `left right + bias`, rows of `n` numbers.
pub(super) fn product(left: Left<'_>, right: Right<'_>, n: usize, bias: Option<&[f32]>) -> Vec<f32> {
    let (lanes, depth) = (lanes(), left.columns.len());
    assert!(depth > 0, "a product over nothing; this is a bug");
    let panels = pack::panels(n, lanes);
    let bias = bias.map(|bias| {
        let mut padded = bias.to_vec();
        padded.resize(n.next_multiple_of(lanes), 0.0);
        padded
    });
    let n_rows = left.rows.len();
    let per_thread = (n_rows * panels.len()).div_ceil(2 * rayon::current_num_threads());
    let rows = per_thread.next_multiple_of(8).clamp(64, ROWS);
    let n_tasks = n_rows.div_ceil(rows) * panels.len();
    let run = |task: usize, out: SharedOut<'_>| {
        let panel = panels[task % panels.len()].clone();
        let first = task / panels.len() * rows;
        let left = Left { rows: &left.rows[first..(first + rows).min(n_rows)], ..left };
        let vectors = panel.clone().step_by(lanes).map(|column| (first * n + column, lanes.min(n - column)));
        let columns = Columns::new(vectors);
        with_scratch([0, DEPTH.min(depth) * panel.len()], |_, packed| {
            for k in (0..depth).step_by(DEPTH) {
                let k = k..(k + DEPTH).min(depth);
                right.pack(packed, k.clone(), panel.start..panel.end.min(n), panel.len());
                let start = match (k.start, &bias) {
                    (0, None) => Start::Zero,
                    (0, Some(bias)) => Start::Columns(&bias[panel.clone()]),
                    _ => Start::Out,
                };
                let left = Left { columns: &left.columns[k], ..left };
                // SAFETY: the tasks have rows or columns of their own.
                #[expect(unsafe_code, reason = "tasks share the output's rows")]
                unsafe {
                    Product { left, right: packed, columns, start, out }.run();
                }
            }
        });
    };
    // SAFETY: for every row and panel, the first summands start from zero or the bias.
    #[expect(unsafe_code, reason = "the output is written once")]
    unsafe {
        SharedOut::collect([n_rows * n, n], n_tasks, run)
    }
}

/// `0, step, 2 step, ...`
pub(super) fn steps(n: usize, step: usize) -> Vec<u32> {
    let offset = |index| u32::try_from(index * step).expect("a matrix of more than 2^32 numbers");
    (0..n).map(offset).collect()
}
