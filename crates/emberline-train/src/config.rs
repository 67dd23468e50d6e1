//! Reading Keras' configurations: a name, `{"class_name": ..., "config": {...}}` as Keras serialises, or a flat
//! `{"name": ..., "learning_rate": ...}`. Whatever is not asked for is an error that names it.

use serde_json::{Map, Value};

use crate::{Error, Result};

/// The settings of one object, taken out one by one.
pub(crate) struct Config {
    /// What is being set, for messages: ``optimizer `adam` ``.
    subject: String,
    name: String,
    values: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Config {
    /// Splits a configuration into a name and its settings. `kind` is what it configures, for messages.
    pub(crate) fn new(kind: &str, value: &Value) -> Result<Self> {
        let (name, values) = match value {
            Value::String(name) => (Some(name.clone()), Map::new()),
            Value::Object(object) => {
                let mut values = object.clone();
                for key in ["module", "registered_name", "build_config", "compile_config"] {
                    values.remove(key);
                }
                let class_name = values.remove("class_name");
                let nested = match values.remove("config") {
                    Some(Value::Object(nested)) => Some(nested),
                    Some(Value::Null) => Some(Map::new()),
                    Some(found) => return Err(expected(kind, "config", "an object of settings", &found)),
                    None => None,
                };
                let name = class_name.as_ref().or_else(|| object.get("name")).and_then(Value::as_str);
                let name = name.map(str::to_owned);
                let mut values = match nested {
                    Some(nested) => nested,
                    None => values,
                };
                // Inside a configuration it is what the user calls the object.
                values.remove("name");
                values.remove("dtype");
                (name, values)
            }
            _ => (None, Map::new()),
        };
        let Some(name) = name else {
            let problem = format!("expected a name, or an object with `class_name` or `name`, found {value}");
            return Err(Error::Setting { subject: kind.to_owned(), problem });
        };
        Ok(Self { subject: format!("{kind} `{name}`"), name: plain(&name), values, known: Vec::new() })
    }

    /// The name in lower case without underscores, so that `AdamW`, `adam_w` and `adamw` are one.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// An error about the name itself.
    pub(crate) fn unknown(&self, names: &str) -> Error {
        self.error(format!("there is no such name; there are {names}"))
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> Error {
        Error::Setting { subject: self.subject.clone(), problem: problem.into() }
    }

    /// A setting's value as it stands, `None` when it is missing or null.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.values.remove(key).filter(|value| !value.is_null())
    }

    /// A number within `[least, most]`.
    pub(crate) fn number_within(
        &mut self,
        key: &'static str,
        default: f64,
        least: f64,
        most: f64,
    ) -> Result<f64> {
        Ok(self.optional_number(key, least, most)?.unwrap_or(default))
    }

    /// A number of at least zero.
    pub(crate) fn number(&mut self, key: &'static str, default: f64) -> Result<f64> {
        self.number_within(key, default, 0.0, f64::INFINITY)
    }

    /// A number within `[least, most]` that need not be there.
    pub(crate) fn optional_number(
        &mut self,
        key: &'static str,
        least: f64,
        most: f64,
    ) -> Result<Option<f64>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.as_f64().filter(|number| (least..=most).contains(number));
        let wanted = || match (least.is_finite(), most.is_finite()) {
            (false, false) => "a number".to_owned(),
            (true, false) => format!("a number of at least {least}"),
            (false, true) => format!("a number of at most {most}"),
            (true, true) => format!("a number in [{least}, {most}]"),
        };
        number.map(Some).ok_or_else(|| expected(&self.subject, key, &wanted(), &value))
    }

    /// A number that must be there.
    pub(crate) fn required_number(&mut self, key: &'static str) -> Result<f64> {
        let number = self.optional_number(key, f64::NEG_INFINITY, f64::INFINITY)?;
        number.ok_or_else(|| self.error(format!("parameter `{key}` is missing, expected a number")))
    }

    /// A whole number of at least `least` that need not be there.
    pub(crate) fn optional_count(&mut self, key: &'static str, least: u64) -> Result<Option<u64>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && *number >= least as f64);
        let wanted = format!("a whole number of at least {least}");
        number.map(|number| Some(number as u64)).ok_or_else(|| expected(&self.subject, key, &wanted, &value))
    }

    /// A whole number of at least `least`.
    pub(crate) fn count(&mut self, key: &'static str, default: u64, least: u64) -> Result<u64> {
        Ok(self.optional_count(key, least)?.unwrap_or(default))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &'static str, default: bool) -> Result<bool> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(found) => Err(expected(&self.subject, key, "true or false", &found)),
        }
    }

    /// One of some names.
    pub(crate) fn choice(
        &mut self,
        key: &'static str,
        default: &'static str,
        choices: &[&'static str],
    ) -> Result<&'static str> {
        let Some(value) = self.take(key) else { return Ok(default) };
        let found = value.as_str().and_then(|text| choices.iter().find(|choice| **choice == text));
        found
            .copied()
            .ok_or_else(|| expected(&self.subject, key, &format!("one of {}", choices.join(", ")), &value))
    }

    /// A list of numbers that must be there.
    pub(crate) fn numbers(&mut self, key: &'static str) -> Result<Vec<f64>> {
        let value = self.take(key).unwrap_or(Value::Null);
        let numbers = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
        numbers.ok_or_else(|| expected(&self.subject, key, "a list of numbers", &value))
    }

    /// Axes, one or a list of them.
    pub(crate) fn axes(&mut self, key: &'static str, default: &[i64]) -> Result<Vec<i64>> {
        let Some(value) = self.take(key) else { return Ok(default.to_vec()) };
        let axes = match &value {
            Value::Array(list) => list.iter().map(Value::as_i64).collect(),
            one => one.as_i64().map(|axis| vec![axis]),
        };
        axes.ok_or_else(|| expected(&self.subject, key, "a whole number or a list of them", &value))
    }

    /// A setting that has one permitted value, because nothing else is implemented.
    pub(crate) fn only(&mut self, key: &'static str, permitted: &Value) -> Result<()> {
        match self.take(key) {
            Some(found) if found != *permitted => {
                Err(expected(&self.subject, key, &format!("{permitted}, the only one there is here"), &found))
            }
            _ => Ok(()),
        }
    }

    /// Fails when a setting is left that nobody asked for.
    pub(crate) fn finish(self) -> Result<()> {
        let Some(key) = self.values.keys().next() else { return Ok(()) };
        let mut known = self.known.clone();
        known.sort_unstable();
        Err(self.error(match known.is_empty() {
            true => format!("there is no parameter `{key}`; there are none"),
            false => format!("there is no parameter `{key}`; there are {}", known.join(", ")),
        }))
    }
}

fn expected(subject: &str, key: &str, wanted: &str, found: &Value) -> Error {
    Error::Setting {
        subject: subject.to_owned(),
        problem: format!("parameter `{key}`: expected {wanted}, found {found}"),
    }
}

/// A name in lower case without underscores.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|&letter| letter != '_').flat_map(char::to_lowercase).collect()
}
