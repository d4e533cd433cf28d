//! The guard against reward hacking: what the editor paints on held-out pairs, judged by a reward that it is never trained
//! by, beside the rewards that it is. The best weights are those of the best held-out reward, and where a picture's
//! colours, contrast, detail or variety drift too far none are.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use byteedit_data::{Task, World};
use byteedit_diffusion::loss::mse_per_item;
use byteedit_diffusion::{NoiseSchedule, add_noise};
use byteedit_edit::{EditModel, frames};
use byteedit_image::{Mask, UnitImage};
use byteedit_reward::{CoherentNetwork, CoherentReward, Region, Reward, Shown};

use super::config::GuardConfig;
use super::losses::Critics;
use super::monitors::{Monitors, difference, mean};
use super::pictures::Pictures;
use super::student::Student;
use crate::base::{BaseModel, Painting, TASKS, Validation, editor, painted};
use crate::feedback::Simulated;
use crate::latents::Encoder;
use crate::pictures::rgb8_from_unit;
use crate::random::{Use, normal};
use crate::source::Pair;
use crate::{Result, Source};

/// Pictures that are painted at once.
const BATCH: usize = 16;
/// Between the seeds of a picture and of its second painting.
const SEED_STEP: u64 = 1 << 32;
/// Figures that may not drift.
const WATCHED: [&str; 4] = ["saturation", "contrast", "detail", "diversity"];

/// Who judges what the editor is never trained by.
pub enum HeldOut<'a> {
    /// The annotator's classifier of the mini world: the probability that it gives to what was asked for, or to nothing where
    /// something was to be erased. Not its logarithm, of which a few sure mistakes are most.
    Annotator(Simulated<'a>, &'a World),
    /// Any reward.
    Reward(Box<dyn Reward>),
}

impl HeldOut<'_> {
    /// Numbers of its network; those of the annotator are next to none.
    pub(super) fn n_parameters(&self) -> usize {
        match self {
            Self::Annotator(..) => 0,
            Self::Reward(reward) => reward.n_parameters(),
        }
    }
}

/// Held-out pairs with everything that they are measured by.
pub(super) struct Guard<'a> {
    pub(super) config: GuardConfig,
    pub(super) held_out: Option<HeldOut<'a>>,
    validation: Validation,
    /// By task, edits first.
    pairs: Vec<(Task, Vec<Pair>)>,
    /// Fixed noisy latents and what the model that the run started from makes of them.
    fixed: Fixed,
    /// The figures of that model.
    pub(super) baseline: BTreeMap<String, f64>,
}

struct Fixed {
    pictures: Pictures,
    x_t: Tensor<4>,
    levels: Vec<byteedit_diffusion::NoiseLevel>,
    output: Tensor<4>,
}

impl<'a> Guard<'a> {
    /// Draws the held-out pairs. `base` is the model that the run starts from; its figures are still to be measured.
    pub(super) fn new(
        config: GuardConfig,
        held_out: Option<HeldOut<'a>>,
        encoder: &Encoder<'_>,
        schedule: &NoiseSchedule,
        base: &BaseModel,
    ) -> Result<Self> {
        let of_task = |task| {
            let pairs = 0..config.n_per_task as u64;
            let pairs = pairs.map(|index| encoder.source.held_out_pair(encoder.pairs, task, index));
            Ok((task, pairs.collect::<Result<Vec<_>>>()?))
        };
        // A folder has one kind of pair, whatever is asked for.
        let tasks = match encoder.source {
            Source::World(_) => &TASKS[..],
            Source::Folder(_) => &TASKS[..1],
        };
        let pairs = tasks.iter().copied().map(of_task).collect::<Result<Vec<_>>>()?;
        let fixed = Fixed::new(&pairs[0].1, encoder, schedule, base)?;
        let validation = Validation::new(encoder, schedule, config.n_denoised)?;
        Ok(Self { config, held_out, validation, pairs, fixed, baseline: BTreeMap::new() })
    }

    /// How strongly the decoder answers to each channel.
    pub(super) fn gains(&self) -> &[f64] {
        self.validation.gains()
    }

    /// All figures of a model without a gradient tape; `loss` is minus the held-out reward, and not below the baseline's
    /// where something drifted.
    pub(super) fn measure(
        &self,
        student: &Student,
        critics: &Critics,
        encoder: &Encoder<'_>,
        painting: &Painting<'_>,
    ) -> Result<BTreeMap<String, f64>> {
        let editor = editor(&student.base, encoder, painting)?;
        let mut sums = Sums::default();
        for (task, pairs) in &self.pairs {
            let task = *task;
            for (place, pairs) in pairs.chunks(BATCH).enumerate() {
                let first = place * BATCH;
                let painted = finished(&editor, painting, task, pairs, first as u64)?;
                self.add(&mut sums, task, pairs, &painted, (critics, student.coherent.as_ref()))?;
                let n_again = self.config.n_diverse.saturating_sub(first).min(pairs.len());
                if task == Task::Edit && n_again > 0 {
                    let (pairs, painted) = (&pairs[..n_again], &painted[..n_again]);
                    let again = finished(&editor, painting, task, pairs, first as u64 + SEED_STEP)?;
                    for ((a, mask), (b, _)) in painted.iter().zip(&again) {
                        sums.add("diversity", difference(a, b, mask));
                    }
                }
            }
        }
        let mut figures = sums.means();
        let prediction = painting.schedule.prediction();
        let denoising = self.validation.measure(&student.base, prediction, &encoder.device);
        figures.insert("denoising".to_owned(), denoising["loss"]);
        figures.insert("divergence".to_owned(), self.fixed.divergence(&student.base));
        Ok(self.judged(figures))
    }

    /// Adds `loss` and `drifted`.
    pub(super) fn judged(&self, mut figures: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
        let drifted = self.drifted(&figures).is_some();
        let loss = figures.get("held_out").map_or(0.0, |held_out| -held_out);
        let worst = self.baseline.get("loss").copied().unwrap_or(loss);
        figures.insert("loss".to_owned(), if drifted { loss.max(worst) } else { loss });
        figures.insert("drifted".to_owned(), f64::from(u8::from(drifted)));
        figures
    }

    /// The first figure that is too far from the baseline's.
    pub(super) fn drifted(&self, figures: &BTreeMap<String, f64>) -> Option<&'static str> {
        let limit = self.config.max_drift;
        WATCHED.into_iter().find(|name| {
            let Some((now, before)) = figures.get(*name).zip(self.baseline.get(*name)) else { return false };
            !(now / before <= limit && before / now <= limit) && (now - before).abs() > 1e-6
        })
    }

    /// What is measured of pictures of one task.
    fn add(
        &self,
        sums: &mut Sums,
        task: Task,
        pairs: &[Pair],
        painted: &[(UnitImage, Mask)],
        (critics, coherent): (&Critics, Option<&CoherentNetwork>),
    ) -> Result<()> {
        let pictures: Vec<UnitImage> = painted.iter().map(|(picture, _)| picture.clone()).collect();
        let masks: Vec<Mask> = painted.iter().map(|(_, mask)| mask.clone()).collect();
        let prompts: Vec<String> = pairs.iter().map(|pair| pair.caption.clone()).collect();
        for (picture, mask) in painted.iter().filter(|_| task == Task::Edit) {
            let Monitors { saturation, contrast, detail } = Monitors::of(picture, mask);
            sums.add("saturation", saturation);
            sums.add("contrast", contrast);
            sums.add("detail", detail);
        }
        let device = &self.fixed.output.device();
        let shown = Shown::of_pictures(&pictures, &masks, prompts.clone(), device)?;
        let mut add = |name: &'static str, reward: &dyn Reward, only_prompted: bool| -> Result<()> {
            let scores = reward.score(&shown)?.into_data();
            let scores = scores.iter::<f64>().zip(&prompts);
            scores
                .filter(|(_, prompt)| !(only_prompted && prompt.is_empty()))
                .for_each(|(score, _)| sums.add(name, score));
            Ok(())
        };
        if let Some(reward) = critics.aesthetic.as_deref() {
            add("aesthetic", reward, false)?;
        }
        if let Some(reward) = critics.alignment.as_deref() {
            add("alignment", reward, true)?;
        }
        if let Some(network) = coherent {
            add("coherent", &CoherentReward::new(network.clone(), Region::Mask), false)?;
        }
        let by_task = match task {
            Task::Edit => "held_out_edit",
            Task::Erase => "held_out_erase",
            Task::Outpaint => "held_out_outpaint",
        };
        match &self.held_out {
            Some(HeldOut::Reward(reward)) => {
                add("held_out", reward.as_ref(), reward.sees_prompt())?;
                add(by_task, reward.as_ref(), reward.sees_prompt())?;
            }
            Some(HeldOut::Annotator(annotator, world)) => {
                for (pair, (picture, _)) in pairs.iter().zip(painted) {
                    let Some(label) = label(task, world, &pair.caption) else { continue };
                    let given = annotator.log_probabilities(&pair.edit_mask, &rgb8_from_unit(picture));
                    let probability = f64::from(given[label]).exp();
                    sums.add("held_out", probability);
                    sums.add(by_task, probability);
                }
            }
            None => {}
        }
        Ok(())
    }
}

impl Fixed {
    fn new(
        pairs: &[Pair],
        encoder: &Encoder<'_>,
        schedule: &NoiseSchedule,
        base: &BaseModel,
    ) -> Result<Self> {
        let pairs = &pairs[..pairs.len().min(BATCH)];
        let pictures = Pictures::of_pairs(encoder, pairs)?;
        let latents = pictures.batch.latents.clone();
        let noise = normal(0, Use::Validation, 0, latents.dims(), &encoder.device);
        let (n, n_timesteps) = (pairs.len(), schedule.alpha_bars().len());
        let levels = (0..n).map(|place| schedule.level((2 * place + 1) * n_timesteps / (2 * n)));
        let levels = levels.collect::<std::result::Result<Vec<_>, _>>()?;
        let x_t = add_noise(latents, noise, &levels);
        let output = pictures.batch.predict(base, x_t.clone(), &levels);
        Ok(Self { pictures, x_t, levels, output })
    }

    /// Mean squared distance of a model's outputs to those of the model that the run started from.
    fn divergence(&self, model: &BaseModel) -> f64 {
        let output = self.pictures.batch.predict(model, self.x_t.clone(), &self.levels);
        mean(mse_per_item(output, self.output.clone()).into_data().iter::<f64>())
    }
}

/// What the annotator should say of a picture; `None` where nothing was asked for.
fn label(task: Task, world: &World, caption: &str) -> Option<usize> {
    match task {
        Task::Erase => Some(world.concepts().len()),
        Task::Edit | Task::Outpaint => {
            named(caption, world.concepts().iter().map(|concept| concept.name.as_str()))
        }
    }
}

/// The longest of some names that a caption ends with.
fn named<'n>(caption: &str, names: impl Iterator<Item = &'n str>) -> Option<usize> {
    let ends = |name: &str| {
        caption.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with(' '))
    };
    names
        .enumerate()
        .filter(|(_, name)| ends(name))
        .max_by_key(|(_, name)| name.len())
        .map(|(place, _)| place)
}

/// What a user gets of held-out pairs, with the masks; the noise of the first has the seed `first_seed`.
fn finished(
    editor: &EditModel,
    painting: &Painting<'_>,
    task: Task,
    pairs: &[Pair],
    first_seed: u64,
) -> Result<Vec<(UnitImage, Mask)>> {
    let painted = painted(editor, painting.samples, task, pairs, first_seed)?;
    let finished = painted.iter().zip(pairs);
    finished
        .map(|(image, pair)| {
            let (truth, mask) = pair.to_canvas()?;
            Ok((frames::finished(image, &truth, &mask)?, mask))
        })
        .collect()
}

/// Sums by name.
#[derive(Default)]
struct Sums(BTreeMap<&'static str, (f64, u64)>);

impl Sums {
    fn add(&mut self, name: &'static str, value: f64) {
        let (sum, n) = self.0.entry(name).or_default();
        *sum += value;
        *n += 1;
    }

    fn means(self) -> BTreeMap<String, f64> {
        self.0.into_iter().map(|(name, (sum, n))| (name.to_owned(), sum / n as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_names_its_last_words() {
        let names = ["dog", "hot dog", "apple"];
        let named = |caption| named(caption, names.into_iter());
        assert_eq!(named("a red hot dog"), Some(1));
        assert_eq!(named("a dog"), Some(0));
        assert_eq!(named("apple"), Some(2));
        assert_eq!(named("a pineapple"), None);
        assert_eq!(named(""), None);
    }

    #[test]
    fn means_are_by_name() {
        let mut sums = Sums::default();
        for (name, value) in [("a", 1.0), ("b", 5.0), ("a", 3.0)] {
            sums.add(name, value);
        }
        assert_eq!(sums.means(), BTreeMap::from([("a".to_owned(), 2.0), ("b".to_owned(), 5.0)]));
    }
}
