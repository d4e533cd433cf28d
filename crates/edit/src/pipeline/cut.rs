//! From a region of a picture to the model's canvas, without a trace of what is to be repainted.
//!
//! Greying out the mask on the canvas is not enough: resizing has by then mixed what is under the mask
//! into the kept pixels along its edge, and a model that sees a red rim paints a red thing. So pixels
//! are resized by normalised convolution (Knutsson and Westin 1993), in which masked ones have weight 0:
//! the filtered kept pixels over the filtered weights. Away from the mask that is the plain resize.

use byteedit_image::{CropPlan, Filter, Mask, UnitImage, fill};

use crate::error::Result;

/// Below this sum of weights, kept pixels say too little about a canvas pixel, and it continues its
/// neighbours instead. Along a straight edge a kept pixel has at least 0.5.
const MIN_WEIGHT: f32 = 0.25;

/// The canvas of a region in which masked pixels have no say; under the mask it is the smoothest
/// continuation of the rest.
///
/// # Errors
/// [`crate::EditError::Image`] if region or mask are not of the plan's size.
pub(crate) fn known_canvas(
    plan: &CropPlan,
    mut region: UnitImage,
    edit_mask: &Mask,
    filter: Filter,
) -> Result<UnitImage> {
    edit_mask.check_size(region.size())?;
    let mut weights = UnitImage::filled(region.size(), [1.0; 3]);
    let pixels = region.data_mut().chunks_exact_mut(3).zip(weights.data_mut().chunks_exact_mut(3));
    for ((pixel, weight), _) in pixels.zip(edit_mask.repaints()).filter(|(_, repaint)| *repaint) {
        pixel.fill(0.0);
        weight.fill(0.0);
    }
    let mut canvas = plan.model_image(&region, filter)?;
    drop(region);
    let weights = plan.model_image(&weights, filter)?;
    let mut unknown = Vec::with_capacity(canvas.size().area());
    for (pixel, weight) in canvas.data_mut().chunks_exact_mut(3).zip(weights.data().chunks_exact(3)) {
        let is_known = weight[0] >= MIN_WEIGHT;
        unknown.push(if is_known { 0 } else { 255 });
        for value in pixel {
            *value = if is_known { (*value / weight[0]).clamp(0.0, 1.0) } else { 0.0 };
        }
    }
    let unknown = Mask::new(canvas.size(), unknown)?;
    Ok(fill::harmonic(&canvas, &unknown)?)
}

/// `canvas` with what `seen`, of the same size, shows under the mask.
pub(crate) fn with_hole_of(mut canvas: UnitImage, seen: &UnitImage, edit_mask: &Mask) -> UnitImage {
    let pixels = canvas.data_mut().chunks_exact_mut(3).zip(seen.data().chunks_exact(3));
    for ((pixel, seen), _) in pixels.zip(edit_mask.repaints()).filter(|(_, repaint)| *repaint) {
        pixel.copy_from_slice(seen);
    }
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;
    use byteedit_image::{CropRequest, Padding, Rect, Size};
    use proptest::prelude::*;

    fn plan(size: Size) -> CropPlan {
        let request = CropRequest::new(size, size.rect(), Size::new(16, 16));
        let request = CropRequest { padding: Padding::Pixels(0), min_region: Size::new(0, 0), ..request };
        CropPlan::new(&request).unwrap()
    }

    /// A colour for each pixel, smooth over the picture.
    fn ramp(size: Size) -> UnitImage {
        let pixel = |i: usize| {
            let x = (i % size.width) as f32 / size.width as f32;
            let y = (i / size.width) as f32 / size.height as f32;
            [0.2 + 0.5 * x, 0.8 - 0.4 * y, 0.3 + 0.2 * x * y]
        };
        UnitImage::new(size, (0..size.area()).flat_map(pixel).collect()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn masked_pixels_have_no_say_and_kept_ones_are_resized_as_ever(
            width in 4_usize..70, height in 4_usize..70, hidden in prop::collection::vec(0.0_f32..1.0, 3),
            corner in (0.0_f64..0.8, 0.0_f64..0.8), extent in (0.1_f64..0.9, 0.1_f64..0.9),
        ) {
            let size = Size::new(width, height);
            let at = |part: f64, len: usize| ((part * len as f64) as usize).min(len - 1);
            let (x, y) = (at(corner.0, width), at(corner.1, height));
            let rect = Rect::new(x, y, at(extent.0, width - x) + 1, at(extent.1, height - y) + 1);
            let mask = Mask::from_rect(size, rect).unwrap();
            let (plan, plain) = (plan(size), ramp(size));
            let mut other = plain.clone();
            for (pixel, _) in other.data_mut().chunks_exact_mut(3).zip(mask.repaints()).filter(|(_, repaint)| *repaint) {
                pixel.copy_from_slice(&hidden);
            }
            let known = known_canvas(&plan, plain.clone(), &mask, Filter::Lanczos3).unwrap();
            let same = known_canvas(&plan, other, &mask, Filter::Lanczos3).unwrap();
            prop_assert!(known == same, "something under the mask shows");

            // Where no tap of the filter reaches the mask, the two resizes are the same.
            let taps = 3.0 * plan.enlargement().max(1.0) * std::f64::consts::SQRT_2;
            let reach = plan.model_mask(&mask.dilate(taps.ceil() as u32 + 1)).unwrap();
            let resized = plan.model_image(&plain, Filter::Lanczos3).unwrap();
            let far = reach.repaints().map(|near| !near);
            for ((a, b), _) in known.data().chunks(3).zip(resized.data().chunks(3)).zip(far).filter(|(_, far)| *far) {
                prop_assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{:?} instead of {:?}", a, b);
            }
        }
    }

    #[test]
    fn an_even_picture_stays_even_up_to_the_edge_and_beyond() {
        let size = Size::new(50, 41);
        let image = UnitImage::filled(size, [0.2, 0.6, 0.9]);
        let mask = Mask::from_rect(size, Rect::new(11, 9, 23, 20)).unwrap();
        let known = known_canvas(&plan(size), image, &mask, Filter::Lanczos3).unwrap();
        for pixel in known.data().chunks(3) {
            assert!(pixel.iter().zip([0.2, 0.6, 0.9]).all(|(a, b)| (a - b).abs() < 1e-3), "{pixel:?}");
        }
    }

    #[test]
    fn where_nothing_is_known_the_canvas_is_grey() {
        let size = Size::new(20, 20);
        let known =
            known_canvas(&plan(size), ramp(size), &Mask::filled(size, 255), Filter::Lanczos3).unwrap();
        assert_eq!(known, UnitImage::filled(Size::new(16, 16), [0.5; 3]));
    }
}
