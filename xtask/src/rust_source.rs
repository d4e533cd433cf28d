//! Rust text, line by line, with code and comments told apart and strings emptied.
//!
//! The checks ask questions such as "does a library print?", to which a word in a comment or a string
//! is no answer. This knows as much of Rust's lexical grammar as those questions need (The Rust
//! Reference, "Lexical structure"): comments, nested or not, strings of all kinds, character literals.

/// One line of a Rust file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The code with every string and character literal emptied.
    pub(crate) code: String,
    /// The text of its comments without the marks that begin them.
    pub(crate) comment: String,
    /// Whether it stands in an item that is compiled for tests alone.
    pub(crate) in_test: bool,
}

impl Line {
    /// Whether there is nothing but a comment on it.
    pub(crate) fn is_comment(&self) -> bool {
        self.code.trim().is_empty() && !self.comment.is_empty()
    }
}

/// Splits a file's text into lines.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let mut scanner =
        Scanner { chars: text.chars().collect(), at: 0, line: Line::default(), lines: Vec::new() };
    while scanner.at < scanner.chars.len() {
        scanner.step();
    }
    scanner.end_line();
    mark_tests(&mut scanner.lines);
    scanner.lines
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    line: Line,
    lines: Vec<Line>,
}

impl Scanner {
    /// Reads one token, or one character of code.
    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some('/'), Some('/')) => self.line_comment(),
            (Some('/'), Some('*')) => self.block_comment(),
            (Some('"'), _) => self.string(),
            (Some('r'), Some('"' | '#')) if self.starts_raw_string() => self.raw_string(),
            (Some('\''), _) => self.quote(),
            (Some(c), _) => self.code(c),
            (None, _) => {}
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Takes one character as code.
    fn code(&mut self, c: char) {
        self.at += 1;
        if c == '\n' {
            self.end_line();
        } else {
            self.line.code.push(c);
        }
    }

    /// Passes over one character of a literal, which may span lines.
    fn skip(&mut self) {
        if self.peek(0) == Some('\n') {
            self.end_line();
        }
        self.at += 1;
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        line.comment.truncate(line.comment.trim_end().len());
        self.lines.push(line);
    }

    fn line_comment(&mut self) {
        let rest = &self.chars[self.at..];
        let length = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
        let text: String = rest[..length].iter().collect();
        let text = text.trim_start_matches('/');
        self.line.comment.push_str(text.strip_prefix('!').unwrap_or(text));
        self.at += length;
    }

    fn block_comment(&mut self) {
        self.at += 2;
        let mut depth = 1;
        while depth > 0 {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return,
                (Some('*'), Some('/')) => (depth, self.at) = (depth - 1, self.at + 2),
                (Some('/'), Some('*')) => (depth, self.at) = (depth + 1, self.at + 2),
                (Some('\n'), _) => self.skip(),
                (Some(c), _) => {
                    self.line.comment.push(c);
                    self.at += 1;
                }
            }
        }
    }

    fn string(&mut self) {
        self.line.code.push_str("\"\"");
        self.at += 1;
        while let Some(c) = self.peek(0) {
            if c == '\\' {
                self.skip();
            }
            self.skip();
            if c == '"' {
                return;
            }
        }
    }

    /// Whether `r` begins `r"`, `r#"`, ... rather than ending a name or beginning `r#name`.
    fn starts_raw_string(&self) -> bool {
        let before = self.line.code.chars().next_back();
        let in_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let is_prefix = matches!(before, Some('b' | 'c')) && !self.ends_longer_name();
        let after = self.chars[self.at + 1..].iter().find(|c| **c != '#');
        (!in_name || is_prefix) && after == Some(&'"')
    }

    /// Whether the code so far ends with a name of two or more characters.
    fn ends_longer_name(&self) -> bool {
        self.line.code.chars().rev().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn raw_string(&mut self) {
        self.at += 1;
        let n_marks = self.chars[self.at..].iter().take_while(|c| **c == '#').count();
        self.line.code.push_str("\"\"");
        self.at += n_marks + 1;
        while let Some(c) = self.peek(0) {
            self.skip();
            let closes = c == '"' && (0..n_marks).all(|ahead| self.peek(ahead) == Some('#'));
            if closes {
                self.at += n_marks;
                return;
            }
        }
    }

    /// A character literal, or the mark of a lifetime or a label.
    fn quote(&mut self) {
        let is_escape = self.peek(1) == Some('\\');
        if !is_escape && self.peek(2) != Some('\'') {
            return self.code('\'');
        }
        self.line.code.push_str("''");
        let n_opening = if is_escape { 3 } else { 2 };
        (0..n_opening).for_each(|_| self.skip());
        while self.peek(0).is_some_and(|c| c != '\'') {
            self.skip();
        }
        self.skip();
    }
}

/// Marks the items behind `#[cfg(test)]`, up to the brace that closes them or the semicolon that ends
/// them.
fn mark_tests(lines: &mut [Line]) {
    // Braces hold the item; a semicolon in parentheses or brackets, as in `[u8; 4]`, does not end it.
    let (mut waiting, mut depth, mut n_brackets) = (false, 0_usize, 0_usize);
    for line in lines {
        let mut code = line.code.as_str();
        line.in_test = waiting || depth > 0;
        if !line.in_test {
            let Some((_, after)) = code.split_once("#[cfg(test)]") else { continue };
            (line.in_test, waiting, code) = (true, true, after);
        }
        for c in code.chars() {
            match c {
                '{' => (waiting, depth) = (false, depth + 1),
                '}' => depth = depth.saturating_sub(1),
                '(' | '[' => n_brackets += 1,
                ')' | ']' => n_brackets = n_brackets.saturating_sub(1),
                ';' if depth + n_brackets == 0 => waiting = false,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::lines;

    fn code(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|line| line.code).collect()
    }

    fn comments(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|line| line.comment).collect()
    }

    #[test]
    fn comments_leave_the_code() {
        let text = "//! About\nlet a = 1; // one\n/* two\n /* nested */ three */ let b;\n//\n";
        assert_eq!(comments(text), [" About", " one", " two", "  nested  three", "", ""]);
        assert_eq!(code(text), ["", "let a = 1; ", "", " let b;", "", ""]);
        assert!(lines(text)[0].is_comment() && !lines(text)[1].is_comment());
    }

    #[test]
    fn strings_of_every_kind_are_emptied() {
        for literal in [
            r#""println!(\"{}\")""#,
            r#"r"// no comment""#,
            r##"r#"a " quote"#"##,
            r#"b"bytes""#,
            r##"br#"raw " bytes"#"##,
            "\"two\nlines\"",
            "\"a \\\n  continued line\"",
        ] {
            let text = format!("f({literal}); g() // end\n");
            let all = code(&text).concat();
            assert!(all.starts_with("f(") && all.ends_with("\"\"); g() "), "{literal}: {all}");
            assert_eq!(comments(&text).concat(), " end", "{literal}");
        }
    }

    #[test]
    fn names_that_end_with_r_are_no_raw_strings() {
        assert_eq!(code("let r#type = attr#\"x\"#;")[0], "let r#type = attr#\"\"#;");
    }

    #[test]
    fn quotes_are_characters_or_lifetimes() {
        let text = r"fn f<'a>(x: &'a str) { x == '\'' || y == '{' || z == '\u{1F}' || b'\\' } // '";
        assert_eq!(code(text)[0], "fn f<'a>(x: &'a str) { x == '' || y == '' || z == '' || b'' } ");
        assert_eq!(comments(text)[0], " '");
    }

    #[test]
    fn test_items_are_marked() {
        for (item, marks) in [
            ("mod tests {\n    fn b() { \"}\"; }\n}", "tttt"),
            ("mod other;", "tt"),
            ("#[derive(Debug)]\nstruct S([u8; 4]);", "ttt"),
            ("fn f(a: [u8; 4]) {\n}", "ttt"),
        ] {
            let text = format!("fn a() {{}}\n#[cfg(test)]\n{item}\nfn c() {{}}");
            let marked =
                lines(&text).iter().map(|line| if line.in_test { 't' } else { '.' }).collect::<String>();
            assert_eq!(marked, format!(".{marks}."), "{item}");
        }
    }

    proptest! {
        #[test]
        fn no_string_hides_what_follows(content in any::<String>()) {
            let text = format!("let s = {content:?}; // end");
            prop_assert_eq!(code(&text).concat(), "let s = \"\"; ");
            prop_assert_eq!(comments(&text).concat(), " end");
        }

        #[test]
        fn every_line_is_accounted_for(text in "[a-z'\"#/*r\\\\\n {}!]{0,60}") {
            prop_assert_eq!(lines(&text).len(), text.matches('\n').count() + 1);
        }
    }
}
