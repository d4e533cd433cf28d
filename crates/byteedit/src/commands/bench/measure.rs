//! Running cases: warm-up, timing, memory, and taking turns with another program.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::time::Instant;

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::Value;

use crate::args::{BenchRunArgs, DtypeArg};
use crate::memory;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::threads::join_pool;

/// Work that takes less is repeated within one timed run, and the time divided: a single short one would tell more
/// of threads that wake up than of the work.
const MIN_RUN_SEC: f64 = 0.1;

/// Several timings.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) n: usize,
}

impl Spread {
    /// Of at least one timing.
    pub(super) fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let (n, middle) = (seconds.len(), seconds.len() / 2);
        let median =
            if n % 2 == 1 { seconds[middle] } else { f64::midpoint(seconds[middle - 1], seconds[middle]) };
        Self { median, min: seconds[0], max: seconds[n - 1], n }
    }
}

/// What a run has to do at least.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Counted floating-point operations.
    pub(super) flop: f64,
    /// Bytes that must move: every input read once, every output written once. Only where they, and not the
    /// operations, decide.
    pub(super) bytes: Option<f64>,
}

/// One thing to measure.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// For people.
    pub(super) name: String,
    /// For programs: `kind` and every number that another implementation needs to do the same.
    pub(super) shape: Value,
    pub(super) work: Work,
    /// Bytes of the weights, where there are any.
    pub(super) weights_bytes: Option<u64>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) shape: Value,
    pub(super) seconds: Spread,
    /// Pictures of a run over its time, where they are what is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) images_per_second: Option<f64>,
    /// Parts of a run by name, where it has some.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) parts: BTreeMap<&'static str, Spread>,
    /// Counted operations of a run, in billions.
    pub(super) gflop: f64,
    pub(super) gflop_per_second: f64,
    /// Bytes that must move over the time that it took, in billions a second.
    pub(super) gigabytes_per_second: Option<f64>,
    pub(super) weights_bytes: Option<u64>,
    /// Resident size before the first run, weights and inputs included.
    pub(super) before_bytes: Option<u64>,
    /// Largest resident size during all runs.
    pub(super) peak_bytes: Option<u64>,
    /// What was foretold of it from the configuration alone, where that is what is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) foretold_bytes: Option<u64>,
}

/// Runs cases one after the other and keeps what it found.
pub(super) struct Bench<'a> {
    printer: &'a Printer,
    pub(super) settings: RunSettings,
    pub(super) measured: Vec<Measured>,
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunSettings {
    pub(super) n_runs: usize,
    pub(super) n_warmup: usize,
    pub(super) is_paced: bool,
    pub(super) json: bool,
}

impl RunSettings {
    /// Also makes the pool of threads, so it must come before anything is computed.
    ///
    /// # Errors
    /// A number format that the CPU does not compute in.
    pub(super) fn resolve(args: BenchRunArgs) -> anyhow::Result<Self> {
        let BenchRunArgs { threads, dtype, runs, warmup, paced, json } = args;
        match dtype {
            DtypeArg::F32 => {}
            DtypeArg::F64 => {
                bail!("f64 is refused: networks are built in f32, and the kernels have no other; use f32")
            }
            DtypeArg::F16 | DtypeArg::Bf16 => {
                bail!("16 bits are refused: the CPU widens such weights and computes in f32; use f32")
            }
        }
        join_pool(threads);
        Ok(Self { n_runs: runs as usize, n_warmup: warmup as usize, is_paced: paced, json })
    }
}

impl<'a> Bench<'a> {
    pub(super) fn new(printer: &'a Printer, settings: RunSettings) -> Self {
        Self { printer, settings, measured: Vec::new() }
    }

    /// Times `run`, which is handed what it returned before, first `state`.
    ///
    /// # Errors
    /// What `run` returns, or a standard input that ends while runs are left.
    pub(super) fn case<S>(
        &mut self,
        case: Case,
        state: S,
        mut run: impl FnMut(S) -> anyhow::Result<S>,
    ) -> anyhow::Result<&mut Measured> {
        let RunSettings { n_runs, n_warmup, is_paced, json: _ } = self.settings;
        let Case { name, shape, work, weights_bytes } = case;
        let mut progress = Progress::start(self.printer, &name, (n_warmup + n_runs) as u64);
        let before_bytes = memory::resident_bytes();
        let is_reset = memory::reset_peak();
        let mut state = state;
        for index in 0..n_warmup {
            state = run(state)?;
            progress.set(index as u64 + 1, String::new);
        }
        self.tell(&Event::Case { name: &name, shape: &shape })?;
        let mut seconds = Vec::with_capacity(n_runs);
        for index in 0..n_runs {
            if is_paced {
                wait_for_line()?;
            }
            let (begin, mut n_repeats, mut elapsed) = (Instant::now(), 0, 0.0);
            while n_repeats == 0 || elapsed < MIN_RUN_SEC {
                state = run(state)?;
                n_repeats += 1;
                elapsed = begin.elapsed().as_secs_f64();
            }
            seconds.push(elapsed / f64::from(n_repeats));
            self.tell(&Event::Run { seconds: elapsed / f64::from(n_repeats) })?;
            progress.set((n_warmup + index) as u64 + 1, String::new);
        }
        drop(state);
        if is_paced {
            // Nothing of the next case while the other program has its last turn.
            wait_for_line()?;
        }
        let seconds = Spread::of(seconds);
        self.measured.push(Measured {
            name,
            shape,
            images_per_second: None,
            parts: BTreeMap::new(),
            gflop: work.flop / 1e9,
            gflop_per_second: work.flop / 1e9 / seconds.median,
            gigabytes_per_second: work.bytes.map(|bytes| bytes / 1e9 / seconds.median),
            seconds,
            weights_bytes,
            before_bytes,
            peak_bytes: memory::peak_bytes().filter(|_| is_reset),
            foretold_bytes: None,
        });
        self.measured.last_mut().context("nothing was measured; this is a bug")
    }

    /// A line for the program that this one takes turns with.
    fn tell(&self, event: &Event<'_>) -> anyhow::Result<()> {
        if self.settings.is_paced { self.printer.json_line(event) } else { Ok(()) }
    }
}

/// What `--paced` prints.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// A case is warm and waits.
    Case { name: &'a str, shape: &'a Value },
    /// A timed run is done.
    Run { seconds: f64 },
}

fn wait_for_line() -> anyhow::Result<()> {
    let n_bytes =
        io::stdin().lock().read_line(&mut String::new()).context("standard input cannot be read")?;
    if n_bytes == 0 {
        bail!("standard input ended before the last run; --paced needs a line for each, and one more");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max, spread.n), (2.5, 1.0, 4.0, 4));
        assert!((Spread::of(vec![2.0, 9.0, 1.0]).median - 2.0).abs() < 1e-12);
    }

    #[test]
    fn warm_up_runs_come_first_and_are_not_counted() {
        let settings = RunSettings { n_runs: 3, n_warmup: 2, is_paced: false, json: true };
        let printer = Printer::new(true);
        let mut bench = Bench::new(&printer, settings);
        let work = Work { flop: 2e9, bytes: Some(4e9) };
        let case = Case { name: "counting".to_owned(), shape: Value::Null, work, weights_bytes: None };
        let mut last = 0;
        let measured = bench
            .case(case, 0, |n: i32| {
                std::thread::sleep(std::time::Duration::from_millis(if n < 2 { 0 } else { 60 }));
                last = n + 1;
                Ok(last)
            })
            .unwrap();
        // Each timed run is made of two that last 60 ms, to be longer than 100 ms.
        assert_eq!((measured.seconds.n, last), (3, 2 + 3 * 2));
        assert!(measured.seconds.min >= 0.06);
        assert!((measured.gigabytes_per_second.unwrap() / measured.gflop_per_second - 2.0).abs() < 1e-9);
    }
}
