//! The tokenizer against transformers' `CLIPTokenizer` (the one backed by the `tokenizers` library,
//! without ftfy) on a tiny vocabulary; `scripts/golden/tokenizer.py` makes the files.

use std::fs;

use byteedit_models::tokenizer::{ClipTokenizer, TokenizerFiles};
use byteedit_testing::case_dir;
use serde::Deserialize;

/// One text with its ids, start and end token included, and, for some, the ids padded or cut to 77.
#[derive(Deserialize)]
struct Row {
    text: String,
    ids: Vec<u32>,
    padded: Option<Vec<u32>>,
}

fn load(case: &str) -> (ClipTokenizer, Vec<Row>) {
    let dir = case_dir!(case);
    let json = fs::read(dir.join("expected.json")).expect("the case has expected ids");
    let rows: Vec<Row> = serde_json::from_slice(&json).expect("every row has a text and its ids");
    assert!(rows.len() > 25, "only {} texts in {case}", rows.len());
    (ClipTokenizer::from_dir(&dir).expect("the vocabulary is complete"), rows)
}

fn check(case: &str) {
    let (tokenizer, rows) = load(case);
    let wrong: Vec<String> = rows
        .iter()
        .map(|row| (row, tokenizer.encode(&row.text)))
        .filter(|(row, ids)| *ids != row.ids)
        .map(|(row, ids)| format!("{:?}: {ids:?} for {:?}", row.text, row.ids))
        .collect();
    assert!(wrong.is_empty(), "{case}:\n{}", wrong.join("\n"));
    let padded: Vec<_> = rows.iter().filter_map(|row| Some((&row.text, row.padded.as_ref()?))).collect();
    assert_eq!(padded.len(), 5);
    for (text, expected) in padded {
        assert_eq!(&tokenizer.encode_padded(text), expected, "{case}: padded ids of {text:?}");
    }
}

#[test]
fn every_text_gets_the_ids_of_transformers() {
    check("tokenizer_clip");
}

/// Stable Diffusion 2.x names `!` as the padding token in `special_tokens_map.json`, which wins over
/// `tokenizer_config.json`. As a special token it is then matched before the text is split into words.
#[test]
fn the_padding_token_of_the_special_tokens_map_wins() {
    check("tokenizer_clip_pad");
}

/// Where transformers would end the text at the name of the end token, a prompt is only text.
#[test]
fn the_names_of_special_tokens_are_ordinary_text() {
    let (tokenizer, _) = load("tokenizer_clip");
    let ids = tokenizer.encode("a cat <|endoftext|> and <|startoftext|> a dog");
    assert_eq!((ids.first(), ids.last()), (Some(&732), Some(&733)));
    let inner = &ids[1..ids.len() - 1];
    assert!(inner.iter().all(|&id| id < 732), "a special token in {inner:?}");
}

#[test]
fn a_vocabulary_without_its_merges_is_refused() {
    let dir = case_dir!("tokenizer_clip");
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect("the case has its files");
    let with = |merges_txt: String| {
        let (vocab_json, tokenizer_config_json) = (read("vocab.json"), read("tokenizer_config.json"));
        ClipTokenizer::from_files(&TokenizerFiles { vocab_json, merges_txt, tokenizer_config_json })
    };
    assert!(with(read("merges.txt")).is_ok());
    for empty in ["", "#version: 0.2\n"] {
        let message = with(empty.to_owned()).expect_err("no merge is there").to_string();
        assert!(message.contains("merges.txt holds no merge") && message.contains("734 tokens"), "{message}");
    }
}

#[test]
fn padding_always_gives_the_models_length() {
    let (tokenizer, _) = load("tokenizer_clip");
    for n_words in [0, 1, 74, 75, 76, 4096] {
        let padded = tokenizer.encode_padded(&"cat ".repeat(n_words));
        assert_eq!(padded.len(), 77, "{n_words} words");
        assert_eq!((padded[0], padded[76]), (732, 733), "{n_words} words");
    }
}
