//! The one error type of this crate. Every message names the value, the limit and the remedy.

use byteedit_models::ModelError;
use thiserror::Error;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, RewardError>;

/// What can go wrong between a reward's files, what it is shown, and its score.
#[derive(Debug, Error)]
pub enum RewardError {
    /// The files of a network or of its tokenizer.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Pictures or masks of a shape that no reward takes.
    #[error("{what} of shape {found:?} cannot be judged; it must be {wanted}")]
    Shape {
        /// Pictures or masks.
        what: &'static str,
        /// The shape given.
        found: [usize; 4],
        /// The shape needed, in words.
        wanted: String,
    },
    /// Pictures that make no batch.
    #[error("a picture or mask of {other} px among pictures of {size} px; score those of one size together")]
    Sizes {
        /// Of the first picture.
        size: byteedit_image::Size,
        /// Of the one that differs.
        other: byteedit_image::Size,
    },
    /// Not one prompt for each picture.
    #[error(
        "{n_prompts} prompts for {n_pictures} pictures; give one for each, an empty one where there is none"
    )]
    Prompts {
        /// Prompts given.
        n_prompts: usize,
        /// Pictures given.
        n_pictures: usize,
    },
    /// A score under the mask of a picture that has nothing under it.
    #[error(
        "nothing is under the mask of picture {item}, counted from 0, so there is nothing to judge; mark what was \
         repainted, or judge the whole picture"
    )]
    EmptyMask {
        /// Which picture of the batch.
        item: usize,
    },
    /// A tokenizer and a text encoder that were not made for each other.
    #[error(
        "the tokenizer has {what} up to {found}, but the text encoder only up to {limit}; both must be of the same \
         checkpoint"
    )]
    Tokenizer {
        /// Ids or lengths.
        what: &'static str,
        /// The tokenizer's.
        found: usize,
        /// The text encoder's.
        limit: usize,
    },
    /// A folder or some files that hold no reward, or more than one.
    #[error(
        "it cannot be told which reward {place} holds: {reason}; a trained one has a config.json with `blip_config` or \
         `dinov2_config`, a published one is ImageReward.pt with its vocab.txt, or a CLIPModel with its tokenizer, for \
         PickScore alone, else with HPS*.pt, *_linear.pth or *linearMSE.pth beside it"
    )]
    Unknown {
        /// The folder, or what the files are called.
        place: String,
        /// What is missing, or wrong.
        reason: String,
    },
    /// A folder with the network of another reward than is needed.
    #[error("{place} holds `{found}`, but `{wanted}` is needed; name the folder of one")]
    OtherClass {
        /// The folder.
        place: String,
        /// The class that lies in it.
        found: &'static str,
        /// The class that should.
        wanted: &'static str,
    },
    /// Scores that no mean and deviation can be taken of.
    #[error(
        "{n_scores} scores with a standard deviation of {std} cannot be standardised; give two or more that differ"
    )]
    Spread {
        /// Scores given.
        n_scores: usize,
        /// Their standard deviation.
        std: f64,
    },
}
