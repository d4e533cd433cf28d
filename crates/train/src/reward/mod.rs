//! Training the paper's three rewards (Ren et al. 2024, Sections 3.1 and 3.2).
//!
//! ```text
//! preferences ──► one prompt, several pictures ──┐
//! captions ─────► one picture, several texts ────┼─► Group ─► ranking: R_α, R_β
//! world ────────► one picture, several texts ────┘
//! candidates, true pictures ─────────────────────────────► coherent: R_γ, by pixels
//! ```
//!
//! What an aesthetic and an alignment reward learn from differs, not how: both rank. Which of two answers is better is
//! said by whoever annotated; where that was a program, the weights say so.

pub mod coherent;
mod keeper;
pub mod ranking;
pub(crate) mod seen;
mod vocabulary;

use byteedit_data::{SampleSpec, Split, Task, World};
use sha2::{Digest, Sha256};

use crate::Result;

/// What tells one world from another: its first pictures.
fn fingerprint(world: &World) -> Result<Vec<u8>> {
    const N_PICTURES: u64 = 4;
    let sample = |index| world.sample(&SampleSpec::new(Task::Edit, Split::Train, 0), index);
    Ok((0..N_PICTURES).map(|index| Ok(sample(index)?.truth.data)).collect::<Result<Vec<_>>>()?.concat())
}

/// Held out for validation: every record of so many prompts in a hundred, or every caption of so many pictures.
pub(crate) fn is_held_out(name: &str, percent: u8) -> bool {
    let digest = Sha256::digest(name.as_bytes());
    u16::from_le_bytes([digest[0], digest[1]]) % 100 < u16::from(percent)
}
