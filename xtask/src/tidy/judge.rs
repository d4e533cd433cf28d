//! The judge is used by `eval` alone: nothing that is trained, or that makes or labels training data, knows it.
//!
//! A yardstick that took part in the making of what it measures would flatter it. The one exception is its own
//! trainer, whose file nothing else in its crate names. The program's `train` verbs start that trainer, and so name
//! it, but must not hold a trained judge: like the `data` verbs, they know neither the evaluation nor the built-in one.

use anyhow::Result;
use regex::Regex;

use super::{Finding, Verdict};
use crate::workspace::{RustFile, Workspace};

/// Crates that may not name it. `reward` is here before it is there.
const BLIND: [&str; 7] = [
    "crates/data/",
    "crates/reward/",
    "crates/train/",
    "crates/edit/",
    "crates/diffusion/",
    "crates/nn/",
    "crates/image/",
];
/// The program's verbs that train, and those that collect what is trained on.
const VERBS: [&str; 2] = ["crates/byteedit/src/commands/train/", "crates/byteedit/src/commands/data/"];
/// `train judge`, and where its module is declared.
const TRAINER: &str = "crates/train/src/judge.rs";
const DECLARATION: (&str, &str) = ("crates/train/src/lib.rs", "pub mod judge;");

/// Looks at the code, not the comments, of everything that trains or is trained.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let (named, trained) = (name_pattern()?, trained_pattern()?);
    let of_file = |file: &RustFile| {
        if is_blind(&file.path) {
            findings(file, &named, NAMED)
        } else if VERBS.iter().any(|path| file.path.starts_with(path)) {
            findings(file, &trained, HELD)
        } else {
            Vec::new()
        }
    };
    Ok(workspace.rust.iter().flat_map(of_file).collect::<Vec<_>>().into())
}

/// Tests of the trainer run it.
fn is_blind(path: &str) -> bool {
    BLIND.iter().any(|folder| path.starts_with(folder)) && path.contains("/src/") && path != TRAINER
}

const NAMED: &str = "names the judge, which only `eval` and `train judge` may; use the annotator";
const HELD: &str = "can hold a trained judge, which only `eval` may";

/// A name with the word in it: `judge`, `JudgeConfig`, `models_judge`, `judging`; not `judgement`.
fn name_pattern() -> Result<Regex> {
    Ok(Regex::new(
        r"(?:\b|_)(?:judges?|judging|JUDGES?)(?:\b|_)|(?:\b|[a-z0-9_])(?:Judges?|Judging)(?:\b|[A-Z_])",
    )?)
}

/// What a trained judge is reached by: the evaluation, and the files that are built in.
fn trained_pattern() -> Result<Regex> {
    Ok(Regex::new(r"\bbyteedit_eval\b|\bcommands::eval\b|\bTrainedJudge\b|\bJUDGE\b")?)
}

fn findings(file: &RustFile, pattern: &Regex, message: &str) -> Vec<Finding> {
    let is_declaration = |code: &str| file.path == DECLARATION.0 && code.trim() == DECLARATION.1;
    let named = (1..).zip(&file.lines).filter(|(_, line)| pattern.is_match(&line.code));
    named
        .filter(|(_, line)| !is_declaration(&line.code))
        .map(|(number, _)| Finding::at(&file.path, number, message))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{NAMED, TRAINER, VERBS, findings, is_blind, name_pattern, trained_pattern};
    use crate::workspace::RustFile;

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        let found = findings(&RustFile::new(path, text), &name_pattern().unwrap(), NAMED);
        found.into_iter().filter_map(|finding| finding.line).collect()
    }

    #[test]
    fn whoever_names_the_judge_is_found() {
        let text = "use byteedit_models::classifier::{Annotator, Judge};\nlet x: JudgeConfig = y;\n\
                    crate::judge::train();\nconst JUDGE: u8 = 0;\nload_judge(path);\ntype A = TinyJudge;\n\
                    let judges = ask();\nmod judging;\n";
        assert_eq!(lines_found("crates/train/src/base/objective.rs", text), [1, 2, 3, 4, 5, 6, 7, 8]);
        let declaration = "pub mod judge;\nuse judge::train;\n";
        assert_eq!(lines_found("crates/train/src/lib.rs", declaration), [2]);
        assert_eq!(lines_found("crates/data/src/lib.rs", declaration), [1, 2]);
    }

    #[test]
    fn verbs_that_train_may_start_its_trainer_and_hold_no_judge() {
        let text = "use byteedit_train::judge::{self, JudgeRunConfig};\nuse byteedit_eval::TrainedJudge;\n\
                    let files = byteedit_mini::JUDGE;\ncrate::commands::eval::judge(name);\njudge::train(config);\n";
        let found = findings(&RustFile::new(VERBS[0], text), &trained_pattern().unwrap(), "");
        assert_eq!(found.into_iter().filter_map(|finding| finding.line).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn other_words_and_comments_are_not() {
        let text = "// The judge says so.\nlet judgement = misjudged();\nlet prejudges = Judgement;\n";
        assert!(lines_found("crates/train/src/lib.rs", text).is_empty());
    }

    #[test]
    fn its_trainer_its_tests_and_the_evaluation_may() {
        for path in
            [TRAINER, "crates/train/tests/resume.rs", "crates/eval/src/judge.rs", "crates/models/src/lib.rs"]
        {
            assert!(!is_blind(path), "{path}");
        }
        for path in
            ["crates/train/src/annotator.rs", "crates/reward/src/lib.rs", "crates/data/src/world/mod.rs"]
        {
            assert!(is_blind(path), "{path}");
        }
    }
}
