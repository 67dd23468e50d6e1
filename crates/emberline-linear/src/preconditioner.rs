//! Coordinates in which L2-regularized losses are nearly round, so that few iterations find their minima.
//!
//! The Hessian of a logistic loss is about `α·A + λ·I` for every class, where A are the products of the features and α the
//! mean variance of a row's answer (Böhning, *Multinomial Logistic Regression Algorithm*, 1992, has an upper bound of this
//! form). With `α·A + λ·I = L·Lᵀ` the Hessian in the coordinates `u = Lᵀ·z` is about the identity. A depends on neither the
//! penalty nor, nearly, the fold, so that many problems share it.

use std::sync::Arc;

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::solvers::Llt;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, MatMut, MatRef, Par, Side};

use super::Matrix;
use super::moments::Moments;
use super::objective::inverse;
use super::sweep::add_transposed_product;

/// Rows standardized at a time.
const BLOCK_ROWS: usize = 256;
/// Features whose products one thread makes at a time. It is part of the order of summation, unlike the number of threads.
const TILE_FEATURES: usize = 128;

/// Mean products of features, `[d, d]`: centred, and standardized or not, as the penalty sees them.
pub(crate) struct Products {
    values: Vec<f64>,
    features: usize,
    standardization: bool,
}

/// Coordinates for penalties of about one strength.
pub(crate) struct Preconditioner {
    cholesky: Llt<f64>,
    /// The curvature of an intercept.
    curvature: f64,
    /// Whether it is made for penalties of standardized coefficients.
    pub(crate) standardization: bool,
}

impl Products {
    /// Products over all rows, computed by `threads` threads, whose number changes no bit.
    pub(crate) fn new(x: &Matrix<'_>, standardization: bool, threads: usize) -> Self {
        let features = x.columns();
        let weights = vec![1.0; x.rows()];
        let Moments { mean, deviation } = Moments::new(x, &weights);
        let scale: Vec<f64> = inverse(&deviation)
            .into_iter()
            .map(|inverse| if standardization || inverse == 0.0 { inverse } else { 1.0 })
            .collect();
        let mut values = vec![0.0; features * features];
        let mut shares: Vec<Vec<(usize, &mut [f64])>> = (0..threads.max(1)).map(|_| Vec::new()).collect();
        for (i, tile) in values.chunks_mut(TILE_FEATURES * features).enumerate() {
            shares[i % threads.max(1)].push((i * TILE_FEATURES, tile));
        }
        std::thread::scope(|scope| {
            for mut tiles in shares {
                let (mean, scale) = (&mean, &scale);
                scope.spawn(move || add_products(x, mean, scale, &mut tiles));
            }
        });
        Self { values, features, standardization }
    }

    /// Coordinates for losses whose rows vary by `curvature` and for penalties of about `strength`; `None` where rounding
    /// leaves no positive curvature.
    pub(crate) fn preconditioner(&self, curvature: f64, strength: f64) -> Option<Preconditioner> {
        let d = self.features;
        let mut hessian: Vec<f64> = self.values.iter().map(|value| curvature * value).collect();
        hessian.iter_mut().step_by(d + 1).for_each(|diagonal| *diagonal += strength);
        let cholesky = Llt::new(MatRef::from_column_major_slice(&hessian, d, d), Side::Lower).ok()?;
        Some(Preconditioner { cholesky, curvature, standardization: self.standardization })
    }
}

/// Adds the mean products of all features with those from the first of each tile on, for which the tile has room.
fn add_products(x: &Matrix<'_>, mean: &[f64], scale: &[f64], tiles: &mut [(usize, &mut [f64])]) {
    let d = x.columns();
    let (mut scratch, mut block, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for start in (0..x.rows()).step_by(BLOCK_ROWS) {
        let rows = start..x.rows().min(start + BLOCK_ROWS);
        block.clear();
        for row in x.block(rows.clone(), &mut scratch).chunks_exact(d) {
            block
                .extend(row.iter().zip(mean).zip(scale).map(|((value, mean), scale)| (value - mean) * scale));
        }
        for (first, tile) in &mut *tiles {
            let count = tile.len() / d;
            own.clear();
            for row in block.chunks_exact(d) {
                own.extend(row[*first..*first + count].iter().map(|value| value / x.rows() as f64));
            }
            add_transposed_product(rows.len(), count, d, &own, &block, tile);
        }
    }
}

/// Coordinates for a problem's parameters: `[d, K]` of features, then `[K]` of intercepts, if any.
pub(crate) struct Coordinates {
    /// What features' parameters are multiplied by, and intercepts.
    factors: Vec<f64>,
    intercept_factor: f64,
    sets: usize,
    /// What turns the coordinates so far, or `None` where the Hessian is diagonal in them already.
    preconditioner: Option<Arc<Preconditioner>>,
}

impl Coordinates {
    /// Those of a preconditioner. `factors` make a feature's parameters coefficients whose penalty is one multiple of their
    /// squares for all features.
    pub(crate) fn new(preconditioner: &Arc<Preconditioner>, factors: Vec<f64>, sets: usize) -> Self {
        let intercept_factor = preconditioner.curvature.sqrt();
        Self { factors, intercept_factor, sets, preconditioner: Some(Arc::clone(preconditioner)) }
    }

    /// Those in which a Hessian that is `diagonal` for features and `curvature` for intercepts becomes the identity.
    pub(crate) fn of_diagonal(diagonal: impl Iterator<Item = f64>, curvature: f64, sets: usize) -> Self {
        let factors = diagonal.map(f64::sqrt).collect();
        Self { factors, intercept_factor: curvature.sqrt(), sets, preconditioner: None }
    }

    /// Whether each coordinate is a parameter's multiple.
    pub(crate) fn is_diagonal(&self) -> bool {
        self.preconditioner.is_none()
    }

    /// Parameters in these coordinates.
    pub(crate) fn enter(&self, parameters: &[f64]) -> Vec<f64> {
        let mut scaled = parameters.to_vec();
        self.scale(&mut scaled, |value, factor| value * factor);
        let Some(preconditioner) = &self.preconditioner else { return scaled };
        let mut entered = scaled.clone();
        let (rows, columns) = (self.factors.len(), self.sets);
        matmul(
            self.features(&mut entered),
            BlockStructure::Rectangular,
            Accum::Replace,
            preconditioner.cholesky.L().transpose(),
            BlockStructure::TriangularUpper,
            MatRef::from_row_major_slice(&scaled[..rows * columns], rows, columns),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        entered
    }

    /// A point in these coordinates to its parameters.
    pub(crate) fn leave(&self, point: &mut [f64]) {
        if let Some(preconditioner) = &self.preconditioner {
            let transposed = preconditioner.cholesky.L().transpose();
            solve_upper_triangular_in_place(transposed, self.features(point), Par::Seq);
        }
        self.scale(point, |value, factor| value / factor);
    }

    /// A gradient with respect to the parameters to that with respect to these coordinates.
    pub(crate) fn turn(&self, gradient: &mut [f64]) {
        self.scale(gradient, |value, factor| value / factor);
        if let Some(preconditioner) = &self.preconditioner {
            let lower = preconditioner.cholesky.L();
            solve_lower_triangular_in_place(lower, self.features(gradient), Par::Seq);
        }
    }

    fn features<'a>(&self, values: &'a mut [f64]) -> MatMut<'a, f64> {
        let (rows, columns) = (self.factors.len(), self.sets);
        MatMut::from_row_major_slice_mut(&mut values[..rows * columns], rows, columns)
    }

    fn scale(&self, values: &mut [f64], by: impl Fn(f64, f64) -> f64) {
        let (features, intercepts) = values.split_at_mut(self.factors.len() * self.sets);
        for (row, factor) in features.chunks_exact_mut(self.sets).zip(&self.factors) {
            row.iter_mut().for_each(|value| *value = by(*value, *factor));
        }
        intercepts.iter_mut().for_each(|value| *value = by(*value, self.intercept_factor));
    }
}
