//! The random shapes of the strategy: strokes, boxes and the window of an outward expansion.
//!
//! Lengths are in pixels of a 512-px picture, as the inpainting field states them (`LaMa`, arXiv
//! 2109.07161, and latent diffusion's inpainting masks), and are scaled to the picture at hand.

use serde::{Deserialize, Serialize};

use super::{Mask, Rect};
use crate::Stream;

/// The side that stated lengths refer to.
pub(super) const REFERENCE_SIDE: f32 = 512.0;

/// Irregular shapes: polylines of round strokes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Strokes {
    /// Least and most strokes of one mask.
    pub count: [usize; 2],
    /// Least and most straight segments of one stroke.
    pub segments: [usize; 2],
    /// Length of a segment, in 1/512 of the side.
    pub length: [f32; 2],
    /// Width of a stroke, in 1/512 of the side.
    pub width: [f32; 2],
}

impl Default for Strokes {
    fn default() -> Self {
        Self { count: [1, 5], segments: [1, 4], length: [10.0, 450.0], width: [5.0, 250.0] }
    }
}

impl Strokes {
    /// A mask of random strokes; each starts inside `start`.
    pub(super) fn draw(&self, stream: &mut Stream, size: usize, start: Rect) -> Mask {
        let scale = size as f32 / REFERENCE_SIDE;
        let mut mask = Mask::empty(size, size);
        for _ in 0..stream.between(self.count[0], self.count[1]) {
            // A stroke is at least a pixel and a half wide, so that it covers the pixel it starts in.
            let radius = (0.5 * scale * stream.uniform(self.width[0], self.width[1])).max(0.75);
            let mut from = [
                start.x as f32 + stream.uniform(0.0, start.width as f32),
                start.y as f32 + stream.uniform(0.0, start.height as f32),
            ];
            for _ in 0..stream.between(self.segments[0], self.segments[1]) {
                let length = scale * stream.uniform(self.length[0], self.length[1]);
                let angle = stream.uniform(0.0, std::f32::consts::TAU);
                let limit = size as f32 - 0.5;
                let to = [
                    (from[0] + length * angle.cos()).clamp(0.5, limit),
                    (from[1] + length * angle.sin()).clamp(0.5, limit),
                ];
                fill_capsule(&mut mask, from, to, radius);
                from = to;
            }
        }
        mask
    }
}

/// Sets every pixel whose centre lies within `radius` of the segment.
fn fill_capsule(mask: &mut Mask, from: [f32; 2], to: [f32; 2], radius: f32) {
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let squared = (dx * dx + dy * dy).max(1e-9);
    let span = |a: f32, b: f32, limit: usize| {
        let low = (a.min(b) - radius).floor().max(0.0) as usize;
        low..((a.max(b) + radius).ceil().max(0.0) as usize).min(limit)
    };
    for y in span(from[1], to[1], mask.height) {
        for x in span(from[0], to[0], mask.width) {
            let [px, py] = [x as f32 + 0.5 - from[0], y as f32 + 0.5 - from[1]];
            let along = ((px * dx + py * dy) / squared).clamp(0.0, 1.0);
            let [ex, ey] = [px - along * dx, py - along * dy];
            if ex * ex + ey * ey <= radius * radius {
                mask.values[y * mask.width + x] = 255;
            }
        }
    }
}

/// Squares and other boxes, some with rounded corners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Boxes {
    /// Least and most boxes of one mask.
    pub count: [usize; 2],
    /// Side of a box, drawn for each axis, in 1/512 of the picture's side.
    pub side: [f32; 2],
    /// Distance kept from the picture's border, in 1/512 of its side.
    pub margin: f32,
    /// Probability that a box has rounded corners.
    pub p_round: f32,
    /// Largest radius of a rounded corner, in 1/512 of the side.
    pub max_radius: f32,
}

impl Default for Boxes {
    fn default() -> Self {
        Self { count: [1, 4], side: [30.0, 300.0], margin: 10.0, p_round: 0.5, max_radius: 60.0 }
    }
}

impl Boxes {
    /// A mask of random boxes.
    pub(super) fn draw(&self, stream: &mut Stream, size: usize) -> Mask {
        let scale = size as f32 / REFERENCE_SIDE;
        let margin = scale * self.margin;
        let mut mask = Mask::empty(size, size);
        for _ in 0..stream.between(self.count[0], self.count[1]) {
            let [width, height] = [(); 2].map(|()| {
                (scale * stream.uniform(self.side[0], self.side[1])).clamp(1.0, size as f32 - 2.0 * margin)
            });
            let x = stream.uniform(margin, size as f32 - margin - width);
            let y = stream.uniform(margin, size as f32 - margin - height);
            let rounded = stream.chance(self.p_round);
            let radius = if rounded { scale * stream.uniform(0.0, self.max_radius) } else { 0.0 };
            let rect = Rect {
                x: x as usize,
                y: y as usize,
                width: width.ceil() as usize,
                height: height.ceil() as usize,
            };
            fill_box(&mut mask, rect, radius);
        }
        mask
    }
}

/// Sets the pixels of `rect`, clipped to the mask, its corners rounded by `radius` pixels.
pub(super) fn fill_box(mask: &mut Mask, rect: Rect, radius: f32) {
    let radius = radius.min(0.5 * rect.width.min(rect.height) as f32);
    let outside = |offset: usize, side: usize| {
        let center = offset as f32 + 0.5;
        (radius - center).max(center - (side as f32 - radius)).max(0.0)
    };
    for v in 0..rect.height.min(mask.height.saturating_sub(rect.y)) {
        for u in 0..rect.width.min(mask.width.saturating_sub(rect.x)) {
            let (dx, dy) = (outside(u, rect.width), outside(v, rect.height));
            if dx * dx + dy * dy <= radius * radius {
                mask.values[(rect.y + v) * mask.width + rect.x + u] = 255;
            }
        }
    }
}

/// Outward expansion: a window of the picture is kept, all around it is repainted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outward {
    /// Share of each side that the window keeps.
    pub keep: [f32; 2],
    /// Probability that the picture grows to one side only.
    pub p_one_sided: f32,
}

impl Default for Outward {
    fn default() -> Self {
        Self { keep: [0.35, 0.85], p_one_sided: 0.4 }
    }
}

impl Outward {
    /// The window that is kept.
    pub(crate) fn draw(&self, stream: &mut Stream, size: usize) -> Rect {
        let [width, height] = [(); 2].map(|()| {
            let kept = size as f32 * stream.uniform(self.keep[0], self.keep[1]);
            // At least one pixel is kept and one repainted, at any size.
            (kept.round() as usize).clamp(1, size.saturating_sub(1).max(1))
        });
        if stream.chance(self.p_one_sided) {
            let far = size - width;
            return match stream.below(4) {
                0 => Rect { x: 0, y: 0, width, height: size },
                1 => Rect { x: far, y: 0, width, height: size },
                2 => Rect { x: 0, y: 0, width: size, height: width },
                _ => Rect { x: 0, y: far, width: size, height: width },
            };
        }
        Rect { x: stream.between(0, size - width), y: stream.between(0, size - height), width, height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capsule_has_its_area() {
        let mut mask = Mask::empty(200, 200);
        fill_capsule(&mut mask, [50.0, 100.0], [150.0, 100.0], 20.0);
        let exact = 100.0 * 40.0 + std::f32::consts::PI * 400.0;
        assert!((mask.area() as f32 / exact - 1.0).abs() < 0.01, "{} for {exact}", mask.area());
    }

    #[test]
    fn a_rounded_box_loses_its_corners() {
        let rect = Rect { x: 10, y: 20, width: 60, height: 40 };
        let mut sharp = Mask::empty(100, 100);
        fill_box(&mut sharp, rect, 0.0);
        assert_eq!((sharp.area(), sharp.bounding_box()), (2400, Some(rect)));
        let mut round = Mask::empty(100, 100);
        fill_box(&mut round, rect, 20.0);
        let exact = 2400.0 - (4.0 - std::f32::consts::PI) * 400.0;
        assert!((round.area() as f32 / exact - 1.0).abs() < 0.02, "{} for {exact}", round.area());
    }

    #[test]
    fn boxes_keep_their_margin() {
        let boxes = Boxes { margin: 64.0, p_round: 0.0, ..Boxes::default() };
        for index in 0..200 {
            let mask = boxes.draw(&mut Stream::new([3, 0, index, 0]), 128);
            let Rect { x, y, width, height } = mask.bounding_box().unwrap();
            // 64 of 512 is 16 of 128; the far border may round up by a pixel.
            assert!(x >= 16 && y >= 16 && x + width <= 113 && y + height <= 113);
        }
    }

    #[test]
    fn a_window_stays_inside_and_leaves_something() {
        let mut one_sided = 0;
        for index in 0..400 {
            let Rect { x, y, width, height } =
                Outward::default().draw(&mut Stream::new([4, 0, index, 0]), 128);
            assert!(x + width <= 128 && y + height <= 128 && width * height < 128 * 128);
            assert!(width >= 44 && height >= 44);
            one_sided += usize::from(width == 128 || height == 128);
        }
        assert!((110..210).contains(&one_sided), "{one_sided} of 400");
    }
}
