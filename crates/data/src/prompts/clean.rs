//! One spelling for prompts that differ only in what cannot be seen.

/// `prompt` without control characters and marks of no width, every run of white space one blank, none at
/// the ends. Letters stay as they are.
pub fn clean(prompt: &str) -> String {
    let visible: String = prompt.chars().filter(|c| c.is_whitespace() || !is_invisible(*c)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Control characters, spaces and joiners of no width, marks of direction and of byte order. The joiner of
/// emoji (U+200D) is none of them: without it, one picture becomes several.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}')
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_seen_goes() {
        assert_eq!(
            clean("\u{feff}  a\tred\u{7}  ap\u{200b}ple\r\n\u{a0}on\u{2003}grass\0 "),
            "a red apple on grass"
        );
        assert_eq!(clean(" \n\u{200b} "), "");
        assert_eq!(clean("Äpfel, 👩\u{200d}🚀!"), "Äpfel, 👩\u{200d}🚀!");
    }

    proptest! {
        #[test]
        fn cleaning_is_done_once(prompt in any::<String>()) {
            let once = clean(&prompt);
            prop_assert_eq!(clean(&once), once.clone());
            prop_assert!(!once.contains("  ") && once.trim() == once && !once.chars().any(char::is_control));
        }
    }
}
