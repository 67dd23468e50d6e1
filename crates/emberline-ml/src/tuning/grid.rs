//! Grids of params.

use crate::params::{Param, ParamMap, ParamValue};

/// Builds all combinations of values of params, in pyspark's order: the param added last varies fastest.
///
/// ```
/// use emberline_ml::{LogisticRegression, ParamGridBuilder, Stage};
/// let lr = LogisticRegression::new();
/// let grid = ParamGridBuilder::new()
///     .add_grid(lr.params().param("regParam").unwrap(), [0.01, 0.1])
///     .add_grid(lr.params().param("elasticNetParam").unwrap(), [0.0, 0.5])
///     .build();
/// assert_eq!(grid.len(), 4);
/// assert_eq!(grid[1].iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>(), ["0.01", "0.5"]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ParamGridBuilder {
    grid: Vec<(Param, Vec<ParamValue>)>,
}

impl ParamGridBuilder {
    /// A builder of the grid with one point that sets nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tries these values of a param, in place of those added before.
    #[must_use]
    pub fn add_grid<V: Into<ParamValue>>(
        mut self,
        param: Param,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        match self.grid.iter_mut().find(|(known, _)| *known == param) {
            Some((_, old)) => *old = values,
            None => self.grid.push((param, values)),
        }
        self
    }

    /// Gives a param the same value in every point.
    #[must_use]
    pub fn base_on(self, param: Param, value: impl Into<ParamValue>) -> Self {
        self.add_grid(param, [value.into()])
    }

    /// The points of the grid.
    pub fn build(self) -> Vec<ParamMap> {
        let mut maps = vec![ParamMap::default()];
        for (param, values) in self.grid {
            let with = |map: &ParamMap, value: &ParamValue| {
                let mut map = map.clone();
                map.put(param.clone(), value.clone());
                map
            };
            maps = maps
                .iter()
                .flat_map(|map| values.iter().map(move |value| with(map, value)).collect::<Vec<_>>())
                .collect();
        }
        maps
    }
}
