//! Glimpses: what a classifier is shown of the world. A square around an edit mask is cut out of a true
//! composite or of a background, so the answer is the object's concept, or nothing.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::background::{estranged, jitter};
use super::sample::{FRAME, GLIMPSES, footprint, select, stream};
use super::scene::Placed;
use super::{Renderings, Split, Untold, World};
use crate::mask::{Mask, MaskStrategy, Rect};
use crate::resample::{Window, resize_window};
use crate::{DataError, Result, Rgb8, Stream};

/// What is seen around a mask's box on each side, as a share of the frame.
const MARGIN: f32 = 1.0 / 16.0;
/// Largest change of a training glimpse's side, and of its place as a share of the side.
const MAX_ZOOM: f32 = 1.15;
const MAX_SHIFT: f32 = 0.06;
/// Probability that a training glimpse is softened, and the smallest side that it passes through: an
/// autoencoder's pictures are softer than the world's.
const P_SOFT: f32 = 0.4;
const MIN_SOFT_SHARE: f32 = 0.45;
/// Probability that the background of a training glimpse is one that no photograph shows.
const P_STRANGE: f32 = 0.6;
/// Probability that a training glimpse of nothing has a decoy in it.
const P_DECOY: f32 = 0.4;
/// Smallest and largest side of a glimpse, in pixels.
const SIDES: [usize; 2] = [8, 256];

/// Which glimpses are drawn. Together with an index it determines every pixel and the answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlimpseSpec {
    /// Side in pixels, 8 to 256.
    pub side: usize,
    /// Which photographs are behind the objects. Those of the training split are slightly changed, and
    /// so are place, size and sharpness of what is cut out of them.
    pub photos: Photos,
    /// Which renderings show the concepts.
    pub renderings: Renderings,
    /// Probability of a background without an object.
    pub p_nothing: f32,
    /// Seed of the whole set.
    pub seed: u64,
}

/// Photographs to draw from. Those whose subject is a concept are left out: a photographed fish would teach
/// that a fish is nothing. Half of a split and the other have no subject in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Photos {
    /// One half of the training split.
    FirstHalf,
    /// The other half.
    SecondHalf,
    /// The validation split.
    Validation,
    /// The test split.
    Test,
}

/// A square of a scene with the answer to "what is this?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// `side x side` pixels.
    pub picture: Rgb8,
    /// Index into [`World::concepts`], or `None` where there is no object.
    pub concept: Option<usize>,
}

/// A square of a frame, in its pixels; it may start between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    x: f32,
    y: f32,
    side: f32,
}

impl View {
    /// The square around a mask's bounding box in a square frame: the longer side and a margin of a
    /// sixteenth of the frame, at most the frame itself, and moved so that it stays within the frame.
    ///
    /// # Panics
    /// If the box leaves the frame.
    pub fn around(mask_box: Rect, frame: usize) -> Self {
        let Rect { x, y, width, height } = mask_box;
        assert!(x + width <= frame && y + height <= frame, "the box leaves the frame");
        let center = [x as f32 + 0.5 * width as f32, y as f32 + 0.5 * height as f32];
        let side = width.max(height) as f32 + 2.0 * MARGIN * frame as f32;
        Self::centered(center, side, frame)
    }

    /// The whole frame.
    pub fn whole(frame: usize) -> Self {
        Self { x: 0.0, y: 0.0, side: frame as f32 }
    }

    fn centered([x, y]: [f32; 2], side: f32, frame: usize) -> Self {
        let side = side.min(frame as f32);
        let start = |center: f32| (center - 0.5 * side).clamp(0.0, frame as f32 - side);
        Self { x: start(x), y: start(y), side }
    }

    /// A little larger or smaller, a little beside.
    fn jittered(self, frame: usize, stream: &mut Stream) -> Self {
        let side = self.side * stream.log_uniform(1.0 / MAX_ZOOM, MAX_ZOOM);
        let mut center = |start: f32| start + self.side * (0.5 + stream.uniform(-MAX_SHIFT, MAX_SHIFT));
        Self::centered([center(self.x), center(self.y)], side, frame)
    }

    /// What it shows of `picture`, as `side x side` pixels.
    pub fn of(self, picture: &Rgb8, side: usize) -> Rgb8 {
        resize_window(picture, Window { x: self.x, y: self.y, side: self.side, flip: false }, side)
    }
}

impl World {
    /// Glimpse `index` of `spec`: around a mask that covers an object, whether or not the object is
    /// there, so that place and size of the square do not give the answer away.
    ///
    /// # Errors
    /// [`DataError::Size`] and [`DataError::Config`] for numbers out of range; [`DataError::Pack`] if
    /// the world has no such photograph.
    pub fn glimpse(&self, spec: &GlimpseSpec, index: u64) -> Result<Glimpse> {
        let [min, max] = SIDES;
        if !(min..=max).contains(&spec.side) {
            return Err(DataError::Size { size: spec.side, min, max });
        }
        if !(0.0..=1.0).contains(&spec.p_nothing) {
            let (field, value) = ("p_nothing", spec.p_nothing);
            return Err(DataError::Config { field, value, limit: "a probability" });
        }
        let photos = self.photos_to_see(spec.photos);
        if photos.is_empty() {
            return Err(DataError::pack(format!("no photograph is left for {:?}", spec.photos)));
        }
        let split = spec.photos.split();
        let mut stream = stream(spec.seed, split, GLIMPSES, index);
        let is_nothing = stream.chance(spec.p_nothing);
        let (mut background, photo) = self.background_among(&photos, FRAME, &mut stream);
        if split == Split::Train {
            jitter(&mut background, &mut stream);
            if stream.chance(P_STRANGE) {
                background = estranged(&background, &mut stream);
            }
        }
        let scene = self.compose(spec.renderings, background, Some(photo), Untold::default(), &mut stream);
        let masks = MaskStrategy { p_instance: 1.0, ..MaskStrategy::default() };
        let (edit_mask, _) = masks.sample(&mut stream, FRAME, footprint(&scene));
        let mut view = edit_mask.bounding_box().map_or(View::whole(FRAME), |b| View::around(b, FRAME));
        let concept = scene.object.as_ref().map(|object| object.concept).filter(|_| !is_nothing);
        let mut shown = if is_nothing { scene.background } else { scene.composite };
        if split == Split::Train {
            if is_nothing
                && let Some(object) = &scene.object
                && stream.chance(P_DECOY)
            {
                shown = self.with_decoy(&shown, object, &photos, &mut stream);
            }
            view = view.jittered(FRAME, &mut stream);
            if stream.chance(P_SOFT) {
                let side = (FRAME as f32 * stream.uniform(MIN_SOFT_SHARE, 1.0)) as usize;
                shown = View::whole(side).of(&View::whole(FRAME).of(&shown, side), FRAME);
            }
        }
        Ok(Glimpse { picture: view.of(&shown, spec.side), concept })
    }

    /// `background` with a recoloured piece of one of `photos` where an object would be, in its shape turned by half. Who has
    /// seen such does not take whatever has an edge for a thing.
    fn with_decoy(&self, background: &Rgb8, object: &Placed, photos: &[usize], stream: &mut Stream) -> Rgb8 {
        let (other, _) = self.background_among(photos, FRAME, stream);
        select(&half_turned(&object.silhouette, object.rect), &estranged(&other, stream), background)
    }

    fn photos_to_see(&self, photos: Photos) -> Vec<usize> {
        match photos {
            Photos::FirstHalf => self.halves_of(Split::Train)[0].clone(),
            Photos::SecondHalf => self.halves_of(Split::Train)[1].clone(),
            Photos::Validation | Photos::Test => self.plain_photos_of(photos.split()),
        }
    }
}

/// The part of `silhouette` in `rect`, turned by half in its place: most shapes are then no concept's.
fn half_turned(silhouette: &Mask, rect: Rect) -> Mask {
    let (columns, rows) = (rect.x..rect.x + rect.width, rect.y..rect.y + rect.height);
    let opposite = |range: &Range<usize>, at: usize| range.start + range.end - 1 - at;
    Mask::from_fn(silhouette.width, silhouette.height, |x, y| {
        let is_inside = columns.contains(&x) && rows.contains(&y);
        is_inside && silhouette.get(opposite(&columns, x), opposite(&rows, y))
    })
}

impl Photos {
    const fn split(self) -> Split {
        match self {
            Self::FirstHalf | Self::SecondHalf => Split::Train,
            Self::Validation => Split::Validation,
            Self::Test => Split::Test,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::photos::family;
    use super::*;

    fn world() -> World {
        World::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack")).unwrap()
    }

    const SPEC: GlimpseSpec = GlimpseSpec {
        side: 24,
        photos: Photos::FirstHalf,
        renderings: Renderings::Seen,
        p_nothing: 0.25,
        seed: 3,
    };

    #[test]
    fn the_halves_are_of_one_size_and_share_no_photograph_and_no_subject() {
        let world = world();
        let halves = [Photos::FirstHalf, Photos::SecondHalf].map(|half| world.photos_to_see(half));
        let [first, second] = [0, 1].map(|half: usize| halves[half].len());
        assert!(first.abs_diff(second) * 10 <= first.max(second), "{first} and {second}");
        assert_eq!(first + second, world.plain_photos_of(Split::Train).len());
        let subjects = |photos: &Vec<usize>| -> BTreeSet<String> {
            photos.iter().map(|&photo| family(&world.photos[photo].name)).collect()
        };
        assert!(subjects(&halves[0]).is_disjoint(&subjects(&halves[1])));
    }

    #[test]
    fn a_glimpse_depends_on_its_address_and_nothing_is_as_frequent_as_asked() {
        let world = world();
        assert_eq!(world.glimpse(&SPEC, 5).unwrap(), world.glimpse(&SPEC, 5).unwrap());
        let other = GlimpseSpec { photos: Photos::SecondHalf, ..SPEC };
        assert_ne!(world.glimpse(&SPEC, 5).unwrap(), world.glimpse(&other, 5).unwrap());
        let n_nothing =
            (0..200).filter(|&index| world.glimpse(&SPEC, index).unwrap().concept.is_none()).count();
        // Standard deviation 6; five of them.
        assert!(n_nothing.abs_diff(50) < 30, "{n_nothing}");
    }

    #[test]
    fn renderings_are_drawn_from_their_own_lists() {
        let world = world();
        let concept = world.concepts().iter().find(|concept| concept.seen.len() > 1).unwrap();
        let drawn = |renderings: Renderings| -> BTreeSet<usize> {
            (0..200).map(|index| renderings.draw(concept, &mut Stream::new([1, 2, index, 0]))).collect()
        };
        let seen: BTreeSet<usize> = concept.seen.iter().copied().collect();
        let held_out: BTreeSet<usize> = concept.unseen.iter().copied().collect();
        assert_eq!(drawn(Renderings::Every), &seen | &held_out);
        assert_eq!((drawn(Renderings::Seen), drawn(Renderings::HeldOut)), (seen, held_out));
        let single = world.concepts().iter().find(|concept| concept.seen == concept.unseen).unwrap();
        let index = Renderings::Every.draw(single, &mut Stream::new([1, 2, 3, 0]));
        assert_eq!(index, single.seen[0]);
    }

    #[test]
    fn a_decoy_is_an_objects_shape_turned_by_half_in_its_place() {
        let object = |x: usize, y: usize| (2..6).contains(&x) && y == 1 || x == 2 && (1..4).contains(&y);
        let turned = half_turned(&Mask::from_fn(8, 8, object), Rect { x: 2, y: 1, width: 4, height: 3 });
        assert_eq!(
            turned,
            Mask::from_fn(8, 8, |x, y| (2..6).contains(&x) && y == 3 || x == 5 && (1..4).contains(&y))
        );
    }

    #[test]
    fn a_decoy_is_a_piece_of_the_given_photographs_and_covers_no_more_than_its_shape() {
        let world = world();
        let photos = world.photos_to_see(Photos::FirstHalf);
        let plain = Rgb8::filled(FRAME, FRAME, [90, 140, 200]);
        let mut stream = Stream::new([7, 0, 0, 0]);
        let scene = world.compose(Renderings::Seen, plain.clone(), None, Untold::default(), &mut stream);
        let object = scene.object.unwrap();
        let shape = half_turned(&object.silhouette, object.rect);
        let decoy_of = |photos: &[usize]| {
            let mut stream = Stream::new([8, 0, 0, 0]);
            world.with_decoy(&plain, &object, photos, &mut stream)
        };
        let shown = decoy_of(&photos[..1]);
        let differs = Mask::from_fn(FRAME, FRAME, |x, y| shown.pixel(x, y) != plain.pixel(x, y));
        assert_eq!(differs.union(&shape), shape);
        // A recoloured pixel may have the colour of the ground, but few do.
        let n_set = |mask: &Mask| mask.values.iter().filter(|&&value| value > 0).count();
        assert!(2 * n_set(&differs) > n_set(&shape));
        assert_ne!(decoy_of(&photos[1..2]), shown);
    }

    #[test]
    fn exams_have_no_decoys() {
        let world = world();
        let spec = GlimpseSpec { p_nothing: 1.0, photos: Photos::Validation, side: FRAME, ..SPEC };
        for index in 0..20 {
            let shown = world.glimpse(&spec, index).unwrap().picture;
            let mut stream = stream(spec.seed, Split::Validation, GLIMPSES, index);
            stream.chance(spec.p_nothing);
            let photos = world.photos_to_see(spec.photos);
            let (background, photo) = world.background_among(&photos, FRAME, &mut stream);
            let untold = Untold::default();
            let scene = world.compose(spec.renderings, background, Some(photo), untold, &mut stream);
            let masks = MaskStrategy { p_instance: 1.0, ..MaskStrategy::default() };
            let (edit_mask, _) = masks.sample(&mut stream, FRAME, footprint(&scene));
            let view = View::around(edit_mask.bounding_box().unwrap(), FRAME);
            assert_eq!(shown, view.of(&scene.background, FRAME), "{index}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let world = world();
        assert!(world.glimpse(&GlimpseSpec { side: 4, ..SPEC }, 0).is_err());
        assert!(world.glimpse(&GlimpseSpec { p_nothing: 1.5, ..SPEC }, 0).is_err());
    }

    #[test]
    fn a_view_shows_its_square() {
        let picture =
            Rgb8 { width: 64, height: 64, data: (0..64 * 64).flat_map(|i| [(i % 64) as u8; 3]).collect() };
        let view = View::around(Rect { x: 20, y: 30, width: 16, height: 10 }, 64);
        // 16 px and a margin of 4 on both sides, one pixel for one.
        let shown = view.of(&picture, 24);
        assert_eq!([shown.pixel(0, 0)[0], shown.pixel(23, 5)[0]], [16, 39]);
    }

    proptest! {
        #[test]
        fn a_view_stays_within_the_frame_and_holds_the_box(
            x in 0_usize..100, y in 0_usize..100, w in 1_usize..28, h in 1_usize..28,
        ) {
            let View { x: left, y: top, side } = View::around(Rect { x, y, width: w, height: h }, 128);
            prop_assert!(left >= 0.0 && top >= 0.0 && left + side <= 128.0 && top + side <= 128.0);
            prop_assert!(left <= x as f32 && top <= y as f32);
            prop_assert!(left + side >= (x + w) as f32 && top + side >= (y + h) as f32);
        }
    }
}
