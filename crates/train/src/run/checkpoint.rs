//! The state of a run in one safetensors file: weights, the optimiser's state, moving averages, and
//! where the run stands. A run continued from it makes the same steps as one never stopped. Weights that
//! the run does not train are left out, and lie beside all of its states, once; or nowhere, if it finds them again where it
//! found them at first. All is written and read one tensor at a time, and needs no second room.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::frozen;
use super::tensors::{Checksum, Stored, TensorFile, write_flat};
use crate::named::{NamedTensors, first_misfit, with_parameters};
use crate::optim::{Moments, ParameterState};
use crate::{Result, TrainError};

/// Layout of the file; raised when an older reader would misread it. From 3 on, parameters may be left out that the run
/// finds again, and averages of those that do not learn; from 4 on, these parameters lie beside the file.
const SCHEMA_VERSION: u32 = 4;
/// The oldest layout that is still read.
const OLDEST_VERSION: u32 = 2;
/// The header's key in the file's metadata.
const HEADER: &str = "byteedit.run";
/// The file in a run folder.
const CURRENT: &str = "state.safetensors";
/// The one before it.
const PREVIOUS: &str = "state.previous.safetensors";

/// Where a run stands, beside its tensors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHeader {
    /// Layout of the file.
    pub schema_version: u32,
    /// Optimiser steps done.
    pub step: u64,
    /// Pictures seen.
    pub n_images: u64,
    /// The run's seed.
    pub seed: u64,
    /// SHA-256 of the configuration that the state is bound to.
    pub config_hash: String,
    /// Parameters with optimiser state.
    pub n_optimizer_states: usize,
    /// SHA-256 over names and values of the weights that do not learn, which are in a file beside this one; `None` without
    /// such weights, and in states of before, which hold them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_sha256: Option<String>,
    /// SHA-256 over this header without its digest, and names and values of all tensors, so that a
    /// damaged file is never trained on.
    pub digest: String,
}

impl StateHeader {
    /// The header of a state to be saved; what it says of tensors is filled in on writing.
    pub fn new(step: u64, n_images: u64, seed: u64, config_hash: &str) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            step,
            n_images,
            seed,
            config_hash: config_hash.to_owned(),
            n_optimizer_states: 0,
            frozen_sha256: None,
            digest: String::new(),
        }
    }
}

/// Everything that a run needs to go on.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Where it stands.
    pub header: StateHeader,
    /// The weights, by parameter name, but for those that the run finds again where it found them at first.
    pub model: NamedTensors,
    /// The optimiser's state of each trainable parameter.
    pub states: BTreeMap<String, ParameterState>,
    /// Averaged weights of each parameter that learns.
    pub ema: NamedTensors,
}

impl Checkpoint {
    /// Whether `folder` holds a state, usable or not.
    pub fn exists_in(folder: &Path) -> bool {
        [CURRENT, PREVIOUS].iter().any(|name| folder.join(name).exists())
    }

    /// Writes the state into `folder`, keeping the one that was there as the previous one. The file
    /// appears whole or not at all.
    ///
    /// # Errors
    /// [`TrainError::Io`] if it cannot be written; the old one stays.
    pub fn save(&self, folder: &Path) -> Result<PathBuf> {
        let header = StateHeader {
            n_optimizer_states: self.states.len(),
            frozen_sha256: frozen::keep(folder, &self.frozen())?,
            ..self.header.clone()
        };
        write(folder, header, &self.tensors())
    }

    /// The newest usable state of `folder`: `None` in a folder without any, and with it the error of
    /// the newest file if that was damaged and the previous one is used.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] or [`TrainError::OtherWeights`] if there are files but none is usable.
    pub fn load_newest(folder: &Path, device: &Device) -> Result<Option<(Self, Option<TrainError>)>> {
        let (current, previous) = (folder.join(CURRENT), folder.join(PREVIOUS));
        if !current.exists() {
            // A stop between the two renames of `save` leaves only the previous one.
            return if previous.exists() {
                Ok(Some((Self::load(&previous, device)?, None)))
            } else {
                Ok(None)
            };
        }
        match Self::load(&current, device) {
            Ok(state) => Ok(Some((state, None))),
            Err(damage) if previous.exists() => Ok(Some((Self::load(&previous, device)?, Some(damage)))),
            Err(damage) => Err(damage),
        }
    }

    /// The newest usable state of a run that is to be exported.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if there is none.
    pub fn newest_of_run(folder: &Path, device: &Device) -> Result<Self> {
        let missing = || TrainError::Checkpoint {
            path: folder.to_owned(),
            reason: "there is no state yet; train longer".to_owned(),
        };
        Self::load_newest(folder, device)?.map(|(state, _)| state).ok_or_else(missing)
    }

    /// The step of the newest state of `folder` whose header can be read, whatever its tensors are.
    pub(crate) fn newest_step(folder: &Path) -> Option<u64> {
        let step = |name: &&str| {
            let path = folder.join(name);
            Some(header_of(&TensorFile::open(&path).ok()?, &path).ok()?.step)
        };
        [CURRENT, PREVIOUS].iter().find_map(step)
    }

    /// Reads one file, and the one beside it of what does not learn.
    ///
    /// # Errors
    /// [`TrainError::Io`] if it cannot be read; [`TrainError::Checkpoint`] if it is cut off, damaged,
    /// of another layout, or lacks weights, average or a moment of a parameter that the optimiser has updated,
    /// or if the file beside it cannot be read; [`TrainError::OtherWeights`] if that has other weights.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let bad = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
        let mut file = TensorFile::open(path)?;
        let header = header_of(&file, path)?;
        let mut checksum = checksum_of(&header)?;
        let mut groups: BTreeMap<&str, NamedTensors> = BTreeMap::new();
        for name in file.names() {
            let (group, parameter) = split(&name).ok_or_else(|| bad(format!("`{name}` is unknown")))?;
            let (tensor, bytes) = file.flat(&name, device)?;
            checksum.add(&name, &bytes);
            groups.entry(group).or_default().insert(parameter.to_owned(), tensor);
        }
        if checksum.end() != header.digest {
            return Err(bad("its checksum does not match its content: the file is damaged".to_owned()));
        }
        let mut state = Self::assemble(header, groups).map_err(bad)?;
        if let Some(sha256) = &state.header.frozen_sha256 {
            let folder = path.parent().unwrap_or(Path::new(""));
            state.model.extend(frozen::read(folder, sha256, device)?);
        }
        Ok(state)
    }

    /// `module` with the averaged weights of this state, which is that of the run in `run`.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] names a parameter that has no average, or one of another size.
    pub(crate) fn averaged<M: Module>(&self, module: M, run: &Path) -> Result<M> {
        if let Some(name) = first_misfit(&module, &self.ema) {
            let reason = format!("`{name}` has no moving average, or one of another size");
            return Err(TrainError::Checkpoint { path: run.to_owned(), reason });
        }
        Ok(with_parameters(module, &self.ema))
    }

    /// Joins the groups, checking that each parameter has all it needs.
    fn assemble(header: StateHeader, mut groups: BTreeMap<&str, NamedTensors>) -> Result<Self, String> {
        let mut take = |group| groups.remove(group).unwrap_or_default();
        let (model, ema) = (take("model."), take("ema."));
        let (first, mut second, sums) = (take("adam.m."), take("adam.v."), take("muon.m."));
        let (m, v, s, wanted) = (first.len(), second.len(), sums.len(), header.n_optimizer_states);
        if m != v || m + s != wanted {
            return Err(format!(
                "it holds {m} first and {v} second moments and {s} sums for {wanted} parameters"
            ));
        }
        let mut states: BTreeMap<_, _> =
            sums.into_iter().map(|(name, sum)| (name, ParameterState::Muon(Box::new(sum)))).collect();
        for (name, first) in first {
            let second = second.remove(&name).ok_or_else(|| format!("`{name}` has no second moment"))?;
            states.insert(name, ParameterState::AdamW(Box::new(Moments { first, second })));
        }
        for (tensors, what) in [(&model, "weights"), (&ema, "moving average")] {
            if let Some(name) = states.keys().find(|name| !tensors.contains_key(*name)) {
                return Err(format!("`{name}` has no {what}"));
            }
        }
        Ok(Self { header, model, states, ema })
    }

    /// Whether a parameter learns: one that does has an average, and a state once it was updated.
    fn learns(&self, name: &str) -> bool {
        self.ema.contains_key(name) || self.states.contains_key(name)
    }

    /// The weights that do not learn.
    fn frozen(&self) -> BTreeMap<String, Stored<'_>> {
        let frozen = self.model.iter().filter(|(name, _)| !self.learns(name));
        frozen.map(|(name, tensor)| named("", name, tensor)).collect()
    }

    /// All other tensors under their names in the file.
    fn tensors(&self) -> BTreeMap<String, Stored<'_>> {
        let mut tensors = BTreeMap::new();
        let learned = self.model.iter().filter(|(name, _)| self.learns(name));
        tensors.extend(learned.map(|(name, tensor)| named("model.", name, tensor)));
        tensors.extend(self.ema.iter().map(|(name, tensor)| named("ema.", name, tensor)));
        for (name, state) in &self.states {
            match state {
                ParameterState::AdamW(moments) => {
                    let Moments { first, second } = &**moments;
                    tensors.extend([named("adam.m.", name, first), named("adam.v.", name, second)]);
                }
                ParameterState::Muon(sum) => tensors.extend([named("muon.m.", name, sum)]),
            }
        }
        tensors
    }
}

/// `model.conv_in.weight` -> (`model.`, `conv_in.weight`).
fn split(name: &str) -> Option<(&'static str, &str)> {
    ["model.", "ema.", "adam.m.", "adam.v.", "muon.m."]
        .into_iter()
        .find_map(|prefix| Some((prefix, name.strip_prefix(prefix)?)))
}

/// The other way round, with what is to be stored under that name.
fn named<'a>(prefix: &str, name: &str, tensor: &'a Tensor<1>) -> (String, Stored<'a>) {
    (format!("{prefix}{name}"), Stored::new(tensor))
}

/// Writes a state of these tensors into `folder`, in the place of the one before it.
fn write(folder: &Path, header: StateHeader, tensors: &BTreeMap<String, Stored<'_>>) -> Result<PathBuf> {
    let mut checksum = checksum_of(&header)?;
    for (name, stored) in tensors {
        checksum.add(name, &stored.bytes());
    }
    let header = StateHeader { digest: checksum.end(), ..header };
    let metadata = HashMap::from([(HEADER.to_owned(), header_json(&header)?)]);
    let (path, previous) = (folder.join(CURRENT), folder.join(PREVIOUS));
    write_flat(&path, tensors, Some(metadata), |partial| put_in_place(partial, &path, &previous))?;
    Ok(path)
}

/// Moves a whole file to its name, and what had that name to `previous`.
fn put_in_place(partial: &Path, path: &Path, previous: &Path) -> Result<()> {
    if path.exists() {
        fs::rename(path, previous).map_err(TrainError::io("renaming to", previous))?;
    }
    fs::rename(partial, path).map_err(TrainError::io("renaming to", path))
}

fn header_json(header: &StateHeader) -> Result<String> {
    let json = |source| TrainError::Json { what: "the state header".to_owned(), source };
    serde_json::to_string(header).map_err(json)
}

/// The header of the state in `path`.
fn header_of(file: &TensorFile, path: &Path) -> Result<StateHeader> {
    let bad = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let header = file.entry(HEADER).ok_or_else(|| bad("it is not the state of a run".to_owned()))?;
    let header: StateHeader = serde_json::from_str(header).map_err(|error| bad(error.to_string()))?;
    let found = header.schema_version;
    if !(OLDEST_VERSION..=SCHEMA_VERSION).contains(&found) {
        let readable = format!("{OLDEST_VERSION} to {SCHEMA_VERSION}");
        let reason = format!("its layout is {found}, this program reads {readable}");
        return Err(bad(reason));
    }
    Ok(header)
}

/// The beginning of a state's checksum: its header without the digest.
fn checksum_of(header: &StateHeader) -> Result<Checksum> {
    let header = StateHeader { digest: String::new(), ..header.clone() };
    Ok(Checksum::of(&header_json(&header)?))
}

#[cfg(test)]
mod tests {
    use burn::module::{Param, ParamId};
    use burn::tensor::TensorData;
    use safetensors::tensor::TensorView;
    use safetensors::{Dtype, SafeTensors};

    use super::*;
    use crate::files::partial_path;
    use crate::named::parameters_of;

    fn flat(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::default())
    }

    fn named(values: &[f32]) -> NamedTensors {
        NamedTensors::from([
            ("conv.bias".to_owned(), flat(values)),
            ("conv.weight".to_owned(), flat(&[0.5; 7])),
        ])
    }

    fn state(step: u64) -> Checkpoint {
        let start = step as f32;
        let moments =
            Moments { first: flat(&[start, 1e-30, -0.0]), second: flat(&[3.0, f32::MIN_POSITIVE, 1.0]) };
        let sum = flat(&[start, 0.25]);
        Checkpoint {
            header: StateHeader::new(step, 16 * step, 7, "hash"),
            model: named(&[1.0, start, f32::MAX]),
            states: BTreeMap::from([
                ("conv.bias".to_owned(), ParameterState::AdamW(Box::new(moments))),
                ("conv.weight".to_owned(), ParameterState::Muon(Box::new(sum))),
            ]),
            ema: named(&[2.0, start, 1.0 / 3.0]),
        }
    }

    fn bits(tensors: &NamedTensors) -> Vec<(String, Vec<u32>)> {
        let read = |tensor: &Tensor<1>| {
            let data = tensor.clone().into_data();
            data.as_slice::<f32>().unwrap().iter().map(|value| value.to_bits()).collect()
        };
        tensors.iter().map(|(name, tensor)| (name.clone(), read(tensor))).collect()
    }

    fn newest(folder: &Path) -> Result<Option<(Checkpoint, Option<TrainError>)>> {
        Checkpoint::load_newest(folder, &Device::default())
    }

    #[test]
    fn every_bit_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        assert!(newest(dir.path()).unwrap().is_none());
        let saved = state(3);
        saved.save(dir.path()).unwrap();
        let (loaded, damage) = newest(dir.path()).unwrap().unwrap();
        assert!(damage.is_none());
        assert_eq!((bits(&loaded.model), bits(&loaded.ema)), (bits(&saved.model), bits(&saved.ema)));
        let parts = |state: &ParameterState| {
            NamedTensors::from_iter(match state.clone() {
                ParameterState::AdamW(m) => vec![("m".to_owned(), m.first), ("v".to_owned(), m.second)],
                ParameterState::Muon(sum) => vec![("sum".to_owned(), *sum)],
            })
        };
        assert_eq!(loaded.states.len(), saved.states.len());
        for (name, state) in &loaded.states {
            assert_eq!(bits(&parts(state)), bits(&parts(&saved.states[name])));
        }
        assert_eq!(
            (loaded.header.step, loaded.header.n_images, loaded.header.n_optimizer_states),
            (3, 48, 2)
        );
        let partial = partial_path(&dir.path().join(CURRENT));
        assert!(!partial.exists(), "no partial file is left");
    }

    #[test]
    fn the_file_is_what_its_tensors_say_all_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let saved = state(3);
        saved.save(dir.path()).unwrap();
        let bytes = fs::read(dir.path().join(CURRENT)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut names = file.names();
        names.sort_unstable();
        let in_file: Vec<&[u8]> = names.iter().map(|name| file.tensor(name).unwrap().data()).collect();
        assert!(bytes.ends_with(&in_file.concat()), "they lie there in the order of their names");
        let tensors = saved.tensors();
        assert!(tensors.keys().eq(&names) && tensors.values().map(Stored::bytes).eq(in_file));
    }

    #[test]
    fn a_step_is_read_without_its_tensors() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Checkpoint::newest_step(dir.path()), None);
        state(3).save(dir.path()).unwrap();
        state(6).save(dir.path()).unwrap();
        assert_eq!(Checkpoint::newest_step(dir.path()), Some(6));
        let path = dir.path().join(CURRENT);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        assert_eq!(Checkpoint::newest_step(dir.path()), Some(3));
    }

    #[derive(Module, Debug)]
    struct Layer {
        bias: Param<Tensor<1>>,
    }

    #[test]
    fn a_parameter_without_an_average_of_its_size_is_named() {
        let layer = |n: usize| Layer { bias: Param::initialized(ParamId::new(), flat(&vec![0.0; n])) };
        let mut state = state(3);
        state.ema = NamedTensors::from([("bias".to_owned(), flat(&[1.5, 2.5]))]);
        let averaged = state.averaged(layer(2), Path::new("run")).unwrap();
        assert_eq!(bits(&parameters_of(&averaged)), bits(&state.ema));
        let mut lacking = state.clone();
        lacking.ema.clear();
        for (state, layer) in [(&state, layer(3)), (&lacking, layer(2))] {
            let error = state.averaged(layer, Path::new("run")).unwrap_err().to_string();
            assert!(error.contains("a usable checkpoint: `bias` has no moving average"), "{error}");
        }
    }

    #[test]
    fn a_damaged_file_falls_back_to_the_one_before_it() {
        let dir = tempfile::tempdir().unwrap();
        state(3).save(dir.path()).unwrap();
        state(6).save(dir.path()).unwrap();
        let path = dir.path().join(CURRENT);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        let last = flipped.len() - 2;
        flipped[last] ^= 0x40;
        // The step in the header, where no tensor is.
        let key = br#"step\":6"#;
        let at = whole.windows(key.len()).position(|bytes| bytes == key).unwrap() + key.len() - 1;
        let mut later = whole.clone();
        later[at] = b'9';
        for (bytes, reason) in [
            (&whole[..whole.len() - 5], ""),
            (&whole[..4], ""),
            (&flipped[..], "checksum"),
            (&later[..], "checksum"),
            (b"not a checkpoint at all", ""),
        ] {
            fs::write(&path, bytes).unwrap();
            let (state, damage) = newest(dir.path()).unwrap().unwrap();
            let message = damage.unwrap().to_string();
            assert_eq!(state.header.step, 3);
            assert!(
                message.contains("state.safetensors is not a usable") && message.contains(reason),
                "{message}"
            );
        }
        fs::write(dir.path().join(PREVIOUS), b"").unwrap();
        assert!(newest(dir.path()).is_err(), "two damaged files are an error, not a fresh start");
    }

    #[test]
    fn a_tensor_of_another_type_or_rank_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CURRENT);
        for (dtype, shape) in [(Dtype::F16, vec![4]), (Dtype::F32, vec![1, 2]), (Dtype::F32, vec![])] {
            let bytes = vec![0; shape.iter().product::<usize>() * dtype.bitsize() / 8];
            let view = TensorView::new(dtype, shape, &bytes).unwrap();
            let header = header_json(&StateHeader::new(3, 48, 7, "hash")).unwrap();
            let metadata = HashMap::from([(HEADER.to_owned(), header)]);
            let file = safetensors::serialize([("model.conv.bias", view)], Some(metadata)).unwrap();
            fs::write(&path, file).unwrap();
            let error = newest(dir.path()).unwrap_err().to_string();
            assert!(error.contains("`model.conv.bias` is F"), "{error}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_written_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        state(3).save(dir.path()).unwrap();
        // Nothing can be renamed to the name of a folder with a file in it.
        fs::create_dir(dir.path().join(PREVIOUS)).unwrap();
        fs::write(dir.path().join(PREVIOUS).join("file"), "").unwrap();
        assert!(matches!(state(6).save(dir.path()), Err(TrainError::Io { action: "renaming to", .. })));
        assert!(!partial_path(&dir.path().join(CURRENT)).exists(), "no partial file is left");
        let nowhere = state(6).save(&dir.path().join("nowhere"));
        assert!(matches!(nowhere, Err(TrainError::Io { action: "writing", .. })), "{nowhere:?}");
        assert_eq!(newest(dir.path()).unwrap().unwrap().0.header.step, 3);
    }

    #[test]
    fn a_stop_between_the_two_renames_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        state(3).save(dir.path()).unwrap();
        fs::rename(dir.path().join(CURRENT), dir.path().join(PREVIOUS)).unwrap();
        assert_eq!(newest(dir.path()).unwrap().unwrap().0.header.step, 3);
    }

    #[test]
    fn a_parameter_without_its_state_is_named() {
        let (mut unaveraged, mut weightless) = (state(3), state(3));
        unaveraged.ema.remove("conv.bias");
        weightless.model.remove("conv.bias");
        for (lacking, says) in [(unaveraged, "no moving average"), (weightless, "no weights")] {
            let dir = tempfile::tempdir().unwrap();
            lacking.save(dir.path()).unwrap();
            let error = newest(dir.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("`conv.bias` has {says}")), "{error}");
        }
    }

    #[test]
    fn what_does_not_learn_lies_beside_the_state() {
        let dir = tempfile::tempdir().unwrap();
        let mut sparse = state(3);
        sparse.model.insert("frozen.weight".to_owned(), flat(&[4.0]));
        sparse.save(dir.path()).unwrap();
        let bytes = fs::read(dir.path().join(CURRENT)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert!(file.names().iter().all(|name| !name.contains("frozen")), "{:?}", file.names());
        let (loaded, _) = newest(dir.path()).unwrap().unwrap();
        assert_eq!(bits(&loaded.model), bits(&sparse.model));
        assert!(loaded.ema.keys().eq(["conv.bias", "conv.weight"]));
    }

    #[test]
    fn a_state_of_before_holds_what_does_not_learn_and_the_next_one_does_not() {
        let (dir, saved, frozen) = (tempfile::tempdir().unwrap(), state(3), flat(&[4.0]));
        let mut tensors = saved.tensors();
        tensors.extend([super::named("model.", "frozen.weight", &frozen)]);
        let header = StateHeader { schema_version: 3, n_optimizer_states: 2, ..saved.header.clone() };
        write(dir.path(), header, &tensors).unwrap();
        let (before, _) = newest(dir.path()).unwrap().unwrap();
        assert!(before.model.keys().eq(["conv.bias", "conv.weight", "frozen.weight"]));
        let later = Checkpoint { header: StateHeader::new(6, 96, 7, "hash"), ..before.clone() };
        later.save(dir.path()).unwrap();
        let (next, _) = newest(dir.path()).unwrap().unwrap();
        assert!(next.header.frozen_sha256.is_some());
        assert_eq!(bits(&next.model), bits(&before.model));
    }

    #[test]
    fn the_layout_before_is_read_and_the_next_one_is_not() {
        for (version, is_read) in [(1, false), (2, true), (3, true), (4, true), (5, false)] {
            let dir = tempfile::tempdir().unwrap();
            let mut saved = state(3);
            saved.header.schema_version = version;
            saved.save(dir.path()).unwrap();
            match newest(dir.path()) {
                Ok(Some((loaded, _))) => {
                    assert!(is_read, "{version}");
                    assert_eq!(bits(&loaded.model), bits(&saved.model));
                }
                other => {
                    let message = other.unwrap_err().to_string();
                    assert!(!is_read && message.contains("this program reads 2 to 4"), "{message}");
                }
            }
        }
    }
}
