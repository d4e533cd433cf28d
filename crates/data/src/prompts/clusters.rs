//! K-Means: Lloyd's iteration (Lloyd 1982) from the starts of k-means++ (Arthur and Vassilvitskii 2007).

use rayon::prelude::*;

use super::embeddings::{Embeddings, squared_distance};
use crate::Stream;

/// Iterations after which clusters are as good as they get for choosing prompts.
const MAX_ITERATIONS: usize = 50;

/// The cluster of each of `members`, 0 to `k` - 1, of which some may be empty. Draws come from `stream`
/// alone and sums are taken in order, so that the answer depends neither on the machine's threads nor on a
/// library's release.
pub(super) fn k_means(points: &Embeddings, members: &[usize], k: usize, stream: &mut Stream) -> Vec<usize> {
    let mut centers = starts(points, members, k, stream);
    let mut clusters = Vec::new();
    for _ in 0..MAX_ITERATIONS {
        let nearest: Vec<usize> =
            members.par_iter().map(|&member| nearest(&centers, points.point(member)).0).collect();
        if nearest == clusters {
            break;
        }
        clusters = nearest;
        move_centers(&mut centers, points, members, &clusters);
    }
    clusters
}

/// k-means++: the first center is any point, each next one is drawn with the squared distance to the
/// nearest center as weight.
fn starts(points: &Embeddings, members: &[usize], k: usize, stream: &mut Stream) -> Vec<Vec<f32>> {
    let mut centers: Vec<Vec<f32>> = Vec::with_capacity(k);
    let mut weights = vec![1.0; members.len()];
    while centers.len() < k.min(members.len()) {
        // Where all points are centers already, every weight is 0: any point will do.
        let chosen = if weights.iter().any(|&weight| weight > 0.0) {
            stream.weighted(&weights)
        } else {
            stream.below(members.len())
        };
        let center = points.point(members[chosen]).to_vec();
        weights.par_iter_mut().zip(members).for_each(|(weight, &member)| {
            let distance = squared_distance(&center, points.point(member));
            *weight = if centers.is_empty() { distance } else { weight.min(distance) };
        });
        centers.push(center);
    }
    centers
}

/// The center nearest to `point`, the first of several, and its squared distance.
fn nearest(centers: &[Vec<f32>], point: &[f32]) -> (usize, f32) {
    let distances = centers.iter().map(|center| squared_distance(center, point)).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

/// Puts each center into the mean of its points; one that has none stays.
fn move_centers(centers: &mut [Vec<f32>], points: &Embeddings, members: &[usize], clusters: &[usize]) {
    let mut counts = vec![0_usize; centers.len()];
    let mut sums: Vec<Vec<f64>> = centers.iter().map(|center| vec![0.0; center.len()]).collect();
    for (&member, &cluster) in members.iter().zip(clusters) {
        counts[cluster] += 1;
        for (sum, value) in sums[cluster].iter_mut().zip(points.point(member)) {
            *sum += f64::from(*value);
        }
    }
    for ((center, sums), count) in centers.iter_mut().zip(sums).zip(counts).filter(|(_, count)| *count > 0) {
        for (value, sum) in center.iter_mut().zip(sums) {
            *value = (sum / count as f64) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `n` points in each of three directions, a little apart.
    fn three_heaps(n: usize) -> Embeddings {
        let point = |index: usize| {
            let mut point = vec![0.02 * (index / 3) as f32, 0.01, 0.0, 0.0];
            point[1 + index % 3] += 1.0;
            point
        };
        Embeddings::new(&(0..3 * n).map(point).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn heaps_become_clusters() {
        let points = three_heaps(6);
        let members: Vec<_> = (0..points.len()).collect();
        for seed in 0..20 {
            let clusters = k_means(&points, &members, 3, &mut Stream::new([seed, 0, 0, 0]));
            assert!(members.iter().all(|&i| clusters[i] == clusters[i % 3]), "{clusters:?}");
            assert!(clusters[0] != clusters[1] && clusters[1] != clusters[2] && clusters[0] != clusters[2]);
        }
    }

    #[test]
    fn equal_points_and_too_many_clusters_are_no_trouble() {
        let points = Embeddings::new(&vec![vec![1.0, 2.0]; 5]).unwrap();
        assert_eq!(k_means(&points, &[0, 1, 2, 3, 4], 3, &mut Stream::new([0; 4])), [0; 5]);
        assert_eq!(k_means(&points, &[2], 9, &mut Stream::new([0; 4])), [0]);
        assert_eq!(k_means(&points, &[], 2, &mut Stream::new([0; 4])), [0_usize; 0]);
    }

    proptest! {
        #[test]
        fn every_point_is_with_the_center_of_its_cluster(
            data in prop::collection::vec(prop::collection::vec(0.1_f32..1.0, 3), 1..40),
            k in 1_usize..6,
            seed in any::<u64>(),
        ) {
            let points = Embeddings::new(&data).unwrap();
            let members: Vec<_> = (0..points.len()).collect();
            let clusters = k_means(&points, &members, k, &mut Stream::new([seed, 0, 0, 0]));
            prop_assert_eq!(&clusters, &k_means(&points, &members, k, &mut Stream::new([seed, 0, 0, 0])));
            let mut centers = vec![vec![f32::INFINITY; 3]; k];
            move_centers(&mut centers, &points, &members, &clusters);
            for (&member, &cluster) in members.iter().zip(&clusters) {
                let point = points.point(member);
                let own = squared_distance(&centers[cluster], point);
                let mut others = centers.iter().filter(|center| center[0].is_finite());
                // Squared distances of up to 4 in f32, from three terms.
                prop_assert!(others.all(|center| own <= squared_distance(center, point) + 1e-5));
            }
        }
    }
}
