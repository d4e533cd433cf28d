//! Everything that is right in answer to a question of the world, to hold what was painted against the nearest of it.

use super::World;
use super::reference::{Reference, structure_error};
use crate::mask::Mask;
use crate::{ColorWord, Rgb8};

/// An edit with its exact answer, as far as other right answers depend on it. Pictures and mask are of one size, and
/// square.
#[derive(Clone, Copy, Debug)]
pub struct AskedEdit<'a> {
    /// The picture before the edit.
    pub input: &'a Rgb8,
    /// Where to repaint.
    pub edit_mask: &'a Mask,
    /// What was asked for, as the world writes captions.
    pub caption: &'a str,
    /// Index into [`World::concepts`] of what the caption names.
    pub concept: usize,
    /// The exact answer.
    pub truth: &'a Rgb8,
}

/// The right answers to a question: its truth, and to an edit [`World::references`] too.
#[derive(Clone, Debug)]
pub struct RightAnswers<'a> {
    references: Vec<Reference>,
    truth: &'a Rgb8,
    edit_mask: &'a Mask,
}

impl World {
    /// The right answers to an edit: the truth, and every rendering of the concept that training may see in the middle of
    /// the mask's box, in the colour of the caption if it says one; the truth alone if the mask is empty.
    ///
    /// # Panics
    /// If there is no such concept, or if pictures and mask are not of one size and square.
    pub fn right_answers<'a>(&self, edit: &AskedEdit<'a>) -> RightAnswers<'a> {
        let AskedEdit { input, edit_mask, caption, concept, truth } = *edit;
        let color = ColorWord::in_caption(caption);
        let references = edit_mask.bounding_box().map(|hole| self.references(concept, color, input, hole));
        RightAnswers { references: references.unwrap_or_default(), truth, edit_mask }
    }
}

impl<'a> RightAnswers<'a> {
    /// Of a question with one right answer: an erasure, an outpainting.
    pub const fn of_truth(truth: &'a Rgb8, edit_mask: &'a Mask) -> Self {
        Self { references: Vec::new(), truth, edit_mask }
    }

    /// The distance of a painted picture to the nearest of them under the mask ([`structure_error`], 0 at best), and which
    /// reference that is; `None` where it is the truth itself.
    ///
    /// # Panics
    /// If the picture is of another size than the answers.
    pub fn nearest(&self, painted: &Rgb8) -> (f32, Option<&Reference>) {
        let error = |answer: &Rgb8| structure_error(painted, answer, self.edit_mask);
        let references = self.references.iter().map(|reference| (error(&reference.picture), Some(reference)));
        let answers = references.chain([(error(self.truth), None)]);
        answers.min_by(|a, b| a.0.total_cmp(&b.0)).expect("the truth is one of them; this is a bug")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{SampleSpec, Split, Task};

    #[test]
    fn the_nearest_of_several_right_answers_counts() {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack");
        let world = World::open(&pack).unwrap();
        let sample = world.sample(&SampleSpec::new(Task::Edit, Split::Train, 5), 3).unwrap();
        let edit = AskedEdit {
            input: &sample.input,
            edit_mask: &sample.edit_mask,
            caption: &sample.caption,
            concept: sample.object.as_ref().unwrap().concept,
            truth: &sample.truth,
        };
        let answers = world.right_answers(&edit);
        assert!(!answers.references.is_empty());
        for reference in &answers.references {
            let (error, found) = answers.nearest(&reference.picture);
            assert!(error.abs() < f32::EPSILON && found.is_some(), "{error}");
        }
        let (error, found) = answers.nearest(&sample.truth);
        assert!(error.abs() < f32::EPSILON && found.is_none(), "the truth has a shadow, no reference has");
        // With one right answer, another rendering of it is an error.
        let alone = RightAnswers::of_truth(&sample.truth, &sample.edit_mask);
        let (error, found) = alone.nearest(&answers.references[0].picture);
        assert!(error > 0.0 && found.is_none());
    }
}
