//! What the program says about itself.

use std::process::Stdio;

use crate::workbench::Workbench;

#[test]
fn every_verb_shows_an_example() {
    let bench = Workbench::new();
    for verb in [
        &["edit"][..],
        &["erase"],
        &["outpaint"],
        &["run"],
        &["inspect"],
        &["world", "build"],
        &["world", "sample"],
        &["world", "concepts"],
        &["data", "prompts"],
        &["data", "candidates"],
        &["data", "annotate"],
        &["data", "align"],
        &["data", "import"],
        &["data", "export"],
        &["data", "check"],
        &["train", "vae"],
        &["train", "decoder"],
        &["train", "base"],
        &["train", "judge"],
        &["train", "annotator"],
        &["train", "reward", "aesthetic"],
        &["train", "reward", "alignment"],
        &["train", "reward", "coherent"],
        &["train", "export"],
        &["train", "plot"],
        &["eval", "world"],
        &["eval", "compare"],
        &["eval", "guidance"],
        &["eval", "reward"],
        &["score"],
        &["pipeline"],
        &["bench", "conv"],
        &["bench", "attention"],
        &["bench", "norm"],
        &["bench", "unet"],
        &["bench", "vae"],
        &["bench", "reward"],
        &["bench", "train-step"],
        &["bench", "pefl"],
        &["bench", "edit"],
        &["demo"],
        &["completions"],
    ] {
        let answer = bench.run(&[verb, &["--help"]].concat()).done();
        let example = format!("  byteedit {}", verb.join(" "));
        assert!(answer.stdout.contains("Example") && answer.stdout.contains(&example), "{}", answer.stdout);
        assert!(answer.stderr.is_empty());
    }
}

#[test]
fn the_top_of_the_help_states_the_exit_codes() {
    let help = Workbench::new().run(&["--help"]).done().stdout;
    for code in ["0    done", "1    ", "2    bad input", "130  interrupted"] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn every_shell_gets_a_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Workbench::new().run(&["completions", shell]).done().stdout;
        assert!(script.contains("outpaint"), "{shell}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let bench = Workbench::new();
    let mut command = bench.command(&["world", "concepts", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
