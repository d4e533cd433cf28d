//! The evaluation with stand-ins for a model whose right figures are known.

#![expect(clippy::float_cmp, reason = "figures of equal pictures are exact")]

mod stand_in;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use byteedit_data::{ColorWord, Split};
use byteedit_edit::{Canvas, Sampling};
use byteedit_eval::metric::{MAX_PSNR_DB, color_word};
use byteedit_eval::{
    Case, Cases, Editor, EvalConfig, EvalError, Evaluation, Figures, Group, Keep, Metric, ModelIdentity,
    Progress, Report, Result, Section, Subject, eval_world,
};
use byteedit_image::{Limits, Size, UnitImage, decode};
use byteedit_testing::TempDir;
use stand_in::{ColorJudge, Mortal, WORLD, concept_of, in_hole, key};

fn config() -> EvalConfig {
    EvalConfig {
        n_samples: 5,
        picture_size: 32,
        batch: 2,
        n_examples: 2,
        n_diverse: 3,
        n_seeds: 3,
        ..EvalConfig::new(Split::Validation)
    }
}

fn eval(editor: &dyn Editor, config: &EvalConfig) -> Evaluation {
    eval_world(editor, &ColorJudge::of(&WORLD), &WORLD, config, None, &mut |_| {})
        .expect("a stand-in does not fail")
}

/// A stand-in that paints by a function of the canvas and has an autoencoder that loses nothing.
struct Stub<F>(F);

impl<F: Fn(&Canvas<'_>) -> UnitImage> Editor for Stub<F> {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: "stub".to_owned(), hash: "0000000000".to_owned() }
    }

    fn paint(&self, _: Option<f64>, canvases: &[Canvas<'_>], _: &Sampling) -> Result<Vec<UnitImage>> {
        Ok(canvases.iter().map(&self.0).collect())
    }

    fn reconstruct(&self, _: Option<f64>, canvases: &[Canvas<'_>]) -> Result<Vec<UnitImage>> {
        Ok(canvases.iter().map(|canvas| canvas.image.clone()).collect())
    }
}

fn checkers(at: usize) -> [f32; 3] {
    if at.is_multiple_of(2) { [0.9, 0.0, 0.1] } else { [0.1, 0.2, 0.9] }
}

fn figures(report: &Report, section: Section) -> &[Figures] {
    let found = report.sections.iter().find(|found| found.section == section);
    &found.expect("every section is reported").figures
}

fn of(figures: &[Figures], metric: Metric) -> &Figures {
    figures.iter().find(|figures| figures.metric == metric).expect("the metric is measured here")
}

fn mean(figures: &[Figures], metric: Metric, subject: Subject) -> f64 {
    of(figures, metric).subjects[&subject].mean
}

#[test]
fn an_editor_that_knows_the_truth_has_perfect_figures() {
    let config = config();
    let cases: Vec<Case> = Section::ALL
        .into_iter()
        .flat_map(|section| Cases::new(&WORLD, section, &config))
        .map(Result::unwrap)
        .collect();
    let truths: HashMap<_, _> =
        cases.iter().map(|case| (key(&case.input, &case.edit_mask), case.truth.clone())).collect();
    let knowing = Stub(|canvas: &Canvas<'_>| truths[&key(canvas.image, canvas.edit_mask)].clone());
    let report = eval(&knowing, &config).report;
    for section in Section::ALL {
        let figures = figures(&report, section);
        for subject in [Subject::Result, Subject::TruthThroughVae] {
            assert_eq!(mean(figures, Metric::SeamColor, subject), 0.0);
            assert_eq!(mean(figures, Metric::SeamGradient, subject), 0.0);
            assert_eq!(mean(figures, Metric::GradientEnergy, subject), 1.0);
        }
    }
    let erase = figures(&report, Section::Erase);
    assert_eq!(mean(erase, Metric::Psnr, Subject::Result), MAX_PSNR_DB);
    assert!((mean(erase, Metric::Ssim, Subject::Result) - 1.0).abs() < 1e-9);
    assert!(mean(erase, Metric::Psnr, Subject::HarmonicFill) < 50.0);
    let gain = of(erase, Metric::Psnr).model_against[&Subject::HarmonicFill];
    assert!(gain.low > 0.0);
    let edit = figures(&report, Section::Edit);
    assert_eq!(mean(edit, Metric::ColorWord, Subject::Result), 1.0);
    // Sets that are equal are not apart, and neither seeds nor prompts make a difference.
    let outpaint = report.sections.iter().find(|found| found.section == Section::OutpaintFree).unwrap();
    let frechet = outpaint.frechet.as_ref().unwrap();
    assert!(frechet.subjects.values().all(|distance| distance.mean < 1e-9));
    let floor = frechet.unpaired[&Subject::Truth];
    assert!(floor > 0.0 && frechet.unpaired.values().all(|distance| *distance == floor));
    for metric in [Metric::DiversityPixels, Metric::DiversityJudge] {
        assert!(of(edit, metric).subjects.values().all(|distance| distance.mean.abs() < 1e-9));
    }
    assert_eq!(of(edit, Metric::DiversityPixels).subjects[&Subject::Result].n, config.n_diverse);
    assert!(of(edit, Metric::DiversityJudge).subjects.values().all(|found| found.n == config.n_diverse));
    // It does not read prompts, so the empty one changes nothing.
    assert_eq!(of(edit, Metric::ColorWord).model_against[&Subject::EmptyPrompt].mean, 0.0);
    for figures in [&report.autoencoder.photographs, &report.autoencoder.composites] {
        assert_eq!(mean(figures, Metric::PsnrFrame, Subject::TruthThroughVae), MAX_PSNR_DB);
    }
}

#[test]
fn noise_is_busy_has_no_color_and_loses_to_a_smooth_fill() {
    let report = eval(&Stub(|canvas: &Canvas<'_>| in_hole(canvas, checkers)), &config()).report;
    let erase = figures(&report, Section::Erase);
    assert!(mean(erase, Metric::GradientEnergy, Subject::Result) > 5.0);
    assert!(of(erase, Metric::Psnr).model_against[&Subject::HarmonicFill].high < 0.0);
    assert!(mean(erase, Metric::GradientEnergy, Subject::HarmonicFill) < 1.0);
    let edit = figures(&report, Section::Edit);
    assert_eq!(mean(edit, Metric::ColorWord, Subject::Result), 0.0);
    for section in Section::ALL {
        let figures = figures(&report, section);
        assert!(mean(figures, Metric::SeamColor, Subject::Result) > 10.0);
        assert_eq!(mean(figures, Metric::SeamColor, Subject::TruthThroughVae), 0.0);
    }
}

/// What has the word by any measure.
fn flat(word: ColorWord) -> [f32; 3] {
    let levels = match word {
        ColorWord::Red => [220, 20, 30],
        ColorWord::Orange => [250, 140, 20],
        ColorWord::Yellow => [250, 215, 40],
        ColorWord::Green => [40, 170, 60],
        ColorWord::Cyan => [40, 200, 205],
        ColorWord::Blue => [30, 90, 220],
        ColorWord::Purple => [130, 60, 200],
        ColorWord::Pink => [250, 110, 180],
        ColorWord::Brown => [120, 75, 45],
        ColorWord::Black => [15, 15, 20],
        ColorWord::Grey => [128, 128, 130],
        ColorWord::White => [240, 240, 238],
    };
    levels.map(|level: u8| f32::from(level) / 255.0)
}

#[test]
fn the_empty_prompt_tells_obedience_from_luck() {
    let obedient = Stub(|canvas: &Canvas<'_>| match color_word::requested(canvas.prompt) {
        Some(word) => in_hole(canvas, |_| flat(word)),
        None => in_hole(canvas, checkers),
    });
    let report = eval(&obedient, &EvalConfig { n_samples: 8, ..config() }).report;
    let color = of(figures(&report, Section::Edit), Metric::ColorWord);
    assert_eq!(color.subjects[&Subject::Result].mean, 1.0);
    assert_eq!(color.subjects[&Subject::EmptyPrompt].mean, 0.0);
    let n = color.subjects[&Subject::EmptyPrompt].n;
    assert!((2..=8).contains(&n), "{n} of 8 prompts name a color");
}

#[test]
fn a_color_counts_where_the_prompt_has_painted_it() {
    // A color that has no word, and the one that is asked for in every fourth pixel of the hole only.
    let olive = [0.6, 0.59, 0.35];
    let sparing = Stub(|canvas: &Canvas<'_>| {
        let asked = color_word::requested(canvas.prompt);
        in_hole(canvas, |at| asked.filter(|_| at % 4 == 0).map_or(olive, flat))
    });
    let stubborn = Stub(|canvas: &Canvas<'_>| in_hole(canvas, |_| flat(ColorWord::Red)));
    let shares = |editor: &dyn Editor| {
        let report = eval(editor, &EvalConfig { n_samples: 8, ..config() }).report;
        let edit = figures(&report, Section::Edit);
        let painted = of(edit, Metric::ColorPainted);
        let subjects: Vec<Subject> = painted.subjects.keys().copied().collect();
        assert_eq!(subjects, [Subject::Result, Subject::ShuffledPrompt]);
        assert!(painted.subjects[&Subject::ShuffledPrompt].mean < 1.0);
        (painted.subjects[&Subject::Result].mean, mean(edit, Metric::ColorWord, Subject::Result))
    };
    assert_eq!(shares(&sparing), (1.0, 0.0), "most of the truth's shape is olive");
    assert_eq!(shares(&stubborn).0, 0.0, "what no prompt changes no prompt has painted");
}

#[test]
fn controls_tell_obedience_from_context() {
    let obedient = Stub(|canvas: &Canvas<'_>| match concept_of(canvas.prompt) {
        Some(concept) => in_hole(canvas, |_| ColorJudge::color(concept)),
        None => canvas.image.clone(),
    });
    let config = EvalConfig { n_samples: 12, ..config() };
    let report = eval(&obedient, &config).report;
    let edit = figures(&report, Section::Edit);
    let share = |subject| mean(edit, Metric::JudgeTop1, subject);
    assert_eq!((share(Subject::Result), share(Subject::EmptyPrompt)), (1.0, 0.0));
    // Whoever lends asks for something else, and that is what is seen.
    assert_eq!(share(Subject::ShuffledPrompt), 0.0);
    assert_eq!(mean(edit, Metric::JudgeLent, Subject::ShuffledPrompt), 1.0);
    assert_eq!(of(edit, Metric::JudgeLent).subjects.len(), 1);
    assert_eq!(mean(edit, Metric::JudgeMissing, Subject::EmptyPrompt), 1.0);
    assert_eq!(mean(edit, Metric::JudgeMissing, Subject::ShuffledPrompt), 0.0);
    assert!(of(edit, Metric::JudgeMissing).model_times.is_empty());
    // The judge of colours cannot see the real objects.
    assert_eq!(share(Subject::Truth), 0.0);
    assert!(of(edit, Metric::JudgeTop1).model_times.is_empty());
    // Other prompts give other pictures, other seeds do not.
    assert!(mean(edit, Metric::DiversityJudge, Subject::ShuffledPrompt) > 0.0);
    assert_eq!(mean(edit, Metric::DiversityPixels, Subject::Result), 0.0);

    let section = &report.sections[0];
    let n: usize = section.concepts.iter().map(|row| row.subjects[&Subject::Result].n).sum();
    assert_eq!(n, 12);
    assert!(section.groups.len() <= section.concepts.len());
    for row in section.groups.iter().chain(&section.concepts) {
        assert_eq!((row.subjects[&Subject::Result].mean, &row.taken_for), (1.0, &None));
    }
    assert!(section.examples.iter().all(|example| example.score == 1.0 && example.seen.is_some()));
}

#[test]
fn what_is_left_standing_is_seen() {
    // Erasing is answered with an object, and a prompt with nothing.
    let contrary = Stub(|canvas: &Canvas<'_>| match concept_of(canvas.prompt) {
        Some(_) => canvas.image.clone(),
        None => in_hole(canvas, |_| ColorJudge::color(7)),
    });
    let report = eval(&contrary, &config()).report;
    let erase = figures(&report, Section::Erase);
    assert_eq!(mean(erase, Metric::JudgeNothing, Subject::Result), 0.0);
    for subject in [Subject::Truth, Subject::TruthThroughVae, Subject::HarmonicFill] {
        assert_eq!(mean(erase, Metric::JudgeNothing, subject), 1.0, "{subject:?}");
    }
    assert_eq!(of(erase, Metric::JudgeNothing).model_times[&Subject::TruthThroughVae].mean, 0.0);
    let cases = Cases::new(&WORLD, Section::Erase, &config()).map(Result::unwrap);
    let n_plain = cases.filter(|case| !case.is_subject_photographed).count();
    assert_eq!(of(erase, Metric::JudgeNothing).subjects[&Subject::Result].n, n_plain);
    let row = &report.sections[0].concepts[0];
    assert_eq!(row.subjects[&Subject::Result].mean, 0.0);
    assert_eq!(row.taken_for.as_ref().unwrap().0, "nothing");
}

#[test]
fn seeds_that_matter_are_seen() {
    let random =
        Stub(|canvas: &Canvas<'_>| in_hole(canvas, |_| ColorJudge::color((canvas.seed >> 32) as usize * 20)));
    let report = eval(&random, &config()).report;
    let edit = figures(&report, Section::Edit);
    // Two channels differ by 60, 60 and 120 levels: (60 + 60 + 120) / 3 times the root of two thirds.
    let expected = 80.0 * (2.0_f64 / 3.0).sqrt();
    let found = mean(edit, Metric::DiversityPixels, Subject::Result);
    assert!((found - expected).abs() < 0.01, "{found}");
    assert!(mean(edit, Metric::DiversityJudge, Subject::Result) > 0.0);
}

#[test]
fn a_judge_of_another_world_is_refused() {
    let never = Stub(|_: &Canvas<'_>| panic!("nothing should be painted"));
    let mut judge = ColorJudge::of(&WORLD);
    judge.labels.retain(|label| label != "duck");
    let message = eval_world(&never, &judge, &WORLD, &config(), None, &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("`colours` has no label `duck`"), "{message}");
}

#[test]
fn kept_pixels_are_kept_whatever_is_painted() {
    let white = Stub(|canvas: &Canvas<'_>| UnitImage::filled(canvas.image.size(), [1.0; 3]));
    let report = eval(&white, &config()).report;
    assert!(report.sections.iter().all(|section| section.n_kept_changed == 0 && section.n_samples == 5));
}

#[test]
fn answers_of_a_wrong_size_or_number_are_refused() {
    struct Forgetful;
    impl Editor for Forgetful {
        fn identity(&self) -> ModelIdentity {
            ModelIdentity { name: String::new(), hash: String::new() }
        }

        fn paint(&self, _: Option<f64>, canvases: &[Canvas<'_>], _: &Sampling) -> Result<Vec<UnitImage>> {
            Ok(canvases[1..].iter().map(|canvas| canvas.image.clone()).collect())
        }

        fn reconstruct(&self, _: Option<f64>, canvases: &[Canvas<'_>]) -> Result<Vec<UnitImage>> {
            Ok(canvases.iter().map(|canvas| canvas.image.clone()).collect())
        }
    }
    let error = |editor: &dyn Editor| {
        eval_world(editor, &ColorJudge::of(&WORLD), &WORLD, &config(), None, &mut |_| {}).unwrap_err()
    };
    assert!(matches!(error(&Forgetful), EvalError::WrongCount { found: 1, expected: 2 }));
    let small = Stub(|_: &Canvas<'_>| UnitImage::filled(Size::new(8, 8), [0.5; 3]));
    assert!(matches!(error(&small), EvalError::WrongSize { .. }));
}

#[test]
fn progress_counts_every_case() {
    let mut seen: Vec<Progress> = Vec::new();
    let echo = Stub(|canvas: &Canvas<'_>| canvas.image.clone());
    eval_world(&echo, &ColorJudge::of(&WORLD), &WORLD, &config(), None, &mut |progress| seen.push(progress))
        .unwrap();
    let done: Vec<usize> = seen.iter().map(|progress| progress.n_done).collect();
    assert_eq!(done, [2, 4, 5, 7, 9, 10, 12, 14, 15, 17, 19, 20]);
    assert!(seen.iter().all(|progress| progress.n_cases == 20));
}

#[test]
fn some_sections_alone_have_the_same_figures() {
    let editor = Stub(|canvas: &Canvas<'_>| in_hole(canvas, checkers));
    let whole = eval(&editor, &config()).report;
    let sections = vec![Section::OutpaintFree, Section::Erase];
    let mut n_done = Vec::new();
    let config = EvalConfig { sections: sections.clone(), ..config() };
    let found = eval_world(&editor, &ColorJudge::of(&WORLD), &WORLD, &config, None, &mut |progress| {
        assert_eq!(progress.n_cases, 10);
        n_done.push(progress.n_done);
    })
    .unwrap();
    assert_eq!(n_done, [2, 4, 5, 7, 9, 10]);
    let report = found.report;
    let asked: Vec<Section> = report.sections.iter().map(|found| found.section).collect();
    assert_eq!(asked, sections);
    for section in sections {
        assert_eq!(figures(&report, section), figures(&whole, section));
    }
    assert_eq!(report.autoencoder.photographs, whole.autoencoder.photographs);
    assert!(report.autoencoder.composites.is_empty());
    assert_eq!(report.to_markdown().matches("## autoencoder").count(), 1);
    let sheets: Vec<Section> = found.sheets.iter().map(|sheet| sheet.section).collect();
    assert_eq!(sheets, asked);
}

#[test]
fn a_bad_setting_is_refused_before_any_work() {
    let never = Stub(|_: &Canvas<'_>| panic!("nothing should be painted"));
    let bad = EvalConfig { n_samples: 0, ..config() };
    let message =
        eval_world(&never, &ColorJudge::of(&WORLD), &WORLD, &bad, None, &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("n_samples"), "{message}");
}

#[test]
fn what_is_written_reads_back_and_names_no_place() {
    let evaluation = eval(&Stub(|canvas: &Canvas<'_>| in_hole(canvas, checkers)), &config());
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("deep").join("report");
    let paths = evaluation.write(&out).unwrap();
    let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let sheets = ["edit.png", "erase.png", "outpaint-prompt.png", "outpaint-free.png"];
    assert_eq!(names, [&["report.json", "report.md", "timing.json"][..], &sheets].concat());
    assert_eq!(fs::read_dir(&out).unwrap().count(), names.len());
    // Of some sections alone: sheets of the earlier report that this one has not go, and nothing else does.
    let erasing = EvalConfig { sections: vec![Section::Erase], ..config() };
    let some = eval(&Stub(|canvas: &Canvas<'_>| in_hole(canvas, checkers)), &erasing);
    fs::write(out.join("mine.png"), "").unwrap();
    some.write(&out).unwrap();
    let mut left: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort_unstable();
    assert_eq!(left, ["erase.png", "mine.png", "report.json", "report.md", "timing.json"]);
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("edit.png"), "a picture of somebody's").unwrap();
    some.write(&other).unwrap();
    assert!(other.join("edit.png").is_file());
    evaluation.write(&out).unwrap();

    let json = fs::read_to_string(&paths[0]).unwrap();
    let back: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(back, evaluation.report);
    assert!(!json.contains("null"), "a figure that is not a number");
    assert!(!json.contains(folder.path().to_str().unwrap()));

    let markdown = fs::read_to_string(&paths[1]).unwrap();
    for expected in [
        "composites of the mini world",
        "## erase",
        "psnr/mask (dB)",
        "(edit.png)",
        "harmonic fill",
        "judge-top-1",
        "another's prompt",
        "frechet-judge/frame",
        "| concept | n |",
    ] {
        assert!(markdown.contains(expected), "{expected} is not in\n{markdown}");
    }
    let groups: Vec<Group> = back.sections[0].examples.iter().map(|example| example.group).collect();
    let expected = [Group::Worst, Group::Worst, Group::Best, Group::Best, Group::Random, Group::Random];
    assert_eq!(groups, expected);
    let sheet = decode(&fs::read(&paths[3]).unwrap(), &Limits::default()).unwrap();
    assert_eq!(sheet.samples(), evaluation.sheets[0].picture.samples());
}

/// The evaluation of a mortal, which keeps what it measures: what came of it, cases that were kept before, pictures painted.
fn mortal(
    life: usize,
    model: &str,
    config: &EvalConfig,
    folder: &Path,
) -> (Result<Evaluation>, usize, usize) {
    let mortal = Mortal::living(life);
    let keep = Keep { folder, model, world: "w", device: "d" };
    let mut n_kept = 0;
    let judge = ColorJudge::of(&WORLD);
    let found = eval_world(&mortal, &judge, &WORLD, config, Some(&keep), &mut |progress| {
        n_kept = progress.n_kept;
    });
    (found, n_kept, life - mortal.n_left.get())
}

/// The same to the last bit of figures and pictures.
#[track_caller]
fn assert_same(found: Result<Evaluation>, whole: &Evaluation) {
    let found = found.expect("nobody died");
    assert_eq!((&found.report, &found.sheets), (&whole.report, &whole.sheets));
}

/// Two edits under three prompts, and from two more seeds each.
const N_OF_FIRST_BATCH: usize = 10;
/// With the third edit under three prompts and from two more seeds, two more under three prompts, and 15 others.
const N_OF_ALL: usize = N_OF_FIRST_BATCH + 5 + 6 + 15;

#[test]
fn an_evaluation_that_was_stopped_goes_on_to_the_same_figures() {
    let config = config();
    let whole = eval(&Mortal::living(N_OF_ALL), &config);
    let folder = TempDir::new().unwrap();
    let stopped = |life: usize| mortal(life, "m", &config, folder.path());
    // It dies while it paints the second batch.
    let (found, n_kept, n_painted) = stopped(N_OF_FIRST_BATCH + 4);
    assert!(matches!(found, Err(EvalError::Editor(_))));
    assert_eq!((n_kept, n_painted), (0, N_OF_FIRST_BATCH + 4));
    let (found, n_kept, n_painted) = stopped(1000);
    assert_eq!((n_kept, n_painted), (2, N_OF_ALL - N_OF_FIRST_BATCH));
    assert_same(found, &whole);
    let (found, n_kept, n_painted) = stopped(0);
    assert_eq!((n_kept, n_painted), (20, 0));
    assert_same(found, &whole);
}

#[test]
fn other_settings_and_models_begin_anew_and_cost_nothing_of_what_was_kept() {
    let config = config();
    let folder = TempDir::new().unwrap();
    let whole = mortal(1000, "m", &config, folder.path()).0.unwrap();
    for other in [
        EvalConfig { seed: 1, ..config.clone() },
        EvalConfig { n_steps: 8, ..config.clone() },
        EvalConfig { n_samples: 4, ..config.clone() },
        EvalConfig { n_examples: 3, ..config.clone() },
    ] {
        let (found, n_kept, n_painted) = mortal(1000, "m", &other, folder.path());
        assert!(n_kept == 0 && n_painted > 0, "{other:?}");
        assert_eq!(found.unwrap().report.settings, other);
    }
    let (_, n_kept, n_painted) = mortal(1000, "another", &config, folder.path());
    assert_eq!((n_kept, n_painted), (0, N_OF_ALL));
    let (found, n_kept, n_painted) = mortal(0, "m", &config, folder.path());
    assert_eq!((n_kept, n_painted), (20, 0));
    assert_same(found, &whole);
    assert_eq!(fs::read_dir(folder.path().join("answers")).unwrap().count(), 6);
}

#[test]
fn a_section_is_measured_once_whichever_others_are_asked_for() {
    let asking = |sections: &[Section]| EvalConfig { sections: sections.to_vec(), ..config() };
    let folder = TempDir::new().unwrap();
    let some = [Section::OutpaintFree, Section::Erase];
    let (found, n_kept, n_painted) = mortal(10, "m", &asking(&some), folder.path());
    assert_same(found, &eval(&Mortal::living(10), &asking(&some)));
    assert_eq!((n_kept, n_painted), (0, 10));
    let (found, n_kept, n_painted) = mortal(N_OF_ALL - 10, "m", &config(), folder.path());
    assert_same(found, &eval(&Mortal::living(N_OF_ALL), &config()));
    assert_eq!((n_kept, n_painted), (10, N_OF_ALL - 10));
    let (found, n_kept, n_painted) = mortal(0, "m", &asking(&[Section::Edit]), folder.path());
    assert_eq!((n_kept, n_painted), (5, 0));
    assert_same(found, &eval(&Mortal::living(N_OF_ALL), &asking(&[Section::Edit])));
}

#[test]
fn a_line_that_was_cut_off_is_measured_again_with_all_that_follow_in_its_section() {
    let config = config();
    let folder = TempDir::new().unwrap();
    let again = |life: usize| mortal(life, "m", &config, folder.path());
    let whole = again(1000).0.unwrap();
    let file = fs::read_dir(folder.path().join("answers")).unwrap().next().unwrap().unwrap().path();
    let lines = fs::read_to_string(&file).unwrap();
    // The basis, and three batches of each section, the last with one case alone.
    assert_eq!(lines.lines().count(), 1 + 4 * 3);
    let cut = &lines[..lines.len() - 9];
    fs::write(&file, cut).unwrap();
    let (found, n_kept, n_painted) = again(1000);
    assert_eq!((n_kept, n_painted), (19, 1));
    assert_same(found, &whole);
    // Nothing is removed: the part stays, and the batch stands below it.
    let after = fs::read_to_string(&file).unwrap();
    assert!(after.starts_with(cut) && after.ends_with('\n') && after.lines().count() == 14);

    // Without the second batch of edits.
    let others = lines.lines().enumerate().filter(|(at, _)| *at != 2);
    let others: Vec<&str> = others.map(|(_, line)| line).collect();
    fs::write(&file, others.join("\n")).unwrap();
    let (found, n_kept, n_painted) = again(1000);
    assert_eq!((n_kept, n_painted), (17, N_OF_ALL - N_OF_FIRST_BATCH - 15));
    assert_same(found, &whole);
    let (found, n_kept, n_painted) = again(0);
    assert_eq!((n_kept, n_painted), (20, 0));
    assert_same(found, &whole);
}
