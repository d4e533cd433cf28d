//! An annotator who knows the right answer: measured, no person's opinion, and of no use on real photographs.

use burn::tensor::Device;
use burn::tensor::activation::log_softmax;
use byteedit_data::color::measure;
use byteedit_data::world::{AskedEdit, RightAnswers, subject_of};
use byteedit_data::{ColorWord, Mask, Rgb8, Task, View, World};
use byteedit_image::seam;
use byteedit_models::Component;
use byteedit_models::classifier::{Annotator, Classifier, NOTHING, pixels_from_rgb8};
use serde::{Deserialize, Serialize};

use super::asked::Asked;
use crate::pictures::unit_from_rgb8;
use crate::{Result, TrainError};

/// What another colour than the one that was asked for costs, in nats: as much as a tenfold doubt in the object.
const WRONG_COLOR: f64 = std::f64::consts::LN_10;

/// What is asked of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// How near it is to a right answer, in colours and edges.
    Structure,
    /// Whether it shows what was asked for, in the colour that was asked for.
    Obedience,
    /// Whether the edge of the mask shows.
    Coherence,
}

impl Opinion {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Structure, Self::Obedience, Self::Coherence];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Obedience => "obedience",
            Self::Coherence => "coherence",
        }
    }
}

/// What is measured of one candidate; more is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Minus the distance under the mask to the nearest right answer ([`structure_error`](byteedit_data::world::structure_error)), 0 at best.
    pub structure: f64,
    /// Logarithm of the probability that the annotator's classifier gives to what belongs there, less ln 10 for a wrong
    /// colour, 0 at best. Always 0 where nothing was asked for by name and nothing was to vanish, or where the photograph
    /// itself shows a concept.
    pub obedience: f64,
    /// Minus the offset of colour and the error of the jump along the mask's edge ([`seam::color_error`] and
    /// [`seam::gradient_error`]), in levels, 0 at best.
    pub coherence: f64,
}

impl Verdict {
    /// One of the three.
    pub fn of(self, opinion: Opinion) -> f64 {
        match opinion {
            Opinion::Structure => self.structure,
            Opinion::Obedience => self.obedience,
            Opinion::Coherence => self.coherence,
        }
    }
}

/// The annotator.
#[derive(Debug)]
pub struct Simulated<'a> {
    world: &'a World,
    network: &'a Annotator,
    device: &'a Device,
}

impl<'a> Simulated<'a> {
    /// # Errors
    /// [`TrainError::Config`] if the network was taught other words than the world has.
    pub fn new(world: &'a World, network: &'a Annotator, device: &'a Device) -> Result<Self> {
        let expected = world.concepts().iter().map(|concept| concept.name.as_str()).chain([NOTHING]);
        let labels = Annotator::labels(network.config());
        if !labels.iter().map(String::as_str).eq(expected) {
            let limit =
                "those of the world's concepts and \"nothing\"; train it again with `train annotator`";
            return Err(TrainError::config("the annotator's labels", labels.len(), limit));
        }
        Ok(Self { world, network, device })
    }

    /// What a candidate of a task is worth.
    pub(super) fn verdict(&self, asked: &Asked, painted: &Rgb8) -> Result<Verdict> {
        let (structure, silhouette) = self.structure(asked, painted);
        Ok(Verdict {
            structure: -f64::from(structure),
            obedience: self.obedience(asked, painted, &silhouette),
            coherence: -seam_error(asked, painted)?,
        })
    }

    /// The distance to the nearest right answer, and where that one's object is.
    fn structure(&self, asked: &Asked, painted: &Rgb8) -> (f32, Mask) {
        let sample = &asked.sample;
        let hole = &sample.edit_mask;
        let Some(object) = sample.object.as_ref().filter(|_| asked.task == Task::Edit) else {
            let (error, _) = RightAnswers::of_truth(&sample.truth, hole).nearest(painted);
            return (error, Mask::empty(hole.width, hole.height));
        };
        let edit = AskedEdit {
            input: &sample.input,
            edit_mask: hole,
            caption: &sample.caption,
            concept: object.concept,
            truth: &sample.truth,
        };
        let answers = self.world.right_answers(&edit);
        let (error, reference) = answers.nearest(painted);
        (error, reference.map_or(&object.mask, |reference| &reference.silhouette).clone())
    }

    /// What its classifier gives to each concept of the world, and to nothing, around a mask: logarithms of
    /// probabilities.
    pub(crate) fn log_probabilities(&self, edit_mask: &Mask, painted: &Rgb8) -> Vec<f32> {
        let frame = painted.width;
        let view =
            edit_mask.bounding_box().map_or_else(|| View::whole(frame), |rect| View::around(rect, frame));
        let side = Annotator::side(self.network.config());
        let shown = view.of(painted, side);
        let pixels = pixels_from_rgb8([shown.data.as_slice()], side, self.device);
        let logits = self.network.logits(self.network.features(pixels));
        log_softmax(logits, 1).into_data().iter::<f32>().collect()
    }

    fn obedience(&self, asked: &Asked, painted: &Rgb8, silhouette: &Mask) -> f64 {
        let sample = &asked.sample;
        let nothing = self.world.concepts().len();
        let label = match (asked.task, &sample.object) {
            // A photograph whose subject is a concept is not one of nothing.
            (Task::Erase, _) if subject_of(&sample.photo).is_none() => nothing,
            (Task::Edit | Task::Outpaint, Some(object)) if !sample.caption.is_empty() => object.concept,
            _ => return 0.0,
        };
        let values = self.log_probabilities(&sample.edit_mask, painted);
        let is_wrong = asked.task == Task::Edit
            && ColorWord::in_caption(&sample.caption)
                .is_some_and(|color| measure(painted, silhouette) != Some(color));
        f64::from(values[label]) - if is_wrong { WRONG_COLOR } else { 0.0 }
    }
}

/// How much the edge of the mask shows, in levels.
fn seam_error(asked: &Asked, painted: &Rgb8) -> Result<f64> {
    let sample = &asked.sample;
    let (painted, truth) = (unit_from_rgb8(painted)?, unit_from_rgb8(&sample.truth)?);
    let edit_mask = byteedit_image::Mask::new(truth.size(), sample.edit_mask.values.clone())?;
    let errors = [seam::color_error, seam::gradient_error].map(|error| error(&painted, &truth, &edit_mask));
    Ok(errors.into_iter().flatten().sum())
}
