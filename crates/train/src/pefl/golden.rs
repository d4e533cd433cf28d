//! One step of feedback learning and one of its adversary beside `PyTorch`'s, which `scripts/golden/pefl.py` computes in f64
//! from the equations of the method: every term, `G`, and the gradients of some parameters.
//!
//! In f64 the references of our kernels run, in f32 the kernels themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, FloatDType, Gradients, Tensor};
use byteedit_diffusion::{NoiseSchedule, NoiseScheduleConfig, SamplerKind, TimestepSpacing};
use byteedit_models::store::load_component;
use byteedit_models::tokenizer::BertTokenizer;
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::kernels::doubled;
use byteedit_nn::parameters::{ParameterMapper, ParameterVisitor, map_parameters, visit_parameters};
use byteedit_reward::{ImageReward, ImageRewardNetwork, Region, Reward};
use byteedit_testing::{Golden, Tol, case_dir, distance, golden};

use super::config::PeflRunConfig;
use super::losses::{Critics, Judgement, adversary_loss};
use super::phase::{PhaseConfig, RolloutConfig};
use super::pictures::{Draw, Pictures};
use super::rollout::Rollouts;
use super::student::Student;
use crate::base::{BaseModel, Batch, DenoisingLoss, LatentWeights};

/// In f64: of the largest number of each tensor, or of its norm. The values are stored in f32, which alone rounds them by
/// 6e-8.
const DOUBLE: Tol = Tol { relative_l2: 1e-6, relative_max: 1e-6 };
/// In f32: up to seven calls of the U-Net follow each other, and `PyTorch`'s own gradients are then 3e-5 from those in f64.
/// A kink of a `ReLU` or of `|x - G|` that rounding steps over moves a gradient by the share of one pixel of some thousand.
const SINGLE: Tol = Tol { relative_l2: 1e-3, relative_max: 1e-3 };

/// Parameters of the U-Net and of the adversary whose gradients are stored.
const N_PARAMETERS: (usize, usize) = (9, 5);

/// A case of the script.
struct Case {
    name: &'static str,
    phase: PhaseConfig,
    t_prime: usize,
    prompts: [&'static str; 2],
}

const CASES: [Case; 2] = [
    Case {
        name: "quality",
        phase: PhaseConfig::QUALITY,
        t_prime: 9,
        prompts: ["a red apple on the table", "a photo of the cat"],
    },
    Case { name: "speed", phase: PhaseConfig::SPEED, t_prime: 2, prompts: ["a red apple on the table", ""] },
];

struct Casting(FloatDType);

impl ParameterMapper for Casting {
    fn map<const D: usize>(&mut self, _: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.cast(self.0))
    }
}

struct Taking<'a> {
    gradients: &'a Gradients,
    taken: BTreeMap<String, Tensor<1>>,
}

impl ParameterVisitor for Taking<'_> {
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            let n_elements = gradient.shape().num_elements();
            self.taken.insert(name.to_owned(), gradient.reshape([n_elements]));
        }
    }
}

/// Everything that a step is made of.
struct Bench {
    case: Case,
    dtype: FloatDType,
    tol: Tol,
    golden: Golden,
    device: Device,
    config: PeflRunConfig,
    student: Student,
    vae: AutoencoderKL,
    critics: Critics,
    rollouts: Rollouts,
    denoising: DenoisingLoss,
    draw: Draw,
}

/// The results of one step, on the student's tape.
struct Step {
    z_0: Tensor<4>,
    pixels: Tensor<4>,
    judgement: Judgement,
    feedback: Tensor<1>,
    diffusion: Tensor<1>,
    adversary: Tensor<1>,
}

/// A golden case of the networks.
fn model_case(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/golden").join(case)
}

impl Bench {
    fn new(case: Case, dtype: FloatDType, tol: Tol) -> Self {
        let device = Device::default();
        let folder = case_dir!("pefl");
        let golden = golden::load(folder.join("expected.safetensors"));
        let float = |name: &str| golden.float::<4>(name, &device).cast(dtype);
        let reward = |name: &str| -> Box<dyn Reward> {
            let network: ImageRewardNetwork = load_component(&folder.join(name), &device).unwrap();
            let tokenizer = BertTokenizer::from_dir(&folder.join(name)).unwrap();
            Box::new(ImageReward::new(map_parameters(network, &mut Casting(dtype)), tokenizer).unwrap())
        };
        let features = load_component(&model_case("vgg16"), &device).unwrap();
        let critics = Critics {
            aesthetic: Some(reward("aesthetic")),
            alignment: Some(reward("alignment")),
            features: Some(map_parameters(features, &mut Casting(dtype))),
        };
        let base = BaseModel {
            unet: load_component(&folder.join("unet"), &device).unwrap(),
            text_encoder: load_component(&model_case("clip_text_sd15"), &device).unwrap(),
        };
        let coherent = Some(load_component(&folder.join("coherent"), &device).unwrap());
        let student = map_parameters(Student { base, coherent }, &mut Casting(dtype)).train();
        let vae: AutoencoderKL = load_component(&folder.join("vae"), &device).unwrap();
        let vae = map_parameters(vae, &mut Casting(dtype));

        let (truth, small_mask) = (float("truth"), float("edit_mask"));
        // Four pixels to a latent.
        let edit_mask = doubled(doubled(small_mask.clone()));
        let known = vae.latents_from_pixels(truth.clone() * (edit_mask.clone().neg() + 1.0));
        let ids = golden.int::<2>(&format!("{}.ids", case.name), &device);
        let batch = Batch {
            latents: vae.latents_from_pixels(truth.clone()),
            edit_mask: small_mask,
            masked_latents: known.clone(),
            ids: ids.clone(),
        };
        let config = PeflRunConfig::paper().accelerating();
        let schedule = NoiseSchedule::new(NoiseScheduleConfig {
            timestep_spacing: Some(TimestepSpacing::Trailing),
            ..NoiseScheduleConfig::stable_diffusion()
        })
        .unwrap();
        let rollouts = Rollouts {
            schedule: schedule.clone(),
            config: RolloutConfig::paper(),
            keeps_unmasked: false,
            empty_ids: ids.narrow(0, 0, 1),
        };
        let weights = LatentWeights::new(&config.diffusion, &[1.0; 4], &device);
        let denoising = DenoisingLoss { schedule, weighting: config.diffusion.weighting, weights };
        let prompts = case.prompts.map(str::to_owned).to_vec();
        let pictures = Pictures { batch, truth, edit_mask, known, prompts };
        let noise = float(&format!("{}.rollout_noise", case.name));
        let draw = Draw { phase: case.phase, t_prime: case.t_prime, pictures, noise };
        Self { case, dtype, tol, golden, device, config, student, vae, critics, rollouts, denoising, draw }
    }

    /// The latents that the call with the gradient starts from.
    fn x_t(&self) -> Tensor<4> {
        let ddim = SamplerKind::Ddim { eta: 0.0 };
        let levels = ddim.levels(&self.rollouts.schedule, self.case.phase.t).unwrap();
        self.rollouts.x_t(&self.student.base.valid(), &self.draw.question(), &levels).unwrap()
    }

    /// What the trainer computes in a step (`Feedback::loss`), from fixed draws.
    fn step(&self) -> Step {
        let base = &self.student.base;
        let z_0 = self.rollouts.x_0(base, &self.draw.question()).unwrap();
        let pixels = self.vae.pixels_from_latents(z_0.clone());
        let Pictures { batch, truth, .. } = &self.draw.pictures;
        let judged = self.draw.judged(&pixels, truth);
        let frozen = self.student.coherent.as_ref().map(Module::valid);
        let opponent = frozen.as_ref().map(|network| (network, Region::All));
        let judgement = self.critics.ask(&judged, opponent, &self.config.loss).unwrap();
        let feedback = judgement.loss(pixels.clone());

        let timesteps = self.golden.int::<1>("timesteps", &self.device).into_data();
        let levels = timesteps.iter::<i64>().map(|t| self.denoising.schedule.level(t as usize).unwrap());
        let levels: Vec<_> = levels.collect();
        let noise = self.golden.float::<4>(&format!("{}.diffusion_noise", self.case.name), &self.device);
        let diffusion = self.denoising.of(base, batch, noise.cast(self.dtype), &levels).total;

        let network = self.student.coherent.as_ref().unwrap();
        let region = self.config.adversary.unwrap().fake_region;
        let adversary = adversary_loss(network, &judged, region, self.config.loss.pastes);
        Step { z_0, pixels, judgement, feedback, diffusion, adversary }
    }

    /// The gradients of a loss in all parameters, those of the U-Net and of the adversary.
    fn gradients(&self, loss: Tensor<1>) -> BTreeMap<String, Tensor<1>> {
        let gradients = loss.backward();
        let mut taking = Taking { gradients: &gradients, taken: BTreeMap::new() };
        visit_parameters(&self.student, &mut taking);
        taking.taken
    }

    fn expected<const D: usize>(&self, name: &str) -> Tensor<D> {
        self.golden.float::<D>(&format!("{}.{name}", self.case.name), &self.device).cast(FloatDType::F64)
    }

    #[track_caller]
    fn assert_same<const D: usize>(&self, name: &str, found: Tensor<D>, expected: Tensor<D>) {
        let distance = distance(&found.without_autodiff(), &expected);
        let (case, tol) = (self.case.name, self.tol);
        assert!(distance.is_within(tol), "{case}, {name}: {distance}; allowed: {tol:?}");
    }

    #[track_caller]
    fn assert_number(&self, name: &str, found: f64) {
        let found = Tensor::<1>::from_data([found], (&self.device, DType::F64));
        self.assert_same(name, found, self.expected(name));
    }

    /// Compares what has a gradient with the sum of stored ones, each with its weight; returns how many there were.
    #[track_caller]
    fn assert_gradients(
        &self,
        prefix: &str,
        losses: &[(&str, f64)],
        found: &BTreeMap<String, Tensor<1>>,
    ) -> usize {
        let first = format!("{}.{}.", self.case.name, losses[0].0);
        let names: Vec<&str> =
            self.golden.names().filter_map(|name| name.strip_prefix(first.as_str())).collect();
        for name in &names {
            let terms = losses.iter().map(|(loss, w)| self.expected::<1>(&format!("{loss}.{name}")) * *w);
            let expected = terms.reduce(|sum, term| sum + term).unwrap();
            let gradient = found.get(&format!("{prefix}{name}"));
            let gradient = gradient.unwrap_or_else(|| panic!("`{prefix}{name}` has no gradient"));
            self.assert_same(name, gradient.clone(), expected);
        }
        names.len()
    }
}

fn check(dtype: FloatDType, tol: Tol) {
    for case in CASES {
        let bench = Bench::new(case, dtype, tol);
        check_values(&bench);
        check_gradients(&bench);
    }
}

/// Every term with the norm of its gradient in the pixels, and what leads to them.
fn check_values(bench: &Bench) {
    let Step { z_0, pixels, judgement, feedback, diffusion, adversary } = bench.step();
    assert_eq!(DType::from(bench.dtype), pixels.dtype(), "something on the way has another type");
    bench.assert_same("x_t", bench.x_t(), bench.expected("x_t"));
    bench.assert_same("z_0", z_0, bench.expected("z_0"));
    bench.assert_same("pixels", pixels, bench.expected("pixels"));
    let names: Vec<&str> = judgement.terms.iter().map(|term| term.name).collect();
    assert_eq!(names, ["aesthetic", "alignment", "l1", "vgg", "coherent"]);
    for term in &judgement.terms {
        bench.assert_number(&format!("term.{}", term.name), term.value);
        bench.assert_number(&format!("slope.{}", term.name), term.gradient_norm);
    }
    let editor = feedback.clone() + diffusion.clone() * bench.config.loss.w_diffusion;
    for (name, loss) in
        [("feedback", feedback), ("diffusion", diffusion), ("adversary", adversary), ("editor", editor)]
    {
        bench.assert_same(name, loss, bench.expected(name));
    }
}

/// Of each loss by itself, and of their sum, whose two players do not feel each other's.
fn check_gradients(bench: &Bench) {
    let (editor, opponent) = ("base.unet.", "coherent.");
    let w_diffusion = bench.config.loss.w_diffusion;

    let found = bench.gradients(bench.step().feedback);
    assert!(!found.keys().any(|name| name.starts_with(opponent)), "the adversary learns to please");
    assert_eq!(bench.assert_gradients(editor, &[("feedback", 1.0)], &found), N_PARAMETERS.0);

    let found = bench.gradients(bench.step().diffusion);
    assert_eq!(bench.assert_gradients(editor, &[("diffusion", 1.0)], &found), N_PARAMETERS.0);

    let found = bench.gradients(bench.step().adversary);
    assert!(!found.keys().any(|name| name.starts_with(editor)), "the editor learns to be found out");
    assert_eq!(bench.assert_gradients(opponent, &[("adversary", 1.0)], &found), N_PARAMETERS.1);

    let Step { feedback, diffusion, adversary, .. } = bench.step();
    let found = bench.gradients(feedback + diffusion * w_diffusion + adversary);
    bench.assert_gradients(editor, &[("feedback", 1.0), ("diffusion", w_diffusion)], &found);
    bench.assert_gradients(opponent, &[("adversary", 1.0)], &found);
}

#[test]
fn a_step_is_that_of_the_equations_in_f64() {
    check(FloatDType::F64, DOUBLE);
}

#[test]
fn a_step_is_that_of_the_equations_in_f32() {
    check(FloatDType::F32, SINGLE);
}
