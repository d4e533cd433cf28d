//! `byteedit data prompts`: few prompts that differ, from many that repeat each other.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use byteedit_data::prompts::{DiversitySpec, Screened, Selection, bag_of_words, screen, select};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::json;

use crate::args::DataPromptsArgs;
use crate::exit::ExitStatus;
use crate::files;
use crate::printer::Printer;
use crate::settings::overlaid;

/// Extensions of files that have a JSON object on each line.
const JSON_LINES: [&str; 2] = ["jsonl", "json"];

/// Chooses among the prompts of some files.
///
/// # Errors
/// Files without usable prompts or embeddings, numbers out of range, and an output that exists already or cannot be
/// written.
pub(super) fn prompts(args: DataPromptsArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataPromptsArgs { files: sources, out, n, seed, embeddings, config, set, force, json } = args;
    files::check_writable(&out, force)?;
    if sources.iter().any(|source| files::is_same(source, &out)) {
        bail!("{} is among the input; name another file with --out", out.display());
    }
    let spec = overlaid(DiversitySpec::default(), config.as_deref(), &set)?;
    let n_selected = n.map_or(spec.n_selected, |n| n as usize);
    let spec = DiversitySpec { n_selected, seed: seed.unwrap_or(spec.seed), ..spec };
    spec.validate()?;
    let mut given = Vec::new();
    for source in &sources {
        given.extend(prompts_of(source)?);
    }
    let screened = screen(&given, spec.seed);
    let embeddings = match &embeddings {
        Some(path) => embeddings_of(&screened, path, given.len())?,
        None => bag_of_words(&screened),
    };
    let Selection { prompts, report } = select(&screened, &embeddings, &spec)?;
    if prompts.is_empty() {
        bail!("none of {} prompts says what a picture shows; add files with more", given.len());
    }
    let lines: String = prompts.into_iter().map(|screen| screen.prompt + "\n").collect();
    files::write(&out, lines.as_bytes())?;
    let facts = json!({ "output": out, "report": report });
    printer.answer(json, &facts, [report.to_string(), out.display().to_string()])?;
    Ok(ExitStatus::Done)
}

/// A line of a file such as metadata.jsonl, or of a file of preferences.
#[derive(Deserialize)]
struct Line {
    #[serde(alias = "text")]
    prompt: String,
}

/// The prompts of a text file, one on each line, or of a file of JSON lines. Blank lines are none.
fn prompts_of(path: &Path) -> anyhow::Result<Vec<String>> {
    let is_json =
        path.extension().is_some_and(|given| JSON_LINES.iter().any(|name| given.eq_ignore_ascii_case(name)));
    let prompt = |(number, line): (usize, &str)| -> anyhow::Result<String> {
        if !is_json {
            return Ok(line.to_owned());
        }
        let bad = || format!("{}:{number}: a line must have either `text` or `prompt`", path.display());
        Ok(serde_json::from_str::<Line>(line).with_context(bad)?.prompt)
    };
    let text = files::read_text(path)?;
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).map(prompt).collect()
}

/// The embeddings of the prompts that passed, from a file with one for each of the `n_given`.
fn embeddings_of(screened: &Screened, path: &Path, n_given: usize) -> anyhow::Result<Vec<Vec<f32>>> {
    let shown = path.display();
    let bytes = fs::read(path).with_context(|| format!("{shown} cannot be read; check the name"))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| anyhow!("{shown} is no readable safetensors file: {error}"))?;
    let tensors = file.tensors();
    let [(_, tensor)] = tensors.as_slice() else {
        bail!("{shown} has {} tensors, but must have one, with a row for each prompt", tensors.len());
    };
    let (&[n_rows, n_dims], Dtype::F32) = (tensor.shape(), tensor.dtype()) else {
        let (shape, dtype) = (tensor.shape(), tensor.dtype());
        bail!("{shown} holds {dtype} of shape {shape:?}, but must hold F32 of shape [prompts, numbers]");
    };
    if n_rows != n_given {
        bail!(
            "{shown} has {n_rows} rows for {n_given} prompts; embed each prompt once, in the order of the files, also \
             those that repeat others"
        );
    }
    let row = |index: usize| -> Vec<f32> {
        let values = &tensor.data().as_chunks::<4>().0[index * n_dims..][..n_dims];
        values.iter().map(|&value| f32::from_le_bytes(value)).collect()
    };
    Ok(screened.prompts.iter().map(|screen| row(screen.index)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_come_from_lines_of_text_and_of_json() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            prompts_of(&path).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(of("a.txt", "a cat\r\n\n {\"prompt\": 1}\n").unwrap(), ["a cat", " {\"prompt\": 1}"]);
        let lines = "{\"file_name\": \"a.png\", \"text\": \"a cat\"}\n\n{\"prompt\": \"a dog\"}\n";
        assert_eq!(of("a.JSONL", lines).unwrap(), ["a cat", "a dog"]);
        for (line, expected) in [
            ("{}", "missing field `prompt`"),
            ("{\"prompt\": \"a\", \"text\": \"b\"}", "duplicate field"),
            ("{\"text\": 3}", "expected a string"),
        ] {
            let message = of("b.jsonl", &format!("\n{line}")).unwrap_err();
            assert!(message.contains("b.jsonl:2: a line must have either"), "{message}");
            assert!(message.contains(expected), "{message}");
        }
    }
}
