//! How good an edited picture is, as a number that can be differentiated in its pixels: the reward models of the
//! paper (Ren et al. 2024) and the published ones that stand in for them.
//!
//! | reward | looks at | the paper's |
//! |---|---|---|
//! | [`ImageReward`] | picture and prompt | `R_α`, and `R_β`, which "mirrors" it |
//! | [`CoherentReward`] | every pixel of the picture | `R_γ` |
//! | [`LaionAesthetic`] | picture | |
//! | [`PickScore`], [`Hps`] | picture and prompt | |
//!
//! All are [`Reward`]s: they take pictures as they are [`Shown`], at any size, and bring them to their network's size
//! themselves ([`preprocess`]), in training as in scoring, so that what is optimised is what is reported. [`losses`]
//! has the equations by which the paper's rewards are trained and used. [`open()`] tells by its files which one a
//! folder holds. [`ClipPair`] is what the last two stand on, and what finds pictures that fit their texts badly.

mod clip_pair;
mod coherent;
mod error;
mod hps;
mod image_reward;
mod laion;
pub mod losses;
mod open;
mod pick_score;
pub mod preprocess;
mod region;
mod reward;
mod score_mlp;
mod standardised;
pub mod window;

pub use clip_pair::ClipPair;
pub use coherent::{CoherentConfig, CoherentHead, CoherentNetwork, CoherentReward, roc_auc};
pub use error::{Result, RewardError};
pub use hps::Hps;
pub use image_reward::{BlipBody, ImageReward, ImageRewardConfig, ImageRewardNetwork, tokens};
pub use laion::{LaionAesthetic, LinearHead, LinearHeadConfig};
pub use open::{load_network, open, open_files};
pub use pick_score::PickScore;
pub use region::Region;
pub use reward::{Reward, Shown};
pub use score_mlp::{ScoreMlp, ScoreMlpConfig};
pub use standardised::{Standardisation, Standardised};
