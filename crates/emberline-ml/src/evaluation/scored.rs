//! The columns that an evaluator compares.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use futures::TryStreamExt;

use crate::error::{MlError, Result};
use crate::params::Params;
use crate::stage::input_field;
use crate::vectors::vector_length;

/// Labels, what was predicted for them, and weights where there is a column of them, `[N]` each.
///
/// Rows with a null are left out. The rows are sorted, so that sums over them do not depend on the order they came in.
#[derive(Debug, Default)]
pub(super) struct Scored {
    pub(super) labels: Vec<f64>,
    pub(super) predictions: Vec<f64>,
    pub(super) weights: Option<Vec<f64>>,
}

impl Scored {
    /// Reads the columns that `labelCol`, `weightCol` and the param `prediction` name, and only these. Where vectors are
    /// allowed as predictions, their element 1 counts: the score of class 1.
    pub(super) async fn collect(
        params: &Params,
        table: &DataFrame,
        prediction: &str,
        vectors: bool,
    ) -> Result<Self> {
        let mut columns = Vec::new();
        let weighted = params.is_defined("weightCol");
        for param in ["labelCol", prediction].into_iter().chain(weighted.then_some("weightCol")) {
            let field = input_field(params, param, table.schema().as_arrow())?;
            let is_score = vectors && param == prediction;
            let found = field.data_type();
            let is_vector = is_score && vector_length(found).is_some_and(|length| length > 1);
            if !found.is_numeric() && !is_vector {
                return Err(MlError::ColumnType {
                    stage: params.uid().into(),
                    column: field.name().clone(),
                    expected: if is_score { "numbers, or vectors of two or more" } else { "numbers" }.into(),
                    found: found.clone(),
                });
            }
            columns.push(ident(field.name()));
        }
        let mut batches = table.clone().select(columns)?.execute_stream().await?;
        let mut rows: Vec<[f64; 3]> = Vec::new();
        while let Some(batch) = batches.try_next().await? {
            let columns = batch.columns().iter().map(numbers).collect::<Result<Vec<_>>>()?;
            let columns: Vec<&Float64Array> =
                columns.iter().map(|c| c.as_primitive::<Float64Type>()).collect();
            for row in (0..batch.num_rows()).filter(|row| columns.iter().all(|c| c.is_valid(*row))) {
                let weight = columns.get(2).map_or(1.0, |weights| weights.value(row));
                rows.push([columns[0].value(row), columns[1].value(row), weight]);
            }
        }
        rows.sort_by(|a, b| {
            let orders = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
            orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        let column = |at: usize| rows.iter().map(|row| row[at]).collect();
        Ok(Self { labels: column(0), predictions: column(1), weights: weighted.then(|| column(2)) })
    }
}

/// A column as numbers; of a vector, its element 1.
fn numbers(column: &ArrayRef) -> Result<ArrayRef> {
    let Some(vectors) = column.as_fixed_size_list_opt() else { return Ok(cast(column, &DataType::Float64)?) };
    let values = cast(vectors.values(), &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>();
    let element = |row: usize| {
        vectors
            .is_valid(row)
            .then(|| values.value(usize::try_from(vectors.value_offset(row)).unwrap_or(0) + 1))
    };
    Ok(std::sync::Arc::new((0..vectors.len()).map(element).collect::<Float64Array>()))
}
