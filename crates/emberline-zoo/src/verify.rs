//! Proof that a network is its origin's: pixels in, features and most probable classes out, against what PyTorch or Keras
//! computed.
//!
//! Pictures are drawn by a formula. Some networks are compared with their trained weights (`tools/goldens/zoo.py`), on a
//! picture of the size of the network's input, so that the network alone counts, and on a larger one, so that resizing
//! counts too. The others are compared with weights that a formula gives (`zoo_formula.py`), on a picture smaller than those
//! they are used with: that proves the graph, the preprocessing and the places of the weights in their files, and needs none.

use std::collections::{BTreeMap, BTreeSet};

use emberline_image::{Channels, Image, Layout, Preprocessing};
use emberline_net::{ImageLayout, Network, OnnxOptions, PrepareOptions, Runtime, Tensor};
use serde::Deserialize;

use crate::{Card, Cut, Error, Result, formula};

/// The difference allowed where both sides start from the same pixels: they add the same numbers in another order.
pub(crate) const SAME_PIXELS_TOLERANCE: f64 = 1e-4;

/// The difference allowed where both sides resized the picture: some bytes round the other way (which ones depends on
/// the vector instructions at hand), and the rings' fine lines make the most of it. A swapped channel or a wrong scale
/// is far beyond.
const RESIZED_TOLERANCE: f64 = 5e-2;

/// How a network compares with the golden values of its card.
#[derive(Clone, Debug)]
pub struct Verification {
    /// Layers of each picture, from early to late.
    pub comparisons: Vec<Comparison>,
    /// The most probable classes of each picture.
    pub top5: Vec<Top5>,
}

/// A layer's values against the golden ones.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The picture, such as `224x224`.
    pub picture: String,
    /// The layer.
    pub layer: String,
    /// The largest difference between two values, divided by the largest golden magnitude.
    pub max_difference: f64,
    /// What is allowed.
    pub tolerance: f64,
}

/// The ids of the most probable classes of a picture, most probable first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top5 {
    /// The picture, such as `224x224`.
    pub picture: String,
    /// As the origin orders them.
    pub expected: Vec<String>,
    /// As this network orders them.
    pub found: Vec<String>,
}

impl Verification {
    /// Whether all differences are within their tolerances and all classes in their order.
    #[must_use]
    pub fn passed(&self) -> bool {
        // A difference that is not a number is not within anything.
        self.comparisons.iter().all(|compared| compared.max_difference <= compared.tolerance)
            && self.top5.iter().all(|top| top.expected == top.found)
    }
}

/// Runs the golden pictures of a card through a network, which is its own or claims to be, and compares.
///
/// The network may have its batch normalisations folded. Where the golden values are those of weights from a formula, the
/// network's own weights have no part in it; see [`verify_graph`]. Fails when the network lacks one of the layers compared,
/// or can't be run.
///
/// ```no_run
/// use emberline_net::default_runtime;
/// use emberline_zoo::{Cut, ModelStore, card, verify};
///
/// let card = card("EfficientNetLite0")?;
/// let network = card.load(&ModelStore::open(), &Cut::Last)?.fold_batch_norms()?;
/// assert!(verify(card, &network, default_runtime().as_ref())?.passed());
/// # Ok::<(), emberline_zoo::Error>(())
/// ```
pub fn verify(card: &Card, network: &Network, runtime: &dyn Runtime) -> Result<Verification> {
    let golden = golden(card)?;
    match &golden.formula {
        Some(formula) => with_formula(card, &golden, formula, runtime),
        None => compare(card, &card.preprocessing, network, &golden, runtime),
    }
}

/// Compares a card's graph with its origin's, both with weights that a formula gives; `None` where the golden values are
/// those of the trained weights, for [`verify`]. Needs no weights file.
///
/// ```no_run
/// use emberline_net::default_runtime;
/// use emberline_zoo::{card, verify_graph};
///
/// let verification = verify_graph(card("MobileNet")?, default_runtime().as_ref())?;
/// assert!(verification.is_some_and(|verification| verification.passed()));
/// # Ok::<(), emberline_zoo::Error>(())
/// ```
pub fn verify_graph(card: &Card, runtime: &dyn Runtime) -> Result<Option<Verification>> {
    let golden = golden(card)?;
    let Some(formula) = &golden.formula else { return Ok(None) };
    with_formula(card, &golden, formula, runtime).map(Some)
}

/// Runs a network with a user's weights on a picture in two runtimes, from pixels on, and compares the layers that its card
/// names as cuts, and the most probable classes. `card` and `network` are what [`Card::load_file`] gives.
///
/// # Errors
/// When one of the runtimes can't run the network.
///
/// ```no_run
/// use emberline_net::{TractRuntime, default_runtime};
///
/// let (card, network) = emberline_zoo::card("ResNet50")?.load_file("mine.safetensors", &emberline_zoo::Cut::Last)?;
/// let verification = emberline_zoo::verify_weights(card, &network, default_runtime().as_ref(), &TractRuntime)?;
/// assert!(verification.passed());
/// # Ok::<(), emberline_zoo::Error>(())
/// ```
pub fn verify_weights(
    card: &Card,
    network: &Network,
    runtime: &dyn Runtime,
    other: &dyn Runtime,
) -> Result<Verification> {
    let network = &network.fold_batch_norms()?;
    let preprocessing = &card.preprocessing;
    // Wider than the network's input, so that it has to be resized.
    let (width, height) = (preprocessing.width * 4 / 3, preprocessing.height);
    let picture = format!("{width}x{height}, as in {}", other.name());
    let pixels = tensor(preprocessing, width, height)?;
    let layers: BTreeSet<&str> = card.cut_layers.iter().copied().chain(["predictions"]).collect();
    let layers: Vec<&str> = layers.into_iter().collect();
    let outputs =
        |runtime| Run { card, preprocessing, network, runtime, pixels: pixels.clone() }.outputs(&layers);
    let (found, expected) = (outputs(runtime)?, outputs(other)?);
    let mut verification = Verification { comparisons: Vec::new(), top5: Vec::new() };
    for ((layer, found), expected) in layers.iter().zip(&found).zip(&expected) {
        verification.comparisons.push(Comparison {
            picture: picture.clone(),
            layer: (*layer).to_owned(),
            max_difference: difference(expected.data(), found.data()),
            tolerance: SAME_PIXELS_TOLERANCE,
        });
        if *layer == "predictions" {
            let labels = (card.labels)();
            let ids = |probabilities: &Tensor| {
                let classes = most_probable(probabilities.data(), 5);
                classes.iter().filter_map(|&class| Some(labels.get(class)?.id.to_owned())).collect()
            };
            let (expected, found) = (ids(expected), ids(found));
            verification.top5.push(Top5 { picture: picture.clone(), expected, found });
        }
    }
    Ok(verification)
}

fn golden(card: &Card) -> Result<Golden> {
    serde_json::from_str(card.golden)
        .map_err(|error| Error::Golden { network: card.name, problem: error.to_string() })
}

fn with_formula(
    card: &Card,
    golden: &Golden,
    formula: &Formula,
    runtime: &dyn Runtime,
) -> Result<Verification> {
    let blueprint = card.blueprint_of(formula.side)?;
    let tensors = formula::tensors(&blueprint, formula.gain)?;
    let network = card.with_tensors_of(&blueprint, &tensors.into(), &Cut::Last)?.fold_batch_norms()?;
    let preprocessing =
        Preprocessing { width: formula.side, height: formula.side, ..card.preprocessing.clone() };
    compare(card, &preprocessing, &network, golden, runtime)
}

fn compare(
    card: &Card,
    preprocessing: &Preprocessing,
    network: &Network,
    golden: &Golden,
    runtime: &dyn Runtime,
) -> Result<Verification> {
    let mut verification = Verification { comparisons: Vec::new(), top5: Vec::new() };
    for picture in &golden.pictures {
        let run = Run {
            card,
            preprocessing,
            network,
            runtime,
            pixels: tensor(preprocessing, picture.width, picture.height)?,
        };
        run.compare(picture, &mut verification)?;
    }
    Ok(verification)
}

#[derive(Deserialize)]
struct Golden {
    /// With weights from a formula.
    formula: Option<Formula>,
    pictures: Vec<Picture>,
}

/// See `crate::formula`.
#[derive(Deserialize)]
struct Formula {
    /// The network is built for pictures of this size.
    side: u32,
    gain: f64,
}

/// What PyTorch computed on one picture.
#[derive(Deserialize)]
struct Picture {
    width: u32,
    height: u32,
    layers: BTreeMap<String, Summary>,
    /// The card's feature layer in full, and the logits, where they are not among the layers.
    features: Option<Vec<f32>>,
    logits: Option<Summary>,
    top: Vec<Class>,
}

#[derive(Deserialize)]
struct Class {
    id: String,
    probability: f32,
}

/// Some of a layer's values, and all of them in one number.
#[derive(Deserialize)]
struct Summary {
    shape: Vec<usize>,
    norm: f64,
    step: usize,
    samples: Vec<f32>,
}

/// A network about to be compared on one picture.
struct Run<'a> {
    card: &'a Card,
    preprocessing: &'a Preprocessing,
    network: &'a Network,
    runtime: &'a dyn Runtime,
    pixels: Tensor,
}

impl Run<'_> {
    fn compare(&self, picture: &Picture, to: &mut Verification) -> Result<()> {
        let Preprocessing { width, height, .. } = *self.preprocessing;
        let same_size = (picture.width, picture.height) == (width, height);
        let tolerance = if same_size { SAME_PIXELS_TOLERANCE } else { RESIZED_TOLERANCE };
        let name = format!("{}x{}", picture.width, picture.height);
        let mut compared = |layer: &str, max_difference| {
            let (picture, layer) = (name.clone(), layer.to_owned());
            to.comparisons.push(Comparison { picture, layer, max_difference, tolerance });
        };
        let mut names: Vec<&str> = picture.layers.keys().map(String::as_str).collect();
        names.extend(picture.features.as_ref().map(|_| self.card.feature_layer));
        names.extend(picture.logits.as_ref().map(|_| "logits"));
        names.push("predictions");
        let outputs: BTreeMap<&str, Tensor> = names.iter().copied().zip(self.outputs(&names)?).collect();
        let output = |layer: &str| {
            outputs.get(layer).ok_or_else(|| Error::Golden {
                network: self.card.name,
                problem: format!("layer `{layer}` gave no output"),
            })
        };
        for (layer, summary) in &picture.layers {
            compared(layer, summary.difference(output(layer)?));
        }
        if let Some(features) = &picture.features {
            compared(self.card.feature_layer, difference(features, output(self.card.feature_layer)?.data()));
        }
        if let Some(logits) = &picture.logits {
            compared("logits", logits.difference(output("logits")?));
        }
        let probabilities = output("predictions")?;
        let classes = most_probable(probabilities.data(), picture.top.len());
        let expected: Vec<f32> = picture.top.iter().map(|class| class.probability).collect();
        let found: Vec<f32> = classes.iter().map(|&class| probabilities.data()[class]).collect();
        compared("predictions", difference(&expected, &found));
        let labels = (self.card.labels)();
        let expected = picture.top.iter().map(|class| class.id.clone()).collect();
        let found = classes.iter().filter_map(|&class| Some(labels.get(class)?.id.to_owned())).collect();
        to.top5.push(Top5 { picture: name, expected, found });
        Ok(())
    }

    /// The outputs of layers, from one run.
    fn outputs(&self, layers: &[&str]) -> Result<Vec<Tensor>> {
        let input_layout = match self.preprocessing.layout {
            Layout::Nchw => ImageLayout::ChannelsFirst,
            Layout::Nhwc => ImageLayout::ChannelsLast,
        };
        let onnx = self.network.cut_all(layers)?.to_onnx(&OnnxOptions { input_layout })?;
        Ok(self.runtime.prepare(&onnx, &PrepareOptions::default())?.run(&[self.pixels.view()])?)
    }
}

impl Summary {
    /// The larger of the samples' difference and the norms' relative difference; infinite for another shape.
    fn difference(&self, found: &Tensor) -> f64 {
        if found.shape()[1..] != self.shape {
            return f64::INFINITY;
        }
        let samples: Vec<f32> =
            found.data().iter().step_by(self.step.max(1)).take(self.samples.len()).copied().collect();
        let norm = found.data().iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        difference(&self.samples, &samples).max((norm - self.norm).abs() / self.norm)
    }
}

/// The largest difference, divided by the largest expected magnitude; infinite where the lengths differ.
pub(crate) fn difference(expected: &[f32], found: &[f32]) -> f64 {
    if expected.len() != found.len() {
        return f64::INFINITY;
    }
    let scale = expected.iter().fold(0.0_f64, |scale, &value| scale.max(f64::from(value).abs()));
    let differences = expected.iter().zip(found).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs());
    // `max` would drop a value that is not a number.
    let largest =
        differences.fold(0.0_f64, |max, value| if max.is_nan() || value <= max { max } else { value });
    if largest == 0.0 { 0.0 } else { largest / scale }
}

/// The indices of the greatest values, greatest first; the earlier of equal ones first.
fn most_probable(probabilities: &[f32], count: usize) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    classes.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    classes.truncate(count);
    classes
}

/// A golden picture as the network's input, with a batch of one.
fn tensor(preprocessing: &Preprocessing, width: u32, height: u32) -> Result<Tensor> {
    let image = draw(width, height)?;
    let mut values = vec![0.0; preprocessing.tensor_len()];
    preprocessing.image_to_tensor(&image, &mut values)?;
    let (width, height) = (preprocessing.width as usize, preprocessing.height as usize);
    let shape = match preprocessing.layout {
        Layout::Nchw => vec![1, 3, height, width],
        Layout::Nhwc => vec![1, height, width, 3],
    };
    Ok(Tensor::new(shape, values)?)
}

/// Rings around a point, at another distance and phase in every channel: `picture` in `tools/goldens/zoo.py`, in
/// integers, so that both sides draw the same bytes.
fn draw(width: u32, height: u32) -> Result<Image> {
    let (center_x, center_y) = (i64::from(width / 3), i64::from(height / 2));
    let mut pixels = Vec::new();
    for y in 0..i64::from(height) {
        for x in 0..i64::from(width) {
            for channel in 0..3 {
                let square = (x - center_x).pow(2) * (channel + 1) + (y - center_y).pow(2) * (3 - channel);
                let wave = (square / 48 + 40 * channel) % 512;
                pixels.push(wave.min(511 - wave) as u8);
            }
        }
    }
    Ok(Image::new(width, height, Channels::Rgb, pixels)?)
}

#[cfg(test)]
mod tests {
    use emberline_net::{OnnxLimits, OnnxModel};

    use super::*;

    #[test]
    fn differences_are_relative_and_never_hide_what_is_not_a_number() {
        assert_eq!(difference(&[1.0, -4.0], &[1.0, -3.0]), 0.25);
        assert_eq!(difference(&[1.0], &[1.0, 2.0]), f64::INFINITY);
        assert!(difference(&[1.0, 2.0], &[f32::NAN, 2.0]).is_nan());
        assert!(difference(&[2.0, 1.0], &[2.0, f32::NAN]).is_nan());
    }

    #[test]
    fn networks_may_be_cut_at_every_layer_at_once() -> Result<()> {
        for name in ["ResNet18", "DenseNet121", "EfficientNetB0", "MobileNetV3Large"] {
            let card = crate::card(name)?;
            let blueprint = card.blueprint_of(64)?;
            let tensors = formula::tensors(&blueprint, 1.0)?;
            let network = card.with_tensors_of(&blueprint, &tensors.into(), &Cut::Last)?;
            let layers: Vec<&str> = network.layer_names().collect();
            let onnx = network.cut_all(&layers)?.to_onnx(&OnnxOptions::default())?;
            let prepared = emberline_net::default_runtime().prepare(&onnx, &PrepareOptions::default())?;
            let outputs = prepared.run(&[Tensor::zeros(vec![1, 64, 64, 3])?.view()])?;
            assert_eq!(outputs.len(), layers.len());
            for (layer, output) in layers.iter().zip(outputs) {
                assert_eq!(output.shape()[1..], network.shapes()[*layer], "{name}: {layer}");
                assert!(output.data().iter().all(|value| value.is_finite()), "{name}: {layer}");
            }
        }
        Ok(())
    }

    #[test]
    fn cuts_joined_to_one_model_answer_the_same_bits() -> Result<()> {
        for name in
            ["ResNet18", "ResNet50V2", "MobileNetV3Large", "EfficientNetB0", "ConvNeXtTiny", "DenseNet121"]
        {
            let card = crate::card(name)?;
            let blueprint = card.blueprint_of(64)?;
            let tensors = formula::tensors(&blueprint, 1.0)?;
            let network = card.with_tensors_of(&blueprint, &tensors.into(), &Cut::Last)?;
            let values = (0..64 * 64 * 3).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
            let image = Tensor::new(vec![1, 3, 64, 64], values)?;
            let options = OnnxOptions { input_layout: ImageLayout::ChannelsFirst };
            let run = |onnx: &[u8]| {
                let prepared = emberline_net::default_runtime().prepare(onnx, &PrepareOptions::default())?;
                prepared.run(&[image.view()])
            };
            let cuts = [card.cut_layers[0], card.cut_layers[2], card.feature_layer, "predictions"];
            let mut models = Vec::new();
            let mut alone = Vec::new();
            for layer in cuts {
                let network = network.cut(layer)?.pooled(emberline_net::Pooling::Avg)?.fold_batch_norms()?;
                let onnx = network.to_onnx(&options)?;
                alone.extend(run(&onnx)?);
                models.push(OnnxModel::from_bytes(&onnx, &OnnxLimits::default())?);
            }
            let Some(joined) = OnnxModel::joined(&models) else { panic!("{name}: nothing in common") };
            let deepest = models[3].operators().values().sum::<usize>();
            assert!(joined.model.operators().values().sum::<usize>() < deepest + 8, "{name}");
            let together = run(&joined.model.to_bytes())?;
            for ((layer, place), alone) in cuts.iter().zip(joined.outputs).zip(alone) {
                let difference = difference(alone.data(), together[place].data());
                assert!(alone == together[place], "{name}: {layer} differs by {difference}");
            }
        }
        Ok(())
    }

    #[test]
    fn the_most_probable_class_comes_first() {
        assert_eq!(most_probable(&[0.1, 0.4, 0.1, 0.4], 3), [1, 3, 0]);
    }
}
