//! Every equation, algorithm and section that a comment cites stands in `docs/paper-map.md`.
//!
//! The grammar, which that file explains to its readers:
//!
//! ```text
//! citation  = source { ", " place }           a place belongs to the nearest source before it,
//!                                             within the same paragraph of the same comment
//! source    = name | authors year | arxiv
//! name      = a name or an alias from the table of sources
//! authors   = Surname [ " et al." | " and " Surname | " & " Surname ]
//! year      = four digits [ letter ]
//! arxiv     = "arXiv " digits "." digits
//! place     = "Eq. 4" | "Eqs. 4 and 6" | "Algorithm 2" | "Section 3.1" | "Table 2" | "Appendix B" | "Figure 1"
//! ```
//!
//! Long and short forms of a place (`Equation 4`, `Alg. 2`) mean the same, as do `section` and `Section`.

use anyhow::Result;
use regex::Regex;

use super::paper_map::{self, PaperMap};
use super::{Finding, Verdict};
use crate::rust_source::Line;
use crate::workspace::Workspace;

/// Compares the comments of all crates with the paper map, and the map with the files it names.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let Some(text) = workspace.text(paper_map::PATH) else {
        return Ok(
            vec![Finding::in_file(paper_map::PATH, "is missing; it maps papers to code and tests")].into()
        );
    };
    let grammar = Grammar::new()?;
    let (map, mut findings) = PaperMap::parse(text, &grammar);
    findings.extend(map.broken_links(&workspace.rust));
    let names = map.names_pattern()?;
    for file in workspace.rust.iter().filter(|file| file.path.starts_with("crates/")) {
        for paragraph in paragraphs(&file.lines) {
            for (offset, message) in problems(&paragraph.text, &grammar, &names, &map) {
                findings.push(Finding::at(&file.path, paragraph.line_at(offset), message));
            }
        }
    }
    Ok(findings.into())
}

/// The patterns of the grammar.
pub(crate) struct Grammar {
    authors: Regex,
    arxiv: Regex,
    place: Regex,
    number: Regex,
}

impl Grammar {
    /// Compiles the patterns.
    pub(crate) fn new() -> Result<Self> {
        let surname = r"\p{Lu}[\p{L}'’-]+";
        let number = r"(?:[A-Z](?:\.\d+)*|\d+(?:\.\d+)*[a-z]?)\b";
        let kind = "Eq|Equation|Alg|Algorithm|[Ss]ection|Table|Appendi(?:x|ces)|Fig|Figure";
        let list = format!(r"{number}(?:(?:, and |, | and ){number})*");
        Ok(Self {
            authors: Regex::new(&format!(r"\b{surname}(?: et al\.| and {surname})? (?:19|20)\d\d[a-z]?\b"))?,
            arxiv: Regex::new(r"\barXiv[: ]\s?(\d{4}\.\d{4,5})")?,
            place: Regex::new(&format!(r"\b({kind})(s?)\.? \(?({list})\)?(\s?[-–]\s?\d)?"))?,
            number: Regex::new(number)?,
        })
    }

    /// The arXiv numbers that a text mentions.
    pub(crate) fn arxiv_numbers<'a>(&self, text: &'a str) -> Vec<&'a str> {
        self.arxiv.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str())).collect()
    }

    /// The places in a text, in one form each, with where they stand.
    pub(crate) fn places(&self, text: &str) -> Vec<(usize, Result<String, String>)> {
        let mut places = Vec::new();
        for found in self.place.captures_iter(text) {
            let [kind, plural, list] =
                [1, 2, 3].map(|group| found.get(group).map_or("", |part| part.as_str()));
            let at = found.get(0).map_or(0, |whole| whole.start());
            if found.get(4).is_some() {
                let message = format!("`{}...` is a range; write every number", &found[0]);
                places.push((at, Err(message)));
                continue;
            }
            let kind = canonical_kind(kind);
            let is_plural = !plural.is_empty() || found[1].ends_with("ces");
            let numbers = self.number.find_iter(list).take(if is_plural { usize::MAX } else { 1 });
            for number in numbers.map(|number| number.as_str()) {
                // "Section I" is the beginning of a sentence; only appendices have bare letters.
                let is_word = number.chars().all(char::is_alphabetic) && kind != "Appendix";
                if !is_word {
                    places.push((at, Ok(format!("{kind} {number}"))));
                }
            }
        }
        places
    }
}

fn canonical_kind(kind: &str) -> &'static str {
    match kind.as_bytes()[0] {
        b'E' => "Eq.",
        b'F' => "Figure",
        b'T' => "Table",
        b'S' | b's' => "Section",
        _ if kind.starts_with("Al") => "Algorithm",
        _ => "Appendix",
    }
}

/// Text as names are compared: without the marks of code, and with one word for "and".
pub(crate) fn normalised(text: &str) -> String {
    text.replace('`', "").replace('&', "and")
}

/// Comment lines up to the next line of code or empty comment, joined.
struct Paragraph {
    text: String,
    /// Where each line begins in the text, and its number in the file.
    starts: Vec<(usize, usize)>,
}

impl Paragraph {
    fn line_at(&self, offset: usize) -> usize {
        self.starts.iter().rev().find(|(start, _)| *start <= offset).map_or(1, |(_, line)| *line)
    }
}

fn paragraphs(lines: &[Line]) -> Vec<Paragraph> {
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(lines) {
        let text = normalised(line.comment.trim());
        if !text.is_empty() {
            match paragraphs.last_mut().filter(|_| goes_on && line.is_comment()) {
                Some(paragraph) => {
                    paragraph.text.push(' ');
                    paragraph.starts.push((paragraph.text.len(), number));
                    paragraph.text.push_str(&text);
                }
                None => paragraphs.push(Paragraph { text, starts: vec![(0, number)] }),
            }
        }
        goes_on = line.is_comment();
    }
    paragraphs
}

/// A source where it is mentioned; none if it is not declared.
struct Mention<'a> {
    start: usize,
    end: usize,
    source: Option<&'a str>,
}

/// What is wrong with the citations of a paragraph, with where it stands.
fn problems(text: &str, grammar: &Grammar, names: &Regex, map: &PaperMap) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut mentions: Vec<Mention<'_>> = names
        .find_iter(text)
        .map(|name| Mention { start: name.start(), end: name.end(), source: map.source_named(name.as_str()) })
        .collect();
    for authors in grammar.authors.find_iter(text) {
        if mentions.iter().all(|mention| authors.end() <= mention.start || mention.end <= authors.start()) {
            found.push((authors.start(), undeclared(authors.as_str())));
            mentions.push(Mention { start: authors.start(), end: authors.end(), source: None });
        }
    }
    for arxiv in grammar.arxiv.captures_iter(text) {
        let (whole, number) = (arxiv.get(0).map_or(0..0, |whole| whole.range()), &arxiv[1]);
        let source = map.source_with_arxiv(number);
        // "Ho et al. 2020, arXiv 2006.11239" says the same thing twice.
        let named = mentions.iter().find(|mention| text.get(mention.end..whole.start) == Some(", "));
        match (source, named.and_then(|mention| mention.source)) {
            (None, _) => found.push((whole.start, undeclared(&arxiv[0]))),
            (Some(source), Some(named)) if source != named => {
                found.push((whole.start, format!("`{}` is {source}, not {named}", &arxiv[0])));
            }
            _ => {}
        }
        mentions.push(Mention { start: whole.start, end: whole.end, source });
    }
    for (at, place) in grammar.places(text) {
        let nearest = mentions.iter().filter(|mention| mention.end <= at).max_by_key(|mention| mention.end);
        let problem = match (place, nearest.map(|mention| mention.source)) {
            (Err(problem), _) => Some(problem),
            (Ok(place), None) => {
                Some(format!("`{place}` of which source? Name it before, in the same paragraph"))
            }
            (Ok(place), Some(Some(source))) if !map.has_row(source, &place) => {
                let path = paper_map::PATH;
                Some(format!("`{source}, {place}` has no row in {path}; add one with its code and its test"))
            }
            _ => None,
        };
        found.extend(problem.map(|problem| (at, problem)));
    }
    found
}

fn undeclared(source: &str) -> String {
    format!("`{source}` is not among the sources of {}; add its title and its address", paper_map::PATH)
}

#[cfg(test)]
mod tests {
    use super::{Grammar, PaperMap, paragraphs, problems};
    use crate::rust_source;

    const MAP: &str = "\
| source | also cited as | title | where |
|---|---|---|---|
| Ren et al. 2024 | ByteEdit, the paper | ByteEdit | arXiv 2404.04860 |
| Ho et al. 2020 | | DDPM | arXiv 2006.11239 |
| Ho and Salimans 2022 | | Guidance | arXiv 2207.12598 |
| IEC 61966-2-1 | | sRGB | https://webstore.iec.ch |

| source | place | code | test |
|---|---|---|---|
| Ho et al. 2020 | Eq. 4 | `a.rs::a` | `a.rs::b` |
| Ho et al. 2020 | Appendix B | `a.rs::a` | `a.rs::b` |
| Ren et al. 2024 | Section 4.1 | `a.rs::a` | `a.rs::b` |
| IEC 61966-2-1 | Section 5.2 | `a.rs::a` | `a.rs::b` |
";

    /// The messages for a Rust text, each after its line.
    fn messages(text: &str) -> Vec<(usize, String)> {
        let grammar = Grammar::new().unwrap();
        let (map, findings) = PaperMap::parse(MAP, &grammar);
        assert!(findings.is_empty(), "{findings:?}");
        let names = map.names_pattern().unwrap();
        let lines = rust_source::lines(text);
        let found = paragraphs(&lines).into_iter().flat_map(|paragraph| {
            let problems = problems(&paragraph.text, &grammar, &names, &map);
            problems.into_iter().map(|(at, message)| (paragraph.line_at(at), message)).collect::<Vec<_>>()
        });
        found.collect()
    }

    #[test]
    fn citations_with_a_row_are_fine() {
        let text = "\
//! Diffusion (Ho et al. 2020, arXiv 2006.11239, Eq. 4 and Appendix B).
//! The masks of `ByteEdit` (section 4.1).

/// sRGB (IEC 61966-2-1, section 5.2), and Ho
/// et al. 2020, Equation (4), once more.
fn f() {} // Ho & Salimans 2022
/// The paper says nothing of it; the table, Section I and an equation of 4 terms are no places.
";
        assert_eq!(messages(text), []);
    }

    #[test]
    fn a_place_without_a_row_is_found_on_its_line() {
        let found = messages("//! Denoising (Ho et al. 2020,\n//! Eqs. 4 and 12) and\n//! more (Alg. 2).\n");
        let [(2, eq), (3, algorithm)] = &found[..] else { panic!("{found:?}") };
        assert!(eq.starts_with("`Ho et al. 2020, Eq. 12` has no row in docs/paper-map.md"), "{eq}");
        assert!(algorithm.starts_with("`Ho et al. 2020, Algorithm 2` has no row"), "{algorithm}");
    }

    #[test]
    fn the_nearest_source_before_counts() {
        let found = messages("/// Ho et al. 2020, Eq. 4; the paper, Eq. 4.\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].1.starts_with("`Ren et al. 2024, Eq. 4` has no row"), "{found:?}");
    }

    #[test]
    fn a_place_needs_a_source_in_its_paragraph() {
        for text in [
            "// As Eq. 4 says.\n",
            "/// Ho et al. 2020.\n///\n/// See Eq. 4.\n",
            "// Ho et al. 2020\nx // Eq. 4\n",
        ] {
            let found = messages(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].1.starts_with("`Eq. 4` of which source?"), "{found:?}");
        }
    }

    #[test]
    fn unknown_sources_are_found() {
        let found = messages("/// Kingma & Ba 2015, Algorithm 1; Guttenberg 2023; arXiv 9999.12345.\n");
        let starts = ["`Kingma and Ba 2015` is not", "`Guttenberg 2023` is not", "`arXiv 9999.12345` is not"];
        assert_eq!(found.len(), starts.len(), "{found:?}");
        for ((_, message), start) in found.iter().zip(starts) {
            assert!(message.starts_with(start), "{message}");
        }
    }

    #[test]
    fn a_number_of_another_paper_is_found() {
        let found = messages("/// Ho & Salimans 2022, arXiv 2006.11239.\n");
        assert_eq!(found, [(1, "`arXiv 2006.11239` is Ho et al. 2020, not Ho and Salimans 2022".to_owned())]);
    }

    #[test]
    fn ranges_are_refused() {
        let found = messages("/// Ho et al. 2020, Eqs. 4-6.\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains("is a range; write every number"), "{found:?}");
    }

    #[test]
    fn strings_and_code_cite_nothing() {
        assert_eq!(messages("let s = \"Ho et al. 1999, Eq. 7\";\nEq. 4\n"), []);
    }
}
