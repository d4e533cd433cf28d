//! Which words of a long prompt the model does not read.

/// Longest part of the unread words that is shown, in characters.
const SHOWN: usize = 80;

/// The words after the longest beginning for which `n_left_out` counts no token, shortened; `None` if
/// all is read.
pub(super) fn unread(text: &str, n_left_out: impl Fn(&str) -> usize) -> Option<String> {
    if n_left_out(text) == 0 {
        return None;
    }
    let ends: Vec<usize> = text.char_indices().filter(|(_, c)| *c == ' ').map(|(index, _)| index).collect();
    // More words never need fewer tokens, so the beginnings that fit come first.
    let n_fitting = ends.partition_point(|&end| n_left_out(&text[..end]) == 0);
    let rest = n_fitting.checked_sub(1).map_or(text, |last| text[ends[last]..].trim_start());
    let mut shown: String = rest.chars().take(SHOWN).collect();
    if shown.len() < rest.len() {
        shown.push_str(" ...");
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tokenizer of three words.
    fn left_out(text: &str) -> usize {
        text.split_whitespace().count().saturating_sub(3)
    }

    #[test]
    fn the_words_beyond_the_limit_are_shown() {
        assert_eq!(unread("one two three", left_out), None);
        assert_eq!(unread("one two three four five", left_out).as_deref(), Some("four five"));
        assert_eq!(unread("word", |_| 1).as_deref(), Some("word"));
    }

    #[test]
    fn a_long_rest_is_shortened() {
        let rest = unread(&"é ".repeat(4096), left_out).unwrap();
        assert!(rest.ends_with(" ...") && rest.chars().count() == SHOWN + 4, "{rest}");
    }
}
