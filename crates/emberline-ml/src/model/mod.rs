//! Stages over models from files that somebody else made: tensors in, tensors out, and images in.

mod image;
mod source;
mod transformer;

pub(crate) use image::over_images;
pub use image::{KerasImageFileTransformer, NetworkImageTransformer, TFImageTransformer};
pub use source::{ImageSource, Keras, ModelRequest, ModelSource, Onnx, TensorFlow};
pub use transformer::{KerasTransformer, NetworkTransformer, OnnxTransformer, TFTransformer};

use std::sync::Arc;

use emberline_net::{OnnxModel, default_runtime};
use emberline_table::functions::ModelFunction;
use emberline_table::{Blob, Description};

use crate::error::Result;
use crate::image::WeightsFile;
use crate::params::{Constraint, ParamDefault, ParamKind, ParamSpec, Params};
use crate::persistence::{StageReader, StageWriter};
use crate::shared_functions::SharedFunctions;

const ONNX: &str = "network.onnx";

const MODEL_FILE: ParamSpec =
    ParamSpec::new("modelFile", ParamKind::Text, "the file of the model").required();
const TAG_SET: ParamSpec = ParamSpec::new(
    "tagSet",
    ParamKind::Text,
    "which of the graphs of a SavedModel: its tags, with commas between them",
)
.default(ParamDefault::Text("serve"));
const SIGNATURE: ParamSpec = ParamSpec::new(
    "signatureDefKey",
    ParamKind::Text,
    "which of the signatures of a SavedModel names the inputs and outputs",
)
.default(ParamDefault::Text("serving_default"));
const BATCH_SIZE: ParamSpec = ParamSpec::new(
    "batchSize",
    ParamKind::Int,
    "rows per run of the model, where the model leaves their number open",
)
.default(ParamDefault::Int(ModelFunction::BATCH_SIZE_DEFAULT as i64))
.constraint(Constraint::Between(1.0, 65_536.0));

/// What a function over a model is made of; equal settings share one function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Setting {
    /// The stage's kind: how the file is read.
    kind: &'static str,
    file: WeightsFile,
    /// The inputs and outputs asked for; empty for all that the file names.
    inputs: Vec<String>,
    outputs: Vec<String>,
    tags: Option<String>,
    signature: Option<String>,
    batch_size: usize,
    image: Option<image::ImagePort>,
}

impl Setting {
    fn of(kind: &'static str, params: &Params) -> Result<Self> {
        let text_of = |name: &str| match params.table().iter().any(|spec| spec.name == name) {
            true => params.text_if_defined(name),
            false => Ok(None),
        };
        Ok(Self {
            kind,
            file: WeightsFile::at(params.text("modelFile")?),
            inputs: Vec::new(),
            outputs: Vec::new(),
            tags: text_of("tagSet")?,
            signature: text_of("signatureDefKey")?,
            batch_size: params.count("batchSize")?,
            image: None,
        })
    }
}

static FUNCTIONS: SharedFunctions<Setting, ModelFunction> = SharedFunctions::new();

/// The function of a setting; `read` gives its model.
fn function(setting: &Setting, read: impl FnOnce() -> Result<OnnxModel>) -> Result<Arc<ModelFunction>> {
    FUNCTIONS.get(setting, || {
        let onnx = Blob::new(read()?.with_f32_ports()?.to_bytes().into());
        Ok(ModelFunction::try_new(onnx, setting.batch_size, default_runtime())?)
    })
}

/// A function that was saved with a stage, and the setting that it is for.
type SavedFunction = Option<(Setting, Arc<ModelFunction>)>;

fn write_model(writer: &mut StageWriter, function: &ModelFunction) -> Result<()> {
    use emberline_table::ColumnFunction;
    writer.value("function", &function.describe())?;
    function.blobs().iter().try_for_each(|blob| writer.file(ONNX, &blob.bytes))
}

/// Reads what [`write_model`] wrote; `None` where a stage was saved without a model.
fn load_model(reader: &StageReader) -> Result<Option<Arc<ModelFunction>>> {
    let Some(description) = reader.value::<Option<Description>>("function")? else { return Ok(None) };
    let blob = Blob::new(reader.file(ONNX)?.into());
    Ok(Some(Arc::new(ModelFunction::rebuild(&description, &vec![blob])?)))
}
