//! Functions that Keras applies to tensors without a layer: `x + 1.0` and the like in a functional model.

use serde_json::Value;

use super::{
    calls::{Argument, Call, LayerConfig},
    config::activation,
    graph::snake_case,
    layers::Converted,
};
use crate::{Layer, Rescaling, layer::Problem};

/// The layer that does the same, and the values it takes.
pub(super) fn read<T: Clone>(
    layer: &LayerConfig<'_>,
    call: &Call<T>,
) -> Result<(Converted, Vec<T>), Problem> {
    // Keras 2 names the function of TensorFlow: `math.add` or `__operators__.add`.
    let function = layer.settings.get("function").and_then(Value::as_str);
    let name = function.map_or_else(
        || snake_case(layer.class),
        |function| function.rsplit('.').next().unwrap_or(function).to_owned(),
    );
    let keywords = call
        .keywords
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "x" | "y" | "x1" | "x2" | "features"));
    let arguments: Vec<&Argument<T>> =
        call.arguments.iter().chain(keywords.map(|(_, argument)| argument)).collect();
    let rescaled = |value: &T, scale: f64, offset: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "layers compute in 32 bits")]
        let layer = Rescaling { scale: vec![scale as f32], offset: vec![offset as f32] };
        Ok((Converted::plain(layer), vec![value.clone()]))
    };
    let unknown = || {
        format!(
            "the function `{name}` applied to its arguments is not supported; use a layer for it, or export the model to ONNX"
        )
    };
    match (name.as_str(), arguments.as_slice()) {
        ("add" | "multiply" | "mul", [Argument::Value(a), Argument::Value(b)]) => {
            let layer = if name == "add" { Layer::Add } else { Layer::Multiply };
            Ok((Converted::one(layer, 2, Vec::new()), vec![a.clone(), b.clone()]))
        }
        (
            "add",
            [Argument::Value(x), Argument::Number(number)] | [Argument::Number(number), Argument::Value(x)],
        ) => rescaled(x, 1.0, *number),
        (
            "multiply" | "mul",
            [Argument::Value(x), Argument::Number(number)] | [Argument::Number(number), Argument::Value(x)],
        ) => rescaled(x, *number, 0.0),
        ("subtract" | "sub", [Argument::Value(x), Argument::Number(number)]) => rescaled(x, 1.0, -number),
        ("subtract" | "sub", [Argument::Number(number), Argument::Value(x)]) => rescaled(x, -1.0, *number),
        ("true_divide" | "truediv" | "divide", [Argument::Value(x), Argument::Number(number)])
            if *number != 0.0 =>
        {
            rescaled(x, number.recip(), 0.0)
        }
        ("negative" | "neg", [Argument::Value(x)]) => rescaled(x, -1.0, 0.0),
        ("relu" | "relu6" | "sigmoid" | "tanh" | "softplus" | "silu" | "swish", [Argument::Value(x)]) => {
            Ok((Converted::plain(activation(&name, 3)?), vec![x.clone()]))
        }
        _ => Err(unknown()),
    }
}
