//! MLlib's `NaiveBayes`.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use emberline_table::Step;
use futures::future::BoxFuture;

use crate::bayes::{ModelType, NaiveBayesNumbers, fit_naive_bayes};
use crate::error::{MlError, Result};
use crate::params::shared::{
    FEATURES_COL, LABEL_COL, PREDICTION_COL, PROBABILITY_COL, RAW_PREDICTION_COL, THRESHOLDS, WEIGHT_COL,
};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::predictor::{Fitted, decision_by_thresholds, label_names, schema_after_fit};
use crate::stage::{Estimator, Stage, Transformer, copied, fitted, stage_basics};
use crate::training_data::{TrainingColumns, TrainingData};

const MODEL_TYPE: ParamSpec = ParamSpec::new(
    "modelType",
    ParamKind::Text,
    "multinomial and complement take counts, bernoulli 0 and 1, gaussian any numbers",
)
.default(ParamDefault::Text("multinomial"))
.constraint(Constraint::OneOf(&["multinomial", "complement", "bernoulli", "gaussian"]));
const SMOOTHING: ParamSpec = ParamSpec::new(
    "smoothing",
    ParamKind::Double,
    "added to each count, so that what was never seen is not impossible",
)
.default(ParamDefault::Double(1.0))
.constraint(Constraint::AtLeast(0.0));

/// Naive Bayes classification, with MLlib's parameters and defaults: features are taken to be independent given the class.
///
/// Rows whose features or label are null can't be learned from and are left out. At prediction, a row that does not suit the
/// `modelType`, a negative count, say, is null with a reason. A class that the labels' names have and no row does gets what
/// smoothing alone gives.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::NaiveBayes;
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([a, b], 'FixedSizeList(2 x Float64)') AS features, y AS label
///                          FROM (VALUES (3.0, 0.0, 0.0), (2.0, 1.0, 0.0), (0.0, 4.0, 1.0)) AS t (a, b, y)").await?;
/// let model = NaiveBayes::new().fit_model(&table).await?;
/// assert!((model.pi()[0] - (3.0_f64 / 5.0).ln()).abs() < 1e-15);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct NaiveBayes {
    params: Params,
}

impl NaiveBayes {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[
        FEATURES_COL,
        LABEL_COL,
        WEIGHT_COL,
        PREDICTION_COL,
        RAW_PREDICTION_COL,
        PROBABILITY_COL,
        MODEL_TYPE,
        SMOOTHING,
        THRESHOLDS,
    ];

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("NaiveBayes", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns from the columns of features, labels and weights; reads no other.
    ///
    /// # Errors
    /// As [`Estimator::fit`]; and when features do not suit the `modelType`.
    pub async fn fit_model(&self, table: &DataFrame) -> Result<NaiveBayesModel> {
        let schema = table.schema().as_arrow();
        self.transform_schema(schema)?;
        let labels = label_names(&self.params, schema)?;
        let uid = self.params.uid();
        let model_type = match self.params.text("modelType")?.as_str() {
            "complement" => ModelType::Complement,
            "bernoulli" => ModelType::Bernoulli,
            "gaussian" => ModelType::Gaussian,
            _ => ModelType::Multinomial,
        };
        let smoothing = self.params.double("smoothing")?;
        let data = TrainingData::collect(uid, table, &TrainingColumns::of(&self.params)?).await?;
        let (weights, classes) = (data.weights.as_deref(), labels.as_ref().map(Vec::len));
        let numbers = data
            .matrix()
            .and_then(|x| fit_naive_bayes(&x, &data.labels, weights, classes, model_type, smoothing))
            .map_err(|source| MlError::Linear { stage: uid.into(), source })?;
        let params = Params::of_model("NaiveBayesModel", NaiveBayesModel::PARAMS, &self.params);
        let model = NaiveBayesModel { params, fitted: Fitted::new(numbers, labels) };
        decision_by_thresholds(&model.params, model.pi().len())?;
        Ok(model)
    }
}

setters!(NaiveBayes {
    features_col: &str => "featuresCol", label_col: &str => "labelCol", weight_col: &str => "weightCol",
    prediction_col: &str => "predictionCol", raw_prediction_col: &str => "rawPredictionCol",
    probability_col: &str => "probabilityCol", model_type: &str => "modelType", smoothing: f64 => "smoothing",
    thresholds: Vec<f64> => "thresholds",
});

impl Stage for NaiveBayes {
    stage_basics!("NaiveBayes");
}

impl Estimator for NaiveBayes {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        schema_after_fit::<NaiveBayesNumbers>(&self.params, schema)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// A fitted [`NaiveBayes`].
#[derive(Debug, Clone)]
pub struct NaiveBayesModel {
    params: Params,
    fitted: Fitted<NaiveBayesNumbers>,
}

impl NaiveBayesModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[FEATURES_COL, PREDICTION_COL, RAW_PREDICTION_COL, PROBABILITY_COL, THRESHOLDS];

    /// Logarithms of the classes' shares, `[classes]`.
    pub fn pi(&self) -> &[f64] {
        &self.fitted.model.pi
    }

    /// Logarithms of the features' probabilities in each class, or their means in a Gaussian model: `[classes, features]`.
    pub fn theta(&self) -> &[f64] {
        &self.fitted.model.theta
    }

    /// The features' variances in each class of a Gaussian model, `[classes, features]`; empty for the others.
    pub fn sigma(&self) -> &[f64] {
        &self.fitted.model.sigma
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)?, fitted: Fitted::load(reader)? })
    }
}

setters!(NaiveBayesModel {
    features_col: &str => "featuresCol", prediction_col: &str => "predictionCol",
    raw_prediction_col: &str => "rawPredictionCol", probability_col: &str => "probabilityCol",
    thresholds: Vec<f64> => "thresholds",
});

impl Stage for NaiveBayesModel {
    stage_basics!("NaiveBayesModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        self.fitted.write(writer)
    }
}

impl Transformer for NaiveBayesModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        let decision = decision_by_thresholds(&self.params, self.pi().len())?;
        self.fitted.steps(&self.params, decision, schema)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
