//! Training of a logistic regression.

use super::examples::Examples;
use super::minimizer::{Minimizer, Minimum, Region, Stop};
use std::sync::Arc;

use super::moments::Moments;
use super::objective::{Evaluation, Objective};
use super::preconditioner::{Coordinates, Preconditioner, Products};
use super::sweep::Precision;
use super::{LinearError, LinearOptions, LogisticModel, Matrix};

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
    /// The rest; `threads` of the first problem holds for all.
    pub options: LinearOptions,
    /// Which weights of the rows are its own: a place in `parts`. A row of weight 0 takes no part in it.
    pub part: usize,
}

/// Columns of coefficients that are worth solving together: from here on the product's cost grows with its columns, and
/// a later group gains more from starting at the solutions of the one before.
const GROUP_COLUMNS: usize = 64;
/// Penalties down to this share of a preconditioner's own are near enough to it.
const SIMILAR: f64 = 0.3;
/// Features of the matrix for each column of coefficients from which on a preconditioner pays: it saves about two thirds of the
/// passes, each of which costs `2·N·d` multiplications for each column, and costs `N·d²` itself.
const FEATURES_PER_COLUMN: usize = 32;

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
    let with_moments = |examples: Result<Examples, LinearError>| {
        let examples = examples?;
        let moments = Moments::new(x, &examples.weights);
        Ok((examples, moments))
    };
    let parts: Vec<Result<(Examples, Moments), LinearError>> =
        examples.into_iter().map(with_moments).collect();
    let mut fits: Vec<Option<Result<LogisticFit, LinearError>>> = Vec::new();
    let mut tasks = Vec::new();
    for (i, problem) in problems.iter().enumerate() {
        let (fit, task) = match prepare(i, problem, &parts) {
            Ok(Begun::Task(task)) => (None, Some(*task)),
            Ok(Begun::Fit(fit)) => (Some(Ok(fit)), None),
            Err(error) => (Some(Err(error)), None),
        };
        fits.push(fit);
        tasks.extend(task);
    }
    let threads = problems.first().map_or(1, |problem| problem.options.threads);
    tasks.sort_by(|a, b| b.options.reg_param.total_cmp(&a.options.reg_param));
    let products = products_if_worthwhile(x, &tasks, threads);
    let mut solved = Solutions::default();
    let mut waiting = tasks.into_iter().peekable();
    while let Some(strongest) = waiting.peek() {
        let products = products.as_ref().filter(|_| strongest.is_ridge());
        let preconditioner = products.and_then(|products| strongest.preconditioner(products));
        let least = strongest.options.reg_param * SIMILAR;
        let mut group = Vec::new();
        let mut columns = 0;
        let mut strength = f64::NAN;
        while let Some(mut task) = waiting.next_if(|task| {
            let own = task.options.reg_param;
            own == strength || columns == 0 || (columns < GROUP_COLUMNS && own >= least)
        }) {
            columns += task.objective.sets;
            strength = task.options.reg_param;
            task.begin(x, &solved, preconditioner.as_ref());
            group.push(task);
        }
        for precision in [Precision::Single, Precision::Double] {
            while group.iter().any(|task| task.precision == precision) {
                group.sort_by_key(|task| task.precision != precision);
                let count = group.iter().filter(|task| task.precision == precision).count();
                step_until_one_ends(x, &mut group[..count], precision, threads);
                for task in group.extract_if(.., |task| task.stop.is_some()) {
                    let (index, solution, fit) = task.finish(x.columns());
                    solved.add(solution);
                    fits[index] = Some(Ok(fit));
                }
            }
        }
    }
    Ok(fits.into_iter().flatten().collect())
}

/// The products of the features, where there are tasks enough to gain from them.
fn products_if_worthwhile<L: Loss>(
    x: &Matrix<'_>,
    tasks: &[Task<'_, L>],
    threads: usize,
) -> Option<Products> {
    let standardization = tasks.iter().find(|task| task.is_ridge())?.options.standardization;
    let alike =
        tasks.iter().filter(|task| task.is_ridge() && task.options.standardization == standardization);
    let columns: usize = alike.map(|task| task.objective.sets).sum();
    // Changing coordinates takes `d²` multiplications for each column and pass.
    let is_worthwhile =
        tasks.len() > 1 && columns >= x.columns() / FEATURES_PER_COLUMN && x.rows() >= x.columns() / 2;
    is_worthwhile.then(|| Products::new(x, standardization, threads))
}

/// Runs passes for all tasks until at least one of them ends or needs another precision.
fn step_until_one_ends<L: Loss>(
    x: &Matrix<'_>,
    tasks: &mut [Task<'_, L>],
    precision: Precision,
    threads: usize,
) {
    let sets: Vec<usize> = tasks.iter().map(|task| task.objective.sets).collect();
    let mut evaluation = Evaluation::with_precision(*x, &sets, threads, precision);
    while tasks.iter().all(|task| task.stop.is_none() && task.precision == precision) {
        let (places, gradients): (Vec<_>, Vec<_>) = tasks.iter_mut().map(Task::evaluated).unzip();
        let (objectives, parameters): (Vec<_>, Vec<_>) = places.into_iter().unzip();
        let values = evaluation.run(&objectives, &parameters, gradients);
        let mut told: Vec<(&mut Task<'_, L>, f64)> = tasks.iter_mut().zip(values).collect();
        let step = |tasks: &mut [(&mut Task<'_, L>, f64)]| {
            tasks.iter_mut().for_each(|(task, value)| task.step(*value));
        };
        let share = told.len().div_ceil(threads.max(1));
        if share == told.len() {
            step(&mut told);
            continue;
        }
        std::thread::scope(|scope| {
            for tasks in told.chunks_mut(share) {
                scope.spawn(move || step(tasks));
            }
        });
    }
}

/// The loss of a row: its number, weight and margins, which are replaced by derivatives.
trait Loss: Fn(usize, f64, &mut [f64]) -> f64 + Send + Sync {}
impl<L: Fn(usize, f64, &mut [f64]) -> f64 + Send + Sync> Loss for L {}

/// A problem in progress.
struct Task<'a, L> {
    index: usize,
    part: usize,
    options: &'a LinearOptions,
    multinomial: bool,
    bounded: bool,
    classes: usize,
    objective: Objective<'a, L>,
    region: Region,
    minimizer: Minimizer,
    /// The mean variance of a row's answer at the start.
    curvature: f64,
    /// In which the minimizer works, if not in the objective's own.
    coordinates: Option<Coordinates>,
    /// Where the minimizer wants the objective, in its own coordinates, and the gradient there.
    parameters: Vec<f64>,
    gradient: Vec<f64>,
    precision: Precision,
    stop: Option<Stop>,
}

/// A problem to be solved, or one that is solved already.
enum Begun<'a, L> {
    Task(Box<Task<'a, L>>),
    Fit(LogisticFit),
}

/// Where a task ended, which is where similar ones may start.
struct Solution {
    part: usize,
    fit_intercept: bool,
    bounded: bool,
    elastic_net_param: f64,
    /// The logarithm of `regParam`.
    strength: f64,
    parameters: Vec<f64>,
    /// How the parameters changed since the solution before, and how the strength did.
    change: Option<(Vec<f64>, f64)>,
}

impl Solution {
    /// Whether one may start where the other ended: in standardized space all penalties have the same parameters.
    fn serves(&self, other: &Self) -> bool {
        self.part == other.part
            && self.fit_intercept == other.fit_intercept
            && !self.bounded
            && !other.bounded
            && self.parameters.len() == other.parameters.len()
    }

    /// Whether the two lie on one path, along which parameters change with the strength.
    fn continues(&self, other: &Self) -> bool {
        self.elastic_net_param == other.elastic_net_param && (self.strength - other.strength).abs() > 0.0
    }
}

/// The solution of every kind that has the weakest penalty.
#[derive(Default)]
struct Solutions(Vec<Solution>);

impl Solutions {
    /// Where to start for what `own` says: further along the path, but by no more than twice the step that is known of it.
    fn start(&self, own: &Solution) -> Option<Vec<f64>> {
        let known = self.0.iter().find(|known| known.serves(own))?;
        let mut start = known.parameters.clone();
        if let Some((change, by)) = known.change.as_ref().filter(|_| own.continues(known)) {
            let share = ((own.strength - known.strength) / by).clamp(0.0, 2.0);
            start.iter_mut().zip(change).for_each(|(value, change)| *value += share * change);
        }
        Some(start)
    }

    fn add(&mut self, solution: Solution) {
        let Some(at) = self.0.iter().position(|known| known.serves(&solution)) else {
            return self.0.push(solution);
        };
        let known = self.0.swap_remove(at);
        let (before, mut latest) =
            if known.strength < solution.strength { (solution, known) } else { (known, solution) };
        if latest.continues(&before) {
            let pairs = latest.parameters.iter().zip(&before.parameters);
            let change = pairs.map(|(now, then)| now - then).collect();
            latest.change = Some((change, latest.strength - before.strength));
        }
        self.0.push(latest);
    }
}

fn prepare<'a>(
    index: usize,
    problem: &'a LogisticProblem,
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
    let minimizer = Minimizer::new(start.clone(), region.clone(), options.tol, options.max_iter);
    Ok(Begun::Task(Box::new(Task {
        index,
        part: *part,
        options,
        multinomial,
        bounded: bounds.is_some(),
        classes,
        objective,
        region,
        minimizer,
        curvature: variance(&examples.histogram),
        coordinates: None,
        gradient: vec![0.0; start.len()],
        parameters: start,
        precision: Precision::Double,
        stop: None,
    })))
}

impl<'a, L: Loss> Task<'a, L> {
    fn solution(&self, parameters: Vec<f64>) -> Solution {
        Solution {
            part: self.part,
            fit_intercept: self.options.fit_intercept,
            bounded: self.bounded,
            elastic_net_param: self.options.elastic_net_param,
            strength: self.options.reg_param.ln(),
            parameters,
            change: None,
        }
    }

    /// Whether the penalty is L2 alone, and there is one.
    fn is_ridge(&self) -> bool {
        self.region == Region::Free && self.options.reg_param > 0.0
    }

    /// Coordinates for tasks like this one.
    fn preconditioner(&self, products: &Products) -> Option<Arc<Preconditioner>> {
        products.preconditioner(self.curvature, self.options.reg_param).map(Arc::new)
    }

    /// Starts near a solution of the same rows with another penalty, if there is one.
    fn begin(&mut self, x: &Matrix<'_>, solved: &Solutions, preconditioner: Option<&Arc<Preconditioner>>) {
        let parameters = std::mem::take(&mut self.parameters);
        let own = self.solution(parameters);
        self.parameters = solved.start(&own).unwrap_or(own.parameters);
        let (tol, max_iter) = (self.options.tol, self.options.max_iter);
        let of_same_kind = |preconditioner: &&Arc<Preconditioner>| {
            preconditioner.standardization == self.options.standardization
        };
        let Some(preconditioner) = preconditioner.filter(|_| self.is_ridge()).filter(of_same_kind) else {
            self.minimizer = Minimizer::new(self.parameters.clone(), self.region.clone(), tol, max_iter);
            return;
        };
        let factors = self.objective.to_penalized(self.options.reg_param);
        let coordinates = Coordinates::new(preconditioner, factors, self.objective.sets);
        let start = coordinates.enter(&self.parameters);
        self.precision = if x.single().is_some() { Precision::Single } else { Precision::Double };
        self.minimizer = Minimizer::of_round(start, tol, max_iter, self.precision.rounding());
        self.coordinates = Some(coordinates);
    }

    /// What an evaluation reads, and where it writes.
    fn evaluated(&mut self) -> ((&Objective<'a, L>, &[f64]), &mut [f64]) {
        ((&self.objective, &self.parameters), &mut self.gradient)
    }

    /// Takes the value that belongs to the parameters, and the gradient, and goes to the next parameters.
    fn step(&mut self, value: f64) {
        if let Some(coordinates) = &self.coordinates {
            coordinates.turn(&mut self.gradient);
        }
        self.stop = self.minimizer.tell(value, &self.gradient);
        if self.precision == Precision::Single && self.stop.take().is_some() {
            self.precision = Precision::Double;
            self.minimizer.refine(self.precision.rounding());
        }
        self.parameters.copy_from_slice(self.minimizer.trial());
        if let Some(coordinates) = &self.coordinates {
            coordinates.leave(&mut self.parameters);
        }
    }

    fn finish(self, features: usize) -> (usize, Solution, LogisticFit) {
        let mut solution = self.solution(Vec::new());
        let Minimum { mut point, history, stop } =
            self.minimizer.into_minimum(self.stop.unwrap_or(Stop::Exhausted));
        if let Some(coordinates) = &self.coordinates {
            coordinates.leave(&mut point);
        }
        let (mut coefficients, mut intercepts) = self.objective.unscale(&point);
        solution.parameters = point;
        if self.multinomial && !self.bounded {
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
        let iterations = history.len() - 1;
        (self.index, solution, LogisticFit { model, iterations, objective_history: history, stop })
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

/// The mean variance of a class' indicator.
fn variance(histogram: &[f64]) -> f64 {
    let total: f64 = histogram.iter().sum();
    let of_class = |weight: &f64| weight / total * (1.0 - weight / total);
    histogram.iter().map(of_class).sum::<f64>() / histogram.len() as f64
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
