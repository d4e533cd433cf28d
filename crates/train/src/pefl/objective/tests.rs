//! Steps of an editor of a few thousand weights on the committed world.

use std::collections::BTreeSet;

use burn::tensor::Device;
use byteedit_edit::Hole;
use byteedit_models::lora::LoraConfig;
use byteedit_testing::distance;
use tempfile::TempDir;

use super::*;
use crate::Source;
use crate::named::{NamedTensors, parameters_of};
use crate::optim::{AdamWConfig, Gradients};
use crate::pefl::PeflLossConfig;
use crate::pefl::toys::{self, Bright};
use crate::step::Learner;

/// What a run borrows from.
struct Room {
    source: Source,
    config: PeflRunConfig,
    folder: TempDir,
}

impl Room {
    fn new(config: PeflRunConfig) -> Self {
        config.validate().unwrap();
        Self { source: toys::source(), config, folder: tempfile::tempdir().unwrap() }
    }

    /// A run that is rewarded for brightness.
    fn feedback(&self, student: &Student) -> Feedback<'_> {
        let Self { source, config, folder } = self;
        let encoder = Encoder {
            source,
            pairs: &config.data,
            hole: Hole::Grey,
            seed: config.training.seed,
            vae: toys::vae(),
            tokenizer: toys::tokenizer(),
            device: Device::default(),
        };
        let schedule = toys::schedule();
        let guard = Guard::new(config.guard, None, &encoder, &schedule, &student.base).unwrap();
        let critics = Critics { aesthetic: Some(Box::new(Bright)), alignment: None, features: None };
        let exporter = Exporter::new(folder.path(), None, config).unwrap();
        Feedback::new(Parts { config, encoder, schedule, critics, guard, exporter }, student)
    }

    fn learner(&self, feedback: &Feedback<'_>, student: Student) -> Learner<Student> {
        Learner::new(&self.config.training, student).freezing(|name| feedback.is_frozen(name))
    }
}

/// How many parameters of the text encoder, the U-Net and the adversary get a gradient.
fn n_taught(config: PeflRunConfig) -> [usize; 3] {
    let (room, student) = (Room::new(config), toys::student());
    let mut feedback = room.feedback(&student);
    let learner = room.learner(&feedback, student);
    let loss = feedback.loss(&learner.model, 0, 0).unwrap();
    let mut gradients = Gradients::of(loss.total, &learner.model).unwrap();
    let taught = [TEXT_ENCODER, "base.unet.", COHERENT].map(|prefix| gradients.take_under(prefix).len());
    assert!(gradients.is_empty(), "there is nothing else to teach");
    taught
}

#[test]
fn the_text_encoder_learns_only_if_it_is_asked_to() {
    let [text_encoder, unet, coherent] = n_taught(toys::accelerating());
    assert_eq!(text_encoder, 0);
    assert!(unet > 0 && coherent > 0);
    let config = PeflRunConfig { trains_text_encoder: true, ..toys::accelerating() };
    let [text_encoder, again, _] = n_taught(config);
    assert!(text_encoder > 0 && again == unet);
}

fn largest<const D: usize>(weight: Tensor<D>, gradients: &burn::tensor::Gradients) -> Option<f32> {
    weight.grad(gradients).map(|gradient| gradient.abs().max().into_scalar::<f32>())
}

/// The largest gradient at the editor's exit and at the adversary's, `None` where the loss does not lead.
fn slopes(loss: &Tensor<1>, student: &Student) -> [Option<f32>; 2] {
    let gradients = loss.backward();
    let adversary = student.coherent.as_ref().unwrap().head.fc2.weight.val();
    [largest(student.base.unet.conv_out.weight.val(), &gradients), largest(adversary, &gradients)]
}

#[test]
fn each_side_moves_only_itself() {
    let (room, student) = (Room::new(toys::accelerating()), toys::student());
    let mut feedback = room.feedback(&student);
    let student = room.learner(&feedback, student).model;
    let mut losses = || {
        let Loss { total, parts } = feedback.loss(&student, 0, 0).unwrap();
        let adversary = parts.into_iter().find(|(name, _)| *name == "adversary").unwrap().1;
        (total - adversary.clone(), adversary)
    };
    let [editor, adversary] = slopes(&losses().0, &student);
    assert!(editor.unwrap() > 0.0);
    assert!(adversary.unwrap_or(0.0) == 0.0, "the editor's loss trains the adversary");
    let [editor, adversary] = slopes(&losses().1, &student);
    assert!(editor.is_none(), "the adversary's loss trains the editor");
    assert!(adversary.unwrap() > 0.0);
}

#[test]
fn a_step_tells_what_it_consists_of() {
    let (room, student) = (Room::new(toys::accelerating()), toys::student());
    let mut feedback = room.feedback(&student);
    let student = room.learner(&feedback, student).model;
    let Loss { total, parts } = feedback.loss(&student, 0, 0).unwrap();
    let part = |wanted: &str| {
        let found = parts.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
        f64::from(found.unwrap_or_else(|| panic!("there is no {wanted}")).into_scalar::<f32>())
    };
    let PeflLossConfig { w_diffusion, w_pefl, w_adv, eta, w_aesthetic, .. } = room.config.loss;
    let expected = w_diffusion * part("diffusion")
        + w_pefl * (w_aesthetic * part("loss_aesthetic") + eta * part("loss_l1"))
        + w_adv * part("loss_coherent")
        + part("adversary");
    let total = f64::from(total.into_scalar::<f32>());
    assert!((total - expected).abs() < 1e-5 * expected.abs(), "{total} for {expected}");
    assert!(part("pixel_grad_norm_aesthetic") > 0.0 && part("pixel_grad_norm_coherent") > 0.0);
    assert_eq!(parts.len(), 2 * 3 + 2);
}

#[test]
fn a_batch_and_the_luck_of_its_rollout_follow_from_its_place() {
    let (room, student) = (Room::new(toys::config()), toys::student());
    let feedback = room.feedback(&student);
    let draw = |first| {
        let Draw { t_prime, pictures, noise, .. } = feedback.draw(0, first).unwrap();
        (t_prime, pictures.prompts, noise.into_data(), pictures.truth.into_data())
    };
    let [a, again, other] = [4, 4, 8].map(draw);
    assert!(a == again && a.2 != other.2 && a.3 != other.3);
    let steps: BTreeSet<_> = (0..12).map(|batch| feedback.draw(0, 2 * batch).unwrap().t_prime).collect();
    assert_eq!(steps, BTreeSet::from([1, 2]), "from 1 to T2");
}

/// Mean of what the editor makes of four pictures that it is not taught, from -1 to 1.
fn brightness(feedback: &Feedback<'_>, student: &Student) -> f64 {
    let of_batch = |first| {
        let draw = Draw { t_prime: 1, ..feedback.draw(0, first).unwrap() };
        let latents = feedback.rollouts.x_0(&student.base, &draw.question()).unwrap();
        f64::from(feedback.encoder.vae.pixels_from_latents(latents).mean().into_scalar::<f32>())
    };
    f64::midpoint(of_batch(1000), of_batch(1002))
}

#[test]
fn twenty_steps_for_a_reward_that_likes_bright_pictures_make_them_brighter() {
    let mut config = toys::config();
    // Nothing else has a say.
    (config.loss.w_diffusion, config.loss.w_pefl, config.loss.eta, config.loss.pastes) =
        (0.0, 1.0, 0.0, false);
    let (room, student) = (Room::new(config), Student { coherent: None, ..toys::student() });
    let mut feedback = room.feedback(&student);
    let before = brightness(&feedback, &student);
    let mut learner = room.learner(&feedback, student);
    let training = room.config.training;
    for _ in 0..20 {
        let n_images = learner.step * training.images_per_step();
        let made = learner.advance(&training, 5e-3, |model, _| feedback.loss(model, n_images, n_images));
        learner = made.unwrap().0;
    }
    let after = brightness(&feedback, &learner.model.valid());
    assert!(after > before + 0.01, "{after} after, {before} before");
}

/// A branch has a gradient from the first step on, though that of `A` is 0 while `B` is.
#[test]
fn beside_branches_nothing_of_the_u_net_learns() {
    let lora = LoraConfig::of_attention(2);
    let room = Room::new(PeflRunConfig { lora: Some(lora), ..toys::accelerating() });
    let student = crate::pefl::as_it_learns(&room.config, toys::student(), &Device::default()).unwrap();
    let mut feedback = room.feedback(&student);
    let learner = room.learner(&feedback, student);
    let loss = feedback.loss(&learner.model, 0, 0).unwrap();
    let mut gradients = Gradients::of(loss.total, &learner.model).unwrap();
    // `A` and `B` of four projections in both attentions of four transformers.
    assert_eq!(gradients.take_under(UNET).len(), 2 * 4 * 2 * 4);
    assert!(gradients.take_under(TEXT_ENCODER).is_empty() && !gradients.is_empty());
}

/// Of a run that an earlier program began it is not known by which text encoder, so its states hold that.
#[test]
fn a_state_leaves_out_what_stays_as_it_is_and_is_known() {
    let mut config = PeflRunConfig { lora: Some(LoraConfig::of_attention(2)), ..toys::accelerating() };
    let n_left_out = |config: &PeflRunConfig| {
        let student = crate::pefl::as_it_learns(config, toys::student(), &Device::default()).unwrap();
        let names = parameters_of(&student).into_keys();
        let left_out: Vec<String> = names.filter(|name| is_found_again(config, name)).collect();
        assert!(left_out.iter().all(|name| is_frozen(config, name)));
        [TEXT_ENCODER, UNET, COHERENT]
            .map(|prefix| left_out.iter().filter(|name| name.starts_with(prefix)).count())
    };
    let base = toys::base();
    let (n_text, n_unet) = (parameters_of(&base.text_encoder).len(), parameters_of(&base.unet).len());
    assert_eq!(n_left_out(&config), [0, n_unet, 1]);
    config.provenance.init_text_encoder_sha256 = Some("known".to_owned());
    assert_eq!(n_left_out(&config), [n_text, n_unet, 1]);
    config.trains_text_encoder = true;
    assert_eq!(n_left_out(&config), [0, n_unet, 1]);
    config.lora = None;
    assert_eq!(n_left_out(&config), [0, 0, 1]);
}

/// How far one step moves every weight. With an epsilon of 1 a step goes with its gradient; with the usual one the first
/// step is the gradient's sign, which rounding decides where the gradient is next to nothing.
fn moved(mut config: PeflRunConfig) -> NamedTensors {
    config.training.optimizer = AdamWConfig { epsilon: 1.0, weight_decay: 0.0, ..AdamWConfig::default() };
    let room = Room::new(config);
    let student = Student { base: toys::listening(), coherent: Some(toys::coherent(toys::SIDE)) };
    let student = crate::pefl::as_it_learns(&room.config, student, &Device::default()).unwrap();
    let mut feedback = room.feedback(&student);
    let learner = room.learner(&feedback, student);
    let before = parameters_of(&learner.model);
    let (learner, _) =
        learner.advance(&room.config.training, 1.0, |model, _| feedback.loss(model, 0, 0)).unwrap();
    let change = |(name, after): (String, Tensor<1>)| {
        let change = after - before[&name].clone();
        (name, change)
    };
    parameters_of(&learner.model).into_iter().map(change).collect()
}

/// The adversary learns too, beside the parts; the denoising error goes through the U-Net a second time.
#[test]
fn a_step_that_computes_parts_again_is_the_step_that_kept_everything() {
    let largest = |change: &Tensor<1>| f64::from(change.clone().abs().max().into_scalar::<f32>());
    for lora in [None, Some(LoraConfig::of_attention(2))] {
        for guidance_scale in [1.0, 3.0] {
            let mut config = PeflRunConfig { lora: lora.clone(), ..toys::accelerating() };
            config.rollout.guidance_scale = guidance_scale;
            let expected = moved(config.clone());
            let found = moved(PeflRunConfig { recompute: true, ..config });
            assert!(expected.values().map(largest).fold(0.0, f64::max) > 1e-3, "nothing was learned");
            for (name, expected) in &expected {
                let distance = distance(&found[name], expected);
                // Sums in another order, and the rounding of a weight about 1.
                let limit = 1e-3 * largest(expected) + 1e-6;
                assert!(distance.max_abs <= limit, "{name}: {distance}");
            }
        }
    }
}
