//! MLlib's params: each stage declares its own in one table, and that table drives validation, defaults,
//! `explain`, grids, setters and persistence.

mod map;
pub(crate) mod shared;
mod spec;
mod value;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

pub use map::{Param, ParamMap};
pub use spec::{Constraint, Default as ParamDefault, ParamKind, ParamSpec};
pub use value::ParamValue;

use crate::error::{MlError, Result};

/// The params of one stage: its uid, the table that declares them, and the values set.
///
/// ```
/// use emberline_ml::{LogisticRegression, Stage};
/// let lr = LogisticRegression::new().reg_param(0.1);
/// assert_eq!(lr.params().double("regParam").unwrap(), 0.1);
/// assert_eq!(lr.params().int("maxIter").unwrap(), 100); // MLlib's default
/// assert!(lr.params().explain().contains("regParam: regularization parameter"));
/// ```
#[derive(Debug, Clone)]
pub struct Params {
    uid: String,
    table: &'static [ParamSpec],
    values: BTreeMap<&'static str, ParamValue>,
}

impl Params {
    /// No values set, and a new uid: `prefix_` and 12 hexadecimal digits.
    pub fn new(prefix: &str, table: &'static [ParamSpec]) -> Self {
        // A fresh random state each time: the only use of chance, and no result depends on it.
        let random = RandomState::new().hash_one(prefix) & 0xffff_ffff_ffff;
        Self { uid: format!("{prefix}_{random:012x}"), table, values: BTreeMap::new() }
    }

    /// The params of the model that an estimator fitted: its uid, and its values where both have the param.
    pub(crate) fn of_model(kind: &str, table: &'static [ParamSpec], estimator: &Self) -> Self {
        let mut params = Self::new(kind, table);
        params.set_uid(estimator.uid.clone());
        params.copy_values(estimator);
        params
    }

    /// The name of the stage, kept by copies and by saving.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Gives the stage another name.
    pub fn set_uid(&mut self, uid: String) {
        self.uid = uid;
    }

    /// The table of params.
    pub fn table(&self) -> &'static [ParamSpec] {
        self.table
    }

    /// The param of that name, for grids and maps.
    ///
    /// # Errors
    /// When the stage has none of that name.
    pub fn param(&self, name: &str) -> Result<Param> {
        Ok(Param { parent: self.uid.clone(), name: self.spec(name)?.name.to_string() })
    }

    fn spec(&self, name: &str) -> Result<&'static ParamSpec> {
        self.table.iter().find(|spec| spec.name == name).ok_or_else(|| MlError::UnknownParam {
            stage: self.uid.clone(),
            param: name.into(),
            known: self.table.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// Sets a value. It is checked when the stage is used, as in MLlib's setters of other languages: so that
    /// values that only make sense together can be set one by one.
    ///
    /// # Errors
    /// When the stage has no param of that name.
    pub fn set(&mut self, name: &str, value: impl Into<ParamValue>) -> Result<()> {
        self.values.insert(self.spec(name)?.name, value.into());
        Ok(())
    }

    /// Sets a value of a param that the table is known to have.
    pub(crate) fn put(&mut self, name: &'static str, value: impl Into<ParamValue>) {
        debug_assert!(self.spec(name).is_ok(), "{name} is in the table");
        self.values.insert(name, value.into());
    }

    /// Takes a value back: the default holds again.
    pub fn clear(&mut self, name: &str) {
        self.values.retain(|known, _| *known != name);
    }

    /// Whether a value was set.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether there is a value, set or by default.
    pub fn is_defined(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The values set.
    pub fn values(&self) -> &BTreeMap<&'static str, ParamValue> {
        &self.values
    }

    /// The value, set or by default; `None` without either.
    pub fn value(&self, name: &str) -> Option<ParamValue> {
        let set = self.values.get(name).cloned();
        set.or_else(|| self.spec(name).ok()?.default.value(&self.uid))
    }

    /// Takes over the values of `map` that are of this stage.
    ///
    /// # Errors
    /// When the map has a param of this stage that does not exist.
    pub fn extend(&mut self, map: &ParamMap) -> Result<()> {
        for (param, value) in map.iter() {
            if param.parent == self.uid {
                self.set(&param.name, value.clone())?;
            }
        }
        Ok(())
    }

    /// Takes over the values of another stage for the params that both have: what a model gets of its estimator.
    pub(crate) fn copy_values(&mut self, other: &Self) {
        for spec in self.table {
            if let Some(value) = other.values.get(spec.name) {
                self.values.insert(spec.name, value.clone());
            }
        }
    }

    /// Checks every value against the table.
    ///
    /// # Errors
    /// The first value of the wrong type or outside its constraint; or a param that has no value and must.
    pub fn validate(&self) -> Result<()> {
        for spec in self.table {
            match self.value(spec.name) {
                Some(value) => {
                    spec.check(&value).map_err(|expected| self.wrong(spec.name, expected, &value))?
                }
                None if spec.required => {
                    return Err(MlError::Param {
                        stage: self.uid.clone(),
                        param: spec.name.into(),
                        expected: format!("a value ({})", spec.doc),
                        found: "none".into(),
                    });
                }
                None => {}
            }
        }
        Ok(())
    }

    pub(crate) fn wrong(&self, param: &str, expected: impl Into<String>, found: &ParamValue) -> MlError {
        MlError::Param {
            stage: self.uid.clone(),
            param: param.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    /// A line per param: name, doc, default and value.
    pub fn explain(&self) -> String {
        let line = |spec: &ParamSpec| {
            let default = spec.default.value(&self.uid).map(|value| format!("default: {value}"));
            let current = self.values.get(spec.name).map(|value| format!("current: {value}"));
            let known = [default, current].into_iter().flatten().collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "undefined".to_string() } else { known };
            format!("{}: {}{} ({known})", spec.name, spec.doc, spec.constraint.words())
        };
        self.table.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn typed<T>(&self, name: &str, expected: &str, get: impl Fn(&ParamValue) -> Option<T>) -> Result<T> {
        let spec = self.spec(name)?;
        let Some(value) = self.value(name) else {
            return Err(MlError::Param {
                stage: self.uid.clone(),
                param: name.into(),
                expected: format!("a value ({})", spec.doc),
                found: "none".into(),
            });
        };
        get(&value).ok_or_else(|| self.wrong(name, expected, &value))
    }

    /// The value of a param of numbers.
    ///
    /// # Errors
    /// When there is none, or it is no number.
    pub fn double(&self, name: &str) -> Result<f64> {
        self.typed(name, "a number", ParamValue::as_double)
    }

    /// The value of a param of whole numbers.
    ///
    /// # Errors
    /// When there is none, or it is no whole number.
    pub fn int(&self, name: &str) -> Result<i64> {
        self.typed(name, "a whole number", ParamValue::as_int)
    }

    /// The value of a param of whole numbers from 0.
    ///
    /// # Errors
    /// When there is none, or it is no whole number from 0.
    pub fn count(&self, name: &str) -> Result<usize> {
        self.typed(name, "a whole number, at least 0", |value| usize::try_from(value.as_int()?).ok())
    }

    /// The value of a yes-or-no param.
    ///
    /// # Errors
    /// When there is none, or it is neither.
    pub fn bool(&self, name: &str) -> Result<bool> {
        self.typed(name, "true or false", ParamValue::as_bool)
    }

    /// The value of a param of text.
    ///
    /// # Errors
    /// When there is none, or it is no text.
    pub fn text(&self, name: &str) -> Result<String> {
        self.typed(name, "a text", |value| value.as_text().map(String::from))
    }

    /// The value of a param of text, `None` where it is not set and has no default.
    ///
    /// # Errors
    /// When it is no text.
    pub fn text_if_defined(&self, name: &str) -> Result<Option<String>> {
        if self.is_defined(name) { self.text(name).map(Some) } else { Ok(None) }
    }

    /// The value of a param of JSON, `None` where it is not set and has no default. A text that is no object and no list is a
    /// name.
    ///
    /// # Errors
    /// When it is neither a name nor JSON.
    pub fn json_if_defined(&self, name: &str) -> Result<Option<serde_json::Value>> {
        if self.is_defined(name) {
            self.typed(name, "a name or JSON", ParamValue::as_json).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The value of a param of several numbers, `None` where it is not set and has no default.
    ///
    /// # Errors
    /// When it is not numbers.
    pub fn doubles_if_defined(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let get = |value: &ParamValue| value.as_doubles().map(<[f64]>::to_vec);
        if self.is_defined(name) { self.typed(name, "numbers", get).map(Some) } else { Ok(None) }
    }

    /// The value of a param of several texts, `None` where it is not set and has no default.
    ///
    /// # Errors
    /// When it is not texts.
    pub fn texts_if_defined(&self, name: &str) -> Result<Option<Vec<String>>> {
        let get = |value: &ParamValue| value.as_texts().map(<[String]>::to_vec);
        if self.is_defined(name) { self.typed(name, "texts", get).map(Some) } else { Ok(None) }
    }
}

/// Declares builder methods of a stage: `setters!(Stage { method: Type => "param", ... })`; of one over sources
/// `setters!(Stage<S: Source> { ... })`.
macro_rules! setters {
    ($stage:ident $(<$source:ident: $bound:path>)? { $($method:ident: $type:ty => $name:literal),* $(,)? }) => {
        impl$(<$source: $bound>)? $stage$(<$source>)? {
            $(
                #[doc = concat!("Sets `", $name, "`; see [`PARAMS`](Self::PARAMS).")]
                #[must_use]
                pub fn $method(mut self, value: $type) -> Self {
                    self.params.put($name, value);
                    self
                }
            )*
        }
    };
}
pub(crate) use setters;
