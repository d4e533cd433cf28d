//! Dependencies point strictly down: a crate uses only crates on lower lines of the ladder.
//!
//! What stands on one line knows nothing of its neighbours, so each can be read, tested and replaced
//! alone.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Finding, Verdict};
use crate::workspace::Workspace;

/// The lines from below; a crate's line is its index. `reward` and `serve` have their places already.
const LADDER: [&[&str]; 5] = [
    &["byteedit-image", "byteedit-diffusion", "byteedit-nn"],
    &["byteedit-models", "byteedit-data"],
    &["byteedit-reward", "byteedit-edit"],
    &["byteedit-train", "byteedit-eval", "byteedit-serve"],
    &["byteedit"],
];
/// Weights and nothing else; used by the binary alone, so that no library carries them.
const EMBEDDED: &str = "byteedit-mini";
/// Used by tests alone, of any crate.
const TESTING: &str = "byteedit-testing";
/// This program, which nothing uses.
const XTASK: &str = "xtask";
/// The one crate on the top line.
const BINARY: &str = "byteedit";

/// Crates of others that only these crates may use outside their tests, and why.
const RESERVED: [(&str, &[&str], &str); 4] = [
    ("anyhow", &[BINARY, XTASK], "libraries have typed errors"),
    ("clap", &[BINARY], "only the binary parses arguments"),
    ("indicatif", &[BINARY], "only the binary prints"),
    ("tracing-subscriber", &[BINARY], "only the binary decides what is logged"),
];
/// Crates that may not use this one, and why.
const BANNED: [(&str, &str, &str); 2] = [
    ("byteedit-image", "burn", "pictures are host memory"),
    ("byteedit-data", "burn", "data know no tensor"),
];

/// Compares `cargo metadata` with the ladder.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let crates = crates_of(&metadata(&workspace.root)?)?;
    Ok(crates.iter().flat_map(findings).collect::<Vec<_>>().into())
}

/// A member of the workspace.
struct Crate {
    name: String,
    manifest: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    is_ours: bool,
    is_for_tests: bool,
}

fn metadata(root: &Path) -> Result<Value> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(program).current_dir(root).args(arguments).output();
    let output = output.context("starting cargo metadata")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata failed: {error}");
    serde_json::from_slice(&output.stdout).context("reading the output of cargo metadata")
}

fn crates_of(metadata: &Value) -> Result<Vec<Crate>> {
    let root = metadata["workspace_root"].as_str().context("cargo metadata named no workspace_root")?;
    let packages = metadata["packages"].as_array().context("cargo metadata listed no packages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let crate_of = |package: &Value| {
        let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let manifest = text(&package["manifest_path"]).replace('\\', "/");
        let relative = manifest.strip_prefix(&root.replace('\\', "/")).unwrap_or(&manifest);
        Crate {
            name: text(&package["name"]),
            manifest: relative.trim_start_matches('/').to_owned(),
            dependencies: dependencies
                .iter()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    is_ours: dependency["path"].is_string(),
                    is_for_tests: dependency["kind"] == "dev",
                })
                .collect(),
        }
    };
    Ok(packages.iter().map(crate_of).collect())
}

/// A crate's line, counted from the lowest.
fn line_of(name: &str) -> Option<usize> {
    LADDER.iter().position(|line| line.contains(&name))
}

fn findings(user: &Crate) -> Vec<Finding> {
    let is_known = line_of(&user.name).is_some() || [EMBEDDED, TESTING, XTASK].contains(&user.name.as_str());
    if !is_known {
        let message =
            format!("`{}` has no place on the ladder; give it one in xtask/src/tidy/ladder.rs", user.name);
        return vec![Finding::in_file(&user.manifest, message)];
    }
    let problems = user.dependencies.iter().filter_map(|used| {
        let problem =
            if used.is_ours { between_ours(&user.name, used) } else { with_others(&user.name, used) };
        problem.map(|reason| format!("`{}` may not use `{}`: {reason}", user.name, used.name))
    });
    problems.map(|message| Finding::in_file(&user.manifest, message)).collect()
}

/// Why a crate may not use another of ours.
fn between_ours(user: &str, used: &Dependency) -> Option<String> {
    match used.name.as_str() {
        TESTING if used.is_for_tests => None,
        TESTING => Some("it is for tests; make it a dev-dependency".to_owned()),
        EMBEDDED if user == BINARY => None,
        EMBEDDED => Some("only the binary carries weights; take a folder or bytes instead".to_owned()),
        name => match (line_of(user), line_of(name)) {
            (Some(upper), Some(lower)) if lower < upper => None,
            (Some(upper), Some(lower)) => Some(format!(
                "it stands on line {lower}, and a crate on line {upper} uses only lower ones; move what both need \
                 down, or what needs both up"
            )),
            _ => Some("it has no place below; see the ladder in ARCHITECTURE.md".to_owned()),
        },
    }
}

/// Why a crate may not use this one of others.
fn with_others(user: &str, used: &Dependency) -> Option<String> {
    let banned = BANNED.iter().find(|(crate_name, name, _)| *crate_name == user && *name == used.name);
    let reserved = RESERVED.iter().find(|(name, users, _)| *name == used.name && !users.contains(&user));
    let reason = match (banned, reserved) {
        _ if used.is_for_tests => return None,
        (Some((_, _, reason)), _) | (None, Some((_, _, reason))) => reason,
        (None, None) => return None,
    };
    Some((*reason).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{crates_of, findings};

    /// The messages for one crate that uses the others; each is a name and a kind.
    fn messages(user: &str, used: &[(&str, &str)]) -> Vec<String> {
        let dependency = |(name, kind): &(&str, &str)| {
            let path = name.starts_with("byteedit").then(|| format!("/w/crates/{name}"));
            json!({ "name": name, "kind": (!kind.is_empty()).then_some(kind), "path": path })
        };
        let dependencies: Vec<_> = used.iter().map(dependency).collect();
        let metadata = json!({
            "workspace_root": "/w",
            "packages": [{ "name": user, "manifest_path": "/w/crates/x/Cargo.toml", "dependencies": dependencies }],
        });
        crates_of(&metadata).unwrap().iter().flat_map(findings).map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn lower_lines_may_be_used() {
        for (user, used) in [
            ("byteedit-models", "byteedit-nn"),
            ("byteedit-edit", "byteedit-image"),
            ("byteedit-train", "byteedit-data"),
            ("byteedit", "byteedit-train"),
            ("byteedit", "byteedit-mini"),
            ("byteedit-image", "rayon"),
            ("byteedit", "clap"),
        ] {
            assert_eq!(messages(user, &[(used, "")]), Vec::<String>::new(), "{user} uses {used}");
        }
    }

    #[test]
    fn the_same_line_and_higher_ones_may_not() {
        for (user, used) in [
            ("byteedit-nn", "byteedit-diffusion"),
            ("byteedit-data", "byteedit-models"),
            ("byteedit-edit", "byteedit-train"),
            ("byteedit-train", "byteedit-mini"),
            ("byteedit-mini", "byteedit-models"),
            ("byteedit-testing", "byteedit-diffusion"),
            ("xtask", "byteedit-data"),
        ] {
            for kind in ["", "build", "dev"] {
                let found = messages(user, &[(used, kind)]);
                assert_eq!(found.len(), 1, "{user} uses {used} ({kind})");
                let start = format!("crates/x/Cargo.toml: `{user}` may not use `{used}`: ");
                assert!(found[0].starts_with(&start), "{}", found[0]);
            }
        }
    }

    #[test]
    fn what_is_for_tests_is_for_tests_alone() {
        assert_eq!(messages("byteedit-nn", &[("byteedit-testing", "dev"), ("anyhow", "dev")]).len(), 0);
        assert_eq!(messages("byteedit-nn", &[("byteedit-testing", "")]).len(), 1);
    }

    #[test]
    fn crates_of_others_have_their_users() {
        assert!(messages("byteedit-edit", &[("clap", "")])[0].ends_with("only the binary parses arguments"));
        assert!(messages("byteedit-image", &[("burn", "")])[0].ends_with("pictures are host memory"));
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        assert!(messages("byteedit-magic", &[])[0].contains("has no place on the ladder"));
    }
}
