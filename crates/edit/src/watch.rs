//! Progress of an edit, and the way to stop it.

use std::fmt;
use std::sync::atomic::AtomicBool;

/// How far an edit is. It counts evaluations of the denoise loop, where nearly all of the time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The pass that is running, from 0. An edit has one pass for each batch of pictures, an
    /// outpainting one for each window of each batch.
    pub pass: usize,
    /// Number of passes.
    pub n_passes: usize,
    /// Steps of this pass that are done, from 1.
    pub step: usize,
    /// Steps of each pass.
    pub n_steps: usize,
}

impl Progress {
    /// Steps done in all passes.
    pub const fn n_done(&self) -> usize {
        self.pass * self.n_steps + self.step
    }

    /// Steps of all passes.
    pub const fn n_total(&self) -> usize {
        self.n_passes * self.n_steps
    }
}

/// What a caller wants to know, and how it stops the work.
#[derive(Default)]
pub struct Watch<'a> {
    cancelled: Option<&'a AtomicBool>,
    on_progress: Option<&'a mut dyn FnMut(Progress)>,
    pass: usize,
    n_passes: usize,
}

impl<'a> Watch<'a> {
    /// Runs to the end and reports nothing.
    pub fn silent() -> Self {
        Self::default()
    }

    /// Calls `on_progress` after every step.
    #[must_use]
    pub fn reporting(mut self, on_progress: &'a mut dyn FnMut(Progress)) -> Self {
        self.on_progress = Some(on_progress);
        self
    }

    /// Stops before the next step once the flag is true; the edit is then an error for which
    /// [`crate::EditError::is_cancelled`] holds.
    #[must_use]
    pub fn cancelled_by(mut self, flag: &'a AtomicBool) -> Self {
        self.cancelled = Some(flag);
        self
    }

    pub(crate) fn flag(&self) -> Option<&'a AtomicBool> {
        self.cancelled
    }

    pub(crate) fn begin(&mut self, n_passes: usize) {
        (self.pass, self.n_passes) = (0, n_passes);
    }

    pub(crate) fn end_pass(&mut self) {
        self.pass += 1;
    }

    pub(crate) fn report(&mut self, step: usize, n_steps: usize) {
        let progress = Progress { pass: self.pass, n_passes: self.n_passes.max(1), step, n_steps };
        if let Some(on_progress) = &mut self.on_progress {
            on_progress(progress);
        }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("cancelled", &self.cancelled)
            .field("reports", &self.on_progress.is_some())
            .finish_non_exhaustive()
    }
}
