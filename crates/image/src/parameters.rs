//! The `parameters` text of A1111, stable-diffusion.cpp and `IOPaint`, written and read.
//!
//! ```text
//! a red apple
//! Negative prompt: blurry
//! Steps: 8, Sampler: Euler a, CFG scale: 7.5, Seed: 1, Size: 128x128, Model: "mini, v1"
//! ```
//!
//! Values that hold a comma, a colon, a line break or a quote are JSON strings. Readers take the last
//! line for settings only if it has at least three of them; so does this one, which takes no line over 64 KiB
//! for settings.

/// Prompt, negative prompt and settings of one generated picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// The prompt; may have several lines.
    pub prompt: String,
    /// The negative prompt; empty if there is none.
    pub negative_prompt: String,
    /// Names and values, in order. A name has at least two letters, digits, spaces, `-`, `/` or `_`
    /// and begins with a letter, a digit or `_`; other names are not written.
    pub settings: Vec<(String, String)>,
}

/// What begins the negative prompt's first line.
const NEGATIVE: &str = "Negative prompt:";

/// Fewer settings than this are not recognised as a settings line.
const MIN_SETTINGS: usize = 3;

/// A longer line is not a settings line: programs write some hundred bytes, and any comment that a file
/// brings is asked whether it is one.
const MAX_LINE_BYTES: usize = 64 << 10;

impl Parameters {
    /// The keyword of the PNG text that holds this.
    pub const KEYWORD: &str = "parameters";

    /// Adds one setting.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// The value of a setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The text. Readers trim each line and drop blank lines around prompts; a prompt line that itself
    /// begins with `Negative prompt:` cannot be told apart by any reader.
    pub fn to_text(&self) -> String {
        let mut lines = Vec::new();
        if !self.prompt.is_empty() {
            lines.push(self.prompt.clone());
        }
        if !self.negative_prompt.is_empty() {
            lines.push(format!("{NEGATIVE} {}", self.negative_prompt));
        }
        let settings = self.settings.iter().filter(|(name, _)| is_name(name));
        let settings: Vec<_> = settings.map(|(name, value)| format!("{name}: {}", quoted(value))).collect();
        lines.push(settings.join(", "));
        lines.join("\n")
    }

    /// Reads a text, by A1111's rules; every text means something, if only a prompt.
    pub fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        let mut lines: Vec<&str> = text.trim().lines().collect();
        let settings = lines.last().map(|line| settings_of(line)).unwrap_or_default();
        if settings.len() >= MIN_SETTINGS {
            parsed.settings = settings;
            lines.pop();
        }
        let mut is_negative = false;
        for line in lines {
            let mut line = line.trim();
            if let Some(rest) = line.strip_prefix(NEGATIVE) {
                is_negative = true;
                line = rest.trim();
            }
            let part = if is_negative { &mut parsed.negative_prompt } else { &mut parsed.prompt };
            if !part.is_empty() {
                part.push('\n');
            }
            part.push_str(line);
        }
        parsed
    }

    /// Whether a text has a settings line, so that it is such a text and not any other comment.
    pub fn is_written_in(text: &str) -> bool {
        text.trim().lines().last().is_some_and(|line| settings_of(line).len() >= MIN_SETTINGS)
    }
}

/// Matches of A1111's `\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)` in a line, unquoted.
///
/// The time is linear in the line: a run of name characters that no colon ends holds no name, wherever
/// one begins in it.
fn settings_of(line: &str) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut rest = if line.len() > MAX_LINE_BYTES { "" } else { line };
    while let Some((run, end, after)) = run_of_name_chars(rest) {
        let name = run.trim_start_matches([' ', '-', '/']);
        rest = after;
        if end == ':' && is_name(name) {
            let (value, after) = value_of(after.trim_start());
            settings.push((name.to_owned(), unquoted(value)));
            rest = after;
        }
    }
    settings
}

/// The characters of names that `text` begins with, the first other character, and what follows it.
fn run_of_name_chars(text: &str) -> Option<(&str, char, &str)> {
    let (at, end) = text.char_indices().find(|(_, c)| !is_name_char(*c))?;
    Some((&text[..at], end, &text[at + end.len_utf8()..]))
}

/// The raw value that `text` begins with, and what follows its comma.
fn value_of(text: &str) -> (&str, &str) {
    let value = match string_len(text) {
        Some(len) if text[len..].is_empty() || text[len..].starts_with(',') => &text[..len],
        _ => text.split(',').next().unwrap_or_default(),
    };
    let after = &text[value.len()..];
    (value, after.strip_prefix(',').unwrap_or(after))
}

/// The length of the quoted string that `text` begins with; it has at least one character inside.
fn string_len(text: &str) -> Option<usize> {
    let mut escaped = false;
    let inside = text.strip_prefix('"')?;
    let end = inside.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })?;
    (end > 0).then_some(end + 2)
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ' ' | '-' | '/')
}

fn is_name(name: &str) -> bool {
    name.chars().all(is_name_char) && name.chars().nth(1).is_some() && !name.starts_with([' ', '-', '/'])
}

fn quoted(value: &str) -> String {
    let is_plain = !value.contains([',', ':', '\n', '\r', '"']) && value.trim() == value;
    if is_plain { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// The text of a JSON string; anything else as it stands.
fn unquoted(value: &str) -> String {
    serde_json::from_str(value).unwrap_or_else(|_| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> Parameters {
        let parameters = Parameters {
            prompt: "a red apple\non a table".to_owned(),
            negative_prompt: "blurry".to_owned(),
            settings: Vec::new(),
        };
        parameters
            .with("Steps", 8)
            .with("Sampler", "Euler a")
            .with("CFG scale", 7.5)
            .with("Model", "mini, v1")
    }

    #[test]
    fn the_text_is_what_a1111_writes() {
        let text = "a red apple\non a table\nNegative prompt: blurry\n\
                    Steps: 8, Sampler: Euler a, CFG scale: 7.5, Model: \"mini, v1\"";
        assert_eq!(example().to_text(), text);
        assert_eq!(Parameters::parse(text), example());
        assert_eq!(example().get("Sampler"), Some("Euler a"));
    }

    #[test]
    fn a_text_of_a1111_is_read() {
        let text = "cat: the movie, 4k\nNegative prompt: dog\nbird\nSteps: 20, Sampler: DPM++ 2M Karras, \
                    Size: 512x512, Lora hashes: \"a: 1f, b: 2e\", Version: v1.10.1";
        let parsed = Parameters::parse(text);
        assert_eq!(parsed.prompt, "cat: the movie, 4k");
        assert_eq!(parsed.negative_prompt, "dog\nbird");
        assert_eq!(parsed.get("Lora hashes"), Some("a: 1f, b: 2e"));
        assert_eq!((parsed.settings.len(), parsed.get("Size")), (5, Some("512x512")));
    }

    #[test]
    fn a_last_line_with_fewer_than_three_settings_is_prompt() {
        let parsed = Parameters::parse("title: one, two\nSteps: 8, Seed: 1");
        assert_eq!(parsed.prompt, "title: one, two\nSteps: 8, Seed: 1");
        assert!(parsed.settings.is_empty());
        assert!(
            !Parameters::is_written_in("taken in Rome: 5 pm")
                && Parameters::is_written_in("Aa: 1, Bb: 2, Cc: 3")
        );
        assert_eq!(Parameters::parse(""), Parameters::default());
    }

    #[test]
    fn broken_quotes_end_at_the_comma() {
        let parsed = Parameters::parse("Aa: \"x, Bb: \"y\" z, Cc: \"\", Dd: 1");
        let expected = [("Aa", "\"x"), ("Bb", "\"y\" z"), ("Cc", ""), ("Dd", "1")];
        let found: Vec<_> = parsed.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn any_comment_is_read_in_time_linear_in_its_length() {
        // What a search that begins anew at every character takes seconds to hours for.
        for text in ["a", "a:", "a: \"", "-", "aa:\"\\", "\u{a0}"] {
            for length in [MAX_LINE_BYTES / text.len(), (8 << 20) / text.len()] {
                assert!(!Parameters::is_written_in(&text.repeat(length)), "{length} x {text:?}");
            }
        }
        let line = |n: usize| format!("Aa: 1, Bb: 2, Cc: {}", "x".repeat(n));
        assert!(Parameters::is_written_in(&line(MAX_LINE_BYTES - line(0).len())));
        assert!(!Parameters::is_written_in(&line(MAX_LINE_BYTES)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn writing_and_reading_is_the_identity(
            prompt in "[a-z,:\"(]{1,12}( [a-z<>.]{1,8}){0,3}(\n[a-z]{1,9})?",
            negative_prompt in "([a-z]{1,12}(\n[a-z]([a-z ,]{0,5}[a-z])?)?)?",
            values in prop::collection::vec("\\PC{0,12}|[,:\"\\\\\n a-z]{0,10}", 3..8),
        ) {
            let names = ["Steps", "CFG scale", "Model hash", "a_b", "x/y-z", "Hires upscaler", "42", "RNG"];
            let settings = names.iter().map(|name| (*name).to_owned()).zip(values).collect();
            let parameters = Parameters { prompt, negative_prompt, settings };
            prop_assert_eq!(Parameters::parse(&parameters.to_text()), parameters);
        }
    }
}
