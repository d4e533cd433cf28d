//! The autoencoder on large pictures, layer by layer in horizontal strips, with the result of the whole.
//!
//! Tiles that pass through the network one by one, as is usual, differ from the whole picture: a group norm
//! takes its mean and variance over all of it. Here every *layer* is finished before the next one begins,
//! so that norms know the whole picture and there is no seam to blend. Within a layer only one strip is
//! being computed; a strip of the input goes as soon as nothing needs it any more, while the output grows.
//! So about one whole activation is alive at a time instead of three or four, and every number is computed
//! once, but for one row on each side of a strip.

mod blocks;
mod norm;

use std::collections::VecDeque;

use burn::tensor::Tensor;
use byteedit_nn::kernels::StripRows;

/// How many positions a strip has, about: enough to keep a convolution busy, and 34 MB at 256 channels.
pub const STRIP_POSITIONS: usize = 32 << 10;

/// Features in strips, from top to bottom.
#[derive(Clone)]
pub(super) struct Strips {
    /// Each `[batch, channels, rows, width]`.
    strips: VecDeque<Tensor<4>>,
}

/// How high a strip is.
#[derive(Clone, Copy, Debug)]
pub(super) struct StripHeight {
    /// Positions of a strip, about.
    pub(super) n_positions: usize,
    /// Its rows are a multiple of this, and no fewer.
    pub(super) multiple: usize,
    /// And so many less, to make room for the neighbours' rows.
    pub(super) less: usize,
}

impl StripHeight {
    /// For strips that are about to be enlarged twice along both sides.
    fn before_doubling(self) -> Self {
        Self { n_positions: self.n_positions / 4, ..self }
    }

    fn rows(self, width: usize) -> usize {
        (self.n_positions / width / self.multiple).max(1) * self.multiple - self.less
    }
}

impl Strips {
    /// Cuts a picture into strips. They are views of it: it goes with the last of them.
    fn split(x: Tensor<4>, height: StripHeight) -> Self {
        Self { strips: VecDeque::from([x]) }.resized(height)
    }

    /// The picture in one piece.
    fn joined(self) -> Tensor<4> {
        Tensor::cat(self.strips.into(), 2)
    }

    /// The same picture in strips of another height, where they are more than twice as high or, joined with
    /// a neighbour, not too high.
    fn resized(self, height: StripHeight) -> Self {
        let mut strips: VecDeque<Tensor<4>> = VecDeque::new();
        for strip in self.strips {
            let [_, _, n_rows, width] = strip.dims();
            let limit = height.rows(width);
            match strips.pop_back() {
                Some(above) if above.dims()[2] + n_rows <= limit => {
                    strips.push_back(Tensor::cat(vec![above, strip], 2));
                }
                above => {
                    strips.extend(above);
                    let starts = (0..n_rows).step_by(limit);
                    strips.extend(
                        starts.map(|start| strip.clone().narrow(2, start, limit.min(n_rows - start))),
                    );
                }
            }
        }
        Self { strips }
    }

    /// The strips with their neighbours, from top to bottom. A strip goes when the one below it has been
    /// dropped.
    fn into_rows(self) -> impl Iterator<Item = StripRows> {
        let (mut above, mut rest) = (None, self.strips);
        std::iter::from_fn(move || {
            let strip = rest.pop_front()?;
            let above = above.replace(strip.clone());
            Some(StripRows { above, strip, below: rest.front().cloned() })
        })
    }

    fn iter(&self) -> impl Iterator<Item = &Tensor<4>> {
        self.strips.iter()
    }
}

impl FromIterator<Tensor<4>> for Strips {
    fn from_iter<I: IntoIterator<Item = Tensor<4>>>(strips: I) -> Self {
        Self { strips: strips.into_iter().collect() }
    }
}

impl IntoIterator for Strips {
    type Item = Tensor<4>;
    type IntoIter = std::collections::vec_deque::IntoIter<Tensor<4>>;

    fn into_iter(self) -> Self::IntoIter {
        self.strips.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn picture(rows: usize) -> Tensor<4> {
        let values: Vec<f32> = (0..rows * 3).map(|i| i as f32).collect();
        Tensor::<1>::from_data(values.as_slice(), &Device::flex()).reshape([1, 1, rows, 3])
    }

    fn heights(strips: &Strips) -> Vec<usize> {
        strips.iter().map(|strip| strip.dims()[2]).collect()
    }

    #[test]
    fn strips_are_cut_joined_and_put_together_again() {
        let height = |rows: usize| StripHeight { n_positions: 3 * rows, multiple: 2, less: 0 };
        for (rows, first, second, expected) in [
            (20, 8, 4, vec![4, 4, 4, 4, 4]),
            (20, 4, 9, vec![8, 8, 4]),
            (6, 8, 8, vec![6]),
            (22, 7, 6, vec![6, 6, 6, 4]),
        ] {
            let strips = Strips::split(picture(rows), height(first)).resized(height(second));
            assert_eq!(heights(&strips), expected, "{rows} rows in strips of {first}, then of {second}");
            assert_eq!(strips.joined().into_data(), picture(rows).into_data());
        }
    }

    #[test]
    fn every_strip_meets_its_neighbours_once() {
        let strips = Strips::split(picture(10), StripHeight { n_positions: 15, multiple: 1, less: 1 });
        let rows: Vec<[usize; 2]> = strips.clone().into_rows().map(|rows| rows.halo()).collect();
        assert_eq!(rows, [[0, 1], [1, 1], [1, 0]]);
        let joined: Vec<usize> = strips.into_rows().map(|rows| rows.joined(1).dims()[2]).collect();
        assert_eq!(joined, [5, 6, 3]);
    }
}
