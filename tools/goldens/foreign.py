"""Writes crates/emberline-net/tests/fixtures/foreign/: small models of other tools, and what these compute.

    pip install tensorflow-cpu keras;     python tools/goldens/foreign.py tensorflow
    pip install onnx onnxruntime;         python tools/goldens/foreign.py onnx

- frozen.pb: a graph of TensorFlow's operators, each an output; keras/: a SavedModel that Keras exports; v1/: one of TensorFlow 1's.
- old.onnx: operator set 7, whose stored tensors are inputs too, as CNTK writes; typed.onnx: ports of other types than float;
  branch.onnx: an `If` whose branches use what is around them; external.onnx and external.data: a tensor in a file of its own.
- tensorflow.txt, onnx.txt: the outputs on inputs that a formula gives (`numbers`), as `model|output|shape|values`.
"""

import os
import pathlib
import shutil
import sys

import numpy as np

OUT = pathlib.Path(__file__).parents[2] / "crates/emberline-net/tests/fixtures/foreign"


def numbers(*shape):
    """Between -1 and 1, the same everywhere."""
    count = int(np.prod(shape))
    return (((np.arange(count) * 37 + 11) % 101) / np.float32(50) - 1).astype(np.float32).reshape(shape)


def line(model, output, value):
    value = np.asarray(value)
    shape = "x".join(map(str, value.shape))
    return f"{model}|{output}|{shape}|{' '.join(f'{v:.7g}' for v in value.astype(np.float64).flatten())}"


def write(name, lines):
    (OUT / name).write_text("\n".join(lines) + "\n")


def operators(tf, image, x, ids):
    """Each operator on inputs [2, 7, 6, 4], [2, 6] and [2, 4]."""
    half = tf.abs(x) * 0.4 + 0.1
    pairs = tf.reshape(x, [-1, 2, 3])
    yield from {
        "conv_same": tf.nn.conv2d(image, numbers(3, 3, 4, 2), 2, "SAME"),
        "conv_valid": tf.nn.conv2d(image, numbers(2, 3, 4, 2), 1, "VALID"),
        "conv_dilated": tf.raw_ops.Conv2D(
            input=image, filter=numbers(3, 3, 4, 2), strides=[1, 1, 1, 1], padding="SAME", dilations=[1, 2, 2, 1]
        ),
        "conv_explicit": tf.nn.conv2d(image, numbers(3, 3, 4, 2), 2, [[0, 0], [1, 0], [0, 2], [0, 0]]),
        "conv_1d": tf.nn.conv1d(tf.reshape(image, [-1, 42, 4]), numbers(3, 4, 2), 3, "SAME"),
        "conv_3d": tf.nn.conv3d(tf.reshape(image, [-1, 7, 3, 2, 4]), numbers(2, 2, 1, 4, 2), [1, 2, 1, 1, 1], "SAME"),
        "conv_transposed": tf.nn.conv2d_transpose(image, numbers(3, 3, 2, 4), [2, 14, 12, 2], 2, "SAME"),
        "conv_transposed_valid": tf.nn.conv2d_transpose(image, numbers(3, 2, 2, 4), [2, 15, 12, 2], 2, "VALID"),
        "depthwise": tf.nn.depthwise_conv2d(image, numbers(3, 3, 4, 2), [1, 2, 2, 1], "SAME"),
        "max_pool": tf.nn.max_pool2d(image, 3, 2, "SAME"),
        "avg_pool": tf.nn.avg_pool2d(image, 3, 2, "SAME"),
        "avg_pool_3d": tf.nn.avg_pool3d(tf.reshape(image, [-1, 7, 3, 2, 4]), [2, 2, 1], [2, 1, 1], "VALID"),
        "batch_norm": tf.raw_ops.FusedBatchNormV3(
            x=image, scale=numbers(4), offset=numbers(4) + 1, mean=numbers(4), variance=numbers(4) + 2, is_training=False
        )[0],
        "bias_add": tf.nn.bias_add(image, numbers(4)),
        "resize_bilinear": tf.raw_ops.ResizeBilinear(images=image, size=[5, 11], half_pixel_centers=True),
        "resize_bilinear_old": tf.raw_ops.ResizeBilinear(images=image, size=[14, 12]),
        "resize_corners": tf.raw_ops.ResizeBilinear(images=image, size=[10, 9], align_corners=True),
        "resize_nearest": tf.raw_ops.ResizeNearestNeighbor(images=image, size=[10, 9], half_pixel_centers=True),
        "resize_nearest_old": tf.raw_ops.ResizeNearestNeighbor(images=image, size=[10, 9]),
        "space_to_depth": tf.nn.space_to_depth(image[:, :6], 2),
        "depth_to_space": tf.nn.depth_to_space(image, 2),
        "pad": tf.pad(image, [[0, 0], [1, 2], [0, 1], [0, 0]]),
        "pad_value": tf.pad(x, [[0, 0], [2, 1]], constant_values=7.0),
        "pad_mirror": tf.pad(x, [[0, 0], [2, 1]], mode="REFLECT"),
        "mat_mul": tf.matmul(x, numbers(5, 6), transpose_b=True),
        "mat_mul_batch": tf.matmul(pairs, pairs, transpose_b=True),
        "einsum": tf.einsum("bij,kj->bik", pairs, numbers(4, 3)),
        "mean": tf.reduce_mean(image, [1, 2]),
        "sum": tf.reduce_sum(image, -1, keepdims=True),
        "max": tf.reduce_max(image, [1, 3]),
        "min": tf.reduce_min(image, 2),
        "prod": tf.reduce_prod(x, 1),
        "all": tf.reduce_all(x > -0.9, 1),
        "any": tf.reduce_any(x > 0.9, 1),
        "arg_max": tf.argmax(x, 1),
        "arg_min": tf.argmin(x, 1, output_type=tf.int32),
        "top_k": tf.math.top_k(x, 3)[0],
        "top_k_places": tf.math.top_k(x, 3)[1],
        "cumsum": tf.cumsum(x, 1, exclusive=True, reverse=True),
        "softmax": tf.nn.softmax(pairs),
        "log_softmax": tf.nn.log_softmax(x),
        "relu": tf.nn.relu(x),
        "relu6": tf.nn.relu6(x * 9),
        "leaky_relu": tf.nn.leaky_relu(x, 0.3),
        "elu": tf.nn.elu(x),
        "selu": tf.nn.selu(x),
        "gelu": tf.nn.gelu(x),
        "silu": tf.nn.silu(x),
        "sigmoid": tf.sigmoid(x),
        "tanh": tf.tanh(x),
        "softplus": tf.nn.softplus(x),
        "softsign": tf.nn.softsign(x),
        "trigonometry": tf.sin(x) + tf.cos(x) * tf.tan(x) - tf.asin(half) * tf.acos(half) + tf.atan(x),
        "hyperbolic": tf.sinh(x) + tf.cosh(x) * tf.asinh(x) - tf.acosh(half + 1) * tf.atanh(half),
        "powers": tf.pow(half, 1.5) + tf.exp(x) * tf.math.log(half) - tf.sqrt(half) * tf.math.rsqrt(half) + tf.square(x),
        "logs": tf.math.log1p(half) + tf.math.expm1(x) + tf.math.reciprocal(half),
        "rounding": tf.floor(x * 3) + tf.math.ceil(x * 5) * 10 + tf.round(x * 7) * 100 + tf.sign(x),
        "arithmetic": (x + half) * (x - half) / half - tf.math.squared_difference(x, half) + tf.add_n([x, x, half]),
        "broadcast": image * numbers(4) + numbers(6, 1),
        "extremes": tf.maximum(x, half) + tf.minimum(x, 0.2) + tf.clip_by_value(x, -0.3, 0.4),
        "div_no_nan": tf.math.divide_no_nan(x, tf.round(x)),
        "floor_div": tf.math.floordiv(x, 0.3) + tf.math.floormod(x, 0.3),
        "floor_div_integers": tf.math.floordiv(ids - 3, 2) * 100 + tf.math.floormod(ids - 3, 2),
        "compare": tf.cast(x > 0, tf.int32) + tf.cast(x <= 0.5, tf.int32) * 2 + tf.cast(tf.equal(x, 0.34), tf.int32) * 4,
        "logic": tf.logical_or(tf.logical_and(x > 0, x < 0.5), tf.logical_not(x >= -0.5)),
        "not_equal": tf.not_equal(ids, 2),
        "where": tf.where(x > 0, x, half),
        "cast": tf.cast(x * 9, tf.int32),
        "concat": tf.concat([x, half, x], 1),
        "split": tf.split(x, 3, 1)[1],
        "split_sizes": tf.split(x, [1, 3, 2], 1)[1],
        "stack": tf.stack([x, half], 1),
        "unstack": tf.unstack(pairs, axis=1)[1],
        "gather": tf.gather(numbers(5, 3), ids),
        "gather_axis": tf.gather(x, [4, 0], axis=1),
        "gather_nd": tf.gather_nd(numbers(4, 3), tf.constant([[1, 2], [3, 0]])),
        "one_hot": tf.one_hot(ids, 5, on_value=2.0, off_value=-1.0),
        "slice": tf.slice(image, [0, 1, 2, 0], [-1, 3, -1, 2]),
        "strided_slice": image[:, 1:-1:2, ::-1, 1],
        "strided_slice_more": x[..., tf.newaxis, 2:5],
        "strided_slice_shrink": pairs[:, -1],
        "reverse": tf.reverse(x, [1]),
        "transpose": tf.transpose(pairs, [0, 2, 1]),
        "reshape": tf.reshape(image, tf.stack([tf.shape(image)[0], -1, tf.shape(image)[3]])),
        "squeeze": tf.squeeze(tf.expand_dims(x, 1), 1),
        "tile": tf.tile(x, [1, 2]),
        "fill": tf.fill(tf.shape(x), 3.0) + tf.ones_like(x) - tf.zeros_like(x),
        "broadcast_to": tf.broadcast_to(numbers(6), tf.shape(x)),
        "shape": tf.shape(image) + tf.rank(image) + tf.size(x),
        "range": tf.cast(tf.range(1, 9, 3), tf.float32),
    }.items()


def tensorflow():
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    lines = []
    inputs = {"image": numbers(2, 7, 6, 4), "x": numbers(2, 6), "ids": (np.arange(8) % 5).astype(np.int32).reshape(2, 4)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 7, 6, 4], name="image"),
            tf.TensorSpec([None, 6], name="x"),
            tf.TensorSpec([None, 4], tf.int32, name="ids"),
        ]
    )
    def graph(image, x, ids):
        return {name: tf.identity(value, name=f"out/{name}") for name, value in operators(tf, image, x, ids)}

    frozen = convert_variables_to_constants_v2(graph.get_concrete_function())
    (OUT / "frozen.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString(deterministic=True))
    for name, value in graph(**{name: tf.constant(value) for name, value in inputs.items()}).items():
        lines.append(line("frozen.pb", f"out/{name}", value))

    keras.utils.set_random_seed(7)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.SeparableConv2D(5, 3, padding="same", activation="silu")(x)
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Reshape((16, 5))(x)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(image, [keras.layers.Dense(3, activation="softmax", name="scores")(x), x])
    for weight in model.weights:
        weight.assign(numbers(*weight.shape) * (0.3 if len(weight.shape) > 1 else 0.1) + (1.2 if "variance" in weight.name else 0))
    shutil.rmtree(OUT / "keras", ignore_errors=True)
    model.export(OUT / "keras", verbose=False)
    outputs = tf.saved_model.load(OUT / "keras").signatures["serving_default"](image=tf.constant(numbers(2, 8, 8, 3)))
    for name, value in sorted(outputs.items()):
        lines.append(line("keras", name, value))
    (OUT / "keras/fingerprint.pb").unlink(missing_ok=True)

    shutil.rmtree(OUT / "v1", ignore_errors=True)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        a = tf.compat.v1.placeholder(tf.float64, [None, 3], name="a")
        b = tf.compat.v1.placeholder(tf.float64, [None, 3], name="b")
        kernel = tf.compat.v1.get_variable("kernel", initializer=numbers(3, 2).astype(np.float64), use_resource=False)
        bias = tf.compat.v1.get_variable("bias", initializer=numbers(2).astype(np.float64), use_resource=True)
        inner = tf.add(tf.matmul(a * b, kernel), bias, name="inner")
        outputs = {"plus": inner + 1, "twice": inner * 2}
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(OUT / "v1"), {"first": a, "second": b}, outputs)
        feed = {a: numbers(2, 3), b: numbers(2, 3) + 1}
        for name, value in {**outputs, "inner:0": inner}.items():
            lines.append(line("v1", name, session.run(value, feed)))
    write("tensorflow.txt", lines)


def onnx_models():
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    def tensor(name, value):
        return numpy_helper.from_array(value, name)

    def info(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    def model(name, graph, opset, ir):
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir, producer_name="goldens")
        onnx.checker.check_model(made)
        onnx.save(made, OUT / name)
        return made

    lines = []

    def expect(name, feeds):
        session = onnxruntime.InferenceSession(OUT / name, providers=["CPUExecutionProvider"])
        for output, value in zip(session.get_outputs(), session.run(None, feeds)):
            lines.append(line(name, output.name, value))

    float_, batch = TensorProto.FLOAT, "batch"
    kernel, bias = numbers(4, 3), numbers(3)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "kernel", "bias"], ["linear"]),
            helper.make_node("Relu", ["linear"], ["relu"]),
            helper.make_node("Softmax", ["relu"], ["scores"], axis=1),
            helper.make_node("Neg", ["other"], ["negative"]),
        ],
        "old",
        [info("x", float_, [batch, 4]), info("other", float_, [batch, 2]), info("kernel", float_, [4, 3]), info("bias", float_, [3])],
        [info("scores", float_, [batch, 3]), info("negative", float_, [batch, 2])],
        [tensor("kernel", kernel), tensor("bias", bias)],
    )
    model("old.onnx", graph, 7, 3)
    expect("old.onnx", {"x": numbers(2, 4), "other": numbers(2, 2)})

    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["wide"], to=TensorProto.DOUBLE),
            helper.make_node("ReduceMean", ["wide"], ["mean"], axes=[1, 2], keepdims=0),
            helper.make_node("Gather", ["table", "ids"], ["rows"]),
            helper.make_node("Add", ["half", "half"], ["doubled"]),
            helper.make_node("ArgMax", ["rows"], ["places"], axis=2, keepdims=0),
            helper.make_node("Not", ["flag"], ["unflag"]),
        ],
        "typed",
        [
            info("pixels", TensorProto.UINT8, [batch, 2, 2, 3]),
            info("ids", TensorProto.INT64, [batch, 3]),
            info("half", TensorProto.FLOAT16, [batch, 2]),
            info("flag", TensorProto.BOOL, [batch]),
        ],
        [
            info("mean", TensorProto.DOUBLE, [batch, 3]),
            info("places", TensorProto.INT64, [batch, 3]),
            info("doubled", TensorProto.FLOAT16, [batch, 2]),
            info("unflag", TensorProto.BOOL, [batch]),
        ],
        [tensor("table", numbers(5, 4))],
    )
    model("typed.onnx", graph, 13, 7)
    expect(
        "typed.onnx",
        {
            "pixels": (np.arange(24) * 10).astype(np.uint8).reshape(2, 2, 2, 3),
            "ids": (np.arange(6) % 5).astype(np.int64).reshape(2, 3),
            "half": np.array([[0.5, -2], [8, 0.25]], np.float16),
            "flag": np.array([True, False]),
        },
    )

    def branch(name, op):
        return helper.make_graph([helper.make_node(op, ["count", "step"], [name])], name, [], [info(name, TensorProto.INT64, None)])

    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["count"], ["total"], keepdims=0),
            helper.make_node("Greater", ["total", "limit"], ["large"]),
            helper.make_node("If", ["large"], ["picked"], then_branch=branch("less", "Sub"), else_branch=branch("more", "Add")),
            helper.make_node("Neg", ["count"], ["unused"]),
        ],
        "branch",
        [info("count", TensorProto.INT64, [batch, 3])],
        [info("picked", TensorProto.INT64, [batch, 3]), info("unused", TensorProto.INT64, [batch, 3])],
        [tensor("step", np.int64(5)), tensor("limit", np.int64(20))],
    )
    model("branch.onnx", graph, 13, 7)
    expect("branch.onnx", {"count": np.arange(6).reshape(2, 3)})

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "kernel"], ["product"])],
        "external",
        [info("x", float_, [batch, 64])],
        [info("product", float_, [batch, 4])],
        [tensor("kernel", numbers(64, 4))],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    (OUT / "external.data").unlink(missing_ok=True)
    onnx.save(made, OUT / "external.onnx", save_as_external_data=True, location="external.data", size_threshold=0)
    expect("external.onnx", {"x": numbers(2, 64)})
    write("onnx.txt", lines)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    OUT.mkdir(parents=True, exist_ok=True)
    {"tensorflow": tensorflow, "onnx": onnx_models}[sys.argv[1]]()
