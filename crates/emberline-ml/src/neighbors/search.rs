//! The rows closest to others, exactly: blocked matrix products find the candidates, and the candidates' distances are then
//! computed one by one, so that neither the product's rounding nor the batch around a row shows in an answer.

use crate::distance::{Distance, normalize, squared_distance};
use crate::linear::{Matrix, dot, multiply_transposed};

/// Products held at a time: 32 MiB.
const PRODUCTS_MAX: usize = 1 << 22;
/// Rows asked about at a time.
const BLOCK_ROWS_MAX: usize = 64;

/// Rows `[N, d]` to be found again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neighborhood {
    /// Of length 1 for the cosine.
    rows: Vec<f64>,
    num_features: usize,
    distance: Distance,
    /// `‖row‖² / 2`, `[N]`.
    halves: Vec<f64>,
}

impl Neighborhood {
    /// `rows` is `[N, num_features]`.
    pub(crate) fn new(mut rows: Vec<f64>, num_features: usize, distance: Distance) -> Self {
        if distance == Distance::Cosine {
            rows.chunks_exact_mut(num_features).for_each(normalize);
        }
        Self::of_kept(rows, num_features, distance)
    }

    /// Of [`rows`](Self::rows): normalizing again would change their last bits.
    pub(crate) fn of_kept(rows: Vec<f64>, num_features: usize, distance: Distance) -> Self {
        let halves = rows.chunks_exact(num_features).map(|row| 0.5 * dot(row, row)).collect();
        Self { rows, num_features, distance, halves }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.halves.len()
    }

    pub(crate) fn rows(&self) -> &[f64] {
        &self.rows
    }

    pub(crate) fn num_features(&self) -> usize {
        self.num_features
    }

    pub(crate) fn distance(&self) -> Distance {
        self.distance
    }

    /// For each row of `x` the `k` closest rows and their distances, closest first, equally close ones in order.
    pub(crate) fn closest(&self, x: &Matrix<'_>, k: usize) -> Vec<Vec<(usize, f64)>> {
        let step = (PRODUCTS_MAX / self.len().max(1)).clamp(1, BLOCK_ROWS_MAX);
        let (mut queries, mut products) = (Vec::new(), Vec::new());
        let mut all = Vec::with_capacity(x.rows());
        for start in (0..x.rows()).step_by(step) {
            let rows = start..x.rows().min(start + step);
            queries.clear();
            for row in rows.clone() {
                let mut query = x.row(row).into_owned();
                if self.distance == Distance::Cosine {
                    normalize(&mut query);
                }
                queries.extend(query);
            }
            products.resize(rows.len() * self.len(), 0.0);
            let (d, n) = (self.num_features, self.len());
            multiply_transposed(rows.len(), d, n, &queries, &self.rows, &mut products);
            let queries = queries.chunks_exact(d).zip(products.chunks_exact_mut(n));
            all.extend(queries.map(|(query, products)| self.select(query, products, k)));
        }
        all
    }

    /// The `k` closest rows of those whose score, `query · row - ‖row‖² / 2`, may be among the `k` highest.
    fn select(&self, query: &[f64], scores: &mut [f64], k: usize) -> Vec<(usize, f64)> {
        scores.iter_mut().zip(&self.halves).for_each(|(score, half)| *score -= half);
        let k = k.min(scores.len());
        let Some(last) = k.checked_sub(1) else { return Vec::new() };
        let mut sorted = scores.to_vec();
        let (_, kth, _) = sorted.select_nth_unstable_by(last, |a, b| b.total_cmp(a));
        // Far more than two sums of as many terms can differ by.
        let largest = self.halves.iter().copied().fold(0.0, f64::max) + 0.5 * dot(query, query);
        let least = *kth - 8.0 * (self.num_features + 8) as f64 * f64::EPSILON * largest;
        let candidates = scores.iter().enumerate().filter(|(_, score)| **score >= least);
        let mut closest: Vec<(usize, f64)> =
            candidates.map(|(index, _)| (index, self.exact(query, index))).collect();
        closest.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        closest.truncate(k);
        closest
    }

    fn exact(&self, query: &[f64], index: usize) -> f64 {
        let row = &self.rows[index * self.num_features..][..self.num_features];
        match self.distance {
            Distance::Euclidean => squared_distance(query, row).sqrt(),
            Distance::Cosine => (1.0 - dot(query, row)).max(0.0),
        }
    }
}

/// Why a row has no neighbours: NaN is at no distance.
pub(crate) fn refuses(row: &[f64]) -> Option<String> {
    let at = row.iter().position(|value| !value.is_finite())?;
    Some(format!("feature {at}: expected a finite number, found {}", row[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in [0, 1), some of them equal.
    fn values(count: usize) -> Vec<f64> {
        let hash = |i: usize| (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        (0..count).map(|i| (hash(i) % 101) as f64 / 101.0).collect()
    }

    #[test]
    fn finds_what_comparing_with_all_finds_whatever_the_batch() {
        let (n, d) = (300, 13);
        let mut rows = values(n * d);
        // The same row three times.
        rows.copy_within(0..d, 50 * d);
        rows.copy_within(0..d, 200 * d);
        for distance in [Distance::Euclidean, Distance::Cosine] {
            let all = Neighborhood::new(rows.clone(), d, distance);
            let x = Matrix::from_f64(&rows, d).unwrap();
            let found = all.closest(&x, 5);
            let first: Vec<usize> = found[0].iter().take(3).map(|(index, _)| *index).collect();
            assert_eq!(first, [0, 50, 200]);
            for (row, found) in rows.chunks(d).zip(&found) {
                let mut query = row.to_vec();
                if distance == Distance::Cosine {
                    normalize(&mut query);
                }
                let mut expected: Vec<_> = (0..n).map(|i| (i, all.exact(&query, i))).collect();
                expected.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
                assert_eq!(found, &expected[..5]);
                assert_eq!(all.closest(&Matrix::from_f64(row, d).unwrap(), 5)[0], *found);
            }
        }
    }
}
