//! Normalisations as ONNX operators.

use super::{
    graph::{Layout, Value, float, int},
    layers::{Writer, laid_out},
};
use crate::{
    BatchNormalization, GroupNormalization, LayerNormalization, Normalization, Rescaling, Result,
    RmsNormalization, Tensor, layer,
};

impl Writer<'_, '_> {
    /// Of images and vectors an operator that runtimes fold into the convolution before it; else a factor and a summand.
    pub(super) fn batch_normalization(&mut self, layer: &BatchNormalization) -> Result<Value> {
        let mean = self.weight("moving_mean")?;
        let variance = self.weight("moving_variance")?;
        let filled = |value: f32| Tensor::new(mean.shape().to_vec(), vec![value; mean.data().len()]);
        let gamma = if layer.scale { self.weight("gamma")?.clone() } else { filled(1.0)? };
        let beta = if layer.center { self.weight("beta")?.clone() } else { filled(0.0)? };
        let input = self.inputs[0].clone();
        let rank = input.shape.len();
        let axis = layer::place(layer.axis, rank).map_err(|problem| self.problem(problem))?;
        if axis + 1 == rank && (rank == 1 || rank == 3 || input.layout == Layout::First) {
            let mut inputs = vec![self.first(0)];
            for (name, tensor) in
                [("gamma", &gamma), ("beta", &beta), ("moving_mean", mean), ("moving_variance", variance)]
            {
                inputs.push(self.constant(name, tensor));
            }
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let name = self.op("BatchNormalization", &inputs, vec![float("epsilon", narrow(layer.epsilon))]);
            return Ok(self.value(name, Layout::First));
        }
        let (mut scale, mut offset) = (Vec::new(), Vec::new());
        for (i, variance) in variance.data().iter().enumerate() {
            let factor = f64::from(gamma.data()[i]) / (f64::from(*variance) + layer.epsilon).sqrt();
            scale.push(narrow(factor));
            offset.push(narrow(f64::from(beta.data()[i]) - f64::from(mean.data()[i]) * factor));
        }
        let shape = mean.shape().to_vec();
        let scale = Tensor::new(shape.clone(), scale)?;
        let offset = Tensor::new(shape, offset)?;
        self.shifted(&input, &scale, &offset, &[axis])
    }

    /// `x * scale + offset` with numbers for each place of some axes.
    fn shifted(&mut self, input: &Value, scale: &Tensor, offset: &Tensor, axes: &[usize]) -> Result<Value> {
        let scale = self.spread_along("scale", scale, axes, input.layout)?;
        let scaled = self.plain("Mul", &[&input.name, &scale]);
        let offset = self.spread_along("offset", offset, axes, input.layout)?;
        let name = self.plain("Add", &[&scaled, &offset]);
        Ok(self.value(name, input.layout))
    }

    /// ONNX normalises the last axes; others are written out.
    pub(super) fn layer_normalization(&mut self, layer: &LayerNormalization) -> Result<Value> {
        let rank = self.inputs[0].shape.len();
        let axes = layer::places(&layer.axes, rank).map_err(|problem| self.problem(problem))?;
        let gamma = layer.scale.then(|| self.weight("gamma")).transpose()?;
        let beta = layer.center.then(|| self.weight("beta")).transpose()?;
        let is_trailing = axes.iter().copied().eq(rank - axes.len()..rank);
        if let (Some(gamma), true, false) = (gamma, is_trailing, layer.rms_scaling) {
            let mut inputs = vec![self.last(0), self.constant("gamma", gamma)];
            if let Some(beta) = beta {
                inputs.push(self.constant("beta", beta));
            }
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let axis = int("axis", -(axes.len() as i64));
            let name =
                self.op("LayerNormalization", &inputs, vec![axis, float("epsilon", narrow(layer.epsilon))]);
            return Ok(self.value(name, Layout::Last));
        }
        let input = self.inputs[0].clone();
        let places = self.axes(&axes, input.layout);
        let (centred, variance) = self.moments(&input.name, &places);
        let kept = if layer.rms_scaling { input.name.as_str() } else { centred.as_str() };
        let mut name = self.divided_by_root(kept, &variance, layer.epsilon);
        if let Some(gamma) = gamma {
            let gamma = self.spread_along("gamma", gamma, &axes, input.layout)?;
            name = self.plain("Mul", &[&name, &gamma]);
        }
        if let (Some(beta), false) = (beta, layer.rms_scaling) {
            let beta = self.spread_along("beta", beta, &axes, input.layout)?;
            name = self.plain("Add", &[&name, &beta]);
        }
        Ok(self.value(name, input.layout))
    }

    /// The values less their mean over some axes, and their variance.
    fn moments(&mut self, x: &str, axes: &[i64]) -> (String, String) {
        let mean = self.reduce("ReduceMean", x, axes, true);
        let centred = self.plain("Sub", &[x, &mean]);
        let squares = self.plain("Mul", &[&centred, &centred]);
        let variance = self.reduce("ReduceMean", &squares, axes, true);
        (centred, variance)
    }

    fn divided_by_root(&mut self, x: &str, squares: &str, epsilon: f64) -> String {
        let epsilon = self.scalar("epsilon", narrow(epsilon));
        let sum = self.plain("Add", &[squares, &epsilon]);
        let root = self.plain("Sqrt", &[&sum]);
        self.plain("Div", &[x, &root])
    }

    pub(super) fn rms_normalization(&mut self, layer: &RmsNormalization) -> Result<Value> {
        let input = self.inputs[0].clone();
        let axes = layer::places(&layer.axes, input.shape.len()).map_err(|problem| self.problem(problem))?;
        let places = self.axes(&axes, input.layout);
        let squares = self.plain("Mul", &[&input.name, &input.name]);
        let mean = self.reduce("ReduceMean", &squares, &places, true);
        let normal = self.divided_by_root(&input.name, &mean, layer.epsilon);
        let scale = self.weight("scale")?;
        let scale = self.spread_along("scale", scale, &axes, input.layout)?;
        let name = self.plain("Mul", &[&normal, &scale]);
        Ok(self.value(name, input.layout))
    }

    /// With an axis for the groups in front of one for the channels of each.
    pub(super) fn group_normalization(&mut self, layer: &GroupNormalization) -> Result<Value> {
        let input = self.inputs[0].clone();
        let rank = input.shape.len();
        let axis = layer::place(layer.axis, rank).map_err(|problem| self.problem(problem))?;
        let channels = input.shape[axis];
        let groups = layer.groups.unwrap_or(channels).max(1);
        let place = self.axis(axis, input.layout);
        let shape = laid_out(&input.shape, input.layout);
        let at = place as usize - 1;
        let grouped = [&shape[..at], &[groups, channels / groups], &shape[at + 1..]].concat();
        let x = self.reshaped(input.name.clone(), &grouped);
        let axes: Vec<i64> = (1..=rank as i64 + 1).filter(|&axis| axis != place).collect();
        let (centred, variance) = self.moments(&x, &axes);
        let mut name = self.divided_by_root(&centred, &variance, layer.epsilon);
        let behind = vec![1; grouped.len() - at - 2];
        let parameter = [vec![groups, channels / groups], behind].concat();
        for (weight, op_type, is_there) in [("gamma", "Mul", layer.scale), ("beta", "Add", layer.center)] {
            if is_there {
                let tensor = self.weight(weight)?.clone().reshaped(parameter.clone())?;
                let tensor = self.constant(weight, &tensor);
                name = self.plain(op_type, &[&name, &tensor]);
            }
        }
        let name = self.reshaped(name, &shape);
        Ok(self.value(name, input.layout))
    }

    pub(super) fn unit_normalization(&mut self, axes: &[isize]) -> Result<Value> {
        let input = self.inputs[0].clone();
        let axes = layer::places(axes, input.shape.len()).map_err(|problem| self.problem(problem))?;
        let places = self.axes(&axes, input.layout);
        let name = self.unit(&input.name, &places);
        Ok(self.value(name, input.layout))
    }

    /// Vectors along some axes scaled to length 1, those shorter than 1e-6 to less, as `keras.ops.normalize` does.
    pub(super) fn unit(&mut self, x: &str, axes: &[i64]) -> String {
        let squares = self.plain("Mul", &[x, x]);
        let sum = self.reduce("ReduceSum", &squares, axes, true);
        let least = self.scalar("least", 1e-12);
        let sum = self.plain("Max", &[&sum, &least]);
        let length = self.plain("Sqrt", &[&sum]);
        self.plain("Div", &[x, &length])
    }

    pub(super) fn normalization(&mut self, layer: &Normalization) -> Result<Value> {
        const DEVIATION_MIN: f64 = 1e-7;
        let input = self.inputs[0].clone();
        let rank = input.shape.len();
        let axes = layer.axes.iter().map(|&axis| layer::place(axis, rank)).collect::<Result<Vec<_>, _>>();
        let axes = axes.map_err(|problem| self.problem(problem))?;
        let moments = layer.moments.clone();
        let [mean, variance] = match moments {
            Some(moments) => moments,
            None => [self.weight("mean")?.data().to_vec(), self.weight("variance")?.data().to_vec()],
        };
        let deviation = |variance: f32| f64::from(variance).sqrt().max(DEVIATION_MIN);
        let (scale, offset): (Vec<f32>, Vec<f32>) = mean
            .iter()
            .zip(&variance)
            .map(|(&mean, &variance)| match layer.invert {
                true => (narrow(deviation(variance)), mean),
                false => (narrow(1.0 / deviation(variance)), narrow(-f64::from(mean) / deviation(variance))),
            })
            .unzip();
        let scale = Tensor::new(vec![scale.len()], scale)?;
        let offset = Tensor::new(vec![offset.len()], offset)?;
        self.shifted(&input, &scale, &offset, &axes)
    }

    pub(super) fn layer_scale(&mut self) -> Result<Value> {
        let input = self.inputs[0].clone();
        let gamma = self.weight("gamma")?;
        let gamma = self.per_channel("gamma", gamma, input.layout)?;
        let name = self.plain("Mul", &[&input.name, &gamma]);
        Ok(self.value(name, input.layout))
    }

    pub(super) fn rescaling(&mut self, layer: &Rescaling) -> Result<Value> {
        let input = self.inputs[0].clone();
        let scale = Tensor::new(vec![layer.scale.len()], layer.scale.clone())?;
        let offset = Tensor::new(vec![layer.offset.len()], layer.offset.clone())?;
        let channels = input.shape.len().saturating_sub(1);
        self.shifted(&input, &scale, &offset, &[channels])
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "ONNX computes in 32 bits; this is where numbers are rounded"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}
