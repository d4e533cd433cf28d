//! Weights that lie in a mapped file are as safe as others: they outlive the file, and who changes them
//! changes a copy.

use std::collections::BTreeMap;
use std::fs;

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use byteedit_models::component::Component;
use byteedit_models::store::{Precision, component_to_bytes, load_component, save_component};
use byteedit_models::text::CLIPTextModel;
use byteedit_nn::parameters::{ParameterMapper, map_parameters};
use byteedit_testing::{Checkpoint, case_dir};

fn content(model: &CLIPTextModel) -> Vec<u8> {
    component_to_bytes(model, "".as_ref(), Precision::F32, &BTreeMap::new()).expect("its weights are finite")
}

fn checkpoint() -> Checkpoint {
    Checkpoint::read(&case_dir!("clip_text_sd15"), CLIPTextModel::WEIGHTS_FILE)
}

/// Adds 1 to every weight, in place where the backend may.
struct AddOne;

impl ParameterMapper for AddOne {
    fn map<const D: usize>(&mut self, _: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, weights, _) = param.consume();
        Param::initialized(id, weights + 1.0)
    }
}

#[test]
fn changing_weights_leaves_the_file_alone() {
    let folder = checkpoint().write();
    let path = folder.path().join(CLIPTextModel::WEIGHTS_FILE);
    let before = fs::read(&path).unwrap();
    let model: CLIPTextModel = load_component(folder.path(), &Device::default()).unwrap();
    let original = content(&model);
    let changed = map_parameters(model, &mut AddOne);
    assert_ne!(content(&changed), original);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_model_outlives_its_files_and_their_replacement() {
    let folder = checkpoint().write();
    let model: CLIPTextModel = load_component(folder.path(), &Device::default()).unwrap();
    let original = content(&model);
    let other = map_parameters(model.clone(), &mut AddOne);
    save_component(&other, folder.path(), Precision::F32, &BTreeMap::new())
        .expect("a loaded model can be replaced");
    assert_eq!(content(&model), original);
    drop(folder);
    assert_eq!(content(&model), original);
}
