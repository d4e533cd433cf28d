//! What loading takes: nothing for f32 weights, which stay in the file's pages, and one buffer for others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use byteedit_models::component::Component;
use byteedit_models::store::{Precision, load_component, save_component};
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;
use byteedit_testing::TempDir;
use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

const CONFIG: &str = r#"{"block_out_channels": [64, 128], "latent_channels": 4, "norm_num_groups": 32}"#;

fn fresh() -> AutoencoderKL {
    let config = AutoencoderKL::parse_config(CONFIG).expect("the configuration is valid");
    AutoencoderKL::from_config(&config, &mut Init::seeded(&Device::default(), 1))
}

fn load(folder: &Path) -> AutoencoderKL {
    load_component(folder, &Device::default()).expect("what was saved loads")
}

/// One test, since the count is that of the whole process.
#[test]
fn weights_are_held_once() {
    for (precision, heap_bytes_per_weight) in [(Precision::F32, 0), (Precision::F16, 4)] {
        let folder = TempDir::new().unwrap();
        save_component(&fresh(), folder.path(), precision, &BTreeMap::new()).unwrap();
        let file = fs::metadata(folder.path().join(AutoencoderKL::WEIGHTS_FILE)).unwrap().len() as usize;
        let n_weights = file / if precision == Precision::F32 { 4 } else { 2 };
        // The map is in place only where files can be replaced under it.
        let expected = if cfg!(unix) { heap_bytes_per_weight * n_weights } else { 4 * n_weights };

        let before = COUNTED.current_usage();
        COUNTED.reset_peak_usage();
        let vae = load(folder.path());
        let (held, peak) = (COUNTED.current_usage() - before, COUNTED.peak_usage() - before);
        // The header, the modules and the names.
        let slack = n_weights / 2;
        for (what, bytes) in [("held", held), ("at the peak", peak)] {
            assert!(
                (expected..expected + slack).contains(&bytes),
                "{precision:?}: {bytes} bytes {what} for {n_weights} weights instead of {expected}"
            );
        }
        drop(vae);
    }
}
