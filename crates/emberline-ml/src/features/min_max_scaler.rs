//! MLlib's `MinMaxScaler` (`ml/feature/MinMaxScaler.scala`).

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use emberline_table::{Step, TableError};
use futures::future::BoxFuture;

use super::vector_column::{for_each_vector, input_vector, with_output_vector};
use super::vector_function::{VectorMap, vector_steps};
use crate::error::Result;
use crate::params::shared::{INPUT_COL, OUTPUT_COL};
use crate::params::{ParamDefault, ParamKind, ParamMap, ParamSpec, ParamValue, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Estimator, Stage, Transformer, copied, fitted, stage_basics};

const MIN: ParamSpec =
    ParamSpec::new("min", ParamKind::Double, "what the smallest number of a feature becomes")
        .default(ParamDefault::Double(0.0));
const MAX: ParamSpec =
    ParamSpec::new("max", ParamKind::Double, "what the largest number of a feature becomes")
        .default(ParamDefault::Double(1.0));

/// Brings every feature to the range from `min` to `max`.
///
/// Input: vectors. Output: `FixedSizeList<Float64>` of the same length, null where the input is. A feature that is
/// constant in fitting becomes `(min + max) / 2`. NaN stays NaN, and counts neither as smallest nor as largest.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::MinMaxScaler;
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x, -x], 'FixedSizeList(2 x Float64)') AS raw
///                          FROM (VALUES (1.0), (2.0), (3.0)) AS t (x)").await?;
/// let model = MinMaxScaler::new().input_col("raw").output_col("features").fit_model(&table).await?;
/// assert_eq!((model.original_min(), model.original_max()), (&[1.0, -3.0][..], &[3.0, -1.0][..]));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct MinMaxScaler {
    params: Params,
}

impl MinMaxScaler {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[INPUT_COL, OUTPUT_COL, MIN, MAX];

    /// A scaler with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("MinMaxScaler", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns the range of every feature of the input column; reads no other column. Null vectors are left out.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<MinMaxScalerModel> {
        self.transform_schema(table.schema().as_arrow())?;
        // MLlib starts at the largest and the smallest finite number.
        let mut ranges: Vec<(f64, f64)> = Vec::new();
        for_each_vector(&self.params, table, |vector| {
            ranges.resize(vector.len(), (f64::MAX, f64::MIN));
            for ((min, max), number) in ranges.iter_mut().zip(vector) {
                *min = min.min(*number);
                *max = max.max(*number);
            }
            Ok(())
        })
        .await?;
        let params = Params::of_model("MinMaxScalerModel", MinMaxScalerModel::PARAMS, &self.params);
        let (original_min, original_max) = ranges.into_iter().unzip();
        Ok(MinMaxScalerModel { params, original_min, original_max })
    }
}

setters!(MinMaxScaler {
    input_col: &str => "inputCol", output_col: &str => "outputCol", min: f64 => "min", max: f64 => "max",
});

/// The range to bring features to.
fn range(params: &Params) -> Result<(f64, f64)> {
    params.validate()?;
    let (min, max) = (params.double("min")?, params.double("max")?);
    if min < max {
        return Ok((min, max));
    }
    Err(params.wrong("min", format!("a number less than max, {max}"), &ParamValue::Double(min)))
}

impl Stage for MinMaxScaler {
    stage_basics!("MinMaxScaler");
}

impl Estimator for MinMaxScaler {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        range(&self.params)?;
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

/// A fitted [`MinMaxScaler`].
#[derive(Debug, Clone)]
pub struct MinMaxScalerModel {
    params: Params,
    original_min: Vec<f64>,
    original_max: Vec<f64>,
}

impl MinMaxScalerModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = MinMaxScaler::PARAMS;

    /// The smallest number of every feature, `[d]`.
    pub fn original_min(&self) -> &[f64] {
        &self.original_min
    }

    /// The largest number of every feature, `[d]`.
    pub fn original_max(&self) -> &[f64] {
        &self.original_max
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let ((_, original_min), (_, original_max)) =
            (reader.tensor("originalMin")?, reader.tensor("originalMax")?);
        if original_min.len() != original_max.len() {
            let reason =
                format!("{} smallest and {} largest numbers", original_min.len(), original_max.len());
            return Err(reader.error(reason));
        }
        Ok(Self { params: reader.params(Self::PARAMS)?, original_min, original_max })
    }
}

setters!(MinMaxScalerModel {
    input_col: &str => "inputCol", output_col: &str => "outputCol", min: f64 => "min", max: f64 => "max",
});

impl Stage for MinMaxScalerModel {
    stage_basics!("MinMaxScalerModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.tensor("originalMin", &[self.original_min.len()], &self.original_min);
        writer.tensor("originalMax", &[self.original_max.len()], &self.original_max);
        Ok(())
    }
}

impl Transformer for MinMaxScalerModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        let (min, max) = range(&self.params)?;
        let scale = |(low, high): (&f64, &f64)| if high == low { 0.0 } else { (max - min) / (high - low) };
        let map = Rescale {
            low: self.original_min.clone(),
            scale: self.original_min.iter().zip(&self.original_max).map(scale).collect(),
            range: [min, max],
        };
        vector_steps(&self.params, schema, map)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

/// `(x - low) · scale + min`, feature by feature; the middle of the range where the scale is 0.
#[derive(Debug)]
pub(super) struct Rescale {
    low: Vec<f64>,
    scale: Vec<f64>,
    range: [f64; 2],
}

impl VectorMap for Rescale {
    const KIND: &'static str = "min_max_scaler";

    fn input_length(&self) -> Option<usize> {
        Some(self.low.len())
    }

    fn map(&self, vector: &[f64], output: &mut Vec<f64>) {
        let [min, max] = self.range;
        let features = vector.iter().zip(&self.low).zip(&self.scale);
        output.extend(features.map(|((&x, low), &scale)| match scale {
            _ if x.is_nan() => x,
            0.0 => (min + max) / 2.0,
            _ => (x - low) * scale + min,
        }));
    }

    fn numbers(&self) -> Vec<(&'static str, &[f64])> {
        vec![("low", self.low.as_slice()), ("scale", self.scale.as_slice()), ("range", self.range.as_slice())]
    }

    fn from_numbers(
        numbers: impl Fn(&str) -> Result<Vec<f64>, TableError>,
    ) -> Result<Option<Self>, TableError> {
        let (low, scale) = (numbers("low")?, numbers("scale")?);
        let range = <[f64; 2]>::try_from(numbers("range")?).ok();
        Ok(range.filter(|_| low.len() == scale.len()).map(|range| Self { low, scale, range }))
    }
}
