//! A start that sees all colours.
//!
//! Photographs vary about eight times as much in brightness as from green to magenta, and a deep
//! network learns its strongest signal first: without help, a narrow autoencoder spends its first tens
//! of thousands of pictures without any green. Random first filters on colours of equal variance let
//! every latent carry all three axes from the first step.

use burn::tensor::{Tensor, TensorData};
use byteedit_models::vae::AutoencoderKL;

/// Orthonormal axes of colour, and about how much less than brightness photographs vary along each.
const AXES: [([f32; 3], f32); 3] = [
    ([0.577_350_26, 0.577_350_26, 0.577_350_26], 1.0),
    ([0.707_106_77, 0.0, -0.707_106_77], 3.0),
    ([0.408_248_3, -0.816_496_6, 0.408_248_3], 8.0),
];

/// Scales the first filters of the encoder along each colour axis.
pub(super) fn with_whitened_colors(mut vae: AutoencoderKL) -> AutoencoderKL {
    vae.encoder.conv_in.weight = vae.encoder.conv_in.weight.map(|weight| {
        let [n_filters, n_colors, height, width] = weight.dims();
        let taps = weight.reshape([n_filters, n_colors, height * width]).swap_dims(1, 2);
        let gains = Tensor::<2>::from_data(TensorData::new(gains(), [3, 3]), &taps.device());
        taps.matmul(gains.unsqueeze()).swap_dims(1, 2).reshape([n_filters, n_colors, height, width])
    });
    vae
}

/// `Σ gain v vᵀ` over the axes, row by row.
fn gains() -> Vec<f32> {
    let mut matrix = vec![0.0; 9];
    for (axis, gain) in AXES {
        for row in 0..3 {
            for column in 0..3 {
                matrix[3 * row + column] += gain * axis[row] * axis[column];
            }
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_axis_is_scaled_by_its_gain() {
        let matrix = gains();
        for (axis, gain) in AXES {
            for row in 0..3 {
                let scaled: f32 = (0..3).map(|column| matrix[3 * row + column] * axis[column]).sum();
                assert!((scaled - gain * axis[row]).abs() < 1e-5);
            }
        }
    }
}
