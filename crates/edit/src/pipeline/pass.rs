//! The geometry of one pass: its region, its mask, and how strongly its result is pasted.

use byteedit_image::{CropPlan, CropRequest, Mask, Padding, Rect, Size};

use super::windows::Window;
use crate::error::Result;
use crate::request::Framing;

/// A mask this much smaller than the model's canvas, along each side, is shown enlarged at most this
/// many times, so that the model has some surroundings to go by.
const MAX_CLOSE_UP: usize = 2;
/// Where windows of an outpainting meet, one fades into the other over this part of its region's side.
const OVERLAP_FADE: usize = 16;

/// The model's view: the size of what it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Size in pixels.
    pub(super) canvas: Size,
    /// Pixels for each latent, along each side.
    pub(super) multiple: usize,
}

/// One region and what happens in it.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    /// Region and the ways to and from the model's canvas.
    pub(super) plan: CropPlan,
    /// What is repainted, of the region's size; binary.
    pub(super) edit_mask: Mask,
    /// How strongly the result is pasted, of the region's size; 255 on all of `edit_mask`.
    pub(super) alpha: Mask,
    /// What belongs there, or "".
    pub(super) prompt: String,
}

impl Pass {
    /// The pass that repaints a mask of the picture's size; `None` if it repaints nothing.
    ///
    /// The work after the first look is that of the mask's surroundings, whatever the picture's size.
    pub(super) fn around(
        view: View,
        edit_mask: &Mask,
        framing: &Framing,
        prompt: &str,
    ) -> Result<Option<Self>> {
        let picture = edit_mask.size();
        let Some(touched) = edit_mask.bounding_box() else { return Ok(None) };
        let reach = framing.mask_grow as usize + framing.feather as usize;
        let near = touched.grown_within(reach, picture);
        let edit_near = edit_mask.crop(near)?.dilate(framing.mask_grow);
        let alpha_near = edit_near.feather(framing.feather);
        let Some(focus) = alpha_near.bounding_box() else { return Ok(None) };
        let View { canvas, multiple } = view;
        let in_picture = |rect: Rect| Rect::new(near.x + rect.x, near.y + rect.y, rect.width, rect.height);
        let request = CropRequest {
            picture,
            focus: in_picture(focus),
            padding: framing.padding,
            model: canvas,
            multiple,
            min_region: Size::new(canvas.width / MAX_CLOSE_UP, canvas.height / MAX_CLOSE_UP),
        };
        let plan = match (framing.padding, edit_near.bounding_box()) {
            // What the model sees does not depend on the feather, unless that reaches beyond it.
            (Padding::Share(_), Some(box_near)) => {
                let plan = CropPlan::new(&CropRequest { focus: in_picture(box_near), ..request })?;
                let holds_feather = plan.region().contains(&request.focus);
                let plan = if holds_feather { plan } else { CropPlan::new(&request)? };
                let is_hidden = moved(&edit_near, near, plan.region())?.repaints().all(|repaint| repaint);
                // With nothing around it to be seen, a box of another size is better than a frame of grey.
                let all = CropRequest { padding: Padding::Pixels(0), ..request };
                if is_hidden { CropPlan::new(&all)? } else { plan }
            }
            _ => CropPlan::new(&request)?,
        };
        let in_region = |mask: &Mask| moved(mask, near, plan.region());
        Ok(Some(Self {
            edit_mask: in_region(&edit_near)?,
            alpha: in_region(&alpha_near)?,
            plan,
            prompt: prompt.to_owned(),
        }))
    }

    /// The passes that paint `new_area` window by window.
    pub(super) fn through(
        view: View,
        windows: &[Window],
        new_area: Mask,
        framing: &Framing,
        prompt: &str,
    ) -> Result<Vec<Self>> {
        let picture = new_area.size();
        let new_area = if framing.mask_grow > 0 { new_area.dilate(framing.mask_grow) } else { new_area };
        let mut remaining = new_area.clone();
        let mut passes = Vec::with_capacity(windows.len());
        for window in windows {
            let plan = CropPlan::new(&CropRequest {
                picture,
                focus: window.rect,
                padding: Padding::Pixels(0),
                model: view.canvas,
                multiple: view.multiple,
                min_region: Size::new(0, 0),
            })?;
            let region = plan.region();
            let edit_mask = remaining.crop(region)?;
            if !edit_mask.repaints().any(|repaint| repaint) {
                continue;
            }
            let fade = (region.width.max(region.height) / OVERLAP_FADE) as u32;
            let alpha = window_alpha(&edit_mask, &new_area.crop(region)?, framing.feather, fade)?;
            remaining = without(&remaining, region)?;
            let prompt = if window.is_prompted { prompt.to_owned() } else { String::new() };
            passes.push(Self { plan, edit_mask, alpha, prompt });
        }
        Ok(passes)
    }
}

/// The part of a result of `size` that the passes repaint, 0 to 1; overlaps count once.
pub(super) fn repainted(passes: &[Pass], size: Size) -> f64 {
    let strength = |pass: &Pass| pass.edit_mask.area_fraction() * pass.plan.region().size().area() as f64;
    let alone = |pass: &Pass| pass.alpha.area_fraction() * pass.plan.region().size().area() as f64;
    // Windows of one picture overlap in their fades only, which their masks leave out.
    let area: f64 = if let [pass] = passes { alone(pass) } else { passes.iter().map(strength).sum() };
    area / size.area() as f64
}

/// Towards the picture a window fades over the feather that was asked for, which may be 0; towards
/// windows painted before, over `fade`.
fn window_alpha(edit_mask: &Mask, new_area: &Mask, feather: u32, fade: u32) -> Result<Mask> {
    let (outwards, between) = (edit_mask.feather(feather), edit_mask.feather(fade));
    let strengths = outwards.values().iter().zip(between.values()).zip(new_area.repaints());
    let values = strengths.map(|((&out, &within), is_new)| if is_new { out.max(within) } else { out });
    Ok(Mask::new(edit_mask.size(), values.collect())?)
}

/// A mask that covers `from`, seen from `to`, which holds all of it; 0 elsewhere.
fn moved(mask: &Mask, from: Rect, to: Rect) -> Result<Mask> {
    let mut values = vec![0; to.size().area()];
    let shared_x = from.x.max(to.x)..from.right().min(to.right());
    for y in from.y.max(to.y)..from.bottom().min(to.bottom()) {
        let source =
            &mask.values()[(y - from.y) * from.width + (shared_x.start - from.x)..][..shared_x.len()];
        values[(y - to.y) * to.width + (shared_x.start - to.x)..][..shared_x.len()].copy_from_slice(source);
    }
    Ok(Mask::new(to.size(), values)?)
}

/// The mask with a rectangle set to "keep".
fn without(mask: &Mask, rect: Rect) -> Result<Mask> {
    let mut values = mask.values().to_vec();
    for row in values.chunks_exact_mut(mask.width()).skip(rect.y).take(rect.height) {
        row[rect.x..rect.right()].fill(0);
    }
    Ok(Mask::new(mask.size(), values)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Defaults;
    use crate::request::{Settings, Sides, TaskKind};
    use proptest::prelude::*;

    const VIEW: View = View { canvas: Size::new(16, 16), multiple: 2 };

    fn framing(mask_grow: u32, feather: u32) -> Framing {
        Framing { mask_grow, feather, ..Settings::new(TaskKind::Edit, &Defaults::default()).framing }
    }

    #[test]
    fn a_mask_that_repaints_nothing_has_no_pass() {
        let size = Size::new(9, 7);
        for mask in [Mask::filled(size, 0), Mask::filled(size, 127)] {
            assert!(Pass::around(VIEW, &mask, &framing(3, 3), "").unwrap().is_none());
        }
        assert!(Pass::around(VIEW, &Mask::filled(size, 128), &framing(0, 0), "").unwrap().is_some());
    }

    #[test]
    fn small_masks_are_shown_enlarged_twice_at_most() {
        let mask = Mask::from_rect(Size::new(99, 99), Rect::new(50, 50, 1, 1)).unwrap();
        let pass = Pass::around(VIEW, &mask, &framing(0, 0), "").unwrap().unwrap();
        assert_eq!(pass.plan.region().size(), Size::new(8, 8));
        assert!((repainted(&[pass], Size::new(99, 99)) - 1.0 / 9801.0).abs() < 1e-12);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The work near the mask gives what the same operations on the whole mask would give.
        #[test]
        fn a_pass_sees_the_whole_grown_and_feathered_mask(
            width in 1_usize..40, height in 1_usize..40, grow in 0_u32..6, feather in 0_u32..6,
            values in prop::collection::vec(prop_oneof![6 => Just(0_u8), 1 => any::<u8>()], 1600),
        ) {
            let size = Size::new(width, height);
            let mask = Mask::new(size, values[..size.area()].to_vec()).unwrap();
            let (grown, soft) = (mask.dilate(grow), mask.dilate(grow).feather(feather));
            let Some(pass) = Pass::around(VIEW, &mask, &framing(grow, feather), "").unwrap() else {
                prop_assert!(grown.is_empty());
                return Ok(());
            };
            let region = pass.plan.region();
            prop_assert_eq!(&pass.edit_mask, &grown.crop(region).unwrap());
            prop_assert_eq!(&pass.alpha, &soft.crop(region).unwrap());
            prop_assert!(without(&soft, region).unwrap().is_empty(), "something to paste lies outside the region");
        }

        /// Together the passes of an outpainting repaint the new area, each pixel once, and only that.
        #[test]
        fn passes_repaint_the_new_area_once(
            sides in prop::array::uniform4(0_i64..60), width in 1_usize..70, height in 1_usize..70,
        ) {
            let [left, right, top, bottom] = sides;
            prop_assume!(left + right + top + bottom > 0);
            let sides = Sides::new(left, right, top, bottom).unwrap();
            let picture = Size::new(width, height);
            let kept = sides.plan().kept(picture);
            let canvas = Size::new(width + (left + right) as usize, height + (top + bottom) as usize);
            let new_area = Mask::from_rect(canvas, kept).unwrap().invert();
            let windows = super::super::windows::windows(sides.plan(), picture, 16);
            let passes = Pass::through(VIEW, &windows, new_area.clone(), &framing(0, 0), "").unwrap();
            let mut times = vec![0; canvas.area()];
            for pass in &passes {
                let region = pass.plan.region();
                let cells = (region.y..region.bottom()).flat_map(|y| (region.x..region.right()).map(move |x| (x, y)));
                for ((x, y), (repaints, &alpha)) in cells.zip(pass.edit_mask.repaints().zip(pass.alpha.values())) {
                    times[y * canvas.width + x] += u32::from(repaints);
                    prop_assert!(!repaints || alpha == 255);
                    prop_assert!(alpha == 0 || new_area.value(x, y) == 255, "a fade reaches the picture");
                }
            }
            let expected: Vec<u32> = new_area.repaints().map(u32::from).collect();
            prop_assert_eq!(times, expected);
            prop_assert!((repainted(&passes, canvas) - new_area.area_fraction()).abs() < 1e-9);
        }
    }
}
