//! What an inpainting network is shown of the place that it is to paint.
//!
//! Public checkpoints see mid grey there. What colours surround the hole, and how far it is to each of its sides, a
//! network must then carry in from the edges, layer by layer, and it takes a small one most of its training to learn
//! that. Shown instead are the latents of the hole filled smoothly, a first guess of what the surroundings go on like;
//! and since the last channels of so smooth a picture are next to nothing, they say where in the hole one is
//! (coordinates as channels: Liu et al. 2018, arXiv 1807.03247).

use byteedit_image::{Mask, Rect};
use serde::{Deserialize, Serialize};

/// Channels that say where in the hole one is.
const PLACE_CHANNELS: usize = 4;
/// Latent channels that a network needs for [`Hole::Guess`]: as many more stay free for the guess.
pub const MIN_GUESS_CHANNELS: usize = 2 * PLACE_CHANNELS;

/// What the masked latents hold inside the mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hole {
    /// The latents of mid grey, as in every public checkpoint.
    #[default]
    Grey,
    /// The latents of a smooth fill, with the place in the hole in the last four channels.
    Guess,
}

impl Hole {
    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Guess => "guess",
        }
    }

    /// Whether it is as in public checkpoints.
    pub fn is_grey(&self) -> bool {
        *self == Self::Grey
    }
}

/// Writes the place in the hole into the last channels of the latents of one picture, wherever `latent_mask` repaints:
/// `u`, `v`, `cos(pi u)`, `cos(pi v)` of the middle of each latent, with `(u, v)` from (-1, -1) to (1, 1) over `hole`.
///
/// # Shapes
/// - `latents`: `[channels, height, width]`, of the size of `latent_mask`
/// - `hole`: the box around the mask in pixels, `downscale` times as many as latents
///
/// # Panics
/// If `latents` are of another size or have fewer than four channels, or if `hole` is empty.
pub fn write_places(latents: &mut [f32], latent_mask: &Mask, hole: Rect, downscale: usize) {
    let size = latent_mask.size();
    let channels = latents.len() / size.area();
    assert!(
        latents.len() == channels * size.area() && channels >= PLACE_CHANNELS,
        "{} latents for {} positions; this is a bug",
        latents.len(),
        size.area()
    );
    assert!(hole.width > 0 && hole.height > 0, "an empty hole; this is a bug");
    let along = |index: usize, start: usize, length: usize| {
        let middle = ((2 * index + 1) * downscale) as f32 / 2.0;
        2.0 * (middle - start as f32) / length as f32 - 1.0
    };
    let first = (channels - PLACE_CHANNELS) * size.area();
    for (at, _) in latent_mask.repaints().enumerate().filter(|(_, repaint)| *repaint) {
        let u = along(at % size.width, hole.x, hole.width);
        let v = along(at / size.width, hole.y, hole.height);
        let pi = std::f32::consts::PI;
        for (channel, value) in [u, v, (pi * u).cos(), (pi * v).cos()].into_iter().enumerate() {
            latents[first + channel * size.area() + at] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::*;

    #[test]
    fn places_run_over_the_hole_and_what_is_kept_stays() {
        let (pixels, grid) = (Size::new(32, 32), Size::new(4, 4));
        let hole = Rect::new(8, 0, 16, 32);
        let mask = Mask::from_rect(pixels, hole).unwrap().resize_nearest(grid);
        let mut latents = vec![7.0; 5 * 16];
        write_places(&mut latents, &mask, hole, 8);
        let [first, u, v, cos_u, cos_v] = std::array::from_fn(|channel| &latents[16 * channel..][..16]);
        assert_eq!(first, vec![7.0; 16]);
        assert_eq!(u[..4], [7.0, -0.5, 0.5, 7.0]);
        let column: Vec<f32> = v.iter().skip(1).step_by(4).copied().collect();
        assert_eq!(column, [-0.75, -0.25, 0.25, 0.75]);
        assert!(cos_u[1].abs() < 1e-6 && (cos_v[5] - 0.5_f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn kinds_have_names() {
        for hole in [Hole::Grey, Hole::Guess] {
            assert_eq!(serde_json::to_value(hole).unwrap(), hole.name());
        }
    }
}
