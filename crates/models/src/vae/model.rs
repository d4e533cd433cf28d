//! The whole autoencoder.

use burn::module::Module;
use burn::tensor::Tensor;
use byteedit_nn::kernels::ROW_MULTIPLE;
use byteedit_nn::{Conv2d, Init, Tape};

use super::strips::{STRIP_POSITIONS, StripHeight};
use super::{AutoencoderKLConfig, Decoder, DiagonalGaussian, Encoder};
use crate::ModelError;
use crate::component::Component;

/// Between pixels in [-1, 1] and a latent that is `downscale` times smaller on each side.
#[derive(Module, Debug)]
pub struct AutoencoderKL {
    /// Pixels to features.
    pub encoder: Encoder,
    /// Features to pixels.
    pub decoder: Decoder,
    /// 1x1, after the encoder.
    pub quant_conv: Option<Conv2d>,
    /// 1x1, before the decoder.
    pub post_quant_conv: Option<Conv2d>,
    #[module(skip)]
    config: AutoencoderKLConfig,
    #[module(skip)]
    tape: Tape,
}

impl AutoencoderKL {
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]` in [-1, 1], height and width multiples of `downscale`
    /// - returns moments of `[batch, latent_channels, height / downscale, width / downscale]`, unscaled
    pub fn encode(&self, pixels: Tensor<4>) -> DiagonalGaussian {
        self.posterior(self.encoder.forward(pixels, self.tape))
    }

    /// # Shapes
    /// - `raw_latents`: `[batch, latent_channels, height, width]`, unscaled
    /// - returns pixels of `[batch, 3, height * downscale, width * downscale]`, about [-1, 1], not
    ///   clamped
    pub fn decode(&self, raw_latents: Tensor<4>) -> Tensor<4> {
        self.decoder.forward(self.before_decoder(raw_latents), self.tape)
    }

    /// [`Self::encode`] layer by layer in horizontal strips of about `n_positions` positions, with half
    /// of the memory at 1024 px. The result is that of the whole picture, up to the rounding of sums.
    ///
    /// # Shapes
    /// - as [`Self::encode`]
    pub fn encode_in_strips(&self, pixels: Tensor<4>, n_positions: usize) -> DiagonalGaussian {
        // A strip must be even at every resolution.
        let height = StripHeight { n_positions, multiple: self.config.downscale(), less: 0 };
        self.posterior(self.encoder.forward_in_strips(pixels, height))
    }

    /// [`Self::decode`] layer by layer in horizontal strips of about `n_positions` positions, with half
    /// of the memory at 1024 px. The result is that of the whole picture, up to the rounding of sums.
    ///
    /// # Shapes
    /// - as [`Self::decode`]
    pub fn decode_in_strips(&self, raw_latents: Tensor<4>, n_positions: usize) -> Tensor<4> {
        // With a row of each neighbour it is a multiple again.
        let height = StripHeight { n_positions, multiple: ROW_MULTIPLE, less: 2 };
        self.decoder.forward_in_strips(self.before_decoder(raw_latents), height)
    }

    /// The mean of the posterior times `scaling_factor`: the latents that diffusion works on. Pictures of
    /// more than [`STRIP_POSITIONS`] pixels are encoded in strips.
    ///
    /// # Shapes
    /// - as [`Self::encode`]
    pub fn latents_from_pixels(&self, pixels: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = pixels.dims();
        let posterior = if height * width > STRIP_POSITIONS {
            self.encode_in_strips(pixels, STRIP_POSITIONS)
        } else {
            self.encode(pixels)
        };
        posterior.mean * self.config.scaling_factor
    }

    /// The inverse of [`Self::latents_from_pixels`], up to what the autoencoder loses; in strips as there, but for latents
    /// on a gradient tape, which would keep every strip.
    ///
    /// # Shapes
    /// - as [`Self::decode`]
    pub fn pixels_from_latents(&self, latents: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = latents.dims();
        let is_large = height * width * self.config.downscale().pow(2) > STRIP_POSITIONS;
        let in_strips = is_large && !latents.is_tracked();
        let raw_latents = latents / self.config.scaling_factor;
        if in_strips { self.decode_in_strips(raw_latents, STRIP_POSITIONS) } else { self.decode(raw_latents) }
    }

    fn posterior(&self, features: Tensor<4>) -> DiagonalGaussian {
        DiagonalGaussian::from_moments(match &self.quant_conv {
            Some(conv) => conv.forward(features),
            None => features,
        })
    }

    fn before_decoder(&self, raw_latents: Tensor<4>) -> Tensor<4> {
        match &self.post_quant_conv {
            Some(conv) => conv.forward(raw_latents),
            None => raw_latents,
        }
    }

    /// The same autoencoder. Its parts are residual blocks, the attention in the middle, the ways from one resolution to the
    /// next, and the exits: `tape` says what a gradient tape keeps of them.
    #[must_use]
    pub fn with_tape(mut self, tape: Tape) -> Self {
        self.tape = tape;
        self
    }

    /// Sets what latents are multiplied by.
    #[must_use]
    pub fn with_scaling_factor(mut self, scaling_factor: f64) -> Self {
        self.config.scaling_factor = scaling_factor;
        self
    }
}

impl Component for AutoencoderKL {
    type Config = AutoencoderKLConfig;

    const CLASS: &'static str = "AutoencoderKL";
    const LIBRARY: &'static str = "diffusers";
    const WEIGHTS_FILE: &'static str = "diffusion_pytorch_model.safetensors";
    const RENAMES: &'static [(&'static str, &'static str)] =
        &[("mid_block.attentions.0.attention.", "mid_block.attentions.0.")];
    const OLDER_NAMES: &'static [(&'static str, &'static str)] = &[
        ("attentions.0.to_q.", "attentions.0.query."),
        ("attentions.0.to_k.", "attentions.0.key."),
        ("attentions.0.to_v.", "attentions.0.value."),
        ("attentions.0.to_out.0.", "attentions.0.proj_attn."),
    ];

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        AutoencoderKLConfig::from_json(json)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        let latent = config.latent_channels;
        Self {
            encoder: Encoder::new(init, config),
            decoder: Decoder::new(init, config),
            quant_conv: config.use_quant_conv.then(|| Conv2d::pointwise(init, [2 * latent; 2])),
            post_quant_conv: config.use_post_quant_conv.then(|| Conv2d::pointwise(init, [latent; 2])),
            config: config.clone(),
            tape: Tape::default(),
        }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
