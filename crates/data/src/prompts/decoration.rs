//! Prompts that praise a picture without saying what it shows.

use super::words;

/// Words that decorate, in lower case and sorted. The paper's examples are "unbelievable", "fantastic" and
/// "brilliant"; the others are those that people add to prompts most. (One a
/// line, as the formatter has it, they would hide the code.)
#[rustfmt::skip]
pub const DECORATIONS: [&str; 64] = [
    "2k", "4k", "8k", "absurdres", "aesthetic", "amazing", "art", "artistic", "artstation", "astonishing",
    "award", "awesome", "beautiful", "best", "breathtaking", "brilliant", "cinematic", "cool", "detail",
    "detailed", "details", "elegant", "epic", "excellent", "fantastic", "flawless", "focus", "gorgeous",
    "great", "hd", "hdr", "high", "highly", "hyperrealistic", "image", "impressive", "incredible",
    "intricate", "magnificent", "marvelous", "masterpiece", "nice", "octane", "outstanding", "perfect",
    "photo", "photorealistic", "picture", "pretty", "professional", "quality", "realistic", "render",
    "resolution", "sharp", "spectacular", "stunning", "superb", "trending", "uhd", "ultra", "unbelievable",
    "winning", "wonderful",
];

/// Words that join decorations without adding anything, sorted.
#[rustfmt::skip]
const FILLERS: [&str; 16] = [
    "a", "an", "and", "extremely", "in", "most", "of", "on", "really", "so", "super", "the", "too", "truly",
    "very", "with",
];

/// Whether `prompt` says nothing: it has no word, or only words of [`DECORATIONS`] and those that join them.
pub fn is_decoration_only(prompt: &str) -> bool {
    let says_nothing =
        |word: &str| DECORATIONS.binary_search(&word).is_ok() || FILLERS.binary_search(&word).is_ok();
    words(prompt).all(|word| says_nothing(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_can_be_searched() {
        assert!(DECORATIONS.is_sorted_by(|a, b| a < b) && FILLERS.is_sorted_by(|a, b| a < b));
        assert!(DECORATIONS.iter().chain(&FILLERS).all(|word| words(word).eq([(*word).to_owned()])));
    }

    #[test]
    fn praise_alone_says_nothing() {
        for prompt in [
            "",
            "...",
            "Unbelievable",
            "fantastic, brilliant!!",
            "a very BEAUTIFUL masterpiece, 8k, best quality",
        ] {
            assert!(is_decoration_only(prompt), "{prompt}");
        }
        for prompt in ["a fantastic castle", "brilliant diamonds, 8k", "猫", "a photo of a cat"] {
            assert!(!is_decoration_only(prompt), "{prompt}");
        }
    }
}
