//! Held-out glimpses, what a classifier says of them, and a sheet of its mistakes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use burn::tensor::{Device, activation};
use byteedit_data::{Glimpse, GlimpseSpec, Photos, Renderings, Rgb8, World};
use byteedit_models::classifier::{Classifier, most_probable, pixels_from_rgb8};
use rayon::prelude::*;

use crate::Result;
use crate::files::write_atomically;
use crate::pictures::write_grid;

/// Glimpses that go through the network at once.
const BATCH: usize = 64;
/// Mistakes on a sheet, and in a row of it.
const N_MISTAKES: usize = 64;
const N_COLUMNS: usize = 8;
/// Share of an exam's glimpses that show nothing.
const P_NOTHING: f32 = 0.2;

/// Glimpses with their right answers.
pub(super) struct Exam {
    pictures: Vec<Rgb8>,
    /// Index of the right label.
    answers: Vec<usize>,
}

/// What a classifier said of one glimpse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) right: usize,
    pub(super) said: usize,
    /// The probability of what it said, and of the right answer.
    confidence: f32,
    p_right: f32,
}

impl Exam {
    /// `n` glimpses like those of a training, a fifth of them of nothing, on photographs that no training
    /// shows.
    pub(super) fn usual(world: &World, training: &GlimpseSpec, n: usize) -> Result<Self> {
        let spec = GlimpseSpec { photos: Photos::Validation, p_nothing: P_NOTHING, ..*training };
        Ok(Self::of(glimpses(world, &spec, 0..n as u64)?, world))
    }

    /// Those of `n` objects of which the training keeps a rendering back, shown by that rendering; `None`
    /// for a training on every rendering.
    pub(super) fn held_out(world: &World, training: &GlimpseSpec, n: usize) -> Result<Option<Self>> {
        if training.renderings == Renderings::Every {
            return Ok(None);
        }
        let (photos, renderings) = (Photos::Validation, Renderings::HeldOut);
        let spec = GlimpseSpec { photos, renderings, p_nothing: 0.0, ..*training };
        let mut glimpses = glimpses(world, &spec, 0..n as u64)?;
        glimpses
            .retain(|glimpse| glimpse.concept.is_some_and(|concept| world.has_held_out_rendering(concept)));
        Ok(Some(Self::of(glimpses, world)))
    }

    fn of(glimpses: Vec<Glimpse>, world: &World) -> Self {
        let answers = glimpses.iter().map(|glimpse| label_of(glimpse, world)).collect();
        Self { pictures: glimpses.into_iter().map(|glimpse| glimpse.picture).collect(), answers }
    }

    /// Asks a model without a gradient tape.
    pub(super) fn answered<C: Classifier>(&self, model: &C, device: &Device) -> Vec<Answer> {
        let ask = |(pictures, answers): (&[Rgb8], &[usize])| {
            let samples = pictures.iter().map(|picture| picture.data.as_slice());
            let pixels = pixels_from_rgb8(samples, C::side(model.config()), device);
            let logits = model.logits(model.features(pixels));
            let [_, n_labels] = logits.dims();
            let data = activation::softmax(logits, 1).into_data().convert::<f32>();
            let values = data.as_slice::<f32>().expect("converted to f32 just above");
            let rows = values.chunks_exact(n_labels).zip(answers);
            rows.map(|(row, &right)| Answer::of(row, right)).collect::<Vec<_>>()
        };
        self.pictures.chunks(BATCH).zip(self.answers.chunks(BATCH)).flat_map(ask).collect()
    }

    /// Writes the most confident mistakes as a grid, and beside it a text that says, row by row, what each
    /// is and was taken for.
    pub(super) fn write_mistakes(&self, answers: &[Answer], labels: &[String], path: &Path) -> Result<()> {
        let mut wrong: Vec<usize> =
            (0..answers.len()).filter(|&at| answers[at].said != answers[at].right).collect();
        wrong.sort_by(|&a, &b| answers[b].confidence.total_cmp(&answers[a].confidence));
        let mut text = format!("{} mistakes in {}\n", wrong.len(), answers.len());
        wrong.truncate(N_MISTAKES);
        for (place, &at) in wrong.iter().enumerate() {
            let Answer { right, said, confidence, p_right } = answers[at];
            let (row, column) = (place / N_COLUMNS + 1, place % N_COLUMNS + 1);
            let (said, right) = (&labels[said], &labels[right]);
            writeln!(
                text,
                "row {row}, column {column}: {right} ({p_right:.2}), taken for {said} ({confidence:.2})"
            )
            .expect("a string takes any text");
        }
        let shown: Vec<Rgb8> = wrong.iter().map(|&at| self.pictures[at].clone()).collect();
        if !shown.is_empty() {
            write_grid(path, &shown, N_COLUMNS)?;
        }
        write_atomically(&path.with_extension("txt"), text.as_bytes())
    }
}

impl Answer {
    fn of(probabilities: &[f32], right: usize) -> Self {
        let said = most_probable(probabilities);
        Self { right, said, confidence: probabilities[said], p_right: probabilities[right] }
    }
}

/// Share of right answers; of none it is 0.
pub(super) fn accuracy<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> f64 {
    let (n_right, n) = answers.into_iter().fold((0_usize, 0_usize), |(n_right, n), answer| {
        (n_right + usize::from(answer.said == answer.right), n + 1)
    });
    n_right as f64 / n.max(1) as f64
}

/// Mean of `-ln p` of the right answer.
pub(super) fn cross_entropy(answers: &[Answer]) -> f64 {
    let sum: f64 = answers.iter().map(|answer| -f64::from(answer.p_right.max(f32::MIN_POSITIVE)).ln()).sum();
    sum / answers.len().max(1) as f64
}

/// Accuracy on each right answer by its label.
pub(super) fn accuracy_by_label(answers: &[Answer], labels: &[String]) -> BTreeMap<String, f64> {
    let of_label = |label: usize| answers.iter().filter(move |answer| answer.right == label);
    let shown = (0..labels.len()).filter(|&label| of_label(label).next().is_some());
    shown.map(|label| (labels[label].clone(), accuracy(of_label(label)))).collect()
}

/// Index of a glimpse's label: that of its concept, or the last, which says nothing.
pub(super) fn label_of(glimpse: &Glimpse, world: &World) -> usize {
    glimpse.concept.unwrap_or(world.concepts().len())
}

/// Glimpses by their indices.
pub(super) fn glimpses(
    world: &World,
    spec: &GlimpseSpec,
    indices: std::ops::Range<u64>,
) -> Result<Vec<Glimpse>> {
    indices.into_par_iter().map(|index| Ok(world.glimpse(spec, index)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Vec<Answer> {
        vec![
            Answer::of(&[0.7, 0.2, 0.1], 0),
            Answer::of(&[0.1, 0.6, 0.3], 0),
            Answer::of(&[0.0, 0.1, 0.9], 2),
            Answer::of(&[0.5, 0.5, 0.0], 1),
        ]
    }

    #[test]
    fn shares_and_entropy_have_their_closed_forms() {
        let labels = ["a", "b", "nothing"].map(str::to_owned);
        assert!((accuracy(&answers()) - 0.5).abs() < 1e-12);
        let expected = -(0.7_f64.ln() + 0.1_f64.ln() + 0.9_f64.ln() + 0.5_f64.ln()) / 4.0;
        assert!((cross_entropy(&answers()) - expected).abs() < 1e-6);
        let by_label = accuracy_by_label(&answers(), &labels);
        assert_eq!(by_label.values().copied().collect::<Vec<_>>(), [0.5, 0.0, 1.0]);
        assert!(accuracy(&[]).abs() < 1e-12);
    }

    #[test]
    fn the_worst_mistakes_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mistakes.png");
        let labels = ["a", "b", "nothing"].map(str::to_owned);
        let exam = Exam { pictures: vec![Rgb8::filled(4, 4, [9; 3]); 4], answers: vec![0, 0, 2, 1] };
        exam.write_mistakes(&answers(), &labels, &path).unwrap();
        let text = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "2 mistakes in 4");
        assert_eq!(lines[1], "row 1, column 1: a (0.10), taken for b (0.60)");
        assert_eq!(lines[2], "row 1, column 2: b (0.50), taken for a (0.50)");
        assert!(path.is_file());
    }
}
