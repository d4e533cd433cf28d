//! `byteedit score`: what a reward thinks of pictures.

mod asked;
mod heat_map;

use std::fmt;
use std::slice;

use anyhow::Context;
use burn::tensor::Device;
use byteedit_data::preference::SkipBad;
use byteedit_image::{Mask, UnitImage};
use byteedit_reward::Shown;
use serde::Serialize;

use self::asked::Asked;
use super::paint::edit_mask;
use crate::args::ScoreArgs;
use crate::exit::ExitStatus;
use crate::files;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::reward;
use crate::settings::{MaskChoice, device};

/// So many pictures are scored without a bar.
const N_FEW: usize = 4;

/// What is printed of one picture. The path is text, as JSON holds nothing else.
#[derive(Debug, Serialize)]
struct Line<'a> {
    path: String,
    score: f32,
    reward: &'a str,
    /// Where the reward sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<&'a str>,
    /// Counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<usize>,
}

impl<'a> Line<'a> {
    fn new(asked: &'a Asked, score: f32, reward: &'a str, sees_prompt: bool) -> Self {
        let candidate = asked.candidate.as_ref();
        Self {
            path: asked.path.display().to_string(),
            score,
            reward,
            prompt: sees_prompt.then_some(asked.prompt.as_str()),
            task_id: candidate.map(|(task_id, _)| task_id.as_str()),
            candidate: candidate.map(|(_, number)| *number),
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}\t{}", self.score, self.path)?;
        if let (Some(task_id), Some(candidate)) = (self.task_id, self.candidate) {
            write!(f, "\t{task_id}\t{candidate}")?;
        }
        Ok(())
    }
}

/// Scores every picture and prints each score as soon as it is known.
///
/// # Errors
/// A reward, picture, mask or record that cannot be used.
pub(super) fn score(args: ScoreArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let ScoreArgs {
        pictures,
        reward: name,
        prompt,
        mask,
        mask_mode,
        heat_map,
        force,
        skip_bad,
        device: device_name,
        json,
    } = args;
    let mask = (!mask.is_empty()).then_some(MaskChoice { sources: mask, mode: mask_mode });
    let skip = SkipBad { limit: skip_bad };
    let asked = asked::all(&pictures, prompt.as_deref(), mask.as_ref(), skip, printer)?;
    if let Some(path) = &heat_map {
        heat_map::check(path, force, &asked)?;
    }
    let device = device(device_name.as_deref())?;
    let reward = reward::open(&name, &device)?;
    let sees_prompt = reward.sees_prompt();
    if prompt.is_some() && !sees_prompt {
        printer.warn(format_args!("--prompt changes nothing: the reward {name} sees pictures alone"));
    }
    if mask.is_some() && !reward.sees_mask() {
        printer.warn(format_args!("--mask changes nothing: the reward {name} always sees all of a picture"));
    }
    if prompt.is_none() && sees_prompt && asked.iter().any(|one| one.candidate.is_none()) {
        printer.note("pictures are scored for an empty prompt; say with --prompt what was asked for");
    }
    let prompts = asked.iter().map(|one| one.prompt.as_str());
    reward::warn_of_cut(reward.as_ref(), &name, prompts, printer);
    let mut progress = (asked.len() > N_FEW).then(|| Progress::start(printer, "scores", asked.len() as u64));
    for (n_done, one) in (1..).zip(&asked) {
        let (picture, shown) = show(one, &device)?;
        if let Some(path) = &heat_map {
            heat_map::write(path, reward.as_ref(), &name, &picture, &shown)?;
            printer.note(format_args!("wrote {}", path.display()));
        }
        let score = reward.score(&shown).with_context(|| one.path.display().to_string())?;
        let line = Line::new(one, score.into_scalar::<f32>(), &name, sees_prompt);
        if json {
            printer.json_line(&line)?;
        } else {
            printer.result(&line)?;
        }
        if let Some(progress) = &mut progress {
            progress.set(n_done, String::new);
        }
    }
    Ok(ExitStatus::Done)
}

/// The picture, and what the reward is shown of it.
fn show(asked: &Asked, device: &Device) -> anyhow::Result<(UnitImage, Shown)> {
    let named = || asked.path.display().to_string();
    let picture = files::read_picture(&asked.path)?;
    let edit_mask = match &asked.mask {
        Some(choice) => edit_mask(choice, picture.size()).with_context(named)?,
        None => Mask::filled(picture.size(), 255),
    };
    let picture = UnitImage::from_picture(&picture);
    let (pictures, edit_masks) = (slice::from_ref(&picture), slice::from_ref(&edit_mask));
    let shown =
        Shown::of_pictures(pictures, edit_masks, vec![asked.prompt.clone()], device).with_context(named)?;
    Ok((picture, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_score_first() {
        let picture = Asked { path: "a.png".into(), prompt: String::new(), mask: None, candidate: None };
        assert_eq!(Line::new(&picture, -0.123_46, "coherent", false).to_string(), "-0.1235\ta.png");
        let of_record = Asked { candidate: Some(("t".to_owned(), 1)), ..picture };
        assert_eq!(Line::new(&of_record, 2.0, "coherent", false).to_string(), "2.0000\ta.png\tt\t1");
    }
}
