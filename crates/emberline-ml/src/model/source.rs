//! The kinds of model files, and how each becomes ONNX.

use std::fmt::Debug;
use std::path::Path;

use emberline_net::{OnnxModel, OnnxOptions, TensorFlowModel, keras};

use super::image::{CHANNEL_ORDER, HEIGHT, INPUT_TENSOR, OUTPUT_MODE, OUTPUT_TENSOR, WIDTH};
use super::transformer::COLUMNS;
use super::{BATCH_SIZE, MODEL_FILE, SIGNATURE, TAG_SET};
use crate::error::Result;
use crate::image::SCALE_HINT;
use crate::params::shared::{ERROR_COL, INPUT_COL, OUTPUT_COL};
use crate::params::{ParamDefault, ParamSpec};

/// A kind of model files.
pub trait ModelSource: Clone + Debug + Send + Sync + 'static {
    /// The name of the stage that reads them.
    const KIND: &'static str;

    /// The table of the stage's params.
    const PARAMS: &'static [ParamSpec];

    /// The model of a file, with those inputs and outputs; all that the file names where there are none.
    ///
    /// # Errors
    /// When the file can't be read, or has no such inputs or outputs.
    fn read(file: &Path, request: &ModelRequest<'_>) -> Result<OnnxModel>;
}

/// What is asked of a model file.
#[derive(Debug, Clone, Copy)]
pub struct ModelRequest<'a> {
    /// The names of inputs; empty for those that the file names.
    pub inputs: &'a [String],
    /// The names of outputs; empty for those that the file names.
    pub outputs: &'a [String],
    /// Of a SavedModel, the tags of the graph.
    pub tags: Option<&'a str>,
    /// Of a SavedModel, the signature.
    pub signature: Option<&'a str>,
}

/// ONNX files.
#[derive(Debug, Clone)]
pub struct Onnx;

impl ModelSource for Onnx {
    const KIND: &'static str = "OnnxTransformer";
    const PARAMS: &'static [ParamSpec] =
        &[COLUMNS[0], COLUMNS[1], COLUMNS[2], COLUMNS[3], COLUMNS[4], MODEL_FILE, BATCH_SIZE];

    fn read(file: &Path, request: &ModelRequest<'_>) -> Result<OnnxModel> {
        let model = OnnxModel::read(file, &Default::default())?;
        Ok(if request.outputs.is_empty() { model } else { model.with_outputs(request.outputs)? })
    }
}

/// TensorFlow's SavedModel directories and frozen graphs.
#[derive(Debug, Clone)]
pub struct TensorFlow;

impl ModelSource for TensorFlow {
    const KIND: &'static str = "TFTransformer";
    const PARAMS: &'static [ParamSpec] = &[
        COLUMNS[0], COLUMNS[1], COLUMNS[2], COLUMNS[3], COLUMNS[4], MODEL_FILE, TAG_SET, SIGNATURE,
        BATCH_SIZE,
    ];

    fn read(file: &Path, request: &ModelRequest<'_>) -> Result<OnnxModel> {
        let model = TensorFlowModel::read(file, request.tags.unwrap_or("serve"), &Default::default())?;
        Ok(model.to_onnx(request.signature.unwrap_or("serving_default"), request.inputs, request.outputs)?)
    }
}

/// Keras' model files: `.keras` and `.h5`, of any of its backends.
#[derive(Debug, Clone)]
pub struct Keras;

impl ModelSource for Keras {
    const KIND: &'static str = "KerasTransformer";
    const PARAMS: &'static [ParamSpec] = Onnx::PARAMS;

    fn read(file: &Path, request: &ModelRequest<'_>) -> Result<OnnxModel> {
        let mut network = keras::read_model(file, &Default::default())?.network;
        if !request.outputs.is_empty() {
            network = network.cut_all(&request.outputs.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        let onnx = network.fold_batch_norms()?.to_onnx(&OnnxOptions::default())?;
        Ok(OnnxModel::from_bytes(&onnx, &Default::default())?)
    }
}

/// A kind of model files that may be over images.
pub trait ImageSource: Clone + Debug + Send + Sync + 'static {
    /// The name of the stage that reads them.
    const KIND: &'static str;

    /// The table of the stage's params.
    const PARAMS: &'static [ParamSpec];

    /// The model of a file, with those inputs and outputs; all that the file names where there are none.
    ///
    /// # Errors
    /// When the file can't be read, or has no such inputs or outputs.
    fn read_over_images(file: &Path, request: &ModelRequest<'_>) -> Result<OnnxModel>;
}

/// TensorFlow's files, and ONNX where the file is called so.
impl ImageSource for TensorFlow {
    const KIND: &'static str = "TFImageTransformer";
    const PARAMS: &'static [ParamSpec] = &[
        INPUT_COL,
        OUTPUT_COL,
        ERROR_COL,
        MODEL_FILE,
        TAG_SET,
        SIGNATURE,
        CHANNEL_ORDER.required(),
        INPUT_TENSOR,
        OUTPUT_TENSOR,
        OUTPUT_MODE,
        SCALE_HINT,
        HEIGHT,
        WIDTH,
        BATCH_SIZE,
    ];

    fn read_over_images(file: &Path, request: &ModelRequest<'_>) -> Result<OnnxModel> {
        if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
            return Onnx::read(file, request);
        }
        Self::read(file, request)
    }
}

impl ImageSource for Keras {
    const KIND: &'static str = "KerasImageFileTransformer";
    const PARAMS: &'static [ParamSpec] = &[
        INPUT_COL,
        OUTPUT_COL,
        ERROR_COL,
        MODEL_FILE,
        CHANNEL_ORDER.default(ParamDefault::Text("RGB")),
        OUTPUT_TENSOR,
        OUTPUT_MODE,
        SCALE_HINT,
        HEIGHT,
        WIDTH,
        BATCH_SIZE,
    ];

    fn read_over_images(file: &Path, request: &ModelRequest<'_>) -> Result<OnnxModel> {
        Self::read(file, request)
    }
}
