//! A window over the sequence of samples: it grows to its capacity, then its oldest samples make room.
//!
//! Which samples are in the window depends only on how many pictures were trained on, so a resumed run
//! draws what an uninterrupted one would have drawn.

use std::ops::Range;
use std::path::Path;

use byteedit_data::Split;
use serde::{Deserialize, Serialize};

use super::store::PoolStore;
use super::{CachedSample, Encoder};
use crate::{Result, TrainError};

/// Samples that are encoded together. Always the same ones, since the last bits of a convolution may
/// depend on its batch.
const GROUP: u64 = 16;

/// Most samples of a pool: it is held in memory.
const MAX_CAPACITY: u64 = 10_000_000;

/// Size and turnover of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// Most samples at once, a multiple of 16 up to 10 million. One of 8x16x16 latents takes 8.5 kB.
    pub capacity: u64,
    /// Samples encoded before the first step, a multiple of 16.
    pub n_initial: u64,
    /// Pictures trained on for each fresh sample: how often a sample is seen on average. A network of nine million
    /// parameters knows five thousand samples by heart after eight to twelve uses of each, and paints no better for it;
    /// `inside_seen` and `inside_unseen` in the log tell.
    pub uses_per_sample: f64,
}

impl PoolConfig {
    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        for (key, n) in [("pool.capacity", self.capacity), ("pool.n_initial", self.n_initial)] {
            if n == 0 || n % GROUP != 0 {
                return Err(TrainError::config(key, n, format!("a positive multiple of {GROUP}")));
            }
        }
        if self.capacity > MAX_CAPACITY {
            return Err(TrainError::config(
                "pool.capacity",
                self.capacity,
                format!("at most {MAX_CAPACITY}"),
            ));
        }
        if self.n_initial > self.capacity {
            let limit = format!("at most pool.capacity {}", self.capacity);
            return Err(TrainError::config("pool.n_initial", self.n_initial, limit));
        }
        if !(self.uses_per_sample >= 1.0 && self.uses_per_sample.is_finite()) {
            return Err(TrainError::config("pool.uses_per_sample", self.uses_per_sample, "1 or more"));
        }
        Ok(())
    }

    /// The samples that may be drawn after `n_images` pictures of training.
    fn window(&self, n_images: u64) -> Range<u64> {
        let fresh = (n_images as f64 / self.uses_per_sample) as u64 / GROUP * GROUP;
        let end = self.n_initial + fresh;
        end.saturating_sub(self.capacity)..end
    }
}

/// The samples of the window, in memory and in a file.
pub(crate) struct LatentPool<'a> {
    config: PoolConfig,
    encoder: Encoder<'a>,
    store: PoolStore,
    /// Sample `index` lies in slot `index % capacity`.
    slots: Vec<Option<CachedSample>>,
    /// The samples that lie in `slots`.
    ready: Range<u64>,
}

impl<'a> LatentPool<'a> {
    /// An empty pool that keeps its samples in the file at `path`; a file made with other weights or
    /// from other data is replaced.
    pub(crate) fn open(
        config: PoolConfig,
        encoder: Encoder<'a>,
        path: &Path,
        origin: [u8; 32],
    ) -> Result<Self> {
        let store = PoolStore::open(path, encoder.geometry(), origin)?;
        let slots = vec![None; config.capacity as usize];
        Ok(Self { config, encoder, store, slots, ready: 0..0 })
    }

    /// What draws and encodes.
    pub(crate) fn encoder(&self) -> &Encoder<'a> {
        &self.encoder
    }

    /// Makes the window after `n_images` pictures of training ready. `proceed` hears how many samples
    /// of how many are ready, and stops the work by returning false.
    pub(crate) fn advance(&mut self, n_images: u64, mut proceed: impl FnMut(u64, u64) -> bool) -> Result<()> {
        let window = self.config.window(n_images);
        if !(self.ready.start <= window.start && window.start <= self.ready.end) {
            self.ready = window.start..window.start;
        }
        while self.ready.end < window.end {
            let first = self.ready.end;
            let group = match self.read(first)? {
                Some(group) => group,
                None => self.encode(first)?,
            };
            for (index, sample) in (first..).zip(group) {
                let slot = self.slot(index);
                self.slots[slot] = Some(sample);
            }
            self.ready.end += GROUP;
            self.ready.start = self.ready.start.max(self.ready.end.saturating_sub(self.config.capacity));
            if !proceed(self.ready.end - window.start, window.end - window.start) {
                break;
            }
        }
        Ok(())
    }

    /// The samples that may be drawn after `n_images` pictures of training.
    pub(crate) fn window(&self, n_images: u64) -> Range<u64> {
        self.config.window(n_images)
    }

    /// A sample of the window that was made ready last.
    ///
    /// # Panics
    /// Outside that window.
    pub(crate) fn get(&self, index: u64) -> &CachedSample {
        assert!(self.ready.contains(&index), "sample {index} is not among {:?}; this is a bug", self.ready);
        self.slots[self.slot(index)].as_ref().expect("ready samples are in their slots; this is a bug")
    }

    fn slot(&self, index: u64) -> usize {
        (index % self.config.capacity) as usize
    }

    /// A group from the file, if all of it is there.
    fn read(&mut self, first: u64) -> Result<Option<Vec<CachedSample>>> {
        let slot = self.slot(first);
        self.store.read(first, slot, GROUP as usize)
    }

    fn encode(&mut self, first: u64) -> Result<Vec<CachedSample>> {
        let group = self.encoder.samples(Split::Train, self.encoder.seed, first, GROUP as usize)?;
        let slot = self.slot(first);
        self.store.write(first, slot, &group)?;
        Ok(group)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_window_slides_by_whole_groups(n in 0_u64..100_000, more in 0_u64..1000, uses in 1.0..20.0_f64) {
            let config = PoolConfig { capacity: 320, n_initial: 64, uses_per_sample: uses };
            let (now, later) = (config.window(n), config.window(n + more));
            prop_assert!(now.start <= later.start && now.end <= later.end);
            prop_assert!(now.start % GROUP == 0 && now.end % GROUP == 0);
            prop_assert!((64..=320).contains(&(now.end - now.start)));
            // On average each picture of training is one of `uses` draws of a fresh sample.
            let fresh = (now.end - 64) as f64;
            prop_assert!(fresh * uses <= n as f64 && (fresh + GROUP as f64) * uses > n as f64 - 1e-6);
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = PoolConfig { capacity: 320, n_initial: 64, uses_per_sample: 4.0 };
        assert!(good.validate().is_ok());
        for (bad, key) in [
            (PoolConfig { capacity: 100, ..good }, "`pool.capacity` is 100"),
            (PoolConfig { capacity: 1 << 50, ..good }, "must be at most 10000000"),
            (PoolConfig { n_initial: 640, ..good }, "at most pool.capacity 320"),
            (PoolConfig { uses_per_sample: 0.5, ..good }, "`pool.uses_per_sample` is 0.5"),
        ] {
            let message = bad.validate().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }
}
