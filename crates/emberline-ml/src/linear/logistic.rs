//! Training of a logistic regression.

use super::examples::Examples;
use super::minimizer::{Minimizer, Stop};
use super::moments::Moments;
use super::objective::{Evaluation, Objective};
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
    let problem = Problem { options: options.clone(), part: 0 };
    let mut fits = fit_many(x, labels, &[weights], num_classes, &[problem])?;
    fits.remove(0)
}

/// One of several problems over one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Its settings; `threads` of the first problem holds for all.
    pub options: LogisticOptions,
    /// Which weights of the rows are its own: a place in `parts`. A row of weight 0 takes no part in it.
    pub part: usize,
}

/// Columns of coefficients that are worth solving together: from here on the product's cost grows with its columns, and
/// a later group gains more from starting at the solutions of the one before.
const GROUP_COLUMNS: usize = 64;

/// Fits several problems over one matrix at once: one pass over the rows serves all that have not converged.
///
/// Parts are weights of the rows, so that the training rows of a fold are a mask, and nothing is copied. The strongest
/// penalties come first, and weaker ones start where they ended. Each answer has the objective that [`fit`] finds, to
/// within `tol`, and not the same bits.
///
/// ```
/// # use emberline_ml::linear::{LogisticOptions, Matrix, Problem, fit_many};
/// let x = Matrix::from_f32(&[-2.0, -1.0, -0.5, 0.5, 1.0, 2.0], 1)?;
/// let labels = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0];
/// let but_the_last = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
/// let options = |reg_param| LogisticOptions { reg_param, ..Default::default() };
/// let problems = [Problem { options: options(0.1), part: 0 }, Problem { options: options(0.01), part: 1 }];
/// let fits = fit_many(&x, &labels, &[None, Some(&but_the_last)], None, &problems)?;
/// assert!(fits[0].as_ref().unwrap().model.coefficients[0] > 0.0);
/// # Ok::<(), emberline_ml::linear::LinearError>(())
/// ```
///
/// # Errors
/// When the features are not finite. What is wrong with one problem or one part is that problem's result.
pub fn fit_many(
    x: &Matrix<'_>,
    labels: &[f64],
    parts: &[Option<&[f64]>],
    num_classes: Option<usize>,
    problems: &[Problem],
) -> Result<Vec<Result<LogisticFit, LinearError>>, LinearError> {
    x.check_finite()?;
    let part = |weights: &Option<&[f64]>| {
        let examples = Examples::new(x, labels, *weights, num_classes)?;
        let moments = Moments::new(x, &examples.weights);
        Ok((examples, moments))
    };
    let parts: Vec<Result<(Examples, Moments), LinearError>> = parts.iter().map(part).collect();
    let mut fits: Vec<Option<Result<LogisticFit, LinearError>>> = Vec::new();
    let mut tasks = Vec::new();
    for (i, problem) in problems.iter().enumerate() {
        let (fit, task) = match Task::prepare(i, problem, &parts) {
            Ok(Begun::Task(task)) => (None, Some(*task)),
            Ok(Begun::Fit(fit)) => (Some(Ok(fit)), None),
            Err(error) => (Some(Err(error)), None),
        };
        fits.push(fit);
        tasks.extend(task);
    }
    let threads = problems.first().map_or(1, |problem| problem.options.threads);
    tasks.sort_by(|a, b| b.options.reg_param.total_cmp(&a.options.reg_param));
    let mut solved: Vec<Solution> = Vec::new();
    let mut waiting = tasks.into_iter().peekable();
    while waiting.peek().is_some() {
        let mut group: Vec<Task<'_>> = Vec::new();
        let mut columns = 0;
        while let Some(task) = waiting.next_if(|task| {
            columns < GROUP_COLUMNS
                || group.last().is_some_and(|last| last.options.reg_param == task.options.reg_param)
        }) {
            columns += task.objective.sets;
            group.push(task);
        }
        for task in &mut group {
            task.begin(&solved);
        }
        while !group.is_empty() {
            let rest = step_until_one_ends(x, group, threads, |task, stop| {
                let (index, solution, fit) = task.finish(x.columns(), stop);
                solved.retain(|known| !known.serves(&solution));
                solved.push(solution);
                fits[index] = Some(Ok(fit));
            });
            group = rest;
        }
    }
    Ok(fits.into_iter().flatten().collect())
}

/// Runs passes for all tasks until at least one of them ends; returns the others.
fn step_until_one_ends<'a>(
    x: &Matrix<'_>,
    mut tasks: Vec<Task<'a>>,
    threads: usize,
    mut ended: impl FnMut(Task<'a>, Stop),
) -> Vec<Task<'a>> {
    let objectives: Vec<&Objective<'_>> = tasks.iter().map(|task| &task.objective).collect();
    let mut evaluation = Evaluation::new(*x, &objectives, threads);
    let mut gradients: Vec<Vec<f64>> =
        tasks.iter().map(|task| vec![0.0; task.minimizer.trial().len()]).collect();
    loop {
        let objectives: Vec<&Objective<'_>> = tasks.iter().map(|task| &task.objective).collect();
        let parameters: Vec<&[f64]> = tasks.iter().map(|task| task.minimizer.trial()).collect();
        let mut into: Vec<&mut [f64]> = gradients.iter_mut().map(Vec::as_mut_slice).collect();
        let values = evaluation.run(&objectives, &parameters, &mut into);
        let told = tasks.iter_mut().zip(values).zip(&gradients);
        let stops: Vec<_> =
            told.map(|((task, value), gradient)| task.minimizer.tell(value, gradient)).collect();
        if stops.iter().all(Option::is_none) {
            continue;
        }
        let mut rest = Vec::with_capacity(tasks.len());
        for (task, stop) in tasks.into_iter().zip(stops) {
            match stop {
                Some(stop) => ended(task, stop),
                None => rest.push(task),
            }
        }
        return rest;
    }
}

/// A problem in progress.
struct Task<'a> {
    index: usize,
    part: usize,
    options: &'a LogisticOptions,
    multinomial: bool,
    classes: usize,
    objective: Objective<'a>,
    minimizer: Minimizer,
}

/// A problem to be solved, or one that is solved already.
enum Begun<'a> {
    Task(Box<Task<'a>>),
    Fit(LogisticFit),
}

/// Where a task ended, which is where similar ones may start.
struct Solution {
    part: usize,
    fit_intercept: bool,
    parameters: Vec<f64>,
}

impl Solution {
    /// Whether one may start where the other ended: in standardized space all penalties have the same parameters.
    fn serves(&self, other: &Self) -> bool {
        self.part == other.part
            && self.fit_intercept == other.fit_intercept
            && self.parameters.len() == other.parameters.len()
    }
}

impl<'a> Task<'a> {
    fn prepare(
        index: usize,
        problem: &'a Problem,
        parts: &'a [Result<(Examples, Moments), LinearError>],
    ) -> Result<Begun<'a>, LinearError> {
        let options = &problem.options;
        options.validate()?;
        let (examples, moments) = parts[problem.part].as_ref().map_err(Clone::clone)?;
        let classes = examples.histogram.len();
        let multinomial = options.is_multinomial(classes)?;
        if options.fit_intercept && examples.histogram.iter().filter(|&&weight| weight > 0.0).count() == 1 {
            return Ok(Begun::Fit(one_class(moments.mean.len(), examples, multinomial)));
        }
        let objective = Objective::new(examples, moments, multinomial, options);
        let minimizer =
            Minimizer::new(objective.start(), objective.l1(options), options.tol, options.max_iter);
        Ok(Begun::Task(Box::new(Self {
            index,
            part: problem.part,
            options,
            multinomial,
            classes,
            objective,
            minimizer,
        })))
    }

    /// Starts at a solution of the same rows with another penalty, if there is one.
    fn begin(&mut self, solved: &[Solution]) {
        let own = Solution {
            part: self.part,
            fit_intercept: self.options.fit_intercept,
            parameters: self.minimizer.trial().to_vec(),
        };
        if let Some(solution) = solved.iter().find(|solution| solution.serves(&own)) {
            let (start, l1) = (solution.parameters.clone(), self.objective.l1(self.options));
            self.minimizer = Minimizer::new(start, l1, self.options.tol, self.options.max_iter);
        }
    }

    fn finish(self, features: usize, stop: Stop) -> (usize, Solution, LogisticFit) {
        let (parameters, objective_history) = self.minimizer.into_result();
        let (mut coefficients, mut intercepts) = self.objective.unscale(&parameters);
        if self.multinomial {
            // Adding a constant to every class changes no probability. MLlib takes the centred one among these
            // solutions where no penalty does.
            if self.options.reg_param == 0.0 {
                coefficients.chunks_exact_mut(self.classes).for_each(center);
            }
            if self.options.fit_intercept {
                center(&mut intercepts);
            }
        }
        let model = LogisticModel {
            coefficients: transpose(&coefficients, intercepts.len()),
            intercepts,
            num_features: features,
            num_classes: self.classes,
            is_multinomial: self.multinomial,
        };
        let solution = Solution { part: self.part, fit_intercept: self.options.fit_intercept, parameters };
        let iterations = objective_history.len() - 1;
        (self.index, solution, LogisticFit { model, iterations, objective_history, stop })
    }
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
