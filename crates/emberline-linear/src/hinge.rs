//! Training of a linear support vector machine.

use super::examples::Examples;
use super::minimizer::{Region, Stop, minimize};
use super::model::dot;
use super::moments::Moments;
use super::objective::{Evaluation, Objective};
use super::{LinearError, LinearOptions, Matrix};

/// A linear function of the features.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    /// `[d]`.
    pub coefficients: Vec<f64>,
    /// The value at the origin.
    pub intercept: f64,
}

impl LinearModel {
    /// The value of each row, `[rows]`, whatever the rows around it.
    pub fn values(&self, x: &Matrix<'_>) -> Vec<f64> {
        (0..x.rows()).map(|row| dot(&self.coefficients, &x.row(row)) + self.intercept).collect()
    }
}

/// A trained [`LinearModel`] and how training went.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearFit {
    /// The model.
    pub model: LinearModel,
    /// Objective with its penalty at the start and after every iteration.
    pub objective_history: Vec<f64>,
    /// Iterations made.
    pub iterations: usize,
    /// Why training ended.
    pub stop: Stop,
}

/// Fits `(1/Σw) Σ w·max(0, 1 - y·margin) + regParam/2 · ‖β̃‖²` for labels 0 and 1, y being -1 and 1; β̃ are the
/// coefficients of standardized features (`standardization`) or the coefficients themselves. There is no L1 term.
///
/// The hinge has a kink, on which the optimum may lie. L-BFGS with a line search for the weak Wolfe conditions gets
/// there all the same (Lewis and Overton, *Nonsmooth optimization via quasi-Newton methods*, 2013), but a gradient that
/// vanishes does not tell when: training ends with the progress.
///
/// ```
/// # use emberline_linear::{LinearOptions, Matrix, fit_hinge};
/// let x = Matrix::from_f32(&[-2.0, -1.0, 1.0, 2.0], 1)?;
/// let options = LinearOptions { reg_param: 0.01, ..Default::default() };
/// let fitted = fit_hinge(&x, &[0.0, 0.0, 1.0, 1.0], None, &options)?;
/// assert!(fitted.model.values(&x)[0] < 0.0 && fitted.model.values(&x)[3] > 0.0);
/// # Ok::<(), emberline_linear::LinearError>(())
/// ```
///
/// # Errors
/// Settings outside their range, labels, weights or features that are not as described above, or no data at all.
pub fn fit_hinge(
    x: &Matrix<'_>,
    labels: &[f64],
    weights: Option<&[f64]>,
    options: &LinearOptions,
) -> Result<LinearFit, LinearError> {
    options.validate()?;
    let examples = Examples::new(x, labels, weights, Some(2))?;
    x.check_finite()?;
    let moments = Moments::new(x, &examples.weights);
    let smooth = LinearOptions { elastic_net_param: 0.0, ..options.clone() };
    let classes = &examples.classes;
    let loss = |row: usize, weight: f64, margins: &mut [f64]| {
        let sign = if classes[row] == 1 { 1.0 } else { -1.0 };
        let short = 1.0 - sign * margins[0];
        margins[0] = if short > 0.0 { -sign * weight } else { 0.0 };
        weight * short.max(0.0)
    };
    let center = options.fit_intercept;
    let objective = Objective::new(&examples.weights, &moments, 1, center, &smooth, loss);
    let mut evaluation = Evaluation::new(*x, &[1], smooth.threads);
    let start = vec![0.0; x.columns() + usize::from(options.fit_intercept)];
    let minimum =
        minimize(start, Region::Free, &smooth, |at, gradient| evaluation.one(&objective, at, gradient));
    let (coefficients, intercepts) = objective.unscale(&minimum.point);
    Ok(LinearFit {
        model: LinearModel { coefficients, intercept: intercepts[0] },
        iterations: minimum.history.len() - 1,
        objective_history: minimum.history,
        stop: minimum.stop,
    })
}
