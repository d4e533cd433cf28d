//! What stands in the files: judged candidates and captions, each on its line, without those that are bad.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use byteedit_data::Mask;
use byteedit_data::captions::{self, CaptionRecord};
use byteedit_data::preference::{
    Numbered, Pair, PairSet, PreferenceRecord, Reader, Report, SkipBad, Skipped, validate,
};
use byteedit_models::tokenizer::BertTokenizer;
use byteedit_reward::Region;

use super::{RankingInputs, RankingRunConfig};
use crate::{Result, TrainError};

/// All that can be learned from.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) judged: Vec<Judged>,
    pub(super) captioned: Vec<Captioned>,
    inputs: Vec<Input>,
}

/// Judged candidates of one prompt, at least one of them better than another.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) folder: Arc<PathBuf>,
    pub(super) record: PreferenceRecord,
    /// Numbers of two candidates, the better first.
    pub(super) pairs: Vec<[usize; 2]>,
    place: Place,
}

/// A record of captions and the folder of its picture.
#[derive(Clone, Debug)]
pub(super) struct Captioned {
    pub(super) folder: Arc<PathBuf>,
    pub(super) record: CaptionRecord,
    place: Place,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Number of the input.
    input: usize,
    line: usize,
}

/// One of the files, and what of it was passed over.
#[derive(Debug)]
struct Input {
    path: PathBuf,
    skipped: Skipped,
}

impl Records {
    /// Reads and checks the files; of their pictures, only masks are looked at.
    ///
    /// # Errors
    /// A file that is not worth training on, or with more bad lines than may be passed over.
    pub(super) fn read(config: &RankingRunConfig, inputs: &RankingInputs<'_>) -> Result<Self> {
        let mut records = Self::default();
        let skip = SkipBad { limit: inputs.skip_bad };
        for path in inputs.preferences {
            records.add_preferences(config, path, skip)?;
        }
        if let Some(path) = inputs.captions {
            records.add_captions(config, path, skip)?;
        }
        Ok(records)
    }

    fn add_preferences(&mut self, config: &RankingRunConfig, path: &Path, skip: SkipBad) -> Result<()> {
        let bad = bad_lines(path, validate(path, config.axis)?)?;
        let (folder, input) = (folder_of(path), self.inputs.len());
        let mut reader = Reader::open(path, skip)?;
        while let Some(numbered) = reader.next() {
            let Numbered { line, record } = numbered?;
            if let Some(reason) = bad.get(&line) {
                reader.pass_over(line, reason.clone())?;
                continue;
            }
            let set = PairSet::new(std::slice::from_ref(&record), config.axis)?;
            let pairs: Vec<[usize; 2]> = set.pairs.iter().map(Pair::numbers).collect();
            if pairs.is_empty() {
                continue;
            }
            let mask = record.source.as_ref().map(|source| source.mask.as_str());
            if let Some(reason) = problem_of_mask(config, &folder, mask) {
                reader.pass_over(line, reason)?;
                continue;
            }
            let (folder, place) = (Arc::clone(&folder), Place { input, line });
            self.judged.push(Judged { folder, record, pairs, place });
        }
        self.inputs.push(Input { path: path.to_owned(), skipped: reader.into_skipped() });
        Ok(())
    }

    fn add_captions(&mut self, config: &RankingRunConfig, path: &Path, skip: SkipBad) -> Result<()> {
        let (folder, input) = (folder_of(path), self.inputs.len());
        let mut skipped = Skipped::new(skip);
        for captions::Numbered { line, record } in captions::read(path, &mut skipped)? {
            let mut files = std::iter::once(&record.image).chain(&record.mask);
            let absent = files.find(|file| !folder.join(file).is_file());
            let absent = absent.map(|file| format!("there is no file {file} in {}", folder.display()));
            let problem = absent.or_else(|| problem_of_mask(config, &folder, record.mask.as_deref()));
            if let Some(reason) = problem {
                skipped.pass_over(path, line, reason)?;
                continue;
            }
            let (folder, place) = (Arc::clone(&folder), Place { input, line });
            self.captioned.push(Captioned { folder, record, place });
        }
        self.inputs.push(Input { path: path.to_owned(), skipped });
        Ok(())
    }

    /// Every text in the files.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let judged = self.judged.iter().map(|judged| judged.record.prompt.as_str());
        judged.chain(self.captioned.iter().flat_map(|captioned| texts_of(&captioned.record)))
    }

    /// Leaves out what has a text of more than `max_length` tokens: its end, which is cut off, would be judged for what it
    /// does not say.
    ///
    /// # Errors
    /// More bad lines than may be passed over.
    pub(super) fn without_longer(mut self, tokenizer: &BertTokenizer, max_length: usize) -> Result<Self> {
        let Self { judged, captioned, inputs } = &mut self;
        let longer = |text: &str| {
            let n_tokens = tokenizer.encode(text).len();
            (n_tokens > max_length).then(|| {
                format!(
                    "\"{text}\" has {n_tokens} tokens, but at most {max_length} are read, network.max_length; shorten \
                     it, or raise that"
                )
            })
        };
        let mut pass_over = |Place { input, line }: Place, reason: String| -> Result<()> {
            let Input { path, skipped } = &mut inputs[input];
            Ok(skipped.pass_over(path, line, reason)?)
        };
        for it in std::mem::take(judged) {
            match longer(&it.record.prompt) {
                Some(reason) => pass_over(it.place, reason)?,
                None => judged.push(it),
            }
        }
        for it in std::mem::take(captioned) {
            let problem = texts_of(&it.record).find_map(longer);
            match problem {
                Some(reason) => pass_over(it.place, reason)?,
                None => captioned.push(it),
            }
        }
        Ok(self)
    }

    /// What is wrong with each line that was passed over, file by file.
    pub(super) fn skipped(&self) -> impl Iterator<Item = String> {
        self.inputs.iter().flat_map(|input| input.skipped.errors()).map(ToString::to_string)
    }
}

/// All captions of a record.
fn texts_of(record: &CaptionRecord) -> impl Iterator<Item = &str> {
    std::iter::once(&record.better).chain(&record.worse).map(String::as_str)
}

/// The first thing that is wrong with each line of a file.
///
/// # Errors
/// What is wrong with the file as a whole, which no line that is left out mends.
fn bad_lines(path: &Path, report: Report) -> Result<BTreeMap<usize, String>> {
    let mut bad = BTreeMap::new();
    for problem in report.problems {
        let Some(line) = problem.line else {
            let value = format!("{}: {}", path.display(), problem.reason);
            return Err(TrainError::config(
                "what is wrong with preferences",
                value,
                "nothing; `data check` lists it",
            ));
        };
        bad.entry(line).or_insert(problem.reason);
    }
    Ok(bad)
}

/// Why nothing is seen around a mask, where the network looks there.
fn problem_of_mask(config: &RankingRunConfig, folder: &Path, mask: Option<&str>) -> Option<String> {
    let name = mask.filter(|_| config.network.region == Region::Mask)?;
    match Mask::open(&folder.join(name)) {
        Ok(mask) if mask.area() > 0 => None,
        Ok(_) => Some(format!("{name} marks nothing as repainted; mark it, or set network.region to all")),
        Err(error) => Some(error.to_string()),
    }
}

/// What paths in a file are relative to.
fn folder_of(file: &Path) -> Arc<PathBuf> {
    Arc::new(file.parent().unwrap_or(Path::new("")).to_owned())
}
