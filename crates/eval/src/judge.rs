//! The judge: a classifier that says what a square of a picture shows, and how an evaluation asks it.
//!
//! No model that is trained has ever been taught by it. What it says is only as good as its own eyes, so
//! beside every figure of its stand those of the truth, and of the truth sent through the autoencoder.

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, activation};
use byteedit_data::{Rgb8, View, World};
use byteedit_image::UnitImage;
use byteedit_models::Component;
use byteedit_models::classifier::{Classifier, Judge as Network, NOTHING, most_probable, pixels_from_rgb8};
use byteedit_models::store::component_from_bytes;
use sha2::{Digest, Sha256};

use crate::case::Case;
use crate::editor::ModelIdentity;
use crate::error::{EvalError, Result};

/// Squares that go through the network at once.
const BATCH: usize = 64;
/// Digits of the hash in reports.
const N_HASH_DIGITS: usize = 10;

/// Something that says what squares of pictures show.
pub trait Judge {
    /// What the report calls it.
    fn identity(&self) -> ModelIdentity;

    /// What it can say: concepts of the world, and "nothing".
    fn labels(&self) -> &[String];

    /// Side in pixels of the squares that it takes.
    fn side(&self) -> usize;

    /// What it thinks of each square, in order.
    fn opinions(&self, squares: &[Rgb8]) -> Vec<Opinion>;
}

/// What a judge thinks of a square.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// For each label; they add up to 1.
    pub probabilities: Vec<f32>,
    /// The numbers that the answer was read from.
    pub features: Vec<f32>,
}

impl Opinion {
    /// Index of the most probable label, the first of equals.
    pub fn label(&self) -> usize {
        most_probable(&self.probabilities)
    }
}

/// A judge that `byteedit train judge` has trained.
#[derive(Debug)]
pub struct TrainedJudge {
    network: Network,
    device: Device,
    identity: ModelIdentity,
}

impl TrainedJudge {
    /// Reads the folder that `train judge` wrote.
    ///
    /// # Errors
    /// [`EvalError::Io`] or [`EvalError::Model`] for files that are missing or damaged.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(EvalError::io("reading", &path))
        };
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
        Self::from_bytes(&name, &read("config.json")?, &read(Network::WEIGHTS_FILE)?, device)
    }

    /// Reads the content of the two files of such a folder.
    ///
    /// # Errors
    /// [`EvalError::Model`] for damaged content.
    pub fn from_bytes(name: &str, config: &[u8], weights: &[u8], device: &Device) -> Result<Self> {
        let parsed = Network::parse_config(&String::from_utf8_lossy(config))?;
        let network = component_from_bytes(&parsed, weights, Path::new(name), device)?;
        // The same weights under other labels are another judge.
        let digest = Sha256::new().chain_update(config).chain_update(weights).finalize();
        let mut hash = format!("{digest:x}");
        hash.truncate(N_HASH_DIGITS);
        let identity = ModelIdentity { name: name.to_owned(), hash };
        Ok(Self { network, device: device.clone(), identity })
    }

    fn ask(&self, squares: &[Rgb8]) -> Vec<Opinion> {
        let squares = squares.iter().map(|square| square.data.as_slice());
        let features = self.network.features(pixels_from_rgb8(squares, self.side(), &self.device));
        let probabilities = activation::softmax(self.network.logits(features.clone()), 1);
        let rows = rows(probabilities).into_iter().zip(rows(features));
        rows.map(|(probabilities, features)| Opinion { probabilities, features }).collect()
    }
}

impl Judge for TrainedJudge {
    fn identity(&self) -> ModelIdentity {
        self.identity.clone()
    }

    fn labels(&self) -> &[String] {
        Network::labels(self.network.config())
    }

    fn side(&self) -> usize {
        Network::side(self.network.config())
    }

    fn opinions(&self, squares: &[Rgb8]) -> Vec<Opinion> {
        squares.chunks(BATCH).flat_map(|squares| self.ask(squares)).collect()
    }
}

fn rows(tensor: Tensor<2>) -> Vec<Vec<f32>> {
    let [_, n_columns] = tensor.dims();
    let data = tensor.into_data().convert::<f32>();
    let values = data.as_slice::<f32>().expect("converted to f32 just above");
    values.chunks_exact(n_columns).map(<[f32]>::to_vec).collect()
}

/// Which of a judge's labels mean which of a world's concepts.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    of_concept: Vec<usize>,
    pub(crate) nothing: usize,
}

impl Labels {
    /// # Errors
    /// [`EvalError::Labels`] if the judge has no word for a concept, or for nothing.
    pub(crate) fn new(judge: &dyn Judge, world: &World) -> Result<Self> {
        let find = |name: &str| {
            let found = judge.labels().iter().position(|label| label == name);
            found.ok_or_else(|| EvalError::Labels { judge: judge.identity().name, label: name.to_owned() })
        };
        let of_concept = world.concepts().iter().map(|concept| find(&concept.name)).collect::<Result<_>>()?;
        Ok(Self { of_concept, nothing: find(NOTHING)? })
    }

    /// The label of a case's object, if it has one.
    pub(crate) fn of(&self, case: &Case) -> Option<usize> {
        case.concept.map(|concept| self.of_concept[concept])
    }
}

/// What a view shows of a picture, as a judge takes it: 8 bits, resized as in its training.
pub(crate) fn square(image: &UnitImage, view: View, side: usize) -> Rgb8 {
    view.of(&rgb8(image), side)
}

/// A picture in 8 bits.
pub(crate) fn rgb8(image: &UnitImage) -> Rgb8 {
    let data = image.data().iter().map(|value| (255.0 * value).round().clamp(0.0, 255.0) as u8).collect();
    Rgb8 { width: image.width(), height: image.height(), data }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use byteedit_data::{MaskStrategy, SampleSpec, Split, Task};
    use byteedit_image::Size;
    use byteedit_models::store::{Precision, component_to_bytes};
    use byteedit_nn::Init;

    use super::*;
    use crate::case::Cases;
    use crate::config::EvalConfig;
    use crate::metric::tests::picture;
    use crate::section::Section;

    const CONFIG: &str = r#"{"side": 16, "block_out_channels": [8], "layers_per_block": 1, "norm_num_groups": 4,
        "labels": ["apple", "nothing"]}"#;

    fn judge() -> TrainedJudge {
        let config = Network::parse_config(CONFIG).unwrap();
        let network = Network::from_config(&config, &mut Init::seeded(&Device::default(), 4));
        let weights = component_to_bytes(&network, Path::new("x"), Precision::F16, &BTreeMap::new()).unwrap();
        TrainedJudge::from_bytes("tiny", CONFIG.as_bytes(), &weights, &Device::default()).unwrap()
    }

    #[test]
    fn an_opinion_does_not_depend_on_its_neighbours() {
        let judge = judge();
        let squares: Vec<Rgb8> = (0..70).map(|i| Rgb8::filled(16, 16, [3 * i, 200 - i, 90])).collect();
        let together = judge.opinions(&squares);
        assert_eq!(together.len(), 70);
        for at in [0, 63, 64, 69] {
            let alone = &judge.opinions(&squares[at..=at])[0];
            for (a, b) in together[at].features.iter().zip(&alone.features) {
                assert!((a - b).abs() < 1e-5, "{a} and {b}");
            }
            let sum: f32 = alone.probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-5);
        }
        assert_eq!(judge.identity().hash.len(), N_HASH_DIGITS);
    }

    #[test]
    fn a_square_is_cut_as_in_the_judges_training() {
        let image = picture(Size::new(32, 32), |x, y| [x as f32 / 255.0, y as f32 / 255.0, 0.0]);
        let mask_box = byteedit_data::Rect { x: 10, y: 12, width: 8, height: 4 };
        // 8 px and a margin of 2 on both sides: columns 8 to 19, and rows 8 to 19.
        let shown = square(&image, View::around(mask_box, 32), 12);
        assert_eq!([shown.pixel(0, 0), shown.pixel(11, 11)], [[8, 8, 0], [19, 19, 0]]);
    }

    #[test]
    fn the_truth_of_a_case_is_cut_to_the_bits_of_the_worlds_own_picture() {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack");
        let world = World::open(&pack).unwrap();
        let config = EvalConfig { n_samples: 6, ..EvalConfig::new(Split::Test) };
        for case in Cases::new(&world, Section::Erase, &config).map(Result::unwrap) {
            let spec = SampleSpec::new(Task::Erase, Split::Test, config.seed);
            let spec = SampleSpec { size: config.picture_size, ..spec };
            let sample = world.sample_with(&spec, &MaskStrategy::default(), case.index).unwrap();
            assert_eq!(square(&case.truth, case.view(), 64), case.view().of(&sample.truth, 64));
        }
    }

    #[test]
    fn another_configuration_is_another_judge() {
        let same = Network::parse_config(CONFIG).unwrap();
        let network = Network::from_config(&same, &mut Init::seeded(&Device::default(), 4));
        let weights = component_to_bytes(&network, Path::new("x"), Precision::F16, &BTreeMap::new()).unwrap();
        let hash = |config: &str| {
            let judge = TrainedJudge::from_bytes("tiny", config.as_bytes(), &weights, &Device::default());
            judge.unwrap().identity().hash
        };
        assert_eq!(hash(CONFIG), judge().identity().hash);
        assert_ne!(hash(CONFIG), hash(&CONFIG.replace("apple", "duck")));
    }

    #[test]
    fn damaged_weights_are_refused() {
        let error = TrainedJudge::from_bytes("tiny", CONFIG.as_bytes(), b"x", &Device::default());
        assert!(matches!(error.unwrap_err(), EvalError::Model(_)));
    }
}
