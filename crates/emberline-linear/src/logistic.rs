//! Training of a logistic regression.

use std::sync::Arc;

use super::examples::Examples;
use super::minimizer::{Minimum, Region, Stop};
use super::moments::Moments;
use super::objective::Objective;
use super::path::{Features, Grouping, Loss, Problem, solve};
use super::preconditioner::{Coordinates, Preconditioner, Products};
use super::threads::share;
use super::{LinearError, LinearOptions, LogisticModel, Matrix, row_basis};

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

/// MLlib's parameters of `LogisticRegression` beside those of all linear models.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogisticOptions {
    /// Which likelihood is fitted.
    pub family: Family,
    /// Number of classes, known where the labels come from an indexer; otherwise it is the largest label plus one.
    pub num_classes: Option<usize>,
    /// Bounds of the parameters; only without an L1 term.
    pub bounds: Bounds,
}

/// MLlib's bounds of coefficients `[K, d]`, row major, and of intercepts `[K]`; K is 1 for the binomial family. Infinities
/// bound nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bounds {
    /// `lowerBoundsOnCoefficients`.
    pub lower_coefficients: Option<Vec<f64>>,
    /// `upperBoundsOnCoefficients`.
    pub upper_coefficients: Option<Vec<f64>>,
    /// `lowerBoundsOnIntercepts`.
    pub lower_intercepts: Option<Vec<f64>>,
    /// `upperBoundsOnIntercepts`.
    pub upper_intercepts: Option<Vec<f64>>,
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
/// `labels` are class numbers. Constant features get the coefficient 0. Where only one class occurs and intercepts are
/// fitted there is nothing to train: coefficients are 0 and the intercept is infinite.
///
/// ```
/// # use emberline_linear::{Decision, LinearOptions, LogisticOptions, Matrix, fit_logistic};
/// let x = Matrix::from_f32(&[-2.0, -1.0, -0.5, 0.5, 1.0, 2.0], 1)?;
/// let options = LinearOptions { reg_param: 0.01, ..Default::default() };
/// let labels = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0];
/// let fitted = fit_logistic(&x, &labels, None, &LogisticOptions::default(), &options)?;
/// assert!(fitted.model.coefficients[0] > 0.0);
/// assert_eq!(fitted.model.predict(&[-1.5, 1.5], &Decision::Likeliest), [1.0]);
/// # Ok::<(), emberline_linear::LinearError>(())
/// ```
///
/// # Errors
/// Settings outside their range, labels, weights or features that are not as described above, or no data at all.
pub fn fit_logistic(
    x: &Matrix<'_>,
    labels: &[f64],
    weights: Option<&[f64]>,
    problem: &LogisticOptions,
    options: &LinearOptions,
) -> Result<LogisticFit, LinearError> {
    let only = LogisticProblem { logistic: problem.clone(), options: options.clone(), part: 0 };
    let mut fits = fit_logistic_many(x, labels, &[weights], &[only])?;
    fits.remove(0)
}

/// One of several problems over one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticProblem {
    /// What is of logistic regression alone.
    pub logistic: LogisticOptions,
    /// The rest; `threads` and `memory_max` of the first problem hold for all.
    pub options: LinearOptions,
    /// Which weights of the rows are its own: a place in `parts`. A row of weight 0 takes no part in it.
    pub part: usize,
}

/// Penalties are solved together until this many columns of coefficients: from here on the product's cost grows with its
/// columns, and a later group gains more from starting at the solutions of the one before. Penalties down to a share of a
/// preconditioner's own are near enough to it.
const GROUPING: Grouping = Grouping { columns: 64, similar: 0.3 };
/// Features of the matrix for each column of coefficients from which on a preconditioner pays: it saves about two thirds of the
/// passes, each of which costs `2·N·d` multiplications for each column, and costs `N·d²` itself.
const FEATURES_PER_COLUMN: usize = 32;

/// Bytes that a feature's coefficient takes while it is found: in the steps and changes that a minimizer keeps, and in sums of
/// several threads.
const BYTES_PER_COEFFICIENT: usize = 400;

/// Fits several problems over one matrix at once: one pass over the rows serves all that have not converged.
///
/// Parts are weights of the rows, so that the training rows of a fold are a mask, and nothing is copied. The strongest
/// penalties come first, and weaker ones start where they ended. Each answer has the objective that [`fit_logistic`]
/// finds, to within `tol`, and not the same bits.
///
/// ```
/// # use emberline_linear::{LinearOptions, LogisticOptions, LogisticProblem, Matrix, fit_logistic_many};
/// let x = Matrix::from_f32(&[-2.0, -1.0, -0.5, 0.5, 1.0, 2.0], 1)?;
/// let labels = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0];
/// let but_the_last = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
/// let problem = |reg_param, part| LogisticProblem {
///     logistic: LogisticOptions::default(),
///     options: LinearOptions { reg_param, ..Default::default() },
///     part,
/// };
/// let fits = fit_logistic_many(&x, &labels, &[None, Some(&but_the_last)], &[problem(0.1, 0), problem(0.01, 1)])?;
/// assert!(fits[0].as_ref().unwrap().model.coefficients[0] > 0.0);
/// # Ok::<(), emberline_linear::LinearError>(())
/// ```
///
/// # Errors
/// When the features are not finite. What is wrong with one problem or one part is that problem's result.
pub fn fit_logistic_many(
    x: &Matrix<'_>,
    labels: &[f64],
    parts: &[Option<&[f64]>],
    problems: &[LogisticProblem],
) -> Result<Vec<Result<LogisticFit, LinearError>>, LinearError> {
    let classes = problems.first().and_then(|problem| problem.logistic.num_classes);
    let part = |weights: &Option<&[f64]>| Examples::new(x, labels, *weights, classes);
    let examples: Vec<Result<Examples, LinearError>> = parts.iter().map(part).collect();
    if let [Err(error)] = examples.as_slice() {
        return Err(error.clone());
    }
    x.check_finite()?;
    let LinearOptions { threads, memory_max, .. } =
        problems.first().map_or_else(LinearOptions::default, |problem| problem.options.clone());
    let parts = share(examples, threads, |examples| {
        let examples = examples?;
        let moments = Moments::new(x, &examples.weights);
        Ok::<_, LinearError>((examples, moments))
    });
    let mut fits: Vec<Option<Result<LogisticFit, LinearError>>> = Vec::new();
    let mut begun = Vec::new();
    for (i, problem) in problems.iter().enumerate() {
        let (fit, problem) = match prepare(i, problem, &parts) {
            Ok(Begun::Problem(problem)) => (None, Some(*problem)),
            Ok(Begun::Fit(fit)) => (Some(Ok(fit)), None),
            Err(error) => (Some(Err(error)), None),
        };
        fits.push(fit);
        begun.extend(problem);
    }
    let (by_rows, mut by_columns) = row_basis::split(x.columns(), &begun, memory_max);
    let (mut minima, unsolved) = row_basis::solve_families(x, &by_rows, threads, memory_max);
    by_columns.extend(unsolved);
    minima.extend(solve_by_columns(x, &by_columns, threads, memory_max));
    for (index, minimum) in minima {
        let Some(begun) = begun.iter().find(|begun| begun.index == index) else { continue };
        let classes = parts[begun.part].as_ref().map_or(0, |(examples, _)| examples.histogram.len());
        fits[index] = Some(Ok(problems[index].fit(begun, classes, minimum)));
    }
    Ok(fits.into_iter().flatten().collect())
}
/// A problem to be solved, or one that is solved already.
enum Begun<'a, L> {
    Problem(Box<Problem<'a, L>>),
    Fit(LogisticFit),
}

fn prepare<'a>(
    index: usize,
    problem: &LogisticProblem,
    parts: &'a [Result<(Examples, Moments), LinearError>],
) -> Result<Begun<'a, impl Loss>, LinearError> {
    let LogisticProblem { logistic, options, part } = problem;
    options.validate()?;
    let (examples, moments) = parts[*part].as_ref().map_err(Clone::clone)?;
    let (classes, features) = (examples.histogram.len(), moments.mean.len());
    let multinomial = logistic.is_multinomial(classes)?;
    let sets = if multinomial { classes } else { 1 };
    let bounds = logistic.bounds.checked(sets, features, options)?;
    if options.fit_intercept && examples.histogram.iter().filter(|&&weight| weight > 0.0).count() == 1 {
        return Ok(Begun::Fit(one_class(features, examples, multinomial)));
    }
    let class = &examples.classes;
    let loss = move |row: usize, weight: f64, margins: &mut [f64]| {
        if multinomial {
            softmax_loss(margins, class[row], weight)
        } else {
            logistic_loss(&mut margins[0], class[row], weight)
        }
    };
    // An intercept that is bounded can't make up for a mean.
    let centered = options.fit_intercept && !logistic.bounds.on_intercepts();
    let objective = Objective::new(&examples.weights, moments, sets, centered, options, loss);
    let mut start = start(&examples.histogram, features, sets, options.fit_intercept);
    let region = match &bounds {
        None => objective.l1(options),
        Some([lower, upper]) => {
            let lower = objective.bounds(&lower.coefficients, &lower.intercepts);
            let upper = objective.bounds(&upper.coefficients, &upper.intercepts);
            start.iter_mut().zip(&lower).zip(&upper).for_each(|((s, l), u)| *s = s.max(*l).min(*u));
            Region::Box { lower, upper }
        }
    };
    Ok(Begun::Problem(Box::new(Problem {
        index,
        part: *part,
        options: options.clone(),
        objective,
        region,
        start,
    })))
}

/// Solves problems in coordinates of the features.
fn solve_by_columns<L: Loss>(
    x: &Matrix<'_>,
    problems: &[&Problem<'_, L>],
    threads: usize,
    memory_max: usize,
) -> Vec<(usize, Minimum)> {
    let products = products_if_worthwhile(x, problems, threads, memory_max);
    let columns = GROUPING.columns.min(memory_max / (x.columns() * BYTES_PER_COEFFICIENT).max(1));
    let mut of_group: Option<(usize, Option<Arc<Preconditioner>>)> = None;
    let coordinates = |strongest: &Problem<'_, L>, problem: &Problem<'_, L>, start: &[f64]| {
        let products = products.as_ref().filter(|_| strongest.is_ridge())?;
        if of_group.as_ref().is_none_or(|(index, _)| *index != strongest.index) {
            let curvature = problem.objective.curvature(&problem.objective.sample(x), start);
            let made = products.preconditioner(curvature, strongest.options.reg_param);
            of_group = Some((strongest.index, made.map(Arc::new)));
        }
        let preconditioner = of_group.as_ref()?.1.as_ref()?;
        if !problem.is_ridge() || preconditioner.standardization != problem.options.standardization {
            return None;
        }
        let factors = problem.objective.to_penalized(problem.options.reg_param);
        Some(Coordinates::new(preconditioner, factors, problem.objective.sets))
    };
    let single = x.single().is_some().then_some(*x);
    solve(Features { double: *x, single }, problems, coordinates, &Grouping { columns, ..GROUPING }, threads)
}

/// The products of the features, where there are problems enough to gain from them.
fn products_if_worthwhile<L>(
    x: &Matrix<'_>,
    problems: &[&Problem<'_, L>],
    threads: usize,
    memory_max: usize,
) -> Option<Products> {
    let standardization = problems.iter().find(|problem| problem.is_ridge())?.options.standardization;
    let alike = problems
        .iter()
        .filter(|problem| problem.is_ridge() && problem.options.standardization == standardization);
    let columns: usize = alike.map(|problem| problem.objective.sets).sum();
    // Changing coordinates takes `d²` multiplications for each column and pass.
    // The products, and a factor of them.
    let fits = 2 * size_of::<f64>() * x.columns().pow(2) <= memory_max;
    let is_worthwhile = fits
        && problems.len() > 1
        && columns >= x.columns() / FEATURES_PER_COLUMN
        && x.rows() >= x.columns() / 2;
    is_worthwhile.then(|| Products::new(x, standardization, threads))
}

impl LogisticProblem {
    /// The model of the smallest loss.
    fn fit<L: Loss>(&self, problem: &Problem<'_, L>, classes: usize, minimum: Minimum) -> LogisticFit {
        let Minimum { point, history, stop } = minimum;
        let (mut coefficients, mut intercepts) = problem.objective.unscale(&point);
        let sets = intercepts.len();
        let num_features = coefficients.len() / sets;
        let is_multinomial = self.logistic.family == Family::Multinomial || sets > 1;
        if is_multinomial && !matches!(problem.region, Region::Box { .. }) {
            // Adding a constant to every class changes no probability. MLlib takes the centred one among these
            // solutions where no penalty does.
            if self.options.reg_param == 0.0 {
                coefficients.chunks_exact_mut(sets).for_each(center);
            }
            if self.options.fit_intercept {
                center(&mut intercepts);
            }
        }
        let model = LogisticModel {
            coefficients: transpose(&coefficients, sets),
            intercepts,
            num_features,
            num_classes: classes,
            is_multinomial,
        };
        LogisticFit { model, iterations: history.len() - 1, objective_history: history, stop }
    }
}

impl LogisticOptions {
    fn is_multinomial(&self, classes: usize) -> Result<bool, LinearError> {
        match self.family {
            Family::Auto => Ok(classes > 2),
            Family::Multinomial => Ok(true),
            Family::Binomial if classes > 2 => Err(LinearError::TooManyClasses { classes }),
            Family::Binomial => Ok(false),
        }
    }
}

/// Bounds from below, or from above, infinite where there are none.
struct Side {
    /// `[K, d]`.
    coefficients: Vec<f64>,
    /// `[K]`.
    intercepts: Vec<f64>,
}

impl Bounds {
    fn on_intercepts(&self) -> bool {
        let bounds = [&self.lower_intercepts, &self.upper_intercepts];
        bounds.into_iter().flatten().flatten().any(|bound| bound.is_finite())
    }

    /// Lower and upper bounds of coefficients `[K, d]` and intercepts `[K]`, or `None` without any.
    fn checked(
        &self,
        sets: usize,
        features: usize,
        options: &LinearOptions,
    ) -> Result<Option<[Side; 2]>, LinearError> {
        let given = [
            ("lowerBoundsOnCoefficients", &self.lower_coefficients, sets * features),
            ("upperBoundsOnCoefficients", &self.upper_coefficients, sets * features),
            ("lowerBoundsOnIntercepts", &self.lower_intercepts, sets),
            ("upperBoundsOnIntercepts", &self.upper_intercepts, sets),
        ];
        if given.iter().all(|(_, bounds, _)| bounds.is_none()) {
            return Ok(None);
        }
        let wrong = |name, expected: String, found: String| LinearError::Setting { name, expected, found };
        if options.elastic_net_param != 0.0 {
            let expected = "0, since bounds go with an L2 penalty alone".to_string();
            return Err(wrong("elasticNetParam", expected, options.elastic_net_param.to_string()));
        }
        for (name, bounds, length) in given {
            let Some(bounds) = bounds else { continue };
            if bounds.len() != length || bounds.iter().any(|bound| bound.is_nan()) {
                let expected = format!("{length} numbers, for {sets} x {features} coefficients");
                return Err(wrong(name, expected, format!("{bounds:?}")));
            }
            if length == sets && name.ends_with("Intercepts") && !options.fit_intercept {
                return Err(wrong(
                    name,
                    "no value, since fitIntercept is false".into(),
                    format!("{bounds:?}"),
                ));
            }
        }
        let or = |bounds: &Option<Vec<f64>>, length: usize, infinity: f64| {
            bounds.clone().unwrap_or_else(|| vec![infinity; length])
        };
        let side = |coefficients, intercepts, infinity| Side {
            coefficients: or(coefficients, sets * features, infinity),
            intercepts: or(intercepts, sets, infinity),
        };
        let lower = side(&self.lower_coefficients, &self.lower_intercepts, f64::NEG_INFINITY);
        let upper = side(&self.upper_coefficients, &self.upper_intercepts, f64::INFINITY);
        for (name, lower, upper) in [
            ("lowerBoundsOnCoefficients", &lower.coefficients, &upper.coefficients),
            ("lowerBoundsOnIntercepts", &lower.intercepts, &upper.intercepts),
        ] {
            if let Some(i) = (0..lower.len()).find(|&i| lower[i] > upper[i]) {
                let expected = format!("at most the upper bound {} in place {i}", upper[i]);
                return Err(wrong(name, expected, lower[i].to_string()));
            }
        }
        Ok(Some([lower, upper]))
    }
}

/// MLlib's starting point `[d + 1, K]`: zero coefficients and the intercepts of the class frequencies.
fn start(histogram: &[f64], features: usize, sets: usize, intercept: bool) -> Vec<f64> {
    let mut start = vec![0.0; features * sets];
    if intercept && sets == 1 {
        start.push((histogram[1] / histogram[0]).ln());
    } else if intercept {
        let smoothed: Vec<f64> = histogram.iter().map(|count| count.ln_1p()).collect();
        let mean = smoothed.iter().sum::<f64>() / smoothed.len() as f64;
        start.extend(smoothed.iter().map(|s| s - mean));
    }
    start
}

/// `weight · log(1 + e^-m)` for class 1, `weight · log(1 + e^m)` for class 0; replaces the margin by its derivative.
fn logistic_loss(margin: &mut f64, class: usize, weight: f64) -> f64 {
    let signed = if class == 1 { *margin } else { -*margin };
    // e^-|m| never overflows.
    let small = (-signed.abs()).exp();
    let loss = small.ln_1p() - signed.min(0.0);
    let wrong = if signed > 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
    *margin = if class == 1 { -weight * wrong } else { weight * wrong };
    weight * loss
}

/// `-weight · log softmax(margins)[class]`; replaces the margins by their derivatives.
fn softmax_loss(margins: &mut [f64], class: usize, weight: f64) -> f64 {
    let largest = margins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let own = margins[class] - largest;
    let mut sum = 0.0;
    for margin in margins.iter_mut() {
        *margin = (*margin - largest).exp();
        sum += *margin;
    }
    margins.iter_mut().for_each(|margin| *margin *= weight / sum);
    margins[class] -= weight;
    weight * (sum.ln() - own)
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
