//! Many problems over one matrix, solved together: one pass over the rows serves all that have not converged.

use super::minimizer::{Minimizer, Minimum, Region, Stop};
use super::objective::{Evaluation, Objective};
use super::preconditioner::Coordinates;
use super::sweep::Precision;
use super::{LinearOptions, Matrix};

/// The loss of a row: its number, weight and margins, which are replaced by derivatives.
pub(crate) trait Loss: Fn(usize, f64, &mut [f64]) -> f64 + Send + Sync {}
impl<L: Fn(usize, f64, &mut [f64]) -> f64 + Send + Sync> Loss for L {}

/// What is to be minimized.
pub(crate) struct Problem<'a, L> {
    pub(crate) index: usize,
    /// Problems of one part have the same rows.
    pub(crate) part: usize,
    pub(crate) options: LinearOptions,
    pub(crate) objective: Objective<'a, L>,
    pub(crate) region: Region,
    /// Where to begin where nothing similar is solved.
    pub(crate) start: Vec<f64>,
}

/// Features in double precision, and in single precision where that is worth anything.
#[derive(Clone, Copy)]
pub(crate) struct Features<'a> {
    pub(crate) double: Matrix<'a>,
    pub(crate) single: Option<Matrix<'a>>,
}

/// Which penalties are solved at a time. Those that come later start where these ended.
pub(crate) struct Grouping {
    /// Columns of coefficients from which on no other penalty joins.
    pub(crate) columns: usize,
    /// The least share of the strongest penalty.
    pub(crate) similar: f64,
}

/// Solves the problems, from the strongest penalty to the weakest, and tells where each ended. `coordinates` gets the strongest
/// of a group, one of its problems and where that one starts, and answers those in which its loss is nearly round.
pub(crate) fn solve<L: Loss>(
    x: Features<'_>,
    problems: &[&Problem<'_, L>],
    mut coordinates: impl FnMut(&Problem<'_, L>, &Problem<'_, L>, &[f64]) -> Option<Coordinates>,
    grouping: &Grouping,
    threads: usize,
) -> Vec<(usize, Minimum)> {
    let mut sorted = problems.to_vec();
    sorted.sort_by(|a, b| b.options.reg_param.total_cmp(&a.options.reg_param));
    let mut solved = Solutions::default();
    let mut minima = Vec::with_capacity(sorted.len());
    let mut waiting = sorted.into_iter().peekable();
    while let Some(&strongest) = waiting.peek() {
        let least = strongest.options.reg_param * grouping.similar;
        let mut group = Vec::new();
        let mut columns = 0;
        let mut strength = f64::NAN;
        while let Some(problem) = waiting.next_if(|problem| {
            let own = problem.options.reg_param;
            own == strength || columns == 0 || (columns < grouping.columns && own >= least)
        }) {
            columns += problem.objective.sets;
            strength = problem.options.reg_param;
            // Near a solution of the same rows with another penalty, if there is one.
            let (start, lessons) = solved.start(problem).unwrap_or((problem.start.clone(), &[]));
            let coordinates = coordinates(strongest, problem, &start);
            let mut task = Task::new(problem, x, start, coordinates);
            task.learn(lessons);
            group.push(task);
        }
        for precision in [Precision::Single, Precision::Double] {
            while group.iter().any(|task| task.precision == precision) {
                group.sort_by_key(|task| task.precision != precision);
                let count = group.iter().filter(|task| task.precision == precision).count();
                step_until_one_ends(x, &mut group[..count], precision, threads);
                for task in group.extract_if(.., |task| task.stop.is_some()) {
                    let problem = task.problem;
                    let lessons = task.lessons();
                    let minimum = task.into_minimum();
                    solved.add(Solution::of(problem, minimum.point.clone(), lessons));
                    minima.push((problem.index, minimum));
                }
            }
        }
    }
    minima
}

/// Runs passes for all tasks until at least one of them ends or needs another precision.
fn step_until_one_ends<L: Loss>(
    x: Features<'_>,
    tasks: &mut [Task<'_, '_, L>],
    precision: Precision,
    threads: usize,
) {
    let sets: Vec<usize> = tasks.iter().map(|task| task.problem.objective.sets).collect();
    let matrix = x.single.filter(|_| precision == Precision::Single).unwrap_or(x.double);
    let mut evaluation = Evaluation::with_precision(matrix, &sets, threads, precision);
    while tasks.iter().all(|task| task.stop.is_none() && task.precision == precision) {
        let (places, gradients): (Vec<_>, Vec<_>) = tasks.iter_mut().map(Task::evaluated).unzip();
        let (objectives, parameters): (Vec<_>, Vec<_>) = places.into_iter().unzip();
        let values = evaluation.run(&objectives, &parameters, gradients);
        let mut told: Vec<(&mut Task<'_, '_, L>, f64)> = tasks.iter_mut().zip(values).collect();
        let step = |tasks: &mut [(&mut Task<'_, '_, L>, f64)]| {
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

/// A problem in progress.
struct Task<'p, 'a, L> {
    problem: &'p Problem<'a, L>,
    minimizer: Minimizer,
    /// In which the minimizer works, if not in the objective's own.
    coordinates: Option<Coordinates>,
    /// Where the minimizer wants the objective, in the objective's coordinates, and the gradient there.
    parameters: Vec<f64>,
    gradient: Vec<f64>,
    precision: Precision,
    stop: Option<Stop>,
}

impl<'p, 'a, L: Loss> Task<'p, 'a, L> {
    fn new(
        problem: &'p Problem<'a, L>,
        x: Features<'_>,
        parameters: Vec<f64>,
        coordinates: Option<Coordinates>,
    ) -> Self {
        let (tol, max_iter) = (problem.options.tol, problem.options.max_iter);
        let (minimizer, precision) = match &coordinates {
            None => {
                let region = problem.region.clone();
                (Minimizer::new(parameters.clone(), region, tol, max_iter), Precision::Double)
            }
            Some(coordinates) => {
                let start = coordinates.enter(&parameters);
                let precision = if x.single.is_some() { Precision::Single } else { Precision::Double };
                (Minimizer::of_round(start, tol, max_iter, precision.rounding()), precision)
            }
        };
        let gradient = vec![0.0; parameters.len()];
        Self { problem, minimizer, coordinates, parameters, gradient, precision, stop: None }
    }

    /// What an evaluation reads, and where it writes.
    fn evaluated(&mut self) -> ((&Objective<'a, L>, &[f64]), &mut [f64]) {
        ((&self.problem.objective, &self.parameters), &mut self.gradient)
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

    /// What it has found out about the loss, its penalty left out, where each coordinate is a parameter's multiple.
    fn lessons(&self) -> Vec<Lesson> {
        let Some(coordinates) = self.coordinates.as_ref().filter(|it| it.is_diagonal()) else {
            return Vec::new();
        };
        let lesson = |(step, change): (&[f64], &[f64])| {
            let mut step = step.to_vec();
            coordinates.leave(&mut step);
            let mut change = coordinates.enter(change);
            self.problem.objective.add_penalty(-1.0, &step, &mut change);
            Lesson { step, change }
        };
        self.minimizer.lessons().map(lesson).collect()
    }

    /// Begins with what was found out with another penalty.
    fn learn(&mut self, lessons: &[Lesson]) {
        let Some(coordinates) = self.coordinates.as_ref().filter(|it| it.is_diagonal()) else { return };
        for Lesson { step, change } in lessons {
            let mut change = change.clone();
            self.problem.objective.add_penalty(1.0, step, &mut change);
            coordinates.leave(&mut change);
            self.minimizer.learn(coordinates.enter(step), change);
        }
    }

    /// Where it ended, in the objective's coordinates.
    fn into_minimum(self) -> Minimum {
        let mut minimum = self.minimizer.into_minimum(self.stop.unwrap_or(Stop::Exhausted));
        if let Some(coordinates) = &self.coordinates {
            coordinates.leave(&mut minimum.point);
        }
        minimum
    }
}

impl<L> Problem<'_, L> {
    /// Whether the penalty is L2 alone, and there is one.
    pub(crate) fn is_ridge(&self) -> bool {
        self.region == Region::Free && self.options.reg_param > 0.0
    }
}

/// A step, and how a loss's gradient changed along it.
struct Lesson {
    step: Vec<f64>,
    change: Vec<f64>,
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
    /// How the parameters change with the strength since the solution before, and the strength of that.
    slope: Option<(Vec<f64>, f64)>,
    lessons: Vec<Lesson>,
}

impl Solution {
    fn of<L>(problem: &Problem<'_, L>, parameters: Vec<f64>, lessons: Vec<Lesson>) -> Self {
        Self {
            part: problem.part,
            fit_intercept: problem.options.fit_intercept,
            bounded: matches!(problem.region, Region::Box { .. }),
            elastic_net_param: problem.options.elastic_net_param,
            strength: problem.options.reg_param.ln(),
            parameters,
            slope: None,
            lessons,
        }
    }

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
    /// Where to start: further along the path, but by no more than twice the step that is known of it; and what is known of
    /// the loss there.
    fn start<L>(&self, problem: &Problem<'_, L>) -> Option<(Vec<f64>, &[Lesson])> {
        let own = &Solution::of(problem, problem.start.clone(), Vec::new());
        let known = self.0.iter().find(|known| known.serves(own))?;
        let mut start = known.parameters.clone();
        let Some((slope, before)) = known.slope.as_ref().filter(|_| own.continues(known)) else {
            return Some((start, &known.lessons));
        };
        let step = known.strength - before;
        let by = step * ((own.strength - known.strength) / step).clamp(0.0, 2.0);
        start.iter_mut().zip(slope).for_each(|(value, slope)| *value += by * slope);
        Some((start, &known.lessons))
    }

    fn add(&mut self, solution: Solution) {
        let Some(at) = self.0.iter().position(|known| known.serves(&solution)) else {
            return self.0.push(solution);
        };
        let known = self.0.swap_remove(at);
        let (before, mut latest) =
            if known.strength < solution.strength { (solution, known) } else { (known, solution) };
        if latest.continues(&before) {
            let step = latest.strength - before.strength;
            let change =
                latest.parameters.iter().zip(&before.parameters).map(|(now, then)| (now - then) / step);
            latest.slope = Some((change.collect(), before.strength));
        }
        self.0.push(latest);
    }
}
