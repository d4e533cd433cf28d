//! Rewards: from pictures to scores, and from scores back to the pixels.

use anyhow::Context;
use burn::module::Module;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use byteedit_models::clip::{CLIPConfig, CLIPModel};
use byteedit_models::flops;
use byteedit_models::presets::clip_vit_l;
use byteedit_reward::preprocess::Preprocessing;
use byteedit_reward::{
    CoherentConfig, CoherentNetwork, ImageRewardConfig, ImageRewardNetwork, Region, Reward, Shown,
};
use byteedit_train::reward::coherent::CoherentRunConfig;
use byteedit_train::reward::ranking::RankingRunConfig;
use serde_json::{Value, json};

use super::measure::{Bench, Case, RunSettings, Work};
use super::passes::passes;
use super::report::report;
use super::weights::{random, random_network};
use crate::args::{BenchRewardArgs, PassArg, RewardNetworkArg};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// The gradient of the pixels has one product for each of the forward pass: with respect to what came in, not to the
/// weights. The second one of attention is a few per cent, as is all else that is not counted.
const TO_PIXELS_FACTOR: f64 = 2.0;
/// Words of the small network, which a run takes from its prompts.
const MINI_VOCABULARY: usize = 100;

/// To `[batch]`.
type Score = Box<dyn Fn(&Shown) -> byteedit_reward::Result<Tensor<1>>>;

/// A network of random weights that scores pictures, of one batch size, by a text of its own.
pub(super) struct Scoring {
    name: &'static str,
    /// What it is shown, for people.
    input: String,
    /// Without the pass; an object.
    shape: Value,
    batch: usize,
    /// Height and width of the pictures that it sees.
    side: usize,
    /// Of the forward pass for one picture: what depends on its pixels.
    flop: f64,
    /// The same of its text alone.
    text_flop: f64,
    n_parameters: usize,
    score: Score,
}

/// Times rewards.
///
/// # Errors
/// A number format that the CPU does not compute in.
pub(super) fn bench_reward(args: BenchRewardArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BenchRewardArgs { network, batch, pass, run } = args;
    let mut bench = Bench::new(printer, RunSettings::resolve(run)?);
    let networks = match network {
        None => vec![RewardNetworkArg::BlipL, RewardNetworkArg::ClipL],
        Some(network) => vec![network],
    };
    let mut names = Vec::new();
    for network in networks {
        let scoring = Scoring::of(network, batch as usize);
        scoring.measure(passes(pass), &mut bench)?;
        names.push(scoring.name);
    }
    report(&bench, "reward", &names.join(" and "), printer)
}

impl Reward for Scoring {
    fn name(&self) -> &'static str {
        self.name
    }

    fn sees_prompt(&self) -> bool {
        false
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn n_parameters(&self) -> usize {
        self.n_parameters
    }

    fn score(&self, shown: &Shown) -> byteedit_reward::Result<Tensor<1>> {
        (self.score)(shown)
    }
}

impl Scoring {
    /// Its numbers, from which another program can build it.
    pub(super) fn shape(&self) -> Value {
        self.shape.clone()
    }

    pub(super) fn of(network: RewardNetworkArg, batch: usize) -> Self {
        match network {
            RewardNetworkArg::BlipL => Self::of_blip("blip-l", &ImageRewardConfig::v1_0(), batch),
            RewardNetworkArg::ClipL => Self::of_clip("clip-l", &clip_vit_l(), batch),
            RewardNetworkArg::BlipMini => Self::of_blip("blip-mini", &blip_mini(), batch),
            RewardNetworkArg::CoherentMini => {
                Self::of_coherent("coherent-mini", &CoherentRunConfig::mini().network, batch)
            }
        }
    }

    /// Picture, text with the picture in view, head.
    fn of_blip(name: &'static str, config: &ImageRewardConfig, batch: usize) -> Self {
        let device = Device::flex();
        let network: ImageRewardNetwork = random_network(config, &device);
        let (side, n_tokens) = (config.blip_config.vision_config.image_size, config.max_length);
        let ids = token_ids([batch, n_tokens], config.blip_config.text_config.vocab_size, &device);
        let is_padding = TensorData::new(vec![false; batch * n_tokens], [batch, n_tokens]);
        let is_padding = Tensor::<2, Bool>::from_data(is_padding, &device);
        let (picture, text) = flops::blip(&config.blip_config, n_tokens);
        Self {
            name,
            input: format!("{side} x {side} px, {n_tokens} tokens"),
            shape: json!({ "kind": "image_reward", "config": config, "batch": batch, "side": side }),
            batch,
            side,
            flop: picture + text,
            text_flop: 0.0,
            n_parameters: network.num_params(),
            score: Box::new(move |shown: &Shown| -> byteedit_reward::Result<Tensor<1>> {
                let seen = network.preprocess(shown.pixels(), shown.edit_mask())?;
                let picture = network.picture_tokens(seen);
                let features = network.features(&picture, ids.clone(), is_padding.clone());
                Ok(network.mlp.forward(features))
            }),
        }
    }

    /// Picture and text apart, their cosine.
    fn of_clip(name: &'static str, config: &CLIPConfig, batch: usize) -> Self {
        let device = Device::flex();
        let network: CLIPModel = random_network(config, &device);
        let (side, n_tokens) = (config.vision_config.image_size, config.text_config.max_position_embeddings);
        let ids = token_ids([batch, n_tokens], config.text_config.vocab_size, &device);
        let preprocessing = Preprocessing::clip(side);
        let (picture, text) = flops::clip(config);
        Self {
            name,
            input: format!("{side} x {side} px, {n_tokens} tokens"),
            shape: json!({ "kind": "clip_reward", "config": config, "batch": batch, "side": side }),
            batch,
            side,
            flop: picture,
            text_flop: text,
            n_parameters: network.num_params(),
            score: Box::new(move |shown: &Shown| -> byteedit_reward::Result<Tensor<1>> {
                let pictures = network.image_features(preprocessing.forward(shown.pixels()));
                let cosines = (pictures * network.text_features(ids.clone())).sum_dim(1).reshape([batch]);
                Ok(cosines * network.scale())
            }),
        }
    }

    /// A logit for each pixel, their mean.
    fn of_coherent(name: &'static str, config: &CoherentConfig, batch: usize) -> Self {
        let network: CoherentNetwork = random_network(config, &Device::flex());
        let (side, body) = (config.side, &config.dinov2_config);
        let (width, patch, n_patches) = (body.hidden_size, body.patch_size, (side / body.patch_size).pow(2));
        let head = flops::conv(width, width, 1, n_patches) + flops::conv(width, patch * patch, 1, n_patches);
        Self {
            name,
            input: format!("{side} x {side} px"),
            shape: json!({ "kind": "coherent_reward", "config": config, "batch": batch, "side": side }),
            batch,
            side,
            flop: flops::dinov2(body, side) + head,
            text_flop: 0.0,
            n_parameters: network.num_params(),
            score: Box::new(move |shown: &Shown| -> byteedit_reward::Result<Tensor<1>> {
                let logits = network.pixel_logits(shown.pixels()).reshape([batch, side * side]);
                Ok(logits.mean_dim(1).reshape([batch]))
            }),
        }
    }

    fn measure(&self, passes: &[PassArg], bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let device = Device::flex();
        let pixels = self.pixels(&device);
        for &pass in passes {
            let case = self.case(pass);
            let measured = if pass == PassArg::Forward {
                bench.case(case, (), |()| {
                    drop(self.score(&self.shown(pixels.clone())?)?);
                    Ok(device.sync()?)
                })?
            } else {
                let tracked = Tensor::<4>::from_inner(pixels.clone()).require_grad();
                bench.case(case, (), |()| {
                    let grads = self.score(&self.shown(tracked.clone())?)?.sum().backward();
                    drop(tracked.grad(&grads).context("the pixels have no gradient; this is a bug")?);
                    Ok(device.sync()?)
                })?
            };
            measured.images_per_second = Some(self.batch as f64 / measured.seconds.median);
        }
        Ok(())
    }

    /// Operations of the way to the scores of a batch and back to its pixels.
    pub(super) fn gflop_to_pixels(&self) -> f64 {
        self.batch as f64 * (TO_PIXELS_FACTOR * self.flop + self.text_flop) / 1e9
    }

    pub(super) fn weights_bytes(&self) -> u64 {
        4 * self.n_parameters as u64
    }

    fn pixels(&self, device: &Device) -> Tensor<4> {
        random([self.batch, 3, self.side, self.side], 0.5, 0, device) + 0.5
    }

    /// Pictures that were repainted everywhere.
    fn shown(&self, pixels: Tensor<4>) -> anyhow::Result<Shown> {
        let edit_mask = Tensor::ones([self.batch, 1, self.side, self.side], &Device::flex());
        Ok(Shown::new(pixels, edit_mask, vec![String::new(); self.batch])?)
    }

    fn case(&self, pass: PassArg) -> Case {
        let Self { name, input, shape, batch, flop, text_flop, .. } = self;
        let (word, says, factor) = match pass {
            PassArg::Forward => ("forward", "forward", 1.0),
            PassArg::Training => ("training", "forward and back to the pixels", TO_PIXELS_FACTOR),
        };
        let mut shape = shape.clone();
        shape["pass"] = Value::from(word);
        Case {
            name: format!("{name}, {input}, batch {batch}, {says}"),
            shape,
            work: Work { flop: *batch as f64 * (factor * flop + text_flop), bytes: None },
            weights_bytes: Some(self.weights_bytes()),
        }
    }
}

/// That of `train reward aesthetic`, shown the whole picture at the network's own size.
fn blip_mini() -> ImageRewardConfig {
    let mut config = RankingRunConfig::aesthetic().network;
    config.blip_config.text_config.vocab_size = MINI_VOCABULARY;
    config.region = Region::All;
    config
}

/// Texts of the full length. What they say makes none of them longer.
fn token_ids([batch, n_tokens]: [usize; 2], vocab_size: usize, device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i64> = (0..batch * n_tokens).map(|at| (at % vocab_size) as i64).collect();
    Tensor::from_data(TensorData::new(ids, [batch, n_tokens]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip_tiny() -> CLIPConfig {
        let mut config = clip_vit_l();
        let text = &mut config.text_config;
        (text.vocab_size, text.max_position_embeddings) = (40, 6);
        (text.hidden_size, text.intermediate_size) = (16, 32);
        (text.num_hidden_layers, text.num_attention_heads) = (1, 2);
        let vision = &mut config.vision_config;
        (vision.image_size, vision.patch_size) = (12, 4);
        (vision.hidden_size, vision.intermediate_size) = (24, 48);
        (vision.num_hidden_layers, vision.num_attention_heads) = (1, 3);
        config.projection_dim = 10;
        config
    }

    #[test]
    fn every_kind_of_network_scores_and_gives_the_pixels_a_gradient() {
        let settings = RunSettings { n_runs: 1, n_warmup: 0, is_paced: false, json: true };
        let printer = Printer::new(true);
        let mut bench = Bench::new(&printer, settings);
        for scoring in [
            Scoring::of(RewardNetworkArg::BlipMini, 3),
            Scoring::of_clip("clip-tiny", &clip_tiny(), 3),
            Scoring::of(RewardNetworkArg::CoherentMini, 3),
        ] {
            let scores = scoring.score(&scoring.shown(scoring.pixels(&Device::flex())).unwrap()).unwrap();
            let scores: Vec<f32> = scores.into_data().iter::<f32>().collect();
            assert!(scores.len() == 3 && scores.iter().all(|score| score.is_finite()), "{scores:?}");
            scoring.measure(passes(None), &mut bench).unwrap();
        }
        assert_eq!(bench.measured.len(), 6);
        for pair in bench.measured.chunks(2) {
            let [forward, training] = pair else { panic!("{pair:?}") };
            // Of CLIP's two encoders only that of pictures is on the way back.
            let (factor, has_text_apart) = (training.gflop / forward.gflop, forward.name.starts_with("clip"));
            assert!(factor > 1.0 && has_text_apart == (factor < 1.999), "{}: {factor}", forward.name);
            assert!(pair.iter().all(|case| case.images_per_second.is_some_and(|rate| rate > 0.0)));
        }
    }
}
