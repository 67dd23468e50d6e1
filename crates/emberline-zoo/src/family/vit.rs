//! The vision transformer ViT-B/16: <https://arxiv.org/abs/2010.11929>.
//!
//! Definition and names of layers: `torchvision/models/vision_transformer.py`. What torchvision does between its modules
//! has names of ours: `patches` (the image as a sequence), `class_token`, and `class_features` (the class token's vector
//! at the end, which the classifier sees).

use emberline_net::{
    Activation, Conv, Dense, Layer, LayerNormalization, MultiHeadAttention, NodeId, Reshape,
};

use super::{Blueprint, Origin, layers::Layers};
use crate::Result;

const PATCH: usize = 16;
const BLOCKS: usize = 12;
const HEADS: usize = 12;
const FEATURES: usize = 768;
const HIDDEN_UNITS: usize = 3072;
const NORM: LayerNormalization = LayerNormalization::new(1e-6);

pub(super) fn build(name: &str, side: usize, classes: usize) -> Result<Blueprint> {
    let (mut layers, image) = Layers::new(name, Origin::PyTorch, side);
    let mut x = layers.apply("conv_proj", Conv::new_2d(FEATURES, PATCH).strides(PATCH), image);
    let patches = side / PATCH;
    x = layers.apply("patches", Reshape { shape: vec![patches * patches, FEATURES] }, x);
    x = layers.apply("class_token", Layer::ClassToken, x);
    x = layers.apply("encoder.pos_embedding", Layer::PositionEmbedding, x);
    for number in 0..BLOCKS {
        x = block(&mut layers, &format!("encoder.layers.encoder_layer_{number}"), x);
    }
    x = layers.apply("encoder.ln", NORM, x);
    let features = layers.apply("class_features", Layer::TakeToken { index: 0 }, x);
    layers.classified("heads.head", features, classes)
}

fn block(layers: &mut Layers, name: &str, input: NodeId) -> NodeId {
    let name = |part: &str| format!("{name}.{part}");
    let mut x = layers.apply(&name("ln_1"), NORM, input);
    x = layers.apply(&name("self_attention"), MultiHeadAttention::new(HEADS, FEATURES / HEADS), x);
    let attended = layers.merge(&name("add"), Layer::Add, &[x, input]);
    x = layers.apply(&name("ln_2"), NORM, attended);
    x = layers.apply(&name("mlp.0"), Dense::new(HIDDEN_UNITS), x);
    x = layers.apply(&name("mlp.1"), Activation::Gelu, x);
    x = layers.apply(&name("mlp.3"), Dense::new(FEATURES), x);
    layers.merge(&name("add_1"), Layer::Add, &[attended, x])
}
