//! All stages on one page.

use super::config::PipelineConfig;
use super::exhibit::{details, escaped, exhibit};
use super::run::command_line;
use super::stamp::Stamps;
use super::{Entry, PROGRAM};
use crate::files;

/// How the page looks: a narrow column, pictures side by side, wide tables in frames of their own.
const STYLE: &str = "\
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #222; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1rem; }
h2 small { font-weight: normal; color: #666; } .note { color: #666; font-style: italic; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; text-align: left; }
pre { background: #f5f5f5; padding: 0.6rem; overflow-x: auto; font-size: 0.85rem; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; } details pre { max-height: 30rem; overflow-y: auto; }
figure { margin: 0.5rem 0; } figure svg, img { max-width: 100%; height: auto; }
figcaption { font-size: 0.8rem; color: #666; } .gallery { display: flex; flex-wrap: wrap; gap: 1rem; }
.text { font-size: 0.9rem; } .text h1, .text h2, .text h3 { font-size: 1.1rem; border: 0; margin: 1rem 0 0.5rem; padding: 0; }
";

/// The page, which needs no other file: a table of the stages, then a section for each with its command and what it
/// shows.
pub(super) fn page(config: &PipelineConfig, entries: &[Entry<'_>], stamps: &Stamps) -> String {
    let title = escaped(&config.title);
    let rows: String = entries.iter().map(row).collect();
    let sections: String = entries.iter().map(|entry| section(entry, stamps)).collect();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <p>Made by {PROGRAM} {version}. A time is that of the call that ended a stage.</p>\n\
         <table>\n<thead><tr><th>stage</th><th>state</th><th>time</th><th>about</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n{sections}</body>\n</html>\n"
    )
}

fn row(entry: &Entry<'_>) -> String {
    let Entry { stage, state, .. } = entry;
    let (name, about) = (escaped(&stage.name), escaped(&stage.about));
    let (state, time) = (state.name(), time(entry));
    format!(
        "<tr><td><a href=\"#{name}\">{name}</a></td><td>{state}</td><td>{time}</td><td>{about}</td></tr>\n"
    )
}

fn section(entry: &Entry<'_>, stamps: &Stamps) -> String {
    let Entry { stage, state, .. } = entry;
    let (name, about) = (escaped(&stage.name), escaped(&stage.about));
    let (state, time) = (state.name(), time(entry));
    let gap = if time.is_empty() { "" } else { ", " };
    let command = escaped(&command_line(PROGRAM, &stage.args));
    let shown: String = stage.show.iter().map(|pattern| exhibit(pattern, stamps.out())).collect();
    // A stage that never ran has said nothing.
    let said = files::read_text(&stamps.stdout_path(&stage.name)).unwrap_or_default();
    let said = if said.trim().is_empty() { String::new() } else { details("what it printed", &said) };
    format!(
        "<section id=\"{name}\">\n<h2>{name} <small>{state}{gap}{time}</small></h2>\n<p>{about}</p>\n\
         <pre class=\"command\">{command}</pre>\n{shown}{said}</section>\n"
    )
}

fn time(entry: &Entry<'_>) -> String {
    entry.seconds.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::State;
    use super::super::config::Stage;
    use super::*;

    #[test]
    fn every_stage_has_its_section_and_nothing_is_html_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        let stage = |name: &str| Stage {
            name: name.to_owned(),
            about: "a < b & c".to_owned(),
            args: vec!["world".to_owned(), "<concepts>".to_owned()],
            needs: Vec::new(),
            show: vec!["t.md".to_owned()],
        };
        let config = PipelineConfig { title: "<Loop>".to_owned(), stages: vec![stage("one"), stage("two")] };
        fs::write(folder.path().join("t.md"), "| a |\n| --- |\n| 1 |\n").unwrap();
        let stamps = Stamps::of(folder.path());
        let _lock = stamps.lock().unwrap();
        fs::write(stamps.stdout_path("one"), "said <this>\n").unwrap();
        let entry = |index: usize, state, seconds| Entry {
            stage: &config.stages[index],
            key: String::new(),
            state,
            seconds,
        };
        let entries = [entry(0, State::Ran, Some(1.2)), entry(1, State::Waiting, None)];
        let html = page(&config, &entries, &stamps);
        for part in [
            "<title>&lt;Loop&gt;</title>",
            "<h2>one <small>ran, 1.2 s</small></h2>",
            "<h2>two <small>not run</small></h2>",
            "a &lt; b &amp; c",
            "byteedit world &#39;&lt;concepts&gt;&#39;",
            "<table>",
            "said &lt;this&gt;",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert_eq!(html.matches("what it printed").count(), 1);
    }
}
