//! Annotating a collection: verdicts, the noise of whoever judges, rankings.

use std::collections::BTreeMap;
use std::path::Path;

use byteedit_data::preference::{self, Candidate, Judgement, PreferenceRecord};
use byteedit_data::{Rgb8, World};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::asked::Asked;
use super::{CandidatesConfig, Opinion, Simulated, Verdict};
use crate::files::write_json;
use crate::progress::Progress;
use crate::random::{Use, stream};
use crate::run::{TASKS, read_config};
use crate::{Result, TrainError};

const N_OPINIONS: u64 = Opinion::ALL.len() as u64;

/// How the simulated annotator judges.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnotateConfig {
    /// Scale of the Gumbel noise on a verdict, in standard deviations of all verdicts of a kind: two candidates that are
    /// as far apart are told rightly in `1 / (1 + exp(-1 / noise))` of cases where there are no ties. 0 for none.
    pub noise: f64,
    /// A candidate whose noisy verdict is at most so far below the next better one's, in the same unit, shares its rank.
    pub tie_band: f64,
    /// Seed of the noise.
    pub seed: u64,
}

impl Default for AnnotateConfig {
    fn default() -> Self {
        Self { noise: 0.2, tie_band: 0.1, seed: 0 }
    }
}

/// What became of one opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AxisReport {
    /// Pairs of candidates of one task that were told apart.
    pub n_pairs: usize,
    /// Pairs that were not.
    pub n_ties: usize,
    /// Share of the pairs told apart, of those that differ, that are in the order of the verdicts: what a reward can reach
    /// at best.
    pub agreement: f64,
}

/// The file that says how a collection was annotated, within its folder.
pub const ANNOTATION: &str = "annotation.json";

/// Ranks the candidates of every task of the collection in `folder`, once for each opinion, into
/// `structure.jsonl`, `obedience.jsonl` and `coherence.jsonl` beside `tasks.jsonl`; `annotation.json` says how, and what
/// became of it. A task without a difference in an opinion is left out of its file.
///
/// # Errors
/// A configuration out of range, a folder without a collection, a world other than the collection's, pictures that are
/// missing, files that cannot be written.
pub fn annotate(
    config: &AnnotateConfig,
    world: &World,
    annotator: &Simulated<'_>,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<()> {
    config.validate()?;
    let collection: CandidatesConfig = read_config(folder)?;
    let records = preference::read(&folder.join(TASKS))?;
    let n_wanted = collection.n_tasks;
    if records.is_empty() {
        let limit = "1 or more; collect them with `data candidates`";
        return Err(TrainError::config("the number of tasks that are done", 0, limit));
    }
    if (records.len() as u64) < n_wanted {
        let n_done = records.len();
        progress.on_warning(&format!(
            "only {n_done} of {n_wanted} tasks are done; `data candidates` goes on with them"
        ));
    }
    let mut verdicts = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        verdicts.push(verdicts_of(record, index as u64, &collection, world, annotator, folder)?);
        progress.on_prepare("looking at candidates", index + 1, records.len());
    }
    let mut reports = BTreeMap::new();
    for opinion in Opinion::ALL {
        let (judged, report) = judged(config, opinion, &records, &verdicts);
        preference::write(&folder.join(format!("{}.jsonl", opinion.name())), &judged)?;
        reports.insert(opinion, report);
    }
    let by = "a program that knows the right answers of the mini world; no person";
    write_json(&folder.join(ANNOTATION), &json!({ "by": by, "config": config, "opinions": reports }))
}

impl AnnotateConfig {
    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        for (key, value) in [("noise", self.noise), ("tie_band", self.tie_band)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(TrainError::config(key, value, "0 or more"));
            }
        }
        Ok(())
    }
}

fn verdicts_of(
    record: &PreferenceRecord,
    index: u64,
    collection: &CandidatesConfig,
    world: &World,
    annotator: &Simulated<'_>,
    folder: &Path,
) -> Result<Vec<Verdict>> {
    let asked = Asked::draw(collection, world, index)?;
    if record.task_id != asked.id() || record.prompt != asked.sample.caption {
        let limit = format!(
            "\"{}\" for task {}: the collection is of another world, to be named with --world, or its lines were moved",
            asked.sample.caption,
            asked.id()
        );
        return Err(TrainError::config("the prompt of a task", &record.prompt, limit));
    }
    let (width, height) = (asked.sample.truth.width, asked.sample.truth.height);
    let verdict = |candidate: &Candidate| {
        let picture = Rgb8::open(&folder.join(&candidate.path))?;
        if (picture.width, picture.height) != (width, height) {
            let limit = format!("{width} x {height} px, as it was painted; collect it again");
            let value = format!("{} x {} px in {}", picture.width, picture.height, candidate.path);
            return Err(TrainError::config("the size of a candidate", value, limit));
        }
        annotator.verdict(&asked, &picture)
    };
    record.candidates.iter().map(verdict).collect()
}

/// The records with a ranking by one opinion.
fn judged(
    config: &AnnotateConfig,
    opinion: Opinion,
    records: &[PreferenceRecord],
    verdicts: &[Vec<Verdict>],
) -> (Vec<PreferenceRecord>, AxisReport) {
    let values = verdicts.iter().flatten().map(|verdict| verdict.of(opinion));
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    let deviation = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    let (mut kept, mut report) = (Vec::new(), AxisReport::default());
    let (mut n_differing, mut n_agreeing) = (0_u32, 0_u32);
    for (index, (record, verdicts)) in records.iter().zip(verdicts).enumerate() {
        let values: Vec<f64> = verdicts.iter().map(|verdict| verdict.of(opinion)).collect();
        if values.iter().all(|value| value.total_cmp(&values[0]).is_eq()) {
            continue;
        }
        let mut draws = stream(config.seed, Use::Opinions, index as u64 * N_OPINIONS + opinion as u64);
        let mut noise = || -(-f64::from(draws.unit()).max(1e-7).ln()).ln();
        let noisy: Vec<f64> = values.iter().map(|value| value / deviation + config.noise * noise()).collect();
        let ranks = ranks(&noisy, config.tie_band);
        for (a, b) in (0..ranks.len()).flat_map(|a| (a + 1..ranks.len()).map(move |b| (a, b))) {
            if ranks[a] == ranks[b] {
                report.n_ties += 1;
                continue;
            }
            report.n_pairs += 1;
            // A lower rank goes with a higher verdict; equal verdicts have no order to agree with.
            n_differing += u32::from(values[a].total_cmp(&values[b]).is_ne());
            n_agreeing += u32::from(values[b].total_cmp(&values[a]) == ranks[a].cmp(&ranks[b]));
        }
        let mut record = record.clone();
        for (candidate, value) in record.candidates.iter_mut().zip(&values) {
            candidate.params.insert(opinion.name().to_owned(), json!(value));
        }
        record.judgement = Some(Judgement::Ranking(ranks));
        record.annotator = Some(format!("simulated-{}, noise {}", opinion.name(), config.noise));
        kept.push(record);
    }
    report.agreement = f64::from(n_agreeing) / f64::from(n_differing.max(1));
    (kept, report)
}

/// Ranks from 1, the best, of some verdicts; a candidate at most `tie_band` below the one before it shares its rank.
fn ranks(verdicts: &[f64], tie_band: f64) -> Vec<u32> {
    let mut order: Vec<usize> = (0..verdicts.len()).collect();
    order.sort_by(|&a, &b| verdicts[b].total_cmp(&verdicts[a]));
    let mut ranks = vec![1; verdicts.len()];
    for pair in order.windows(2) {
        let is_tie = verdicts[pair[0]] - verdicts[pair[1]] <= tie_band;
        ranks[pair[1]] = ranks[pair[0]] + u32::from(!is_tie);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_have_ties_where_verdicts_are_near() {
        assert_eq!(ranks(&[0.1, 0.9, 0.5], 0.0), [3, 1, 2]);
        assert_eq!(ranks(&[0.1, 0.9, 0.85], 0.1), [2, 1, 1]);
        assert_eq!(ranks(&[0.3; 4], 0.0), [1; 4]);
    }

    fn collection(n: usize) -> (Vec<PreferenceRecord>, Vec<Vec<Verdict>>) {
        let candidates = || (0..4).map(|k| Candidate::new(format!("{k}.png"))).collect();
        let records =
            (0..n).map(|at| PreferenceRecord::task(at.to_string(), None, "a cup", candidates())).collect();
        let verdict = |at: usize, k: usize| Verdict {
            structure: -(((7 * at + 3 * k) % 11) as f64),
            obedience: 0.0,
            coherence: -(k as f64),
        };
        (records, (0..n).map(|at| (0..4).map(|k| verdict(at, k)).collect()).collect())
    }

    #[test]
    fn without_noise_the_order_is_that_of_the_verdicts() {
        let (records, verdicts) = collection(50);
        let config = AnnotateConfig { noise: 0.0, tie_band: 0.0, seed: 0 };
        let (judged, report) = judged(&config, Opinion::Coherence, &records, &verdicts);
        assert_eq!((judged.len(), report.n_pairs, report.n_ties), (50, 300, 0));
        assert!((report.agreement - 1.0).abs() < 1e-12);
        assert_eq!(judged[3].judgement, Some(Judgement::Ranking(vec![1, 2, 3, 4])));
        assert!(judged[0].annotator.as_ref().unwrap().starts_with("simulated"));
    }

    #[test]
    fn noise_makes_as_many_mistakes_as_it_says() {
        let (records, verdicts) = collection(2000);
        let config = AnnotateConfig { noise: 1.0, tie_band: 0.0, seed: 3 };
        let (_, report) = judged(&config, Opinion::Coherence, &records, &verdicts);
        // Verdicts 0 to 3 have the deviation 1.118; pairs are 1, 2 or 3 apart, three, two and one of six.
        let right = |distance: f64| 1.0 / (1.0 + (-distance / 1.118_f64).exp());
        let expected = (3.0 * right(1.0) + 2.0 * right(2.0) + right(3.0)) / 6.0;
        // Four standard deviations of 12,000 pairs, as if they were independent, twice over since they are not.
        assert!((report.agreement - expected).abs() < 0.03, "{} instead of {expected}", report.agreement);
    }

    #[test]
    fn where_all_are_alike_there_is_nothing_to_learn() {
        let (records, verdicts) = collection(5);
        let (judged, report) = judged(&AnnotateConfig::default(), Opinion::Obedience, &records, &verdicts);
        assert!(judged.is_empty() && report == AxisReport::default(), "{report:?}");
    }
}
