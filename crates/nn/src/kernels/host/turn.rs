//! Transposition in squares that fit into registers.
#![expect(clippy::inline_always, reason = "a square is turned by a machine's own shuffles")]

/// Side of a square.
const SIDE: usize = 8;

type Square = [[f32; SIDE]; SIDE];

/// `out[i][j] = values[j][i]`, for rows of the given widths.
pub(super) fn turn((out, width): (&mut [f32], usize), (values, stride): (&[f32], usize), size: [usize; 2]) {
    let matrices = Matrices { out, width, values, stride, size };
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        simd.vectorize(x86::Turn { simd, matrices });
        return;
    }
    matrices.turn(Plain);
}

/// A way to turn one square.
trait TurnSquare: Copy {
    fn turn(self, square: Square) -> Square;
}

#[derive(Clone, Copy)]
struct Plain;

impl TurnSquare for Plain {
    #[inline(always)]
    fn turn(self, square: Square) -> Square {
        std::array::from_fn(|i| std::array::from_fn(|j| square[j][i]))
    }
}

/// A matrix and where its transpose goes.
struct Matrices<'a> {
    out: &'a mut [f32],
    width: usize,
    values: &'a [f32],
    stride: usize,
    size: [usize; 2],
}

impl Matrices<'_> {
    #[inline(always)]
    fn turn(self, by: impl TurnSquare) {
        let Self { out, width, values, stride, size: [n_i, n_j] } = self;
        for j in (0..n_j).step_by(SIDE) {
            for i in (0..n_i).step_by(SIDE) {
                if j + SIDE <= n_j && i + SIDE <= n_i {
                    let mut square = [[0.0; SIDE]; SIDE];
                    for (r, row) in square.iter_mut().enumerate() {
                        row.copy_from_slice(&values[(j + r) * stride + i..][..SIDE]);
                    }
                    for (r, row) in by.turn(square).iter().enumerate() {
                        out[(i + r) * width + j..][..SIDE].copy_from_slice(row);
                    }
                } else {
                    for i in i..(i + SIDE).min(n_i) {
                        for j in j..(j + SIDE).min(n_j) {
                            out[i * width + j] = values[j * stride + i];
                        }
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::__m256;

    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast};

    use super::{Matrices, SIDE, Square, TurnSquare};

    /// [`Matrices::turn`] by AVX's shuffles, three times as fast as what a compiler makes of the plain form.
    pub(super) struct Turn<'a> {
        pub(super) simd: V3,
        pub(super) matrices: Matrices<'a>,
    }

    impl NullaryFnOnce for Turn<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.matrices.turn(self.simd);
        }
    }

    /// Turns squares of 2, then of 4, then of 8 numbers a side.
    impl TurnSquare for V3 {
        #[inline(always)]
        fn turn(self, square: Square) -> Square {
            let rows: [__m256; SIDE] = cast(square);
            let upper = turn_half(self, [rows[0], rows[1], rows[2], rows[3]]);
            let lower = turn_half(self, [rows[4], rows[5], rows[6], rows[7]]);
            let mut columns = rows;
            for i in 0..SIDE / 2 {
                columns[i] = self.avx._mm256_permute2f128_ps::<0x20>(upper[i], lower[i]);
                columns[i + 4] = self.avx._mm256_permute2f128_ps::<0x31>(upper[i], lower[i]);
            }
            cast(columns)
        }
    }

    /// Turns both squares of 4 in four rows.
    #[inline(always)]
    fn turn_half(V3 { avx, .. }: V3, rows: [__m256; 4]) -> [__m256; 4] {
        let (a0, a1) = (avx._mm256_unpacklo_ps(rows[0], rows[1]), avx._mm256_unpackhi_ps(rows[0], rows[1]));
        let (b0, b1) = (avx._mm256_unpacklo_ps(rows[2], rows[3]), avx._mm256_unpackhi_ps(rows[2], rows[3]));
        [
            avx._mm256_shuffle_ps::<0x44>(a0, b0),
            avx._mm256_shuffle_ps::<0xEE>(a0, b0),
            avx._mm256_shuffle_ps::<0x44>(a1, b1),
            avx._mm256_shuffle_ps::<0xEE>(a1, b1),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::turn;

    #[test]
    fn rows_become_columns_at_any_size_and_width() {
        for [n_i, n_j] in [[8, 8], [16, 24], [5, 3], [19, 8], [8, 21], [1, 1]] {
            let (width, stride) = (n_j + 2, n_i + 3);
            let values: Vec<f32> = (0..n_j * stride).map(|i| i as f32).collect();
            let mut out = vec![999.0; n_i * width];
            turn((&mut out, width), (&values, stride), [n_i, n_j]);
            for i in 0..n_i {
                for j in 0..width {
                    let expected = if j < n_j { j * stride + i } else { 999 };
                    assert_eq!(out[i * width + j] as usize, expected, "{n_i} x {n_j}: {i}, {j}");
                }
            }
        }
    }
}
