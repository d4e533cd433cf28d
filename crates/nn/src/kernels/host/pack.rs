//! Right matrices of products, in panels: `[k][width]`, a few vectors wide.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use super::output::written;
use super::product::panel_vectors;
use super::turn::turn;

/// Cuts `n` columns, rounded up to whole vectors, into panels as even as they go.
pub(super) fn panels(n: usize, lanes: usize) -> Vec<Range<usize>> {
    let n_vectors = n.div_ceil(lanes);
    let n_panels = n_vectors.div_ceil(panel_vectors());
    let start = |panel: usize| panel * n_vectors / n_panels * lanes;
    (0..n_panels).map(|panel| start(panel)..start(panel + 1)).collect()
}

/// Positions of a band in whole vectors, each of which gathers pieces that lie together in memory.
#[derive(Debug)]
pub(super) struct Positions {
    /// Numbers in a piece: 1, or as many as fit.
    piece: usize,
    per_vector: usize,
    /// Where each piece starts.
    starts: Vec<u32>,
}

impl Positions {
    /// Every `run` of offsets begins a vector of its own; its last vector is filled up by repetition.
    pub(super) fn new(offsets: &[u32], run: usize, lanes: usize) -> Self {
        let joined = |length: usize| {
            let follows = |pair: &[u32]| pair[1] == pair[0] + 1;
            run.is_multiple_of(length) && offsets.chunks(length).all(|piece| piece.windows(2).all(follows))
        };
        let piece = [16, 8, 4].into_iter().find(|length| *length <= lanes && joined(*length)).unwrap_or(1);
        let per_vector = lanes / piece;
        let mut starts = Vec::with_capacity(offsets.len() / piece + per_vector);
        for run in offsets.chunks(run) {
            starts.extend(run.iter().copied().step_by(piece));
            let last = run[run.len() - piece];
            starts.resize(starts.len().next_multiple_of(per_vector), last);
        }
        Self { piece, per_vector, starts }
    }

    /// `panel[k][position] = values[position + taps[k]]` for the positions of some vectors.
    pub(super) fn pack(&self, panel: &mut [f32], values: &[f32], taps: &[u32], vectors: Range<usize>) {
        let starts = &self.starts[vectors.start * self.per_vector..vectors.end * self.per_vector];
        match self.piece {
            16 => gather_16(panel, values, taps, starts),
            8 => gather_8(panel, values, taps, starts),
            4 => gather::<4>(panel, values, taps, starts),
            _ => gather::<1>(panel, values, taps, starts),
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn gather_16(panel: &mut [f32], values: &[f32], taps: &[u32], starts: &[u32]) {
    gather::<16>(panel, values, taps, starts);
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn gather_8(panel: &mut [f32], values: &[f32], taps: &[u32], starts: &[u32]) {
    gather::<8>(panel, values, taps, starts);
}

#[expect(clippy::inline_always, reason = "compiled for each machine's vectors")]
#[inline(always)]
fn gather<const N: usize>(panel: &mut [f32], values: &[f32], taps: &[u32], starts: &[u32]) {
    for (row, tap) in panel.chunks_exact_mut(starts.len() * N).zip(taps) {
        for (piece, start) in row.chunks_exact_mut(N).zip(starts) {
            let from = (start + tap) as usize;
            piece.copy_from_slice(&values[from..from + N]);
        }
    }
}

/// A right matrix that lies in a slice: entry `(k, n)` is `values[k * row + n * column]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) values: &'a [f32],
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Right<'_> {
    /// Rows `k` of columns `n`; columns of the panel beyond `n` are zero.
    pub(super) fn pack(&self, panel: &mut [f32], k: Range<usize>, n: Range<usize>, width: usize) {
        let values = &self.values[k.start * self.row + n.start * self.column..];
        let panel = &mut panel[..k.len() * width];
        if self.column == 1 {
            for (index, out) in panel.chunks_exact_mut(width).enumerate() {
                out[..n.len()].copy_from_slice(&values[index * self.row..][..n.len()]);
                out[n.len()..].fill(0.0);
            }
        } else {
            assert_eq!(self.row, 1, "one stride of a right matrix is 1; this is a bug");
            if n.len() < width {
                panel.fill(0.0);
            }
            turn((panel, width), (values, self.column), [k.len(), n.len()]);
        }
    }
}

/// `[picture][channel][plane]` into panels of channels, `[panel][picture][plane][channel]`.
pub(super) fn planes(
    (x, n_channels): (&[f32], usize),
    plane: usize,
    panels: &[Range<usize>],
    mut rest: &mut [f32],
) {
    let batch = x.len() / (n_channels * plane);
    let mut parts = Vec::with_capacity(panels.len() * batch);
    for panel in panels {
        for picture in 0..batch {
            let (part, others) = rest.split_at_mut(plane * panel.len());
            rest = others;
            parts.push((part, picture, panel));
        }
    }
    parts.into_par_iter().for_each(|(part, picture, panel)| {
        let channels = panel.start..panel.end.min(n_channels);
        let x = &x[(picture * n_channels + channels.start) * plane..];
        if channels.len() < panel.len() {
            part.fill(0.0);
        }
        turn((part, panel.len()), (x, plane), [plane, channels.len()]);
    });
}

/// The first columns of `values`, whose rows have `width` numbers, as rows.
pub(super) fn transposed(values: &[f32], width: usize, n_columns: usize) -> Vec<f32> {
    const COLUMNS: usize = 8;
    let height = values.len() / width;
    written(n_columns * height, COLUMNS * height, |block, out| {
        let n = out.len() / height;
        turn((out, height), (&values[block * COLUMNS..], width), [n, height]);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_cover_all_columns_evenly() {
        assert_eq!(panels(64, 16), [0..32, 32..64]);
        assert_eq!(panels(3, 8).len(), 1);
        for n in 1..200 {
            let (panels, n_vectors) = (panels(n, 16), n.div_ceil(16));
            assert_eq!((panels[0].start, panels[panels.len() - 1].end), (0, 16 * n_vectors));
            assert!(panels.windows(2).all(|pair| pair[0].end == pair[1].start), "{panels:?}");
            assert!(panels.len() == n_vectors.div_ceil(panel_vectors()), "{panels:?}");
            let widths: Vec<usize> = panels.iter().map(|panel| panel.len() / 16).collect();
            assert!(widths.iter().max().unwrap() - widths.iter().min().unwrap() <= 1, "{panels:?}");
        }
    }

    #[test]
    fn either_order_of_a_right_matrix_packs_alike() {
        let (k, n) = (19, 13);
        let rows: Vec<f32> = (0..k * n).map(|i| i as f32).collect();
        let columns: Vec<f32> = (0..n * k).map(|i| rows[i % k * n + i / k]).collect();
        let pack = |right: Right<'_>| {
            let mut panel = vec![9.0; 8 * 16];
            right.pack(&mut panel, 3..11, 2..13, 16);
            panel
        };
        let packed = pack(Right { values: &rows, row: n, column: 1 });
        assert_eq!(packed, pack(Right { values: &columns, row: 1, column: k }));
        assert_eq!(&packed[16..19], &rows[4 * n + 2..4 * n + 5]);
        assert!(packed[11..16].iter().all(|value| *value == 0.0));
    }

    #[test]
    fn a_right_matrix_of_one_row_packs() {
        let mut panel = vec![9.0; 8];
        Right { values: &[1.0, 2.0, 3.0], row: 1, column: 1 }.pack(&mut panel, 0..1, 1..3, 8);
        assert_eq!(panel, [2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn positions_gather_the_longest_pieces_that_lie_together() {
        let values: Vec<f32> = (0..400).map(|i| i as f32).collect();
        for (run, step, piece) in [(16, 1, 16), (8, 1, 8), (12, 1, 4), (6, 1, 1), (8, 2, 1)] {
            let offsets: Vec<u32> = (0..2 * run).map(|i| (i / run * 60 + i % run * step) as u32).collect();
            let positions = Positions::new(&offsets, run, 16);
            assert_eq!(positions.piece, piece, "{run} {step}");
            let mut panel = vec![0.0; 2 * 32];
            positions.pack(&mut panel, &values, &[5, 7], 0..2);
            for (k, tap) in [5, 7].into_iter().enumerate() {
                for (i, offset) in offsets.iter().enumerate() {
                    let lane = k * 32 + i / run * 16 + i % run;
                    assert_eq!(panel[lane] as u32, offset + tap, "{run} {step}");
                }
            }
        }
    }
}
