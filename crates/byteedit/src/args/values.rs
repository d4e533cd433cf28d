//! Values that several verbs take.

use byteedit_data::preference::Axis;
use byteedit_data::{Split, Task};
use byteedit_eval::Section;
use clap::ValueEnum;

/// A task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TaskArg {
    /// Paint what the caption names
    Edit,
    /// Remove what is under the mask
    Erase,
    /// Continue the picture beyond a window
    Outpaint,
}

impl From<TaskArg> for Task {
    fn from(task: TaskArg) -> Self {
        match task {
            TaskArg::Edit => Self::Edit,
            TaskArg::Erase => Self::Erase,
            TaskArg::Outpaint => Self::Outpaint,
        }
    }
}

/// What candidates were scored for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AxisArg {
    /// How well it goes with the rest of the picture
    Coherence,
    /// How clear and undeformed it is
    Structure,
    /// How creative and pleasing it is
    Aesthetics,
}

impl From<AxisArg> for Axis {
    fn from(axis: AxisArg) -> Self {
        match axis {
            AxisArg::Coherence => Self::Coherence,
            AxisArg::Structure => Self::Structure,
            AxisArg::Aesthetics => Self::Aesthetics,
        }
    }
}

/// A kind of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SectionArg {
    /// Paint what the prompt names
    Edit,
    /// Remove what is under the mask
    Erase,
    /// Extend, with a prompt that names what is out there
    OutpaintPrompt,
    /// Extend without a prompt
    OutpaintFree,
}

impl From<SectionArg> for Section {
    fn from(section: SectionArg) -> Self {
        match section {
            SectionArg::Edit => Self::Edit,
            SectionArg::Erase => Self::Erase,
            SectionArg::OutpaintPrompt => Self::OutpaintPrompt,
            SectionArg::OutpaintFree => Self::OutpaintFree,
        }
    }
}

/// A split of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitArg {
    /// For fitting weights
    Train,
    /// For choosing checkpoints and settings
    Validation,
    /// For reported figures
    Test,
}

impl From<SplitArg> for Split {
    fn from(split: SplitArg) -> Self {
        match split {
            SplitArg::Train => Self::Train,
            SplitArg::Validation => Self::Validation,
            SplitArg::Test => Self::Test,
        }
    }
}
