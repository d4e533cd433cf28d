//! Feedback on edits of the mini world: what several generators make of the same task, and what an annotator who knows
//! the right answer says of it.
//!
//! ```text
//! world ─► Asked ─► candidates::collect ─► tasks.jsonl, pictures/ ─► annotate ─► structure.jsonl, obedience.jsonl,
//!                   (an editor, several                │             (Simulated)  coherence.jsonl
//!                    settings, seeds)                  └► align ─► align.jsonl
//! ```
//!
//! The annotator's three opinions are published apart, since each teaches or checks another reward: structure the
//! aesthetic one, obedience the one of alignment, and coherence is what the pixel-level one, which learns from pixels, is
//! checked against. They are no person's: whatever is trained on them says so.
//!
//! Captions may also come from a folder of pictures instead of a collection ([`align_folder`]).

mod align;
mod annotate;
mod asked;
mod candidates;
mod config;
mod simulated;
mod tasks;

pub use align::{
    ALIGN, ALIGN_KEPT, AlignConfig, AlignReport, FolderAlignConfig, FolderAlignInputs, FolderAlignReport,
    align, align_folder,
};
pub use annotate::{ANNOTATION, AnnotateConfig, AxisReport, annotate};
pub use candidates::collect;
pub use config::{CandidatesConfig, ModelName};
pub use simulated::{Opinion, Simulated, Verdict};
