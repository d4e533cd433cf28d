//! The four questions that a model is asked, and which samples of the world ask them.

use byteedit_data::{Sample, Task};
use byteedit_edit::TaskKind;
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, Result};

/// One part of the evaluation: samples of one kind, summarised together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Paint what the prompt names.
    Edit,
    /// Remove what is under the mask; the background is the exact answer.
    Erase,
    /// Extend, with a prompt that names what is out there.
    OutpaintPrompt,
    /// Extend without a prompt.
    OutpaintFree,
}

impl Section {
    /// All sections, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Edit, Self::Erase, Self::OutpaintPrompt, Self::OutpaintFree];

    /// The name in reports and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Erase => "erase",
            Self::OutpaintPrompt => "outpaint-prompt",
            Self::OutpaintFree => "outpaint-free",
        }
    }

    /// The world's task that its samples come from.
    pub(crate) const fn task(self) -> Task {
        match self {
            Self::Edit => Task::Edit,
            Self::Erase => Task::Erase,
            Self::OutpaintPrompt | Self::OutpaintFree => Task::Outpaint,
        }
    }

    /// The editor's name of that task.
    pub(crate) const fn task_kind(self) -> TaskKind {
        match self {
            Self::Edit => TaskKind::Edit,
            Self::Erase => TaskKind::Erase,
            Self::OutpaintPrompt | Self::OutpaintFree => TaskKind::Outpaint,
        }
    }

    /// Whether a sample of that task belongs to this section.
    pub(crate) fn accepts(self, sample: &Sample) -> bool {
        let has_prompt = !sample.caption.is_empty();
        match self {
            Self::Edit | Self::OutpaintPrompt => has_prompt,
            Self::Erase | Self::OutpaintFree => !has_prompt,
        }
    }
}

/// # Errors
/// [`EvalError::Config`] unless there is one section or more, each of them once.
pub(crate) fn check_sections(sections: &[Section]) -> Result<()> {
    let is_repeated = |at: usize| sections[..at].contains(&sections[at]);
    if !sections.is_empty() && !(0..sections.len()).any(is_repeated) {
        return Ok(());
    }
    let names: Vec<&str> = sections.iter().map(|section| section.name()).collect();
    let value = if names.is_empty() { "empty".to_owned() } else { names.join(",") };
    Err(EvalError::config("sections", value, "one section or more, each of them once"))
}
