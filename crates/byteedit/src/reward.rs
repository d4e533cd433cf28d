//! The reward that a command works with: a built-in one or a folder.

use std::path::Path;

use anyhow::bail;
use burn::tensor::Device;
use byteedit_reward::Reward;

use crate::printer::Printer;

/// Opens a built-in reward by its name, or the one in a folder.
///
/// # Errors
/// A name that is neither, a folder that holds no reward, or a program without a reward in it.
pub(crate) fn open(name: &str, device: &Device) -> anyhow::Result<Box<dyn Reward>> {
    let files = match name {
        "aesthetic" => byteedit_mini::AESTHETIC,
        "alignment" => byteedit_mini::ALIGNMENT,
        "coherent" => byteedit_mini::COHERENT,
        _ if Path::new(name).is_dir() => return Ok(byteedit_reward::open(Path::new(name), device)?),
        _ => bail!(
            "there is no reward {name}; choose aesthetic, alignment or coherent, or name the folder of one"
        ),
    };
    if files.is_empty() {
        bail!("no {name} reward was built into this program; name the folder of one");
    }
    Ok(byteedit_reward::open_files(name, files, device)?)
}

/// Warns of the first prompt of which a reward does not read the end.
pub(crate) fn warn_of_cut<'a>(
    reward: &dyn Reward,
    name: &str,
    prompts: impl IntoIterator<Item = &'a str>,
    printer: &Printer,
) {
    let cut = prompts.into_iter().find_map(|prompt| Some((prompt, reward.cuts_after(prompt)?)));
    if let Some((prompt, limit)) = cut {
        printer.warn(format_args!(
            "\"{prompt}\" is longer than the {limit} tokens that {name} reads: its end changes nothing; shorten it"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_none_are_told_what_can_be_given() {
        let message = open("beauty", &Device::flex()).err().unwrap().to_string();
        assert!(message.contains("beauty; choose aesthetic, alignment or coherent"), "{message}");
    }
}
