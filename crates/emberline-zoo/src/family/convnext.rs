//! ConvNeXt-Tiny: <https://arxiv.org/abs/2201.03545>.
//!
//! Definition: `keras/src/applications/convnext.py`. The sum that ends a block has no name in Keras; it is
//! `..._block_N_add` here.

use emberline_net::{Activation, Conv, Dense, Layer, LayerNormalization, NodeId, Padding, Rescaling};

use super::{Blueprint, Origin, layers::Layers};
use crate::Result;

/// Blocks and channels of the four stages.
const STAGES: [(usize, usize); 4] = [(3, 96), (3, 192), (9, 384), (3, 768)];

const NAME: &str = "convnext_tiny";
const NORM: LayerNormalization = LayerNormalization::new(1e-6);

/// Mean and deviation of ImageNet's channels, of pixels from 0 to 1.
const MEANS: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATIONS: [f32; 3] = [0.229, 0.224, 0.225];

pub(super) fn build(name: &str, side: usize, classes: usize) -> Result<Blueprint> {
    let (mut layers, image) = Layers::new(name, Origin::Keras, side);
    let normal = Rescaling {
        scale: DEVIATIONS.map(|deviation| 1.0 / (255.0 * deviation)).to_vec(),
        offset: [0, 1, 2].map(|c| -MEANS[c] / DEVIATIONS[c]).to_vec(),
    };
    let mut x = layers.apply(&format!("{NAME}_prestem_normalization"), normal, image);
    for (stage, (blocks, filters)) in STAGES.into_iter().enumerate() {
        if stage == 0 {
            x = layers.apply(&format!("{NAME}_stem_conv"), Conv::new_2d(filters, 4).strides(4), x);
            x = layers.apply(&format!("{NAME}_stem_layernorm"), NORM, x);
        } else {
            let number = stage - 1;
            x = layers.apply(&format!("{NAME}_downsampling_layernorm_{number}"), NORM, x);
            let conv = Conv::new_2d(filters, 2).strides(2);
            x = layers.apply(&format!("{NAME}_downsampling_conv_{number}"), conv, x);
        }
        for number in 0..blocks {
            x = block(&mut layers, &format!("{NAME}_stage_{stage}_block_{number}"), filters, x);
        }
    }
    x = layers.mean(&format!("{NAME}_head_gap"), x);
    x = layers.apply(&format!("{NAME}_head_layernorm"), NORM, x);
    layers.classified(&format!("{NAME}_head_dense"), x, classes)
}

fn block(layers: &mut Layers, name: &str, filters: usize, input: NodeId) -> NodeId {
    let name = |part: &str| format!("{name}_{part}");
    let wise = Conv::new_2d(filters, 7).padding(Padding::Same).groups(filters);
    let mut x = layers.apply(&name("depthwise_conv"), wise, input);
    x = layers.apply(&name("layernorm"), NORM, x);
    x = layers.apply(&name("pointwise_conv_1"), Dense::new(4 * filters), x);
    x = layers.apply(&name("gelu"), Activation::Gelu, x);
    x = layers.apply(&name("pointwise_conv_2"), Dense::new(filters), x);
    x = layers.apply(&name("layer_scale"), Layer::LayerScale, x);
    layers.merge(&name("add"), Layer::Add, &[input, x])
}
