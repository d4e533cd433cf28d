//! What the folders of a diffusers checkpoint have in common: a class, a `config.json`, one file of
//! weights.

use burn::module::Module;
use byteedit_nn::Init;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ModelError;

/// One network of a checkpoint.
pub trait Component: Module {
    /// The parsed `config.json`.
    type Config: Clone + Serialize;

    /// `_class_name` in `config.json` and `model_index.json`.
    const CLASS: &'static str;
    /// The library that `model_index.json` names.
    const LIBRARY: &'static str;
    /// File name of the weights inside the component's folder.
    const WEIGHTS_FILE: &'static str;
    /// Names under which the weights lie in PyTorch's own format, tried in this order where [`Self::WEIGHTS_FILE`] is
    /// not there.
    const PYTORCH_FILES: &'static [&'static str] = &[];
    /// Parts of a parameter's path that a checkpoint spells otherwise, as `(ours, theirs)`.
    const RENAMES: &'static [(&'static str, &'static str)] = &[];
    /// Spellings of older files, as `(today's, older)`, tried where a key is not found.
    const OLDER_NAMES: &'static [(&'static str, &'static str)] = &[];
    /// A prefix that all keys have in most checkpoints and none has in the others.
    const OPTIONAL_PREFIX: &'static str = "";
    /// Keys, or their ends, that files hold and the network does without: position indices, heads that nothing here
    /// goes through.
    const BUFFERS: &'static [&'static str] = &[];

    /// Keys of single numbers, which checkpoints store without a dimension and modules as a vector of one.
    const SCALARS: &'static [&'static str] = &[];

    /// Parses and checks `config.json`.
    ///
    /// # Errors
    /// [`ModelError::Json`] or [`ModelError::Unsupported`], which name the key.
    fn parse_config(json: &str) -> Result<Self::Config, ModelError>;

    /// Builds the network; `init` decides what its parameters hold.
    fn from_config(config: &Self::Config, init: &mut Init) -> Self;

    /// The configuration it was built from.
    fn config(&self) -> &Self::Config;
}

/// A parameter's key in a checkpoint, from its path in the module.
pub(crate) fn checkpoint_key<C: Component>(path: &str) -> String {
    C::RENAMES.iter().fold(path.to_owned(), |key, (ours, theirs)| key.replace(ours, theirs))
}

/// The key as files of before diffusers 0.17 spell it.
pub(crate) fn older_key<C: Component>(key: &str) -> String {
    C::OLDER_NAMES.iter().fold(key.to_owned(), |key, (today, older)| key.replace(today, older))
}

/// Keys that transformers has written into every `config.json` at one time or another. None of them says anything
/// of the network: they are about generating text, about labels and about the program that wrote the file.
pub(crate) const TRANSFORMERS: &[(&str, &[&str])] = &[
    ("add_cross_attention", OFF),
    ("architectures", &[]),
    ("bad_words_ids", &[]),
    ("begin_suppress_tokens", &[]),
    ("chunk_size_feed_forward", &[]),
    ("cross_attention_hidden_size", &["null"]),
    ("decoder_start_token_id", &[]),
    ("diversity_penalty", &[]),
    ("do_sample", &[]),
    ("dtype", &[]),
    ("early_stopping", &[]),
    ("encoder_no_repeat_ngram_size", &[]),
    ("exponential_decay_length_penalty", &[]),
    ("finetuning_task", &[]),
    ("forced_bos_token_id", &[]),
    ("forced_eos_token_id", &[]),
    ("id2label", &[]),
    ("is_decoder", OFF),
    ("is_encoder_decoder", OFF),
    ("label2id", &[]),
    ("length_penalty", &[]),
    ("max_length", &[]),
    ("min_length", &[]),
    ("no_repeat_ngram_size", &[]),
    ("num_beam_groups", &[]),
    ("num_beams", &[]),
    ("num_return_sequences", &[]),
    ("output_attentions", &[]),
    ("output_hidden_states", &[]),
    ("output_scores", &[]),
    ("prefix", &[]),
    ("problem_type", &[]),
    ("pruned_heads", &["{}"]),
    ("remove_invalid_values", &[]),
    ("repetition_penalty", &[]),
    ("return_dict", &[]),
    ("return_dict_in_generate", &[]),
    ("sep_token_id", &[]),
    ("suppress_tokens", &[]),
    ("task_specific_params", &[]),
    ("temperature", &[]),
    ("tf_legacy_loss", &[]),
    ("tie_encoder_decoder", &[]),
    ("tie_word_embeddings", &[]),
    ("tokenizer_class", &[]),
    ("top_k", &[]),
    ("top_p", &[]),
    ("torch_dtype", &[]),
    ("torchscript", &[]),
    ("transformers_version", &[]),
    ("typical_p", &[]),
    ("use_bfloat16", &[]),
    ("use_cache", &[]),
];

/// The values of a key that switches off what it names.
pub(crate) const OFF: &[&str] = &["null", "false"];

/// Refuses keys that it does not know, and those that would change what the network computes: `neutral`
/// lists the values (as JSON) under which a key changes nothing; an empty list stands for all. Keys that
/// begin with an underscore are provenance.
pub(crate) fn check_extra_keys(
    class: &'static str,
    extra: &Map<String, Value>,
    neutral: &[(&str, &[&str])],
) -> Result<(), ModelError> {
    for (key, value) in extra.iter().filter(|(key, _)| !key.starts_with('_')) {
        let accepted = neutral.iter().find(|(name, _)| name == key).map(|(_, values)| *values);
        let text = value.to_string();
        let fits = accepted.is_some_and(|values| values.is_empty() || values.contains(&text.as_str()));
        if !fits {
            let remedy = match accepted {
                Some(values) => format!("and only {} is supported", values.join(" or ")),
                None => "a key that this version does not know; remove it if it is a misspelling".to_owned(),
            };
            return Err(ModelError::Unsupported { class, key: key.clone(), value: text, remedy });
        }
    }
    Ok(())
}

/// Parses a configuration, naming the class in the error.
///
/// # Errors
/// [`ModelError::Json`] for another kind of text, a missing key or a value of another type.
pub fn parse<T: serde::de::DeserializeOwned>(class: &'static str, json: &str) -> Result<T, ModelError> {
    serde_json::from_str(json)
        .map_err(|source| ModelError::Json { what: format!("config.json of {class}"), source })
}

/// Refuses a value with its remedy.
pub fn unsupported(
    class: &'static str,
    key: &str,
    value: impl std::fmt::Debug,
    remedy: impl Into<String>,
) -> ModelError {
    ModelError::Unsupported { class, key: key.to_owned(), value: format!("{value:?}"), remedy: remedy.into() }
}
