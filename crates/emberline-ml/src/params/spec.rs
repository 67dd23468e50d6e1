//! The declaration of a param: name, type, default, constraint, doc.

use super::ParamValue;

/// A line in a stage's table of params.
#[derive(Debug, Clone, Copy)]
pub struct ParamSpec {
    /// MLlib's or sparkdl's name.
    pub name: &'static str,
    /// The type of its values.
    pub kind: ParamKind,
    /// The value where none is set.
    pub default: Default,
    /// What a value may be.
    pub constraint: Constraint,
    /// Whether the stage can't be used without a value.
    pub required: bool,
    /// What it means, in a phrase.
    pub doc: &'static str,
}

/// The type of a param's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// Yes or no.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// Text.
    Text,
    /// Text that is JSON: an object, or a name as it is.
    Json,
    /// Several numbers.
    Doubles,
    /// Several texts.
    Texts,
}

impl ParamKind {
    /// In words, for an error.
    pub fn words(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "a whole number",
            Self::Double => "a number",
            Self::Text => "a text",
            Self::Json => "a name or JSON",
            Self::Doubles => "numbers",
            Self::Texts => "texts",
        }
    }
}

/// The value of a param where none is set.
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// There is none.
    None,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// A text.
    Text(&'static str),
    /// The stage's uid and this.
    UidAnd(&'static str),
}

impl Default {
    pub(crate) fn value(self, uid: &str) -> Option<ParamValue> {
        Some(match self {
            Self::None => return None,
            Self::Bool(value) => value.into(),
            Self::Int(value) => value.into(),
            Self::Double(value) => value.into(),
            Self::Text(value) => value.into(),
            Self::UidAnd(suffix) => format!("{uid}{suffix}").into(),
        })
    }
}

/// What a value may be, beyond its type.
#[derive(Debug, Clone, Copy)]
pub enum Constraint {
    /// Anything.
    Any,
    /// At least this.
    AtLeast(f64),
    /// At least this, and infinity is allowed.
    AtLeastOrInfinite(f64),
    /// From the first to the second.
    Between(f64, f64),
    /// More than the first, less than the second.
    Inside(f64, f64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

impl Constraint {
    /// In words, with a leading comma; nothing for anything.
    pub fn words(&self) -> String {
        match self {
            Self::Any => String::new(),
            Self::AtLeast(least) => format!(", at least {least}"),
            Self::AtLeastOrInfinite(least) => format!(", at least {least}, or infinity"),
            Self::Between(least, most) => format!(", from {least} to {most}"),
            Self::Inside(low, high) if high.is_infinite() => format!(", more than {low}"),
            Self::Inside(low, high) => format!(", more than {low} and less than {high}"),
            Self::OneOf(texts) => format!(", one of {}", texts.join(", ")),
        }
    }

    fn allows(&self, value: &ParamValue) -> bool {
        let number = |test: &dyn Fn(f64) -> bool| match value {
            ParamValue::Doubles(values) => values.iter().all(|v| test(*v)),
            other => other.as_double().is_some_and(test),
        };
        match self {
            Self::Any => true,
            Self::AtLeast(least) | Self::AtLeastOrInfinite(least) => number(&|v| v >= *least),
            Self::Between(least, most) => number(&|v| (*least..=*most).contains(&v)),
            Self::Inside(low, high) => number(&|v| v > *low && v < *high),
            Self::OneOf(texts) => value.as_text().is_some_and(|text| texts.contains(&text)),
        }
    }
}

impl ParamSpec {
    /// A param of that name and type, without default and constraint.
    pub const fn new(name: &'static str, kind: ParamKind, doc: &'static str) -> Self {
        Self { name, kind, default: Default::None, constraint: Constraint::Any, required: false, doc }
    }

    /// With a default.
    #[must_use]
    pub const fn default(mut self, default: Default) -> Self {
        self.default = default;
        self
    }

    /// With a constraint.
    #[must_use]
    pub const fn constraint(mut self, constraint: Constraint) -> Self {
        self.constraint = constraint;
        self
    }

    /// Which has to have a value before the stage is used.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Checks a value; `Err` says what was expected.
    pub(crate) fn check(&self, value: &ParamValue) -> Result<(), String> {
        let right_type = match self.kind {
            ParamKind::Bool => value.as_bool().is_some(),
            ParamKind::Int => value.as_int().is_some(),
            // NaN is in no range a param has, and infinity in few.
            ParamKind::Double => value.as_double().is_some_and(|v| match self.constraint {
                Constraint::AtLeastOrInfinite(_) => !v.is_nan(),
                _ => v.is_finite(),
            }),
            ParamKind::Text => value.as_text().is_some(),
            ParamKind::Json => value.as_json().is_some(),
            ParamKind::Doubles => {
                value.as_doubles().is_some_and(|values| values.iter().all(|v| v.is_finite()))
            }
            ParamKind::Texts => value.as_texts().is_some(),
        };
        if right_type && self.constraint.allows(value) {
            return Ok(());
        }
        Err(format!("{}{}", self.kind.words(), self.constraint.words()))
    }
}
