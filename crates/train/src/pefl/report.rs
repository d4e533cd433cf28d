//! What a run leaves beside its weights: which of them were kept and why, and the rewards as curves.

use std::path::Path;

use serde_json::json;

use super::config::PeflRunConfig;
use crate::Result;
use crate::files::{write_atomically, write_json};
use crate::plot::{Curve, curves_svg};
use crate::run::{LogRecord, read_log};

/// Held-out figures that are drawn, where they are logged.
const DRAWN: [&str; 4] = ["held_out", "aesthetic", "alignment", "coherent"];

/// Writes `guard.json` and `rewards.svg` from the run's log; `is_guarded` says whether a held-out reward chose the weights.
pub(super) fn write(folder: &Path, config: &PeflRunConfig, is_guarded: bool) -> Result<()> {
    let records = read_log(&folder.join("log.jsonl"))?;
    let validations: Vec<&LogRecord> =
        records.iter().filter(|record| record.values.contains_key("validation/loss")).collect();
    let figure = |record: &LogRecord, name: &str| record.values.get(&format!("validation/{name}")).copied();
    // The first of equal ones, as it was when they were kept.
    let best =
        validations.iter().min_by(|a, b| a.values["validation/loss"].total_cmp(&b.values["validation/loss"]));
    if let (Some(first), Some(best), Some(last)) = (validations.first(), best, validations.last()) {
        let drifted: Vec<u64> = validations
            .iter()
            .filter(|record| figure(record, "drifted") == Some(1.0))
            .map(|record| record.step)
            .collect();
        let kept = if is_guarded { best } else { last };
        let verdict = match (is_guarded, kept.step) {
            (false, _) => "no held-out reward was given: the last weights are kept, unguarded",
            (true, 0) => "nothing was better than the model that the run started from, which is what is kept",
            (true, _) => "the weights with the best held-out reward are kept",
        };
        write_json(
            &folder.join("guard.json"),
            &json!({
                "verdict": verdict,
                "kept_step": kept.step,
                "last_step": last.step,
                "stopped_early": last.step < config.training.n_steps,
                "drifted_at": drifted,
                "before": first.values,
                "kept": kept.values,
                "last": last.values,
            }),
        )?;
    }
    let curves: Vec<Curve> = DRAWN
        .iter()
        .map(|name| format!("validation/{name}"))
        .filter(|key| validations.iter().filter(|record| record.values.contains_key(key)).count() >= 2)
        .map(|key| Curve { label: key.clone(), key, smoothing: 0.0 })
        .collect();
    if !curves.is_empty() {
        let svg = curves_svg(&records, "rewards: optimised and held out", &curves)?;
        write_atomically(&folder.join("rewards.svg"), svg.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use serde_json::Value;

    use super::*;
    use crate::run::append_log;

    /// A validation: its step, its loss and whether something drifted.
    type Validation = (u64, f64, bool);

    fn record(&(step, loss, drifted): &Validation, is_guarded: bool) -> LogRecord {
        let mut values = BTreeMap::from([
            ("validation/loss".to_owned(), loss),
            ("validation/drifted".to_owned(), f64::from(u8::from(drifted))),
            ("validation/aesthetic".to_owned(), step as f64),
        ]);
        if is_guarded {
            values.insert("validation/held_out".to_owned(), -loss);
        }
        LogRecord { step, n_images: 16 * step, note: None, values }
    }

    /// `guard.json` of a run of 600 steps with these validations.
    fn guard(validations: &[Validation], is_guarded: bool) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.jsonl");
        let note = Some("a warm start".to_owned());
        append_log(&log, &LogRecord { step: 0, n_images: 0, note, values: BTreeMap::new() }).unwrap();
        for validation in validations {
            append_log(&log, &record(validation, is_guarded)).unwrap();
            let step = BTreeMap::from([("loss".to_owned(), 0.1)]);
            append_log(&log, &LogRecord { step: validation.0 + 1, n_images: 0, note: None, values: step })
                .unwrap();
        }
        write(folder.path(), &PeflRunConfig::mini(), is_guarded).unwrap();
        let svg = fs::read_to_string(folder.path().join("rewards.svg"));
        assert_eq!(svg.is_ok_and(|svg| svg.contains("validation/aesthetic")), validations.len() > 1);
        let Ok(json) = fs::read_to_string(folder.path().join("guard.json")) else { return Value::Null };
        serde_json::from_str(&json).unwrap()
    }

    #[track_caller]
    fn assert_says(guard: &Value, verdict: &str, kept_step: u64) {
        assert!(guard["verdict"].as_str().unwrap().contains(verdict), "{guard}");
        assert_eq!(guard["kept_step"], kept_step, "{guard}");
        assert_eq!(guard["kept"]["validation/aesthetic"], kept_step as f64, "{guard}");
    }

    #[test]
    fn the_best_step_is_the_first_of_the_best() {
        let found = guard(&[(0, 1.0, false), (60, 0.5, false), (120, 0.5, false), (180, 0.7, false)], true);
        assert_says(&found, "the best held-out reward", 60);
        assert_eq!((&found["last_step"], &found["stopped_early"]), (&180.into(), &true.into()));
        assert_eq!(
            (&found["before"]["validation/loss"], &found["last"]["validation/loss"]),
            (&1.0.into(), &0.7.into())
        );
        assert_eq!(found["drifted_at"], json!([]));
        let whole = guard(&[(0, 1.0, false), (600, 0.5, false)], true);
        assert_says(&whole, "the best held-out reward", 600);
        assert_eq!(whole["stopped_early"], false);
    }

    #[test]
    fn what_is_no_better_than_the_start_is_not_kept() {
        assert_says(&guard(&[(0, 0.5, false), (60, 0.6, false)], true), "nothing was better", 0);
        // What drifted has the loss of the start at best.
        let drifted = guard(&[(0, 0.5, false), (60, 0.5, true), (120, 0.8, true)], true);
        assert_says(&drifted, "nothing was better", 0);
        assert_eq!(drifted["drifted_at"], json!([60, 120]));
    }

    #[test]
    fn without_a_held_out_reward_the_last_weights_are_kept() {
        assert_says(&guard(&[(0, 0.0, false), (60, 0.0, false), (120, 0.0, false)], false), "unguarded", 120);
    }

    #[test]
    fn a_log_without_a_validation_says_nothing() {
        assert_eq!(guard(&[], true), Value::Null);
        assert_says(&guard(&[(0, 0.5, false)], true), "nothing was better", 0);
    }
}
