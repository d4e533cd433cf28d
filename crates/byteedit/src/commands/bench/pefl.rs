//! Steps of feedback learning: a rollout, a call with a gradient, the decoder, two rewards, and the way back.

use std::time::Duration;

use burn::tensor::Device;
use byteedit_diffusion::{NoiseSchedule, NoiseScheduleConfig};
use byteedit_models::lora::LoraConfig;
use byteedit_train::base::BaseModel;
use byteedit_train::pefl::{PeflParts, PeflRunConfig, PeflSteps, PeflTimings};
use serde_json::json;

use super::measure::{Bench, Case, RunSettings, Spread, Work};
use super::networks::{Resolved, SD15_INPAINT};
use super::report::report;
use super::reward::Scoring;
use super::weights::random_network;
use crate::args::{BenchPeflArgs, RewardNetworkArg, TapeArg};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Times steps of feedback learning.
///
/// # Errors
/// A configuration that cannot be used.
pub(super) fn bench_pefl(args: BenchPeflArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BenchPeflArgs { config, t_prime, tape, rank, run } = args;
    let settings = RunSettings::resolve(run)?;
    let mut bench = Bench::new(printer, settings);
    let resolved = Resolved::of(config)?;
    let batch = resolved.batch.unwrap_or(1);
    let run = run_config(batch, tape, rank as usize);
    let rewards = reward_networks(&resolved).map(|network| Scoring::of(network, batch));
    let reward_gflop: f64 = rewards.iter().map(Scoring::gflop_to_pixels).sum();
    let reward_shapes = rewards.each_ref().map(Scoring::shape);
    let steps = PeflSteps::new(run.clone(), parts(&resolved, rewards)?, t_prime as usize, &Device::flex())?;
    let memory = steps.memory();
    let case = Case {
        name: format!(
            "step of train pefl, {side} x {side} px, t' {t_prime}, batch {batch}, tape of {tape}",
            side = resolved.side,
            tape = word(tape)
        ),
        shape: json!({
            "kind": "pefl", "unet": resolved.networks.unet()?, "vae": resolved.networks.vae()?,
            "text_encoder": resolved.networks.text_encoder()?, "batch": batch, "side": resolved.side,
            "rewards": reward_shapes, "schedule": NoiseScheduleConfig::stable_diffusion(),
            "t_prime": t_prime, "tape": word(tape), "phase": run.phases[0], "rollout": run.rollout, "loss": run.loss, "lora": run.lora,
            "training": run.training,
        }),
        work: Work { flop: 1e9 * (steps.gflop_per_step() + reward_gflop), bytes: None },
        weights_bytes: Some(memory.weights_bytes),
    };
    let mut timings: Vec<PeflTimings> = Vec::new();
    let measured = bench.case(case, steps, |steps| {
        let (steps, timing) = steps.advance()?;
        timings.push(timing);
        Ok(steps)
    })?;
    timings.drain(..settings.n_warmup);
    let part = |of: fn(&PeflTimings) -> Duration| {
        Spread::of(timings.iter().map(|timing| of(timing).as_secs_f64()).collect())
    };
    measured
        .parts
        .extend([("rollout", part(|timing| timing.rollout)), ("gradient", part(|timing| timing.gradient))]);
    measured.images_per_second = Some(batch as f64 / measured.seconds.median);
    measured.foretold_bytes = Some(memory.total_bytes());
    report(&bench, "pefl", &resolved.networks.name, printer)
}

/// The paper's, by branches; the denoising error of base training, which has its own benchmark, is left out.
fn run_config(batch: usize, tape: TapeArg, rank: usize) -> PeflRunConfig {
    let mut config = PeflRunConfig::paper();
    config.loss.w_diffusion = 0.0;
    config.lora = Some(LoraConfig::of_attention(rank));
    config.recompute = tape == TapeArg::Inputs;
    (config.training.batch_size, config.training.n_accumulate) = (batch, 1);
    config
}

fn parts(resolved: &Resolved, rewards: [Scoring; 2]) -> anyhow::Result<PeflParts> {
    let device = Device::flex();
    let mut unet = resolved.networks.unet()?.clone();
    unet.sample_size = resolved.latent_side();
    let [aesthetic, alignment] = rewards;
    Ok(PeflParts {
        base: BaseModel {
            unet: random_network(&unet, &device),
            text_encoder: random_network(resolved.networks.text_encoder()?, &device),
        },
        vae: random_network(resolved.networks.vae()?, &device),
        schedule: NoiseSchedule::new(NoiseScheduleConfig::stable_diffusion())?,
        aesthetic: Box::new(aesthetic),
        alignment: Box::new(alignment),
    })
}

/// The networks of the two rewards, as large as goes with the editor.
fn reward_networks(resolved: &Resolved) -> [RewardNetworkArg; 2] {
    if resolved.networks.name == SD15_INPAINT {
        [RewardNetworkArg::BlipL, RewardNetworkArg::ClipL]
    } else {
        [RewardNetworkArg::BlipMini; 2]
    }
}

fn word(tape: TapeArg) -> &'static str {
    match tape {
        TapeArg::Inputs => "inputs",
        TapeArg::Whole => "whole",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::BenchConfigArgs;

    #[test]
    fn stable_diffusion_has_rewards_of_its_size() {
        let config = BenchConfigArgs { config: SD15_INPAINT.to_owned(), size: None, batch: None };
        let resolved = Resolved::of(config).unwrap();
        assert_eq!(resolved.side, 512);
        assert_eq!(reward_networks(&resolved), [RewardNetworkArg::BlipL, RewardNetworkArg::ClipL]);
    }
}
