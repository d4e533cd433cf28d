//! The folder of a run: what is in it, who may write it, how it is resumed.
//!
//! ```text
//! RUN/config.json                 the resolved configuration
//! RUN/log.jsonl                   one JSON object for each logged step, and one for a warm start
//! RUN/samples/step_000000.png     grids at intervals
//! RUN/state.safetensors           weights of what learns, the optimiser's state, averages; written whole, then renamed
//! RUN/state.previous.safetensors  the one before it
//! RUN/frozen-HASH.safetensors     weights that do not learn and that no other file has for the next start; for all states
//! RUN/run.lock                    held by the process that trains
//! ```

mod checkpoint;
mod config;
mod folder;
mod frozen;
mod log;
mod tensors;

pub use checkpoint::{Checkpoint, StateHeader};
pub(crate) use config::read_config;
pub use config::{config_from_overlay, differences};
pub use folder::RunFolder;
pub(crate) use folder::TASKS;
pub use log::{LogRecord, read_log};
pub(crate) use log::{append as append_log, truncate_after as truncate_log, warm_start_note};
