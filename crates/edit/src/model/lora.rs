//! LoRA files folded into a loaded model.

use std::fs;
use std::path::Path;

use byteedit_models::lora::Lora;
use sha2::{Digest, Sha256};

use super::EditModel;
use crate::error::{EditError, Result};

/// Digits of the hash that A1111 shows.
const HASH_DIGITS: usize = 12;

/// A LoRA that a model's weights have in them.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedLora {
    /// Its file's name without the ending: what A1111 calls it.
    pub name: String,
    /// The first twelve hexadecimal digits of the SHA-256 of its numbers, as A1111 tells LoRAs apart.
    pub hash: String,
    /// How much of it was added: 1 is as it was trained.
    pub strength: f64,
}

impl EditModel {
    /// Adds `strength` times what a LoRA file changes to the weights of U-Net and text encoder: a file as diffusers
    /// or kohya's trainer writes it. Several add up.
    ///
    /// # Errors
    /// [`EditError::Setting`] for a strength that is no finite number; [`EditError::Model`] for a file that cannot be
    /// read or was made for another model.
    pub fn with_lora(mut self, file: &Path, strength: f64) -> Result<Self> {
        if !strength.is_finite() {
            return Err(EditError::setting(
                "the strength of a LoRA",
                strength,
                "a finite number; 1 is as trained",
            ));
        }
        let parts = &mut self.parts;
        Lora::read(file)?.merge(&mut parts.unet, Some(&mut parts.text_encoder), strength)?;
        let content = fs::read(file).map_err(|source| EditError::Io { path: file.to_owned(), source })?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.loras.push(AppliedLora { name, hash: hash(&content), strength });
        Ok(self)
    }

    /// The LoRAs in its weights, in the order in which they were added.
    pub fn loras(&self) -> &[AppliedLora] {
        &self.loras
    }

    /// What tells its weights from those of every other model: the hash, and that and the strength of each LoRA.
    pub fn identity(&self) -> String {
        let loras = self.loras.iter().map(|AppliedLora { hash, strength, .. }| format!("+{hash}:{strength}"));
        std::iter::once(self.info.hash.clone()).chain(loras).collect()
    }
}

/// Of what stands behind the header of a safetensors file: its metadata may change.
fn hash(content: &[u8]) -> String {
    let length = content.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let start = usize::try_from(length).ok().and_then(|length| length.checked_add(size_of::<u64>()));
    let numbers = start.and_then(|start| content.get(start..)).unwrap_or(content);
    let mut hash = format!("{:x}", Sha256::digest(numbers));
    hash.truncate(HASH_DIGITS);
    hash
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn a_hash_is_of_the_numbers_alone() {
        let file = |header: &[u8], numbers: &[u8]| {
            [&(header.len() as u64).to_le_bytes()[..], header, numbers].concat()
        };
        assert_eq!(hash(&file(b"{}", b"abc")), hash(&file(b"{ }", b"abc")));
        // The digest of "abc" is the standard's own example.
        assert_eq!(hash(&file(b"{}", b"abc")), "ba7816bf8f01");
        assert_ne!(hash(&file(b"{}", b"abd")), hash(&file(b"{}", b"abc")));
    }
}
