//! Samples: a scene, an edit mask, a caption and the truth.

use serde::{Deserialize, Serialize};

use super::background::plain;
use super::caption::caption;
use super::scene::{Placed, Scene, Untold};
use super::{Split, Task, World};
use crate::mask::{Mask, MaskKind, MaskStrategy, Rect, outside};
use crate::{ColorWord, DataError, Result, Rgb8, Stream};

/// Smallest and largest side a frame may have, in pixels.
pub const FRAME_SIDES: [usize; 2] = [32, 256];
/// The side at which the world is meant to be seen, and which crops are cut from.
pub(super) const FRAME: usize = 128;
/// A mask hides an object if it covers at least this share of it; its caption is then true of the hole.
const HIDDEN: f32 = 0.5;
/// Probability that an outpainting sample shows an object.
const P_OUTPAINT_OBJECT: f32 = 0.5;
/// Probability that an outpainting prompt says what is hidden.
const P_OUTPAINT_CAPTION: f32 = 0.5;

/// Where the draws of one part of a sample come from; the tasks have their own, after these.
const CROPS: u64 = 100;
const PAIRS: u64 = 101;
pub(super) const GLIMPSES: u64 = 102;

/// Which sample is asked for. Together with an index it determines every pixel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleSpec {
    /// What is asked of the picture.
    pub task: Task,
    /// Which photographs and renderings may appear.
    pub split: Split,
    /// Seed of the whole set.
    pub seed: u64,
    /// Side of the square frame in pixels, 32 to 256.
    pub size: usize,
    /// What captions do not tell.
    #[serde(default)]
    pub untold: Untold,
}

impl SampleSpec {
    /// A specification at the world's own 128 px.
    pub fn new(task: Task, split: Split, seed: u64) -> Self {
        Self { task, split, seed, size: FRAME, untold: Untold::default() }
    }
}

/// Which training pair is asked for: all tasks at once, mixed by the mask strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSpec {
    /// Which photographs and renderings may appear.
    pub split: Split,
    /// Seed of the whole set.
    pub seed: u64,
    /// Side of the square frame in pixels, 32 to 256.
    pub size: usize,
    /// Probability that a scene's object is left out of the truth while the mask still has its
    /// shape: how the model learns that an empty prompt continues the background.
    pub p_erase: f32,
    /// How masks are drawn; the object is the instance.
    pub masks: MaskStrategy,
    /// What captions do not tell.
    pub untold: Untold,
}

impl PairSpec {
    /// The default mixture at 128 px.
    pub fn new(split: Split, seed: u64) -> Self {
        let (masks, untold) = (MaskStrategy::default(), Untold::default());
        Self { split, seed, size: FRAME, p_erase: 0.25, masks, untold }
    }
}

/// One question and its exact answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The picture the user gives. Outside the edit mask it equals the truth.
    pub input: Rgb8,
    /// Where to repaint.
    pub edit_mask: Mask,
    /// The right answer.
    pub truth: Rgb8,
    /// The prompt: what belongs in the mask, or "".
    pub caption: String,
    /// The scene's object, if it has one: in the truth, or in the input of an erasing sample.
    pub object: Option<ObjectInfo>,
    /// Name of the photograph behind it.
    pub photo: String,
    /// How the mask was made.
    pub mask_kind: MaskKind,
}

/// What a sample knows of its object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectInfo {
    /// Index into [`World::concepts`].
    pub concept: usize,
    /// Which rendering is shown, counted over all concepts in their order.
    pub rendering: usize,
    /// The concept's word.
    pub name: String,
    /// The colour word that is true of it, by measurement.
    pub color: Option<ColorWord>,
    /// The box around it.
    pub rect: Rect,
    /// Its solid pixels, without the shadow.
    pub mask: Mask,
}

impl World {
    /// Sample `index` of `spec`, from (seed, split, task, size, index) alone, its mask drawn by the
    /// default strategy.
    ///
    /// # Errors
    /// [`DataError::Size`] for a side outside 32 to 256 px.
    pub fn sample(&self, spec: &SampleSpec, index: u64) -> Result<Sample> {
        self.sample_with(spec, &MaskStrategy::default(), index)
    }

    /// [`World::sample`] with a mask drawn by `masks`: for editing and erasing, which are about an
    /// object, by its `instance`, whatever its `p_instance`; for outpainting by its `outward`.
    ///
    /// # Errors
    /// [`DataError::Size`] for a side outside 32 to 256 px; [`DataError::Config`] for masks with a
    /// number out of range.
    pub fn sample_with(&self, spec: &SampleSpec, masks: &MaskStrategy, index: u64) -> Result<Sample> {
        check_size(spec.size)?;
        masks.validate()?;
        spec.untold.validate()?;
        let mut stream = stream(spec.seed, spec.split, spec.task as u64, index);
        let masks = MaskStrategy { p_instance: 1.0, ..masks.clone() };
        let with_object = spec.task != Task::Outpaint || stream.chance(P_OUTPAINT_OBJECT);
        let scene = self.scene(spec.split, spec.size, with_object.then_some(spec.untold), &mut stream);
        Ok(match spec.task {
            Task::Edit => {
                let (edit_mask, mask_kind) = masks.sample(&mut stream, spec.size, footprint(&scene));
                self.edit(scene, edit_mask, mask_kind, &mut stream)
            }
            Task::Erase => {
                let (edit_mask, mask_kind) = masks.sample(&mut stream, spec.size, footprint(&scene));
                self.erase(scene, edit_mask, mask_kind)
            }
            Task::Outpaint => {
                let window = masks.outward.draw(&mut stream, spec.size);
                self.outpaint(scene, window, &mut stream)
            }
        })
    }

    /// Training pair `index` of `spec`: what the base model learns from, whatever the task.
    ///
    /// The caption names the object if the mask hides at least half of it, and is empty otherwise,
    /// so a prompt is always true of the hole.
    ///
    /// # Errors
    /// [`DataError::Size`] and [`DataError::Config`] for numbers out of range.
    pub fn pair(&self, spec: &PairSpec, index: u64) -> Result<Sample> {
        check_size(spec.size)?;
        if !(0.0..=1.0).contains(&spec.p_erase) {
            return Err(DataError::Config { field: "p_erase", value: spec.p_erase, limit: "a probability" });
        }
        spec.masks.validate()?;
        spec.untold.validate()?;
        let mut stream = stream(spec.seed, spec.split, PAIRS, index);
        let erase = stream.chance(spec.p_erase);
        let scene = self.scene(spec.split, spec.size, Some(spec.untold), &mut stream);
        let (edit_mask, mask_kind) = spec.masks.sample(&mut stream, spec.size, footprint(&scene));
        if erase {
            return Ok(self.erase(scene, edit_mask, mask_kind));
        }
        Ok(self.edit(scene, edit_mask, mask_kind, &mut stream))
    }

    /// A picture of `size x size` px for training an autoencoder: a window of a frame, so that its
    /// scale is the frames' own, with or without an object, now and then on a plain background.
    ///
    /// # Errors
    /// [`DataError::Size`] for a side outside 32 to 256 px.
    pub fn crop(&self, split: Split, seed: u64, index: u64, size: usize) -> Result<Rgb8> {
        check_size(size)?;
        let mut stream = stream(seed, split, CROPS, index);
        let frame = size.max(FRAME);
        let picture = if stream.chance(0.08) {
            let background = plain(frame, &mut stream);
            self.compose(split.into(), background, None, Untold::default(), &mut stream).composite
        } else {
            let untold = stream.chance(0.6).then(Untold::default);
            self.scene(split, frame, untold, &mut stream).composite
        };
        let (x, y) = (stream.between(0, frame - size), stream.between(0, frame - size));
        Ok(picture.window(x, y, size, size))
    }

    /// A scene with an object, or without an object.
    fn scene(&self, split: Split, size: usize, untold: Option<Untold>, stream: &mut Stream) -> Scene {
        let (background, photo) = self.background(split, size, stream);
        if let Some(untold) = untold {
            return self.compose(split.into(), background, Some(photo), untold, stream);
        }
        Scene { composite: background.clone(), background, photo: Some(photo), object: None }
    }

    fn edit(&self, scene: Scene, edit_mask: Mask, mask_kind: MaskKind, stream: &mut Stream) -> Sample {
        let hidden = scene.object.as_ref().filter(|o| edit_mask.coverage_of(&o.silhouette) >= HIDDEN);
        let caption = hidden.map_or_else(String::new, |o| {
            caption(&self.concepts[o.concept].name, o.color, o.is_color_told, stream)
        });
        // The background inside the mask, the truth outside: nothing outside is to change.
        let input = select(&edit_mask, &scene.background, &scene.composite);
        Sample {
            input,
            edit_mask,
            caption,
            photo: self.photo_name(&scene),
            object: scene.object.map(|object| self.object_info(object)),
            truth: scene.composite,
            mask_kind,
        }
    }

    fn erase(&self, scene: Scene, edit_mask: Mask, mask_kind: MaskKind) -> Sample {
        let input = select(&edit_mask, &scene.composite, &scene.background);
        Sample {
            input,
            edit_mask,
            caption: String::new(),
            photo: self.photo_name(&scene),
            object: scene.object.map(|object| self.object_info(object)),
            truth: scene.background,
            mask_kind,
        }
    }

    fn outpaint(&self, scene: Scene, window: Rect, stream: &mut Stream) -> Sample {
        let edit_mask = outside(window, scene.composite.width);
        let said = stream.chance(P_OUTPAINT_CAPTION);
        let mut sample = self.edit(scene, edit_mask, MaskKind::Outward, stream);
        if !said {
            sample.caption.clear();
        }
        sample.input = extend(&sample.truth, window);
        sample
    }

    fn object_info(&self, placed: Placed) -> ObjectInfo {
        let Placed { concept, rendering, color, rect, silhouette, .. } = placed;
        let name = self.concepts[concept].name.clone();
        ObjectInfo { concept, rendering, name, color, rect, mask: silhouette }
    }

    fn photo_name(&self, scene: &Scene) -> String {
        scene.photo.map_or_else(String::new, |photo| self.photos[photo].name.clone())
    }
}

pub(super) fn stream(seed: u64, split: Split, domain: u64, index: u64) -> Stream {
    Stream::new([seed, (split as u64) << 32 | domain, index, 0])
}

fn check_size(size: usize) -> Result<()> {
    let [min, max] = FRAME_SIDES;
    if (min..=max).contains(&size) { Ok(()) } else { Err(DataError::Size { size, min, max }) }
}

pub(super) fn footprint(scene: &Scene) -> Option<&Mask> {
    scene.object.as_ref().map(|object| &object.footprint)
}

/// `inside` where the mask is set, `elsewhere` outside.
pub(super) fn select(mask: &Mask, inside: &Rgb8, elsewhere: &Rgb8) -> Rgb8 {
    let mut picture = elsewhere.clone();
    for (index, _) in mask.values.iter().enumerate().filter(|(_, value)| **value >= 128) {
        picture.data[3 * index..3 * index + 3].copy_from_slice(&inside.data[3 * index..3 * index + 3]);
    }
    picture
}

/// The window of `picture`, its border pixels repeated outwards, as a canvas is extended for outpainting.
fn extend(picture: &Rgb8, window: Rect) -> Rgb8 {
    let mut extended = picture.clone();
    let (right, bottom) = (window.x + window.width - 1, window.y + window.height - 1);
    for (index, pixel) in extended.data.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let (x, y) = (index % picture.width, index / picture.width);
        *pixel = picture.pixel(x.clamp(window.x, right), y.clamp(window.y, bottom));
    }
    extended
}
