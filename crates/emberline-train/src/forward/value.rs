//! What flows between layers.

use burn_tensor::{Tensor, TensorData};

use crate::Device;

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

    /// `[batch, channels, height, width]`, of a shape of three axes.
    pub(crate) fn image(self) -> Tensor<4> {
        let [batch, channels, _] = self.data.dims();
        let (height, width) = (self.shape[0], self.shape[1]);
        self.data.reshape([batch, channels, height, width])
    }

    pub(crate) fn from_image(image: Tensor<4>) -> Self {
        let [batch, channels, height, width] = image.dims();
        Self::new(image.reshape([batch, channels, height * width]), &[height, width, channels])
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
