//! The selection of prompts that differ, from their embeddings.

use std::fmt;

use serde::Serialize;

use super::clusters::k_means;
use super::embeddings::Embeddings;
use super::{DiversitySpec, Screen, Screened};
use crate::{DataError, Result, Stream};

/// Where the draws of the clusters come from.
const DOMAIN: u64 = 301;

/// What was chosen, and what it is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The chosen prompts, in the order in which they came.
    pub prompts: Vec<Screen>,
    /// What each rule did.
    pub report: DiversityReport,
}

/// How many prompts each rule dropped, and how alike the others were before and after the selection.
///
/// No chosen prompt has a nearer neighbour than before, and none is nearer to another than the cosine
/// allowed. The means are over other sets, though: a selection from prompts that all differ may raise it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DiversityReport {
    /// Prompts that came.
    pub n_given: usize,
    /// Dropped because they only decorate, or say nothing at all.
    pub n_decoration: usize,
    /// Dropped because they repeat an earlier one in nearly the same words.
    pub n_repeated: usize,
    /// Dropped because their embedding is too like that of an earlier one.
    pub n_alike: usize,
    /// Different enough, but not chosen.
    pub n_passed_over: usize,
    /// Chosen.
    pub n_selected: usize,
    /// Mean over all prompts with an embedding of the cosine with the nearest other, -1 to 1; `None` for
    /// less than two.
    pub nearest_before: Option<f32>,
    /// The same over the chosen prompts, among themselves.
    pub nearest_after: Option<f32>,
}

impl fmt::Display for DiversityReport {
    /// What became of the prompts, then how near they are to each other.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            f,
            "{} of {} prompts chosen; {} only decorate, {} repeat another in nearly the same words, {} are too like \
             another, {} were passed over",
            self.n_selected,
            self.n_given,
            self.n_decoration,
            self.n_repeated,
            self.n_alike,
            self.n_passed_over
        )?;
        let shown = |mean: Option<f32>| mean.map_or_else(|| "none".to_owned(), |mean| format!("{mean:.3}"));
        let [before, after] = [self.nearest_before, self.nearest_after].map(shown);
        write!(f, "mean cosine with the nearest other: {before} before, {after} after")
    }
}

/// Chooses among the prompts of `screened` by their `embeddings`, one for each: drops what is too like an
/// earlier one, divides the others into clusters, and takes from each those with the largest mean distance
/// to their nearest neighbours in it.
///
/// Any model's embeddings will do, normalised or not. The same input gives the same answer, whatever the
/// number of threads.
///
/// # Errors
/// [`DataError::Config`] for numbers out of range; [`DataError::Embedding`] if there are not as many
/// embeddings as prompts, and for vectors of different lengths, with numbers that are not finite, or of
/// zeros.
pub fn select(screened: &Screened, embeddings: &[Vec<f32>], spec: &DiversitySpec) -> Result<Selection> {
    spec.validate()?;
    let [n, n_prompts] = [embeddings.len(), screened.prompts.len()];
    if n != n_prompts {
        let reason = format!("there are {n} embeddings for {n_prompts} prompts; embed each prompt once");
        return Err(DataError::Embedding { index: n.min(n_prompts), reason });
    }
    let points = Embeddings::new(embeddings)?;
    let different = points.without_likeness(spec.max_cosine);
    let chosen = choose(&points, &different, spec);
    let mean =
        |members: &[usize]| points.nearest(members).map(|all| all.iter().sum::<f32>() / all.len() as f32);
    let report = DiversityReport {
        n_given: n + screened.n_decoration + screened.n_repeated,
        n_decoration: screened.n_decoration,
        n_repeated: screened.n_repeated,
        n_alike: n - different.len(),
        n_passed_over: different.len() - chosen.len(),
        n_selected: chosen.len(),
        nearest_before: mean(&(0..n).collect::<Vec<_>>()),
        nearest_after: mean(&chosen),
    };
    Ok(Selection { prompts: chosen.iter().map(|&index| screened.prompts[index].clone()).collect(), report })
}

/// Those of `members` that are chosen, in ascending order.
fn choose(points: &Embeddings, members: &[usize], spec: &DiversitySpec) -> Vec<usize> {
    let n_clusters = spec.n_clusters.min(members.len());
    let mut stream = Stream::new([spec.seed, DOMAIN, 0, 0]);
    let mut clusters = vec![Vec::new(); n_clusters];
    for (&member, cluster) in members.iter().zip(k_means(points, members, n_clusters, &mut stream)) {
        clusters[cluster].push(member);
    }
    let sizes: Vec<_> = clusters.iter().map(Vec::len).collect();
    let quotas = quotas(&sizes, spec.n_selected);
    let loneliest =
        |(members, quota): (&Vec<usize>, usize)| loneliest(points, members, spec.n_neighbours, quota);
    let mut chosen: Vec<_> = clusters.iter().zip(quotas).flat_map(loneliest).collect();
    chosen.sort_unstable();
    chosen
}

/// The `quota` of `members` with the largest mean distance to their `k` nearest among them, the earlier one
/// of two that are level.
fn loneliest(points: &Embeddings, members: &[usize], k: usize, quota: usize) -> Vec<usize> {
    let distances = points.mean_distances(members, k);
    let mut order: Vec<_> = (0..members.len()).collect();
    order.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]));
    order.into_iter().take(quota).map(|place| members[place]).collect()
}

/// `n` divided in proportion to `sizes`, none above its size; what is left over by rounding down goes to
/// the largest remainders, the earlier one of two that are level.
fn quotas(sizes: &[usize], n: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if n >= total {
        return sizes.to_vec();
    }
    let mut quotas: Vec<_> = sizes.iter().map(|size| size * n / total).collect();
    let left = n - quotas.iter().sum::<usize>();
    let mut order: Vec<_> = (0..sizes.len()).collect();
    order.sort_by_key(|&cluster| std::cmp::Reverse(sizes[cluster] * n % total));
    for cluster in order.into_iter().take(left) {
        quotas[cluster] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(n_selected: usize, n_clusters: usize) -> DiversitySpec {
        DiversitySpec { n_selected, n_clusters, n_neighbours: 3, ..DiversitySpec::default() }
    }

    /// As many prompts as there are embeddings.
    fn screened(n: usize) -> Screened {
        let prompts =
            (0..n).map(|index| Screen { index: 2 * index, prompt: format!("prompt {index}") }).collect();
        Screened { prompts, n_decoration: 3, n_repeated: 4 }
    }

    fn run(embeddings: &[Vec<f32>], spec: &DiversitySpec) -> Result<(Vec<usize>, DiversityReport)> {
        let Selection { prompts, report } = select(&screened(embeddings.len()), embeddings, spec)?;
        Ok((prompts.iter().map(|screen| screen.index / 2).collect(), report))
    }

    #[test]
    fn the_lonely_are_chosen_and_the_alike_dropped() {
        let at = |degrees: f32| vec![degrees.to_radians().cos(), degrees.to_radians().sin()];
        // Five within 4 degrees, of which one stays; then gaps of 40, 80 and 90 degrees.
        let embeddings = [0.0, 1.0, 2.0, 3.0, 4.0, 40.0, 120.0, 210.0].map(at);
        let (indices, report) = run(&embeddings, &spec(2, 1)).unwrap();
        assert_eq!(indices, [6, 7]);
        assert_eq!((report.n_given, report.n_decoration, report.n_repeated), (15, 3, 4));
        assert_eq!((report.n_alike, report.n_passed_over, report.n_selected), (4, 2, 2));
        assert!(
            report.nearest_before.unwrap() > 0.7 && report.nearest_after.unwrap().abs() < 1e-6,
            "{report:?}"
        );
        let shown = report.to_string();
        assert!(shown.starts_with("2 of 15 prompts chosen; 3 only decorate, 4 repeat"), "{shown}");
        assert!(shown.contains("nearest other: 0.") && shown.ends_with("000 after"), "{shown}");
    }

    #[test]
    fn clusters_give_in_proportion_to_their_size() {
        assert_eq!(quotas(&[60, 30, 10], 10), [6, 3, 1]);
        assert_eq!(quotas(&[5, 5, 5], 4), [2, 1, 1]);
        assert_eq!(quotas(&[7, 0, 2], 5), [4, 0, 1]);
        assert_eq!(quotas(&[3, 1], 9), [3, 1]);
    }

    #[test]
    fn none_and_one_are_no_trouble() {
        let (none, report) = run(&[], &spec(3, 2)).unwrap();
        assert_eq!((none.len(), report.nearest_before), (0, None));
        let (one, report) = run(&[vec![2.0, 0.0]], &spec(3, 2)).unwrap();
        assert_eq!((one, report.nearest_after), (vec![0], None));
    }

    #[test]
    fn each_prompt_needs_one_embedding() {
        let message = select(&screened(2), &[vec![1.0]], &spec(1, 1)).unwrap_err().to_string();
        assert!(
            message.contains("there are 1 embeddings for 2 prompts; embed each prompt once"),
            "{message}"
        );
        assert!(run(&[vec![1.0]], &spec(0, 1)).is_err());
    }

    proptest! {
        #[test]
        fn a_selection_is_a_subset_in_which_nobody_comes_nearer(
            embeddings in prop::collection::vec(prop::collection::vec(0.1_f32..1.0, 4), 0..40),
            n_selected in 1_usize..20,
            n_clusters in 1_usize..5,
            max_cosine in 0.8_f32..1.0,
            seed in any::<u64>(),
        ) {
            let spec = DiversitySpec { seed, max_cosine, ..spec(n_selected, n_clusters) };
            let (indices, report) = run(&embeddings, &spec).unwrap();
            prop_assert_eq!(&indices, &run(&embeddings, &spec).unwrap().0);
            prop_assert!(indices.is_sorted_by(|a, b| a < b) && indices.iter().all(|&index| index < embeddings.len()));
            prop_assert_eq!(indices.len(), n_selected.min(embeddings.len() - report.n_alike));
            prop_assert_eq!(report.n_given, 7 + report.n_alike + report.n_passed_over + report.n_selected);
            let points = Embeddings::new(&embeddings).unwrap();
            let all = points.nearest(&(0..points.len()).collect::<Vec<_>>());
            for (place, nearest) in points.nearest(&indices).into_iter().flatten().enumerate() {
                prop_assert!(nearest <= max_cosine && nearest <= all.as_ref().unwrap()[indices[place]]);
            }
            prop_assert!(report.nearest_after.is_none_or(|mean| mean <= max_cosine + 1e-6));
        }
    }
}
