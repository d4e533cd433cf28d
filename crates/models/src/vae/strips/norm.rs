//! A group norm whose statistics are those of the whole picture, seen strip by strip.

use burn::tensor::Tensor;
use byteedit_nn::GroupNorm;
use byteedit_nn::kernels::{StripRows, group_moments, scaled_silu};

use super::Strips;

/// A group norm with a `SiLU` behind it, made ready for one picture.
pub(super) struct StripNorm {
    /// `[batch, channels]`
    scale: Tensor<2>,
    /// `[batch, channels]`
    shift: Tensor<2>,
}

/// Mean and sum of squared deviations of `count` numbers of each group, `[batch, n_groups, 1]`.
struct Moments {
    count: f64,
    mean: Tensor<3>,
    squares: Tensor<3>,
}

impl Moments {
    fn of(strip: &Tensor<4>, n_groups: usize) -> Self {
        let [_, channels, rows, width] = strip.dims();
        let moments = group_moments(strip.clone(), n_groups);
        Self {
            count: (channels / n_groups * rows * width) as f64,
            mean: moments.clone().narrow(2, 0, 1),
            squares: moments.narrow(2, 1, 1),
        }
    }

    /// Those of both together (Chan et al. 1979).
    fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        let apart = other.mean - self.mean.clone();
        Self {
            mean: self.mean + apart.clone() * (other.count / count),
            squares: self.squares + other.squares + apart.square() * (self.count * other.count / count),
            count,
        }
    }
}

impl StripNorm {
    pub(super) fn new(norm: &GroupNorm, x: &Strips) -> Self {
        let moments = x.iter().map(|strip| Moments::of(strip, norm.n_groups));
        let Moments { count, mean, squares } =
            moments.reduce(Moments::and).expect("a picture has a strip; this is a bug");
        let deviation = (squares / count + norm.epsilon).sqrt();
        let [batch, n_groups, _] = mean.dims();
        let channels = norm.weight.lazy_shape()[0];
        let of_channels = |values: Tensor<3>| {
            values.expand([batch, n_groups, channels / n_groups]).reshape([batch, channels])
        };
        let scale = norm.weight.val().unsqueeze() / of_channels(deviation);
        let shift = norm.bias.val().unsqueeze() - of_channels(mean) * scale.clone();
        Self { scale, shift }
    }

    /// The strip and its neighbours' rows, normalised.
    pub(super) fn rows(&self, rows: StripRows) -> Tensor<4> {
        scaled_silu(rows, self.scale.clone(), self.shift.clone())
    }
}
