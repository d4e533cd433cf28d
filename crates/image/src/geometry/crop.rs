//! The crop engine: which part of the picture the model sees, and the way back.
//!
//! A region around the mask is grown for context and towards the model's aspect, as A1111's "only
//! masked" mode does, and never leaves the picture. It is resized into the model's canvas; where the
//! picture cannot hold the aspect, the canvas is filled up by repeating edge pixels. Whole areas map
//! to whole areas, so the way back is exact and nothing shifts.

use super::rect::{Rect, Size};
use crate::error::{ImageError, Result};
use crate::mask::Mask;
use crate::resample::Filter;
use crate::unit::UnitImage;

/// Context around the mask's bounding box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    /// Pixels of the picture on every side; A1111's default is 32.
    Pixels(usize),
    /// A part of the box's longer side, on every side; finite and not negative.
    Fraction(f64),
    /// As much as makes the box's shorter side this part of the canvas's, above 0 and up to 0.9, or less where the
    /// longer side would take more than nine tenths, or where a tiny box would be enlarged more than eight times. A model
    /// sees all other boxes alike then: where the picture ends before the canvas does, its edges are repeated.
    /// `min_region` has no say.
    Share(f64),
}

/// Most of the canvas that the longer side of a box takes with [`Padding::Share`].
const MAX_SHARE: f64 = 0.9;
/// Most pixels of the canvas for one of the picture with [`Padding::Share`].
const MAX_ENLARGED: f64 = 8.0;

impl Padding {
    fn pixels_for(self, focus: Size) -> Result<usize> {
        match self {
            Self::Pixels(pixels) => Ok(pixels),
            Self::Fraction(part) if part.is_finite() && part >= 0.0 => {
                Ok((part * focus.width.max(focus.height) as f64).ceil() as usize)
            }
            Self::Fraction(part) => Err(ImageError::InvalidArgument {
                name: "the padding",
                value: part.to_string(),
                limit: "a finite fraction of 0 or more",
            }),
            Self::Share(_) => Ok(0),
        }
    }
}

/// What a crop is planned from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CropRequest {
    /// Size of the picture.
    pub picture: Size,
    /// What the crop must hold: the bounding box of the mask, feather included.
    pub focus: Rect,
    /// Context around it.
    pub padding: Padding,
    /// Size of the model's canvas; its aspect is the one aimed at.
    pub model: Size,
    /// What the canvas's sides must be multiples of: the VAE's reduction, usually 8.
    pub multiple: usize,
    /// The region grows to this size where the picture allows, so that a small mask gets context at
    /// the picture's own scale. The model's size keeps pixels 1:1; 0 x 0 gives A1111's close-up.
    pub min_region: Size,
}

impl CropRequest {
    /// A request with 32 pixels of padding, multiples of 8, and small regions grown to the model's size.
    pub const fn new(picture: Size, focus: Rect, model: Size) -> Self {
        Self { picture, focus, padding: Padding::Pixels(32), model, multiple: 8, min_region: model }
    }
}

/// A region of the picture, its place in the model's canvas, and the ways between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropPlan {
    region: Rect,
    model: Size,
    inner: Rect,
    /// Whether repeated edges repeat their mask.
    repeats_mask: bool,
}

impl CropPlan {
    /// Plans a crop.
    ///
    /// # Errors
    /// [`ImageError::OutsidePicture`] if the focus is empty or leaves the picture;
    /// [`ImageError::InvalidArgument`] for a canvas that is no multiple, or a padding out of range.
    pub fn new(request: &CropRequest) -> Result<Self> {
        let CropRequest { picture, focus, padding, model, multiple, min_region } = *request;
        focus.check_within(picture)?;
        let divides = |side: usize| side > 0 && multiple > 0 && side.is_multiple_of(multiple);
        if !divides(model.width) || !divides(model.height) {
            return Err(ImageError::InvalidArgument {
                name: "the model's canvas",
                value: format!("{model} px with multiples of {multiple}"),
                limit: "at least one multiple on each side; choose 512 x 512 or the like",
            });
        }
        if let Padding::Share(share) = padding {
            return Self::of_share(picture, focus, model, share);
        }
        let padded = focus.grown_within(padding.pixels_for(focus.size())?, picture);
        let wished = with_aspect(
            Size::new(padded.width.max(min_region.width), padded.height.max(min_region.height)),
            model,
        );
        let region = placed(padded, wished, picture);
        Ok(Self { region, model, inner: centred(region.size(), model), repeats_mask: true })
    }

    fn of_share(picture: Size, focus: Rect, model: Size, share: f64) -> Result<Self> {
        if !(share > 0.0 && share <= MAX_SHARE) {
            return Err(ImageError::InvalidArgument {
                name: "the box's share of the canvas",
                value: share.to_string(),
                limit: "above 0 and up to 0.9",
            });
        }
        let side = model.width.min(model.height) as f64;
        let (short, long) = (focus.width.min(focus.height) as f64, focus.width.max(focus.height) as f64);
        let scale = (share * side / short).min(MAX_SHARE * side / long).min(MAX_ENLARGED);
        let (columns, inner_columns) = shared_axis(picture.width, (focus.x, focus.width), model.width, scale);
        let (rows, inner_rows) = shared_axis(picture.height, (focus.y, focus.height), model.height, scale);
        let rect = |x: (usize, usize), y: (usize, usize)| Rect::new(x.0, y.0, x.1, y.1);
        let (region, inner) = (rect(columns, rows), rect(inner_columns, inner_rows));
        Ok(Self { region, model, inner, repeats_mask: false })
    }

    /// The part of the picture that is worked on; it holds the focus and lies in the picture.
    pub const fn region(&self) -> Rect {
        self.region
    }

    /// Size of the model's canvas.
    pub const fn model(&self) -> Size {
        self.model
    }

    /// Where the region lies in the canvas; the rest of the canvas repeats its edge pixels. It is the
    /// whole canvas wherever the picture can hold the aspect.
    pub const fn inner(&self) -> Rect {
        self.inner
    }

    /// Whether edges that are repeated in the canvas repeat their mask; with [`Padding::Share`] they are kept.
    pub const fn repeats_mask(&self) -> bool {
        self.repeats_mask
    }

    /// Canvas pixels per picture pixel, along the axis where there are fewer.
    pub fn scale(&self) -> f64 {
        self.enlargement().recip()
    }

    /// How many times the model's result is enlarged on its way into the picture, along the axis where
    /// it is most; above 2, the result is visibly softer than the picture, and the user should be told.
    pub fn enlargement(&self) -> f64 {
        let horizontal = self.region.width as f64 / self.inner.width as f64;
        let vertical = self.region.height as f64 / self.inner.height as f64;
        horizontal.max(vertical)
    }

    /// A point of the picture, in canvas coordinates.
    pub fn model_from_picture(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (mapped(x, self.columns(), Direction::In), mapped(y, self.rows(), Direction::In))
    }

    /// A point of the canvas, in picture coordinates: the inverse of
    /// [`CropPlan::model_from_picture`].
    pub fn picture_from_model(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (mapped(x, self.columns(), Direction::Out), mapped(y, self.rows(), Direction::Out))
    }

    /// The canvas for the model, from the region's pixels.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] if `image` has not the region's size.
    pub fn model_image(&self, image: &UnitImage, filter: Filter) -> Result<UnitImage> {
        check("region", image.size(), self.region.size())?;
        let inner = image.resize(self.inner.size(), filter);
        let data = self.canvas_sources().flat_map(|(x, y)| inner.pixel(x, y)).collect();
        UnitImage::new(self.model, data)
    }

    /// The canvas's mask, from the region's: a canvas pixel is repainted if any picture pixel under it
    /// is. Repeated edges repeat their mask, so that nothing hidden leaks in as context; with [`Padding::Share`], where
    /// the box is to keep its size, they are kept as they are, and it is for the caller to hide what they repeat.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] if `mask` has not the region's size.
    pub fn model_mask(&self, mask: &Mask) -> Result<Mask> {
        mask.check_size(self.region.size())?;
        let inner = mask.resize_covering(self.inner.size());
        let mut values: Vec<u8> = self.canvas_sources().map(|(x, y)| inner.value(x, y)).collect();
        if !self.repeats_mask {
            let width = self.model.width;
            for (at, value) in values.iter_mut().enumerate() {
                let pixel = Rect::new(at % width, at / width, 1, 1);
                *value = if self.inner.contains(&pixel) { *value } else { 0 };
            }
        }
        Mask::new(self.model, values)
    }

    /// The region's pixels, from the model's canvas.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] if `canvas` has not the canvas's size.
    pub fn region_image(&self, canvas: &UnitImage, filter: Filter) -> Result<UnitImage> {
        check("canvas", canvas.size(), self.model)?;
        Ok(canvas.crop(self.inner)?.resize(self.region.size(), filter))
    }

    /// For each canvas pixel, row by row, the pixel of the inner rectangle that it shows.
    fn canvas_sources(&self) -> impl Iterator<Item = (usize, usize)> {
        let inner = self.inner;
        let within = |at: usize, from: usize, len: usize| at.clamp(from, from + len - 1) - from;
        (0..self.model.height).flat_map(move |y| {
            let source_y = within(y, inner.y, inner.height);
            (0..self.model.width).map(move |x| (within(x, inner.x, inner.width), source_y))
        })
    }

    const fn columns(&self) -> Axis {
        Axis { from: (self.region.x, self.region.width), to: (self.inner.x, self.inner.width) }
    }

    const fn rows(&self) -> Axis {
        Axis { from: (self.region.y, self.region.height), to: (self.inner.y, self.inner.height) }
    }
}

/// Start and length of the region and of its place in the canvas, along one axis.
#[derive(Clone, Copy)]
struct Axis {
    from: (usize, usize),
    to: (usize, usize),
}

#[derive(Clone, Copy)]
enum Direction {
    In,
    Out,
}

fn mapped(at: f64, axis: Axis, direction: Direction) -> f64 {
    let ((start, len), (to_start, to_len)) = match direction {
        Direction::In => (axis.from, axis.to),
        Direction::Out => (axis.to, axis.from),
    };
    (at - start as f64) * to_len as f64 / len as f64 + to_start as f64
}

fn check(what: &'static str, found: Size, expected: Size) -> Result<()> {
    if found == expected { Ok(()) } else { Err(ImageError::SizeMismatch { what, found, expected }) }
}

/// Start and length of the region, and of its place in the canvas, along an axis on which the canvas has `scale` pixels
/// for one of the picture: the focus in the middle, moved as far as shows more of the picture.
fn shared_axis(
    picture: usize,
    (start, len): (usize, usize),
    canvas: usize,
    scale: f64,
) -> ((usize, usize), (usize, usize)) {
    let wish = canvas as f64 / scale;
    let center = start as f64 + 0.5 * len as f64;
    if wish <= picture as f64 {
        let length = (wish.round() as usize).clamp(len, picture);
        let first = (center - 0.5 * length as f64).round().max(0.0) as usize;
        return (
            (first.min(start).max((start + len).saturating_sub(length)).min(picture - length), length),
            (0, canvas),
        );
    }
    let length = ((picture as f64 * scale).round() as usize).clamp(1, canvas);
    let first = (0.5 * canvas as f64 - center * scale).round().max(0.0) as usize;
    ((0, picture), (first.min(canvas - length), length))
}

/// The smallest size that holds `size` and has the aspect of `model`, to the pixel.
fn with_aspect(size: Size, model: Size) -> Size {
    let scaled = |side: usize, by: usize, per: usize| {
        usize::try_from((side as u128 * by as u128).div_ceil(per as u128)).unwrap_or(usize::MAX)
    };
    Size::new(
        size.width.max(scaled(size.height, model.width, model.height)),
        size.height.max(scaled(size.width, model.height, model.width)),
    )
}

/// `padded` grown to `wished` on both sides alike, cut to the picture's size and moved into it.
fn placed(padded: Rect, wished: Size, picture: Size) -> Rect {
    let axis = |start: usize, len: usize, wish: usize, limit: usize| {
        let grown = wish.min(limit);
        let start = start.saturating_sub((grown - len) / 2).min(limit - grown);
        (start, grown)
    };
    let (x, width) = axis(padded.x, padded.width, wished.width, picture.width);
    let (y, height) = axis(padded.y, padded.height, wished.height, picture.height);
    Rect::new(x, y, width, height)
}

/// The largest place for a region of `size` in the middle of the canvas, at the region's aspect as far
/// as whole pixels (at least one) allow.
fn centred(size: Size, model: Size) -> Rect {
    let (width, height) = (size.width as f64, size.height as f64);
    let scale = (model.width as f64 / width).min(model.height as f64 / height);
    let fitted = |side: f64, limit: usize| ((side * scale).round() as usize).clamp(1, limit);
    let (inner_width, inner_height) = (fitted(width, model.width), fitted(height, model.height));
    Rect::new((model.width - inner_width) / 2, (model.height - inner_height) / 2, inner_width, inner_height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(picture: Size, focus: Rect, model: usize) -> CropPlan {
        CropPlan::new(&CropRequest::new(picture, focus, Size::new(model, model))).unwrap()
    }

    #[test]
    fn a_small_mask_is_worked_on_pixel_by_pixel() {
        let plan = plan(Size::new(4000, 3000), Rect::new(2000, 1500, 20, 10), 128);
        assert_eq!(plan.region(), Rect::new(1946, 1441, 128, 128));
        assert_eq!(plan.inner(), Size::new(128, 128).rect());
        assert!((plan.enlargement() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn without_a_minimum_the_region_is_a_close_up_as_in_a1111() {
        let picture = Size::new(600, 400);
        let mut request = CropRequest::new(picture, Rect::new(300, 200, 60, 20), Size::new(512, 512));
        request.min_region = Size::new(0, 0);
        // Padded: x 268..392, y 168..252; then 84 grows to 124, 20 above and 20 below.
        assert_eq!(CropPlan::new(&request).unwrap().region(), Rect::new(268, 148, 124, 124));
        request.focus = Rect::new(0, 390, 60, 10);
        // At a border the growth goes to the other side.
        assert_eq!(CropPlan::new(&request).unwrap().region(), Rect::new(0, 308, 92, 92));
    }

    #[test]
    fn large_masks_are_reported_as_enlarged() {
        let plan = plan(Size::new(1000, 1000), Rect::new(0, 0, 900, 900), 128);
        assert!(plan.enlargement() > 2.0 && plan.scale() < 0.5);
        assert!((plan.enlargement() - 932.0 / 128.0).abs() < 1e-9);
    }

    #[test]
    fn pictures_that_cannot_hold_the_aspect_are_filled_up_in_the_canvas() {
        let dot = plan(Size::new(1, 1), Rect::new(0, 0, 1, 1), 128);
        assert_eq!((dot.region(), dot.inner()), (Rect::new(0, 0, 1, 1), Size::new(128, 128).rect()));
        let strip = plan(Size::new(100_000, 1), Rect::new(0, 0, 100_000, 1), 128);
        assert_eq!((strip.region().width, strip.inner()), (100_000, Rect::new(0, 63, 128, 1)));
        let wide = plan(Size::new(100, 50), Rect::new(40, 20, 5, 5), 128);
        assert_eq!((wide.region(), wide.inner()), (Rect::new(0, 0, 100, 50), Rect::new(0, 32, 128, 64)));
    }

    #[test]
    fn repeated_edges_repeat_colour_and_mask() {
        let mut request = CropRequest::new(Size::new(2, 1), Rect::new(0, 0, 1, 1), Size::new(2, 2));
        request.multiple = 2;
        let plan = CropPlan::new(&request).unwrap();
        let image = UnitImage::new(Size::new(2, 1), vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).unwrap();
        let canvas = plan.model_image(&image, Filter::Bicubic).unwrap();
        assert_eq!((canvas.pixel(0, 1), canvas.pixel(1, 1)), (image.pixel(0, 0), image.pixel(1, 0)));
        let mask = plan.model_mask(&Mask::new(Size::new(2, 1), vec![255, 0]).unwrap()).unwrap();
        assert_eq!(mask.values(), [255, 0, 255, 0]);
        assert!(plan.model_image(&canvas, Filter::Box).unwrap_err().to_string().contains("2 x 1"));
    }

    #[test]
    fn a_box_takes_its_share_of_the_canvas_whatever_its_size() {
        let request = |picture: usize, focus: Rect| CropRequest {
            padding: Padding::Share(0.5),
            ..CropRequest::new(Size::new(picture, picture), focus, Size::new(128, 128))
        };
        // In the middle of a large picture: 40 px become 64.
        let plan = CropPlan::new(&request(1000, Rect::new(480, 480, 40, 50))).unwrap();
        assert_eq!((plan.region(), plan.inner()), (Rect::new(460, 465, 80, 80), Size::new(128, 128).rect()));
        // At a corner there is more of the picture on the other side.
        let plan = CropPlan::new(&request(1000, Rect::new(0, 960, 40, 40))).unwrap();
        assert_eq!(plan.region(), Rect::new(0, 920, 80, 80));
        // A box as large as the picture leaves a border of repeated edges.
        let plan = CropPlan::new(&request(128, Rect::new(0, 0, 128, 128))).unwrap();
        assert_eq!((plan.region(), plan.inner()), (Size::new(128, 128).rect(), Rect::new(32, 32, 64, 64)));
        // A flat one takes nine tenths of the width.
        let plan = CropPlan::new(&request(1000, Rect::new(300, 500, 400, 40))).unwrap();
        assert!((plan.scale() * 400.0 / 128.0 - 0.9).abs() < 0.01);
    }

    #[test]
    fn bad_requests_are_named() {
        let request = CropRequest::new(Size::new(9, 9), Rect::new(1, 1, 2, 2), Size::new(100, 128));
        assert!(CropPlan::new(&request).unwrap_err().to_string().contains("100 x 128"));
        let nan = CropRequest { padding: Padding::Fraction(f64::NAN), model: Size::new(8, 8), ..request };
        assert!(CropPlan::new(&nan).unwrap_err().to_string().contains("NaN"));
        let share = CropRequest { padding: Padding::Share(1.5), model: Size::new(8, 8), ..request };
        assert!(CropPlan::new(&share).unwrap_err().to_string().contains("1.5"));
        let outside = CropRequest { focus: Rect::new(8, 8, 2, 2), ..request };
        assert!(matches!(CropPlan::new(&outside), Err(ImageError::OutsidePicture { .. })));
    }

    prop_compose! {
        fn requests()(
            width in 1_usize..5000, height in 1_usize..5000,
            corner in (0.0_f64..1.0, 0.0_f64..1.0), extent in (0.0_f64..1.0, 0.0_f64..1.0),
            padding in prop_oneof![
                (0_usize..300).prop_map(Padding::Pixels),
                (0.0_f64..3.0).prop_map(Padding::Fraction),
            ],
            canvas in (1_usize..16, 1_usize..16), grow in any::<bool>(),
        ) -> CropRequest {
            let at = |part: f64, len: usize| ((part * len as f64) as usize).min(len - 1);
            let (x, y) = (at(corner.0, width), at(corner.1, height));
            let model = Size::new(canvas.0 * 8, canvas.1 * 8);
            CropRequest {
                picture: Size::new(width, height),
                focus: Rect::new(x, y, at(extent.0, width - x) + 1, at(extent.1, height - y) + 1),
                padding,
                model,
                multiple: 8,
                min_region: if grow { model } else { Size::new(0, 0) },
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn every_box_is_seen_alike(request in requests(), share in 0.05_f64..0.9) {
            let request = CropRequest { padding: Padding::Share(share), ..request };
            let plan = CropPlan::new(&request).unwrap();
            let (region, inner, focus) = (plan.region(), plan.inner(), request.focus);
            prop_assert!(region.contains(&focus) && request.picture.rect().contains(&region));
            prop_assert!(request.model.rect().contains(&inner) && !inner.is_empty());
            // Both axes are scaled alike, to a pixel of the region and of its place in the canvas, and the box takes its
            // share unless it is flat or tiny.
            let side = request.model.width.min(request.model.height) as f64;
            let (short, long) = (focus.width.min(focus.height) as f64, focus.width.max(focus.height) as f64);
            let scale = (share * side / short).min(0.9 * side / long).min(8.0);
            for (inner, region) in [(inner.width, region.width), (inner.height, region.height)] {
                let found = inner as f64 / region as f64;
                let one_pixel = scale / region as f64 + 1.0 / region as f64;
                // A focus or canvas of a few pixels cannot be met better than by one.
                prop_assert!((found - scale).abs() <= one_pixel.max(scale / inner as f64) + 1e-9, "{found} not {scale}");
            }
        }

        #[test]
        fn every_plan_holds_the_focus_and_stays_inside(request in requests()) {
            let plan = CropPlan::new(&request).unwrap();
            prop_assert!(plan.region().contains(&request.focus));
            prop_assert!(request.picture.rect().contains(&plan.region()));
            prop_assert!(plan.model().rect().contains(&plan.inner()));
            prop_assert!(!plan.inner().is_empty());
            let touches = plan.inner().width == plan.model().width || plan.inner().height == plan.model().height;
            prop_assert!(touches, "the region fills the canvas along one axis");
        }

        #[test]
        fn the_way_back_is_the_inverse(request in requests(), point in (0.0_f64..5000.0, 0.0_f64..5000.0)) {
            let plan = CropPlan::new(&request).unwrap();
            let (x, y) = plan.picture_from_model(plan.model_from_picture(point));
            prop_assert!((x - point.0).abs() < 1e-6 && (y - point.1).abs() < 1e-6);
            // Corners map to corners, so nothing can shift.
            let (region, inner) = (plan.region(), plan.inner());
            let corner = plan.model_from_picture((region.right() as f64, region.bottom() as f64));
            prop_assert!((corner.0 - inner.right() as f64).abs() < 1e-6);
            prop_assert!((corner.1 - inner.bottom() as f64).abs() < 1e-6);
        }

        /// Where the picture can hold the aspect, the two axes are scaled alike to a pixel.
        #[test]
        fn content_is_not_stretched(request in requests()) {
            let plan = CropPlan::new(&request).unwrap();
            let (region, inner) = (plan.region(), plan.inner());
            if inner.width > 4 && inner.height > 4 {
                let horizontal = inner.width as f64 / region.width as f64;
                let vertical = inner.height as f64 / region.height as f64;
                let one_pixel = 1.0 / region.width.min(region.height).min(inner.width).min(inner.height) as f64;
                prop_assert!((horizontal / vertical - 1.0).abs() <= 1.01 * one_pixel + 1e-9);
            }
        }
    }
}
