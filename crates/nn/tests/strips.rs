//! A picture in strips is the picture: kernels against references, and strips against the whole.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_nn::kernels::{
    StripRows, group_moments, group_moments_reference, scaled_silu, scaled_silu_reference,
};
use byteedit_testing::{assert_close, tol};
use proptest::prelude::*;

/// Numbers around `mean` without structure, the same for the same shape.
fn noise<const D: usize>(shape: [usize; D], mean: f64) -> Tensor<D> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 22) as f32 - 2.0 + mean as f32
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Of views too, in which a plane is a part of a larger one or not in one piece at all.
    #[test]
    fn moments_match_their_reference(
        batch in 1_usize..3, n_groups in 1_usize..5, per_group in 1_usize..4, rows in 1_usize..20,
        width in 1_usize..40, mean in -3.0_f64..3.0, view in 0..3,
    ) {
        let shape = [batch, n_groups * per_group, rows, width];
        let x = match view {
            0 => noise(shape, mean),
            1 => noise([batch, shape[1], rows + 2, width], mean).narrow(2, 1, rows),
            _ => noise([batch, shape[1], width, rows], mean).swap_dims(2, 3),
        };
        assert_close(&group_moments(x.clone(), n_groups), &group_moments_reference(x, n_groups), tol::f32_golden());
    }

    #[test]
    fn scaled_silu_match_their_reference(
        batch in 1_usize..3, channels in 1_usize..9, rows in prop::array::uniform3(1_usize..9),
        width in 1_usize..40, above in any::<bool>(), below in any::<bool>(), is_view in any::<bool>(),
    ) {
        let strip = |rows: usize| {
            let x = noise([batch, channels, rows + 2, width], 0.0);
            if is_view { x.narrow(2, 1, rows) } else { x }
        };
        let rows = StripRows {
            above: above.then(|| strip(rows[0])),
            strip: strip(rows[1]),
            below: below.then(|| strip(rows[2])),
        };
        let (scale, shift) = (noise([batch, channels], 1.0), noise([batch, channels], 0.0));
        let expected = scaled_silu_reference(rows.clone(), scale.clone(), shift.clone());
        assert_close(&scaled_silu(rows, scale, shift), &expected, tol::f32_golden());
    }
}

/// One row of each neighbour: the last above, the first below.
#[test]
fn a_strip_borders_on_the_nearest_rows() {
    let row = |value: f32| Tensor::<4>::full([1, 1, 1, 2], value, &Device::flex());
    let strip = |values: [f32; 2]| Tensor::cat(values.map(row).to_vec(), 2);
    let rows = StripRows {
        above: Some(strip([1.0, 2.0])),
        strip: strip([3.0, 4.0]),
        below: Some(strip([5.0, 6.0])),
    };
    let expected = Tensor::cat([2.0, 3.0, 4.0, 5.0].map(row).to_vec(), 2);
    assert_eq!(rows.halo(), [1, 1]);
    assert_close(&rows.clone().joined(1), &expected, tol::exact());
    let padded = Tensor::cat(vec![expected, row(0.0)], 2);
    assert_close(&rows.joined(5), &padded, tol::exact());
}
