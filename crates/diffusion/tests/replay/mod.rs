//! The golden trajectories, the network that made them, and noise that is handed out as recorded.

use burn::tensor::{Device, Tensor};
use byteedit_diffusion::{DrawNoise, Network, NoiseLevel, NoiseSchedule, NoiseScheduleConfig, SamplerKind};
use byteedit_testing::{Golden, case_dir, golden};
use serde::Deserialize;

/// One trajectory of diffusers.
#[derive(Deserialize)]
pub(crate) struct Case {
    /// Name of the final latents.
    pub(crate) tensor: String,
    pub(crate) sampler: String,
    pub(crate) steps: usize,
    /// The text of the scheduler's `scheduler_config.json`.
    pub(crate) config: String,
    #[serde(default)]
    pub(crate) eta: f64,
    #[serde(default = "whole")]
    pub(crate) strength: f64,
    /// Whether the kept region was blended in after each step.
    #[serde(default)]
    pub(crate) blend: bool,
    /// Whether diffusers' DDIM left its own grid.
    #[serde(default)]
    pub(crate) fixed_stride: bool,
}

fn whole() -> f64 {
    1.0
}

impl Case {
    pub(crate) fn schedule(&self) -> NoiseSchedule {
        NoiseSchedule::new(NoiseScheduleConfig::from_json(&self.config).unwrap()).unwrap()
    }

    pub(crate) fn kind(&self) -> SamplerKind {
        match self.sampler.parse().unwrap() {
            SamplerKind::Ddim { .. } => SamplerKind::Ddim { eta: self.eta },
            kind => kind,
        }
    }
}

/// What `cases.json` holds.
#[derive(Deserialize)]
pub(crate) struct Index {
    /// The numbers of steps of every stored grid.
    pub(crate) grid_steps: Vec<usize>,
    pub(crate) cases: Vec<Case>,
}

pub(crate) fn index() -> Index {
    serde_json::from_slice(&std::fs::read(case_dir!("cases.json")).unwrap()).unwrap()
}

pub(crate) fn tensors() -> Golden {
    golden::load(case_dir!("samplers.safetensors"))
}

pub(crate) fn latents(golden: &Golden, name: &str) -> Tensor<4> {
    golden.float(name, &Device::default())
}

pub(crate) fn values<'a>(golden: &'a Golden, name: &str) -> &'a [f32] {
    golden.data(name).as_slice().unwrap()
}

/// `0.3 sin(x) + 0.1 sin(t / 100)`.
pub(crate) struct SineNetwork;

impl Network for SineNetwork {
    fn predict(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        x_t.sin().mul_scalar(0.3).add_scalar(0.1 * (level.timestep / 100.0).sin())
    }

    fn predict_pair(&self, x_t: Tensor<4>, level: NoiseLevel) -> (Tensor<4>, Tensor<4>) {
        let output = self.predict(x_t, level);
        (output.clone(), output)
    }
}

/// The recorded noises in order, from the first.
pub(crate) struct Replayed {
    recorded: Tensor<5>,
    n_draws: usize,
}

impl Replayed {
    pub(crate) fn new(golden: &Golden) -> Self {
        Self { recorded: golden.float("noise", &Device::default()), n_draws: 0 }
    }
}

impl DrawNoise for Replayed {
    fn n_images(&self) -> usize {
        self.recorded.dims()[1]
    }

    fn draw(&mut self, _: [usize; 3], _: &Device) -> Tensor<4> {
        self.n_draws += 1;
        self.recorded.clone().narrow(0, self.n_draws - 1, 1).squeeze_dim(0)
    }
}
