//! Where a run finds the weights it starts from, and a base run its autoencoder.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byteedit_models::Component;
use byteedit_models::vae::AutoencoderKL;
use byteedit_train::run::Checkpoint;

use crate::model::{BUILT_IN, unpack_built_in};
use crate::settings::default_folder;

/// The folder of the model to start from; the built-in one is unpacked into the run folder. A run that
/// has a state goes on without it, so that it need not be there any more.
///
/// # Errors
/// A folder without a model, or a program without one.
pub(super) fn init_folder(init: &str, run: &Path) -> anyhow::Result<PathBuf> {
    if init == BUILT_IN {
        return unpack_built_in(&run.join("init"));
    }
    let folder = PathBuf::from(init);
    if !folder.join("unet").is_dir() && !Checkpoint::exists_in(run) {
        bail!("{init} is no model folder: it has no unet/; name one that `train export` wrote, or mini");
    }
    Ok(folder)
}

/// The component folder of the autoencoder to start from, as [`init_folder`].
///
/// # Errors
/// A folder without an autoencoder, or a program without one.
pub(super) fn init_vae_folder(init: &str, run: &Path) -> anyhow::Result<PathBuf> {
    if init == BUILT_IN {
        return Ok(unpack_built_in(&run.join("init"))?.join("vae"));
    }
    let folder = Path::new(init);
    if Checkpoint::exists_in(run) {
        return Ok(component_in(folder).unwrap_or_else(|| folder.to_owned()));
    }
    named_vae_folder(folder)
}

/// The autoencoder's component folder: the one named, the run's own, that of the model to start from,
/// that of the default run of `train vae`, or the built-in model's.
///
/// # Errors
/// A named folder without an autoencoder, or none of these.
pub(super) fn vae_folder(named: Option<PathBuf>, init: Option<&Path>, run: &Path) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return named_vae_folder(&named);
    }
    let trained = default_folder("vae").ok();
    let places = [Some(run), init, trained.as_deref()];
    if let Some(folder) = places.into_iter().flatten().find_map(component_in) {
        return Ok(folder);
    }
    Ok(unpack_built_in(&run.join("init"))?.join("vae"))
}

/// The component folder of an autoencoder: `named` itself, or the `vae` in it.
///
/// # Errors
/// A folder without an autoencoder.
pub(in crate::commands) fn named_vae_folder(named: &Path) -> anyhow::Result<PathBuf> {
    component_in(named).with_context(|| {
        format!(
            "{} holds no autoencoder; name a finished run of `train vae`, or what `train export` made of one",
            named.display()
        )
    })
}

/// `folder` itself if it is the component, else the `vae` in it.
fn component_in(folder: &Path) -> Option<PathBuf> {
    [folder.join("vae"), folder.to_owned()]
        .into_iter()
        .find(|candidate| candidate.join(AutoencoderKL::WEIGHTS_FILE).is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_named_autoencoder_wins_and_the_runs_own_comes_before_the_start() {
        let root = tempfile::tempdir().unwrap();
        let with_vae = |name: &str| {
            let folder = root.path().join(name);
            fs::create_dir_all(folder.join("vae")).unwrap();
            fs::write(folder.join("vae").join(AutoencoderKL::WEIGHTS_FILE), "").unwrap();
            folder
        };
        let (named, own, init) = (with_vae("named"), with_vae("own"), with_vae("init"));
        let find = |named: Option<&Path>, run: &Path| vae_folder(named.map(Path::to_owned), Some(&init), run);
        assert_eq!(find(Some(&named), &own).unwrap(), named.join("vae"));
        assert_eq!(find(Some(&named.join("vae")), &own).unwrap(), named.join("vae"));
        assert_eq!(find(None, &own).unwrap(), own.join("vae"));
        assert_eq!(find(None, &root.path().join("new")).unwrap(), init.join("vae"));
        let message = find(Some(root.path()), &own).unwrap_err().to_string();
        assert!(message.contains("holds no autoencoder"), "{message}");
    }
}
