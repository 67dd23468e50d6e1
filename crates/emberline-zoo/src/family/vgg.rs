//! VGG: <https://arxiv.org/abs/1409.1556>.
//!
//! Definitions: `keras/src/applications/vgg16.py`, `vgg19.py` and `torchvision/models/vgg.py`, which agree but for the
//! order in which the last image is flattened.

use emberline_net::{Activation, Conv, Dense, Layer, Padding, WindowPooling};

use super::{Blueprint, Origin, layers::Layers};
use crate::Result;

/// What tells the members of the family apart.
#[derive(Clone, Debug)]
pub(crate) struct Vgg {
    /// How many convolutions each block has.
    pub(crate) convolutions: [usize; 5],
    pub(crate) origin: Origin,
}

const FILTERS: [usize; 5] = [64, 128, 256, 512, 512];
const HIDDEN_UNITS: usize = 4096;

impl Vgg {
    pub(super) fn build(&self, name: &str, side: usize, classes: usize) -> Result<Blueprint> {
        let (mut layers, mut x) = Layers::new(name, self.origin, side);
        // torchvision numbers activations and poolings too.
        let mut index = 0;
        for (block, (&convolutions, filters)) in self.convolutions.iter().zip(FILTERS).enumerate() {
            for number in 1..=convolutions {
                let conv = Conv::new_2d(filters, 3).padding(Padding::Same).activation(Activation::Relu);
                let name = format!("block{}_conv{number}", block + 1);
                x = layers.named(&format!("features.{index}"), &name, conv, x);
                index += 2;
            }
            x = layers.apply(
                &format!("block{}_pool", block + 1),
                Layer::MaxPooling(WindowPooling::new_2d(2)),
                x,
            );
            index += 1;
        }
        x = layers.apply("flatten", Layer::Flatten, x);
        for (number, module) in [(1, "classifier.0"), (2, "classifier.3")] {
            let dense = Dense::new(HIDDEN_UNITS).activation(Activation::Relu);
            x = layers.named(module, &format!("fc{number}"), dense, x);
        }
        let last = side >> FILTERS.len();
        layers.flattened("fc1", [last, last, 512]);
        let classifier = if self.origin == Origin::Keras { "predictions" } else { "classifier.6" };
        layers.classified(classifier, x, classes)
    }
}
