//! Cards: what there is to know of a named network. The table of all of them is `crate::cards`.

use std::path::Path;

use emberline_image::Preprocessing;
use emberline_net::{NamedTensors, Network, parse_tensors, read_tensors};

use crate::{
    Error, Label, ModelStore, Origin, Result, WeightsFile,
    cards::{CARDS, SECOND_ORIGINS},
    family::{Architecture, Blueprint},
    weights,
};

/// A named network: what it takes, what it gives, where its weights come from.
#[derive(Clone, Debug)]
pub struct Card {
    /// The name, as in `modelName`.
    pub name: &'static str,
    /// Whose definition of the network this is, where several differ; see [`variants`](Self::variants).
    pub origin: Origin,
    /// How a picture becomes the network's input.
    pub preprocessing: Preprocessing,
    /// Layers worth cutting at, from early to late. Any other layer of the network will do as well.
    pub cut_layers: &'static [&'static str],
    /// The layer whose output is the features, unless another is asked for: one of `cut_layers`. Where it gives an image,
    /// the features are the means of its channels.
    pub feature_layer: &'static str,
    /// How many features there are.
    pub feature_width: usize,
    /// The classes, in the order of the probabilities that the network gives.
    pub labels: fn() -> &'static [Label],
    /// The licence of the weights, as SPDX names it; where their publisher names none for them, that of its code.
    pub licence: &'static str,
    /// The accuracy on ImageNet's validation pictures, as published.
    pub top1: Top1,
    /// The file with the weights.
    pub weights: WeightsFile<'static>,
    /// The same weights as safetensors on a model hub, where they are there: the store fetches them like `weights`, and
    /// [`load_file`](Self::load_file) reads them.
    pub safetensors: Option<WeightsFile<'static>>,
    /// The golden values, written by `tools/goldens/zoo.py` or `zoo_formula.py`.
    pub(crate) golden: &'static str,
    pub(crate) architecture: Architecture,
}

/// A published accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Top1 {
    /// In percent of the pictures.
    pub percent: f32,
    /// Where it was published. The pictures were prepared as that source says, which may differ from the card's
    /// preprocessing.
    pub source: &'static str,
}

/// What a network costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Numbers among the weights, stored means and variances included.
    pub parameters: u64,
    /// Billions of floating-point operations for one picture: two for every multiply-add.
    pub gflop_per_image: f64,
}

/// The layer whose output is a network's answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// The last one: one probability for each label.
    Last,
    /// The [one for features](Card::feature_layer).
    Features,
    /// A layer by its name.
    Layer(String),
}

impl Cost {
    /// The size of the weights in megabytes, four bytes for each parameter.
    #[must_use]
    pub fn megabytes(&self) -> f64 {
        self.parameters as f64 * 4.0 / 1e6
    }
}

/// All named networks, in the order of the table.
#[must_use]
pub fn cards() -> &'static [Card] {
    &CARDS
}

/// The card of this name. Fails with the names there are.
pub fn card(name: &str) -> Result<&'static Card> {
    CARDS.iter().find(|card| card.name == name).ok_or_else(|| Error::UnknownNetwork {
        name: name.to_owned(),
        known: CARDS.iter().map(|card| card.name).collect(),
    })
}

impl Card {
    /// The graph without weights: enough for names of layers, shapes and costs. Input `image`, output `predictions`:
    /// one probability for each label.
    pub fn network(&self) -> Result<Network> {
        Ok(self.blueprint()?.network)
    }

    /// The network with its weights, which are fetched into the store if they are not there. Batch normalisations are
    /// as they were trained; fold them before running the network. Weights of layers after the cut are not read.
    pub fn load(&self, store: &ModelStore, cut: &Cut) -> Result<Network> {
        self.with_tensors(&read_tensors(store.verified(&self.weights)?)?, cut)
    }

    /// The network with weights out of the bytes of a file, in any format that [`parse_tensors`] reads. It must hold
    /// exactly this network's tensors under the names that the files of the card's origin have.
    pub fn load_weights(&self, file: &[u8]) -> Result<Network> {
        self.with_tensors(&parse_tensors(file)?, &Cut::Last)
    }

    /// The network with weights out of a user's file, and the card that goes with it: this one, or that of the
    /// [variant](Self::variants) whose tensors' names are in the file. Its preprocessing is the one the weights want.
    /// Weights of layers after the cut are not read.
    ///
    /// Fails when the file is none that [`read_tensors`] reads, and on a tensor that is missing, unknown or of the wrong
    /// shape, which it names with what was expected and what was found.
    ///
    /// ```no_run
    /// use emberline_zoo::{Cut, Origin, card};
    ///
    /// let (card, network) = card("ResNet50")?.load_file("resnet50-0676ba61.pth", &Cut::Features)?;
    /// assert_eq!(card.origin, Origin::PyTorch);
    /// assert_eq!(network.output_shapes(), [[2048]]);
    /// # Ok::<(), emberline_zoo::Error>(())
    /// ```
    pub fn load_file(&'static self, path: impl AsRef<Path>, cut: &Cut) -> Result<(&'static Self, Network)> {
        self.loaded(&read_tensors(path)?, cut)
    }

    fn loaded(&'static self, tensors: &NamedTensors, cut: &Cut) -> Result<(&'static Self, Network)> {
        let mut best = (self, 0);
        for variant in self.variants() {
            let found = weights::found(&variant.blueprint()?, &tensors.tensors);
            if found > best.1 {
                best = (variant, found);
            }
        }
        Ok((best.0, best.0.with_tensors(tensors, cut)?))
    }

    /// This card, and those of other origins' networks of the same name: alike in their layers' names, but trained
    /// elsewhere and different in settings, preprocessing and weights.
    pub fn variants(&'static self) -> impl Iterator<Item = &'static Self> {
        let others = SECOND_ORIGINS.iter().chain(&CARDS);
        [self].into_iter().chain(others.filter(|card| card.name == self.name && card.origin != self.origin))
    }

    fn with_tensors(&self, tensors: &NamedTensors, cut: &Cut) -> Result<Network> {
        self.with_tensors_of(&self.blueprint()?, tensors, cut)
    }

    /// A blueprint of this card's with weights out of the tensors of a file.
    pub(crate) fn with_tensors_of(
        &self,
        blueprint: &Blueprint,
        tensors: &NamedTensors,
        cut: &Cut,
    ) -> Result<Network> {
        let network = match cut {
            Cut::Last => blueprint.network.clone(),
            Cut::Features => blueprint.network.cut(self.feature_layer)?,
            Cut::Layer(layer) => blueprint.network.cut(layer)?,
        };
        let weights = weights::weights(blueprint, &network, tensors)
            .map_err(|problem| Error::Weights { network: self.name, problem })?;
        Ok(network.with_weights(weights)?)
    }

    /// Parameters and arithmetic of the whole network.
    pub fn cost(&self) -> Result<Cost> {
        let layers = self.network()?.summary();
        let multiply_adds: u64 = layers.iter().map(|layer| layer.multiply_adds).sum();
        Ok(Cost {
            parameters: layers.iter().map(|layer| layer.parameters).sum(),
            gflop_per_image: 2.0 * multiply_adds as f64 / 1e9,
        })
    }

    fn blueprint(&self) -> Result<Blueprint> {
        self.blueprint_of(self.preprocessing.width)
    }

    /// The network for images of another size.
    pub(crate) fn blueprint_of(&self, side: u32) -> Result<Blueprint> {
        self.architecture.build(self.name, side as usize, (self.labels)().len())
    }
}

#[cfg(test)]
mod tests {
    use emberline_net::Tensor;
    use safetensors::{Dtype, tensor::TensorView};

    use super::*;
    use crate::formula;

    #[test]
    fn safetensors_hold_a_networks_weights() -> Result<()> {
        let card = card("ResNet18")?;
        let tensors = formula::tensors(&card.blueprint()?, 1.0)?;
        let bytes: Vec<(String, &Tensor, Vec<u8>)> = tensors
            .iter()
            .map(|(name, tensor)| {
                let bytes = tensor.data().iter().flat_map(|value| value.to_le_bytes()).collect();
                (name.clone(), tensor, bytes)
            })
            .collect();
        let views = bytes.iter().map(|(name, tensor, bytes)| {
            let view = TensorView::new(Dtype::F32, tensor.shape().to_vec(), bytes).unwrap();
            (name.clone(), view)
        });
        let file = safetensors::serialize(views, None).unwrap();
        let network = card.load_weights(&file)?;
        assert!(network.weights() == card.with_tensors(&tensors.into(), &Cut::Last)?.weights());
        // Where there is no digest, files are told apart by their names.
        let files: Vec<&str> = cards()
            .iter()
            .flat_map(Card::variants)
            .filter_map(|c| Some(c.safetensors.as_ref()?.file_name))
            .collect();
        let names: std::collections::BTreeSet<&&str> = files.iter().collect();
        assert_eq!(names.len(), 5, "{files:?}");
        Ok(())
    }

    #[test]
    fn a_file_goes_with_the_origin_whose_names_it_has() -> Result<()> {
        let first = card("DenseNet121")?;
        for variant in first.variants() {
            let tensors = formula::tensors(&variant.blueprint()?, 1.0)?;
            let (found, network) = first.loaded(&tensors.into(), &Cut::Last)?;
            assert_eq!(
                (found.origin, found.preprocessing.mean),
                (variant.origin, variant.preprocessing.mean)
            );
            assert!(network.has_weights());
        }
        let Err(error) = first.loaded(&NamedTensors::default(), &Cut::Last) else {
            panic!("nothing made a network")
        };
        let expected = "DenseNet121: the weights have no tensor `bn/beta`, which layer `bn` needs";
        assert_eq!(error.to_string(), expected);
        Ok(())
    }
}
