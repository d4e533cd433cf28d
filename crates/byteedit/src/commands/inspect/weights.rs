//! The header of a safetensors file. Weights themselves are not read, so size does not matter.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use safetensors::tensor::Metadata;
use serde::Serialize;

/// Largest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes that state the header's length.
const LENGTH_BYTES: u64 = 8;
/// Longest metadata value that is printed, in characters.
const SHOWN: usize = 160;

/// What a weight file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Weights {
    /// The file.
    pub(super) file: String,
    /// Its size.
    pub(super) n_bytes: u64,
    /// Number of tensors.
    pub(super) n_tensors: usize,
    /// Number of values in all of them.
    pub(super) n_parameters: u64,
    /// Values by their number format.
    pub(super) dtypes: BTreeMap<String, u64>,
    /// The file's own notes.
    pub(super) metadata: BTreeMap<String, String>,
}

impl Weights {
    /// Reads a file's header.
    ///
    /// # Errors
    /// A file that cannot be read or is no whole safetensors file.
    pub(super) fn of_file(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let unreadable = || format!("{name} cannot be read");
        let mut file = File::open(path).with_context(unreadable)?;
        let n_bytes = file.metadata().with_context(unreadable)?.len();
        Self::read(&mut file, n_bytes, &name)
    }

    /// Reads the header from the beginning of a file of `n_bytes`.
    ///
    /// # Errors
    /// Content that is no whole safetensors file.
    pub(super) fn read(content: &mut dyn Read, n_bytes: u64, name: &str) -> anyhow::Result<Self> {
        let broken = || format!("{name} is no readable safetensors file; download or export it again");
        let mut length = [0; LENGTH_BYTES as usize];
        content.read_exact(&mut length).with_context(broken)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER.min(n_bytes.saturating_sub(LENGTH_BYTES)) {
            bail!("{}: its header would have {length} bytes, but the file has {n_bytes}", broken());
        }
        let mut header = vec![0; length as usize];
        content.read_exact(&mut header).with_context(broken)?;
        let header: Metadata = serde_json::from_slice(&header).with_context(broken)?;
        let expected = LENGTH_BYTES + length + header.data_len() as u64;
        if expected != n_bytes {
            bail!("{}: it has {n_bytes} bytes instead of {expected}", broken());
        }
        let mut dtypes = BTreeMap::new();
        for info in header.tensors().values() {
            *dtypes.entry(info.dtype.to_string()).or_default() += info.shape.iter().product::<usize>() as u64;
        }
        Ok(Self {
            file: name.to_owned(),
            n_bytes,
            n_tensors: header.tensors().len(),
            n_parameters: dtypes.values().sum(),
            dtypes,
            metadata: header.metadata().clone().into_iter().flatten().collect(),
        })
    }

    /// For people: a summary, then the notes.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let notes = self.metadata.iter().map(|(key, value)| format!("  {key}: {}", shortened(value)));
        std::iter::once(format!("{}: {}", self.file, self.summary())).chain(notes)
    }

    /// Number of parameters and tensors, size and formats.
    pub(super) fn summary(&self) -> String {
        let dtypes: Vec<_> = self.dtypes.keys().map(String::as_str).collect();
        let (millions, megabytes) = (self.n_parameters as f64 / 1e6, self.n_bytes as f64 / 1e6);
        let n_tensors = self.n_tensors;
        format!("{millions:.2} M parameters, {n_tensors} tensors, {}, {megabytes:.1} MB", dtypes.join(" + "))
    }
}

fn shortened(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.len() < value.len() {
        shown.push_str(" ...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use safetensors::Dtype;
    use safetensors::tensor::TensorView;

    use super::*;

    fn file() -> Vec<u8> {
        let (ones, halves) = ([0_u8; 24], [0_u8; 4]);
        let tensors = [
            ("a", TensorView::new(Dtype::F32, vec![2, 3], &ones).unwrap()),
            ("b", TensorView::new(Dtype::F16, vec![2], &halves).unwrap()),
        ];
        let notes = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize(tensors, Some(notes)).unwrap()
    }

    fn read(bytes: &[u8]) -> anyhow::Result<Weights> {
        Weights::read(&mut &bytes[..], bytes.len() as u64, "w.safetensors")
    }

    #[test]
    fn a_header_is_counted() {
        let weights = read(&file()).unwrap();
        assert_eq!((weights.n_tensors, weights.n_parameters), (2, 8));
        assert_eq!(weights.dtypes, BTreeMap::from([("F16".to_owned(), 2), ("F32".to_owned(), 6)]));
        assert_eq!(weights.metadata["format"], "pt");
        assert!(weights.lines().next().unwrap().contains("F16 + F32"));
    }

    #[test]
    fn broken_files_are_refused_wherever_they_end() {
        let whole = file();
        for end in [0, 7, 8, 20, whole.len() - 1] {
            assert!(read(&whole[..end]).is_err(), "{end} bytes");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(read(&longer).unwrap_err().to_string().contains("instead of"));
        let huge = [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat();
        assert!(read(&huge).unwrap_err().to_string().contains("header"));
        assert!(read(b"this is a text file").is_err());
    }
}
