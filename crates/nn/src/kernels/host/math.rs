//! `exp` and `erf` in forms that vectorise: no branches, no table look-ups.
#![expect(clippy::inline_always, reason = "a call inside a loop keeps the loop from being vectorised")]

/// `e^x` to about 2 ulp: `2^n * p(r)` with `|r| <= ln 2 / 2` and a polynomial of degree 6.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E + SHIFT) - SHIFT;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
    p * power
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The standard normal's distribution function to 1e-7 absolute: `(1 + erf(x / sqrt 2)) / 2` with
/// Abramowitz & Stegun 1964, 7.1.26.
#[inline(always)]
pub(super) fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152_1;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_72;
    let p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * exp(-z * z); // 1 - cdf(|x|)
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// The standard normal's density.
#[inline(always)]
pub(super) fn normal_pdf(x: f32) -> f32 {
    0.398_942_3 * exp(-0.5 * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp() {
        for i in -8_700..8_800 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 3e-7 * exact, "exp({x})");
        }
    }

    #[test]
    fn normal_cdf_matches_known_values() {
        for (x, value) in [(0.0, 0.5), (1.0, 0.841_344_8), (-1.0, 0.158_655_3), (2.5, 0.993_790_3)] {
            assert!((normal_cdf(x) - value).abs() < 3e-7, "cdf({x}) = {}", normal_cdf(x));
        }
    }
}
