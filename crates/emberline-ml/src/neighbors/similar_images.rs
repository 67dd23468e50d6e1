//! Similar images: for each row, the training rows whose features point most nearly the same way.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{ArrayRef, Float64Builder, ListBuilder, StringBuilder, StructBuilder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::dataframe::DataFrame;
use emberline_table::{Blob, Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, Step, TableError};
use futures::future::BoxFuture;
use serde_json::json;

use super::search::{Neighborhood, refuses};
use crate::distance::Distance;
use crate::error::{MlError, Result};
use crate::params::shared::{FEATURES_COL, OUTPUT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::predictor::{check_vectors, features_length, refusals};
use crate::stage::{
    Estimator, Stage, Transformer, copied, fitted, input_field, stage_basics, with_new_fields,
};
use crate::tensors::Tensors;
use crate::training_data::{TrainingColumns, TrainingData};
use crate::vectors::{EXPECTED, Vectors};

/// The kind of the column function.
pub(crate) const SIMILAR_IMAGES: &str = "similar_images";
const NUMBERS: &str = "numbers";
const NAMES: &str = "names";
/// The file of names in a saved model.
const NAMES_FILE: &str = "names.json";

const ID_COL: ParamSpec =
    ParamSpec::new("idCol", ParamKind::Text, "column that tells the training rows apart")
        .default(ParamDefault::Text("origin"));
const K: ParamSpec = ParamSpec::new("k", ParamKind::Int, "number of similar rows to find")
    .default(ParamDefault::Int(5))
    .constraint(Constraint::AtLeast(1.0));

/// Remembers images by their features, and finds for each row the `k` most similar of them, exactly.
///
/// Similarity is the cosine of the angle between the features, from -1 to 1. `outputCol` is a list of `{id, similarity}`,
/// most similar first; `id` is what `idCol` says of the remembered row as text: the image's `origin` unless told otherwise. A
/// row that is remembered finds itself first. Rows whose features or id are null are not remembered, and are counted.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::{SimilarImages, Transformer};
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x, y], 'FixedSizeList(2 x Float64)') AS features, origin
///                          FROM (VALUES (1.0, 0.0, 'a.jpg'), (0.9, 0.1, 'b.jpg'), (0.0, 1.0, 'c.jpg')) AS t (x, y, origin)").await?;
/// let model = SimilarImages::new().k(2).output_col("similar").fit_model(&table).await?;
/// let next = model.transform(table)?.select_exprs(&["similar[2]['id'] AS next"])?;
/// let found = next.filter(datafusion::prelude::ident("next").eq(datafusion::prelude::lit("a.jpg")))?;
/// assert_eq!(found.count().await?, 1); // b.jpg's
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct SimilarImages {
    params: Params,
}

impl SimilarImages {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[FEATURES_COL, ID_COL, OUTPUT_COL, K];

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("SimilarImages", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Remembers the columns of features and ids; reads no other.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<SimilarImagesModel> {
        self.transform_schema(table.schema().as_arrow())?;
        let uid = self.params.uid();
        let columns = TrainingColumns {
            features: self.params.text("featuresCol")?,
            label: None,
            weight: None,
            name: Some(self.params.text("idCol")?),
        };
        let data = TrainingData::collect(uid, table, &columns).await?;
        let failed = |source| MlError::Linear { stage: uid.into(), source };
        let x = data.matrix().map_err(failed)?;
        x.check_finite().map_err(failed)?;
        if data.rows == 0 {
            return Err(MlError::stage(uid, "expected at least one row with features and an id, found none"));
        }
        let neighborhood = Neighborhood::new(data.features_as_doubles(), x.columns(), Distance::Cosine);
        Ok(SimilarImagesModel {
            params: Params::of_model("SimilarImagesModel", SimilarImagesModel::PARAMS, &self.params),
            images: Arc::new(Images { neighborhood, names: data.names }),
            rows_left_out: data.rows_left_out,
        })
    }
}

setters!(SimilarImages {
    features_col: &str => "featuresCol", id_col: &str => "idCol", output_col: &str => "outputCol", k: usize => "k",
});

impl Stage for SimilarImages {
    stage_basics!("SimilarImages");
}

impl Estimator for SimilarImages {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        self.params.validate()?;
        features_length(&self.params, schema)?;
        input_field(&self.params, "idCol", schema)?;
        let new = Field::new(self.params.text("outputCol")?, answer_type(), true);
        with_new_fields(self.params.uid(), schema, vec![Arc::new(new)])
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// Remembered rows and their names.
#[derive(Debug)]
struct Images {
    neighborhood: Neighborhood,
    names: Vec<String>,
}

impl Images {
    fn tensors(&self) -> Tensors {
        let shape = [self.neighborhood.len(), self.neighborhood.num_features()];
        Tensors::default().with("features", &shape, self.neighborhood.rows())
    }

    fn names_as_bytes(&self) -> Vec<u8> {
        json!(self.names).to_string().into_bytes()
    }

    fn rebuild(mut tensors: Tensors, names: &[u8]) -> Result<Self, String> {
        let (rows, num_features, features) = tensors.take_matrix("features")?;
        let names: Vec<String> = serde_json::from_slice(names).map_err(|e| format!("names: {e}"))?;
        if names.len() != rows || rows == 0 || num_features == 0 {
            return Err(format!("{} names for {rows} x {num_features} features", names.len()));
        }
        Ok(Self { neighborhood: Neighborhood::of_kept(features, num_features, Distance::Cosine), names })
    }
}

/// A fitted [`SimilarImages`].
#[derive(Debug, Clone)]
pub struct SimilarImagesModel {
    params: Params,
    images: Arc<Images>,
    rows_left_out: usize,
}

impl SimilarImagesModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[FEATURES_COL, OUTPUT_COL, K];

    /// Rows remembered.
    pub fn num_rows(&self) -> usize {
        self.images.names.len()
    }

    /// Rows not remembered because their features or id are null; 0 for a model that was loaded.
    pub fn rows_left_out(&self) -> usize {
        self.rows_left_out
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let images = Images::rebuild(reader.tensors()?, &reader.file(NAMES_FILE)?);
        let images = Arc::new(images.map_err(|reason| reader.error(reason))?);
        Ok(Self { params: reader.params(Self::PARAMS)?, images, rows_left_out: 0 })
    }
}

setters!(SimilarImagesModel { features_col: &str => "featuresCol", output_col: &str => "outputCol", k: usize => "k" });

impl Stage for SimilarImagesModel {
    stage_basics!("SimilarImagesModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.tensors(self.images.tensors());
        writer.file(NAMES_FILE, &self.images.names_as_bytes())
    }
}

impl Transformer for SimilarImagesModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        features_length(&self.params, schema)?;
        let function = SimilarFunction {
            images: self.images.clone(),
            k: self.params.count("k")?,
            blobs: OnceLock::new(),
        };
        let names = [self.params.text("featuresCol")?];
        Ok(vec![Step::new(Arc::new(function), names, [self.params.text("outputCol")?])])
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

fn pair() -> Fields {
    Fields::from(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("similarity", DataType::Float64, false),
    ])
}

fn answer_type() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Struct(pair()), false)))
}

/// Vectors to lists of the most similar remembered rows.
#[derive(Debug)]
struct SimilarFunction {
    images: Arc<Images>,
    k: usize,
    /// Features and names as bytes, once they are asked for.
    blobs: OnceLock<[Blob; 2]>,
}

impl SimilarFunction {
    fn as_bytes(&self) -> &[Blob; 2] {
        self.blobs.get_or_init(|| {
            // Writing to memory fails for no tensor there is.
            let numbers = self.images.tensors().to_bytes().unwrap_or_default();
            [Blob::new(numbers.into()), Blob::new(self.images.names_as_bytes().into())]
        })
    }
}

impl ColumnFunction for SimilarFunction {
    fn describe(&self) -> Description {
        let [numbers, names] = self.as_bytes();
        let blobs = [(NUMBERS.to_string(), numbers.digest), (NAMES.to_string(), names.digest)];
        Description { blobs: blobs.into(), ..Description::new(SIMILAR_IMAGES, json!({"k": self.k})) }
    }

    fn blobs(&self) -> Vec<Blob> {
        self.as_bytes().to_vec()
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        check_vectors(SIMILAR_IMAGES, self.images.neighborhood.num_features(), inputs)?;
        Ok(Arc::new(Field::new(SIMILAR_IMAGES, answer_type(), true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let failed = |reason: &dyn std::fmt::Display| TableError::description(SIMILAR_IMAGES, reason);
        let vectors = Vectors::try_new(&inputs[0]).ok_or_else(|| failed(&EXPECTED))?;
        let x = vectors.matrix().map_err(|e| failed(&e))?;
        let (nulls, errors) = refusals(&vectors, &x, refuses);
        let item = Field::new("item", DataType::Struct(pair()), false);
        let mut list = ListBuilder::new(StructBuilder::from_fields(pair(), 0)).with_field(item);
        for (row, neighbors) in self.images.neighborhood.closest(&x, self.k).into_iter().enumerate() {
            let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            for (index, distance) in neighbors.into_iter().filter(|_| valid) {
                let entry = list.values();
                // The builders are those of `pair`.
                if let Some(id) = entry.field_builder::<StringBuilder>(0) {
                    id.append_value(&self.images.names[index]);
                }
                if let Some(similarity) = entry.field_builder::<Float64Builder>(1) {
                    similarity.append_value(1.0 - distance);
                }
                entry.append(true);
            }
            list.append(valid);
        }
        Ok(Evaluated { values: Arc::new(list.finish()), errors })
    }

    fn batch_rows(&self) -> usize {
        256
    }
}

pub(crate) fn rebuild(
    description: &Description,
    blobs: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    let failed = |reason: String| TableError::description(SIMILAR_IMAGES, reason);
    let k = description.params["k"].as_u64().filter(|k| *k > 0);
    let k =
        k.ok_or_else(|| failed(format!("k: expected a number of at least 1, found {}", description.params)))?;
    let tensors = Tensors::from_bytes(&description.blob(NUMBERS, blobs)?).map_err(failed)?;
    let images = Images::rebuild(tensors, &description.blob(NAMES, blobs)?).map_err(failed)?;
    let k = usize::try_from(k).unwrap_or(usize::MAX).min(images.names.len());
    Ok(Arc::new(SimilarFunction { images: Arc::new(images), k, blobs: OnceLock::new() }))
}
