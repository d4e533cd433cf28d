//! BERT's `WordPiece` (Devlin et al. 2019, arXiv 1810.04805), read from `vocab.txt` as transformers writes it, with the
//! two tokens that BLIP adds (Li et al. 2022, arXiv 2201.12086).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::Tokenizer;
use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use super::{invalid, token_text, with_special_tokens};
use crate::ModelError;
use crate::store::read_text;

/// Where BLIP's decoder begins, and what its image-grounded encoder puts first.
const BLIP_TOKENS: [&str; 2] = ["[DEC]", "[ENC]"];

/// The files of a tokenizer folder, by content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BertTokenizerFiles {
    /// `vocab.txt`: one token on each line, whose number, counted from 0, is the id.
    pub vocab_txt: String,
    /// `tokenizer_config.json`, if there is one: special tokens, and whether case and accents count. Without it they
    /// are those of `bert-base-uncased`.
    pub tokenizer_config_json: Option<String>,
}

impl BertTokenizerFiles {
    /// Puts the tokens of a `special_tokens_map.json` over those of the configuration, as transformers does.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] if one of the two files is no JSON object.
    pub fn with_special_tokens(mut self, special_tokens_map_json: &str) -> Result<Self, ModelError> {
        let config = self.tokenizer_config_json.as_deref().unwrap_or("{}");
        self.tokenizer_config_json = Some(with_special_tokens(config, special_tokens_map_json)?);
        Ok(self)
    }
}

/// Text to token ids, as transformers' `BertTokenizer` gives them.
#[derive(Debug, Clone)]
pub struct BertTokenizer {
    word_piece: Tokenizer,
    cls: u32,
    sep: u32,
    pad: u32,
    dec: u32,
    enc: u32,
    n_ids: usize,
}

/// A text at a fixed length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaddedText {
    /// `[CLS]`, the text, `[SEP]`, and `[PAD]` to the end.
    pub ids: Vec<u32>,
    /// True where an id is padding: the opposite of transformers' `attention_mask`.
    pub is_padding: Vec<bool>,
}

#[derive(Deserialize)]
struct TokenizerConfig {
    #[serde(default = "yes")]
    do_lower_case: bool,
    #[serde(default = "yes")]
    tokenize_chinese_chars: bool,
    /// As `do_lower_case` where nothing is said.
    #[serde(default)]
    strip_accents: Option<bool>,
    #[serde(default)]
    unk_token: Option<Value>,
    #[serde(default)]
    cls_token: Option<Value>,
    #[serde(default)]
    sep_token: Option<Value>,
    #[serde(default)]
    pad_token: Option<Value>,
}

fn yes() -> bool {
    true
}

impl BertTokenizer {
    /// Reads `vocab.txt` and, where they are there, `tokenizer_config.json` and `special_tokens_map.json`, which wins
    /// as it does in transformers.
    ///
    /// # Errors
    /// [`ModelError::Io`] for a vocabulary that is missing, [`ModelError::Tokenizer`] for a file that does not fit.
    pub fn from_dir(folder: &Path) -> Result<Self, ModelError> {
        let optional = |name: &str| {
            let path = folder.join(name);
            path.exists().then(|| read_text(&path)).transpose()
        };
        let mut files = BertTokenizerFiles {
            vocab_txt: read_text(&folder.join("vocab.txt"))?,
            tokenizer_config_json: optional("tokenizer_config.json")?,
        };
        if let Some(special) = optional("special_tokens_map.json")? {
            files = files.with_special_tokens(&special)?;
        }
        Self::from_files(&files)
    }

    /// Builds the tokenizer from the content of its files.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] with the reason.
    pub fn from_files(files: &BertTokenizerFiles) -> Result<Self, ModelError> {
        let vocab = parse_vocabulary(&files.vocab_txt)?;
        let config = files.tokenizer_config_json.as_deref().unwrap_or("{}");
        let config: TokenizerConfig =
            serde_json::from_str(config).map_err(|error| invalid("tokenizer_config.json", &error))?;
        let special = |token: Option<&Value>, default: &str| {
            let token = token.and_then(token_text).unwrap_or_else(|| default.to_owned());
            match vocab.get(&token) {
                Some(id) => Ok((token, *id)),
                None => Err(ModelError::Tokenizer {
                    reason: format!("the special token `{token}` is not in vocab.txt"),
                }),
            }
        };
        let (unknown, _) = special(config.unk_token.as_ref(), "[UNK]")?;
        let (_, cls) = special(config.cls_token.as_ref(), "[CLS]")?;
        let (_, sep) = special(config.sep_token.as_ref(), "[SEP]")?;
        let (_, pad) = special(config.pad_token.as_ref(), "[PAD]")?;
        let mut n_ids = vocab.len();
        let [dec, enc] = BLIP_TOKENS.map(|token| {
            vocab.get(token).copied().unwrap_or_else(|| {
                n_ids += 1;
                n_ids as u32 - 1
            })
        });
        let model = WordPiece::builder()
            .vocab(vocab.into_iter().collect::<Vocab>())
            .unk_token(unknown)
            .build()
            .map_err(|error| invalid("vocab.txt", &error))?;
        let mut word_piece = Tokenizer::new(model);
        let TokenizerConfig { do_lower_case, tokenize_chinese_chars, strip_accents, .. } = config;
        word_piece
            .with_normalizer(Some(BertNormalizer::new(
                true,
                tokenize_chinese_chars,
                strip_accents,
                do_lower_case,
            )))
            .with_pre_tokenizer(Some(BertPreTokenizer));
        Ok(Self { word_piece, cls, sep, pad, dec, enc, n_ids })
    }

    /// How many ids there are, BLIP's two included: a text encoder's `vocab_size` is this or more.
    pub fn n_ids(&self) -> usize {
        self.n_ids
    }

    /// The id of `[DEC]`, with which BLIP's decoder begins.
    pub fn dec(&self) -> u32 {
        self.dec
    }

    /// The id of `[ENC]`, which BLIP's authors put in the place of `[CLS]` for matching. `ImageReward` does not.
    pub fn enc(&self) -> u32 {
        self.enc
    }

    /// Ids with `[CLS]` and `[SEP]`, neither padded nor cut.
    ///
    /// Words that no pieces make, and those of more than 100 letters, become `[UNK]`.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.cls];
        // Encoding cannot fail: `from_files` found the unknown token.
        if let Ok(encoding) = self.word_piece.encode(text, false) {
            ids.extend(encoding.get_ids());
        }
        ids.push(self.sep);
        ids
    }

    /// Exactly `max_length` ids: longer texts lose their end, not the `[SEP]` behind it; shorter ones are padded.
    ///
    /// # Panics
    /// If `max_length` is below 3, which would leave no room for a text.
    pub fn encode_padded(&self, text: &str, max_length: usize) -> PaddedText {
        assert!(max_length >= 3, "{max_length} ids are too few for a text; at least 3 are needed");
        let mut ids = self.encode(text);
        if ids.len() > max_length {
            ids.truncate(max_length - 1);
            ids.push(self.sep);
        }
        let is_padding = (0..max_length).map(|position| position >= ids.len()).collect();
        ids.resize(max_length, self.pad);
        PaddedText { ids, is_padding }
    }
}

/// Token to id. A token that stands twice would leave an id without a token.
fn parse_vocabulary(text: &str) -> Result<BTreeMap<String, u32>, ModelError> {
    let mut vocab = BTreeMap::new();
    for (id, token) in text.lines().enumerate() {
        if let Some(first) = vocab.insert(token.to_owned(), id as u32) {
            let (first, line) = (first + 1, id + 1);
            return Err(ModelError::Tokenizer {
                reason: format!("vocab.txt has `{token}` on lines {first} and {line}; copy vocab.txt again"),
            });
        }
    }
    Ok(vocab)
}
