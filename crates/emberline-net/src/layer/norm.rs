//! Layers that normalise, shift and scale. Axes are counted as Keras counts: the batch is axis 0, negative from the end.

use super::{Problem, Shape, channels, place, places};

/// Normalisation of every channel by its stored mean and variance, as `keras.layers.BatchNormalization` at inference:
/// `gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta`.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormalization {
    /// Added to the variance, so that a constant channel does not divide by zero. Keras' default is 0.001, PyTorch's 0.00001.
    pub epsilon: f64,
    /// Whether there is a `gamma`.
    pub scale: bool,
    /// Whether there is a `beta`.
    pub center: bool,
    /// The axis of the channels, mostly -1.
    pub axis: isize,
}

impl BatchNormalization {
    /// A layer with `gamma` and `beta` over the last axis.
    #[must_use]
    pub fn new(epsilon: f64) -> Self {
        Self { epsilon, scale: true, center: true, axis: -1 }
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        place(self.axis, input.len())?;
        Ok(input.to_vec())
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let names = [
            self.scale.then_some("gamma"),
            self.center.then_some("beta"),
            Some("moving_mean"),
            Some("moving_variance"),
        ];
        let size = place(self.axis, input.len()).map_or(0, |axis| input[axis]);
        names.into_iter().flatten().map(|name| (name, vec![size])).collect()
    }
}

/// Normalisation of every vector by its own mean and variance, as `keras.layers.LayerNormalization`:
/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`. Paper: <https://arxiv.org/abs/1607.06450>.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormalization {
    /// Added to the variance. Keras' default is 0.001, PyTorch's 0.00001.
    pub epsilon: f64,
    /// The axes that make up a vector; none for the last one.
    pub axes: Vec<isize>,
    /// Whether there is a `gamma`.
    pub scale: bool,
    /// Whether there is a `beta`.
    pub center: bool,
    /// Whether values are divided by the deviation alone, without the mean taken off: Keras' deprecated `rms_scaling`.
    pub rms_scaling: bool,
}

impl LayerNormalization {
    /// A layer with `gamma` and `beta` over the last axis.
    #[must_use]
    pub const fn new(epsilon: f64) -> Self {
        Self { epsilon, axes: Vec::new(), scale: true, center: true, rms_scaling: false }
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        places(&self.axes, input.len())?;
        Ok(input.to_vec())
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let gamma = self.scale.then_some("gamma");
        let beta = self.center.then_some("beta");
        let shape = sizes(&self.axes, input);
        [gamma, beta].into_iter().flatten().map(|name| (name, shape.clone())).collect()
    }
}

/// Division of every vector by the root of its mean square, as `keras.layers.RMSNormalization`:
/// `scale * x / sqrt(mean(x²) + epsilon)`. Paper: <https://arxiv.org/abs/1910.07467>.
#[derive(Clone, Debug, PartialEq)]
pub struct RmsNormalization {
    /// Added to the mean square.
    pub epsilon: f64,
    /// The axes that make up a vector; none for the last one.
    pub axes: Vec<isize>,
}

impl RmsNormalization {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        places(&self.axes, input.len())?;
        Ok(input.to_vec())
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        vec![("scale", sizes(&self.axes, input))]
    }
}

/// Normalisation of groups of channels, each by the mean and variance of all its values, as
/// `keras.layers.GroupNormalization`. Paper: <https://arxiv.org/abs/1803.08494>.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNormalization {
    /// Into how many groups the channels are split; nothing for a group of each.
    pub groups: Option<usize>,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether there is a `gamma`.
    pub scale: bool,
    /// Whether there is a `beta`.
    pub center: bool,
    /// The axis of the channels, mostly -1.
    pub axis: isize,
}

impl GroupNormalization {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let channels = input[place(self.axis, input.len())?];
        match self.groups {
            Some(groups) if groups == 0 || !channels.is_multiple_of(groups) => {
                Err(format!("{channels} channels can't be split into {groups} groups"))
            }
            _ => Ok(input.to_vec()),
        }
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let size = place(self.axis, input.len()).map_or(0, |axis| input[axis]);
        let gamma = self.scale.then_some("gamma");
        let beta = self.center.then_some("beta");
        [gamma, beta].into_iter().flatten().map(|name| (name, vec![size])).collect()
    }
}

/// Normalisation by a mean and a variance that were seen before training, as `keras.layers.Normalization`:
/// `(x - mean) / max(sqrt(variance), 1e-7)`. The weights are `mean` and `variance` unless the settings have them.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// The axes that have a mean of their own for each place; none for one mean of all.
    pub axes: Vec<isize>,
    /// The mean and the variance, where they are settings; one number, or one for each place of the axes.
    pub moments: Option<[Vec<f32>; 2]>,
    /// Whether the normalisation is taken back: `x * max(sqrt(variance), 1e-7) + mean`.
    pub invert: bool,
}

impl Normalization {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let shape = self.moments_shape(input)?;
        let count = super::reshape::size(&shape)?;
        for moment in self.moments.iter().flatten() {
            if moment.len() != 1 && moment.len() != count {
                return Err(format!(
                    "Normalization needs one or {count} means and variances, found {}",
                    moment.len()
                ));
            }
        }
        Ok(input.to_vec())
    }

    /// The sizes of the axes that have means of their own.
    pub(crate) fn moments_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        self.axes.iter().map(|&axis| Ok(input[place(axis, input.len())?])).collect()
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let shape = self.moments_shape(input).unwrap_or_default();
        match self.moments {
            Some(_) => Vec::new(),
            None => vec![("mean", shape.clone()), ("variance", shape)],
        }
    }
}

/// The sizes of these axes; of the last one if there are none.
fn sizes(axes: &[isize], input: &[usize]) -> Shape {
    places(axes, input.len())
        .map_or_else(|_| Vec::new(), |axes| axes.into_iter().map(|axis| input[axis]).collect())
}

/// `x * scale + offset`, as `keras.layers.Rescaling`. One number each, or one for every channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescaling {
    /// What every value is multiplied by.
    pub scale: Vec<f32>,
    /// What is added then.
    pub offset: Vec<f32>,
}

impl Rescaling {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        for (name, values) in [("scale", &self.scale), ("offset", &self.offset)] {
            if values.len() != 1 && values.len() != channels(input) {
                return Err(format!(
                    "Rescaling's {name} must be one number or one for each of the {} channels, found {}",
                    channels(input),
                    values.len()
                ));
            }
        }
        Ok(input.to_vec())
    }
}
