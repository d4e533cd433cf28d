//! Soft shadows: a drop shadow of the silhouette and a contact shadow below it.

use super::patch::Patch;
use crate::Stream;

/// Attenuation below this is dropped, so that a shadow has an end and an edit mask can cover it.
const FLOOR: f32 = 0.02;

/// How much light the object takes from each pixel of a `size x size` frame, in `[0, 1]`.
pub(super) fn shadow(patch: &Patch, size: usize, stream: &mut Stream) -> Vec<f32> {
    let side = patch.bounds.width.max(patch.bounds.height) as f32;
    let mut shadow = drop_shadow(patch, size, side, stream);
    if stream.chance(0.6) {
        add_contact(&mut shadow, patch, size, stream);
    }
    for value in &mut shadow {
        *value = if *value < FLOOR { 0.0 } else { *value };
    }
    shadow
}

/// The silhouette, moved away from the light, blurred and thinned.
fn drop_shadow(patch: &Patch, size: usize, side: f32, stream: &mut Stream) -> Vec<f32> {
    let dx = (side * stream.uniform(-0.08, 0.08)).round() as isize;
    let dy = (side * stream.uniform(0.0, 0.07)).round() as isize;
    let radius = ((side * stream.uniform(0.02, 0.05)).round() as usize).max(1);
    let opacity = stream.uniform(0.15, 0.5);
    let mut values = vec![0.0; size * size];
    for y in 0..patch.height {
        for x in 0..patch.width {
            let (u, v) = (patch.x + x as isize + dx, patch.y + y as isize + dy);
            if (0..size as isize).contains(&u) && (0..size as isize).contains(&v) {
                values[v as usize * size + u as usize] = opacity * patch.alpha[y * patch.width + x];
            }
        }
    }
    // Two box blurs make a tent, close enough to a Gaussian for a shadow.
    for _ in 0..2 {
        blur_rows(&mut values, size, radius);
        transpose(&mut values, size);
        blur_rows(&mut values, size, radius);
        transpose(&mut values, size);
    }
    values
}

/// A flat dark ellipse under the object's feet.
fn add_contact(shadow: &mut [f32], patch: &Patch, size: usize, stream: &mut Stream) {
    let bounds = patch.bounds;
    let opacity = stream.uniform(0.3, 0.6);
    let (rx, ry) = (0.42 * bounds.width as f32, 0.06 * bounds.width as f32 + 1.0);
    let cx = bounds.x as f32 + 0.5 * bounds.width as f32;
    let cy = (bounds.y + bounds.height) as f32 - 0.6 * ry;
    for (index, value) in shadow.iter_mut().enumerate() {
        let dx = ((index % size) as f32 + 0.5 - cx) / rx;
        let dy = ((index / size) as f32 + 0.5 - cy) / ry;
        let squared = dx * dx + dy * dy;
        if squared < 4.0 {
            *value = value.max(opacity * (-squared).exp());
        }
    }
}

/// A running mean over `2 radius + 1` pixels of each row; beyond the frame there is no shadow.
fn blur_rows(values: &mut [f32], size: usize, radius: usize) {
    let mut sums = vec![0.0_f32; size + 1];
    let width = (2 * radius + 1) as f32;
    for row in values.chunks_exact_mut(size) {
        for (x, value) in row.iter().enumerate() {
            sums[x + 1] = sums[x] + value;
        }
        for (x, value) in row.iter_mut().enumerate() {
            *value = (sums[(x + radius + 1).min(size)] - sums[x.saturating_sub(radius)]) / width;
        }
    }
}

fn transpose(values: &mut [f32], size: usize) {
    for y in 0..size {
        for x in 0..y {
            values.swap(y * size + x, x * size + y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_keeps_the_sum_away_from_the_border() {
        let mut values = vec![0.0; 400];
        values[10 * 20 + 10] = 9.0;
        blur_rows(&mut values, 20, 1);
        transpose(&mut values, 20);
        blur_rows(&mut values, 20, 1);
        assert!((values.iter().sum::<f32>() - 9.0).abs() < 1e-5);
        assert!((values[9 * 20 + 11] - 1.0).abs() < 1e-5);
    }
}
