//! sparkdl's `DeepImagePredictor`.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use emberline_table::Step;
use emberline_table::functions::{Class, DecodePredictions, NetworkFunction, PipelineFunction};

use super::network::{self, BATCH_SIZE, COLUMNS, MODEL_FILE, MODEL_NAME, SCALE_HINT, Setting};
use crate::error::Result;
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Stage, Transformer, copied, input_field, stage_basics};

const DECODE_PREDICTIONS: ParamSpec = ParamSpec::new(
    "decodePredictions",
    ParamKind::Bool,
    "whether the output is the most probable classes by name, instead of all probabilities",
)
.default(ParamDefault::Bool(false));
const TOP_K: ParamSpec = ParamSpec::new("topK", ParamKind::Int, "how many classes are named")
    .default(ParamDefault::Int(5))
    .constraint(Constraint::AtLeast(1.0));
const ONNX: &str = "network.onnx";

/// What a pretrained network sees in images.
///
/// Input: images as structs, encoded bytes or URIs. Output: the probabilities of the network's classes,
/// `FixedSizeList<Float32>`; with `decodePredictions` the `topK` most probable ones as a list of
/// `{class, description, probability}`, most probable first. Null where the image is null or can't be decoded
/// (`errorCol` says why).
///
/// ```no_run
/// # fn example(images: emberline_table::datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use emberline_ml::{DeepImagePredictor, Transformer};
/// let predictor = DeepImagePredictor::new()
///     .input_col("image")
///     .output_col("objects")
///     .model_name("EfficientNetLite0")
///     .decode_predictions(true)
///     .top_k(3);
/// let table = predictor.transform(images)?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct DeepImagePredictor {
    params: Params,
    /// A function that was saved with the stage, and the setting that it is for.
    saved: Option<(Setting, Arc<NetworkFunction>)>,
}

impl DeepImagePredictor {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[
        COLUMNS[0],
        COLUMNS[1],
        COLUMNS[2],
        MODEL_NAME,
        MODEL_FILE,
        DECODE_PREDICTIONS,
        TOP_K,
        SCALE_HINT,
        BATCH_SIZE,
    ];

    /// A predictor with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("DeepImagePredictor", Self::PARAMS), saved: None }
    }

    fn function(&self) -> Result<Arc<NetworkFunction>> {
        let setting = Setting::of(&self.params)?;
        match &self.saved {
            Some((saved, function)) if *saved == setting => Ok(function.clone()),
            _ => network::function(&setting, setting.card(&self.params)?, self.params.uid()),
        }
    }

    /// One function from image to named classes; the probabilities are no column of the table.
    fn decoded(&self, input: String) -> Result<PipelineFunction> {
        let labels = (Setting::of(&self.params)?.card(&self.params)?.labels)();
        let classes =
            labels.iter().map(|label| Class { class: label.id.into(), description: label.name.into() });
        let decode = DecodePredictions::try_new(classes.collect(), self.params.count("topK")?)?;
        let steps = vec![
            Step::new(self.function()?, [&input], ["probabilities"]),
            Step::new(Arc::new(decode), ["probabilities"], ["classes"]),
        ];
        Ok(PipelineFunction::try_new(vec![input], steps, "classes".into())?)
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let mut predictor = Self { params: reader.params(Self::PARAMS)?, saved: None };
        let function = crate::functions::load_network(reader, ONNX)?;
        predictor.saved = function
            .map(|function| Ok::<_, crate::MlError>((Setting::of(&predictor.params)?, function)))
            .transpose()?;
        Ok(predictor)
    }
}

setters!(DeepImagePredictor {
    input_col: &str => "inputCol", output_col: &str => "outputCol", error_col: &str => "errorCol",
    model_name: &str => "modelName", model_file: &str => "modelFile", decode_predictions: bool => "decodePredictions", top_k: usize => "topK",
    scale_hint: &str => "scaleHint", batch_size: usize => "batchSize",
});

impl Stage for DeepImagePredictor {
    stage_basics!("DeepImagePredictor");

    /// The network goes along, so that a saved model needs nothing else; not if it has no name yet.
    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        if !self.params.is_defined("modelName") {
            return Ok(());
        }
        crate::functions::write_network(writer, ONNX, self.function()?.as_ref())
    }
}

impl Transformer for DeepImagePredictor {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        input_field(&self.params, "inputCol", schema)?;
        let (input, output) = (self.params.text("inputCol")?, self.params.text("outputCol")?);
        let function: Arc<dyn emberline_table::ColumnFunction> =
            match self.params.bool("decodePredictions")? {
                true => Arc::new(self.decoded(input.clone())?),
                false => self.function()?,
            };
        Ok(vec![Step::new(function, [input], [output]).with_error(self.params.text_if_defined("errorCol")?)])
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
