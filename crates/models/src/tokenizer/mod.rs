//! Texts to token ids, by the files that transformers writes: CLIP's byte-level BPE ([`ClipTokenizer`]) and BERT's
//! `WordPiece` ([`BertTokenizer`]). The work is that of the `tokenizers` library, on which transformers' own stand.
//!
//! The names of special tokens inside a text are ordinary text, where transformers would obey them: a prompt gives no
//! commands.

mod bert;
mod clip;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ModelError;

pub use bert::{BertTokenizer, BertTokenizerFiles, PaddedText};
pub use clip::{ClipTokenizer, TokenizerFiles};

/// `tokenizer_config.json` with the tokens of a `special_tokens_map.json` over its own, as transformers reads them.
fn with_special_tokens(config_json: &str, special_tokens_map_json: &str) -> Result<String, ModelError> {
    let object = |name: &str, text: &str| {
        serde_json::from_str::<BTreeMap<String, Value>>(text).map_err(|error| invalid(name, &error))
    };
    let mut config = object("tokenizer_config.json", config_json)?;
    config.extend(object("special_tokens_map.json", special_tokens_map_json)?);
    Ok(Value::from_iter(config).to_string())
}

/// A special token is a string or an object with its `content`.
fn token_text(token: &Value) -> Option<String> {
    token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
}

fn invalid(what: &str, error: &impl std::fmt::Display) -> ModelError {
    ModelError::Tokenizer { reason: format!("{what}: {error}") }
}
