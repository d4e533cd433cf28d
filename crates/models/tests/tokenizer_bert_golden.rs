//! The tokenizer against transformers' `BertTokenizer` with BLIP's two tokens, on a tiny vocabulary;
//! `scripts/golden/tokenizer_bert.py` makes the files.

use std::collections::BTreeMap;
use std::fs;

use byteedit_models::tokenizer::{BertTokenizer, BertTokenizerFiles};
use byteedit_testing::case_dir;
use serde::Deserialize;

/// `ImageReward`'s.
const MAX_LENGTH: usize = 35;

#[derive(Deserialize)]
struct Expected {
    /// Ids of `[DEC]` and `[ENC]`, and how many ids there are.
    added: BTreeMap<String, u32>,
    texts: Vec<Row>,
}

/// One text with its ids, and, for some, the ids and the mask at a length of 35.
#[derive(Deserialize)]
struct Row {
    text: String,
    ids: Vec<u32>,
    padded: Option<Vec<u32>>,
    seen: Option<Vec<u8>>,
}

fn load(case: &str) -> (BertTokenizer, Expected) {
    let dir = case_dir!(case);
    let json = fs::read(dir.join("expected.json")).expect("the case has expected ids");
    let expected: Expected = serde_json::from_slice(&json).expect("every row has a text and its ids");
    assert!(expected.texts.len() > 20, "only {} texts in {case}", expected.texts.len());
    (BertTokenizer::from_dir(&dir).expect("the vocabulary is complete"), expected)
}

fn check(case: &str) {
    let (tokenizer, Expected { added, texts }) = load(case);
    let wrong: Vec<String> = texts
        .iter()
        .map(|row| (row, tokenizer.encode(&row.text)))
        .filter(|(row, ids)| *ids != row.ids)
        .map(|(row, ids)| format!("{:?}: {ids:?} for {:?}", row.text, row.ids))
        .collect();
    assert!(wrong.is_empty(), "{case}:\n{}", wrong.join("\n"));
    let mut n_padded = 0;
    for row in &texts {
        let (Some(ids), Some(seen)) = (&row.padded, &row.seen) else { continue };
        let padded = tokenizer.encode_padded(&row.text, MAX_LENGTH);
        assert_eq!(&padded.ids, ids, "{case}: padded ids of {:?}", row.text);
        let is_padding: Vec<bool> = seen.iter().map(|&seen| seen == 0).collect();
        assert_eq!(padded.is_padding, is_padding, "{case}: padding of {:?}", row.text);
        n_padded += 1;
    }
    assert_eq!(n_padded, 5);
    let found = [("[DEC]", tokenizer.dec()), ("[ENC]", tokenizer.enc()), ("n_ids", tokenizer.n_ids() as u32)];
    assert_eq!(BTreeMap::from(found.map(|(name, id)| (name.to_owned(), id))), added);
}

#[test]
fn every_text_gets_the_ids_of_transformers() {
    check("tokenizer_bert");
}

/// Case and accents kept, and another padding token.
#[test]
fn the_configuration_is_obeyed() {
    check("tokenizer_bert_cased");
}

/// Where transformers would obey the name of a special token, a prompt is only text.
#[test]
fn the_names_of_special_tokens_are_ordinary_text() {
    let (tokenizer, _) = load("tokenizer_bert");
    let ids = tokenizer.encode("a cat [SEP] [ENC] [PAD] a cat");
    let inner = &ids[1..ids.len() - 1];
    assert!(inner.iter().all(|id| !(2..=4).contains(id) && *id != 0 && *id < 115), "{inner:?}");
}

fn files() -> BertTokenizerFiles {
    let vocab_txt = fs::read_to_string(case_dir!("tokenizer_bert").join("vocab.txt")).expect("it is there");
    BertTokenizerFiles { vocab_txt, tokenizer_config_json: None }
}

#[test]
fn a_vocabulary_may_have_blips_tokens_already() {
    let with = BertTokenizerFiles { vocab_txt: files().vocab_txt + "[ENC]\n", ..files() };
    let tokenizer = BertTokenizer::from_files(&with).expect("the vocabulary is complete");
    assert_eq!((tokenizer.enc(), tokenizer.dec(), tokenizer.n_ids()), (115, 116, 117));
}

/// As in transformers, whose `from_pretrained` reads both.
#[test]
fn the_special_tokens_map_wins() {
    let files =
        files().with_special_tokens(r#"{"pad_token": {"content": "[MASK]"}}"#).expect("it is an object");
    let padded = BertTokenizer::from_files(&files).expect("the vocabulary is complete").encode_padded("a", 5);
    assert_eq!(padded.ids, [2, 5, 3, 4, 4]);
    assert_eq!(padded.is_padding, [false, false, false, true, true]);
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let refusal = |vocab_txt: String, config: Option<&str>| {
        let tokenizer_config_json = config.map(str::to_owned);
        let files = BertTokenizerFiles { vocab_txt, tokenizer_config_json };
        BertTokenizer::from_files(&files).expect_err("the files are broken").to_string()
    };
    let vocab = files().vocab_txt;
    assert!(refusal(vocab.replace("[SEP]\n", ""), None).contains("`[SEP]` is not in vocab.txt"));
    assert!(refusal(String::new(), None).contains("`[UNK]` is not in vocab.txt"));
    assert!(refusal(format!("{vocab}red\n"), None).contains("`red` on lines 88 and 116"));
    assert!(refusal(vocab.clone(), Some(r#"{"cls_token": "<s>"}"#)).contains("`<s>` is not in vocab.txt"));
    assert!(refusal(vocab, Some("{")).contains("tokenizer_config.json"));
}
