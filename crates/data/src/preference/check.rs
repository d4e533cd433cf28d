//! What a record may say: every rule with its message.

use std::path::Path;

use super::record::{Axis, Judgement, PreferenceRecord, SCORES, Scores};
use crate::world::Task;
use crate::{DataError, Result};

impl PreferenceRecord {
    /// Whether the record makes sense by itself, whatever else the file holds and whether or not its
    /// pictures exist.
    ///
    /// # Errors
    /// [`DataError::Record`] with the first thing that is wrong.
    pub fn check(&self) -> Result<()> {
        match self.problems().into_iter().next() {
            Some(reason) => Err(DataError::Record { task_id: self.task_id.clone(), reason }),
            None => Ok(()),
        }
    }

    /// Everything that is wrong with the record, in the order of its fields.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.task_id.trim().is_empty() {
            problems.push("task_id is empty, but must name the task; number the tasks".to_owned());
        }
        if self.prompt.trim().is_empty() && self.source.as_ref().is_some_and(|s| s.task == Task::Edit) {
            let remedy = "say what belongs in the mask, or make the task `erase`";
            problems.push(format!("prompt is empty, but an edit needs one: {remedy}"));
        }
        for path in self.files() {
            if path.is_empty() {
                problems.push("a path is empty, but must name a picture".to_owned());
            } else if Path::new(path).is_absolute() {
                problems.push(format!("the path {path} is absolute, but must be relative to the file"));
            }
        }
        let n = self.candidates.len();
        if n < 2 {
            problems.push(format!("there are {n} candidates, but a preference needs at least 2"));
        }
        for (second, candidate) in self.candidates.iter().enumerate() {
            let twin = self.candidates[..second].iter().position(|other| other.path == candidate.path);
            if let Some(first) = twin {
                let path = &candidate.path;
                problems.push(format!("candidates {first} and {second} are both {path}; list each once"));
            }
        }
        match &self.judgement {
            Some(Judgement::Ranking(ranks)) => ranking(ranks, n, &mut problems),
            Some(Judgement::Extremes { best, worst }) => extremes(*best, *worst, n, &mut problems),
            Some(Judgement::Gsb(_)) if n != 2 => problems.push(format!(
                "gsb compares exactly 2 candidates, but there are {n}; give a ranking instead"
            )),
            Some(Judgement::Scores(given)) => scores(given, n, &mut problems),
            Some(Judgement::Gsb(_)) | None => {}
        }
        problems
    }
}

fn ranking(ranks: &[u32], n: usize, problems: &mut Vec<String>) {
    if ranks.len() != n {
        let ranks = ranks.len();
        problems.push(format!("ranking has {ranks} ranks for {n} candidates; give each candidate one"));
    }
    for (candidate, &rank) in ranks.iter().enumerate() {
        if rank < 1 || rank as usize > n {
            problems.push(format!(
                "ranking gives candidate {candidate} the rank {rank}, but ranks go from 1 (best) to {n}"
            ));
        }
    }
}

fn extremes(best: usize, worst: usize, n: usize, problems: &mut Vec<String>) {
    for (name, candidate) in [("best", best), ("worst", worst)] {
        if candidate >= n {
            let last = n.saturating_sub(1);
            problems.push(format!("{name} is candidate {candidate}, but they are numbered from 0 to {last}"));
        }
    }
    if best == worst {
        problems.push(format!("best and worst are both candidate {best}; name two, or give a ranking"));
    }
}

fn scores(scores: &Scores, n: usize, problems: &mut Vec<String>) {
    let mut n_axes = 0;
    for axis in Axis::ALL {
        let Some(values) = scores.on(axis) else { continue };
        n_axes += 1;
        let name = axis.name();
        if values.len() != n {
            let values = values.len();
            problems.push(format!("{name} has {values} scores for {n} candidates; give each candidate one"));
        }
        let [low, high] = SCORES;
        for (candidate, value) in values.iter().enumerate() {
            if !value.is_finite() || !(low..=high).contains(value) {
                problems.push(format!(
                    "candidate {candidate} has the {name} {value}, but scores go from {low} to {high}"
                ));
            }
        }
    }
    if n_axes == 0 {
        let remedy = "give coherence, structure or aesthetics, or leave the key out";
        problems.push(format!("scores are empty; {remedy}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::Candidate;

    #[test]
    fn scores_that_no_file_can_hold_are_refused_too() {
        let candidates = ["0.png", "1.png"].map(Candidate::new).to_vec();
        let task = PreferenceRecord::task("t", None, "", candidates);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let scores = Scores { aesthetics: Some(vec![1.0, value]), ..Scores::default() };
            let record = PreferenceRecord { judgement: Some(Judgement::Scores(scores)), ..task.clone() };
            let expected =
                format!("task t: candidate 1 has the aesthetics {value}, but scores go from 1 to 5");
            assert_eq!(record.check().unwrap_err().to_string(), expected);
        }
        assert!(task.check().is_ok());
    }
}
