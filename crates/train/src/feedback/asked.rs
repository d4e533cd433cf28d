//! One task of a collection, with the right answer that nobody is shown who paints.

use byteedit_data::mask::InstanceMasks;
use byteedit_data::{MaskStrategy, Sample, SampleSpec, Task, World};
use byteedit_image::{Mask, UnitImage};

use super::CandidatesConfig;
use crate::Result;
use crate::pictures::unit_from_rgb8;
use crate::random::{Use, stream};

/// A task, from (seed, split, index) alone.
pub(super) struct Asked {
    pub(super) index: u64,
    pub(super) task: Task,
    /// The question and its exact answer.
    pub(super) sample: Sample,
}

impl Asked {
    /// Task `index` of a collection.
    pub(super) fn draw(config: &CandidatesConfig, world: &World, index: u64) -> Result<Self> {
        let mut stream = stream(config.seed, Use::Tasks, index);
        let task = CandidatesConfig::TASKS[stream.weighted(&config.shares())];
        let spec =
            SampleSpec { size: config.picture_size, ..SampleSpec::new(task, config.split, config.seed) };
        Ok(Self { index, task, sample: world.sample_with(&spec, &masks(task), index)? })
    }

    /// Its name, and the beginning of its files' names.
    pub(super) fn id(&self) -> String {
        format!("{:06}", self.index)
    }

    /// Picture and mask as editors take them.
    pub(super) fn canvas(&self) -> Result<(UnitImage, Mask)> {
        let picture = unit_from_rgb8(&self.sample.input)?;
        let edit_mask = Mask::new(picture.size(), self.sample.edit_mask.values.clone())?;
        Ok((picture, edit_mask))
    }
}

/// An edit is asked for in a box that was cut for another object, as an evaluation does, so that no outline tells what
/// belongs into it.
fn masks(task: Task) -> MaskStrategy {
    let instance = if task == Task::Edit { InstanceMasks::other_boxes() } else { InstanceMasks::default() };
    MaskStrategy { instance, ..MaskStrategy::default() }
}
