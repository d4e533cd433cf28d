//! What a document names exists: files, items in them, and other documents.
//!
//! Checked are code spans such as `crates/nn/src/lib.rs`, `crates/nn/src/init.rs::Init` or `docs/log.md`,
//! and links to documents of the repository. Histories may name what is gone, so they are left out.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use regex::Regex;

use super::{Finding, Verdict, paper_map};
use crate::workspace::{RustFile, Workspace};

/// Documents that tell of the past, and the map, whose own check says more.
const LEFT_OUT: [&str; 3] = ["CHANGELOG.md", "docs/log.md", paper_map::PATH];

/// Looks at every Markdown file.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let patterns = Patterns::new()?;
    let mut findings = Vec::new();
    for document in workspace.texts.iter().filter(|file| is_markdown(&file.path)) {
        if LEFT_OUT.contains(&document.path.as_str()) {
            continue;
        }
        for (number, line) in (1..).zip(document.text.lines()) {
            for problem in patterns.problems(line, &document.path, workspace) {
                findings.push(Finding::at(&document.path, number, problem));
            }
        }
    }
    Ok(findings.into())
}

fn is_markdown(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|kind| kind == "md")
}

struct Patterns {
    span: Regex,
    link: Regex,
}

impl Patterns {
    fn new() -> Result<Self> {
        Ok(Self {
            span: Regex::new(r"`((?:crates|xtask|docs|scripts)/[\w./-]+?\.(?:rs|md|py|sh)(?:::\w+)*)`")?,
            link: Regex::new(r"\]\(([\w./-]+\.md)\)")?,
        })
    }

    fn problems(&self, line: &str, document: &str, workspace: &Workspace) -> Vec<String> {
        let parts = |pattern: &Regex| -> Vec<String> {
            pattern.captures_iter(line).map(|found| found[1].to_owned()).collect()
        };
        let is_file = |path: &str| workspace.text(path).is_some();
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let spans = parts(&self.span).into_iter().filter_map(|path| {
            let problem = if path.contains("::") {
                item(&path, &workspace.rust).err()
            } else {
                (!is_file(&path)).then(|| "there is no such file".to_owned())
            };
            problem.map(|problem| format!("`{path}`: {problem}"))
        });
        let links = parts(&self.link).into_iter().filter(|path| !is_file(&joined(folder, path)));
        spans.chain(links.map(|path| format!("the link to {path} leads nowhere"))).collect()
    }
}

/// A relative path seen from a folder of the repository.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The file of `folder/file.rs::Type::item`, if it has all that the path names.
pub(crate) fn item<'a>(path: &str, files: &'a [RustFile]) -> Result<&'a RustFile, String> {
    let (file, names) = path.split_once(".rs::").ok_or("is not of the form `folder/file.rs::item`")?;
    let file = format!("{file}.rs");
    let found = files.iter().find(|known| known.path == file).ok_or("there is no such file")?;
    let words: BTreeSet<&str> = found.lines.iter().flat_map(|line| words(&line.code)).collect();
    match names.split("::").find(|name| !words.contains(name)) {
        Some(name) => Err(format!("there is no `{name}` in this file; name what the code is called now")),
        None => Ok(found),
    }
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Patterns, joined};
    use crate::workspace::{RustFile, TextFile, Workspace};

    fn problems(line: &str) -> Vec<String> {
        let rust = "impl Init {\n    fn seeded() {} // blank\n}\n";
        let text = |path: &str| TextFile { path: path.to_owned(), text: rust.to_owned() };
        let workspace = Workspace {
            root: PathBuf::new(),
            texts: vec![text("crates/nn/src/init.rs"), text("docs/numerics.md"), text("README.md")],
            rust: vec![RustFile::new("crates/nn/src/init.rs", rust)],
        };
        Patterns::new().unwrap().problems(line, "docs/numerics.md", &workspace)
    }

    #[test]
    fn what_exists_may_be_named() {
        let line = "`crates/nn/src/init.rs`, `crates/nn/src/init.rs::Init::seeded`, [map](../README.md), \
                    [here](numerics.md), `crates/*/src`, `seeded`, [paper](https://arxiv.org/a.md)";
        assert_eq!(problems(line), Vec::<String>::new());
    }

    #[test]
    fn what_is_gone_is_found() {
        let line = "`crates/nn/src/gone.rs` `crates/nn/src/init.rs::blank` `crates/gone/a.rs::b` [a](../docs/gone.md)";
        let found = problems(line);
        let parts = [
            "src/gone.rs`: there is no",
            "no `blank` in this file",
            "a.rs::b`: there is no",
            "leads nowhere",
        ];
        assert_eq!(found.len(), parts.len(), "{found:?}");
        for (problem, part) in found.iter().zip(parts) {
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn paths_are_joined_as_browsers_do() {
        assert_eq!(joined("docs", "log.md"), "docs/log.md");
        assert_eq!(joined("docs/a", "../../README.md"), "README.md");
        assert_eq!(joined("", "./docs/log.md"), "docs/log.md");
    }
}
