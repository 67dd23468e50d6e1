//! Curves of a binary score and the areas under them: MLlib's `BinaryClassificationMetrics`.

use super::MetricError;
use super::error::{check_length, check_values, checked_weights};

/// Areas under the two curves that a score's threshold draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Areas {
    /// `areaUnderROC`: true positive rate over false positive rate.
    pub roc: f64,
    /// `areaUnderPR`: precision over recall.
    pub pr: f64,
}

/// Weight of the positive and of the negative rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counts {
    positive: f64,
    negative: f64,
}

/// Areas under the curves of `scores` (higher means positive) for `labels` (positive above 0.5); see [`Curve`].
///
/// ```
/// # use emberline_ml::metrics::areas;
/// let areas = areas(&[0.9, 0.8, 0.3, 0.1], &[1.0, 0.0, 1.0, 0.0], None, 0)?;
/// assert_eq!(areas.roc, 0.75);
/// # Ok::<(), emberline_ml::metrics::MetricError>(())
/// ```
///
/// # Errors
/// As [`Curve::new`].
pub fn areas(
    scores: &[f64],
    labels: &[f64],
    weights: Option<&[f64]>,
    bins: usize,
) -> Result<Areas, MetricError> {
    Ok(Curve::new(scores, labels, weights, bins)?.areas())
}

/// What a score's threshold decides: the rows at or above each threshold, from the highest down.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    thresholds: Vec<f64>,
    cumulative: Vec<Counts>,
    total: Counts,
}

impl Curve {
    /// The curve of `scores` (higher means positive) for `labels` (positive above 0.5).
    ///
    /// Equal scores make one point. With more than `2 * bins` different scores, consecutive points are merged into about
    /// `bins`; 0 never merges. Spark does so in each partition, here there is one.
    ///
    /// # Errors
    /// Columns of different lengths, NaN scores, weights that are negative or all 0.
    pub fn new(
        scores: &[f64],
        labels: &[f64],
        weights: Option<&[f64]>,
        bins: usize,
    ) -> Result<Self, MetricError> {
        check_length("label", scores.len(), labels.len())?;
        check_values("rawPrediction", scores, "a number", |score| !score.is_nan())?;
        let weights = checked_weights(scores.len(), weights)?;

        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut points: Vec<(f64, Counts)> = Vec::new();
        for group in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
            let mut counts = Counts::default();
            for &row in group {
                let side = if labels[row] > 0.5 { &mut counts.positive } else { &mut counts.negative };
                *side += weights[row];
            }
            points.push((scores[group[0]], counts));
        }
        let grouping = points.len().checked_div(bins).unwrap_or(1).max(1);
        let mut total = Counts::default();
        let (mut thresholds, mut cumulative) = (Vec::new(), Vec::new());
        for points in points.chunks(grouping) {
            for (_, point) in points {
                total.positive += point.positive;
                total.negative += point.negative;
            }
            thresholds.extend(points.last().map(|(score, _)| score));
            cumulative.push(total);
        }
        Ok(Self { thresholds, cumulative, total })
    }

    /// Areas under both curves.
    pub fn areas(&self) -> Areas {
        Areas { roc: trapezoid(self.roc().into_iter()), pr: trapezoid(self.pr().into_iter()) }
    }

    /// Points of false positive rate and true positive rate, from (0, 0) to (1, 1).
    pub fn roc(&self) -> Vec<(f64, f64)> {
        let rate = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        let point =
            |c: &Counts| (rate(c.negative, self.total.negative), rate(c.positive, self.total.positive));
        let points = self.cumulative.iter().map(point);
        std::iter::once((0.0, 0.0)).chain(points).chain(std::iter::once((1.0, 1.0))).collect()
    }

    /// Points of recall and precision, the first one at recall 0.
    pub fn pr(&self) -> Vec<(f64, f64)> {
        let first = self.cumulative.first().map(|c| (0.0, precision(c)));
        first.into_iter().chain(self.cumulative.iter().map(|c| (self.recall(c), precision(c)))).collect()
    }

    /// Thresholds from the highest down, and the precision of predicting what lies at or above.
    pub fn precision_by_threshold(&self) -> Vec<(f64, f64)> {
        self.by_threshold(precision)
    }

    /// Thresholds from the highest down, and the recall of predicting what lies at or above.
    pub fn recall_by_threshold(&self) -> Vec<(f64, f64)> {
        self.by_threshold(|counts| self.recall(counts))
    }

    /// Thresholds from the highest down, and the F-measure of predicting what lies at or above.
    pub fn f_measure_by_threshold(&self, beta: f64) -> Vec<(f64, f64)> {
        self.by_threshold(|counts| {
            let (precision, recall, square) = (precision(counts), self.recall(counts), beta * beta);
            if precision + recall == 0.0 {
                0.0
            } else {
                (1.0 + square) * precision * recall / (square * precision + recall)
            }
        })
    }

    fn by_threshold(&self, of: impl Fn(&Counts) -> f64) -> Vec<(f64, f64)> {
        self.thresholds.iter().copied().zip(self.cumulative.iter().map(of)).collect()
    }

    fn recall(&self, counts: &Counts) -> f64 {
        if self.total.positive == 0.0 { 0.0 } else { counts.positive / self.total.positive }
    }
}

fn precision(counts: &Counts) -> f64 {
    let predicted = counts.positive + counts.negative;
    if predicted == 0.0 { 1.0 } else { counts.positive / predicted }
}

/// Area under the line through `points`.
fn trapezoid(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut last: Option<(f64, f64)> = None;
    let mut area = 0.0;
    for (x, y) in points {
        if let Some((before_x, before_y)) = last {
            area += (x - before_x) * (y + before_y) / 2.0;
        }
        last = Some((x, y));
    }
    area
}
