//! The silhouette of clusters: MLlib's `ClusteringMetrics`.

use super::MetricError;
use super::error::{check_length, check_values, checked_weights};

/// How far two vectors are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dissimilarity {
    /// The square of their distance.
    #[default]
    SquaredEuclidean,
    /// One less the cosine of the angle between them.
    Cosine,
}

/// What the mean dissimilarity to a cluster's members follows from.
struct Cluster {
    label: f64,
    weight: f64,
    /// `Σ w·x`, `[d]`.
    sum: Vec<f64>,
    /// `Σ w·‖x‖²`.
    squares: f64,
}

/// Weighted mean of each row's silhouette, `(b - a) / max(a, b)`: a is the mean dissimilarity to the other rows of its
/// cluster, b the least mean dissimilarity to another cluster's. A row alone in its cluster has 0.
///
/// `features` is `[rows, length]`, `clusters` numbers each row's cluster. Means are taken from sums over the clusters, as in
/// Spark, so the rows are passed twice and not once per row.
///
/// ```
/// # use emberline_ml::metrics::{Dissimilarity, silhouette};
/// let features = [0.0, 1.0, 10.0, 11.0];
/// let found = silhouette(&features, 1, &[0.0, 0.0, 1.0, 1.0], None, Dissimilarity::SquaredEuclidean)?;
/// assert!((found - 0.98987).abs() < 1e-4);
/// # Ok::<(), emberline_ml::metrics::MetricError>(())
/// ```
///
/// # Errors
/// Columns of different lengths, values that are not finite, fewer than two clusters, weights that are negative or all 0; for
/// the cosine, vectors of length 0.
pub fn silhouette(
    features: &[f64],
    length: usize,
    clusters: &[f64],
    weights: Option<&[f64]>,
    measure: Dissimilarity,
) -> Result<f64, MetricError> {
    check_length("features", clusters.len().saturating_mul(length), features.len())?;
    let length = length.max(1);
    check_values("prediction", clusters, "a finite number", f64::is_finite)?;
    let weights = checked_weights(clusters.len(), weights)?;
    let squares: Vec<f64> = features.chunks_exact(length).map(|row| dot(row, row)).collect();
    check_values("features", &squares, "vectors of finite numbers, with a finite length", f64::is_finite)?;
    let mut features = features.to_vec();
    if measure == Dissimilarity::Cosine {
        check_values("features", &squares, "vectors that are not all zeros", |square| square > 0.0)?;
        for (row, square) in features.chunks_exact_mut(length).zip(&squares) {
            let norm = square.sqrt();
            row.iter_mut().for_each(|value| *value /= norm);
        }
    }
    let all = Cluster::all(&features, length, &squares, clusters, &weights);
    if all.len() < 2 {
        return Err(MetricError::Clusters { found: all.len() });
    }
    let mut sum = 0.0;
    for (row, features) in features.chunks_exact(length).enumerate() {
        let to = |cluster: &Cluster| {
            let mean = dot(features, &cluster.sum) / cluster.weight;
            match measure {
                Dissimilarity::Cosine => 1.0 - mean,
                Dissimilarity::SquaredEuclidean => {
                    squares[row] + cluster.squares / cluster.weight - 2.0 * mean
                }
            }
        };
        let (own, others): (Vec<&Cluster>, Vec<&Cluster>) =
            all.iter().partition(|cluster| cluster.label == clusters[row]);
        let next = others.into_iter().map(to).fold(f64::INFINITY, f64::min);
        // The row itself has no part in the mean over its own cluster.
        let own = own.into_iter().find(|own| own.weight != weights[row]);
        let own = own.map(|own| to(own) * own.weight / (own.weight - weights[row]));
        sum += weights[row]
            * match own {
                Some(own) if own < next => 1.0 - own / next,
                Some(own) if own > next => next / own - 1.0,
                _ => 0.0,
            };
    }
    Ok(sum / weights.iter().sum::<f64>())
}

impl Cluster {
    /// The clusters by ascending number.
    fn all(features: &[f64], length: usize, squares: &[f64], clusters: &[f64], weights: &[f64]) -> Vec<Self> {
        let mut labels = clusters.to_vec();
        labels.sort_by(f64::total_cmp);
        labels.dedup();
        let empty = |label| Self { label, weight: 0.0, sum: vec![0.0; length], squares: 0.0 };
        let mut all: Vec<Self> = labels.into_iter().map(empty).collect();
        for (row, features) in features.chunks_exact(length).enumerate() {
            let Some(cluster) = all.iter_mut().find(|cluster| cluster.label == clusters[row]) else {
                continue;
            };
            cluster.weight += weights[row];
            cluster.squares += weights[row] * squares[row];
            cluster.sum.iter_mut().zip(features).for_each(|(sum, value)| *sum += weights[row] * value);
        }
        // Rows of weight 0 make no cluster.
        all.retain(|cluster| cluster.weight > 0.0);
        all
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
