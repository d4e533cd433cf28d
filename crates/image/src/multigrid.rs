//! Laplace's equation on the pixels of a mask: conjugate gradients with a multigrid preconditioner.
//!
//! Each unknown is the mean of its neighbours (5-point stencil), which makes a symmetric positive
//! definite system whatever the mask's shape. Coarser grids join 2 x 2 cells and sum their links
//! (Galerkin with piecewise constant interpolation, halved because that interpolation is twice too
//! stiff in the plane; Braess 1995). One symmetric V-cycle preconditions, so conjugate gradients
//! converge in some tens of steps, nearly independent of the mask's size. The colours are solved side by
//! side: they share the grid, and a sweep waits for its last cell less when it carries three.

use std::array;

use crate::geometry::{Rect, Size};
use crate::mask::Mask;
use crate::unit::CHANNELS;

/// The residual's norm, relative to the right side's, at which a solution is accepted.
const TOLERANCE: f64 = 1e-6;
/// More steps than any mask needs; a bound for the impossible case.
const MAX_STEPS: usize = 300;
/// Grids of at most this many cells are solved by sweeps alone.
const COARSEST_CELLS: usize = 16;
/// Sweeps on the coarsest grid, forward and backward: fixed, so that the preconditioner is linear.
const COARSEST_SWEEPS: usize = 8;

/// A number for each colour.
type Color = [f64; CHANNELS];

/// Replaces the values of all repainted pixels by the harmonic continuation of the others. `field` is
/// HWC with a colour per pixel. Without any kept pixel, or any repainted one, nothing changes.
pub(crate) fn extend_harmonically(field: &mut [f32], edit_mask: &Mask) {
    let repaints: Vec<bool> = edit_mask.repaints().collect();
    if repaints.iter().all(|&repaint| repaint == repaints[0]) {
        return;
    }
    let Some(bounds) = edit_mask.bounding_box() else { return };
    let window = bounds.grown_within(1, edit_mask.size());
    let grids = hierarchy(Grid::of_window(&repaints, edit_mask.size(), window));
    let color = |at: usize| array::from_fn(|channel| f64::from(field[at * CHANNELS + channel]));
    let (solution, _) = solve(&grids, &boundary_sums(&repaints, edit_mask.size(), window, color));
    for (at, color) in pixels(window, edit_mask.size()).zip(&solution) {
        if repaints[at] {
            field[at * CHANNELS..][..CHANNELS].copy_from_slice(&color.map(|value| value as f32));
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
fn boundary_sums(repaints: &[bool], size: Size, window: Rect, color: impl Fn(usize) -> Color) -> Vec<Color> {
    let sum = |at: usize| {
        let mut sum = Color::default();
        if repaints[at] {
            for other in neighbours(at, size).filter(|&other| !repaints[other]) {
                add(&mut sum, 1.0, &color(other));
            }
        }
        sum
    };
    pixels(window, size).map(sum).collect()
}

/// `sum += factor * color`.
fn add(sum: &mut Color, factor: f64, color: &Color) {
    for (sum, value) in sum.iter_mut().zip(color) {
        *sum += factor * value;
    }
}

/// `sum += factors * color`, each colour by itself.
fn add_each(sum: &mut Color, factors: &Color, color: &Color) {
    for ((sum, factor), value) in sum.iter_mut().zip(factors).zip(color) {
        *sum += factor * value;
    }
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
    fn pull(&self, values: &[Color], i: usize) -> Color {
        let mut sum = Color::default();
        if i > 0 {
            add(&mut sum, self.right[i - 1], &values[i - 1]);
        }
        if i + 1 < self.len() {
            add(&mut sum, self.right[i], &values[i + 1]);
        }
        if i >= self.width {
            add(&mut sum, self.down[i - self.width], &values[i - self.width]);
        }
        if i + self.width < self.len() {
            add(&mut sum, self.down[i], &values[i + self.width]);
        }
        sum
    }

    fn apply(&self, values: &[Color]) -> Vec<Color> {
        let row = |i: usize| {
            let pull = self.pull(values, i);
            array::from_fn(|c| self.diagonal[i] * values[i][c] - pull[c])
        };
        (0..self.len()).map(row).collect()
    }

    /// One Gauss-Seidel sweep over the cells in the given order.
    fn sweep(&self, values: &mut [Color], target: &[Color], order: impl Iterator<Item = usize>) {
        for i in order {
            let pull = self.pull(values, i);
            values[i] = array::from_fn(|c| (target[i][c] + pull[c]) * self.gain[i]);
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
fn v_cycle(grids: &[Grid], target: &[Color]) -> Vec<Color> {
    let Some((grid, coarser)) = grids.split_first() else { return Vec::new() };
    let mut values = vec![Color::default(); grid.len()];
    if coarser.is_empty() {
        for _ in 0..COARSEST_SWEEPS {
            grid.sweep(&mut values, target, 0..grid.len());
            grid.sweep(&mut values, target, (0..grid.len()).rev());
        }
        return values;
    }
    grid.sweep(&mut values, target, 0..grid.len());
    let mut coarse_target = vec![Color::default(); coarser[0].len()];
    for i in 0..grid.len() {
        if grid.diagonal[i] > 0.0 {
            let pull = grid.pull(&values, i);
            let residual = array::from_fn(|c| target[i][c] - grid.diagonal[i] * values[i][c] + pull[c]);
            add(&mut coarse_target[grid.parents[i]], 1.0, &residual);
        }
    }
    let correction = v_cycle(coarser, &coarse_target);
    for (i, value) in values.iter_mut().enumerate() {
        if grid.diagonal[i] > 0.0 {
            add(value, 1.0, &correction[grid.parents[i]]);
        }
    }
    grid.sweep(&mut values, target, (0..grid.len()).rev());
    values
}

/// Preconditioned conjugate gradients (Hestenes and Stiefel 1952) for `A u = target`, by itself for each colour: the
/// solution and the number of steps it took. A colour that is solved keeps its bits while others go on, and one that is no
/// number stays 0.
fn solve(grids: &[Grid], target: &[Color]) -> (Vec<Color>, usize) {
    let grid = &grids[0];
    let mut u = vec![Color::default(); grid.len()];
    let mut r = target.to_vec();
    let mut z = v_cycle(grids, &r);
    let mut p = z.clone();
    let mut rz = dot(&r, &z);
    let goal = dot(target, target).map(|square| TOLERANCE * TOLERANCE * square);
    for step in 0..MAX_STEPS {
        let rr = dot(&r, &r);
        let open: [bool; CHANNELS] = array::from_fn(|c| rr[c] > goal[c]);
        if open.iter().all(|open| !open) {
            return (u, step);
        }
        let ap = grid.apply(&p);
        let pap = dot(&p, &ap);
        // A colour that is not open is left alone: to take a step of 0 would do for numbers only, as 0 * NaN is NaN.
        let alpha: Color = array::from_fn(|c| rz[c] / pap[c]);
        for (((u, r), p), ap) in u.iter_mut().zip(&mut r).zip(&p).zip(&ap) {
            *u = array::from_fn(|c| if open[c] { u[c] + alpha[c] * p[c] } else { u[c] });
            *r = array::from_fn(|c| if open[c] { r[c] - alpha[c] * ap[c] } else { r[c] });
        }
        z = v_cycle(grids, &r);
        let rz_next = dot(&r, &z);
        let beta: Color = array::from_fn(|c| rz_next[c] / rz[c]);
        rz = rz_next;
        for (p, z) in p.iter_mut().zip(&z) {
            *p = array::from_fn(|c| if open[c] { z[c] + beta[c] * p[c] } else { p[c] });
        }
    }
    (u, MAX_STEPS)
}

fn dot(a: &[Color], b: &[Color]) -> Color {
    let mut sum = Color::default();
    for (a, b) in a.iter().zip(b) {
        add_each(&mut sum, a, b);
    }
    sum
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
            let ones: Vec<Color> = grid.diagonal.iter().map(|&d| [f64::from(d > 0.0); CHANNELS]).collect();
            let ties: Vec<f64> = grid.apply(&ones).iter().map(|tie| tie[0]).collect();
            assert!(ties.iter().all(|&tie| tie >= -1e-9) && ties.iter().sum::<f64>() > 0.0);
        }
    }

    #[test]
    fn the_v_cycle_is_symmetric_and_positive() {
        let grids = grids_of(Size::new(19, 23), Rect::new(2, 3, 14, 17));
        let wave = |frequency: f64| -> Vec<Color> {
            let wave = |i: usize| array::from_fn(|c| (i as f64 * frequency + c as f64).sin());
            let unknown = |i: usize| if grids[0].diagonal[i] > 0.0 { wave(i) } else { Color::default() };
            (0..grids[0].len()).map(unknown).collect()
        };
        let (a, b) = (wave(0.7), wave(1.3));
        let (ma, mb) = (v_cycle(&grids, &a), v_cycle(&grids, &b));
        for c in 0..CHANNELS {
            let [ab, ba, aa, bb] = [dot(&a, &mb), dot(&b, &ma), dot(&a, &ma), dot(&b, &mb)].map(|dot| dot[c]);
            assert!((ab - ba).abs() < 1e-9 * aa);
            assert!(aa > 0.0 && bb > 0.0);
        }
    }

    /// The bits of one colour.
    fn bits(values: &[Color], c: usize) -> Vec<u64> {
        values.iter().map(|color| color[c].to_bits()).collect()
    }

    #[test]
    fn a_color_does_not_notice_the_others() {
        let size = Size::new(33, 21);
        let hole = Mask::from_rect(size, Rect::new(3, 2, 17, 15)).unwrap();
        let lone = 10 * size.width + 27;
        let repaints: Vec<bool> =
            hole.repaints().enumerate().map(|(at, repaints)| repaints || at == lone).collect();
        let grids = hierarchy(Grid::of_window(&repaints, size, size.rect()));
        // Between two waves, a colour that shows around the lone pixel only, whose value the first sweep finds.
        let wave = |at: usize, frequency: f64| if repaints[at] { (at as f64 * frequency).sin() } else { 0.0 };
        let color = |at: usize| [wave(at, 0.7), if at == lone { 0.3 } else { 0.0 }, wave(at, 1.3)];
        let target: Vec<Color> = (0..grids[0].len()).map(color).collect();
        let (together, n_steps) = solve(&grids, &target);
        let alone = [0, 1, 2].map(|c| {
            let target: Vec<Color> = target.iter().map(|color| [color[c]; CHANNELS]).collect();
            let (found, n_steps) = solve(&grids, &target);
            assert_eq!(bits(&found, 0), bits(&together, c));
            n_steps
        });
        assert!(
            alone[1] == 1 && alone[0] > 1 && alone[0].max(alone[2]) == n_steps,
            "{alone:?} and {n_steps}"
        );

        let spoilt: Vec<Color> = target.iter().map(|&[first, _, last]| [first, f64::NAN, last]).collect();
        let (found, _) = solve(&grids, &spoilt);
        for c in [0, 2] {
            assert_eq!(bits(&found, c), bits(&together, c));
        }
        assert!(found.iter().all(|color| color[1].to_bits() == 0));
    }

    #[test]
    fn steps_grow_slowly_with_size() {
        for side in [16, 64, 256] {
            let grids = grids_of(Size::new(side, side), Rect::new(1, 1, side - 2, side - 2));
            // The last colour is black everywhere, and solved before the first step.
            let wave = |i: usize| [((i % side) as f64).sin(), ((i / side) as f64).cos(), 0.0];
            let exact: Vec<Color> = (0..side * side)
                .map(|i| if grids[0].diagonal[i] > 0.0 { wave(i) } else { Color::default() })
                .collect();
            let target = grids[0].apply(&exact);
            let (found, steps) = solve(&grids, &target);
            let errors = found.iter().flatten().zip(exact.iter().flatten()).map(|(f, e)| (f - e).abs());
            let error = errors.fold(0.0, f64::max);
            assert!(error < 1e-4 && steps <= 20, "{error} after {steps} steps at {side}");
        }
    }
}
