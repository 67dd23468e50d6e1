//! How well a logistic regression fits some rows, under MLlib's names.

use emberline::ml::LogisticRegressionSummary;
use emberline::ml::metrics::Curve;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// The metrics of a classifier over some rows.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct ClassificationSummary {
    inner: LogisticRegressionSummary,
}

impl From<LogisticRegressionSummary> for ClassificationSummary {
    fn from(inner: LogisticRegressionSummary) -> Self {
        Self { inner }
    }
}

impl ClassificationSummary {
    fn curve(&self) -> PyResult<&Curve> {
        let message = "only a model of two classes has curves";
        self.inner.curve().ok_or_else(|| PyRuntimeError::new_err(message))
    }
}

#[pymethods]
#[expect(non_snake_case, reason = "MLlib's names")]
impl ClassificationSummary {
    #[getter]
    fn labels(&self) -> Vec<f64> {
        self.inner.labels().to_vec()
    }

    #[getter]
    fn accuracy(&self) -> f64 {
        self.inner.accuracy()
    }

    #[getter]
    fn weightedPrecision(&self) -> f64 {
        self.inner.weighted_precision()
    }

    #[getter]
    fn weightedRecall(&self) -> f64 {
        self.inner.weighted_recall()
    }

    #[getter]
    fn weightedTruePositiveRate(&self) -> f64 {
        self.inner.weighted_recall()
    }

    #[getter]
    fn weightedFalsePositiveRate(&self) -> f64 {
        self.inner.weighted_false_positive_rate()
    }

    #[getter]
    fn precisionByLabel(&self) -> Vec<f64> {
        self.inner.precision_by_label()
    }

    #[getter]
    fn recallByLabel(&self) -> Vec<f64> {
        self.inner.recall_by_label()
    }

    #[getter]
    fn truePositiveRateByLabel(&self) -> Vec<f64> {
        self.inner.recall_by_label()
    }

    #[getter]
    fn falsePositiveRateByLabel(&self) -> Vec<f64> {
        self.inner.false_positive_rate_by_label()
    }

    #[pyo3(signature = (beta=1.0))]
    fn weightedFMeasure(&self, beta: f64) -> f64 {
        self.inner.weighted_f_measure(beta)
    }

    #[pyo3(signature = (beta=1.0))]
    fn fMeasureByLabel(&self, beta: f64) -> Vec<f64> {
        self.inner.f_measure_by_label(beta)
    }

    #[getter]
    fn areaUnderROC(&self) -> PyResult<f64> {
        Ok(self.curve()?.areas().roc)
    }

    #[getter]
    fn roc(&self) -> PyResult<Vec<(f64, f64)>> {
        Ok(self.curve()?.roc())
    }

    #[getter]
    fn pr(&self) -> PyResult<Vec<(f64, f64)>> {
        Ok(self.curve()?.pr())
    }

    #[getter]
    fn precisionByThreshold(&self) -> PyResult<Vec<(f64, f64)>> {
        Ok(self.curve()?.precision_by_threshold())
    }

    #[getter]
    fn recallByThreshold(&self) -> PyResult<Vec<(f64, f64)>> {
        Ok(self.curve()?.recall_by_threshold())
    }

    #[pyo3(signature = (beta=1.0))]
    fn fMeasureByThreshold(&self, beta: f64) -> PyResult<Vec<(f64, f64)>> {
        Ok(self.curve()?.f_measure_by_threshold(beta))
    }
}
