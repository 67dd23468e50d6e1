//! A network over images: image → vector.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{Field, FieldRef};
use emberline_image::{DecodeOptions, Layout, Preprocessing, Scratch};
use emberline_net::{Digest, PrepareOptions, Prepared, Runtime, TensorView};
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
    scratch: Mutex<Vec<Scratch>>,
    decode: DecodeOptions,
    remembered: Option<Remembered>,
}

/// Part of every key of the feature cache: to be raised when the same settings come to mean other numbers.
const PREPROCESSING_VERSION: u32 = 1;

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

    /// Runs the network on tensors that lie one after the other.
    fn run(&self, tensors: &[f32], out: &mut [f32]) -> Result<()> {
        let Preprocessing { width, height, layout, .. } = &self.params.preprocessing;
        let (w, h) = (*width as usize, *height as usize);
        let n = tensors.len() / self.params.preprocessing.tensor_len().max(1);
        let shape = match layout {
            Layout::Nchw => [n, 3, h, w],
            Layout::Nhwc => [n, h, w, 3],
        };
        let outputs = self.prepared()?.run(&[TensorView::new(&shape, tensors)?])?;
        let found: usize = outputs.first().map_or(0, |tensor| tensor.data().len());
        if found != out.len() {
            let reason = format!("its model gives {found} numbers for {n} image(s), expected {}", out.len());
            return Err(TableError::description(KIND, reason));
        }
        out.copy_from_slice(outputs[0].data());
        Ok(())
    }

    fn to_tensor(&self, source: &PixelSource, scratch: &mut Scratch, out: &mut [f32]) -> Result<(), String> {
        let preprocessing = &self.params.preprocessing;
        match source {
            PixelSource::Image(image) => preprocessing.image_to_tensor(image, out),
            PixelSource::Bytes(bytes) => preprocessing.bytes_to_tensor(bytes, &self.decode, scratch, out),
        }
        .map_err(|e| e.to_string())
    }

    fn evaluate_images(&self, images: &ImageInput, scratch: &mut Scratch) -> Result<Evaluated> {
        let Params { outputs, batch_size, .. } = self.params;
        let tensor_len = self.params.preprocessing.tensor_len();
        let mut values = vec![0.0; images.len() * outputs];
        let mut valid = vec![false; images.len()];
        let mut errors = Vec::new();
        let mut tensors = vec![0.0; batch_size.min(images.len()) * tensor_len];
        let mut answers = vec![0.0; batch_size.min(images.len()) * outputs];
        let mut fresh: Vec<(Digest, usize)> = Vec::new();
        let mut stale = Vec::new();
        for from in (0..images.len()).step_by(batch_size) {
            let to = (from + batch_size).min(images.len());
            let mut rows = Vec::with_capacity(to - from);
            let sources = images.get(from, to, &self.decode);
            let known = self.known(&sources, &mut stale);
            for ((row, source), known) in (from..to).zip(sources).zip(known) {
                let Some(source) = source else { continue };
                if let Known::Answer(answer) = known {
                    values[row * outputs..][..outputs].copy_from_slice(&answer);
                    valid[row] = true;
                    continue;
                }
                let tensor = &mut tensors[rows.len() * tensor_len..][..tensor_len];
                match source.and_then(|source| self.to_tensor(&source, scratch, tensor)) {
                    Ok(()) => {
                        rows.push(row);
                        if let Known::Digest(digest) = known {
                            fresh.push((digest, row));
                        }
                    }
                    Err(reason) => {
                        let origin = images.origin(row).map(String::from);
                        errors.push(RowError { row, origin, reason });
                    }
                }
            }
            if rows.is_empty() {
                continue;
            }
            let answers = &mut answers[..rows.len() * outputs];
            self.run(&tensors[..rows.len() * tensor_len], answers)?;
            for (row, answer) in rows.into_iter().zip(answers.chunks_exact(outputs.max(1))) {
                values[row * outputs..][..outputs].copy_from_slice(answer);
                valid[row] = true;
            }
        }
        if let Some(remembered) = &self.remembered {
            let vector = |(digest, row): &(Digest, usize)| (*digest, &values[row * outputs..][..outputs]);
            remembered.keep(&fresh.iter().map(vector).collect::<Vec<_>>(), &stale);
        }
        Ok(Evaluated { values: vectors(values, outputs, &valid)?, errors })
    }

    /// What the cache knows of images; only encoded ones have a name that is sure to be the same next time.
    fn known(&self, sources: &[Option<Result<PixelSource, String>>], stale: &mut Vec<Stale>) -> Vec<Known> {
        let Some(remembered) = &self.remembered else {
            return sources.iter().map(|_| Known::Nothing).collect();
        };
        let digest = |source: &Option<Result<PixelSource, String>>| match source {
            Some(Ok(source @ PixelSource::Bytes(_))) => Some(source.digest()),
            _ => None,
        };
        let digests: Vec<Option<Digest>> = sources.iter().map(digest).collect();
        let named: Vec<Digest> = digests.iter().flatten().copied().collect();
        let mut found = remembered.get(&named, stale).into_iter();
        let one = |digest: Option<Digest>| {
            let Some(digest) = digest else { return Known::Nothing };
            match found.next().flatten().filter(|answer| answer.len() == self.params.outputs) {
                Some(answer) => Known::Answer(answer),
                None => Known::Digest(digest),
            }
        };
        digests.into_iter().map(one).collect()
    }
}

/// What the cache says of an image.
enum Known {
    /// There is no cache, or the image has no name.
    Nothing,
    /// It is new.
    Digest(Digest),
    /// It was answered before.
    Answer(Vec<f32>),
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
        let images = image_input(KIND, &inputs[0])?;
        let mut scratch = self.scratch.lock().pop().unwrap_or_default();
        let evaluated = self.evaluate_images(&images, &mut scratch);
        self.scratch.lock().push(scratch);
        evaluated
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
