//! Words that a model was never shown, and what it could paint instead.

use std::collections::BTreeSet;

use serde::Serialize;

use super::ModelCard;

/// Suggestions for one word.
const N_NEAREST: usize = 3;
/// Similarity (Jaro 1989, with the weight for a common beginning of Winkler 1990; 0 to 1) from which on a
/// name may be a misspelling or a relative of a word.
const MIN_SIMILARITY: f64 = 0.8;
/// Shorter words, mostly "on" and "of", resemble too much by chance.
const MIN_LETTERS: usize = 3;

/// A word of a prompt that the model never saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownWord {
    /// The word, in lower case.
    pub word: String,
    /// Concepts and other known words that it may have meant, the nearest first; may be empty.
    pub nearest: Vec<String>,
}

pub(super) fn unknown_words(card: &ModelCard, prompt: &str) -> Vec<UnknownWord> {
    let known: BTreeSet<&str> = card.words.iter().map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    let mut unknown = Vec::new();
    for word in words(prompt) {
        if !known.contains(word.as_str()) && seen.insert(word.clone()) {
            let nearest = nearest(card, &word);
            unknown.push(UnknownWord { word, nearest });
        }
    }
    unknown
}

/// The words of a text as the vocabulary of a small model is counted: runs of letters and single
/// digits, in lower case. Punctuation is no word.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut in_word = false;
    for character in text.to_lowercase().chars() {
        match words.last_mut() {
            Some(word) if in_word && character.is_alphabetic() => word.push(character),
            _ if character.is_alphanumeric() => words.push(character.to_string()),
            _ => {}
        }
        in_word = character.is_alphabetic();
    }
    words
}

/// Members of the group that the word names, or else the concepts and words that are most similar to it.
fn nearest(ModelCard { concepts, words, .. }: &ModelCard, word: &str) -> Vec<String> {
    let is_group = |group: &str| group == word || group.strip_suffix('s') == Some(word);
    let members: Vec<_> = concepts.iter().filter(|concept| is_group(&concept.group)).collect();
    let names = concepts.iter().map(|concept| concept.name.as_str());
    let parts: BTreeSet<&str> = names.clone().flat_map(|name| name.split(' ')).collect();
    let others = words.iter().map(String::as_str);
    let others = others.filter(|other| other.chars().count() >= MIN_LETTERS && !parts.contains(other));
    let mut ranked: Vec<(f64, &str)> = names
        .chain(others)
        .map(|name| (similarity(name, word), name))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .collect();
    // Stable, so that equals keep the order of the list.
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let ranked = ranked.into_iter().map(|(_, name)| name.to_owned());
    let members = members.into_iter().map(|concept| concept.name.clone());
    if members.len() > 0 { members.take(N_NEAREST).collect() } else { ranked.take(N_NEAREST).collect() }
}

/// Of the whole name or of any of its words, 0 to 1.
fn similarity(name: &str, word: &str) -> f64 {
    if word.chars().count() < MIN_LETTERS {
        return 0.0;
    }
    name.split(' ').chain([name]).map(|part| strsim::jaro_winkler(part, word)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Concept;

    fn card() -> ModelCard {
        let concepts = [
            ("cat", "animals"),
            ("cow", "animals"),
            ("camel", "animals"),
            ("dog", "animals"),
            ("apple", "food"),
            ("ice cream", "food"),
        ];
        ModelCard {
            schema_version: 1,
            concepts: concepts.map(|(name, group)| Concept { name: name.into(), group: group.into() }).into(),
            words: ["a", "an", "red", "cat", "cow", "camel", "dog", "apple", "ice", "cream"]
                .map(String::from)
                .into(),
            ..ModelCard::default()
        }
    }

    #[test]
    fn known_words_and_punctuation_are_silent() {
        assert_eq!(unknown_words(&card(), "A red apple, an ICE-cream!"), []);
        assert_eq!(unknown_words(&card(), "  \u{7}"), []);
    }

    #[test]
    fn misspellings_plurals_and_parts_find_their_concept() {
        for (prompt, word, first) in
            [("a red aple", "aple", "apple"), ("cats", "cats", "cat"), ("icecream", "icecream", "ice cream")]
        {
            let unknown = unknown_words(&card(), prompt);
            assert_eq!((unknown.len(), unknown[0].word.as_str()), (1, word));
            assert_eq!(unknown[0].nearest[0], first);
        }
    }

    #[test]
    fn other_words_are_suggested_too_but_not_the_shortest() {
        assert_eq!(unknown_words(&card(), "rred")[0].nearest, ["red"]);
        assert_eq!(unknown_words(&card(), "any")[0].nearest, [""; 0]);
    }

    #[test]
    fn a_group_answers_with_its_members() {
        for word in ["animal", "animals"] {
            assert_eq!(unknown_words(&card(), word)[0].nearest, ["cat", "cow", "camel"]);
        }
    }

    #[test]
    fn far_words_are_told_once_and_without_a_guess() {
        let unknown = unknown_words(&card(), "zeppelin, Zeppelin 7 do");
        assert_eq!(unknown.len(), 3);
        assert_eq!((unknown[0].word.as_str(), unknown[0].nearest.len()), ("zeppelin", 0));
        assert_eq!(unknown[1].word, "7");
        assert_eq!((unknown[2].word.as_str(), unknown[2].nearest.len()), ("do", 0));
    }
}
