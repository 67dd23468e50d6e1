//! MLlib's `StandardScaler` (`ml/feature/StandardScaler.scala`).

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use emberline_table::{Step, TableError};
use futures::future::BoxFuture;

use super::exact_sum::Moments;
use super::vector_column::{for_each_vector, input_vector, with_output_vector};
use super::vector_function::{VectorMap, vector_steps};
use crate::error::Result;
use crate::params::shared::{INPUT_COL, OUTPUT_COL};
use crate::params::{ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Estimator, Stage, Transformer, copied, fitted, stage_basics};

const WITH_MEAN: ParamSpec =
    ParamSpec::new("withMean", ParamKind::Bool, "whether to subtract the mean first")
        .default(ParamDefault::Bool(false));
const WITH_STD: ParamSpec =
    ParamSpec::new("withStd", ParamKind::Bool, "whether to scale to a standard deviation of 1")
        .default(ParamDefault::Bool(true));

/// Brings every feature to a standard deviation of 1 and, if wanted, to a mean of 0.
///
/// Input: vectors. Output: `FixedSizeList<Float64>` of the same length, null where the input is. A feature that is
/// constant in fitting becomes 0, as in MLlib. Mean and unbiased standard deviation come of exact sums, so the order
/// of the rows changes no bit of them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::StandardScaler;
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x, 1.0], 'FixedSizeList(2 x Float64)') AS raw
///                          FROM (VALUES (1.0), (2.0), (3.0)) AS t (x)").await?;
/// let model = StandardScaler::new().input_col("raw").output_col("features").fit_model(&table).await?;
/// assert_eq!((model.mean(), model.std()), (&[2.0, 1.0][..], &[1.0, 0.0][..]));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct StandardScaler {
    params: Params,
}

impl StandardScaler {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[INPUT_COL, OUTPUT_COL, WITH_MEAN, WITH_STD];

    /// A scaler with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("StandardScaler", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns mean and standard deviation of the input column; reads no other column. Null vectors are left out.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<StandardScalerModel> {
        self.transform_schema(table.schema().as_arrow())?;
        let (mut features, mut rows): (Vec<Moments>, usize) = (Vec::new(), 0);
        for_each_vector(&self.params, table, |vector| {
            features.resize(vector.len(), Moments::ZERO);
            features.iter_mut().zip(vector).for_each(|(moments, number)| moments.add(*number));
            rows += 1;
            Ok(())
        })
        .await?;
        let params = Params::of_model("StandardScalerModel", StandardScalerModel::PARAMS, &self.params);
        let mean = features.iter().map(|moments| moments.mean(rows)).collect();
        let std = features.iter().map(|moments| moments.deviation(rows)).collect();
        Ok(StandardScalerModel { params, mean, std })
    }
}

setters!(StandardScaler {
    input_col: &str => "inputCol", output_col: &str => "outputCol", with_mean: bool => "withMean",
    with_std: bool => "withStd",
});

impl Stage for StandardScaler {
    stage_basics!("StandardScaler");
}

impl Estimator for StandardScaler {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        self.params.validate()?;
        let (_, length) = input_vector(&self.params, schema)?;
        with_output_vector(&self.params, schema, length)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// A fitted [`StandardScaler`].
#[derive(Debug, Clone)]
pub struct StandardScalerModel {
    params: Params,
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl StandardScalerModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = StandardScaler::PARAMS;

    /// The mean of every feature, `[d]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The unbiased standard deviation of every feature, `[d]`.
    pub fn std(&self) -> &[f64] {
        &self.std
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let ((_, mean), (_, std)) = (reader.tensor("mean")?, reader.tensor("std")?);
        if mean.len() != std.len() {
            return Err(reader.error(format!("{} means and {} deviations", mean.len(), std.len())));
        }
        Ok(Self { params: reader.params(Self::PARAMS)?, mean, std })
    }

    fn map(&self) -> Result<Standardize> {
        let inverse = |std: &f64| if *std == 0.0 { 0.0 } else { 1.0 / std };
        Ok(Standardize {
            shift: if self.params.bool("withMean")? { self.mean.clone() } else { vec![0.0; self.mean.len()] },
            factor: match self.params.bool("withStd")? {
                true => self.std.iter().map(inverse).collect(),
                false => vec![1.0; self.std.len()],
            },
        })
    }
}

setters!(StandardScalerModel {
    input_col: &str => "inputCol", output_col: &str => "outputCol", with_mean: bool => "withMean",
    with_std: bool => "withStd",
});

impl Stage for StandardScalerModel {
    stage_basics!("StandardScalerModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.tensor("mean", &[self.mean.len()], &self.mean);
        writer.tensor("std", &[self.std.len()], &self.std);
        Ok(())
    }
}

impl Transformer for StandardScalerModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        vector_steps(&self.params, schema, self.map()?)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

/// `(x - shift) · factor`, feature by feature.
#[derive(Debug)]
pub(super) struct Standardize {
    shift: Vec<f64>,
    factor: Vec<f64>,
}

impl VectorMap for Standardize {
    const KIND: &'static str = "standard_scaler";

    fn input_length(&self) -> Option<usize> {
        Some(self.shift.len())
    }

    fn map(&self, vector: &[f64], output: &mut Vec<f64>) {
        let features = vector.iter().zip(&self.shift).zip(&self.factor);
        output.extend(features.map(|((x, shift), factor)| (x - shift) * factor));
    }

    fn numbers(&self) -> Vec<(&'static str, &[f64])> {
        vec![("shift", self.shift.as_slice()), ("factor", self.factor.as_slice())]
    }

    fn from_numbers(
        numbers: impl Fn(&str) -> Result<Vec<f64>, TableError>,
    ) -> Result<Option<Self>, TableError> {
        let (shift, factor) = (numbers("shift")?, numbers("factor")?);
        Ok((shift.len() == factor.len()).then_some(Self { shift, factor }))
    }
}
