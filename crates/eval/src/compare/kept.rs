//! Answers that were measured before: a file of lines for each arm, from which a comparison that was stopped goes on.
//!
//! What an answer depends on is its question, by which a line is found ([`key`]), and the file's first line ([`Basis`]);
//! where that has changed, the file begins anew.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use byteedit_data::Split;
use byteedit_image::{Encoding, Format, Limits, UnitImage, decode, encode};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
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
/// Digits of the hash by which a question is found.
const N_KEY_DIGITS: usize = 16;

/// What there is of an arm before anything is painted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptArm {
    /// Its name.
    pub arm: String,
    /// Answers that were measured before.
    pub n_answers: usize,
    /// In what it differs from the arm of that name whose answers were kept, and now are not: names of facts; none where
    /// nothing is lost.
    pub changed: Vec<String>,
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

    /// An arm's answers to some cases, by their keys, if all of them are there, with pictures of those that are shown.
    pub(super) fn answers(
        &self,
        place: usize,
        section: Section,
        keys: &[String],
        is_shown: impl Fn(usize) -> bool,
    ) -> Option<Vec<Answer>> {
        let file = self.files.get(place)?;
        let answer = |(at, key): (usize, &String)| {
            let answer = file.answers.get(&(section, key.clone()))?;
            (answer.picture.is_some() || !is_shown(at)).then(|| answer.clone())
        };
        keys.iter().enumerate().map(answer).collect()
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
        let Some(ArmFile { path, file, .. }) = self.files.get_mut(place) else { return Ok(()) };
        let mut lines = Vec::new();
        for (key, answer) in keys.iter().zip(answers) {
            let line = Line { section, case: key.clone(), answer };
            let written = serde_json::to_writer(&mut lines, &line);
            written.map_err(|error| EvalError::io("writing", path)(error.into()))?;
            lines.push(b'\n');
        }
        file.write_all(&lines).map_err(EvalError::io("writing", path))
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
    let mut key = format!("{:x}", hash.finalize());
    key.truncate(N_KEY_DIGITS);
    key
}

/// What all answers of an arm depend on.
#[derive(Debug, Serialize)]
struct Basis<'a> {
    /// Of the program, and so of what is measured.
    version: &'static str,
    weights: String,
    files: &'a str,
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
            version: env!("CARGO_PKG_VERSION"),
            weights: arm.editor.identity().hash,
            files: &arm.fingerprint,
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
    answers: HashMap<(Section, String), Answer>,
}

impl ArmFile {
    /// Opens the file of an arm, or makes it. A last line that a crash cut off is removed, and so is everything where the
    /// first is another one.
    fn open(folder: &Path, name: &str, basis: &str) -> Result<(Self, KeptArm)> {
        let path = folder.join(format!("{name}.jsonl"));
        let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = opened.map_err(EvalError::io("opening", &path))?;
        lock(&file, &path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(EvalError::io("reading", &path))?;
        let lines = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let lines: Vec<&[u8]> = lines.collect();
        let changed = lines.first().and_then(|first| changed(first, basis));
        let is_same = changed.as_ref().is_some_and(Vec::is_empty);
        let kept: &[&[u8]] = if is_same { &lines } else { &[] };
        // A line that is no answer, as the first, is passed over: at worst something is measured twice.
        let answers = kept.iter().filter_map(|line| serde_json::from_slice::<Line<Answer>>(line).ok());
        let answers: HashMap<_, _> =
            answers.map(|Line { section, case, answer }| ((section, case), answer)).collect();
        let end: u64 = kept.iter().map(|line| line.len() as u64).sum();
        let begun = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
        let begun = begun.and_then(|end| if end == 0 { writeln!(file, "{basis}") } else { Ok(()) });
        begun.map_err(EvalError::io("writing", &path))?;
        let changed = changed.unwrap_or_default();
        let state = KeptArm { arm: name.to_owned(), n_answers: answers.len(), changed };
        Ok((Self { path, file, answers }, state))
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

/// The facts in which two first lines differ; `None` if the older one is none.
fn changed(old: &[u8], new: &str) -> Option<Vec<String>> {
    // Reading may round the last bit of a number, so both are compared as they are read.
    let old: Map<String, Value> = serde_json::from_slice(old).ok()?;
    let new: Map<String, Value> = serde_json::from_str(new).ok()?;
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let differing = new.keys().chain(gone).filter(|key| old.get(*key) != new.get(*key));
    Some(differing.cloned().collect())
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

    fn open(folder: &TempDir, basis: &str) -> (Kept, usize, Vec<String>) {
        let (file, KeptArm { n_answers, changed, .. }) = ArmFile::open(folder.path(), "base", basis).unwrap();
        (Kept { files: vec![file] }, n_answers, changed)
    }

    fn keys(names: [&str; 2]) -> [String; 2] {
        names.map(str::to_owned)
    }

    #[test]
    fn a_line_that_was_cut_off_is_measured_again_and_the_rest_is_not() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("base.jsonl");
        let (mut kept, n_answers, changed) = open(&folder, BASIS);
        assert!(n_answers == 0 && changed.is_empty());
        let answers = [answer(-1.0 / 3.0), answer(-2.0 / 7.0)];
        kept.add(0, Section::Edit, &keys(["a", "b"]), &answers).unwrap();
        drop(kept);
        let whole = fs::read(&path).unwrap();
        let cut = [&whole[..], &br#"{"section":"edit","case":"c","answ"#[..]].concat();
        fs::write(&path, cut).unwrap();

        let (mut kept, n_answers, changed) = open(&folder, BASIS);
        assert!(n_answers == 2 && changed.is_empty());
        assert_eq!(fs::read(&path).unwrap(), whole);
        // To the last bit, as they were measured.
        let found = kept.answers(0, Section::Edit, &keys(["a", "b"]), |_| false);
        assert_eq!(found.unwrap(), answers);
        assert_eq!(kept.answers(0, Section::Edit, &keys(["b", "c"]), |_| false), None);
        assert_eq!(kept.answers(0, Section::Erase, &keys(["a", "b"]), |_| false), None);
        kept.add(0, Section::Edit, &keys(["b", "c"]), &[answer(-5.0), answer(-6.0)]).unwrap();
        drop(kept);
        let (kept, n_answers, _) = open(&folder, BASIS);
        assert_eq!(n_answers, 3);
        let found = kept.answers(0, Section::Edit, &keys(["b", "c"]), |_| false).unwrap();
        assert_eq!(found, [answer(-5.0), answer(-6.0)]);
    }

    #[test]
    fn another_arm_of_the_name_begins_anew_and_says_in_what() {
        let folder = TempDir::new().unwrap();
        let (mut kept, ..) = open(&folder, BASIS);
        kept.add(0, Section::Edit, &keys(["a", "b"]), &[answer(-1.0), answer(-2.0)]).unwrap();
        drop(kept);
        let other = r#"{"weights":"ab","settings":{"n_steps":8},"seed":1}"#;
        let (kept, n_answers, changed) = open(&folder, other);
        assert_eq!((n_answers, changed), (0, vec!["settings".to_owned(), "weights".to_owned()]));
        drop(kept);
        let (_, n_answers, changed) = open(&folder, other);
        assert!(n_answers == 0 && changed.is_empty());
        // A first line that was cut off is none.
        fs::write(folder.path().join("base.jsonl"), &BASIS[..9]).unwrap();
        let (_, n_answers, changed) = open(&folder, BASIS);
        assert!(n_answers == 0 && changed.is_empty());
    }

    #[test]
    fn an_answer_that_is_to_be_shown_needs_its_picture() {
        let folder = TempDir::new().unwrap();
        let (mut kept, ..) = open(&folder, BASIS);
        let image = UnitImage::filled(Size::new(3, 2), [0.2, 0.4, 0.6]);
        let shown = Answer { picture: Some(Shown(image.clone())), ..answer(-1.0) };
        kept.add(0, Section::Edit, &keys(["a", "b"]), &[shown, answer(-2.0)]).unwrap();
        drop(kept);
        let (kept, ..) = open(&folder, BASIS);
        let found = kept.answers(0, Section::Edit, &keys(["a", "b"]), |at| at == 0).unwrap();
        let Some(Shown(picture)) = &found[0].picture else { panic!("there is no picture") };
        assert_eq!(picture.to_picture().unwrap(), image.to_picture().unwrap());
        assert_eq!(kept.answers(0, Section::Edit, &keys(["a", "b"]), |at| at == 1), None);
    }

    #[test]
    fn a_file_serves_one_comparison() {
        let folder = TempDir::new().unwrap();
        let (_kept, ..) = open(&folder, BASIS);
        let message = ArmFile::open(folder.path(), "base", BASIS).unwrap_err().to_string();
        assert!(message.contains("base.jsonl") && message.contains("another comparison"), "{message}");
        for name in ["", "a/b"] {
            assert!(check_name(name).unwrap_err().to_string().contains("names no file"), "{name}");
        }
    }
}
