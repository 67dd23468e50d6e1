//! The rows that an estimator learns from, in memory and in an order of their own.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use futures::TryStreamExt;

use crate::error::{MlError, Result};
use crate::linear::{LinearError, Matrix};
use crate::vectors::{EXPECTED, VectorValues, Vectors, vector_length};

/// The columns of [`TrainingData`].
#[derive(Debug)]
pub(crate) struct TrainingColumns {
    pub(crate) features: String,
    pub(crate) label: String,
    pub(crate) weight: Option<String>,
    /// The column of folds, where several are to be trained on.
    pub(crate) fold: Option<&'static str>,
}

/// Features `[N, d]`, labels and weights `[N]`.
///
/// The rows are sorted by what they hold, so that sums over them have the same bits whatever order, batches or
/// partitions the table came in.
#[derive(Debug)]
pub(crate) struct TrainingData {
    features: Features,
    length: usize,
    pub(crate) labels: Vec<f64>,
    pub(crate) weights: Option<Vec<f64>>,
    /// Folds `[N]`, if asked for.
    pub(crate) folds: Option<Vec<i64>>,
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
        let mut names = vec![ident(&columns.features), ident(&columns.label)];
        names.extend(columns.weight.as_ref().map(ident));
        names.extend(columns.fold.map(ident));
        let table = table.clone().select(names)?;
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
            labels: Vec::new(),
            weights: columns.weight.as_ref().map(|_| Vec::new()),
            folds: columns.fold.map(|_| Vec::new()),
            rows_left_out: 0,
        };
        while let Some(batch) = batches.try_next().await? {
            let vectors =
                Vectors::try_new(batch.column(0)).ok_or_else(|| wrong_type(batch.column(0).data_type()))?;
            let mut more = batch.columns()[2..].iter();
            let weights = columns.weight.as_ref().and_then(|_| more.next());
            data.append(&vectors, batch.column(1), weights, more.next())?;
        }
        data.sort();
        Ok(data)
    }

    fn append(
        &mut self,
        vectors: &Vectors,
        labels: &ArrayRef,
        weights: Option<&ArrayRef>,
        folds: Option<&ArrayRef>,
    ) -> Result<()> {
        let labels = cast(labels, &DataType::Float64)?;
        let labels = labels.as_primitive::<Float64Type>();
        let weights = weights.map(|weights| cast(weights, &DataType::Float64)).transpose()?;
        let weights = weights.as_ref().map(|weights| weights.as_primitive::<Float64Type>());
        for row in 0..vectors.rows() {
            let weight = weights.map(|weights| weights.is_valid(row).then(|| weights.value(row)));
            if !vectors.is_valid(row) || labels.is_null(row) || weight == Some(None) {
                self.rows_left_out += 1;
                continue;
            }
            self.labels.push(labels.value(row));
            if let (Some(all), Some(Some(weight))) = (&mut self.weights, weight) {
                all.push(weight);
            }
            if let (Some(all), Some(folds)) = (&mut self.folds, folds) {
                all.push(folds.as_primitive::<Int64Type>().value(row));
            }
            self.features.append(vectors, row);
        }
        Ok(())
    }

    fn sort(&mut self) {
        let (labels, weights, folds, length) = (&self.labels, &self.weights, &self.folds, self.length);
        let mut order: Vec<usize> = (0..labels.len()).collect();
        let by_numbers = |a: usize, b: usize| {
            let weight = |i: usize| weights.as_ref().map_or(0.0, |weights| weights[i]);
            let fold = |i: usize| folds.as_ref().map_or(0, |folds| folds[i]);
            let features = match &self.features {
                Features::Single(x) => {
                    compare(&x[a * length..][..length], &x[b * length..][..length], f32::total_cmp)
                }
                Features::Double(x) => {
                    compare(&x[a * length..][..length], &x[b * length..][..length], f64::total_cmp)
                }
            };
            features
                .then_with(|| labels[a].total_cmp(&labels[b]))
                .then_with(|| weight(a).total_cmp(&weight(b)))
                .then_with(|| fold(a).cmp(&fold(b)))
        };
        order.sort_by(|a, b| by_numbers(*a, *b));
        self.features = match &self.features {
            Features::Single(x) => Features::Single(gather(x, &order, length)),
            Features::Double(x) => Features::Double(gather(x, &order, length)),
        };
        self.weights = self.weights.as_ref().map(|weights| gather(weights, &order, 1));
        self.folds = self.folds.as_ref().map(|folds| gather(folds, &order, 1));
        self.labels = gather(&self.labels, &order, 1);
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
