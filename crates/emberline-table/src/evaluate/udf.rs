//! A column function as a scalar function of SQL.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::function::ColumnFunction;

/// What DataFusion sees of a column function: a name and a type. [`ExtractCalls`](super::extract::ExtractCalls)
/// takes nearly every call out of the plan; where it can't, `invoke_with_args` gives the same answer.
#[derive(Debug)]
pub(crate) struct ColumnUdf {
    name: String,
    pub(crate) function: Arc<dyn ColumnFunction>,
    signature: Signature,
}

impl ColumnUdf {
    pub(crate) fn new(name: impl Into<String>, function: Arc<dyn ColumnFunction>) -> Self {
        // Stable and not immutable: a URI's content may change from one query to the next.
        Self { name: name.into(), function, signature: Signature::variadic_any(Volatility::Stable) }
    }
}

impl PartialEq for ColumnUdf {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.function, &other.function)
    }
}

impl Eq for ColumnUdf {}

impl Hash for ColumnUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for ColumnUdf {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = arg_types
            .iter()
            .enumerate()
            .map(|(i, data_type)| {
                Arc::new(Field::new(format!("argument {}", i + 1), data_type.clone(), true))
            })
            .collect();
        Ok(self.function.return_field(&fields)?.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = self.function.return_field(args.arg_fields)?;
        Ok(Arc::new(field.as_ref().clone().with_name(&self.name).with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays =
            args.args.into_iter().map(|arg| arg.into_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        Ok(ColumnarValue::Array(self.function.evaluate(&arrays)?.values))
    }
}
