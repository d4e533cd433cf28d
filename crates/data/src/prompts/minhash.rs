//! Near repetitions of a text, found by `MinHash` (Broder 1997) in time that grows with the number of texts, not
//! with its square.

use std::collections::HashMap;

use super::words;
use crate::Stream;

/// Words in a run that is compared; a shorter prompt is one run.
const RUN: usize = 3;
/// Hashes in a signature: bands of rows. Two texts that share 80 % of their runs agree in some band but for
/// a chance of (1 - 0.8⁴)³² = 5·10⁻⁸.
const BANDS: usize = 32;
const ROWS: usize = 4;
/// Share of runs, of those of either, from which on two texts are the same: their Jaccard index.
const SAME: f64 = 0.8;

/// Where the salts come from.
const DOMAIN: u64 = 300;

/// The texts seen so far, some 3 KB for each. A signature only proposes; the runs themselves decide, so no
/// prompt is dropped because of a collision.
pub(super) struct NearDuplicates {
    salts: Vec<u64>,
    /// For each band, the texts with the same hashes in it.
    buckets: Vec<HashMap<u64, Vec<usize>>>,
    texts: Vec<Box<[u64]>>,
}

impl NearDuplicates {
    pub(super) fn new(seed: u64) -> Self {
        let mut stream = Stream::new([seed, DOMAIN, 0, 0]);
        let mut word = || (0..4).fold(0, |word, _| word << 16 | stream.below(1 << 16) as u64);
        let salts = (0..BANDS * ROWS).map(|_| word()).collect();
        Self { salts, buckets: vec![HashMap::new(); BANDS], texts: Vec::new() }
    }

    /// Whether `prompt` repeats none that was new; it is then one of them.
    pub(super) fn is_new(&mut self, prompt: &str) -> bool {
        let runs = runs(prompt);
        let bands = self.bands(&runs);
        for (bucket, band) in self.buckets.iter().zip(&bands) {
            let mut candidates = bucket.get(band).into_iter().flatten();
            if candidates.any(|&text| jaccard(&self.texts[text], &runs) >= SAME) {
                return false;
            }
        }
        for (bucket, band) in self.buckets.iter_mut().zip(bands) {
            bucket.entry(band).or_default().push(self.texts.len());
        }
        self.texts.push(runs);
        true
    }

    /// For each band, one hash of the smallest salted hashes of its rows.
    fn bands(&self, runs: &[u64]) -> Vec<u64> {
        let smallest = |salt: &u64| runs.iter().map(|run| mixed(run ^ salt)).min().unwrap_or(u64::MAX);
        let joined = |rows: &[u64]| rows.iter().fold(0, |hash, salt| mixed(hash ^ smallest(salt)));
        self.salts.chunks(ROWS).map(joined).collect()
    }
}

/// Hashes of all runs of [`RUN`] words, sorted, each once.
fn runs(prompt: &str) -> Box<[u64]> {
    let words: Vec<_> = words(prompt).collect();
    let mut runs: Vec<_> =
        words.windows(RUN.min(words.len()).max(1)).map(|run| hash(&run.join(" "))).collect();
    runs.sort_unstable();
    runs.dedup();
    runs.into()
}

/// 64 bits of FNV-1a: the same on every machine and in every release, which the standard hasher is not.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A permutation of 64 bits in which each depends on all: the finaliser of `SplitMix64`.
pub(super) fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// Size of the intersection over that of the union, 0 to 1, of two sorted sets; 1 for two empty ones.
fn jaccard(first: &[u64], second: &[u64]) -> f64 {
    let both = first.iter().filter(|run| second.binary_search(run).is_ok()).count();
    let either = first.len() + second.len() - both;
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `n` different words from `first` on.
    fn text(first: usize, n: usize) -> String {
        (first..first + n).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn texts_are_the_same_from_eight_tenths_on() {
        // n words have n - 2 runs; shifted by k, all but k of them are shared.
        for (shift, expected) in
            [(1, 99.0 / 101.0), (11, 89.0 / 111.0), (12, 88.0 / 112.0), (50, 50.0 / 150.0)]
        {
            let [first, second] = [text(0, 102), text(shift, 102)];
            assert!((jaccard(&runs(&first), &runs(&second)) - expected).abs() < 1e-12);
            let mut seen = NearDuplicates::new(0);
            assert!(seen.is_new(&first));
            assert_eq!(seen.is_new(&second), expected < SAME, "{shift}");
        }
    }

    #[test]
    fn short_texts_are_compared_whole() {
        let mut seen = NearDuplicates::new(0);
        let new = ["cat", "Cat!", "a cat", "a cat ", "cat a", "a cat sat"].map(|prompt| seen.is_new(prompt));
        assert_eq!(new, [true, false, true, false, true, true]);
    }

    #[test]
    fn hashes_are_those_of_their_definition() {
        // Published values: FNV-1a of "a", and the first number of SplitMix64 from seed 0.
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(mixed(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
    }

    proptest! {
        #[test]
        fn a_text_repeats_itself_whatever_the_seed(
            prompts in prop::collection::vec("[a-d ]{1,20}", 1..20),
            seed in any::<u64>(),
        ) {
            let mut seen = NearDuplicates::new(seed);
            for prompt in &prompts {
                seen.is_new(prompt);
            }
            prop_assert!(prompts.iter().all(|prompt| !seen.is_new(prompt)));
        }
    }
}
