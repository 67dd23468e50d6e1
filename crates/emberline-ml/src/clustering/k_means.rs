//! MLlib's `KMeans`.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use emberline_table::Step;
use futures::future::BoxFuture;

use crate::clusters::{ClusterOptions, Clusters, InitMode, fit_clusters};
use crate::distance::Distance;
use crate::error::{MlError, Result};
use crate::linear::Decision;
use crate::params::shared::{FEATURES_COL, PREDICTION_COL, SEED, WEIGHT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::predictor::{Fitted, schema_after_fit};
use crate::stage::{Estimator, Stage, Transformer, copied, fitted, stage_basics};
use crate::training_data::{TrainingColumns, TrainingData};

const K: ParamSpec = ParamSpec::new("k", ParamKind::Int, "number of clusters; fewer where fewer rows differ")
    .default(ParamDefault::Int(2))
    .constraint(Constraint::AtLeast(2.0));
const INIT_MODE: ParamSpec = ParamSpec::new(
    "initMode",
    ParamKind::Text,
    "how the first centers are found: rows far from each other, or any rows",
)
.default(ParamDefault::Text("k-means||"))
.constraint(Constraint::OneOf(&["k-means||", "random"]));
const INIT_STEPS: ParamSpec = ParamSpec::new("initSteps", ParamKind::Int, "steps of k-means||")
    .default(ParamDefault::Int(2))
    .constraint(Constraint::AtLeast(1.0));
const MAX_ITER: ParamSpec = ParamSpec::new("maxIter", ParamKind::Int, "maximum number of iterations")
    .default(ParamDefault::Int(20))
    .constraint(Constraint::AtLeast(0.0));
const TOL: ParamSpec = ParamSpec::new(
    "tol",
    ParamKind::Double,
    "iterations end when no center moves by more than this distance",
)
.default(ParamDefault::Double(1e-4))
.constraint(Constraint::AtLeast(0.0));
const DISTANCE_MEASURE: ParamSpec =
    ParamSpec::new("distanceMeasure", ParamKind::Text, "how far vectors are apart")
        .default(ParamDefault::Text("euclidean"))
        .constraint(Constraint::OneOf(Distance::NAMES));

/// Clusters by k-means, with MLlib's parameters and defaults.
///
/// The first centres come from hashes of `seed` and of a row's place among the rows sorted by content, so neither the order
/// of the rows nor batches matter; they are not those of Spark, whose draws depend on its partitions. Rows whose features are
/// null are left out and counted in the model's [`summary`](KMeansModel::summary). With `cosine` a row of zeros is an
/// error in fitting, and null with a reason in predicting.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::KMeans;
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x], 'FixedSizeList(1 x Float64)') AS features
///                          FROM (VALUES (0.0), (0.2), (9.0), (9.2)) AS t (x)").await?;
/// let model = KMeans::new().k(2).fit_model(&table).await?;
/// let mut centers = model.cluster_centers().to_vec();
/// centers.sort_by(f64::total_cmp);
/// assert!((centers[0] - 0.1).abs() < 1e-12 && (centers[1] - 9.1).abs() < 1e-12);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct KMeans {
    params: Params,
}

impl KMeans {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[
        FEATURES_COL,
        PREDICTION_COL,
        WEIGHT_COL,
        K,
        INIT_MODE,
        INIT_STEPS,
        MAX_ITER,
        TOL,
        SEED,
        DISTANCE_MEASURE,
    ];

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("KMeans", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns from the columns of features and weights; reads no other.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<KMeansModel> {
        self.transform_schema(table.schema().as_arrow())?;
        let params = &self.params;
        let random = params.text("initMode")? == "random";
        let options = ClusterOptions {
            k: params.count("k")?,
            init_mode: if random { InitMode::Random } else { InitMode::Parallel },
            init_steps: params.count("initSteps")?,
            max_iter: params.count("maxIter")?,
            tol: params.double("tol")?,
            seed: params.int("seed")?.cast_unsigned(),
            distance: Distance::of(&params.text("distanceMeasure")?),
        };
        let data = TrainingData::collect(params.uid(), table, &TrainingColumns::of(params)?).await?;
        let fit = data
            .matrix()
            .and_then(|x| fit_clusters(&x, data.weights.as_deref(), &options))
            .map_err(|source| MlError::Linear { stage: params.uid().into(), source })?;
        let summary = KMeansSummary {
            training_cost: fit.cost,
            cluster_sizes: fit.sizes,
            num_iter: fit.iterations,
            rows_left_out: data.rows_left_out,
        };
        Ok(KMeansModel {
            params: Params::of_model("KMeansModel", KMeansModel::PARAMS, params),
            fitted: Fitted::new(fit.clusters, None),
            summary: Some(summary),
        })
    }
}

setters!(KMeans {
    features_col: &str => "featuresCol", prediction_col: &str => "predictionCol", weight_col: &str => "weightCol",
    k: usize => "k", init_mode: &str => "initMode", init_steps: usize => "initSteps", max_iter: usize => "maxIter",
    tol: f64 => "tol", seed: i64 => "seed", distance_measure: &str => "distanceMeasure",
});

impl Stage for KMeans {
    stage_basics!("KMeans");
}

impl Estimator for KMeans {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        schema_after_fit::<Clusters>(&self.params, schema)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// How the training of a [`KMeans`] went. It is not saved.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeansSummary {
    /// The weighted sum of the rows' squared distances to their centres (cosine distances with `cosine`), as MLlib gives it:
    /// with the centres that the last iteration began with.
    pub training_cost: f64,
    /// Rows in each cluster.
    pub cluster_sizes: Vec<usize>,
    /// Iterations made.
    pub num_iter: usize,
    /// Rows left out because their features or weight are null.
    pub rows_left_out: usize,
}

/// A fitted [`KMeans`].
#[derive(Debug, Clone)]
pub struct KMeansModel {
    params: Params,
    fitted: Fitted<Clusters>,
    summary: Option<KMeansSummary>,
}

impl KMeansModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[FEATURES_COL, PREDICTION_COL];

    /// The centres of the clusters, `[clusters, features]`; of length 1 with `cosine`.
    pub fn cluster_centers(&self) -> &[f64] {
        &self.fitted.model.centers
    }

    /// Number of clusters: `k`, or fewer where fewer rows differ.
    pub fn num_clusters(&self) -> usize {
        self.fitted.model.centers.len() / self.fitted.model.num_features
    }

    /// How training went; `None` for a model that was loaded.
    pub fn summary(&self) -> Option<&KMeansSummary> {
        self.summary.as_ref()
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)?, fitted: Fitted::load(reader)?, summary: None })
    }
}

setters!(KMeansModel { features_col: &str => "featuresCol", prediction_col: &str => "predictionCol" });

impl Stage for KMeansModel {
    stage_basics!("KMeansModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        self.fitted.write(writer)
    }
}

impl Transformer for KMeansModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.fitted.steps(&self.params, Decision::Likeliest, schema)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
