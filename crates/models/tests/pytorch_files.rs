//! Files that `torch.save` wrote: one network in several forms (`scripts/golden/pytorch_files.py`), and broken ones.

use std::fs;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use byteedit_models::Component;
use byteedit_models::clip::CLIPModel;
use byteedit_models::store::{component_from_file, load_component};
use byteedit_models::vgg::Vgg16Features;
use byteedit_nn::parameters::{ParameterVisitor, visit_parameters};
use byteedit_testing::{TempDir, case_dir};

const CASE: &str = "pytorch_files";

/// Every weight by name.
#[derive(Debug, Default, PartialEq)]
struct Weights(Vec<(String, TensorData)>);

impl ParameterVisitor for Weights {
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        self.0.push((name.to_owned(), param.val().into_data()));
    }
}

fn weights(network: &Vgg16Features) -> Weights {
    let mut weights = Weights::default();
    visit_parameters(network, &mut weights);
    weights
}

fn from_file(path: &Path) -> Result<Weights, String> {
    let config = Vgg16Features::parse_config(r#"{"base_width": 1}"#).expect("it is a configuration");
    let network = component_from_file::<Vgg16Features>(&config, path, &Device::default());
    network.map(|network| weights(&network)).map_err(|error| error.to_string())
}

/// A file of these bytes in a folder of its own.
fn written(name: &str, bytes: &[u8]) -> TempDir {
    let folder = empty_folder();
    fs::write(folder.path().join(name), bytes).expect("the temporary folder is writable");
    folder
}

fn empty_folder() -> TempDir {
    TempDir::new().expect("the temporary folder is writable")
}

/// A state dict; one of half precision whose tensors are parts of one storage, with their axes turned; one in
/// bfloat16 inside the checkpoint of a run, beside its optimiser, a number and an object of Python's.
#[test]
fn every_form_holds_the_weights_of_the_safetensors_file() {
    let expected = from_file(&case_dir!(CASE).join("model.safetensors")).expect("it is whole");
    assert_eq!(expected.0.len(), 26);
    for name in ["plain.pt", "views.bin", "run.ckpt"] {
        let found = from_file(&case_dir!(CASE).join(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found, expected, "{name}");
    }
}

/// As torchvision downloads it, with nothing but a configuration beside it.
#[test]
fn a_folder_may_have_a_pytorch_file_instead() {
    let folder = written("config.json", br#"{"base_width": 1}"#);
    let missing = load_component::<Vgg16Features>(folder.path(), &Device::default()).expect_err("no weights");
    assert!(missing.to_string().contains("model.safetensors"), "{missing}");
    fs::copy(case_dir!(CASE).join("plain.pt"), folder.path().join("vgg16-397923af.pth"))
        .expect("it is there");
    let network: Vgg16Features = load_component(folder.path(), &Device::default()).expect("the weights fit");
    assert_eq!(
        weights(&network),
        from_file(&case_dir!(CASE).join("model.safetensors")).expect("it is whole")
    );
}

/// Nothing missing and nothing unused, as of safetensors files.
#[test]
fn another_networks_file_is_refused_by_name() {
    let config = fs::read_to_string(case_dir!("clip_openai").join("config.json")).expect("it is there");
    let config = CLIPModel::parse_config(&config).expect("it is a configuration");
    let path = case_dir!(CASE).join("plain.pt");
    let error =
        component_from_file::<CLIPModel>(&config, &path, &Device::default()).expect_err("it is VGG's");
    let message = error.to_string();
    for part in
        ["`text_projection.weight` is missing", "`features.0.bias` is in the file but not in the model"]
    {
        assert!(message.contains(part), "`{part}` is not in the message: {message}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let message = from_file(Path::new("/nowhere/weights.pt")).expect_err("it is not there");
    assert!(message.starts_with("opening /nowhere/weights.pt"), "{message}");
}

/// Wherever it ends: never a panic, never a half-filled model, and the file is named.
#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let bytes = fs::read(case_dir!(CASE).join("plain.pt")).expect("it is there");
    for end in (0..bytes.len()).step_by(509).chain([1, 4, bytes.len() - 1]) {
        let folder = written("cut.pt", &bytes[..end]);
        let message = from_file(&folder.path().join("cut.pt")).expect_err("its end is missing");
        assert!(message.contains("cut.pt"), "{end}: {message}");
    }
}

/// Where a changed bit lies in what nobody reads, such as a date, the weights are still right; else the file is
/// refused.
#[test]
fn a_damaged_file_never_gives_other_weights() {
    let path = case_dir!(CASE).join("plain.pt");
    let (bytes, whole) = (fs::read(&path).expect("it is there"), from_file(&path).expect("it is whole"));
    let mut n_refused = 0;
    for place in (0..bytes.len()).step_by(61) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << (place % 8);
        let folder = written("damaged.pt", &damaged);
        match from_file(&folder.path().join("damaged.pt")) {
            Ok(found) => assert_eq!(found, whole, "byte {place}"),
            Err(_) => n_refused += 1,
        }
    }
    assert!(n_refused > 50, "only {n_refused} damaged files were refused");
}

/// A pickle that asks Python to run a command, and files that are none of PyTorch's.
#[test]
fn other_contents_are_refused_and_nothing_is_run() {
    let folder = empty_folder();
    let trace = folder.path().join("trace");
    let command = format!("cos\nsystem\n(S'touch {}'\ntR.", trace.display());
    let inside = format!("(dS'features.0.weight'\n{}s.", command.trim_end_matches('.'));
    let safetensors = fs::read(case_dir!(CASE).join("model.safetensors")).expect("it is there");
    for content in [
        b"".as_slice(),
        b"PK\x03\x04",
        b"not weights",
        &[0; 64],
        &safetensors,
        command.as_bytes(),
        inside.as_bytes(),
    ] {
        let path = folder.path().join("strange.pt");
        fs::write(&path, content).expect("the temporary folder is writable");
        let message = from_file(&path).expect_err("it is no state dict of this network");
        assert!(message.contains("strange.pt"), "{message}");
    }
    assert!(!trace.exists(), "the file's command was run");
}
