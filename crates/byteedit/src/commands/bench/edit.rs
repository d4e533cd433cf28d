//! A 128 x 128 px edit in a large and in a small photograph: the photograph's size must not matter.

use std::time::Instant;

use anyhow::bail;
use byteedit_edit::{EditModel, EditRequest, Prompt, Settings, Task, TaskKind, Watch};
use byteedit_image::{Encoding, Format, Limits, Mask, Picture, Rect, Size, decode, encode};
use serde::Serialize;

use super::measure::{RunSettings, Spread};
use super::photograph::photograph;
use super::region::bench_region;
use crate::args::{BenchConfigArgs, BenchEditArgs};
use crate::exit::ExitStatus;
use crate::memory;
use crate::model;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::device;

/// 0.3 and 12 megapixels.
const SIZES: [Size; 2] = [Size::new(640, 480), Size::new(4000, 3000)];
/// Side of the region that is edited.
const REGION: usize = 128;
/// Layout of the JSON.
const SCHEMA_VERSION: u32 = 1;

/// The whole result.
#[derive(Debug, Serialize)]
struct Report {
    schema_version: u32,
    model: String,
    model_hash: String,
    device: String,
    n_threads: usize,
    n_steps: usize,
    cases: Vec<Case>,
    /// Large photograph over small one; the aim is 1.
    seconds_ratio: f64,
    /// The same for the memory beyond the pictures.
    memory_ratio: Option<f64>,
}

/// One photograph.
#[derive(Debug, Serialize)]
struct Case {
    width: usize,
    height: usize,
    /// The edit alone: decoded samples in, decoded samples out.
    edit_seconds: Spread,
    decode_seconds: f64,
    encode_seconds: f64,
    /// Samples of the picture, of its mask and of the result, which any edit of it has to hold.
    pictures_bytes: u64,
    /// Largest resident size during the edits.
    peak_bytes: Option<u64>,
    /// The peak less the pictures: program, model and what the edit itself needs.
    edit_bytes: Option<u64>,
}

/// Times edits of one region in photographs of two sizes.
///
/// # Errors
/// A model or device that cannot be used.
pub(super) fn bench_edit(args: BenchEditArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BenchEditArgs { model: chosen, config, size, steps, run } = args;
    let settings = RunSettings::resolve(run)?;
    if let Some(config) = config {
        let config = BenchConfigArgs { config, size, batch: None };
        return bench_region(config, steps as usize, settings, printer);
    }
    if settings.is_paced {
        bail!("--paced takes turns with one edit; name its networks with --config");
    }
    let device = device(chosen.device.as_deref())?;
    let model = model::load(&chosen.model, &device)?;
    let n_runs = SIZES.len() * (settings.n_warmup + settings.n_runs);
    let mut progress = Progress::start(printer, "edits", n_runs as u64);
    let mut n_done = 0;
    let mut tick = || {
        n_done += 1;
        progress.set(n_done, String::new);
    };
    let mut cases = Vec::new();
    for size in SIZES {
        cases.push(case(&model, size, steps as usize, settings, &mut tick)?);
    }
    drop(progress);
    let of = |measure: fn(&Case) -> Option<f64>| Some(measure(&cases[1])? / measure(&cases[0])?);
    let report = Report {
        schema_version: SCHEMA_VERSION,
        model: model.info().name.clone(),
        model_hash: model.info().hash.clone(),
        device: format!("{device:?}"),
        n_threads: rayon::current_num_threads(),
        n_steps: steps as usize,
        seconds_ratio: cases[1].edit_seconds.median / cases[0].edit_seconds.median,
        memory_ratio: of(|case| case.edit_bytes.filter(|bytes| *bytes > 0).map(|bytes| bytes as f64)),
        cases,
    };
    printer.answer(settings.json, &report, lines(&report))?;
    Ok(ExitStatus::Done)
}

fn case(
    model: &EditModel,
    size: Size,
    n_steps: usize,
    run: RunSettings,
    tick: &mut dyn FnMut(),
) -> anyhow::Result<Case> {
    let picture = photograph(size)?;
    let pictures_bytes = 2 * picture.samples().len() as u64 + size.area() as u64;
    let middle = Rect::new((size.width - REGION) / 2, (size.height - REGION) / 2, REGION, REGION);
    let task = Task::Edit { edit_mask: Mask::from_rect(size, middle)?, prompt: Prompt::new("a red apple")? };
    let mut settings = Settings::new(TaskKind::Edit, &model.info().defaults());
    settings.sampling.n_steps = n_steps;
    let request = EditRequest::new(picture, task, settings, Limits::default())?;
    for _ in 0..run.n_warmup {
        model.edit(&request, &mut Watch::silent())?;
        tick();
    }
    let is_reset = memory::reset_peak();
    let mut seconds = Vec::with_capacity(run.n_runs);
    for _ in 0..run.n_runs {
        let begin = Instant::now();
        model.edit(&request, &mut Watch::silent())?;
        seconds.push(begin.elapsed().as_secs_f64());
        tick();
    }
    let peak_bytes = memory::peak_bytes().filter(|_| is_reset);
    let (decode_seconds, encode_seconds) = through_codec(request.picture())?;
    Ok(Case {
        width: size.width,
        height: size.height,
        edit_seconds: Spread::of(seconds),
        decode_seconds,
        encode_seconds,
        pictures_bytes,
        peak_bytes,
        edit_bytes: peak_bytes.map(|peak| peak.saturating_sub(pictures_bytes)),
    })
}

/// Seconds of reading and of writing the picture as a PNG.
fn through_codec(picture: &Picture) -> anyhow::Result<(f64, f64)> {
    let begin = Instant::now();
    let png = encode(picture, &Encoding::new(Format::Png))?;
    let encode_seconds = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    decode(&png, &Limits::default())?;
    Ok((begin.elapsed().as_secs_f64(), encode_seconds))
}

/// For people.
fn lines(report: &Report) -> Vec<String> {
    let megabytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |n| format!("{:.0}", n as f64 / 1e6));
    let case = |case: &Case| {
        let Case {
            width,
            height,
            edit_seconds,
            decode_seconds,
            encode_seconds,
            pictures_bytes,
            peak_bytes,
            edit_bytes,
        } = case;
        let Spread { median, min, max, n } = edit_seconds;
        format!(
            "{width} x {height}: edit {median:.3} s (median of {n}, {min:.3} to {max:.3}), decode \
             {decode_seconds:.3} s, encode {encode_seconds:.3} s, peak {} MB, of which pictures {} MB and the rest {} MB",
            megabytes(*peak_bytes),
            megabytes(Some(*pictures_bytes)),
            megabytes(*edit_bytes),
        )
    };
    let Report { model, model_hash, n_steps, n_threads, seconds_ratio, .. } = report;
    let memory = report.memory_ratio.map_or_else(|| "?".to_owned(), |ratio| format!("{ratio:.2}"));
    let mut lines = vec![format!(
        "{model} ({model_hash}), {n_steps} steps, {n_threads} threads, a region of {REGION} x {REGION} px"
    )];
    lines.extend(report.cases.iter().map(case));
    lines.push(format!("large / small: seconds {seconds_ratio:.2}, memory beyond the pictures {memory}"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_photograph_is_not_trivial_for_a_codec() {
        let picture = photograph(Size::new(64, 64)).unwrap();
        let png = encode(&picture, &Encoding::new(Format::Png)).unwrap();
        assert!(png.len() > 64 * 64, "{} bytes", png.len());
    }
}
