//! Files as parts of a page that needs no other file.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use glob::Pattern;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

use crate::files;

/// Of many pictures, the last ones: those of a run are named by their steps.
const MAX_BITMAPS: usize = 3;
/// Largest picture that is put into the page.
const MAX_BITMAP_BYTES: u64 = 64 << 20;
/// Most characters of a text.
const MAX_CHARACTERS: usize = 200_000;

/// How a file is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A picture, with its media type.
    Bitmap(&'static str),
    /// A drawing.
    Svg,
    /// A text with tables.
    Markdown,
    /// Anything to be read as it is.
    Text,
}

impl Kind {
    /// The ends of names that can be shown, for messages.
    pub(super) const NAMES: &'static str = "png, jpg, webp, svg, md, json, jsonl or txt";

    /// By the end of a name; `None` for what cannot be shown.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match Path::new(name).extension()?.to_str()? {
            "png" => Self::Bitmap("image/png"),
            "jpg" | "jpeg" => Self::Bitmap("image/jpeg"),
            "webp" => Self::Bitmap("image/webp"),
            "svg" => Self::Svg,
            "md" => Self::Markdown,
            "json" | "jsonl" | "txt" => Self::Text,
            _ => return None,
        })
    }
}

/// A pattern that stays within the folder it counts from.
///
/// # Errors
/// One that leaves it, or that is none.
pub(super) fn checked_pattern(pattern: &str) -> anyhow::Result<Pattern> {
    let is_inside = Path::new(pattern).components().all(|part| matches!(part, Component::Normal(_)));
    if !is_inside || pattern.is_empty() {
        bail!(
            "`show` has `{pattern}`, which leaves the output folder; name files from that folder, without .."
        );
    }
    Pattern::new(pattern)
        .with_context(|| format!("`show` has `{pattern}`, which is no pattern; * ? [a-z] are known"))
}

/// What a pattern finds in the folder `out`, as HTML; a file that cannot be shown is said to be so.
pub(super) fn exhibit(pattern: &str, out: &Path) -> String {
    let found = found(pattern, out);
    if found.is_empty() {
        return note(&format!("Nothing is called {pattern} yet."));
    }
    let shown = |path: &PathBuf| {
        let name = files::name_within(path, out);
        html_of(path, &name).unwrap_or_else(|error| note(&format!("{name} is not shown: {error:#}")))
    };
    let parts: Vec<_> = found.iter().map(shown).collect();
    if matches!(Kind::of(pattern), Some(Kind::Bitmap(_))) {
        return format!("<div class=\"gallery\">\n{}</div>\n", parts.concat());
    }
    parts.concat()
}

/// The files in the order of their names.
fn found(pattern: &str, out: &Path) -> Vec<PathBuf> {
    let all = format!("{}/{pattern}", Pattern::escape(&out.to_string_lossy()));
    let paths = glob::glob(&all).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
    if pattern.contains('*') && matches!(Kind::of(pattern), Some(Kind::Bitmap(_))) {
        paths.drain(..paths.len().saturating_sub(MAX_BITMAPS));
    }
    paths
}

fn html_of(path: &Path, name: &str) -> anyhow::Result<String> {
    let caption = escaped(name);
    Ok(match Kind::of(name) {
        Some(Kind::Bitmap(_)) => {
            let uri = data_uri(path)?;
            format!(
                "<figure><img alt=\"{caption}\" src=\"{uri}\"><figcaption>{caption}</figcaption></figure>\n"
            )
        }
        Some(Kind::Svg) => {
            let text = files::read_text(path)?;
            format!("<figure>{}<figcaption>{caption}</figcaption></figure>\n", drawing(&text)?)
        }
        Some(Kind::Markdown) => {
            let text = files::read_text(path)?;
            format!("<div class=\"text\">\n{}</div>\n", markdown(&text, files::folder_of(path)))
        }
        _ => details(name, &files::read_text(path)?),
    })
}

/// A picture in the place of its address.
fn data_uri(path: &Path) -> anyhow::Result<String> {
    let Some(Kind::Bitmap(media)) = path.to_str().and_then(Kind::of) else {
        bail!("it is no png, jpg or webp");
    };
    let n_bytes = fs::metadata(path)?.len();
    if n_bytes > MAX_BITMAP_BYTES {
        bail!("it has {} MiB, more than the {} that are shown", n_bytes >> 20, MAX_BITMAP_BYTES >> 20);
    }
    Ok(format!("data:{media};base64,{}", STANDARD.encode(fs::read(path)?)))
}

/// The drawing without what stands before it in a file of its own.
fn drawing(text: &str) -> anyhow::Result<&str> {
    let start = text.find("<svg").context("there is no <svg in it")?;
    if text.contains("<script") {
        bail!("there is a script in it");
    }
    Ok(&text[start..])
}

/// Markdown as HTML: its pictures from `folder` put in, its links, which would lead nowhere, as their text, and
/// HTML in it as text.
fn markdown(text: &str, folder: &Path) -> String {
    let shown = |event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::Link { .. }) | Event::End(TagEnd::Link) => None,
        Event::Start(mut tag) => {
            if let Tag::Image { dest_url, .. } = &mut tag
                && let Ok(uri) = data_uri(&folder.join(&**dest_url))
            {
                *dest_url = uri.into();
            }
            Some(Event::Start(tag))
        }
        event => Some(event),
    };
    let mut page = String::new();
    html::push_html(&mut page, Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(shown));
    page
}

/// A text that opens when it is clicked.
pub(super) fn details(title: &str, text: &str) -> String {
    let end = text.char_indices().nth(MAX_CHARACTERS).map(|(end, _)| end);
    let (shown, more) = end.map_or((text, ""), |end| (&text[..end], "\n... (cut off)"));
    let (title, shown) = (escaped(title), escaped(shown));
    format!("<details><summary>{title}</summary><pre>{shown}{more}</pre></details>\n")
}

/// A remark of the page itself.
fn note(text: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", escaped(text))
}

/// The text as HTML shows it, between tags and in attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn of_many_pictures_the_last_three_are_shown() {
        let names = ["s/1.png", "s/2.png", "s/3.png", "s/4.png", "s/a.txt"];
        let folder = with(&names.map(|name| (name, "abc")));
        let shown = |pattern: &str| {
            let paths = found(pattern, folder.path());
            paths.iter().map(|path| files::name_within(path, folder.path())).collect::<Vec<_>>()
        };
        assert_eq!(shown("s/*.png"), names[1..4]);
        assert_eq!(shown("s/[1-4].png"), names[..4]);
        assert_eq!(shown("s/*.txt"), ["s/a.txt"]);
        assert!(shown("s").is_empty() && shown("*.png").is_empty());
        let html = exhibit("s/4.png", folder.path());
        assert!(html.contains("src=\"data:image/png;base64,YWJj\"") && html.contains(">s/4.png<"), "{html}");
        assert_eq!(exhibit("s/*.svg", folder.path()), note("Nothing is called s/*.svg yet."));
    }

    #[test]
    fn markdown_has_tables_and_its_pictures_and_no_html_of_its_own() {
        let text = "| a | b |\n| --- | --- |\n| <b>1</b> | ![p](p.png) |\n\n<script>alert(1)</script>\n\n[there](x.md)\n";
        let folder = with(&[("r/t.md", text), ("r/p.png", "abc")]);
        let html = exhibit("r/t.md", folder.path());
        for part in ["<table>", "&lt;b&gt;1", "data:image/png;base64,YWJj", "&lt;script&gt;", "there"] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("<script") && !html.contains("<a "), "{html}");
    }

    #[test]
    fn drawings_lose_their_prologue_and_texts_are_escaped() {
        let svg = "<?xml version=\"1.0\"?>\n<svg><path/></svg>";
        let folder =
            with(&[("a.svg", svg), ("b.svg", "<svg><script/></svg>"), ("c.json", "{\"a\": \"<b>\"}")]);
        let html = exhibit("a.svg", folder.path());
        assert!(html.contains("<figure><svg><path/></svg>") && !html.contains("<?xml"), "{html}");
        let html = exhibit("b.svg", folder.path());
        assert!(html.contains("b.svg is not shown: there is a script"), "{html}");
        let html = exhibit("*.json", folder.path());
        assert!(
            html.contains("<details>") && html.contains("{&quot;a&quot;: &quot;&lt;b&gt;&quot;}"),
            "{html}"
        );
        let long = details("long", &"é".repeat(MAX_CHARACTERS + 1));
        assert_eq!((long.matches('é').count(), long.contains("cut off")), (MAX_CHARACTERS, true));
    }

    #[test]
    fn folders_whose_names_look_like_patterns_are_folders() {
        let folder = with(&[("[run] *1/a.txt", "it")]);
        assert_eq!(found("a.txt", &folder.path().join("[run] *1")).len(), 1);
    }
}
