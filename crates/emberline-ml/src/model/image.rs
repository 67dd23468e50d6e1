//! sparkdl's `TFImageTransformer` and `KerasImageFileTransformer`: models over images.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use emberline_net::OnnxModel;
use emberline_table::functions::{ImageTensor, ModelFunction, PipelineFunction, PixelChannels, TensorImage};
use emberline_table::{ColumnFunction, Step};

use super::source::{ImageSource, Keras, ModelRequest, TensorFlow};
use super::{SavedFunction, Setting, function, load_model, write_model};
use crate::error::{MlError, Result};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Stage, Transformer, copied, input_field};

const SIDES: Constraint = Constraint::Between(1.0, 65_535.0);

pub(super) const CHANNEL_ORDER: ParamSpec = ParamSpec::new(
    "channelOrder",
    ParamKind::Text,
    "the channels that the model takes: RGB, BGR or L (gray)",
)
.required()
.constraint(Constraint::OneOf(&["L", "RGB", "BGR"]));
pub(super) const INPUT_TENSOR: ParamSpec = ParamSpec::new(
    "inputTensor",
    ParamKind::Text,
    "the input of images; if it is not set, the model's only one",
);
pub(super) const OUTPUT_TENSOR: ParamSpec = ParamSpec::new(
    "outputTensor",
    ParamKind::Text,
    "the output, or an inner tensor; if it is not set, the model's only output",
);
pub(super) const OUTPUT_MODE: ParamSpec = ParamSpec::new(
    "outputMode",
    ParamKind::Text,
    "whether the output is a vector, or an image of the output's height and width",
)
.default(ParamDefault::Text("vector"))
.constraint(Constraint::OneOf(&["vector", "image"]));
pub(super) const HEIGHT: ParamSpec = ParamSpec::new(
    "height",
    ParamKind::Int,
    "rows of pixels that the model is given, where it leaves them open",
)
.constraint(SIDES);
pub(super) const WIDTH: ParamSpec = ParamSpec::new(
    "width",
    ParamKind::Int,
    "pixels per row that the model is given, where it leaves them open",
)
.constraint(SIDES);

/// A model over images from a file, as a stage.
///
/// Input: images as structs, encoded bytes or URIs. They are brought to the size that the model fixes (or `height` and `width`
/// say) and given as pixels from 0 to 255 in `channelOrder`, `[N, height, width, channels]` or channels first, as the model takes
/// them. Output: a vector of all numbers per image, or with `outputMode="image"` an image struct of 8 bits, which sparkdl's are
/// not: numbers are rounded and brought into 0 to 255. Null where the image is null or can't be decoded (`errorCol`
/// says why). The saved form carries the model as ONNX.
///
/// [`TFImageTransformer`] reads TensorFlow's files and ONNX, [`KerasImageFileTransformer`] Keras'.
#[derive(Debug, Clone)]
pub struct NetworkImageTransformer<S> {
    params: Params,
    saved: SavedFunction,
    source: PhantomData<S>,
}

/// sparkdl's `TFImageTransformer`: a SavedModel, a frozen graph, or an ONNX file (called `.onnx`) over images.
///
/// ```no_run
/// # fn example(images: emberline_table::datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use emberline_ml::{TFImageTransformer, Transformer};
/// let network = TFImageTransformer::new()
///     .model_file("saved_model/")
///     .input_col("image")
///     .output_col("scores")
///     .channel_order("RGB");
/// let table = network.transform(images)?;
/// # Ok(()) }
/// ```
pub type TFImageTransformer = NetworkImageTransformer<TensorFlow>;

/// sparkdl's `KerasImageFileTransformer`: a Keras model over images. In place of a loader in Python there are the size that the
/// model fixes and `channelOrder`, RGB unless set; what else the model wants of pixels it has to do itself, in a `Rescaling` layer for one.
///
/// ```no_run
/// # fn example(images: emberline_table::datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use emberline_ml::{KerasImageFileTransformer, Transformer};
/// let network = KerasImageFileTransformer::new().model_file("model.keras").input_col("uri").output_col("scores");
/// let table = network.transform(images)?;
/// # Ok(()) }
/// ```
pub type KerasImageFileTransformer = NetworkImageTransformer<Keras>;

/// How images enter a model, beside the model itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ImagePort {
    height: Option<u32>,
    width: Option<u32>,
    channels: usize,
    flat: bool,
}

/// The size and the order of axes of the images that a model takes.
#[derive(Debug, Clone, Copy)]
struct Taken {
    height: u32,
    width: u32,
    channels_first: bool,
}

impl<S: ImageSource> NetworkImageTransformer<S> {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = S::PARAMS;

    /// A stage with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new(S::KIND, S::PARAMS), saved: None, source: PhantomData }
    }

    fn setting(&self) -> Result<Setting> {
        self.params.validate()?;
        let named =
            |param| Ok::<_, MlError>(self.params.text_if_defined(param)?.into_iter().collect::<Vec<_>>());
        let side = |param: &str| match self.params.is_defined(param) {
            true => Ok::<_, MlError>(u32::try_from(self.params.count(param)?).ok()),
            false => Ok(None),
        };
        let image = ImagePort {
            height: side("height")?,
            width: side("width")?,
            channels: self.channels()?.count(),
            flat: self.params.text("outputMode")? == "vector",
        };
        Ok(Setting {
            inputs: named("inputTensor")?,
            outputs: named("outputTensor")?,
            image: Some(image),
            ..Setting::of(S::KIND, &self.params)?
        })
    }

    fn model(&self) -> Result<Arc<ModelFunction>> {
        let setting = self.setting()?;
        if let Some((saved, function)) = &self.saved
            && *saved == setting
        {
            return Ok(function.clone());
        }
        function(&setting, || {
            let request = ModelRequest {
                inputs: &setting.inputs,
                outputs: &setting.outputs,
                tags: setting.tags.as_deref(),
                signature: setting.signature.as_deref(),
            };
            let model = S::read_over_images(Path::new(setting.file.path()), &request)?;
            match &setting.image {
                Some(port) => port.apply(model).map_err(|reason| MlError::stage(self.params.uid(), reason)),
                None => Ok(model),
            }
        })
    }

    fn channels(&self) -> Result<PixelChannels> {
        Ok(match self.params.text("channelOrder")?.as_str() {
            "L" => PixelChannels::Gray,
            "BGR" => PixelChannels::Bgr,
            _ => PixelChannels::Rgb,
        })
    }

    /// One function from image to vector or image; the tensors in between are no columns of the table.
    fn function(&self, input: &str) -> Result<PipelineFunction> {
        let model = self.model()?;
        let wrong = |reason: &str| MlError::stage(self.params.uid(), reason);
        let channels = self.channels()?;
        let Taken { height, width, channels_first } = Taken::by(&model, channels.count())
            .ok_or_else(|| wrong("the saved model takes no images of these channels"))?;
        let resize = self.params.text_if_defined("scaleHint")?.unwrap_or_else(|| "bilinear".into());
        let tensor = ImageTensor::try_new((width, height), channels, channels_first, &resize)?;
        let image = (self.params.text("outputMode")? == "image").then_some(channels);
        over_images(input, Arc::new(tensor), model, image).map_err(|reason| wrong(&reason))
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let mut stage = Self { params: reader.params(S::PARAMS)?, saved: None, source: PhantomData };
        stage.saved =
            load_model(reader)?.map(|function| Ok::<_, MlError>((stage.setting()?, function))).transpose()?;
        Ok(stage)
    }
}

/// One function from images to a model's output: `tensor` makes what the model takes of an image. With `image`, the output is an
/// image, its three channels in that order; the tensors in between are no columns of the table.
pub(crate) fn over_images(
    input: &str,
    tensor: Arc<dyn ColumnFunction>,
    model: Arc<ModelFunction>,
    image: Option<PixelChannels>,
) -> Result<PipelineFunction, String> {
    let made = match image {
        None => None,
        Some(channels) => {
            let (size, count) = image_shape(&model).ok_or(
                "outputMode `image` needs an output [N, height, width, channels] of known size, of 1 or 3 channels",
            )?;
            let channels = match (count, channels) {
                (1, _) => PixelChannels::Gray,
                (_, PixelChannels::Bgr) => PixelChannels::Bgr,
                _ => PixelChannels::Rgb,
            };
            Some(TensorImage::new(size, channels))
        }
    };
    let mut steps = vec![Step::new(tensor, [input], ["pixels"]), Step::new(model, ["pixels"], ["output"])];
    let output = if made.is_some() { "image" } else { "output" };
    steps.extend(made.map(|image| Step::new(Arc::new(image), ["output"], ["image"])));
    PipelineFunction::try_new(vec![input.to_owned()], steps, output.to_owned()).map_err(|e| e.to_string())
}

impl ImagePort {
    /// The model with images of a known size as its input, and with vectors as its output if these are wanted.
    fn apply(&self, model: OnnxModel) -> Result<OnnxModel, String> {
        let inputs = model.inputs();
        let [input] = inputs.as_slice() else {
            let names: Vec<String> = inputs.iter().map(ToString::to_string).collect();
            return Err(format!("expected a model with one input, found {}", names.join("; ")));
        };
        let expected =
            format!("expected an input of images of {} channel(s), found `{input}`", self.channels);
        let (batch, axes) = match input.shape.as_deref() {
            Some([batch, axes @ ..]) if axes.len() == 3 => (*batch, [axes[0], axes[1], axes[2]]),
            // TensorFlow does not always say; its images are channels-last.
            None => (None, [None, None, Some(self.channels)]),
            Some(_) => return Err(expected),
        };
        let channels = Some(self.channels);
        let first = axes[0] == channels && axes[2] != channels;
        if !first && axes[2].is_some() && axes[2] != channels {
            return Err(expected);
        }
        let (height, width) = if first { (axes[1], axes[2]) } else { (axes[0], axes[1]) };
        let side = |of_model: Option<usize>, param: Option<u32>, name: &str| match (of_model, param) {
            (Some(side), None) => Ok(side),
            (Some(side), Some(param)) if side == param as usize => Ok(side),
            (Some(side), Some(param)) => {
                Err(format!("parameter `{name}`: the model takes {side}, found {param}"))
            }
            (None, Some(param)) => Ok(param as usize),
            (None, None) => Err(format!("the model leaves the size of its images open: set `{name}`")),
        };
        let (height, width) =
            (Some(side(height, self.height, "height")?), Some(side(width, self.width, "width")?));
        let shape = if first { [batch, channels, height, width] } else { [batch, height, width, channels] };
        let name = input.name.clone();
        let model = model.with_input_shape(&name, &shape).map_err(|e| e.to_string())?;
        Ok(if self.flat { model.with_flat_outputs() } else { model })
    }
}

impl Taken {
    /// What a model whose sizes are fixed takes.
    fn by(model: &ModelFunction, channels: usize) -> Option<Self> {
        let shape = model.input_shape(0)?;
        let sides = |height: &Option<usize>, width: &Option<usize>, channels_first| {
            let side = |side: &Option<usize>| u32::try_from((*side)?).ok();
            Some(Self { height: side(height)?, width: side(width)?, channels_first })
        };
        match shape {
            [_, height, width, last] if *last == Some(channels) => sides(height, width, false),
            [_, first, height, width] if *first == Some(channels) => sides(height, width, true),
            _ => None,
        }
    }
}

/// The width and height of a model's only output, and its channels.
fn image_shape(model: &ModelFunction) -> Option<((u32, u32), usize)> {
    let shape: Option<Vec<usize>> = model.output_shape(0)?.iter().copied().collect();
    let (height, width, channels) = match shape?.as_slice() {
        [height, width] => (*height, *width, 1),
        [height, width, channels @ (1 | 3)] => (*height, *width, *channels),
        _ => return None,
    };
    Some(((u32::try_from(width).ok()?, u32::try_from(height).ok()?), channels))
}

impl<S: ImageSource> Stage for NetworkImageTransformer<S> {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// The model goes along, so that a saved stage needs nothing else; not if it has no file yet.
    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        if !self.params.is_defined("modelFile") {
            return Ok(());
        }
        write_model(writer, self.model()?.as_ref())
    }
}

impl<S: ImageSource> Transformer for NetworkImageTransformer<S> {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        input_field(&self.params, "inputCol", schema)?;
        let (input, output) = (self.params.text("inputCol")?, self.params.text("outputCol")?);
        let function: Arc<dyn ColumnFunction> = Arc::new(self.function(&input)?);
        Ok(vec![Step::new(function, [input], [output]).with_error(self.params.text_if_defined("errorCol")?)])
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

setters!(NetworkImageTransformer<S: ImageSource> {
    input_col: &str => "inputCol", output_col: &str => "outputCol", error_col: &str => "errorCol",
    model_file: &str => "modelFile", channel_order: &str => "channelOrder", output_mode: &str => "outputMode",
    output_tensor: &str => "outputTensor", scale_hint: &str => "scaleHint", height: usize => "height", width: usize => "width",
    batch_size: usize => "batchSize",
});
