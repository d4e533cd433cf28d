//! The arms that were asked for with their models, and what is said while they paint.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use byteedit_data::Split;
use byteedit_edit::EditModel;
use byteedit_eval::EvalConfig;
use byteedit_eval::compare::{Arm, ArmSettings, CompareEvent, KeptArm};

use crate::args::ArmArg;
use crate::model;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::arithmetic;

/// Every model that an arm names, once, by its name, all on one device.
pub(super) struct Models {
    models: BTreeMap<String, Loaded>,
    /// Where they compute and how.
    arithmetic: String,
}

struct Loaded {
    model: EditModel,
    fingerprint: String,
}

impl Models {
    /// Loads them, whose answers are to be kept in the folder `out`.
    ///
    /// # Errors
    /// The first model that cannot be used.
    pub(super) fn load(asked: &[ArmArg], out: &Path, device: &Device) -> anyhow::Result<Self> {
        let mut models = BTreeMap::new();
        for ArmArg { model: name, .. } in asked {
            if !models.contains_key(name) {
                let model = model::load(name, device)?;
                models.insert(name.clone(), Loaded { model, fingerprint: model::fingerprint(name, out)? });
            }
        }
        Ok(Self { models, arithmetic: arithmetic(device) })
    }

    /// An arm with the settings that suit its model, but for what it says itself.
    pub(super) fn arm(&self, asked: &ArmArg, split: Split) -> Arm<'_> {
        let Loaded { model, fingerprint } = &self.models[&asked.model];
        let suited = ArmSettings::from(&EvalConfig::for_model(split, model));
        let guidance = suited.guidance;
        let settings = ArmSettings {
            n_steps: asked.n_steps.unwrap_or(suited.n_steps),
            guidance: asked.guidance.map_or(guidance, |scale| guidance.of_prompts(scale)),
            ..suited
        };
        Arm {
            name: asked.name.clone(),
            editor: model,
            fingerprint: fingerprint.clone(),
            device: self.arithmetic.clone(),
            settings,
        }
    }

    /// Side in pixels of the frames that suit an arm's model.
    pub(super) fn picture_size(&self, asked: &ArmArg, split: Split) -> usize {
        EvalConfig::for_model(split, &self.models[&asked.model].model).picture_size
    }
}

/// Says what a comparison tells.
pub(super) struct Teller<'a> {
    printer: &'a Printer,
    progress: Option<Progress>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(printer: &'a Printer) -> Self {
        Self { printer, progress: None }
    }

    pub(super) fn hear(&mut self, event: CompareEvent) {
        match event {
            CompareEvent::Kept(KeptArm { arm, n_answers }) => {
                if n_answers > 0 {
                    self.printer.note(format_args!("the arm {arm} goes on after {n_answers} answers"));
                }
            }
            CompareEvent::Answered(report) => {
                let start = || Progress::start(self.printer, "samples", report.n_cases as u64);
                let progress = self.progress.get_or_insert_with(start);
                progress.set(report.n_done as u64, || report.section.name().to_owned());
            }
        }
    }
}
