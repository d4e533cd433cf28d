//! A small vocabulary in BERT's form: the words of some texts, and letters for all others.

use std::collections::BTreeSet;

use crate::vocabulary::words_of;

/// What BERT and BLIP expect to be there.
const SPECIAL: [&str; 7] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"];
/// Characters of which unknown words are spelled.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

/// `vocab.txt` in which every word of `texts` is a token.
pub(super) fn vocab_txt<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let letters: Vec<String> =
        LETTERS.chars().flat_map(|letter| [letter.to_string(), format!("##{letter}")]).collect();
    let known: BTreeSet<&str> = letters.iter().map(String::as_str).collect();
    let words: Vec<String> =
        words_of(texts).into_iter().filter(|word| !known.contains(word.as_str())).collect();
    let tokens = SPECIAL.into_iter().chain(letters.iter().map(String::as_str));
    tokens.chain(words.iter().map(String::as_str)).fold(String::new(), |text, token| text + token + "\n")
}

#[cfg(test)]
mod tests {
    use byteedit_models::tokenizer::{BertTokenizer, BertTokenizerFiles};

    use super::*;

    #[test]
    fn words_are_tokens_and_others_are_spelled() {
        let vocab_txt = vocab_txt(["a red apple", "Red hat"]);
        let files = BertTokenizerFiles { vocab_txt: vocab_txt.clone(), tokenizer_config_json: None };
        let tokenizer = BertTokenizer::from_files(&files).unwrap();
        let tokens: Vec<&str> = vocab_txt.lines().collect();
        let said = |text: &str| {
            let ids = tokenizer.encode(text);
            ids.into_iter().map(|id| tokens[id as usize]).collect::<Vec<_>>()
        };
        assert_eq!(said("a red hat"), ["[CLS]", "a", "red", "hat", "[SEP]"]);
        assert_eq!(said("bad"), ["[CLS]", "b", "##a", "##d", "[SEP]"]);
        assert_eq!(tokenizer.n_ids(), tokens.len());
    }
}
