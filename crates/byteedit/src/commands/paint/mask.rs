//! The edit mask of a job, from files and boxes.

use std::path::Path;

use anyhow::{Context, bail};
use byteedit_image::{Mask, MaskMode, Size};

use crate::args::{MaskModeArg, MaskSource};
use crate::files;
use crate::settings::MaskChoice;

/// The union of all masks, for a picture of `size`.
///
/// # Errors
/// A mask that cannot be read, has another size, or repaints nothing.
pub(in crate::commands) fn edit_mask(choice: &MaskChoice, size: Size) -> anyhow::Result<Mask> {
    let mut values = vec![0; size.area()];
    for source in &choice.sources {
        let mask = read(source, choice.mode, size)?;
        if !mask.repaints().any(|repaint| repaint) {
            bail!(
                "{source} is empty: it repaints 0 of {} pixels; paint the place white, or choose another --mask-mode",
                size.area()
            );
        }
        values.iter_mut().zip(mask.values()).for_each(|(all, &value)| *all = value.max(*all));
    }
    Ok(Mask::new(size, values)?)
}

fn read(source: &MaskSource, mode: MaskModeArg, size: Size) -> anyhow::Result<Mask> {
    let path = match source {
        MaskSource::Box(rect) => return Ok(Mask::from_rect(size, *rect)?),
        MaskSource::File(path) => path,
    };
    let named = || path.display().to_string();
    let mode = match mode {
        MaskModeArg::White => MaskMode::White,
        MaskModeArg::Black => MaskMode::Black,
        MaskModeArg::Alpha => MaskMode::Alpha,
        MaskModeArg::AlphaInverted => MaskMode::AlphaInverted,
        MaskModeArg::Rle => return Mask::from_rle(size, &run_lengths(path)?).with_context(named),
    };
    let mask = Mask::from_picture(&files::read_picture(path)?, mode).with_context(named)?;
    mask.check_size(size).with_context(named)?;
    Ok(mask)
}

/// Whole numbers with spaces or commas between them, in JSON's brackets or without.
fn run_lengths(path: &Path) -> anyhow::Result<Vec<usize>> {
    let text = files::read_text(path)?;
    let numbers = text.trim().trim_start_matches('[').trim_end_matches(']');
    let words = numbers.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let number = |word: &str| {
        word.parse()
            .with_context(|| format!("{}: `{word}` is no run length; write whole numbers", path.display()))
    };
    words.map(number).collect()
}

#[cfg(test)]
mod tests {
    use byteedit_image::Rect;

    use super::*;

    const SIZE: Size = Size::new(4, 2);

    fn of(sources: Vec<MaskSource>, mode: MaskModeArg) -> Result<Vec<u8>, String> {
        let choice = MaskChoice { sources, mode };
        let mask = edit_mask(&choice, SIZE).map_err(|error| crate::exit::one_line(&error))?;
        Ok(mask.values().to_vec())
    }

    #[test]
    fn masks_are_united() {
        let boxes = [Rect::new(0, 0, 1, 1), Rect::new(3, 1, 1, 1)].map(MaskSource::Box);
        assert_eq!(of(boxes.into(), MaskModeArg::White), Ok(vec![255, 0, 0, 0, 0, 0, 0, 255]));
    }

    #[test]
    fn run_lengths_are_read_with_and_without_brackets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.txt");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            of(vec![MaskSource::File(path.clone())], MaskModeArg::Rle)
        };
        assert_eq!(read("[1, 2,\n 8, 1]"), Ok(vec![255, 255, 0, 0, 0, 0, 0, 255]));
        assert_eq!(read("1 2 8 1\n"), read("[1,2,8,1]"));
        assert!(read("1 -2").unwrap_err().contains("`-2` is no run length"));
        assert!(read("").unwrap_err().contains("is empty"));
    }

    #[test]
    fn boxes_stay_inside() {
        let message = of(vec![MaskSource::Box(Rect::new(3, 0, 2, 1))], MaskModeArg::White).unwrap_err();
        assert!(message.starts_with("the rectangle 2 x 1 px at (3, 0) must") && message.contains("4 x 2"));
    }
}
