//! MLlib's regularized losses of linear models, as smooth functions of standardized parameters.
//!
//! Parameters are `[d + 1, K]` row major (`[d, K]` without intercepts): one row per feature and the intercepts last, `K`
//! being 1 for the binomial family. Coefficients belong to features of unit deviation, and with an intercept also of zero
//! mean: centring changes no optimum where the intercept is free, and speeds up convergence (SPARK-34448). The matrix
//! itself stays as it is. Its scale is folded into the coefficients, its mean into the offsets.

use super::minimizer::Region;
use super::moments::Moments;
use super::sweep::{Lane, Precision, Sweep, multiply};
use super::{LinearOptions, Matrix};

/// Answers that are all but certain still leave the loss a little curved.
const LEAST_CURVATURE: f64 = 1e-6;
/// As many rows say well enough how answers vary.
const SAMPLED_ROWS: usize = 256;

/// The objective without its L1 term, which is the minimizer's business.
///
/// `loss` gets a row's number, weight and margins `[K]`, replaces each margin by the derivative of the weighted loss with
/// respect to it, and returns that loss.
pub(crate) struct Objective<'a, L> {
    weights: &'a [f64],
    loss: L,
    total_weight: f64,
    /// Columns of the parameters: 1 for the binomial family.
    pub(crate) sets: usize,
    intercept: bool,
    /// `1 / σ`, or 0 for a constant feature, which so keeps the coefficient 0.
    inverse_deviation: Vec<f64>,
    /// Means to subtract; zeros without an intercept that is free to make up for them.
    center: Vec<f64>,
    /// Factor of `‖β̃‖² / 2` for each feature.
    l2: Vec<f64>,
}

/// Some rows of a matrix.
pub(crate) struct Sample {
    rows: Vec<usize>,
    /// `[rows, d]`.
    features: Vec<f64>,
}

/// Several objectives over one matrix, evaluated in one pass.
pub(crate) struct Evaluation<'a> {
    sweep: Sweep<'a>,
    /// Where each objective's columns begin.
    starts: Vec<usize>,
    columns: usize,
}

impl<'a> Evaluation<'a> {
    /// Plans passes in double precision for objectives with these numbers of `sets`.
    pub(crate) fn new(x: Matrix<'a>, sets: &[usize], threads: usize) -> Self {
        Self::with_precision(x, sets, threads, Precision::Double)
    }

    pub(crate) fn with_precision(
        x: Matrix<'a>,
        sets: &[usize],
        threads: usize,
        precision: Precision,
    ) -> Self {
        let mut columns = 0;
        let mut starts = Vec::with_capacity(sets.len());
        for sets in sets {
            starts.push(columns);
            columns += sets;
        }
        Self { sweep: Sweep::new(x, columns, sets.len(), threads, precision), starts, columns }
    }

    /// The values at the objectives' `parameters`; writes the gradients.
    pub(crate) fn run<L: Fn(usize, f64, &mut [f64]) -> f64 + Sync>(
        &mut self,
        objectives: &[&Objective<'_, L>],
        parameters: &[&[f64]],
        gradients: Vec<&mut [f64]>,
    ) -> Vec<f64> {
        let Self { sweep, starts, columns } = self;
        let columns = *columns;
        let features = objectives.first().map_or(0, |objective| objective.center.len());
        let mut coefficients = vec![0.0; features * columns];
        let mut offsets = Vec::with_capacity(columns);
        for ((objective, parameters), &start) in objectives.iter().zip(parameters).zip(starts.iter()) {
            let (folded, own_offsets) = objective.unscale(parameters);
            let own_rows = folded.chunks_exact(objective.sets);
            for (row, own) in coefficients.chunks_exact_mut(columns).zip(own_rows) {
                row[start..start + objective.sets].copy_from_slice(own);
            }
            offsets.extend(own_offsets);
        }
        let sums = sweep.run(&coefficients, |rows, margins, losses| {
            for (row, margins) in rows.zip(margins.chunks_exact_mut(columns)) {
                margins.iter_mut().zip(&offsets).for_each(|(margin, offset)| *margin += offset);
                for ((objective, &start), loss) in objectives.iter().zip(starts.iter()).zip(&mut *losses) {
                    *loss += objective.row_loss(row, &mut margins[start..start + objective.sets]);
                }
            }
        });
        let each = objectives.iter().zip(parameters).zip(gradients).enumerate();
        each.map(|(i, ((objective, parameters), gradient))| {
            objective.value(parameters, sums, i, (starts[i], columns), gradient)
        })
        .collect()
    }

    /// The value of a single objective.
    pub(crate) fn one<L: Fn(usize, f64, &mut [f64]) -> f64 + Sync>(
        &mut self,
        objective: &Objective<'_, L>,
        parameters: &[f64],
        gradient: &mut [f64],
    ) -> f64 {
        self.run(&[objective], &[parameters], vec![gradient]).pop().unwrap_or(f64::NAN)
    }
}

impl<'a, L: Fn(usize, f64, &mut [f64]) -> f64 + Sync> Objective<'a, L> {
    /// `center` says whether features are centred; see above.
    pub(crate) fn new(
        weights: &'a [f64],
        moments: &Moments,
        sets: usize,
        center: bool,
        options: &LinearOptions,
        loss: L,
    ) -> Self {
        let inverse_deviation = inverse(&moments.deviation);
        let strength = options.reg_param * (1.0 - options.elastic_net_param);
        Self {
            weights,
            loss,
            total_weight: weights.iter().sum(),
            sets,
            intercept: options.fit_intercept,
            l2: penalty(&inverse_deviation, strength, options.standardization, 2),
            inverse_deviation,
            center: if center { moments.mean.clone() } else { vec![0.0; moments.mean.len()] },
        }
    }

    /// The number of features.
    pub(crate) fn features(&self) -> usize {
        self.center.len()
    }

    /// Numbers of the rows that count.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        self.weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0).map(|(row, _)| row)
    }

    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights[row]
    }

    /// The loss of a row of this weight with these margins `[K]`; replaces them by their derivatives.
    pub(crate) fn loss(&self, row: usize, weight: f64, margins: &mut [f64]) -> f64 {
        (self.loss)(row, weight, margins)
    }

    /// [`SAMPLED_ROWS`] at most of the rows that count.
    pub(crate) fn sample(&self, x: &Matrix<'_>) -> Sample {
        let rows: Vec<usize> = self.rows().step_by(x.rows().div_ceil(SAMPLED_ROWS)).collect();
        let mut features = Vec::with_capacity(rows.len() * x.columns());
        rows.iter().for_each(|&row| x.extend_from_row(row, 0..x.columns(), &mut features));
        Sample { rows, features }
    }

    /// The mean variance of a row's answer with these parameters, for losses whose derivatives are the answers' distances from
    /// 0 or from 1.
    pub(crate) fn curvature(&self, sample: &Sample, parameters: &[f64]) -> f64 {
        let (coefficients, offsets) = self.unscale(parameters);
        let Sample { rows, features } = sample;
        let mut margins = vec![0.0; rows.len() * self.sets];
        multiply(rows.len(), self.features(), self.sets, features, &coefficients, &mut margins);
        let (mut sum, mut total) = (0.0, 0.0);
        for (&row, margins) in rows.iter().zip(margins.chunks_exact_mut(self.sets)) {
            margins.iter_mut().zip(&offsets).for_each(|(margin, offset)| *margin += offset);
            self.loss(row, 1.0, margins);
            let variances = margins.iter().map(|distance| distance.abs() * (1.0 - distance.abs()));
            sum += self.weights[row] * variances.sum::<f64>();
            total += self.weights[row] * self.sets as f64;
        }
        (sum / total).max(LEAST_CURVATURE)
    }

    /// Adds `share` of how the penalty's gradient changes along a step.
    pub(crate) fn add_penalty(&self, share: f64, step: &[f64], change: &mut [f64]) {
        let rows = change.chunks_exact_mut(self.sets).zip(step.chunks_exact(self.sets));
        for ((change, step), l2) in rows.zip(&self.l2) {
            change.iter_mut().zip(step).for_each(|(change, step)| *change += share * l2 * step);
        }
    }

    /// What turns each feature's parameters into coefficients whose L2 penalty is `strength` times their square.
    pub(crate) fn to_penalized(&self, strength: f64) -> Vec<f64> {
        self.l2.iter().map(|l2| if *l2 > 0.0 { (l2 / strength).sqrt() } else { 1.0 }).collect()
    }

    /// What is subtracted from each feature, and what the rest is multiplied by, to get features whose coefficients have a
    /// penalty of `strength` times their square.
    pub(crate) fn penalized_scale(&self, strength: f64) -> (&[f64], Vec<f64>) {
        let factors = self.to_penalized(strength);
        (&self.center, self.inverse_deviation.iter().zip(factors).map(|(inverse, f)| inverse / f).collect())
    }

    /// The L1 weight of every parameter.
    pub(crate) fn l1(&self, options: &LinearOptions) -> Region {
        let strength = options.reg_param * options.elastic_net_param;
        let weights = l1_weights(&self.inverse_deviation, strength, options.standardization);
        let Some(features) = weights else { return Region::Free };
        let intercepts = if self.intercept { self.sets } else { 0 };
        let each = features.iter().flat_map(|&weight| std::iter::repeat_n(weight, self.sets));
        Region::L1(each.chain(std::iter::repeat_n(0.0, intercepts)).collect())
    }

    /// Bounds `[K, d]` of the coefficients and `[K]` of the intercepts as bounds of the parameters.
    pub(crate) fn bounds(&self, coefficients: &[f64], intercepts: &[f64]) -> Vec<f64> {
        let features = self.inverse_deviation.len();
        let scaled = |(feature, inverse): (usize, &f64)| {
            let inverse = *inverse;
            // A constant feature keeps the coefficient 0, wherever its bounds are.
            (0..self.sets).map(move |set| {
                let bound = coefficients[set * features + feature];
                if inverse == 0.0 { 0.0 } else { bound / inverse }
            })
        };
        let scaled = self.inverse_deviation.iter().enumerate().flat_map(scaled);
        scaled.chain(intercepts.iter().copied().take(if self.intercept { self.sets } else { 0 })).collect()
    }

    /// The loss of a row with these margins `[K]`; replaces them by their derivatives.
    fn row_loss(&self, row: usize, margins: &mut [f64]) -> f64 {
        match self.weights[row] {
            0.0 => {
                margins.fill(0.0);
                0.0
            }
            weight => (self.loss)(row, weight, margins),
        }
    }

    /// The value at `parameters` from the sums of a pass, in which this objective is number `problem` and owns `sets`
    /// of `columns` from `start` on; writes the gradient.
    fn value(
        &self,
        parameters: &[f64],
        sums: &Lane,
        problem: usize,
        (start, columns): (usize, usize),
        gradient: &mut [f64],
    ) -> f64 {
        let sets = self.sets;
        let residuals = &sums.residuals[start..start + sets];
        let mut value = sums.losses[problem] / self.total_weight;
        let (coefficients, intercepts) = gradient.split_at_mut(self.center.len() * sets);
        for (feature, row) in coefficients.chunks_exact_mut(sets).enumerate() {
            let scale = self.inverse_deviation[feature] / self.total_weight;
            let sum = &sums.gradient[feature * columns + start..];
            for (set, out) in row.iter_mut().enumerate() {
                let at = feature * sets + set;
                let centered = sum[set] - self.center[feature] * residuals[set];
                *out = centered * scale + self.l2[feature] * parameters[at];
                value += 0.5 * self.l2[feature] * parameters[at] * parameters[at];
            }
        }
        for (out, residual) in intercepts.iter_mut().zip(residuals) {
            *out = residual / self.total_weight;
        }
        value
    }

    /// Coefficients `[d, K]` and intercepts `[K]` for features on their original scale.
    pub(crate) fn unscale(&self, parameters: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (coefficients, intercepts) = parameters.split_at(self.center.len() * self.sets);
        let mut offsets = if self.intercept { intercepts.to_vec() } else { vec![0.0; self.sets] };
        let mut folded = coefficients.to_vec();
        for (feature, row) in folded.chunks_exact_mut(self.sets).enumerate() {
            for (value, offset) in row.iter_mut().zip(&mut offsets) {
                *value *= self.inverse_deviation[feature];
                *offset -= *value * self.center[feature];
            }
        }
        (folded, offsets)
    }
}

/// `1 / σ`, and 0 where σ is 0.
pub(crate) fn inverse(deviation: &[f64]) -> Vec<f64> {
    deviation.iter().map(|&d| if d == 0.0 { 0.0 } else { 1.0 / d }).collect()
}

/// The penalty's weight in standardized space: `strength` itself when the penalty is on standardized coefficients, and
/// `strength / σ^power` when it is on the original ones.
pub(crate) fn penalty(
    inverse_deviation: &[f64],
    strength: f64,
    standardization: bool,
    power: i32,
) -> Vec<f64> {
    let factor = |&inverse: &f64| if standardization { 1.0 } else { inverse.powi(power) };
    inverse_deviation.iter().map(|inverse| strength * factor(inverse)).collect()
}

/// The L1 weight of every feature, or `None` where there is no L1 term.
pub(crate) fn l1_weights(
    inverse_deviation: &[f64],
    strength: f64,
    standardization: bool,
) -> Option<Vec<f64>> {
    (strength != 0.0).then(|| penalty(inverse_deviation, strength, standardization, 1))
}
