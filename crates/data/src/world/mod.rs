//! The mini world: captioned objects on photographs, with an exact answer for every task.
//!
//! A scene is a photograph's crop (the background) and, usually, an object pasted on it with a soft
//! shadow (the composite). Inpainting, erasing and outpainting are three ways to ask about it:
//!
//! | task | the user's picture | edit mask | caption | truth |
//! |---|---|---|---|---|
//! | edit | background | covers object and shadow | "a red apple" | composite |
//! | erase | composite | covers object and shadow | "" | background |
//! | outpaint | composite, cut to a window | all but the window | of what is outside, or "" | composite |
//!
//! Splits are by photograph; where a concept has several renderings, the test split shows only the
//! one that training never sees.

mod answers;
mod background;
pub mod build;
mod caption;
mod concepts;
mod export;
mod glimpse;
mod load;
mod pack;
mod patch;
mod photos;
mod reference;
mod sample;
mod scene;
mod shadow;

use serde::{Deserialize, Serialize};

pub use answers::{AskedEdit, RightAnswers};
pub use build::{BuildReport, build};
pub use caption::with_article;
pub use export::write_samples;
pub use glimpse::{Glimpse, GlimpseSpec, Photos, View};
pub use load::{Concept, Renderings, World};
pub use photos::subject_of;
pub use reference::{Reference, structure_error};
pub use sample::{FRAME_SIDES, ObjectInfo, PairSpec, Sample, SampleSpec};
pub use scene::Untold;

/// What is asked of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Paint what the caption names into the mask.
    Edit,
    /// Remove what is under the mask.
    Erase,
    /// Continue the picture beyond a window.
    Outpaint,
}

/// Which photographs and renderings may appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For fitting weights.
    Train,
    /// For choosing checkpoints and settings.
    Validation,
    /// For reported figures: other photographs, other renderings.
    Test,
}

impl Split {
    /// Its name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}
