//! `byteedit data align`: pictures with true and wrong captions, of a collection or of any folder.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use byteedit_reward::ClipPair;
use byteedit_train::feedback::{
    self, ALIGN, ALIGN_KEPT, AlignConfig, FolderAlignConfig, FolderAlignInputs, Simulated,
};
use serde_json::{Value, json};

use crate::args::DataAlignArgs;
use crate::commands::train::Observer;
use crate::exit::ExitStatus;
use crate::interrupt::stop_flag;
use crate::printer::Printer;
use crate::settings::{arithmetic, device, overlaid, world};
use crate::{annotator, files, fingerprint};

/// Describes the edits of a collection, where Ctrl-C may simply end it as for annotating, or the pictures of a folder, with which
/// the same command goes on.
///
/// # Errors
/// A collection, a world or an annotator that cannot be used; pictures, captions or a CLIP that cannot.
pub(super) fn align(args: DataAlignArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataAlignArgs {
        folder,
        min_confidence,
        n_wrong,
        annotator,
        world: pack,
        clip,
        better_captions,
        config,
        set,
        skip_bad,
        force,
        device: device_name,
        json,
    } = args;
    let device = device(device_name.as_deref())?;
    let facts = if let (Some(clip), Some(better_captions)) = (&clip, &better_captions) {
        let config = overlaid(FolderAlignConfig::default(), config.as_deref(), &set)?;
        config.validate()?;
        // The folder is somebody's own, and so is a file in it.
        files::check_target(&folder.join(ALIGN), force, "DIR")?;
        let network = ClipPair::load(clip, &device)?;
        // Should they lie within CLIP's folder, what is written beside them is no part of it.
        let pictures = folder.canonicalize();
        let written = pictures.into_iter().flat_map(|real| [ALIGN, ALIGN_KEPT].map(|name| real.join(name)));
        let written: Vec<_> = written.collect();
        let inputs = FolderAlignInputs {
            folder: &folder,
            better_captions,
            clip: &network,
            clip_hash: &fingerprint::of_folder(clip, written.iter().map(PathBuf::as_path))?,
            device: &device,
            arithmetic: &arithmetic(&device),
            skip_bad,
        };
        of_pictures(&config, &inputs, clip, printer)?
    } else {
        let config = AlignConfig { min_confidence, n_wrong };
        Some(of_collection(config, &folder, (annotator.as_str(), pack.as_deref()), &device, printer)?)
    };
    let Some(mut facts) = facts else {
        printer.note("stopped; what CLIP has seen is kept, and the same command goes on from there");
        return Ok(ExitStatus::Interrupted);
    };
    let path = folder.join(ALIGN);
    facts["output"] = json!(path);
    printer.answer(json, &facts, [path.display()])?;
    Ok(ExitStatus::Done)
}

/// By the annotator and the world's pack.
fn of_collection(
    config: AlignConfig,
    folder: &Path,
    (annotator, pack): (&str, Option<&Path>),
    device: &Device,
    printer: &Printer,
) -> anyhow::Result<Value> {
    let world = world(pack)?;
    let network = annotator::open(annotator, device)?;
    let annotator = Simulated::new(&world, &network, device)?;
    let report = feedback::align(config, &world, &annotator, folder, &mut Observer::new(printer))?;
    printer.note(format_args!(
        "{} pictures show what was asked for, {} another thing, {} were left out as unsure; a program says so, no person",
        report.n_matching, report.n_mismatched, report.n_unsure
    ));
    Ok(json!({ "report": report }))
}

/// By CLIP, whose folder gives its measure the name; `None` if Ctrl-C has stopped it.
fn of_pictures(
    config: &FolderAlignConfig,
    inputs: &FolderAlignInputs<'_>,
    clip: &Path,
    printer: &Printer,
) -> anyhow::Result<Option<Value>> {
    let stop = stop_flag(printer)?;
    let aligned = feedback::align_folder(config, inputs, &mut Observer::new(printer), stop)?;
    let Some(report) = aligned else { return Ok(None) };
    printer.note(format_args!(
        "{} of {} pictures fit their captions badly, with a CLIPScore of at most {:.3}; {} of them have a better one, which \
         brings the mean from {:.3} to {:.3}",
        report.n_mismatched,
        report.n_pictures,
        report.cut,
        report.n_corrected,
        report.mean_given,
        report.mean_better
    ));
    let name = clip.file_name().unwrap_or(clip.as_os_str());
    let measure = format!("clipscore/{}/cos", name.to_string_lossy());
    Ok(Some(json!({ "measure": measure, "report": report })))
}
