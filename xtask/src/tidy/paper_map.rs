//! `docs/paper-map.md`: which paper is where in the code, and which test holds the code to it.
//!
//! Two Markdown tables, known by their headings. Sources have a short name, aliases, a title and an
//! address; rows have a source, a place in it, paths of items and paths of tests.

use anyhow::Result;
use regex::Regex;

use super::citations::{Grammar, normalised};
use super::{Finding, links};
use crate::rust_source::Line;
use crate::workspace::RustFile;

/// Where the map is.
pub(crate) const PATH: &str = "docs/paper-map.md";

const SOURCES_HEAD: [&str; 4] = ["source", "also cited as", "title", "where"];
const ROWS_HEAD: [&str; 4] = ["source", "place", "code", "test"];

/// The two tables.
#[derive(Default)]
pub(crate) struct PaperMap {
    sources: Vec<Source>,
    rows: Vec<Row>,
}

struct Source {
    name: String,
    aliases: Vec<String>,
    arxiv: Option<String>,
}

struct Row {
    line: usize,
    source: String,
    place: String,
    items: Vec<String>,
    tests: Vec<String>,
}

impl PaperMap {
    /// Reads both tables, with what is wrong in them.
    pub(crate) fn parse(text: &str, grammar: &Grammar) -> (Self, Vec<Finding>) {
        let (mut map, mut findings) = (Self::default(), Vec::new());
        let mut head: Vec<String> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let Some(cells) = cells(text) else {
                head.clear();
                continue;
            };
            if head.is_empty() {
                head = cells;
            } else if cells.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':'))) {
                // The rule below the heading.
            } else if head == SOURCES_HEAD {
                map.add_source(&cells, grammar);
            } else if head == ROWS_HEAD
                && let Err(message) = map.add_row(line, &cells, grammar)
            {
                findings.push(Finding::at(PATH, line, message));
            }
        }
        (map, findings)
    }

    fn add_source(&mut self, cells: &[String], grammar: &Grammar) {
        let [name, aliases, _, address] = cells else { return };
        self.sources.push(Source {
            name: normalised(name),
            aliases: list(aliases).map(|alias| normalised(&alias)).collect(),
            arxiv: grammar.arxiv_numbers(address).first().map(|number| (*number).to_owned()),
        });
    }

    fn add_row(&mut self, line: usize, cells: &[String], grammar: &Grammar) -> Result<(), String> {
        let [source, place, items, tests] = cells else {
            return Err(format!("{} cells; a row has a source, a place, its code and its test", cells.len()));
        };
        let source = normalised(source);
        if self.sources.iter().all(|known| known.name != source) {
            return Err(format!("`{source}` is not in the table of sources above; add it there"));
        }
        let places = grammar.places(place);
        let [(_, Ok(canonical))] = &places[..] else {
            return Err(format!("`{place}` is not one place, such as `Eq. 4`; see the head of this file"));
        };
        if canonical != place {
            return Err(format!(
                "write `{canonical}` for `{place}`, the form in which citations are compared"
            ));
        }
        if self.has_row(&source, place) {
            return Err(format!("`{source}, {place}` has a row already; join the two"));
        }
        let row = Row {
            line,
            source,
            place: place.clone(),
            items: list(items).collect(),
            tests: list(tests).collect(),
        };
        let is_complete = !(row.items.is_empty() || row.tests.is_empty());
        self.rows.push(row);
        if is_complete { Ok(()) } else { Err("a row needs at least one item and one test".to_owned()) }
    }

    /// Whether the map says where this place of this source is.
    pub(crate) fn has_row(&self, source: &str, place: &str) -> bool {
        self.rows.iter().any(|row| row.source == source && row.place == place)
    }

    /// The source with this name or alias.
    pub(crate) fn source_named(&self, name: &str) -> Option<&str> {
        let is_called =
            |source: &&Source| source.name == name || source.aliases.iter().any(|alias| alias == name);
        self.sources.iter().find(is_called).map(|source| source.name.as_str())
    }

    /// The source with this arXiv number.
    pub(crate) fn source_with_arxiv(&self, number: &str) -> Option<&str> {
        let has_number = |source: &&Source| source.arxiv.as_deref() == Some(number);
        self.sources.iter().find(has_number).map(|source| source.name.as_str())
    }

    /// Finds the names and aliases of all sources, longer ones first.
    ///
    /// # Errors
    /// A pattern that grew too large.
    pub(crate) fn names_pattern(&self) -> Result<Regex> {
        let mut names: Vec<&str> = self
            .sources
            .iter()
            .flat_map(|source| std::iter::once(&source.name).chain(&source.aliases))
            .map(String::as_str)
            .collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let names: Vec<String> = names.into_iter().map(regex::escape).collect();
        // Without any source nothing matches: `$^` needs an end before the beginning.
        let pattern =
            if names.is_empty() { "$^".to_owned() } else { format!(r"\b(?:{})\b", names.join("|")) };
        Ok(Regex::new(&pattern)?)
    }

    /// Items and tests that the map names and no file has.
    pub(crate) fn broken_links(&self, files: &[RustFile]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for row in &self.rows {
            let items = row.items.iter().map(|path| (path, false));
            let tests = row.tests.iter().map(|path| (path, true));
            for (path, is_test) in items.chain(tests) {
                if let Err(message) = resolve(path, is_test, files) {
                    findings.push(Finding::at(PATH, row.line, format!("`{path}`: {message}")));
                }
            }
        }
        findings
    }
}

/// Whether the item exists; a test has to be a function, or a macro that makes several.
fn resolve(path: &str, is_test: bool, files: &[RustFile]) -> Result<(), String> {
    let file = links::item(path, files)?;
    let name = path.rsplit("::").next().unwrap_or_default();
    let forms = [format!("fn {name}("), format!("macro_rules! {name} ")];
    let declares_it = |line: &Line| forms.iter().any(|form| line.code.contains(form));
    if is_test && !file.lines.iter().any(declares_it) {
        return Err("is no test function".to_owned());
    }
    Ok(())
}

/// The cells of a Markdown table's row, or none for any other line.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// What a cell lists: parts between commas, without the marks of code.
fn list(cell: &str) -> impl Iterator<Item = String> {
    cell.split(", ").map(|part| part.trim_matches(['`', ' ']).to_owned()).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Grammar, PaperMap};
    use crate::workspace::RustFile;

    const SOURCES: &str = "\
| source | also cited as | title | where |
|:---|---|---|---|
| Ho & Salimans 2022 | CFG, `cfg` | Guidance | [arXiv 2207.12598](https://arxiv.org/abs/2207.12598) |

| source | place | code | test |
|---|---|---|---|
";

    /// What is said about one row below the sources, for a workspace of one file.
    fn messages(row: &str) -> Vec<String> {
        let (map, mut findings) = PaperMap::parse(&format!("{SOURCES}{row}\n"), &Grammar::new().unwrap());
        let text = "impl Guided { fn combine() {} }\n#[test]\nfn scale_one() {}\n// never mentioned\n";
        findings.extend(map.broken_links(&[RustFile::new("a/guidance.rs", text)]));
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_complete_row_is_fine() {
        let row = "| Ho and Salimans 2022 | Eq. 6 | `a/guidance.rs::Guided::combine` | `a/guidance.rs::scale_one` |";
        assert_eq!(messages(row), Vec::<String>::new());
    }

    #[test]
    fn sources_are_found_by_name_alias_and_number() {
        let (map, _) = PaperMap::parse(SOURCES, &Grammar::new().unwrap());
        let name = Some("Ho and Salimans 2022");
        assert_eq!(map.source_named("Ho and Salimans 2022"), name);
        assert_eq!(map.source_named("cfg"), name);
        assert_eq!(map.source_with_arxiv("2207.12598"), name);
        assert_eq!(map.source_named("Guidance"), None);
        let pattern = map.names_pattern().unwrap();
        assert!(pattern.is_match("as CFG does") && !pattern.is_match("CFGs"));
        assert!(!PaperMap::default().names_pattern().unwrap().is_match("anything"));
    }

    #[test]
    fn every_mistake_in_a_row_is_named() {
        let item = "`a/guidance.rs::Guided`";
        let test = "`a/guidance.rs::scale_one`";
        for (row, part) in [
            (format!("| Lu 2022 | Eq. 6 | {item} | {test} |"), "`Lu 2022` is not in the table of sources"),
            (
                format!("| Ho & Salimans 2022 | Equation 6 | {item} | {test} |"),
                "write `Eq. 6` for `Equation 6`",
            ),
            (format!("| Ho & Salimans 2022 | page 6 | {item} | {test} |"), "`page 6` is not one place"),
            (format!("| Ho & Salimans 2022 | Eqs. 6 and 7 | {item} | {test} |"), "is not one place"),
            (format!("| Ho & Salimans 2022 | Eq. 6 | {item} | |"), "needs at least one item and one test"),
            (format!("| Ho & Salimans 2022 | Eq. 6 | {item} |"), "3 cells"),
            (
                format!("| Ho & Salimans 2022 | Eq. 6 | {item} | `a/guidance.rs::Guided` |"),
                "is no test function",
            ),
            (format!("| Ho & Salimans 2022 | Eq. 6 | `a/none.rs::f` | {test} |"), "there is no such file"),
            (
                format!("| Ho & Salimans 2022 | Eq. 6 | `a/guidance.rs::never` | {test} |"),
                "there is no `never`",
            ),
            (format!("| Ho & Salimans 2022 | Eq. 6 | `guidance` | {test} |"), "is not of the form"),
        ] {
            let found = messages(&row);
            assert_eq!(found.len(), 1, "{row}: {found:?}");
            assert!(found[0].starts_with("docs/paper-map.md:7: ") && found[0].contains(part), "{}", found[0]);
        }
    }

    #[test]
    fn a_second_row_for_one_place_is_refused() {
        let row = "| Ho & Salimans 2022 | Eq. 6 | `a/guidance.rs::Guided` | `a/guidance.rs::scale_one` |";
        let found = messages(&format!("{row}\n{row}"));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("docs/paper-map.md:8: `Ho and Salimans 2022, Eq. 6` has a row already"));
    }
}
