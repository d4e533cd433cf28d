//! `exp` and `erf` in forms that vectorise: no branches, no table look-ups.
#![expect(clippy::inline_always, reason = "a call inside a loop keeps the loop from being vectorised")]

/// `e^x` to 3 ulp, for `x` clamped to -87 to 88: `2^n * p(r)` with `|r| <= ln 2 / 2` and a polynomial of
/// degree 6.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + SHIFT; // its lowest bits are those of the integer
    let n = shifted - SHIFT;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    p * power
}

/// `1 / (1 + e^-x)`, and 0 below -88, where the exponential is clamped.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    let value = 1.0 / (1.0 + exp(-x));
    if x < -88.0 { 0.0 } else { value }
}

/// The standard normal's distribution function to 3e-7 absolute, `(1 + erf(x / sqrt 2)) / 2` with
/// Abramowitz & Stegun 1964, 7.1.26, and its density: both from one exponential.
#[inline(always)]
pub(super) fn normal_cdf_and_pdf(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152_1;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_72;
    let p = p * t + 0.254_829_6;
    let bell = exp(-0.5 * x * x);
    let tail = 0.5 * p * t * bell; // 1 - cdf(|x|)
    (if x < 0.0 { tail } else { 1.0 - tail }, 0.398_942_3 * bell)
}

/// The distribution function of [`normal_cdf_and_pdf`] alone.
#[inline(always)]
pub(super) fn normal_cdf(x: f32) -> f32 {
    normal_cdf_and_pdf(x).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_three_ulp() {
        for i in -86_999..88_000 {
            let x = i as f32 * 0.001;
            let exact = f64::from(x).exp();
            let ulp = f64::from((exact as f32).next_up() - exact as f32);
            let error = (f64::from(exp(x)) - exact).abs();
            assert!(error <= 3.0 * ulp, "exp({x}) is off by {} ulp", error / ulp);
        }
    }

    #[test]
    fn the_normal_distribution_function_is_within_3e_7() {
        for i in -10_000..10_000 {
            let x = i as f32 * 0.001;
            let exact = 0.5 * libm::erfc(-f64::from(x) * std::f64::consts::FRAC_1_SQRT_2);
            let error = (f64::from(normal_cdf(x)) - exact).abs();
            assert!(error <= 3e-7, "cdf({x}) is off by {error}");
        }
    }
}
