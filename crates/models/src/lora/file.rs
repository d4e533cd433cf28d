//! LoRA files in: every key has its layer, or the file is refused with the keys that have none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_nn::{Layer, Layers, LowRank, visit_layers};

use super::keys::{Form, Network, Role};
use super::metadata::{self, Adapters};
use crate::ModelError;
use crate::store::{BadValues, WeightFile, with_file};

/// The branches of a file.
#[derive(Clone, Debug)]
pub struct Lora {
    path: PathBuf,
    form: Form,
    /// By the names of their layers, as the form has them.
    branches: BTreeMap<String, Matrices>,
}

#[derive(Clone, Debug)]
struct Matrices {
    /// `[rank, d_input]`
    a: TensorData,
    /// `[d_output, rank]`
    b: TensorData,
    alpha: f64,
}

impl Lora {
    /// Reads a file as diffusers or kohya's trainer writes it; its keys tell which. Half precision becomes f32, and
    /// where nothing says what `α` is, it is the rank.
    ///
    /// # Errors
    /// A missing or broken file, [`ModelError::Lora`] with the keys that belong to no branch or are no matrices that fit
    /// each other, a number that is not finite.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        with_file(path, |file| Reader { file, path, problems: Vec::new() }.read())
    }

    /// How its keys are spelled.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Number of layers that it changes.
    pub fn n_branches(&self) -> usize {
        self.branches.len()
    }

    /// Puts the branches beside the layers that they are for.
    ///
    /// # Errors
    /// [`ModelError::Lora`] with the layers of the file that the networks do not have, or have in another size. Nothing
    /// is changed then.
    pub fn attach<'a>(
        &self,
        unet: &'a mut dyn Layers,
        text_encoder: Option<&'a mut dyn Layers>,
    ) -> Result<(), ModelError> {
        self.apply(&mut networks(unet, text_encoder), &mut |layer, branch| layer.attach(branch))
    }

    /// Adds `strength` times what the branches stand for to the weights. The networks are not to be on a gradient tape.
    ///
    /// # Errors
    /// As [`Lora::attach`].
    pub fn merge<'a>(
        &self,
        unet: &'a mut dyn Layers,
        text_encoder: Option<&'a mut dyn Layers>,
        strength: f64,
    ) -> Result<(), ModelError> {
        self.apply(&mut networks(unet, text_encoder), &mut |layer, branch| layer.fold(&branch, strength))
    }

    fn apply(
        &self,
        networks: &mut [(Network, &mut dyn Layers)],
        put: &mut dyn FnMut(&mut Layer<'_>, LowRank),
    ) -> Result<(), ModelError> {
        let mut unused: BTreeSet<&str> = self.branches.keys().map(String::as_str).collect();
        let mut problems = Vec::new();
        self.for_each(networks, &mut |name, matrices, layer| {
            unused.remove(name);
            problems.extend(matrices.misfit(name, layer.widths()));
        });
        let unused = unused.into_iter();
        problems
            .extend(unused.map(|name| format!("`{name}` is no linear map or 1x1 convolution of the model")));
        if !problems.is_empty() {
            return Err(ModelError::Lora { path: self.path.clone(), problems });
        }
        self.for_each(networks, &mut |_, matrices, mut layer| {
            let branch = matrices.branch(&layer.device());
            put(&mut layer, branch);
        });
        Ok(())
    }

    /// Calls `visit` with each layer that the file has a branch for.
    fn for_each<'s>(
        &'s self,
        networks: &mut [(Network, &mut dyn Layers)],
        visit: &mut dyn FnMut(&'s str, &'s Matrices, Layer<'_>),
    ) {
        for (network, module) in networks {
            visit_layers(&mut **module, &mut |path, layer| {
                let mut names = self.form.names(*network, path).into_iter();
                if let Some((name, matrices)) = names.find_map(|name| self.branches.get_key_value(&name)) {
                    visit(name, matrices, layer);
                }
            });
        }
    }
}

fn networks<'a>(
    unet: &'a mut dyn Layers,
    text_encoder: Option<&'a mut dyn Layers>,
) -> Vec<(Network, &'a mut dyn Layers)> {
    let mut networks = vec![(Network::Unet, unet)];
    networks.extend(text_encoder.map(|module| (Network::TextEncoder, module)));
    networks
}

impl Matrices {
    /// `[d_input, d_output]`
    fn widths(&self) -> [usize; 2] {
        [extents(&self.a)[1], extents(&self.b)[0]]
    }

    fn misfit(&self, name: &str, widths: [usize; 2]) -> Option<String> {
        let [d_input, d_output] = self.widths();
        (widths != [d_input, d_output]).then(|| {
            let [needed_input, needed_output] = widths;
            format!(
                "`{name}` is for a layer from {d_input} to {d_output} channels, the model's is from {needed_input} to \
                 {needed_output}"
            )
        })
    }

    fn branch(&self, device: &Device) -> LowRank {
        let [a, b] = [&self.a, &self.b].map(|matrix| Tensor::from_data(matrix.clone(), device));
        LowRank::from_matrices(a, b, self.alpha)
    }
}

fn extents(matrix: &TensorData) -> [usize; 2] {
    let shape = matrix.shape().as_slice();
    [shape[0], shape[1]]
}

/// The keys of one branch.
#[derive(Default)]
struct Keys {
    a: Option<String>,
    b: Option<String>,
    alpha: Option<String>,
}

struct Reader<'a> {
    file: &'a dyn WeightFile,
    path: &'a Path,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Lora, ModelError> {
        let mut keys = self.file.keys();
        keys.sort();
        let form = Form::of(&keys);
        if keys.is_empty() {
            self.problems.push("it holds no tensor".to_owned());
        }
        let header = self.file.metadata();
        let adapters =
            Adapters::parse(header.get(metadata::KEY).map(String::as_str)).unwrap_or_else(|problem| {
                self.problems.push(problem);
                Adapters::default()
            });
        let mut branches = BTreeMap::new();
        for (name, keys) in self.sorted(form, keys) {
            if let Some(matrices) = self.matrices(&name, keys, &adapters)? {
                branches.insert(name, matrices);
            }
        }
        if self.problems.is_empty() {
            Ok(Lora { path: self.path.to_owned(), form, branches })
        } else {
            Err(ModelError::Lora { path: self.path.to_owned(), problems: self.problems })
        }
    }

    /// The keys by layer.
    fn sorted(&mut self, form: Form, keys: Vec<String>) -> BTreeMap<String, Keys> {
        let mut layers: BTreeMap<String, Keys> = BTreeMap::new();
        for key in keys {
            let Some((name, role)) = form.split(&key) else {
                self.problems.push(format!("`{key}` is no part of a low-rank branch"));
                continue;
            };
            let layer = layers.entry(name).or_default();
            let place = match role {
                Role::A => &mut layer.a,
                Role::B => &mut layer.b,
                Role::Alpha => &mut layer.alpha,
            };
            if let Some(other) = place.replace(key) {
                self.problems.push(format!("`{other}` is there twice, in two spellings"));
            }
        }
        layers
    }

    /// The matrices of a layer, or `None` with what is wrong noted.
    fn matrices(
        &mut self,
        name: &str,
        keys: Keys,
        adapters: &Adapters,
    ) -> Result<Option<Matrices>, ModelError> {
        let (Some(a), Some(b)) = (&keys.a, &keys.b) else {
            let alone = [&keys.a, &keys.b, &keys.alpha].into_iter().flatten();
            self.problems.extend(alone.map(|key| format!("`{key}` lacks the other matrix of its branch")));
            return Ok(None);
        };
        let (Some(a_values), Some(b_values)) = (self.matrix(a)?, self.matrix(b)?) else { return Ok(None) };
        let (rank, columns) = (extents(&a_values)[0], extents(&b_values)[1]);
        if rank != columns {
            self.problems.push(format!("`{a}` has rank {rank}, `{b}` {columns}"));
            return Ok(None);
        }
        let stored = match &keys.alpha {
            Some(key) => self.number(key)?,
            None => adapters.alpha(name, rank).unwrap_or_else(|problem| {
                self.problems.push(problem);
                None
            }),
        };
        // kohya's trainer takes 0 for "not given".
        let alpha = stored.filter(|alpha| *alpha != 0.0).unwrap_or(rank as f64);
        Ok(Some(Matrices { a: a_values, b: b_values, alpha }))
    }

    fn matrix(&mut self, key: &str) -> Result<Option<TensorData>, ModelError> {
        let shape = self.file.header(key).map(|header| header.shape).unwrap_or_default();
        let (&[rows, columns] | &[rows, columns, 1, 1]) = shape.as_slice() else {
            let needed = "only linear maps and 1x1 convolutions have branches here";
            self.problems.push(format!("`{key}` has shape {shape:?}; {needed}"));
            return Ok(None);
        };
        if rows == 0 || columns == 0 {
            self.problems.push(format!("`{key}` has shape {shape:?}, which has no element"));
            return Ok(None);
        }
        let values = self.file.values(key, &[rows, columns]);
        self.checked(key, values)
    }

    fn number(&mut self, key: &str) -> Result<Option<f64>, ModelError> {
        let shape = self.file.header(key).map(|header| header.shape).unwrap_or_default();
        if shape.iter().product::<usize>() != 1 {
            self.problems.push(format!("`{key}` has shape {shape:?}; it should be one number"));
            return Ok(None);
        }
        let number = self.file.number(key);
        self.checked(key, number)
    }

    fn checked<T>(&mut self, key: &str, values: Result<T, BadValues>) -> Result<Option<T>, ModelError> {
        match values {
            Ok(values) => return Ok(Some(values)),
            Err(BadValues::Dtype) => {
                self.problems.push(format!("`{key}` is not stored as F32, F16 or BF16"));
            }
            Err(BadValues::Unreadable(reason)) => {
                self.problems.push(format!("`{key}` cannot be read: {reason}"));
            }
            Err(BadValues::NotFinite { index, value }) => {
                let (path, tensor) = (self.path.to_owned(), key.to_owned());
                return Err(ModelError::NotFinite { path, tensor, value, index });
            }
        }
        Ok(None)
    }
}
