//! The differentiable resize is the host's, and its gradient the transpose.

use burn::tensor::{DType, Device, Tensor, TensorData};
use byteedit_image::resample::weight_matrix;
use byteedit_image::{Filter, Rect, Size, UnitImage};
use byteedit_reward::preprocess::{Preprocessing, resize};

const FILTERS: [Filter; 5] =
    [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos3];

/// Numbers from 0 to 1 without structure.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i + 97 * seed) as f32 * 0.618_034).fract()).collect()
}

/// Shrinking, enlarging, stretching by different factors, and one side alone.
#[test]
fn the_resize_is_the_hosts() {
    for (from, to) in [([34, 26], [20, 20]), ([20, 30], [45, 31]), ([97, 33], [16, 64]), ([24, 24], [24, 11])]
    {
        let [[from_width, from_height], [width, height]] = [from, to];
        let image =
            UnitImage::new(Size::new(from_width, from_height), numbers(from_width * from_height * 3, 1))
                .expect("as many numbers as the size says");
        // [height, width, channel] to [1, channel, height, width]
        let planes = |image: &UnitImage| {
            let data = TensorData::new(image.data().to_vec(), [1, image.height(), image.width(), 3]);
            Tensor::<4>::from_data(data, &Device::default()).permute([0, 3, 1, 2])
        };
        for filter in FILTERS {
            let expected = planes(&image.resize(Size::new(width, height), filter));
            let found = resize(planes(&image), [height, width], filter);
            assert_eq!(found.dims(), [1, 3, height, width]);
            let error = (found - expected).abs().max().into_scalar::<f32>();
            // The host sums in f64 and rounds between the passes: half a dozen roundings of numbers around 1 lie
            // between.
            assert!(error < 1e-6, "{filter:?} from {from:?} to {to:?}: {error:e}");
        }
    }
}

/// `y = V x Hᵀ`, so the gradient of `Σ w y` is `Vᵀ w H`.
#[test]
fn the_gradient_is_the_transpose() {
    let device = Device::flex();
    let double = |values: Vec<f64>, shape: [usize; 2]| {
        Tensor::<2>::from_data(TensorData::new(values, shape), (&device, DType::F64))
    };
    let noise = |shape: [usize; 2], seed| {
        double(numbers(shape[0] * shape[1], seed).into_iter().map(f64::from).collect(), shape)
    };
    for filter in FILTERS {
        let [from, to] = [[13, 9], [6, 17]];
        let x = Tensor::from_inner(noise(from, 1).reshape([1, 1, from[0], from[1]])).require_grad();
        let weights = noise(to, 2);
        let y = resize(x.clone(), to, filter);
        let grads = (y * Tensor::from_inner(weights.clone().reshape([1, 1, to[0], to[1]]))).sum().backward();
        let found = x.grad(&grads).expect("the pixels are tracked").reshape(from);
        let [vertical, horizontal] =
            [0, 1].map(|axis| double(weight_matrix(from[axis], to[axis], filter), [to[axis], from[axis]]));
        let expected = vertical.transpose().matmul(weights).matmul(horizontal);
        let error = (found - expected).abs().max().into_scalar::<f64>();
        assert!(error < 1e-13, "{filter:?}: {error:e}");
    }
}

/// A window is seen as if it had been cut out first, each picture's own.
#[test]
fn a_window_is_what_was_cut_out() {
    let device = Device::default();
    let pixels =
        Tensor::<4>::from_data(TensorData::new(numbers(2 * 3 * 20 * 30, 5), [2, 3, 20, 30]), &device);
    let windows = [Rect::new(3, 2, 12, 12), Rect::new(10, 0, 20, 20)];
    let preprocessing = Preprocessing::clip(16);
    let found = preprocessing.forward_within(pixels.clone(), &windows);
    let cut = |item: usize, window: Rect| {
        let picture = pixels.clone().narrow(0, item, 1);
        picture.narrow(2, window.y, window.height).narrow(3, window.x, window.width)
    };
    let expected =
        windows.into_iter().enumerate().map(|(item, window)| preprocessing.forward(cut(item, window)));
    let error = (found - Tensor::cat(expected.collect(), 0)).abs().max().into_scalar::<f32>();
    // Sums of as many products, in another order.
    assert!(error < 1e-5, "{error:e}");
}

/// The border of a wide picture, which a crop to the middle would not see.
#[test]
fn every_pixel_of_a_wide_picture_is_seen() {
    let pixels = Tensor::from_inner(Tensor::<4>::zeros([1, 3, 8, 40], &Device::flex())).require_grad();
    let seen = Preprocessing::clip(8).forward(pixels.clone());
    let grads = seen.square().sum().backward();
    let gradient = pixels.grad(&grads).expect("the pixels are tracked");
    assert!(gradient.abs().min().into_scalar::<f32>() > 1e-3);
}

#[test]
fn channels_are_brought_to_the_checkpoints_mean_and_deviation() {
    let grey = Tensor::<4>::full([1, 3, 5, 7], 0.5, &Device::default());
    let [clip, imagenet] = [Preprocessing::clip(4), Preprocessing::imagenet(4)].map(|preprocessing| {
        let seen = preprocessing.forward(grey.clone());
        assert_eq!(seen.dims(), [1, 3, 4, 4]);
        let channels: Vec<f64> = seen.narrow(2, 1, 1).narrow(3, 2, 1).into_data().iter::<f64>().collect();
        channels
    });
    let expected_clip = [
        (0.5 - 0.481_454_66) / 0.268_629_54,
        (0.5 - 0.457_827_5) / 0.261_302_58,
        (0.5 - 0.408_210_73) / 0.275_777_11,
    ];
    let expected_imagenet = [(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225];
    for (found, expected) in clip.iter().chain(&imagenet).zip(expected_clip.iter().chain(&expected_imagenet))
    {
        // One rounding of a grey of 0.5, divided by a deviation of a quarter.
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }
}
