//! Questions with their exact answers, drawn from the world one by one.

use byteedit_data::mask::InstanceMasks;
use byteedit_data::world::subject_of;
use byteedit_data::{MaskStrategy, Sample, SampleSpec, View, World, first_digits};
use byteedit_image::{Mask, Size, UnitImage};
use sha2::{Digest, Sha256};

use crate::config::EvalConfig;
use crate::error::{EvalError, Result};
use crate::judge::rgb8;
use crate::section::Section;

/// Samples looked at for each that is wanted. About one outpainting sample in eight has a prompt.
const MAX_TRIES: u64 = 200;

/// One question with its exact answer, in the form that editors and metrics take.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Index of the sample in the world's set for this task, split and seed.
    pub index: u64,
    /// The picture to edit.
    pub input: UnitImage,
    /// Where to repaint.
    pub edit_mask: Mask,
    /// What belongs there, or "".
    pub prompt: String,
    /// The right answer; equal to the input outside the mask.
    pub truth: UnitImage,
    /// The solid pixels of the scene's object, if it has one: an object of the truth, or of the input
    /// where the task is to erase it.
    pub object: Option<Mask>,
    /// That object's index into [`World::concepts`].
    pub concept: Option<usize>,
    /// Whether the photograph itself shows a concept as its subject, so that who says "nothing" of it is not
    /// right.
    pub is_subject_photographed: bool,
    /// Seed of the noise.
    pub seed: u64,
}

impl Case {
    fn new(index: u64, sample: Sample, seed: u64) -> Result<Self> {
        let Sample { input, edit_mask, truth, caption, object, photo, .. } = sample;
        let size = Size::new(truth.width, truth.height);
        let image = |data: Vec<u8>| {
            UnitImage::new(size, data.into_iter().map(|sample| f32::from(sample) / 255.0).collect())
        };
        Ok(Self {
            index,
            input: image(input.data)?,
            edit_mask: Mask::new(size, edit_mask.values)?,
            prompt: caption,
            truth: image(truth.data)?,
            concept: object.as_ref().map(|object| object.concept),
            object: object.map(|object| Mask::new(size, object.mask.values)).transpose()?,
            is_subject_photographed: subject_of(&photo).is_some(),
            seed: seed.wrapping_add(index),
        })
    }
}

impl Case {
    /// The square that a judge is shown of this case's pictures: around the edit mask.
    pub fn view(&self) -> View {
        let frame = self.edit_mask.width();
        let view = |found: byteedit_image::Rect| {
            let byteedit_image::Rect { x, y, width, height } = found;
            View::around(byteedit_data::Rect { x, y, width, height }, frame)
        };
        self.edit_mask.bounding_box().map_or_else(|| View::whole(frame), view)
    }

    /// What tells the question from all others: its pictures, its prompt, its noise.
    pub(crate) fn key(&self) -> String {
        let Self {
            index,
            input,
            edit_mask,
            prompt,
            truth,
            object: _,
            concept,
            is_subject_photographed,
            seed,
        } = self;
        let mut hash = Sha256::new();
        hash.update(format!("{index} {seed} {concept:?} {is_subject_photographed} {prompt}\n"));
        hash.update(rgb8(input).data);
        hash.update(edit_mask.values());
        hash.update(rgb8(truth).data);
        first_digits(hash.finalize())
    }
}

/// Masks of a section. An edit is asked for in a box that was cut for another object, so that no outline
/// tells what belongs into it.
fn masks(section: Section) -> MaskStrategy {
    let instance = match section {
        Section::Edit => InstanceMasks::other_boxes(),
        Section::Erase | Section::OutpaintPrompt | Section::OutpaintFree => InstanceMasks::default(),
    };
    MaskStrategy { instance, ..MaskStrategy::default() }
}

/// The first `n_samples` cases of a section, in the world's order. It ends early with an error only.
#[derive(Clone, Debug)]
pub struct Cases<'a> {
    world: &'a World,
    section: Section,
    spec: SampleSpec,
    masks: MaskStrategy,
    n_wanted: usize,
    n_found: usize,
    next_index: u64,
}

impl<'a> Cases<'a> {
    /// The cases that `config` asks for.
    pub fn new(world: &'a World, section: Section, config: &EvalConfig) -> Self {
        let spec = SampleSpec::new(section.task(), config.split, config.seed);
        let spec = SampleSpec { size: config.picture_size, ..spec };
        Self {
            world,
            section,
            spec,
            masks: masks(section),
            n_wanted: config.n_samples,
            n_found: 0,
            next_index: 0,
        }
    }

    fn find(&mut self) -> Result<Case> {
        let tried = MAX_TRIES * self.n_wanted as u64;
        while self.next_index < tried {
            let index = self.next_index;
            self.next_index += 1;
            let sample = self.world.sample_with(&self.spec, &self.masks, index)?;
            if self.section.accepts(&sample) {
                return Case::new(index, sample, self.spec.seed);
            }
        }
        let (section, found, wanted) = (self.section.name(), self.n_found, self.n_wanted);
        Err(EvalError::TooFewSamples { section, found, wanted, tried })
    }
}

impl Iterator for Cases<'_> {
    type Item = Result<Case>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.n_found == self.n_wanted {
            return None;
        }
        let case = self.find();
        self.n_found = if case.is_ok() { self.n_found + 1 } else { self.n_wanted };
        Some(case)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use byteedit_data::Split;

    use super::*;

    fn world() -> World {
        let pack: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "..", "..", "assets", "world", "world.pack"].iter().collect();
        World::open(&pack).expect("the committed pack can be read")
    }

    #[test]
    fn every_section_asks_its_own_kind_of_question() {
        let world = world();
        let config = EvalConfig { n_samples: 4, picture_size: 32, seed: 3, ..EvalConfig::new(Split::Test) };
        for section in Section::ALL {
            let cases: Vec<Case> = Cases::new(&world, section, &config).map(Result::unwrap).collect();
            assert_eq!(cases.len(), 4);
            for case in &cases {
                let has_prompt = matches!(section, Section::Edit | Section::OutpaintPrompt);
                assert_eq!(!case.prompt.is_empty(), has_prompt, "{section:?}: {}", case.prompt);
                assert_eq!(case.seed, 3 + case.index);
                let pixels = case.input.data().chunks_exact(3).zip(case.truth.data().chunks_exact(3));
                let mut kept = pixels.zip(case.edit_mask.repaints()).filter(|(_, repaint)| !repaint);
                assert!(kept.all(|((input, truth), _)| input == truth));
                assert_eq!(case.concept.is_some(), case.object.is_some());
                if section == Section::Edit {
                    let around = case.edit_mask.bounding_box().unwrap();
                    assert_eq!(Mask::from_rect(case.edit_mask.size(), around).unwrap(), case.edit_mask);
                }
                if has_prompt {
                    assert!(case.object.as_ref().is_some_and(|object| !object.is_empty()));
                }
            }
            assert!(cases.windows(2).all(|pair| pair[0].index < pair[1].index));
            let first = Cases::new(&world, section, &config).next().unwrap().unwrap();
            assert_eq!(first, cases[0]);
        }
    }

    #[test]
    fn a_world_that_runs_dry_is_an_error_and_the_end() {
        let world = world();
        let config = EvalConfig { n_samples: 2, picture_size: 32, ..EvalConfig::new(Split::Test) };
        let mut cases = Cases::new(&world, Section::OutpaintPrompt, &config);
        cases.next_index = 2 * MAX_TRIES;
        let message = cases.next().unwrap().unwrap_err().to_string();
        assert!(
            message.contains("only 0 of 2 samples for outpaint-prompt are among the first 400"),
            "{message}"
        );
        assert!(cases.next().is_none());
    }
}
