//! Ridge problems with fewer rows than features, in coordinates of their rows.
//!
//! The coefficients that minimize such a loss are combinations of the rows (the representer theorem: Kimeldorf and Wahba,
//! *Some Results on Tchebycheffian Spline Functions*, 1971), so that it has as many dimensions as rows. With the eigenvectors
//! `K = U·S·Uᵀ` of the rows' products `K = X·Xᵀ` these are `X = U·√S·Vᵀ` in the basis V, which turns nothing: `‖V·u‖ = ‖u‖`.
//! The features there are `U·√S`, whose products are the diagonal S. So the Hessian of a logistic loss is about `α·S + λ·I`
//! (see [`Products`](super::preconditioner::Products)) for every penalty, without a decomposition for each.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::solvers::SelfAdjointEigen;
use faer::{Accum, Mat, MatRef, Par, Side};

use super::minimizer::{Minimum, Region};
use super::moments::Moments;
use super::objective::Objective;
use super::path::{Features, Grouping, Loss, Problem, solve};
use super::preconditioner::Coordinates;
use super::sweep::{add_transposed_product, multiply};
use super::{LinearOptions, Matrix};

/// Features whose products are summed at a time.
const TILE_FEATURES: usize = 256;
/// Directions in which the rows differ by less than this share of their largest variance are those of rounding.
const LEAST_VARIANCE: f64 = 1e-11;
/// A basis takes about `9·n³` operations for `n` rows, and for each column of coefficients it saves tens of passes over `d`
/// features with a change of coordinates of `d²` each.
const SAVED_PER_COLUMN: usize = 4;
/// One penalty at a time: the next starts on the line through the two before.
const GROUPING: Grouping = Grouping { columns: 1, similar: 1.0 };

/// Problems with the same rows and features, which share a basis.
pub(crate) type Family<'p, 'a, L> = Vec<&'p Problem<'a, L>>;

/// The problems that are solved faster by their rows, and the others. `rows` are those of a part that count.
pub(crate) fn split<'p, 'a, L: Loss>(
    columns: usize,
    problems: &'p [Problem<'a, L>],
) -> (Vec<Family<'p, 'a, L>>, Vec<&'p Problem<'a, L>>) {
    let mut families: Vec<Family<'p, 'a, L>> = Vec::new();
    let mut others = Vec::new();
    for problem in problems {
        let key = |problem: &Problem<'a, L>| {
            (problem.part, problem.options.standardization, problem.options.fit_intercept)
        };
        let rows = problem.objective.rows().count();
        if !problem.is_ridge() || rows >= columns {
            others.push(problem);
        } else if let Some(family) = families.iter_mut().find(|family| key(family[0]) == key(problem)) {
            family.push(problem);
        } else {
            families.push(vec![problem]);
        }
    }
    let is_worthwhile = |family: &mut Family<'p, 'a, L>| {
        let rows = family[0].objective.rows().count();
        let sets: usize = family.iter().map(|problem| problem.objective.sets).sum();
        sets * SAVED_PER_COLUMN * columns * columns >= rows * rows * rows
    };
    let worthwhile = families.extract_if(.., is_worthwhile).collect();
    others.extend(families.into_iter().flatten());
    (worthwhile, others)
}

/// Solves families of problems, each by one thread, and tells where each problem ended. Those whose products overflow are
/// answered as they are.
pub(crate) fn solve_families<'p, 'a, L: Loss>(
    x: &Matrix<'_>,
    families: &[Family<'p, 'a, L>],
    threads: usize,
) -> (Vec<(usize, Minimum)>, Vec<&'p Problem<'a, L>>) {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut minima, mut unsolved) = (Vec::new(), Vec::new());
        while let Some(family) = families.get(next.fetch_add(1, Ordering::Relaxed)) {
            match RowBasis::new(x, &family[0].objective, family[0].options.reg_param) {
                Some(basis) => minima.extend(basis.solve(x, family)),
                None => unsolved.extend(family),
            }
        }
        (minima, unsolved)
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(families.len())).map(|_| scope.spawn(work)).collect();
        let (mut minima, mut unsolved) = work();
        for other in others {
            let (more, more_unsolved) = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            minima.extend(more);
            unsolved.extend(more_unsolved);
        }
        (minima, unsolved)
    })
}

/// Rows of weight above 0 in a basis of their own.
struct RowBasis {
    rows: Vec<usize>,
    weights: Vec<f64>,
    /// `[n, r]`.
    features: Vec<f64>,
    single_features: Vec<f32>,
    /// The weighted mean of each one's squares, `[r]`.
    variances: Vec<f64>,
    /// Which combinations of the rows the basis is, `[n, r]`.
    combinations: Vec<f64>,
    /// What makes `x` the rows: `(x - center) · scale`, `[d]`.
    center: Vec<f64>,
    scale: Vec<f64>,
}

impl RowBasis {
    /// `None` where the rows' products are not finite.
    fn new<L: Loss>(x: &Matrix<'_>, objective: &Objective<'_, L>, strength: f64) -> Option<Self> {
        let rows: Vec<usize> = objective.rows().collect();
        let weights: Vec<f64> = rows.iter().map(|&row| objective.weight(row)).collect();
        let (center, scale) = objective.penalized_scale(strength);
        let roots: Vec<f64> = weights.iter().map(|weight| weight.sqrt()).collect();
        let n = rows.len();
        let mut products = Mat::<f64>::zeros(n, n);
        let mut tile = Vec::new();
        for start in (0..x.columns()).step_by(TILE_FEATURES) {
            let features = start..x.columns().min(start + TILE_FEATURES);
            gather(x, &rows, features.clone(), (center, &scale), &mut tile);
            for (row, root) in tile.chunks_exact_mut(features.len()).zip(&roots) {
                row.iter_mut().for_each(|value| *value *= root);
            }
            let tile = MatRef::from_row_major_slice(&tile, n, features.len());
            matmul(
                products.as_mut(),
                BlockStructure::TriangularLower,
                Accum::Add,
                tile,
                BlockStructure::Rectangular,
                tile.transpose(),
                BlockStructure::Rectangular,
                1.0,
                Par::Seq,
            );
        }
        if !products.diagonal().column_vector().iter().sum::<f64>().is_finite() {
            return None;
        }
        let eigen = SelfAdjointEigen::new(products.as_ref(), Side::Lower).ok()?;
        let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
        // They rise, so that the last is the largest.
        let least = values[n - 1] * LEAST_VARIANCE;
        let kept = values.iter().position(|value| *value > least).unwrap_or(n - 1);
        let total: f64 = weights.iter().sum();
        let mut basis = Self {
            variances: values[kept..].iter().map(|value| value.max(0.0) / total).collect(),
            features: Vec::with_capacity(n * (n - kept)),
            single_features: Vec::new(),
            combinations: Vec::with_capacity(n * (n - kept)),
            rows,
            weights,
            center: center.to_vec(),
            scale,
        };
        let lengths: Vec<f64> = values[kept..].iter().map(|value| value.max(0.0).sqrt()).collect();
        let vectors = eigen.U();
        for (i, root) in roots.iter().enumerate() {
            for (k, length) in lengths.iter().enumerate() {
                let component = vectors[(i, kept + k)];
                basis.features.push(component * length / root);
                basis.combinations.push(if *length > 0.0 { component * root / length } else { 0.0 });
            }
        }
        basis.single_features = basis.features.iter().map(|value| *value as f32).collect();
        Some(basis)
    }

    fn solve<L: Loss>(&self, x: &Matrix<'_>, family: &Family<'_, '_, L>) -> Vec<(usize, Minimum)> {
        let dimensions = self.variances.len();
        let moments = Moments { mean: vec![0.0; dimensions], deviation: vec![1.0; dimensions] };
        let problems: Vec<_> = family.iter().map(|problem| self.in_basis(problem, &moments)).collect();
        let problems: Vec<_> = problems.iter().collect();
        let features = Features {
            double: Matrix::of_f64(&self.features, dimensions),
            single: Some(Matrix::of_f32(&self.single_features, dimensions)),
        };
        let mut minima = solve(
            features,
            &problems,
            |_, problem, start| {
                let curvature = problem.objective.curvature(&features.double, start);
                let hessian = self.variances.iter().map(|s| curvature * s + problem.options.reg_param);
                Some(Coordinates::of_diagonal(hessian, curvature, problem.objective.sets))
            },
            &GROUPING,
            1,
        );
        self.leave(x, family, &mut minima);
        minima
    }

    fn in_basis<'b, L: Loss>(
        &'b self,
        problem: &'b Problem<'_, L>,
        moments: &Moments,
    ) -> Problem<'b, impl Loss + use<'b, L>> {
        let options = LinearOptions { standardization: true, ..problem.options.clone() };
        let (objective, rows, sets) = (&problem.objective, &self.rows, problem.objective.sets);
        let loss =
            move |row: usize, weight: f64, margins: &mut [f64]| objective.loss(rows[row], weight, margins);
        let mut start = vec![0.0; self.variances.len() * sets];
        start.extend(&problem.start[objective.features() * sets..]);
        Problem {
            index: problem.index,
            part: problem.part,
            objective: Objective::new(&self.weights, moments, sets, false, &options, loss),
            options,
            region: Region::Free,
            start,
        }
    }

    /// Points in this basis to parameters of the problems.
    fn leave<L: Loss>(&self, x: &Matrix<'_>, family: &Family<'_, '_, L>, minima: &mut [(usize, Minimum)]) {
        let (n, dimensions, d) = (self.rows.len(), self.variances.len(), x.columns());
        let problem_of = |index: usize| family.iter().find(|problem| problem.index == index);
        let sets: Vec<usize> = minima
            .iter()
            .map(|(index, _)| problem_of(*index).map_or(0, |problem| problem.objective.sets))
            .collect();
        let columns = sets.iter().sum();
        let mut points = Vec::with_capacity(dimensions * columns);
        for k in 0..dimensions {
            for ((_, minimum), sets) in minima.iter().zip(&sets) {
                points.extend(&minimum.point[k * sets..(k + 1) * sets]);
            }
        }
        let mut by_row = vec![0.0; n * columns];
        multiply(n, dimensions, columns, &self.combinations, &points, &mut by_row);
        let mut parameters = vec![0.0; d * columns];
        let mut tile = Vec::new();
        for start in (0..d).step_by(TILE_FEATURES) {
            let features = start..d.min(start + TILE_FEATURES);
            gather(x, &self.rows, features.clone(), (&self.center, &self.scale), &mut tile);
            let out = &mut parameters[start * columns..features.end * columns];
            add_transposed_product(n, features.len(), columns, &tile, &by_row, out);
        }
        let mut first = 0;
        for ((index, minimum), sets) in minima.iter_mut().zip(&sets) {
            let Some(problem) = problem_of(*index) else { continue };
            let factors = problem.objective.to_penalized(problem.options.reg_param);
            let mut point = Vec::with_capacity(d * sets + sets);
            for (row, factor) in parameters.chunks_exact(columns).zip(&factors) {
                point.extend(row[first..first + sets].iter().map(|value| value / factor));
            }
            point.extend(&minimum.point[dimensions * sets..]);
            minimum.point = point;
            first += sets;
        }
    }
}

/// Some features of `rows`, centred and scaled, `[n, features]`.
fn gather(
    x: &Matrix<'_>,
    rows: &[usize],
    features: Range<usize>,
    (center, scale): (&[f64], &[f64]),
    tile: &mut Vec<f64>,
) {
    tile.clear();
    for &row in rows {
        x.extend_from_row(row, features.clone(), tile);
    }
    for row in tile.chunks_exact_mut(features.len()) {
        for ((value, center), scale) in
            row.iter_mut().zip(&center[features.clone()]).zip(&scale[features.clone()])
        {
            *value = (*value - center) * scale;
        }
    }
}
