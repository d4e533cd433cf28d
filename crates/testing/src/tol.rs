//! How near is near enough: every tolerance of the workspace, each with its reason.
//!
//! The unit roundoff of f32 is 6e-8 and of f16 4.9e-4. A test that needs more than the tolerances here
//! says why beside its [`Tol`].

/// Limits on the distance between two tensors; both must hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tol {
    /// Limit of `|actual - expected|_2 / |expected|_2`.
    pub relative_l2: f64,
    /// Limit of the largest `|actual - expected|`, divided by the largest `|expected|`. An elementwise
    /// relative error would ask the impossible where the expected value is near zero by cancellation.
    pub relative_max: f64,
}

/// Every element equal: for values that are moved, not computed.
pub fn exact() -> Tol {
    Tol { relative_l2: 0.0, relative_max: 0.0 }
}

/// One operation in f32, 1e-5: a sum of ten thousand products in an order that differs from the
/// reference's loses about `sqrt(1e4) * 6e-8 = 6e-6`.
pub fn f32_op() -> Tol {
    Tol { relative_l2: 1e-5, relative_max: 1e-5 }
}

/// A kernel in f32 against its reference of ordinary operations: 3e-5 of the largest value, or of 1 if
/// that is larger. Sums of up to a few thousand products are taken in two different orders, and a result
/// below 1 is what cancelled in a sum of numbers around 1, and keeps their rounding.
pub const F32_KERNEL: f64 = 3e-5;

/// A whole network in f32, 1e-4: some hundred operations deep, each within [`f32_op`] at worst, partly
/// cancelling. The project's promise for networks of the real size.
pub fn f32_net() -> Tol {
    Tol { relative_l2: 1e-4, relative_max: 1e-4 }
}

/// A tiny network in f32 against a reference computed in f64, 2e-5. PyTorch's own f32 differs from that
/// reference by 2e-6 at most (`scripts/golden`), while the smallest mistake worth finding, the tanh
/// approximation of GELU, moves the result by 1e-4.
pub fn f32_golden() -> Tol {
    Tol { relative_l2: 2e-5, relative_max: 5e-5 }
}

/// A whole network that computes in f16, 1e-2: twenty roundings of 4.9e-4 in a row.
pub fn f16_net() -> Tol {
    Tol { relative_l2: 1e-2, relative_max: 2e-2 }
}
