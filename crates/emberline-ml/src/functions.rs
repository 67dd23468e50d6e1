//! The column functions behind the stages, rebuilt and saved.

use std::path::Path;
use std::sync::Arc;

use emberline_table::functions::NetworkFunction;
use emberline_table::{Blob, ColumnFunction, Description, FunctionKinds, FunctionResolver, TableError};

use crate::bayes::NaiveBayesNumbers;
use crate::classification::{LABELLED_PREDICTION, ONE_VS_REST};
use crate::clusters::Clusters;
use crate::error::{MlError, Result};
use crate::features;
use crate::image::DeepImagePredictor;
use crate::linear::{LinearModel, LogisticModel};
use crate::linear_predictors::SupportVectors;
use crate::neighbors::{SIMILAR_IMAGES, Voters};
use crate::persistence::{Saved, StageReader, StageWriter, load};
use crate::pipeline::PipelineModel;
use crate::predictor::{self, Predictor};
use crate::stage::downcast;
use crate::training::{OUTPUT_CLASS, rebuild_output_class};

/// Every kind of column function that can be rebuilt from its description: those of tables and those of stages.
///
/// ```
/// let kinds = emberline_ml::function_kinds();
/// assert!(format!("{kinds:?}").contains("logistic_regression"));
/// ```
pub fn function_kinds() -> FunctionKinds {
    let mut kinds = FunctionKinds::built_in();
    add_predictors(&mut kinds);
    kinds.add(LABELLED_PREDICTION, crate::classification::rebuild_labelled_prediction);
    features::add_function_kinds(&mut kinds);
    kinds.add(OUTPUT_CLASS, rebuild_output_class);
    kinds
}

/// The kinds of fitted predictors.
fn add_predictors(kinds: &mut FunctionKinds) {
    fn add<P: Predictor>(kinds: &mut FunctionKinds) {
        kinds.add(P::KIND, predictor::rebuild::<P>);
    }
    add::<Clusters>(kinds);
    add::<LinearModel>(kinds);
    add::<LogisticModel>(kinds);
    add::<NaiveBayesNumbers>(kinds);
    add::<SupportVectors>(kinds);
    add::<Voters>(kinds);
    kinds.add(ONE_VS_REST, crate::classification::rebuild_one_vs_rest);
    kinds.add(SIMILAR_IMAGES, crate::neighbors::rebuild_similar_images);
}

/// What SQL's `CREATE FUNCTION ... LANGUAGE EMBERLINE AS '...'` may name: a saved pipeline, a saved function, or a
/// named network, which answers its five most probable classes.
///
/// ```no_run
/// # fn main() -> emberline_table::Result<()> {
/// use emberline_table::FunctionResolver;
/// let function = emberline_ml::Functions.resolve("EfficientNetLite0")?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Functions;

impl FunctionResolver for Functions {
    fn resolve(&self, source: &str) -> Result<Arc<dyn ColumnFunction>, TableError> {
        let path = Path::new(source);
        if path.join("function.json").exists() {
            return emberline_table::load_function(path, &function_kinds());
        }
        let wrong = |reason: String| TableError::Source { uri: source.into(), reason };
        if path.exists() {
            return saved_model(path).map_err(|e| wrong(e.to_string()));
        }
        if emberline_zoo::card(source).is_err() {
            let known: Vec<&str> = emberline_zoo::cards().iter().map(|card| card.name).collect();
            let reason = format!("expected a saved model's path or a named network: {}", known.join(", "));
            return Err(wrong(reason));
        }
        named_network(source).map_err(|e| wrong(e.to_string()))
    }
}

fn saved_model(path: &Path) -> Result<Arc<dyn ColumnFunction>> {
    let saved = load(path)?;
    match (&saved, downcast::<PipelineModel>(saved.stage())) {
        (Saved::Transformer(_), Some(model)) => Ok(Arc::new(model.as_function()?)),
        _ => {
            let kind = saved.stage().kind();
            Err(MlError::saved(path, format!("expected a saved PipelineModel, found a {kind}")))
        }
    }
}

fn named_network(name: &str) -> Result<Arc<dyn ColumnFunction>> {
    let predictor = DeepImagePredictor::new()
        .input_col("image")
        .output_col("objects")
        .model_name(name)
        .decode_predictions(true);
    Ok(Arc::new(PipelineModel::new(vec![Arc::new(predictor)]).as_function()?))
}

/// Writes the network behind a stage.
pub(crate) fn write_network(writer: &mut StageWriter, file: &str, function: &NetworkFunction) -> Result<()> {
    writer.value("function", &function.describe())?;
    function.blobs().iter().try_for_each(|blob| writer.file(file, &blob.bytes))
}

/// Reads what [`write_network`] wrote; `None` where a stage was saved without a network.
pub(crate) fn load_network(reader: &StageReader, file: &str) -> Result<Option<Arc<NetworkFunction>>> {
    let Some(description) = reader.value::<Option<Description>>("function")? else { return Ok(None) };
    let blob = Blob::new(reader.file(file)?.into());
    Ok(Some(Arc::new(NetworkFunction::rebuild(&description, &vec![blob])?)))
}
