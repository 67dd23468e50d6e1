//! AlexNet in one column, without local response normalisation: <https://arxiv.org/abs/1404.5997>.
//!
//! Definition and names of layers: `torchvision/models/alexnet.py`. Its adaptive pooling changes nothing at the 224 pixels
//! that its weights were trained on, and is left out.

use emberline_net::{Activation, Conv, Dense, Layer, Padding, WindowPooling};

use super::{Blueprint, Origin, layers::Layers};
use crate::Result;

enum Step {
    Conv { filters: usize, kernel: usize, stride: usize, padding: usize },
    Relu,
    Pool,
}

#[rustfmt::skip]
const FEATURES: [Step; 13] = [
    Step::Conv { filters: 64, kernel: 11, stride: 4, padding: 2 }, Step::Relu, Step::Pool,
    Step::Conv { filters: 192, kernel: 5, stride: 1, padding: 2 }, Step::Relu, Step::Pool,
    Step::Conv { filters: 384, kernel: 3, stride: 1, padding: 1 }, Step::Relu,
    Step::Conv { filters: 256, kernel: 3, stride: 1, padding: 1 }, Step::Relu,
    Step::Conv { filters: 256, kernel: 3, stride: 1, padding: 1 }, Step::Relu, Step::Pool,
];

const HIDDEN_UNITS: usize = 4096;
const DROPOUT: f32 = 0.5;

pub(super) fn build(name: &str, side: usize, classes: usize) -> Result<Blueprint> {
    let (mut layers, mut x) = Layers::new(name, Origin::PyTorch, side);
    for (index, step) in FEATURES.iter().enumerate() {
        let layer: Layer = match *step {
            Step::Conv { filters, kernel, stride, padding } => {
                Conv::new_2d(filters, kernel).strides(stride).padding(Padding::symmetric(padding)).into()
            }
            Step::Relu => Activation::Relu.into(),
            Step::Pool => Layer::MaxPooling(WindowPooling::new_2d(3).strides(2)),
        };
        x = layers.apply(&format!("features.{index}"), layer, x);
    }
    x = layers.apply("flatten", Layer::Flatten, x);
    for index in [0, 3] {
        x = layers.apply(&format!("classifier.{index}"), Layer::Dropout { rate: DROPOUT }, x);
        let dense = format!("classifier.{}", index + 1);
        x = layers.from(&dense, &dense, Dense::new(HIDDEN_UNITS), x);
        x = layers.apply(&format!("classifier.{}", index + 2), Activation::Relu, x);
    }
    layers.flattened("classifier.1", [6, 6, 256]);
    layers.classified("classifier.6", x, classes)
}
