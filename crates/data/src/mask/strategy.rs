//! The mask strategy of ByteEdit's base training (section 4.1).
//!
//! Four kinds of random mask, each with its own probability: global, irregular, square and outward
//! expansion; for pictures with an instance, dilated instance masks merged with random ones. The
//! paper gives no values. The defaults follow Stable Diffusion's inpainting training, which masks
//! everything in a quarter of its samples, and the inpainting field's shapes at 512 px.

use serde::{Deserialize, Serialize};

use super::{Boxes, InstanceMasks, Mask, Outward, Rect, Strokes};
use crate::{DataError, Result, Stream};

/// How a mask was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskKind {
    /// The whole picture.
    Global,
    /// Random strokes.
    Irregular,
    /// Random boxes.
    Square,
    /// All but a window.
    Outward,
    /// An instance's silhouette, dilated.
    Dilated,
    /// An instance's bounding box with a margin.
    Box,
    /// Strokes over an instance.
    FreeForm,
    /// A box cut for another object, with the instance in it.
    OtherBox,
}

/// Probabilities and sizes of the training masks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskStrategy {
    /// Probability, where an instance is given, that its mask is used instead of a random one.
    pub p_instance: f32,
    /// Probability of masking everything.
    pub p_global: f32,
    /// Probability of irregular strokes.
    pub p_irregular: f32,
    /// Probability of boxes.
    pub p_square: f32,
    /// Probability of an outward expansion.
    pub p_outward: f32,
    /// Shapes of irregular masks.
    pub irregular: Strokes,
    /// Shapes of square masks.
    pub square: Boxes,
    /// Windows of outward expansions.
    pub outward: Outward,
    /// Coarsening of instance masks.
    pub instance: InstanceMasks,
}

impl Default for MaskStrategy {
    fn default() -> Self {
        Self {
            p_instance: 0.5,
            p_global: 0.25,
            p_irregular: 0.25,
            p_square: 0.2,
            p_outward: 0.3,
            irregular: Strokes::default(),
            square: Boxes::default(),
            outward: Outward::default(),
            instance: InstanceMasks::default(),
        }
    }
}

impl MaskStrategy {
    /// Draws a mask for a picture of `size x size` pixels. `instance`, if given, has that size; one
    /// without pixels counts as none.
    ///
    /// # Panics
    /// If `instance` has another size.
    pub fn sample(&self, stream: &mut Stream, size: usize, instance: Option<&Mask>) -> (Mask, MaskKind) {
        if let Some(instance) = instance {
            assert_eq!((instance.width, instance.height), (size, size), "size of the instance mask");
            if let Some(around) = instance.bounding_box()
                && stream.chance(self.p_instance)
            {
                return self.instance.draw(stream, instance, around);
            }
        }
        let frame = Rect { x: 0, y: 0, width: size, height: size };
        match stream.weighted(&[self.p_global, self.p_irregular, self.p_square, self.p_outward]) {
            0 => (Mask::full(size, size), MaskKind::Global),
            1 => (self.irregular.draw(stream, size, frame), MaskKind::Irregular),
            2 => (self.square.draw(stream, size), MaskKind::Square),
            _ => (outside(self.outward.draw(stream, size), size), MaskKind::Outward),
        }
    }

    /// Checks every number once, at the door.
    ///
    /// # Errors
    /// [`DataError::Config`] names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        for (field, p) in [
            ("p_instance", self.p_instance),
            ("p_global", self.p_global),
            ("p_irregular", self.p_irregular),
            ("p_square", self.p_square),
            ("p_outward", self.p_outward),
            ("square.p_round", self.square.p_round),
            ("outward.p_one_sided", self.outward.p_one_sided),
            ("instance.p_dilated", self.instance.p_dilated),
            ("instance.p_box", self.instance.p_box),
            ("instance.p_free_form", self.instance.p_free_form),
            ("instance.p_other_box", self.instance.p_other_box),
            ("instance.p_merge", self.instance.p_merge),
        ] {
            within(field, p, 0.0..=1.0, "a probability from 0 to 1")?;
        }
        let random = self.p_global + self.p_irregular + self.p_square + self.p_outward;
        let kinds = &self.instance;
        let instance = kinds.p_dilated + kinds.p_box + kinds.p_free_form + kinds.p_other_box;
        for (field, sum) in [
            ("p_global + p_irregular + p_square + p_outward", random),
            ("instance.p_dilated + p_box + p_free_form + p_other_box", instance),
        ] {
            within(field, sum, 1.0 - 1e-4..=1.0 + 1e-4, "1 in sum")?;
        }
        self.validate_shapes()
    }

    fn validate_shapes(&self) -> Result<()> {
        for (field, [low, high], least) in [
            ("irregular.length", self.irregular.length, 0.0),
            ("irregular.width", self.irregular.width, 0.0),
            ("square.side", self.square.side, 1.0),
            ("outward.keep", self.outward.keep, 0.0),
            ("instance.dilation", self.instance.dilation, 0.0),
            ("instance.box_margin", self.instance.box_margin, 0.0),
            ("instance.other_aspect", self.instance.other_aspect, 0.05),
            ("instance.other_slack", self.instance.other_slack, 1.0),
        ] {
            within(field, low, least..=512.0, "a range [low, high] within its limits")?;
            within(field, high, low..=512.0, "a range [low, high] with high not below low")?;
        }
        within("outward.keep", self.outward.keep[1], 0.0..=1.0, "a share of the side, at most 1")?;
        within("square.margin", self.square.margin, 0.0..=200.0, "0 to 200")?;
        within("square.max_radius", self.square.max_radius, 0.0..=512.0, "0 to 512")?;
        for (field, [low, high]) in [
            ("irregular.count", self.irregular.count),
            ("irregular.segments", self.irregular.segments),
            ("square.count", self.square.count),
        ] {
            within(field, low as f32, 1.0..=100.0, "a range of counts within 1 to 100")?;
            within(field, high as f32, low as f32..=100.0, "a range of counts within 1 to 100")?;
        }
        Ok(())
    }
}

/// The mask that repaints all but `window`.
pub(crate) fn outside(window: Rect, size: usize) -> Mask {
    Mask::from_fn(size, size, |x, y| {
        !((window.x..window.x + window.width).contains(&x)
            && (window.y..window.y + window.height).contains(&y))
    })
}

/// Refuses NaN as well as anything outside `range`.
pub(crate) fn within(
    field: &'static str,
    value: f32,
    range: std::ops::RangeInclusive<f32>,
    limit: &'static str,
) -> Result<()> {
    if range.contains(&value) { Ok(()) } else { Err(DataError::Config { field, value, limit }) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn disc() -> Mask {
        Mask::from_fn(128, 128, |x, y| x.abs_diff(70).pow(2) + y.abs_diff(60).pow(2) < 400)
    }

    #[test]
    fn the_defaults_are_valid() {
        MaskStrategy::default().validate().unwrap();
    }

    #[test]
    fn kinds_come_as_often_as_configured() {
        let strategy = MaskStrategy::default();
        let mut counts: HashMap<MaskKind, f32> = HashMap::new();
        let draws = 4000;
        for index in 0..draws {
            let mut stream = Stream::new([11, 0, index, 0]);
            *counts.entry(strategy.sample(&mut stream, 32, None).1).or_default() += 1.0;
        }
        for (kind, p) in [
            (MaskKind::Global, strategy.p_global),
            (MaskKind::Irregular, strategy.p_irregular),
            (MaskKind::Square, strategy.p_square),
            (MaskKind::Outward, strategy.p_outward),
        ] {
            // Four standard deviations of a binomial share.
            let tolerance = 4.0 * (p * (1.0 - p) / draws as f32).sqrt();
            let share = counts[&kind] / draws as f32;
            assert!((share - p).abs() < tolerance, "{kind:?}: {share} for {p}");
        }
        assert_eq!(counts.len(), 4, "no instance kinds without an instance");
    }

    #[test]
    fn an_instance_is_covered_as_often_as_configured() {
        let (strategy, instance) =
            (MaskStrategy { p_global: 0.0, p_outward: 0.55, ..Default::default() }, disc());
        let from_instance = (0..500)
            .filter(|&index| {
                let mut stream = Stream::new([12, 0, index, 0]);
                let (mask, kind) = strategy.sample(&mut stream, 128, Some(&instance));
                let random = [MaskKind::Irregular, MaskKind::Square, MaskKind::Outward].contains(&kind);
                assert!(random || mask.covers(&instance));
                !random
            })
            .count();
        assert!((200..300).contains(&from_instance), "{from_instance} of 500");
    }

    #[test]
    fn bad_numbers_are_named() {
        let message = |strategy: MaskStrategy| strategy.validate().unwrap_err().to_string();
        let mut strategy = MaskStrategy { p_global: f32::NAN, ..Default::default() };
        assert!(message(strategy.clone()).contains("p_global is NaN"));
        strategy.p_global = 0.5;
        assert!(message(strategy.clone()).contains("1 in sum"));
        strategy = MaskStrategy::default();
        strategy.irregular.width = [20.0, 10.0];
        assert!(message(strategy).contains("irregular.width"));
    }

    #[test]
    fn the_config_refuses_unknown_keys_and_fills_missing_ones() {
        let partial: MaskStrategy = serde_json::from_str(r#"{"p_instance": 0.25}"#).unwrap();
        assert_eq!(partial, MaskStrategy { p_instance: 0.25, ..Default::default() });
        let error = serde_json::from_str::<MaskStrategy>(r#"{"p_globl": 0.25}"#).unwrap_err();
        assert!(error.to_string().contains("p_globl"));
    }

    proptest! {
        #[test]
        fn no_mask_is_empty_at_any_size(seed in any::<u64>(), size in 2_usize..200) {
            let (mask, kind) = MaskStrategy::default().sample(&mut Stream::new([seed, 0, 0, 0]), size, None);
            prop_assert_eq!(mask.values.len(), size * size);
            prop_assert!(mask.area() > 0, "{:?}", kind);
        }
    }
}
