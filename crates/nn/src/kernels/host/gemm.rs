//! Matrix products on slices, over the `gemm` crate.

use gemm::Parallelism;

/// A matrix inside a slice: where it starts is the slice's business, how it strides is here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strides {
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Strides {
    /// Rows of `width` numbers, one after the other.
    pub(super) fn rows(width: usize) -> Self {
        Self { row: width, column: 1 }
    }

    /// The transpose of rows of `width` numbers.
    pub(super) fn columns(width: usize) -> Self {
        Self { row: 1, column: width }
    }

    /// How many numbers a `rows x columns` matrix spans.
    fn span(self, rows: usize, columns: usize) -> usize {
        if rows == 0 || columns == 0 { 0 } else { (rows - 1) * self.row + (columns - 1) * self.column + 1 }
    }
}

/// `[m, k] x [k, n]`
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
}

/// `out = scale * left right`, or `out += ...` if `accumulate`, on `out`'s rows of `out_width` numbers.
pub(super) fn gemm(
    size: Product,
    (out, out_width): (&mut [f32], usize),
    (left, left_strides): (&[f32], Strides),
    (right, right_strides): (&[f32], Strides),
    scale: f32,
    accumulate: bool,
) {
    let Product { m, n, k } = size;
    assert!(out.len() >= Strides::rows(out_width).span(m, n), "gemm: the output is too short; this is a bug");
    assert!(left.len() >= left_strides.span(m, k), "gemm: the left side is too short; this is a bug");
    assert!(right.len() >= right_strides.span(k, n), "gemm: the right side is too short; this is a bug");
    // SAFETY: the three matrices lie within their slices, as asserted above, and `out` is borrowed
    // exclusively, so it overlaps neither factor.
    #[expect(unsafe_code, reason = "the gemm crate takes raw pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_width as isize,
            accumulate,
            left.as_ptr(),
            left_strides.column as isize,
            left_strides.row as isize,
            right.as_ptr(),
            right_strides.column as isize,
            right_strides.row as isize,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
