//! What is said of an object: its measured colour, if it has one, and its name.

use crate::{ColorWord, Stream};

/// Probability that a true colour word is said.
const P_COLOR: f32 = 0.8;
/// Probability of an article, as somebody writes "a red apple" rather than "red apple".
const P_ARTICLE: f32 = 0.6;

/// A caption such as "a red apple", "red apple", "an apple" or "apple"; the latter two not if the colour `must` be said.
pub(super) fn caption(name: &str, color: Option<ColorWord>, must: bool, stream: &mut Stream) -> String {
    let said = stream.chance(P_COLOR) || must;
    let phrase = match color {
        Some(color) if said => format!("{color} {name}"),
        _ => name.to_owned(),
    };
    if stream.chance(P_ARTICLE) { with_article(&phrase) } else { phrase }
}

/// "an" before a vowel, "a" otherwise; true of every word in use ("a unicorn" is not).
pub fn with_article(phrase: &str) -> String {
    let article = if phrase.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {phrase}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_form_is_said() {
        let forms: BTreeSet<_> = (0..200)
            .map(|index| caption("apple", Some(ColorWord::Red), false, &mut Stream::new([1, 0, index, 0])))
            .collect();
        assert_eq!(forms.into_iter().collect::<Vec<_>>(), ["a red apple", "an apple", "apple", "red apple"]);
        let told = (0..200)
            .map(|index| caption("apple", Some(ColorWord::Red), true, &mut Stream::new([1, 0, index, 0])));
        assert_eq!(
            told.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
            ["a red apple", "red apple"]
        );
    }

    #[test]
    fn no_color_is_invented() {
        let forms: BTreeSet<_> =
            (0..50).map(|index| caption("zebra", None, true, &mut Stream::new([1, 0, index, 0]))).collect();
        assert_eq!(forms.into_iter().collect::<Vec<_>>(), ["a zebra", "zebra"]);
    }
}
