//! The product under every other kernel: `out[m, n] = sum over k of left[m, k] right[k, n]`.
//!
//! The left matrix is never formed. Its entry `(m, k)` is `values[rows[m] + columns[k]]`, which says a
//! matrix, its transpose and the shifted pixels of a convolution alike. The right matrix comes in
//! panels of a few vectors, `[k][width]` (see [`super::pack`]). One product is one chain of fused
//! multiply-adds for each output, in the order of `k`: cutting rows or columns elsewhere changes no bit.
#![expect(clippy::inline_always, reason = "a kernel is compiled for a machine's vectors as one piece")]

use std::marker::PhantomData;

use pulp::bytemuck::NoUninit;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// A matrix whose entry `(m, k)` is `values[rows[m] + columns[k]]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: &'a [u32],
    pub(super) columns: &'a [u32],
}

/// What the sum is added to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start<'a> {
    /// Nothing.
    Zero,
    /// A number for each row.
    Rows(&'a [f32]),
    /// A number for each column of the panel, `[n_vectors * lanes]`.
    Columns(&'a [f32]),
    /// What the output holds.
    Out,
}

/// Most vectors that a panel has on any machine.
const MAX_VECTORS: usize = 3;

/// Columns of the output that one panel covers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns {
    n_vectors: usize,
    /// Where row 0 of each vector lies in the output.
    starts: [usize; MAX_VECTORS],
    /// How many of its lanes are wanted.
    lengths: [usize; MAX_VECTORS],
}

impl Columns {
    /// Of at most [`panel_vectors`] vectors, each where its row 0 starts and how many lanes are wanted.
    pub(super) fn new(vectors: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut columns = Self::default();
        for (start, length) in vectors {
            columns.starts[columns.n_vectors] = start;
            columns.lengths[columns.n_vectors] = length;
            columns.n_vectors += 1;
        }
        columns
    }

    pub(super) fn n_vectors(self) -> usize {
        self.n_vectors
    }
}

/// Rows of one length that several tasks write, each its own elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct SharedOut<'a> {
    start: *mut f32,
    len: usize,
    row: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: whoever writes (`Product::run`, `write`, `write_slice`) promises to write elements of their own.
#[expect(unsafe_code, reason = "tasks write disjoint columns of the same rows")]
unsafe impl Send for SharedOut<'_> {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "tasks write disjoint columns of the same rows")]
unsafe impl Sync for SharedOut<'_> {}

impl SharedOut<'_> {
    /// The `len` numbers that `n_tasks` tasks write, in rows of `row` numbers.
    ///
    /// # Safety
    /// For each element, something is written before anything is added to it, and by one task alone.
    #[expect(unsafe_code, reason = "clearing memory first takes longer than small products")]
    pub(super) unsafe fn collect(
        [len, row]: [usize; 2],
        n_tasks: usize,
        run: impl Fn(usize, SharedOut<'_>) + Sync,
    ) -> Vec<f32> {
        let write = |out: SharedOut<'_>| (0..n_tasks).into_par_iter().for_each(|task| run(task, out));
        // SAFETY: the caller's promise.
        unsafe { Self::fill([len, row], write) }
    }

    /// The `len` numbers that `write` writes, in rows of `row` numbers.
    ///
    /// # Safety
    /// For each element, something is written before anything is added to it.
    #[expect(unsafe_code, reason = "clearing memory first takes longer than small products")]
    pub(super) unsafe fn fill([len, row]: [usize; 2], write: impl FnOnce(SharedOut<'_>)) -> Vec<f32> {
        let mut values = Vec::with_capacity(len);
        write(SharedOut { start: values.as_mut_ptr(), len, row, lifetime: PhantomData });
        // SAFETY: the caller's promise.
        unsafe { values.set_len(len) };
        values
    }
}

impl<'a> SharedOut<'a> {
    /// `out`, in rows of `row` numbers.
    pub(super) fn new(out: &'a mut [f32], row: usize) -> Self {
        Self { start: out.as_mut_ptr(), len: out.len(), row, lifetime: PhantomData }
    }

    /// The same elements without the first ones, in rows of `row` numbers.
    pub(super) fn rows_from(self, first: usize, row: usize) -> Self {
        assert!(first <= self.len, "rows outside of the output; this is a bug");
        Self { start: self.start.wrapping_add(first), len: self.len - first, row, ..self }
    }

    /// Writes one vector of numbers from `at` on.
    ///
    /// # Safety
    /// While this runs, nothing else may read or write these elements.
    #[expect(unsafe_code, reason = "the output is shared among tasks")]
    pub(super) unsafe fn write<V: NoUninit>(self, at: usize, vector: V) {
        let n = size_of::<V>() / size_of::<f32>();
        assert!(at + n <= self.len, "a number outside of the output; this is a bug");
        // SAFETY: inside the output by the assertion, and the caller's promise.
        unsafe { self.start.add(at).cast::<V>().write_unaligned(vector) };
    }

    /// Writes any number of numbers from `at` on.
    ///
    /// # Safety
    /// As of [`Self::write`].
    #[expect(unsafe_code, reason = "the output is shared among tasks")]
    pub(super) unsafe fn write_slice(self, at: usize, numbers: &[f32]) {
        assert!(at + numbers.len() <= self.len, "a number outside of the output; this is a bug");
        // SAFETY: inside the output by the assertion, and the caller's promise.
        unsafe { self.start.add(at).copy_from_nonoverlapping(numbers.as_ptr(), numbers.len()) };
    }
}

/// Numbers in one of this machine's vectors.
pub(super) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}

/// Largest number of vectors in a panel: with eight rows, 24 sums in a machine's 32 registers; with six rows, twelve
/// sums in 16, where three vectors and four rows would leave no register for what the compiler has to keep.
pub(super) fn panel_vectors() -> usize {
    struct PanelVectors;
    impl WithSimd for PanelVectors {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            if S::REGISTER_COUNT >= 32 { MAX_VECTORS } else { 2 }
        }
    }
    Arch::new().dispatch(PanelVectors)
}

/// All rows of the left matrix times one panel.
#[derive(Debug)]
pub(super) struct Product<'a> {
    pub(super) left: Left<'a>,
    /// `[left.columns.len()][columns.n_vectors * lanes]`
    pub(super) right: &'a [f32],
    pub(super) columns: Columns,
    pub(super) start: Start<'a>,
    pub(super) out: SharedOut<'a>,
}

impl Product<'_> {
    /// # Safety
    /// While this runs, nothing else may read or write the elements it writes: `columns`, in as many
    /// rows as the left matrix has.
    #[expect(unsafe_code, reason = "the output is shared among tasks")]
    pub(super) unsafe fn run(self) {
        self.assert_inside();
        Arch::new().dispatch(self);
    }

    /// Every address that the kernel makes lies inside its slice.
    fn assert_inside(&self) {
        let Left { values, rows, columns } = self.left;
        let largest = |offsets: &[u32]| offsets.iter().copied().max().map_or(0, |offset| offset as usize);
        let width = self.columns.n_vectors * lanes();
        let n_rows = rows.len();
        assert!(n_rows > 0 && !columns.is_empty() && width > 0, "an empty product; this is a bug");
        assert!(self.columns.n_vectors <= panel_vectors(), "a panel is too wide; this is a bug");
        assert!(largest(rows) + largest(columns) < values.len(), "the left side is too short; this is a bug");
        assert!(columns.len() * width <= self.right.len(), "the right side is too short; this is a bug");
        for v in 0..self.columns.n_vectors {
            let end = self.columns.starts[v] + (n_rows - 1) * self.out.row + self.columns.lengths[v];
            assert!(end <= self.out.len, "the output is too short; this is a bug");
        }
        match self.start {
            Start::Rows(start) => assert!(n_rows <= start.len(), "the start is too short; this is a bug"),
            Start::Columns(start) => assert!(width <= start.len(), "the start is too short; this is a bug"),
            Start::Zero | Start::Out => {}
        }
    }
}

/// `left right` as a panel of its own, `[left.rows.len()][n_vectors * lanes]`; `adds` to what it holds.
pub(super) fn panel_product(left: Left<'_>, right: &[f32], out: &mut [f32], n_vectors: usize, adds: bool) {
    let lanes = lanes();
    let columns = Columns::new((0..n_vectors).map(|vector| (vector * lanes, lanes)));
    let start = if adds { Start::Out } else { Start::Zero };
    let out = SharedOut::new(out, n_vectors * lanes);
    // SAFETY: `out` is borrowed exclusively.
    #[expect(unsafe_code, reason = "the general product writes to a shared output")]
    unsafe {
        Product { left, right, columns, start, out }.run();
    }
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (S::REGISTER_COUNT >= 32, self.columns.n_vectors) {
            (_, 1) => multiply::<S, 8, 1>(simd, &self),
            (true, 2) => multiply::<S, 8, 2>(simd, &self),
            (true, _) => multiply::<S, 8, 3>(simd, &self),
            (false, _) => multiply::<S, 6, 2>(simd, &self),
        }
    }
}

/// Tiles of `M` rows and `V` vectors.
#[inline(always)]
fn multiply<S: Simd, const M: usize, const V: usize>(simd: S, product: &Product<'_>) {
    let Product { left, right, start, .. } = *product;
    for (index, rows) in left.rows.chunks(M).enumerate() {
        let first = index * M;
        let row = |m: usize| m.min(rows.len() - 1); // the last row stands in for missing ones
        let starts: [*const f32; M] =
            std::array::from_fn(|m| left.values.as_ptr().wrapping_add(rows[row(m)] as usize));
        let zero = simd.splat_f32s(0.0);
        let sums = match start {
            Start::Rows(numbers) => std::array::from_fn(|m| [simd.splat_f32s(numbers[first + row(m)]); V]),
            Start::Columns(numbers) => {
                [std::array::from_fn(|v| {
                    simd.partial_load_f32s(&numbers[v * S::F32_LANES..][..S::F32_LANES])
                }); M]
            }
            Start::Zero | Start::Out => [[zero; V]; M],
        };
        // SAFETY: `Product::assert_inside` has checked the largest address on either side.
        #[expect(unsafe_code, reason = "bounds are checked once for a product, not for each number")]
        let sums = unsafe { tile::<S, M, V>(simd, starts, left.columns, right.as_ptr(), sums) };
        store(simd, &sums[..rows.len()], first, product);
    }
}

/// `M` rows of the left matrix, given by the addresses of their starts, times one panel.
///
/// # Safety
/// Every start plus every column, and `columns.len() * V` vectors of `right`, are readable.
#[expect(unsafe_code, reason = "the innermost loop")]
#[inline(always)]
unsafe fn tile<S: Simd, const M: usize, const V: usize>(
    simd: S,
    starts: [*const f32; M],
    columns: &[u32],
    mut right: *const f32,
    mut sums: [[S::f32s; V]; M],
) -> [[S::f32s; V]; M] {
    for &column in columns {
        // SAFETY: the caller's promise.
        unsafe {
            let factors: [S::f32s; V] =
                std::array::from_fn(|v| right.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned());
            right = right.add(V * S::F32_LANES);
            for m in 0..M {
                let value = simd.splat_f32s(*starts[m].add(column as usize));
                for v in 0..V {
                    sums[m][v] = simd.mul_add_f32s(value, factors[v], sums[m][v]);
                }
            }
        }
    }
    sums
}

/// Writes or adds a tile's rows, the first of which is row `first` of the output.
#[inline(always)]
fn store<S: Simd, const V: usize>(simd: S, sums: &[[S::f32s; V]], first: usize, product: &Product<'_>) {
    let Product { columns, start, out, .. } = *product;
    let adds = matches!(start, Start::Out);
    for (m, row) in sums.iter().enumerate() {
        for (v, sum) in row.iter().enumerate() {
            let at = columns.starts[v] + (first + m) * out.row;
            // SAFETY: the last row and column were checked to lie inside the output, and nothing else
            // touches these elements (`Product::run`).
            #[expect(unsafe_code, reason = "the output is shared among tasks")]
            unsafe {
                let place = out.start.add(at);
                if columns.lengths[v] == S::F32_LANES {
                    let place = place.cast::<S::f32s>();
                    let sum = if adds { simd.add_f32s(*sum, place.read_unaligned()) } else { *sum };
                    place.write_unaligned(sum);
                } else {
                    let lanes = simd.mask_between_m32s(0, columns.lengths[v] as u32);
                    let sum =
                        if adds { simd.add_f32s(*sum, simd.mask_load_ptr_f32s(lanes, place)) } else { *sum };
                    simd.mask_store_ptr_f32s(lanes, place, sum);
                }
            }
        }
    }
}
