//! What the training of every linear model has in common.

use super::LinearError;

/// MLlib's parameters of its linear models, with its defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearOptions {
    /// Strength of the penalty, at least 0.
    pub reg_param: f64,
    /// Share of the L1 norm in the penalty, from 0 (ridge) to 1 (lasso).
    pub elastic_net_param: f64,
    /// Most iterations; 0 returns the starting point.
    pub max_iter: usize,
    /// Relative tolerance on the gradient's norm and on the progress of the objective.
    pub tol: f64,
    /// Whether to fit intercepts, which are never penalized.
    pub fit_intercept: bool,
    /// Whether the penalty applies to the coefficients of standardized features. Training standardizes either way.
    pub standardization: bool,
    /// Most threads; does not change the result.
    pub threads: usize,
    /// Most bytes that solving takes beside features and results, if that is at all possible: less is solved at a time. A small
    /// number changes the result within `tol`.
    pub memory_max: usize,
}

impl Default for LinearOptions {
    fn default() -> Self {
        Self {
            reg_param: 0.0,
            elastic_net_param: 0.0,
            max_iter: 100,
            tol: 1e-6,
            fit_intercept: true,
            standardization: true,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_max: 1 << 30,
        }
    }
}

impl LinearOptions {
    pub(crate) fn validate(&self) -> Result<(), LinearError> {
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        let checks = [
            ("regParam", self.reg_param, not_negative(self.reg_param), "a finite number of at least 0"),
            ("tol", self.tol, not_negative(self.tol), "a finite number of at least 0"),
            (
                "elasticNetParam",
                self.elastic_net_param,
                (0.0..=1.0).contains(&self.elastic_net_param),
                "a number from 0 to 1",
            ),
        ];
        match checks.into_iter().find(|(_, _, valid, _)| !valid) {
            None => Ok(()),
            Some((name, found, _, expected)) => {
                Err(LinearError::Setting { name, expected: expected.into(), found: found.to_string() })
            }
        }
    }
}
