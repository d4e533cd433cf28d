//! The report as tables for people.

use std::fmt::{self, Write};

use super::{Report, SectionReport};
use crate::bootstrap::{Estimate, N_RESAMPLES};
use crate::breakdown::Breakdown;
use crate::feature_sets::Frechet;
use crate::figures::Figures;
use crate::gallery::{Example, Group, Order};
use crate::measure::Subject;
use crate::metric::{Better, Metric};

pub(super) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    write(&mut text, report).expect("a string takes any text");
    text
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    let Report { model, judge, settings, world, note, sections, autoencoder, .. } = report;
    let split = settings.split.name();
    writeln!(out, "# {} on the mini world, {split} split\n", model.name)?;
    writeln!(out, "{note}\n")?;
    let guidance = settings.guidance;
    writeln!(
        out,
        "Model `{}`, weights `{}`. {} steps of {}, guidance {} (edit), {} (erase), {} (outpaint; none without \
         a prompt), temperature {} (edit), {} (erase) and {} (outpaint). {} samples of each section, frames of {} px, seed {}; {} photographs, \
         {} concepts. Values are means with 95 % intervals: of shares Wilson's, of Fréchet distances 1.96 standard \
         deviations over resamples, of all others and of comparisons percentiles of {N_RESAMPLES} resamples. All of \
         them take samples for independent, though many share one of the {} photographs.\n",
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
        settings.n_samples,
        settings.picture_size,
        settings.seed,
        world.n_photos,
        world.n_concepts,
        world.n_photos,
    )?;
    writeln!(
        out,
        "The judge `{}`, weights `{}`, is a classifier of the world's concepts and nothing that was trained on \
         pictures of the world, none of them painted by a model. Its figures are to be read beside those that it gives to the \
         truth. Erasures on photographs whose own subject is a concept do not count for judge-nothing.\n",
        judge.name, judge.hash,
    )?;
    for section in sections {
        let name = section.section.name();
        writeln!(out, "## {name}\n")?;
        table(out, &section.figures)?;
        if let Some(frechet) = &section.frechet {
            distances(out, frechet)?;
        }
        breakdown(out, "group", &section.groups)?;
        breakdown(out, "concept", &section.concepts)?;
        writeln!(out, "Pixels changed outside the masks: {}.\n", section.n_kept_changed)?;
        examples(out, section)?;
    }
    for (title, figures) in
        [("photographs", &autoencoder.photographs), ("composites", &autoencoder.composites)]
    {
        if figures.is_empty() {
            continue;
        }
        writeln!(out, "## autoencoder on {title}\n")?;
        table(out, figures)?;
    }
    Ok(())
}

/// A row for each metric, a column for each subject, then one for each comparison.
fn table(out: &mut String, figures: &[Figures]) -> fmt::Result {
    let measured = |subject: &Subject| figures.iter().any(|f| f.subjects.contains_key(subject));
    let compared = |subject: &Subject| figures.iter().any(|f| f.model_against.contains_key(subject));
    let subjects: Vec<Subject> = Subject::ALL.into_iter().filter(measured).collect();
    let others: Vec<Subject> = Subject::ALL.into_iter().filter(compared).collect();
    let multiples: Vec<Subject> =
        Subject::ALL.into_iter().filter(|s| figures.iter().any(|f| f.model_times.contains_key(s))).collect();

    write!(out, "| metric | best | n |")?;
    subjects.iter().try_for_each(|subject| write!(out, " {} |", subject.title()))?;
    others.iter().try_for_each(|other| write!(out, " model against {} |", other.title()))?;
    multiples.iter().try_for_each(|other| write!(out, " model / {} |", other.title()))?;
    writeln!(out, "\n|---|---|---|{}", "---|".repeat(subjects.len() + others.len() + multiples.len()))?;
    for figure in figures {
        let metric = figure.metric;
        let n = figure.subjects.values().map(|estimate| estimate.n).max().unwrap_or(0);
        write!(out, "| {} | {} | {n} |", heading(metric), best(metric))?;
        for subject in &subjects {
            let estimate = figure.subjects.get(subject);
            let of_fewer = estimate.filter(|e| e.n != n).map(|e| format!(" (n {})", e.n));
            write!(out, " {}{} |", cell(metric, estimate, ""), of_fewer.unwrap_or_default())?;
        }
        for other in &others {
            let sign = if metric.is_ratio() { "x" } else { "+" };
            write!(out, " {} |", cell(metric, figure.model_against.get(other), sign))?;
        }
        for other in &multiples {
            write!(out, " {} |", shown(figure.model_times.get(other), 2, "x"))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// The metric's name with its unit.
pub(crate) fn heading(metric: Metric) -> String {
    let unit = metric.unit();
    if unit.is_empty() { metric.name().to_owned() } else { format!("{} ({unit})", metric.name()) }
}

/// In which direction it improves, in a word.
pub(crate) const fn best(metric: Metric) -> &'static str {
    match metric.better() {
        Better::Higher => "high",
        Better::Lower => "low",
        Better::One => "1",
        Better::Neither => "",
    }
}

/// `mean [low, high]`; a `+` shows the sign of a difference, an `x` marks a ratio.
pub(crate) fn cell(metric: Metric, estimate: Option<&Estimate>, sign: &str) -> String {
    let digits = match metric.unit() {
        "dB" | "levels" => 2,
        _ => 3,
    };
    shown(estimate, digits, sign)
}

/// The same with a number of digits.
pub(crate) fn shown(estimate: Option<&Estimate>, digits: usize, sign: &str) -> String {
    let Some(Estimate { mean, low, high, n: _ }) = estimate else { return String::new() };
    match sign {
        "+" => format!("{mean:+.digits$} [{low:+.digits$}, {high:+.digits$}]"),
        _ => format!("{sign}{mean:.digits$} [{low:.digits$}, {high:.digits$}]"),
    }
}

fn distances(out: &mut String, frechet: &Frechet) -> fmt::Result {
    let Frechet { n_features, subjects, unpaired } = frechet;
    let listed = subjects.iter().map(|(subject, e)| format!("{} {}", subject.title(), shown(Some(e), 2, "")));
    let apart = unpaired.iter().map(|(subject, distance)| format!("{} {distance:.2}", subject.title()));
    writeln!(
        out,
        "frechet-judge/frame, from the truths of the same cases, by {n_features} features of the judge (low is \
         good): {}. Every other case from the truths of the rest: {}.\n",
        listed.collect::<Vec<_>>().join("; "),
        apart.collect::<Vec<_>>().join("; "),
    )
}

/// A row for each group or concept.
fn breakdown(out: &mut String, what: &str, rows: &[Breakdown]) -> fmt::Result {
    let Some(first) = rows.first() else { return Ok(()) };
    let subjects: Vec<Subject> = first.subjects.keys().copied().collect();
    write!(out, "| {what} | n |")?;
    subjects.iter().try_for_each(|subject| write!(out, " judge-top-1, {} |", subject.title()))?;
    writeln!(out, " most often taken for |\n|---|---|{}---|", "---|".repeat(subjects.len()))?;
    for Breakdown { name, subjects: shares, taken_for } in rows {
        let n = shares.values().map(|estimate| estimate.n).max().unwrap_or(0);
        write!(out, "| {name} | {n} |")?;
        for subject in &subjects {
            write!(out, " {} |", shown(shares.get(subject), 2, ""))?;
        }
        match taken_for {
            Some((label, n)) => writeln!(out, " {label} ({n}) |")?,
            None => writeln!(out, " |")?,
        }
    }
    writeln!(out)
}

fn examples(out: &mut String, section: &SectionReport) -> fmt::Result {
    if section.examples.is_empty() {
        return Ok(());
    }
    let name = section.section.name();
    writeln!(out, "![worst, best and random cases of {name}]({name}.png)\n")?;
    let order = Order::of(section.section).title();
    writeln!(out, "Question, answer and truth of the worst, the best and of random cases, by {order}:\n")?;
    for (group, title) in [(Group::Worst, "worst"), (Group::Best, "best"), (Group::Random, "random")] {
        let shown = section.examples.iter().filter(|example| example.group == group);
        writeln!(out, "- {title}: {}", shown.map(described).collect::<Vec<_>>().join("; "))?;
    }
    writeln!(out)
}

fn described(example: &Example) -> String {
    let Example { sample, prompt, score, seen, .. } = example;
    let prompt = if prompt.is_empty() { "no prompt" } else { prompt };
    let seen = seen.as_ref().map(|seen| format!(", seen as {seen}")).unwrap_or_default();
    format!("{prompt} ({score:.2}{seen}, sample {sample})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(mean: f64) -> Estimate {
        Estimate { mean, low: mean - 0.5, high: mean + 0.25, n: 12 }
    }

    #[test]
    fn a_table_has_a_column_for_each_subject_and_comparison() {
        let figures = [
            Figures {
                metric: Metric::Psnr,
                subjects: [(Subject::Result, estimate(21.0)), (Subject::HarmonicFill, estimate(20.0))].into(),
                model_against: [(Subject::HarmonicFill, estimate(1.0))].into(),
                model_times: [].into(),
            },
            Figures {
                metric: Metric::GradientEnergy,
                subjects: [
                    (Subject::Result, estimate(0.75)),
                    (Subject::HarmonicFill, Estimate { n: 7, ..estimate(0.5) }),
                ]
                .into(),
                model_against: [(Subject::HarmonicFill, estimate(2.0))].into(),
                model_times: [].into(),
            },
        ];
        let mut text = String::new();
        table(&mut text, &figures).unwrap();
        let expected = "\
| metric | best | n | model | harmonic fill | model against harmonic fill |
|---|---|---|---|---|---|
| psnr/mask (dB) | high | 12 | 21.00 [20.50, 21.25] | 20.00 [19.50, 20.25] | +1.00 [+0.50, +1.25] |
| gradient-energy/mask (x truth) | 1 | 12 | 0.750 [0.250, 1.000] | 0.500 [0.000, 0.750] (n 7) | x2.000 [1.500, 2.250] |

";
        assert_eq!(text, expected);
    }
}
