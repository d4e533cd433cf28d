//! Weights that a run does not train and that no other file has for its next start: they are written once, beside the
//! states, each of which has their checksum.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::tensors::{Checksum, Stored, TensorFile, write_flat};
use crate::named::NamedTensors;
use crate::{Result, TrainError, WeightsRole};

/// What they are to a run.
const ROLE: WeightsRole = WeightsRole::Kept;

/// Writes weights into `folder`, unless they are there, and returns their checksum; `None` without any.
///
/// # Errors
/// [`TrainError::Io`] if they cannot be written.
pub(super) fn keep(folder: &Path, weights: &BTreeMap<String, Stored<'_>>) -> Result<Option<String>> {
    if weights.is_empty() {
        return Ok(None);
    }
    let mut checksum = Checksum::of("");
    for (name, stored) in weights {
        checksum.add(name, &stored.bytes());
    }
    let checksum = checksum.end();
    let path = path_of(folder, &checksum);
    // One that a crash or a full disk has cut short is written again.
    if TensorFile::open(&path).is_err() {
        let place = |partial: &Path| fs::rename(partial, &path).map_err(TrainError::io("renaming to", &path));
        write_flat(&path, weights, None, place)?;
    }
    Ok(Some(checksum))
}

/// The weights in `folder` that have this checksum.
///
/// # Errors
/// [`TrainError::OtherWeights`] if they have another; [`TrainError::Checkpoint`] if the file is gone or damaged.
pub(super) fn read(folder: &Path, expected: &str, device: &Device) -> Result<NamedTensors> {
    let path = path_of(folder, expected);
    let (folder, expected) = (folder.to_owned(), expected.to_owned());
    match weights_in(&path, device) {
        Ok((weights, found)) if found == expected => Ok(weights),
        Ok((_, found)) => Err(TrainError::OtherWeights { path, role: ROLE, folder, expected, found }),
        Err(error) => {
            Err(TrainError::Checkpoint { path: folder, reason: format!("{error}; {}", ROLE.remedy()) })
        }
    }
}

/// Where weights with this checksum lie: never in the place of others, which an earlier state may need.
fn path_of(folder: &Path, checksum: &str) -> PathBuf {
    folder.join(format!("frozen-{checksum:.12}.safetensors"))
}

/// What is in a file, and its checksum.
fn weights_in(path: &Path, device: &Device) -> Result<(NamedTensors, String)> {
    let mut file = TensorFile::open(path)?;
    let (mut weights, mut checksum) = (NamedTensors::new(), Checksum::of(""));
    for name in file.names() {
        let (tensor, bytes) = file.flat(&name, device)?;
        checksum.add(&name, &bytes);
        weights.insert(name, tensor);
    }
    Ok((weights, checksum.end()))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Tensor, TensorData};

    use super::*;

    fn weights(values: &[f32]) -> NamedTensors {
        let data = TensorData::new(values.to_vec(), [values.len()]);
        let bias = Tensor::<1>::from_data(data, &Device::default());
        NamedTensors::from([("a.bias".to_owned(), bias.clone()), ("b.weight".to_owned(), bias * 0.5)])
    }

    #[track_caller]
    fn kept(folder: &Path, weights: &NamedTensors) -> String {
        let stored: BTreeMap<_, _> =
            weights.iter().map(|(name, tensor)| (name.clone(), Stored::new(tensor))).collect();
        keep(folder, &stored).unwrap().unwrap()
    }

    fn bytes(weights: &NamedTensors) -> Vec<(&str, Vec<u8>)> {
        weights.iter().map(|(name, tensor)| (name.as_str(), Stored::new(tensor).bytes())).collect()
    }

    #[test]
    fn weights_are_written_once_and_read_bit_for_bit() {
        let (dir, device) = (tempfile::tempdir().unwrap(), Device::default());
        let some = weights(&[-0.0, f32::MIN_POSITIVE, 1.0 / 3.0]);
        let checksum = kept(dir.path(), &some);
        assert_eq!(bytes(&read(dir.path(), &checksum, &device).unwrap()), bytes(&some));
        // What is there is left alone, unless it is cut short.
        let path = path_of(dir.path(), &checksum);
        let written = || fs::metadata(&path).unwrap().modified().unwrap();
        let first = written();
        assert_eq!((kept(dir.path(), &some), written()), (checksum.clone(), first));
        fs::write(&path, "cut").unwrap();
        assert_eq!(kept(dir.path(), &some), checksum);
        assert_eq!(bytes(&read(dir.path(), &checksum, &device).unwrap()), bytes(&some));
        // Others are in a file of their own, and nothing is in none.
        assert_ne!(kept(dir.path(), &weights(&[1.0])), checksum);
        assert_eq!(keep(dir.path(), &BTreeMap::new()).unwrap(), None);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_is_not_what_was_written_is_named_with_the_remedy() {
        let (dir, device) = (tempfile::tempdir().unwrap(), Device::default());
        let checksum = kept(dir.path(), &weights(&[1.0, 2.0]));
        let path = path_of(dir.path(), &checksum);
        let refusal = || {
            let error = read(dir.path(), &checksum, &device).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains(path.to_str().unwrap()) && message.ends_with(ROLE.remedy()),
                "{message}"
            );
            error
        };
        let mut other = fs::read(&path).unwrap();
        *other.last_mut().unwrap() ^= 1;
        fs::write(&path, &other).unwrap();
        assert!(matches!(refusal(), TrainError::OtherWeights { path: named, .. } if named == path));
        fs::write(&path, &other[..other.len() - 1]).unwrap();
        assert!(matches!(refusal(), TrainError::Checkpoint { .. }));
        fs::remove_file(&path).unwrap();
        assert!(matches!(refusal(), TrainError::Checkpoint { .. }));
    }
}
