//! The autoencoder on large pictures, layer by layer in horizontal bands, with the result of the whole.
//!
//! Tiles that pass through the network one by one, as is usual, differ from the whole picture: a group norm
//! takes its mean and variance over all of it. Here every *layer* is finished before the next one begins,
//! so that norms know the whole picture and there is no seam to blend. Within a layer only one band is
//! being computed; a band of the input goes as soon as nothing needs it any more, while the output grows.
//! So about one whole activation is alive at a time instead of three or four, and every number is computed
//! once, but for one row on each side of a band.

mod blocks;
mod norm;

use std::collections::VecDeque;

use burn::tensor::Tensor;
use byteedit_nn::kernels::BandRows;

/// How many positions a band has, about: enough to keep a convolution busy, and 34 MB at 256 channels.
pub const BAND_POSITIONS: usize = 32 << 10;

/// Features in bands, from top to bottom.
#[derive(Clone)]
pub(super) struct Bands {
    /// Each `[batch, channels, rows, width]`.
    bands: VecDeque<Tensor<4>>,
}

/// How high a band is.
#[derive(Clone, Copy, Debug)]
pub(super) struct BandHeight {
    /// Positions of a band, about.
    pub(super) n_positions: usize,
    /// Its rows are a multiple of this, and no fewer.
    pub(super) multiple: usize,
    /// And so many less, to make room for the neighbours' rows.
    pub(super) less: usize,
}

impl BandHeight {
    /// For bands that are about to be enlarged twice along both sides.
    fn before_doubling(self) -> Self {
        Self { n_positions: self.n_positions / 4, ..self }
    }

    fn rows(self, width: usize) -> usize {
        (self.n_positions / width / self.multiple).max(1) * self.multiple - self.less
    }
}

impl Bands {
    /// Cuts a picture into bands. They are views of it: it goes with the last of them.
    fn split(x: Tensor<4>, height: BandHeight) -> Self {
        Self { bands: VecDeque::from([x]) }.resized(height)
    }

    /// The picture in one piece.
    fn joined(self) -> Tensor<4> {
        Tensor::cat(self.bands.into(), 2)
    }

    /// The same picture in bands of another height, where they are more than twice as high or, joined with
    /// a neighbour, not too high.
    fn resized(self, height: BandHeight) -> Self {
        let mut bands: VecDeque<Tensor<4>> = VecDeque::new();
        for band in self.bands {
            let [_, _, n_rows, width] = band.dims();
            let limit = height.rows(width);
            match bands.pop_back() {
                Some(above) if above.dims()[2] + n_rows <= limit => {
                    bands.push_back(Tensor::cat(vec![above, band], 2));
                }
                above => {
                    bands.extend(above);
                    let starts = (0..n_rows).step_by(limit);
                    bands
                        .extend(starts.map(|start| band.clone().narrow(2, start, limit.min(n_rows - start))));
                }
            }
        }
        Self { bands }
    }

    /// The bands with their neighbours, from top to bottom. A band goes when the one below it has been
    /// dropped.
    fn into_rows(self) -> impl Iterator<Item = BandRows> {
        let (mut above, mut rest) = (None, self.bands);
        std::iter::from_fn(move || {
            let band = rest.pop_front()?;
            let above = above.replace(band.clone());
            Some(BandRows { above, band, below: rest.front().cloned() })
        })
    }

    fn iter(&self) -> impl Iterator<Item = &Tensor<4>> {
        self.bands.iter()
    }
}

impl FromIterator<Tensor<4>> for Bands {
    fn from_iter<I: IntoIterator<Item = Tensor<4>>>(bands: I) -> Self {
        Self { bands: bands.into_iter().collect() }
    }
}

impl IntoIterator for Bands {
    type Item = Tensor<4>;
    type IntoIter = std::collections::vec_deque::IntoIter<Tensor<4>>;

    fn into_iter(self) -> Self::IntoIter {
        self.bands.into_iter()
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

    fn heights(bands: &Bands) -> Vec<usize> {
        bands.iter().map(|band| band.dims()[2]).collect()
    }

    #[test]
    fn bands_are_cut_joined_and_put_together_again() {
        let height = |rows: usize| BandHeight { n_positions: 3 * rows, multiple: 2, less: 0 };
        for (rows, first, second, expected) in [
            (20, 8, 4, vec![4, 4, 4, 4, 4]),
            (20, 4, 9, vec![8, 8, 4]),
            (6, 8, 8, vec![6]),
            (22, 7, 6, vec![6, 6, 6, 4]),
        ] {
            let bands = Bands::split(picture(rows), height(first)).resized(height(second));
            assert_eq!(heights(&bands), expected, "{rows} rows in bands of {first}, then of {second}");
            assert_eq!(bands.joined().into_data(), picture(rows).into_data());
        }
    }

    #[test]
    fn every_band_meets_its_neighbours_once() {
        let bands = Bands::split(picture(10), BandHeight { n_positions: 15, multiple: 1, less: 1 });
        let rows: Vec<[usize; 2]> = bands.clone().into_rows().map(|rows| rows.halo()).collect();
        assert_eq!(rows, [[0, 1], [1, 1], [1, 0]]);
        let joined: Vec<usize> = bands.into_rows().map(|rows| rows.joined(1).dims()[2]).collect();
        assert_eq!(joined, [5, 6, 3]);
    }
}
