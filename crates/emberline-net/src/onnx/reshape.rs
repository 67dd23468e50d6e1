//! Layers that move, repeat or leave out values as ONNX operators.

use super::{
    graph::{Layout, Value, ints, text},
    layers::Writer,
};
use crate::{CenterCrop, Interpolation, Layer, Node, Resizing, Result, Tensor, UpSampling, ZeroPadding};

impl Writer<'_, '_> {
    pub(super) fn zero_padding(&mut self, layer: &ZeroPadding) -> Value {
        let input = self.inputs[0].clone();
        let mut pads = vec![0; 2 * (input.shape.len() + 1)];
        let behind = input.shape.len() + 1;
        for (axis, &(before, after)) in layer.pads.iter().enumerate() {
            let place = self.axis(axis, input.layout) as usize;
            (pads[place], pads[behind + place]) = (before as i64, after as i64);
        }
        let pads = self.integers("pads", &pads);
        let padded = self.plain("Pad", &[&input.name, &pads]);
        let name = &self.node.name;
        let is_pooled = |node: &Node| {
            matches!(node.layer, Layer::MaxPooling(_) | Layer::AveragePooling(_))
                && node.inputs.contains(name)
        };
        if !self.graph.network.nodes().iter().any(is_pooled) {
            return self.value(padded, input.layout);
        }
        // ONNX Runtime (1.31) makes the border the padding of a pooling right after it, where it would not count. A clip
        // that changes nothing keeps them apart.
        let lowest = self.scalar("lowest", f32::MIN);
        let name = self.plain("Clip", &[&padded, &lowest]);
        self.value(name, input.layout)
    }

    pub(super) fn cropping(&mut self, crops: &[(usize, usize)]) -> Value {
        let input = self.inputs[0].clone();
        let mut name = input.name.clone();
        for (axis, &(before, after)) in crops.iter().enumerate() {
            let size = input.shape[axis];
            if before + after > 0 {
                let place = self.axis(axis, input.layout);
                name = self.sliced(&name, place, before, size - after);
            }
        }
        self.value(name, input.layout)
    }

    pub(super) fn up_sampling(&mut self, layer: &UpSampling) -> Result<Value> {
        let input = self.first(0);
        #[expect(clippy::cast_precision_loss, reason = "factors are small")]
        let factors = layer.size.iter().map(|&factor| factor as f32);
        let scales: Vec<f32> = [1.0, 1.0].into_iter().chain(factors).collect();
        let scales = self.floats("scales", &scales);
        let name = match layer.interpolation {
            // Whole factors: every place of the output has a place of the input.
            Interpolation::Nearest => {
                let attributes = vec![
                    text("mode", "nearest"),
                    text("coordinate_transformation_mode", "asymmetric"),
                    text("nearest_mode", "floor"),
                ];
                self.op("Resize", &[&input, "", &scales], attributes)
            }
            Interpolation::Bilinear => {
                self.op("Resize", &[&input, "", &scales], interpolated(layer.interpolation))
            }
            Interpolation::Bicubic => {
                let input = Value { name: input, layout: Layout::First, shape: self.inputs[0].shape.clone() };
                return self.cubic(&input);
            }
        };
        Ok(self.value(name, Layout::First))
    }

    pub(super) fn resizing(&mut self, layer: &Resizing) -> Result<Value> {
        let [height, width, _] = *self.inputs[0].shape.as_slice() else { return Ok(self.inputs[0].clone()) };
        let [(top, rows), (left, columns)] = layer.part(height, width);
        let part = self.cropping(&[(top, height - top - rows), (left, width - left - columns)]);
        let part = Value { shape: vec![rows, columns, self.shape[2]], ..part };
        if layer.interpolation == Interpolation::Bicubic {
            return self.cubic(&part);
        }
        let input = self.graph.laid_out(&part, Layout::First);
        // The batch's size is asked for, for sizes are exact where factors would be rounded.
        let batch = self.plain("Shape", &[&input]);
        let batch = self.sliced(&batch, 0, 0, 2);
        let sizes = self.integers("sizes", &[layer.height as i64, layer.width as i64]);
        let sizes = self.op("Concat", &[&batch, &sizes], vec![super::graph::int("axis", 0)]);
        let name = self.op("Resize", &[&input, "", "", &sizes], interpolated(layer.interpolation));
        Ok(self.value(name, Layout::First))
    }

    /// Images to this node's size as products with a matrix on either side. ONNX Runtime's cubic `Resize` can't make images
    /// smaller where it has moved the channels behind.
    fn cubic(&mut self, image: &Value) -> Result<Value> {
        let input = self.graph.laid_out(image, Layout::First);
        let (&[height, width, _], &[rows, columns, _]) = (image.shape.as_slice(), self.shape.as_slice())
        else {
            return Ok(image.clone());
        };
        let vertical = self.constant("vertical", &cubic_matrix(height, rows, false)?);
        let horizontal = self.constant("horizontal", &cubic_matrix(width, columns, true)?);
        let resized = self.plain("MatMul", &[&vertical, &input]);
        let name = self.plain("MatMul", &[&resized, &horizontal]);
        Ok(self.value(name, Layout::First))
    }

    pub(super) fn center_crop(&mut self, layer: &CenterCrop) -> Result<Value> {
        let [height, width, _] = *self.inputs[0].shape.as_slice() else { return Ok(self.inputs[0].clone()) };
        let &CenterCrop { height: rows, width: columns } = layer;
        if height < rows || width < columns {
            let interpolation = Interpolation::Bilinear;
            let resizing =
                Resizing { height: rows, width: columns, interpolation, crop_to_aspect_ratio: true };
            return self.resizing(&resizing);
        }
        let (top, left) = ((height - rows) / 2, (width - columns) / 2);
        Ok(self.cropping(&[(top, height - rows - top), (left, width - columns - left)]))
    }

    pub(super) fn permute(&mut self, axes: &[usize]) -> Value {
        let input = self.last(0);
        let order: Vec<i64> = [0].into_iter().chain(axes.iter().map(|&axis| axis as i64 + 1)).collect();
        let name = self.op("Transpose", &[&input], vec![ints("perm", &order)]);
        self.value(name, Layout::Last)
    }

    pub(super) fn repeat_vector(&mut self, count: usize) -> Value {
        let input = self.last(0);
        let row = self.unsqueezed(&input, 1);
        let repeats = self.integers("repeats", &[1, count as i64, 1]);
        let name = self.plain("Tile", &[&row, &repeats]);
        self.value(name, Layout::Last)
    }

    fn floats(&mut self, name: &str, values: &[f32]) -> String {
        match Tensor::new(vec![values.len()], values.to_vec()) {
            Ok(tensor) => self.constant(name, &tensor),
            Err(_) => String::new(),
        }
    }
}

/// The shares that values along an axis have in those of another size: `[to, from]`, or the transposed. As `tf.image.resize`
/// has it: pixel centres at halves, shares of places beyond the border given to the others.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "sizes of images, and 32-bit tensors"
)]
fn cubic_matrix(from: usize, to: usize, transposed: bool) -> Result<Tensor> {
    const A: f64 = -0.5;
    let share = |distance: f64| match distance.abs() {
        x if x <= 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => A * (((x - 5.0) * x + 8.0) * x - 4.0),
        _ => 0.0,
    };
    let row = |place: usize| -> Vec<f64> {
        let exact = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        // TensorFlow looks the polynomials up in a table of so many places between two pixels.
        let centre = exact.floor() + ((exact - exact.floor()) * 1024.0).round() / 1024.0;
        let shares: Vec<f64> = (0..from).map(|other| share(centre - other as f64)).collect();
        let sum: f64 = shares.iter().sum();
        shares.into_iter().map(|share| share / sum).collect()
    };
    let rows: Vec<Vec<f64>> = (0..to).map(row).collect();
    let at = |i: usize| if transposed { rows[i % to][i / to] } else { rows[i / from][i % from] };
    let shape = if transposed { vec![from, to] } else { vec![to, from] };
    let data = (0..from * to).map(|i| at(i) as f32).collect();
    Tensor::new(shape, data)
}

/// How `Resize` finds values as `tf.image.resize` does: pixel centres at halves.
fn interpolated(interpolation: Interpolation) -> Vec<super::proto::AttributeProto> {
    let half = text("coordinate_transformation_mode", "half_pixel");
    match interpolation {
        Interpolation::Nearest => {
            vec![text("mode", "nearest"), half, text("nearest_mode", "round_prefer_ceil")]
        }
        Interpolation::Bilinear | Interpolation::Bicubic => vec![text("mode", "linear"), half],
    }
}
