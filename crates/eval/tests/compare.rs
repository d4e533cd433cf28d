//! Comparisons of stand-ins for models, of which it is known who is better.

#![expect(clippy::float_cmp, reason = "figures of equal pictures are exact")]

mod stand_in;

use std::cell::RefCell;
use std::collections::HashMap;

use byteedit_data::Split;
use byteedit_edit::{Canvas, Sampling};
use byteedit_eval::compare::{
    Arm, ArmSettings, CompareConfig, CompareEvent, CompareReport, Comparison, Counts, GuidanceConfig,
    GuidanceReport, KeptArm, PairFigures, Score, eval_compare, tune_guidance,
};
use byteedit_eval::{Case, Cases, Editor, EvalConfig, EvalError, Metric, ModelIdentity, Result, Section};
use byteedit_image::{Limits, UnitImage, decode};
use byteedit_testing::TempDir;
use stand_in::{ColorJudge, Mortal, WORLD, concept_of, in_hole, key};

const N_SAMPLES: usize = 5;

fn config() -> CompareConfig {
    CompareConfig {
        n_samples: N_SAMPLES,
        picture_size: 32,
        batch: 2,
        n_examples: 2,
        n_diverse: 3,
        n_seeds: 3,
        ..CompareConfig::new(Split::Validation)
    }
}

/// A stand-in that paints by a function of the canvas and of the steps it is given.
struct Stub<F>(F);

impl<F: Fn(&Canvas<'_>, usize) -> UnitImage> Editor for Stub<F> {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: "stub".to_owned(), hash: "0000000000".to_owned() }
    }

    fn paint(&self, _: Option<f64>, canvases: &[Canvas<'_>], sampling: &Sampling) -> Result<Vec<UnitImage>> {
        Ok(canvases.iter().map(|canvas| (self.0)(canvas, sampling.n_steps)).collect())
    }

    fn reconstruct(&self, _: Option<f64>, _: &[Canvas<'_>]) -> Result<Vec<UnitImage>> {
        panic!("a comparison reconstructs nothing")
    }
}

fn arm<'a>(name: &str, editor: &'a dyn Editor, n_steps: usize) -> Arm<'a> {
    let settings = ArmSettings::from(&EvalConfig { n_steps, ..EvalConfig::new(Split::Validation) });
    Arm { name: name.to_owned(), editor, fingerprint: String::new(), device: String::new(), settings }
}

fn compare(arms: &[Arm<'_>], config: &CompareConfig) -> Comparison {
    eval_compare(arms, &ColorJudge::of(&WORLD), &WORLD, config, None, &mut |_| {})
        .expect("a stand-in does not fail")
}

fn stripes(at: usize) -> [f32; 3] {
    [if at.is_multiple_of(2) { 1.0 } else { 0.0 }; 3]
}

/// The truth of every case.
fn truths() -> HashMap<Vec<u8>, UnitImage> {
    let eval = EvalConfig { n_samples: N_SAMPLES, picture_size: 32, ..EvalConfig::new(Split::Validation) };
    let cases = Section::ALL.into_iter().flat_map(|section| Cases::new(&WORLD, section, &eval));
    let cases = cases.map(|case: Result<Case>| case.expect("the split shows enough"));
    cases.map(|case| (key(&case.input, &case.edit_mask), case.truth)).collect()
}

fn pair<'a>(report: &'a CompareReport, section: Section, first: &str) -> &'a PairFigures {
    let found = report.sections.iter().find(|found| found.section == section);
    let pairs = &found.expect("every section is reported").pairs;
    pairs.iter().find(|pair| pair.first == first).expect("the arm is compared")
}

#[test]
fn whoever_knows_the_truth_wins_and_whoever_does_the_same_ties() {
    let truths = truths();
    let striped = Stub(|canvas: &Canvas<'_>, _: usize| in_hole(canvas, stripes));
    let knowing = Stub(|canvas: &Canvas<'_>, _: usize| truths[&key(canvas.image, canvas.edit_mask)].clone());
    let arms = [arm("striped", &striped, 20), arm("knowing", &knowing, 20), arm("same", &striped, 20)];
    let Comparison { report, timing, .. } = compare(&arms, &config());
    for section in Section::ALL {
        for score in Score::ALL {
            let knowing = pair(&report, section, "knowing").scores[&score];
            assert_eq!(knowing.counts, Counts { good: N_SAMPLES, same: 0, bad: 0 }, "{section:?} {score:?}");
            assert_eq!((knowing.win_rate.mean, knowing.superiority), (1.0, None));
            assert!(knowing.has_few_ties && knowing.same_share == 0.0);
            let same = pair(&report, section, "same").scores[&score];
            assert_eq!(same.counts, Counts { good: 0, same: N_SAMPLES, bad: 0 }, "{section:?} {score:?}");
            assert_eq!((same.win_rate.mean, same.superiority.unwrap().mean), (0.5, 1.0));
            assert!(!same.has_few_ties);
        }
        assert_eq!(timing.seconds_per_picture[&section].len(), 3);
    }
    // The truth has no error and all of its own detail; of an erasure it is the one right answer.
    for section in &report.sections {
        let [striped, knowing, _] = &section.arms[..] else { panic!("three arms") };
        assert!(Score::ALL.iter().all(|score| knowing.scores[score].mean == 0.0));
        assert!(Score::ALL.iter().all(|score| striped.scores[score].mean < 0.0));
        assert_eq!(knowing.figures[&Metric::GradientEnergy].mean, 1.0);
        assert_eq!(knowing.figures.contains_key(&Metric::Psnr), section.section == Section::Erase);
        assert_eq!(knowing.figures.contains_key(&Metric::DiversityPixels), section.section == Section::Edit);
        assert!(section.bands.values().all(|band| *band == 0.0), "seeds make no difference");
    }
    let psnr = pair(&report, Section::Erase, "knowing").differences[&Metric::Psnr];
    assert!(psnr.low > 0.0 && psnr.n == N_SAMPLES);
}

#[test]
fn what_the_judge_sees_is_compared_case_by_case() {
    // With one step it does nothing, with two what it is told.
    let obedient = Stub(|canvas: &Canvas<'_>, n_steps: usize| match concept_of(canvas.prompt) {
        Some(concept) if n_steps > 1 => in_hole(canvas, |_| ColorJudge::color(concept)),
        _ => canvas.image.clone(),
    });
    let arms = [arm("one", &obedient, 1), arm("two", &obedient, 2)];
    let pairs = vec![["two", "one"].map(str::to_owned), ["one", "two"].map(str::to_owned)];
    let config = CompareConfig { sections: vec![Section::Edit], pairs, ..config() };
    let report = compare(&arms, &config).report;
    let edit = &report.sections[0];
    let shares: Vec<f64> = edit.arms.iter().map(|arm| arm.figures[&Metric::JudgeTop1].mean).collect();
    assert_eq!(shares, [0.0, 1.0]);
    for (first, expected) in [("two", 1.0), ("one", -1.0)] {
        let difference = pair(&report, Section::Edit, first).differences[&Metric::JudgeTop1];
        assert_eq!((difference.mean, difference.low, difference.high), (expected, expected, expected));
    }
    assert_eq!(report.arms.iter().map(|arm| arm.settings.n_steps).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn less_than_what_noise_does_is_a_tie() {
    let gray = |canvas: &Canvas<'_>, level: f32| in_hole(canvas, |_| [level; 3]);
    let noisy = Stub(|canvas: &Canvas<'_>, _: usize| match canvas.seed >> 32 {
        0 => gray(canvas, 0.5),
        _ => in_hole(canvas, stripes),
    });
    let other = Stub(|canvas: &Canvas<'_>, _: usize| gray(canvas, 0.52));
    let config = CompareConfig { sections: vec![Section::Erase], ..config() };
    let report = compare(&[arm("noisy", &noisy, 20), arm("other", &other, 20)], &config).report;
    assert!(report.sections[0].bands[&Score::Structure] > 0.1, "{:?}", report.sections[0].bands);
    let structure = pair(&report, Section::Erase, "other").scores[&Score::Structure];
    assert_eq!(structure.counts.same, N_SAMPLES);
}

#[test]
fn every_arm_is_asked_the_same_from_the_same_noise() {
    let asked = RefCell::new([Vec::new(), Vec::new()]);
    let noting = |place: usize| {
        let asked = &asked;
        Stub(move |canvas: &Canvas<'_>, _: usize| {
            asked.borrow_mut()[place].push((key(canvas.image, canvas.edit_mask), canvas.seed));
            canvas.image.clone()
        })
    };
    let (first, second) = (noting(0), noting(1));
    let mut seen = Vec::new();
    let arms = [arm("first", &first, 20), arm("second", &second, 20)];
    let config = CompareConfig { sections: vec![Section::OutpaintFree, Section::Erase], ..config() };
    eval_compare(&arms, &ColorJudge::of(&WORLD), &WORLD, &config, None, &mut |event| match event {
        CompareEvent::Answered(progress) => seen.push(progress),
        CompareEvent::Kept(arm) => panic!("nothing is kept of {}", arm.arm),
    })
    .unwrap();
    let [reference, other] = asked.into_inner();
    // The reference is painted twice, from another seed.
    let once: Vec<_> = reference.iter().filter(|(_, seed)| seed >> 32 == 0).cloned().collect();
    assert_eq!((once, reference.len()), (other, 4 * N_SAMPLES));
    assert_eq!(seen.iter().map(|progress| progress.n_done).collect::<Vec<_>>(), [2, 4, 5, 7, 9, 10]);
    assert!(seen.iter().all(|progress| progress.n_cases == 10));
}

#[test]
fn what_is_written_reads_back_and_repeats() {
    let striped = Stub(|canvas: &Canvas<'_>, _: usize| in_hole(canvas, stripes));
    let idle = Stub(|canvas: &Canvas<'_>, _: usize| canvas.image.clone());
    let arms = [arm("striped", &striped, 20), arm("idle", &idle, 20)];
    let config = CompareConfig { sections: vec![Section::Edit, Section::Erase], ..config() };
    let comparison = compare(&arms, &config);
    assert_eq!(compare(&arms, &config).report, comparison.report);
    let folder = TempDir::new().unwrap();
    let paths = comparison.write(&folder.path().join("deep")).unwrap();
    let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let expected =
        ["compare.json", "compare.md", "compare-timing.json", "compare-edit.png", "compare-erase.png"];
    assert_eq!(names, expected);
    let json = std::fs::read_to_string(&paths[0]).unwrap();
    assert_eq!(serde_json::from_str::<CompareReport>(&json).unwrap(), comparison.report);
    assert!(!json.contains("null"), "a figure that is not a number");
    let markdown = std::fs::read_to_string(&paths[1]).unwrap();
    for part in [
        "| measured | best | n | striped | idle |",
        "| idle against striped | structure |",
        "(compare-edit.png)",
    ] {
        assert!(markdown.contains(part), "{part} is not in\n{markdown}");
    }
    // Two rows of hole, two arms and truth.
    let sheet = decode(&std::fs::read(&paths[3]).unwrap(), &Limits::default()).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (4 * 32 + 3 * 2, 2 * 32 + 8));
    assert_eq!(comparison.report.sections[0].shown.len(), 2);
}

#[test]
fn bad_settings_are_refused_before_any_work() {
    let never = Stub(|_: &Canvas<'_>, _: usize| panic!("nothing should be painted"));
    let refused = |arms: &[Arm<'_>], config: &CompareConfig| {
        eval_compare(arms, &ColorJudge::of(&WORLD), &WORLD, config, None, &mut |_| {}).unwrap_err()
    };
    let two = [arm("one", &never, 20), arm("two", &never, 20)];
    assert!(matches!(refused(&two[..1], &config()), EvalError::Arms { .. }));
    let of_nobody = vec![["one", "three"].map(str::to_owned)];
    assert!(matches!(refused(&two, &CompareConfig { pairs: of_nobody, ..config() }), EvalError::Arms { .. }));
    for (arms, config) in [
        (two.clone(), CompareConfig { n_samples: 0, ..config() }),
        ([arm("one", &never, 0), arm("two", &never, 20)], config()),
    ] {
        assert!(matches!(refused(&arms, &config), EvalError::Config { .. }));
    }
}

#[test]
fn what_was_measured_before_is_not_painted_again() {
    let config = CompareConfig { sections: vec![Section::Edit, Section::Erase], ..config() };
    let folder = TempDir::new().unwrap();
    let compared = |life: usize, n_steps: usize, config: &CompareConfig| {
        let mortal = Mortal::living(life);
        let arms = [arm("first", &mortal, 20), arm("second", &mortal, n_steps)];
        let mut kept: Vec<KeptArm> = Vec::new();
        let tell = &mut |event: CompareEvent| {
            if let CompareEvent::Kept(arm) = event {
                kept.push(arm);
            }
        };
        let found = eval_compare(&arms, &ColorJudge::of(&WORLD), &WORLD, config, Some(folder.path()), tell);
        let kept: Vec<usize> = kept.into_iter().map(|arm| arm.n_answers).collect();
        (found, kept, life - mortal.n_left.get())
    };
    // Two edits of each arm, then two more of the first; the second dies while it paints those.
    let (stopped, kept, n_painted) = compared(20, 8, &config);
    assert!(matches!(stopped, Err(EvalError::Editor(_))));
    assert_eq!((kept, n_painted), (vec![0, 0], 19));

    let (resumed, kept, n_painted) = compared(1000, 8, &config);
    // The first paints 5 edits twice and 3 once more, and 5 erasures twice: 23. The second: 16.
    assert_eq!((kept, n_painted), (vec![4, 2], 23 + 16 - 17));
    let resumed = resumed.unwrap();
    let mortal = Mortal::living(1000);
    let whole = compare(&[arm("first", &mortal, 20), arm("second", &mortal, 8)], &config);
    assert_eq!((&resumed.report, &resumed.sheets), (&whole.report, &whole.sheets));
    let (again, kept, n_painted) = compared(0, 8, &config);
    assert_eq!((kept, n_painted), (vec![10, 10], 0));
    assert_eq!(again.unwrap().sheets, whole.sheets);

    // Another arm of the name begins anew, alone, and the first one of it is still there.
    let (_, kept, n_painted) = compared(1000, 4, &config);
    assert_eq!((kept, n_painted), (vec![10, 0], 16));
    let (_, kept, n_painted) = compared(0, 8, &config);
    assert_eq!((kept, n_painted), (vec![10, 10], 0));
    // One sample more: the last of those before was a batch by itself, and is measured again with it. All are shown: of those
    // before them that were not, the picture alone is painted.
    let sections = vec![Section::Erase];
    let more = CompareConfig { n_samples: N_SAMPLES + 1, n_examples: N_SAMPLES + 1, sections, ..config };
    let (found, kept, n_painted) = compared(1000, 4, &more);
    let found = found.unwrap();
    let (before, shown) = (&whole.report.sections[1].shown, &found.report.sections[0].shown);
    assert_eq!((before.len(), shown.len()), (2, N_SAMPLES + 1));
    let n_unseen = shown[..4].iter().filter(|&case| !before.contains(case)).count();
    assert_eq!((kept, n_painted), (vec![10, 10], 2 * n_unseen + 2 * 2 + 2));
    let mortal = Mortal::living(1000);
    let whole = compare(&[arm("first", &mortal, 20), arm("second", &mortal, 4)], &more);
    assert_eq!((&found.report, &found.sheets), (&whole.report, &whole.sheets));
    let (_, _, n_painted) = compared(0, 4, &more);
    assert_eq!(n_painted, 0);
}

#[test]
fn every_arm_gets_the_scale_that_suits_it() {
    // One obeys from a scale of 2 on, the other only between 1 and 3.
    struct Choosy {
        from: f64,
        below: f64,
    }
    impl Editor for Choosy {
        fn identity(&self) -> ModelIdentity {
            ModelIdentity { name: "choosy".to_owned(), hash: self.below.to_string() }
        }

        fn paint(
            &self,
            _: Option<f64>,
            canvases: &[Canvas<'_>],
            sampling: &Sampling,
        ) -> Result<Vec<UnitImage>> {
            let obeys = (self.from..self.below).contains(&sampling.guidance_scale);
            let painted = canvases.iter().map(|canvas| match concept_of(canvas.prompt) {
                Some(concept) if obeys => in_hole(canvas, |_| ColorJudge::color(concept)),
                _ => canvas.image.clone(),
            });
            Ok(painted.collect())
        }

        fn reconstruct(&self, _: Option<f64>, _: &[Canvas<'_>]) -> Result<Vec<UnitImage>> {
            panic!("a choice of guidance reconstructs nothing")
        }
    }
    let (late, early) = (Choosy { from: 2.0, below: 9.0 }, Choosy { from: 1.0, below: 2.5 });
    let arms = [arm("late", &late, 20), arm("early", &early, 8)];
    let config = GuidanceConfig {
        grid: vec![0.5, 1.0, 2.0, 4.0],
        n_samples: N_SAMPLES,
        picture_size: 32,
        ..GuidanceConfig::new(Split::Validation)
    };
    let judge = ColorJudge::of(&WORLD);
    let found = tune_guidance(&arms, &judge, &WORLD, &config, None, &mut |_| {}).unwrap();
    let chosen = |arm: usize| found.arms[arm].settings.guidance;
    assert_eq!((chosen(0).edit, chosen(0).outpaint, chosen(0).erase), (2.0, 2.0, 1.0));
    assert_eq!(chosen(1).edit, 1.0);
    let shares: Vec<f64> = found.arms[1].judge_top_1.iter().map(|share| share.mean).collect();
    assert_eq!(shares, [0.0, 1.0, 1.0, 0.0]);
    let read: GuidanceReport = serde_json::from_str(&found.to_json()).unwrap();
    assert_eq!(read, found);
    assert!(found.to_markdown().contains("| early | choosy | `2.5` | 8 | 1 |"), "{}", found.to_markdown());

    read.check_serves(Split::Test, &["late", "early"]).unwrap();
    let message = read.check_serves(Split::Validation, &["late"]).unwrap_err().to_string();
    assert!(message.contains("on the validation split, which is also the one"), "{message}");
    let twice = [arm("late", &late, 20), arm("late", &early, 8)];
    let message = tune_guidance(&twice, &judge, &WORLD, &config, None, &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("two arms are named late;"), "{message}");
    assert_eq!(read.scale_of(&arms[1]).unwrap(), 1.0);
    for (other, says) in [
        (arm("none", &late, 20), "no guidance was chosen for the arm none, but for late, early"),
        (arm("late", &early, 20), "other weights or settings"),
        (arm("late", &late, 8), "other weights or settings"),
    ] {
        let message = read.scale_of(&other).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}
