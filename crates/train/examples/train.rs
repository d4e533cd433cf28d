//! Starts and exports runs until the command line does; without arguments it says how.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command-line tool")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use byteedit_data::World;
use byteedit_train::base::{self, BaseInputs, BaseRunConfig};
use byteedit_train::export::export_base;
use byteedit_train::run::config_from_overlay;
use byteedit_train::vae::{self, VaeRunConfig};
use byteedit_train::{Progress, RunContext, Source, StepReport};

struct Print;

impl Progress for Print {
    fn on_start(&mut self, step: u64, n_steps: u64, n_parameters: usize) {
        eprintln!("step {step} of {n_steps}, {n_parameters} parameters");
    }

    fn on_prepare(&mut self, what: &str, done: usize, total: usize) {
        eprintln!("{what}: {done} of {total}");
    }

    fn on_step(&mut self, r: &StepReport) {
        if r.step <= 5 || r.step.is_multiple_of(20) {
            eprintln!(
                "step {}/{} loss {:.5} norm {:.3} lr {:.2e} {:.1} images/s {:.1} GFLOP/s left {:.0} min",
                r.step,
                r.n_steps,
                r.loss,
                r.grad_norm,
                r.learning_rate,
                r.images_per_second,
                r.gflop_per_second,
                r.eta.as_secs_f64() / 60.0
            );
        }
    }

    fn on_validation(&mut self, step: u64, values: &BTreeMap<String, f64>) {
        eprintln!("step {step} validation {values:?}");
    }

    fn on_sample(&mut self, path: &Path) {
        eprintln!("wrote {}", path.display());
    }

    fn on_checkpoint(&mut self, path: &Path) {
        eprintln!("wrote {}", path.display());
    }

    fn on_warning(&mut self, message: &str) {
        eprintln!("warning: {message}");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack");
    let source = Source::World(World::open(&pack)?);
    let device = Device::flex();
    let overlay = |path: Option<&&str>| path.map_or(Ok("{}".to_owned()), std::fs::read_to_string);
    match words[..] {
        ["vae", run, ref rest @ ..] => {
            let config =
                config_from_overlay(&VaeRunConfig::mini(), &overlay(rest.first())?, "the configuration")?;
            let stop = AtomicBool::new(false);
            let context =
                RunContext { folder: Path::new(run), device: &device, progress: &mut Print, stop: &stop };
            let outcome = vae::train(&config, &source, context)?;
            println!("{outcome:?}");
        }
        ["export-vae", run, out] => {
            let statistics = vae::export(Path::new(run), &source, Path::new(out), &device)?;
            println!("{statistics:?} scaling_factor {}", statistics.scaling_factor());
        }
        ["base", run, vae, ref rest @ ..] => {
            let config =
                config_from_overlay(&BaseRunConfig::mini(), &overlay(rest.first())?, "the configuration")?;
            let stop = AtomicBool::new(false);
            let context =
                RunContext { folder: Path::new(run), device: &device, progress: &mut Print, stop: &stop };
            let inputs =
                BaseInputs { source: &source, vae: Path::new(vae), init: rest.get(1).map(Path::new) };
            println!("{:?}", base::train(&config, &inputs, context)?);
        }
        ["export-base", run, out] => {
            let card = export_base(Path::new(run), &source, Path::new(out), &device)?;
            println!("{} pictures, {} words", card.n_images, card.words.len());
        }
        _ => {
            let usage = "train vae RUN [CONFIG.json] | export-vae RUN OUT | base RUN VAE_DIR [CONFIG.json [INIT_DIR]] | export-base RUN OUT";
            return Err(usage.into());
        }
    }
    Ok(())
}
