//! MLlib's `PCA` (`ml/feature/PCA.scala`): the stage around [`Covariance`](crate::linear::Covariance).

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use emberline_table::{Step, TableError};
use futures::future::BoxFuture;

use super::vector_column::{for_each_vector, input_vector, with_output_vector};
use super::vector_function::{VectorMap, vector_steps};
use crate::error::{MlError, Result};
use crate::linear::{Covariance, dot};
use crate::params::shared::{INPUT_COL, OUTPUT_COL};
use crate::params::{Constraint, ParamKind, ParamMap, ParamSpec, ParamValue, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Estimator, Stage, Transformer, copied, fitted, stage_basics};

/// The longest vectors learned from: their covariances take 2 GiB, and finding the components several times that.
const FEATURES_MAX: usize = 16_384;
const K: ParamSpec = ParamSpec::new("k", ParamKind::Int, "number of principal components")
    .constraint(Constraint::AtLeast(1.0))
    .required();

/// Projects vectors on the `k` directions in which those of fitting vary most.
///
/// Input: vectors of `d` numbers. Output: `FixedSizeList<Float64>[k]`, null where the input is. As in MLlib the mean is
/// not subtracted before projecting. A direction and its opposite are equally good; ours is the one whose largest
/// number by absolute value is positive, so a component of MLlib's may be the negative of ours.
///
/// Fitting reads the table once and holds `d²` numbers. The order of the rows changes the last bits.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::Pca;
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x, 5.0], 'FixedSizeList(2 x Float64)') AS raw
///                          FROM (VALUES (1.0), (2.0), (3.0)) AS t (x)").await?;
/// let model = Pca::new().input_col("raw").output_col("features").k(1).fit_model(&table).await?;
/// assert_eq!((model.components(), model.explained_variance()), (&[1.0, 0.0][..], &[1.0][..]));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Pca {
    params: Params,
}

impl Pca {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[INPUT_COL, OUTPUT_COL, K];

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("PCA", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns from the input column; reads no other column. Null vectors are left out.
    ///
    /// # Errors
    /// As [`Estimator::fit`]; when a number is not finite, or there are fewer than two vectors.
    pub async fn fit_model(&self, table: &DataFrame) -> Result<PcaModel> {
        let schema = table.schema().as_arrow();
        self.transform_schema(schema)?;
        let (field, length) = input_vector(&self.params, schema)?;
        let wrong = |reason: String| MlError::Value {
            stage: self.params.uid().into(),
            column: field.name().clone(),
            reason,
        };
        if !(1..=FEATURES_MAX).contains(&length) {
            return Err(wrong(format!("expected vectors of 1 to {FEATURES_MAX} numbers, found {length}")));
        }
        let mut covariance = Covariance::new(length);
        for_each_vector(&self.params, table, |vector| {
            if let Some(feature) = vector.iter().position(|x| !x.is_finite()) {
                let found = vector[feature];
                return Err(wrong(format!("expected finite numbers, found {found} as feature {feature}")));
            }
            covariance.add(vector);
            Ok(())
        })
        .await?;
        if covariance.rows() < 2 {
            return Err(wrong("expected at least 2 vectors, found 1".into()));
        }
        let found = covariance.principal_components(self.params.count("k")?);
        let found = found.map_err(|e| wrong(e.to_string()))?;
        Ok(PcaModel {
            params: Params::of_model("PCAModel", PcaModel::PARAMS, &self.params),
            components: found.components,
            explained_variance: found.explained_variance,
        })
    }
}

setters!(Pca { input_col: &str => "inputCol", output_col: &str => "outputCol", k: usize => "k" });

impl Stage for Pca {
    stage_basics!("PCA");
}

impl Estimator for Pca {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        self.params.validate()?;
        let (field, length) = input_vector(&self.params, schema)?;
        let k = self.params.count("k")?;
        if length > 0 && k > length {
            let expected =
                format!("at most {length}, the length of the vectors of column `{}`", field.name());
            return Err(self.params.wrong("k", expected, &ParamValue::from(k)));
        }
        with_output_vector(&self.params, schema, k)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// A fitted [`Pca`].
#[derive(Debug, Clone)]
pub struct PcaModel {
    params: Params,
    components: Vec<f64>,
    explained_variance: Vec<f64>,
}

impl PcaModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[INPUT_COL, OUTPUT_COL];

    /// The principal components, `[k, d]` row major: the columns of MLlib's `pc`.
    pub fn components(&self) -> &[f64] {
        &self.components
    }

    /// The share of the variance that each component explains, `[k]`.
    pub fn explained_variance(&self) -> &[f64] {
        &self.explained_variance
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let (shape, components) = reader.tensor("components")?;
        let (_, explained_variance) = reader.tensor("explainedVariance")?;
        if shape.len() != 2 || shape[0] != explained_variance.len() || components.is_empty() {
            let reason = format!("components {shape:?} for {} shares of variance", explained_variance.len());
            return Err(reader.error(reason));
        }
        Ok(Self { params: reader.params(Self::PARAMS)?, components, explained_variance })
    }

    fn num_features(&self) -> usize {
        self.components.len() / self.explained_variance.len()
    }
}

setters!(PcaModel { input_col: &str => "inputCol", output_col: &str => "outputCol" });

impl Stage for PcaModel {
    stage_basics!("PCAModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        let k = self.explained_variance.len();
        writer.tensor("components", &[k, self.num_features()], &self.components);
        writer.tensor("explainedVariance", &[k], &self.explained_variance);
        Ok(())
    }
}

impl Transformer for PcaModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        let map = Project { components: self.components.clone(), length: [self.num_features() as f64] };
        vector_steps(&self.params, schema, map)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

/// The product with every component.
#[derive(Debug)]
pub(super) struct Project {
    /// `[k, length]`.
    components: Vec<f64>,
    length: [f64; 1],
}

impl Project {
    fn length(&self) -> usize {
        self.length[0] as usize
    }
}

impl VectorMap for Project {
    const KIND: &'static str = "pca";

    fn input_length(&self) -> Option<usize> {
        Some(self.length())
    }

    fn output_length(&self, _: usize) -> usize {
        self.components.len() / self.length()
    }

    fn map(&self, vector: &[f64], output: &mut Vec<f64>) {
        output.extend(self.components.chunks_exact(self.length()).map(|component| dot(component, vector)));
    }

    fn numbers(&self) -> Vec<(&'static str, &[f64])> {
        vec![("components", self.components.as_slice()), ("length", self.length.as_slice())]
    }

    fn from_numbers(
        numbers: impl Fn(&str) -> Result<Vec<f64>, TableError>,
    ) -> Result<Option<Self>, TableError> {
        let (components, length) = (numbers("components")?, <[f64; 1]>::try_from(numbers("length")?).ok());
        let fits = |[length]: &[f64; 1]| {
            *length >= 1.0 && !components.is_empty() && components.len().is_multiple_of(*length as usize)
        };
        Ok(length.filter(fits).map(|length| Self { components, length }))
    }
}
