//! RGB floats in `[0, 1]`, sRGB-encoded: the working form between pictures and tensors.

use crate::color::SrgbConverter;
use crate::error::{ImageError, Result};
use crate::geometry::{Rect, Size};
use crate::picture::{Channels, Picture, Sample as _, Samples};
use crate::resample::{self, Filter};

/// Values per pixel: red, green, blue.
pub(crate) const CHANNELS: usize = 3;

/// A picture of `width` x `height` sRGB pixels; `data` is HWC, nominally in `[0, 1]`. Filters such as
/// Lanczos overshoot, so values may lie slightly outside until they are quantised.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitImage {
    size: Size,
    data: Vec<f32>,
}

impl UnitImage {
    /// An image from its values, HWC with 3 channels.
    ///
    /// # Errors
    /// [`ImageError::InvalidArgument`] if a side is 0 or the number of values is not `3 * area`.
    pub fn new(size: Size, data: Vec<f32>) -> Result<Self> {
        check_len(size, data.len())?;
        Ok(Self { size, data })
    }

    /// An image of one colour.
    ///
    /// # Panics
    /// If a side of `size` is 0.
    pub fn filled(size: Size, rgb: [f32; CHANNELS]) -> Self {
        assert!(
            size.width > 0 && size.height > 0,
            "an image of {size} px is none; a side must be at least 1"
        );
        Self { size, data: rgb.repeat(size.area()) }
    }

    /// The part `region` of a picture, converted from the picture's profile to sRGB. Only the region
    /// is read. Alpha is ignored: a transparent pixel shows the colour that is stored under it.
    ///
    /// # Errors
    /// [`ImageError::OutsidePicture`] if the region is empty or leaves the picture.
    pub fn from_picture_region(picture: &Picture, region: Rect) -> Result<Self> {
        region.check_within(picture.size())?;
        let data = SrgbConverter::for_picture(picture).srgb_from_color(picture.color_in(region));
        Ok(Self { size: region.size(), data })
    }

    /// A whole picture, as [`UnitImage::from_picture_region`] converts it.
    pub fn from_picture(picture: &Picture) -> Self {
        let color = picture.color_in(picture.size().rect());
        Self { size: picture.size(), data: SrgbConverter::for_picture(picture).srgb_from_color(color) }
    }

    /// An 8-bit sRGB picture without metadata; values are clamped to `[0, 1]` and rounded.
    ///
    /// # Errors
    /// [`ImageError::InvalidArgument`] if the image has no pixel.
    pub fn to_picture(&self) -> Result<Picture> {
        let samples = self.data.iter().map(|&value| u8::from_unit(value)).collect();
        Picture::new(self.size, Channels::Rgb, Samples::U8(samples))
    }

    /// Width and height in pixels.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Width in pixels.
    pub const fn width(&self) -> usize {
        self.size.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> usize {
        self.size.height
    }

    /// All values, HWC.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values, HWC, to change them.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Red, green and blue of one pixel.
    ///
    /// # Panics
    /// If the pixel is outside.
    pub fn pixel(&self, x: usize, y: usize) -> [f32; CHANNELS] {
        let at = (y * self.width() + x) * CHANNELS;
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// Differences of the three channels between two pixels, by their indices in row order.
    ///
    /// # Panics
    /// If one of them is outside.
    pub fn channel_differences(&self, (a, b): (usize, usize)) -> [f64; CHANNELS] {
        let value = |at: usize, channel: usize| f64::from(self.data[CHANNELS * at + channel]);
        [0, 1, 2].map(|channel| value(a, channel) - value(b, channel))
    }

    /// Luma of each pixel: Rec. 601 weights on the encoded values, as Pillow's mode `L`.
    pub fn luma(&self) -> Vec<f32> {
        self.data.chunks_exact(CHANNELS).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect()
    }

    /// The image at another size, resized as Pillow does it; the same size is the identity.
    ///
    /// # Panics
    /// If a side of `size` is 0.
    #[must_use]
    pub fn resize(&self, size: Size, filter: Filter) -> Self {
        assert!(size.width > 0 && size.height > 0, "cannot resize to {size} px; a side must be at least 1");
        resample::resized(self, size, filter)
    }

    /// The part `region`.
    ///
    /// # Errors
    /// [`ImageError::OutsidePicture`] if the region is empty or leaves the image.
    pub fn crop(&self, region: Rect) -> Result<Self> {
        region.check_within(self.size)?;
        let mut data = Vec::with_capacity(region.width * region.height * CHANNELS);
        for y in region.y..region.bottom() {
            let at = (y * self.width() + region.x) * CHANNELS;
            data.extend_from_slice(&self.data[at..at + region.width * CHANNELS]);
        }
        Ok(Self { size: region.size(), data })
    }

    /// The values as a tensor wants them: `[3, height, width]`, in `[-1, 1]`.
    pub fn to_signed_chw(&self) -> Vec<f32> {
        let channel = |c: usize| self.data.iter().skip(c).step_by(CHANNELS);
        (0..CHANNELS).flat_map(channel).map(|value| 2.0 * value - 1.0).collect()
    }

    /// The reverse of [`UnitImage::to_signed_chw`]; values are clamped to `[0, 1]`, NaN becomes 0.
    ///
    /// # Errors
    /// [`ImageError::InvalidArgument`] if a side is 0 or the number of values is not `3 * area`.
    pub fn from_signed_chw(size: Size, values: &[f32]) -> Result<Self> {
        check_len(size, values.len())?;
        let area = size.area();
        let unit = |value: f32| if value.is_nan() { 0.0 } else { (0.5 * value + 0.5).clamp(0.0, 1.0) };
        let pixel = |i: usize| [0, 1, 2].map(|c| unit(values[c * area + i]));
        Ok(Self { size, data: (0..area).flat_map(pixel).collect() })
    }
}

fn check_len(size: Size, len: usize) -> Result<()> {
    let expected = size.width.checked_mul(size.height).and_then(|area| area.checked_mul(CHANNELS));
    if size.width == 0 || size.height == 0 || expected != Some(len) {
        return Err(ImageError::InvalidArgument {
            name: "the number of values",
            value: format!("{len} for {size} px"),
            limit: "3 * width * height, and not 0",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_region_is_cut_before_it_is_converted() {
        let samples = (0..4 * 3 * 4).map(|i| i as u16 * 1000).collect();
        let picture = Picture::new(Size::new(4, 3), Channels::Rgba, Samples::U16(samples)).unwrap();
        let region = UnitImage::from_picture_region(&picture, Rect::new(1, 2, 2, 1)).unwrap();
        let expected = [36.0, 37.0, 38.0, 40.0, 41.0, 42.0].map(|v: f32| v * 1000.0 / 65535.0);
        assert_eq!(region.data(), expected);
        assert_eq!(UnitImage::from_picture(&picture).crop(Rect::new(1, 2, 2, 1)).unwrap(), region);
        assert!(UnitImage::from_picture_region(&picture, Rect::new(3, 0, 2, 1)).is_err());
    }

    #[test]
    fn tensors_are_planar_and_signed() {
        let image = UnitImage::new(Size::new(2, 1), vec![0.0, 0.25, 0.5, 1.0, 0.75, 0.5]).unwrap();
        assert_eq!(image.to_signed_chw(), [-1.0, 1.0, -0.5, 0.5, 0.0, 0.0]);
        assert_eq!(UnitImage::from_signed_chw(image.size(), &image.to_signed_chw()).unwrap(), image);
        let wild = [-3.0, f32::NAN, 9.0];
        assert_eq!(UnitImage::from_signed_chw(Size::new(1, 1), &wild).unwrap().data(), [0.0, 0.0, 1.0]);
        assert!(UnitImage::from_signed_chw(Size::new(2, 1), &wild).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn pictures_of_8_bits_survive_the_way_to_tensors(samples in prop::collection::vec(any::<u8>(), 3 * 12)) {
            let size = Size::new(4, 3);
            let picture = Picture::new(size, Channels::Rgb, Samples::U8(samples)).unwrap();
            let tensor = UnitImage::from_picture(&picture).to_signed_chw();
            prop_assert_eq!(UnitImage::from_signed_chw(size, &tensor).unwrap().to_picture().unwrap(), picture);
        }
    }
}
