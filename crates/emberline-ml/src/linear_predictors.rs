//! The linear models as predictors: logistic regression, support vector machine, linear regression.

use serde::{Deserialize, Serialize};

use crate::error::Result as MlResult;
use crate::linear::{Decision, LinearModel, LinearOptions, LogisticModel, Matrix};
use crate::params::Params;
use crate::predictor::{Answers, Output, Predictor};
use crate::tensors::Tensors;

/// The options that the params of a stage say; without an `elasticNetParam`, there is no L1 term.
pub(crate) fn linear_options(params: &Params) -> MlResult<LinearOptions> {
    let elastic_net = "elasticNetParam";
    Ok(LinearOptions {
        reg_param: params.double("regParam")?,
        elastic_net_param: if params.is_defined(elastic_net) { params.double(elastic_net)? } else { 0.0 },
        max_iter: params.count("maxIter")?,
        tol: params.double("tol")?,
        fit_intercept: params.bool("fitIntercept")?,
        standardization: params.bool("standardization")?,
        ..LinearOptions::default()
    })
}

/// What the arrays of a [`LogisticModel`] do not say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogisticSettings {
    num_classes: usize,
    is_multinomial: bool,
}

impl Predictor for LogisticModel {
    const KIND: &'static str = "logistic_regression";
    const OUTPUTS: &'static [Output] = &[Output::RawPrediction, Output::Probability, Output::Prediction];
    type Settings = LogisticSettings;

    fn settings(&self) -> LogisticSettings {
        LogisticSettings { num_classes: self.num_classes, is_multinomial: self.is_multinomial }
    }

    fn tensors(&self) -> Tensors {
        let sets = self.intercepts.len();
        Tensors::default().with("coefficientMatrix", &[sets, self.num_features], &self.coefficients).with(
            "interceptVector",
            &[sets],
            &self.intercepts,
        )
    }

    fn rebuild(settings: LogisticSettings, mut tensors: Tensors) -> Result<Self, String> {
        let LogisticSettings { num_classes, is_multinomial } = settings;
        let (sets, num_features, coefficients) = tensors.take_matrix("coefficientMatrix")?;
        let expected = if is_multinomial { num_classes } else { 1 };
        if sets != expected || num_features == 0 || num_classes == 0 {
            return Err(format!("{sets} x {num_features} coefficients for {num_classes} classes"));
        }
        let intercepts = tensors.take_vector("interceptVector", sets)?;
        Ok(Self { coefficients, intercepts, num_features, num_classes, is_multinomial })
    }

    fn num_features(&self) -> usize {
        self.num_features
    }

    fn classes(&self) -> usize {
        self.outputs()
    }

    fn answer(&self, x: &Matrix<'_>, decision: &Decision) -> Answers {
        let raw = self.raw(x);
        Answers { probability: self.probability(&raw), prediction: self.predict(&raw, decision), raw }
    }
}

/// A linear function whose sign is the class: `rawPrediction` is `[-m, m]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SupportVectors(pub(crate) LinearModel);

impl Predictor for SupportVectors {
    const KIND: &'static str = "linear_svc";
    const OUTPUTS: &'static [Output] = &[Output::RawPrediction, Output::Prediction];
    type Settings = ();

    fn settings(&self) {}

    fn tensors(&self) -> Tensors {
        linear_tensors(&self.0)
    }

    fn rebuild((): (), tensors: Tensors) -> Result<Self, String> {
        Ok(Self(linear_model(tensors)?))
    }

    fn num_features(&self) -> usize {
        self.0.coefficients.len()
    }

    fn classes(&self) -> usize {
        2
    }

    fn answer(&self, x: &Matrix<'_>, decision: &Decision) -> Answers {
        let margins = self.0.values(x);
        let threshold = if let Decision::Threshold(threshold) = decision { *threshold } else { 0.0 };
        Answers {
            raw: margins.iter().flat_map(|margin| [-margin, *margin]).collect(),
            probability: Vec::new(),
            prediction: margins.iter().map(|margin| f64::from(u8::from(*margin > threshold))).collect(),
        }
    }
}

impl Predictor for LinearModel {
    const KIND: &'static str = "linear_regression";
    const OUTPUTS: &'static [Output] = &[Output::Prediction];
    type Settings = ();

    fn settings(&self) {}

    fn tensors(&self) -> Tensors {
        linear_tensors(self)
    }

    fn rebuild((): (), tensors: Tensors) -> Result<Self, String> {
        linear_model(tensors)
    }

    fn num_features(&self) -> usize {
        self.coefficients.len()
    }

    fn answer(&self, x: &Matrix<'_>, _: &Decision) -> Answers {
        Answers { prediction: self.values(x), ..Answers::default() }
    }
}

fn linear_tensors(model: &LinearModel) -> Tensors {
    let coefficients = &model.coefficients;
    Tensors::default().with("coefficients", &[1, coefficients.len()], coefficients).with(
        "intercept",
        &[1],
        &[model.intercept],
    )
}

fn linear_model(mut tensors: Tensors) -> Result<LinearModel, String> {
    let (sets, num_features, coefficients) = tensors.take_matrix("coefficients")?;
    if sets != 1 || num_features == 0 {
        return Err(format!("{sets} x {num_features} coefficients, expected one row"));
    }
    Ok(LinearModel { coefficients, intercept: tensors.take_vector("intercept", 1)?[0] })
}
