//! Areas under curves of a binary score: MLlib's `BinaryClassificationMetrics`.

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
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    positive: f64,
    negative: f64,
}

/// Areas under the curves of `scores` (higher means positive) for `labels` (positive above 0.5).
///
/// Equal scores make one point. With more than `2 * bins` different scores, consecutive points are merged into about
/// `bins`; 0 never merges. Spark does so in each partition, here there is one.
///
/// ```
/// # use emberline_ml::metrics::areas;
/// let areas = areas(&[0.9, 0.8, 0.3, 0.1], &[1.0, 0.0, 1.0, 0.0], None, 0)?;
/// assert_eq!(areas.roc, 0.75);
/// # Ok::<(), emberline_ml::metrics::MetricError>(())
/// ```
///
/// # Errors
/// Columns of different lengths, NaN scores, weights that are negative or all 0.
pub fn areas(
    scores: &[f64],
    labels: &[f64],
    weights: Option<&[f64]>,
    bins: usize,
) -> Result<Areas, MetricError> {
    check_length("label", scores.len(), labels.len())?;
    check_values("rawPrediction", scores, "a number", |score| !score.is_nan())?;
    let weights = checked_weights(scores.len(), weights)?;

    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut points: Vec<Counts> = Vec::new();
    for group in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let mut counts = Counts::default();
        for &row in group {
            let side = if labels[row] > 0.5 { &mut counts.positive } else { &mut counts.negative };
            *side += weights[row];
        }
        points.push(counts);
    }
    let grouping = points.len().checked_div(bins).unwrap_or(1).max(1);
    let mut below = Counts::default();
    let cumulative: Vec<Counts> = points
        .chunks(grouping)
        .map(|points| {
            for point in points {
                below.positive += point.positive;
                below.negative += point.negative;
            }
            below
        })
        .collect();
    Ok(Areas { roc: roc(&cumulative, below), pr: pr(&cumulative, below) })
}

fn roc(cumulative: &[Counts], total: Counts) -> f64 {
    let rate = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
    let points =
        cumulative.iter().map(|c| (rate(c.negative, total.negative), rate(c.positive, total.positive)));
    trapezoid(std::iter::once((0.0, 0.0)).chain(points).chain(std::iter::once((1.0, 1.0))))
}

fn pr(cumulative: &[Counts], total: Counts) -> f64 {
    let precision = |c: &Counts| {
        let predicted = c.positive + c.negative;
        if predicted == 0.0 { 1.0 } else { c.positive / predicted }
    };
    let recall = |c: &Counts| if total.positive == 0.0 { 0.0 } else { c.positive / total.positive };
    let first = cumulative.first().map(|c| (0.0, precision(c)));
    trapezoid(first.into_iter().chain(cumulative.iter().map(|c| (recall(c), precision(c)))))
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
