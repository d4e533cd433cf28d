//! The picture's own colour space to sRGB and back.
//!
//! The model sees sRGB; what it makes returns to the picture's profile. Without a profile a picture
//! is sRGB, grey with the sRGB curve (IEC 61966-2-1). Profiles are evaluated by `moxcms` with
//! relative colorimetric intent, so white stays white.

use std::fmt;
use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformExecutor, TransformOptions};
use rayon::prelude::*;

use crate::picture::Picture;

/// A profile that moves no probe farther than this, a quarter of an 8-bit step, counts as sRGB.
const IDENTITY_TOLERANCE: f32 = 1e-3;

/// Pixels that are converted at a time, by one thread.
const BLOCK: usize = 16_384;

type Transform = Arc<dyn TransformExecutor<f32> + Send + Sync>;

/// Converts colour samples between a picture's profile and sRGB; alpha is not its business.
pub struct SrgbConverter {
    path: Path,
    ignored: Option<String>,
}

enum Path {
    /// The samples are sRGB.
    Rgb,
    /// The samples are grey with the sRGB curve.
    Gray,
    /// The samples have a profile.
    Profile { to_srgb: Transform, from_srgb: Transform, channels: usize },
}

impl SrgbConverter {
    /// The converter for a picture's profile and channels.
    ///
    /// A profile that is broken, or that belongs to another kind of colour than the samples, is
    /// ignored as browsers do, and [`SrgbConverter::ignored_profile`] says so. It stays in the file.
    pub fn for_picture(picture: &Picture) -> Self {
        let channels = picture.channels().color_count();
        let plain = if channels == 1 { Path::Gray } else { Path::Rgb };
        match picture.metadata().icc.as_deref().map(|icc| Path::of_profile(icc, channels)) {
            None => Self { path: plain, ignored: None },
            Some(Ok(path)) => Self { path, ignored: None },
            Some(Err(reason)) => Self { path: plain, ignored: Some(reason) },
        }
    }

    /// Why the picture's profile is not used, if it has one that is not.
    pub fn ignored_profile(&self) -> Option<&str> {
        self.ignored.as_deref()
    }

    /// Colour samples per pixel on the picture's side, 1 or 3.
    pub const fn channels(&self) -> usize {
        match &self.path {
            Path::Rgb => 3,
            Path::Gray => 1,
            Path::Profile { channels, .. } => *channels,
        }
    }

    /// sRGB in `[0, 1]`, 3 values per pixel, from the picture's colour in `[0, 1]`,
    /// [`SrgbConverter::channels`] values per pixel.
    pub fn srgb_from_color(&self, color: Vec<f32>) -> Vec<f32> {
        match &self.path {
            Path::Rgb => color,
            Path::Gray => color.iter().flat_map(|&gray| [gray; 3]).collect(),
            Path::Profile { to_srgb, channels, .. } => transformed(to_srgb, &color, *channels, 3),
        }
    }

    /// The picture's colour in `[0, 1]` from sRGB in `[0, 1]`; sizes as above. Colours outside the
    /// picture's gamut are clipped; grey takes the relative luminance.
    pub fn color_from_srgb(&self, srgb: Vec<f32>) -> Vec<f32> {
        match &self.path {
            Path::Rgb => srgb,
            Path::Gray => srgb.chunks_exact(3).map(|rgb| gray_from_srgb([rgb[0], rgb[1], rgb[2]])).collect(),
            Path::Profile { from_srgb, channels, .. } => transformed(from_srgb, &srgb, 3, *channels),
        }
    }
}

impl fmt::Debug for SrgbConverter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self.path {
            Path::Rgb => "sRGB",
            Path::Gray => "sRGB grey",
            Path::Profile { .. } => "ICC profile",
        };
        f.debug_struct("SrgbConverter").field("path", &path).field("ignored", &self.ignored).finish()
    }
}

impl Path {
    fn of_profile(icc: &[u8], channels: usize) -> Result<Self, String> {
        let reason = |error: moxcms::CmsError| format!("its ICC profile cannot be used: {error}");
        let profile = ColorProfile::new_from_slice(icc).map_err(reason)?;
        let (space, layout) = match channels {
            1 => (DataColorSpace::Gray, Layout::Gray),
            _ => (DataColorSpace::Rgb, Layout::Rgb),
        };
        if profile.color_space != space {
            return Err(format!(
                "its ICC profile is for {:?} but its samples are {space:?}",
                profile.color_space
            ));
        }
        let options = TransformOptions {
            rendering_intent: RenderingIntent::RelativeColorimetric,
            prefer_fixed_point: false,
            allow_extended_range_rgb_xyz: true,
            ..TransformOptions::default()
        };
        let srgb = ColorProfile::new_srgb();
        let to_srgb = profile.create_transform_f32(layout, &srgb, Layout::Rgb, options).map_err(reason)?;
        if channels == 3 && is_identity(&to_srgb) {
            return Ok(Self::Rgb);
        }
        let from_srgb = srgb.create_transform_f32(Layout::Rgb, &profile, layout, options).map_err(reason)?;
        Ok(Self::Profile { to_srgb, from_srgb, channels })
    }
}

/// Whether a transform leaves colours where they are, as that of the many sRGB profiles does up to
/// the rounding of their tables: then taking them as they are is the more exact way.
fn is_identity(transform: &Transform) -> bool {
    let level = |i: usize, place: usize| (i / place % 5) as f32 / 4.0;
    let probes: Vec<f32> = (0..125).flat_map(|i| [level(i, 1), level(i, 5), level(i, 25)]).collect();
    let seen = transformed(transform, &probes, 3, 3);
    seen.iter().zip(&probes).all(|(seen, probe)| (seen - probe).abs() < IDENTITY_TOLERANCE)
}

fn transformed(transform: &Transform, from: &[f32], from_channels: usize, to_channels: usize) -> Vec<f32> {
    let mut to = vec![0.0; from.len() / from_channels * to_channels];
    let blocks = from.par_chunks(BLOCK * from_channels).zip(to.par_chunks_mut(BLOCK * to_channels));
    blocks.for_each(|(from, to)| {
        // The lengths are whole pixels by construction, the only thing that the executor checks.
        if transform.transform(from, to).is_err() {
            to.fill(0.0);
        }
        // The transform answers outside [0, 1] for colours outside the target's gamut.
        for value in to {
            *value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        }
    });
    to
}

/// Grey with the same relative luminance Y (IEC 61966-2-1, Annex F), in the sRGB curve.
#[expect(clippy::float_cmp, reason = "grey that was widened to RGB comes back bit for bit")]
fn gray_from_srgb([red, green, blue]: [f32; 3]) -> f32 {
    if red == green && green == blue {
        return red;
    }
    encoded(0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue))
}

/// Linear light from an sRGB value (IEC 61966-2-1, section 5.2).
fn linear(value: f32) -> f32 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// The inverse of [`linear`].
fn encoded(value: f32) -> f32 {
    if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::picture::{Channels, Metadata, Samples};

    fn converter(channels: Channels, icc: Option<Vec<u8>>) -> SrgbConverter {
        let picture = Picture::new(Size::new(1, 1), channels, Samples::U8(vec![0; channels.count()]));
        let metadata = Metadata { icc, ..Metadata::default() };
        SrgbConverter::for_picture(&picture.unwrap().with_metadata(metadata))
    }

    fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() <= tolerance, "{found:?} instead of {expected:?}");
        }
    }

    #[test]
    fn without_a_profile_colour_passes_unchanged() {
        let color = vec![0.1, 0.5, 0.9];
        let rgb = converter(Channels::Rgb, None);
        assert_eq!(rgb.srgb_from_color(color.clone()), color);
        assert_eq!(rgb.color_from_srgb(color.clone()), color);
        let gray = converter(Channels::GrayAlpha, None);
        assert_eq!(gray.srgb_from_color(vec![0.3]), vec![0.3; 3]);
        assert_eq!(gray.color_from_srgb(vec![0.3; 3]), vec![0.3]);
    }

    #[test]
    fn grey_keeps_the_luminance() {
        // Pure green: Y = 0.7152, which the sRGB curve encodes as 0.8625.
        let gray = converter(Channels::Gray, None).color_from_srgb(vec![0.0, 1.0, 0.0]);
        assert_close(&gray, &[0.862_5], 1e-4);
    }

    #[test]
    fn display_p3_red_is_where_the_standard_puts_it() {
        let p3 = converter(Channels::Rgb, Some(ColorProfile::new_display_p3().encode().unwrap()));
        assert_eq!(p3.ignored_profile(), None);
        // sRGB red in Display P3, as CSS Color 4 computes it (rounded to 4 digits).
        let red = [0.9175, 0.2003, 0.1386];
        assert_close(&p3.color_from_srgb(vec![1.0, 0.0, 0.0]), &red, 2e-3);
        assert_close(&p3.srgb_from_color(red.to_vec()), &[1.0, 0.0, 0.0], 1e-2);
        assert_close(&p3.srgb_from_color(vec![1.0; 3]), &[1.0; 3], 1e-3);
    }

    #[test]
    fn profiles_round_trip_within_half_an_8_bit_step() {
        let rgb_profiles = [
            ColorProfile::new_display_p3(),
            ColorProfile::new_adobe_rgb(),
            ColorProfile::new_pro_photo_rgb(),
            ColorProfile::new_srgb(),
        ];
        let colors: Vec<f32> = (0..300_u32).map(|i| (i * 37 % 101) as f32 / 100.0).collect();
        for profile in rgb_profiles {
            let converter = converter(Channels::Rgb, Some(profile.encode().unwrap()));
            let there = converter.color_from_srgb(colors.clone());
            assert_close(&converter.srgb_from_color(there), &colors, 0.5 / 255.0);
        }
        let gamma = ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
        let gray = converter(Channels::Gray, Some(gamma));
        assert_eq!((gray.channels(), gray.ignored_profile()), (1, None));
        let levels: Vec<f32> = (0..=20_u8).map(|i| f32::from(i) / 20.0).collect();
        let srgb = gray.srgb_from_color(levels.clone());
        assert!(srgb.chunks_exact(3).all(|rgb| (rgb[0] - rgb[2]).abs() < 1e-3));
        assert_close(&gray.color_from_srgb(srgb), &levels, 0.5 / 255.0);
    }

    #[test]
    fn an_srgb_profile_changes_no_sample() {
        let srgb = converter(Channels::Rgba, Some(ColorProfile::new_srgb().encode().unwrap()));
        let color = vec![0.123_456_7, 0.5, 0.987_654_3];
        assert_eq!(srgb.srgb_from_color(color.clone()), color);
        assert_eq!(srgb.ignored_profile(), None);
    }

    #[test]
    fn broken_and_foreign_profiles_are_ignored_with_a_reason() {
        let broken = converter(Channels::Rgb, Some(b"not a profile".to_vec()));
        assert!(broken.ignored_profile().is_some());
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        let foreign = converter(Channels::Gray, Some(p3));
        assert!(foreign.ignored_profile().is_some_and(|reason| reason.contains("Rgb")));
        assert_eq!(foreign.srgb_from_color(vec![0.4]), vec![0.4; 3]);
    }
}
