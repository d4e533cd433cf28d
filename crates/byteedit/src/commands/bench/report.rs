//! What the benchmarks of kernels and networks print.

use std::fs;

use serde::Serialize;

use super::measure::{Bench, Measured, RunSettings, Spread};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Layout of the JSON.
const SCHEMA_VERSION: u32 = 1;

/// The whole result.
#[derive(Debug, Serialize)]
struct Report<'a> {
    schema_version: u32,
    benchmark: &'a str,
    /// What `--config`, `--weights` or `--network` named.
    config: &'a str,
    program: &'static str,
    machine: Machine,
    dtype: &'static str,
    n_warmup: usize,
    cases: &'a [Measured],
}

/// The line that ends a paced run.
#[derive(Serialize)]
#[serde(tag = "event", rename = "report")]
struct ReportEvent<'a> {
    report: &'a Report<'a>,
}

/// Where it ran.
#[derive(Debug, Serialize)]
struct Machine {
    /// As the system names it, where it does.
    cpu: Option<String>,
    architecture: &'static str,
    system: &'static str,
    n_threads: usize,
}

impl Machine {
    fn this() -> Self {
        Self {
            cpu: cpu_name(),
            architecture: std::env::consts::ARCH,
            system: std::env::consts::OS,
            n_threads: rayon::current_num_threads(),
        }
    }
}

/// Prints what `bench` found.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn report(
    bench: &Bench<'_>,
    benchmark: &str,
    config: &str,
    printer: &Printer,
) -> anyhow::Result<ExitStatus> {
    let RunSettings { n_warmup, is_paced, json, .. } = bench.settings;
    let report = Report {
        schema_version: SCHEMA_VERSION,
        benchmark,
        config,
        program: concat!("byteedit ", env!("CARGO_PKG_VERSION")),
        machine: Machine::this(),
        dtype: "f32",
        n_warmup,
        cases: &bench.measured,
    };
    if is_paced {
        printer.json_line(&ReportEvent { report: &report })?;
    } else {
        printer.answer(json, &report, lines(&report))?;
    }
    Ok(ExitStatus::Done)
}

/// For people.
fn lines(report: &Report<'_>) -> Vec<String> {
    let Machine { cpu, architecture, n_threads, .. } = &report.machine;
    let head = format!(
        "{} of {}, f32, {} threads, {}",
        report.benchmark,
        report.config,
        n_threads,
        cpu.as_deref().unwrap_or(architecture)
    );
    [head].into_iter().chain(report.cases.iter().map(line)).collect()
}

fn line(case: &Measured) -> String {
    let Spread { median, min, max, n } = &case.seconds;
    let times = format!("{} (median of {n}, {} to {})", duration(*median), duration(*min), duration(*max));
    let mut facts = vec![times];
    facts.extend(case.images_per_second.map(|rate| format!("{rate:.2} images/s")));
    facts.push(format!("{:.1} GFLOP/s", case.gflop_per_second));
    facts.extend(case.gigabytes_per_second.map(|rate| format!("{rate:.1} GB/s")));
    if let (Some(before), Some(peak)) = (case.before_bytes, case.peak_bytes) {
        let [peak, above] = [peak, peak.saturating_sub(before)].map(|bytes| bytes as f64 / 1e6);
        facts.push(format!("peak {peak:.0} MB, {above:.0} MB above the start"));
    }
    facts.extend(case.foretold_bytes.map(|bytes| format!("foretold {:.0} MB", bytes as f64 / 1e6)));
    let parts = case.parts.iter().map(|(name, spread)| format!("{name} {}", duration(spread.median)));
    facts.extend(parts);
    format!("{}: {}", case.name, facts.join(", "))
}

/// With four digits, in a unit that suits.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.3} s"),
    }
}

/// The processor's name on Linux.
fn cpu_name() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_that_suits() {
        assert_eq!([4.2e-6, 0.0123, 13.8].map(duration), ["4.2 us", "12.30 ms", "13.800 s"]);
    }
}
