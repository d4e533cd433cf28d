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

/// Writes `guard.json` and `rewards.svg` from the run's log.
pub(super) fn write(folder: &Path, config: &PeflRunConfig) -> Result<()> {
    let records = read_log(&folder.join("log.jsonl"))?;
    let validations: Vec<&LogRecord> =
        records.iter().filter(|record| record.values.contains_key("validation/loss")).collect();
    let figure = |record: &LogRecord, name: &str| record.values.get(&format!("validation/{name}")).copied();
    // The first of equal ones, as it was when they were kept.
    let best = validations.iter().min_by(|a, b| a.values["validation/loss"].total_cmp(&b.values["validation/loss"]));
    if let (Some(first), Some(best), Some(last)) = (validations.first(), best, validations.last()) {
        let drifted: Vec<u64> = validations
            .iter()
            .filter(|record| figure(record, "drifted") == Some(1.0))
            .map(|record| record.step)
            .collect();
        let is_guarded = figure(first, "held_out").is_some();
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
