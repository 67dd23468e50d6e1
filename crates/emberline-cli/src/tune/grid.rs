//! `--grid NAME=VALUES`: which params are tried with which values.

use anyhow::{Context, Result, bail};
use emberline::ml::{Param, ParamGridBuilder, ParamKind, ParamMap, ParamValue, Params};

/// The most values of one range.
const COUNT_MAX: usize = 10_000;

/// One `--grid`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// The param's name.
    pub(super) name: String,
    /// The values as they were written, or the numbers of a range.
    values: Vec<String>,
    /// Whether the values are spread by their logarithms.
    pub(super) is_log: bool,
}

impl Axis {
    /// Reads `regParam=0.001,0.1`, `regParam=0.001..1:log:10` or `elasticNetParam=0..1:lin:5`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected NAME=a,b,c or NAME=FROM..TO:log:COUNT or NAME=FROM..TO:lin:COUNT";
        let (name, values) = text.split_once('=').ok_or(expected)?;
        let (name, values) = (name.trim(), values.trim());
        if name.is_empty() || values.is_empty() {
            return Err(expected.into());
        }
        let name = name.to_string();
        let Some((from, rest)) = values.split_once("..") else {
            let values = values.split(',').map(|value| value.trim().to_string()).collect();
            return Ok(Self { name, values, is_log: false });
        };
        let [to, scale, count] = rest.split(':').collect::<Vec<_>>()[..] else { return Err(expected.into()) };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
        let (from, to) = number(from).zip(number(to)).ok_or(expected)?;
        let count: usize = count.trim().parse().map_err(|_| expected)?;
        if !(2..=COUNT_MAX).contains(&count) {
            return Err(format!("expected 2 to {COUNT_MAX} values, found {count}"));
        }
        let is_log = match scale {
            "log" if from > 0.0 && to > 0.0 => true,
            "log" => return Err("a logarithmic range has ends above 0".into()),
            "lin" => false,
            _ => return Err(expected.into()),
        };
        let share = |i: usize| i as f64 / (count - 1) as f64;
        let at = |i: usize| match is_log {
            true => 10_f64.powf(from.log10() + share(i) * (to.log10() - from.log10())),
            false => from + share(i) * (to - from),
        };
        // As short as they can be told apart by eye, which is also how they are shown.
        let values = (0..count).map(|i| rounded(at(i)).to_string()).collect();
        Ok(Self { name, values, is_log })
    }

    fn values(&self, kind: ParamKind) -> Result<Vec<ParamValue>> {
        self.values.iter().map(|value| typed(value, kind)).collect()
    }
}

/// A number to six digits.
fn rounded(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}

fn typed(text: &str, kind: ParamKind) -> Result<ParamValue> {
    Ok(match kind {
        ParamKind::Bool => ParamValue::Bool(text.parse().ok().context("expected true or false")?),
        ParamKind::Int => {
            // A range gives 10, and 1e1 may be meant so, too.
            let number: Option<f64> = text.parse().ok();
            let whole = number.filter(|number| number.fract() == 0.0 && number.abs() < 9e15);
            ParamValue::Int(whole.context("expected a whole number")? as i64)
        }
        ParamKind::Double => ParamValue::Double(text.parse().ok().context("expected a number")?),
        ParamKind::Text | ParamKind::Json => ParamValue::Text(text.into()),
        ParamKind::Doubles | ParamKind::Texts => bail!("a list can't be tuned here"),
    })
}

/// All combinations of the axes; each names a param of one of the stages.
pub(super) fn candidates(axes: &[Axis], stages: &[&Params]) -> Result<Vec<ParamMap>> {
    let mut grid = ParamGridBuilder::new();
    for axis in axes {
        let (param, kind) = find(&axis.name, stages)?;
        let values = axis.values(kind).with_context(|| format!("--grid {}", axis.name))?;
        grid = grid.add_grid(param, values);
    }
    Ok(grid.build())
}

fn find(name: &str, stages: &[&Params]) -> Result<(Param, ParamKind)> {
    for params in stages {
        if let Some(spec) = params.table().iter().find(|spec| spec.name == name) {
            return Ok((params.param(name)?, spec.kind));
        }
    }
    let tunable = |name: &str| !name.ends_with("Col");
    let known =
        stages.iter().flat_map(|params| params.table()).map(|spec| spec.name).filter(|name| tunable(name));
    bail!("--grid: expected one of {}; found `{name}`", known.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_lists() {
        let values = |text: &str| Axis::parse(text).unwrap().values;
        assert_eq!(values("regParam=0.001..1:log:4"), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(values("elasticNetParam=0..1:lin:3"), ["0", "0.5", "1"]);
        assert_eq!(values("family=binomial, multinomial"), ["binomial", "multinomial"]);
        for wrong in ["regParam", "=1", "a=", "a=0..1:log:3", "a=1..2:log", "a=1..2:cubic:3", "a=1..2:lin:1"]
        {
            assert!(Axis::parse(wrong).is_err(), "{wrong}");
        }
    }
}
