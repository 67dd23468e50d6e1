//! A foreign model over columns of tensors: numbers, vectors, nested lists → the model's outputs.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, ListArray, NullBufferBuilder, StructArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Float32Type};
use emberline_net::{PortInfo, PrepareOptions, Prepared, Runtime, Tensor};
use serde::{Deserialize, Serialize};

use super::column_type;
use crate::describe::{Blob, Blobs, Description, FunctionKinds};
use crate::error::{Result, TableError};
use crate::function::{ColumnFunction, Evaluated, RowError, check_arity};

pub(super) const KIND: &str = "model";
const ROLE: &str = "onnx";

/// Runs a model on tensors, one column for each of its inputs.
///
/// Input: numbers, vectors, or lists of lists of numbers of any type; a flat list is taken for a tensor that has its count.
/// Output: of one output a column, of several a struct of them, each `Float32` or lists of it, `FixedSizeList` for every axis
/// whose size the model fixes. A row with a null is null; one whose tensor does not fit is null with a reason.
#[derive(Debug)]
pub struct ModelFunction {
    params: Params,
    onnx: Blob,
    runtime: Arc<dyn Runtime>,
    prepared: OnceLock<Arc<dyn Prepared>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Params {
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    /// Rows per run of the model, if it leaves them open.
    batch_size: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Input {
    name: String,
    /// The model's: the rows of a run first, `None` where it is open.
    shape: Vec<Option<usize>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Output {
    name: String,
    /// Of one row, `None` where sizes differ.
    shape: Vec<Option<usize>>,
    /// Whether its first axis is that of the rows; otherwise it belongs to the only row of a run.
    by_row: bool,
}

/// A tensor of one row.
#[derive(Debug, Clone, PartialEq)]
struct RowTensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl ModelFunction {
    /// Rows per run unless told otherwise: enough to fill the matrix products of small models.
    pub const BATCH_SIZE_DEFAULT: usize = 32;

    /// A function from an ONNX model that takes and gives `f32`. The model is prepared, and where its inputs' sizes are known,
    /// run once on zeros, which tells the sizes of its outputs.
    ///
    /// # Errors
    /// When a setting is out of its range, or the runtime can't prepare or run the model.
    pub fn try_new(onnx: Blob, batch_size: usize, runtime: Arc<dyn Runtime>) -> Result<Self> {
        let prepared = runtime.prepare(&onnx.bytes, &PrepareOptions::default())?;
        let input = |port: &PortInfo| Input { name: port.name.clone(), shape: port.shape.clone() };
        let inputs: Vec<Input> = prepared.inputs().iter().map(input).collect();
        let outputs = match zeros(&inputs) {
            Some(zeros) => outputs_of(prepared.as_ref(), &inputs, &zeros)?,
            None => prepared.outputs().iter().map(declared_output).collect(),
        };
        let function = Self::from_parts(Params { inputs, outputs, batch_size }, onnx, runtime)?;
        _ = function.prepared.set(prepared);
        Ok(function)
    }

    /// Rebuilds a function from what [`describe`](ColumnFunction::describe) said of it. The model is read on first use.
    ///
    /// # Errors
    /// When the description is of another kind, a setting does not fit, or the model is missing or damaged.
    pub fn rebuild(description: &Description, blobs: &dyn Blobs) -> Result<Self> {
        let onnx = Blob::new(description.blob(ROLE, blobs)?);
        Self::from_parts(description.params_as()?, onnx, emberline_net::default_runtime())
    }

    fn from_parts(params: Params, onnx: Blob, runtime: Arc<dyn Runtime>) -> Result<Self> {
        if params.batch_size == 0 {
            return Err(TableError::Setting {
                parameter: "batchSize".into(),
                expected: "at least 1".into(),
                found: "0".into(),
            });
        }
        if params.inputs.is_empty() || params.outputs.is_empty() {
            return Err(TableError::description(KIND, "a model without inputs or without outputs"));
        }
        Ok(Self { params, onnx, runtime, prepared: OnceLock::new() })
    }

    /// The names of the model's inputs, in the order of the function's arguments.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.params.inputs.iter().map(|input| input.name.as_str())
    }

    /// The names of the model's outputs, in the order of the answer's fields.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.params.outputs.iter().map(|output| output.name.as_str())
    }

    /// The model's shape of an input, rows first; `None` for an input that there is not.
    pub fn input_shape(&self, index: usize) -> Option<&[Option<usize>]> {
        self.params.inputs.get(index).map(|input| input.shape.as_slice())
    }

    /// The shape of an output of one row.
    pub fn output_shape(&self, index: usize) -> Option<&[Option<usize>]> {
        self.params.outputs.get(index).map(|output| output.shape.as_slice())
    }

    fn prepared(&self) -> Result<&Arc<dyn Prepared>> {
        if let Some(prepared) = self.prepared.get() {
            return Ok(prepared);
        }
        // Two threads may both prepare; one result is kept.
        let prepared = self.runtime.prepare(&self.onnx.bytes, &PrepareOptions::default())?;
        Ok(self.prepared.get_or_init(|| prepared))
    }

    /// How many rows a run takes: those that every input has room for.
    fn rows_per_run(&self) -> usize {
        let fixed = self.params.inputs.iter().filter_map(|input| match input.shape.first() {
            None => Some(1),
            Some(size) => *size,
        });
        let whole = self.params.outputs.iter().any(|output| !output.by_row).then_some(1);
        fixed.chain(whole).min().unwrap_or(self.params.batch_size).max(1)
    }

    /// The tensors of a row, or the reason why they do not fit; `None` where one is null.
    fn row(&self, inputs: &[ArrayRef], row: usize) -> Option<Result<Vec<RowTensor>, String>> {
        if inputs.iter().any(|array| array.is_null(row)) {
            return None;
        }
        let tensors = self.params.inputs.iter().zip(inputs).map(|(input, array)| {
            let tensor = RowTensor::read(array, row);
            tensor.and_then(|t| t.fit(input.shape.get(1..).unwrap_or_default())).map_err(
                |reason| match inputs.len() {
                    1 => reason,
                    _ => format!("input `{}`: {reason}", input.name),
                },
            )
        });
        Some(tensors.collect())
    }

    /// Runs the model on rows whose tensors have the same shapes; the outputs of each row, in the order of `rows`.
    fn run(&self, rows: &[(usize, Vec<RowTensor>)]) -> Result<Vec<Vec<RowTensor>>> {
        let mut inputs = Vec::with_capacity(self.params.inputs.len());
        for (i, input) in self.params.inputs.iter().enumerate() {
            let of_row = &rows[0].1[i];
            let mut data: Vec<f32> = rows.iter().flat_map(|(_, tensors)| &tensors[i].data).copied().collect();
            let mut shape = of_row.shape.clone();
            if let Some(batch) = input.shape.first() {
                // A batch of a fixed size is filled up.
                let batch = batch.unwrap_or(rows.len());
                data.resize(batch * of_row.data.len(), 0.0);
                shape.insert(0, batch);
            }
            inputs.push(Tensor::new(shape, data)?);
        }
        let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
        let answers = self.prepared()?.run(&views)?;
        let mut of_rows = vec![Vec::with_capacity(answers.len()); rows.len()];
        for (output, answer) in self.params.outputs.iter().zip(answers) {
            let (mut shape, row_len) = match (output.by_row, answer.shape()) {
                (false, shape) => (shape.to_vec(), answer.data().len()),
                (true, [batch, rest @ ..]) if *batch >= rows.len() => (rest.to_vec(), rest.iter().product()),
                (true, shape) => {
                    let reason = format!("output `{}` is {shape:?} for {} row(s)", output.name, rows.len());
                    return Err(TableError::description(KIND, reason));
                }
            };
            let fits = |(known, size): (&Option<usize>, &usize)| known.is_none_or(|known| known == *size);
            if output.shape.len() != shape.len() && output.shape == [None] {
                shape = vec![row_len];
            }
            if output.shape.len() != shape.len() || !output.shape.iter().zip(&shape).all(fits) {
                let reason =
                    format!("output `{}` is {shape:?}, expected {}", output.name, sizes_text(&output.shape));
                return Err(TableError::description(KIND, reason));
            }
            for (i, of_row) in of_rows.iter_mut().enumerate() {
                let data = answer.data()[i * row_len..][..row_len].to_vec();
                of_row.push(RowTensor { shape: shape.clone(), data });
            }
        }
        Ok(of_rows)
    }
}

/// A batch of one row of zeros, if the sizes of a row are known.
fn zeros(inputs: &[Input]) -> Option<Vec<Tensor>> {
    let batch_of_one = |input: &Input| {
        let sizes = input.shape.iter().enumerate();
        let shape = sizes.map(|(axis, size)| if axis == 0 { Some(size.unwrap_or(1)) } else { *size });
        Tensor::zeros(shape.collect::<Option<Vec<usize>>>()?).ok()
    };
    inputs.iter().map(batch_of_one).collect()
}

/// What the outputs are, seen on a batch of zeros.
fn outputs_of(prepared: &dyn Prepared, inputs: &[Input], zeros: &[Tensor]) -> Result<Vec<Output>> {
    let views: Vec<_> = zeros.iter().map(Tensor::view).collect();
    let rows =
        zeros.iter().zip(inputs).filter_map(|(zeros, _)| zeros.shape().first().copied()).min().unwrap_or(1);
    let output = |(port, answer): (&PortInfo, Tensor)| {
        let (by_row, shape) = match answer.shape() {
            [batch, rest @ ..] if *batch == rows => (true, rest),
            whole => (false, whole),
        };
        Output { name: port.name.clone(), shape: shape.iter().copied().map(Some).collect(), by_row }
    };
    Ok(prepared.outputs().iter().zip(prepared.run(&views)?).map(output).collect())
}

/// What an output is, as the model says.
fn declared_output(port: &PortInfo) -> Output {
    let (by_row, shape) = match port.shape.as_slice() {
        // No axes, or none known.
        [] => (true, vec![None]),
        [Some(size), ..] if *size != 1 => (false, port.shape.clone()),
        [_, rest @ ..] => (true, rest.to_vec()),
    };
    Output { name: port.name.clone(), shape, by_row }
}

impl RowTensor {
    /// The numbers of a row; a list of lists gives an axis for each.
    fn read(array: &ArrayRef, row: usize) -> Result<Self, String> {
        let (mut shape, mut data) = (Vec::new(), Vec::new());
        collect(&array.slice(row, 1), 0, &mut shape, &mut data)?;
        Ok(Self { shape, data })
    }

    /// The tensor with the axes that are expected, whose sizes it may have to fill in.
    fn fit(self, expected: &[Option<usize>]) -> Result<Self, String> {
        let fits = |(known, size): (&Option<usize>, &usize)| known.is_none_or(|known| known == *size);
        if expected.len() == self.shape.len() && expected.iter().zip(&self.shape).all(fits) {
            return Ok(self);
        }
        let wrong = || {
            let found: Vec<Option<usize>> = self.shape.iter().copied().map(Some).collect();
            format!("expected a tensor of shape {}, found {}", sizes_text(expected), sizes_text(&found))
        };
        let known = expected.iter().flatten().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let known = known.ok_or_else(wrong)?;
        let open = expected.iter().filter(|size| size.is_none()).count();
        // Only lists that say nothing of axes are taken for tensors with more of them.
        let flat = self.shape.len() <= 1;
        let rest = match open {
            0 if flat && self.data.len() == known => 0,
            1 if flat && known > 0 && self.data.len().is_multiple_of(known) => self.data.len() / known,
            _ => return Err(wrong()),
        };
        Ok(Self { shape: expected.iter().map(|size| size.unwrap_or(rest)).collect(), data: self.data })
    }
}

fn sizes_text(shape: &[Option<usize>]) -> String {
    let sizes = shape.iter().map(|size| size.map_or("?".to_owned(), |size| size.to_string()));
    format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
}

/// Appends the numbers of `array`, whose elements are `depth` lists deep, and notes the lists' lengths.
fn collect(
    array: &ArrayRef,
    depth: usize,
    shape: &mut Vec<usize>,
    data: &mut Vec<f32>,
) -> Result<(), String> {
    if array.null_count() > 0 {
        return Err("it holds a null".to_owned());
    }
    match array.data_type() {
        DataType::FixedSizeList(_, _) => {
            let list = array.as_fixed_size_list();
            let length = usize::try_from(list.value_length()).unwrap_or(0);
            note(shape, depth, length)?;
            collect(&list.values().slice(list.offset() * length, list.len() * length), depth + 1, shape, data)
        }
        DataType::List(_) => {
            for value in array.as_list::<i32>().iter().flatten() {
                note(shape, depth, value.len())?;
                collect(&value, depth + 1, shape, data)?;
            }
            Ok(())
        }
        DataType::LargeList(_) => {
            for value in array.as_list::<i64>().iter().flatten() {
                note(shape, depth, value.len())?;
                collect(&value, depth + 1, shape, data)?;
            }
            Ok(())
        }
        _ => {
            let numbers = cast(array, &DataType::Float32).map_err(|error| error.to_string())?;
            data.extend_from_slice(numbers.as_primitive::<Float32Type>().values());
            Ok(())
        }
    }
}

/// Notes the length of a list, which all lists of that depth have.
fn note(shape: &mut Vec<usize>, depth: usize, length: usize) -> Result<(), String> {
    match shape.get(depth) {
        Some(known) if *known != length => Err(format!("lists of {known} and of {length} are no tensor")),
        Some(_) => Ok(()),
        None => {
            shape.push(length);
            Ok(())
        }
    }
}

fn holds_numbers(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            holds_numbers(item.data_type())
        }
        other => other.is_numeric() || *other == DataType::Boolean,
    }
}

/// Lists of an axis for each size; `FixedSizeList` where it is known.
fn tensor_type(shape: &[Option<usize>]) -> DataType {
    shape.iter().rev().fold(DataType::Float32, |inner, size| {
        let item = Arc::new(Field::new("item", inner, false));
        match size {
            Some(size) => DataType::FixedSizeList(item, i32::try_from(*size).unwrap_or(i32::MAX)),
            None => DataType::List(item),
        }
    })
}

/// A column of tensors of that [type](tensor_type).
fn tensor_column(shape: &[Option<usize>], rows: &[Option<&RowTensor>]) -> Result<ArrayRef> {
    let empty = RowTensor { shape: shape.iter().map(|size| size.unwrap_or(0)).collect(), data: Vec::new() };
    let mut nulls = NullBufferBuilder::new(rows.len());
    let mut data = Vec::new();
    for row in rows {
        nulls.append(row.is_some());
        match row {
            Some(row) => data.extend_from_slice(&row.data),
            None => data.resize(data.len() + empty.shape.iter().product::<usize>(), 0.0),
        }
    }
    let nulls: Option<NullBuffer> = nulls.finish();
    if shape.is_empty() {
        return Ok(Arc::new(Float32Array::new(data.into(), nulls)));
    }
    let mut column: ArrayRef = Arc::new(Float32Array::from(data));
    for axis in (0..shape.len()).rev() {
        let nulls = if axis == 0 { nulls.clone() } else { None };
        column = match tensor_type(&shape[axis..]) {
            DataType::FixedSizeList(item, size) => {
                Arc::new(FixedSizeListArray::try_new(item, size, column, nulls)?)
            }
            DataType::List(item) => {
                let lengths = rows.iter().flat_map(|row| {
                    let row_shape = &row.unwrap_or(&empty).shape;
                    std::iter::repeat_n(row_shape[axis], row_shape[..axis].iter().product())
                });
                Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), column, nulls)?)
            }
            _ => column,
        };
    }
    Ok(column)
}

impl ColumnFunction for ModelFunction {
    fn describe(&self) -> Description {
        let params = serde_json::to_value(&self.params).unwrap_or_default();
        Description { blobs: [(ROLE.to_string(), self.onnx.digest)].into(), ..Description::new(KIND, params) }
    }

    fn blobs(&self) -> Vec<Blob> {
        vec![self.onnx.clone()]
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arity(KIND, self.params.inputs.len(), inputs)?;
        for (field, input) in inputs.iter().zip(&self.params.inputs) {
            if !holds_numbers(field.data_type()) {
                let shape = sizes_text(input.shape.get(1..).unwrap_or_default());
                return Err(column_type(KIND, field, &format!("tensors of numbers of shape {shape}")));
            }
        }
        let field = |output: &Output| Field::new(&output.name, tensor_type(&output.shape), true);
        Ok(Arc::new(match self.params.outputs.as_slice() {
            [only] => field(only),
            several => {
                Field::new(KIND, DataType::Struct(several.iter().map(field).collect::<Fields>()), true)
            }
        }))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let count = inputs.first().map_or(0, |array| array.len());
        let mut answers: Vec<Option<Vec<RowTensor>>> = vec![None; count];
        let mut errors = Vec::new();
        let mut pending: Vec<(usize, Vec<RowTensor>)> = Vec::new();
        let shapes = |tensors: &[RowTensor]| tensors.iter().map(|t| t.shape.clone()).collect::<Vec<_>>();
        let per_run = self.rows_per_run();
        let mut run = |pending: &mut Vec<(usize, Vec<RowTensor>)>| -> Result<()> {
            if !pending.is_empty() {
                for ((row, _), answer) in pending.iter().zip(self.run(pending)?) {
                    answers[*row] = Some(answer);
                }
                pending.clear();
            }
            Ok(())
        };
        for row in 0..count {
            match self.row(inputs, row) {
                None => {}
                Some(Err(reason)) => errors.push(RowError { row, origin: None, reason }),
                Some(Ok(tensors)) => {
                    if pending.first().is_some_and(|(_, first)| shapes(first) != shapes(&tensors)) {
                        run(&mut pending)?;
                    }
                    pending.push((row, tensors));
                    if pending.len() >= per_run {
                        run(&mut pending)?;
                    }
                }
            }
        }
        run(&mut pending)?;
        let columns = self.params.outputs.iter().enumerate().map(|(i, output)| {
            let rows: Vec<_> =
                answers.iter().map(|answer| answer.as_ref().map(|answer| &answer[i])).collect();
            tensor_column(&output.shape, &rows)
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let values: ArrayRef = match columns.as_slice() {
            [only] => only.clone(),
            several => {
                let fields = self.params.outputs.iter().zip(several);
                let fields =
                    fields.map(|(output, column)| Field::new(&output.name, column.data_type().clone(), true));
                let valid: NullBuffer = answers.iter().map(Option::is_some).collect();
                Arc::new(StructArray::try_new(fields.collect(), several.to_vec(), Some(valid))?)
            }
        };
        Ok(Evaluated { values, errors })
    }

    fn batch_rows(&self) -> usize {
        self.rows_per_run().max(64)
    }
}

pub(super) fn rebuild(
    description: &Description,
    blobs: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>> {
    Ok(Arc::new(ModelFunction::rebuild(description, blobs)?))
}
