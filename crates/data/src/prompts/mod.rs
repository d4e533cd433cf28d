//! Choosing prompts to be judged: few that differ, from many that repeat each other
//! (Ren et al. 2024, Section 3.1).
//!
//! ```text
//! prompts ──► Screened ──► embeddings, from whoever has a model ──► Selection
//!             clean, no mere decoration,    or bag_of_words        no near likeness (cosine),
//!             no near repetition (MinHash)                         clusters, lonely ones first
//! ```
//!
//! The paper has more than 1.5 million prompts, clusters them by the likeness that a language model sees,
//! takes the points with the largest mean distance to their nearest neighbours, and drops prompts that say
//! nothing or only decorate. It prints no number of clusters or neighbours; [`DiversitySpec`] names ours.
//!
//! The cost of a selection grows with the square of the number of prompts: 10 thousand embeddings of 384
//! numbers take some 20 seconds of one core. Split larger sets into shards and choose from each.

mod bag_of_words;
mod clean;
mod clusters;
mod decoration;
mod embeddings;
mod minhash;
mod select;
mod spec;

pub use bag_of_words::bag_of_words;
pub use clean::clean;
pub use decoration::{DECORATIONS, is_decoration_only};
pub use select::{DiversityReport, Selection, select};
pub use spec::DiversitySpec;

use minhash::NearDuplicates;

/// Prompts worth comparing, and how many others there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screened {
    /// What is left, clean, in the order in which it came.
    pub prompts: Vec<Screen>,
    /// How many said nothing but decoration, or nothing at all.
    pub n_decoration: usize,
    /// How many repeated an earlier one in nearly the same words.
    pub n_repeated: usize,
}

/// One prompt that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Its place in the input, counted from 0.
    pub index: usize,
    /// Its text, clean.
    pub prompt: String,
}

/// Cleans `prompts` and leaves out those that only decorate, and those whose runs of three words are to 80 %
/// those of an earlier one. The same prompts and `seed` give the same answer everywhere.
pub fn screen<S: AsRef<str>>(prompts: impl IntoIterator<Item = S>, seed: u64) -> Screened {
    let mut screened = Screened::default();
    let mut seen = NearDuplicates::new(seed);
    for (index, prompt) in prompts.into_iter().enumerate() {
        let prompt = clean(prompt.as_ref());
        if is_decoration_only(&prompt) {
            screened.n_decoration += 1;
        } else if seen.is_new(&prompt) {
            screened.prompts.push(Screen { index, prompt });
        } else {
            screened.n_repeated += 1;
        }
    }
    screened
}

/// The words of `prompt` as they are compared: letters and digits, in lower case.
fn words(prompt: &str) -> impl Iterator<Item = String> {
    let parts = prompt.split(|c: char| !c.is_alphanumeric() && c != '\'');
    parts.filter(|part| part.chars().any(char::is_alphanumeric)).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_rule_drops_what_it_is_for() {
        let prompts = [
            "  a red\tapple on a \n wooden table, morning light ",
            "unbelievable, fantastic, brilliant!",
            "A red apple on a wooden table; morning light",
            "a red apple under a wooden table, evening light",
            "",
            "a fantastic castle",
        ];
        let screened = screen(prompts, 1);
        let kept: Vec<_> =
            screened.prompts.iter().map(|screen| (screen.index, screen.prompt.as_str())).collect();
        assert_eq!(
            kept,
            [
                (0, "a red apple on a wooden table, morning light"),
                (3, "a red apple under a wooden table, evening light"),
                (5, "a fantastic castle")
            ]
        );
        assert_eq!((screened.n_decoration, screened.n_repeated), (2, 1));
    }

    proptest! {
        #[test]
        fn screening_again_changes_nothing(
            prompts in prop::collection::vec("[a-c ]{0,12}", 0..30),
            seed in any::<u64>(),
        ) {
            let once = screen(&prompts, seed);
            prop_assert_eq!(once.prompts.len() + once.n_decoration + once.n_repeated, prompts.len());
            prop_assert!(once.prompts.is_sorted_by(|a, b| a.index < b.index));
            let again = screen(once.prompts.iter().map(|screen| &screen.prompt), seed);
            prop_assert_eq!((again.prompts.len(), again.n_decoration, again.n_repeated), (once.prompts.len(), 0, 0));
        }
    }
}
