//! Answers that were measured before: a file of lines for each arm, from which a comparison that was stopped goes on.
//!
//! What an answer depends on is its question, by which a line is found ([key](crate::case::Case::key)), and what all of an arm
//! depend on ([`Basis`]), which is the [file's](KeptLines) first line.

use std::collections::HashMap;
use std::path::Path;

use byteedit_data::{KeptLines, Split};
use serde::{Deserialize, Serialize};

use super::answered::{Answered, Scores};
use super::arm::{Arm, ArmSettings, REFERENCE};
use super::config::CompareConfig;
use crate::error::{EvalError, Result};
use crate::judge::Judge;
use crate::kept::{ANSWERS, KEPT_VERSION, KeptPicture};
use crate::section::Section;

/// What there is of an arm before anything is painted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptArm {
    /// Its name.
    pub arm: String,
    /// Answers that were measured before, from the same weights, files and settings.
    pub n_answers: usize,
}

/// Everything that an arm leaves of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) answered: Answered,
    /// Scores of the answer from the second seed; of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) repeated: Option<Scores>,
    /// Spent on painting and finishing it.
    pub(super) seconds: f64,
    /// Where the contact sheet shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) picture: Option<KeptPicture>,
}

/// The files of all arms, in their order; none where nothing is to be kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    files: Vec<ArmFile>,
}

impl Kept {
    /// Opens the files of the arms in the folder of the reports, and says what is in them.
    ///
    /// # Errors
    /// [`EvalError::Arms`] for a name that names no file, [`DataError::Held`](byteedit_data::DataError::Held) for
    /// a file that another comparison adds to; [`DataError::Io`](byteedit_data::DataError::Io).
    pub(super) fn open(
        folder: &Path,
        arms: &[Arm<'_>],
        judge: &dyn Judge,
        config: &CompareConfig,
    ) -> Result<(Self, Vec<KeptArm>)> {
        arms.iter().try_for_each(|arm| check_name(&arm.name))?;
        let open = |(place, arm): (usize, &Arm<'_>)| {
            let basis = serde_json::to_string(&Basis::of(place, arm, judge, config));
            ArmFile::open(folder, &arm.name, &basis.expect("it is plain data; this is a bug"))
        };
        let opened = arms.iter().enumerate().map(open).collect::<Result<Vec<_>>>()?;
        let (files, arms) = opened.into_iter().unzip();
        Ok((Self { files }, arms))
    }

    /// An arm's answers to some cases, by their keys, if all of them are there.
    pub(super) fn answers(&self, place: usize, section: Section, keys: &[String]) -> Option<Vec<Answer>> {
        let file = self.files.get(place)?;
        keys.iter().map(|key| file.answers.get(&(section, key.clone())).cloned()).collect()
    }

    /// Adds an arm's answers to its file; of several to one case the last counts.
    ///
    /// # Errors
    /// [`DataError::Io`](byteedit_data::DataError::Io).
    pub(super) fn add(
        &mut self,
        place: usize,
        section: Section,
        keys: &[String],
        answers: &[Answer],
    ) -> Result<()> {
        let Some(ArmFile { lines, .. }) = self.files.get_mut(place) else { return Ok(()) };
        let new = keys.iter().zip(answers).map(|(key, answer)| Line { section, case: key.clone(), answer });
        Ok(lines.add(new)?)
    }
}

/// What all answers of an arm depend on.
#[derive(Debug, Serialize)]
struct Basis<'a> {
    version: u32,
    weights: String,
    files: &'a str,
    /// Sums come out otherwise on another one, or computed otherwise.
    device: &'a str,
    settings: &'a ArmSettings,
    judge: String,
    /// Only the reference answers twice.
    is_reference: bool,
    split: Split,
    seed: u64,
    picture_size: usize,
    batch: usize,
    n_diverse: usize,
    n_seeds: usize,
}

impl<'a> Basis<'a> {
    fn of(place: usize, arm: &'a Arm<'_>, judge: &dyn Judge, config: &CompareConfig) -> Self {
        let CompareConfig {
            split,
            sections: _,
            pairs: _,
            n_samples: _,
            seed,
            picture_size,
            batch,
            n_examples: _,
            n_diverse,
            n_seeds,
        } = *config;
        Self {
            version: KEPT_VERSION,
            weights: arm.editor.identity().hash,
            files: &arm.fingerprint,
            device: &arm.device,
            settings: &arm.settings,
            judge: judge.identity().hash,
            is_reference: place == REFERENCE,
            split,
            seed,
            picture_size,
            batch,
            n_diverse,
            n_seeds,
        }
    }
}

/// A line of a file, behind the first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<A> {
    section: Section,
    case: String,
    answer: A,
}

/// The answers of one arm.
#[derive(Debug)]
struct ArmFile {
    lines: KeptLines,
    answers: HashMap<(Section, String), Answer>,
}

impl ArmFile {
    /// Opens the file of an arm, or makes it.
    fn open(folder: &Path, name: &str, basis: &str) -> Result<(Self, KeptArm)> {
        let folder = folder.join(ANSWERS);
        let (lines, kept) = KeptLines::open::<Line<Answer>>(&folder, name, "comparison", basis)?;
        let answers = kept.into_iter().map(|Line { section, case, answer }| ((section, case), answer));
        let answers: HashMap<_, _> = answers.collect();
        let state = KeptArm { arm: name.to_owned(), n_answers: answers.len() };
        Ok((Self { lines, answers }, state))
    }
}

/// An arm's name is that of its file.
fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        return Ok(());
    }
    let reason = format!("`{name}` names no file of answers; use letters, digits, `.`, `_` and `-`");
    Err(EvalError::Arms { reason })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use byteedit_image::{Size, UnitImage};
    use byteedit_testing::TempDir;

    use super::*;
    use crate::bootstrap::nine_digits;
    use crate::metric::Metric;

    const BASIS: &str = r#"{"weights":"aa","settings":{"n_steps":20},"seed":1}"#;

    fn answer(score: f64) -> Answer {
        let answered = Answered { scores: [score, -1.0], metrics: [(Metric::Psnr, 0.1 + score)].into() };
        let repeated = Some([nine_digits(score), -2.0]);
        Answer { answered: answered.rounded(), repeated, seconds: 0.25, picture: None }
    }

    fn open(folder: &TempDir, basis: &str) -> (Kept, usize) {
        let (file, KeptArm { n_answers, .. }) = ArmFile::open(folder.path(), "base", basis).unwrap();
        (Kept { files: vec![file] }, n_answers)
    }

    fn keys(names: [&str; 2]) -> [String; 2] {
        names.map(str::to_owned)
    }

    #[test]
    fn a_line_that_was_cut_off_is_measured_again_and_the_rest_is_not() {
        let folder = TempDir::new().unwrap();
        let (mut kept, n_answers) = open(&folder, BASIS);
        assert_eq!(n_answers, 0);
        let answers = [answer(-1.0 / 3.0), answer(-2.0 / 7.0)];
        kept.add(0, Section::Edit, &keys(["a", "b"]), &answers).unwrap();
        let path = kept.files[0].lines.path().to_owned();
        drop(kept);
        let whole = fs::read(&path).unwrap();
        assert!(whole.starts_with(BASIS.as_bytes()));
        let cut = [&whole[..], &br#"{"section":"edit","case":"c","answ"#[..]].concat();
        fs::write(&path, &cut).unwrap();

        let (mut kept, n_answers) = open(&folder, BASIS);
        assert_eq!(n_answers, 2);
        // To the last bit, as they were measured.
        assert_eq!(kept.answers(0, Section::Edit, &keys(["a", "b"])).unwrap(), answers);
        assert_eq!(kept.answers(0, Section::Edit, &keys(["b", "c"])), None);
        assert_eq!(kept.answers(0, Section::Erase, &keys(["a", "b"])), None);
        kept.add(0, Section::Edit, &keys(["b", "c"]), &[answer(-5.0), answer(-6.0)]).unwrap();
        drop(kept);
        assert!(fs::read(&path).unwrap().starts_with(&cut));
        let (kept, n_answers) = open(&folder, BASIS);
        assert_eq!(n_answers, 3);
        let found = kept.answers(0, Section::Edit, &keys(["b", "c"])).unwrap();
        assert_eq!(found, [answer(-5.0), answer(-6.0)]);
    }

    #[test]
    fn another_arm_of_the_name_has_a_file_of_its_own() {
        let folder = TempDir::new().unwrap();
        let (mut kept, _) = open(&folder, BASIS);
        kept.add(0, Section::Edit, &keys(["a", "b"]), &[answer(-1.0), answer(-2.0)]).unwrap();
        // Both at once.
        let (mut other, n_answers) = open(&folder, r#"{"weights":"ab","settings":{"n_steps":8},"seed":1}"#);
        assert_eq!(n_answers, 0);
        other.add(0, Section::Edit, &keys(["a", "b"]), &[answer(-3.0), answer(-4.0)]).unwrap();
        drop((kept, other));
        let (kept, n_answers) = open(&folder, BASIS);
        assert_eq!(n_answers, 2);
        let found = kept.answers(0, Section::Edit, &keys(["a", "b"])).unwrap();
        assert_eq!(found, [answer(-1.0), answer(-2.0)]);
    }

    #[test]
    fn a_picture_is_kept_with_its_answer() {
        let folder = TempDir::new().unwrap();
        let (mut kept, _) = open(&folder, BASIS);
        let image = UnitImage::filled(Size::new(3, 2), [0.2, 0.4, 0.6]);
        let shown = Answer { picture: Some(KeptPicture(image.clone())), ..answer(-1.0) };
        kept.add(0, Section::Edit, &keys(["a", "b"]), &[shown, answer(-2.0)]).unwrap();
        drop(kept);
        let (kept, _) = open(&folder, BASIS);
        let found = kept.answers(0, Section::Edit, &keys(["a", "b"])).unwrap();
        let [Some(KeptPicture(picture)), None] = [&found[0].picture, &found[1].picture] else {
            panic!("one of them has a picture")
        };
        assert_eq!(picture.to_picture().unwrap(), image.to_picture().unwrap());
    }

    #[test]
    fn a_file_serves_one_comparison() {
        let folder = TempDir::new().unwrap();
        let (_kept, _) = open(&folder, BASIS);
        let message = ArmFile::open(folder.path(), "base", BASIS).unwrap_err().to_string();
        assert!(message.contains("base-") && message.contains("another comparison"), "{message}");
        for name in ["", "a/b"] {
            assert!(check_name(name).unwrap_err().to_string().contains("names no file"), "{name}");
        }
    }
}
