//! Which photographs the demo edits, and how: the bundled `demo.json`.

use anyhow::Context;
use byteedit_edit::model::Defaults;
use byteedit_edit::{Prompt, Settings, Sides, Task, TaskKind};
use byteedit_image::{Limits, Mask, OutpaintPlan, Picture, Rect, Size, decode};
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    edits: Vec<DemoEdit>,
}

/// One edit of one photograph.
#[derive(Debug, Deserialize)]
pub(super) struct DemoEdit {
    photo: String,
    #[serde(default)]
    seed: u64,
    #[serde(flatten)]
    verb: Verb,
}

/// What is done, with what it needs.
#[derive(Debug, Deserialize)]
#[serde(tag = "task", rename_all = "lowercase")]
enum Verb {
    Edit {
        prompt: String,
        r#box: Region,
    },
    Erase {
        r#box: Region,
    },
    Outpaint {
        #[serde(default)]
        prompt: String,
        left: u32,
        right: u32,
        top: u32,
        bottom: u32,
    },
}

/// A box in pixels of the photograph.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Region {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl From<Region> for Rect {
    fn from(region: Region) -> Self {
        let Region { x, y, width, height } = region;
        Self::new(x, y, width, height)
    }
}

/// The edits, in order.
///
/// # Errors
/// A bundled plan that is no plan.
pub(super) fn edits() -> anyhow::Result<Vec<DemoEdit>> {
    let plan: Plan = serde_json::from_str(byteedit_mini::DEMO).context("the bundled demo.json")?;
    Ok(plan.edits)
}

impl DemoEdit {
    /// The photograph's file.
    ///
    /// # Errors
    /// One that is not bundled.
    pub(super) fn photograph(&self) -> anyhow::Result<&'static [u8]> {
        byteedit_mini::file(byteedit_mini::PHOTOS, &self.photo)
            .with_context(|| format!("the photograph {} is not bundled", self.photo))
    }

    /// The photograph, decoded.
    ///
    /// # Errors
    /// As [`DemoEdit::photograph`].
    pub(super) fn picture(&self) -> anyhow::Result<Picture> {
        decode(self.photograph()?, &Limits::default()).with_context(|| self.photo.clone())
    }

    /// Its name without the extension.
    pub(super) fn stem(&self) -> &str {
        self.photo.split('.').next().unwrap_or_default()
    }

    /// Its task by the command's name.
    pub(super) const fn verb(&self) -> &'static str {
        match self.verb {
            Verb::Edit { .. } => TaskKind::Edit.name(),
            Verb::Erase { .. } => TaskKind::Erase.name(),
            Verb::Outpaint { .. } => TaskKind::Outpaint.name(),
        }
    }

    /// One line for people.
    pub(super) fn describe(&self) -> String {
        let (verb, stem) = (self.verb(), self.stem());
        match &self.verb {
            Verb::Edit { prompt, .. } => format!("{verb} {stem}: {prompt}"),
            Verb::Erase { .. } => format!("{verb} {stem}"),
            Verb::Outpaint { prompt, left, right, top, bottom } => {
                let sides = [("left", left), ("right", right), ("top", top), ("bottom", bottom)];
                let added = sides.iter().filter(|(_, n)| **n > 0).map(|(side, n)| format!("{side} {n} px"));
                let added = added.collect::<Vec<_>>().join(", ");
                let prompt = if prompt.is_empty() { String::new() } else { format!(": {prompt}") };
                format!("{verb} {stem} ({added}){prompt}")
            }
        }
    }

    /// The task for a photograph of `size`.
    ///
    /// # Errors
    /// A box or sides that do not fit it.
    pub(super) fn task(&self, size: Size) -> anyhow::Result<Task> {
        Ok(match &self.verb {
            Verb::Edit { prompt, r#box } => Task::Edit {
                edit_mask: Mask::from_rect(size, (*r#box).into())?,
                prompt: Prompt::new(prompt)?,
            },
            Verb::Erase { r#box } => Task::Erase { edit_mask: Mask::from_rect(size, (*r#box).into())? },
            Verb::Outpaint { prompt, left, right, top, bottom } => {
                let sides = Sides::new((*left).into(), (*right).into(), (*top).into(), (*bottom).into())?;
                let prompt = (!prompt.is_empty()).then(|| Prompt::new(prompt)).transpose()?;
                Task::Outpaint { sides, prompt }
            }
        })
    }

    /// The model's own settings with the edit's seed.
    pub(super) fn settings(&self, task: TaskKind, defaults: &Defaults) -> Settings {
        Settings { seed: self.seed, ..Settings::new(task, defaults) }
    }

    /// What is repainted, if it is a part of the photograph.
    pub(super) fn outline(&self) -> Option<Rect> {
        match self.verb {
            Verb::Edit { r#box, .. } | Verb::Erase { r#box } => Some(r#box.into()),
            Verb::Outpaint { .. } => None,
        }
    }

    /// What is added around the photograph.
    pub(super) fn added(&self) -> OutpaintPlan {
        match self.verb {
            Verb::Edit { .. } | Verb::Erase { .. } => OutpaintPlan::default(),
            Verb::Outpaint { left, right, top, bottom, .. } => {
                let [left, right, top, bottom] = [left, right, top, bottom].map(|side| side as usize);
                OutpaintPlan { left, right, top, bottom }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_bundled_plan_is_whole() {
        let edits = edits().unwrap();
        let photos: BTreeSet<_> = edits.iter().map(DemoEdit::stem).collect();
        let verbs: BTreeSet<_> = edits.iter().map(DemoEdit::verb).collect();
        assert!(edits.len() >= 6 && photos.len() >= 3 && verbs.len() == 3);
        for edit in &edits {
            let picture = edit.picture().unwrap();
            let task =
                edit.task(picture.size()).unwrap_or_else(|error| panic!("{}: {error}", edit.describe()));
            assert_eq!(task.kind().name(), edit.verb());
        }
    }
}
