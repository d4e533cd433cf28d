//! The annotator that a command works with: the built-in one or a folder.

use std::path::Path;

use anyhow::{Context, bail};
use burn::tensor::Device;
use byteedit_models::Component;
use byteedit_models::classifier::Annotator;
use byteedit_models::store::{component_from_bytes, load_component};

use crate::args::ANNOTATOR;

/// The built-in annotator, or the one in a folder.
///
/// # Errors
/// A folder without an annotator, or a program without one.
pub(crate) fn open(name: &str, device: &Device) -> anyhow::Result<Annotator> {
    if name != ANNOTATOR {
        let folder = Path::new(name);
        if !folder.join(Annotator::WEIGHTS_FILE).is_file() {
            bail!(
                "{name} is no annotator: it has no {}; name a folder that `train annotator` wrote",
                Annotator::WEIGHTS_FILE
            );
        }
        return Ok(load_component(folder, device)?);
    }
    let file = |name| {
        byteedit_mini::file(byteedit_mini::ANNOTATOR, name)
            .context("no annotator was built into this program; name a folder with --annotator")
    };
    let config = Annotator::parse_config(std::str::from_utf8(file("config.json")?)?)?;
    let path = Path::new(ANNOTATOR).join(Annotator::WEIGHTS_FILE);
    Ok(component_from_bytes(&config, file(Annotator::WEIGHTS_FILE)?, &path, device)?)
}
