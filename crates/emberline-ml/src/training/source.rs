//! What networks are trained on: images in any form, or columns of tensors.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use emberline_table::functions::{ImageTensor, PixelChannels};
use emberline_table::{ColumnFunction, ImageInput, Step, evaluate};
use futures::TryStreamExt;

use super::examples::{Collector, Element, Examples};
use super::labels::{LabelReader, append_numbers};
use super::settings::{IMAGE, MODEL_IMAGE, MODEL_TENSORS, TENSORS};
use super::start::Start;
use crate::error::{MlError, Result};
use crate::features::columns;
use crate::params::{ParamSpec, Params};

const INPUT: &str = "__input";
const REASON: &str = "__reason";

/// A kind of input that networks are trained on.
pub trait ExampleSource: Clone + Debug + Send + Sync + 'static {
    /// The name of the estimator.
    const KIND: &'static str;
    /// The name of its model.
    const MODEL_KIND: &'static str;
    /// The table of the estimator's params.
    const PARAMS: &'static [ParamSpec];
    /// The table of the model's params.
    const MODEL_PARAMS: &'static [ParamSpec];
    /// Whether inputs are images, which a function brings to the network's size.
    const IMAGES: bool;
}

/// Images: structs, encoded bytes or URIs.
#[derive(Debug, Clone, Copy)]
pub struct Images;

/// Numbers, vectors and lists of them.
#[derive(Debug, Clone, Copy)]
pub struct Tensors;

impl ExampleSource for Images {
    const KIND: &'static str = "KerasImageFileEstimator";
    const MODEL_KIND: &'static str = "KerasImageFileModel";
    const PARAMS: &'static [ParamSpec] = &IMAGE;
    const MODEL_PARAMS: &'static [ParamSpec] = &MODEL_IMAGE;
    const IMAGES: bool = true;
}

impl ExampleSource for Tensors {
    const KIND: &'static str = "KerasEstimator";
    const MODEL_KIND: &'static str = "KerasModel";
    const PARAMS: &'static [ParamSpec] = &TENSORS;
    const MODEL_PARAMS: &'static [ParamSpec] = &MODEL_TENSORS;
    const IMAGES: bool = false;
}

/// How images become what a network takes.
#[derive(Debug, Clone)]
pub(super) struct Pixels {
    /// Gives pixels from 0 to 255.
    pub(super) tensor: Arc<ImageTensor>,
    pub(super) mean: [f32; 3],
    pub(super) std: [f32; 3],
}

impl Pixels {
    /// The function that gives what the network takes.
    pub(super) fn normalised(&self) -> Result<ImageTensor> {
        Ok(self.tensor.normalised(self.mean, self.std)?)
    }

    /// By params, for a network from a file with an input of this shape.
    pub(super) fn by(params: &Params, shape: &[usize]) -> Result<Self> {
        let wrong = |reason: String| MlError::stage(params.uid(), reason);
        let [height, width, channels] = shape else {
            return Err(wrong(format!("the network takes tensors of shape {shape:?}, which are no images")));
        };
        let order = params.text_if_defined("channelOrder")?;
        let channels = match (order.as_deref(), channels) {
            (Some("L") | None, 1) => PixelChannels::Gray,
            (Some("BGR"), 3) => PixelChannels::Bgr,
            (Some("RGB") | None, 3) => PixelChannels::Rgb,
            (order, channels) => {
                let order = order.map_or(String::new(), |order| format!(", not {order}"));
                return Err(wrong(format!(
                    "the network takes images of {channels} channel(s){order}: expected 1 (L) or 3 (RGB, BGR)"
                )));
            }
        };
        let side = |side: usize| {
            u32::try_from(side)
                .map_err(|_| wrong(format!("the network takes images with a side of {side} pixels")))
        };
        let resize = params.text_if_defined("scaleHint")?.unwrap_or_else(|| "bilinear".into());
        let tensor = ImageTensor::try_new((side(*width)?, side(*height)?), channels, false, &resize)?;
        // pixel * scale + offset, as a mean and a divisor.
        let (scale, offset) = (params.double("scale")?, params.double("offset")?);
        if scale == 0.0 {
            return Err(wrong("parameter `scale`: expected a number other than 0, found 0".into()));
        }
        #[expect(clippy::cast_possible_truncation, reason = "pixels are single precision")]
        let (mean, std) = ((-offset / scale) as f32, (1.0 / scale) as f32);
        Ok(Self { tensor: Arc::new(tensor), mean: [mean; 3], std: [std; 3] })
    }
}

/// The columns of the network's inputs, in their order, and the param that names them.
///
/// # Errors
/// When there is none, or both `inputCol` and `inputCols` are set.
pub(super) fn input_columns<S: ExampleSource>(params: &Params) -> Result<(&'static str, Vec<String>)> {
    if S::IMAGES { Ok(("inputCol", vec![params.text("inputCol")?])) } else { columns::input_columns(params) }
}

/// Checks that a column can be trained on.
pub(super) fn check_input<S: ExampleSource>(params: &Params, field: &Field) -> Result<()> {
    let wrong = |expected: &str| {
        Err(MlError::ColumnType {
            stage: params.uid().into(),
            column: field.name().clone(),
            expected: expected.into(),
            found: field.data_type().clone(),
        })
    };
    match S::IMAGES {
        true if !ImageInput::accepts(field.data_type()) => wrong(ImageInput::EXPECTED),
        false if !holds_numbers(field.data_type()) => wrong("numbers, vectors or lists of numbers"),
        _ => Ok(()),
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

/// Reads the columns of inputs and labels once, and no others.
pub(super) async fn collect<S: ExampleSource>(
    params: &Params,
    table: &DataFrame,
    start: &Start,
    labels: &LabelReader,
    seed: u64,
) -> Result<Examples> {
    let ((_, inputs), label) = (input_columns::<S>(params)?, params.text("labelCol")?);
    let shapes = start.input_shapes();
    let read: BTreeSet<&String> = inputs.iter().chain([&label]).collect();
    let table = table.clone().select(read.into_iter().map(ident).collect::<Vec<_>>())?;
    let (table, element) = match &start.pixels {
        Some(pixels) => {
            let function: Arc<dyn ColumnFunction> = pixels.tensor.clone();
            let step = Step::new(function, inputs, [INPUT]).with_error(Some(REASON.into()));
            let table = evaluate::apply(table, &[step])?;
            (table.select(vec![ident(&label), ident(INPUT), ident(REASON)])?, Element::Pixel)
        }
        None => {
            let inputs = inputs.iter().enumerate().map(|(i, name)| ident(name).alias(format!("{INPUT}{i}")));
            (table.select([ident(&label)].into_iter().chain(inputs).collect::<Vec<_>>())?, Element::Number)
        }
    };
    let mut collector = Collector::new(params.uid(), seed, element, &shapes)?;
    let mut batches = table.execute_stream().await?;
    while let Some(batch) = batches.try_next().await? {
        let labels = labels.read(batch.column(0))?;
        match element {
            Element::Pixel => push_pixels(&mut collector, &batch, labels)?,
            Element::Number => push_numbers(&mut collector, &batch, &shapes, labels)?,
        }
    }
    collector.finish(labels)
}

fn push_pixels(
    collector: &mut Collector,
    batch: &RecordBatch,
    labels: Vec<Option<super::labels::Label>>,
) -> Result<()> {
    let pixels = batch.column(1).as_fixed_size_list();
    let len = usize::try_from(pixels.value_length()).unwrap_or(0);
    let numbers = pixels.values().as_primitive::<Float32Type>().values();
    let reasons = datafusion::arrow::compute::cast(batch.column(2), &DataType::Utf8)?;
    let reasons = reasons.as_string::<i32>();
    for (row, label) in labels.into_iter().enumerate() {
        let from = usize::try_from(pixels.value_offset(row)).unwrap_or(0);
        let input = match pixels.is_valid(row) {
            true => Ok(&numbers[from..from + len]),
            false if reasons.is_valid(row) => Err(reasons.value(row)),
            false => Err("the image is null"),
        };
        collector.push(input, label)?;
    }
    Ok(())
}

fn push_numbers(
    collector: &mut Collector,
    batch: &RecordBatch,
    shapes: &[Vec<usize>],
    labels: Vec<Option<super::labels::Label>>,
) -> Result<()> {
    let columns = &batch.columns()[1..];
    let mut numbers = Vec::new();
    for (row, label) in labels.into_iter().enumerate() {
        numbers.clear();
        let mut inputs = columns.iter().zip(shapes);
        match inputs.try_for_each(|(column, shape)| append_input(column, row, shape, &mut numbers)) {
            Ok(()) => collector.push(Ok(&numbers), label)?,
            Err(reason) => collector.push(Err(&reason), label)?,
        }
    }
    Ok(())
}

/// Appends the numbers of one input of a row.
fn append_input(
    column: &ArrayRef,
    row: usize,
    shape: &[usize],
    numbers: &mut Vec<f32>,
) -> Result<(), String> {
    if column.is_null(row) {
        return Err("the input is null".into());
    }
    let (before, len) = (numbers.len(), shape.iter().product::<usize>());
    append_numbers(&column.slice(row, 1), numbers)?;
    match numbers.len() - before {
        found if found == len => Ok(()),
        found => Err(format!("expected {len} numbers for a tensor of shape {shape:?}, found {found}")),
    }
}
