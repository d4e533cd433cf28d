//! Whole evaluations of rewards that read brightness, whose right figures are known.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use byteedit_data::preference::{self, Axis, Candidate, Judgement, PreferenceRecord, SkipBad, Source};
use byteedit_data::{Stream, Task};
use byteedit_image::{Channels, Encoding, Format, Mask, Picture, Samples, Size, UnitImage, encode};
use byteedit_reward::{Result, Reward, Shown};
use byteedit_testing::TempDir;
use serde_json::json;

use super::*;
use crate::metric::tests::{boxed, composed};

const SIZE: Size = Size::new(16, 12);
const N_TASKS: usize = 64;
const N_CANDIDATES: usize = 3;

/// How bright a picture is, turned by a factor; its pixels' brightness too if `sees_pixels`.
struct Brightness {
    factor: f64,
    sees_prompt: bool,
    sees_pixels: bool,
}

impl Brightness {
    const fn times(factor: f64) -> Self {
        Self { factor, sees_prompt: false, sees_pixels: false }
    }
}

impl Reward for Brightness {
    fn name(&self) -> &'static str {
        "brightness"
    }

    fn sees_prompt(&self) -> bool {
        self.sees_prompt
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn n_parameters(&self) -> usize {
        0
    }

    fn score(&self, shown: &Shown) -> Result<Tensor<1>> {
        let [batch, channels, height, width] = shown.pixels().dims();
        let pixels = shown.pixels().reshape([batch, channels * height * width]);
        let means: Tensor<1> = pixels.mean_dim(1).reshape([batch]);
        Ok(means * self.factor)
    }

    fn pixel_scores(&self, shown: &Shown) -> Option<Tensor<4>> {
        self.sees_pixels.then(|| shown.pixels().mean_dim(1) * self.factor)
    }
}

fn mask() -> Mask {
    boxed(SIZE, 4, 3, 8, 6)
}

fn gray(level: u8) -> UnitImage {
    UnitImage::filled(SIZE, [f32::from(level) / 255.0; 3])
}

fn write_png(path: &Path, picture: &Picture) {
    std::fs::write(path, encode(picture, &Encoding::new(Format::Png)).unwrap()).unwrap();
}

/// Tasks whose candidates are brighter than their surroundings, and the better the brighter: at random which ones, so
/// that places say nothing. The candidates carry their value.
fn collection() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let place = |name: &str| folder.path().join(name);
    write_png(&place("source.png"), &gray(40).to_picture().unwrap());
    let values = mask().values().to_vec();
    write_png(&place("mask.png"), &Picture::new(SIZE, Channels::Gray, Samples::U8(values)).unwrap());
    let mut draws = Stream::new([11, 0, 0, 0]);
    let records: Vec<PreferenceRecord> = (0..N_TASKS)
        .map(|task| {
            let mut levels = [60_u8, 120, 180];
            levels.swap(2, draws.below(3));
            levels.swap(1, draws.below(2));
            let candidate = |(at, &level): (usize, &u8)| {
                let path = format!("{task}-{at}.png");
                let picture = composed(&gray(level), &gray(40), &mask());
                write_png(&place(&path), &picture.to_picture().unwrap());
                let params = [("structure".to_owned(), json!(f64::from(level)))].into_iter().collect();
                Candidate { params, ..Candidate::new(path) }
            };
            let candidates = levels.iter().enumerate().map(candidate).collect();
            let ranks = levels.iter().map(|level| 1 + u32::from((180 - level) / 60)).collect();
            let source = Source { task: Task::Edit, image: "source.png".into(), mask: "mask.png".into() };
            let prompt = format!("thing {}", task % 8);
            PreferenceRecord {
                judgement: Some(Judgement::Ranking(ranks)),
                ..PreferenceRecord::task(task.to_string(), Some(source), prompt, candidates)
            }
        })
        .collect();
    let path = folder.path().join("records.jsonl");
    preference::write(&path, &records).unwrap();
    (folder, path)
}

fn evaluated(judged: &Judged, reward: &Brightness) -> RewardEvaluation {
    let device = Device::flex();
    let scorer = Scorer { name: "toy", reward, vae: None, device: &device };
    let mut steps = Vec::new();
    let evaluation = eval_reward(judged, &scorer, &mut |done, all| steps.push((done, all))).unwrap();
    assert_eq!((steps.len(), steps.last()), (N_TASKS, Some(&(N_TASKS, N_TASKS))));
    evaluation
}

fn judged(path: &Path) -> Judged {
    Judged::read(path, Axis::Structure, SkipBad::default()).unwrap()
}

fn mean(accuracy: &Accuracy) -> f64 {
    accuracy.share.mean
}

#[test]
fn a_reward_that_reads_what_was_judged_is_right_and_its_opposite_wrong() {
    let (_folder, path) = collection();
    let judged = judged(&path);
    for (factor, share) in [(1.0, 1.0), (-1.0, 0.0), (0.0, 0.5)] {
        let report = evaluated(&judged, &Brightness::times(factor)).report;
        assert!((mean(&report.accuracy) - share).abs() < 1e-8, "{:?}", report.accuracy);
        assert_eq!((report.records.n_pairs, report.records.n_tasks), (3 * N_TASKS, N_TASKS));
        assert!((mean(&report.kinds["edit"]) - share).abs() < 1e-8);
        let [order] = report.true_orders.as_slice() else { panic!("{:?}", report.true_orders) };
        assert!((mean(&order.ceiling) - 1.0).abs() < 1e-8 && (mean(&order.reward) - share).abs() < 1e-8);
        // The surroundings are dark: the distance of colours and the seam say the same as the brightness, and flat pictures
        // have no detail.
        let trivial: Vec<_> =
            report.trivial.iter().map(|figures| (figures.prefers, mean(&figures.accuracy))).collect();
        assert_eq!(trivial.iter().map(|(prefers, _)| *prefers).collect::<Vec<_>>(), [Prefers::More; 4]);
        for ((_, found), expected) in trivial.into_iter().zip([0.5, 1.0, 1.0, 0.5]) {
            assert!((found - expected).abs() < 1e-8, "{found} instead of {expected}");
        }
        assert_eq!(report.best_trivial, Trivial::Seam);
        assert!((report.margin.mean - (share - 1.0)).abs() < 1e-8, "{:?}", report.margin);
    }
}

#[test]
fn with_another_tasks_pictures_half_of_the_pairs_are_right() {
    let (_folder, path) = collection();
    let judged = judged(&path);
    let of = |sees_prompt| {
        let reward = Brightness { sees_prompt, ..Brightness::times(1.0) };
        evaluated(&judged, &reward).report.shuffled.unwrap()
    };
    let found = of(false);
    assert_eq!(found.n_pairs, 3 * N_TASKS);
    assert!((mean(&found) - 0.5).abs() < 0.15, "{found:?}");
    // Asked again under the other prompt, it says the same.
    assert_eq!(of(true), found);
}

#[test]
fn a_report_is_the_same_again_and_survives_json() {
    let (folder, path) = collection();
    let reward = Brightness { sees_pixels: true, ..Brightness::times(-1.0) };
    let split = || judged(&path).split_by_prompts_of(&path, SkipBad::default()).unwrap();
    let evaluation = evaluated(&split(), &reward);
    let json = evaluation.report.to_json();
    assert_eq!(serde_json::from_str::<RewardReport>(&json).unwrap(), evaluation.report);
    assert_eq!(evaluated(&split(), &reward).report.to_json(), json);
    let prompts = evaluation.report.prompts.unwrap();
    assert!(prompts.unseen.is_none() && prompts.seen == Some(evaluation.report.accuracy));
    // Every repainted pixel is brighter, so every kept one scores higher.
    let pixels = evaluation.report.pixels.unwrap();
    assert!((pixels.auc_naive.unwrap().mean - 1.0).abs() < 1e-8 && pixels.auc_through_vae.is_none());
    assert_eq!(evaluation.report.rows.len(), 20);
    assert!(evaluation.report.rows.iter().all(|row| row.candidates.len() == N_CANDIDATES));

    let out = folder.path().join("out");
    let names: Vec<_> = evaluation.write(&out).unwrap();
    let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["report.json", "report.md", "calibration.svg", "sheet.png"]);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), names.len());
    let text = evaluation.report.to_markdown();
    for part in ["# toy on judged preferences", "| **reward** |", "| text-only | more | 0.500", "20. thing "]
    {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn pictures_that_do_not_fit_are_named() {
    let (folder, path) = collection();
    let judged = judged(&path);
    let device = Device::flex();
    let scorer = Scorer { name: "toy", reward: &Brightness::times(1.0), vae: None, device: &device };
    let message = || eval_reward(&judged, &scorer, &mut |_, _| {}).unwrap_err().to_string();
    let small = UnitImage::filled(Size::new(4, 4), [0.5; 3]).to_picture().unwrap();
    write_png(&folder.path().join("1-2.png"), &small);
    let found = message();
    assert!(found.contains("records.jsonl:2: 1-2.png is 4 x 4 px, but source.png is 16 x 12 px"), "{found}");
    std::fs::write(folder.path().join("1-2.png"), "nonsense").unwrap();
    let found = message();
    assert!(found.contains("records.jsonl:2: 1-2.png: the content is"), "{found}");
    std::fs::remove_file(folder.path().join("1-2.png")).unwrap();
    assert!(message().contains("1-2.png"));
}

#[test]
fn scores_that_are_no_numbers_are_refused() {
    let (_folder, path) = collection();
    let judged = judged(&path);
    let device = Device::flex();
    let scorer = Scorer { name: "toy", reward: &Brightness::times(f64::NAN), vae: None, device: &device };
    let found = eval_reward(&judged, &scorer, &mut |_, _| {}).unwrap_err().to_string();
    assert!(found.contains("records.jsonl:1: the reward gives 0-0.png the score NaN"), "{found}");
}
