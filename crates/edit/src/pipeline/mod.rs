//! Whole pictures: which region the model sees, and how its answer comes back.
//!
//! An edit is a list of passes over a picture. Replacing and erasing have one; outpainting has one for
//! each window (see `windows`), each of which sees what those before it painted. A pass cuts its region
//! out, resizes it to the model's canvas, paints it, resizes it back, takes out the colour error that is
//! measured on kept pixels, and pastes. Only samples under the pass's alpha are ever written.
//!
//! **Memory**: the picture (outpainting: its canvas too), every picture of the result, of which several have at
//! most 1 GiB of samples together ([`MAX_TOTAL_BYTES`](crate::request::MAX_TOTAL_BYTES)), and at most 32 bytes
//! for each pixel of the region.

mod cut;
mod pass;
mod provenance;
mod warnings;
mod windows;

use std::borrow::Cow;
use std::time::Instant;

use byteedit_image::{Filter, Mask, Picture, UnitImage, compose};

pub(crate) use self::cut::{known_canvas, with_hole_of};
use self::pass::{Pass, View};
use crate::canvas::Canvas;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::model::EditModel;
use crate::request::{EditRequest, Framing, Task};
use crate::result::{EditResult, EditedPicture, Timings};
use crate::seam::SeamSums;
use crate::watch::Watch;

/// Pictures that are denoised together; more would need memory and save little time.
pub(crate) const MAX_BATCH: usize = 4;
/// Width of the band around the mask in which colours are compared, in pixels of the model's canvas:
/// some latents wide, so that their texture averages out.
pub const MATCH_BAND: u32 = 8;
/// Lanczos, on both ways, as diffusers resizes pictures.
const FILTER: Filter = Filter::Lanczos3;

impl EditModel {
    /// Does what is asked for.
    ///
    /// A mask that repaints nothing and a strength of 0 give the picture itself. The same request gives
    /// the same pictures, and picture `i` of many is the picture that seed `seed + i` gives alone.
    ///
    /// # Errors
    /// [`crate::EditError::Diffusion`] for a number of steps that the model's schedule does not have,
    /// and when it was cancelled; [`crate::EditError::NotFinite`] if the model answered nonsense.
    pub fn edit(&self, request: &EditRequest, watch: &mut Watch<'_>) -> Result<EditResult> {
        let settings = request.settings();
        let (start, passes) = self.prepared(request)?;
        if !passes.is_empty() {
            self.levels(&settings.sampling)?;
        }
        let seeds = settings.seeds();
        watch.begin(passes.len() * seeds.len().div_ceil(MAX_BATCH));
        let begin = Instant::now();
        let first =
            passes.first().map(|pass| Cut::new(&start, pass, settings.sampling.strength)).transpose()?;
        let mut timings = Timings { compose_sec: begin.elapsed().as_secs_f64(), ..Timings::default() };
        let mut shared = Shared { request, first, encoder: Encoder::default() };
        let mut pictures = Vec::with_capacity(seeds.len());
        for seeds in seeds.chunks(MAX_BATCH) {
            let mut batch: Vec<_> =
                seeds.iter().map(|&seed| Working::new(start.as_ref().clone(), seed)).collect();
            for (index, pass) in passes.iter().enumerate() {
                timings += self.run(pass, index, &mut batch, &mut shared, watch)?;
                watch.end_pass();
            }
            pictures.extend(batch);
        }
        let edited = |working: Working| EditedPicture {
            parameters: provenance::parameters(self, request, working.seed, &passes),
            picture: working.picture,
            seed: working.seed,
            seam: working.seam.seam(),
        };
        Ok(EditResult {
            repainted: pass::repainted(&passes, start.size()),
            regions: passes.iter().map(|pass| pass.plan.region()).collect(),
            enlargement: passes.iter().map(|pass| pass.plan.enlargement()).fold(0.0, f64::max),
            warnings: warnings::warnings(self, request, &passes),
            pictures: pictures.into_iter().map(edited).collect(),
            timings,
            work: shared.encoder.work,
        })
    }

    /// The picture to start from, and the passes over it.
    fn prepared<'r>(&self, request: &'r EditRequest) -> Result<(Cow<'r, Picture>, Vec<Pass>)> {
        let (picture, settings) = (request.picture(), request.settings());
        let view = View { canvas: self.canvas_size(), multiple: self.downscale() };
        match request.task() {
            Task::Edit { edit_mask, .. } | Task::Erase { edit_mask } => {
                let passes = if settings.sampling.is_identity() {
                    Vec::new()
                } else {
                    let prompt = request.task().prompt();
                    Pass::around(view, edit_mask, &settings.framing, prompt)?.into_iter().collect()
                };
                Ok((Cow::Borrowed(picture), passes))
            }
            Task::Outpaint { sides, .. } => {
                let (canvas, new_area) = sides.plan().canvas(picture, request.limits())?;
                let windows = windows::windows(sides.plan(), picture.size(), self.resolution());
                let passes =
                    Pass::through(view, &windows, new_area, &settings.framing, request.task().prompt())?;
                Ok((Cow::Owned(canvas), passes))
            }
        }
    }

    /// One pass over a batch of pictures.
    fn run(
        &self,
        pass: &Pass,
        index: usize,
        batch: &mut [Working],
        shared: &mut Shared<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Timings> {
        let begin = Instant::now();
        let settings = shared.request.settings();
        let edit_mask = pass.plan.model_mask(&pass.edit_mask)?;
        let cut = |working: &Working| match &shared.first {
            // Before the first pass, all pictures are the one that was given.
            Some(first) if index == 0 => Ok(Cow::Borrowed(first)),
            _ => Cut::new(&working.picture, pass, settings.sampling.strength).map(Cow::Owned),
        };
        let cuts: Vec<Cow<'_, Cut>> = batch.iter().map(cut).collect::<Result<_>>()?;
        let canvases: Vec<Canvas<'_>> = cuts
            .iter()
            .zip(batch.iter())
            .map(|(cut, working)| Canvas {
                image: cut.shown(),
                edit_mask: &edit_mask,
                prompt: &pass.prompt,
                seed: working.seed,
            })
            .collect();
        let cut_sec = begin.elapsed().as_secs_f64();
        let painted = self.paint_pass(&canvases, &settings.sampling, index, &mut shared.encoder, watch)?;
        let pasting = Instant::now();
        for ((working, cut), image) in batch.iter_mut().zip(&cuts).zip(&painted.images) {
            working.paste(pass, &cut.known, image, &edit_mask, &settings.framing)?;
        }
        let compose_sec = cut_sec + pasting.elapsed().as_secs_f64();
        Ok(Timings { compose_sec, ..painted.timings })
    }
}

/// What all batches of an edit share.
struct Shared<'a> {
    request: &'a EditRequest,
    /// The canvas of the first pass; `None` where nothing is to do.
    first: Option<Cut>,
    encoder: Encoder,
}

/// A region on the model's canvas.
#[derive(Clone)]
struct Cut {
    /// Without a trace of what is under the mask.
    known: UnitImage,
    /// As it is; only where something under the mask is to stay.
    whole: Option<UnitImage>,
}

impl Cut {
    fn new(picture: &Picture, pass: &Pass, strength: f64) -> Result<Self> {
        let region = UnitImage::from_picture_region(picture, pass.plan.region())?;
        let whole = if strength < 1.0 { Some(pass.plan.model_image(&region, FILTER)?) } else { None };
        let known = known_canvas(&pass.plan, region, &pass.edit_mask, FILTER)?;
        // Where repeated edges are kept, they must not repeat what is under the mask.
        let whole = match whole {
            Some(whole) if !pass.plan.repeats_mask() => {
                Some(with_hole_of(known.clone(), &whole, &pass.plan.model_mask(&pass.edit_mask)?))
            }
            whole => whole,
        };
        Ok(Self { known, whole })
    }

    /// What the model may see.
    fn shown(&self) -> &UnitImage {
        self.whole.as_ref().unwrap_or(&self.known)
    }
}

/// A picture on its way through the passes.
struct Working {
    picture: Picture,
    seed: u64,
    seam: SeamSums,
}

impl Working {
    fn new(picture: Picture, seed: u64) -> Self {
        Self { picture, seed, seam: SeamSums::default() }
    }

    /// Puts a painted canvas into the picture. Colours are matched on the canvas: the error is that of
    /// the autoencoder, which works there, and the cost is the same for every region.
    fn paste(
        &mut self,
        pass: &Pass,
        known: &UnitImage,
        painted: &UnitImage,
        canvas_mask: &Mask,
        framing: &Framing,
    ) -> Result<()> {
        let band = match_band(pass.plan.enlargement(), framing.feather);
        let matched = if framing.color_match {
            Cow::Owned(compose::match_color(painted, known, canvas_mask, band)?)
        } else {
            Cow::Borrowed(painted)
        };
        self.seam.add_band(known, [painted, matched.as_ref()], canvas_mask, band);
        let region = pass.plan.region();
        compose::paste(&mut self.picture, region, &pass.plan.region_image(&matched, FILTER)?, &pass.alpha)?;
        self.seam.add_edge(&UnitImage::from_picture_region(&self.picture, region)?, &pass.edit_mask);
        Ok(())
    }
}

/// [`MATCH_BAND`], but wide enough for the feather, under which colours must match too; in pixels of
/// the canvas.
fn match_band(enlargement: f64, feather: u32) -> u32 {
    MATCH_BAND.max((f64::from(feather) / enlargement).ceil() as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use byteedit_image::{Channels, Padding, Rect, Samples, Size};
    use proptest::prelude::*;

    use crate::model::Defaults;
    use crate::request::{Settings, TaskKind};

    /// A smooth bump; where its centre of mass lies tells a shift of a small part of a pixel.
    fn bump(size: Size) -> Picture {
        let (width, height) = (size.width as f64, size.height as f64);
        let sample = |i: usize| {
            let x = ((i % size.width) as f64 + 0.5) / width - 0.5;
            let y = ((i / size.width) as f64 + 0.5) / height - 0.5;
            (20_000.0 + 40_000.0 * (-12.0 * (x * x + y * y)).exp()) as u16
        };
        Picture::new(size, Channels::Gray, Samples::U16((0..size.area()).map(sample).collect())).unwrap()
    }

    fn values(picture: &Picture) -> Vec<f64> {
        let Samples::U16(samples) = picture.samples() else { unreachable!("the bump has 16 bits") };
        samples.iter().map(|&sample| f64::from(sample) / 65_535.0).collect()
    }

    /// The shift `(x, y)` in pixels that explains the difference best, by least squares on gradients
    /// (Lucas and Kanade 1981, the first step).
    fn shift(before: &[f64], after: &[f64], size: Size) -> (f64, f64) {
        let (mut xx, mut xy, mut yy, mut xt, mut yt) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for y in 1..size.height - 1 {
            for x in 1..size.width - 1 {
                let at = y * size.width + x;
                let gx = (before[at + 1] - before[at - 1]) / 2.0;
                let gy = (before[at + size.width] - before[at - size.width]) / 2.0;
                let gt = before[at] - after[at];
                (xx, xy, yy) = (xx + gx * gx, xy + gx * gy, yy + gy * gy);
                (xt, yt) = (xt + gx * gt, yt + gy * gt);
            }
        }
        let determinant = xx * yy - xy * xy;
        ((yy * xt - xy * yt) / determinant, (xx * yt - xy * xt) / determinant)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// A model that gives back what it is shown changes nothing and shifts nothing, whatever the
        /// crop, the scale and the feather.
        #[test]
        fn a_model_that_repeats_its_input_is_the_identity(
            width in 24_usize..160, height in 24_usize..160, corner in (0.0_f64..0.6, 0.0_f64..0.6),
            extent in (0.3_f64..1.0, 0.3_f64..1.0), feather in 0_u32..9,
            padding in prop_oneof![
                (0_usize..40).prop_map(Padding::Pixels), (0.4_f64..0.9).prop_map(Padding::Share),
            ],
        ) {
            let size = Size::new(width, height);
            let (x, y) = ((corner.0 * width as f64) as usize, (corner.1 * height as f64) as usize);
            let part = |part: f64, len: usize| ((part * len as f64) as usize).max(8);
            let rect = Rect::new(x, y, part(extent.0, width - x).min(width - x), part(extent.1, height - y).min(height - y));
            let mask = Mask::from_rect(size, rect).unwrap();
            let framing = Framing {
                feather,
                padding,
                color_match: false,
                ..Settings::new(TaskKind::Edit, &Defaults::default()).framing
            };
            let view = View { canvas: Size::new(64, 64), multiple: 8 };
            let pass = Pass::around(view, &mask, &framing, "").unwrap().unwrap();
            let picture = bump(size);
            let mut working = Working::new(picture.clone(), 0);
            let region = UnitImage::from_picture_region(&picture, pass.plan.region()).unwrap();
            let repeated = pass.plan.model_image(&region, FILTER).unwrap();
            let canvas_mask = pass.plan.model_mask(&pass.edit_mask).unwrap();
            working.paste(&pass, &repeated, &repeated, &canvas_mask, &framing).unwrap();
            let (before, after) = (values(&picture), values(&working.picture));
            let largest = before.iter().zip(&after).map(|(b, a)| (b - a).abs()).fold(0.0, f64::max);
            prop_assert!(largest < 0.02, "changed by {largest}");
            let (x, y) = shift(&before, &after, size);
            prop_assert!(x.abs() < 0.02 && y.abs() < 0.02, "shifted by ({x}, {y})");
        }
    }

    #[test]
    fn the_matching_band_covers_the_feather() {
        assert_eq!(
            (match_band(1.0, 0), match_band(1.0, 30), match_band(4.0, 30), match_band(0.5, 30)),
            (8, 31, 9, 61)
        );
    }
}
