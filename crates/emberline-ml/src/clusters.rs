//! k-means in memory: the algorithm of MLlib's `KMeans` (`mllib/clustering/KMeans.scala`, `LocalKMeans.scala`), over rows in an
//! order of their own, so that neither order nor batches of the table matter.

use datafusion::arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use crate::distance::{Distance, normalize, squared_distance};
use crate::linear::{Decision, LinearError, Matrix, checked_weights, dot};
use crate::predictor::{Answers, Output, Predictor};
use crate::random::{splitmix64, unit};
use crate::tensors::Tensors;

/// Most iterations over the candidates of k-means||, as in MLlib.
const LOCAL_ITERATIONS_MAX: usize = 30;

/// How the first centres are found: MLlib's `initMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitMode {
    /// Some of the rows.
    Random,
    /// Rows far from each other (Bahmani et al., *Scalable k-means++*, 2012).
    Parallel,
}

/// The params of a fit.
#[derive(Debug, Clone)]
pub(crate) struct ClusterOptions {
    pub(crate) k: usize,
    pub(crate) init_mode: InitMode,
    pub(crate) init_steps: usize,
    pub(crate) max_iter: usize,
    pub(crate) tol: f64,
    pub(crate) seed: u64,
    pub(crate) distance: Distance,
}

/// Centres of clusters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clusters {
    /// `[k, d]`; of length 1 for the cosine.
    pub(crate) centers: Vec<f64>,
    pub(crate) num_features: usize,
    pub(crate) distance: Distance,
}

/// Clusters and how they were found.
#[derive(Debug)]
pub(crate) struct ClusterFit {
    pub(crate) clusters: Clusters,
    /// The weighted sum of the rows' costs in the last iteration: squared distances to their centre, or cosine distances.
    pub(crate) cost: f64,
    pub(crate) iterations: usize,
    /// Rows in each cluster.
    pub(crate) sizes: Vec<usize>,
}

/// Rows `[N, d]` and their weights; scaled to length 1 for the cosine.
struct Rows {
    values: Vec<f64>,
    weights: Vec<f64>,
    d: usize,
}

/// Finds up to `k` clusters; fewer where there are fewer different rows.
pub(crate) fn fit_clusters(
    x: &Matrix<'_>,
    weights: Option<&[f64]>,
    options: &ClusterOptions,
) -> Result<ClusterFit, LinearError> {
    let weights = checked_weights(x, weights)?;
    x.check_finite()?;
    let mut values: Vec<f64> = (0..x.rows()).flat_map(|row| x.row(row).into_owned()).collect();
    if options.distance == Distance::Cosine {
        for (row, vector) in values.chunks_exact_mut(x.columns()).enumerate() {
            if vector.iter().all(|value| *value == 0.0) {
                let (name, expected) = ("distanceMeasure", "euclidean for a vector of length 0".to_string());
                return Err(LinearError::Setting { name, expected, found: format!("cosine in row {row}") });
            }
            normalize(vector);
        }
    }
    let rows = Rows { values, weights, d: x.columns() };
    let centers = match options.init_mode {
        InitMode::Random => rows.random_centers(options),
        InitMode::Parallel => rows.parallel_centers(options),
    };
    let mut clusters = Clusters { centers, num_features: rows.d, distance: options.distance };
    let (mut cost, mut iterations, mut converged) = (0.0, 0, false);
    while iterations < options.max_iter && !converged {
        (converged, cost) = clusters.step(&rows, options.tol);
        iterations += 1;
    }
    let mut sizes = vec![0; clusters.centers.len() / rows.d];
    rows.all().for_each(|row| sizes[clusters.closest(row).0] += 1);
    Ok(ClusterFit { clusters, cost, iterations, sizes })
}

impl Rows {
    fn all(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.d)
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.d..][..self.d]
    }

    /// `k` rows in the order of a hash, different ones.
    fn random_centers(&self, options: &ClusterOptions) -> Vec<f64> {
        let mut order: Vec<usize> = (0..self.weights.len()).filter(|row| self.weights[*row] > 0.0).collect();
        order.sort_by(|a, b| uniform(options.seed, 0, *a).total_cmp(&uniform(options.seed, 0, *b)));
        order.truncate(options.k);
        self.distinct(order.into_iter())
    }

    /// The vectors of these rows, each once.
    fn distinct(&self, rows: impl Iterator<Item = usize>) -> Vec<f64> {
        let mut centers: Vec<f64> = Vec::new();
        for row in rows {
            if !centers.chunks_exact(self.d).any(|center| center == self.row(row)) {
                centers.extend(self.row(row));
            }
        }
        centers
    }

    /// A first row, then in every step rows in proportion to their cost, about `2k` of them; and `k` of all these.
    fn parallel_centers(&self, options: &ClusterOptions) -> Vec<f64> {
        let first = self.drawn(&self.weights, uniform(options.seed, 0, 0));
        let (mut chosen, mut new) = (vec![first], vec![first]);
        let mut costs = vec![f64::INFINITY; self.weights.len()];
        for step in 0..options.init_steps {
            let centers = self.distinct(new.iter().copied());
            let latest = Clusters { centers, num_features: self.d, distance: options.distance };
            for (cost, row) in costs.iter_mut().zip(self.all()) {
                *cost = if latest.centers.is_empty() { *cost } else { cost.min(latest.closest(row).1) };
            }
            let total: f64 = costs.iter().zip(&self.weights).map(|(cost, weight)| cost * weight).sum();
            let is_chosen = |row: &usize| {
                let share = 2.0 * options.k as f64 * costs[*row] * self.weights[*row] / total;
                uniform(options.seed, step + 1, *row) < share
            };
            new = (0..costs.len()).filter(is_chosen).collect();
            chosen.extend(&new);
        }
        let centers = self.distinct(chosen.into_iter());
        if centers.len() <= options.k * self.d {
            return centers;
        }
        let candidates = Clusters { centers, num_features: self.d, distance: options.distance };
        let mut weights = vec![0.0; candidates.centers.len() / self.d];
        for (row, weight) in self.all().zip(&self.weights) {
            weights[candidates.closest(row).0] += weight;
        }
        Self { values: candidates.centers, weights, d: self.d }.local_centers(options)
    }

    /// k-means++ and Lloyd's iterations over few weighted rows, the candidates.
    fn local_centers(&self, options: &ClusterOptions) -> Vec<f64> {
        let stream = options.init_steps + 1;
        let first = self.drawn(&self.weights, uniform(options.seed, stream, 0));
        let mut clusters =
            Clusters { centers: self.row(first).to_vec(), num_features: self.d, distance: options.distance };
        for center in 1..options.k {
            let costs = self.all().zip(&self.weights).map(|(row, weight)| weight * clusters.closest(row).1);
            let costs: Vec<f64> = costs.collect();
            let next = self.drawn(&costs, uniform(options.seed, stream, center));
            clusters.centers.extend(self.row(next));
        }
        for _ in 0..LOCAL_ITERATIONS_MAX {
            if clusters.step(self, 0.0).0 {
                break;
            }
        }
        clusters.centers
    }

    /// The row at a share of the sum of some costs.
    fn drawn(&self, costs: &[f64], share: f64) -> usize {
        let mut left = share * costs.iter().sum::<f64>();
        let last = costs.iter().rposition(|cost| *cost > 0.0).unwrap_or(0);
        for (row, cost) in costs.iter().enumerate() {
            left -= cost;
            if left < 0.0 {
                return row;
            }
        }
        last
    }
}

impl Clusters {
    /// The closest centre, the first among equals, and the cost of a row: the square of its distance, or the cosine distance
    /// of a row of length 1.
    fn closest(&self, row: &[f64]) -> (usize, f64) {
        let mut best = (0, f64::INFINITY);
        for (index, center) in self.centers.chunks_exact(self.num_features).enumerate() {
            let cost = self.cost(center, row);
            if cost < best.1 {
                best = (index, cost);
            }
        }
        best
    }

    fn cost(&self, center: &[f64], row: &[f64]) -> f64 {
        match self.distance {
            Distance::Euclidean => squared_distance(center, row),
            Distance::Cosine => 1.0 - dot(center, row),
        }
    }

    /// Moves each centre to the mean of its rows; whether none moved by more than `tol`, and the cost before.
    fn step(&mut self, rows: &Rows, tol: f64) -> (bool, f64) {
        let d = self.num_features;
        let mut sums = vec![0.0; self.centers.len()];
        let mut weights = vec![0.0; self.centers.len() / d];
        let mut total = 0.0;
        for (row, weight) in rows.all().zip(&rows.weights) {
            let (center, cost) = self.closest(row);
            total += weight * cost;
            weights[center] += weight;
            sums[center * d..][..d].iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        let mut converged = true;
        for ((sum, weight), index) in sums.chunks_exact_mut(d).zip(&weights).zip(0..) {
            sum.iter_mut().for_each(|value| *value /= weight);
            if self.distance == Distance::Cosine {
                normalize(sum);
            }
            // A cluster that lost all its rows, or whose rows cancel out, stays where it was.
            if *weight == 0.0 || (self.distance == Distance::Cosine && sum.iter().all(|value| *value == 0.0))
            {
                continue;
            }
            let old = &self.centers[index * d..][..d];
            let moved = self.cost(old, sum);
            let limit = if self.distance == Distance::Euclidean { tol * tol } else { tol };
            converged &= moved <= limit;
            self.centers[index * d..][..d].copy_from_slice(sum);
        }
        (converged, total)
    }
}

/// A number in [0, 1) for a place: [`splitmix64`] of seed, stream and place.
fn uniform(seed: u64, stream: usize, place: usize) -> f64 {
    let mix = |mut state: u64| splitmix64(&mut state);
    unit(mix(mix(mix(seed) ^ stream as u64) ^ place as u64))
}

/// What the centres do not say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterSettings {
    distance_measure: Distance,
}

impl Predictor for Clusters {
    const KIND: &'static str = "k_means";
    const OUTPUTS: &'static [Output] = &[Output::Prediction];
    const PREDICTION: DataType = DataType::Int32;
    type Settings = ClusterSettings;

    fn settings(&self) -> ClusterSettings {
        ClusterSettings { distance_measure: self.distance }
    }

    fn tensors(&self) -> Tensors {
        let shape = [self.centers.len() / self.num_features, self.num_features];
        Tensors::default().with("clusterCenters", &shape, &self.centers)
    }

    fn rebuild(settings: ClusterSettings, mut tensors: Tensors) -> Result<Self, String> {
        let (k, num_features, centers) = tensors.take_matrix("clusterCenters")?;
        if k == 0 || num_features == 0 {
            return Err(format!("{k} cluster centers of {num_features} features"));
        }
        Ok(Self { centers, num_features, distance: settings.distance_measure })
    }

    fn num_features(&self) -> usize {
        self.num_features
    }

    fn answer(&self, x: &Matrix<'_>, _: &Decision) -> Answers {
        let cluster = |row: usize| {
            let mut row = x.row(row).into_owned();
            if self.distance == Distance::Cosine {
                normalize(&mut row);
            }
            self.closest(&row).0 as f64
        };
        Answers { prediction: (0..x.rows()).map(cluster).collect(), ..Answers::default() }
    }

    fn refuses(&self, row: &[f64]) -> Option<String> {
        if let Some(at) = row.iter().position(|value| !value.is_finite()) {
            return Some(format!("feature {at}: expected a finite number, found {}", row[at]));
        }
        let is_zero = self.distance == Distance::Cosine && row.iter().all(|value| *value == 0.0);
        is_zero.then(|| "all features are 0, and a vector of length 0 has no cosine distance".to_string())
    }
}
