//! Branches on a network and off it again.

use std::collections::BTreeSet;

use byteedit_nn::{Init, Layer, Layers, LowRank, visit_layers};

use super::{LoraConfig, Network};
use crate::ModelError;

/// A branch of a network.
#[derive(Clone, Debug)]
pub struct NamedBranch {
    /// The network.
    pub network: Network,
    /// The layer's name in diffusers.
    pub path: String,
    /// Whether the layer is a 1x1 convolution, whose branch files store as kernels.
    pub is_convolution: bool,
    /// The matrices and `α`.
    pub branch: LowRank,
}

/// Puts a new branch, which adds nothing yet, beside every layer that the configuration names. The weights and biases of
/// these layers no longer learn; those of all others do as before.
///
/// # Errors
/// [`ModelError::Unsupported`] for a number out of range or a name that no layer of the network has.
pub fn with_branches<M: Layers>(
    mut network: M,
    config: &LoraConfig,
    init: &mut Init,
) -> Result<M, ModelError> {
    config.validate()?;
    let mut unmatched: BTreeSet<&str> = config.target_modules.iter().map(String::as_str).collect();
    visit_layers(&mut network, &mut |path, mut layer| {
        let mut targets = config.targets_of(path).peekable();
        if targets.peek().is_some() {
            targets.for_each(|target| {
                unmatched.remove(target);
            });
            layer.attach(LowRank::new(init, layer.widths(), config.rank, config.alpha));
        }
    });
    match unmatched.first() {
        Some(target) => Err(LoraConfig::no_layer(target)),
        None => Ok(network),
    }
}

/// The branches that a network has, in the order of its layers.
pub fn branches<M: Layers + Clone>(network: Network, module: &M) -> Vec<NamedBranch> {
    let mut branches = Vec::new();
    // The walk may change what it sees; this one does not, and a clone shares the weights.
    visit_layers(&mut module.clone(), &mut |path, layer| {
        branches.extend(layer.branch().map(|branch| NamedBranch {
            network,
            path: path.to_owned(),
            is_convolution: matches!(layer, Layer::Pointwise(_)),
            branch: branch.clone(),
        }));
    });
    branches
}

/// The network without branches and with what they stand for in its weights, off any gradient tape there.
#[must_use]
pub fn merged<M: Layers>(mut network: M) -> M {
    visit_layers(&mut network, &mut |_, mut layer| layer.merge());
    network
}
