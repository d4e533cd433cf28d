//! Laplace's equation on the pixels of a mask: conjugate gradients with a multigrid preconditioner.
//!
//! Each unknown is the mean of its neighbours (5-point stencil), which makes a symmetric positive
//! definite system whatever the mask's shape. Coarser grids join 2 x 2 cells and sum their links
//! (Galerkin with piecewise constant interpolation, halved because that interpolation is twice too
//! stiff in the plane; Braess 1995). One symmetric V-cycle preconditions, so conjugate gradients
//! converge in some tens of steps, nearly independent of the mask's size.

use rayon::prelude::*;

use crate::geometry::{Rect, Size};
use crate::mask::Mask;

/// The residual's norm, relative to the right side's, at which a solution is accepted.
const TOLERANCE: f64 = 1e-6;
/// More steps than any mask needs; a bound for the impossible case.
const MAX_STEPS: usize = 300;
/// Grids of at most this many cells are solved by sweeps alone.
const COARSEST_CELLS: usize = 16;
/// Sweeps on the coarsest grid, forward and backward: fixed, so that the preconditioner is linear.
const COARSEST_SWEEPS: usize = 8;

/// Replaces the values of all repainted pixels by the harmonic continuation of the others. `field` is
/// HWC with `channels` values per pixel. Without any kept pixel, or any repainted one, nothing changes.
pub(crate) fn extend_harmonically(field: &mut [f32], channels: usize, edit_mask: &Mask) {
    let repaints: Vec<bool> = edit_mask.repaints().collect();
    if repaints.iter().all(|&repaint| repaint == repaints[0]) {
        return;
    }
    let Some(bounds) = edit_mask.bounding_box() else { return };
    let window = bounds.grown_within(1, edit_mask.size());
    let grids = hierarchy(Grid::of_window(&repaints, edit_mask.size(), window));
    let solutions: Vec<Vec<f64>> = (0..channels)
        .into_par_iter()
        .map(|channel| {
            let value = |at: usize| f64::from(field[at * channels + channel]);
            solve(&grids, &boundary_sums(&repaints, edit_mask.size(), window, value)).0
        })
        .collect();
    for (cell, at) in pixels(window, edit_mask.size()).enumerate() {
        if repaints[at] {
            for (channel, solution) in solutions.iter().enumerate() {
                field[at * channels + channel] = solution[cell] as f32;
            }
        }
    }
}

/// The positions in a picture of `size` of the window's pixels, row by row.
fn pixels(window: Rect, size: Size) -> impl Iterator<Item = usize> {
    (window.y..window.bottom()).flat_map(move |y| (window.x..window.right()).map(move |x| y * size.width + x))
}

/// The neighbours of a pixel that lie in the picture.
fn neighbours(at: usize, size: Size) -> impl Iterator<Item = usize> {
    let (x, y) = (at % size.width, at / size.width);
    let candidates = [
        (x > 0).then(|| at - 1),
        (x + 1 < size.width).then(|| at + 1),
        (y > 0).then(|| at - size.width),
        (y + 1 < size.height).then(|| at + size.width),
    ];
    candidates.into_iter().flatten()
}

/// The right side: for each unknown in the window, the sum of its known neighbours.
fn boundary_sums(repaints: &[bool], size: Size, window: Rect, value: impl Fn(usize) -> f64) -> Vec<f64> {
    let sum = |at: usize| {
        if !repaints[at] {
            return 0.0;
        }
        neighbours(at, size).filter(|&other| !repaints[other]).map(&value).sum()
    };
    pixels(window, size).map(sum).collect()
}

/// A graph Laplacian on a grid: `(A u)_i = diagonal_i u_i - sum_j link_ij u_j` over the four
/// neighbours. The diagonal is the sum of all links, including those to known pixels; it is 0 for
/// cells that are not unknown, and these have no links.
struct Grid {
    width: usize,
    /// Link to the cell on the right.
    right: Vec<f64>,
    /// Link to the cell below.
    down: Vec<f64>,
    diagonal: Vec<f64>,
    /// The diagonal's inverse, and 0 where that is 0: known cells stay 0 without a branch.
    gain: Vec<f64>,
    /// The cell of the next coarser grid that holds each cell.
    parents: Vec<usize>,
}

impl Grid {
    fn of_window(repaints: &[bool], size: Size, window: Rect) -> Self {
        let link =
            |at: usize, other: usize, inside: bool| f64::from(inside && repaints[at] && repaints[other]);
        let right = |at: usize| link(at, at + 1, at % size.width + 1 < window.right());
        let down = |at: usize| link(at, at + size.width, at / size.width + 1 < window.bottom());
        let degree = |at: usize| if repaints[at] { neighbours(at, size).count() as f64 } else { 0.0 };
        Self::new(
            window.width,
            pixels(window, size).map(right).collect(),
            pixels(window, size).map(down).collect(),
            pixels(window, size).map(degree).collect(),
        )
    }

    fn new(width: usize, right: Vec<f64>, down: Vec<f64>, diagonal: Vec<f64>) -> Self {
        let gain = diagonal.iter().map(|&d| if d > 0.0 { 1.0 / d } else { 0.0 }).collect();
        let parent = |i: usize| i / width / 2 * width.div_ceil(2) + i % width / 2;
        let parents = (0..diagonal.len()).map(parent).collect();
        Self { width, right, down, diagonal, gain, parents }
    }

    const fn len(&self) -> usize {
        self.diagonal.len()
    }

    const fn height(&self) -> usize {
        self.len() / self.width
    }

    /// Sum of `link * value` over the neighbours of cell `i`. The last cell of a row has no link to the
    /// right, so the first of the next row needs no other treatment.
    fn pull(&self, values: &[f64], i: usize) -> f64 {
        let mut sum = 0.0;
        if i > 0 {
            sum += self.right[i - 1] * values[i - 1];
        }
        if i + 1 < self.len() {
            sum += self.right[i] * values[i + 1];
        }
        if i >= self.width {
            sum += self.down[i - self.width] * values[i - self.width];
        }
        if i + self.width < self.len() {
            sum += self.down[i] * values[i + self.width];
        }
        sum
    }

    fn apply(&self, values: &[f64]) -> Vec<f64> {
        (0..self.len()).map(|i| self.diagonal[i] * values[i] - self.pull(values, i)).collect()
    }

    /// One Gauss-Seidel sweep over the cells in the given order.
    fn sweep(&self, values: &mut [f64], target: &[f64], order: impl Iterator<Item = usize>) {
        for i in order {
            values[i] = (target[i] + self.pull(values, i)) * self.gain[i];
        }
    }

    fn coarser(&self) -> Self {
        let width = self.width.div_ceil(2);
        let len = width * self.height().div_ceil(2);
        let (mut right, mut down, mut diagonal) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
        for i in 0..self.len() {
            let parent = self.parents[i];
            diagonal[parent] += 0.5 * self.diagonal[i];
            let mut join = |other: usize, link: f64, links: &mut Vec<f64>| {
                if link == 0.0 {
                    return;
                }
                let other = self.parents[other];
                if other == parent {
                    // Counted twice in the diagonals of its ends, and no link between cells any more.
                    diagonal[parent] -= link;
                } else {
                    links[parent] += 0.5 * link;
                }
            };
            join(i + 1, self.right[i], &mut right);
            join(i + self.width, self.down[i], &mut down);
        }
        Self::new(width, right, down, diagonal)
    }
}

fn hierarchy(finest: Grid) -> Vec<Grid> {
    let mut grids = vec![finest];
    while let Some(last) = grids.last().filter(|grid| grid.len() > COARSEST_CELLS) {
        let coarser = last.coarser();
        grids.push(coarser);
    }
    grids
}

/// One V-cycle from zero: an approximate solution of `A u = target`, linear and symmetric in `target`.
fn v_cycle(grids: &[Grid], target: &[f64]) -> Vec<f64> {
    let Some((grid, coarser)) = grids.split_first() else { return Vec::new() };
    let mut values = vec![0.0; grid.len()];
    if coarser.is_empty() {
        for _ in 0..COARSEST_SWEEPS {
            grid.sweep(&mut values, target, 0..grid.len());
            grid.sweep(&mut values, target, (0..grid.len()).rev());
        }
        return values;
    }
    grid.sweep(&mut values, target, 0..grid.len());
    let mut coarse_target = vec![0.0; coarser[0].len()];
    for i in 0..grid.len() {
        if grid.diagonal[i] > 0.0 {
            coarse_target[grid.parents[i]] +=
                target[i] - grid.diagonal[i] * values[i] + grid.pull(&values, i);
        }
    }
    let correction = v_cycle(coarser, &coarse_target);
    for (i, value) in values.iter_mut().enumerate() {
        if grid.diagonal[i] > 0.0 {
            *value += correction[grid.parents[i]];
        }
    }
    grid.sweep(&mut values, target, (0..grid.len()).rev());
    values
}

/// Preconditioned conjugate gradients (Hestenes and Stiefel 1952) for `A u = target`: the solution and
/// the number of steps it took.
fn solve(grids: &[Grid], target: &[f64]) -> (Vec<f64>, usize) {
    let grid = &grids[0];
    let mut u = vec![0.0; grid.len()];
    let mut r = target.to_vec();
    let mut z = v_cycle(grids, &r);
    let mut p = z.clone();
    let mut rz = dot(&r, &z);
    let goal = TOLERANCE * TOLERANCE * dot(target, target);
    for step in 0..MAX_STEPS {
        let rr = dot(&r, &r);
        if rr <= goal || rr.is_nan() {
            return (u, step);
        }
        let ap = grid.apply(&p);
        let alpha = rz / dot(&p, &ap);
        for (((u, r), p), ap) in u.iter_mut().zip(&mut r).zip(&p).zip(&ap) {
            *u += alpha * p;
            *r -= alpha * ap;
        }
        z = v_cycle(grids, &r);
        let rz_next = dot(&r, &z);
        let beta = rz_next / rz;
        rz = rz_next;
        p.iter_mut().zip(&z).for_each(|(p, z)| *p = z + beta * *p);
    }
    (u, MAX_STEPS)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grids_of(size: Size, hole: Rect) -> Vec<Grid> {
        let mask = Mask::from_rect(size, hole).unwrap();
        let repaints: Vec<bool> = mask.repaints().collect();
        hierarchy(Grid::of_window(&repaints, size, size.rect()))
    }

    #[test]
    fn every_grid_is_a_symmetric_laplacian_with_ties() {
        let grids = grids_of(Size::new(33, 21), Rect::new(3, 2, 27, 15));
        assert!(grids.len() > 3);
        for grid in &grids {
            // A u for u = 1 is the ties to known pixels: never negative, positive somewhere.
            let ones: Vec<f64> = grid.diagonal.iter().map(|&d| f64::from(d > 0.0)).collect();
            let ties = grid.apply(&ones);
            assert!(ties.iter().all(|&tie| tie >= -1e-9) && ties.iter().sum::<f64>() > 0.0);
        }
    }

    #[test]
    fn the_v_cycle_is_symmetric_and_positive() {
        let grids = grids_of(Size::new(19, 23), Rect::new(2, 3, 14, 17));
        let unknown = |i: usize, value: f64| if grids[0].diagonal[i] > 0.0 { value } else { 0.0 };
        let a: Vec<f64> = (0..grids[0].len()).map(|i| unknown(i, (i as f64 * 0.7).sin())).collect();
        let b: Vec<f64> = (0..grids[0].len()).map(|i| unknown(i, (i as f64 * 1.3).cos())).collect();
        let (ma, mb) = (v_cycle(&grids, &a), v_cycle(&grids, &b));
        assert!((dot(&a, &mb) - dot(&b, &ma)).abs() < 1e-9 * dot(&a, &ma));
        assert!(dot(&a, &ma) > 0.0 && dot(&b, &mb) > 0.0);
    }

    #[test]
    fn steps_grow_slowly_with_size() {
        for side in [16, 64, 256] {
            let grids = grids_of(Size::new(side, side), Rect::new(1, 1, side - 2, side - 2));
            let exact: Vec<f64> = (0..side * side)
                .map(|i| if grids[0].diagonal[i] > 0.0 { ((i % side) as f64).sin() } else { 0.0 })
                .collect();
            let target = grids[0].apply(&exact);
            let (found, steps) = solve(&grids, &target);
            let error = found.iter().zip(&exact).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
            assert!(error < 1e-4 && steps <= 20, "{error} after {steps} steps at {side}");
        }
    }
}
