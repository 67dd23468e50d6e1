//! A network over Burn's tensors: what every layer computes while training, so that gradients can be followed back.
//!
//! A kind of layer is one arm of [`Pass::apply`]. What it takes and gives is a [`Value`]; its weights it asks the pass for.

mod activation;
mod attention;
mod convolution;
mod merge;
pub(crate) mod native;
mod norm;
mod recurrent;
mod reshape;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use burn_tensor::{
    Gradients, Int, Tensor, TensorData,
    activation::{relu, sigmoid},
    module,
};
use emberline_net::{Activation, Layer, Network, Node};

use self::activation::{activate, activation_of, is_last};
pub(crate) use self::{
    activation::softplus,
    value::{Value, split},
};
use crate::{
    Device, Error, Result,
    options::{LayerOptions, options_of},
    random::{Random, hash},
    weights::{Weights, numbers},
};

/// Keras' default of `BatchNormalization`.
const BATCH_NORMALIZATION_MOMENTUM: f64 = 0.99;

/// What a pass through the network is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    /// Learning: statistics are those of the batch, and values are dropped by random numbers of this seed and step.
    Training { seed: u64, step: u64 },
    /// Looking at what was learned.
    Inference,
}

/// What a network answers.
pub(crate) struct Prediction {
    pub(crate) output: Value,
    /// What the output's softmax or sigmoid is made of. Losses take it, since its logarithm does not vanish.
    pub(crate) logits: Option<(Activation, Value)>,
}

impl Prediction {
    /// The same numbers, without the way that led to them.
    pub(crate) fn detached(self) -> Self {
        let detach = |value: Value| value.map(Tensor::inner);
        Self {
            output: detach(self.output),
            logits: self.logits.map(|(activation, value)| (activation, detach(value))),
        }
    }
}

/// A network ready to be passed through.
pub(crate) struct Forward<'a> {
    network: &'a Network,
    device: &'a Device,
    /// Layers whose statistics stay as they are.
    frozen: &'a BTreeSet<String>,
    layers: &'a BTreeMap<String, LayerOptions>,
}

/// One pass: the leaves that gradients are asked of, and the statistics that it found.
pub(crate) struct Pass<'a> {
    forward: &'a Forward<'a>,
    mode: Mode,
    leaves: BTreeMap<String, (Tensor<1>, Vec<usize>)>,
    trainable: Vec<String>,
    /// New values of weights that no gradient changes.
    statistics: BTreeMap<String, Tensor<1>>,
}

impl<'a> Forward<'a> {
    pub(crate) fn new(
        network: &'a Network,
        device: &'a Device,
        frozen: &'a BTreeSet<String>,
        layers: &'a BTreeMap<String, LayerOptions>,
    ) -> Self {
        Self { network, device, frozen, layers }
    }

    /// A pass with these weights; trainable ones are leaves of the graph when it is for training.
    pub(crate) fn pass(&'a self, weights: &Weights, mode: Mode) -> Pass<'a> {
        let training = matches!(mode, Mode::Training { .. });
        let mut leaves = BTreeMap::new();
        let mut trainable = Vec::new();
        for name in self.network.weights().keys() {
            let Some(weight) = weights.get(name) else { continue };
            let learns = training && weight.trainable;
            let leaf = if learns { weight.value().autodiff().require_grad() } else { weight.value() };
            if learns {
                trainable.push(name.clone());
            }
            leaves.insert(name.clone(), (leaf, weight.shape.clone()));
        }
        Pass { forward: self, mode, leaves, trainable, statistics: BTreeMap::new() }
    }
}

impl Pass<'_> {
    /// The network's answer to its inputs, in their order.
    pub(crate) fn run(&mut self, inputs: Vec<Value>) -> Result<Prediction> {
        let network = self.forward.network;
        let names = network.inputs().iter().map(|input| input.name.as_str());
        let mut values: BTreeMap<&str, Value> = names.zip(inputs).collect();
        let mut logits = BTreeMap::new();
        for node in network.nodes() {
            let inputs = node.inputs.iter().filter_map(|name| values.get(name.as_str()).cloned()).collect();
            let linear = self.apply(node, inputs).map_err(|problem| layer_error(network, node, problem))?;
            let activation = activation_of(&node.layer, linear.shape().len());
            if matches!(activation, Activation::Softmax | Activation::Sigmoid) {
                logits.insert(node.name.as_str(), (activation, linear.clone()));
            }
            let value = activate(activation, linear, self.forward.device.is_cpu())
                .map_err(|problem| layer_error(network, node, problem))?;
            values.insert(&node.name, value);
        }
        let name = network.outputs().first().map_or("", String::as_str);
        let output = values.remove(name).ok_or_else(|| Error::Data {
            what: format!("network `{}`", network.name()),
            problem: "expected inputs for all that it takes".to_owned(),
        })?;
        Ok(Prediction { output, logits: logits.remove(name) })
    }

    /// What regularizers add to the loss, `[1]`.
    pub(crate) fn penalty(&self, weights: &Weights) -> Option<Tensor<1>> {
        let penalties = weights.trainables().filter_map(|(name, weight)| {
            let (leaf, shape) = self.leaves.get(name)?;
            Some(weight.regularizer.as_ref()?.penalty(leaf.clone(), shape))
        });
        penalties.reduce(|sum, penalty| sum + penalty)
    }

    /// The gradients of the trainable weights, and the statistics to keep. A weight that the loss does not depend on has none.
    pub(crate) fn finish(
        self,
        gradients: &mut Gradients,
    ) -> (BTreeMap<String, Tensor<1>>, BTreeMap<String, Tensor<1>>) {
        let mut found = BTreeMap::new();
        for name in self.trainable {
            if let Some(gradient) = self.leaves.get(&name).and_then(|(leaf, _)| leaf.grad_remove(gradients)) {
                found.insert(name, gradient);
            }
        }
        (found, self.statistics)
    }

    /// What a layer computes, before its activation.
    fn apply(&mut self, node: &Node, mut inputs: Vec<Value>) -> Result<Value, String> {
        let output = self.forward.network.shapes().get(&node.name).cloned().unwrap_or_default();
        match &node.layer {
            Layer::Add => merge::fold(inputs, |a, b| a + b),
            Layer::Subtract => merge::fold(inputs, |a, b| a - b),
            Layer::Multiply => merge::fold(inputs, |a, b| a * b),
            Layer::Average => {
                let count = inputs.len() as f32;
                Ok(merge::fold(inputs, |a, b| a + b)?.map(|sum| sum / count))
            }
            Layer::Maximum => merge::fold(inputs, |a, b| merge::greatest(a, b, 1.0)),
            Layer::Minimum => merge::fold(inputs, |a, b| merge::greatest(a, b, -1.0)),
            Layer::Concatenate { axis } => merge::concatenate(inputs, *axis, &output),
            Layer::Dot(layer) => merge::dot(layer, inputs, &output),
            Layer::MultiHeadAttention(layer) => self.multi_head_attention(node, layer, inputs, &output),
            Layer::Attention(layer) => self.attention(node, layer, inputs, &output),
            other => match (inputs.pop(), inputs.is_empty()) {
                (Some(input), true) => self.apply_to_one(node, input, &output),
                _ => Err(untrained(other)),
            },
        }
    }

    fn apply_to_one(&mut self, node: &Node, input: Value, output: &[usize]) -> Result<Value, String> {
        let rank = input.shape().len();
        Ok(match &node.layer {
            Layer::Conv(layer) => self.conv(node, layer, input, output)?,
            Layer::ConvTranspose(layer) => self.conv_transpose(node, layer, input, output),
            Layer::DepthwiseConv(layer) => self.depthwise_conv(node, layer, input, output)?,
            Layer::Dense(layer) => {
                let kernel = self.weight::<2>(node, "kernel");
                let bias = layer.use_bias.then(|| self.weight::<1>(node, "bias"));
                dense(input, kernel, bias, output)
            }
            Layer::EinsumDense(layer) => self.einsum_dense(node, layer, input, output)?,
            Layer::Embedding(layer) => self.embedding(node, layer, input, output)?,
            Layer::BatchNormalization(layer) if is_last(&[layer.axis], rank) => {
                self.batch_normalization(node, layer, input)?
            }
            Layer::LayerNormalization(layer) if is_last(&layer.axes, rank) && !layer.rms_scaling => {
                self.layer_normalization(node, layer, input)
            }
            Layer::LayerNormalization(layer) => self.layer_normalization_over(node, layer, input)?,
            Layer::RmsNormalization(layer) => self.rms_normalization(node, layer, input)?,
            Layer::GroupNormalization(layer) => self.group_normalization(node, layer, input)?,
            Layer::Normalization(layer) => self.normalization(node, layer, input)?,
            Layer::PRelu { .. } => self.prelu(node, input)?,
            Layer::LayerScale => {
                let gamma = self.per_channel(node, "gamma");
                input.map(|data| data * gamma)
            }
            Layer::Rescaling(layer) => {
                let scale = self.constants(&layer.scale);
                let offset = self.constants(&layer.offset);
                input.map(|data| data * scale + offset)
            }
            Layer::Dropout { rate } => self.dropout(node, f64::from(*rate), input),
            Layer::ClassToken => {
                let token = self.per_channel(node, "token");
                let data = input.data();
                let [batch, channels, _] = data.dims();
                Value::new(Tensor::cat(vec![token.expand([batch, channels, 1]), data], 2), output)
            }
            Layer::PositionEmbedding => {
                let embeddings = self.weight::<2>(node, "embeddings").transpose().unsqueeze::<3>();
                input.map(|data| data + embeddings)
            }
            Layer::Recurrent(layer) => self.recurrent(node, layer, input, output)?,
            Layer::Bidirectional(layer) => self.bidirectional(node, layer, input, output)?,
            Layer::TimeDistributed(layer) => self.time_distributed(node, layer, input, output)?,
            Layer::TakeToken { index } => Value::new(input.data().narrow(2, *index, 1), output),
            _ => return self.apply_without_weights(node, input, output),
        })
    }

    /// What a layer computes that has no weights, and does the same whatever the pass is for.
    fn apply_without_weights(&self, node: &Node, input: Value, output: &[usize]) -> Result<Value, String> {
        let rank = input.shape().len();
        Ok(match &node.layer {
            Layer::Activation(_) => input,
            Layer::UnitNormalization { axes } => norm::unit_normalization(axes, input)?,
            Layer::Softmax { axes } if is_last(axes, rank) => input,
            Layer::Softmax { axes } => norm::softmax(axes, input)?,
            Layer::Glu => {
                let data = input.data();
                let half = data.dims()[1] / 2;
                let (values, gates) = (data.clone().narrow(1, 0, half), data.narrow(1, half, half));
                Value::new(values * sigmoid(gates), output)
            }
            Layer::ZeroPadding(layer) => reshape::zero_padding(layer, input, output)?,
            Layer::Cropping(layer) => reshape::cropping(layer, input, output)?,
            Layer::UpSampling(layer) => reshape::up_sampling(layer, input, output)?,
            Layer::Resizing(layer) => reshape::resizing(layer, input, output)?,
            Layer::CenterCrop(layer) => reshape::center_crop(layer, input, output)?,
            Layer::MaxPooling(layer) => self.max_pooling(layer, input, output)?,
            Layer::AveragePooling(layer) => convolution::average_pooling(layer, input, output),
            Layer::AdaptiveAveragePooling(_) => reshape::adaptive_average(input, output)?,
            Layer::AdaptiveMaxPooling(_) => reshape::adaptive_max(input, output)?,
            Layer::GlobalAveragePooling(_) if self.forward.device.is_cpu() => {
                let data = input.data();
                let kernel = native::Mean { shape: data.dims() };
                Value::new(native::apply(kernel, [native::Operand::new(data)?]).0, output)
            }
            Layer::GlobalAveragePooling(_) => Value::new(input.data().mean_dim(2), output),
            Layer::GlobalMaxPooling(_) => Value::new(input.data().max_dim(2), output),
            Layer::Flatten | Layer::Reshape(_) => input.reshaped(output),
            Layer::Permute { axes } => reshape::permuted(axes, input, output)?,
            Layer::RepeatVector { count } => {
                let data = input.data();
                let [batch, features, _] = data.dims();
                Value::new(data.expand([batch, features, *count]), output)
            }
            Layer::Identity => {
                return Err("it may stand for a layer that changes values in training alone, such as GaussianNoise, which can't be \
                            trained yet; leave it out"
                    .to_owned());
            }
            other => return Err(untrained(other)),
        })
    }

    /// Every step of a sequence as a sample of its own.
    fn time_distributed(
        &mut self,
        node: &Node,
        layer: &Layer,
        input: Value,
        output: &[usize],
    ) -> Result<Value, String> {
        let learns = matches!(self.mode, Mode::Training { .. });
        let (Some((steps, of_input)), Some((_, of_output))) = (
            input.shape().to_vec().split_first().map(|(steps, rest)| (*steps, rest.to_vec())),
            output.split_first(),
        ) else {
            return Err("expected a sequence".to_owned());
        };
        if learns && matches!(layer, Layer::BatchNormalization(_)) {
            return Err("each step would have statistics of its own, which can't be trained yet".to_owned());
        }
        let node = Node { layer: layer.clone(), ..node.clone() };
        let fold = |value: Value, batch: usize, shape: &[usize]| {
            let (positions, channels) = split(shape);
            let data = value.channels_last().reshape([batch, positions, channels]);
            Value::from_channels_last(data, shape)
        };
        let batch = input.clone().data().dims()[0];
        let linear = self.apply_to_one(&node, fold(input, batch * steps, &of_input), of_output)?;
        let value = activate(activation_of(layer, of_input.len()), linear, self.forward.device.is_cpu())?;
        Ok(fold(value, batch, output))
    }

    /// A weight in its shape.
    fn weight<const D: usize>(&self, node: &Node, name: &str) -> Tensor<D> {
        match self.leaves.get(&weight_name(node, name)) {
            Some((leaf, shape)) => leaf.clone().reshape::<D, _>(shape_of::<D>(shape)),
            // A `Network` with weights has all that its layers need.
            None => Tensor::zeros([1; D], self.forward.device.plain()),
        }
    }

    /// A weight's numbers in their order.
    fn flat_weight(&self, node: &Node, name: &str) -> Tensor<1> {
        match self.leaves.get(&weight_name(node, name)) {
            Some((leaf, _)) => leaf.clone(),
            None => Tensor::zeros([1], self.forward.device.plain()),
        }
    }

    /// A weight of one number per channel, as `[1, channels, 1]`.
    fn per_channel(&self, node: &Node, name: &str) -> Tensor<3> {
        let values = self.weight::<1>(node, name);
        let len = values.dims()[0];
        values.reshape([1, len, 1])
    }

    fn constants(&self, values: &[f32]) -> Tensor<3> {
        let data = TensorData::new(values.to_vec(), [1, values.len(), 1]);
        Tensor::from_data(data, self.forward.device.plain())
    }

    /// Rows of the table by numbers that lose their fraction.
    fn embedding(
        &self,
        node: &Node,
        layer: &emberline_net::Embedding,
        input: Value,
        output: &[usize],
    ) -> Result<Value, String> {
        let places = numbers(input.channels_last()).map_err(|error| error.to_string())?;
        let row = |place: f32| match place.trunc() {
            row if row >= 0.0 && row < layer.rows as f32 => Ok(row as i64),
            _ => Err(format!("expected numbers of rows from 0 to {}, found {place}", layer.rows - 1)),
        };
        let rows = places.into_iter().map(row).collect::<Result<Vec<_>, String>>()?;
        let (positions, features) = split(output);
        let (len, batch) = (rows.len(), rows.len() / positions.max(1));
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [len]), self.forward.device.plain());
        let data = self.weight::<2>(node, "embeddings").select(0, rows);
        Ok(Value::from_channels_last(data.reshape([batch, positions, features]), output))
    }

    /// Products by a rule of letters.
    fn einsum_dense(
        &self,
        node: &Node,
        layer: &emberline_net::EinsumDense,
        input: Value,
        output: &[usize],
    ) -> Result<Value, String> {
        let named = layer.equation.split(',').next().unwrap_or("").replace("...", "").chars().count();
        let letters = ('A'..='Z').filter(|letter| !layer.equation.contains(*letter));
        let elided: String = letters.take((input.shape().len() + 1).saturating_sub(named)).collect();
        let equation = layer.equation.replace("...", &elided);
        let kernel = self.flat_weight(node, "kernel");
        let shape = self.leaves.get(&weight_name(node, "kernel")).map_or(&[][..], |(_, shape)| shape);
        let linear = merge::einsum(&equation, input, merge::operand(kernel, shape)?, output)?;
        if layer.bias_axes.is_empty() {
            return Ok(linear);
        }
        let bias = self.flat_weight(node, "bias");
        let shape = self.leaves.get(&weight_name(node, "bias")).map_or(&[][..], |(_, shape)| shape);
        let (positions, channels) = split(shape);
        let bias = Value::from_channels_last(bias.reshape([1, positions, channels]), shape);
        merge::fold(vec![linear, bias], |a, b| a + b)
    }

    /// `x` above zero, a learned `alpha * x` below.
    fn prelu(&self, node: &Node, input: Value) -> Result<Value, String> {
        let shape = self.leaves.get(&weight_name(node, "alpha")).map_or(&[][..], |(_, shape)| shape);
        let (positions, channels) = split(shape);
        let alpha = self.flat_weight(node, "alpha").reshape([1, positions, channels]);
        let below = input.clone().map(|data| relu(data.neg()));
        let below = merge::fold(vec![below, Value::from_channels_last(alpha, shape)], |a, b| a * b)?.data();
        Ok(input.map(|data| relu(data) - below))
    }

    fn layer_normalization(
        &self,
        node: &Node,
        layer: &emberline_net::LayerNormalization,
        input: Value,
    ) -> Value {
        let (_, channels) = split(input.shape());
        let gamma = match layer.scale {
            true => self.weight::<1>(node, "gamma"),
            false => Tensor::ones([channels], self.forward.device.plain()),
        };
        let beta = layer.center.then(|| self.weight::<1>(node, "beta"));
        let shape = input.shape().to_vec();
        let normal = module::layer_norm(input.channels_last(), gamma, beta, layer.epsilon);
        Value::from_channels_last(normal, &shape)
    }

    fn batch_normalization(
        &mut self,
        node: &Node,
        layer: &emberline_net::BatchNormalization,
        input: Value,
    ) -> Result<Value, String> {
        let mean = self.weight::<1>(node, "moving_mean");
        let variance = self.weight::<1>(node, "moving_variance");
        let gamma = if layer.scale { self.weight(node, "gamma") } else { Tensor::ones_like(&mean) };
        let beta = if layer.center { self.weight(node, "beta") } else { Tensor::zeros_like(&mean) };
        let learns = matches!(self.mode, Mode::Training { .. }) && !self.forward.frozen.contains(&node.name);
        if !learns && self.forward.device.is_cpu() {
            let factor = gamma / (variance + layer.epsilon as f32).sqrt();
            let offset = beta - mean * factor.clone();
            let shape = input.shape().to_vec();
            let data = input.data();
            let kernel = native::Affine { shape: data.dims() };
            let operands =
                [native::Operand::new(data)?, native::Operand::new(factor)?, native::Operand::new(offset)?];
            return Ok(Value::new(native::apply(kernel, operands).0, &shape));
        }
        if !learns {
            return Ok(input.map(|data| module::batch_norm(data, gamma, beta, mean, variance, layer.epsilon)));
        }
        let options = options_of(self.forward.layers, node);
        let momentum = options.and_then(|options| options.momentum).unwrap_or(BATCH_NORMALIZATION_MOMENTUM);
        let shape = input.shape().to_vec();
        let (output, [found_mean, found_variance]) =
            self.normalized_by_batch(input.data(), gamma, beta, layer.epsilon)?;
        let mut follow = |name: &str, before: Tensor<1>, now: Tensor<1>| {
            let name = weight_name(node, name);
            // A layer that is applied again goes on from where its statistics stand.
            let before = self.statistics.get(&name).cloned().unwrap_or(before);
            let next = before * momentum as f32 + now * (1.0 - momentum) as f32;
            self.statistics.insert(name, next);
        };
        follow("moving_mean", mean, found_mean);
        follow("moving_variance", variance, found_variance);
        Ok(Value::new(output, &shape))
    }

    /// Values normalised by their own statistics, and those.
    fn normalized_by_batch(
        &self,
        data: Tensor<3>,
        gamma: Tensor<1>,
        beta: Tensor<1>,
        epsilon: f64,
    ) -> Result<(Tensor<3>, [Tensor<1>; 2]), String> {
        if !self.forward.device.is_cpu() {
            let found = module::batch_norm_train(data, gamma, beta, epsilon);
            return Ok((found.output, [found.mean.inner(), found.variance.inner()]));
        }
        let kernel = native::BatchNorm { shape: data.dims(), epsilon };
        let operands =
            [native::Operand::new(data)?, native::Operand::new(gamma)?, native::Operand::new(beta)?];
        let (output, found) = native::apply(kernel, operands);
        let moment = |values: &[f32]| Tensor::from_floats(values, self.forward.device.plain());
        Ok((output, [moment(&found.mean), moment(&found.variance)]))
    }

    /// Drops values at random, by numbers that are a function of seed, step and layer.
    fn dropout(&self, node: &Node, rate: f64, input: Value) -> Value {
        let (Mode::Training { seed, step }, true) = (self.mode, rate > 0.0) else { return input };
        let mut random = Random::new(&[seed, step, hash(&node.name)]);
        let kept = (1.0 / (1.0 - rate)) as f32;
        input.map(|data| {
            let shape = data.shape();
            let mask = (0..shape.num_elements()).map(|_| if random.uniform() < rate { 0.0 } else { kept });
            let mask = TensorData::new(mask.collect::<Vec<f32>>(), shape);
            data * Tensor::<3>::from_data(mask, self.forward.device.plain())
        })
    }
}

fn untrained(layer: &Layer) -> String {
    format!(
        "layers of kind {} can't be trained yet, or not with these settings; the network can be used, but not fitted",
        layer.kind()
    )
}

fn layer_error(network: &Network, node: &Node, problem: String) -> Error {
    Error::Layer { network: network.name().to_owned(), layer: node.name.clone(), problem }
}

fn weight_name(node: &Node, weight: &str) -> String {
    format!("{}/{weight}", node.weights_name())
}

fn shape_of<const D: usize>(shape: &[usize]) -> [usize; D] {
    let mut sizes = [1; D];
    sizes.iter_mut().zip(shape).for_each(|(size, given)| *size = *given);
    sizes
}

/// `x W + b` of every vector of channels.
fn dense(input: Value, kernel: Tensor<2>, bias: Option<Tensor<1>>, output: &[usize]) -> Value {
    let data = input.channels_last();
    let [batch, positions, channels] = data.dims();
    let units = kernel.dims()[1];
    let product = data.reshape([batch * positions, channels]).matmul(kernel);
    let sum = match bias {
        Some(bias) => product + bias.unsqueeze::<2>(),
        None => product,
    };
    Value::from_channels_last(sum.reshape([batch, positions, units]), output)
}
