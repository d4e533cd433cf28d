//! What a file of records holds, and what is wrong with it.

use std::fmt;

use serde::Serialize;

use super::verdict::Verdict;
use super::{Axis, PairSet, PreferenceRecord};
use crate::problem::{self, Problem};
use crate::world::Task;

/// From so many decided records on, a file in which one position always wins is called one-sided: by
/// chance, one of pairs would be in 1 case of 128.
const MIN_DECIDED: usize = 8;

/// What a file holds, and everything that is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub path: String,
    /// Lines that are records, sound ones and others.
    pub n_records: usize,
    /// Of them, those without a judgement, or without one on the axis asked for.
    pub n_unjudged: usize,
    /// Of them, those whose right answer was known before.
    pub n_gold: usize,
    /// Of them, edits.
    pub n_edits: usize,
    /// Of them, erasures.
    pub n_erasures: usize,
    /// Of them, outpaintings.
    pub n_outpaintings: usize,
    /// Of them, those without a source, whose pictures were made from the prompt alone.
    pub n_text_only: usize,
    /// Annotators with a name.
    pub n_annotators: usize,
    /// Pairs of candidates of which one is better.
    pub n_pairs: usize,
    /// Pairs of candidates that were judged equal.
    pub n_ties: usize,
    /// How often the candidate at each position was better than all others of its record.
    pub n_wins_by_position: Vec<usize>,
    /// What is wrong, in the order of the lines, then what concerns the file.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether nothing is wrong but for at most `limit` bad lines, which a [`Reader`](super::Reader) may skip.
    pub fn is_sound_but_for(&self, limit: usize) -> bool {
        problem::are_lines_up_to(limit, &self.problems)
    }

    /// Adds `record`, whose problems are for others to list.
    pub(super) fn count(&mut self, record: &PreferenceRecord, axis: Axis) {
        self.n_gold += usize::from(record.gold);
        *match record.source.as_ref().map(|source| source.task) {
            Some(Task::Edit) => &mut self.n_edits,
            Some(Task::Erase) => &mut self.n_erasures,
            Some(Task::Outpaint) => &mut self.n_outpaintings,
            None => &mut self.n_text_only,
        } += 1;
        let mut set = PairSet::default();
        // A record without sense is among the problems, and counts for no pair.
        if set.add(record, axis).is_err() {
            return;
        }
        self.n_pairs += set.pairs.len();
        self.n_ties += set.ties.len();
        self.n_unjudged += set.n_unjudged;
        let best = Verdict::of(record, axis).and_then(|verdict| verdict.best(record.candidates.len()));
        if let Some(best) = best {
            if self.n_wins_by_position.len() <= best {
                self.n_wins_by_position.resize(best + 1, 0);
            }
            self.n_wins_by_position[best] += 1;
        }
    }

    /// Adds what is wrong with the file as a whole, once all records are counted.
    pub(super) fn sum_up(&mut self) {
        let mut add = |reason| self.problems.push(Problem { line: None, reason });
        if self.n_records == 0 {
            add("there is no record: the file needs at least one line".to_owned());
        }
        if self.n_ties > 0 && self.n_pairs == 0 {
            add(format!(
                "all {} judged pairs are ties, so there is nothing to learn: ask a sharper question",
                self.n_ties
            ));
        }
        let n_decided: usize = self.n_wins_by_position.iter().sum();
        let winner = self.n_wins_by_position.iter().position(|&wins| wins == n_decided);
        if let Some(position) = winner.filter(|_| n_decided >= MIN_DECIDED) {
            let place = match position {
                0 => "the first candidate always wins".to_owned(),
                _ => format!("candidate {position} always wins"),
            };
            add(format!(
                "one-sided: {place}, in {n_decided} of {n_decided} decided records (share 1.00): order the \
                 candidates at random, or a model learns their order"
            ));
        }
    }
}

impl fmt::Display for Report {
    /// The counts, then one line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            f,
            "{}: {} records ({} edits, {} erasures, {} outpaintings, {} from a prompt alone)",
            self.path, self.n_records, self.n_edits, self.n_erasures, self.n_outpaintings, self.n_text_only
        )?;
        writeln!(
            f,
            "{} not judged, {} gold, {} annotators",
            self.n_unjudged, self.n_gold, self.n_annotators
        )?;
        let n_decided: usize = self.n_wins_by_position.iter().sum();
        let shares =
            self.n_wins_by_position.iter().map(|&wins| format!("{:.2}", wins as f64 / n_decided as f64));
        let shares = shares.collect::<Vec<_>>().join(", ");
        writeln!(f, "{} pairs, {} ties; wins by position: {shares}", self.n_pairs, self.n_ties)?;
        problem::list(f, &self.path, &self.problems)
    }
}
