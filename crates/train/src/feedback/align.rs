//! Captions for candidates: badly matched pairs of a picture and a prompt, with what the picture shows instead (Ren et al.
//! 2024, Section 3.2).
//!
//! The paper finds badly matched pairs by CLIP and has a language model describe the picture. Here the annotator's
//! classifier does both: a candidate in which it sees another thing than was asked for is described by that, in the words
//! of the prompt, so that captions differ in their noun alone and none is better by its style. Where it sees what was asked
//! for, the wrong caption has the noun of the thing that it would have named next.

use std::path::Path;

use byteedit_data::captions::{self, CaptionRecord};
use byteedit_data::preference;
use byteedit_data::world::with_article;
use byteedit_data::{Mask, Rgb8, Task, World};
use serde::{Deserialize, Serialize};

use super::Simulated;
use crate::progress::Progress;
use crate::run::TASKS;
use crate::{Result, TrainError};

/// Which pictures get captions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignConfig {
    /// Least probability of what the annotator sees.
    pub min_confidence: f64,
}

impl Default for AlignConfig {
    fn default() -> Self {
        Self { min_confidence: 0.6 }
    }
}

/// What became of a collection's pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AlignReport {
    /// That show what was asked for.
    pub n_matching: usize,
    /// That show another thing, described as that.
    pub n_mismatched: usize,
    /// Of which the annotator is not sure enough, or that show nothing it has a name for.
    pub n_unsure: usize,
}

/// Writes `align.jsonl` beside the `tasks.jsonl` of a collection: its edits with a true and a wrong caption.
///
/// # Errors
/// A confidence out of range, a folder without a collection, pictures that are missing, a file that cannot be written, and
/// a collection of which no picture can be described.
pub fn align(
    config: AlignConfig,
    world: &World,
    annotator: &Simulated<'_>,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<AlignReport> {
    if !(0.0..1.0).contains(&config.min_confidence) {
        return Err(TrainError::config("min_confidence", config.min_confidence, "0 or more and below 1"));
    }
    let tasks = preference::read(&folder.join(TASKS))?;
    let (mut records, mut report) = (Vec::new(), AlignReport::default());
    for (index, task) in tasks.iter().enumerate() {
        progress.on_prepare("looking at candidates", index, tasks.len());
        let Some(source) = task.source.as_ref().filter(|source| source.task == Task::Edit) else { continue };
        let edit_mask = Mask::open(&folder.join(&source.mask))?;
        let Some(asked) = asked_noun(world, &task.prompt) else { continue };
        for candidate in &task.candidates {
            let picture = Rgb8::open(&folder.join(&candidate.path))?;
            let seen = annotator.log_probabilities(&edit_mask, &picture);
            let Some([first, second]) = nouns(world, &seen, config.min_confidence) else {
                report.n_unsure += 1;
                continue;
            };
            let is_match = first == asked;
            report.n_matching += usize::from(is_match);
            report.n_mismatched += usize::from(!is_match);
            let of = |noun: &str| renamed(&task.prompt, asked, noun);
            let worse = if is_match { of(second) } else { task.prompt.clone() };
            records.push(CaptionRecord {
                image: candidate.path.clone(),
                mask: Some(source.mask.clone()),
                better: of(first),
                worse: vec![worse],
                annotator: Some("simulated-align".to_owned()),
            });
        }
    }
    if records.is_empty() {
        let limit = "1 or more; collect more candidates, or lower the confidence";
        return Err(TrainError::config("the number of pictures that can be described", 0, limit));
    }
    captions::write(&folder.join("align.jsonl"), &records)?;
    Ok(report)
}

/// The name of the concept that a prompt of the world asks for: the longest that it ends with.
fn asked_noun<'a>(world: &'a World, prompt: &str) -> Option<&'a str> {
    let names = world.concepts().iter().map(|concept| concept.name.as_str());
    names.filter(|name| is_last(prompt, name)).max_by_key(|name| name.len())
}

fn is_last(prompt: &str, noun: &str) -> bool {
    prompt.strip_suffix(noun).is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
}

/// What is seen, if the annotator is sure of it, and what would be next.
fn nouns<'a>(world: &'a World, seen: &[f32], min_confidence: f64) -> Option<[&'a str; 2]> {
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_by(|&a, &b| seen[b].total_cmp(&seen[a]));
    let name = |label: usize| world.concepts().get(label).map(|concept| concept.name.as_str());
    let first = name(order[0]).filter(|_| f64::from(seen[order[0]]).exp() >= min_confidence)?;
    Some([first, order[1..].iter().find_map(|&label| name(label))?])
}

/// The prompt with another noun, and the article that this one has.
fn renamed(prompt: &str, from: &str, to: &str) -> String {
    let before = prompt.strip_suffix(from).unwrap_or(prompt);
    let bare = before.strip_prefix("an ").or_else(|| before.strip_prefix("a "));
    match bare {
        Some(bare) => with_article(&format!("{bare}{to}")),
        None => format!("{before}{to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_is_exchanged_with_its_article() {
        assert_eq!(renamed("a red apple", "apple", "fire truck"), "a red fire truck");
        assert_eq!(renamed("an apple", "apple", "hat"), "a hat");
        assert_eq!(renamed("a hat", "hat", "umbrella"), "an umbrella");
        assert_eq!(renamed("red hat", "hat", "umbrella"), "red umbrella");
        assert!(is_last("a hot dog", "hot dog") && !is_last("a hotdog", "dog") && is_last("dog", "dog"));
    }
}
