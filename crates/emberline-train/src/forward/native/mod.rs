//! Kernels of our own on the processor, for the layers where training spends its time. Burn's own gradients of convolutions are
//! convolutions with kernels as large as images, and its batch normalization is a dozen passes over memory.
//!
//! Sums run in an order that sizes alone decide, so results are the same to the bit whatever the number of threads.

mod affine;
mod batch_norm;
mod buffers;
mod conv;
mod depthwise;
mod lanes;
mod matrix;
mod max_pool;
mod mean;
mod overlap;
mod rectifier;
mod sums;

use std::fmt::Debug;

use burn_dispatch::backends::{
    Autodiff, Flex,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    flex::FlexTensor,
};
use burn_tensor::{BackendPrimitive, Float, Tensor};

use self::buffers::tensor;
pub(super) use self::{
    affine::Affine, batch_norm::BatchNorm, conv::Convolution, depthwise::Depthwise, max_pool::MaxPool,
    mean::Mean, rectifier::Rectifier,
};
pub(crate) use self::{
    buffers::Kept,
    lanes::{Lanes, each_place},
};

/// In how many parts a gradient that all images share is summed. More would cost memory, fewer would leave cores idle.
const PARTS: usize = 4;

type Tracked = <Float as BackendPrimitive<Autodiff<Flex>>>::Primitive;

/// A function of tensors with gradients, over their numbers.
pub(super) trait Kernel<const N: usize>: Clone + Debug + Send + 'static {
    /// What the forward pass leaves for the backward one, and for whoever asked.
    type Found: Clone + Debug + Send + 'static;

    fn forward(&self, inputs: [&[f32]; N]) -> (Vec<f32>, Self::Found);

    /// The gradients of those inputs that want one.
    fn backward(
        &self,
        inputs: [&[f32]; N],
        found: &Self::Found,
        gradient: &[f32],
        wanted: [bool; N],
    ) -> [Option<Vec<f32>>; N];

    /// `[batch, channels, positions]`.
    fn output_shape(&self) -> [usize; 3];
}

/// A tensor that a kernel takes.
pub(super) enum Operand {
    Plain(FlexTensor),
    Tracked(Tracked),
}

impl Operand {
    /// Of a tensor on the processor.
    pub(super) fn new<const D: usize>(tensor: Tensor<D>) -> Result<Self, String> {
        let found = match tensor.is_autodiff() {
            true => tensor.try_into_primitive::<Autodiff<Flex>>().map(Self::Tracked),
            false => tensor.try_into_primitive::<Flex>().map(Self::Plain),
        };
        found.map_err(|error| format!("{error:?}"))
    }
}

/// Applies a kernel.
pub(super) fn apply<K: Kernel<N>, const N: usize>(
    kernel: K,
    operands: [Operand; N],
) -> (Tensor<3>, K::Found) {
    if operands.iter().all(|operand| matches!(operand, Operand::Plain(_))) {
        let inputs = operands.map(|operand| match operand {
            Operand::Plain(tensor) => tensor.to_contiguous(),
            Operand::Tracked(tensor) => tensor.into_primitive().to_contiguous(),
        });
        let (output, found) = kernel.forward(inputs.each_ref().map(FlexTensor::storage));
        return (Tensor::from_primitive::<Flex>(tensor(output, &kernel.output_shape())), found);
    }
    let parts = operands.map(|operand| match operand {
        Operand::Plain(tensor) => Tracked::new(tensor).into_parts(),
        Operand::Tracked(tensor) => tensor.into_parts(),
    });
    let inputs = parts.each_ref().map(|(tensor, _)| tensor.to_contiguous());
    let nodes = parts.map(|(_, node)| node);
    let (output, found) = kernel.forward(inputs.each_ref().map(FlexTensor::storage));
    let output = tensor(output, &kernel.output_shape());
    let output = match Gradient(kernel).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((inputs, found.clone()), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    (Tensor::from_primitive::<Autodiff<Flex>>(output), found)
}

/// The way back through a kernel.
#[derive(Debug)]
struct Gradient<K>(K);

impl<K: Kernel<N>, const N: usize> Backward<Flex, N> for Gradient<K> {
    type State = ([FlexTensor; N], K::Found);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (inputs, found) = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let numbers = inputs.each_ref().map(FlexTensor::storage);
        let gradients = self.0.backward(numbers, &found, gradient.storage(), wanted);
        for ((parent, gradient), input) in ops.parents.into_iter().zip(gradients).zip(&inputs) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, tensor(gradient, input.layout().shape()));
            }
        }
    }
}

/// Adds up parts in their order.
fn sum(parts: Vec<Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |mut sum, part| {
        sum.iter_mut().zip(&part).for_each(|(sum, value)| *sum += value);
        buffers::give_back(part);
        sum
    })
}
