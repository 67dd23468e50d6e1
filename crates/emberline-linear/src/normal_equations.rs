//! Least squares through the products of the features with each other, small enough to keep.

use super::hinge::{LinearFit, LinearModel};
use super::minimizer::{Region, Stop, minimize};
use super::model::dot;
use super::moments::Moments;
use super::objective::{inverse, l1_weights, penalty};
use super::sweep::add_transposed_product;
use super::{LinearOptions, Matrix};

/// Most features, as in MLlib: products of 128 MiB.
pub(crate) const FEATURES_MAX: usize = 4096;
/// Rows standardized at a time.
const BLOCK_ROWS: usize = 256;
/// A pivot below this share of its diagonal element is rounding, and the features depend on each other.
const PIVOT: f64 = 1e-13;

/// `½·βᵀAβ - bᵀβ + ½c`, the mean squared error in standardized features, with the L2 penalty on the diagonal of A.
///
/// With an intercept features and labels are centred, which leaves it out of the equations.
pub(crate) struct NormalEquations {
    /// A, `[d, d]`.
    products: Vec<f64>,
    /// b, `[d]`.
    with_label: Vec<f64>,
    /// c.
    label: f64,
    inverse_deviation: Vec<f64>,
    /// Means of the features and of the label; zeros without an intercept.
    center: Vec<f64>,
    label_center: f64,
}

impl NormalEquations {
    pub(crate) fn new(
        x: &Matrix<'_>,
        labels: &[f64],
        weights: &[f64],
        moments: Moments,
        options: &LinearOptions,
    ) -> Self {
        let d = x.columns();
        let total: f64 = weights.iter().sum();
        let inverse_deviation = inverse(&moments.deviation);
        let mean = weights.iter().zip(labels).map(|(w, label)| w * label).sum::<f64>() / total;
        let mut equations = Self {
            products: vec![0.0; d * d],
            with_label: vec![0.0; d],
            label: 0.0,
            center: if options.fit_intercept { moments.mean } else { vec![0.0; d] },
            label_center: if options.fit_intercept { mean } else { 0.0 },
            inverse_deviation,
        };
        let (mut scratch, mut block) = (Vec::new(), Vec::new());
        for start in (0..x.rows()).step_by(BLOCK_ROWS) {
            let rows = start..x.rows().min(start + BLOCK_ROWS);
            block.clear();
            for (row, i) in x.block(rows.clone(), &mut scratch).chunks_exact(d).zip(rows.clone()) {
                // Half of the weight for each factor of the products.
                let share = (weights[i] / total).sqrt();
                let features = row.iter().zip(&equations.center).zip(&equations.inverse_deviation);
                block.extend(features.map(|((value, center), inverse)| share * (value - center) * inverse));
                let label = share * (labels[i] - equations.label_center);
                let row = &block[block.len() - d..];
                equations.with_label.iter_mut().zip(row).for_each(|(sum, v)| *sum += v * label);
                equations.label += label * label;
            }
            add_transposed_product(rows.len(), d, d, &block, &block, &mut equations.products);
        }
        let strength = options.reg_param * (1.0 - options.elastic_net_param);
        let l2 = penalty(&equations.inverse_deviation, strength, options.standardization, 2);
        for (feature, l2) in l2.iter().enumerate() {
            let diagonal = &mut equations.products[feature * (d + 1)];
            // A constant feature, all zeros here, is on its own and gets the coefficient 0.
            *diagonal = if equations.inverse_deviation[feature] == 0.0 { 1.0 } else { *diagonal + l2 };
        }
        equations
    }

    /// At once where that is possible, by iterations where there is an L1 term or where features depend on each other.
    pub(crate) fn solve(&self, options: &LinearOptions) -> LinearFit {
        let strength = options.reg_param * options.elastic_net_param;
        let l1 = l1_weights(&self.inverse_deviation, strength, options.standardization);
        if l1.is_none()
            && let Some(point) = cholesky_solve(self.products.clone(), &self.with_label)
        {
            return self.fit(&point, vec![0.0], Stop::Converged);
        }
        let region = l1.map_or(Region::Free, Region::L1);
        let start = vec![0.0; self.with_label.len()];
        let minimum = minimize(start, region, options, |at, gradient| self.evaluate(at, gradient));
        self.fit(&minimum.point, minimum.history, minimum.stop)
    }

    fn evaluate(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let rows = self.products.chunks_exact(point.len());
        gradient.iter_mut().zip(rows).for_each(|(out, row)| *out = dot(row, point));
        let value = 0.5 * (self.label + dot(point, gradient)) - dot(&self.with_label, point);
        gradient.iter_mut().zip(&self.with_label).for_each(|(out, b)| *out -= b);
        value
    }

    fn fit(&self, point: &[f64], objective_history: Vec<f64>, stop: Stop) -> LinearFit {
        let coefficients: Vec<f64> =
            point.iter().zip(&self.inverse_deviation).map(|(value, inverse)| value * inverse).collect();
        let intercept = self.label_center - dot(&coefficients, &self.center);
        LinearFit {
            model: LinearModel { coefficients, intercept },
            iterations: objective_history.len() - 1,
            objective_history,
            stop,
        }
    }
}

/// Solves `a·x = b` for a symmetric `a[d, d]` by Cholesky's factors, row by row so that sums run along memory; `None` where
/// `a` is not positive definite beyond rounding.
fn cholesky_solve(mut a: Vec<f64>, b: &[f64]) -> Option<Vec<f64>> {
    let d = b.len();
    for i in 0..d {
        let (above, rest) = a.split_at_mut(i * d);
        let row = &mut rest[..d];
        for j in 0..i {
            let other = &above[j * d..][..=j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        if pivot.is_nan() || pivot <= PIVOT * row[i] {
            return None;
        }
        row[i] = pivot.sqrt();
    }
    let mut x = b.to_vec();
    for i in 0..d {
        x[i] = (x[i] - dot(&a[i * d..][..i], &x[..i])) / a[i * d + i];
    }
    for i in (0..d).rev() {
        x[i] /= a[i * d + i];
        let known = x[i];
        x[..i].iter_mut().zip(&a[i * d..]).for_each(|(x, factor)| *x -= factor * known);
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::cholesky_solve;

    #[test]
    fn solves_what_has_one_solution() {
        let a = vec![4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let x = cholesky_solve(a, &[1.0, -2.0, 3.5]).unwrap();
        let again = [4.0 * x[0] + 2.0 * x[1] + 0.6 * x[2], 2.0 * x[0] + 5.0 * x[1] + x[2]];
        assert!((again[0] - 1.0).abs() < 1e-14 && (again[1] + 2.0).abs() < 1e-14, "{x:?}");
    }

    #[test]
    fn features_that_depend_on_each_other_are_refused() {
        assert_eq!(cholesky_solve(vec![1.0, 2.0, 2.0, 4.0], &[1.0, 2.0]), None);
    }
}
