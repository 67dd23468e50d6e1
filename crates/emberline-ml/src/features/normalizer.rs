//! MLlib's `Normalizer` (`ml/feature/Normalizer.scala`).

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use emberline_table::{Step, TableError};

use super::vector_function::{VectorMap, vector_steps};
use crate::error::Result;
use crate::params::shared::{INPUT_COL, OUTPUT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::StageReader;
use crate::stage::{Stage, Transformer, copied, stage_basics};

const P: ParamSpec =
    ParamSpec::new("p", ParamKind::Double, "the p of the norm `(Σ|x|^p)^(1/p)` that becomes 1")
        .default(ParamDefault::Double(2.0))
        .constraint(Constraint::AtLeastOrInfinite(1.0));

/// Divides every vector by its norm, so that it has a norm of 1.
///
/// Input: vectors. Output: `FixedSizeList<Float64>` of the same length, null where the input is. A vector of a norm
/// of 0 stays as it is. With an infinite `p` the norm is the largest absolute number.
///
/// ```
/// use emberline_ml::Normalizer;
/// let normalizer = Normalizer::new().input_col("features").output_col("unit").p(f64::INFINITY);
/// ```
#[derive(Debug, Clone)]
pub struct Normalizer {
    params: Params,
}

impl Normalizer {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[INPUT_COL, OUTPUT_COL, P];

    /// A normalizer with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("Normalizer", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }
}

setters!(Normalizer { input_col: &str => "inputCol", output_col: &str => "outputCol", p: f64 => "p" });

impl Stage for Normalizer {
    stage_basics!("Normalizer");
}

impl Transformer for Normalizer {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        vector_steps(&self.params, schema, Normalize { p: [self.params.double("p")?] })
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

/// `x / ‖x‖`.
#[derive(Debug)]
pub(super) struct Normalize {
    p: [f64; 1],
}

fn norm(vector: &[f64], p: f64) -> f64 {
    let sizes = vector.iter().map(|x| x.abs());
    if p == 1.0 {
        sizes.sum()
    } else if p == 2.0 {
        sizes.map(|x| x * x).sum::<f64>().sqrt()
    } else if p.is_infinite() {
        sizes.fold(0.0, f64::max)
    } else {
        sizes.map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p)
    }
}

impl VectorMap for Normalize {
    const KIND: &'static str = "normalizer";

    fn input_length(&self) -> Option<usize> {
        None
    }

    fn map(&self, vector: &[f64], output: &mut Vec<f64>) {
        let norm = norm(vector, self.p[0]);
        output.extend(vector.iter().map(|x| if norm == 0.0 { *x } else { x / norm }));
    }

    fn numbers(&self) -> Vec<(&'static str, &[f64])> {
        vec![("p", self.p.as_slice())]
    }

    fn from_numbers(
        numbers: impl Fn(&str) -> Result<Vec<f64>, TableError>,
    ) -> Result<Option<Self>, TableError> {
        let p = <[f64; 1]>::try_from(numbers("p")?).ok();
        Ok(p.filter(|[p]| *p >= 1.0).map(|p| Self { p }))
    }
}
