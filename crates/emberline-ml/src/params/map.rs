//! Values for params of several stages: what a grid is made of.

use serde::{Deserialize, Serialize};

use super::ParamValue;

/// A param of a certain stage.
///
/// ```
/// use emberline_ml::{LogisticRegression, Stage};
/// let lr = LogisticRegression::new();
/// assert_eq!(lr.params().param("regParam").unwrap().name, "regParam");
/// assert!(lr.params().param("regparam").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Param {
    /// The stage's uid.
    pub parent: String,
    /// The param's name.
    pub name: String,
}

/// Values for params of any stages, in the order in which they were put.
///
/// ```
/// use emberline_ml::{LogisticRegression, ParamMap, Stage};
/// let lr = LogisticRegression::new();
/// let mut map = ParamMap::default();
/// map.put(lr.params().param("regParam").unwrap(), 0.1);
/// map.put(lr.params().param("regParam").unwrap(), 0.2);
/// assert_eq!(map.len(), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ParamMap(Vec<(Param, ParamValue)>);

impl ParamMap {
    /// Sets the value of a param, in place of the one it had.
    pub fn put(&mut self, param: Param, value: impl Into<ParamValue>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| *known == param) {
            Some((_, old)) => *old = value,
            None => self.0.push((param, value)),
        }
    }

    /// The params and their values.
    pub fn iter(&self) -> impl Iterator<Item = &(Param, ParamValue)> {
        self.0.iter()
    }

    /// How many params have a value.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no param has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
