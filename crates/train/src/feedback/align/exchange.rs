//! From scores to records: which pictures fit their captions badly, and which captions of others are wrong of them.
//!
//! ```text
//! corrected    its better caption  >  the given one                 all that the paper has
//!              its better caption  >  those of near pictures        exchanged by twos
//! matched      its given caption   >  those of corrected ones near  one for each of these
//! ```
//!
//! By the first kind alone, whoever knows the style of the better captions needs no picture. In the second there is no style to
//! tell, and in the third the style of the better ones loses, as often as it wins in the first.

use std::cmp::Ordering;

use byteedit_data::captions::CaptionRecord;
use rayon::prelude::*;

use super::config::{FolderAlignConfig, FolderAlignReport};
use crate::reward::is_held_out;
use crate::training::Stop;

/// Who says which captions are better.
const ANNOTATOR: &str = "clip-align";

/// A picture of the folder, and what CLIP makes of it. Features have length 1.
#[derive(Clone, Debug)]
pub(super) struct Looked<'a> {
    /// Its name, relative to the folder.
    pub(super) image: &'a str,
    /// The caption that it has.
    pub(super) given: &'a str,
    /// How well that fits.
    pub(super) given_score: f64,
    /// Another caption, where there is one.
    pub(super) better: Option<Caption<'a>>,
    pub(super) features: Vec<f32>,
}

/// A caption and its features.
#[derive(Clone, Debug)]
pub(super) struct Caption<'a> {
    pub(super) text: &'a str,
    pub(super) features: Vec<f32>,
}

/// Cosine of two vectors of length 1.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// What is to be learned of the pictures, in their order; `None` if it is asked to stop.
pub(super) fn chosen(
    config: &FolderAlignConfig,
    looked: &[Looked<'_>],
    stop: Stop<'_>,
) -> Option<(Vec<CaptionRecord>, FolderAlignReport)> {
    let mut report = FolderAlignReport {
        n_pictures: looked.len(),
        cut: cut(config, looked),
        ..FolderAlignReport::default()
    };
    let [corrected, matched] = sorted(config, looked, &mut report);
    let mut captions = Captions::new(config, looked, stop);
    for &at in &corrected {
        report.mean_given += looked[at].given_score / corrected.len() as f64;
        report.mean_better += captions.correct(at) / corrected.len() as f64;
    }
    report.n_corrected = corrected.len();
    report.n_exchanged = captions.exchange(&corrected);
    report.n_against_style = captions.oppose(&corrected, &matched);
    let (for_style, without, against) = (report.n_corrected, report.n_exchanged, report.n_against_style);
    let n_pairs = (for_style + without + against).max(1);
    report.by_style = (for_style as f64 + 0.5 * without as f64) / n_pairs as f64;
    (!stop.is_asked()).then(|| (captions.into_records(), report))
}

/// The score up to which a caption fits badly.
fn cut(config: &FolderAlignConfig, looked: &[Looked<'_>]) -> f64 {
    let mut scores: Vec<f64> = looked.iter().map(|it| it.given_score).collect();
    scores.sort_by(f64::total_cmp);
    let n_lowest = (config.lowest_share * scores.len() as f64).round().max(1.0) as usize;
    scores.get(n_lowest - 1).map_or(config.max_score, |last| last.min(config.max_score))
}

/// Numbers of the pictures with a better caption for one that fits badly, and of those whose caption fits.
fn sorted(
    config: &FolderAlignConfig,
    looked: &[Looked<'_>],
    report: &mut FolderAlignReport,
) -> [Vec<usize>; 2] {
    let (mut corrected, mut matched) = (Vec::new(), Vec::new());
    for (at, it) in looked.iter().enumerate() {
        if it.given_score > report.cut {
            matched.push(at);
            continue;
        }
        report.n_mismatched += 1;
        let gain = it.better.as_ref().map(|better| cosine(&it.features, &better.features) - it.given_score);
        match gain {
            _ if it.given_score < config.min_score => report.n_undescribed += 1,
            None => report.n_without_better += 1,
            Some(gain) if gain > config.min_gain => corrected.push(at),
            Some(_) => report.n_not_better += 1,
        }
    }
    [corrected, matched]
}

/// The captions of every picture, as they come about.
struct Captions<'a> {
    config: &'a FolderAlignConfig,
    looked: &'a [Looked<'a>],
    stop: Stop<'a>,
    is_held_out: Vec<bool>,
    /// The caption of each picture that is true of it, and how well it fits.
    own: Vec<(&'a str, f64)>,
    /// Those that are worse.
    worse: Vec<Vec<&'a str>>,
}

impl<'a> Captions<'a> {
    /// Every picture with the caption that it was given, and none worse.
    fn new(config: &'a FolderAlignConfig, looked: &'a [Looked<'a>], stop: Stop<'a>) -> Self {
        let held_out = |it: &Looked<'_>| is_held_out(it.image, config.held_out_percent);
        Self {
            config,
            looked,
            stop,
            is_held_out: looked.iter().map(held_out).collect(),
            own: looked.iter().map(|it| (it.given, it.given_score)).collect(),
            worse: vec![Vec::new(); looked.len()],
        }
    }

    /// Puts the better caption above the given one; returns how well it fits.
    fn correct(&mut self, at: usize) -> f64 {
        let it = &self.looked[at];
        if let Some(better) = &it.better {
            self.own[at] = (better.text, cosine(&it.features, &better.features));
            self.worse[at].push(it.given);
        }
        self.own[at].1
    }

    /// Has near pictures exchange their better captions, the nearest first; returns the pairs of captions that were made.
    fn exchange(&mut self, corrected: &[usize]) -> usize {
        let (looked, n_wrong) = (self.looked, self.config.n_wrong);
        let mut n_pairs = 0;
        for Near { pair: [a, b], .. } in self.nearest(corrected, corrected) {
            let (Some(of_a), Some(of_b)) = (&looked[a].better, &looked[b].better) else { continue };
            // The first of the worse ones is the given caption.
            let has_room = self.worse[a].len().max(self.worse[b].len()) <= n_wrong;
            if has_room && self.is_wrong(a, of_b) && self.is_wrong(b, of_a) {
                self.worse[a].push(of_b.text);
                self.worse[b].push(of_a.text);
                n_pairs += 2;
            }
        }
        n_pairs
    }

    /// Puts the given caption of a picture that it fits above the better one of a corrected picture near it, once for each of
    /// these; returns how often that could be done.
    fn oppose(&mut self, corrected: &[usize], matched: &[usize]) -> usize {
        let (looked, n_wrong) = (self.looked, self.config.n_wrong);
        let mut is_opposed = vec![false; looked.len()];
        for Near { pair: [at, other], .. } in self.nearest(corrected, matched) {
            let Some(better) = &looked[at].better else { continue };
            let has_room = !is_opposed[at] && self.worse[other].len() < n_wrong;
            if has_room && self.is_wrong(other, better) {
                self.worse[other].push(better.text);
                is_opposed[at] = true;
            }
        }
        is_opposed.into_iter().filter(|is_opposed| *is_opposed).count()
    }

    /// Whether a caption can be told from a picture's own by the picture, and is not among the worse ones yet.
    fn is_wrong(&self, at: usize, caption: &Caption<'_>) -> bool {
        let (own, score) = self.own[at];
        let is_new = own != caption.text && !self.worse[at].contains(&caption.text);
        is_new && score - cosine(&self.looked[at].features, &caption.features) >= self.config.min_margin
    }

    /// For each of `ones` the nearest of `others`, all in the order of their nearness. Captions may not pass from one side of a
    /// training to the other, nor between two captions of one picture. Once it is asked to stop, some are missing.
    fn nearest(&self, ones: &[usize], others: &[usize]) -> Vec<Near> {
        let Self { config, looked, stop, is_held_out, .. } = self;
        let may_meet = |one: usize, other: usize| {
            is_held_out[one] == is_held_out[other] && looked[one].image != looked[other].image
        };
        let of_one = |&one: &usize| {
            if stop.is_asked() {
                return Vec::new();
            }
            let others = others.iter().filter(|&&other| may_meet(one, other));
            let near = |&other: &usize| Near {
                cosine: cosine(&looked[one].features, &looked[other].features),
                pair: [one, other],
            };
            let mut near: Vec<Near> = others.map(near).collect();
            if near.len() > config.n_near {
                near.select_nth_unstable_by(config.n_near, Near::order);
                near.truncate(config.n_near);
            }
            near
        };
        let mut all: Vec<Near> = ones.par_iter().flat_map_iter(of_one).collect();
        all.sort_by(Near::order);
        all
    }

    /// A record for each picture that has worse captions.
    fn into_records(self) -> Vec<CaptionRecord> {
        let Self { looked, own, worse, .. } = self;
        let all = looked.iter().zip(own).zip(worse).filter(|(_, worse)| !worse.is_empty());
        all.map(|((it, (better, _)), worse)| CaptionRecord {
            image: it.image.to_owned(),
            mask: None,
            better: better.to_owned(),
            worse: worse.into_iter().map(str::to_owned).collect(),
            annotator: Some(ANNOTATOR.to_owned()),
        })
        .collect()
    }
}

/// Two pictures by their numbers, and the cosine of their features.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Near {
    cosine: f64,
    pair: [usize; 2],
}

impl Near {
    /// The nearest first; no two are equal.
    fn order(&self, other: &Self) -> Ordering {
        other.cosine.total_cmp(&self.cosine).then_with(|| self.pair.cmp(&other.pair))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// The vector at an angle, so that scores are cosines of differences.
    fn at(degrees: f64) -> Vec<f32> {
        let radians = degrees.to_radians();
        vec![radians.cos() as f32, radians.sin() as f32]
    }

    /// Pictures side by side. Every other one is described by its given caption; those between have a better one than theirs.
    struct Row {
        images: Vec<String>,
        given: Vec<String>,
        better: Vec<String>,
    }

    /// Degrees from one picture to the next.
    const STEP: f64 = 5.0;

    impl Row {
        fn new(n: usize) -> Self {
            let named = |what: &str| (0..n).map(|at| format!("{what}{at}")).collect();
            Self { images: named("i"), given: named("g"), better: named("b") }
        }

        fn looked(&self) -> Vec<Looked<'_>> {
            let one = |place: usize| {
                let degrees = STEP * place as f64;
                let (features, is_matched) = (at(degrees), place.is_multiple_of(2));
                let given = at(degrees + if is_matched { 1.0 } else { 80.0 });
                let better = Caption { text: &self.better[place], features: at(degrees - 1.0) };
                Looked {
                    image: &self.images[place],
                    given: &self.given[place],
                    given_score: cosine(&features, &given),
                    better: (!is_matched).then_some(better),
                    features,
                }
            };
            (0..self.images.len()).map(one).collect()
        }
    }

    /// The better caption of a neighbour is 4 or 6 degrees away instead of 1: cosines of .998 and .995 instead of .9998.
    fn config() -> FolderAlignConfig {
        FolderAlignConfig { min_margin: 0.001, n_wrong: 3, n_near: 8, ..FolderAlignConfig::default() }
    }

    /// What is chosen where nobody stops it.
    fn chosen(config: &FolderAlignConfig, looked: &[Looked<'_>]) -> (Vec<CaptionRecord>, FolderAlignReport) {
        super::chosen(config, looked, Stop(&AtomicBool::new(false))).unwrap()
    }

    fn number(caption: &str) -> usize {
        caption[1..].parse().unwrap()
    }

    #[test]
    fn captions_are_exchanged_by_twos_among_near_pictures_on_one_side() {
        let row = Row::new(60);
        let (records, report) = chosen(&config(), &row.looked());
        assert_eq!((report.n_pictures, report.n_mismatched, report.n_corrected), (60, 30, 30));
        assert!(report.n_exchanged >= 40, "{report:?}");
        assert!(report.mean_given < 0.2 && report.mean_better > 0.99, "{report:?}");
        let held_out = |image: usize| is_held_out(&row.images[image], 10);
        let mut exchanged = Vec::new();
        for record in records.iter().filter(|record| record.better.starts_with('b')) {
            let own = number(&record.better);
            assert_eq!((&record.image, &record.worse[0]), (&row.images[own], &row.given[own]));
            assert!(record.worse.len() <= 4, "{record:?}");
            for other in record.worse[1..].iter().map(|caption| number(caption)) {
                assert!(other % 2 == 1 && held_out(own) == held_out(other), "{own} and {other}");
                exchanged.push([own, other]);
            }
        }
        assert_eq!(exchanged.len(), report.n_exchanged);
        assert!(exchanged.iter().all(|&[a, b]| exchanged.contains(&[b, a])), "{exchanged:?}");
        // Corrected pictures are two steps apart; a few on the other side may lie between them.
        let n_near = exchanged.iter().filter(|[a, b]| a.abs_diff(*b) <= 4).count();
        assert!(4 * n_near > 3 * exchanged.len(), "{exchanged:?}");
    }

    #[test]
    fn the_style_of_the_better_captions_wins_as_often_as_it_loses() {
        let row = Row::new(60);
        let (records, report) = chosen(&config(), &row.looked());
        assert_eq!(report.n_against_style, 30);
        assert!((report.by_style - 0.5).abs() < 1e-12, "{report:?}");
        let matched: Vec<_> = records.iter().filter(|record| record.better.starts_with('g')).collect();
        assert_eq!(matched.iter().map(|record| record.worse.len()).sum::<usize>(), 30);
        for record in &matched {
            assert!(number(&record.better).is_multiple_of(2) && record.worse.len() <= 3, "{record:?}");
            assert!(record.worse.iter().all(|caption| caption.starts_with('b')), "{record:?}");
        }
        // The paper's own.
        let (records, report) = chosen(&FolderAlignConfig { n_wrong: 0, ..config() }, &row.looked());
        assert_eq!((records.len(), report.n_exchanged, report.n_against_style), (30, 0, 0));
        assert!((report.by_style - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_may_be_true_of_both_is_exchanged_by_none() {
        let row = Row::new(12);
        let (records, report) = chosen(&FolderAlignConfig { min_margin: 0.9, ..config() }, &row.looked());
        assert_eq!((records.len(), report.n_exchanged, report.n_against_style), (6, 0, 0));
        // One picture with two captions, each of which is true of it.
        let mut looked = row.looked();
        looked.truncate(4);
        looked[1].image = looked[3].image;
        assert_eq!(chosen(&config(), &looked).1.n_exchanged, 0);
    }

    #[test]
    fn what_is_left_out_is_counted_by_its_reason() {
        let row = Row::new(12);
        let mut looked = row.looked();
        looked[1].better = None;
        looked[3].given_score = 0.05;
        looked[5].better = looked[5].better.take().map(|better| Caption { features: at(-90.0), ..better });
        let (records, report) = chosen(&config(), &looked);
        assert_eq!((report.n_mismatched, report.n_corrected), (6, 3));
        assert_eq!((report.n_without_better, report.n_undescribed, report.n_not_better), (1, 1, 1));
        assert!(records.iter().all(|record| !["i1", "i3", "i5"].contains(&record.image.as_str())));
    }

    #[test]
    fn nothing_is_chosen_once_it_is_asked_to_stop() {
        let row = Row::new(12);
        assert_eq!(super::chosen(&config(), &row.looked(), Stop(&AtomicBool::new(true))), None);
    }

    #[test]
    fn badly_matched_are_those_below_a_score_and_in_the_lowest_share() {
        let row = Row::new(10);
        let mut looked = row.looked();
        for (at, it) in looked.iter_mut().enumerate() {
            it.given_score = 0.1 * at as f64;
        }
        let cut = |max_score: f64, lowest_share: f64| {
            cut(&FolderAlignConfig { max_score, lowest_share, ..config() }, &looked)
        };
        assert!((cut(0.22, 1.0) - 0.22).abs() < 1e-12);
        assert!((cut(1.0, 0.3) - 0.2).abs() < 1e-12);
        assert!((cut(0.15, 0.3) - 0.15).abs() < 1e-12);
        assert!(cut(1.0, 0.01).abs() < 1e-12);
    }
}
