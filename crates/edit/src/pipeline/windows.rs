//! Where the windows of an outpainting lie.
//!
//! New area is a strip along a side of the picture, often long and sometimes wide. Shown to the model
//! as a whole, a strip of 200 x 1000 px would be blown up from its 128 px; so it is painted in square
//! windows, each half over known pixels, at most twice enlarged:
//!
//! ```text
//!   new area                picture            layers run outwards, and within a layer windows run
//!  ┌ ─ ─ ─ ┬ ─ ─ ─ ┬───────────────────        from the middle to both ends; neighbours overlap by
//!    layer   layer ┊▒▒▒▒▒▒▒│                   a quarter of their side or more, and each window sees
//!  │  2    │  1  ┌─┼───────┤ window            what those before it have painted.
//!                │ ┊▒▒▒▒▒▒▒│
//!  │       │     └─┼───────┤
//!  └ ─ ─ ─ ┴ ─ ─ ─ ┴───────┴───────────
//! ```
//!
//! The sides come in the order left, right, top, bottom; the last two span the canvas and so fill its
//! corners. Where that would take very many windows they are made larger instead, and the caller is
//! told how much the result is enlarged.

use byteedit_image::{OutpaintPlan, Rect, Size};

/// Most windows for one side before they are made larger.
const MAX_WINDOWS: usize = 24;
/// Enlargement that windows are made for; above it, a result looks soft.
const MAX_ENLARGEMENT: usize = 2;

/// A part of the canvas that is painted in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Where it lies in the canvas; square unless the canvas ends.
    pub(super) rect: Rect,
    /// Whether it is given the prompt: the middle window next to the picture, once for each side, for
    /// else the thing that a prompt names would be painted in every window.
    pub(super) is_prompted: bool,
}

/// The windows that together cover all new area, in the order in which they are painted.
pub(super) fn windows(sides: &OutpaintPlan, picture: Size, resolution: usize) -> Vec<Window> {
    let OutpaintPlan { left, right, top, bottom } = *sides;
    let canvas = Size::new(left + picture.width + right, top + picture.height + bottom);
    let rows = Span { start: top, len: picture.height };
    let columns = Span { start: 0, len: canvas.width };
    let upright = |depth, edge| Strip { depth, edge, along: rows, limit: canvas.width }.windows(resolution);
    let level = |depth, edge| Strip { depth, edge, along: columns, limit: canvas.height }.windows(resolution);
    let of = |depth: Span, along: Span| Rect::new(depth.start, along.start, depth.len, along.len);
    let turned = |depth: Span, along: Span| Rect::new(along.start, depth.start, along.len, depth.len);
    let sides = [
        (upright(left, Edge::Before(left)), of as fn(Span, Span) -> Rect),
        (upright(right, Edge::After(left + picture.width)), of),
        (level(top, Edge::Before(top)), turned),
        (level(bottom, Edge::After(top + picture.height)), turned),
    ];
    let windows = sides.into_iter().flat_map(|(places, rect)| {
        places
            .into_iter()
            .map(move |place| Window { rect: rect(place.depth, place.along), is_prompted: place.is_prompted })
    });
    windows.collect()
}

/// An interval of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    len: usize,
}

/// On which side of the strip the picture lies, and where it begins or ends there.
#[derive(Clone, Copy)]
enum Edge {
    /// The strip is before the picture, which begins here.
    Before(usize),
    /// The strip is after the picture, which ends here.
    After(usize),
}

/// New area along one side of the picture.
struct Strip {
    /// How far it reaches outwards.
    depth: usize,
    edge: Edge,
    /// Where it lies along the picture's side.
    along: Span,
    /// Size of the canvas in the direction of the depth.
    limit: usize,
}

/// A window, by its extent outwards and along the side.
struct Place {
    depth: Span,
    along: Span,
    is_prompted: bool,
}

impl Strip {
    fn windows(&self, resolution: usize) -> Vec<Place> {
        if self.depth == 0 {
            return Vec::new();
        }
        let side = self.window_side(resolution);
        let n_layers = self.n_layers(side);
        let mut places = Vec::new();
        for layer in 1..=n_layers {
            let far = layer * self.depth / n_layers;
            let depth = self.across(far, side);
            for (order, along) in self.middle_out(side).into_iter().enumerate() {
                places.push(Place { depth, along, is_prompted: layer == 1 && order == 0 });
            }
        }
        places
    }

    /// As large as half of it over new area asks for, but neither smaller than the model's canvas nor
    /// enlarged more than [`MAX_ENLARGEMENT`], unless there would be too many.
    fn window_side(&self, resolution: usize) -> usize {
        let resolution = resolution.max(2);
        let mut side = (2 * self.depth).clamp(resolution, MAX_ENLARGEMENT * resolution);
        while self.n_layers(side) * self.n_along(side) > MAX_WINDOWS {
            side *= 2;
        }
        side
    }

    fn n_layers(&self, side: usize) -> usize {
        self.depth.div_ceil(side / 2)
    }

    /// Neighbours overlap by a quarter of their side or more.
    fn n_along(&self, side: usize) -> usize {
        1 + self.along.len.saturating_sub(side).div_ceil((side * 3 / 4).max(1))
    }

    /// The extent of a window whose outer end is `far` pixels from the picture, cut to the canvas.
    fn across(&self, far: usize, side: usize) -> Span {
        let (start, end) = match self.edge {
            Edge::Before(begin) => (begin - far, (begin - far + side).min(self.limit)),
            Edge::After(end) => ((end + far).saturating_sub(side), end + far),
        };
        Span { start, len: end - start }
    }

    /// Evenly spaced windows along the side, the middle one first.
    fn middle_out(&self, side: usize) -> Vec<Span> {
        let (n, len) = (self.n_along(side), side.min(self.along.len));
        let slack = self.along.len - len;
        let start = |index: usize| if n == 1 { 0 } else { index * slack / (n - 1) };
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&index| (2 * index).abs_diff(n - 1));
        order.into_iter().map(|index| Span { start: self.along.start + start(index), len }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sides(left: usize, right: usize, top: usize, bottom: usize) -> OutpaintPlan {
        OutpaintPlan { left, right, top, bottom }
    }

    #[test]
    fn a_narrow_strip_is_one_window_half_over_the_picture() {
        let windows = windows(&sides(64, 0, 0, 0), Size::new(500, 128), 128);
        assert_eq!(windows, [Window { rect: Rect::new(0, 0, 128, 128), is_prompted: true }]);
    }

    #[test]
    fn a_long_strip_is_painted_from_its_middle_at_twice_the_models_size() {
        let windows = windows(&sides(0, 128, 0, 0), Size::new(1024, 640), 128);
        let rects: Vec<_> =
            windows.iter().map(|window| (window.rect.x, window.rect.y, window.rect.width)).collect();
        assert_eq!(rects, [(896, 192, 256), (896, 0, 256), (896, 384, 256)]);
        assert!(windows.iter().all(|window| window.rect.height == 256));
        assert_eq!(windows.iter().map(|window| window.is_prompted).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn a_wide_strip_has_layers_that_run_outwards() {
        let windows = windows(&sides(0, 0, 300, 0), Size::new(256, 256), 128);
        let rows: Vec<_> = windows.iter().map(|window| (window.rect.y, window.rect.height)).collect();
        assert_eq!(rows, [(200, 256), (100, 256), (0, 256)]);
    }

    #[test]
    fn a_huge_strip_has_fewer_and_larger_windows() {
        let windows = windows(&sides(2000, 0, 0, 0), Size::new(4000, 6000), 128);
        assert!(windows.len() <= MAX_WINDOWS);
        assert!(windows[0].rect.width > 256);
    }

    proptest! {
        #[test]
        fn windows_cover_the_new_area_from_known_pixels(
            plan in prop::array::uniform4(0_usize..400), width in 1_usize..900, height in 1_usize..900,
            resolution in prop::sample::select(vec![16_usize, 128, 512]),
        ) {
            let plan = sides(plan[0], plan[1], plan[2], plan[3]);
            let picture = Size::new(width, height);
            let canvas = Size::new(width + plan.left + plan.right, height + plan.top + plan.bottom);
            let windows = windows(&plan, picture, resolution);
            let mut known = vec![false; canvas.area()];
            let cells = |rect: Rect| {
                (rect.y..rect.bottom()).flat_map(move |y| (rect.x..rect.right()).map(move |x| y * canvas.width + x))
            };
            cells(plan.kept(picture)).for_each(|at| known[at] = true);
            for window in &windows {
                prop_assert!(canvas.rect().contains(&window.rect), "{} leaves {canvas}", window.rect);
                prop_assert!(cells(window.rect).any(|at| known[at]), "{} knows nothing", window.rect);
                cells(window.rect).for_each(|at| known[at] = true);
            }
            prop_assert!(known.into_iter().all(|known| known));
        }
    }
}
