//! What comes back from an edit.

use std::fmt;
use std::ops::AddAssign;

use byteedit_image::{Encoding, Format, Parameters, Picture, Rect};
use serde::Serialize;

use crate::error::Result;
use crate::model::UnknownWord;
use crate::seam::Seam;

/// Edited pictures, and what the user should know about them.
#[derive(Clone, Debug)]
pub struct EditResult {
    /// One for each seed, in order.
    pub pictures: Vec<EditedPicture>,
    /// The parts of the picture that the model was shown, in order; empty where nothing was to do. For
    /// an outpainting, in the coordinates of the enlarged picture.
    pub regions: Vec<Rect>,
    /// How many times the model's result was enlarged, in the region where it was most; 0 where nothing
    /// was to do.
    pub enlargement: f64,
    /// The part of the result that was to be repainted, 0 to 1, growth and feather included.
    pub repainted: f64,
    /// What may not be as the user expects.
    pub warnings: Vec<Warning>,
    /// Where the time went, over all pictures.
    pub timings: Timings,
    /// What the networks did, over all pictures.
    pub work: Work,
}

/// One edited picture.
#[derive(Clone, Debug)]
pub struct EditedPicture {
    /// The picture, at the source's depth and channels, with its metadata.
    pub picture: Picture,
    /// Its seed.
    pub seed: u64,
    /// How visible the edge of the edit is; `None` without such an edge.
    pub seam: Option<Seam>,
    /// Prompt and settings, as A1111 writes them.
    pub parameters: Parameters,
}

impl EditedPicture {
    /// The file's content in `format`, with the `parameters` text.
    ///
    /// # Errors
    /// [`crate::EditError::Image`] if the format cannot hold the picture.
    pub fn encode(&self, format: Format) -> Result<Vec<u8>> {
        let encoding = Encoding::new(format).with_text(Parameters::KEYWORD, self.parameters.to_text());
        Ok(byteedit_image::encode(&self.picture, &encoding)?)
    }
}

/// Seconds spent on each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Prompts and pictures to tensors.
    pub encode_sec: f64,
    /// The denoise loop.
    pub denoise_sec: f64,
    /// Latents to pictures.
    pub decode_sec: f64,
    /// Cutting out, matching colours, pasting.
    pub compose_sec: f64,
}

impl Timings {
    /// All stages together.
    pub fn total_sec(&self) -> f64 {
        self.encode_sec + self.denoise_sec + self.decode_sec + self.compose_sec
    }
}

impl AddAssign for Timings {
    fn add_assign(&mut self, other: Self) {
        self.encode_sec += other.encode_sec;
        self.denoise_sec += other.denoise_sec;
        self.decode_sec += other.decode_sec;
        self.compose_sec += other.compose_sec;
    }
}

/// What the networks of a model did: the cost of an edit, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Texts that the text encoder read.
    pub n_texts: usize,
    /// Pictures that the autoencoder encoded.
    pub n_encoded: usize,
    /// Calls of the U-Net.
    pub n_evaluations: usize,
    /// Latents in all those calls together; under guidance two for each picture.
    pub n_evaluated: usize,
    /// Pictures that the autoencoder decoded.
    pub n_decoded: usize,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.n_texts += other.n_texts;
        self.n_encoded += other.n_encoded;
        self.n_evaluations += other.n_evaluations;
        self.n_evaluated += other.n_evaluated;
        self.n_decoded += other.n_decoded;
    }
}

/// Something that may not be as the user expects. Its text is a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// The mask repaints nothing, or the strength is 0: the result is the picture.
    NothingToDo,
    /// The mask repaints everything, so nothing of the picture guides the model.
    NothingKept,
    /// The result is enlarged more than twice, and so visibly softer than the picture.
    Enlarged {
        /// How many times.
        factor: f64,
        /// The side of the model's canvas in pixels.
        resolution: usize,
    },
    /// There is a negative prompt, but no guidance to steer away from it.
    NegativePromptUnused {
        /// The guidance scale, at most 1.
        guidance_scale: f64,
    },
    /// The end of the prompt was not read.
    PromptTruncated {
        /// Tokens left out.
        n_left_out: usize,
        /// Tokens that the text encoder reads, begin and end included.
        max_length: usize,
    },
    /// The model was never shown this word.
    UnknownWord(UnknownWord),
    /// The picture's colour profile is broken and was taken for sRGB.
    ProfileIgnored {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToDo => f.write_str("nothing was to be repainted; the result is the picture itself"),
            Self::NothingKept => {
                f.write_str("the mask covers everything, so nothing of the picture guides the model")
            }
            Self::Enlarged { factor, resolution } => write!(
                f,
                "the result is enlarged {factor:.1} times from the model's {resolution} px, so it is softer than the \
                 picture; a smaller mask or padding is sharper"
            ),
            Self::NegativePromptUnused { guidance_scale } => write!(
                f,
                "the negative prompt has no effect at a guidance scale of {guidance_scale}; it needs one above 1"
            ),
            Self::PromptTruncated { n_left_out: 1, max_length } => {
                write!(f, "the last token of the prompt was not read; the model reads {max_length}")
            }
            Self::PromptTruncated { n_left_out, max_length } => write!(
                f,
                "the last {n_left_out} tokens of the prompt were not read; the model reads {max_length}"
            ),
            Self::UnknownWord(UnknownWord { word, nearest }) if nearest.is_empty() => {
                write!(f, "the model was never shown `{word}`")
            }
            Self::UnknownWord(UnknownWord { word, nearest }) => {
                write!(f, "the model was never shown `{word}`; near to it: {}", nearest.join(", "))
            }
            Self::ProfileIgnored { reason } => {
                write!(f, "the picture's colour profile is not used ({reason}); it was taken for sRGB")
            }
        }
    }
}
