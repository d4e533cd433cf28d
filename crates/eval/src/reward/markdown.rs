//! The report as tables for people.

use std::fmt::{self, Write};

use super::accuracy::Accuracy;
use super::calibration::{Bin, Calibration};
use super::report::{
    CALIBRATION, PixelFigures, PromptFigures, RankedCandidate, RewardReport, Row, SHEET, TrueOrder,
};
use crate::bootstrap::{Estimate, N_RESAMPLES};

pub(super) fn markdown(report: &RewardReport) -> String {
    let mut text = String::new();
    write(&mut text, report).expect("a string takes any text");
    text
}

fn write(out: &mut String, report: &RewardReport) -> fmt::Result {
    heading(out, report)?;
    scorers(out, report)?;
    if !report.true_orders.is_empty() {
        true_orders(out, &report.true_orders)?;
    }
    parts(out, report)?;
    calibration(out, &report.calibration)?;
    if let Some(pixels) = &report.pixels {
        pixel_figures(out, pixels)?;
    }
    rows(out, &report.rows)
}

fn heading(out: &mut String, report: &RewardReport) -> fmt::Result {
    let (reward, records) = (&report.reward, &report.records);
    let sees = |sees: bool| if sees { "sees" } else { "does not see" };
    writeln!(out, "# {} on judged preferences\n", reward.name)?;
    writeln!(
        out,
        "A reward of the kind {}, which {} the prompt and {} the mask. File `{}`, scores on {} where there are scores: {} \
         records of {} tasks, {} pairs, and {} ties, which count for nothing here; {} bad lines left out. A pair is right if \
         the better candidate has the higher score, and half right if the scores are equal. Intervals hold 95 %: percentiles \
         of {N_RESAMPLES} resamples of tasks, of which the pairs stay together.\n",
        reward.kind,
        sees(reward.sees_prompt),
        sees(reward.sees_mask),
        records.hash,
        records.axis.name(),
        records.n_records,
        records.n_tasks,
        records.n_pairs,
        records.n_ties,
        records.n_skipped,
    )
}

fn scorers(out: &mut String, report: &RewardReport) -> fmt::Result {
    table(out, "scorer", "prefers")?;
    row(out, "**reward**", "", Some(&report.accuracy))?;
    for figures in &report.trivial {
        row(out, figures.scorer.name(), figures.prefers.name(), Some(&figures.accuracy))?;
    }
    row(out, "reward, another task's pictures", "", report.shuffled.as_ref())?;
    writeln!(
        out,
        "\nThe best scorer that knows nothing is {}; the reward is right more often by {}. Whether such a scorer prefers more \
         or less was chosen on this file, which favours it. With another task's pictures a reward should be right in half of \
         the pairs; more means that the places of the candidates say who made them.\n",
        report.best_trivial.name(),
        signed(&report.margin),
    )
}

fn true_orders(out: &mut String, orders: &[TrueOrder]) -> fmt::Result {
    writeln!(out, "## values before the noise\n")?;
    writeln!(
        out,
        "The candidates carry what a simulated annotator measured before it was mistaken. Over judged pairs whose values \
         differ: how often the judgement agrees with them, which no reward can be expected to exceed on the judgements, and \
         how often the reward does.\n"
    )?;
    table(out, "value", "agrees")?;
    for TrueOrder { value, ceiling, reward } in orders {
        row(out, value, "judgement", Some(ceiling))?;
        row(out, value, "reward", Some(reward))?;
    }
    writeln!(out)
}

fn parts(out: &mut String, report: &RewardReport) -> fmt::Result {
    writeln!(out, "## parts\n")?;
    table(out, "records", "first is better")?;
    for (kind, accuracy) in &report.kinds {
        row(out, kind, "", Some(accuracy))?;
    }
    if let Some(PromptFigures { seen, unseen }) = &report.prompts {
        row(out, "prompts of training", "", seen.as_ref())?;
        row(out, "prompts that training did not see", "", unseen.as_ref())?;
    }
    for figures in &report.places {
        let [first, second] = figures.places;
        let share = format!("{:.2}", figures.first_is_better);
        row(out, &format!("candidates {first} and {second}"), &share, Some(&figures.accuracy))?;
    }
    writeln!(out)
}

fn calibration(out: &mut String, calibration: &Calibration) -> fmt::Result {
    writeln!(out, "## calibration\n")?;
    writeln!(
        out,
        "The logistic function of a difference of scores, taken for the probability that the candidate at the earlier place is \
         preferred. Expected calibration error {:.3}. Intervals here are Wilson's and take pairs for independent.\n",
        calibration.expected_error,
    )?;
    writeln!(out, "![predicted probabilities and observed shares]({CALIBRATION})\n")?;
    writeln!(out, "| from | to | pairs | predicted | observed |\n|---|---|---|---|---|")?;
    for Bin { ends: [low, high], predicted, observed } in &calibration.bins {
        writeln!(out, "| {low:.1} | {high:.1} | {} | {predicted:.3} | {} |", observed.n, shown(observed))?;
    }
    writeln!(out)
}

fn pixel_figures(out: &mut String, pixels: &PixelFigures) -> fmt::Result {
    writeln!(out, "## pixels\n")?;
    writeln!(
        out,
        "The probability that a pixel that was kept scores higher than a repainted one of the same picture (the area under the \
         ROC curve), averaged over pictures: as they are, {}; sent through an autoencoder as a whole, {}. Kept pixels of \
         pictures as they are never went through one, and to tell that is not to tell incoherence.\n",
        shown_or_none(pixels.auc_naive.as_ref()),
        shown_or_none(pixels.auc_through_vae.as_ref()),
    )
}

fn rows(out: &mut String, rows: &[Row]) -> fmt::Result {
    writeln!(out, "## examples\n")?;
    writeln!(out, "![records with their candidates, best first]({SHEET})\n")?;
    writeln!(
        out,
        "Row by row: the picture before the edit with its mask in grey, then the candidates, the reward's best first, with \
         their scores.\n"
    )?;
    for (number, row) in (1..).zip(rows) {
        let Row { task_id, kind, prompt, candidates, n_right, n_pairs } = row;
        let prompt = if prompt.is_empty() { "no prompt" } else { prompt };
        let ranked = candidates
            .iter()
            .map(|RankedCandidate { candidate, score }| format!("candidate {candidate} ({score:.3})"));
        let ranked = ranked.collect::<Vec<_>>().join(", ");
        writeln!(
            out,
            "{number}. {prompt} (task {task_id}, {kind}): {ranked}; right in {n_right} of {n_pairs} pairs"
        )?;
    }
    Ok(())
}

/// The head of a table of accuracies.
fn table(out: &mut String, first: &str, second: &str) -> fmt::Result {
    writeln!(out, "| {first} | {second} | right | pairs | tasks |\n|---|---|---|---|---|")
}

fn row(out: &mut String, first: &str, second: &str, accuracy: Option<&Accuracy>) -> fmt::Result {
    let Some(Accuracy { share, n_pairs }) = accuracy else {
        return writeln!(out, "| {first} | {second} | | 0 | 0 |");
    };
    writeln!(out, "| {first} | {second} | {} | {n_pairs} | {} |", shown(share), share.n)
}

/// `mean [low, high]`
fn shown(estimate: &Estimate) -> String {
    let Estimate { mean, low, high, n: _ } = estimate;
    format!("{mean:.3} [{low:.3}, {high:.3}]")
}

fn shown_or_none(estimate: Option<&Estimate>) -> String {
    estimate.map_or_else(|| "not measured".to_owned(), shown)
}

/// The same of a difference, with its sign.
fn signed(estimate: &Estimate) -> String {
    let Estimate { mean, low, high, n: _ } = estimate;
    format!("{mean:+.3} [{low:+.3}, {high:+.3}]")
}
