//! Training of a logistic regression.

use super::examples::Examples;
use super::minimizer::{Minimizer, Stop};
use super::moments::Moments;
use super::objective::Objective;
use super::{LinearError, LogisticModel, Matrix};

/// Which likelihood is fitted: MLlib's `family`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Binomial for at most two classes, multinomial for more.
    #[default]
    Auto,
    /// One set of coefficients, for the log-odds of class 1.
    Binomial,
    /// One set of coefficients per class (softmax), also for two classes.
    Multinomial,
}

/// MLlib's parameters of `LogisticRegression`, with its defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticOptions {
    /// Strength of the penalty, at least 0.
    pub reg_param: f64,
    /// Share of the L1 norm in the penalty, from 0 (ridge) to 1 (lasso).
    pub elastic_net_param: f64,
    /// Most iterations; 0 returns the starting point.
    pub max_iter: usize,
    /// Relative tolerance on the gradient's norm and on the progress of the objective.
    pub tol: f64,
    /// Whether to fit intercepts, which are never penalized.
    pub fit_intercept: bool,
    /// Whether the penalty applies to the coefficients of standardized features. Training standardizes either way.
    pub standardization: bool,
    /// Which likelihood is fitted.
    pub family: Family,
    /// Most threads; does not change the result.
    pub threads: usize,
}

impl Default for LogisticOptions {
    fn default() -> Self {
        Self {
            reg_param: 0.0,
            elastic_net_param: 0.0,
            max_iter: 100,
            tol: 1e-6,
            fit_intercept: true,
            standardization: true,
            family: Family::Auto,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// A trained model and how training went.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    /// The model.
    pub model: LogisticModel,
    /// Objective with its penalty at the start and after every iteration.
    pub objective_history: Vec<f64>,
    /// Iterations made.
    pub iterations: usize,
    /// Why training ended.
    pub stop: Stop,
}

/// Fits `(1/Σw) Σ w·loss + regParam · ((1-α)/2 · ‖β̃‖² + α · ‖β̃‖₁)`, where α is `elasticNetParam` and β̃ are the
/// coefficients of standardized features (`standardization`) or the coefficients themselves.
///
/// `labels` are class numbers. `num_classes` is known where the labels come from an indexer; otherwise it is the largest
/// label plus one. Constant features get the coefficient 0. Where only one class occurs and intercepts are fitted there
/// is nothing to train: coefficients are 0 and the intercept is infinite.
///
/// ```
/// # use emberline_ml::linear::{Decision, LogisticOptions, Matrix, fit};
/// let x = Matrix::from_f32(&[-2.0, -1.0, -0.5, 0.5, 1.0, 2.0], 1)?;
/// let options = LogisticOptions { reg_param: 0.01, ..Default::default() };
/// let fitted = fit(&x, &[0.0, 0.0, 1.0, 0.0, 1.0, 1.0], None, None, &options)?;
/// assert!(fitted.model.coefficients[0] > 0.0);
/// assert_eq!(fitted.model.predict(&[-1.5, 1.5], &Decision::Likeliest), [1.0]);
/// # Ok::<(), emberline_ml::linear::LinearError>(())
/// ```
///
/// # Errors
/// Settings outside their range, labels, weights or features that are not as described above, or no data at all.
pub fn fit(
    x: &Matrix<'_>,
    labels: &[f64],
    weights: Option<&[f64]>,
    num_classes: Option<usize>,
    options: &LogisticOptions,
) -> Result<LogisticFit, LinearError> {
    options.validate()?;
    let examples = Examples::new(x, labels, weights, num_classes)?;
    x.check_finite()?;
    let classes = examples.histogram.len();
    let multinomial = options.is_multinomial(classes)?;

    if options.fit_intercept && examples.histogram.iter().filter(|&&weight| weight > 0.0).count() == 1 {
        return Ok(one_class(x.columns(), &examples, multinomial));
    }
    let moments = Moments::new(x, &examples.weights);
    let mut objective = Objective::new(*x, &examples, moments, multinomial, options);
    let mut minimizer =
        Minimizer::new(objective.start(), objective.l1(options), options.tol, options.max_iter);
    let mut gradient = vec![0.0; minimizer.trial().len()];
    let stop = loop {
        let value = objective.evaluate(minimizer.trial(), &mut gradient);
        if let Some(stop) = minimizer.tell(value, &gradient) {
            break stop;
        }
    };
    let (parameters, objective_history) = minimizer.into_result();
    let (mut coefficients, mut intercepts) = objective.unscale(&parameters);
    if multinomial {
        // Adding a constant to every class changes no probability. MLlib takes the centred one among these solutions
        // where no penalty does.
        if options.reg_param == 0.0 {
            coefficients.chunks_exact_mut(classes).for_each(center);
        }
        if options.fit_intercept {
            center(&mut intercepts);
        }
    }
    let model = LogisticModel {
        coefficients: transpose(&coefficients, intercepts.len()),
        intercepts,
        num_features: x.columns(),
        num_classes: classes,
        is_multinomial: multinomial,
    };
    Ok(LogisticFit { model, iterations: objective_history.len() - 1, objective_history, stop })
}

impl LogisticOptions {
    fn validate(&self) -> Result<(), LinearError> {
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        let checks = [
            ("regParam", self.reg_param, not_negative(self.reg_param), "a finite number of at least 0"),
            ("tol", self.tol, not_negative(self.tol), "a finite number of at least 0"),
            (
                "elasticNetParam",
                self.elastic_net_param,
                (0.0..=1.0).contains(&self.elastic_net_param),
                "a number from 0 to 1",
            ),
        ];
        match checks.into_iter().find(|(_, _, valid, _)| !valid) {
            None => Ok(()),
            Some((name, found, _, expected)) => {
                Err(LinearError::Setting { name, expected, found: found.to_string() })
            }
        }
    }

    fn is_multinomial(&self, classes: usize) -> Result<bool, LinearError> {
        match self.family {
            Family::Auto => Ok(classes > 2),
            Family::Multinomial => Ok(true),
            Family::Binomial if classes > 2 => Err(LinearError::TooManyClasses { classes }),
            Family::Binomial => Ok(false),
        }
    }
}

/// The model that always answers the only class there is.
fn one_class(features: usize, examples: &Examples, multinomial: bool) -> LogisticFit {
    let classes = examples.histogram.len();
    let only = examples.histogram.iter().position(|&weight| weight > 0.0).unwrap_or(0);
    let mut intercepts = vec![0.0; if multinomial { classes } else { 1 }];
    if multinomial {
        intercepts[only] = f64::INFINITY;
    } else {
        intercepts[0] = if only == 1 { f64::INFINITY } else { f64::NEG_INFINITY };
    }
    let model = LogisticModel {
        coefficients: vec![0.0; features * intercepts.len()],
        intercepts,
        num_features: features,
        num_classes: classes,
        is_multinomial: multinomial,
    };
    LogisticFit { model, objective_history: vec![0.0], iterations: 0, stop: Stop::Converged }
}

fn center(values: &mut [f64]) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter_mut().for_each(|v| *v -= mean);
}

/// `[d, sets]` to `[sets, d]`.
fn transpose(values: &[f64], sets: usize) -> Vec<f64> {
    (0..sets).flat_map(|set| values.iter().skip(set).step_by(sets).copied()).collect()
}
