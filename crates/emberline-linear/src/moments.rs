//! Weighted mean and standard deviation of every feature.

use super::Matrix;

/// Rows widened at a time; a row is read twice and summed over columns, so this only bounds the scratch memory.
const BLOCK_ROWS: usize = 64;

/// Per-feature statistics, as MLlib's `Summarizer` computes them.
pub(crate) struct Moments {
    /// Weighted means, `[d]`.
    pub(crate) mean: Vec<f64>,
    /// Weighted unbiased standard deviations, `[d]`: the squared deviations are divided by `W - Σw²/W`.
    pub(crate) deviation: Vec<f64>,
}

impl Moments {
    /// Statistics of `x` under `weights`, which must be non-negative, not all zero, and one per row.
    ///
    /// Values are shifted by the first row that counts, so that a constant feature has a deviation of exactly 0 whatever
    /// its magnitude: a rounding error in its place would be scaled up into a huge coefficient.
    pub(crate) fn new(x: &Matrix<'_>, weights: &[f64]) -> Self {
        let first = weights.iter().position(|&w| w > 0.0).unwrap_or(0);
        let origin = x.row(first);
        let total: f64 = weights.iter().sum();
        let squares: f64 = weights.iter().map(|w| w * w).sum();

        let shift = weighted_sum(x, weights, &origin, |deviation| deviation);
        let mean: Vec<f64> = origin.iter().zip(&shift).map(|(o, s)| o + s / total).collect();
        let spread = weighted_sum(x, weights, &mean, |deviation| deviation * deviation);
        Self { mean, deviation: deviations(spread, total - squares / total) }
    }

    /// The same with the deviations of the population: the squared deviations are divided by W.
    pub(crate) fn of_population(x: &Matrix<'_>, weights: &[f64]) -> Self {
        let Self { mean, .. } = Self::new(x, weights);
        let spread = weighted_sum(x, weights, &mean, |deviation| deviation * deviation);
        Self { mean, deviation: deviations(spread, weights.iter().sum()) }
    }
}

/// The root of each sum of squares over the denominator.
fn deviations(squares: Vec<f64>, denominator: f64) -> Vec<f64> {
    squares.into_iter().map(|s| if denominator > 0.0 { (s / denominator).sqrt() } else { 0.0 }).collect()
}

/// `Σ w · term(x - center)` for every column.
fn weighted_sum(x: &Matrix<'_>, weights: &[f64], center: &[f64], term: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; x.columns()];
    let mut scratch = Vec::new();
    for start in (0..x.rows()).step_by(BLOCK_ROWS) {
        let end = x.rows().min(start + BLOCK_ROWS);
        let block = x.block(start..end, &mut scratch);
        for (row, &weight) in block.chunks_exact(x.columns()).zip(&weights[start..end]) {
            if weight > 0.0 {
                for ((sum, &value), &center) in sums.iter_mut().zip(row).zip(center) {
                    *sum += weight * term(value - center);
                }
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_count_as_repetitions_in_the_mean_but_not_in_the_denominator() {
        let values = [1.0, 7.0, 2.0, 7.0, 4.0, 7.0];
        let x = Matrix::from_f64(&values, 2).unwrap();
        let moments = Moments::new(&x, &[1.0, 2.0, 1.0]);
        assert_eq!(moments.mean, [2.25, 7.0]);
        // Σw(x-m)² = 4.75, W - Σw²/W = 4 - 6/4 = 2.5.
        assert!((moments.deviation[0] - 1.9_f64.sqrt()).abs() < 1e-15);
        assert_eq!(moments.deviation[1], 0.0);
    }

    #[test]
    fn a_constant_feature_deviates_by_exactly_zero() {
        let values = vec![0.1_f32; 1000];
        let x = Matrix::from_f32(&values, 1).unwrap();
        let weights: Vec<f64> = (0..1000).map(|i| 0.1 + f64::from(i)).collect();
        assert_eq!(Moments::new(&x, &weights).deviation, [0.0]);
    }
}
