//! Operations that only move numbers or add them once, and are bound by memory: transposes, nearest
//! enlargement, channels behind channels, sums of two.

use multiversion::multiversion;
use rayon::prelude::*;

use super::output::written;

/// Numbers that one task adds.
const CHUNK: usize = 16 * 1024;
/// Rows of a transpose that one task writes, where there are as many.
const BAND: usize = 32;
/// Side of the squares in which a transpose goes through both matrices.
const TILE: usize = 8;

/// `[batch, rows, columns] -> [batch, columns, rows]`
pub(in super::super) fn transpose(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let band = if columns.is_multiple_of(BAND) { BAND } else { columns };
    let n_bands = columns / band;
    written(x.len(), band * rows, |index, y| {
        let matrix = &x[index / n_bands * rows * columns..][..rows * columns];
        let first = index % n_bands * band;
        for column in (0..band).step_by(TILE) {
            for row in (0..rows).step_by(TILE) {
                let (height, width) = (TILE.min(rows - row), TILE.min(band - column));
                let from = &matrix[row * columns + first + column..];
                let to = &mut y[column * rows + row..];
                if (height, width) == (TILE, TILE) {
                    transpose_tile(to, from, rows, columns);
                } else {
                    for (i, j) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))) {
                        to[j * rows + i] = from[i * columns + j];
                    }
                }
            }
        }
    })
}

/// A whole tile: its size is known, so that the compiler keeps it in registers.
fn transpose_tile(to: &mut [f32], from: &[f32], rows: usize, columns: usize) {
    let mut tile = [[0.0; TILE]; TILE];
    for (i, line) in tile.iter_mut().enumerate() {
        line.copy_from_slice(&from[i * columns..][..TILE]);
    }
    for j in 0..TILE {
        let line = tile.map(|line| line[j]);
        to[j * rows..][..TILE].copy_from_slice(&line);
    }
}

/// Every pixel twice in each direction, plane by plane.
pub(in super::super) fn double(x: &[f32], height: usize, width: usize) -> Vec<f32> {
    let plane = height * width;
    written(4 * x.len(), 4 * plane, |index, y| {
        let rows = x[index * plane..][..plane].chunks_exact(width);
        for (y, x) in y.chunks_exact_mut(4 * width).zip(rows) {
            let (first, second) = y.split_at_mut(2 * width);
            for (pair, x) in first.as_chunks_mut::<2>().0.iter_mut().zip(x) {
                *pair = [*x; 2];
            }
            second.copy_from_slice(first);
        }
    })
}

/// Gradient of [`double`]: sums over squares of four; `height` and `width` are the input's.
pub(in super::super) fn double_grad(grad: &[f32], height: usize, width: usize) -> Vec<f32> {
    let plane = height * width;
    written(grad.len() / 4, plane, |index, x_grad| {
        let rows = grad[index * 4 * plane..][..4 * plane].chunks_exact(4 * width);
        for (x_grad, grad) in x_grad.chunks_exact_mut(width).zip(rows) {
            let (first, second) = grad.split_at(2 * width);
            let pairs = first.as_chunks::<2>().0.iter().zip(second.as_chunks::<2>().0);
            for (x_grad, (first, second)) in x_grad.iter_mut().zip(pairs) {
                *x_grad = (first[0] + first[1]) + (second[0] + second[1]);
            }
        }
    })
}

/// The `pictures` of `first`, each followed by that of `second`.
pub(in super::super) fn concat(first: &[f32], second: &[f32], pictures: usize) -> Vec<f32> {
    let [n, m] = [first, second].map(|numbers| numbers.len() / pictures);
    written(pictures * (n + m), n + m, |index, y| {
        y[..n].copy_from_slice(&first[index * n..][..n]);
        y[n..].copy_from_slice(&second[index * m..][..m]);
    })
}

/// The `part` of each picture's `of` numbers.
pub(in super::super) fn parts(x: &[f32], part: std::ops::Range<usize>, of: usize) -> Vec<f32> {
    written(x.len() / of * part.len(), part.len(), |index, y| {
        y.copy_from_slice(&x[index * of..][..of][part.clone()]);
    })
}

/// `x + y`
pub(in super::super) fn add(x: &[f32], y: &[f32]) -> Vec<f32> {
    written(x.len(), CHUNK, |index, sum| {
        let x = &x[index * CHUNK..][..sum.len()];
        sum.copy_from_slice(&y[index * CHUNK..][..x.len()]);
        add_chunk(sum, x);
    })
}

/// `x += y`
pub(in super::super) fn add_to(x: &mut [f32], y: &[f32]) {
    x.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK)).for_each(|(x, y)| add_chunk(x, y));
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn add_chunk(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}
