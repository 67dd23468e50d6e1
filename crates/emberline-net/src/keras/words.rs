//! The words of Keras 1 for classes and settings, replaced by those of Keras 2 and 3.

use serde_json::{Map, Value, json};

/// Classes that were renamed.
const CLASSES: [(&str, &str); 12] = [
    ("Convolution1D", "Conv1D"),
    ("Convolution2D", "Conv2D"),
    ("Convolution3D", "Conv3D"),
    ("Deconvolution2D", "Conv2DTranspose"),
    ("Deconvolution3D", "Conv3DTranspose"),
    ("Convolution2DTranspose", "Conv2DTranspose"),
    ("Convolution3DTranspose", "Conv3DTranspose"),
    ("AtrousConvolution1D", "Conv1D"),
    ("AtrousConvolution2D", "Conv2D"),
    ("SeparableConvolution2D", "SeparableConv2D"),
    ("DepthwiseConvolution2D", "DepthwiseConv2D"),
    ("BatchNormalizationV1", "BatchNormalization"),
];

/// Settings that were renamed, whatever the class.
const SETTINGS: [(&str, &str); 25] = [
    ("border_mode", "padding"),
    ("subsample", "strides"),
    ("subsample_length", "strides"),
    ("stride", "strides"),
    ("filter_length", "kernel_size"),
    ("nb_filter", "filters"),
    ("nb_row", "kernel_size"),
    ("atrous_rate", "dilation_rate"),
    ("pool_length", "pool_size"),
    ("bias", "use_bias"),
    ("output_dim", "units"),
    ("p", "rate"),
    ("sigma", "stddev"),
    ("inner_activation", "recurrent_activation"),
    ("dropout_W", "dropout"),
    ("dropout_U", "recurrent_dropout"),
    ("init", "kernel_initializer"),
    ("inner_init", "recurrent_initializer"),
    ("W_regularizer", "kernel_regularizer"),
    ("U_regularizer", "recurrent_regularizer"),
    ("b_regularizer", "bias_regularizer"),
    ("W_constraint", "kernel_constraint"),
    ("U_constraint", "recurrent_constraint"),
    ("b_constraint", "bias_constraint"),
    ("ret_sequences", "return_sequences"),
];

/// The class's name today.
pub(super) fn class_today(class: &str) -> &str {
    CLASSES.iter().find(|(old, _)| *old == class).map_or(class, |(_, new)| new)
}

/// Replaces the old words in the settings of a layer and of one within it. What is already said in today's words stays.
pub(super) fn settings_today(class: &str, settings: &mut Map<String, Value>) {
    if let Some(order) = settings.remove("dim_ordering") {
        let format = if order == "th" { "channels_first" } else { "channels_last" };
        settings.entry("data_format").or_insert_with(|| json!(format));
    }
    let kernel: Vec<Value> = ["kernel_dim1", "kernel_dim2", "kernel_dim3"]
        .iter()
        .filter_map(|name| settings.remove(*name))
        .collect();
    if !kernel.is_empty() {
        settings.entry("kernel_size").or_insert(Value::Array(kernel));
    }
    if let (Some(rows), Some(columns)) = (settings.get("nb_row").cloned(), settings.remove("nb_col")) {
        settings.remove("nb_row");
        settings.entry("kernel_size").or_insert_with(|| json!([rows, columns]));
    }
    for (old, new) in SETTINGS {
        if (class, old) == ("Embedding", "output_dim") {
            continue;
        }
        if let Some(value) = settings.remove(old) {
            settings.entry(new).or_insert(value);
        }
    }
    // A layer within: that of a `Bidirectional` or `TimeDistributed`.
    if let Some(inner) = settings.get_mut("layer").and_then(Value::as_object_mut) {
        let class = inner.get("class_name").and_then(Value::as_str).unwrap_or_default();
        let class = class_today(class).to_owned();
        if let Some(settings) = inner.get_mut("config").and_then(Value::as_object_mut) {
            settings_today(&class, settings);
        }
        inner.insert("class_name".to_owned(), Value::from(class));
    }
}

/// What the merging layer of Keras 1 is today, and its settings.
pub(super) fn merge_today(settings: &mut Map<String, Value>) -> Option<&'static str> {
    let class = match settings.get("mode").and_then(Value::as_str)? {
        "sum" => "Add",
        "mul" => "Multiply",
        "ave" => "Average",
        "max" => "Maximum",
        "concat" => "Concatenate",
        "dot" => "Dot",
        _ => return None,
    };
    if let Some(axis) = settings.remove("concat_axis") {
        settings.entry("axis").or_insert(axis);
    }
    Some(class)
}
