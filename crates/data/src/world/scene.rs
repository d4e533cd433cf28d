//! A scene: a background, and usually an object with its shadow composed on it.

use serde::{Deserialize, Serialize};

use super::patch::{Patch, Pose, SOLID};
use super::shadow::shadow;
use super::{Renderings, World};
use crate::color::{ColorWord, measure};
use crate::mask::{Mask, Rect, within};
use crate::{Result, Rgb8, Stream};

/// Shortest and longest side of an object, as a share of the frame.
const OBJECT_SHARE: [f32; 2] = [0.35, 0.75];
/// Probability that an object with a dominant hue is turned to another.
const P_RECOLOR: f32 = 0.65;
/// How far an object's exposure follows its surroundings.
pub(super) const EXPOSURE: f32 = 0.4;

/// What an object's caption does not tell of its look. A model has to leave it to chance, and a small one paints the
/// mean of all answers instead: training scenes may have less of it than those that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Untold {
    /// Largest turn of an object to either side, 0 to 180 degrees.
    pub max_turn: f32,
    /// Probability that left and right are exchanged.
    pub p_flip: f32,
    /// Whether a hue other than an object's own may go untold. If not, an object that is turned to one is always called by
    /// its colour word, and one that no word is true of keeps its own colours.
    pub hues: bool,
}

impl Default for Untold {
    fn default() -> Self {
        Self { max_turn: 15.0, p_flip: 0.5, hues: true }
    }
}

impl Untold {
    /// Checks every number once, at the door.
    ///
    /// # Errors
    /// [`DataError::Config`](crate::DataError::Config) names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        within("untold.max_turn", self.max_turn, 0.0..=180.0, "0 to 180 degrees")?;
        within("untold.p_flip", self.p_flip, 0.0..=1.0, "a probability from 0 to 1")
    }
}

/// A background and what was put on it.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) background: Rgb8,
    /// Background, shadow and object; the background alone where there is no object.
    pub(super) composite: Rgb8,
    /// Index of the photograph, or `None` for a plain background.
    pub(super) photo: Option<usize>,
    pub(super) object: Option<Placed>,
}

/// An object in a scene.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) concept: usize,
    pub(super) rendering: usize,
    /// The colour word measured on the composite, if one is true.
    pub(super) color: Option<ColorWord>,
    /// Whether a caption has to tell the colour.
    pub(super) is_color_told: bool,
    /// The box around the silhouette.
    pub(super) rect: Rect,
    /// The object's solid pixels.
    pub(super) silhouette: Mask,
    /// Every pixel that differs from the background: object, soft edge and shadow.
    pub(super) footprint: Mask,
}

impl World {
    /// Puts a random object, shown by one of `renderings`, on `background`.
    pub(super) fn compose(
        &self,
        renderings: Renderings,
        background: Rgb8,
        photo: Option<usize>,
        untold: Untold,
        stream: &mut Stream,
    ) -> Scene {
        let size = background.width;
        let concept = stream.below(self.concepts.len());
        let index = renderings.draw(&self.concepts[concept], stream);
        let rendering = &self.renderings[index];
        let pose = Pose {
            side: size as f32 * stream.uniform(OBJECT_SHARE[0], OBJECT_SHARE[1]),
            angle: stream.uniform(-untold.max_turn, untold.max_turn).to_radians(),
            flip: stream.chance(untold.p_flip),
        };
        let patch = Patch::place(&rendering.picture, pose, size, stream);
        let mut turn = rendering.hue.filter(|_| stream.chance(P_RECOLOR)).map(|own| {
            let (_, target) = ColorWord::HUES[stream.below(ColorWord::HUES.len())];
            (own, target + stream.uniform(-5.0, 5.0))
        });
        let shadow = shadow(&patch, size, stream);
        let mut silhouette = Mask::empty(size, size);
        for (x, y, _, alpha) in patch.pixels(size) {
            silhouette.values[y * size + x] = if alpha >= SOLID { 255 } else { 0 };
        }
        let look = |turn: Option<(f32, f32)>| {
            let mut patch = patch.clone();
            if let Some((from, to)) = turn {
                patch.recolor(from, to);
            }
            patch.expose(1.0 + EXPOSURE * (mean_luma(&background, patch.bounds) - 0.5));
            let composite = paste(&background, &patch, &shadow);
            let color = measure(&composite, &silhouette);
            (composite, color)
        };
        let (mut composite, mut color) = look(turn);
        if turn.is_some() && color.is_none() && !untold.hues {
            turn = None;
            (composite, color) = look(turn);
        }

        let differs = |x: usize, y: usize| background.pixel(x, y) != composite.pixel(x, y);
        // An object can have the very colour of the background: its solid pixels count all the same.
        let footprint = Mask::from_fn(size, size, differs).union(&silhouette);
        let placed = Placed {
            concept,
            rendering: index,
            color,
            is_color_told: turn.is_some() && !untold.hues,
            rect: patch.bounds,
            silhouette,
            footprint,
        };
        Scene { background, composite, photo, object: Some(placed) }
    }
}

/// Mean luma of a part of the picture, in `[0, 1]`.
pub(super) fn mean_luma(picture: &Rgb8, rect: Rect) -> f32 {
    let rows = rect.y..rect.y + rect.height;
    let luma = |[r, g, b]: [u8; 3]| 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
    let sum: f32 = rows
        .flat_map(|y| (rect.x..rect.x + rect.width).map(move |x| (x, y)))
        .map(|(x, y)| luma(picture.pixel(x, y)))
        .sum();
    sum / (255.0 * (rect.width * rect.height).max(1) as f32)
}

/// `alpha * object + (1 - alpha) * (1 - shadow) * background`, in sRGB values.
pub(super) fn paste(background: &Rgb8, patch: &Patch, shadow: &[f32]) -> Rgb8 {
    let mut composite = background.clone();
    for (pixel, shadow) in composite.data.as_chunks_mut::<3>().0.iter_mut().zip(shadow) {
        *pixel = pixel.map(|sample| (f32::from(sample) * (1.0 - shadow) + 0.5) as u8);
    }
    for (x, y, rgb, alpha) in patch.pixels(background.width) {
        let at = y * background.width + x;
        let lit = background.pixel(x, y).map(|sample| f32::from(sample) * (1.0 - shadow[at]));
        for c in 0..3 {
            composite.data[3 * at + c] = (alpha * 255.0 * rgb[c] + (1.0 - alpha) * lit[c] + 0.5) as u8;
        }
    }
    composite
}
