//! Sums over slices in sixteen lanes and then over the lanes: an order that vectorises, and that is the
//! same whatever instructions the processor has.
#![expect(clippy::inline_always, reason = "inlined, they take on the vector instructions of their caller")]

const LANES: usize = 16;

/// `Σ x`
#[inline(always)]
pub(super) fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    total(lanes) + rest.iter().sum::<f32>()
}

/// `Σ (x - mean)²`
#[inline(always)]
pub(super) fn sum_of_squares(x: &[f32], mean: f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += (x - mean) * (x - mean);
        }
    }
    total(lanes) + rest.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>()
}

/// `Σ y (x - mean)`: nothing large cancels, as it would in `Σ y x - mean Σ y`.
#[inline(always)]
pub(super) fn dot_centered(y: &[f32], x: &[f32], mean: f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in xs.iter().zip(ys) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += y * (x - mean);
        }
    }
    total(lanes) + x_rest.iter().zip(y_rest).map(|(x, y)| y * (x - mean)).sum::<f32>()
}

#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    lanes.iter().sum()
}

/// `y = a y + b x + c`
#[inline(always)]
pub(super) fn combine(y: &mut [f32], x: &[f32], [a, b, c]: [f32; 3]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = a * *y + b * x + c;
    }
}
