//! Classification by the nearest neighbours: scikit-learn's `KNeighborsClassifier`, with MLlib's columns.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use emberline_table::Step;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::search::{Neighborhood, refuses};
use crate::distance::Distance;
use crate::error::{MlError, Result};
use crate::linear::{Decision, Examples, Matrix};
use crate::params::shared::{
    FEATURES_COL, LABEL_COL, PREDICTION_COL, PROBABILITY_COL, RAW_PREDICTION_COL, THRESHOLDS,
};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, ParamValue, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::predictor::{
    Answers, Fitted, Output, Predictor, decision_by_thresholds, label_names, schema_after_fit,
};
use crate::stage::{Estimator, Stage, Transformer, copied, fitted, stage_basics};
use crate::tensors::Tensors;
use crate::training_data::{TrainingColumns, TrainingData};

const K: ParamSpec = ParamSpec::new("k", ParamKind::Int, "number of neighbors that vote")
    .default(ParamDefault::Int(5))
    .constraint(Constraint::AtLeast(1.0));
const DISTANCE_MEASURE: ParamSpec =
    ParamSpec::new("distanceMeasure", ParamKind::Text, "how far vectors are apart")
        .default(ParamDefault::Text("euclidean"))
        .constraint(Constraint::OneOf(Distance::NAMES));
const WEIGHTS: ParamSpec = ParamSpec::new(
    "weights",
    ParamKind::Text,
    "uniform: one vote each; distance: 1 / distance, and rows at distance 0 outvote all others",
)
.default(ParamDefault::Text("uniform"))
.constraint(Constraint::OneOf(&["uniform", "distance"]));

/// Classification by the `k` nearest rows, exactly; `rawPrediction` is their votes, `probability` the votes' shares.
///
/// Of equally close rows, those that come first by content vote. Rows whose features or label are null are left out. The
/// model keeps all rows: its predictions take a product of each row with all of them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::{KNearestNeighborsClassifier, Transformer};
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x], 'FixedSizeList(1 x Float64)') AS features, y AS label
///                          FROM (VALUES (0.0, 0.0), (0.2, 0.0), (9.0, 1.0), (9.2, 1.0)) AS t (x, y)").await?;
/// let model = KNearestNeighborsClassifier::new().k(1).fit_model(&table).await?;
/// let right = model.transform(table)?.filter(datafusion::prelude::ident("label").eq(datafusion::prelude::ident("prediction")))?;
/// assert_eq!(right.count().await?, 4);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct KNearestNeighborsClassifier {
    params: Params,
}

impl KNearestNeighborsClassifier {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[
        FEATURES_COL,
        LABEL_COL,
        PREDICTION_COL,
        RAW_PREDICTION_COL,
        PROBABILITY_COL,
        K,
        DISTANCE_MEASURE,
        WEIGHTS,
        THRESHOLDS,
    ];

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("KNearestNeighborsClassifier", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Keeps the columns of features and labels; reads no other.
    ///
    /// # Errors
    /// As [`Estimator::fit`]; and when there are fewer rows than neighbours.
    pub async fn fit_model(&self, table: &DataFrame) -> Result<KNearestNeighborsClassifierModel> {
        let schema = table.schema().as_arrow();
        self.transform_schema(schema)?;
        let params = &self.params;
        let labels = label_names(params, schema)?;
        let data = TrainingData::collect(params.uid(), table, &TrainingColumns::of(params)?).await?;
        let failed = |source| MlError::Linear { stage: params.uid().into(), source };
        let x = data.matrix().map_err(failed)?;
        let examples =
            Examples::new(&x, &data.labels, None, labels.as_ref().map(Vec::len)).map_err(failed)?;
        x.check_finite().map_err(failed)?;
        let k = params.count("k")?;
        if k > data.rows {
            let expected = format!("at most the number of rows, {}", data.rows);
            return Err(params.wrong("k", expected, &ParamValue::from(k)));
        }
        let distance = Distance::of(&params.text("distanceMeasure")?);
        let voters = Voters {
            neighborhood: Neighborhood::new(data.features_as_doubles(), x.columns(), distance),
            num_classes: examples.histogram.len(),
            classes: data.labels,
            k,
            by_distance: params.text("weights")? == "distance",
        };
        let table = KNearestNeighborsClassifierModel::PARAMS;
        let model = KNearestNeighborsClassifierModel {
            params: Params::of_model("KNearestNeighborsClassifierModel", table, params),
            fitted: Fitted::new(voters, labels),
        };
        decision_by_thresholds(&model.params, model.num_classes())?;
        Ok(model)
    }
}

setters!(KNearestNeighborsClassifier {
    features_col: &str => "featuresCol", label_col: &str => "labelCol", prediction_col: &str => "predictionCol",
    raw_prediction_col: &str => "rawPredictionCol", probability_col: &str => "probabilityCol", k: usize => "k",
    distance_measure: &str => "distanceMeasure", weights: &str => "weights", thresholds: Vec<f64> => "thresholds",
});

impl Stage for KNearestNeighborsClassifier {
    stage_basics!("KNearestNeighborsClassifier");
}

impl Estimator for KNearestNeighborsClassifier {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        schema_after_fit::<Voters>(&self.params, schema)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// A fitted [`KNearestNeighborsClassifier`].
#[derive(Debug, Clone)]
pub struct KNearestNeighborsClassifierModel {
    params: Params,
    fitted: Fitted<Voters>,
}

impl KNearestNeighborsClassifierModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[FEATURES_COL, PREDICTION_COL, RAW_PREDICTION_COL, PROBABILITY_COL, THRESHOLDS];

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.fitted.model.num_classes
    }

    /// Rows kept.
    pub fn num_rows(&self) -> usize {
        self.fitted.model.neighborhood.len()
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)?, fitted: Fitted::load(reader)? })
    }
}

setters!(KNearestNeighborsClassifierModel {
    features_col: &str => "featuresCol", prediction_col: &str => "predictionCol",
    raw_prediction_col: &str => "rawPredictionCol", probability_col: &str => "probabilityCol",
    thresholds: Vec<f64> => "thresholds",
});

impl Stage for KNearestNeighborsClassifierModel {
    stage_basics!("KNearestNeighborsClassifierModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        self.fitted.write(writer)
    }
}

impl Transformer for KNearestNeighborsClassifierModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        let decision = decision_by_thresholds(&self.params, self.num_classes())?;
        self.fitted.steps(&self.params, decision, schema)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

/// Rows that vote for their class.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Voters {
    neighborhood: Neighborhood,
    /// The class of each row.
    classes: Vec<f64>,
    num_classes: usize,
    k: usize,
    by_distance: bool,
}

/// What the arrays of [`Voters`] do not say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VoterSettings {
    num_classes: usize,
    k: usize,
    distance_measure: Distance,
    by_distance: bool,
}

impl Predictor for Voters {
    const KIND: &'static str = "k_nearest_neighbors";
    const OUTPUTS: &'static [Output] = &[Output::RawPrediction, Output::Probability, Output::Prediction];
    type Settings = VoterSettings;

    fn settings(&self) -> VoterSettings {
        VoterSettings {
            num_classes: self.num_classes,
            k: self.k,
            distance_measure: self.neighborhood.distance(),
            by_distance: self.by_distance,
        }
    }

    fn tensors(&self) -> Tensors {
        let shape = [self.neighborhood.len(), self.neighborhood.num_features()];
        Tensors::default().with("features", &shape, self.neighborhood.rows()).with(
            "labels",
            &shape[..1],
            &self.classes,
        )
    }

    fn rebuild(settings: VoterSettings, mut tensors: Tensors) -> Result<Self, String> {
        let VoterSettings { num_classes, k, distance_measure, by_distance } = settings;
        let (rows, num_features, features) = tensors.take_matrix("features")?;
        let classes = tensors.take_vector("labels", rows)?;
        if rows < k || k == 0 || num_features == 0 {
            return Err(format!("{k} neighbors among {rows} rows of {num_features} features"));
        }
        let is_class = |label: &f64| label.fract() == 0.0 && (0.0..num_classes as f64).contains(label);
        if let Some(label) = classes.iter().find(|label| !is_class(label)) {
            return Err(format!("label {label}, expected a class of {num_classes}"));
        }
        let neighborhood = Neighborhood::of_kept(features, num_features, distance_measure);
        Ok(Self { neighborhood, classes, num_classes, k, by_distance })
    }

    fn num_features(&self) -> usize {
        self.neighborhood.num_features()
    }

    fn classes(&self) -> usize {
        self.num_classes
    }

    fn answer(&self, x: &Matrix<'_>, decision: &Decision) -> Answers {
        let mut answers = Answers::default();
        for neighbors in self.neighborhood.closest(x, self.k) {
            let at_hand = neighbors.first().is_some_and(|(_, distance)| *distance == 0.0);
            let mut votes = vec![0.0; self.num_classes];
            for (row, distance) in neighbors {
                votes[self.classes[row] as usize] += match (self.by_distance, at_hand) {
                    (false, _) => 1.0,
                    (true, false) => 1.0 / distance,
                    (true, true) => f64::from(u8::from(distance == 0.0)),
                };
            }
            let sum: f64 = votes.iter().sum();
            let probability: Vec<f64> = votes.iter().map(|votes| votes / sum).collect();
            answers.prediction.push(decision.class(&probability) as f64);
            answers.raw.extend(votes);
            answers.probability.extend(probability);
        }
        answers
    }

    fn refuses(&self, row: &[f64]) -> Option<String> {
        refuses(row)
    }
}
