//! A folder of pictures described by `metadata.jsonl`, as `imagefolder` datasets have it.
//!
//! One JSON object per line: `file_name` (relative to the folder), `text` (the caption) and,
//! optionally, `mask` (a picture of the same size, white where it is to be repainted). Other keys
//! are left alone, so that folders written for other tools work too.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::picture_io::{mask_from_bytes, read, rgb_from_bytes};
use crate::preference::Skipped;
use crate::resample::{Window, resize_window};
use crate::{DataError, Mask, Rect, Result, Rgb8, Stream, json_lines};

/// Name of the description inside the folder.
pub const METADATA: &str = "metadata.jsonl";

/// A folder of captioned pictures; pictures are read when asked for.
#[derive(Clone, Debug)]
pub struct FolderDataset {
    root: PathBuf,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
struct Entry {
    file_name: String,
    text: String,
    #[serde(default)]
    mask: Option<String>,
    /// In the description, counted from 1.
    #[serde(skip)]
    line: usize,
}

/// What the description says of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described<'a> {
    /// The picture, relative to the folder.
    pub file_name: &'a str,
    /// Its caption.
    pub text: &'a str,
    /// Line in the description, counted from 1.
    pub line: usize,
}

/// One picture of a folder, cut square and resized.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderItem {
    /// The picture, `size x size`.
    pub picture: Rgb8,
    /// Its edit mask, where the folder has one, cut the same way.
    pub edit_mask: Option<Mask>,
    /// Its caption.
    pub caption: String,
}

/// Which square of a picture is used.
#[derive(Debug)]
pub enum Crop<'a> {
    /// The largest square in the middle.
    Center,
    /// A square of 70 to 100 % of the shorter side, anywhere; where the picture has a mask, one that
    /// holds all of it, or as much as fits.
    Random(&'a mut Stream),
}

impl FolderDataset {
    /// Reads the description of `root`; no picture is opened yet, but each must exist.
    ///
    /// # Errors
    /// [`DataError::Io`] if there is no readable `metadata.jsonl`; [`DataError::Line`] for a line
    /// that is not as described or names a missing file, and for a description without any line.
    pub fn open(root: &Path) -> Result<Self> {
        Self::open_skipping(root, &mut Skipped::default())
    }

    /// As [`FolderDataset::open`], but bad lines are passed over as far as `skipped` allows.
    ///
    /// # Errors
    /// As [`FolderDataset::open`], and [`DataError::TooManyBad`].
    pub fn open_skipping(root: &Path, skipped: &mut Skipped) -> Result<Self> {
        let path = root.join(METADATA);
        let entries = json_lines::read(&path, skipped, |line, entry: Entry| {
            let mut files = std::iter::once(&entry.file_name).chain(&entry.mask);
            let absent = files.find(|file| !root.join(file).is_file()).cloned();
            match absent {
                Some(absent) => Err(format!("there is no file {absent} in {}", root.display())),
                None => Ok(Entry { line, ..entry }),
            }
        })?;
        if entries.is_empty() {
            let reason = r#"no picture is listed: add lines such as {"file_name": "a.png", "text": "a cat"}"#;
            return Err(DataError::Line { path, line: 1, reason: reason.to_owned() });
        }
        Ok(Self { root: root.to_owned(), entries })
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no picture; never true of an opened folder.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is said of each picture, in the order of the description.
    pub fn described(&self) -> impl Iterator<Item = Described<'_>> {
        self.entries.iter().map(|entry| Described {
            file_name: &entry.file_name,
            text: &entry.text,
            line: entry.line,
        })
    }

    /// All captions, in the order of the description.
    pub fn captions(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.text.as_str())
    }

    /// All pictures and masks in the order of the description: name relative to the folder, and path.
    pub fn files(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let names =
            self.entries.iter().flat_map(|entry| std::iter::once(&entry.file_name).chain(&entry.mask));
        names.map(|name| (name.as_str(), self.root.join(name)))
    }

    /// Reads picture `index`, cut to a square and resized to `size x size` pixels.
    ///
    /// # Errors
    /// [`DataError::Index`] beyond the end; [`DataError::Io`] and [`DataError::Picture`] for files
    /// that cannot be used, also where picture and mask differ in size.
    pub fn load(&self, index: usize, size: usize, crop: Crop) -> Result<FolderItem> {
        let missing = DataError::Index { index, len: self.entries.len() };
        let entry = self.entries.get(index).ok_or(missing)?;
        let picture = rgb_from_bytes(&read(&self.root.join(&entry.file_name))?, &entry.file_name)?;
        let mask = entry.mask.as_ref().map(|name| self.load_mask(name, &picture)).transpose()?;
        let window = square(&picture, mask.as_ref().and_then(Mask::bounding_box), crop);
        Ok(FolderItem {
            picture: resize_window(&picture, window, size),
            edit_mask: mask.map(|mask| cut(&mask, window, size)),
            caption: entry.text.clone(),
        })
    }

    fn load_mask(&self, name: &str, picture: &Rgb8) -> Result<Mask> {
        let mask = mask_from_bytes(&read(&self.root.join(name))?, name)?;
        if (mask.width, mask.height) != (picture.width, picture.height) {
            let reason = format!(
                "the mask is {}x{} px, but its picture {}x{} px",
                mask.width, mask.height, picture.width, picture.height
            );
            return Err(DataError::Picture { name: name.to_owned(), reason });
        }
        Ok(mask)
    }
}

/// The window of `mask`, `size x size`, by the nearest pixel: a mask has no values in between.
fn cut(mask: &Mask, window: Window, size: usize) -> Mask {
    let at = |start: f32, index: usize, limit: usize| {
        let center = start + (index as f32 + 0.5) * window.side / size as f32;
        (center as usize).min(limit - 1)
    };
    Mask::from_fn(size, size, |x, y| mask.get(at(window.x, x, mask.width), at(window.y, y, mask.height)))
}

/// The square that `crop` takes of a picture whose mask has the box `hole`.
fn square(picture: &Rgb8, hole: Option<Rect>, crop: Crop) -> Window {
    let short = picture.width.min(picture.height) as f32;
    let (width, height) = (picture.width as f32, picture.height as f32);
    match crop {
        Crop::Center => {
            Window { x: 0.5 * (width - short), y: 0.5 * (height - short), side: short, flip: false }
        }
        Crop::Random(stream) => {
            let extent = hole.map_or(0, |hole| hole.width.max(hole.height)) as f32;
            let side = short * stream.uniform((extent / short).clamp(0.7, 1.0), 1.0);
            let hole = hole.unwrap_or(Rect { x: 0, y: 0, width: picture.width, height: picture.height });
            let x = start(stream, (hole.x, hole.width), side, width);
            let y = start(stream, (hole.y, hole.height), side, height);
            Window { x, y, side, flip: false }
        }
    }
}

/// A start such that `side` lies within `limit` and holds the span `(first, extent)`, or lies within
/// the span if that is longer.
fn start(stream: &mut Stream, (first, extent): (usize, usize), side: f32, limit: f32) -> f32 {
    let (first, last) = (first as f32, (first + extent) as f32 - side);
    let inside = |start: f32| start.clamp(0.0, limit - side);
    stream.uniform(inside(first.min(last)), inside(first.max(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture_io::{dynamic_from_mask, dynamic_from_rgb, encode};
    use crate::preference::SkipBad;

    fn folder(lines: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut picture = Rgb8::filled(60, 40, [200, 30, 40]);
        for pixel in &mut picture.data.as_chunks_mut::<3>().0[..60 * 20] {
            *pixel = [10, 20, 220];
        }
        let png = |picture| encode(&picture, image::ImageFormat::Png, "test").unwrap();
        std::fs::write(dir.path().join("a.png"), png(dynamic_from_rgb(picture))).unwrap();
        let mask = Mask::from_fn(60, 40, |x, _| x < 30);
        std::fs::write(dir.path().join("m.png"), png(dynamic_from_mask(mask))).unwrap();
        std::fs::write(dir.path().join("small.png"), png(dynamic_from_mask(Mask::full(3, 3)))).unwrap();
        std::fs::write(dir.path().join("text.png"), "not a picture").unwrap();
        std::fs::write(dir.path().join(METADATA), lines).unwrap();
        dir
    }

    #[test]
    fn a_picture_is_cut_square_with_its_mask() {
        let dir =
            folder("{\"file_name\": \"a.png\", \"text\": \"a flag\", \"mask\": \"m.png\", \"x\": 1}\n\n");
        let data = FolderDataset::open(dir.path()).unwrap();
        let item = data.load(0, 20, Crop::Center).unwrap();
        assert_eq!((data.len(), item.caption.as_str()), (1, "a flag"));
        assert_eq!((item.picture.pixel(10, 2), item.picture.pixel(10, 17)), ([10, 20, 220], [200, 30, 40]));
        // The central square of 60x40 starts at column 10, so columns 10 to 29 of the mask are set.
        assert_eq!(item.edit_mask.unwrap(), Mask::from_fn(20, 20, |x, _| x < 10));
        let mut stream = Stream::new([1, 0, 0, 0]);
        let random = data.load(0, 16, Crop::Random(&mut stream)).unwrap();
        assert_eq!((random.picture.width, random.picture.height), (16, 16));
    }

    #[test]
    fn a_random_crop_holds_the_mask_or_is_held_by_it() {
        let picture = Rgb8::filled(60, 40, [0; 3]);
        for index in 0..200 {
            let mut stream = Stream::new([2, 0, index, 0]);
            let mut window = |hole| square(&picture, hole, Crop::Random(&mut stream));
            let corner = window(Some(Rect { x: 52, y: 0, width: 8, height: 35 }));
            assert!(corner.side >= 35.0 && corner.y <= 0.0 && corner.x + corner.side >= 59.99, "{corner:?}");
            let wide = window(Some(Rect { x: 5, y: 10, width: 50, height: 10 }));
            assert!(wide.x >= 5.0 && wide.x + wide.side <= 55.0, "{wide:?}");
            assert!(wide.y <= 10.0 && wide.y + wide.side >= 20.0, "{wide:?}");
            let free = window(None);
            assert!((28.0..=40.0).contains(&free.side) && free.x >= 0.0 && free.x + free.side <= 60.01);
        }
    }

    #[test]
    fn errors_name_the_line() {
        let message = |lines: &str| FolderDataset::open(folder(lines).path()).unwrap_err().to_string();
        let good = r#"{"file_name": "a.png", "text": "a flag"}"#;
        assert!(
            message(&format!("{good}\n{{\"file_name\": \"b.png\", \"text\": \"\"}}")).contains("jsonl:2: ")
        );
        assert!(
            message(&format!("{good}\n\n{{\"file_name\": \"a.png\"}}"))
                .contains("jsonl:3: missing field `text`")
        );
        assert!(message("nonsense").contains("jsonl:1: "));
        assert!(message("").contains("no picture is listed"));
        let none = tempfile::tempdir().unwrap();
        assert!(FolderDataset::open(none.path()).unwrap_err().to_string().contains("metadata.jsonl"));
    }

    #[test]
    fn lines_are_passed_over_and_the_others_keep_their_numbers() {
        let good = r#"{"file_name": "a.png", "text": "a flag"}"#;
        let dir = folder(&format!("{good}\nnonsense\n\n{}\n{good}\n", good.replace("a.png", "b.png")));
        let mut skipped = Skipped::new(SkipBad { limit: 2 });
        let data = FolderDataset::open_skipping(dir.path(), &mut skipped).unwrap();
        let lines: Vec<_> = data.described().map(|it| (it.line, it.file_name, it.text)).collect();
        assert_eq!(lines, [(1, "a.png", "a flag"), (5, "a.png", "a flag")]);
        assert!(skipped.errors()[1].to_string().contains("jsonl:4: there is no file b.png"));
        let mut skipped = Skipped::new(SkipBad { limit: 1 });
        let message = FolderDataset::open_skipping(dir.path(), &mut skipped).unwrap_err().to_string();
        assert!(message.contains("jsonl:4: ") && message.contains("1 bad lines before it"), "{message}");
    }

    #[test]
    fn unusable_pictures_are_named() {
        let lines = concat!(
            "{\"file_name\": \"text.png\", \"text\": \"\"}\n",
            "{\"file_name\": \"a.png\", \"text\": \"\", \"mask\": \"small.png\"}\n"
        );
        let dir = folder(lines);
        let data = FolderDataset::open(dir.path()).unwrap();
        let message = |index| data.load(index, 8, Crop::Center).unwrap_err().to_string();
        assert!(message(0).contains("text.png is not a usable picture"));
        assert!(message(1).contains("3x3 px, but its picture 60x40 px"), "{}", message(1));
        assert!(message(2).contains("item 2 does not exist: the dataset holds 2"));
    }
}
