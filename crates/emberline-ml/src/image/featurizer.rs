//! sparkdl's `DeepImageFeaturizer`, cut at any layer.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use emberline_table::Step;
use emberline_table::functions::NetworkFunction;
use emberline_zoo::Cut;

use super::network::{self, BATCH_SIZE, COLUMNS, MODEL_FILE, MODEL_NAME, SCALE_HINT, Setting};
use crate::error::Result;
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, ParamValue, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Stage, Transformer, copied, input_field, stage_basics};

const LAYER: ParamSpec = ParamSpec::new(
    "layer",
    ParamKind::Text,
    "the layer whose output are the features; if it is not set, the one that the network's card says",
);
const POOLING: ParamSpec = ParamSpec::new(
    "pooling",
    ParamKind::Text,
    "how the places of a layer's output become one vector per image",
)
.default(ParamDefault::Text("avg"))
.constraint(Constraint::OneOf(&["avg", "max", "flatten", "none"]));
const ONNX: &str = "network.onnx";

/// Features of images: what a pretrained network knows of them at one of its layers.
///
/// Input: images as structs, encoded bytes or URIs. Output: `FixedSizeList<Float32>`, as long as the layer is wide
/// after pooling; null where the image is null or can't be decoded (`errorCol` says why). The part of the network
/// after the layer is neither loaded nor run.
///
/// ```no_run
/// # fn example(images: emberline_table::datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use emberline_ml::{DeepImageFeaturizer, Transformer};
/// let featurizer =
///     DeepImageFeaturizer::new().input_col("image").output_col("features").model_name("EfficientNetLite0");
/// let table = featurizer.transform(images)?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct DeepImageFeaturizer {
    params: Params,
    /// A function that was saved with the stage, and the setting that it is for.
    saved: Option<(Setting, Arc<NetworkFunction>)>,
}

impl DeepImageFeaturizer {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[COLUMNS[0], COLUMNS[1], COLUMNS[2], MODEL_NAME, MODEL_FILE, LAYER, POOLING, SCALE_HINT, BATCH_SIZE];

    /// A featurizer with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("DeepImageFeaturizer", Self::PARAMS), saved: None }
    }

    fn setting(&self) -> Result<Setting> {
        self.params.validate()?;
        let setting = Setting::of(&self.params)?;
        let cut = self.params.text_if_defined("layer")?.map_or(Cut::Features, Cut::Layer);
        let pooling = match self.params.text("pooling")?.as_str() {
            "max" => "max",
            "flatten" => "flatten",
            "none" => "none",
            _ => "avg",
        };
        Ok(Setting { cut, pooling: Some(pooling), ..setting })
    }

    fn function(&self) -> Result<Arc<NetworkFunction>> {
        let setting = self.setting()?;
        match &self.saved {
            Some((saved, function)) if *saved == setting => Ok(function.clone()),
            _ => {
                let card = setting.card(&self.params)?;
                self.check_layer(card, &setting)?;
                network::function(&setting, card, self.params.uid())
            }
        }
    }

    /// An unknown layer is found before any weights are fetched.
    fn check_layer(&self, card: &emberline_zoo::Card, setting: &Setting) -> Result<()> {
        // A file may be of another origin, whose layers have other names.
        let (Cut::Layer(layer), None) = (&setting.cut, &setting.file) else { return Ok(()) };
        let network = card.network()?;
        if network.layer_names().any(|name| name == *layer) {
            return Ok(());
        }
        let expected = format!("a layer of {}, such as {}", card.name, card.cut_layers.join(", "));
        Err(self.params.wrong("layer", expected, &ParamValue::Text(layer.clone())))
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let mut featurizer = Self { params: reader.params(Self::PARAMS)?, saved: None };
        let function = crate::functions::load_network(reader, ONNX)?;
        featurizer.saved = function
            .map(|function| Ok::<_, crate::MlError>((featurizer.setting()?, function)))
            .transpose()?;
        Ok(featurizer)
    }
}

setters!(DeepImageFeaturizer {
    input_col: &str => "inputCol", output_col: &str => "outputCol", error_col: &str => "errorCol",
    model_name: &str => "modelName", model_file: &str => "modelFile", layer: &str => "layer", pooling: &str => "pooling",
    scale_hint: &str => "scaleHint", batch_size: usize => "batchSize",
});

impl Stage for DeepImageFeaturizer {
    stage_basics!("DeepImageFeaturizer");

    /// The cut network goes along, so that a saved model needs nothing else; not if it has no name yet.
    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        if !self.params.is_defined("modelName") {
            return Ok(());
        }
        crate::functions::write_network(writer, ONNX, self.function()?.as_ref())
    }
}

impl Transformer for DeepImageFeaturizer {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        input_field(&self.params, "inputCol", schema)?;
        let step =
            Step::new(self.function()?, [self.params.text("inputCol")?], [self.params.text("outputCol")?]);
        Ok(vec![step.with_error(self.params.text_if_defined("errorCol")?)])
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
