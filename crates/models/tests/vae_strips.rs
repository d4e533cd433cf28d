//! In strips the autoencoder gives what it gives for the whole picture, wherever the strips end.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_models::Component;
use byteedit_models::vae::{AutoencoderKL, DiagonalGaussian};
use byteedit_nn::Init;
use byteedit_testing::{assert_close, case_dir, tol};
use proptest::prelude::*;

/// Attention in the middle, changes of width on the way, three resolutions.
fn sd_like() -> AutoencoderKL {
    let config = r#"{"block_out_channels": [8, 16, 16], "latent_channels": 4, "norm_num_groups": 4,
        "layers_per_block": 2}"#;
    let config = AutoencoderKL::parse_config(config).expect("the configuration is valid");
    AutoencoderKL::from_config(&config, &mut Init::seeded(&Device::default(), 5))
}

fn picture(channels: usize, height: usize, width: usize) -> Tensor<4> {
    let shape = [1, channels, height, width];
    let value = |i: usize| ((i * i) as f32 * 0.37).sin() + (i / width) as f32 / height as f32 - 0.5;
    let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::default())
}

fn assert_same(in_strips: &DiagonalGaussian, whole: &DiagonalGaussian) {
    assert_close(&in_strips.mean, &whole.mean, tol::f32_golden());
    assert_close(&in_strips.log_var, &whole.log_var, tol::f32_golden());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn strips_of_any_height_give_the_whole(rows in 1_usize..9, columns in 1_usize..9, n_positions in 1_usize..600) {
        let vae = sd_like();
        let pixels = picture(3, 4 * rows, 4 * columns);
        assert_same(&vae.encode_in_strips(pixels.clone(), n_positions), &vae.encode(pixels));
        let latents = picture(4, rows, columns);
        assert_close(&vae.decode_in_strips(latents.clone(), n_positions), &vae.decode(latents), tol::f32_golden());
    }
}

/// What users see: the trained autoencoder of the small model, on a picture that is cut into strips.
#[test]
fn large_pictures_differ_by_less_than_a_level() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini/vae");
    let vae: AutoencoderKL = byteedit_models::store::load_component(&folder, &Device::default())
        .expect("the small model is there");
    let pixels = picture(3, 256, 192).clamp(-1.0, 1.0);
    let latents = vae.latents_from_pixels(pixels.clone());
    assert_close(&latents, &(vae.encode(pixels).mean * vae.config().scaling_factor), tol::f32_net());
    let whole = vae.decode(latents.clone() / vae.config().scaling_factor);
    let in_strips = vae.pixels_from_latents(latents);
    let largest = (in_strips - whole).abs().max().into_scalar::<f32>();
    // A level of 255 is 2 / 255 in [-1, 1]; a hundredth of it is left for the rounding of sums.
    assert!(largest < 0.02 / 255.0, "{largest}");
}

/// The published widths, with random weights: the latent of a small picture in strips of a few rows.
#[test]
fn stable_diffusions_decoder_is_the_same_in_strips() {
    let config = byteedit_models::presets::sd15_inpaint().vae;
    let vae = AutoencoderKL::from_config(&config, &mut Init::seeded(&Device::default(), 5));
    let latents = picture(4, 8, 8);
    let (whole, in_strips) = (vae.decode(latents.clone()), vae.decode_in_strips(latents, 512));
    let range = whole.clone().max() - whole.clone().min();
    let largest = ((in_strips - whole).abs().max() / range).into_scalar::<f32>();
    assert!(largest < 1.0 / 255.0, "{largest} of the range of values");
}

/// The same network in diffusers, which knows no strips.
#[test]
fn strips_reproduce_the_golden_values() {
    let dir = case_dir!("vae_sd");
    let golden = byteedit_testing::golden::load(dir.join("expected.safetensors"));
    let device = Device::default();
    let vae: AutoencoderKL =
        byteedit_models::store::load_component(&dir, &device).expect("the checkpoint loads");
    let posterior = vae.encode_in_strips(golden.float("pixels", &device), 64);
    assert_close(&posterior.mean, &golden.float("mean", &device), tol::f32_golden());
    let pixels = vae.decode_in_strips(golden.float("raw_latents", &device), 64);
    assert_close(&pixels, &golden.float("decoded", &device), tol::f32_golden());
}
