//! An object turned, scaled and mirrored into the pixels of a frame, before it is pasted.

use crate::mask::Rect;
use crate::recolor::turn_hue;
use crate::{Rgba8, Stream};

/// Alpha from which a pixel counts as the object.
pub(super) const SOLID: f32 = 0.5;

/// How an object is put into the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    /// Longer side of the turned object in pixels of the frame.
    pub(super) side: f32,
    /// Clockwise, in radians.
    pub(super) angle: f32,
    /// Mirror left and right.
    pub(super) flip: bool,
}

/// An object in pixels of the frame.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    /// Left column in the frame; soft edges may reach beyond it.
    pub(super) x: isize,
    /// Top row in the frame.
    pub(super) y: isize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Straight sRGB in `[0, 1]`.
    pub(super) rgb: Vec<[f32; 3]>,
    /// Coverage in `[0, 1]`.
    pub(super) alpha: Vec<f32>,
    /// The box around the solid pixels, in the frame.
    pub(super) bounds: Rect,
}

impl Patch {
    /// Renders `object` in `pose` at a random place wholly inside a `size x size` frame.
    pub(super) fn place(object: &Rgba8, pose: Pose, size: usize, stream: &mut Stream) -> Self {
        let extent = Extent::of(object, pose);
        let scale = pose.side / extent.width.max(extent.height);
        let (width, height) = (scale * extent.width, scale * extent.height);
        let left = stream.uniform(0.0, size as f32 - width);
        // Things stand rather than float: the lower of two draws.
        let top = stream.uniform(0.0, size as f32 - height).max(stream.uniform(0.0, size as f32 - height));
        Self::at(object, pose, extent, [left, top], size)
    }

    /// Renders `object` upright in the middle of `hole`, which is `slack` times as large as is needed.
    pub(super) fn fitted(object: &Rgba8, flip: bool, hole: Rect, slack: f32, size: usize) -> Self {
        let upright = Pose { side: 1.0, angle: 0.0, flip };
        let extent = Extent::of(object, upright);
        let scale = (hole.width as f32 / extent.width).min(hole.height as f32 / extent.height) / slack;
        let pose = Pose { side: scale * extent.width.max(extent.height), ..upright };
        let left = hole.x as f32 + 0.5 * (hole.width as f32 - scale * extent.width);
        let top = hole.y as f32 + 0.5 * (hole.height as f32 - scale * extent.height);
        Self::at(object, pose, extent, [left, top], size)
    }

    /// Renders `object`, turned to `extent`, with the left upper corner of its box at `[left, top]`.
    fn at(object: &Rgba8, pose: Pose, extent: Extent, [left, top]: [f32; 2], size: usize) -> Self {
        let scale = pose.side / extent.width.max(extent.height);
        let (width, height) = (scale * extent.width, scale * extent.height);
        let (x, y) = (left.floor() as isize - 1, top.floor() as isize - 1);
        let mut patch = Self {
            x,
            y,
            width: (width + left - x as f32).ceil() as usize + 1,
            height: (height + top - y as f32).ceil() as usize + 1,
            rgb: Vec::new(),
            alpha: Vec::new(),
            bounds: Rect { x: 0, y: 0, width: 0, height: 0 },
        };
        let center = [left + 0.5 * width - x as f32, top + 0.5 * height - y as f32];
        let taps = (1.0 / scale).round().clamp(1.0, 4.0) as usize;
        patch.render(object, &Inverse::new(object, pose, extent, scale, center), taps);
        patch.bounds = patch.solid_bounds(size);
        patch
    }

    /// Box-filtered bilinear sampling: about one tap per source pixel under an output pixel.
    fn render(&mut self, object: &Rgba8, inverse: &Inverse, taps: usize) {
        let object = Premultiplied::new(object);
        let offset = |tap: usize| (tap as f32 + 0.5) / taps as f32;
        for y in 0..self.height {
            for x in 0..self.width {
                let mut sum = [0.0_f32; 4];
                for v in 0..taps {
                    for u in 0..taps {
                        let at = inverse.source([x as f32 + offset(u), y as f32 + offset(v)]);
                        let sample = object.sample(at);
                        for c in 0..4 {
                            sum[c] += sample[c];
                        }
                    }
                }
                let straight = sum[3].max(1e-6);
                self.rgb.push([sum[0] / straight, sum[1] / straight, sum[2] / straight]);
                self.alpha.push(sum[3] / (taps * taps) as f32);
            }
        }
    }

    /// Turns the hues around `from` to `to`, both in degrees.
    pub(super) fn recolor(&mut self, from: f32, to: f32) {
        for (rgb, alpha) in self.rgb.iter_mut().zip(&self.alpha) {
            if *alpha > 0.0 {
                *rgb = turn_hue(*rgb, from, to);
            }
        }
    }

    /// Multiplies the object's light by `gain`.
    pub(super) fn expose(&mut self, gain: f32) {
        for rgb in &mut self.rgb {
            *rgb = rgb.map(|sample| (gain * sample).min(1.0));
        }
    }

    /// All pixels inside a `size x size` frame: column, row, colour and coverage.
    pub(super) fn pixels(&self, size: usize) -> impl Iterator<Item = (usize, usize, [f32; 3], f32)> + '_ {
        self.rgb.iter().zip(&self.alpha).enumerate().filter_map(move |(index, (rgb, alpha))| {
            let x = self.x + (index % self.width) as isize;
            let y = self.y + (index / self.width) as isize;
            let inside = (0..size as isize).contains(&x) && (0..size as isize).contains(&y);
            inside.then_some((x as usize, y as usize, *rgb, *alpha))
        })
    }

    fn solid_bounds(&self, size: usize) -> Rect {
        let (mut left, mut top, mut right, mut bottom) = (size, size, 0, 0);
        for (x, y, _, alpha) in self.pixels(size) {
            if alpha >= SOLID {
                (left, right) = (left.min(x), right.max(x + 1));
                (top, bottom) = (top.min(y), bottom.max(y + 1));
            }
        }
        Rect { x: left, y: top, width: right.saturating_sub(left), height: bottom.saturating_sub(top) }
    }
}

/// The box around the turned object, in pixels of its picture, relative to the picture's centre.
#[derive(Clone, Copy, Debug)]
struct Extent {
    center: [f32; 2],
    width: f32,
    height: f32,
}

impl Extent {
    fn of(object: &Rgba8, pose: Pose) -> Self {
        let (sin, cos) = pose.angle.sin_cos();
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for (index, pixel) in object.pixels().enumerate() {
            if pixel[3] >= 128 {
                let x = (index % object.width) as f32 + 0.5 - 0.5 * object.width as f32;
                let y = (index / object.width) as f32 + 0.5 - 0.5 * object.height as f32;
                let x = if pose.flip { -x } else { x };
                for (axis, value) in [x * cos - y * sin, x * sin + y * cos].into_iter().enumerate() {
                    low[axis] = low[axis].min(value - 0.5);
                    high[axis] = high[axis].max(value + 0.5);
                }
            }
        }
        let center = [0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1])];
        Self { center, width: (high[0] - low[0]).max(1.0), height: (high[1] - low[1]).max(1.0) }
    }
}

/// From a position in the patch back to one in the object's picture.
struct Inverse {
    /// Cosine and sine of the turn, divided by the scale.
    turn: [f32; 2],
    flip: bool,
    /// Centre of the object's box in the patch.
    center: [f32; 2],
    /// The same point in the turned picture, and the centre of the picture itself.
    turned_center: [f32; 2],
    picture_center: [f32; 2],
}

impl Inverse {
    fn new(object: &Rgba8, pose: Pose, extent: Extent, scale: f32, center: [f32; 2]) -> Self {
        let (sin, cos) = pose.angle.sin_cos();
        let [x, y] = extent.center;
        Self {
            turn: [cos / scale, sin / scale],
            flip: pose.flip,
            center,
            turned_center: [x * cos + y * sin, y * cos - x * sin],
            picture_center: [0.5 * object.width as f32, 0.5 * object.height as f32],
        }
    }

    fn source(&self, at: [f32; 2]) -> [f32; 2] {
        let [cos, sin] = self.turn;
        let [u, v] = [at[0] - self.center[0], at[1] - self.center[1]];
        let x = u * cos + v * sin + self.turned_center[0];
        let y = v * cos - u * sin + self.turned_center[1];
        [if self.flip { -x } else { x } + self.picture_center[0], y + self.picture_center[1]]
    }
}

/// An object's picture with alpha multiplied in, in `[0, 1]`, inside a border of nothing: then
/// bilinear sampling needs neither a test per neighbour nor a division.
struct Premultiplied {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 4]>,
}

impl Premultiplied {
    /// Pixels of nothing on each side.
    const BORDER: usize = 2;

    fn new(object: &Rgba8) -> Self {
        let (width, height) = (object.width + 2 * Self::BORDER, object.height + 2 * Self::BORDER);
        let mut pixels = vec![[0.0; 4]; width * height];
        for (index, pixel) in object.pixels().enumerate() {
            let (x, y) = (index % object.width + Self::BORDER, index / object.width + Self::BORDER);
            let [r, g, b, a] = pixel.map(|sample| f32::from(sample) / 255.0);
            pixels[y * width + x] = [a * r, a * g, a * b, a];
        }
        Self { width, height, pixels }
    }

    /// The bilinear sample at a position of the object's picture; nothing outside it.
    fn sample(&self, [x, y]: [f32; 2]) -> [f32; 4] {
        let shift = Self::BORDER as f32 - 0.5;
        let x = (x + shift).clamp(0.0, (self.width - 2) as f32);
        let y = (y + shift).clamp(0.0, (self.height - 2) as f32);
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f32, y - top as f32);
        let at = top * self.width + left;
        let [a, b] = [self.pixels[at], self.pixels[at + 1]];
        let [c, d] = [self.pixels[at + self.width], self.pixels[at + self.width + 1]];
        std::array::from_fn(|i| {
            let (upper, lower) = (a[i] + fx * (b[i] - a[i]), c[i] + fx * (d[i] - c[i]));
            upper + fy * (lower - upper)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A red box with a transparent border.
    fn object() -> Rgba8 {
        let inside = |x: usize, y: usize| (10..90).contains(&x) && (30..70).contains(&y);
        let pixel = |x, y| if inside(x, y) { [200, 40, 60, 255] } else { [0; 4] };
        let data = (0..100).flat_map(|y| (0..100).flat_map(move |x| pixel(x, y))).collect();
        Rgba8 { width: 100, height: 100, data }
    }

    proptest! {
        #[test]
        fn an_object_has_the_size_asked_for_and_stays_inside(
            seed in any::<u64>(), side in 45.0_f32..96.0, angle in -0.27_f32..0.27, flip: bool,
        ) {
            let pose = Pose { side, angle, flip };
            let patch = Patch::place(&object(), pose, 128, &mut Stream::new([seed, 0, 0, 0]));
            let Rect { x, y, width, height } = patch.bounds;
            prop_assert!(x + width <= 128 && y + height <= 128);
            // The sharp corner of a turned box covers less than half of its last pixel or two.
            prop_assert!((width as f32 - side).abs() <= 3.0, "{width} for {side}");
            prop_assert!(width > height);
        }

        #[test]
        fn colors_survive_resampling(seed in any::<u64>(), side in 45.0_f32..96.0, angle in -0.27_f32..0.27) {
            let pose = Pose { side, angle, flip: false };
            let patch = Patch::place(&object(), pose, 128, &mut Stream::new([seed, 0, 0, 0]));
            for (_, _, rgb, alpha) in patch.pixels(128) {
                // Straight colour does not darken towards the transparent border.
                prop_assert!(alpha < 0.01 || (rgb[0] - 200.0 / 255.0).abs() < 1e-3);
            }
        }
    }
}
