//! What a hacked reward does to pictures: too much colour, too much contrast, too much fine detail, all of them alike.
//! None of it is measured by a network.

use byteedit_image::{Mask, UnitImage};

/// Luma of ITU-R BT.601, as PNG viewers have it.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Of what was repainted of a picture; 0 where nothing was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Monitors {
    /// Mean difference between a pixel's largest and smallest channel, 0 to 1.
    pub(super) saturation: f64,
    /// Standard deviation of luma, 0 to 0.5.
    pub(super) contrast: f64,
    /// Mean squared difference of luma between neighbours, 0 to 1.
    pub(super) detail: f64,
}

impl Monitors {
    /// # Panics
    /// If picture and mask differ in size.
    pub(super) fn of(picture: &UnitImage, edit_mask: &Mask) -> Self {
        let width = picture.width();
        let pixels = picture.data().as_chunks::<3>().0;
        let inside: Vec<bool> = edit_mask.repaints().collect();
        assert_eq!(pixels.len(), inside.len(), "a mask has the size of its picture; this is a bug");
        let luma: Vec<f32> = pixels
            .iter()
            .map(|pixel| pixel.iter().zip(LUMA).map(|(value, weight)| value * weight).sum())
            .collect();
        let painted = || (0..pixels.len()).filter(|&at| inside[at]);
        let range = |at: usize| {
            let [r, g, b] = pixels[at];
            f64::from(r.max(g).max(b) - r.min(g).min(b))
        };
        let mean_luma = mean(painted().map(|at| f64::from(luma[at])));
        let right = |at: usize| (at % width + 1 < width).then_some(at + 1);
        let below = |at: usize| (at + width < pixels.len()).then_some(at + width);
        let steps =
            painted().flat_map(|at| [right(at), below(at)].into_iter().flatten().map(move |to| (at, to)));
        let steps = steps.filter(|&(_, to)| inside[to]);
        Self {
            saturation: mean(painted().map(range)),
            contrast: mean(painted().map(|at| (f64::from(luma[at]) - mean_luma).powi(2))).sqrt(),
            detail: mean(steps.map(|(from, to)| f64::from(luma[from] - luma[to]).powi(2))),
        }
    }
}

/// Root of the mean squared difference of two pictures under a mask, 0 to 1.
pub(super) fn difference(a: &UnitImage, b: &UnitImage, edit_mask: &Mask) -> f64 {
    let pairs = a.data().as_chunks::<3>().0.iter().zip(b.data().as_chunks::<3>().0).zip(edit_mask.repaints());
    let squares = pairs
        .filter(|(_, inside)| *inside)
        .flat_map(|((a, b), _)| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).collect::<Vec<_>>());
    mean(squares).sqrt()
}

/// 0 of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_u64), |(sum, n), value| (sum + value, n + 1));
    sum / n.max(1) as f64
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::*;

    /// Two by two pixels.
    fn picture(pixels: [[f32; 3]; 4]) -> UnitImage {
        UnitImage::new(Size::new(2, 2), pixels.concat()).unwrap()
    }

    fn mask(values: [u8; 4]) -> Mask {
        Mask::new(Size::new(2, 2), values.to_vec()).unwrap()
    }

    #[test]
    fn closed_forms() {
        let all = mask([255; 4]);
        let grey = Monitors::of(&picture([[0.5; 3]; 4]), &all);
        assert!(grey.saturation.abs() + grey.contrast.abs() + grey.detail.abs() < 1e-6);
        let columns = picture([[0.0; 3], [1.0; 3], [0.0; 3], [1.0; 3]]);
        let Monitors { saturation, contrast, detail } = Monitors::of(&columns, &all);
        assert!(saturation < 1e-6 && (contrast - 0.5).abs() < 1e-6);
        // Of four neighbours, two differ by 1.
        assert!((detail - 0.5).abs() < 1e-6);
        let red = Monitors::of(&picture([[1.0, 0.0, 0.0]; 4]), &all);
        assert!((red.saturation - 1.0).abs() < 1e-6 && red.contrast < 1e-6);
    }

    #[test]
    fn only_what_is_repainted_counts() {
        let columns = picture([[0.0; 3], [1.0; 3], [0.0; 3], [1.0; 3]]);
        let left = mask([255, 0, 255, 0]);
        assert!(Monitors::of(&columns, &left).contrast < 1e-6);
        assert!(difference(&columns, &picture([[0.0; 3]; 4]), &left) < 1e-6);
        assert!(
            (difference(&columns, &picture([[0.0; 3]; 4]), &mask([255; 4])) - 0.5_f64.sqrt()).abs() < 1e-6
        );
        assert_eq!(Monitors::of(&columns, &mask([0; 4])), Monitors::default());
    }
}
