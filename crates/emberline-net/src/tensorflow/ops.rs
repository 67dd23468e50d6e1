//! What each of TensorFlow's operators is in ONNX, operator set 17. Images are channels-last in TensorFlow and channels-first
//! in ONNX: around convolutions stand transpositions, of which runtimes remove the pairs.

use super::{
    convert::{Op, Value, text},
    problem,
    tensor::Constant,
};
use crate::{
    ElementType, Result,
    onnx::{float, int, ints, proto::AttributeProto},
};

type Write = fn(&mut Op<'_, '_>) -> Result<()>;

/// The operators, in alphabetic order.
const OPERATORS: &[(&str, Write)] = &[
    ("Abs", |op| same(op, "Abs")),
    ("Acos", |op| same(op, "Acos")),
    ("Acosh", |op| same(op, "Acosh")),
    ("Add", |op| same(op, "Add")),
    ("AddN", |op| same(op, "Sum")),
    ("AddV2", |op| same(op, "Add")),
    ("All", |op| reduce_bool(op, "ReduceMin")),
    ("Any", |op| reduce_bool(op, "ReduceMax")),
    ("ArgMax", |op| arg(op, "ArgMax")),
    ("ArgMin", |op| arg(op, "ArgMin")),
    ("Asin", |op| same(op, "Asin")),
    ("Asinh", |op| same(op, "Asinh")),
    ("Atan", |op| same(op, "Atan")),
    ("Atanh", |op| same(op, "Atanh")),
    ("AvgPool", |op| pool(op, "AveragePool", 2)),
    ("AvgPool3D", |op| pool(op, "AveragePool", 3)),
    ("BatchMatMul", batch_mat_mul),
    ("BatchMatMulV2", batch_mat_mul),
    ("BiasAdd", bias_add),
    ("BroadcastTo", |op| with_shape(op, "Expand")),
    ("Cast", cast),
    ("Ceil", |op| same(op, "Ceil")),
    ("CheckNumerics", first),
    ("ClipByValue", clip_by_value),
    ("Concat", concat),
    ("ConcatV2", concat),
    ("Const", constant),
    ("Conv2D", |op| convolution(op, 2)),
    ("Conv2DBackpropInput", |op| transposed_convolution(op, 2)),
    ("Conv3D", |op| convolution(op, 3)),
    ("Conv3DBackpropInputV2", |op| transposed_convolution(op, 3)),
    ("Cos", |op| same(op, "Cos")),
    ("Cosh", |op| same(op, "Cosh")),
    ("Cumsum", cumsum),
    ("DepthToSpace", |op| depth(op, "DepthToSpace")),
    ("DepthwiseConv2dNative", depthwise_convolution),
    ("Div", |op| same(op, "Div")),
    ("DivNoNan", div_no_nan),
    ("Einsum", einsum),
    ("Elu", |op| same(op, "Elu")),
    ("EnsureShape", first),
    ("Equal", |op| compare(op, "Equal")),
    ("Erf", |op| same(op, "Erf")),
    ("Erfc", erfc),
    ("Exp", |op| same(op, "Exp")),
    ("ExpandDims", expand_dims),
    ("Expm1", expm1),
    ("Fill", fill),
    ("Floor", |op| same(op, "Floor")),
    ("FloorDiv", floor_div),
    ("FloorMod", floor_mod),
    ("FusedBatchNorm", batch_norm),
    ("FusedBatchNormV2", batch_norm),
    ("FusedBatchNormV3", batch_norm),
    ("Gather", gather),
    ("GatherNd", gather_nd),
    ("GatherV2", gather),
    ("Greater", |op| compare(op, "Greater")),
    ("GreaterEqual", |op| compare(op, "GreaterOrEqual")),
    ("Identity", first),
    ("IdentityN", identity_n),
    ("Inv", |op| same(op, "Reciprocal")),
    ("LeakyRelu", leaky_relu),
    ("Less", |op| compare(op, "Less")),
    ("LessEqual", |op| compare(op, "LessOrEqual")),
    ("Log", |op| same(op, "Log")),
    ("Log1p", log1p),
    ("LogSoftmax", |op| on_last_axis(op, "LogSoftmax")),
    ("LogicalAnd", |op| compare(op, "And")),
    ("LogicalNot", |op| compare(op, "Not")),
    ("LogicalOr", |op| compare(op, "Or")),
    ("MatMul", mat_mul),
    ("Max", |op| reduce(op, "ReduceMax")),
    ("MaxPool", |op| pool(op, "MaxPool", 2)),
    ("MaxPool3D", |op| pool(op, "MaxPool", 3)),
    ("Maximum", |op| same(op, "Max")),
    ("Mean", |op| reduce(op, "ReduceMean")),
    ("Min", |op| reduce(op, "ReduceMin")),
    ("Minimum", |op| same(op, "Min")),
    ("MirrorPad", pad),
    ("Mul", |op| same(op, "Mul")),
    ("Neg", |op| same(op, "Neg")),
    ("NotEqual", not_equal),
    ("OneHot", one_hot),
    ("OnesLike", |op| like(op, 1.0)),
    ("Pack", pack),
    ("Pad", pad),
    ("PadV2", pad),
    ("Placeholder", placeholder),
    ("PlaceholderWithDefault", first),
    ("Pow", |op| same(op, "Pow")),
    ("PreventGradient", first),
    ("Prod", |op| reduce(op, "ReduceProd")),
    ("Range", range),
    ("Rank", rank),
    ("ReadVariableOp", read_variable),
    ("RealDiv", |op| same(op, "Div")),
    ("Reciprocal", |op| same(op, "Reciprocal")),
    ("Relu", |op| same(op, "Relu")),
    ("Relu6", relu6),
    ("Reshape", |op| with_shape(op, "Reshape")),
    ("ResizeBilinear", |op| resize(op, "linear")),
    ("ResizeNearestNeighbor", |op| resize(op, "nearest")),
    ("ResourceGather", resource_gather),
    ("ReverseV2", reverse),
    ("Rint", |op| same(op, "Round")),
    ("Round", |op| same(op, "Round")),
    ("Rsqrt", rsqrt),
    ("SelectV2", |op| same(op, "Where")),
    ("Selu", |op| same(op, "Selu")),
    ("Shape", shape),
    ("Sigmoid", |op| same(op, "Sigmoid")),
    ("Sign", |op| same(op, "Sign")),
    ("Sin", |op| same(op, "Sin")),
    ("Sinh", |op| same(op, "Sinh")),
    ("Size", size),
    ("Slice", slice),
    ("Snapshot", first),
    ("Softmax", |op| on_last_axis(op, "Softmax")),
    ("Softplus", |op| same(op, "Softplus")),
    ("Softsign", |op| same(op, "Softsign")),
    ("SpaceToDepth", |op| depth(op, "SpaceToDepth")),
    ("Split", split),
    ("SplitV", split_v),
    ("Sqrt", |op| same(op, "Sqrt")),
    ("Square", square),
    ("SquaredDifference", squared_difference),
    ("Squeeze", squeeze),
    ("StopGradient", first),
    ("StridedSlice", strided_slice),
    ("Sub", |op| same(op, "Sub")),
    ("Sum", sum),
    ("Tan", |op| same(op, "Tan")),
    ("Tanh", |op| same(op, "Tanh")),
    ("Tile", tile),
    ("TopKV2", top_k),
    ("Transpose", transpose),
    ("Unpack", unpack),
    ("VarHandleOp", no_value),
    ("Variable", read_variable),
    ("VariableV2", read_variable),
    ("ZerosLike", |op| like(op, 0.0)),
];

/// The operators of TensorFlow that [`TensorFlowModel::to_onnx`](crate::TensorFlowModel::to_onnx) knows, in alphabetic order;
/// calls of functions are known besides.
///
/// ```
/// assert!(emberline_net::tensorflow_operators().any(|operator| operator == "DepthwiseConv2dNative"));
/// ```
pub fn tensorflow_operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|(name, _)| *name)
}

pub(super) fn find(name: &str) -> Option<Write> {
    OPERATORS.binary_search_by(|(known, _)| (*known).cmp(name)).ok().map(|i| OPERATORS[i].1)
}

/// An operator that ONNX has as well.
fn same(op: &mut Op<'_, '_>, onnx: &str) -> Result<()> {
    let inputs = op.inputs()?;
    op.finish(onnx, inputs, Vec::new())
}

fn compare(op: &mut Op<'_, '_>, onnx: &str) -> Result<()> {
    let inputs = op.inputs()?;
    op.finish_as(onnx, inputs, Vec::new(), Some(ElementType::Bool))
}

fn not_equal(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = op.inputs()?;
    let equal = op.step("Equal", inputs, Vec::new());
    op.finish_as("Not", vec![equal], Vec::new(), Some(ElementType::Bool))
}

/// The output is the first input.
fn first(op: &mut Op<'_, '_>) -> Result<()> {
    let value = op.value(0)?;
    op.bind(0, value);
    Ok(())
}

fn identity_n(op: &mut Op<'_, '_>) -> Result<()> {
    for i in 0..op.input_count() {
        let value = op.value(i)?;
        op.bind(i, value);
    }
    Ok(())
}

fn constant(op: &mut Op<'_, '_>) -> Result<()> {
    let tensor = op.tensor("value").ok_or_else(|| problem("it has no value".to_owned()))?;
    let constant = Constant::of_proto(tensor, op.bytes_max())?;
    op.finish_constant(constant)
}

fn placeholder(_: &mut Op<'_, '_>) -> Result<()> {
    Err(problem("it has to be among the inputs".to_owned()))
}

/// A variable's handle is no tensor; what reads it finds it.
fn no_value(_: &mut Op<'_, '_>) -> Result<()> {
    Ok(())
}

fn read_variable(op: &mut Op<'_, '_>) -> Result<()> {
    let constant = op.variable()?;
    op.finish_constant(constant)
}

fn resource_gather(op: &mut Op<'_, '_>) -> Result<()> {
    let table = op.variable()?;
    let element = Some(table.element);
    let inputs = vec![op.store(table)?, op.input(1)?];
    op.finish_as("Gather", inputs, vec![int("axis", 0)], element)
}

// Element by element.

fn leaky_relu(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?];
    let alpha = op.float("alpha").unwrap_or(0.2);
    op.finish("LeakyRelu", inputs, vec![float("alpha", alpha)])
}

fn relu6(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?, op.number(0.0)?, op.number(6.0)?];
    op.finish("Clip", inputs, Vec::new())
}

fn rsqrt(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?];
    let root = op.step("Sqrt", inputs, Vec::new());
    op.finish("Reciprocal", vec![root], Vec::new())
}

fn square(op: &mut Op<'_, '_>) -> Result<()> {
    let input = op.input(0)?;
    op.finish("Mul", vec![input.clone(), input], Vec::new())
}

fn squared_difference(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = op.inputs()?;
    let difference = op.step("Sub", inputs, Vec::new());
    op.finish("Mul", vec![difference.clone(), difference], Vec::new())
}

fn erfc(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?];
    let error = op.step("Erf", inputs, Vec::new());
    let inputs = vec![op.number(1.0)?, error];
    op.finish("Sub", inputs, Vec::new())
}

fn log1p(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?, op.number(1.0)?];
    let sum = op.step("Add", inputs, Vec::new());
    op.finish("Log", vec![sum], Vec::new())
}

fn expm1(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?];
    let power = op.step("Exp", inputs, Vec::new());
    let inputs = vec![power, op.number(1.0)?];
    op.finish("Sub", inputs, Vec::new())
}

fn clip_by_value(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?, op.input(1)?];
    let raised = op.step("Max", inputs, Vec::new());
    let inputs = vec![raised, op.input(2)?];
    op.finish("Min", inputs, Vec::new())
}

fn is_float(op: &Op<'_, '_>) -> bool {
    matches!(op.r#type("T"), None | Some(ElementType::Float16 | ElementType::Float32 | ElementType::Float64))
}

/// ONNX divides integers towards zero, and has Python's remainder.
fn floor_div(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = op.inputs()?;
    if is_float(op) {
        let quotient = op.step("Div", inputs, Vec::new());
        return op.finish("Floor", vec![quotient], Vec::new());
    }
    let rest = op.step("Mod", inputs.clone(), Vec::new());
    let whole = op.step("Sub", vec![inputs[0].clone(), rest], Vec::new());
    op.finish("Div", vec![whole, inputs[1].clone()], Vec::new())
}

/// Zero where the divisor is.
fn div_no_nan(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = op.inputs()?;
    let zero = op.number(0.0)?;
    let is_zero = op.step("Equal", vec![inputs[1].clone(), zero.clone()], Vec::new());
    let quotient = op.step("Div", inputs, Vec::new());
    op.finish("Where", vec![is_zero, zero, quotient], Vec::new())
}

fn floor_mod(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = op.inputs()?;
    if !is_float(op) {
        return op.finish("Mod", inputs, Vec::new());
    }
    let quotient = op.step("Div", inputs.clone(), Vec::new());
    let whole = op.step("Floor", vec![quotient], Vec::new());
    let product = op.step("Mul", vec![whole, inputs[1].clone()], Vec::new());
    op.finish("Sub", vec![inputs[0].clone(), product], Vec::new())
}

fn cast(op: &mut Op<'_, '_>) -> Result<()> {
    let to = op.r#type("DstT").ok_or_else(|| problem("expected a cast to numbers".to_owned()))?;
    let inputs = vec![op.input(0)?];
    op.finish_as("Cast", inputs, vec![int("to", i64::from(i32::from(to.data_type())))], Some(to))
}

/// A tensor of one number in the shape of the input.
fn like(op: &mut Op<'_, '_>, number: f32) -> Result<()> {
    let inputs = vec![op.input(0)?];
    let shape = op.step("Shape", inputs, Vec::new());
    let inputs = vec![op.number(number)?, shape];
    op.finish("Expand", inputs, Vec::new())
}

fn on_last_axis(op: &mut Op<'_, '_>, onnx: &str) -> Result<()> {
    let inputs = vec![op.input(0)?];
    op.finish(onnx, inputs, vec![int("axis", -1)])
}

fn cumsum(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?, op.as_i64(1)?];
    let flag = |name| int(name, i64::from(op.bool(name).unwrap_or(false)));
    let attributes = vec![flag("exclusive"), flag("reverse")];
    op.finish("CumSum", inputs, attributes)
}

// Products.

fn mat_mul(op: &mut Op<'_, '_>) -> Result<()> {
    let mut inputs = Vec::new();
    for (i, name) in ["transpose_a", "transpose_b"].into_iter().enumerate() {
        let mut input = op.input(i)?;
        if op.bool(name) == Some(true) {
            input = op.step("Transpose", vec![input], vec![ints("perm", &[1, 0])]);
        }
        inputs.push(input);
    }
    op.finish("MatMul", inputs, Vec::new())
}

fn batch_mat_mul(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = op.inputs()?;
    let flags = ["adj_x", "adj_y"].map(|name| op.bool(name) == Some(true));
    if flags == [false, false] {
        return op.finish("MatMul", inputs, Vec::new());
    }
    let left = if flags[0] { "...ji" } else { "...ij" };
    let right = if flags[1] { "...kj" } else { "...jk" };
    op.finish("Einsum", inputs, vec![text("equation", &format!("{left},{right}->...ik"))])
}

fn einsum(op: &mut Op<'_, '_>) -> Result<()> {
    let equation = op.text("equation").unwrap_or_default().to_owned();
    let inputs = op.inputs()?;
    op.finish("Einsum", inputs, vec![text("equation", &equation)])
}

// Windows over images.

fn is_channels_first(op: &Op<'_, '_>) -> bool {
    op.text("data_format").is_some_and(|format| format.starts_with("NC"))
}

/// `[0, n + 1, 1, ..., n]`, and back.
fn to_channels_first(spatial: usize) -> Vec<i64> {
    let last = spatial as i64 + 1;
    [0, last].into_iter().chain(1..last).collect()
}

fn to_channels_last(spatial: usize) -> Vec<i64> {
    let last = spatial as i64 + 1;
    [0].into_iter().chain(2..=last).chain([1]).collect()
}

/// An image, channels first.
fn image(op: &mut Op<'_, '_>, i: usize, spatial: usize) -> Result<String> {
    let input = op.input(i)?;
    if is_channels_first(op) {
        return Ok(input);
    }
    Ok(op.step("Transpose", vec![input], vec![ints("perm", &to_channels_first(spatial))]))
}

/// Ends with an operator whose output is channels first.
fn finish_image(
    op: &mut Op<'_, '_>,
    onnx: &str,
    inputs: Vec<String>,
    attributes: Vec<AttributeProto>,
    spatial: usize,
) -> Result<()> {
    if is_channels_first(op) {
        return op.finish(onnx, inputs, attributes);
    }
    let image = op.step(onnx, inputs, attributes);
    op.finish("Transpose", vec![image], vec![ints("perm", &to_channels_last(spatial))])
}

/// The part of a list of one number for each axis of an image that is of rows and columns.
fn of_sides(op: &Op<'_, '_>, values: &[i64], spatial: usize) -> Result<Vec<i64>> {
    let first = if is_channels_first(op) { 2 } else { 1 };
    match values.get(first..first + spatial) {
        Some(sides) if values.len() == spatial + 2 => Ok(sides.to_vec()),
        _ if values.is_empty() => Ok(vec![1; spatial]),
        _ => Err(problem(format!("expected {} numbers, one for each axis, found {values:?}", spatial + 2))),
    }
}

/// Strides, dilations and padding as attributes; `kernel` are the window's sides, where known.
fn window(op: &Op<'_, '_>, spatial: usize, kernel: Option<&[i64]>) -> Result<Vec<AttributeProto>> {
    let strides = of_sides(op, &op.ints("strides"), spatial)?;
    let dilations = of_sides(op, &op.ints("dilations"), spatial)?;
    let mut attributes = vec![ints("strides", &strides)];
    let dilated = dilations.iter().any(|dilation| *dilation != 1);
    if dilated {
        attributes.push(ints("dilations", &dilations));
    }
    match op.text("padding").unwrap_or("VALID") {
        "VALID" => {}
        "SAME" if !dilated => attributes.push(text("auto_pad", "SAME_UPPER")),
        // Without strides the padding does not depend on the image's size.
        "SAME" if strides.iter().all(|stride| *stride == 1) => {
            let kernel = kernel.ok_or_else(|| problem("expected a constant kernel".to_owned()))?;
            let total: Vec<i64> = kernel
                .iter()
                .zip(&dilations)
                .map(|(side, dilation)| (side - 1).saturating_mul(*dilation))
                .collect();
            let before = total.iter().map(|total| total / 2);
            let after = total.iter().map(|total| total - total / 2);
            attributes.push(ints("pads", &before.chain(after).collect::<Vec<_>>()));
        }
        "EXPLICIT" => {
            let pads = op.ints("explicit_paddings");
            let (before, after) = (pads.iter().step_by(2).copied(), pads.iter().skip(1).step_by(2).copied());
            let before = of_sides(op, &before.collect::<Vec<_>>(), spatial)?;
            let after = of_sides(op, &after.collect::<Vec<_>>(), spatial)?;
            attributes.push(ints("pads", &[before, after].concat()));
        }
        other => return Err(problem(format!("padding `{other}` with strides and dilations is not known"))),
    }
    Ok(attributes)
}

/// The sides of a kernel `[..., in, out]`, where it is a constant.
fn kernel_sides(op: &Op<'_, '_>, spatial: usize) -> Option<Vec<i64>> {
    let shape = op.constant_shape(1).ok()?;
    Some(shape.get(..spatial)?.iter().map(|&side| side as i64).collect())
}

/// A kernel `[..., in, out]` as `[out, in, ...]`.
fn kernel(op: &mut Op<'_, '_>, spatial: usize) -> Result<String> {
    let input = op.input(1)?;
    let last = spatial as i64;
    let axes: Vec<i64> = [last + 1, last].into_iter().chain(0..last).collect();
    Ok(op.step("Transpose", vec![input], vec![ints("perm", &axes)]))
}

fn convolution(op: &mut Op<'_, '_>, spatial: usize) -> Result<()> {
    let attributes = window(op, spatial, kernel_sides(op, spatial).as_deref())?;
    let inputs = vec![image(op, 0, spatial)?, kernel(op, spatial)?];
    finish_image(op, "Conv", inputs, attributes, spatial)
}

/// A kernel `[height, width, channels, multiplier]` is one of as many groups as there are channels.
fn depthwise_convolution(op: &mut Op<'_, '_>) -> Result<()> {
    let shape = op.constant_shape(1)?;
    let &[_, _, channels, _] = shape.as_slice() else {
        return Err(problem(format!("expected a kernel of four axes, found {shape:?}")));
    };
    let mut attributes = window(op, 2, kernel_sides(op, 2).as_deref())?;
    attributes.push(int("group", channels as i64));
    let kernel = op.input(1)?;
    let kernel = op.step("Transpose", vec![kernel], vec![ints("perm", &[2, 3, 0, 1])]);
    let one_by_one = op.list(&[-1, 1, 0, 0])?;
    let kernel = op.step("Reshape", vec![kernel, one_by_one], Vec::new());
    let inputs = vec![image(op, 0, 2)?, kernel];
    finish_image(op, "Conv", inputs, attributes, 2)
}

/// The gradient of a convolution, whose output is as large as Keras' layers make it: `stride` times the input for `SAME`.
fn transposed_convolution(op: &mut Op<'_, '_>, spatial: usize) -> Result<()> {
    let sides = kernel_sides(op, spatial).ok_or_else(|| problem("expected a constant kernel".to_owned()))?;
    let strides = of_sides(op, &op.ints("strides"), spatial)?;
    if of_sides(op, &op.ints("dilations"), spatial)?.iter().any(|dilation| *dilation != 1) {
        return Err(problem("dilations are not known here".to_owned()));
    }
    let same = match op.text("padding") {
        Some("SAME") => true,
        Some("VALID") => false,
        other => return Err(problem(format!("padding {other:?} is not known here"))),
    };
    let (mut before, mut after, mut more) = (Vec::new(), Vec::new(), Vec::new());
    for (side, stride) in sides.iter().zip(&strides) {
        let total = if same { (side - stride).max(0) } else { 0 };
        before.push(total / 2);
        after.push(total - total / 2);
        more.push((stride - side).max(0));
    }
    let attributes = vec![
        ints("strides", &strides),
        ints("pads", &[before, after].concat()),
        ints("output_padding", &more),
    ];
    let inputs = vec![image(op, 2, spatial)?, kernel(op, spatial)?];
    finish_image(op, "ConvTranspose", inputs, attributes, spatial)
}

fn pool(op: &mut Op<'_, '_>, onnx: &str, spatial: usize) -> Result<()> {
    let mut attributes = window(op, spatial, None)?;
    attributes.push(ints("kernel_shape", &of_sides(op, &op.ints("ksize"), spatial)?));
    let inputs = vec![image(op, 0, spatial)?];
    finish_image(op, onnx, inputs, attributes, spatial)
}

fn batch_norm(op: &mut Op<'_, '_>) -> Result<()> {
    if op.bool("is_training") != Some(false) {
        return Err(problem("it is in training; export the model for inference".to_owned()));
    }
    let mut inputs = vec![image(op, 0, 2)?];
    for i in 1..5 {
        inputs.push(op.input(i)?);
    }
    let epsilon = op.float("epsilon").unwrap_or(1e-4);
    finish_image(op, "BatchNormalization", inputs, vec![float("epsilon", epsilon)], 2)
}

fn bias_add(op: &mut Op<'_, '_>) -> Result<()> {
    let (input, mut bias) = (op.input(0)?, op.input(1)?);
    if is_channels_first(op) {
        let shape = op.list(&[-1, 1, 1])?;
        bias = op.step("Reshape", vec![bias, shape], Vec::new());
    }
    op.finish("Add", vec![input, bias], Vec::new())
}

fn depth(op: &mut Op<'_, '_>, onnx: &str) -> Result<()> {
    let attributes = vec![int("blocksize", op.int("block_size").unwrap_or(1))];
    let inputs = vec![image(op, 0, 2)?];
    finish_image(op, onnx, inputs, attributes, 2)
}

/// `ResizeBilinear` and `ResizeNearestNeighbor` with their three rules of where pixels lie.
fn resize(op: &mut Op<'_, '_>, mode: &str) -> Result<()> {
    let corners = op.bool("align_corners") == Some(true);
    let centres = op.bool("half_pixel_centers") == Some(true);
    let (place, nearest) = match (corners, centres) {
        (true, _) => ("align_corners", "round_prefer_ceil"),
        (_, true) => ("half_pixel", "round_prefer_ceil"),
        _ => ("asymmetric", "floor"),
    };
    let mut picture = image(op, 0, 2)?;
    let element = if mode == "linear" { Some(ElementType::Float32) } else { op.r#type("T") };
    if mode == "linear" && op.r#type("T") != Some(ElementType::Float32) {
        picture = op.cast(picture, ElementType::Float32);
    }
    let all = op.step("Shape", vec![picture.clone()], Vec::new());
    let (from, to) = (op.list(&[0])?, op.list(&[2])?);
    let outer = op.step("Slice", vec![all, from, to], Vec::new());
    let inner = op.as_i64(1)?;
    let sizes = op.step("Concat", vec![outer, inner], vec![int("axis", 0)]);
    let attributes = vec![
        text("mode", mode),
        text("coordinate_transformation_mode", place),
        text("nearest_mode", nearest),
    ];
    let resized = op.step("Resize", vec![picture, String::new(), String::new(), sizes], attributes);
    op.finish_as("Transpose", vec![resized], vec![ints("perm", &to_channels_last(2))], element)
}

// Over axes.

fn reduce(op: &mut Op<'_, '_>, onnx: &str) -> Result<()> {
    let axes = op.integers(1)?;
    if axes.is_empty() {
        return first(op);
    }
    let inputs = vec![op.input(0)?];
    let keep = i64::from(op.bool("keep_dims").unwrap_or(false));
    op.finish(onnx, inputs, vec![ints("axes", &axes), int("keepdims", keep)])
}

/// The one reduction that takes its axes as an input in this operator set.
fn sum(op: &mut Op<'_, '_>) -> Result<()> {
    let axes = op.integers(1)?;
    if axes.is_empty() {
        return first(op);
    }
    let inputs = vec![op.input(0)?, op.list(&axes)?];
    let keep = i64::from(op.bool("keep_dims").unwrap_or(false));
    op.finish("ReduceSum", inputs, vec![int("keepdims", keep)])
}

fn reduce_bool(op: &mut Op<'_, '_>, onnx: &str) -> Result<()> {
    let axes = op.integers(1)?;
    if axes.is_empty() {
        return first(op);
    }
    let input = op.input(0)?;
    let numbers = op.cast(input, ElementType::Int32);
    let keep = i64::from(op.bool("keep_dims").unwrap_or(false));
    let reduced = op.step(onnx, vec![numbers], vec![ints("axes", &axes), int("keepdims", keep)]);
    let to = int("to", i64::from(i32::from(ElementType::Bool.data_type())));
    op.finish_as("Cast", vec![reduced], vec![to], Some(ElementType::Bool))
}

fn arg(op: &mut Op<'_, '_>, onnx: &str) -> Result<()> {
    let axis = op.integer(1)?;
    let inputs = vec![op.input(0)?];
    let attributes = vec![int("axis", axis), int("keepdims", 0)];
    finish_integers(op, onnx, inputs, attributes, "output_type", ElementType::Int64)
}

/// Ends with an operator that gives 64-bit integers, as the type that an attribute says.
fn finish_integers(
    op: &mut Op<'_, '_>,
    onnx: &str,
    inputs: Vec<String>,
    attributes: Vec<AttributeProto>,
    attribute: &str,
    default: ElementType,
) -> Result<()> {
    let wanted = op.r#type(attribute).unwrap_or(default);
    if wanted == ElementType::Int64 {
        return op.finish_as(onnx, inputs, attributes, Some(wanted));
    }
    let integers = op.step(onnx, inputs, attributes);
    let to = int("to", i64::from(i32::from(wanted.data_type())));
    op.finish_as("Cast", vec![integers], vec![to], Some(wanted))
}

fn top_k(op: &mut Op<'_, '_>) -> Result<()> {
    let (count, one) = (op.as_i64(1)?, op.list(&[1])?);
    let count = op.step("Reshape", vec![count, one], Vec::new());
    let inputs = vec![op.input(0)?, count];
    let sorted = int("sorted", i64::from(op.bool("sorted").unwrap_or(true)));
    let outputs = op.steps("TopK", inputs, vec![sorted], 2);
    let [values, places] = outputs.as_slice() else { return Ok(()) };
    let element = op.r#type("T");
    op.bind(0, Value { name: values.clone(), element });
    let places = op.cast(places.clone(), ElementType::Int32);
    op.bind(1, Value { name: places, element: Some(ElementType::Int32) });
    Ok(())
}

// Shapes.

fn shape(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?];
    finish_integers(op, "Shape", inputs, Vec::new(), "out_type", ElementType::Int32)
}

fn size(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?];
    finish_integers(op, "Size", inputs, Vec::new(), "out_type", ElementType::Int32)
}

fn rank(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?];
    let shape = op.step("Shape", inputs, Vec::new());
    finish_integers(op, "Size", vec![shape], Vec::new(), "", ElementType::Int32)
}

/// An operator whose second input is a shape.
fn with_shape(op: &mut Op<'_, '_>, onnx: &str) -> Result<()> {
    let inputs = vec![op.input(0)?, op.as_i64(1)?];
    // A size of 0 is one of nothing in TensorFlow.
    let empty = onnx == "Reshape" && op.integers(1).is_ok_and(|sizes| sizes.contains(&0));
    op.finish(onnx, inputs, if empty { vec![int("allowzero", 1)] } else { Vec::new() })
}

fn fill(op: &mut Op<'_, '_>) -> Result<()> {
    let element = op.value(1)?.element;
    let inputs = vec![op.input(1)?, op.as_i64(0)?];
    op.finish_as("Expand", inputs, Vec::new(), element)
}

fn tile(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?, op.as_i64(1)?];
    op.finish("Tile", inputs, Vec::new())
}

fn range(op: &mut Op<'_, '_>) -> Result<()> {
    let (inputs, element) = (op.inputs()?, op.r#type("Tidx"));
    op.finish_as("Range", inputs, Vec::new(), element)
}

fn expand_dims(op: &mut Op<'_, '_>) -> Result<()> {
    let axis = op.integer(1)?;
    let inputs = vec![op.input(0)?, op.list(&[axis])?];
    op.finish("Unsqueeze", inputs, Vec::new())
}

fn squeeze(op: &mut Op<'_, '_>) -> Result<()> {
    let axes = op.ints("squeeze_dims");
    let mut inputs = vec![op.input(0)?];
    if !axes.is_empty() {
        inputs.push(op.list(&axes)?);
    }
    op.finish("Squeeze", inputs, Vec::new())
}

fn transpose(op: &mut Op<'_, '_>) -> Result<()> {
    let axes = op.integers(1)?;
    let inputs = vec![op.input(0)?];
    op.finish("Transpose", inputs, vec![ints("perm", &axes)])
}

/// `Concat` has its axis first, `ConcatV2` last.
fn concat(op: &mut Op<'_, '_>) -> Result<()> {
    let mut inputs = op.inputs()?;
    let at = if op.kind() == "Concat" { 0 } else { inputs.len().saturating_sub(1) };
    let axis = op.integer(at)?;
    inputs.remove(at);
    op.finish("Concat", inputs, vec![int("axis", axis)])
}

fn pack(op: &mut Op<'_, '_>) -> Result<()> {
    let axis = op.int("axis").unwrap_or(0);
    let axes = op.list(&[axis])?;
    let mut parts = Vec::new();
    for input in op.inputs()? {
        parts.push(op.step("Unsqueeze", vec![input, axes.clone()], Vec::new()));
    }
    op.finish("Concat", parts, vec![int("axis", axis)])
}

fn bind_parts(op: &mut Op<'_, '_>, parts: Vec<String>) {
    let element = op.r#type("T");
    for (i, name) in parts.into_iter().enumerate() {
        op.bind(i, Value { name, element });
    }
}

/// How many outputs an attribute says; a file can't ask for more than a graph has nodes.
fn part_count(op: &Op<'_, '_>, attribute: &str) -> Result<usize> {
    let count = op.int(attribute).and_then(|count| usize::try_from(count).ok());
    count
        .filter(|count| (1..=65_536).contains(count))
        .ok_or_else(|| problem(format!("expected `{attribute}` outputs")))
}

fn unpack(op: &mut Op<'_, '_>) -> Result<()> {
    let (count, axis) = (part_count(op, "num")?, op.int("axis").unwrap_or(0));
    let (inputs, axes) = (vec![op.input(0)?], op.list(&[axis])?);
    let parts = op.steps("Split", inputs, vec![int("axis", axis)], count);
    let parts: Vec<String> =
        parts.into_iter().map(|part| op.step("Squeeze", vec![part, axes.clone()], Vec::new())).collect();
    bind_parts(op, parts);
    Ok(())
}

fn split(op: &mut Op<'_, '_>) -> Result<()> {
    let (count, axis) = (part_count(op, "num_split")?, op.integer(0)?);
    let inputs = vec![op.input(1)?];
    let parts = op.steps("Split", inputs, vec![int("axis", axis)], count);
    bind_parts(op, parts);
    Ok(())
}

fn split_v(op: &mut Op<'_, '_>) -> Result<()> {
    let (sizes, axis) = (op.integers(1)?, op.integer(2)?);
    if sizes.iter().any(|size| *size < 0) {
        return Err(problem("expected the sizes of all parts".to_owned()));
    }
    let inputs = vec![op.input(0)?, op.list(&sizes)?];
    let parts = op.steps("Split", inputs, vec![int("axis", axis)], sizes.len());
    bind_parts(op, parts);
    Ok(())
}

// Parts of tensors.

fn gather(op: &mut Op<'_, '_>) -> Result<()> {
    if op.int("batch_dims").is_some_and(|batch| batch != 0) {
        return Err(problem("batch dimensions are not known".to_owned()));
    }
    let axis = if op.input_count() > 2 { op.integer(2)? } else { 0 };
    let inputs = vec![op.input(0)?, op.input(1)?];
    let element = op.r#type("Tparams");
    op.finish_as("Gather", inputs, vec![int("axis", axis)], element)
}

fn gather_nd(op: &mut Op<'_, '_>) -> Result<()> {
    let inputs = vec![op.input(0)?, op.as_i64(1)?];
    let element = op.r#type("Tparams");
    op.finish_as("GatherND", inputs, Vec::new(), element)
}

fn one_hot(op: &mut Op<'_, '_>) -> Result<()> {
    let axes = op.list(&[0])?;
    let mut values = Vec::new();
    for i in [3, 2] {
        let value = op.input(i)?;
        values.push(op.step("Unsqueeze", vec![value, axes.clone()], Vec::new()));
    }
    let values = op.step("Concat", values, vec![int("axis", 0)]);
    let inputs = vec![op.as_i64(0)?, op.as_i64(1)?, values];
    let axis = op.int("axis").unwrap_or(-1);
    op.finish("OneHot", inputs, vec![int("axis", axis)])
}

fn reverse(op: &mut Op<'_, '_>) -> Result<()> {
    let axes = op.integers(1)?;
    let all = |value| vec![value; axes.len()];
    let inputs =
        vec![op.input(0)?, op.list(&all(-1))?, op.list(&all(i64::MIN))?, op.list(&axes)?, op.list(&all(-1))?];
    op.finish("Slice", inputs, Vec::new())
}

fn slice(op: &mut Op<'_, '_>) -> Result<()> {
    let input = op.input(0)?;
    let (starts, ends) = match (op.integers(1), op.integers(2)) {
        (Ok(starts), Ok(sizes)) => {
            let end =
                |(start, size): (&i64, &i64)| if *size < 0 { i64::MAX } else { start.saturating_add(*size) };
            let ends: Vec<i64> = starts.iter().zip(&sizes).map(end).collect();
            (op.list(&starts)?, op.list(&ends)?)
        }
        (_, Ok(sizes)) if sizes.iter().any(|size| *size < 0) => {
            return Err(problem("expected a constant begin, or sizes without -1".to_owned()));
        }
        _ => {
            let (starts, sizes) = (op.as_i64(1)?, op.as_i64(2)?);
            let ends = op.step("Add", vec![starts.clone(), sizes], Vec::new());
            (starts, ends)
        }
    };
    op.finish("Slice", vec![input, starts, ends], Vec::new())
}

/// Python's `x[a:b:c, ..., d, None]`, whose masks say which parts of it are left out.
fn strided_slice(op: &mut Op<'_, '_>) -> Result<()> {
    let (begins, ends, steps) = (op.integers(1)?, op.integers(2)?, op.integers(3)?);
    let count = begins.len();
    if ends.len() != count || steps.len() != count || count > 32 {
        return Err(problem("expected as many begins, ends and strides as axes".to_owned()));
    }
    let mask = |name: &str| {
        let bits = op.int(name).unwrap_or(0);
        move |i: usize| bits >> i & 1 == 1
    };
    let (begin_open, end_open, shrink) = (mask("begin_mask"), mask("end_mask"), mask("shrink_axis_mask"));
    let (ellipsis, new_axis) = (mask("ellipsis_mask"), mask("new_axis_mask"));
    let gap = (0..count).find(|&i| ellipsis(i));
    // Axes after an ellipsis are counted from the end.
    let place = |i: usize, counts: &dyn Fn(usize) -> bool| match gap {
        Some(gap) if i > gap => -((i..count).filter(|&i| counts(i)).count() as i64),
        _ => (0..i).filter(|&i| counts(i)).count() as i64,
    };
    let of_input = |i: usize| !new_axis(i) && !ellipsis(i);
    let of_output = |i: usize| !ellipsis(i) && (new_axis(i) || !shrink(i));
    let (mut starts, mut stops, mut axes, mut strides) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for i in (0..count).filter(|&i| !ellipsis(i)) {
        if new_axis(i) {
            added.push(place(i, &of_output));
            continue;
        }
        let axis = place(i, &of_input);
        let (begin, end, step) = (begins[i], ends[i], steps[i]);
        if shrink(i) {
            removed.push(axis);
            let stop = if begin == -1 { i64::MAX } else { begin.saturating_add(1) };
            starts.push(begin);
            stops.push(stop);
            strides.push(1);
        } else {
            let (first, last) = if step > 0 { (0, i64::MAX) } else { (i64::MAX, i64::MIN) };
            starts.push(if begin_open(i) { first } else { begin });
            stops.push(if end_open(i) { last } else { end });
            strides.push(step);
        }
        axes.push(axis);
    }
    let mut value = op.input(0)?;
    if !axes.is_empty() {
        let inputs = vec![value, op.list(&starts)?, op.list(&stops)?, op.list(&axes)?, op.list(&strides)?];
        value = op.step("Slice", inputs, Vec::new());
    }
    if !removed.is_empty() {
        let axes = op.list(&removed)?;
        value = op.step("Squeeze", vec![value, axes], Vec::new());
    }
    if !added.is_empty() {
        let axes = op.list(&added)?;
        value = op.step("Unsqueeze", vec![value, axes], Vec::new());
    }
    op.finish("Identity", vec![value], Vec::new())
}

fn pad(op: &mut Op<'_, '_>) -> Result<()> {
    let mode = match (op.kind(), op.text("mode")) {
        ("MirrorPad", Some("REFLECT")) => "reflect",
        ("MirrorPad", other) => return Err(problem(format!("mode {other:?} is not known, REFLECT is"))),
        _ => "constant",
    };
    let pads = match op.integers(1) {
        // Pairs of before and after, as all before and then all after.
        Ok(pairs) => {
            let (before, after) = (pairs.iter().step_by(2), pairs.iter().skip(1).step_by(2));
            op.list(&before.chain(after).copied().collect::<Vec<_>>())?
        }
        Err(_) => {
            let pairs = op.as_i64(1)?;
            let by_side = op.step("Transpose", vec![pairs], vec![ints("perm", &[1, 0])]);
            let flat = op.list(&[-1])?;
            op.step("Reshape", vec![by_side, flat], Vec::new())
        }
    };
    let mut inputs = vec![op.input(0)?, pads];
    if op.kind() == "PadV2" {
        inputs.push(op.input(2)?);
    }
    op.finish("Pad", inputs, vec![text("mode", mode)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_found() {
        assert!(OPERATORS.is_sorted_by(|(before, _), (after, _)| before < after));
        assert!(OPERATORS.iter().all(|(name, _)| find(name).is_some()));
        assert!(find("While").is_none());
    }
}
