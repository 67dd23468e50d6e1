//! Training of a linear regression.

use super::examples::{check_length, checked_weights};
use super::hinge::{LinearFit, LinearModel};
use super::minimizer::{Stop, minimize};
use super::moments::Moments;
use super::normal_equations::{FEATURES_MAX, NormalEquations};
use super::objective::{Evaluation, Objective};
use super::{LinearError, LinearOptions, Matrix};

/// How the least squares are found: MLlib's `solver`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Solver {
    /// `normal` up to 4,096 features, `l-bfgs` for more.
    #[default]
    Auto,
    /// Passes over the rows, one for each evaluation.
    LBfgs,
    /// One pass over the rows for their products, which are then solved: at once without an L1 term, by iterations with one.
    Normal,
}

/// Fits `(1/2Σw) Σ w·(label - prediction)²` with MLlib's penalty, for labels scaled to unit deviation:
/// `regParam/σ_y · ((1-α)/2 · ‖β̃‖² + α · ‖β̃‖₁)`, where α is `elasticNetParam` and β̃ are the coefficients of standardized
/// features and labels (`standardization`), or of labels alone.
///
/// As in MLlib, deviations are those of the population for `normal` and unbiased ones for `l-bfgs`, so that the two answer a
/// little differently where there is a penalty (`ml/optim/WeightedLeastSquares.scala`,
/// `ml/regression/LinearRegression.scala`). Constant features get the coefficient 0. Where the normal equations are solved at
/// once, the objective's history is a single 0, as in MLlib.
///
/// ```
/// # use emberline_linear::{LinearOptions, Matrix, Solver, fit_least_squares};
/// let x = Matrix::from_f64(&[1.0, 2.0, 3.0, 4.0], 1)?;
/// let fitted = fit_least_squares(&x, &[3.0, 5.0, 7.0, 9.0], None, Solver::Auto, &LinearOptions::default())?;
/// assert!((fitted.model.coefficients[0] - 2.0).abs() < 1e-12 && (fitted.model.intercept - 1.0).abs() < 1e-12);
/// # Ok::<(), emberline_linear::LinearError>(())
/// ```
///
/// # Errors
/// Settings outside their range, labels, weights or features that are not finite, more features than `normal` takes, labels
/// that are all the same with a penalty and without an intercept, or no data at all.
pub fn fit_least_squares(
    x: &Matrix<'_>,
    labels: &[f64],
    weights: Option<&[f64]>,
    solver: Solver,
    options: &LinearOptions,
) -> Result<LinearFit, LinearError> {
    options.validate()?;
    check_length("label", x.rows(), labels.len())?;
    let weights = checked_weights(x, weights)?;
    if let Some(row) = labels.iter().position(|label| !label.is_finite()) {
        return Err(LinearError::Value { row, found: labels[row] });
    }
    x.check_finite()?;
    let normal = solver == Solver::Normal || (solver == Solver::Auto && x.columns() <= FEATURES_MAX);
    if normal && x.columns() > FEATURES_MAX {
        return Err(LinearError::TooManyFeatures { features: x.columns(), limit: FEATURES_MAX });
    }
    let new: fn(&Matrix<'_>, &[f64]) -> Moments = if normal { Moments::of_population } else { Moments::new };
    let label = new(&Matrix::from_f64(labels, 1)?, &weights);
    let (mean, deviation) = (label.mean[0], label.deviation[0]);
    if deviation == 0.0 && (options.fit_intercept || mean == 0.0) {
        return Ok(constant(x.columns(), mean));
    }
    if deviation == 0.0 && options.reg_param > 0.0 {
        return Err(LinearError::ConstantLabel { found: mean, reg_param: options.reg_param });
    }
    // Labels that do not vary stay as they are.
    let scale = if deviation > 0.0 { deviation } else { mean.abs() };
    let scaled = LinearOptions { reg_param: options.reg_param / scale, ..options.clone() };
    let moments = new(x, &weights);
    let fit = if normal {
        let targets: Vec<f64> = labels.iter().map(|label| label / scale).collect();
        NormalEquations::new(x, &targets, &weights, moments, &scaled).solve(&scaled)
    } else {
        iterate(x, labels, &weights, moments, (mean, scale), &scaled)
    };
    let LinearModel { mut coefficients, intercept } = fit.model;
    coefficients.iter_mut().for_each(|coefficient| *coefficient *= scale);
    Ok(LinearFit { model: LinearModel { coefficients, intercept: intercept * scale }, ..fit })
}

/// L-BFGS or OWL-QN over the rows; answers in scaled labels.
fn iterate(
    x: &Matrix<'_>,
    labels: &[f64],
    weights: &[f64],
    moments: Moments,
    (mean, scale): (f64, f64),
    options: &LinearOptions,
) -> LinearFit {
    let loss = |row: usize, weight: f64, margins: &mut [f64]| {
        let residual = margins[0] - labels[row] / scale;
        margins[0] = weight * residual;
        0.5 * weight * residual * residual
    };
    let objective = Objective::new(weights, &moments, 1, options.fit_intercept, options, loss);
    let mut evaluation = Evaluation::new(*x, &[1], options.threads);
    let mut start = vec![0.0; x.columns()];
    if options.fit_intercept {
        start.push(mean / scale);
    }
    let region = objective.l1(options);
    let minimum = minimize(start, region, options, |at, gradient| evaluation.one(&objective, at, gradient));
    let (coefficients, intercepts) = objective.unscale(&minimum.point);
    LinearFit {
        model: LinearModel { coefficients, intercept: intercepts[0] },
        iterations: minimum.history.len() - 1,
        objective_history: minimum.history,
        stop: minimum.stop,
    }
}

/// The model that always answers the only label there is.
fn constant(features: usize, label: f64) -> LinearFit {
    LinearFit {
        model: LinearModel { coefficients: vec![0.0; features], intercept: label },
        objective_history: vec![0.0],
        iterations: 0,
        stop: Stop::Converged,
    }
}
