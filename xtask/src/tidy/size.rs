//! The repository stays small for ever: a clone takes seconds, and what was committed once is kept.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use super::{Finding, Verdict};
use crate::workspace::Workspace;

/// A megabyte is a million bytes throughout.
const MB: u64 = 1_000_000;
const MAX_REPOSITORY: u64 = 200 * MB;
/// A folder of weights below `models/`.
const MAX_WEIGHTS: u64 = 30 * MB;
/// Weights with a limit of their own. Judge and annotator have 5 MB together, the rewards 10.
const SMALL_WEIGHTS: [(&str, u64); 6] = [
    ("models/mini", 22 * MB),
    ("models/judge", 5 * MB / 2),
    ("models/annotator", 5 * MB / 2),
    ("models/aesthetic", 2 * MB),
    ("models/alignment", 13 * MB / 2),
    ("models/coherent", 3 * MB / 2),
];
const WORLD_PACK: (&str, u64) = ("assets/world/world.pack", 8 * MB);

/// Measures the committed data and, where there is a git repository, the history of what is checked out.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let root = &workspace.root;
    let mut verdict = Verdict::default();
    let (pack, limit) = WORLD_PACK;
    let mut measured = vec![(pack.to_owned(), size_below(&root.join(pack))?, limit)];
    let models = root.join("models");
    if models.is_dir() {
        for entry in fs::read_dir(&models).context("listing models")? {
            let entry = entry.context("listing models")?;
            let path = format!("models/{}", entry.file_name().to_string_lossy());
            let own = SMALL_WEIGHTS.iter().find(|(small, _)| *small == path);
            let limit = own.map_or(MAX_WEIGHTS, |(_, limit)| *limit);
            measured.push((path, size_below(&entry.path())?, limit));
        }
    }
    match git_objects(root) {
        Ok(size) => measured.push(("the history".to_owned(), size, MAX_REPOSITORY)),
        Err(reason) => verdict.skipped.push(format!("the history: {reason}")),
    }
    verdict.findings =
        measured.iter().filter_map(|(path, size, limit)| finding(path, *size, *limit)).collect();
    Ok(verdict)
}

fn finding(path: &str, size: u64, limit: u64) -> Option<Finding> {
    let megabytes = |size: u64| size as f64 / MB as f64;
    let (size_mb, limit_mb) = (megabytes(size), megabytes(limit));
    let message = format!(
        "{size_mb:.1} MB, at most {limit_mb} are allowed; commit less, since nothing that was committed ever leaves"
    );
    (size > limit).then(|| Finding::in_file(path, message))
}

/// Bytes of a file, or of all files in a folder; 0 for what is not there.
fn size_below(path: &Path) -> Result<u64> {
    if !path.is_dir() {
        return Ok(fs::metadata(path).map_or(0, |metadata| metadata.len()));
    }
    let listing = || format!("listing {}", path.display());
    let mut size = 0;
    for entry in fs::read_dir(path).with_context(listing)? {
        size += size_below(&entry.with_context(listing)?.path())?;
    }
    Ok(size)
}

/// Bytes on disk of the objects that `HEAD` reaches, as they lie here and each once, or why they cannot be counted. A
/// shallow clone has fewer.
///
/// Not what `git count-objects` adds up: after a fetch an object may lie in two packs, or loose beside one, until
/// git tidies up.
fn git_objects(root: &Path) -> Result<u64, String> {
    // A tarball may lie inside somebody else's repository, whose size says nothing here.
    if !root.join(".git").exists() {
        return Err("no git repository here, as in a source archive".to_owned());
    }
    let arguments = ["rev-list", "--objects", "--disk-usage", "HEAD"];
    let output = git(root).args(arguments).output();
    let output = output.map_err(|error| format!("git cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} (git 2.31 or newer is needed)", said.lines().next().unwrap_or_default()));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.trim().parse().map_err(|_| format!("`git {}` printed {printed:?}", arguments.join(" ")))
}

/// Git in the repository at `root`, whatever repository a hook that started this program speaks of, without a network.
fn git(root: &Path) -> Command {
    let mut git = Command::new("git");
    let inherited = env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("GIT_")) {
        git.env_remove(name);
    }
    git.current_dir(root).env("GIT_NO_LAZY_FETCH", "1");
    git
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{MB, check, finding, git_objects, size_below};
    use crate::workspace::Workspace;

    #[test]
    fn an_object_that_lies_in_two_places_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let mut git = super::git(folder.path());
            git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
            git.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments);
            let output = git.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        git(&["init", "--quiet"]);
        assert!(git_objects(folder.path()).is_err(), "a repository without a commit");
        // Bytes that do not shrink: a linear congruential generator's.
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let noise: Vec<u8> = (0..40_000).map(|_| next()).collect();
        fs::write(folder.path().join("noise"), noise).unwrap();
        git(&["add", "noise"]);
        git(&["commit", "--quiet", "--no-gpg-sign", "--message", "noise"]);
        let once = git_objects(folder.path()).unwrap();
        assert!((40_000..45_000).contains(&once), "{once} bytes");
        // A pack beside the loose objects, as a fetch leaves it.
        git(&["repack", "--quiet", "-a"]);
        let twice = git_objects(folder.path()).unwrap();
        assert!((40_000..45_000).contains(&twice), "{twice} bytes");
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert_eq!(finding("a", 8 * MB, 8 * MB), None);
        let message = finding("a", 8 * MB + 100_000, 8 * MB).unwrap().to_string();
        assert!(message.starts_with("a: 8.1 MB, at most 8 are allowed"), "{message}");
    }

    #[test]
    fn folders_are_summed_and_a_missing_one_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("unet")).unwrap();
        fs::write(folder.path().join("a"), [0; 7]).unwrap();
        fs::write(folder.path().join("unet/b"), [0; 5]).unwrap();
        assert_eq!(size_below(folder.path()).unwrap(), 12);
        assert_eq!(size_below(&folder.path().join("none")).unwrap(), 0);
    }

    #[test]
    fn an_archive_without_git_is_measured_as_far_as_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let pack = folder.path().join("assets/world/world.pack");
        fs::create_dir_all(pack.parent().unwrap()).unwrap();
        fs::File::create(&pack).unwrap().set_len(8 * MB + 1).unwrap();
        let weights = folder.path().join("models/mini/unet.safetensors");
        fs::create_dir_all(weights.parent().unwrap()).unwrap();
        fs::File::create(&weights).unwrap().set_len(23 * MB).unwrap();
        let verdict = check(&Workspace::load(folder.path()).unwrap()).unwrap();
        let paths: Vec<&str> = verdict.findings.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, ["assets/world/world.pack", "models/mini"]);
        assert_eq!(verdict.skipped.len(), 1);
        assert!(git_objects(folder.path()).is_err());
    }
}
