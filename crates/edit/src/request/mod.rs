//! What is asked for. An [`EditRequest`] exists only if it is valid; everything behind it can rely on
//! that, and nothing in it is changed silently.

mod prompt;
mod settings;
mod sides;

pub use self::prompt::Prompt;
pub use self::settings::{Framing, MAX_BOX_SHARE, MAX_COUNT, MAX_PADDING, MAX_RADIUS, Sampling, Settings};
pub use self::sides::Sides;

use byteedit_image::{Limits, Mask, Picture, Size};

use crate::error::{EditError, Result};

/// Most bytes of samples that the pictures of one request have together. A single picture may have more, as
/// far as [`Limits`] allow.
pub const MAX_TOTAL_BYTES: u64 = 1 << 30;

/// What to do with the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Paint what the prompt says where the mask is.
    Edit {
        /// 255 = repaint; of the picture's size.
        edit_mask: Mask,
        /// What belongs there.
        prompt: Prompt,
    },
    /// Continue the surroundings into the mask.
    Erase {
        /// 255 = repaint; of the picture's size.
        edit_mask: Mask,
    },
    /// Add area around the picture and continue it there.
    Outpaint {
        /// How much, on which sides.
        sides: Sides,
        /// A thing to show in the new area, if any.
        prompt: Option<Prompt>,
    },
}

impl Task {
    /// Which of the three it is.
    pub const fn kind(&self) -> TaskKind {
        match self {
            Self::Edit { .. } => TaskKind::Edit,
            Self::Erase { .. } => TaskKind::Erase,
            Self::Outpaint { .. } => TaskKind::Outpaint,
        }
    }

    /// What the network is told; "" where nothing is asked for.
    pub fn prompt(&self) -> &str {
        match self {
            Self::Edit { prompt, .. } | Self::Outpaint { prompt: Some(prompt), .. } => prompt.as_str(),
            Self::Erase { .. } | Self::Outpaint { prompt: None, .. } => "",
        }
    }
}

/// The three tasks, without what they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// [`Task::Edit`].
    Edit,
    /// [`Task::Erase`].
    Erase,
    /// [`Task::Outpaint`].
    Outpaint,
}

impl TaskKind {
    /// Its verb on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Erase => "erase",
            Self::Outpaint => "outpaint",
        }
    }
}

/// A valid request.
#[derive(Clone, Debug, PartialEq)]
pub struct EditRequest {
    picture: Picture,
    task: Task,
    settings: Settings,
    limits: Limits,
}

impl EditRequest {
    /// Checks that picture, task and settings go together.
    ///
    /// A mask without a pixel of at least 128 is allowed: such an edit is the identity, as is one of
    /// strength 0.
    ///
    /// # Errors
    /// [`EditError::Image`] for a mask of another size than the picture, or a canvas above the limits;
    /// [`EditError::Setting`] or [`EditError::Diffusion`] for a number out of range; the message names
    /// the value and the range. More pictures than [`MAX_TOTAL_BYTES`] holds are out of range too.
    pub fn new(picture: Picture, task: Task, settings: Settings, limits: Limits) -> Result<Self> {
        settings.validate()?;
        let size = match &task {
            Task::Edit { edit_mask, .. } | Task::Erase { edit_mask } => {
                edit_mask.check_size(picture.size())?;
                picture.size()
            }
            Task::Outpaint { sides, .. } => {
                let strength = settings.sampling.strength;
                if strength < 1.0 {
                    let limit = "1 for outpainting: new area has no source to keep a part of";
                    return Err(EditError::setting("strength", strength, limit));
                }
                sides.plan().canvas_size(picture.size(), &limits)?
            }
        };
        check_total(&picture, size, settings.count)?;
        Ok(Self { picture, task, settings, limits })
    }

    /// The picture.
    pub const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// What to do with it.
    pub const fn task(&self) -> &Task {
        &self.task
    }

    /// How to do it.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The largest picture allowed.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Checks that `count` pictures of `size`, of the kind that `picture` is, can be held at once.
fn check_total(picture: &Picture, size: Size, count: usize) -> Result<()> {
    let pixel_bytes = picture.channels().count() * usize::from(picture.samples().bits() / 8);
    let picture_bytes = (size.area() * pixel_bytes) as u64;
    if count > 1 && count as u64 * picture_bytes > MAX_TOTAL_BYTES {
        let value = format!("{count} of {:.0} MB each", picture_bytes as f64 / 1e6);
        let limit = "at most 1 GiB of samples together; ask for fewer, then for more from a later seed";
        return Err(EditError::setting("the count of pictures", value, limit));
    }
    Ok(())
}
