//! Between 8-bit pictures, tensors and grids on disk.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_data::Rgb8;
use byteedit_image::{Size, UnitImage};
use image::{ExtendedColorType, ImageEncoder};

use crate::files::write_atomically;
use crate::{Result, TrainError};

/// Gap between the cells of a grid, in pixels.
const GAP: usize = 2;

/// `[batch, 3, height, width]` in [-1, 1], from pictures of one size.
///
/// # Panics
/// If there is no picture or their sizes differ.
pub(crate) fn pixels_from_pictures(pictures: &[Rgb8], device: &Device) -> Tensor<4> {
    let (width, height) = (pictures[0].width, pictures[0].height);
    let mut values = Vec::with_capacity(3 * width * height * pictures.len());
    for picture in pictures {
        assert_eq!((picture.width, picture.height), (width, height), "pictures of a batch have one size");
        for channel in 0..3 {
            let samples = picture.data[channel..].iter().step_by(3);
            values.extend(samples.map(|&sample| f32::from(sample) / 127.5 - 1.0));
        }
    }
    Tensor::from_data(TensorData::new(values, [pictures.len(), 3, height, width]), device)
}

/// The inverse of [`pixels_from_pictures`]: clamped and rounded to 8 bits.
pub(crate) fn pictures_from_pixels(pixels: Tensor<4>) -> Vec<Rgb8> {
    let [_, _, height, width] = pixels.dims();
    let data = pixels.into_data().convert::<f32>();
    let values = data.as_slice::<f32>().expect("converted to f32 just above");
    let n_pixels = height * width;
    values
        .chunks_exact(3 * n_pixels)
        .map(|planes| {
            let sample = |index: usize| ((planes[index] + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
            let data = (0..n_pixels).flat_map(|p| (0..3).map(move |c| sample(c * n_pixels + p))).collect();
            Rgb8 { width, height, data }
        })
        .collect()
}

/// Rounded to 8 bits.
pub(crate) fn rgb8_from_unit(image: &UnitImage) -> Rgb8 {
    let data = image.data().iter().map(|&value| (value * 255.0).round().clamp(0.0, 255.0) as u8).collect();
    Rgb8 { width: image.width(), height: image.height(), data }
}

/// The inverse of [`rgb8_from_unit`].
pub(crate) fn unit_from_rgb8(picture: &Rgb8) -> Result<UnitImage> {
    let unit = picture.data.iter().map(|&sample| f32::from(sample) / 255.0).collect();
    Ok(UnitImage::new(Size::new(picture.width, picture.height), unit)?)
}

/// Peak signal-to-noise ratio in dB of an 8-bit picture against the truth; infinite if they are equal.
pub(crate) fn psnr(picture: &Rgb8, truth: &Rgb8) -> f64 {
    let squares: f64 =
        picture.data.iter().zip(&truth.data).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    10.0 * (255.0_f64.powi(2) * truth.data.len() as f64 / squares).log10()
}

/// Sum of the squared differences between neighbouring pixels, over all channels: how much detail there is.
pub(crate) fn gradient_energy(picture: &Rgb8) -> f64 {
    let (width, height) = (picture.width, picture.height);
    let squared = |a: usize, b: usize| {
        let pair = picture.data[3 * a..3 * a + 3].iter().zip(&picture.data[3 * b..3 * b + 3]);
        pair.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>()
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let energy_at = |(x, y): (usize, usize)| {
        let at = y * width + x;
        let right = if x + 1 < width { squared(at, at + 1) } else { 0.0 };
        right + if y + 1 < height { squared(at, at + width) } else { 0.0 }
    };
    places.map(energy_at).sum()
}

/// Writes pictures of one size as a PNG grid of `n_columns`, row by row.
pub(crate) fn write_grid(path: &Path, pictures: &[Rgb8], n_columns: usize) -> Result<()> {
    let (cell_width, cell_height) = (pictures[0].width + GAP, pictures[0].height + GAP);
    let n_rows = pictures.len().div_ceil(n_columns);
    let (width, height) = (cell_width * n_columns - GAP, cell_height * n_rows - GAP);
    let mut grid = vec![255_u8; 3 * width * height];
    for (index, picture) in pictures.iter().enumerate() {
        let (left, top) = (index % n_columns * cell_width, index / n_columns * cell_height);
        for (y, row) in picture.data.chunks_exact(3 * picture.width).enumerate() {
            let start = 3 * ((top + y) * width + left);
            grid[start..start + row.len()].copy_from_slice(row);
        }
    }
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(&grid, width as u32, height as u32, ExtendedColorType::Rgb8)
        .map_err(|error| TrainError::Io {
            action: "encoding",
            path: path.to_owned(),
            source: std::io::Error::other(error),
        })?;
    write_atomically(path, &png)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Rgb8 {
        Rgb8 { width: 16, height: 16, data: (0..768).map(|i| (i % 256) as u8).collect() }
    }

    #[test]
    fn pixels_and_pictures_are_inverse() {
        let pixels = pixels_from_pictures(&[ramp(), Rgb8::filled(16, 16, [0, 128, 255])], &Device::default());
        assert_eq!(pixels.dims(), [2, 3, 16, 16]);
        let range = pixels.clone().into_data();
        assert!(range.as_slice::<f32>().unwrap().iter().all(|value| (-1.0..=1.0).contains(value)));
        assert_eq!(pictures_from_pixels(pixels)[0], ramp());
        let beyond = Tensor::<4>::full([1, 3, 1, 1], 7.0, &Device::default());
        assert_eq!(pictures_from_pixels(beyond)[0].data, [255; 3]);
    }

    #[test]
    fn psnr_has_its_closed_form() {
        // An error of 5 everywhere: 20 log10(255 / 5).
        let (a, b) = (Rgb8::filled(4, 4, [100; 3]), Rgb8::filled(4, 4, [105; 3]));
        assert!((psnr(&a, &b) - 34.151).abs() < 1e-3);
        assert!(psnr(&a, &a).is_infinite());
    }

    #[test]
    fn the_gradient_energy_has_its_closed_form() {
        // Two columns that differ by 3 in every channel: one pair in each of four rows.
        let data = (0..24).map(|i| if i / 3 % 2 == 0 { 10 } else { 13 }).collect();
        assert!((gradient_energy(&Rgb8 { width: 2, height: 4, data }) - 4.0 * 3.0 * 9.0).abs() < 1e-9);
        assert!(gradient_energy(&Rgb8::filled(5, 4, [7; 3])) < 1e-9);
    }

    #[test]
    fn a_grid_has_its_cells_in_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grid.png");
        let cells: Vec<_> = (0..3).map(|i| Rgb8::filled(4, 3, [10 * i; 3])).collect();
        write_grid(&path, &cells, 2).unwrap();
        let grid = image::open(&path).unwrap().into_rgb8();
        assert_eq!(grid.dimensions(), (10, 8));
        let at = |x, y| grid.get_pixel(x, y).0[0];
        assert_eq!([at(0, 0), at(9, 2), at(3, 7), at(5, 0), at(9, 7)], [0, 10, 20, 255, 255]);
    }
}
