"""Writes crates/emberline-net/tests/fixtures/keras/ with Keras 3, Keras 2 (tf_keras) and h5py.

    pip install keras tf-keras tensorflow-cpu h5py safetensors
    python tools/goldens/keras_files.py

- NAME.keras, NAME.h5: a small model as real Keras 3 saves it; NAME_2.h5 and nested_2.keras: as real Keras 2 does.
- nested.weights.h5: the weights of nested.keras alone.
- theano.h5, cntk.h5, keras_1_*.h5: what Keras 2 on Theano and CNTK and Keras 1 wrote, in their words, made by hand, since neither can be installed any more.
  What they must answer is computed by Keras 3 with the kernels put right.
- values.safetensors: NAME/input_I and NAME/output_I of every file, computed by Keras.

    python tools/goldens/keras_files.py check FOLDER

loads every NAME.keras in a folder that the test `written_files_for_keras` wrote with real Keras, and compares its answers with those in NAME.safetensors.
"""

import json
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")

import h5py
import keras
import numpy as np
from keras import layers as L
from safetensors.numpy import load_file, save_file

OUT = pathlib.Path(__file__).parents[2] / "crates/emberline-net/tests/fixtures/keras"
values = {}
random = np.random.default_rng(11)


def noise(*shape):
    return random.uniform(-1, 1, shape).astype(np.float32)


def fill(model):
    """Weights that look random; variances are positive."""
    for weight in model.weights:
        value = noise(*weight.shape) * 0.5
        weight.assign(np.abs(value) + 0.5 if "variance" in weight.name else value)


def keep(name, inputs, outputs):
    for i, value in enumerate(inputs):
        values[f"{name}/input_{i}"] = np.ascontiguousarray(value)
    for i, value in enumerate(outputs):
        values[f"{name}/output_{i}"] = np.ascontiguousarray(value)


def record(name, model, inputs):
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    keep(name, inputs, outputs if isinstance(outputs, (list, tuple)) else [outputs])


def save(paths, model):
    fill(model)
    inputs = [noise(2, *tensor.shape[1:]) for tensor in model.inputs]
    if paths[0] == "nested.keras":
        model.save_weights(OUT / "nested.weights.h5")
    for path in paths:
        model.save(OUT / path)
        record(path, model, inputs)


def sequential(K, L):
    model = K.Sequential(
        [
            L.Input((8, 8, 3), name="image") if K is keras else L.InputLayer((8, 8, 3), name="image"),
            L.Conv2D(4, 3, padding="same", activation="relu", name="conv"),
            L.BatchNormalization(name="norm"),
            L.MaxPooling2D(2, name="pool"),
            L.SeparableConv2D(5, 3, name="separable"),
            L.DepthwiseConv2D(2, depth_multiplier=2, name="wise"),
            L.Flatten(name="flat"),
            L.Dropout(0.25, name="drop"),
            L.Dense(3, activation="softmax", name="scores"),
        ],
        name="plain",
    )
    model.compile(K.optimizers.Adam(1e-3), "categorical_crossentropy", metrics=["accuracy"])
    return model


def branches(K, L):
    image = L.Input((6, 6, 2), name="image")
    stem = L.ZeroPadding2D(((1, 0), (0, 1)), name="pad")(image)
    stem = L.Conv2D(4, 2, strides=2, use_bias=False, name="stem")(stem)
    left = L.Activation("tanh", name="left")(stem)
    right = L.LeakyReLU(name="leaky")(L.Conv2D(4, 1, name="right")(stem))
    both = L.Concatenate(name="both")([left, right, L.Add(name="sum")([left, right])])
    gate = L.Reshape((1, 1, 12), name="gate")(L.GlobalAveragePooling2D(name="mean")(both))
    both = L.Multiply(name="gated")([both, L.Conv2D(12, 1, activation="sigmoid", name="excite")(gate)])
    both = L.Permute((3, 1, 2), name="turned")(both)
    both = L.AveragePooling2D(2, strides=1, padding="same", name="average")(both)
    return K.Model(image, [L.Reshape((-1, 3), name="rows")(both), L.GlobalMaxPooling2D(name="greatest")(both)], name="branches")


def shared(K, L):
    first, second = L.Input((5,), name="first"), L.Input((5,), name="second")
    dense = L.Dense(4, activation="relu", name="shared")
    a, b = dense(first), dense(second)
    total = L.Add(name="total")([a, b])
    return K.Model([second, first], [total, L.Dense(2, name="scores")(L.Concatenate(name="both")([b, a]))], name="shared")


def nested(K, L):
    inner = K.Sequential([L.Dense(4, name="a"), L.BatchNormalization(name="b"), L.Dense(3, name="c")], name="inner")
    inner.build((None, 3))
    x = L.Input((3,), name="x")
    y = L.Dense(3, name="own")(x)
    middle = K.Model(x, [inner(y), y], name="middle")
    middle.get_layer("own").trainable = False
    inner.layers[0].trainable = False
    first, second = L.Input((3,), name="first"), L.Input((2,), name="second")
    tail = K.Sequential([L.Dense(3, activation="tanh", name="a")], name="tail")
    one, two = middle(first), tail(second)
    again = middle(one[0])
    return K.Model([first, second], [L.Add(name="add")([one[0], two, again[1]]), again[0]], name="outer")


def over_channels(order):
    """One model with its channels first or last."""
    shape, axis = ((3, 8, 6), 1) if order == "channels_first" else ((8, 6, 3), -1)
    order = {"data_format": order}
    image = L.Input(shape, name="image")
    x = L.Conv2D(4, 3, name="conv", **order)(image)
    x = L.BatchNormalization(axis=axis, name="norm")(x)
    x = L.Activation("relu", name="relu")(x)
    side = L.Conv2D(2, 1, name="side", **order)(x)
    x = L.Concatenate(axis=axis, name="both")([x, side])
    pooled = L.MaxPooling2D(2, name="pool", **order)(x)
    turned = pooled if axis == 1 else L.Permute((3, 1, 2))(pooled)
    flat = L.Dense(3, name="scores")(L.Flatten(name="flat")(turned))
    mean = L.GlobalAveragePooling2D(name="mean", **order)(pooled)
    return keras.Model(image, [flat, pooled, L.Dense(2, name="means")(mean)], name="first")


def channels_first():
    """TensorFlow has no convolutions over channels first on the CPU, and with XLA adds their biases along the wrong axis (2.21); so the
    answers are those of the same model over channels last."""
    model, twin = over_channels("channels_first"), over_channels("channels_last")
    fill(model)
    twin.set_weights(model.get_weights())
    image = noise(2, 3, 8, 6)
    outputs = twin.predict(np.transpose(image, (0, 2, 3, 1)), verbose=0)
    outputs = [np.transpose(value, (0, 3, 1, 2)) if value.ndim == 4 else value for value in outputs]
    for path in ["channels_first.keras", "channels_first.h5"]:
        model.save(OUT / path)
        keep(path, [image], outputs)


def attributes(group, name, texts):
    group.attrs[name] = np.array([text.encode() for text in texts])


def legacy_file(path, description, weights, **attrs):
    """A whole model as Keras 1 and 2 wrote it: weights is {layer: [(name, array)]}."""
    with h5py.File(OUT / path, "w") as file:
        file.attrs["model_config"] = json.dumps(description).encode()
        for name, value in attrs.items():
            file.attrs[name] = value.encode()
        group = file.create_group("model_weights")
        attributes(group, "layer_names", list(weights))
        for layer, arrays in weights.items():
            of_layer = group.create_group(layer)
            names = [name for name, _ in arrays]
            if names:
                attributes(of_layer, "weight_names", names)
            else:
                of_layer.attrs["weight_names"] = np.array([], "f8")
            for name, array in arrays:
                of_layer.create_dataset(name, data=array)


def other_backends():
    """Keras 2 on Theano, which flipped kernels, and on CNTK, which did not: `_need_convert_kernel` of Keras 2's `engine/saving.py`."""
    image = L.Input((7, 5, 2), name="image")
    x = L.Conv2D(3, (3, 2), activation="relu", name="conv")(image)
    model = keras.Model(image, L.Dense(2, name="scores")(L.Flatten(name="flat")(x)))
    fill(model)
    image = noise(2, 7, 5, 2)
    kernel, bias, dense, offset = (np.asarray(weight) for weight in model.weights)
    description = {
        "class_name": "Model",
        "config": {
            "name": "model_1",
            "layers": [
                {"class_name": "InputLayer", "name": "image", "inbound_nodes": [],
                 "config": {"batch_input_shape": [None, 7, 5, 2], "dtype": "float32", "sparse": False, "name": "image"}},
                {"class_name": "Conv2D", "name": "conv", "inbound_nodes": [[["image", 0, 0, {}]]],
                 "config": {"name": "conv", "trainable": True, "filters": 3, "kernel_size": [3, 2], "strides": [1, 1], "padding": "valid",
                            "data_format": "channels_last", "dilation_rate": [1, 1], "activation": "relu", "use_bias": True}},
                {"class_name": "Flatten", "name": "flat", "inbound_nodes": [[["conv", 0, 0, {}]]],
                 "config": {"name": "flat", "trainable": True}},
                {"class_name": "Dense", "name": "scores", "inbound_nodes": [[["flat", 0, 0, {}]]],
                 "config": {"name": "scores", "trainable": True, "units": 2, "activation": "linear", "use_bias": True}},
            ],
            "input_layers": [["image", 0, 0]],
            "output_layers": [["scores", 0, 0]],
        },
    }
    for backend, stored in [("theano", kernel[::-1, ::-1]), ("cntk", kernel)]:
        weights = {
            "image": [],
            "conv": [("conv/kernel:0", stored), ("conv/bias:0", bias)],
            "flat": [],
            "scores": [("scores/kernel:0", dense), ("scores/bias:0", offset)],
        }
        record(f"{backend}.h5", model, [image])
        legacy_file(f"{backend}.h5", description, weights, keras_version="2.1.5", backend=backend)


def keras_1(order):
    """Keras 1.2, with its channels last (tf) or first (th)."""
    shape, axis = ((8, 8, 3), -1) if order == "tf" else ((3, 8, 8), 1)
    model = keras.Sequential(
        [
            L.Input((8, 8, 3)),
            L.Conv2D(4, (3, 2), strides=2, padding="same", activation="relu"),
            L.BatchNormalization(epsilon=1e-5),
            L.MaxPooling2D((2, 2)),
            L.Permute((1, 2, 3) if order == "tf" else (3, 1, 2)),
            L.Flatten(),
            L.Dense(3, activation="sigmoid"),
        ]
    )
    fill(model)
    name = f"keras_1_{order}.h5"
    image = noise(2, 8, 8, 3)
    answer = model.predict(image, verbose=0)
    keep(name, [image if order == "tf" else np.transpose(image, (0, 3, 1, 2))], [answer])
    kernel, bias, gamma, beta, mean, variance, dense, offset = (np.asarray(weight) for weight in model.weights)
    if order == "th":
        kernel = np.transpose(kernel, (3, 2, 0, 1))
    description = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "Convolution2D",
             "config": {"name": "convolution2d_1", "trainable": True, "batch_input_shape": [None, *shape], "input_dtype": "float32",
                        "nb_filter": 4, "nb_row": 3, "nb_col": 2, "init": "glorot_uniform", "activation": "relu", "border_mode": "same",
                        "subsample": [2, 2], "dim_ordering": order, "bias": True, "W_regularizer": None, "b_regularizer": None,
                        "activity_regularizer": None, "W_constraint": None, "b_constraint": None}},
            {"class_name": "BatchNormalization",
             "config": {"name": "batchnormalization_1", "trainable": True, "epsilon": 1e-5, "mode": 0, "axis": axis, "momentum": 0.99,
                        "gamma_regularizer": None, "beta_regularizer": None}},
            {"class_name": "MaxPooling2D",
             "config": {"name": "maxpooling2d_1", "trainable": True, "pool_size": [2, 2], "strides": [2, 2], "border_mode": "valid",
                        "dim_ordering": order}},
            {"class_name": "Flatten", "config": {"name": "flatten_1", "trainable": True}},
            {"class_name": "Dropout", "config": {"name": "dropout_1", "trainable": True, "p": 0.5}},
            {"class_name": "Dense",
             "config": {"name": "dense_1", "trainable": True, "output_dim": 3, "init": "glorot_uniform", "activation": "sigmoid",
                        "W_regularizer": None, "b_regularizer": None, "activity_regularizer": None, "W_constraint": None,
                        "b_constraint": None, "bias": True, "input_dim": 4}},
        ],
    }
    norm = "batchnormalization_1"
    weights = {
        "convolution2d_1": [("convolution2d_1_W", kernel), ("convolution2d_1_b", bias)],
        norm: [(f"{norm}_gamma", gamma), (f"{norm}_beta", beta), (f"{norm}_running_mean", mean), (f"{norm}_running_std", variance)],
        "maxpooling2d_1": [],
        "flatten_1": [],
        "dropout_1": [],
        "dense_1": [("dense_1_W", dense), ("dense_1_b", offset)],
    }
    legacy_file(name, description, weights, keras_version="1.2.2")


def keras_1_gates():
    """Recurrent layers of Keras 1.2, which kept the arrays of every gate by themselves, and had another hard sigmoid. The order of
    the gates is that which Keras 2 reads them in: `preprocess_weights_for_loading` of its `engine/saving.py`."""
    noise_here = np.random.default_rng(12)

    # `Bidirectional` makes its layers anew from their settings, where a function is a name.
    @keras.saving.register_keras_serializable(name="hard_sigmoid_of_keras_1")
    def hard_sigmoid(x):
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    model = keras.Sequential(
        [
            L.Input((4, 2)),
            L.LSTM(3, recurrent_activation=hard_sigmoid, return_sequences=True),
            L.Bidirectional(L.GRU(2, recurrent_activation=hard_sigmoid, reset_after=False, return_sequences=True)),
            L.TimeDistributed(L.Dense(2)),
            L.SimpleRNN(3),
        ]
    )
    for weight in model.weights:
        weight.assign(noise_here.uniform(-0.7, 0.7, weight.shape).astype(np.float32))
    sequence = noise_here.uniform(-2, 2, (2, 4, 2)).astype(np.float32)
    keep("keras_1_gates.h5", [sequence], [model.predict(sequence, verbose=0)])
    arrays = [np.asarray(weight) for weight in model.weights]

    def by_gate(layer, names, order, arrays):
        count = len(order)
        split = [np.split(array, count, axis=-1) for array in arrays]
        return [(f"{layer}_{kind}_{names[gate]}", split[i][gate]) for gate in order for i, kind in enumerate("WUb")]

    def recurrent(name, units, **more):
        return {"name": name, "trainable": True, "output_dim": units, "init": "glorot_uniform", "inner_init": "orthogonal",
                "activation": "tanh", "return_sequences": True, "go_backwards": False, "stateful": False, "unroll": False,
                "consume_less": "cpu", "W_regularizer": None, "U_regularizer": None, "b_regularizer": None, "dropout_W": 0.0,
                "dropout_U": 0.0, "input_dim": None, "input_length": None, **more}

    gated = {"inner_activation": "hard_sigmoid"}
    dense = {"name": "dense_1", "trainable": True, "output_dim": 2, "init": "glorot_uniform", "activation": "linear", "bias": True,
             "input_dim": 4}
    description = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "LSTM",
             "config": recurrent("lstm_1", 3, **gated, forget_bias_init="one", batch_input_shape=[None, 4, 2], input_dtype="float32")},
            {"class_name": "Bidirectional",
             "config": {"name": "bidirectional_1", "trainable": True, "merge_mode": "concat",
                        "layer": {"class_name": "GRU", "config": recurrent("gru_1", 2, **gated)}}},
            {"class_name": "TimeDistributed",
             "config": {"name": "timedistributed_1", "trainable": True, "layer": {"class_name": "Dense", "config": dense}}},
            {"class_name": "SimpleRNN", "config": recurrent("simplernn_1", 3, return_sequences=False)},
        ],
    }
    weights = {
        "lstm_1": by_gate("lstm_1", "ifco", [0, 2, 1, 3], arrays[:3]),
        "bidirectional_1": by_gate("forward_gru_1", "zrh", [0, 1, 2], arrays[3:6])
        + by_gate("backward_gru_1", "zrh", [0, 1, 2], arrays[6:9]),
        "timedistributed_1": [("dense_1_W", arrays[9]), ("dense_1_b", arrays[10])],
        "simplernn_1": [("simplernn_1_W", arrays[11]), ("simplernn_1_U", arrays[12]), ("simplernn_1_b", arrays[13])],
    }
    legacy_file("keras_1_gates.h5", description, weights, keras_version="1.2.2")


class Custom(L.Layer):
    def call(self, x):
        return x * 2


def refused():
    image = L.Input((4,), name="x")
    keras.Model(image, L.Lambda(lambda x: x * 2, name="doubled")(image)).save(OUT / "lambda.keras")
    keras.Model(image, Custom(name="mine")(image)).save(OUT / "custom.keras")
    free = L.Input((None, None, 1), name="image")
    model = keras.Model(free, L.Conv2D(2, 3, name="conv")(free), name="free")
    fill(model)
    model.save(OUT / "free_size.keras")
    record("free_size.keras", model, [noise(1, 5, 6, 1)])


def check(folder):
    for path in sorted(pathlib.Path(folder).glob("*.keras")):
        expected = load_file(path.with_suffix(".safetensors"))
        pick = lambda kind: [expected[name] for name in sorted(expected) if name.startswith(kind)]
        model = keras.models.load_model(path)
        inputs = pick("input")
        found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
        found = found if isinstance(found, (list, tuple)) else [found]
        worst = max(np.abs(a - b).max() for a, b in zip(found, pick("output"), strict=True))
        print(f"{path.name}: largest difference {worst:.2e}")
        assert worst < 1e-5, path


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(3)
    import tf_keras

    for make in [sequential, branches, shared, nested]:
        name = make.__name__
        save([f"{name}.keras", f"{name}.h5"], make(keras, L))
        save([f"{name}_2.h5"] + [f"{name}_2.keras"] * (make is nested), make(tf_keras, tf_keras.layers))
    channels_first()
    other_backends()
    keras_1("tf")
    keras_1("th")
    keras_1_gates()
    refused()
    save_file(values, OUT / "values.safetensors")


if __name__ == "__main__":
    check(sys.argv[2]) if sys.argv[1:2] == ["check"] else main()
