//! sparkdl's `TFTransformer`, for every kind of model: columns of tensors in, columns of tensors out.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use emberline_table::Step;
use emberline_table::functions::ModelFunction;

use super::source::{Keras, ModelRequest, ModelSource, Onnx, TensorFlow};
use super::{SavedFunction, Setting, function, load_model, write_model};
use crate::error::{MlError, Result};
use crate::params::shared::{ERROR_COL, INPUT_COL, OUTPUT_COL};
use crate::params::{ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Stage, Transformer, copied, named_field};

pub(super) const COLUMNS: [ParamSpec; 5] = [
    ParamSpec::new(INPUT_COL.name, ParamKind::Text, "the column of a model with one input"),
    OUTPUT_COL,
    ParamSpec::new(
        "inputMapping",
        ParamKind::Texts,
        "a column for each input of the model, as `column=input`; in place of inputCol",
    ),
    ParamSpec::new(
        "outputMapping",
        ParamKind::Texts,
        "the outputs wanted and their columns, as `output=column`; in place of outputCol. Inner tensors may be named, too",
    ),
    ERROR_COL,
];

/// A model from a file as a stage: columns of tensors become columns of what the model makes of them.
///
/// Input: numbers, vectors or lists of lists of numbers, for each input of the model a column; flat lists are taken for tensors
/// of their count. Output: of one output a column, `Float32` or fixed lists of it; of several, a struct of them in `outputCol`, or
/// a column each by `outputMapping`. Null where an input is null or does not fit (`errorCol` says why). The saved form
/// carries the model as ONNX, so that it needs the file no more.
///
/// [`OnnxTransformer`] reads ONNX, [`TFTransformer`] TensorFlow's SavedModels and frozen graphs, [`KerasTransformer`] Keras'
/// files.
#[derive(Debug, Clone)]
pub struct NetworkTransformer<S> {
    params: Params,
    saved: SavedFunction,
    source: PhantomData<S>,
}

/// A model in an ONNX file as a stage: operator set 7 and later, whoever wrote it.
///
/// ```no_run
/// # fn example(table: emberline_table::datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use emberline_ml::{OnnxTransformer, Transformer};
/// let scores = OnnxTransformer::new().model_file("iris.onnx").input_col("features").output_col("scores");
/// let table = scores.transform(table)?;
/// # Ok(()) }
/// ```
pub type OnnxTransformer = NetworkTransformer<Onnx>;

/// sparkdl's `TFTransformer`: a SavedModel or a frozen graph as a stage. Inputs and outputs go by the names of the signature, or
/// are tensors, `name:0`.
///
/// ```no_run
/// # fn example(table: emberline_table::datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use emberline_ml::{TFTransformer, Transformer};
/// let graph = TFTransformer::new()
///     .model_file("frozen.pb")
///     .input_mapping(&[("x", "x:0"), ("y", "y:0")])
///     .output_mapping(&[("sum:0", "sum")]);
/// let table = graph.transform(table)?;
/// # Ok(()) }
/// ```
pub type TFTransformer = NetworkTransformer<TensorFlow>;

/// sparkdl's `KerasTransformer`: a Keras model as a stage. Outputs are layers.
///
/// ```no_run
/// # fn example(table: emberline_table::datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use emberline_ml::{KerasTransformer, Transformer};
/// let model = KerasTransformer::new().model_file("model.h5").input_col("features").output_col("predictions");
/// let table = model.transform(table)?;
/// # Ok(()) }
/// ```
pub type KerasTransformer = NetworkTransformer<Keras>;

impl<S: ModelSource> NetworkTransformer<S> {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = S::PARAMS;

    /// A stage with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new(S::KIND, S::PARAMS), saved: None, source: PhantomData }
    }

    /// Sets `inputMapping`: pairs of a column and an input.
    #[must_use]
    pub fn input_mapping(mut self, columns: &[(&str, &str)]) -> Self {
        self.params.put("inputMapping", texts(columns));
        self
    }

    /// Sets `outputMapping`: pairs of an output and a column.
    #[must_use]
    pub fn output_mapping(mut self, columns: &[(&str, &str)]) -> Self {
        self.params.put("outputMapping", texts(columns));
        self
    }

    /// The pairs of a mapping: the first part of each text up to the first `=`, or, of columns, to the last one.
    fn pairs(&self, param: &str) -> Result<Vec<(String, String)>> {
        let Some(value) = self.params.value(param) else { return Ok(Vec::new()) };
        let texts = value.as_texts().unwrap_or_default();
        let pair = |text: &String| {
            let split = if param == "inputMapping" { text.rsplit_once('=') } else { text.split_once('=') };
            let (left, right) = split.filter(|(left, right)| !left.is_empty() && !right.is_empty())?;
            Some((left.to_owned(), right.to_owned()))
        };
        let pairs: Option<Vec<_>> = texts.iter().map(pair).collect();
        pairs.ok_or_else(|| self.params.wrong(param, "pairs of names, as `left=right`", &value))
    }

    fn setting(&self) -> Result<Setting> {
        self.params.validate()?;
        Ok(Setting {
            inputs: self.pairs("inputMapping")?.into_iter().map(|(_, input)| input).collect(),
            outputs: self.pairs("outputMapping")?.into_iter().map(|(output, _)| output).collect(),
            ..Setting::of(S::KIND, &self.params)?
        })
    }

    fn function(&self) -> Result<Arc<ModelFunction>> {
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
            S::read(Path::new(setting.file.path()), &request)
        })
    }

    /// The columns of the function's arguments.
    fn input_columns(&self, function: &ModelFunction) -> Result<Vec<String>> {
        let pairs = self.pairs("inputMapping")?;
        let inputs: Vec<&str> = function.inputs().collect();
        let wrong = |reason: String| MlError::stage(self.params.uid(), reason);
        if pairs.is_empty() {
            if inputs.len() > 1 {
                let reason = format!(
                    "the model has the inputs {}; inputMapping says their columns",
                    inputs.join(", ")
                );
                return Err(wrong(reason));
            }
            return Ok(vec![self.params.text("inputCol")?]);
        }
        if let Some((_, unknown)) = pairs.iter().find(|(_, input)| !inputs.contains(&input.as_str())) {
            let known = inputs.join(", ");
            return Err(wrong(format!(
                "the model has no input `{unknown}` of inputMapping; it takes {known}"
            )));
        }
        let column = |input: &&str| {
            let found = pairs.iter().find(|(_, known)| known == input).map(|(column, _)| column.clone());
            found.ok_or_else(|| wrong(format!("inputMapping has no column for the model's input `{input}`")))
        };
        inputs.iter().map(column).collect()
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let mut stage = Self { params: reader.params(S::PARAMS)?, saved: None, source: PhantomData };
        stage.saved =
            load_model(reader)?.map(|function| Ok::<_, MlError>((stage.setting()?, function))).transpose()?;
        Ok(stage)
    }
}

impl<S: ModelSource> Stage for NetworkTransformer<S> {
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
        write_model(writer, self.function()?.as_ref())
    }
}

impl<S: ModelSource> Transformer for NetworkTransformer<S> {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        let function = self.function()?;
        let inputs = self.input_columns(&function)?;
        let param = if self.params.is_defined("inputMapping") { "inputMapping" } else { "inputCol" };
        inputs.iter().try_for_each(|name| named_field(&self.params, param, name, schema).map(|_| ()))?;
        let mut outputs: Vec<String> =
            self.pairs("outputMapping")?.into_iter().map(|(_, column)| column).collect();
        if outputs.is_empty() {
            outputs.push(self.params.text("outputCol")?);
        }
        Ok(vec![Step::new(function, inputs, outputs).with_error(self.params.text_if_defined("errorCol")?)])
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

/// Pairs as the params of mappings have them.
fn texts(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs.iter().map(|(left, right)| format!("{left}={right}")).collect()
}

setters!(NetworkTransformer<S: ModelSource> {
    input_col: &str => "inputCol", output_col: &str => "outputCol", error_col: &str => "errorCol",
    model_file: &str => "modelFile", batch_size: usize => "batchSize",
});
