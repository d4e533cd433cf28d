//! What is evaluated: every number that a report depends on, besides the model, the judge and the world.

use byteedit_data::Split;
use byteedit_data::world::FRAME_SIDES;
use byteedit_diffusion::{Guidance, SamplerKind, check_temperature, is_own_temperature, own_temperature};
use byteedit_edit::{Defaults, EditModel, MAX_BOX_SHARE, Sampling};
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, Result};
use crate::section::{Section, check_sections};

/// Settings of one evaluation. Two evaluations with equal settings, model, judge and world give
/// equal figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalConfig {
    /// Which photographs and renderings are shown.
    pub split: Split,
    /// The kinds of questions, in the order in which they are asked; at least one, each once. Like `erase_temperature`
    /// and `outpaint_temperature` left out of the JSON where it changes nothing, so that what was kept before it existed is found.
    #[serde(default = "all_sections", skip_serializing_if = "is_all_sections")]
    pub sections: Vec<Section>,
    /// Samples of each section, 1 to 100,000; an interval halves its width with four times as many.
    pub n_samples: usize,
    /// Seed of the world's samples; the noise of sample `i` has the seed `seed + i`.
    pub seed: u64,
    /// Side of the frames in pixels, 32 to 256.
    pub picture_size: usize,
    /// Pictures edited at once, 1 to 1024: a matter of speed and memory.
    pub batch: usize,
    /// Update rule of the denoise loop.
    pub sampler: SamplerKind,
    /// Denoising steps.
    pub n_steps: usize,
    /// How strongly prompts are followed.
    pub guidance: GuidanceScales,
    /// Temperature of edits.
    pub temperature: f64,
    /// Temperature of erasing.
    #[serde(default = "own_temperature", skip_serializing_if = "is_own_temperature")]
    pub erase_temperature: f64,
    /// Temperature of outpainting.
    #[serde(default = "own_temperature", skip_serializing_if = "is_own_temperature")]
    pub outpaint_temperature: f64,
    /// The part of a model's view that the shorter side of an edit's box takes; none shows edits as a whole. The truth goes
    /// through the autoencoder in the same view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_share: Option<f64>,
    /// Worst, best and random cases on each contact sheet, 0 to 100 of each.
    pub n_examples: usize,
    /// The first so many edits are painted from several seeds, 0 to 100,000.
    pub n_diverse: usize,
    /// From how many, 2 to 16.
    pub n_seeds: usize,
}

/// Guidance scale of each task; up to 1 there is none. Where the prompt is empty its scale has no effect, since
/// the two conditions that guidance compares are then the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidanceScales {
    /// For painting what a prompt names.
    pub edit: f64,
    /// For removing, which has no prompt.
    pub erase: f64,
    /// For extending.
    pub outpaint: f64,
}

impl GuidanceScales {
    /// The same with one scale wherever a prompt may be given.
    #[must_use]
    pub const fn of_prompts(self, scale: f64) -> Self {
        Self { edit: scale, outpaint: scale, ..self }
    }
}

pub(crate) fn all_sections() -> Vec<Section> {
    Section::ALL.to_vec()
}

fn is_all_sections(sections: &Vec<Section>) -> bool {
    *sections == Section::ALL
}

impl EvalConfig {
    /// 256 samples of every section with the editor's defaults: 20 steps of DDIM.
    pub fn new(split: Split) -> Self {
        Self {
            split,
            sections: all_sections(),
            n_samples: 256,
            seed: 0,
            picture_size: 128,
            batch: 8,
            sampler: SamplerKind::Ddim { eta: 0.0 },
            n_steps: 20,
            guidance: GuidanceScales { edit: 4.0, erase: 1.0, outpaint: 4.0 },
            temperature: own_temperature(),
            erase_temperature: own_temperature(),
            outpaint_temperature: own_temperature(),
            box_share: None,
            n_examples: 20,
            n_diverse: 32,
            n_seeds: 4,
        }
    }

    /// [`EvalConfig::new`] with the settings that suit a model, and frames of its own size as far as
    /// the world has them.
    pub fn for_model(split: Split, model: &EditModel) -> Self {
        let base = Self::new(split);
        let defaults = model.info().defaults();
        let (edit, outpaint) = (defaults.guidance_scale, defaults.guidance_scale);
        let [smallest, largest] = FRAME_SIDES;
        Self {
            picture_size: model.resolution().clamp(smallest, largest),
            sampler: defaults.sampler,
            n_steps: defaults.n_steps,
            guidance: GuidanceScales { edit, outpaint, ..base.guidance },
            temperature: defaults.temperature,
            erase_temperature: defaults.erase_temperature,
            outpaint_temperature: defaults.outpaint_temperature,
            box_share: defaults.box_share,
            ..base
        }
    }

    /// Checks every number once, at the door.
    ///
    /// # Errors
    /// [`EvalError::Config`] or [`EvalError::Diffusion`] names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_sections(&self.sections)?;
        let [smallest, largest] = FRAME_SIDES;
        for (key, value, range, limit) in [
            ("n_samples", self.n_samples, 1..=100_000, "from 1 to 100,000"),
            ("picture_size", self.picture_size, smallest..=largest, "from 32 to 256 px"),
            ("batch", self.batch, 1..=1024, "from 1 to 1024"),
            ("n_steps", self.n_steps, 1..=100_000, "1 or more"),
            ("n_examples", self.n_examples, 0..=100, "from 0 to 100"),
            ("n_diverse", self.n_diverse, 0..=100_000, "from 0 to 100,000"),
            ("n_seeds", self.n_seeds, 2..=16, "from 2 to 16"),
        ] {
            if !range.contains(&value) {
                return Err(EvalError::config(key, value, limit));
            }
        }
        let GuidanceScales { edit, erase, outpaint } = self.guidance;
        for scale in [edit, erase, outpaint] {
            Guidance::with_scale(scale).validate()?;
        }
        check_temperature("temperature", self.temperature)?;
        check_temperature("erase_temperature", self.erase_temperature)?;
        check_temperature("outpaint_temperature", self.outpaint_temperature)?;
        if let Some(share) = self.box_share.filter(|share| !(*share > 0.0 && *share <= MAX_BOX_SHARE)) {
            return Err(EvalError::config("box_share", share, "above 0 and up to 0.9"));
        }
        if self.sampler.name().parse::<SamplerKind>()? != self.sampler {
            let limit = "a sampler that its name determines: a report could not say which one it was";
            return Err(EvalError::config("sampler", format!("{:?}", self.sampler), limit));
        }
        Ok(())
    }

    /// How a section is sampled: from noise alone, without a negative prompt.
    pub(crate) fn sampling(&self, section: Section) -> Sampling {
        let guidance_scale = match section {
            Section::Edit => self.guidance.edit,
            Section::Erase => self.guidance.erase,
            Section::OutpaintPrompt | Section::OutpaintFree => self.guidance.outpaint,
        };
        let Self { sampler, n_steps, temperature, erase_temperature, outpaint_temperature, .. } = *self;
        let defaults = Defaults {
            sampler,
            n_steps,
            guidance_scale,
            temperature,
            erase_temperature,
            outpaint_temperature,
            ..Defaults::default()
        };
        Sampling { guidance_scale, ..Sampling::new(section.task_kind(), &defaults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_json() {
        for sampler in SamplerKind::ALL {
            let config = EvalConfig { sampler, ..EvalConfig::new(Split::Test) };
            config.validate().unwrap();
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<EvalConfig>(&json).unwrap(), config);
        }
        let unknown = serde_json::to_string(&EvalConfig::new(Split::Test)).unwrap().replace("ddim", "plms");
        assert!(serde_json::from_str::<EvalConfig>(&unknown).unwrap_err().to_string().contains("dpm++2m"));
    }

    #[test]
    fn bad_numbers_are_named() {
        let good = EvalConfig::new(Split::Validation);
        let nan = GuidanceScales { edit: f64::NAN, ..good.guidance };
        for (config, named) in [
            (EvalConfig { sections: Vec::new(), ..good.clone() }, "`sections` is empty"),
            (EvalConfig { sections: vec![Section::Edit; 2], ..good.clone() }, "`sections` is edit,edit"),
            (EvalConfig { n_samples: 0, ..good.clone() }, "`n_samples` is 0"),
            (EvalConfig { picture_size: 300, ..good.clone() }, "`picture_size` is 300"),
            (EvalConfig { batch: 0, ..good.clone() }, "`batch` is 0"),
            (EvalConfig { n_steps: 0, ..good.clone() }, "`n_steps` is 0"),
            (EvalConfig { n_examples: 101, ..good.clone() }, "`n_examples` is 101"),
            (EvalConfig { n_seeds: 1, ..good.clone() }, "`n_seeds` is 1"),
            (EvalConfig { guidance: nan, ..good.clone() }, "guidance_scale"),
            (EvalConfig { temperature: 1.5, ..good.clone() }, "`temperature` is 1.5"),
            (EvalConfig { erase_temperature: 0.0, ..good.clone() }, "`erase_temperature` is 0"),
            (EvalConfig { outpaint_temperature: 0.0, ..good.clone() }, "`outpaint_temperature` is 0"),
            (EvalConfig { sampler: SamplerKind::Ddim { eta: 0.5 }, ..good.clone() }, "eta: 0.5"),
        ] {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn every_section_has_the_temperature_of_its_task() {
        let config = EvalConfig {
            temperature: 0.5,
            erase_temperature: 0.75,
            outpaint_temperature: 0.625,
            ..EvalConfig::new(Split::Test)
        };
        let temperatures = Section::ALL.map(|section| config.sampling(section).temperature.to_bits());
        assert_eq!(temperatures, [0.5, 0.75, 0.625, 0.625].map(f64::to_bits));
    }

    #[test]
    fn what_was_kept_before_a_setting_existed_is_still_found() {
        let settings = serde_json::to_value(EvalConfig::new(Split::Test)).unwrap();
        for key in ["sections", "erase_temperature", "outpaint_temperature"] {
            assert_eq!(settings.get(key), None);
        }
    }
}
