//! The pictures of a record.

use std::fs;

use byteedit_image::{ImageError, Limits, Mask, MaskMode, Picture, UnitImage, decode};

use super::judged::{Case, Judged};
use crate::error::{EvalError, Result};

/// What a record names, read.
#[derive(Debug)]
pub(super) struct Pictures {
    /// The picture before the edit; `None` where the prompt alone was given.
    pub(super) source: Option<UnitImage>,
    pub(super) candidates: Vec<UnitImage>,
    /// Where each candidate was repainted: everywhere if there is no source.
    pub(super) edit_masks: Vec<Mask>,
}

impl Pictures {
    /// Reads those of a case.
    ///
    /// # Errors
    /// [`EvalError::Io`] and [`EvalError::Data`] name the file that is missing, no picture, or of another size than the
    /// picture before the edit.
    pub(super) fn read(judged: &Judged, case: &Case) -> Result<Self> {
        let unusable = |name: &str, error: ImageError| judged.refusal(case, format!("{name}: {error}"));
        let read = |name: &str| -> Result<Picture> {
            let path = judged.root().join(name);
            let bytes = fs::read(&path).map_err(EvalError::io("reading", &path))?;
            decode(&bytes, &Limits::default()).map_err(|error| unusable(name, error))
        };
        let unit = |name: &str| -> Result<UnitImage> { Ok(UnitImage::from_picture(&read(name)?)) };
        let record = &case.record;
        let candidates = record.candidates.iter().map(|candidate| unit(&candidate.path));
        let candidates = candidates.collect::<Result<Vec<_>>>()?;
        let Some(source) = &record.source else {
            let edit_masks = candidates.iter().map(|picture| Mask::filled(picture.size(), 255)).collect();
            return Ok(Self { source: None, candidates, edit_masks });
        };
        let image = unit(&source.image)?;
        let edit_mask = Mask::from_picture(&read(&source.mask)?, MaskMode::White)
            .map_err(|error| unusable(&source.mask, error))?;
        let names = record.candidates.iter().map(|candidate| &candidate.path);
        let sizes =
            names.zip(candidates.iter().map(UnitImage::size)).chain([(&source.mask, edit_mask.size())]);
        for (name, found) in sizes {
            let expected = image.size();
            if found != expected {
                let reason = format!(
                    "{name} is {found} px, but {} is {expected} px; bring them to one size",
                    source.image
                );
                return Err(judged.refusal(case, reason));
            }
        }
        let edit_masks = vec![edit_mask; candidates.len()];
        Ok(Self { source: Some(image), candidates, edit_masks })
    }

    /// Each candidate with its mask.
    pub(super) fn masked(&self) -> impl Iterator<Item = (&UnitImage, &Mask)> {
        self.candidates.iter().zip(&self.edit_masks)
    }
}
