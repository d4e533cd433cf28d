//! The luck of an item: which cached sample it takes, how noisy, with its caption or without.

use std::ops::Range;

use byteedit_diffusion::loss::timestep_at;

use crate::random::{Use, stream};

/// What every draw of a run depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws {
    /// The run's seed.
    pub(super) seed: u64,
    /// Items of a batch.
    pub(super) batch_size: usize,
    /// Timesteps of the schedule.
    pub(super) n_timesteps: usize,
    /// How much more often noisy timesteps are drawn; 1 is evenly.
    pub(super) timestep_shift: f64,
    /// Share of the items that lose their caption (Ho & Salimans 2022, Algorithm 1).
    pub(super) caption_dropout: f32,
}

/// One item of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draw {
    /// Index of the cached sample.
    pub(super) sample: u64,
    /// Timestep of the schedule.
    pub(super) timestep: usize,
    /// Whether it is shown the empty caption instead of its own.
    pub(super) drops_caption: bool,
}

impl Draws {
    /// The draw of item `index`, the `place`-th of its batch, from the samples of a window. Timesteps are
    /// spread over the batch, one in each of `batch_size` equally probable parts, so that the loss varies less
    /// from step to step.
    pub(super) fn draw(&self, index: u64, place: usize, window: &Range<u64>) -> Draw {
        let mut stream = stream(self.seed, Use::Items, index);
        let sample = window.start + stream.below((window.end - window.start) as usize) as u64;
        let position = (place as f64 + f64::from(stream.unit())) / self.batch_size as f64;
        let timestep = timestep_at(position, self.timestep_shift, self.n_timesteps);
        Draw { sample, timestep, drops_caption: stream.chance(self.caption_dropout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: Draws =
        Draws { seed: 3, batch_size: 8, n_timesteps: 1000, timestep_shift: 1.0, caption_dropout: 0.3 };

    fn drawn(draws: Draws) -> Vec<Draw> {
        (0..8000_u64).map(|index| draws.draw(index, (index % 8) as usize, &(32..48))).collect()
    }

    #[test]
    fn captions_are_dropped_item_by_item_as_often_as_configured() {
        let n_dropped = |p| {
            let items = drawn(Draws { caption_dropout: p, ..DRAWS });
            items.iter().filter(|item| item.drops_caption).count()
        };
        assert_eq!((n_dropped(0.0), n_dropped(1.0)), (0, 8000));
        // Within four standard deviations, which are 41 items.
        assert!((2400 - 4 * 41..2400 + 4 * 41).contains(&n_dropped(0.3)), "{}", n_dropped(0.3));
        // Not batch by batch: all of eight items would agree in all of the batches instead of in 6 %.
        let items = drawn(DRAWS);
        let n_mixed = items.chunks(8).filter(|batch| {
            let n = batch.iter().filter(|item| item.drops_caption).count();
            (1..8).contains(&n)
        });
        assert!(n_mixed.count() > 850);
    }

    #[test]
    fn every_sample_is_drawn_and_timesteps_are_spread_over_the_batch() {
        let items = drawn(DRAWS);
        for sample in 32..48 {
            let n = items.iter().filter(|item| item.sample == sample).count();
            assert!((400..600).contains(&n), "sample {sample} was drawn {n} times of about 500");
        }
        for (place, item) in (0..8).cycle().zip(&items) {
            assert!((125 * place..125 * (place + 1)).contains(&item.timestep), "{place}: {item:?}");
        }
    }

    #[test]
    fn a_shift_moves_the_median_and_keeps_the_ends() {
        let timesteps = |timestep_shift| -> Vec<usize> {
            let mut all: Vec<_> =
                drawn(Draws { timestep_shift, ..DRAWS }).iter().map(|item| item.timestep).collect();
            all.sort_unstable();
            all
        };
        // Half of the draws lie above s / (1 + s).
        for (shift, median) in [(1.0, 500), (2.0, 667), (3.0, 750), (0.5, 333)] {
            let timesteps = timesteps(shift);
            assert!(timesteps[4000].abs_diff(median) < 4, "{} at {shift}", timesteps[4000]);
            assert!(timesteps[0] < 10 && timesteps[7999] > 990);
        }
    }
}
