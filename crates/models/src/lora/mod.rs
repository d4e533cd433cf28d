//! Low-rank adaptation of the U-Net and the text encoder (Hu et al. 2021, arXiv 2106.09685): branches beside chosen layers,
//! and the files in which the world keeps them.
//!
//! ```text
//!                   with_branches(config)                          branches ─► save ─► file
//! network ────────────────────────────────► network that learns ──┤
//!                                                                  merged ─► network without branches
//! file ─► Lora::read ─► attach (branches) or merge (weights), if every key has its layer
//! ```
//!
//! Layers are named as in diffusers, and chosen by the ends of their names, as PEFT does it.

mod branches;
mod config;
mod file;
mod keys;
mod layers;
mod metadata;
mod save;

pub use branches::{NamedBranch, branches, merged, with_branches};
pub use byteedit_nn::is_of_branch;
pub use config::LoraConfig;
pub use file::Lora;
pub use keys::{Form, Network};
pub use save::{save, to_bytes};

/// The name under which diffusers looks for a LoRA in a folder.
pub const FILE_NAME: &str = "pytorch_lora_weights.safetensors";
