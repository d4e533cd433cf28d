//! What is known of stages that have ended, in `.stages` beside their results.

use std::cell::RefCell;
use std::fs::{self, File};
use std::iter::once;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byteedit_data::{FileLock, LockError};
use clap::CommandFactory;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::config::Stage;
use crate::args::Cli;
use crate::files;
use crate::fingerprint::Known;

/// The folder, within that of the results.
const FOLDER: &str = ".stages";

/// A stage that has ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    /// What it was made from: its [key](Stamps::key) when it began.
    pub(super) sha256: String,
    /// How long the call took that ended it.
    pub(super) seconds: f64,
    /// What its arguments named within the output folder and was there when it had ended, from that folder.
    made: Vec<String>,
}

impl Stamp {
    /// The stamp of a stage that has just ended in the folder `out`.
    pub(super) fn new(sha256: String, seconds: f64, stage: &Stage, out: &Path) -> Self {
        let within = |value: &str| {
            let path = Path::new(value).strip_prefix(out).ok()?;
            let is_made = !path.as_os_str().is_empty() && out.join(path).exists();
            is_made.then(|| path.to_string_lossy().into_owned())
        };
        Self {
            sha256,
            seconds,
            made: stage.args.iter().map(String::as_str).flat_map(values).filter_map(within).collect(),
        }
    }

    /// Whether it is of this key, and nothing of what it made is gone.
    pub(super) fn is_current(&self, key: &str, out: &Path) -> bool {
        self.sha256 == key && self.made.iter().all(|path| out.join(path).exists())
    }
}

/// The folder of stamps.
#[derive(Debug)]
pub(super) struct Stamps {
    out: PathBuf,
    folder: PathBuf,
    /// Stages name the same files, and each stage is asked for twice.
    known: RefCell<Known>,
}

impl Stamps {
    /// Those of the results in `out`.
    pub(super) fn of(out: &Path) -> Self {
        Self { out: out.to_owned(), folder: out.join(FOLDER), known: RefCell::default() }
    }

    /// The folder of the results.
    pub(super) fn out(&self) -> &Path {
        &self.out
    }

    /// Where the standard output of a stage's last call is.
    pub(super) fn stdout_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.stdout.txt"))
    }

    /// Makes the folder and holds it for this process, for as long as the lock lives.
    ///
    /// # Errors
    /// A folder that cannot be made, or that another process holds.
    pub(super) fn lock(&self) -> anyhow::Result<FileLock> {
        let (folder, out) = (self.folder.display(), self.out.display());
        let usable = || format!("{folder} cannot be written; choose another folder with --out");
        fs::create_dir_all(&self.folder).with_context(usable)?;
        let file = File::create(self.folder.join("lock")).with_context(usable)?;
        match FileLock::of(file) {
            Ok(lock) => Ok(lock),
            Err(LockError::Held) => {
                bail!(
                    "{out} is being worked on by another pipeline; wait for it, or choose another with --out"
                )
            }
            Err(LockError::Io(error)) => Err(error).with_context(usable),
        }
    }

    /// A stage's stamp; one that cannot be read is none, and at worst work is done twice.
    pub(super) fn read(&self, name: &str) -> Option<Stamp> {
        serde_json::from_str(&files::read_text(&self.path(name)).ok()?).ok()
    }

    /// Writes a stage's stamp, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, name: &str, stamp: &Stamp) -> anyhow::Result<()> {
        files::write(&self.path(name), serde_json::to_string_pretty(stamp)?.as_bytes())
    }

    /// What a stage's result depends on, as a hash: the program's version, the arguments, the files and folders that they name
    /// outside of the results, and the keys of the stages that it needs, which hold those of theirs.
    ///
    /// # Errors
    /// A file or a folder that is there and cannot be read.
    pub(super) fn key(&self, stage: &Stage, needs: &[&str]) -> anyhow::Result<String> {
        // What is not there yet has nothing in it that could count.
        let out = self.out.canonicalize().ok();
        let written: Vec<_> = stage.written().iter().filter_map(|path| path.canonicalize().ok()).collect();
        let left_out = || out.iter().chain(&written).map(PathBuf::as_path);
        let mut known = self.known.borrow_mut();
        let hash = |path: &Path| {
            if path.is_dir() { known.of_folder(path, left_out()) } else { known.of_file(path) }
        };
        let inputs = inputs(stage, out.as_deref(), &written);
        let files = inputs.into_iter().map(hash).collect::<anyhow::Result<Vec<_>>>()?;
        let version = env!("CARGO_PKG_VERSION");
        let facts = json!({ "version": version, "args": stage.args, "files": files, "needs": needs });
        Ok(format!("{:x}", Sha256::digest(facts.to_string())))
    }

    /// Has files read again, once a stage has run and may have changed them.
    pub(super) fn forget(&self) {
        *self.known.borrow_mut() = Known::default();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

/// What an argument may name: itself and what stands behind each `=`, and each of these without what follows its last `@` or
/// its last `:`, as in `NAME=MODEL@STEPS` and `FILE:WEIGHT`.
fn values(argument: &str) -> impl Iterator<Item = &str> {
    let behind = argument.match_indices('=').map(move |(at, _)| &argument[at + 1..]);
    once(argument).chain(behind).flat_map(|value| {
        let before = ['@', ':'].map(|mark| value.rsplit_once(mark).map(|(name, _)| name));
        once(value).chain(before.into_iter().flatten())
    })
}

/// The files and folders that a stage's arguments name, but for those within `out` and for what the stage itself writes; both
/// paths are canonical.
fn inputs<'a>(stage: &'a Stage, out: Option<&Path>, written: &[PathBuf]) -> Vec<&'a Path> {
    let is_result = |path: &Path| {
        let Ok(path) = path.canonicalize() else { return false };
        out.is_some_and(|out| path.starts_with(out)) || written.contains(&path)
    };
    let paths = behind_the_verb(&stage.args).into_iter().flat_map(values).map(Path::new);
    paths.filter(|path| (path.is_file() || path.is_dir()) && !is_result(path)).collect()
}

/// Arguments without the words of the verb: that of `data annotate` means no folder `data`.
fn behind_the_verb(args: &[String]) -> Vec<&str> {
    let program = Cli::command();
    let mut command = &program;
    let mut rest = Vec::with_capacity(args.len());
    for argument in args {
        match command.find_subcommand(argument) {
            Some(verb) => command = verb,
            None => rest.push(argument.as_str()),
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(args: &[&str]) -> Stage {
        let args = args.iter().map(|&argument| argument.to_owned()).collect();
        Stage { name: "a".to_owned(), about: String::new(), args, needs: Vec::new(), show: Vec::new() }
    }

    fn key(stage: &Stage, out: &Path, needs: &[&str]) -> anyhow::Result<String> {
        Stamps::of(out).key(stage, needs)
    }

    #[test]
    fn arguments_and_needs_are_in_the_key_and_the_sentence_is_not() {
        let of = |args: &[&str], needs: &[&str]| key(&stage(args), Path::new("nowhere"), needs).unwrap();
        let first = of(&["world", "concepts"], &["x"]);
        assert_eq!(first.len(), 64);
        assert_eq!(of(&["world", "concepts"], &["x"]), first);
        assert_ne!(of(&["world", "concepts", "--json"], &["x"]), first);
        assert_ne!(of(&["world concepts"], &["x"]), first);
        assert_ne!(of(&["world", "concepts"], &["y"]), first);
        assert_ne!(of(&["world", "concepts"], &[]), first);
        let renamed = Stage { name: "b".to_owned(), about: "?".to_owned(), ..stage(&["world", "concepts"]) };
        assert_eq!(key(&renamed, Path::new("nowhere"), &["x"]).unwrap(), first);
    }

    #[test]
    fn files_count_by_their_content_unless_they_are_results() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        let (outside, inside) = (folder.path().join("c.json"), out.join("r.json"));
        let arguments = [outside.to_str().unwrap(), inside.to_str().unwrap()];
        let joined = format!("--config={}", arguments[0]);
        let keys = || {
            let of = |args: &[&str]| key(&stage(args), &out, &[]).unwrap();
            (of(&arguments[..1]), of(&[joined.as_str()]), of(&arguments[1..]))
        };
        let missing = keys();
        fs::write(&outside, "1").unwrap();
        fs::write(&inside, "1").unwrap();
        let first = keys();
        assert!(missing.0 != first.0 && missing.1 != first.1 && missing.2 == first.2);
        fs::write(&outside, "2").unwrap();
        fs::write(&inside, "2").unwrap();
        let second = keys();
        assert!(second.0 != first.0 && second.1 != first.1 && second.2 == first.2);
    }

    #[test]
    fn folders_count_by_what_is_in_them_unless_they_are_results() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let (model, target) = (folder.path().join("model"), folder.path().join("target"));
        let [model_arg, target_arg] = [&model, &target].map(|path| path.to_str().unwrap());
        let of = |args: &[&str]| key(&stage(args), &out, &[]).unwrap();
        let whole = folder.path().to_str().unwrap();
        let keys = || {
            [
                of(&["eval", "world", "--model", model_arg]),
                of(&["data", "check", whole]),
                of(&["train", "vae", "--run", target_arg]),
                of(&["train", "vae", &format!("--run={target_arg}")]),
            ]
        };
        let missing = keys();
        for made in [&out, &model, &target] {
            fs::create_dir(made).unwrap();
        }
        let empty = keys();
        assert!(empty[0] != missing[0] && empty[1] == missing[1] && empty[2..] == missing[2..]);
        fs::write(model.join("config.json"), "1").unwrap();
        let first = keys();
        assert!(first[0] != empty[0] && first[1] != empty[1]);
        fs::write(model.join("config.json"), "2").unwrap();
        let second = keys();
        assert!(second[0] != first[0] && second[1] != first[1]);
        fs::write(out.join("result"), "1").unwrap();
        assert_eq!(keys(), second);
        // What a stage writes is no reason to write it again.
        fs::write(target.join("state"), "1").unwrap();
        assert!(keys()[2..] == missing[2..]);
    }

    #[test]
    fn names_may_stand_between_others_and_settings() {
        let named: Vec<_> = values("--arm=a=models/sd@20:2.5").collect();
        assert!(named.contains(&"models/sd") && named.contains(&"models/sd@20:2.5"), "{named:?}");
        assert_eq!(values("style.safetensors:0.8").last(), Some("style.safetensors"));
        assert_eq!(values("--json").collect::<Vec<_>>(), ["--json"]);

        let folder = tempfile::tempdir().unwrap();
        let (out, model) = (folder.path().join("out"), folder.path().join("model"));
        fs::create_dir(&model).unwrap();
        let (shown, lora) = (model.display(), model.join("style.safetensors"));
        let keys = || {
            [
                ["--arm".to_owned(), format!("a={shown}@1")],
                ["--json".to_owned(), format!("--arm=a={shown}@1:2.5")],
                ["--lora".to_owned(), format!("{}:1", lora.display())],
            ]
            .map(|[first, second]| key(&stage(&["eval", "compare", &first, &second]), &out, &[]).unwrap())
        };
        let before = keys();
        fs::write(&lora, "1").unwrap();
        let after = keys();
        assert!(before.iter().zip(&after).all(|(before, after)| before != after));
    }

    #[test]
    fn what_a_stage_adds_to_a_folder_that_it_reads_is_no_input() {
        let folder = tempfile::tempdir().unwrap();
        let (out, read) = (folder.path().join("out"), folder.path().join("read"));
        fs::create_dir(&read).unwrap();
        let named = read.to_str().unwrap();
        let heat_map = format!("{named}/seen.png");
        let keys = || {
            [
                &["data", "annotate", named, "--noise", "0"][..],
                &["data", "align", named],
                &["score", named, "--reward", "coherent", "--heat-map", heat_map.as_str()],
            ]
            .map(|args| key(&stage(args), &out, &[]).unwrap())
        };
        let before = keys();
        fs::write(&heat_map, "1").unwrap();
        let scored = keys();
        assert!(scored[0] != before[0] && scored[1] != before[1] && scored[2] == before[2]);
        for name in ["structure", "obedience", "coherence", "align"] {
            fs::write(read.join(name).with_extension("jsonl"), "1").unwrap();
        }
        fs::write(read.join("annotation.json"), "1").unwrap();
        fs::create_dir(read.join("align.kept")).unwrap();
        fs::write(read.join("align.kept/clip.jsonl"), "1").unwrap();
        let annotated = keys();
        assert!(annotated[..2] == scored[..2] && annotated[2] != scored[2]);
        fs::write(read.join("tasks.jsonl"), "1").unwrap();
        let collected = keys();
        assert!(collected.iter().zip(&annotated).all(|(after, before)| after != before));
    }

    #[test]
    fn words_of_a_verb_name_no_folder() {
        let args = ["--quiet", "train", "reward", "aesthetic", "--data", "train", "vae"].map(str::to_owned);
        assert_eq!(behind_the_verb(&args), ["--quiet", "--data", "train", "vae"]);
    }

    #[test]
    fn a_stamp_is_not_current_once_a_result_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let made = out.join("run");
        fs::create_dir(&made).unwrap();
        let stamps = Stamps::of(out);
        let _lock = stamps.lock().unwrap();
        assert_eq!(stamps.read("a"), None);
        let stage = stage(&["--run", made.to_str().unwrap(), "--out", out.join("never").to_str().unwrap()]);
        stamps.write("a", &Stamp::new("key".to_owned(), 1.5, &stage, out)).unwrap();
        let stamp = stamps.read("a").unwrap();
        assert_eq!(stamp.made, ["run"]);
        assert!(stamp.is_current("key", out) && !stamp.is_current("another", out));
        fs::remove_dir(&made).unwrap();
        assert!(!stamp.is_current("key", out));
        fs::write(stamps.path("a"), "{").unwrap();
        assert_eq!(stamps.read("a"), None);
    }
}
