//! A network over images: image → vector.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{Field, FieldRef};
use emberline_image::{DecodeOptions, Layout, Preprocessing, Scratch};
use emberline_net::{
    Digest, JoinedModels, OnnxLimits, OnnxModel, PrepareOptions, Prepared, Runtime, Tensor, TensorView,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{check_image, image_input, vector_type, vectors};
use crate::describe::{Blob, Blobs, Description, FunctionKinds};
use crate::error::{Result, TableError};
use crate::feature_cache::{FeatureCache, Remembered, Stale};
use crate::function::{ColumnFunction, Evaluated, RowError, check_arity};
use crate::input::{ImageInput, PixelSource};

pub(super) const KIND: &str = "network";
const ROLE: &str = "onnx";

/// Runs a network on images: decode, orient, resize and normalise by the network's own rules, then the network.
///
/// Input: a column of images in any form of [`ImageInput`]. Output: `FixedSizeList<Float32>[outputs]`, null where
/// the image is null or can't be decoded. The whole way from bytes to vector runs on the calling thread; several
/// threads may call at once.
#[derive(Debug)]
pub struct NetworkFunction {
    params: Params,
    onnx: Blob,
    runtime: Arc<dyn Runtime>,
    prepared: OnceLock<Arc<dyn Prepared>>,
    /// This network and others as one, by all their digests; `None` where they have nothing in common.
    joined: Mutex<Vec<KnownJoined>>,
    scratch: Mutex<Vec<Scratch>>,
    decode: DecodeOptions,
    remembered: Option<Remembered>,
}

/// Part of every key of the feature cache: to be raised when the same settings come to mean other numbers.
const PREPROCESSING_VERSION: u32 = 1;

/// How many sets of networks that run together a function keeps prepared.
const JOINED_MAX: usize = 4;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Params {
    preprocessing: Preprocessing,
    /// Numbers in the answer.
    outputs: usize,
    /// Images per run of the network.
    batch_size: usize,
}

impl NetworkFunction {
    /// The images per run unless told otherwise. One is fastest where each core has its own run: what the layers
    /// of one image pass on stays in the core's cache.
    pub const BATCH_SIZE_DEFAULT: usize = 1;

    /// A function from an ONNX model with one input, `[N, 3, H, W]` or `[N, H, W, 3]` by `preprocessing`, and
    /// one output of `outputs` numbers per image.
    ///
    /// # Errors
    /// When a setting is out of its range. The model itself is read on first use.
    pub fn try_new(
        onnx: Blob,
        preprocessing: Preprocessing,
        outputs: usize,
        batch_size: usize,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Self> {
        preprocessing.validate().map_err(|e| TableError::description(KIND, e))?;
        if batch_size == 0 {
            return Err(TableError::Setting {
                parameter: "batchSize".into(),
                expected: "at least 1".into(),
                found: "0".into(),
            });
        }
        Ok(Self {
            params: Params { preprocessing, outputs, batch_size },
            onnx,
            runtime,
            prepared: OnceLock::new(),
            joined: Mutex::default(),
            scratch: Mutex::default(),
            decode: DecodeOptions::default(),
            remembered: None,
        })
    }

    /// Looks encoded images up in a cache before running the network, and adds what is new to it.
    #[must_use]
    pub fn with_cache(mut self, cache: Arc<FeatureCache>) -> Self {
        // The number of images per run changes no answer; all else that is described does, and so may the runtime.
        let settings = Params { batch_size: 0, ..self.params.clone() };
        let settings =
            serde_json::to_string(&(PREPROCESSING_VERSION, settings, self.decode, self.runtime.name()));
        let settings = settings.unwrap_or_default();
        let network = Digest::of_parts([&self.onnx.digest.as_bytes()[..], settings.as_bytes()]);
        self.remembered = Some(Remembered { cache, network });
        self
    }

    /// Rebuilds a function from what [`describe`](ColumnFunction::describe) said of it.
    ///
    /// # Errors
    /// When the description is of another kind, a setting does not fit, or the model is missing or damaged.
    pub fn rebuild(description: &Description, blobs: &dyn Blobs) -> Result<Self> {
        let Params { preprocessing, outputs, batch_size } = description.params_as()?;
        let onnx = Blob::new(description.blob(ROLE, blobs)?);
        Self::try_new(onnx, preprocessing, outputs, batch_size, emberline_net::default_runtime())
    }

    fn prepared(&self) -> Result<&Arc<dyn Prepared>> {
        if let Some(prepared) = self.prepared.get() {
            return Ok(prepared);
        }
        // Two threads may both prepare; one result is kept.
        let prepared = self.runtime.prepare(&self.onnx.bytes, &PrepareOptions::default())?;
        Ok(self.prepared.get_or_init(|| prepared))
    }

    /// The networks of several functions as one; `None` where there is one function, or they have nothing in common.
    fn joined(&self, functions: &[&Self]) -> Result<Option<Arc<Joined>>> {
        if functions.len() < 2 {
            return Ok(None);
        }
        let key: Vec<Digest> = functions.iter().map(|function| function.onnx.digest).collect();
        // Whoever comes next waits: a network is not joined, and held, twice.
        let mut known = self.joined.lock();
        if let Some((_, joined)) = known.iter().find(|(digests, _)| *digests == key) {
            return Ok(joined.clone());
        }
        let joined = self.join(functions)?.map(Arc::new);
        if known.len() == JOINED_MAX {
            known.remove(0);
        }
        known.push((key, joined.clone()));
        Ok(joined)
    }

    fn join(&self, functions: &[&Self]) -> Result<Option<Joined>> {
        if functions.iter().all(|function| function.onnx.digest == self.onnx.digest) {
            let places = vec![0; functions.len()];
            return Ok(Some(Joined { prepared: self.prepared()?.clone(), places }));
        }
        let model = |function: &&Self| OnnxModel::from_bytes(&function.onnx.bytes, &OnnxLimits::default());
        let models = functions.iter().map(model).collect::<Result<Vec<_>, _>>()?;
        // An output more than expected would shift the places of the others.
        if models.iter().any(|model| model.outputs().len() != 1) {
            return Ok(None);
        }
        let Some(JoinedModels { model, outputs }) = OnnxModel::joined(&models) else { return Ok(None) };
        drop(models);
        let prepared = self.runtime.prepare(&model.to_bytes(), &PrepareOptions::default())?;
        Ok(Some(Joined { prepared, places: outputs }))
    }

    /// Runs a network on tensors that lie one after the other.
    fn run(&self, network: &Arc<dyn Prepared>, tensors: &[f32]) -> Result<Vec<Tensor>> {
        let Preprocessing { width, height, layout, .. } = &self.params.preprocessing;
        let (w, h) = (*width as usize, *height as usize);
        let n = tensors.len() / self.params.preprocessing.tensor_len().max(1);
        let shape = match layout {
            Layout::Nchw => [n, 3, h, w],
            Layout::Nhwc => [n, h, w, 3],
        };
        Ok(network.run(&[TensorView::new(&shape, tensors)?])?)
    }

    fn to_tensor(&self, source: &PixelSource, scratch: &mut Scratch, out: &mut [f32]) -> Result<(), String> {
        let preprocessing = &self.params.preprocessing;
        match source {
            PixelSource::Image(image) => preprocessing.image_to_tensor(image, out),
            PixelSource::Bytes(bytes) => preprocessing.bytes_to_tensor(bytes, &self.decode, scratch, out),
        }
        .map_err(|e| e.to_string())
    }

    /// What several functions answer for the same images, each as it would alone: an image is read once, and what their
    /// networks have in common runs once.
    pub(crate) fn evaluate_together(functions: &[&Self], input: &ArrayRef) -> Result<Vec<Evaluated>> {
        let Some(first) = functions.first() else { return Ok(Vec::new()) };
        let images = image_input(KIND, input)?;
        let mut scratch = first.scratch.lock().pop().unwrap_or_default();
        let evaluated = first.evaluate_images(functions, &images, &mut scratch);
        first.scratch.lock().push(scratch);
        evaluated
    }

    /// Whether two functions read images in the same way and run in the same runtime.
    pub(crate) fn may_run_together(&self, other: &Self) -> bool {
        self.params.preprocessing == other.params.preprocessing
            && self.decode == other.decode
            && Arc::ptr_eq(&self.runtime, &other.runtime)
    }

    /// `functions` read images as this one does.
    fn evaluate_images(
        &self,
        functions: &[&Self],
        images: &ImageInput,
        scratch: &mut Scratch,
    ) -> Result<Vec<Evaluated>> {
        let batch_size = functions.iter().map(|function| function.params.batch_size).min().unwrap_or(1);
        let tensor_len = self.params.preprocessing.tensor_len();
        let mut tensors = vec![0.0; batch_size.min(images.len()) * tensor_len];
        let mut answers: Vec<Answers<'_>> =
            functions.iter().map(|function| Answers::new(function, images.len())).collect();
        for from in (0..images.len()).step_by(batch_size) {
            let to = (from + batch_size).min(images.len());
            let mut rows = Vec::with_capacity(to - from);
            let sources = images.get(from, to, &self.decode);
            answers.iter_mut().for_each(|answers| answers.look_up(from, &sources));
            for (row, source) in (from..to).zip(sources) {
                let Some(source) = source else { continue };
                if answers.iter().all(|answers| answers.valid[row]) {
                    continue;
                }
                let tensor = &mut tensors[rows.len() * tensor_len..][..tensor_len];
                match source.and_then(|source| self.to_tensor(&source, scratch, tensor)) {
                    Ok(()) => rows.push(row),
                    Err(reason) => {
                        let origin = images.origin(row).map(String::from);
                        let error = RowError { row, origin, reason };
                        answers.iter_mut().for_each(|answers| answers.fail(&error));
                    }
                }
            }
            if !rows.is_empty() {
                run_networks(&mut answers, &rows, &tensors[..rows.len() * tensor_len])?;
            }
        }
        answers.into_iter().map(Answers::finish).collect()
    }
}

/// Runs the networks that have not answered for all of these rows, and keeps what they answer.
fn run_networks(answers: &mut [Answers<'_>], rows: &[usize], tensors: &[f32]) -> Result<()> {
    let mut wanting: Vec<&mut Answers<'_>> =
        answers.iter_mut().filter(|answers| rows.iter().any(|row| !answers.valid[*row])).collect();
    let functions: Vec<&NetworkFunction> = wanting.iter().map(|answers| answers.function).collect();
    let Some(first) = functions.first() else { return Ok(()) };
    if let Some(joined) = first.joined(&functions)? {
        let outputs = first.run(&joined.prepared, tensors)?;
        for (answers, place) in wanting.iter_mut().zip(&joined.places) {
            answers.keep(rows, outputs.get(*place))?;
        }
        return Ok(());
    }
    for answers in wanting {
        let outputs = answers.function.run(answers.function.prepared()?, tensors)?;
        answers.keep(rows, outputs.first())?;
    }
    Ok(())
}

/// Networks that begin alike, prepared as one.
#[derive(Debug)]
struct Joined {
    prepared: Arc<dyn Prepared>,
    /// Which of its outputs is the answer of each function.
    places: Vec<usize>,
}

/// The digests of networks, and what they are as one.
type KnownJoined = (Vec<Digest>, Option<Arc<Joined>>);

/// What a function has answered for the images of a batch.
struct Answers<'a> {
    function: &'a NetworkFunction,
    /// For every row, answered or not.
    values: Vec<f32>,
    /// The rows that are answered.
    valid: Vec<bool>,
    errors: Vec<RowError>,
    /// Digests of images by row, where the cache is to learn the answer.
    digests: Vec<Option<Digest>>,
    /// Rows that the cache does not know.
    fresh: Vec<usize>,
    stale: Vec<Stale>,
}

impl<'a> Answers<'a> {
    fn new(function: &'a NetworkFunction, rows: usize) -> Self {
        Self {
            function,
            values: vec![0.0; rows * function.params.outputs],
            valid: vec![false; rows],
            errors: Vec::new(),
            digests: vec![None; rows],
            fresh: Vec::new(),
            stale: Vec::new(),
        }
    }

    /// Takes what the cache knows of the images from a row on; only encoded ones have a name that is sure to be the same
    /// next time.
    fn look_up(&mut self, from: usize, sources: &[Option<Result<PixelSource, String>>]) {
        let Some(remembered) = &self.function.remembered else { return };
        let (mut rows, mut named) = (Vec::new(), Vec::new());
        for (row, source) in (from..).zip(sources) {
            if let Some(Ok(source @ PixelSource::Bytes(_))) = source {
                let digest = source.digest();
                self.digests[row] = Some(digest);
                rows.push(row);
                named.push(digest);
            }
        }
        for (row, answer) in rows.into_iter().zip(remembered.get(&named, &mut self.stale)) {
            let outputs = self.function.params.outputs;
            if let Some(answer) = answer.filter(|answer| answer.len() == outputs) {
                self.values[row * outputs..][..outputs].copy_from_slice(&answer);
                self.valid[row] = true;
            }
        }
    }

    fn fail(&mut self, error: &RowError) {
        if !self.valid[error.row] {
            self.errors.push(error.clone());
        }
    }

    /// Keeps what the network gave for these rows; what the cache knew stays as it is.
    fn keep(&mut self, rows: &[usize], output: Option<&Tensor>) -> Result<()> {
        let outputs = self.function.params.outputs;
        let (found, expected) = (output.map_or(0, |tensor| tensor.data().len()), rows.len() * outputs);
        let Some(output) = output.filter(|_| found == expected) else {
            let reason =
                format!("its model gives {found} numbers for {} image(s), expected {expected}", rows.len());
            return Err(TableError::description(KIND, reason));
        };
        for (row, answer) in rows.iter().zip(output.data().chunks_exact(outputs.max(1))) {
            if !self.valid[*row] {
                self.values[row * outputs..][..outputs].copy_from_slice(answer);
                self.valid[*row] = true;
                self.fresh.push(*row);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Evaluated> {
        let outputs = self.function.params.outputs;
        if let Some(remembered) = &self.function.remembered {
            let vector = |row: &usize| Some((self.digests[*row]?, &self.values[row * outputs..][..outputs]));
            remembered.keep(&self.fresh.iter().filter_map(vector).collect::<Vec<_>>(), &self.stale);
        }
        Ok(Evaluated { values: vectors(self.values, outputs, &self.valid)?, errors: self.errors })
    }
}

impl ColumnFunction for NetworkFunction {
    fn describe(&self) -> Description {
        let params = serde_json::to_value(&self.params).unwrap_or_default();
        Description { blobs: [(ROLE.to_string(), self.onnx.digest)].into(), ..Description::new(KIND, params) }
    }

    fn blobs(&self) -> Vec<Blob> {
        vec![self.onnx.clone()]
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arity(KIND, 1, inputs)?;
        check_image(KIND, &inputs[0])?;
        Ok(Arc::new(Field::new(KIND, vector_type(self.params.outputs), true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let mut evaluated = Self::evaluate_together(&[self], &inputs[0])?;
        evaluated.pop().ok_or_else(|| TableError::description(KIND, "it gave no answer"))
    }

    fn batch_rows(&self) -> usize {
        self.params.batch_size.max(32)
    }
}

pub(super) fn rebuild(
    description: &Description,
    blobs: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>> {
    Ok(Arc::new(NetworkFunction::rebuild(description, blobs)?))
}
