//! What a run began with. Its states hold what it trains; the rest is found again in the copy that its folder has of the model
//! which it started from, held to the hashes that its configuration has of it.

use std::path::{Path, PathBuf};

use byteedit_models::Component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;

use super::config::{PeflProvenance, PeflRunConfig};
use crate::files::file_sha256;
use crate::{Result, TrainError, WeightsRole};

/// Where a run folder has its copy.
pub(super) fn parts(run: &Path) -> PathBuf {
    run.join("parts")
}

/// The weights of a run that begins with the model in `init`; of all else the provenance has defaults.
///
/// # Errors
/// [`TrainError::Io`] for weights that cannot be read.
pub(super) fn at_first(init: &Path) -> Result<PeflProvenance> {
    let [unet, text_encoder, vae] = weights(init);
    Ok(PeflProvenance {
        init_unet_sha256: file_sha256(&unet)?,
        init_text_encoder_sha256: Some(file_sha256(&text_encoder)?),
        vae_sha256: file_sha256(&vae)?,
        ..PeflProvenance::default()
    })
}

/// Those of a run that goes on in `run`. The model in `init` need not be there any more; what is there of it is to be the same.
///
/// # Errors
/// [`TrainError::OtherWeights`] names the first file that is not what the run began with.
pub(super) fn again(run: &Path, init: &Path) -> Result<PeflProvenance> {
    // A run of another kind has no parts, but a configuration that says so.
    let earlier = PeflRunConfig::of_run(run)?.provenance;
    compare(run, &parts(run), WeightsRole::Kept, &earlier)?;
    if !init.starts_with(run) {
        compare(run, init, WeightsRole::Named, &earlier)?;
    }
    let PeflProvenance { init_unet_sha256, init_text_encoder_sha256, vae_sha256, .. } = earlier;
    Ok(PeflProvenance { init_unet_sha256, init_text_encoder_sha256, vae_sha256, ..PeflProvenance::default() })
}

/// Checks the copy that the run in `run` has just made of a model which was hashed before: had the model been replaced
/// meanwhile, the run could never go on.
///
/// # Errors
/// [`TrainError::OtherWeights`] names the first file that is not what was hashed.
pub(super) fn check_copied(run: &Path, provenance: &PeflProvenance) -> Result<()> {
    compare(run, &parts(run), WeightsRole::Copied, provenance)
}

/// Compares the weights in the folder `model` with those that the run in `run` began with.
fn compare(run: &Path, model: &Path, role: WeightsRole, began: &PeflProvenance) -> Result<()> {
    let PeflProvenance { init_unet_sha256, init_text_encoder_sha256, vae_sha256, .. } = began;
    let hashes = [Some(init_unet_sha256), init_text_encoder_sha256.as_ref(), Some(vae_sha256)];
    for (path, expected) in weights(model).into_iter().zip(hashes) {
        let may_lack = role == WeightsRole::Named && !path.exists();
        let Some(expected) = expected.filter(|_| !may_lack) else { continue };
        let found = file_sha256(&path)?;
        if found != *expected {
            let (folder, expected) = (run.to_owned(), expected.clone());
            return Err(TrainError::OtherWeights { path, role, folder, expected, found });
        }
    }
    Ok(())
}

/// Where the weights of U-Net, text encoder and autoencoder lie in a model folder.
fn weights(model: &Path) -> [PathBuf; 3] {
    [
        model.join("unet").join(UNet2DConditionModel::WEIGHTS_FILE),
        model.join("text_encoder").join(CLIPTextModel::WEIGHTS_FILE),
        model.join("vae").join(AutoencoderKL::WEIGHTS_FILE),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::write_json;
    use crate::pefl::export::Exporter;
    use crate::pefl::toys;

    /// Changes a file, and says what `check` thinks of it.
    #[track_caller]
    fn refusal(path: &Path, check: impl FnOnce() -> Result<()>) -> (WeightsRole, String) {
        let bytes = fs::read(path).unwrap();
        fs::write(path, [&bytes[..], b" "].concat()).unwrap();
        let error = check().unwrap_err();
        fs::write(path, bytes).unwrap();
        let message = error.to_string();
        match error {
            TrainError::OtherWeights { path: named, role, .. } if named == path => (role, message),
            _ => panic!("{message}"),
        }
    }

    #[test]
    fn a_run_goes_on_with_the_weights_that_it_began_with_and_names_others() {
        let folder = tempfile::tempdir().unwrap();
        let (init, run) = (folder.path().join("init"), folder.path().join("run"));
        toys::write_model(&init);
        Exporter::new(&run, Some(&init), &toys::config()).unwrap();
        let began = at_first(&init).unwrap();
        let write = |provenance: PeflProvenance| {
            let config = PeflRunConfig { provenance, ..toys::config() };
            write_json(&run.join("config.json"), &config).unwrap();
        };
        write(began.clone());
        assert_eq!(again(&run, &init).unwrap(), began);
        check_copied(&run, &began).unwrap();
        let [copied, started_from] = [&parts(&run), &init].map(|model| weights(model));
        let goes_on = || again(&run, &init).map(drop);
        for path in &copied {
            let (role, message) = refusal(path, goes_on);
            assert!(role == WeightsRole::Kept && message.contains("put the file back"), "{message}");
            let (role, message) = refusal(path, || check_copied(&run, &began));
            assert!(role == WeightsRole::Copied && message.contains("begin it again"), "{message}");
        }
        for path in &started_from {
            let (role, message) = refusal(path, goes_on);
            assert!(role == WeightsRole::Named && message.contains("leave --init out"), "{message}");
        }
        // What it started from need not be there any more, not even in part.
        fs::remove_file(&started_from[0]).unwrap();
        assert_eq!(refusal(&started_from[2], goes_on).0, WeightsRole::Named);
        fs::remove_dir_all(&init).unwrap();
        // A run of before has no hash of its text encoder.
        let earlier = PeflProvenance { init_text_encoder_sha256: None, ..began };
        write(earlier.clone());
        fs::write(&copied[1], "other weights").unwrap();
        assert_eq!(again(&run, &init).unwrap(), earlier);
    }
}
