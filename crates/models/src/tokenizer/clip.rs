//! CLIP's byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909; Radford et al. 2021, Section 2.4),
//! read from `vocab.json`, `merges.txt` and `tokenizer_config.json` as transformers writes them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{Lowercase, NFC, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{NormalizerWrapper, SplitDelimiterBehavior, Tokenizer};

use super::{invalid, token_text, with_special_tokens};
use crate::ModelError;
use crate::store::read_text;

/// Tokens that no merge makes: the 256 bytes, each inside and at the end of a word, and at most begin, end and
/// padding.
const MAX_UNMERGED: usize = 2 * 256 + 3;

/// How CLIP cuts a normalised text into words.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// The files of a tokenizer folder, by name and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizerFiles {
    /// Token to id.
    pub vocab_json: String,
    /// One merge on each line, most frequent first.
    pub merges_txt: String,
    /// Special tokens and the longest sequence.
    pub tokenizer_config_json: String,
}

impl TokenizerFiles {
    /// Puts the tokens of a `special_tokens_map.json` over those of the configuration, as transformers
    /// does.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] if one of the two files is no JSON object.
    pub fn with_special_tokens(mut self, special_tokens_map_json: &str) -> Result<Self, ModelError> {
        self.tokenizer_config_json =
            with_special_tokens(&self.tokenizer_config_json, special_tokens_map_json)?;
        Ok(self)
    }
}

/// Text to token ids, as transformers' `CLIPTokenizer` gives them.
#[derive(Debug, Clone)]
pub struct ClipTokenizer {
    bpe: Tokenizer,
    bos: u32,
    eos: u32,
    pad: u32,
    /// A padding token of its own, such as `!` in SD 2.x, is cut out of texts before anything else.
    pad_text: Option<String>,
    max_length: usize,
}

#[derive(Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    bos_token: Option<Value>,
    #[serde(default)]
    eos_token: Option<Value>,
    #[serde(default)]
    pad_token: Option<Value>,
    #[serde(default = "clip_length")]
    model_max_length: usize,
}

fn clip_length() -> usize {
    77
}

impl ClipTokenizer {
    /// Reads `vocab.json`, `merges.txt`, `tokenizer_config.json` and, if there, the padding token of
    /// `special_tokens_map.json`, which wins as it does in transformers.
    ///
    /// # Errors
    /// [`ModelError::Io`] for a missing file, [`ModelError::Tokenizer`] for one that does not fit.
    pub fn from_dir(folder: &Path) -> Result<Self, ModelError> {
        let mut files = TokenizerFiles {
            vocab_json: read_text(&folder.join("vocab.json"))?,
            merges_txt: read_text(&folder.join("merges.txt"))?,
            tokenizer_config_json: read_text(&folder.join("tokenizer_config.json"))?,
        };
        let special = folder.join("special_tokens_map.json");
        if special.exists() {
            files = files.with_special_tokens(&read_text(&special)?)?;
        }
        Self::from_files(&files)
    }

    /// Builds the tokenizer from the content of its files.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] with the reason.
    pub fn from_files(files: &TokenizerFiles) -> Result<Self, ModelError> {
        let vocab: BTreeMap<String, u32> =
            serde_json::from_str(&files.vocab_json).map_err(|error| invalid("vocab.json", &error))?;
        let merges = parse_merges(&files.merges_txt)?;
        if merges.is_empty() && vocab.len() > MAX_UNMERGED {
            let n_tokens = vocab.len();
            return Err(ModelError::Tokenizer {
                reason: format!(
                    "merges.txt holds no merge, but vocab.json has {n_tokens} tokens, which merges make; copy merges.txt \
                     again"
                ),
            });
        }
        let config: TokenizerConfig = serde_json::from_str(&files.tokenizer_config_json)
            .map_err(|error| invalid("tokenizer_config.json", &error))?;
        let special = |token: Option<&Value>, default: &str| {
            let token = token.and_then(token_text).unwrap_or_else(|| default.to_owned());
            vocab.get(&token).copied().ok_or_else(|| ModelError::Tokenizer {
                reason: format!("the special token `{token}` is not in vocab.json"),
            })
        };
        let (bos, eos, pad) = (
            special(config.bos_token.as_ref(), "<|startoftext|>")?,
            special(config.eos_token.as_ref(), "<|endoftext|>")?,
            special(config.pad_token.as_ref(), "<|endoftext|>")?,
        );
        if config.model_max_length < 3 {
            let length = config.model_max_length;
            return Err(ModelError::Tokenizer {
                reason: format!("model_max_length is {length}; at least 3 are needed for one word"),
            });
        }
        let pad_text = config.pad_token.as_ref().and_then(token_text).filter(|_| pad != eos && pad != bos);
        let bpe = byte_pair_encoder(vocab.into_iter().collect(), merges)?;
        Ok(Self { bpe, bos, eos, pad, pad_text, max_length: config.model_max_length })
    }

    /// One more than the largest id.
    pub fn n_ids(&self) -> usize {
        self.bpe.get_vocab(false).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// The longest sequence, begin and end included.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Ids with begin and end, neither padded nor cut.
    ///
    /// Control characters are encoded by their bytes and any white space separates words. `<|startoftext|>` and
    /// `<|endoftext|>` inside a prompt are ordinary text, not commands.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.bos];
        match &self.pad_text {
            None => self.encode_words(text, &mut ids),
            Some(pad) => {
                for (index, part) in text.split(pad.as_str()).enumerate() {
                    if index > 0 {
                        ids.push(self.pad);
                    }
                    self.encode_words(part, &mut ids);
                }
            }
        }
        ids.push(self.eos);
        ids
    }

    fn encode_words(&self, text: &str, ids: &mut Vec<u32>) {
        // Encoding cannot fail: every byte has a token, which `byte_pair_encoder` checks.
        if let Ok(encoding) = self.bpe.encode(text, false) {
            ids.extend(encoding.get_ids());
        }
    }

    /// Exactly [`Self::max_length`] ids: longer texts lose their end, shorter ones are padded.
    pub fn encode_padded(&self, text: &str) -> Vec<u32> {
        let mut ids = self.encode(text);
        if ids.len() > self.max_length {
            ids.truncate(self.max_length - 1);
            ids.push(self.eos);
        }
        ids.resize(self.max_length, self.pad);
        ids
    }

    /// How many ids of `text` do not fit, 0 for most prompts.
    pub fn n_truncated(&self, text: &str) -> usize {
        self.encode(text).len().saturating_sub(self.max_length)
    }
}

fn byte_pair_encoder(vocab: Vocab, merges: Vec<(String, String)>) -> Result<Tokenizer, ModelError> {
    for symbol in ByteLevel::alphabet() {
        for token in [symbol.to_string(), format!("{symbol}</w>")] {
            if !vocab.contains_key(&token) {
                let reason =
                    format!("vocab.json lacks the byte `{token}`, so some texts could not be encoded");
                return Err(ModelError::Tokenizer { reason });
            }
        }
    }
    let bpe = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .end_of_word_suffix("</w>".to_owned())
        .build()
        .map_err(|error| invalid("merges.txt", &error))?;
    let whitespace =
        Replace::new(tokenizers::normalizers::replace::ReplacePattern::Regex(r"\s+".into()), " ")
            .map_err(|error| invalid("the white-space rule", &error))?;
    let words = Split::new(SplitPattern::Regex(WORDS.to_owned()), SplitDelimiterBehavior::Removed, true)
        .map_err(|error| invalid("the word rule", &error))?;
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer
        .with_normalizer(Some(Normalizers::new(vec![
            NormalizerWrapper::NFC(NFC),
            NormalizerWrapper::Replace(whitespace),
            NormalizerWrapper::Lowercase(Lowercase),
        ])))
        .with_pre_tokenizer(Some(PreTokenizers::new(vec![
            PreTokenizerWrapper::Split(words),
            PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, false)),
        ])));
    Ok(tokenizer)
}

fn parse_merges(text: &str) -> Result<Vec<(String, String)>, ModelError> {
    text.lines()
        .enumerate()
        .filter(|(number, line)| !line.is_empty() && (*number > 0 || !line.starts_with("#version")))
        .map(|(number, line)| match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => Ok((left.to_owned(), right.to_owned())),
            _ => Err(ModelError::Tokenizer {
                reason: format!("merges.txt, line {}: `{line}` is not two tokens", number + 1),
            }),
        })
        .collect()
}
