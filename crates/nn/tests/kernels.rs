//! Every kernel against its reference of ordinary operations: values and all gradients.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use byteedit_nn::kernels::{
    add, add_reference, attention, attention_reference, concat_channels, concat_channels_reference, conv2d,
    conv2d_reference, doubled, doubled_reference, geglu, geglu_reference, gelu, gelu_reference, group_norm,
    group_norm_reference, layer_norm, layer_norm_reference, linear, linear_reference, quick_gelu,
    quick_gelu_reference, shifted_group_norm_silu, shifted_group_norm_silu_reference, transposed,
    transposed_reference,
};
use byteedit_testing::{distance, tol};
use proptest::prelude::*;

/// Numbers in [-1, 1] that differ between `seed`s and have no structure.
fn noise<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn assert_close<const D: usize>(what: &str, actual: Tensor<D>, expected: Tensor<D>) {
    let distance = distance(&actual, &expected);
    // The smaller of the two is the error divided by the largest value, or by 1.
    assert!(distance.max_abs.min(distance.relative_max) <= tol::F32_KERNEL, "{what}: {distance}");
}

/// Runs `kernel` and `reference` on tracked copies of three inputs, weighs the outputs by the same
/// numbers, and compares outputs and gradients.
fn check<const A: usize, const B: usize, const C: usize, const R: usize>(
    inputs: (Tensor<A>, Tensor<B>, Tensor<C>),
    kernel: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<R>,
    reference: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<R>,
) {
    let run = |f: &dyn Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<R>| {
        let a = Tensor::from_inner(inputs.0.clone()).require_grad();
        let b = Tensor::from_inner(inputs.1.clone()).require_grad();
        let c = Tensor::from_inner(inputs.2.clone()).require_grad();
        let y = f(a.clone(), b.clone(), c.clone());
        let weights = noise(y.dims(), 99);
        let mut grads = (y.clone() * weights).sum().backward();
        (y.inner(), a.grad_remove(&mut grads), b.grad_remove(&mut grads), c.grad_remove(&mut grads))
    };
    let (y, a, b, c) = run(&kernel);
    let (y_reference, a_reference, b_reference, c_reference) = run(&reference);
    assert_close("output", y, y_reference);
    assert_close("gradient of input 1", a.expect("tracked"), a_reference.expect("tracked"));
    assert_close("gradient of input 2", b.expect("tracked"), b_reference.expect("tracked"));
    assert_close("gradient of input 3", c.expect("tracked"), c_reference.expect("tracked"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn conv2d_matches_its_reference(
        batch in 1_usize..5, c_in in 1_usize..20, c_out in 1_usize..20,
        height in 3_usize..20, width in 3_usize..20,
        (kernel, stride, padding) in prop_oneof![
            Just((1, 1, 0)), Just((3, 1, 1)), Just((3, 2, 1)), Just((3, 2, 0)), Just((3, 1, 0)),
        ],
        seed in any::<u64>(),
    ) {
        let inputs = (
            noise([batch, c_in, height, width], seed),
            noise([c_out, c_in, kernel, kernel], seed ^ 1),
            noise([c_out], seed ^ 2),
        );
        check(
            inputs,
            |x, w, b| conv2d(x, w, b, stride, padding),
            |x, w, b| conv2d_reference(x, w, b, stride, padding),
        );
    }

    #[test]
    fn linear_matches_its_reference(
        n in 1_usize..200, d_in in 1_usize..300, d_out in 1_usize..120, seed in any::<u64>(),
    ) {
        let inputs = (noise([2, n, d_in], seed), noise([d_out, d_in], seed ^ 1), noise([d_out], seed ^ 2));
        check(inputs, |x, w, b| linear(x, w, Some(b)), |x, w, b| linear_reference(x, w, Some(b)));
    }

    #[test]
    fn group_norm_matches_its_reference(
        batch in 1_usize..4, n_groups in 1_usize..5, per_group in 1_usize..5,
        // The gradient of two numbers is zero but for epsilon: all that is left to compare is rounding.
        height in 2_usize..9, width in 4_usize..9, with_silu in any::<bool>(), seed in any::<u64>(),
    ) {
        let channels = n_groups * per_group;
        let inputs = (
            noise([batch, channels, height, width], seed) * 3.0 + 0.5,
            noise([channels], seed ^ 1) + 1.0,
            noise([channels], seed ^ 2),
        );
        check(
            inputs,
            |x, w, b| group_norm(x, w, b, n_groups, 1e-5, with_silu),
            |x, w, b| group_norm_reference(x, w, b, n_groups, 1e-5, with_silu),
        );
    }

    #[test]
    fn a_shifted_group_norm_matches_its_reference(
        batch in 1_usize..4, n_groups in 1_usize..5, per_group in 1_usize..5,
        height in 2_usize..9, width in 4_usize..9, seed in any::<u64>(),
    ) {
        let channels = n_groups * per_group;
        let x: Tensor<4> = noise([batch, channels, height, width], seed);
        let inputs = (noise([batch, channels], seed ^ 1), noise([channels], seed ^ 2), noise([channels], seed ^ 3));
        // The gradient of the input is that of `group_norm` above; here it would be a fourth.
        check(
            inputs,
            |s, w, b| shifted_group_norm_silu(x.clone(), s, w, b, n_groups, 1e-5),
            |s, w, b| shifted_group_norm_silu_reference(x.clone(), s, w, b, n_groups, 1e-5),
        );
    }

    #[test]
    fn layer_norm_matches_its_reference(
        batch in 1_usize..3, tokens in 1_usize..150, d in 4_usize..70, seed in any::<u64>(),
    ) {
        let inputs =
            (noise([batch, tokens, d], seed) * 3.0 + 0.5, noise([d], seed ^ 1) + 1.0, noise([d], seed ^ 2));
        check(inputs, |x, w, b| layer_norm(x, w, b, 1e-5), |x, w, b| layer_norm_reference(x, w, b, 1e-5));
    }

    #[test]
    fn attention_matches_its_reference(
        batch in 1_usize..3, tokens in 1_usize..70, keys in prop_oneof![1_usize..20, 20_usize..160],
        n_heads in 1_usize..4, d_head in prop_oneof![1_usize..20, Just(32), Just(40), Just(64)],
        seed in any::<u64>(),
    ) {
        let width = n_heads * d_head;
        let inputs = (
            noise([batch, tokens, width], seed) * 2.0,
            noise([batch, keys, width], seed ^ 1) * 2.0,
            noise([batch, keys, width], seed ^ 2),
        );
        check(
            inputs,
            |q, k, v| attention(q, k, v, n_heads),
            |q, k, v| attention_reference(q, k, v, n_heads),
        );
    }

    #[test]
    fn geglu_matches_its_reference(
        batch in 1_usize..3, tokens in 1_usize..100, d in 1_usize..40, seed in any::<u64>(),
    ) {
        let x = noise([batch, tokens, 2 * d], seed) * 4.0;
        let unused = || noise([1], 0);
        check(
            (x, unused(), unused()),
            |x, a, b| geglu(x) + (a + b).reshape([1, 1, 1]),
            |x, a, b| geglu_reference(x) + (a + b).reshape([1, 1, 1]),
        );
    }

    #[test]
    fn gelus_match_their_references(
        batch in 1_usize..3, tokens in 1_usize..100, d in 1_usize..200, seed in any::<u64>(),
    ) {
        type Activation = fn(Tensor<3>) -> Tensor<3>;
        let forms: [[Activation; 2]; 2] = [[gelu, gelu_reference], [quick_gelu, quick_gelu_reference]];
        for [kernel, reference] in forms {
            let unused = || noise([1], 0);
            check(
                (noise([batch, tokens, d], seed) * 12.0, unused(), unused()),
                |x, a, b| kernel(x) + (a + b).reshape([1, 1, 1]),
                |x, a, b| reference(x) + (a + b).reshape([1, 1, 1]),
            );
        }
    }

    #[test]
    fn moved_numbers_match_their_references(
        batch in 1_usize..4, [c_1, c_2] in prop::array::uniform2(1_usize..70),
        height in 1_usize..12, width in 1_usize..12, seed in any::<u64>(),
    ) {
        let first = || noise([batch, c_1, height, width], seed);
        let tokens = |x: Tensor<4>| x.flatten::<3>(2, 3);
        check(
            (first(), noise([batch, c_2, height, width], seed ^ 1), noise([batch, c_1, height, width], seed ^ 2)),
            |x, y, z| transposed(tokens(doubled(concat_channels(add(x, z), y)))),
            |x, y, z| {
                let sum = add_reference(x, z);
                transposed_reference(tokens(doubled_reference(concat_channels_reference(sum, y))))
            },
        );
    }
}

#[test]
fn attention_matches_its_reference_in_the_shapes_of_stable_diffusion() {
    for (tokens, keys, d_head) in [(120, 120, 40), (120, 77, 40), (70, 70, 80), (64, 77, 160), (70, 70, 160)]
    {
        let width = 2 * d_head;
        let inputs = (noise([2, tokens, width], 1), noise([2, keys, width], 2), noise([2, keys, width], 3));
        check(inputs, |q, k, v| attention(q, k, v, 2), |q, k, v| attention_reference(q, k, v, 2));
    }
}

#[test]
fn a_long_attention_is_cut_into_blocks_of_queries_and_of_keys() {
    let inputs = (noise([1, 1100, 16], 1), noise([1, 1030, 16], 2), noise([1, 1030, 16], 3));
    check(inputs, |q, k, v| attention(q, k, v, 2), |q, k, v| attention_reference(q, k, v, 2));
}

#[test]
fn scores_of_ten_thousand_neither_overflow_nor_vanish() {
    // Multiples of 1/16, of whose products every sum is exact: all that differs is the softmax.
    let coarse = |shape: [usize; 3], seed: u64| (noise(shape, seed) * 8.0).round() / 16.0;
    let (q, k) = (coarse([1, 150, 16], 1), coarse([1, 300, 16], 2));
    // Four keys at each height from -20 to 18; a query's 2000 and `1 / sqrt(16)` make up to 1e4 of that.
    let height = (Tensor::arange(0..300, &Device::flex()).float() / 4.0).floor() / 2.0 - 20.0;
    let k = k.slice_assign([0..1, 0..300, 0..1], height.reshape([1, 300, 1]));
    for sign in [1.0, -1.0] {
        let q = q.clone().slice_fill([0..1, 0..150, 0..1], sign * 2000.0);
        let inputs = (q, k.clone(), noise([1, 300, 16], 3));
        check(inputs, |q, k, v| attention(q, k, v, 1), |q, k, v| attention_reference(q, k, v, 1));
    }
}

#[test]
fn what_is_not_a_number_is_not_hidden_by_a_softmax() {
    let (q, v) = (noise([1, 3, 8], 1), noise([1, 50, 8], 3));
    let k = noise([1, 50, 8], 2).slice_fill([0..1, 20..21, 0..1], f32::NAN);
    let out = attention(q, k, v, 1).into_data().try_to_vec::<f32>().expect("f32");
    assert!(out.iter().all(|number| number.is_nan()));
}

#[test]
fn attention_is_the_same_bit_for_bit_for_any_number_of_threads() {
    // One head, whose keys are split in the gradient, and more heads than threads.
    for (batch, n_heads, d_head) in [(1, 1, 40), (3, 8, 8)] {
        let run = || {
            let input = |seed| Tensor::from_inner(noise([batch, 333, n_heads * d_head], seed)).require_grad();
            let (q, k, v) = (input(1), input(2), input(3));
            let y = attention(q.clone(), k.clone(), v.clone(), n_heads);
            let mut grads = y.clone().square().sum().backward();
            let grads = [q, k, v].map(|input| input.grad_remove(&mut grads).expect("tracked"));
            let [q, k, v] = grads.map(|grad| grad.into_data().try_to_vec::<f32>().expect("f32"));
            (y.into_data().try_to_vec::<f32>().expect("f32"), q, k, v)
        };
        let with_threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(run);
        assert!(with_threads(1) == with_threads(3));
    }
}

#[test]
fn a_large_convolution_is_cut_into_tiles() {
    let inputs = (noise([1, 32, 70, 90], 1), noise([24, 32, 3, 3], 2), noise([24], 3));
    check(inputs, |x, w, b| conv2d(x, w, b, 1, 1), |x, w, b| conv2d_reference(x, w, b, 1, 1));
}

#[test]
fn convolutions_of_many_tiles_and_channels_take_the_short_way() {
    // Pictures of one row of tiles and of many, channels of one panel and of several, bands of whole pictures
    // and of parts of one, sums over more channels and more tiles than one product takes.
    for [batch, c_in, c_out, height, width] in [
        [3, 144, 112, 20, 36],
        [17, 32, 48, 4, 4],
        [130, 128, 144, 4, 4],
        [1, 160, 128, 64, 64],
        [2, 32, 64, 256, 64],
    ] {
        let x = noise([batch, c_in, height, width], 1);
        let inputs = (x, noise([c_out, c_in, 3, 3], 2) * (1.0 / c_in as f64).sqrt(), noise([c_out], 3));
        check(inputs, |x, w, b| conv2d(x, w, b, 1, 1), |x, w, b| conv2d_reference(x, w, b, 1, 1));
    }
}

/// Against f64, beside the plain sum in f32: of 320 and of 32 channels, and of 256 positions.
#[test]
fn the_short_way_is_nearly_as_exact() {
    type Conv = fn(Tensor<4>, Tensor<4>, Tensor<1>, usize, usize) -> Tensor<4>;
    let x = noise([1, 320, 16, 16], 1);
    let weight = noise([32, 320, 3, 3], 2) * (1.0 / 2880_f64.sqrt());
    let grad = noise([1, 32, 16, 16], 3);
    let results = |conv: Conv, dtype: FloatDType| {
        let [x, weight] = [&x, &weight].map(|t| Tensor::from_inner(t.clone().cast(dtype)).require_grad());
        let bias = Tensor::zeros([32], (&x.device(), DType::from(dtype)));
        let y = conv(x.clone(), weight.clone(), bias, 1, 1);
        let mut grads = (y.clone() * Tensor::from_inner(grad.clone().cast(dtype))).sum().backward();
        let of_x = x.grad_remove(&mut grads).expect("tracked");
        let of_weight = weight.grad_remove(&mut grads).expect("tracked");
        [y.inner(), of_x, of_weight].map(|t| t.cast(FloatDType::F64))
    };
    let exact = results(conv2d_reference, FloatDType::F64);
    let error = |results: [Tensor<4>; 3], index: usize| -> f64 {
        let [a, b] = [&results[index], &exact[index]].map(Clone::clone);
        (a - b).square().mean().into_scalar::<f64>().sqrt()
    };
    for index in 0..3 {
        let short = error(results(conv2d, FloatDType::F32), index);
        let plain = error(results(conv2d_reference, FloatDType::F32), index);
        assert!(short < 8.0 * plain, "result {index}: {short:e} against {plain:e}");
    }
}

/// Winograd's way, the direct one, with a stride and of one pixel; linear maps and norms.
#[test]
fn results_are_the_same_for_any_number_of_threads() {
    let run = || {
        let shapes = [(64, 3, 1, 1), (24, 3, 1, 1), (48, 3, 2, 1), (40, 1, 1, 0)];
        shapes.map(|(channels, kernel, stride, padding)| {
            let x = Tensor::from_inner(noise([3, channels, 16, 16], 1)).require_grad();
            let weight = Tensor::from_inner(noise([96, channels, kernel, kernel], 2)).require_grad();
            let y = conv2d(x.clone(), weight.clone(), noise([96], 3), stride, padding);
            let norm = Tensor::ones([96], &y.device());
            let y = group_norm(y, norm.clone(), norm.zeros_like(), 8, 1e-5, true);
            let rows = linear(y.reshape([-1, 96]), Tensor::from_inner(noise([80, 96], 4)), None);
            let mut grads = rows.clone().square().sum().backward();
            let grads = [x, weight].map(|t| t.grad_remove(&mut grads).expect("tracked").into_data());
            (rows.into_data(), grads)
        })
    };
    let with_threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(run);
    assert!(with_threads(1) == with_threads(3));
}

#[test]
fn a_sum_leaves_its_terms_as_they_were() {
    let (x, y) = (noise([3, 5], 1), noise([3, 5], 2));
    let expected = add_reference(x.clone(), y.clone());
    for _ in 0..2 {
        assert_eq!(add(x.clone(), y.clone()).into_data(), expected.clone().into_data());
    }
    assert_eq!(add(x, y).into_data(), expected.into_data(), "with no other owner, in the memory of a term");
}

#[test]
fn results_repeat_bit_for_bit() {
    let run = || {
        let x = Tensor::from_inner(noise([6, 24, 16, 16], 1)).require_grad();
        let w = Tensor::from_inner(noise([32, 24, 3, 3], 2)).require_grad();
        let y = conv2d(x, w.clone(), noise([32], 3), 1, 1);
        let mut grads = y.square().sum().backward();
        w.grad_remove(&mut grads).expect("tracked").into_data().try_to_vec::<f32>().expect("f32")
    };
    assert_eq!(run(), run());
}
