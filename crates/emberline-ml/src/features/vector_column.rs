//! The column of vectors that a stage reads, in planning and in fitting.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use futures::TryStreamExt;

use crate::error::{MlError, Result};
use crate::params::Params;
use crate::stage::{input_field, with_new_fields};
use crate::vectors::{EXPECTED, Vectors, double_vector_type, vector_length};

/// The field that `inputCol` names, and the length of its vectors: 0 where it is known only once an estimator before
/// has been fitted.
///
/// # Errors
/// When there is no such column, or it is not of vectors.
pub(super) fn input_vector(params: &Params, schema: &Schema) -> Result<(FieldRef, usize)> {
    let field = input_field(params, "inputCol", schema)?;
    let length = vector_length(field.data_type()).ok_or_else(|| MlError::ColumnType {
        stage: params.uid().into(),
        column: field.name().clone(),
        expected: EXPECTED.into(),
        found: field.data_type().clone(),
    })?;
    Ok((field, length))
}

/// The columns of a table and `outputCol`, of vectors of `length` numbers.
///
/// # Errors
/// When it is there already.
pub(super) fn with_output_vector(params: &Params, schema: &Schema, length: usize) -> Result<Schema> {
    let field = Field::new(params.text("outputCol")?, double_vector_type(length), true);
    with_new_fields(params.uid(), schema, vec![Arc::new(field)])
}

/// Reads the vectors of `inputCol`, and no other column, one by one in double precision. Those that are null are left
/// out, and their number logged.
///
/// # Errors
/// Those of `learn`; when the table can't be read or has no vector.
pub(super) async fn for_each_vector(
    params: &Params,
    table: &DataFrame,
    mut learn: impl FnMut(&[f64]) -> Result<()> + Send,
) -> Result<()> {
    let column = params.text("inputCol")?;
    let wrong = |reason: &str| MlError::Value {
        stage: params.uid().into(),
        column: column.clone(),
        reason: reason.into(),
    };
    let (mut rows, mut nulls, mut scratch) = (0_usize, 0_usize, Vec::new());
    let mut batches = table.clone().select(vec![ident(&column)])?.execute_stream().await?;
    while let Some(batch) = batches.try_next().await? {
        let vectors = Vectors::try_new(batch.column(0)).ok_or_else(|| wrong(EXPECTED))?;
        for row in 0..vectors.rows() {
            if vectors.is_valid(row) {
                learn(vectors.row(row, &mut scratch))?;
                rows += 1;
            } else {
                nulls += 1;
            }
        }
    }
    if nulls > 0 {
        log::warn!(
            "{}: column `{column}`: {nulls} of {} vectors are null and left out",
            params.uid(),
            rows + nulls
        );
    }
    if rows == 0 {
        return Err(wrong(&format!(
            "expected at least one vector to learn from, found {nulls} nulls and no other row"
        )));
    }
    Ok(())
}
