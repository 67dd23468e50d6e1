//! Values of params.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A value of a param; as JSON, just the value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(#[serde(serialize_with = "number_or_text")] f64),
    /// Text.
    Text(String),
    /// Several numbers.
    Doubles(Vec<f64>),
    /// Several texts.
    Texts(Vec<String>),
}

/// JSON has no infinity: it is a text there.
fn number_or_text<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.collect_str(value) }
}

impl ParamValue {
    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        if let Self::Int(value) = self { Some(*value) } else { None }
    }

    /// A whole number is a number, too.
    pub(crate) fn as_double(&self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(*value),
            Self::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    /// A text that begins as JSON's objects and lists do, as what it holds; any other as itself. `None` where it is
    /// neither.
    pub(crate) fn as_json(&self) -> Option<serde_json::Value> {
        let text = self.as_text()?;
        match text.trim_start().starts_with(['{', '[']) {
            true => serde_json::from_str(text).ok(),
            false => Some(text.into()),
        }
    }

    pub(crate) fn as_doubles(&self) -> Option<&[f64]> {
        if let Self::Doubles(values) = self { Some(values) } else { None }
    }

    pub(crate) fn as_texts(&self) -> Option<&[String]> {
        if let Self::Texts(values) = self { Some(values) } else { None }
    }
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value}"),
            Self::Doubles(values) => write!(f, "{values:?}"),
            Self::Texts(values) => write!(f, "[{}]", values.join(", ")),
        }
    }
}

/// Conversions from the types that setters take.
macro_rules! from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for ParamValue {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}
from!(bool => Bool, i64 => Int, i32 => Int, u32 => Int, f64 => Double, String => Text, &str => Text,
      Vec<f64> => Doubles, Vec<String> => Texts);

impl From<usize> for ParamValue {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
