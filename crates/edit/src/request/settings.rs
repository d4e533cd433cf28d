//! The numbers of a request, their ranges and their defaults for each task.

use byteedit_diffusion::{DiffusionError, Guidance, SamplerKind, check_temperature};
use byteedit_image::Padding;

use super::{Prompt, TaskKind};
use crate::error::{EditError, Result};
use crate::model::Defaults;

/// Most pictures of one request.
pub const MAX_COUNT: usize = 64;
/// Largest growth and feather in pixels.
pub const MAX_RADIUS: u32 = 4096;
/// Most context around a mask in pixels, more than any picture has.
pub const MAX_PADDING: usize = 100_000;
/// Context around the mask, as a part of its longer side, for a model that was not trained on boxes of one size: the mask
/// then takes some 60 % of the model's view.
const CONTEXT: f64 = 0.35;

/// Most of the model's side that the shorter side of a box can take ([`Padding::Share`]).
pub const MAX_BOX_SHARE: f64 = 0.9;

/// How to do it. A new field has a default in [`Settings::new`] and a range in `validate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Seed of the first picture; picture `i` has `seed + i`, wrapping around.
    pub seed: u64,
    /// Pictures to make, 1 to 64; of several, the samples take at most 1 GiB together.
    pub count: usize,
    /// What the denoise loop needs.
    pub sampling: Sampling,
    /// What lies around it.
    pub framing: Framing,
}

/// What the denoise loop needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Update rule and its grid.
    pub sampler: SamplerKind,
    /// Steps of the whole schedule, 1 or more and at most what the model was trained on.
    pub n_steps: usize,
    /// `w` of classifier-free guidance, 0 or more; up to 1 it is off, at half the time.
    pub guidance_scale: f64,
    /// How far the contrast that guidance adds is taken back, 0 (not at all) to 1.
    pub guidance_rescale: f64,
    /// How much of the noise is left in the end that the schedule would leave, above 0 and up to 1: below 1 pictures are
    /// smoother and more alike ([`Denoise::at_temperature`](byteedit_diffusion::Denoise::at_temperature)).
    pub temperature: f64,
    /// How much of what was under the mask may change, 0 (nothing) to 1 (everything); the last
    /// `int(n_steps * strength)` steps run, as in diffusers. Always 1 for outpainting.
    pub strength: f64,
    /// What to steer away from.
    pub negative_prompt: Option<Prompt>,
}

/// What lies around the denoise loop: how the picture is cut out and pasted back.
#[derive(Clone, Debug, PartialEq)]
pub struct Framing {
    /// Pixels by which the mask grows before anything else, 0 to 4096.
    pub mask_grow: u32,
    /// Pixels outside the grown mask over which the result fades into the picture, 0 to 4096. It never
    /// changes what the model sees.
    pub feather: u32,
    /// Context around the mask, at most 100,000 px. Has no effect on outpainting, whose windows bring their own.
    pub padding: Padding,
    /// Whether the colour error measured on kept pixels around the mask is taken out of the result.
    pub color_match: bool,
}

impl Settings {
    /// The settings of a task if nobody asks for others: no growth and no feather, so that nothing outside the mask
    /// changes.
    pub fn new(task: TaskKind, defaults: &Defaults) -> Self {
        Self {
            seed: 0,
            count: 1,
            sampling: Sampling::new(task, defaults),
            framing: Framing {
                mask_grow: 0,
                feather: 0,
                padding: Framing::padding_of(task, defaults),
                color_match: true,
            },
        }
    }

    /// The seed of each picture.
    pub fn seeds(&self) -> Vec<u64> {
        (0..self.count as u64).map(|index| self.seed.wrapping_add(index)).collect()
    }

    pub(super) fn validate(&self) -> Result<()> {
        if !(1..=MAX_COUNT).contains(&self.count) {
            return Err(EditError::setting(
                "the count of pictures",
                self.count,
                "from 1 to 64; run it again for more",
            ));
        }
        self.sampling.validate()?;
        self.framing.validate()
    }
}

impl Sampling {
    /// What suits a task: no guidance for erasing, since there is no prompt to follow; the temperature that the
    /// model names for the task.
    pub fn new(task: TaskKind, defaults: &Defaults) -> Self {
        let (guidance_scale, temperature) = match task {
            TaskKind::Edit => (defaults.guidance_scale, defaults.temperature),
            TaskKind::Outpaint => (defaults.guidance_scale, defaults.outpaint_temperature),
            TaskKind::Erase => (1.0, defaults.erase_temperature),
        };
        Self {
            sampler: defaults.sampler,
            n_steps: defaults.n_steps,
            guidance_scale,
            guidance_rescale: 0.0,
            temperature,
            strength: 1.0,
            negative_prompt: None,
        }
    }

    /// The negative prompt, or "".
    pub fn negative_prompt(&self) -> &str {
        self.negative_prompt.as_ref().map_or("", Prompt::as_str)
    }

    pub(crate) fn guidance(&self) -> Guidance {
        Guidance { rescale: self.guidance_rescale, ..Guidance::with_scale(self.guidance_scale) }
    }

    /// Whether nothing may change at all.
    pub(crate) fn is_identity(&self) -> bool {
        self.strength <= 0.0
    }

    fn validate(&self) -> Result<()> {
        if self.n_steps == 0 {
            return Err(EditError::setting("the number of steps", 0, "1 or more; 20 is usual"));
        }
        self.guidance().validate()?;
        check_temperature("temperature", self.temperature)?;
        let (strength, n_steps) = (self.strength, self.n_steps);
        if !(0.0..=1.0).contains(&strength) {
            let limit = "from 0 (change nothing) to 1 (change everything)";
            return Err(EditError::setting("strength", strength, limit));
        }
        if strength > 0.0 && ((n_steps as f64 * strength) as usize) == 0 {
            return Err(DiffusionError::NoSteps { strength, n_steps }.into());
        }
        Ok(())
    }
}

impl Framing {
    /// How much of the picture a model is shown around a mask: what it was trained on.
    fn padding_of(task: TaskKind, defaults: &Defaults) -> Padding {
        match (task, defaults.box_share) {
            (TaskKind::Edit, Some(share)) => Padding::Share(share),
            _ => Padding::Fraction(CONTEXT),
        }
    }

    fn validate(&self) -> Result<()> {
        for (name, pixels) in [("the growth of the mask", self.mask_grow), ("the feather", self.feather)] {
            if pixels > MAX_RADIUS {
                return Err(EditError::setting(name, format!("{pixels} px"), "at most 4096 px"));
            }
        }
        match self.padding {
            Padding::Pixels(pixels) if pixels > MAX_PADDING => {
                Err(EditError::setting("the padding", format!("{pixels} px"), "at most 100000 px"))
            }
            Padding::Share(share) if !(share > 0.0 && share <= MAX_BOX_SHARE) => {
                Err(EditError::setting("the box's share of the canvas", share, "above 0 and up to 0.9"))
            }
            Padding::Fraction(part) if !(part.is_finite() && part >= 0.0) => {
                Err(EditError::setting("the padding", part, "a finite fraction of 0 or more"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new(TaskKind::Edit, &Defaults::default())
    }

    fn message(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        settings.validate().unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_valid_and_change_nothing_outside_the_mask() {
        for task in [TaskKind::Edit, TaskKind::Erase, TaskKind::Outpaint] {
            let settings = Settings::new(task, &Defaults::default());
            settings.validate().unwrap();
            assert_eq!((settings.framing.mask_grow, settings.framing.feather), (0, 0));
        }
    }

    #[test]
    fn every_task_has_the_models_temperature_for_it() {
        let defaults = Defaults {
            temperature: 0.5,
            erase_temperature: 0.75,
            outpaint_temperature: 0.625,
            ..Defaults::default()
        };
        let temperatures = [TaskKind::Edit, TaskKind::Erase, TaskKind::Outpaint]
            .map(|task| Settings::new(task, &defaults).sampling.temperature);
        assert_eq!(temperatures.map(f64::to_bits), [0.5, 0.75, 0.625].map(f64::to_bits));
    }

    #[test]
    fn every_bad_number_is_named_with_its_range() {
        for (text, found) in [
            ("number of steps is 0", message(|s| s.sampling.n_steps = 0)),
            ("`guidance_scale` is NaN", message(|s| s.sampling.guidance_scale = f64::NAN)),
            ("`guidance_scale` is -1", message(|s| s.sampling.guidance_scale = -1.0)),
            ("`temperature` is 0", message(|s| s.sampling.temperature = 0.0)),
            ("`guidance_rescale` is 2", message(|s| s.sampling.guidance_rescale = 2.0)),
            ("strength is 1.5", message(|s| s.sampling.strength = 1.5)),
            ("strength is NaN", message(|s| s.sampling.strength = f64::NAN)),
            ("strength 0.04 of 20 steps", message(|s| s.sampling.strength = 0.04)),
            ("count of pictures is 0", message(|s| s.count = 0)),
            ("count of pictures is 65", message(|s| s.count = 65)),
            ("growth of the mask is 5000 px", message(|s| s.framing.mask_grow = 5000)),
            ("the feather is 9999 px", message(|s| s.framing.feather = 9999)),
            ("padding is -0.5", message(|s| s.framing.padding = Padding::Fraction(-0.5))),
            ("padding is 100001 px", message(|s| s.framing.padding = Padding::Pixels(100_001))),
        ] {
            assert!(found.contains(text), "{found}");
        }
    }

    #[test]
    fn strength_0_needs_no_step() {
        let mut settings = settings();
        settings.sampling.strength = 0.0;
        settings.validate().unwrap();
        assert!(settings.sampling.is_identity());
    }

    #[test]
    fn seeds_follow_each_other() {
        let settings = Settings { seed: u64::MAX, count: 3, ..settings() };
        assert_eq!(settings.seeds(), [u64::MAX, 0, 1]);
    }
}
