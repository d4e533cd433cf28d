//! Embeddings that need no model: the words of a prompt, rare ones more than common ones.

use std::collections::{HashMap, HashSet};

use super::minhash::{hash, mixed};
use super::{Screened, words};

/// Numbers in an embedding. Words share them as their hashes fall, which makes two prompts of ten words each and none
/// in common look alike by a cosine of some 0.02.
const N_DIMS: usize = 512;

/// An embedding for each prompt of `screened`: each of its words adds its rarity to the number that its hash names.
///
/// Likeness is then that of wording: a kitten is no cat, and a sentence without blanks between its words is one word.
/// A language model sees more.
pub fn bag_of_words(screened: &Screened) -> Vec<Vec<f32>> {
    let hashed = |prompt: &str| words(prompt).map(|word| mixed(hash(&word))).collect::<Vec<_>>();
    let prompts: Vec<_> = screened.prompts.iter().map(|screen| hashed(&screen.prompt)).collect();
    let mut n_with: HashMap<u64, u32> = HashMap::new();
    for prompt in &prompts {
        for word in prompt.iter().collect::<HashSet<_>>() {
            *n_with.entry(*word).or_default() += 1;
        }
    }
    // How often all prompts can be halved until as many are left as have the word: whole numbers, since logarithms
    // differ in the last bit between machines, and a selection must not.
    let rarity = |word: &u64| (1 + (prompts.len() as u32 / n_with[word]).ilog2()) as f32;
    let embed = |prompt: &Vec<u64>| {
        let mut embedding = vec![0.0_f32; N_DIMS];
        for word in prompt {
            embedding[(word % N_DIMS as u64) as usize] += rarity(word);
        }
        embedding
    };
    prompts.iter().map(embed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::screen;

    #[test]
    fn words_count_the_more_the_rarer_they_are() {
        let screened = screen(["a cat", "a dog", "a red bird", "A bird, a bird"], 0);
        let embeddings = bag_of_words(&screened);
        // Of four prompts, all have "a", two have "bird", and one each has "cat", "dog" and "red"; no two of the words
        // share a number.
        let sums: Vec<f32> = embeddings.iter().map(|embedding| embedding.iter().sum()).collect();
        assert_eq!(sums, [1.0 + 3.0, 1.0 + 3.0, 1.0 + 3.0 + 2.0, 2.0 * (1.0 + 2.0)]);
        let product = |one: usize, other: usize| -> f32 {
            embeddings[one].iter().zip(&embeddings[other]).map(|(a, b)| a * b).sum()
        };
        assert_eq!((product(0, 1), product(2, 3), product(0, 0)), (1.0, 2.0 + 8.0, 10.0));
        assert!(bag_of_words(&screen([""; 0], 0)).is_empty());
    }
}
