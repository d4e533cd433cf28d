//! The pool's file: slots of one size, each with the index of its sample and a checksum.
//!
//! A slot that was cut off by a crash, or that holds another sample than the one wanted, is simply not
//! there; the caller encodes it again. Nothing needs to be forced to the disk.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use half::f16;
use sha2::{Digest, Sha256};

use super::{CachedSample, Geometry};
use crate::{Result, TrainError};

/// Name and version of the layout, the first bytes of the file.
const MAGIC: &[u8; 8] = b"bepool01";
/// Magic and origin.
const HEADER_LEN: usize = 40;
/// Bytes of a slot's checksum, the first of its SHA-256.
const CHECKSUM_LEN: usize = 8;

/// Samples by slot, in a file.
pub(super) struct PoolStore {
    path: PathBuf,
    file: File,
    geometry: Geometry,
}

impl PoolStore {
    /// Opens the file, or starts it anew if it is missing or made from another `origin`: the hash of
    /// the autoencoder, the data and the sizes.
    pub(super) fn open(path: &Path, geometry: Geometry, origin: [u8; 32]) -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(TrainError::io("opening", path))?;
        let mut header = MAGIC.to_vec();
        header.extend(origin);
        let mut found = Vec::new();
        let read = Read::take(&mut file, HEADER_LEN as u64).read_to_end(&mut found);
        read.map_err(TrainError::io("reading", path))?;
        if found != header {
            file.set_len(0).map_err(TrainError::io("emptying", path))?;
            file.rewind().map_err(TrainError::io("emptying", path))?;
            file.write_all(&header).map_err(TrainError::io("writing", path))?;
        }
        Ok(Self { path: path.to_owned(), file, geometry })
    }

    /// Samples `first ..` from `n` neighbouring slots, if every one of them is there.
    pub(super) fn read(&mut self, first: u64, slot: usize, n: usize) -> Result<Option<Vec<CachedSample>>> {
        self.seek(slot)?;
        let mut bytes = Vec::new();
        let limit = (n * self.slot_len()) as u64;
        let read = Read::take(&mut self.file, limit).read_to_end(&mut bytes);
        read.map_err(TrainError::io("reading", &self.path))?;
        let slots = bytes.chunks_exact(self.slot_len());
        let samples: Option<Vec<_>> =
            (first..).zip(slots).map(|(index, slot)| self.decode(index, slot)).collect();
        Ok(samples.filter(|samples| samples.len() == n))
    }

    /// Writes samples `first ..` into neighbouring slots.
    pub(super) fn write(&mut self, first: u64, slot: usize, samples: &[CachedSample]) -> Result<()> {
        let bytes: Vec<u8> =
            (first..).zip(samples).flat_map(|(index, sample)| self.encode(index, sample)).collect();
        self.seek(slot)?;
        self.file.write_all(&bytes).map_err(TrainError::io("writing", &self.path))
    }

    fn seek(&mut self, slot: usize) -> Result<()> {
        let offset = HEADER_LEN + slot * self.slot_len();
        let sought = self.file.seek(SeekFrom::Start(offset as u64));
        sought.map(drop).map_err(TrainError::io("seeking in", &self.path))
    }

    fn slot_len(&self) -> usize {
        let Geometry { side, n_tokens, .. } = self.geometry;
        8 + 2 * 2 * self.geometry.latent_len() + side * side + 4 * n_tokens + 1 + CHECKSUM_LEN
    }

    fn encode(&self, index: u64, sample: &CachedSample) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.slot_len());
        bytes.extend(index.to_le_bytes());
        for value in sample.latents.iter().chain(&sample.masked_latents) {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(&sample.edit_mask);
        bytes.extend(sample.ids.iter().flat_map(|id| id.to_le_bytes()));
        bytes.push(u8::from(sample.has_caption));
        bytes.extend(&Sha256::digest(&bytes)[..CHECKSUM_LEN]);
        bytes
    }

    fn decode(&self, index: u64, slot: &[u8]) -> Option<CachedSample> {
        let (content, checksum) = slot.split_at(slot.len() - CHECKSUM_LEN);
        if content[..8] != index.to_le_bytes() || Sha256::digest(content)[..CHECKSUM_LEN] != *checksum {
            return None;
        }
        let n_latent = 2 * self.geometry.latent_len();
        let (latents, rest) = content[8..].split_at(n_latent);
        let (masked_latents, rest) = rest.split_at(n_latent);
        let (edit_mask, rest) = rest.split_at(self.geometry.side * self.geometry.side);
        let (ids, has_caption) = rest.split_at(4 * self.geometry.n_tokens);
        let halves = |bytes: &[u8]| bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
        Some(CachedSample {
            latents: halves(latents),
            masked_latents: halves(masked_latents),
            edit_mask: edit_mask.to_vec(),
            ids: ids.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect(),
            has_caption: has_caption == [1],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: Geometry = Geometry { channels: 2, side: 3, n_tokens: 4 };

    fn sample(seed: u8) -> CachedSample {
        CachedSample {
            latents: (0..18).map(|i| f16::from_f32(f32::from(i + seed) * 0.37)).collect(),
            masked_latents: (0..18_u8).map(|i| f16::from_f32(f32::from(i) - f32::from(seed))).collect(),
            edit_mask: (0..9).map(|i| (i + seed) % 2).collect(),
            ids: vec![u32::from(seed), 7, 70_000, 0],
            has_caption: seed.is_multiple_of(2),
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.bin");
        let group = [sample(1), sample(2)];
        let mut store = PoolStore::open(&path, GEOMETRY, [7; 32]).unwrap();
        store.write(40, 4, &group).unwrap();
        assert_eq!(store.read(40, 4, 2).unwrap().unwrap(), group);
        assert!(store.read(0, 0, 2).unwrap().is_none(), "slots that were never written");
        assert!(store.read(42, 4, 2).unwrap().is_none(), "another sample in the slot");
        assert!(store.read(40, 4, 3).unwrap().is_none(), "a group that reaches beyond the file");
        drop(store);
        // Another process reads it, as long as it comes from the same weights and data.
        let mut store = PoolStore::open(&path, GEOMETRY, [7; 32]).unwrap();
        assert!(store.read(40, 4, 2).unwrap().is_some());
        let mut other = PoolStore::open(&path, GEOMETRY, [8; 32]).unwrap();
        assert!(other.read(40, 4, 2).unwrap().is_none());
    }

    #[test]
    fn a_damaged_slot_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.bin");
        let mut store = PoolStore::open(&path, GEOMETRY, [7; 32]).unwrap();
        store.write(0, 0, &[sample(1), sample(2)]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEADER_LEN + 20] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(store.read(0, 0, 2).unwrap().is_none());
        assert_eq!(store.read(1, 1, 1).unwrap().unwrap(), [sample(2)]);
    }
}
