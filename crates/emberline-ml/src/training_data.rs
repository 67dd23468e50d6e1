//! The rows that an estimator learns from, in memory and in an order of their own.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use futures::TryStreamExt;

use crate::error::{MlError, Result};
use crate::linear::{LinearError, Matrix};
use crate::params::Params;
use crate::vectors::{EXPECTED, VectorValues, Vectors, vector_length};

/// The columns of [`TrainingData`].
#[derive(Debug)]
pub(crate) struct TrainingColumns {
    pub(crate) features: String,
    pub(crate) label: Option<String>,
    pub(crate) weight: Option<String>,
    /// A column of text that tells rows apart.
    pub(crate) name: Option<String>,
}

impl TrainingColumns {
    /// The columns that `featuresCol`, `labelCol` and `weightCol` name; without `labelCol`, there are no labels.
    pub(crate) fn of(params: &Params) -> Result<Self> {
        Ok(Self {
            features: params.text("featuresCol")?,
            label: params.text_if_defined("labelCol")?,
            weight: params.text_if_defined("weightCol")?,
            name: None,
        })
    }
}

/// Features `[N, d]`, and `[N]` labels, weights and names where there are such columns.
///
/// The rows are sorted by what they hold, so that sums over them have the same bits whatever order, batches or
/// partitions the table came in.
#[derive(Debug)]
pub(crate) struct TrainingData {
    features: Features,
    length: usize,
    pub(crate) rows: usize,
    pub(crate) labels: Vec<f64>,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) names: Vec<String>,
    /// Rows with a null, which nothing can be learned from.
    pub(crate) rows_left_out: usize,
}

/// Features in the precision they came in.
#[derive(Debug)]
enum Features {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Features {
    fn for_type(vector: &DataType) -> Self {
        match vector {
            DataType::FixedSizeList(item, _) if item.data_type() == &DataType::Float64 => {
                Self::Double(Vec::new())
            }
            _ => Self::Single(Vec::new()),
        }
    }

    /// Adds a row of a column of the same type.
    fn append(&mut self, vectors: &Vectors, row: usize) {
        let range = row * vectors.length()..(row + 1) * vectors.length();
        match (self, &vectors.values) {
            (Self::Single(all), VectorValues::Single(values)) => {
                all.extend_from_slice(&values.values()[range])
            }
            (Self::Double(all), VectorValues::Double(values)) => {
                all.extend_from_slice(&values.values()[range])
            }
            (Self::Double(all), VectorValues::Single(values)) => {
                all.extend(values.values()[range].iter().map(|v| f64::from(*v)))
            }
            (Self::Single(all), VectorValues::Double(values)) => {
                all.extend(values.values()[range].iter().map(|v| *v as f32))
            }
        }
    }
}

impl TrainingData {
    /// Reads the columns, and only these.
    pub(crate) async fn collect(stage: &str, table: &DataFrame, columns: &TrainingColumns) -> Result<Self> {
        let TrainingColumns { features, label, weight, name } = columns;
        let wanted = [Some(features), label.as_ref(), weight.as_ref(), name.as_ref()];
        let table = table.clone().select(wanted.into_iter().flatten().map(ident).collect::<Vec<_>>())?;
        let wrong_type = |found: &DataType| MlError::ColumnType {
            stage: stage.into(),
            column: columns.features.clone(),
            expected: EXPECTED.into(),
            found: found.clone(),
        };
        let column = table.schema().field(0).data_type();
        let length = vector_length(column).ok_or_else(|| wrong_type(column))?;
        let features = Features::for_type(column);
        let mut batches = table.execute_stream().await?;
        let mut data = Self {
            features,
            length,
            rows: 0,
            labels: Vec::new(),
            weights: weight.as_ref().map(|_| Vec::new()),
            names: Vec::new(),
            rows_left_out: 0,
        };
        while let Some(batch) = batches.try_next().await? {
            let vectors =
                Vectors::try_new(batch.column(0)).ok_or_else(|| wrong_type(batch.column(0).data_type()))?;
            let mut rest = batch.columns()[1..].iter();
            let mut next = |wanted: &Option<String>| wanted.as_ref().and_then(|_| rest.next());
            data.append(&vectors, next(label), next(weight), next(name))?;
        }
        data.sort();
        Ok(data)
    }

    fn append(
        &mut self,
        vectors: &Vectors,
        labels: Option<&ArrayRef>,
        weights: Option<&ArrayRef>,
        names: Option<&ArrayRef>,
    ) -> Result<()> {
        let as_type =
            |column: Option<&ArrayRef>, data_type| column.map(|column| cast(column, data_type)).transpose();
        let labels = as_type(labels, &DataType::Float64)?;
        let weights = as_type(weights, &DataType::Float64)?;
        let names = as_type(names, &DataType::Utf8)?;
        for row in 0..vectors.rows() {
            let has_value = |column: &Option<ArrayRef>| column.as_ref().is_none_or(|c| c.is_valid(row));
            if !vectors.is_valid(row) || ![&labels, &weights, &names].into_iter().all(has_value) {
                self.rows_left_out += 1;
                continue;
            }
            let number = |column: &Option<ArrayRef>| {
                column.as_ref().map(|column| column.as_primitive::<Float64Type>().value(row))
            };
            self.labels.extend(number(&labels));
            if let Some(all) = &mut self.weights {
                all.extend(number(&weights));
            }
            self.names.extend(names.as_ref().map(|names| names.as_string::<i32>().value(row).to_string()));
            self.features.append(vectors, row);
            self.rows += 1;
        }
        Ok(())
    }

    fn sort(&mut self) {
        let (labels, weights, length) = (&self.labels, &self.weights, self.length);
        let mut order: Vec<usize> = (0..self.rows).collect();
        let names = &self.names;
        let by_content = |a: usize, b: usize| {
            let label = |i: usize| labels.get(i).copied().unwrap_or_default();
            let weight = |i: usize| weights.as_ref().map_or(0.0, |weights| weights[i]);
            let features = match &self.features {
                Features::Single(x) => {
                    compare(&x[a * length..][..length], &x[b * length..][..length], f32::total_cmp)
                }
                Features::Double(x) => {
                    compare(&x[a * length..][..length], &x[b * length..][..length], f64::total_cmp)
                }
            };
            features
                .then_with(|| label(a).total_cmp(&label(b)))
                .then_with(|| weight(a).total_cmp(&weight(b)))
                .then_with(|| names.get(a).cmp(&names.get(b)))
        };
        order.sort_by(|a, b| by_content(*a, *b));
        self.features = match &self.features {
            Features::Single(x) => Features::Single(gather(x, &order, length)),
            Features::Double(x) => Features::Double(gather(x, &order, length)),
        };
        self.weights = self.weights.as_ref().map(|weights| gather(weights, &order, 1));
        if !self.labels.is_empty() {
            self.labels = gather(&self.labels, &order, 1);
        }
        if !self.names.is_empty() {
            self.names = order.iter().map(|row| std::mem::take(&mut self.names[*row])).collect();
        }
    }

    /// The features in double precision, `[N, d]` row major.
    pub(crate) fn features_as_doubles(&self) -> Vec<f64> {
        match &self.features {
            Features::Single(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Features::Double(values) => values.clone(),
        }
    }

    /// The features as a matrix `[N, d]`.
    pub(crate) fn matrix(&self) -> Result<Matrix<'_>, LinearError> {
        match &self.features {
            Features::Single(values) => Matrix::from_f32(values, self.length),
            Features::Double(values) => Matrix::from_f64(values, self.length),
        }
    }
}

fn compare<T>(a: &[T], b: &[T], order: fn(&T, &T) -> std::cmp::Ordering) -> std::cmp::Ordering {
    a.iter().zip(b).map(|(a, b)| order(a, b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
}

fn gather<T: Copy>(values: &[T], order: &[usize], length: usize) -> Vec<T> {
    order.iter().flat_map(|row| values[row * length..][..length].iter().copied()).collect()
}
