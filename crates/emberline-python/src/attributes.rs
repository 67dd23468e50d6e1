//! What models know beyond their params, under MLlib's names: one table, from which the classes' properties are generated.

use emberline::ml::{
    CrossValidator, CrossValidatorModel, Epoch, KMeansModel, KNearestNeighborsClassifierModel,
    KerasImageFileModel, KerasModel, LinearRegressionModel, LinearRegressionSummary, LinearSVCModel,
    LogisticRegressionModel, MinMaxScalerModel, NaiveBayesModel, NetworkTrainingSummary, OneHotEncoderModel,
    OneVsRest, OneVsRestModel, PcaModel, Pipeline, PipelineModel, PipelineStage, Saved, SimilarImagesModel,
    StandardScalerModel, StringIndexerModel, SubModels, TrainValidationSplit, TrainValidationSplitModel,
    TrainingSummary, Transformer, downcast,
};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::Arc;

use crate::stage::Stage;
use crate::summary::ClassificationSummary;

type Get = fn(&dyn emberline::ml::Stage, Python<'_>) -> Option<PyResult<Py<PyAny>>>;

/// Something that a model knows.
struct Attribute {
    kind: &'static str,
    name: &'static str,
    of_type: &'static str,
    doc: &'static str,
    get: Get,
}

/// The attributes: `Kind { name: "type", "doc", |model, py| value; ... }`.
macro_rules! attributes {
    ($($model:ident $kind:literal {
        $($name:literal: $of_type:literal, $doc:literal, |$stage:ident, $py:ident| $value:expr;)+
    })+) => {
        const ATTRIBUTES: &[Attribute] = &[$($(Attribute {
            kind: $kind,
            name: $name,
            of_type: $of_type,
            doc: $doc,
            get: |stage, $py| downcast::<$model>(stage).map(|$stage| $value),
        }),+),+];
    };
}

attributes! {
    LogisticRegressionModel "LogisticRegressionModel" {
        "coefficientMatrix": "numpy.ndarray", "The coefficients, a row per class; one row for a binomial model.",
            |m, py| matrix(py, m.coefficient_matrix(), m.num_features());
        "coefficients": "numpy.ndarray", "The coefficients of a binomial model; those of all classes, one after the other, of a multinomial one.",
            |m, py| vector(py, m.coefficients());
        "interceptVector": "numpy.ndarray", "The intercepts, one per row of the coefficient matrix.",
            |m, py| vector(py, m.intercept_vector());
        "intercept": "float", "The intercept of a binomial model.",
            |m, py| match m.intercept_vector() {
                [only] => only.into_py_any(py),
                several => Err(PyRuntimeError::new_err(format!(
                    "a multinomial model has {} intercepts; use interceptVector", several.len()))),
            };
        "numClasses": "int", "Number of classes.", |m, py| m.num_classes().into_py_any(py);
        "numFeatures": "int", "Numbers per feature vector.", |m, py| m.num_features().into_py_any(py);
        "labels": "list[str] | None", "The names of the classes, where the label column had them.",
            |m, py| m.labels().into_py_any(py);
        "hasSummary": "bool", "Whether the model was fitted here, and not loaded.", |m, py| m.summary().is_some().into_py_any(py);
        "summary": "LogisticRegressionTrainingSummary", "How training went, and how well the model fits its rows.",
            |m, py| {
                let summary = fitted_here(m.summary())?;
                let more = training(py, &summary.training)?;
                (more, ClassificationSummary::from(summary.metrics.clone())).into_py_any(py)
            };
    }
    LinearRegressionModel "LinearRegressionModel" {
        "coefficients": "numpy.ndarray", "The coefficients.", |m, py| vector(py, m.coefficients());
        "intercept": "float", "The intercept.", |m, py| m.intercept().into_py_any(py);
        "numFeatures": "int", "Numbers per feature vector.", |m, py| m.coefficients().len().into_py_any(py);
        "hasSummary": "bool", "Whether the model was fitted here, and not loaded.", |m, py| m.summary().is_some().into_py_any(py);
        "summary": "Summary", "How training went, and how well the model fits its rows.",
            |m, py| regression(py, fitted_here(m.summary())?);
    }
    LinearSVCModel "LinearSVCModel" {
        "coefficients": "numpy.ndarray", "The coefficients.", |m, py| vector(py, m.coefficients());
        "intercept": "float", "The intercept.", |m, py| m.intercept().into_py_any(py);
        "numClasses": "int", "Number of classes: two.", |_m, py| 2.into_py_any(py);
        "numFeatures": "int", "Numbers per feature vector.", |m, py| m.coefficients().len().into_py_any(py);
        "hasSummary": "bool", "Whether the model was fitted here, and not loaded.", |m, py| m.summary().is_some().into_py_any(py);
        "summary": "Summary", "How training went.", |m, py| training(py, fitted_here(m.summary())?)?.into_py_any(py);
    }
    NaiveBayesModel "NaiveBayesModel" {
        "pi": "numpy.ndarray", "Logarithms of the classes' shares.", |m, py| vector(py, m.pi());
        "theta": "numpy.ndarray", "What is learned of each feature, a row per class.",
            |m, py| matrix(py, m.theta(), per_row(m.theta(), m.pi().len()));
        "sigma": "numpy.ndarray", "With modelType gaussian, the variances, a row per class; otherwise empty.",
            |m, py| matrix(py, m.sigma(), per_row(m.sigma(), m.pi().len()));
    }
    KNearestNeighborsClassifierModel "KNearestNeighborsClassifierModel" {
        "numClasses": "int", "Number of classes.", |m, py| m.num_classes().into_py_any(py);
        "numRows": "int", "Rows that vote.", |m, py| m.num_rows().into_py_any(py);
    }
    SimilarImagesModel "SimilarImagesModel" {
        "numRows": "int", "Images among which is searched.", |m, py| m.num_rows().into_py_any(py);
        "rowsLeftOut": "int", "Rows left out because a value is null.", |m, py| m.rows_left_out().into_py_any(py);
    }
    KMeansModel "KMeansModel" {
        "clusterCenters": "list[numpy.ndarray]", "The centres of the clusters.",
            |m, py| matrix(py, m.cluster_centers(), per_row(m.cluster_centers(), m.num_clusters()));
        "numClusters": "int", "Number of clusters.", |m, py| m.num_clusters().into_py_any(py);
        "hasSummary": "bool", "Whether the model was fitted here, and not loaded.", |m, py| m.summary().is_some().into_py_any(py);
        "summary": "Summary", "How training went.",
            |m, py| {
                let summary = fitted_here(m.summary())?;
                let all = PyDict::new(py);
                all.set_item("trainingCost", summary.training_cost)?;
                all.set_item("clusterSizes", &summary.cluster_sizes)?;
                all.set_item("numIter", summary.num_iter)?;
                all.set_item("rowsLeftOut", summary.rows_left_out)?;
                all.into_py_any(py)
            };
    }
    KerasImageFileModel "KerasImageFileModel" {
        "history": "dict[str, list[float]]", "Loss and metrics of every epoch, by the names that Keras' History has.",
            |m, py| history(py, m.history());
        "bestEpoch": "int", "The epoch, from 1, that was best by what early stopping watches, or by the loss, of the validation where there is one.",
            |m, py| m.best_epoch().into_py_any(py);
        "stoppedEarly": "bool", "Whether early stopping ended the training.", |m, py| m.stopped_early().into_py_any(py);
        "labels": "list[str] | None", "The names of the classes, where labels have them.", |m, py| m.labels().into_py_any(py);
        "hasSummary": "bool", "Whether the model was fitted here, and not loaded.", |m, py| m.summary().is_some().into_py_any(py);
        "summary": "Summary", "What it was trained on, and how many rows were left out.",
            |m, py| trained_on(py, fitted_here(m.summary())?);
        "kerasFile": "bytes", "The trained network as a .keras file.", |m, py| keras_file(py, m.to_keras());
    }
    KerasModel "KerasModel" {
        "history": "dict[str, list[float]]", "Loss and metrics of every epoch, by the names that Keras' History has.",
            |m, py| history(py, m.history());
        "bestEpoch": "int", "The epoch, from 1, that was best by what early stopping watches, or by the loss, of the validation where there is one.",
            |m, py| m.best_epoch().into_py_any(py);
        "stoppedEarly": "bool", "Whether early stopping ended the training.", |m, py| m.stopped_early().into_py_any(py);
        "labels": "list[str] | None", "The names of the classes, where labels have them.", |m, py| m.labels().into_py_any(py);
        "hasSummary": "bool", "Whether the model was fitted here, and not loaded.", |m, py| m.summary().is_some().into_py_any(py);
        "summary": "Summary", "What it was trained on, and how many rows were left out.",
            |m, py| trained_on(py, fitted_here(m.summary())?);
        "kerasFile": "bytes", "The trained network as a .keras file.", |m, py| keras_file(py, m.to_keras());
    }
    StringIndexerModel "StringIndexerModel" {
        "labels": "list[str]", "The labels of the first column, in the order of their numbers.", |m, py| m.labels().into_py_any(py);
        "labelsArray": "list[list[str]]", "The labels of each column.",
            |m, py| m.labels_array().map(<[String]>::to_vec).collect::<Vec<_>>().into_py_any(py);
    }
    StandardScalerModel "StandardScalerModel" {
        "mean": "numpy.ndarray", "The mean of each feature.", |m, py| vector(py, m.mean());
        "std": "numpy.ndarray", "The standard deviation of each feature.", |m, py| vector(py, m.std());
    }
    MinMaxScalerModel "MinMaxScalerModel" {
        "originalMin": "numpy.ndarray", "The least value of each feature.", |m, py| vector(py, m.original_min());
        "originalMax": "numpy.ndarray", "The greatest value of each feature.", |m, py| vector(py, m.original_max());
    }
    OneHotEncoderModel "OneHotEncoderModel" {
        "categorySizes": "list[int]", "The number of categories of each column.", |m, py| m.category_sizes().into_py_any(py);
    }
    PcaModel "PCAModel" {
        "pc": "numpy.ndarray", "The principal components, a column each.",
            |m, py| matrix(py, m.components(), m.explained_variance().len());
        "explainedVariance": "numpy.ndarray", "Each component's share of the variance.",
            |m, py| vector(py, m.explained_variance());
    }
    OneVsRest "OneVsRest" {
        "classifier": "Estimator", "The classifier of two classes.",
            |m, py| Stage::from(Saved::Estimator(m.classifier().clone())).into_py_any(py);
    }
    OneVsRestModel "OneVsRestModel" {
        "models": "list[Model]", "The model of each class against the rest.", |m, py| transformers(py, m.models());
    }
    Pipeline "Pipeline" {
        "stages": "list[Stage]", "The stages in order.",
            |m, py| {
                let stage = |stage: &PipelineStage| Stage::from(match stage {
                    PipelineStage::Transformer(stage) => Saved::Transformer(stage.clone()),
                    PipelineStage::Estimator(stage) => Saved::Estimator(stage.clone()),
                });
                m.stages().iter().map(stage).collect::<Vec<_>>().into_py_any(py)
            };
    }
    PipelineModel "PipelineModel" {
        "stages": "list[Stage]", "The stages in order.", |m, py| transformers(py, m.stages());
    }
    CrossValidator "CrossValidator" {
        "estimator": "Estimator", "What is tuned.", |m, py| Stage::from(Saved::Estimator(m.estimator().clone())).into_py_any(py);
        "evaluator": "Evaluator", "How candidates are measured.",
            |m, py| Stage::from(Saved::Evaluator(m.evaluator().clone())).into_py_any(py);
    }
    TrainValidationSplit "TrainValidationSplit" {
        "estimator": "Estimator", "What is tuned.", |m, py| Stage::from(Saved::Estimator(m.estimator().clone())).into_py_any(py);
        "evaluator": "Evaluator", "How candidates are measured.",
            |m, py| Stage::from(Saved::Evaluator(m.evaluator().clone())).into_py_any(py);
    }
    CrossValidatorModel "CrossValidatorModel" {
        "bestModel": "Model", "The best candidate, fitted on all rows.", |m, py| Stage::from(m.best_model.clone()).into_py_any(py);
        "bestIndex": "int", "Its place among the candidates.", |m, py| m.best_index.into_py_any(py);
        "avgMetrics": "list[float]", "Each candidate's metric, averaged over the folds; NaN for one that failed.",
            |m, py| m.avg_metrics.clone().into_py_any(py);
        "stdMetrics": "list[float]", "Each candidate's standard deviation over the folds.", |m, py| m.std_metrics.clone().into_py_any(py);
        "errors": "list[str | None]", "Why a candidate failed, for those that did.", |m, py| m.errors.clone().into_py_any(py);
        "subModels": "list[list[Model | None]] | None", "With collectSubModels, the models by fold and candidate.",
            |m, py| folds(py, m.sub_models.as_ref());
    }
    TrainValidationSplitModel "TrainValidationSplitModel" {
        "bestModel": "Model", "The best candidate, fitted on all rows.", |m, py| Stage::from(m.best_model.clone()).into_py_any(py);
        "bestIndex": "int", "Its place among the candidates.", |m, py| m.best_index.into_py_any(py);
        "validationMetrics": "list[float]", "Each candidate's metric; NaN for one that failed.",
            |m, py| m.validation_metrics.clone().into_py_any(py);
        "errors": "list[str | None]", "Why a candidate failed, for those that did.", |m, py| m.errors.clone().into_py_any(py);
        "subModels": "list[Model | None] | None", "With collectSubModels, the models by candidate.",
            |m, py| m.sub_models.as_deref().map(candidates).into_py_any(py);
    }
}

/// Names, types and docs of what a kind knows.
pub(crate) fn of(kind: &str) -> Vec<(&'static str, &'static str, &'static str)> {
    let own = ATTRIBUTES.iter().filter(|attribute| attribute.kind == kind);
    own.map(|attribute| (attribute.name, attribute.of_type, attribute.doc)).collect()
}

/// What a stage knows under that name.
pub(crate) fn get(py: Python<'_>, saved: &Saved, name: &str) -> PyResult<Py<PyAny>> {
    let stage = saved.stage();
    let mut found = ATTRIBUTES.iter().filter(|attribute| attribute.name == name);
    found
        .find_map(|attribute| (attribute.get)(stage, py))
        .unwrap_or_else(|| Err(PyAttributeError::new_err(format!("a {} has no {name}", stage.kind()))))
}

/// Loss and metrics by their names, a number for each epoch, as `History.history` of Keras.
fn history(py: Python<'_>, epochs: &[Epoch]) -> PyResult<Py<PyAny>> {
    let all = PyDict::new(py);
    for name in epochs.first().map(|epoch| epoch.values.keys()).into_iter().flatten() {
        let values: Vec<f64> = epochs.iter().filter_map(|epoch| epoch.values.get(name).copied()).collect();
        all.set_item(name, values)?;
    }
    let rates: Vec<f64> = epochs.iter().map(|epoch| epoch.learning_rate).collect();
    all.set_item("learning_rate", rates)?;
    all.into_py_any(py)
}

fn trained_on(py: Python<'_>, summary: &NetworkTrainingSummary) -> PyResult<Py<PyAny>> {
    let all = PyDict::new(py);
    all.set_item("examples", summary.examples)?;
    all.set_item("validationExamples", summary.validation_examples)?;
    all.set_item("unlabelledRows", summary.unlabelled_rows)?;
    all.set_item("unreadableRows", summary.unreadable_rows)?;
    all.set_item("reasons", &summary.reasons)?;
    all.into_py_any(py)
}

fn keras_file(py: Python<'_>, file: emberline::ml::Result<Vec<u8>>) -> PyResult<Py<PyAny>> {
    let file = file.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    PyBytes::new(py, &file).into_py_any(py)
}

fn fitted_here<T>(summary: Option<&T>) -> PyResult<&T> {
    summary.ok_or_else(|| PyRuntimeError::new_err("no training summary: it is not saved with a model"))
}

fn training<'py>(py: Python<'py>, summary: &TrainingSummary) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    all.set_item("objectiveHistory", &summary.objective_history)?;
    all.set_item("totalIterations", summary.total_iterations)?;
    all.set_item("numInstances", summary.rows)?;
    all.set_item("rowsLeftOut", summary.rows_left_out)?;
    Ok(all)
}

fn regression(py: Python<'_>, summary: &LinearRegressionSummary) -> PyResult<Py<PyAny>> {
    let all = training(py, &summary.training)?;
    all.set_item("rootMeanSquaredError", summary.root_mean_squared_error())?;
    all.set_item("meanSquaredError", summary.mean_squared_error())?;
    all.set_item("meanAbsoluteError", summary.mean_absolute_error())?;
    all.set_item("r2", summary.r2())?;
    all.set_item("explainedVariance", summary.explained_variance())?;
    all.into_py_any(py)
}

fn transformers(py: Python<'_>, stages: &[Arc<dyn Transformer>]) -> PyResult<Py<PyAny>> {
    stages.iter().map(|stage| Stage::from(stage.clone())).collect::<Vec<_>>().into_py_any(py)
}

fn candidates(models: &[Option<Arc<dyn Transformer>>]) -> Vec<Option<Stage>> {
    models.iter().map(|model| model.clone().map(Stage::from)).collect()
}

fn folds(py: Python<'_>, models: Option<&SubModels>) -> PyResult<Py<PyAny>> {
    models.map(|folds| folds.iter().map(|fold| candidates(fold)).collect::<Vec<_>>()).into_py_any(py)
}

/// Numbers per row of a matrix.
fn per_row(values: &[f64], rows: usize) -> usize {
    values.len() / rows.max(1)
}

fn vector(py: Python<'_>, values: &[f64]) -> PyResult<Py<PyAny>> {
    Ok(array(py, values)?.unbind())
}

/// Row major, `columns` numbers per row.
fn matrix(py: Python<'_>, values: &[f64], columns: usize) -> PyResult<Py<PyAny>> {
    let rows = values.len().checked_div(columns).unwrap_or_default();
    Ok(array(py, values)?.call_method1("reshape", (rows, columns))?.unbind())
}

fn array<'py>(py: Python<'py>, values: &[f64]) -> PyResult<Bound<'py, PyAny>> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    py.import("numpy")?.call_method1("frombuffer", (PyBytes::new(py, &bytes), "<f8"))
}
