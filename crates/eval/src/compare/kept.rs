//! Answers that were measured before: a file of lines for each arm, from which a comparison that was stopped goes on.
//!
//! What an answer depends on is its question, by which a line is found ([`key`]), and what all of an arm depend on
//! ([`Basis`]), which is the file's first line and whose hash is in its name. So files of several settings lie side by side,
//! and nothing that was written is ever removed.

use std::collections::HashMap;
use std::fmt::LowerHex;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::mem;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use byteedit_data::Split;
use byteedit_image::{Encoding, Format, Limits, UnitImage, decode, encode};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::answered::{Answered, Scores};
use super::arm::{Arm, ArmSettings, REFERENCE};
use super::config::CompareConfig;
use crate::case::Case;
use crate::error::{EvalError, Result};
use crate::judge::{Judge, rgb8};
use crate::section::Section;

/// The folder of the files, within that of the reports.
const FOLDER: &str = "answers";
/// Digits of the hashes by which a question and a file are found.
const N_HASH_DIGITS: usize = 16;
/// To be raised with every change after which the same question, weights and settings are painted, finished or measured
/// otherwise (a sampler, a mask, a score, a metric), or a line is laid out otherwise: answers of before are then not used.
const KEPT_VERSION: u32 = 1;

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
    pub(super) picture: Option<Shown>,
}

/// A picture of 8 bits, which a line holds as a PNG in base64.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown(pub(super) UnitImage);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let png = self.0.to_picture().and_then(|picture| encode(&picture, &Encoding::new(Format::Png)));
        serializer.serialize_str(&STANDARD.encode(png.map_err(S::Error::custom)?))
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let png = STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        let picture = decode(&png, &Limits::default()).map_err(D::Error::custom)?;
        Ok(Self(UnitImage::from_picture(&picture)))
    }
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
    /// [`EvalError::Arms`] for a name that names no file, and for a file that another comparison adds to; [`EvalError::Io`].
    pub(super) fn open(
        folder: &Path,
        arms: &[Arm<'_>],
        judge: &dyn Judge,
        config: &CompareConfig,
    ) -> Result<(Self, Vec<KeptArm>)> {
        arms.iter().try_for_each(|arm| check_name(&arm.name))?;
        let folder = folder.join(FOLDER);
        fs::create_dir_all(&folder).map_err(EvalError::io("creating", &folder))?;
        let open = |(place, arm): (usize, &Arm<'_>)| {
            let basis = serde_json::to_string(&Basis::of(place, arm, judge, config));
            ArmFile::open(&folder, &arm.name, &basis.expect("it is plain data; this is a bug"))
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
    /// [`EvalError::Io`].
    pub(super) fn add(
        &mut self,
        place: usize,
        section: Section,
        keys: &[String],
        answers: &[Answer],
    ) -> Result<()> {
        let Some(ArmFile { path, file, lead, .. }) = self.files.get_mut(place) else { return Ok(()) };
        let mut lines = mem::take(lead).into_bytes();
        for (key, answer) in keys.iter().zip(answers) {
            let line = Line { section, case: key.clone(), answer };
            let written = serde_json::to_writer(&mut lines, &line);
            written.map_err(|error| EvalError::io("writing", path)(error.into()))?;
            lines.push(b'\n');
        }
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        written.map_err(EvalError::io("writing", path))
    }
}

/// What tells a question from all others: its pictures, its prompt, its noise.
pub(super) fn key(case: &Case) -> String {
    let Case { index, input, edit_mask, prompt, truth, object: _, concept, is_subject_photographed, seed } =
        case;
    let mut hash = Sha256::new();
    hash.update(format!("{index} {seed} {concept:?} {is_subject_photographed} {prompt}\n"));
    hash.update(rgb8(input).data);
    hash.update(edit_mask.values());
    hash.update(rgb8(truth).data);
    digits(hash.finalize())
}

/// The first digits of a hash.
fn digits(hash: impl LowerHex) -> String {
    let mut digits = format!("{hash:x}");
    digits.truncate(N_HASH_DIGITS);
    digits
}

/// What all answers of an arm depend on.
#[derive(Debug, Serialize)]
struct Basis<'a> {
    version: u32,
    weights: String,
    files: &'a str,
    /// Sums come out otherwise on another one.
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

/// The answers of one arm, of which this process alone may add more.
#[derive(Debug)]
struct ArmFile {
    path: PathBuf,
    file: File,
    /// What is to stand before the lines that are added first: what the answers depend on, or the end of a line that a crash
    /// cut off.
    lead: String,
    answers: HashMap<(Section, String), Answer>,
}

impl ArmFile {
    /// Opens the file of an arm, or makes it. Nothing is written yet: the comparison may still be refused.
    fn open(folder: &Path, name: &str, basis: &str) -> Result<(Self, KeptArm)> {
        let path = folder.join(format!("{name}-{}.jsonl", digits(Sha256::digest(basis))));
        let opened = OpenOptions::new().create(true).read(true).append(true).open(&path);
        let mut file = opened.map_err(EvalError::io("opening", &path))?;
        lock(&file, &path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(EvalError::io("reading", &path))?;
        let lead = match bytes.last() {
            None => format!("{basis}\n"),
            Some(b'\n') => String::new(),
            Some(_) => "\n".to_owned(),
        };
        // A line that is no answer, as the first, is passed over: at worst something is measured twice.
        let lines = bytes.split(|&byte| byte == b'\n');
        let answers = lines.filter_map(|line| serde_json::from_slice::<Line<Answer>>(line).ok());
        let answers: HashMap<_, _> =
            answers.map(|Line { section, case, answer }| ((section, case), answer)).collect();
        let state = KeptArm { arm: name.to_owned(), n_answers: answers.len() };
        Ok((Self { path, file, lead, answers }, state))
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

/// Holds a file for this process, for as long as it is open.
fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let path = path.display();
            let reason = format!(
                "{path} is being added to by another comparison; wait for it, or choose another folder"
            );
            Err(EvalError::Arms { reason })
        }
        Err(TryLockError::Error(source)) => Err(EvalError::io("locking", path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;
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
        let path = kept.files[0].path.clone();
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
        let shown = Answer { picture: Some(Shown(image.clone())), ..answer(-1.0) };
        kept.add(0, Section::Edit, &keys(["a", "b"]), &[shown, answer(-2.0)]).unwrap();
        drop(kept);
        let (kept, _) = open(&folder, BASIS);
        let found = kept.answers(0, Section::Edit, &keys(["a", "b"])).unwrap();
        let [Some(Shown(picture)), None] = [&found[0].picture, &found[1].picture] else {
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
