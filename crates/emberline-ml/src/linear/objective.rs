//! MLlib's regularized logistic loss, as a smooth function of standardized parameters.
//!
//! Parameters are `[d + 1, K]` row major (`[d, K]` without intercepts): one row per feature and the intercepts last, `K`
//! being 1 for the binomial family. Coefficients belong to features of unit deviation, and with an intercept also of zero
//! mean: centring changes no optimum because the intercept is free, and speeds up convergence (SPARK-34448). The matrix
//! itself stays as it is. Its scale is folded into the coefficients, its mean into the offsets.

use super::examples::Examples;
use super::moments::Moments;
use super::sweep::{Lane, Sweep};
use super::{LogisticOptions, Matrix};

/// The objective without its L1 term, which is the minimizer's business.
pub(super) struct Objective<'a> {
    examples: &'a Examples,
    total_weight: f64,
    /// Columns of the parameters: 1 for the binomial family.
    pub(super) sets: usize,
    multinomial: bool,
    intercept: bool,
    /// `1 / σ`, or 0 for a constant feature, which so keeps the coefficient 0.
    inverse_deviation: Vec<f64>,
    /// Means to subtract; zeros without an intercept.
    center: Vec<f64>,
    /// Factor of `‖β̃‖² / 2` for each feature.
    l2: Vec<f64>,
}

/// Several objectives over one matrix, evaluated in one pass.
pub(super) struct Evaluation<'a> {
    sweep: Sweep<'a>,
    /// Where each objective's columns begin.
    starts: Vec<usize>,
    columns: usize,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(x: Matrix<'a>, objectives: &[&Objective<'_>], threads: usize) -> Self {
        let mut columns = 0;
        let mut starts = Vec::with_capacity(objectives.len());
        for objective in objectives {
            starts.push(columns);
            columns += objective.sets;
        }
        Self { sweep: Sweep::new(x, columns, objectives.len(), threads), starts, columns }
    }

    /// The values at the objectives' `parameters`; writes the gradients.
    pub(super) fn run(
        &mut self,
        objectives: &[&Objective<'_>],
        parameters: &[&[f64]],
        gradients: &mut [&mut [f64]],
    ) -> Vec<f64> {
        let Self { sweep, starts, columns } = self;
        let columns = *columns;
        let features = objectives[0].center.len();
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
}

impl<'a> Objective<'a> {
    pub(super) fn new(
        examples: &'a Examples,
        moments: &Moments,
        multinomial: bool,
        options: &LogisticOptions,
    ) -> Self {
        let inverse_deviation = inverse(&moments.deviation);
        let strength = options.reg_param * (1.0 - options.elastic_net_param);
        let l2 = penalty(&inverse_deviation, strength, options.standardization, 2);
        let features = moments.mean.len();
        let center = if options.fit_intercept { moments.mean.clone() } else { vec![0.0; features] };
        Self {
            examples,
            total_weight: examples.weights.iter().sum(),
            sets: if multinomial { examples.histogram.len() } else { 1 },
            multinomial,
            intercept: options.fit_intercept,
            inverse_deviation,
            center,
            l2,
        }
    }

    /// The L1 weight of every parameter, or `None` where there is no L1 term.
    pub(super) fn l1(&self, options: &LogisticOptions) -> Option<Vec<f64>> {
        let strength = options.reg_param * options.elastic_net_param;
        if strength == 0.0 {
            return None;
        }
        let features = penalty(&self.inverse_deviation, strength, options.standardization, 1);
        let intercepts = if self.intercept { self.sets } else { 0 };
        let each = features.iter().flat_map(|&weight| std::iter::repeat_n(weight, self.sets));
        Some(each.chain(std::iter::repeat_n(0.0, intercepts)).collect())
    }

    /// MLlib's starting point: zero coefficients and the intercepts of the class frequencies.
    pub(super) fn start(&self) -> Vec<f64> {
        let mut start = vec![0.0; self.center.len() * self.sets];
        let histogram = &self.examples.histogram;
        if self.intercept && !self.multinomial {
            start.push((histogram[1] / histogram[0]).ln());
        } else if self.intercept {
            let smoothed: Vec<f64> = histogram.iter().map(|count| count.ln_1p()).collect();
            let mean = smoothed.iter().sum::<f64>() / smoothed.len() as f64;
            start.extend(smoothed.iter().map(|s| s - mean));
        }
        start
    }

    /// The loss of a row with these margins `[K]`; replaces them by their derivatives.
    fn row_loss(&self, row: usize, margins: &mut [f64]) -> f64 {
        let (class, weight) = (self.examples.classes[row], self.examples.weights[row]);
        if weight == 0.0 {
            margins.fill(0.0);
            0.0
        } else if self.multinomial {
            softmax_loss(margins, class, weight)
        } else {
            logistic_loss(&mut margins[0], class, weight)
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
    pub(super) fn unscale(&self, parameters: &[f64]) -> (Vec<f64>, Vec<f64>) {
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
fn inverse(deviation: &[f64]) -> Vec<f64> {
    deviation.iter().map(|&d| if d == 0.0 { 0.0 } else { 1.0 / d }).collect()
}

/// The penalty's weight in standardized space: `strength` itself when the penalty is on standardized coefficients, and
/// `strength / σ^power` when it is on the original ones.
fn penalty(inverse_deviation: &[f64], strength: f64, standardization: bool, power: i32) -> Vec<f64> {
    let factor = |&inverse: &f64| if standardization { 1.0 } else { inverse.powi(power) };
    inverse_deviation.iter().map(|inverse| strength * factor(inverse)).collect()
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
