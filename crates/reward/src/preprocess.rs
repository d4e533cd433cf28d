//! From pictures to what a network was trained on: one definition, differentiable, for training and for scoring. Two
//! would make the number that is optimised another than the one that is reported.
//!
//! A picture is **stretched** to the network's square along both axes, not cut to its middle as the authors of most
//! rewards do: what an outpainting has painted lies along the borders, and there a crop to the middle sees nothing of
//! it. Square pictures come out as theirs do.
//!
//! The filter is Pillow's bicubic one with antialiasing, as [`byteedit_image::resample`] defines it. It is linear, so
//! it is two constant matrices here. Pillow rounds to 8 bits and clips between its passes; that has no useful
//! gradient, and is left out in scoring too.

use burn::tensor::{Tensor, TensorData};
use byteedit_image::resample::weight_matrix;
use byteedit_image::{Filter, Rect};
use byteedit_nn::kernels::linear;

/// Means and deviations of CLIP's training pictures by channel, which BLIP's descendants have taken over
/// ([OpenAI's `clip.py`](https://github.com/openai/CLIP/blob/main/clip/clip.py)).
const CLIP: Channels = Channels {
    mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
    std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
};
/// Those of `ImageNet`, which `DINOv2` was trained with.
const IMAGENET: Channels = Channels { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

#[derive(Debug, Clone, Copy, PartialEq)]
struct Channels {
    mean: [f64; 3],
    std: [f64; 3],
}

/// The square that a network sees, and how it wants its channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocessing {
    side: usize,
    channels: Channels,
}

impl Preprocessing {
    /// CLIP's channels, at `side` pixels.
    pub fn clip(side: usize) -> Self {
        Self { side, channels: CLIP }
    }

    /// `ImageNet`'s channels, at `side` pixels.
    pub fn imagenet(side: usize) -> Self {
        Self { side, channels: IMAGENET }
    }

    /// Stretches pictures to the square and normalises them: `(x - mean) / std`.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`, from 0 to 1
    /// - returns `[batch, 3, side, side]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        self.normalized(resize(pixels, [self.side; 2], Filter::Bicubic))
    }

    /// The same for one window of each picture, as if it had been cut out first.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`, from 0 to 1
    /// - returns `[batch, 3, side, side]`
    ///
    /// # Panics
    /// If there is not one window for each picture, inside of it.
    pub fn forward_within(&self, pixels: Tensor<4>, windows: &[Rect]) -> Tensor<4> {
        self.normalized(resize_windows(pixels, windows, [self.side; 2], Filter::Bicubic))
    }

    fn normalized(&self, pixels: Tensor<4>) -> Tensor<4> {
        let by_channel = |values: [f64; 3]| {
            let options = (&pixels.device().inner(), pixels.dtype());
            Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 3, 1, 1]), options)
        };
        (pixels.clone() - by_channel(self.channels.mean)) / by_channel(self.channels.std)
    }
}

/// Pictures at another size, as [`byteedit_image::UnitImage::resize`] makes them.
///
/// # Shapes
/// - `x`: `[batch, channels, from_height, from_width]`
/// - returns `[batch, channels, height, width]`
pub fn resize(x: Tensor<4>, [height, width]: [usize; 2], filter: Filter) -> Tensor<4> {
    let wide = along_last_axis(x, width, filter);
    along_last_axis(wide.swap_dims(2, 3), height, filter).swap_dims(2, 3)
}

/// One window of each picture at another size: what [`resize`] makes of the pictures that were cut out there.
///
/// # Shapes
/// - `x`: `[batch, channels, from_height, from_width]`
/// - returns `[batch, channels, height, width]`
fn resize_windows(x: Tensor<4>, windows: &[Rect], [height, width]: [usize; 2], filter: Filter) -> Tensor<4> {
    let [batch, channels, from_height, from_width] = x.dims();
    assert_eq!(windows.len(), batch, "one window for each picture");
    let options = (&x.device().inner(), x.dtype());
    // [batch, size, from], 0 outside of the window
    let weights = |size: usize, from: usize, span: fn(&Rect) -> (usize, usize)| {
        let mut values = vec![0.0; batch * size * from];
        for (rows, window) in values.chunks_exact_mut(size * from).zip(windows) {
            let (start, length) = span(window);
            let inner = weight_matrix(length, size, filter);
            for (row, inner) in rows.chunks_exact_mut(from).zip(inner.chunks_exact(length)) {
                row[start..start + length].copy_from_slice(inner);
            }
        }
        Tensor::<3>::from_data(TensorData::new(values, [batch, size, from]), options)
    };
    let down = weights(height, from_height, |window| (window.y, window.height));
    let across = weights(width, from_width, |window| (window.x, window.width));
    let rows = x.swap_dims(1, 2).reshape([batch, from_height, channels * from_width]);
    let rows = down.matmul(rows).reshape([batch, height * channels, from_width]);
    rows.matmul(across.swap_dims(1, 2)).reshape([batch, height, channels, width]).swap_dims(1, 2)
}

/// `y = x Wᵀ` with the filter's weights. They are constants, also where `x` is on a tape.
fn along_last_axis(x: Tensor<4>, size: usize, filter: Filter) -> Tensor<4> {
    let from = x.dims()[3];
    if from == size {
        return x;
    }
    let weights = TensorData::new(weight_matrix(from, size, filter), [size, from]);
    let weights = Tensor::<2>::from_data(weights, (&x.device().inner(), x.dtype()));
    linear(x, weights, None)
}
