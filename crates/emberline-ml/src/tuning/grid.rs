//! Grids of params.

use crate::params::{Param, ParamMap, ParamValue};
use crate::random::{splitmix64, unit};

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

/// Draws random values of params, as pyspark's `ParamRandomBuilder`: a search in many dimensions finds more with fewer
/// candidates than a grid. The values depend on the seed alone.
///
/// ```
/// use emberline_ml::{LogisticRegression, ParamRandomBuilder, Stage};
/// let lr = LogisticRegression::new();
/// let candidates = ParamRandomBuilder::new(7)
///     .add_log10_random(lr.params().param("regParam").unwrap(), 1e-4, 1.0, 3)
///     .add_random(lr.params().param("elasticNetParam").unwrap(), 0.0, 1.0, 2)
///     .build();
/// assert_eq!(candidates.len(), 6);
/// ```
#[derive(Debug, Clone)]
pub struct ParamRandomBuilder {
    grid: ParamGridBuilder,
    state: u64,
}

impl ParamRandomBuilder {
    /// A builder of the grid with one point that sets nothing.
    pub fn new(seed: u64) -> Self {
        Self { grid: ParamGridBuilder::new(), state: seed }
    }

    /// The next number, from 0 up to but not including 1.
    fn next(&mut self) -> f64 {
        unit(splitmix64(&mut self.state))
    }

    /// Tries `count` values between `low` and `high`.
    #[must_use]
    pub fn add_random(mut self, param: Param, low: f64, high: f64, count: usize) -> Self {
        let values: Vec<f64> = (0..count).map(|_| low + (high - low) * self.next()).collect();
        self.grid = self.grid.add_grid(param, values);
        self
    }

    /// Tries `count` whole numbers from `low` to `high`.
    #[must_use]
    pub fn add_random_int(mut self, param: Param, low: i64, high: i64, count: usize) -> Self {
        let span = (high - low + 1) as f64;
        let values: Vec<i64> = (0..count).map(|_| low + (span * self.next()) as i64).collect();
        self.grid = self.grid.add_grid(param, values);
        self
    }

    /// Tries `count` values between `low` and `high`, both above 0, whose logarithms are spread evenly.
    #[must_use]
    pub fn add_log10_random(mut self, param: Param, low: f64, high: f64, count: usize) -> Self {
        let (low, high) = (low.log10(), high.log10());
        let values: Vec<f64> = (0..count).map(|_| 10_f64.powf(low + (high - low) * self.next())).collect();
        self.grid = self.grid.add_grid(param, values);
        self
    }

    /// Tries these values of a param, in place of those added before.
    #[must_use]
    pub fn add_grid<V: Into<ParamValue>>(
        mut self,
        param: Param,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.grid = self.grid.add_grid(param, values);
        self
    }

    /// All combinations of the values.
    pub fn build(self) -> Vec<ParamMap> {
        self.grid.build()
    }
}
