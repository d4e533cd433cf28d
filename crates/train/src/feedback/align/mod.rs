//! `D_align`: pictures with a better caption and worse ones (Ren et al. 2024, Section 3.2), from two sources.
//!
//! The paper takes pictures that CLIP finds badly matched with their text from a large collection, and has a language model
//! write a better text. [`align_folder`] does so for a folder of pictures, with better captions from whoever wrote some;
//! [`align`] has the candidates of a collection instead, and a program that knows the mini world in the place of both models.

mod config;
mod exchange;
mod folder;
mod kept;
mod world;

pub use config::{FolderAlignConfig, FolderAlignReport};
pub use folder::{FolderAlignInputs, align_folder};
pub use world::{AlignConfig, AlignReport, align};

/// The file that is written into the folder.
pub const ALIGN: &str = "align.jsonl";
/// The folder beside it of what CLIP made of the pictures.
pub const ALIGN_KEPT: &str = "align.kept";
/// Most wrong captions of a picture.
const MAX_WRONG: usize = 64;
