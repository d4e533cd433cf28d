//! The comparison as tables for people.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use super::gsb::{Counts, Gsb, MAX_SAME_SHARE};
use super::report::{ArmReport, CompareReport, PairFigures, SectionComparison, sheet_name};
use super::score::Score;
use crate::bootstrap::{Estimate, N_RESAMPLES};
use crate::metric::Metric;
use crate::report::{best, cell, heading, shown};

pub(super) fn markdown(report: &CompareReport) -> String {
    let mut text = String::new();
    write(&mut text, report).expect("a string takes any text");
    text
}

fn write(out: &mut String, report: &CompareReport) -> fmt::Result {
    preface(out, report)?;
    arms(out, &report.arms)?;
    for section in &report.sections {
        writeln!(out, "## {}\n", section.section.name())?;
        means(out, section)?;
        pairs(out, section)?;
        differences(out, &section.pairs)?;
        examples(out, section)?;
    }
    Ok(())
}

fn preface(out: &mut String, report: &CompareReport) -> fmt::Result {
    let CompareReport { note, judge, world, settings, arms, .. } = report;
    let reference = arms.first().map_or("", |arm| arm.name.as_str());
    let split = settings.split.name();
    writeln!(out, "# {} arms on the mini world, {split} split\n", arms.len())?;
    writeln!(out, "{note}\n")?;
    writeln!(
        out,
        "Every arm answered the same {} questions of each section from the same noise: frames of {} px, seed {}; {} \
         photographs, {} concepts. Structure is minus the distance under the mask to the nearest right answer, coherence \
         minus the errors along the mask's edge in levels: 0 is the best of both, and neither asks a network. The judge `{}`, \
         weights `{}`, is a classifier.\n",
        settings.n_samples,
        settings.picture_size,
        settings.seed,
        world.n_photos,
        world.n_concepts,
        judge.name,
        judge.hash,
    )?;
    writeln!(
        out,
        "The first arm of a pair is good (G) in a case if its score is higher by more than the tie band, bad (B) if it is lower \
         by more, and else the same (S). The rule for the band was fixed beforehand: `{reference}` painted every case from two seeds, and the \
         band is the median distance between the two scores. Superiority is (G + S) / (S + B), 100 % at parity; the win rate \
         (G + S) / ((G + S) + (S + B)), 50 % at parity. Values are means with 95 % intervals: of shares Wilson's, of all others \
         percentiles of {N_RESAMPLES} resamples of cases, which take cases for independent, though many share a \
         photograph.\n",
    )
}

fn arms(out: &mut String, arms: &[ArmReport]) -> fmt::Result {
    writeln!(
        out,
        "| arm | model | weights | steps | sampler | guidance (edit, erase, outpaint) | temperature (edit, erase, outpaint) | box share |\n\
         |---|---|---|---|---|---|---|---|"
    )?;
    for ArmReport { name, model, settings } in arms {
        let guidance = settings.guidance;
        let box_share = settings.box_share.map(|share| share.to_string()).unwrap_or_default();
        writeln!(
            out,
            "| {name} | {} | `{}` | {} | {} | {}, {}, {} | {}, {}, {} | {box_share} |",
            model.name,
            model.hash,
            settings.n_steps,
            settings.sampler,
            guidance.edit,
            guidance.erase,
            guidance.outpaint,
            settings.temperature,
            settings.erase_temperature,
            settings.outpaint_temperature,
        )?;
    }
    writeln!(out)
}

/// A row for each score and metric, a column for each arm.
fn means(out: &mut String, section: &SectionComparison) -> fmt::Result {
    let arms = &section.arms;
    write!(out, "| measured | best | n |")?;
    arms.iter().try_for_each(|arm| write!(out, " {} |", arm.arm))?;
    writeln!(out, "\n|---|---|---|{}", "---|".repeat(arms.len()))?;
    for score in Score::ALL {
        write!(out, "| {} | high | {} |", score.name(), section.n_samples)?;
        for arm in arms {
            write!(out, " {} |", shown(arm.scores.get(&score), score.n_digits(), ""))?;
        }
        writeln!(out)?;
    }
    let metrics: BTreeSet<Metric> = arms.iter().flat_map(|arm| arm.figures.keys().copied()).collect();
    for metric in metrics {
        let n = arms.iter().filter_map(|arm| arm.figures.get(&metric)).map(|estimate| estimate.n).max();
        write!(out, "| {} | {} | {} |", heading(metric), best(metric), n.unwrap_or(0))?;
        for arm in arms {
            write!(out, " {} |", cell(metric, arm.figures.get(&metric), ""))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// A row for each pair and score.
fn pairs(out: &mut String, section: &SectionComparison) -> fmt::Result {
    writeln!(
        out,
        "| pair | score | tie band | G | S | B | S of all | superiority | win rate |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    for PairFigures { first, second, scores, .. } in &section.pairs {
        for (score, gsb) in scores {
            let band = section.bands.get(score).copied().unwrap_or_default();
            let Gsb { counts: Counts { good, same, bad }, superiority, win_rate, .. } = gsb;
            let superiority = superiority.as_ref().map_or_else(|| "no finite one".to_owned(), percent);
            writeln!(
                out,
                "| {first} against {second} | {} | {band:.digits$} | {good} | {same} | {bad} | {} | {superiority} | {} |",
                score.name(),
                same_share(gsb),
                percent(win_rate),
                digits = score.n_digits(),
            )?;
        }
    }
    writeln!(out)
}

/// A row for each pair, a column for each metric.
fn differences(out: &mut String, pairs: &[PairFigures]) -> fmt::Result {
    let metrics: BTreeSet<Metric> = pairs.iter().flat_map(|pair| pair.differences.keys().copied()).collect();
    write!(out, "| difference, case by case |")?;
    metrics.iter().try_for_each(|metric| write!(out, " {} |", heading(*metric)))?;
    writeln!(out, "\n|---|{}", "---|".repeat(metrics.len()))?;
    for PairFigures { first, second, differences, .. } in pairs {
        write!(out, "| {first} against {second} |")?;
        for &metric in &metrics {
            let sign = if metric.is_ratio() { "x" } else { "+" };
            write!(out, " {} |", cell(metric, differences.get(&metric), sign))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn examples(out: &mut String, section: &SectionComparison) -> fmt::Result {
    if section.shown.is_empty() {
        return Ok(());
    }
    let name = section.section.name();
    let arms: Vec<&str> = section.arms.iter().map(|arm| arm.arm.as_str()).collect();
    writeln!(out, "![random cases of {name}]({})\n", sheet_name(section.section))?;
    let described = section.shown.iter().map(|case| {
        let prompt = if case.prompt.is_empty() { "no prompt" } else { &case.prompt };
        format!("{prompt} (sample {})", case.sample)
    });
    let described: Vec<String> = described.collect();
    writeln!(out, "Question, {}, truth; row by row: {}.\n", arms.join(", "), described.join("; "))
}

/// The share of ties, and whether it is low enough for the counts to say something.
fn same_share(gsb: &Gsb) -> String {
    let relation = if gsb.has_few_ties { "at most" } else { "above" };
    format!("{:.1} % ({relation} {:.0} %)", 100.0 * gsb.same_share, 100.0 * MAX_SAME_SHARE)
}

/// `mean % [low, high]`
fn percent(estimate: &Estimate) -> String {
    let [mean, low, high] = [estimate.mean, estimate.low, estimate.high].map(|share| 100.0 * share);
    format!("{mean:.1} % [{low:.1}, {high:.1}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::Section;

    #[test]
    fn a_pair_has_a_row_for_each_score() {
        let gsb = Gsb::of(&[2.0, 2.0, 0.0, -2.0].repeat(4), 1.0, 1).unwrap();
        let pair = PairFigures {
            first: "pefl".to_owned(),
            second: "base".to_owned(),
            scores: [(Score::Structure, gsb), (Score::Coherence, Gsb::of(&[3.0; 4], 0.5, 1).unwrap())].into(),
            differences: [].into(),
        };
        let section = SectionComparison {
            section: Section::Edit,
            n_samples: 16,
            bands: [(Score::Structure, 1.0), (Score::Coherence, 0.5)].into(),
            arms: Vec::new(),
            pairs: vec![pair],
            shown: Vec::new(),
        };
        let mut text = String::new();
        pairs(&mut text, &section).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        let start =
            "| pefl against base | structure | 1.0000 | 8 | 4 | 4 | 25.0 % (at most 40 %) | 150.0 % [";
        assert!(rows[2].starts_with(start) && rows[2].contains("| 60.0 % ["), "{text}");
        let all_good = "| pefl against base | coherence | 0.50 | 4 | 0 | 0 | 0.0 % (at most 40 %) | no finite one | \
            100.0 % [100.0, 100.0] |";
        assert_eq!(rows[3], all_good);
    }
}
