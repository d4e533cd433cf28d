//! How strongly an arm is to follow prompts: of a grid, the scale at which the judge most often sees what an edit asks for.
//!
//! Arms that are compared at one scale differ in what that scale does to them too. Each is to have its own, chosen from the
//! same grid by the same rule, and on other photographs than those of the report.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use byteedit_data::{Split, World};
use serde::{Deserialize, Serialize};

use super::arm::{Arm, ArmSettings, check_distinct};
use super::config::CompareConfig;
use super::report::ArmFigures;
use super::run::{CompareEvent, eval_compare};
use crate::bootstrap::Estimate;
use crate::editor::ModelIdentity;
use crate::error::{EvalError, Result};
use crate::judge::Judge;
use crate::metric::Metric;
use crate::report::{WorldSummary, cell, json, write_files};
use crate::section::Section;

/// The layout of the JSON that this version writes and reads.
const SCHEMA_VERSION: u32 = 1;

/// What all arms are asked at every scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidanceConfig {
    /// Which photographs and renderings are shown: not those of the test split.
    pub split: Split,
    /// The scales, two or more, the smallest first.
    pub grid: Vec<f64>,
    /// Edits, 1 to 100,000.
    pub n_samples: usize,
    /// Seed of the world's samples and of noise.
    pub seed: u64,
    /// Side of the frames in pixels, the same for all arms.
    pub picture_size: usize,
}

/// Which scale was chosen for each arm, and by what, as `guidance.json` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidanceReport {
    /// Layout of this file.
    pub schema_version: u32,
    /// What the figures are about.
    pub note: String,
    /// Who said what the edits show.
    pub judge: ModelIdentity,
    /// What the questions were drawn from.
    pub world: WorldSummary,
    /// What all arms were asked.
    pub settings: GuidanceConfig,
    /// The arms.
    pub arms: Vec<TunedArm>,
}

/// An arm with the scale that was chosen for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedArm {
    /// Its name.
    pub name: String,
    /// Its model.
    pub model: ModelIdentity,
    /// Its settings, with the chosen scale wherever a prompt may be given.
    pub settings: ArmSettings,
    /// [`Metric::JudgeTop1`] at each scale of the grid.
    pub judge_top_1: Vec<Estimate>,
}

impl GuidanceConfig {
    /// Six scales, 128 edits; the rest as in [`CompareConfig::new`].
    pub fn new(split: Split) -> Self {
        let CompareConfig { seed, picture_size, .. } = CompareConfig::new(split);
        Self { split, grid: vec![1.0, 1.5, 2.0, 3.0, 4.0, 6.0], n_samples: 128, seed, picture_size }
    }

    /// Checks every number, at the door.
    ///
    /// # Errors
    /// [`EvalError::Config`] or [`EvalError::Diffusion`] names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.split == Split::Test {
            let limit = "validation or train: what was chosen on test flatters what is reported of it";
            return Err(EvalError::config("split", "test", limit));
        }
        if self.grid.len() < 2 || !self.grid.is_sorted_by(|one, next| one < next) {
            let grid: Vec<String> = self.grid.iter().map(f64::to_string).collect();
            return Err(EvalError::config("grid", grid.join(","), "two scales or more, the smallest first"));
        }
        self.comparison().validate()
    }

    /// The same as the settings of a comparison, of which only the edits count.
    fn comparison(&self) -> CompareConfig {
        let Self { split, grid: _, n_samples, seed, picture_size } = *self;
        CompareConfig {
            sections: vec![Section::Edit],
            n_samples,
            seed,
            picture_size,
            n_examples: 0,
            n_diverse: 0,
            ..CompareConfig::new(split)
        }
    }
}

/// Has every arm paint the same edits at every scale of a grid, and chooses for each the scale at which the judge sees most of
/// what was asked for, the smaller of equals. A comparison of all of them ([`eval_compare`]), so that answers are kept in
/// `folder` as there.
///
/// # Errors
/// Those of [`eval_compare`], [`EvalError::Config`] for the test split, and [`EvalError::Arms`] for two arms of one name.
pub fn tune_guidance(
    arms: &[Arm<'_>],
    judge: &dyn Judge,
    world: &World,
    config: &GuidanceConfig,
    folder: Option<&Path>,
    tell: &mut dyn FnMut(CompareEvent),
) -> Result<GuidanceReport> {
    config.validate()?;
    let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
    check_distinct(&names)?;
    let at_all_scales = |arm| config.grid.iter().map(move |&scale| at_scale(arm, scale));
    let candidates: Vec<Arm<'_>> = arms.iter().flat_map(at_all_scales).collect();
    let mut report = eval_compare(&candidates, judge, world, &config.comparison(), folder, tell)?.report;
    let edits = report.sections.remove(0);
    let of_arm = edits.arms.chunks_exact(config.grid.len());
    Ok(GuidanceReport {
        schema_version: SCHEMA_VERSION,
        note: report.note,
        judge: report.judge,
        world: report.world,
        settings: config.clone(),
        arms: arms.iter().zip(of_arm).map(|(arm, figures)| tuned(arm, &config.grid, figures)).collect(),
    })
}

/// An arm that follows prompts as strongly as `scale` says.
fn at_scale<'a>(arm: &Arm<'a>, scale: f64) -> Arm<'a> {
    Arm { name: format!("{}-at-{scale}", arm.name), settings: settings_at(arm, scale), ..arm.clone() }
}

fn settings_at(arm: &Arm<'_>, scale: f64) -> ArmSettings {
    ArmSettings { guidance: arm.settings.guidance.of_prompts(scale), ..arm.settings.clone() }
}

/// The choice for an arm, from its figures at each scale.
fn tuned(arm: &Arm<'_>, grid: &[f64], figures: &[ArmFigures]) -> TunedArm {
    let top_1 = |figures: &ArmFigures| {
        *figures.figures.get(&Metric::JudgeTop1).expect("the judge sees every edit; this is a bug")
    };
    let judge_top_1: Vec<Estimate> = figures.iter().map(top_1).collect();
    let scale = best(grid, &judge_top_1);
    let (name, model) = (arm.name.clone(), arm.editor.identity());
    TunedArm { name, model, settings: settings_at(arm, scale), judge_top_1 }
}

/// The scale with the highest mean, the smallest of equals.
fn best(grid: &[f64], found: &[Estimate]) -> f64 {
    let mut best = (grid[0], f64::NEG_INFINITY);
    for (&scale, estimate) in grid.iter().zip(found) {
        if estimate.mean > best.1 {
            best = (scale, estimate.mean);
        }
    }
    best.0
}

impl GuidanceReport {
    /// Whether scales may be taken from it for a comparison of `arms`, as far as can be told without their models.
    ///
    /// # Errors
    /// [`EvalError::Arms`] if they were chosen on the split that is to be compared, and for an arm of which none was chosen.
    pub fn check_serves(&self, split: Split, arms: &[&str]) -> Result<()> {
        if self.settings.split == split {
            let split = split.name();
            let reason = format!(
                "the guidance was chosen on the {split} split, which is also the one to compare: what was chosen on it \
                 flatters what is reported of it; compare another, such as with `--split test`"
            );
            return Err(EvalError::Arms { reason });
        }
        arms.iter().try_for_each(|name| self.tuned(name).map(|_| ()))
    }

    fn tuned(&self, name: &str) -> Result<&TunedArm> {
        self.arms.iter().find(|tuned| tuned.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.arms.iter().map(|tuned| tuned.name.as_str()).collect();
            let names = names.join(", ");
            let reason = format!("no guidance was chosen for the arm {name}, but for {names}; give it one");
            EvalError::Arms { reason }
        })
    }

    /// The scale that was chosen for an arm, whatever guidance it has in its settings.
    ///
    /// # Errors
    /// [`EvalError::Arms`] for an arm of which none was chosen, and for one that has other weights or settings by now.
    pub fn scale_of(&self, arm: &Arm<'_>) -> Result<f64> {
        let name = &arm.name;
        let tuned = self.tuned(name)?;
        let scale = tuned.settings.guidance.edit;
        if tuned.model.hash != arm.editor.identity().hash || tuned.settings != settings_at(arm, scale) {
            let reason = format!(
                "the guidance of the arm {name} was chosen for other weights or settings; choose it anew with \
                 `eval guidance`"
            );
            return Err(EvalError::Arms { reason });
        }
        Ok(scale)
    }

    /// The JSON, indented, with a last line break.
    pub fn to_json(&self) -> String {
        json(self)
    }

    /// A table for people, in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        table(&mut text, self).expect("a string takes any text");
        text
    }

    /// Writes `guidance.json` and `guidance.md` into `folder`, creating it; files of those names are replaced. Returns the
    /// paths, the JSON first.
    ///
    /// # Errors
    /// [`EvalError::Io`] for a folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let files = [("guidance.json", self.to_json()), ("guidance.md", self.to_markdown())];
        write_files(folder, &files.map(|(name, text)| (name.to_owned(), text.into_bytes())))
    }
}

/// A row for each arm, a column for each scale.
fn table(out: &mut String, report: &GuidanceReport) -> fmt::Result {
    let GuidanceReport { note, judge, settings, arms, .. } = report;
    let split = settings.split.name();
    writeln!(out, "# Guidance of {} arms on the mini world, {split} split\n\n{note}\n", arms.len())?;
    writeln!(
        out,
        "Every arm painted the same {} edits from the same noise at each scale: frames of {} px, seed {}. Beneath the scales is \
         the share of edits in which the judge `{}`, weights `{}`, saw what was asked for, with 95 % intervals; the scale with \
         the highest share is chosen, the smallest of equals.\n",
        settings.n_samples, settings.picture_size, settings.seed, judge.name, judge.hash,
    )?;
    write!(out, "| arm | model | weights | steps | chosen |")?;
    settings.grid.iter().try_for_each(|scale| write!(out, " {scale} |"))?;
    writeln!(out, "\n|---|---|---|---|---|{}", "---|".repeat(settings.grid.len()))?;
    for TunedArm { name, model, settings, judge_top_1 } in arms {
        let (steps, chosen) = (settings.n_steps, settings.guidance.edit);
        write!(out, "| {name} | {} | `{}` | {steps} | {chosen} |", model.name, model.hash)?;
        let mut cells = judge_top_1.iter().map(|share| cell(Metric::JudgeTop1, Some(share), ""));
        cells.try_for_each(|share| write!(out, " {share} |"))?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "scales are chosen, not computed")]
mod tests {
    use super::*;

    #[test]
    fn the_highest_share_is_chosen_and_of_equals_the_smallest_scale() {
        let shares = |means: [f64; 3]| means.map(|mean| Estimate { mean, low: mean, high: mean, n: 9 });
        let grid = [1.0, 2.5, 4.0];
        assert_eq!(best(&grid, &shares([0.1, 0.3, 0.2])), 2.5);
        assert_eq!(best(&grid, &shares([0.1, 0.3, 0.3])), 2.5);
        assert_eq!(best(&grid, &shares([0.0, 0.0, 0.0])), 1.0);
    }

    #[test]
    fn nothing_is_chosen_on_the_test_split_or_from_a_grid_that_is_none() {
        let good = GuidanceConfig::new(Split::Validation);
        good.validate().unwrap();
        for (bad, says) in [
            (GuidanceConfig { split: Split::Test, ..good.clone() }, "`split` is test"),
            (GuidanceConfig { grid: vec![3.0], ..good.clone() }, "`grid` is 3,"),
            (GuidanceConfig { grid: vec![3.0, 2.0], ..good.clone() }, "`grid` is 3,2"),
            (GuidanceConfig { grid: vec![2.0, 2.0], ..good.clone() }, "`grid` is 2,2"),
            (GuidanceConfig { n_samples: 0, ..good.clone() }, "n_samples"),
        ] {
            let message = bad.validate().unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
