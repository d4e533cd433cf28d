//! Captions for candidates: badly matched pairs of a picture and a prompt, with what the picture shows instead.
//!
//! Where the paper has CLIP and a language model, the annotator's classifier does both: a candidate in which it sees another
//! thing than was asked for is described by that, in the words of the prompt, so that captions differ in their noun alone and
//! none is better by its style. By its noun it may be: what the editor never manages is never better. Wrong captions have the
//! nouns of what was asked for in vain, of what the classifier would have named next, and of things that it thinks less of.

use std::collections::BTreeSet;
use std::path::Path;

use byteedit_data::captions::{self, CaptionRecord};
use byteedit_data::preference;
use byteedit_data::world::with_article;
use byteedit_data::{Mask, Rgb8, Task, World};
use serde::{Deserialize, Serialize};

use super::{ALIGN, MAX_WRONG};
use crate::feedback::Simulated;
use crate::progress::Progress;
use crate::run::TASKS;
use crate::{Result, TrainError};

/// Which pictures get captions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignConfig {
    /// Least probability of what the annotator sees.
    pub min_confidence: f64,
    /// Wrong captions of each picture.
    pub n_wrong: usize,
}

impl Default for AlignConfig {
    fn default() -> Self {
        Self { min_confidence: 0.3, n_wrong: 4 }
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
    if !(1..=MAX_WRONG).contains(&config.n_wrong) {
        return Err(TrainError::config("n_wrong", config.n_wrong, format!("from 1 to {MAX_WRONG}")));
    }
    let tasks = preference::read(&folder.join(TASKS))?;
    let (mut records, mut report) = (Vec::new(), AlignReport::default());
    for (index, task) in tasks.iter().enumerate() {
        progress.on_prepare("looking at candidates", index, tasks.len());
        let Some(source) = task.source.as_ref().filter(|source| source.task == Task::Edit) else { continue };
        let edit_mask = Mask::open(&folder.join(&source.mask))?;
        let name = |label: usize| world.concepts().get(label).map(|concept| concept.name.as_str());
        let Some(asked) = asked_noun(world, &task.prompt) else { continue };
        for candidate in &task.candidates {
            let picture = Rgb8::open(&folder.join(&candidate.path))?;
            let seen = annotator.log_probabilities(&edit_mask, &picture);
            let order = by_probability(&seen);
            let sure = f64::from(seen[order[0]]).exp() >= config.min_confidence;
            let Some(first) = name(order[0]).filter(|_| sure) else {
                report.n_unsure += 1;
                continue;
            };
            report.n_matching += usize::from(first == asked);
            report.n_mismatched += usize::from(first != asked);
            // What was asked for, what would be named next, and then every so manyth of the others.
            let step = (order.len() / (config.n_wrong + 1)).max(1);
            let others =
                std::iter::once(1).chain((1..).map(|place| place * step)).take_while(|&at| at < order.len());
            let mut nouns: Vec<&str> =
                std::iter::once(asked).chain(others.filter_map(|at| name(order[at]))).collect();
            let mut known = BTreeSet::from([first]);
            nouns.retain(|noun| known.insert(noun));
            nouns.truncate(config.n_wrong);
            let of = |noun: &str| renamed(&task.prompt, asked, noun);
            records.push(CaptionRecord {
                image: candidate.path.clone(),
                mask: Some(source.mask.clone()),
                better: of(first),
                worse: nouns.into_iter().map(of).collect(),
                annotator: Some("simulated-align".to_owned()),
            });
        }
    }
    if records.is_empty() {
        let limit = "1 or more; collect more candidates, or lower the confidence";
        return Err(TrainError::config("the number of pictures that can be described", 0, limit));
    }
    captions::write(&folder.join(ALIGN), &records)?;
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

/// Labels, the most probable first.
fn by_probability(seen: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_by(|&a, &b| seen[b].total_cmp(&seen[a]));
    order
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
