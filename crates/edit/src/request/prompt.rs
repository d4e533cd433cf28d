//! Prompts.

use std::fmt;

use crate::error::{EditError, Result};

/// Longest prompt in bytes. A text encoder reads 16 to 77 tokens of it.
const MAX_BYTES: usize = 64 << 10;

/// A prompt that says something.
///
/// Control characters and runs of white space count as one space, so that a prompt is one line whatever
/// it was pasted from. A prompt longer than the text encoder reads is no error; what is left out is
/// reported as [`crate::Warning::PromptTruncated`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prompt(String);

impl Prompt {
    /// Cleans and checks a prompt.
    ///
    /// # Errors
    /// [`EditError::Setting`] if nothing is left of it, or if it has more than 65,536 bytes.
    pub fn new(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            let value = format!("{} bytes long", text.len());
            return Err(EditError::setting("the prompt", value, "at most 65536 bytes long; shorten it"));
        }
        let is_gap = |c: char| c.is_whitespace() || c.is_control();
        let words: Vec<&str> = text.split(is_gap).filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            let limit = "words that say what to paint; to remove something, erase it instead";
            return Err(EditError::setting("the prompt", "blank", limit));
        }
        Ok(Self(words.join(" ")))
    }

    /// The text: one line, not blank.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_gaps() {
        assert_eq!(Prompt::new("\u{1b}a\0red\r\n\tapple ").unwrap().as_str(), "a red apple");
    }

    #[test]
    fn blank_and_endless_prompts_are_refused() {
        for blank in ["", " \n", "\0\u{7f}"] {
            assert!(Prompt::new(blank).unwrap_err().to_string().contains("blank"));
        }
        let endless = Prompt::new(&"a ".repeat(MAX_BYTES)).unwrap_err().to_string();
        assert!(endless.contains("131072 bytes") && endless.contains("65536"), "{endless}");
    }
}
