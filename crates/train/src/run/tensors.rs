//! Flat tensors of f32 in a safetensors file, one of which at a time is in memory as bytes: a state may be as large as the
//! memory that is left beside what it is a state of.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, SafeTensorError, View};
use sha2::{Digest, Sha256};

use crate::files::{hex, partial_path};
use crate::{Result, TrainError};

/// Bytes in which a file says how long its header is.
const LENGTH: usize = 8;
/// Longest header that is read, in bytes: that of the library which writes it.
const MAX_HEADER: u64 = 100_000_000;

/// A flat tensor that becomes bytes when these are asked for.
pub(super) struct Stored<'a> {
    tensor: &'a Tensor<1>,
    shape: [usize; 1],
}

impl<'a> Stored<'a> {
    pub(super) fn new(tensor: &'a Tensor<1>) -> Self {
        Self { tensor, shape: tensor.dims() }
    }

    /// As the file has it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let data = self.tensor.clone().into_data().convert::<f32>();
        let values = data.as_slice::<f32>().expect("converted to f32 just above");
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

impl View for &Stored<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.bytes())
    }

    fn data_len(&self) -> usize {
        size_of::<f32>() * self.shape[0]
    }
}

/// SHA-256 over a text, and over names and values of tensors in the order of their names.
pub(super) struct Checksum(Sha256);

impl Checksum {
    /// Of the text alone.
    pub(super) fn of(text: &str) -> Self {
        Self(Sha256::new_with_prefix(text))
    }

    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.0.update(name.as_bytes());
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(super) fn end(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Writes tensors beside `path`, forces them to the disk and has `place` move the file there: it appears whole or not at all.
///
/// # Errors
/// [`TrainError::Io`] if it cannot be written; what `place` returns.
pub(super) fn write_flat(
    path: &Path,
    tensors: &BTreeMap<String, Stored<'_>>,
    metadata: Option<HashMap<String, String>>,
    place: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let partial = partial_path(path);
    let written = write_through(&partial, tensors, metadata).and_then(|()| place(&partial));
    if written.is_err() {
        // On a full disk it would take the room that even config.json needs at the next start. That it
        // cannot be removed says less than what went wrong before.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write_through(
    path: &Path,
    tensors: &BTreeMap<String, Stored<'_>>,
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    safetensors::serialize_to_file(tensors, metadata, path).map_err(|error| {
        let source = match error {
            SafeTensorError::IoError(source) => source,
            other => io::Error::other(other),
        };
        TrainError::Io { action: "writing", path: path.to_owned(), source }
    })?;
    let file = File::open(path).map_err(TrainError::io("opening", path))?;
    file.sync_all().map_err(TrainError::io("flushing", path))
}

/// A file of which the header is in memory.
pub(super) struct TensorFile {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    /// Where its tensors begin.
    start: u64,
}

impl TensorFile {
    /// Reads the header, and checks that the file is as long as that says.
    ///
    /// # Errors
    /// [`TrainError::Io`] if it cannot be read; [`TrainError::Checkpoint`] if it is cut off or no such file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let bad = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
        let mut file = File::open(path).map_err(TrainError::io("reading", path))?;
        let mut length = [0; LENGTH];
        file.read_exact(&mut length).map_err(unread(path))?;
        let n_header = u64::from_le_bytes(length);
        if n_header > MAX_HEADER {
            return Err(bad(format!("its header has {n_header} bytes, at most {MAX_HEADER} are read")));
        }
        let mut header = vec![0; n_header as usize];
        file.read_exact(&mut header).map_err(unread(path))?;
        let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| bad(error.to_string()))?;
        let start = LENGTH as u64 + n_header;
        let wanted = start.saturating_add(metadata.data_len() as u64);
        let found = file.metadata().map_err(TrainError::io("reading", path))?.len();
        if found != wanted {
            return Err(bad(format!("it has {found} bytes, but its header tells of {wanted}")));
        }
        Ok(Self { path: path.to_owned(), file, metadata, start })
    }

    /// What the file says of itself under `key`.
    pub(super) fn entry(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// The names of all tensors, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        names.sort_unstable();
        names
    }

    /// A flat tensor of f32, and its numbers as they are stored.
    ///
    /// # Errors
    /// [`TrainError::Io`] if it cannot be read; [`TrainError::Checkpoint`] for one of another type or rank.
    pub(super) fn flat(&mut self, name: &str, device: &Device) -> Result<(Tensor<1>, Vec<u8>)> {
        let Self { path, file, metadata, start } = self;
        let bad = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        let info = metadata.info(name).ok_or_else(|| bad(format!("there is no `{name}` in it")))?;
        let (dtype, shape) = (info.dtype, info.shape.as_slice());
        let (Dtype::F32, [n]) = (dtype, shape) else {
            let wanted = "F32 of one dimension";
            return Err(bad(format!("`{name}` is {dtype:?} of shape {shape:?} instead of {wanted}")));
        };
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0; to - from];
        file.seek(SeekFrom::Start(*start + from as u64)).map_err(TrainError::io("reading", path))?;
        file.read_exact(&mut bytes).map_err(unread(path))?;
        let values = bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number));
        let tensor = Tensor::from_data(TensorData::new(values.collect::<Vec<_>>(), [*n]), device);
        Ok((tensor, bytes))
    }
}

/// For `map_err` after reading `path`: a file that ends too early is damaged.
fn unread(path: &Path) -> impl FnOnce(io::Error) -> TrainError {
    let path = path.to_owned();
    move |source| {
        if source.kind() == ErrorKind::UnexpectedEof {
            return TrainError::Checkpoint { path, reason: "it is cut off".to_owned() };
        }
        TrainError::Io { action: "reading", path, source }
    }
}
