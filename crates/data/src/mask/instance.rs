//! Masks made from an object: dilated, boxed, drawn freehand, or boxed as for another object.
//!
//! The paper coarsens instance masks by random dilation and merges them with random masks around
//! the instance (section 4.1). A dilated silhouette still tells what belongs inside it; boxes,
//! freehand strokes and boxes of a foreign shape do not: no part of their edge is the object's outline,
//! but where the two happen to meet.

use serde::{Deserialize, Serialize};

use super::shapes::{REFERENCE_SIDE, Strokes, fill_box};
use super::{Mask, MaskKind, Rect};
use crate::Stream;

/// A brush that covers an object: length of a segment and width of a stroke as shares of the object's
/// longer side, so that a few strokes hide most of it.
const BRUSH_LENGTH: [f32; 2] = [0.2, 0.6];
const BRUSH_WIDTH: [f32; 2] = [0.3, 0.6];

/// A dab on what the brush missed. Its radius, 5 to 12 % of the picture's side, is a good part of the
/// smallest objects, so that few dabs do.
const DAB: Strokes = Strokes { count: [1, 1], segments: [1, 2], length: [8.0, 40.0], width: [48.0, 120.0] };

/// What is merged with a mask of any kind: one or two strokes, shorter and thinner than those that are
/// masks on their own, since they come on top of one.
const MERGED: Strokes =
    Strokes { count: [1, 2], segments: [1, 4], length: [10.0, 200.0], width: [20.0, 110.0] };

/// How an object's mask is coarsened. Every result covers the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceMasks {
    /// Probability of the object's silhouette, dilated.
    pub p_dilated: f32,
    /// Probability of the object's bounding box with a margin.
    pub p_box: f32,
    /// Probability of strokes drawn freehand over the object.
    pub p_free_form: f32,
    /// Probability of a box cut for another object: of another aspect.
    pub p_other_box: f32,
    /// Radius of the dilation, in 1/512 of the side.
    pub dilation: [f32; 2],
    /// Margin of the box, drawn for each side, in 1/512 of the picture's side.
    pub box_margin: [f32; 2],
    /// Width over height of another object's box.
    pub other_aspect: [f32; 2],
    /// How much larger than needed another object's box may be.
    pub other_slack: [f32; 2],
    /// Whether the object lies in the middle of another object's box, rather than anywhere in it. Where the box tells
    /// the place, a small model has less to guess.
    pub other_centered: bool,
    /// Probability that random strokes starting on the object are merged in.
    pub p_merge: f32,
}

impl Default for InstanceMasks {
    fn default() -> Self {
        Self {
            p_dilated: 0.25,
            p_box: 0.3,
            p_free_form: 0.2,
            p_other_box: 0.25,
            dilation: [8.0, 56.0],
            box_margin: [4.0, 56.0],
            other_aspect: [0.5, 2.0],
            other_slack: [1.0, 1.2],
            other_centered: false,
            p_merge: 0.2,
        }
    }
}

impl InstanceMasks {
    /// Boxes cut for other objects alone: no outline tells what belongs into them.
    pub fn other_boxes() -> Self {
        Self {
            p_dilated: 0.0,
            p_box: 0.0,
            p_free_form: 0.0,
            p_other_box: 1.0,
            p_merge: 0.0,
            ..Self::default()
        }
    }

    /// A mask that covers `instance`, whose bounding box is `around`, and how it was made.
    pub(super) fn draw(&self, stream: &mut Stream, instance: &Mask, around: Rect) -> (Mask, MaskKind) {
        let size = instance.width;
        let kinds = [self.p_dilated, self.p_box, self.p_free_form, self.p_other_box];
        let (mask, kind) = match stream.weighted(&kinds) {
            0 => (self.dilated(stream, instance), MaskKind::Dilated),
            1 => (self.boxed(stream, size, around), MaskKind::Box),
            2 => (free_form(stream, instance, around), MaskKind::FreeForm),
            _ => (self.boxed_for_another(stream, size, around), MaskKind::OtherBox),
        };
        if !stream.chance(self.p_merge) {
            return (mask, kind);
        }
        (mask.union(&MERGED.draw(stream, size, around)), kind)
    }

    fn dilated(&self, stream: &mut Stream, instance: &Mask) -> Mask {
        let scale = instance.width as f32 / REFERENCE_SIDE;
        let radius = scale * stream.uniform(self.dilation[0], self.dilation[1]);
        instance.dilate(radius.round() as usize)
    }

    fn boxed(&self, stream: &mut Stream, size: usize, around: Rect) -> Mask {
        let scale = size as f32 / REFERENCE_SIDE;
        let mut margin = || (scale * stream.uniform(self.box_margin[0], self.box_margin[1])).round() as usize;
        let (left, top) = (around.x.saturating_sub(margin()), around.y.saturating_sub(margin()));
        let right = (around.x + around.width + margin()).min(size);
        let bottom = (around.y + around.height + margin()).min(size);
        let mut mask = Mask::empty(size, size);
        fill_box(&mut mask, Rect { x: left, y: top, width: right - left, height: bottom - top }, 0.0);
        mask
    }

    fn boxed_for_another(&self, stream: &mut Stream, size: usize, around: Rect) -> Mask {
        let aspect = stream.log_uniform(self.other_aspect[0], self.other_aspect[1]);
        let slack = stream.uniform(self.other_slack[0], self.other_slack[1]);
        // The smallest box of that aspect that holds the object, then a little larger.
        let height = (around.height as f32).max(around.width as f32 / aspect) * slack;
        let side = |length: f32| (length.ceil() as usize).min(size);
        let (width, height) = (side(height * aspect).max(around.width), side(height).max(around.height));
        let mut mask = Mask::empty(size, size);
        let mut start = |first: usize, extent: usize, length: usize| {
            let [least, most] = starts(first, extent, length, size);
            let middle = first.saturating_sub((length - extent) / 2);
            if self.other_centered { middle.clamp(least, most) } else { stream.between(least, most) }
        };
        let (x, y) = (start(around.x, around.width, width), start(around.y, around.height, height));
        fill_box(&mut mask, Rect { x, y, width, height }, 0.0);
        mask
    }
}

/// The least and the greatest start with which `length` pixels cover `extent` from `first` and stay inside `size`.
fn starts(first: usize, extent: usize, length: usize, size: usize) -> [usize; 2] {
    [(first + extent).saturating_sub(length), first.min(size - length)]
}

/// Broad strokes over the object, then dabs until nothing of it shows, as somebody covers it with a
/// brush. Adding the object itself instead would draw its outline.
fn free_form(stream: &mut Stream, instance: &Mask, around: Rect) -> Mask {
    let size = instance.width;
    let side = around.width.max(around.height) as f32 / size as f32 * REFERENCE_SIDE;
    let brush = Strokes {
        count: [2, 4],
        segments: [1, 3],
        length: BRUSH_LENGTH.map(|share| share * side),
        width: BRUSH_WIDTH.map(|share| share * side),
    };
    let mut mask = brush.draw(stream, size, around);
    let is_missed = |mask: &Mask, at: usize| instance.values[at] >= 128 && mask.values[at] < 128;
    let mut missed: Vec<usize> = (0..mask.values.len()).filter(|&at| is_missed(&mask, at)).collect();
    // A stroke covers the pixel it starts in, so each dab shortens the list and the loop ends.
    while !missed.is_empty() {
        let at = missed[stream.below(missed.len())];
        let pixel = Rect { x: at % size, y: at / size, width: 1, height: 1 };
        mask = mask.union(&DAB.draw(stream, size, pixel));
        missed.retain(|&at| is_missed(&mask, at));
    }
    mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_kind_covers_the_object(
            seed in any::<u64>(), x in 0_usize..100, y in 0_usize..100, w in 1_usize..90, h in 1_usize..90,
        ) {
            let instance = Mask::from_fn(128, 128, |u, v| {
                // An ellipse, so that silhouette and box differ.
                let [a, b] = [(u as f32 - x as f32) / w as f32, (v as f32 - y as f32) / h as f32];
                (2.0 * a - 1.0).powi(2) + (2.0 * b - 1.0).powi(2) <= 1.0
            });
            let Some(around) = instance.bounding_box() else { return Ok(()) };
            let mut stream = Stream::new([seed, 0, 0, 0]);
            let (mask, _) = InstanceMasks::default().draw(&mut stream, &instance, around);
            prop_assert!(mask.covers(&instance));
        }

        #[test]
        fn a_foreign_box_is_a_box_of_another_shape(seed in any::<u64>(), x in 0_usize..80, y in 0_usize..80) {
            let around = Rect { x, y, width: 40, height: 20 };
            let mask = InstanceMasks::default().boxed_for_another(&mut Stream::new([seed, 0, 0, 0]), 128, around);
            let found = mask.bounding_box().unwrap();
            prop_assert_eq!(mask.area(), found.width * found.height);
            prop_assert!(found.x <= x && found.x + found.width >= x + 40);
            prop_assert!(found.y <= y && found.y + found.height >= y + 20);
        }

        #[test]
        fn a_centered_box_has_the_object_in_its_middle(seed in any::<u64>(), x in 24_usize..64, y in 34_usize..74) {
            let around = Rect { x, y, width: 40, height: 20 };
            let masks = InstanceMasks { other_centered: true, other_aspect: [0.8, 2.2], ..InstanceMasks::default() };
            let mask = masks.boxed_for_another(&mut Stream::new([seed, 0, 0, 0]), 128, around);
            let found = mask.bounding_box().unwrap();
            let twice_the_middle = |first: usize, extent: usize| 2 * first + extent;
            prop_assert!(twice_the_middle(found.x, found.width).abs_diff(twice_the_middle(x, 40)) <= 1);
            prop_assert!(twice_the_middle(found.y, found.height).abs_diff(twice_the_middle(y, 20)) <= 1);
        }
    }
}
