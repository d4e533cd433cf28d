//! A weight file in memory as the system maps it: its pages are those of the page cache, shared by every
//! process that uses the file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{AllocationProperty, Bytes};
use memmap2::Mmap;

use super::io;
use crate::ModelError;

/// A mapped weight file. Parts of it can outlive it.
pub(super) struct WeightMap {
    map: Arc<Mmap>,
    /// The same bytes, counted by those who hold a part of them.
    shared: bytes::Bytes,
}

/// A share of the map as `bytes` wants it.
struct Owner(Arc<Mmap>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Numbers of a map are used in place only where they are stored as the machine keeps them, and where a
/// file can be replaced while it is mapped: elsewhere a loaded model would keep its folder from being
/// written.
const MAY_STAY_MAPPED: bool = cfg!(all(unix, target_endian = "little"));

impl WeightMap {
    /// Maps the file.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let file = File::open(path).map_err(|source| io("opening", path, source))?;
        // SAFETY: nothing here writes to the map. Another process that truncates the file would end this
        // one, and one that overwrites it in place would change the weights, as for every reader of mapped
        // weights; this program only ever replaces files by renaming, which leaves the map as it is.
        #[expect(unsafe_code, reason = "memory-mapping is the only way not to hold the weights twice")]
        let map = unsafe { Mmap::map(&file) }.map_err(|source| io("mapping", path, source))?;
        let map = Arc::new(map);
        let shared = bytes::Bytes::from_owner(Owner(Arc::clone(&map)));
        Ok(Self { map, shared })
    }

    /// The whole file.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.shared
    }

    /// `part` of the file as the storage of a tensor of f32, without a copy; `None` where that cannot be.
    pub(super) fn as_f32_storage(&self, part: &[u8]) -> Option<Bytes> {
        let is_aligned = part.as_ptr().addr().is_multiple_of(align_of::<f32>());
        (MAY_STAY_MAPPED && is_aligned)
            .then(|| Bytes::from_shared(self.shared.slice_ref(part), AllocationProperty::File))
    }

    /// Tells the system that `part` is not needed again soon, so that the file does not count beside what
    /// was made of it.
    pub(super) fn release(&self, part: &[u8]) {
        #[cfg(unix)]
        {
            let start = part.as_ptr().addr() - self.map.as_ptr().addr();
            // SAFETY: the map is read-only and backed by a file: pages given back are read from it again.
            #[expect(
                unsafe_code,
                reason = "memmap2 cannot tell such maps from private memory, which it would clear"
            )]
            let released = unsafe {
                self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, part.len())
            };
            // Only a hint: whether it is taken changes no result.
            let _ = released;
        }
        #[cfg(not(unix))]
        let _ = part;
    }
}
