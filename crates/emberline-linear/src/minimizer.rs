//! L-BFGS, OWL-QN for functions with an L1 term, and its like for bounded coordinates, that are told values instead of
//! asking for them.
//!
//! [`Minimizer::trial`] is where the function is wanted next, [`Minimizer::tell`] takes its value and gradient there. The
//! caller owns the loop, so it can drive any number of minimizers with one evaluation that serves all of them.
//!
//! L-BFGS: Nocedal and Wright, *Numerical Optimization*, algorithm 7.4, with a line search for the weak Wolfe conditions.
//! OWL-QN: Andrew and Gao, *Scalable Training of L1-Regularized Log-Linear Models*, 2007, with one L1 weight per coordinate.
//! Bounds: coordinates that stand at one and would leave it rest, the curvature is that of the others alone, and steps are
//! clamped (Bertsekas, *Projected Newton Methods for Optimization Problems with Simple Constraints*, 1982). The rules for stopping are Breeze's, hence MLlib's.

use std::collections::VecDeque;

use super::LinearOptions;
use super::model::dot;
use super::sweep::Precision;

/// Correction pairs kept, as in MLlib.
const MEMORY: usize = 10;
/// Values over which progress is judged, as in Breeze's `fvalMemory`.
const WINDOW: usize = 20;
/// Sufficient decrease (Armijo) and curvature (Wolfe) constants of the line search, as usual for quasi-Newton directions.
const DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
/// Trials along one direction before it is given up.
const TRIALS_MAX: usize = 40;
/// The share of the tolerance that a direction may promise to gain and yet be left, where the Hessian is known well enough
/// for promises. They are up to ten times too small.
const LEFT_TO_GAIN: f64 = 0.03;

/// Steps that together change the value by less than its error before it counts as flat: gradients lead on where values no
/// longer differ.
const FLAT_STEPS: usize = 8;

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The gradient or the progress fell below the tolerance.
    Converged,
    /// No direction lowers the objective any further in double precision: the tolerance is finer than the arithmetic.
    Exhausted,
    /// `maxIter` was reached first.
    MaxIter,
}

/// What there is beside the smooth function, coordinate by coordinate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Region {
    /// Nothing.
    Free,
    /// An L1 term with these weights.
    L1(Vec<f64>),
    /// Coordinates stay between these bounds; the start does, too.
    Box { lower: Vec<f64>, upper: Vec<f64> },
}

/// One minimization in progress.
pub(crate) struct Minimizer {
    region: Region,
    tolerance: f64,
    max_iter: usize,
    /// Whether the Hessian is about the identity.
    is_round: bool,
    /// Relative error of the values.
    rounding: f64,
    /// The best point so far, its value with the L1 term, and its gradient without.
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    pairs: VecDeque<Pair>,
    search: Option<Search>,
    trial: Vec<f64>,
    history: Vec<f64>,
}

/// A step and the change of gradient along it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// `1 / (step · change)`.
    inverse: f64,
}

impl Pair {
    /// `None` where the curvature is not positive beyond rounding: the line searches for L1 terms and bounds do not force it.
    fn new(step: Vec<f64>, change: Vec<f64>) -> Option<Self> {
        let curvature = dot(&step, &change);
        let is_positive = curvature > f64::EPSILON * norm(&step) * norm(&change);
        is_positive.then(|| Self { step, change, inverse: 1.0 / curvature })
    }
}

/// The two-loop recursion: the inverse Hessian's estimate by `pairs` applied to `vector`.
fn two_loops(pairs: &VecDeque<Pair>, vector: &[f64]) -> Vec<f64> {
    let mut out = vector.to_vec();
    let mut factors = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let factor = dot(&pair.step, &out) * pair.inverse;
        add_scaled(&mut out, -factor, &pair.change);
        factors.push(factor);
    }
    if let Some(last) = pairs.back() {
        let scale = 1.0 / (last.inverse * dot(&last.change, &last.change));
        out.iter_mut().for_each(|v| *v *= scale);
    }
    for (pair, factor) in pairs.iter().zip(factors.iter().rev()) {
        let back = dot(&pair.change, &out) * pair.inverse;
        add_scaled(&mut out, factor - back, &pair.step);
    }
    out
}

/// A line search in progress: the accepted length lies between `low` and `high`.
struct Search {
    direction: Vec<f64>,
    /// Derivative along the direction at its start, negative.
    slope: f64,
    length: f64,
    low: f64,
    high: f64,
    trials: usize,
}

impl Minimizer {
    /// Starts at `start`.
    pub(crate) fn new(start: Vec<f64>, region: Region, tolerance: f64, max_iter: usize) -> Self {
        Self {
            region,
            tolerance,
            max_iter,
            is_round: false,
            rounding: Precision::Double.rounding(),
            gradient: vec![0.0; start.len()],
            trial: start.clone(),
            point: start,
            value: f64::INFINITY,
            pairs: VecDeque::with_capacity(MEMORY),
            search: None,
            history: Vec::new(),
        }
    }

    /// The same for a function whose Hessian is about the identity: steps of length 1 are tried from the start, and it also
    /// ends where the best direction promises next to nothing. Values have a relative error of `rounding`.
    pub(crate) fn of_round(start: Vec<f64>, tolerance: f64, max_iter: usize, rounding: f64) -> Self {
        Self { is_round: true, rounding, ..Self::new(start, Region::Free, tolerance, max_iter) }
    }

    /// Steps that have been made, and how the gradient changed along them, but for those that rounding has made: what another
    /// minimizer of a similar function may [learn from](Self::learn).
    pub(crate) fn lessons(&self) -> impl Iterator<Item = (&[f64], &[f64])> {
        let least = Precision::Single.rounding() * self.value.abs();
        let clear = self.pairs.iter().filter(move |pair| 0.5 / pair.inverse > least);
        clear.map(|pair| (&*pair.step, &*pair.change))
    }

    /// Takes the gradient to change by `change` along `step`.
    pub(crate) fn learn(&mut self, step: Vec<f64>, change: Vec<f64>) {
        if let Some(pair) = Pair::new(step, change) {
            if self.pairs.len() == MEMORY {
                self.pairs.pop_front();
            }
            self.pairs.push_back(pair);
        }
    }

    /// Goes on from the best point with values of a smaller error; they are wanted there once more.
    pub(crate) fn refine(&mut self, rounding: f64) {
        self.rounding = rounding;
        self.search = None;
        self.trial.copy_from_slice(&self.point);
        self.history.pop();
    }

    /// Where the function is wanted next.
    pub(crate) fn trial(&self) -> &[f64] {
        &self.trial
    }

    /// What was found, once it is over.
    pub(crate) fn into_minimum(self, stop: Stop) -> Minimum {
        Minimum { point: self.point, history: self.history, stop }
    }

    /// Takes the smooth part of the function at [`trial`](Self::trial) and its gradient there. Returns why it is over, or
    /// `None` to be told about the next trial.
    pub(crate) fn tell(&mut self, smooth: f64, gradient: &[f64]) -> Option<Stop> {
        let value = smooth + self.l1_term(&self.trial);
        let Some(mut search) = self.search.take() else {
            return self.accept(value, gradient);
        };
        match search.judge(self, value, gradient) {
            Verdict::Accept => {
                self.remember(gradient);
                self.accept(value, gradient)
            }
            Verdict::Again if search.trials < TRIALS_MAX => {
                self.step(search);
                None
            }
            // A stale model of the curvature is the likely culprit; without one there is nothing left to try.
            Verdict::Again if self.pairs.is_empty() => Some(Stop::Exhausted),
            Verdict::Again => {
                self.pairs.clear();
                self.descend()
            }
        }
    }

    fn accept(&mut self, value: f64, gradient: &[f64]) -> Option<Stop> {
        self.point.copy_from_slice(&self.trial);
        self.gradient.copy_from_slice(gradient);
        self.value = value;
        self.history.push(value);
        if self.converged() {
            Some(Stop::Converged)
        } else if self.history.len() > self.max_iter {
            Some(Stop::MaxIter)
        } else {
            self.descend()
        }
    }

    /// Breeze's `FunctionValuesConverged` and `GradientConverged`. Breeze never asks for a gradient below 1e-8; here the
    /// tolerance alone decides.
    fn converged(&self) -> bool {
        let recent = &self.history[self.history.len().saturating_sub(WINDOW)..];
        let worst = recent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let flat = if self.is_round {
            let before = self.history.iter().rev().nth(FLAT_STEPS);
            before.is_some_and(|before| (self.value - before).abs() <= self.rounding * self.value.abs())
        } else {
            recent.len() > 1 && (self.value - worst).abs() <= self.tolerance * self.history[0].abs()
        };
        flat || norm(&self.steepest()) <= self.tolerance * self.value.abs()
    }

    /// Begins a line search along the quasi-Newton direction.
    fn descend(&mut self) -> Option<Stop> {
        let steepest = self.steepest();
        let mut direction = self.precondition(&steepest);
        if matches!(self.region, Region::L1(_)) {
            // OWL-QN: no coordinate may move against the pseudo-gradient.
            for (d, s) in direction.iter_mut().zip(&steepest) {
                if *d * *s <= 0.0 {
                    *d = 0.0;
                }
            }
        }
        let mut slope = -dot(&direction, &steepest);
        if slope >= 0.0 && !self.pairs.is_empty() {
            self.pairs.clear();
            direction.clone_from(&steepest);
            slope = -dot(&direction, &steepest);
        }
        if slope >= 0.0 || slope.is_nan() {
            return Some(Stop::Exhausted);
        }
        if self.is_round && -0.5 * slope <= LEFT_TO_GAIN * self.tolerance * self.value.abs() {
            return Some(Stop::Converged);
        }
        let length = if self.pairs.is_empty() && !self.is_round { 1.0 / norm(&direction) } else { 1.0 };
        self.step(Search { direction, slope, length, low: 0.0, high: f64::INFINITY, trials: 0 });
        None
    }

    /// Moves the trial to the length that the search wants.
    fn step(&mut self, search: Search) {
        for ((trial, point), direction) in self.trial.iter_mut().zip(&self.point).zip(&search.direction) {
            *trial = point + search.length * direction;
        }
        match &self.region {
            Region::Free => {}
            Region::L1(weights) => {
                // OWL-QN: stay in the orthant; a coordinate that would cross 0 stops there.
                for (((trial, point), direction), weight) in
                    self.trial.iter_mut().zip(&self.point).zip(&search.direction).zip(weights)
                {
                    let orthant = if *point == 0.0 { *direction } else { *point };
                    if *weight > 0.0 && *trial * orthant <= 0.0 {
                        *trial = 0.0;
                    }
                }
            }
            Region::Box { lower, upper } => {
                for ((trial, lower), upper) in self.trial.iter_mut().zip(lower).zip(upper) {
                    *trial = trial.max(*lower).min(*upper);
                }
            }
        }
        self.search = Some(search);
    }

    /// The direction of steepest descent: minus the gradient, or minus OWL-QN's pseudo-gradient; 0 where a bound is in the
    /// way.
    fn steepest(&self) -> Vec<f64> {
        let coordinates = self.gradient.iter().zip(&self.point);
        match &self.region {
            Region::Free => self.gradient.iter().map(|g| -g).collect(),
            Region::L1(weights) => {
                let descent = |((&gradient, &point), &weight): ((&f64, &f64), &f64)| {
                    if point == 0.0 {
                        // The subgradient of smallest magnitude.
                        -(gradient - gradient.clamp(-weight, weight))
                    } else {
                        -(gradient + weight.copysign(point))
                    }
                };
                coordinates.zip(weights).map(descent).collect()
            }
            Region::Box { lower, upper } => {
                let descent = |((&gradient, &point), (&lower, &upper)): ((&f64, &f64), (&f64, &f64))| {
                    let leaves = (gradient > 0.0 && point <= lower) || (gradient < 0.0 && point >= upper);
                    if leaves { 0.0 } else { -gradient }
                };
                coordinates.zip(lower.iter().zip(upper)).map(descent).collect()
            }
        }
    }

    /// The inverse Hessian's estimate applied to the direction of steepest descent.
    fn precondition(&self, steepest: &[f64]) -> Vec<f64> {
        if !matches!(self.region, Region::Box { .. }) {
            return two_loops(&self.pairs, steepest);
        }
        // Where a bound is in the way, and where nothing pulls, there is no curvature to know.
        let of_free = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(steepest).map(|(v, s)| if *s == 0.0 { 0.0 } else { *v }).collect()
        };
        let pairs =
            self.pairs.iter().filter_map(|pair| Pair::new(of_free(&pair.step), of_free(&pair.change)));
        two_loops(&pairs.collect(), steepest)
    }

    /// Learns the curvature between the best point and the accepted trial.
    fn remember(&mut self, gradient: &[f64]) {
        let step = difference(&self.trial, &self.point);
        let change = difference(gradient, &self.gradient);
        self.learn(step, change);
    }

    fn l1_term(&self, point: &[f64]) -> f64 {
        match &self.region {
            Region::L1(weights) => weights.iter().zip(point).map(|(weight, x)| weight * x.abs()).sum(),
            _ => 0.0,
        }
    }
}

/// Where a minimization ended.
pub(crate) struct Minimum {
    pub(crate) point: Vec<f64>,
    /// Values at the start and of all accepted points, the L1 term included.
    pub(crate) history: Vec<f64>,
    pub(crate) stop: Stop,
}

/// Minimizes a function that answers its smooth part at a point and writes the gradient there.
pub(crate) fn minimize(
    start: Vec<f64>,
    region: Region,
    options: &LinearOptions,
    mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Minimum {
    let mut gradient = vec![0.0; start.len()];
    let mut minimizer = Minimizer::new(start, region, options.tol, options.max_iter);
    loop {
        let value = evaluate(minimizer.trial(), &mut gradient);
        if let Some(stop) = minimizer.tell(value, &gradient) {
            return minimizer.into_minimum(stop);
        }
    }
}

enum Verdict {
    Accept,
    Again,
}

impl Search {
    /// Accepts the trial, or narrows the bracket and chooses the next length.
    fn judge(&mut self, at: &Minimizer, value: f64, gradient: &[f64]) -> Verdict {
        self.trials += 1;
        let noise = at.rounding * at.value.abs();
        if at.region != Region::Free {
            // The projection bends the path, so the expected decrease is taken along the step made. Where that is
            // nothing, neither is the decrease, and the search has to end.
            let step = difference(&at.trial, &at.point);
            let expected = -dot(&at.steepest(), &step);
            let decreased = value <= at.value + DECREASE * expected && value < at.value;
            let by_slope = matches!(at.region, Region::Box { .. })
                && expected < 0.0
                && value <= at.value + noise
                && dot(gradient, &step) <= (2.0 * DECREASE - 1.0) * expected;
            if decreased || by_slope {
                return Verdict::Accept;
            }
            self.length *= 0.5;
            return Verdict::Again;
        }
        let slope = dot(gradient, &self.direction);
        let decreased = value <= at.value + DECREASE * self.length * self.slope
            || (value <= at.value + noise && slope <= (2.0 * DECREASE - 1.0) * self.slope);
        if !decreased {
            let parabola = self.vertex(at.value, value);
            self.high = self.length;
            self.length = parabola.clamp(self.low + 0.1 * self.width(), self.high - 0.1 * self.width());
            Verdict::Again
        } else if slope < CURVATURE * self.slope {
            self.low = self.length;
            self.length =
                if self.high.is_finite() { 0.5 * (self.low + self.high) } else { 2.0 * self.length };
            Verdict::Again
        } else {
            Verdict::Accept
        }
    }

    fn width(&self) -> f64 {
        self.high - self.low
    }

    /// Where the parabola through both values with the starting slope is lowest; the middle where there is none.
    fn vertex(&self, start: f64, end: f64) -> f64 {
        let bend = end - start - self.slope * self.length;
        let vertex = -self.slope * self.length * self.length / (2.0 * bend);
        if vertex.is_finite() { vertex } else { 0.5 * (self.low + self.length) }
    }
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn add_scaled(a: &mut [f64], factor: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
}

#[cfg(test)]
mod tests {
    use super::{Minimizer, Region, Stop};

    /// Minimizes and returns the point.
    fn minimize(start: &[f64], region: Region, f: impl Fn(&[f64]) -> (f64, Vec<f64>)) -> (Vec<f64>, Stop) {
        let mut minimizer = Minimizer::new(start.to_vec(), region, 1e-12, 1000);
        loop {
            let (value, gradient) = f(minimizer.trial());
            if let Some(stop) = minimizer.tell(value, &gradient) {
                return (minimizer.point, stop);
            }
        }
    }

    fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
    }

    fn bowl(x: &[f64]) -> (f64, Vec<f64>) {
        let value = x.iter().map(|x| 0.5 * (x - 3.0) * (x - 3.0)).sum();
        (value, x.iter().map(|x| x - 3.0).collect())
    }

    #[test]
    fn follows_a_curved_valley() {
        let (point, stop) = minimize(&[-1.2, 1.0], Region::Free, rosenbrock);
        assert!((point[0] - 1.0).abs() < 1e-8 && (point[1] - 1.0).abs() < 1e-8, "{point:?} {stop:?}");
    }

    #[test]
    fn l1_weights_apply_coordinate_by_coordinate() {
        let (point, _) = minimize(&[0.0, -5.0, 5.0], Region::L1(vec![1.0, 4.0, 0.0]), bowl);
        assert!((point[0] - 2.0).abs() < 1e-8 && (point[2] - 3.0).abs() < 1e-8, "{point:?}");
        assert_eq!(point[1], 0.0);
    }

    #[test]
    fn bounds_hold_where_the_minimum_lies_beyond() {
        let infinity = f64::INFINITY;
        let bounds = Region::Box { lower: vec![-infinity, 0.0], upper: vec![0.5, infinity] };
        let (point, stop) = minimize(&[-1.2, 1.0], bounds, rosenbrock);
        assert!(point[0] == 0.5 && (point[1] - 0.25).abs() < 1e-8, "{point:?} {stop:?}");
        let (point, _) =
            minimize(&[5.0, 0.0], Region::Box { lower: vec![4.0, -1.0], upper: vec![9.0, 9.0] }, bowl);
        assert!(point[0] == 4.0 && (point[1] - 3.0).abs() < 1e-8, "{point:?}");
    }

    #[test]
    fn a_vanishing_tolerance_ends_where_arithmetic_does() {
        let mut minimizer = Minimizer::new(vec![0.1, 0.2], Region::Free, 0.0, 1000);
        let stop = loop {
            let (value, gradient) = rosenbrock(minimizer.trial());
            if let Some(stop) = minimizer.tell(value + 1.0, &gradient) {
                break stop;
            }
        };
        assert_ne!(stop, Stop::MaxIter);
    }
}
