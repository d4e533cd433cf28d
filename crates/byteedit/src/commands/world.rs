//! `byteedit world`: building the pack, writing samples, listing concepts.

use byteedit_data::SampleSpec;
use byteedit_data::world::{BuildReport, build, write_samples};
use serde_json::json;

use super::concepts::{NamedConcept, print_concepts};
use crate::args::{WorldArgs, WorldBuildArgs, WorldConceptsArgs, WorldSampleArgs, WorldVerb};
use crate::exit::ExitStatus;
use crate::files;
use crate::printer::Printer;
use crate::settings::world;

/// Runs one of the verbs.
///
/// # Errors
/// Sources, packs or folders that cannot be used.
pub(crate) fn run(args: WorldArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    match args.verb {
        WorldVerb::Build(args) => build_pack(args, printer)?,
        WorldVerb::Sample(args) => sample(args, printer)?,
        WorldVerb::Concepts(args) => concepts(args, printer)?,
    }
    Ok(ExitStatus::Done)
}

fn build_pack(args: WorldBuildArgs, printer: &Printer) -> anyhow::Result<()> {
    let WorldBuildArgs { from, out, json } = args;
    let BuildReport { pack_bytes, n_concepts, n_renderings, n_photos, n_demo_photos } = build(&from, &out)?;
    let pack = out.join("world").join("world.pack");
    if json {
        return printer.json(&json!({
            "pack": pack.display().to_string(), "bytes": pack_bytes, "n_concepts": n_concepts,
            "n_renderings": n_renderings, "n_photos": n_photos, "n_demo_photos": n_demo_photos,
        }));
    }
    let [train, validation, test] = n_photos;
    printer.note(format_args!(
        "{:.2} MB: {n_concepts} concepts in {n_renderings} renderings, {train} + {validation} + {test} photographs",
        pack_bytes as f64 / 1e6
    ));
    printer.result(pack.display())
}

fn sample(args: WorldSampleArgs, printer: &Printer) -> anyhow::Result<()> {
    let WorldSampleArgs { out, count, task, split, seed, size, world: pack } = args;
    let world = world(pack.as_deref())?;
    files::create_folder(&out)?;
    let spec = SampleSpec { size: size as usize, ..SampleSpec::new(task.into(), split.into(), seed) };
    write_samples(&out, &world, &spec, u64::from(count))?;
    printer.note(format_args!("{count} samples; metadata.jsonl describes them"));
    printer.result(out.display())
}

fn concepts(args: WorldConceptsArgs, printer: &Printer) -> anyhow::Result<()> {
    let WorldConceptsArgs { world: pack, json } = args;
    let world = world(pack.as_deref())?;
    let concepts = world.concepts().iter();
    let concepts: Vec<_> =
        concepts.map(|concept| NamedConcept { name: &concept.name, group: &concept.group }).collect();
    print_concepts(&concepts, json, printer)
}
