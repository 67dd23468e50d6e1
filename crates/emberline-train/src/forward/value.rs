//! What flows between layers.

use burn_tensor::{Tensor, TensorData};

use crate::Device;

/// The axes of an unfolded value: the batch, the channels, and up to three before them.
pub(crate) const UNFOLDED: usize = 5;

/// A batch of values, kept as `[batch, channels, positions]` whatever their shape is: a vector has one position, an image one for
/// every pixel. So one kind of tensor serves all layers, what happens to channels happens along axis 1, and convolutions find
/// the order of axes that Burn's take.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    data: Tensor<3>,
    /// Without the batch, channels last, as the network has it.
    shape: Vec<usize>,
}

impl Value {
    pub(crate) fn new(data: Tensor<3>, shape: &[usize]) -> Self {
        Self { data, shape: shape.to_vec() }
    }

    /// From numbers whose channels are fastest.
    pub(crate) fn from_numbers(numbers: Vec<f32>, batch: usize, shape: &[usize], device: &Device) -> Self {
        let (positions, channels) = split(shape);
        let data = TensorData::new(numbers, [batch, positions, channels]);
        Self::new(Tensor::<3>::from_data(data, device.plain()).swap_dims(1, 2), shape)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// `[batch, channels, positions]`.
    pub(crate) fn data(self) -> Tensor<3> {
        self.data
    }

    /// `[batch, positions, channels]`.
    pub(crate) fn channels_last(self) -> Tensor<3> {
        self.data.swap_dims(1, 2)
    }

    /// `[batch, channels, ...]` with the axes before the channels, and axes of 1 behind them where more are asked for.
    pub(crate) fn spatial<const D: usize>(self) -> Tensor<D> {
        let [batch, channels, _] = self.data.dims();
        let before = self.shape.split_last().map_or(&[][..], |(_, before)| before);
        let given = [batch, channels].into_iter().chain(before.iter().copied());
        let mut sizes = [1; D];
        sizes.iter_mut().zip(given).for_each(|(size, given)| *size = given);
        self.data.reshape(sizes)
    }

    /// The same for any shape of at most three axes before the channels.
    pub(crate) fn unfolded(self) -> Result<Tensor<UNFOLDED>, String> {
        match self.shape.len() < UNFOLDED {
            true => Ok(self.spatial()),
            false => Err(too_many_axes(&self.shape)),
        }
    }

    /// From `[batch, channels, ...]`.
    pub(crate) fn from_spatial<const D: usize>(data: Tensor<D>, shape: &[usize]) -> Self {
        let sizes = data.dims();
        let positions: usize = sizes[2..].iter().product();
        Self::new(data.reshape([sizes[0], sizes[1], positions]), shape)
    }

    pub(crate) fn from_channels_last(data: Tensor<3>, shape: &[usize]) -> Self {
        Self::new(data.swap_dims(1, 2), shape)
    }

    /// The same shape with other values.
    pub(crate) fn map(self, function: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Self {
        Self { data: function(self.data), shape: self.shape }
    }

    /// The same values under another shape, channels fastest.
    pub(crate) fn reshaped(self, shape: &[usize]) -> Self {
        let [batch, _, _] = self.data.dims();
        let (positions, channels) = split(shape);
        let data = self.channels_last().reshape([batch, positions, channels]);
        Self::from_channels_last(data, shape)
    }
}

/// The positions and channels of a shape.
pub(crate) fn split(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [positions @ .., channels] => (positions.iter().product(), *channels),
    }
}

pub(crate) fn too_many_axes(shape: &[usize]) -> String {
    format!("expected at most {} axes, found {shape:?}", UNFOLDED - 1)
}
