//! Exact Euclidean distances to a mask in linear time (Meijster, Roerdink, Hesselink 2000).

use rayon::prelude::*;

use super::Mask;

/// The largest distance that can be asked for: one more, squared, still fits 32 bits.
pub(super) const MAX_REACH: u32 = 65_534;

/// Squared distance of each pixel to the nearest repainted one, in pixels, centre to centre. It is
/// exact up to `reach` squared; anything farther away is only known to be farther. `reach` is at most
/// [`MAX_REACH`].
pub(super) fn squared_to_repainted(mask: &Mask, reach: u32) -> Vec<u32> {
    let width = mask.width();
    if width == 0 || mask.height() == 0 {
        return Vec::new();
    }
    let mut distances = distances_in_columns(mask, reach.min(MAX_REACH) + 1);
    distances.par_chunks_exact_mut(width).for_each_init(
        || (Vec::with_capacity(width), Vec::with_capacity(width)),
        |(column_distances, envelope), row| {
            column_distances.clear();
            column_distances.extend_from_slice(row);
            lower_envelope(column_distances, row, envelope);
        },
    );
    distances
}

/// First phase: the distance to the nearest repainted pixel of the same column, at most `far`.
fn distances_in_columns(mask: &Mask, far: u32) -> Vec<u32> {
    let width = mask.width();
    let mut distances: Vec<u32> = mask.repaints().map(|repaint| if repaint { 0 } else { far }).collect();
    for at in width..distances.len() {
        distances[at] = distances[at].min(distances[at - width].saturating_add(1));
    }
    for at in (0..distances.len() - width).rev() {
        distances[at] = distances[at].min(distances[at + width].saturating_add(1));
    }
    distances
}

/// A parabola of the lower envelope: it is the lowest from `from` on.
struct Parabola {
    apex: i64,
    from: i64,
}

/// Second phase, for one row: `out[x] = min_i (x - i)^2 + column[i]^2`.
fn lower_envelope(column: &[u32], out: &mut [u32], envelope: &mut Vec<Parabola>) {
    let height = |i: i64| i64::from(column[i as usize]).pow(2);
    let value = |x: i64, i: i64| (x - i).pow(2) + height(i);
    envelope.clear();
    envelope.push(Parabola { apex: 0, from: 0 });
    for u in 1..column.len() as i64 {
        while let Some(last) = envelope.last()
            && value(last.from, last.apex) > value(last.from, u)
        {
            envelope.pop();
        }
        let from = match envelope.last() {
            None => 0,
            // The first position at which the parabola of u is lower than that of i.
            Some(&Parabola { apex: i, .. }) => {
                1 + (u * u - i * i + height(u) - height(i)).div_euclid(2 * (u - i))
            }
        };
        if from < column.len() as i64 {
            envelope.push(Parabola { apex: u, from });
        }
    }
    let mut parabolas = envelope.iter().rev().peekable();
    for x in (0..column.len() as i64).rev() {
        while parabolas.peek().is_some_and(|parabola| parabola.from > x) {
            parabolas.next();
        }
        if let Some(parabola) = parabolas.peek() {
            out[x as usize] = u32::try_from(value(x, parabola.apex)).unwrap_or(u32::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use proptest::prelude::*;

    fn brute_force(mask: &Mask) -> Vec<u32> {
        let size = mask.size();
        let set: Vec<_> = (0..size.area()).filter(|&at| mask.values()[at] >= 128).collect();
        let squared = |at: usize, to: usize| {
            let dx = (at % size.width).abs_diff(to % size.width);
            let dy = (at / size.width).abs_diff(to / size.width);
            (dx * dx + dy * dy) as u32
        };
        (0..size.area()).map(|at| set.iter().map(|&to| squared(at, to)).min().unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn distances_equal_those_of_an_exhaustive_search(
            width in 1_usize..18, height in 1_usize..18, marks in prop::collection::vec(0_usize..324, 1..8),
            reach in 0_u32..40,
        ) {
            let size = Size::new(width, height);
            let mut values = vec![0; size.area()];
            for at in marks {
                values[at % size.area()] = 255;
            }
            let mask = Mask::new(size, values).unwrap();
            for (found, expected) in squared_to_repainted(&mask, reach).into_iter().zip(brute_force(&mask)) {
                if expected <= reach * reach {
                    prop_assert_eq!(found, expected);
                } else {
                    prop_assert!(found > reach * reach);
                }
            }
        }
    }
}
