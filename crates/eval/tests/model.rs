//! The evaluation of a real, if tiny and untrained, model.

mod stand_in;
#[path = "../../edit/tests/support/mod.rs"]
#[allow(clippy::unwrap_used, reason = "the support of another crate's tests is linted there")]
mod support;

use byteedit_data::Split;
use byteedit_eval::{EvalConfig, EvalError, Figures, Metric, Report, Subject, eval_world};
use stand_in::{WORLD, random_judge};
use support::{Kind, RESOLUTION, model};

fn config() -> EvalConfig {
    let config = EvalConfig::for_model(Split::Test, &model(Kind::Inpainting));
    EvalConfig { n_samples: 3, n_steps: 2, batch: 2, n_examples: 1, n_diverse: 2, n_seeds: 2, ..config }
}

fn report(kind: Kind, config: &EvalConfig) -> Report {
    let judge = random_judge(&WORLD);
    eval_world(&model(kind), &judge, &WORLD, config, None, &mut |_| {})
        .expect("a tiny model can be evaluated")
        .report
}

/// Every mean of a report.
fn means(report: &Report) -> Vec<(Metric, Subject, f64)> {
    let sections = report.sections.iter().flat_map(|section| &section.figures);
    let autoencoder = report.autoencoder.photographs.iter().chain(&report.autoencoder.composites);
    let of = |figures: &Figures| {
        let metric = figures.metric;
        figures.subjects.iter().map(|(subject, e)| (metric, *subject, e.mean)).collect::<Vec<_>>()
    };
    sections.chain(autoencoder).flat_map(of).collect()
}

#[test]
fn the_same_settings_give_the_same_figures() {
    let config = config();
    let first = report(Kind::Inpainting, &config);
    let again = report(Kind::Inpainting, &config);
    assert_eq!(first, again);
    assert!(means(&first).iter().all(|(_, _, mean)| mean.is_finite()));
    // Another seed asks other questions.
    let other = report(Kind::Inpainting, &EvalConfig { seed: 9, ..config });
    assert_ne!(means(&other), means(&first));
}

#[test]
fn figures_do_not_depend_on_the_batch() {
    let together = means(&report(Kind::Inpainting, &EvalConfig { batch: 3, ..config() }));
    let alone = means(&report(Kind::Inpainting, &EvalConfig { batch: 1, ..config() }));
    for ((metric, subject, together), (_, _, alone)) in together.into_iter().zip(alone) {
        // A sample may round to the next level.
        let difference = (together - alone).abs();
        assert!(difference < 0.02 * alone.abs().max(1.0), "{metric:?} {subject:?}: {together} and {alone}");
    }
}

#[test]
fn a_plain_model_is_evaluated_too_and_no_model_touches_kept_pixels() {
    for kind in [Kind::Inpainting, Kind::Plain] {
        let report = report(kind, &config());
        assert_eq!(report.model.name, "tiny");
        assert!(report.sections.iter().all(|section| section.n_kept_changed == 0));
    }
}

#[test]
fn settings_come_from_the_model_as_far_as_the_world_allows() {
    let model = model(Kind::Inpainting);
    let config = EvalConfig::for_model(Split::Validation, &model);
    // The smallest frame of the world is larger than the tiny model's canvas.
    assert!(RESOLUTION < 32 && config.picture_size == 32);
    assert_eq!(config.n_steps, model.info().defaults().n_steps);
    config.validate().unwrap();
    let too_many = EvalConfig { n_steps: 99_999, n_samples: 1, ..config };
    let judge = random_judge(&WORLD);
    let error = eval_world(&model, &judge, &WORLD, &too_many, None, &mut |_| {}).unwrap_err();
    assert!(matches!(error, EvalError::Editor(_)) && error.to_string().contains("99999"), "{error}");
}
