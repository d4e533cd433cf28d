//! Right answers to an edit in a given box, to hold a painted one against.
//!
//! A caption and a box have many right answers: other renderings, mirrored ones. How well an object is formed is how near
//! it comes to the nearest of them, in its colours and in its edges.

use super::World;
use super::patch::{Patch, SOLID};
use super::scene::{EXPOSURE, mean_luma, paste};
use crate::mask::{Mask, Rect};
use crate::{ColorWord, Rgb8};

/// How much larger than its object a box is.
const SLACK: f32 = 1.1;
/// Side in pixels of the squares whose means are compared: an object a pixel or two aside is as well formed.
const CELL: usize = 4;
/// How much an error of edges counts beside one of colours, whose differences are larger by about as much.
const EDGE_WEIGHT: f32 = 3.0;

/// One right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The background with the object on it, without a shadow.
    pub picture: Rgb8,
    /// The object's solid pixels.
    pub silhouette: Mask,
    /// Which rendering is shown, counted over all concepts in their order.
    pub rendering: usize,
}

impl World {
    /// Every rendering of a concept that training may see, upright and mirrored, in the middle of `hole` and as large as
    /// it fits with a little room; turned to the hue of `color` where the rendering has one that can be turned.
    ///
    /// # Panics
    /// If there is no such concept, if `background` is not square, or if `hole` is empty.
    pub fn references(
        &self,
        concept: usize,
        color: Option<ColorWord>,
        background: &Rgb8,
        hole: Rect,
    ) -> Vec<Reference> {
        let size = background.width;
        assert_eq!(size, background.height, "a square background");
        let hue = color.and_then(|color| ColorWord::HUES.into_iter().find(|(word, _)| *word == color));
        let shown = |rendering: usize, flip: bool| {
            let source = &self.renderings[rendering];
            let mut patch = Patch::fitted(&source.picture, flip, hole, SLACK, size);
            if let (Some(from), Some((_, to))) = (source.hue, hue) {
                patch.recolor(from, to);
            }
            patch.expose(1.0 + EXPOSURE * (mean_luma(background, patch.bounds) - 0.5));
            let mut silhouette = Mask::empty(size, size);
            for (x, y, _, alpha) in patch.pixels(size) {
                silhouette.values[y * size + x] = if alpha >= SOLID { 255 } else { 0 };
            }
            let picture = paste(background, &patch, &vec![0.0; size * size]);
            Reference { picture, silhouette, rendering }
        };
        let renderings = self.concepts[concept].seen.iter();
        renderings.flat_map(|&rendering| [shown(rendering, false), shown(rendering, true)]).collect()
    }
}

/// How far a painted picture is from a right answer under `hole`: the mean difference of colours between squares of 4
/// pixels, in `[0, 1]`, and three times that of the strength of their edges; 0 for the answer itself.
///
/// # Panics
/// If the three differ in size.
pub fn structure_error(painted: &Rgb8, answer: &Rgb8, hole: &Mask) -> f32 {
    let size = [painted.width, painted.height];
    assert!(
        [answer.width, answer.height] == size && [hole.width, hole.height] == size,
        "pictures and mask of one size"
    );
    let (painted, answer) = (Cells::of(painted, hole), Cells::of(answer, hole));
    let n_cells = painted.0.len().max(1) as f32;
    let errors = painted.0.iter().zip(&answer.0).map(|(a, b)| {
        let colors: f32 = a.color.iter().zip(b.color).map(|(a, b)| (a - b).abs()).sum();
        colors / 3.0 + EDGE_WEIGHT * (a.edge - b.edge).abs()
    });
    errors.sum::<f32>() / n_cells
}

/// What is compared of one square.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// Mean colour in `[0, 1]`.
    color: [f32; 3],
    /// Mean difference of neighbouring pixels' luma, in `[0, 1]`.
    edge: f32,
}

/// The squares that hold repainted pixels, which alone count in them.
struct Cells(Vec<Cell>);

impl Cells {
    fn of(picture: &Rgb8, hole: &Mask) -> Self {
        let (width, height) = (picture.width, picture.height);
        let luma = |x: usize, y: usize| {
            let [r, g, b] = picture.pixel(x.min(width - 1), y.min(height - 1)).map(f32::from);
            (0.299 * r + 0.587 * g + 0.114 * b) / 255.0
        };
        let corners = (0..height).step_by(CELL).flat_map(|y| (0..width).step_by(CELL).map(move |x| (x, y)));
        let cell = |(left, top): (usize, usize)| {
            let (mut sum, mut n_pixels) = (Cell::default(), 0_usize);
            for y in top..(top + CELL).min(height) {
                for x in (left..(left + CELL).min(width)).filter(|&x| hole.get(x, y)) {
                    let color = picture.pixel(x, y).map(|sample| f32::from(sample) / 255.0);
                    sum.color.iter_mut().zip(color).for_each(|(sum, value)| *sum += value);
                    let here = luma(x, y);
                    sum.edge += 0.5 * ((luma(x + 1, y) - here).abs() + (luma(x, y + 1) - here).abs());
                    n_pixels += 1;
                }
            }
            let share = 1.0 / n_pixels as f32;
            (n_pixels > 0)
                .then(|| Cell { color: sum.color.map(|value| share * value), edge: share * sum.edge })
        };
        Self(corners.filter_map(cell).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{SampleSpec, Split, Task};

    fn world() -> World {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack");
        World::open(&pack).unwrap()
    }

    const HOLE: Rect = Rect { x: 20, y: 30, width: 80, height: 60 };

    #[test]
    fn every_seen_rendering_is_shown_in_the_middle_of_the_box_both_ways() {
        let world = world();
        let background = Rgb8::filled(128, 128, [90, 120, 80]);
        for (index, concept) in world.concepts().iter().enumerate().step_by(7) {
            let references = world.references(index, None, &background, HOLE);
            assert_eq!(references.len(), 2 * concept.seen.len());
            for reference in &references {
                let found = reference.silhouette.bounding_box().unwrap();
                let twice_the_middle = [2 * found.x + found.width, 2 * found.y + found.height];
                let [dx, dy] = [twice_the_middle[0].abs_diff(120), twice_the_middle[1].abs_diff(120)];
                assert!(dx <= 4 && dy <= 4, "{}: {found:?}", concept.name);
                let fill = (found.width as f32 / 80.0).max(found.height as f32 / 60.0);
                assert!((0.84..0.97).contains(&fill), "{}: {fill}", concept.name);
            }
        }
    }

    #[test]
    fn a_color_is_turned_to() {
        let world = world();
        let apple = world.concepts().iter().position(|concept| concept.name == "apple").unwrap();
        let background = Rgb8::filled(128, 128, [128, 128, 128]);
        for color in [ColorWord::Blue, ColorWord::Yellow] {
            let reference = &world.references(apple, Some(color), &background, HOLE)[0];
            assert_eq!(crate::color::measure(&reference.picture, &reference.silhouette), Some(color));
        }
    }

    /// Of the concept's own answers and others', the own are nearer to a true composite.
    #[test]
    fn a_true_object_is_nearest_to_its_own_concept() {
        let world = world();
        let spec = SampleSpec {
            untold: super::super::Untold { max_turn: 0.0, ..Default::default() },
            ..SampleSpec::new(Task::Edit, Split::Train, 5)
        };
        let (mut n_right, mut n) = (0, 0);
        for index in 0..12 {
            let sample = world.sample(&spec, index).unwrap();
            let object = sample.object.unwrap();
            let grown = (object.rect.width as f32 * 0.05, object.rect.height as f32 * 0.05);
            let hole = Rect {
                x: object.rect.x.saturating_sub(grown.0 as usize),
                y: object.rect.y.saturating_sub(grown.1 as usize),
                width: object.rect.width + 2 * grown.0 as usize,
                height: object.rect.height + 2 * grown.1 as usize,
            };
            let mask = Mask::from_fn(128, 128, |x, y| {
                (hole.x..hole.x + hole.width).contains(&x) && (hole.y..hole.y + hole.height).contains(&y)
            });
            let error = |concept: usize| {
                let references = world.references(concept, object.color, &sample.input, hole);
                let errors = references.iter().map(|r| structure_error(&sample.truth, &r.picture, &mask));
                errors.fold(f32::MAX, f32::min)
            };
            let own = error(object.concept);
            for other in [1, 17, 33, 49].map(|step| (object.concept + step) % world.concepts().len()) {
                n_right += usize::from(own < error(other));
                n += 1;
            }
        }
        assert!(n_right >= n - 2, "{n_right} of {n}");
    }

    #[test]
    fn the_error_has_its_closed_form() {
        let mask = Mask::from_fn(16, 16, |x, y| x < 8 && y < 12);
        let plain = Rgb8::filled(16, 16, [100, 100, 100]);
        assert!(structure_error(&plain, &plain, &mask).abs() < f32::EPSILON);
        // 51 levels everywhere, and no edge in either.
        let lighter = Rgb8::filled(16, 16, [151, 151, 151]);
        assert!((structure_error(&lighter, &plain, &mask) - 0.2).abs() < 1e-5);
        // What lies outside does not count.
        let outside = Mask::from_fn(16, 16, |x, _| x >= 8);
        let mut half = plain.clone();
        for y in 0..16 {
            for x in 0..7 {
                half.data[3 * (16 * y + x)] = 255;
            }
        }
        assert!(structure_error(&half, &plain, &outside).abs() < f32::EPSILON);
        assert!(structure_error(&half, &plain, &mask) > 0.1);
    }
}
