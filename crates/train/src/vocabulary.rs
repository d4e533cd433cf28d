//! A small vocabulary in CLIP's form, learned from captions by byte-pair encoding (Sennrich et al.
//! 2016, arXiv 1508.07909, Algorithm 1). CLIP's own 49,408 rows would outweigh a small model.

use std::collections::{BTreeMap, BTreeSet};

use byteedit_models::tokenizer::TokenizerFiles;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use crate::{Result, TrainError};

/// First of every sequence.
const START: &str = "<|startoftext|>";
/// Last of every sequence, and its padding, as in Stable Diffusion 1.x.
const END: &str = "<|endoftext|>";
/// Marks the last piece of a word.
const WORD_END: &str = "</w>";
/// Byte symbols, with and without [`WORD_END`], and the two special tokens.
const N_FIXED: usize = 2 * 256 + 2;

/// Size of the vocabulary and of the sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocabularyConfig {
    /// Most tokens, 514 or more. Fewer are made once every word is a token.
    pub max_size: usize,
    /// Tokens of a sequence, begin and end included, 3 or more.
    pub max_length: usize,
}

impl VocabularyConfig {
    /// Checks both numbers.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the one that is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.max_size < N_FIXED {
            let limit = format!("{N_FIXED} or more: two for each byte, begin and end");
            return Err(TrainError::config("vocabulary.max_size", self.max_size, limit));
        }
        if self.max_length < 3 {
            return Err(TrainError::config("vocabulary.max_length", self.max_length, "3 or more"));
        }
        Ok(())
    }
}

/// The distinct words of some captions, in order: lower case, cut where CLIP cuts (letters, single
/// digits, other characters).
pub fn words_of<'a>(captions: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    count_words(captions).into_keys().collect()
}

/// Learns a vocabulary in which the words of `captions` are single tokens, the frequent ones first,
/// as far as `max_size` allows.
///
/// # Errors
/// [`TrainError::Config`] for numbers out of range.
pub fn train_vocabulary<'a>(
    captions: impl IntoIterator<Item = &'a str>,
    config: &VocabularyConfig,
) -> Result<TokenizerFiles> {
    config.validate()?;
    let merges = learn_merges(&count_words(captions), config.max_size - N_FIXED);
    Ok(TokenizerFiles {
        vocab_json: vocab_json(&merges),
        merges_txt: merges
            .iter()
            .fold("#version: 0.2\n".to_owned(), |text, (left, right)| text + left + " " + right + "\n"),
        tokenizer_config_json: tokenizer_config(config.max_length).to_string(),
    })
}

fn count_words<'a>(captions: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for caption in captions {
        for word in caption.to_lowercase().split_whitespace().flat_map(pieces) {
            *counts.entry(word).or_default() += 1;
        }
    }
    counts
}

/// Runs of letters, single digits, runs of anything else.
fn pieces(word: &str) -> Vec<String> {
    let class = |c: char| (c.is_alphabetic(), c.is_numeric());
    let mut pieces: Vec<String> = Vec::new();
    let mut last = None;
    for character in word.chars() {
        match pieces.last_mut() {
            Some(piece) if last == Some(class(character)) && !character.is_numeric() => piece.push(character),
            _ => pieces.push(character.to_string()),
        }
        last = Some(class(character));
    }
    pieces
}

/// The printable symbols of the 256 bytes, in the order of the symbols' code points.
fn byte_symbols() -> BTreeSet<char> {
    ByteLevel::alphabet().into_iter().collect()
}

/// A word as byte symbols, the last one marked.
fn symbols(word: &str) -> Vec<String> {
    let mut symbols: Vec<String> = word.bytes().map(|byte| byte_symbol(byte).to_string()).collect();
    if let Some(last) = symbols.last_mut() {
        last.push_str(WORD_END);
    }
    symbols
}

/// GPT-2's rule: printable Latin-1 bytes stand for themselves, the others follow from U+0100 on.
fn byte_symbol(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|&other| !printable(other)).count() as u32;
    char::from_u32(0x100 + rank).expect("a code point below U+0144; this is a bug")
}

/// Joins the most frequent neighbours again and again; ties go to the first pair in text order.
fn learn_merges(counts: &BTreeMap<String, u64>, n_merges: usize) -> Vec<(String, String)> {
    let mut words: Vec<(Vec<String>, u64)> =
        counts.iter().map(|(word, count)| (symbols(word), *count)).collect();
    let mut merges = Vec::new();
    while merges.len() < n_merges {
        let mut pairs: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for (word, count) in &words {
            for pair in word.windows(2) {
                *pairs.entry((&pair[0], &pair[1])).or_default() += count;
            }
        }
        let best = pairs.iter().rev().max_by_key(|(_, count)| **count);
        let Some((&(left, right), _)) = best else { break };
        let merge = (left.to_owned(), right.to_owned());
        for (word, _) in &mut words {
            join(word, &merge);
        }
        merges.push(merge);
    }
    merges
}

fn join(word: &mut Vec<String>, (left, right): &(String, String)) {
    let mut index = 0;
    while index + 1 < word.len() {
        if word[index] == *left && word[index + 1] == *right {
            let tail = word.remove(index + 1);
            word[index].push_str(&tail);
        }
        index += 1;
    }
}

/// Byte symbols, byte symbols with the mark, merges in order, begin, end: CLIP's order.
fn vocab_json(merges: &[(String, String)]) -> String {
    let symbols = byte_symbols();
    let plain = symbols.iter().map(char::to_string);
    let marked = symbols.iter().map(|symbol| format!("{symbol}{WORD_END}"));
    let merged = merges.iter().map(|(left, right)| format!("{left}{right}"));
    let special = [START, END].map(str::to_owned);
    let tokens: Vec<String> = plain.chain(marked).chain(merged).chain(special).collect();
    let vocab: Map<String, Value> =
        tokens.into_iter().enumerate().map(|(id, token)| (token, Value::from(id))).collect();
    Value::Object(vocab).to_string()
}

fn tokenizer_config(max_length: usize) -> Value {
    json!({
        "tokenizer_class": "CLIPTokenizer",
        "add_prefix_space": false,
        "do_lower_case": true,
        "errors": "replace",
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
        "unk_token": END,
        "model_max_length": max_length,
    })
}

#[cfg(test)]
mod tests {
    use byteedit_models::tokenizer::ClipTokenizer;
    use proptest::prelude::*;

    use super::*;

    const CONFIG: VocabularyConfig = VocabularyConfig { max_size: 1000, max_length: 16 };

    fn tokenizer(captions: &[&str], config: &VocabularyConfig) -> ClipTokenizer {
        ClipTokenizer::from_files(&train_vocabulary(captions.iter().copied(), config).unwrap()).unwrap()
    }

    #[test]
    fn every_word_of_the_captions_is_one_token() {
        let captions = ["a red apple", "an apple", "a hot dog", "red hot"];
        let tokenizer = tokenizer(&captions, &CONFIG);
        for caption in captions {
            // Begin, one for each word, end.
            assert_eq!(tokenizer.encode(caption).len(), 2 + caption.split(' ').count(), "{caption}");
        }
        assert_eq!(tokenizer.encode("A RED  apple"), tokenizer.encode("a red apple"));
        assert!(tokenizer.encode("pear").len() > 3, "an unknown word falls apart into bytes");
    }

    #[test]
    fn the_first_merge_is_the_most_frequent_pair() {
        // "ab" occurs 3 + 1 times, every other pair less often.
        let files = train_vocabulary(["abc abc abc abd"], &CONFIG).unwrap();
        let lines: Vec<&str> = files.merges_txt.lines().collect();
        assert_eq!(lines[..3], ["#version: 0.2", "a b", "ab c</w>"]);
        let vocab: BTreeMap<String, usize> = serde_json::from_str(&files.vocab_json).unwrap();
        assert_eq!((vocab["ab"], vocab["abc</w>"], vocab["abd</w>"]), (512, 513, 514));
        assert_eq!((vocab[START], vocab[END], vocab.len()), (515, 516, 517));
    }

    #[test]
    fn the_size_is_a_limit() {
        let config = VocabularyConfig { max_size: 516, max_length: 16 };
        let files = train_vocabulary(["strawberry pineapple"], &config).unwrap();
        let vocab: BTreeMap<String, usize> = serde_json::from_str(&files.vocab_json).unwrap();
        assert_eq!(vocab.len(), 516);
        let small = VocabularyConfig { max_size: 513, max_length: 16 };
        assert!(
            train_vocabulary([""], &small).unwrap_err().to_string().contains("is 513, but it must be 514")
        );
    }

    #[test]
    fn byte_symbols_are_those_of_the_tokenizer() {
        let ours: BTreeSet<char> = (0..=255).map(byte_symbol).collect();
        assert_eq!(ours, ByteLevel::alphabet().into_iter().collect());
        assert_eq!((byte_symbol(b' '), byte_symbol(b'a'), byte_symbol(0)), ('Ġ', 'a', 'Ā'));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_captions_give_a_loadable_tokenizer(captions in prop::collection::vec("\\PC{0,20}", 0..4)) {
            let captions: Vec<&str> = captions.iter().map(String::as_str).collect();
            let tokenizer = tokenizer(&captions, &CONFIG);
            for caption in captions {
                prop_assert_eq!(tokenizer.encode_padded(caption).len(), 16);
            }
        }
    }
}
