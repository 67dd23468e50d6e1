//! Regularizers and constraints by Keras' definitions: <https://keras.io/api/layers/regularizers/>,
//! <https://keras.io/api/layers/constraints/>.

use burn_tensor::Tensor;
use serde_json::Value;

use crate::{Error, Result, config::Config};

/// Keras' `backend.epsilon()`.
pub(crate) const EPSILON: f32 = 1e-7;

/// The most axes of a weight that a constraint can take.
const AXES_MAX: usize = 6;

/// What a weight adds to the loss.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Regularizer {
    /// `l1 * sum(|w|) + l2 * sum(w²)`.
    L1L2 {
        /// The factor of the sum of sizes.
        l1: f64,
        /// The factor of the sum of squares.
        l2: f64,
    },
    /// The mean cosine between every two rows, or columns, of a matrix, times a factor.
    Orthogonal {
        /// The factor.
        factor: f64,
        /// Whether rows are compared, rather than columns.
        rows: bool,
    },
}

impl Regularizer {
    /// Reads a regularizer's name or configuration: `l1`, `l2`, `l1_l2`, `OrthogonalRegularizer`.
    ///
    /// ```
    /// use emberline_train::Regularizer;
    ///
    /// assert_eq!(Regularizer::parse(&"l2".into())?, Regularizer::L1L2 { l1: 0.0, l2: 0.01 });
    /// # Ok::<(), emberline_train::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such regularizer, or a parameter is wrong.
    pub fn parse(value: &Value) -> Result<Self> {
        let mut config = Config::new("regularizer", value)?;
        let regularizer = match config.name() {
            "l1" => Self::L1L2 { l1: config.number("l1", 0.01)?, l2: 0.0 },
            "l2" => Self::L1L2 { l1: 0.0, l2: config.number("l2", 0.01)? },
            // As a name alone it is the function, which has other defaults than the class.
            "l1l2" if value.is_string() => Self::L1L2 { l1: 0.01, l2: 0.01 },
            "l1l2" => Self::L1L2 { l1: config.number("l1", 0.0)?, l2: config.number("l2", 0.0)? },
            "orthogonalregularizer" | "orthogonal" => Self::Orthogonal {
                factor: config.number("factor", 0.01)?,
                rows: config.choice("mode", "rows", &["rows", "columns"])? == "rows",
            },
            _ => return Err(config.unknown("L1, L2, L1L2, OrthogonalRegularizer")),
        };
        config.finish()?;
        Ok(regularizer)
    }

    /// Whether a weight of this shape can have it.
    pub(crate) fn check(&self, weight: &str, shape: &[usize]) -> Result<()> {
        match self {
            Self::Orthogonal { .. } if shape.len() != 2 => Err(Error::Setting {
                subject: "regularizer `OrthogonalRegularizer`".to_owned(),
                problem: format!("expected a weight of two axes, found `{weight}` of shape {shape:?}"),
            }),
            _ => Ok(()),
        }
    }

    /// What is added to the loss, `[1]`.
    pub(crate) fn penalty(&self, weight: Tensor<1>, shape: &[usize]) -> Tensor<1> {
        match *self {
            Self::L1L2 { l1, l2 } => match (l1 != 0.0, l2 != 0.0) {
                (true, false) => weight.abs().sum() * l1,
                (false, true) => weight.square().sum() * l2,
                _ => weight.clone().abs().sum() * l1 + weight.square().sum() * l2,
            },
            Self::Orthogonal { factor, rows } => {
                let (height, width) = (shape[0], shape[1]);
                let matrix = weight.reshape([height, width]);
                let matrix = if rows { matrix } else { matrix.transpose() };
                let size = matrix.dims()[0];
                let unit = normalized(matrix, 1);
                let cosines = unit.clone().matmul(unit.transpose());
                let others = Tensor::ones_like(&cosines) - Tensor::eye(size, &cosines.device());
                let pairs = size as f64 * (size as f64 - 1.0) / 2.0;
                (cosines * others).abs().sum() * (0.5 * factor / pairs)
            }
        }
    }
}

/// Vectors along an axis, of length 1: `x * min(1 / |x|, 1 / epsilon)`.
pub(crate) fn normalized<const D: usize>(values: Tensor<D>, axis: usize) -> Tensor<D> {
    let norm = values.clone().square().sum_dim(axis).sqrt();
    values / norm.clamp_min(EPSILON)
}

/// What a weight is brought back to after every step. Norms are over the axes given, of vectors of inputs by default.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Constraint {
    /// Norms of at most `max`.
    MaxNorm {
        /// The greatest norm.
        max: f64,
        /// The axes of a vector.
        axes: Vec<i64>,
    },
    /// Numbers of at least 0.
    NonNeg,
    /// Norms of 1.
    UnitNorm {
        /// The axes of a vector.
        axes: Vec<i64>,
    },
    /// Norms in `[min, max]`.
    MinMaxNorm {
        /// The smallest norm.
        min: f64,
        /// The greatest norm.
        max: f64,
        /// How much of the way is gone in one step.
        rate: f64,
        /// The axes of a vector.
        axes: Vec<i64>,
    },
}

impl Constraint {
    /// Reads a constraint's name or configuration: `MaxNorm`, `NonNeg`, `UnitNorm`, `MinMaxNorm`.
    ///
    /// ```
    /// use emberline_train::Constraint;
    ///
    /// assert_eq!(Constraint::parse(&"non_neg".into())?, Constraint::NonNeg);
    /// # Ok::<(), emberline_train::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such constraint, or a parameter is wrong.
    pub fn parse(value: &Value) -> Result<Self> {
        let mut config = Config::new("constraint", value)?;
        let constraint = match config.name() {
            "maxnorm" => {
                Self::MaxNorm { max: config.number("max_value", 2.0)?, axes: config.axes("axis", &[0])? }
            }
            "nonneg" => Self::NonNeg,
            "unitnorm" => Self::UnitNorm { axes: config.axes("axis", &[0])? },
            "minmaxnorm" => Self::MinMaxNorm {
                min: config.number("min_value", 0.0)?,
                max: config.number("max_value", 1.0)?,
                rate: config.number_within("rate", 1.0, 0.0, 1.0)?,
                axes: config.axes("axis", &[0])?,
            },
            _ => return Err(config.unknown("MaxNorm, NonNeg, UnitNorm, MinMaxNorm")),
        };
        config.finish()?;
        Ok(constraint)
    }

    /// Whether a weight of this shape has the axes.
    pub(crate) fn check(&self, weight: &str, shape: &[usize]) -> Result<()> {
        let (Self::MaxNorm { axes, .. } | Self::UnitNorm { axes } | Self::MinMaxNorm { axes, .. }) = self
        else {
            return Ok(());
        };
        let rank = shape.len() as i64;
        let fits = shape.len() <= AXES_MAX && axes.iter().all(|axis| (-rank..rank).contains(axis));
        fits.then_some(()).ok_or_else(|| Error::Setting {
            subject: "constraint".to_owned(),
            problem: format!(
                "parameter `axis`: expected axes of weight `{weight}` of shape {shape:?}, found {axes:?}"
            ),
        })
    }

    /// The weight as it may be.
    pub(crate) fn apply(&self, weight: Tensor<1>, shape: &[usize]) -> Tensor<1> {
        let (axes, desired): (_, Box<dyn Fn(Tensor<AXES_MAX>) -> Tensor<AXES_MAX>>) = match *self {
            Self::NonNeg => return weight.clamp_min(0.0),
            Self::MaxNorm { max, ref axes } => (axes, Box::new(move |norm| norm.clamp(0.0, max))),
            Self::UnitNorm { ref axes } => (axes, Box::new(|norm| Tensor::ones_like(&norm))),
            Self::MinMaxNorm { min, max, rate, ref axes } => {
                (axes, Box::new(move |norm| norm.clone().clamp(min, max) * rate + norm * (1.0 - rate)))
            }
        };
        let mut padded = [1; AXES_MAX];
        padded.iter_mut().zip(shape).for_each(|(size, given)| *size = *given);
        let rank = shape.len() as i64;
        let axes: Vec<i64> = axes.iter().map(|axis| axis.rem_euclid(rank)).collect();
        let len = weight.dims()[0];
        let vectors: Tensor<AXES_MAX> = weight.reshape(padded);
        let norm = vectors.clone().square().sum_dims(&axes).sqrt();
        (vectors * (desired(norm.clone()) / (norm + EPSILON))).reshape([len])
    }
}
