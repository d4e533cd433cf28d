//! Values that are more than a number or a name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use byteedit_diffusion::SamplerKind;
use byteedit_image::Rect;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Deserialize;

/// Where to repaint: a picture file, or a box of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawMask")]
pub(crate) enum MaskSource {
    /// A mask picture, or run lengths.
    File(PathBuf),
    /// A box in pixels of the picture.
    Box(Rect),
}

impl FromStr for MaskSource {
    type Err = String;

    /// Four numbers with commas are a box, everything else is a path; `./1,2,3,4` names a file.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<i64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[x, y, width, height]) => Self::from_numbers([x, y, width, height]),
            Some(numbers) if numbers.len() > 1 => {
                Err(format!("a box needs four numbers x,y,width,height, not {}", numbers.len()))
            }
            _ if text.is_empty() => Err("name a mask picture or a box x,y,width,height".to_owned()),
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

impl MaskSource {
    /// The same, with a relative path taken from `folder`.
    pub(crate) fn within(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Box(rect) => Self::Box(rect),
        }
    }

    fn from_numbers(numbers: [i64; 4]) -> Result<Self, String> {
        let [x, y, width, height] = numbers;
        let [Ok(left), Ok(top), Ok(columns), Ok(rows)] = numbers.map(usize::try_from) else {
            return Err(format!(
                "a box x,y,width,height must not be negative, but this is {x},{y},{width},{height}"
            ));
        };
        if columns == 0 || rows == 0 {
            return Err(format!("the box is {width} x {height} px; it needs at least 1 x 1"));
        }
        Ok(Self::Box(Rect::new(left, top, columns, rows)))
    }
}

impl fmt::Display for MaskSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Box(rect) => write!(f, "the box {rect}"),
        }
    }
}

/// A mask in a manifest: `"mask.png"`, `"x,y,w,h"` or `[x, y, w, h]`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a file name, or a box as [x, y, width, height]")]
enum RawMask {
    Text(String),
    Box([i64; 4]),
}

impl TryFrom<RawMask> for MaskSource {
    type Error = String;

    fn try_from(raw: RawMask) -> Result<Self, String> {
        match raw {
            RawMask::Text(text) => text.parse(),
            RawMask::Box(numbers) => Self::from_numbers(numbers),
        }
    }
}

/// A LoRA file, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoraChoice {
    /// The file.
    pub(crate) file: PathBuf,
    /// How much of what it changes is added; 1 is as it was trained.
    pub(crate) strength: f64,
}

impl FromStr for LoraChoice {
    type Err = String;

    /// A number behind the last colon is the strength; every other colon belongs to the name.
    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.rsplit_once(':').and_then(|(file, scale)| Some((file, scale.parse().ok()?)));
        let (file, strength) = split.unwrap_or((text, 1.0));
        if file.is_empty() {
            return Err("name a LoRA file, with a strength behind a colon if it is not 1".to_owned());
        }
        if !f64::is_finite(strength) {
            return Err(format!("the strength is {strength}, which is not a finite number"));
        }
        Ok(Self { file: PathBuf::from(file), strength })
    }
}

/// Samplers by their names.
pub(super) fn sampler() -> impl TypedValueParser<Value = SamplerKind> {
    PossibleValuesParser::new(SamplerKind::ALL.map(SamplerKind::name))
        .try_map(|name| name.parse::<SamplerKind>())
}

/// A share, from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    number(text).and_then(|value| {
        if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("{value} is not within 0 to 1")) }
    })
}

/// A number above 0, up to 1.
pub(super) fn temperature(text: &str) -> Result<f64, String> {
    share(text).and_then(|value| if value > 0.0 { Ok(value) } else { Err("it is not above 0".to_owned()) })
}

/// A number of 0 or more.
pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    number(text).and_then(|value| if value >= 0.0 { Ok(value) } else { Err(format!("{value} is below 0")) })
}

fn number(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("it is not a finite number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_and_paths_are_told_apart() {
        let parse = |text: &str| text.parse::<MaskSource>();
        assert_eq!(parse("1, 2,3,4"), Ok(MaskSource::Box(Rect::new(1, 2, 3, 4))));
        assert_eq!(parse("./1,2,3,4"), Ok(MaskSource::File("./1,2,3,4".into())));
        assert_eq!(parse("7"), Ok(MaskSource::File("7".into())));
        assert_eq!(parse("a,b.png"), Ok(MaskSource::File("a,b.png".into())));
        assert!(parse("1,2,3").unwrap_err().contains("four numbers"));
        assert!(parse("-1,2,3,4").unwrap_err().contains("-1,2,3,4"));
        assert!(parse("1,2,0,4").unwrap_err().contains("at least 1 x 1"));
        assert!(parse("").is_err());
    }

    #[test]
    fn manifests_hold_the_same() {
        let read = |json: &str| serde_json::from_str::<MaskSource>(json).map_err(|error| error.to_string());
        assert_eq!(read("[1, 2, 3, 4]"), Ok(MaskSource::Box(Rect::new(1, 2, 3, 4))));
        assert_eq!(read("\"1,2,3,4\""), Ok(MaskSource::Box(Rect::new(1, 2, 3, 4))));
        assert_eq!(read("\"m.png\""), Ok(MaskSource::File("m.png".into())));
        assert!(read("[1, 2]").unwrap_err().contains("[x, y, width, height]"));
        assert!(read("[1, 2, -3, 4]").unwrap_err().contains("negative"));
    }

    #[test]
    fn a_number_behind_the_last_colon_is_a_strength() {
        let parse = |text: &str| text.parse::<LoraChoice>();
        let choice = |file: &str, strength| Ok(LoraChoice { file: file.into(), strength });
        assert_eq!(parse("a.safetensors"), choice("a.safetensors", 1.0));
        assert_eq!(parse("a.safetensors:0.8"), choice("a.safetensors", 0.8));
        assert_eq!(parse("a:b.safetensors:-1"), choice("a:b.safetensors", -1.0));
        assert_eq!(parse("C:\\a.safetensors"), choice("C:\\a.safetensors", 1.0));
        assert!(parse("a.safetensors:inf").unwrap_err().contains("inf"));
        assert!(parse(":0.5").is_err() && parse("").is_err());
    }

    #[test]
    fn numbers_have_limits() {
        assert_eq!((share("0"), share("1.0")), (Ok(0.0), Ok(1.0)));
        assert!(share("1.1").unwrap_err().contains("1.1"));
        assert!(share("nan").is_err() && not_negative("inf").is_err() && not_negative("-1").is_err());
        assert_eq!(not_negative("7.5"), Ok(7.5));
    }
}
