"""Golden values of training: what Keras' optimizers, losses, layers, schedules, metrics and callbacks make of small networks.

Writes `crates/emberline-train/tests/fixtures/train.json`. Weights and batches are given by the formula of `zoo_formula.py`, which
Emberline's test computes as well (`tests/it/formula.rs`), so only answers are stored: the losses of 50 steps, and of every weight
its norm and some numbers afterwards. Networks stand in the fixture as lists of layers, optimizers and losses as Keras serialises
them, so that reading those is proven, too.

    pip install keras tensorflow-cpu;  python train.py [PART OF A CASE'S NAME]...
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers as kl
from keras import losses, optimizers, regularizers, constraints
from keras.optimizers import schedules

from zoo_formula import hashed

TARGET = Path(__file__).parents[2] / "crates/emberline-train/tests/fixtures/train.json"
STEPS, BATCHES, SAMPLES = 50, 5, 8


class LayerScale(kl.Layer):
    def build(self, shape):
        self.gamma = self.add_weight(name="gamma", shape=shape[-1:])

    def call(self, x):
        return x * self.gamma


class ClassToken(kl.Layer):
    def build(self, shape):
        self.token = self.add_weight(name="token", shape=shape[-1:])

    def call(self, x):
        token = keras.ops.broadcast_to(self.token, (keras.ops.shape(x)[0], 1, x.shape[-1]))
        return keras.ops.concatenate([token, x], axis=1)


class PositionEmbedding(kl.Layer):
    def build(self, shape):
        self.embeddings = self.add_weight(name="embeddings", shape=shape[1:])

    def call(self, x):
        return x + self.embeddings


class TakeToken(kl.Layer):
    def __init__(self, index, **settings):
        super().__init__(**settings)
        self.index = index

    def call(self, x):
        return x[:, self.index]


OWN = {"LayerScale": LayerScale, "ClassToken": ClassToken, "PositionEmbedding": PositionEmbedding, "TakeToken": TakeToken}

# Networks: the input's shape, then layers as [name, kind, settings, inputs]; a layer without inputs takes the one before.
HEAD = ["out", "Dense", {"units": 3, "activation": "softmax"}]
POOL = ["pool", "GlobalAveragePooling2D", {}]
CONV = ["conv", "Conv2D", {"filters": 6, "kernel_size": 3, "padding": "same", "activation": "relu"}]
DENSE = [[6], ["hidden", "Dense", {"units": 8, "activation": "tanh"}], HEAD]
LINEAR = [[6], ["hidden", "Dense", {"units": 8, "activation": "tanh"}], ["out", "Dense", {"units": 3}]]
POSITIVE = [[6], ["hidden", "Dense", {"units": 8, "activation": "tanh"}], ["out", "Dense", {"units": 3, "activation": "softplus"}]]
SIGMOID = [[6], ["hidden", "Dense", {"units": 8, "activation": "tanh"}], ["out", "Dense", {"units": 3, "activation": "sigmoid"}]]
# Over TensorFlow, Keras takes for logits what went into any sigmoid or softmax, whichever of them the loss asks for, unless a layer
# follows. Without one, over other backends and here, losses get the shares that they are defined for.
SAME = ["same", "Reshape", {"target_shape": [3]}]
CNN = [
    [8, 8, 3], CONV, ["bn", "BatchNormalization", {"momentum": 0.9}], ["down", "MaxPooling2D", {"pool_size": 2}],
    ["depth", "DepthwiseConv2D", {"kernel_size": 3, "padding": "same", "depth_multiplier": 2, "activation": "relu"}], POOL, HEAD,
]


def image(*middle):
    return [[8, 8, 3], CONV, *middle, POOL, HEAD]


def odd(*middle):
    return [[7, 9, 3], *middle, POOL, HEAD]


def sequence(*middle):
    return [[5, 6], *middle, ["take", "TakeToken", {"index": 0}], HEAD]


def activation(name):
    return [[6], ["hidden", "Dense", {"units": 8}], ["act", "Activation", {"activation": name}], HEAD]


LAYERS = {
    "Dense": DENSE,
    "Dense without bias": [[6], ["hidden", "Dense", {"units": 8, "use_bias": False}], HEAD],
    "Dense of sequences": sequence(["hidden", "Dense", {"units": 8, "activation": "relu"}]),
    "Dense of images": image(["hidden", "Dense", {"units": 4, "activation": "relu"}]),
    "Conv2D": image(),
    "Conv2D strides": odd(["c", "Conv2D", {"filters": 5, "kernel_size": [3, 2], "strides": 2, "padding": "same"}]),
    "Conv2D valid": odd(["c", "Conv2D", {"filters": 5, "kernel_size": 3, "use_bias": False}]),
    "Conv2D dilation": odd(["c", "Conv2D", {"filters": 5, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}]),
    "Conv2D groups": image(["c", "Conv2D", {"filters": 4, "kernel_size": 3, "groups": 2}]),
    "DepthwiseConv2D": odd(["d", "DepthwiseConv2D", {"kernel_size": 3, "padding": "same"}]),
    "DepthwiseConv2D multiplier": odd(["d", "DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "strides": 2, "padding": "same"}]),
    "BatchNormalization": image(["bn", "BatchNormalization", {"momentum": 0.9}]),
    "BatchNormalization of vectors": [[6], ["hidden", "Dense", {"units": 8}], ["bn", "BatchNormalization", {"momentum": 0.9, "scale": False}], HEAD],
    "LayerNormalization": image(["ln", "LayerNormalization", {"epsilon": 1e-3}]),
    "LayerScale": image(["ls", "LayerScale", {}]),
    "Rescaling": [[8, 8, 3], ["r", "Rescaling", {"scale": 0.5, "offset": 0.1}], CONV, POOL, HEAD],
    "ZeroPadding2D": odd(["pad", "ZeroPadding2D", {"padding": [[1, 2], [0, 3]]}], ["c", "Conv2D", {"filters": 4, "kernel_size": 3}]),
    "MaxPooling2D": image(["p", "MaxPooling2D", {"pool_size": 3, "strides": 2}]),
    "MaxPooling2D same": image(["p", "MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}]),
    "AveragePooling2D": image(["p", "AveragePooling2D", {"pool_size": 2}]),
    "AveragePooling2D same": image(["p", "AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}]),
    "GlobalMaxPooling2D": [[8, 8, 3], CONV, ["p", "GlobalMaxPooling2D", {}], HEAD],
    "GlobalAveragePooling2D keepdims": [[8, 8, 3], CONV, ["p", "GlobalAveragePooling2D", {"keepdims": True}], ["f", "Flatten", {}], HEAD],
    "Flatten": [[4, 4, 3], ["c", "Conv2D", {"filters": 4, "kernel_size": 3}], ["f", "Flatten", {}], HEAD],
    "Reshape": [[4, 4, 3], ["r", "Reshape", {"target_shape": [8, 6]}], ["ln", "LayerNormalization", {"epsilon": 1e-3}], ["f", "Flatten", {}], HEAD],
    "Dropout of nothing": [[6], ["hidden", "Dense", {"units": 8}], ["drop", "Dropout", {"rate": 0.0}], HEAD],
    "Add": image(["c", "Conv2D", {"filters": 6, "kernel_size": 3, "padding": "same"}], ["sum", "Add", {}, ["conv", "c"]]),
    "Multiply by a channel": image(
        ["p", "GlobalAveragePooling2D", {"keepdims": True}], ["se", "Conv2D", {"filters": 6, "kernel_size": 1, "activation": "sigmoid"}],
        ["product", "Multiply", {}, ["conv", "se"]],
    ),
    "Concatenate": image(["c", "Conv2D", {"filters": 2, "kernel_size": 1}], ["cat", "Concatenate", {}, ["conv", "c"]]),
    "ClassToken": sequence(["token", "ClassToken", {}], ["hidden", "Dense", {"units": 6, "activation": "tanh"}], ["mha", "MultiHeadAttention", {"heads": 2, "key_dim": 3}]),
    "PositionEmbedding": sequence(["position", "PositionEmbedding", {}], ["hidden", "Dense", {"units": 6, "activation": "tanh"}]),
    "MultiHeadAttention": sequence(["mha", "MultiHeadAttention", {"heads": 2, "key_dim": 3}]),
    **{f"Activation {name}": activation(name) for name in (
        "relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "softmax", "softplus", "swish", "hard_sigmoid", "hard_swish", "gelu",
        "selu", "celu", "exponential", "log_sigmoid", "tanh_shrink", "log_softmax", "softsign", "mish", "hard_tanh", "squareplus",
        "sparse_plus", "sparse_sigmoid",
    )},
}


def steps(*middle):
    """Sequences, whose mean goes on."""
    return [[6, 5], *middle, ["mean", "GlobalAveragePooling1D", {}], HEAD]


def volume(*middle):
    return [[4, 5, 6, 2], *middle, ["mean", "GlobalAveragePooling3D", {}], HEAD]


def recurrent(kind, **settings):
    return [[6, 5], ["rnn", kind, {"units": 4, **settings}], HEAD]


PROJECTED = [["a", "Dense", {"units": 4, "activation": "tanh"}, ["input"]], ["b", "Dense", {"units": 4}, ["input"]]]
LAYERS |= {
    "Conv1D": steps(["c", "Conv1D", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}]),
    "Conv1D causal": steps(["c", "Conv1D", {"filters": 4, "kernel_size": 2, "dilation_rate": 2, "padding": "causal"}]),
    "Conv3D": volume(["c", "Conv3D", {"filters": 4, "kernel_size": [2, 3, 2], "strides": 2, "padding": "same", "activation": "relu"}]),
    "DepthwiseConv1D": steps(["d", "DepthwiseConv1D", {"kernel_size": 3, "padding": "same", "depth_multiplier": 2}]),
    "DepthwiseConv2D dilation": odd(["d", "DepthwiseConv2D", {"kernel_size": [2, 3], "dilation_rate": 2}]),
    "Conv2D of single pixels": odd(["c", "Conv2D", {"filters": 5, "kernel_size": 1, "activation": "relu"}]),
    "Conv2D of single pixels apart": odd(["c", "Conv2D", {"filters": 5, "kernel_size": 1, "strides": 2}]),
    "Conv1DTranspose": steps(["c", "Conv1DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}]),
    "Conv2DTranspose": odd(["c", "Conv2DTranspose", {"filters": 4, "kernel_size": [3, 2], "strides": 2, "activation": "relu"}]),
    "Conv2DTranspose same": odd(["c", "Conv2DTranspose", {"filters": 4, "kernel_size": 2, "strides": 3, "padding": "same", "use_bias": False}]),
    "Conv3DTranspose": volume(["c", "Conv3DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2, "padding": "same"}]),
    "MaxPooling1D": steps(["p", "MaxPooling1D", {"pool_size": 2, "strides": 1, "padding": "same"}], ["h", "Dense", {"units": 4}]),
    "MaxPooling3D": volume(["c", "Conv3D", {"filters": 3, "kernel_size": 2}], ["p", "MaxPooling3D", {"pool_size": 2, "padding": "same"}]),
    "AveragePooling3D": volume(["c", "Conv3D", {"filters": 3, "kernel_size": 2}], ["p", "AveragePooling3D", {"pool_size": 2, "padding": "same"}]),
    "AdaptiveAveragePooling2D": image(["p", "AdaptiveAveragePooling2D", {"output_size": [3, 5]}]),
    "AdaptiveMaxPooling2D": image(["p", "AdaptiveMaxPooling2D", {"output_size": [3, 5]}]),
    "UpSampling2D": image(["u", "UpSampling2D", {"size": [2, 3]}], ["c", "Conv2D", {"filters": 3, "kernel_size": 3}]),
    "UpSampling2D bilinear": image(["u", "UpSampling2D", {"size": 2, "interpolation": "bilinear"}], ["c", "Conv2D", {"filters": 3, "kernel_size": 3}]),
    "Resizing nearest": image(["r", "Resizing", {"height": 5, "width": 11, "interpolation": "nearest"}], ["c", "Conv2D", {"filters": 3, "kernel_size": 3}]),
    "Resizing bilinear": image(["r", "Resizing", {"height": 5, "width": 11}], ["c", "Conv2D", {"filters": 3, "kernel_size": 3}]),
    "CenterCrop": image(["r", "CenterCrop", {"height": 5, "width": 4}], ["c", "Conv2D", {"filters": 3, "kernel_size": 3}]),
    "Cropping2D": image(["r", "Cropping2D", {"cropping": [[1, 2], [0, 3]]}], ["c", "Conv2D", {"filters": 3, "kernel_size": 3}]),
    "Permute": steps(["p", "Permute", {"dims": [2, 1]}], ["h", "Dense", {"units": 4, "activation": "relu"}]),
    "RepeatVector": [[6], ["h", "Dense", {"units": 4}], ["r", "RepeatVector", {"n": 3}], ["f", "Flatten", {}], HEAD],
    **{f"{kind} of inputs": steps(*PROJECTED, ["m", kind, {}, ["a", "b"]]) for kind in ("Subtract", "Multiply", "Average", "Maximum", "Minimum")},
    "Dot": steps(*PROJECTED, ["m", "Dot", {"axes": 2}, ["a", "b"]]),
    "Dot normalized": steps(*PROJECTED, ["m", "Dot", {"axes": 1, "normalize": True}, ["a", "b"]]),
    "LayerNormalization of images": image(["ln", "LayerNormalization", {"axis": [1, 2, 3]}]),
    "LayerNormalization of columns": image(["ln", "LayerNormalization", {"axis": [1], "center": False}]),
    "GroupNormalization": image(["gn", "GroupNormalization", {"groups": 3}]),
    "GroupNormalization of each": image(["gn", "GroupNormalization", {"groups": -1, "scale": False}]),
    "RMSNormalization": image(["n", "RMSNormalization", {}]),
    "UnitNormalization": image(["n", "UnitNormalization", {"axis": [1, 3]}]),
    "Normalization": steps(["h", "Dense", {"units": 4}], ["n", "Normalization", {}]),
    "Normalization of one": steps(["h", "Dense", {"units": 4}], ["n", "Normalization", {"axis": None, "mean": 0.1, "variance": 0.5}]),
    "PReLU": image(["c", "Conv2D", {"filters": 4, "kernel_size": 3}], ["p", "PReLU", {}]),
    "PReLU shared": image(["c", "Conv2D", {"filters": 4, "kernel_size": 3}], ["p", "PReLU", {"shared_axes": [1, 2]}]),
    "Softmax over rows": image(["s", "Softmax", {"axis": [1, 2]}]),
    "Embedding": [[6], ["r", "Rescaling", {"scale": 2.4, "offset": 2.5}], ["e", "Embedding", {"input_dim": 5, "output_dim": 4}], ["f", "Flatten", {}], HEAD],
    "EinsumDense": steps(["h", "EinsumDense", {"equation": "abc,cd->abd", "output_shape": [None, 4], "bias_axes": "d", "activation": "tanh"}]),
    "EinsumDense of places": steps(["h", "EinsumDense", {"equation": "...bc,bcd->...bd", "output_shape": [6, 4], "bias_axes": "b"}]),
    "TimeDistributed": [
        [3, 5, 5, 2], ["t", "TimeDistributed", {"layer": ["Conv2D", {"filters": 3, "kernel_size": 3, "activation": "relu"}]}],
        ["f", "Flatten", {}], HEAD,
    ],
    "Attention": steps(*PROJECTED, ["m", "Attention", {"use_scale": True}, ["a", "b"]]),
    "Attention concat": steps(*PROJECTED, ["m", "Attention", {"score_mode": "concat"}, ["a", "b"]]),
    "AdditiveAttention": steps(*PROJECTED, ["m", "AdditiveAttention", {}, ["a", "b", "a"]]),
    "SimpleRNN": recurrent("SimpleRNN"),
    "LSTM": recurrent("LSTM"),
    "LSTM of other activations": recurrent("LSTM", activation="softsign", recurrent_activation="hard_sigmoid", use_bias=False),
    "LSTM backwards": [[6, 5], ["rnn", "LSTM", {"units": 4, "go_backwards": True, "return_sequences": True}], ["f", "Flatten", {}], HEAD],
    "GRU": recurrent("GRU"),
    "GRU resetting before": recurrent("GRU", reset_after=False),
    "GRU upon LSTM": [[6, 5], ["first", "LSTM", {"units": 4, "return_sequences": True}], ["second", "GRU", {"units": 4}], HEAD],
    "Bidirectional LSTM": recurrent("Bidirectional", cell="LSTM"),
    "Bidirectional GRU": [
        [6, 5], ["rnn", "Bidirectional", {"cell": "GRU", "units": 4, "return_sequences": True, "merge_mode": "sum"}], ["f", "Flatten", {}], HEAD,
    ],
    "SeparableConv2D": image(["s", "SeparableConv2D", {"filters": 5, "kernel_size": 3, "depth_multiplier": 2, "activation": "relu"}]),
    "SeparableConv1D": steps(["s", "SeparableConv1D", {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"}]),
}

RATE = 0.02
OPTIMIZERS = {
    "SGD": optimizers.SGD(0.1),
    "SGD momentum": optimizers.SGD(RATE, momentum=0.9),
    "SGD nesterov": optimizers.SGD(RATE, momentum=0.9, nesterov=True),
    "SGD weight decay": optimizers.SGD(0.1, weight_decay=0.05),
    "SGD clipnorm": optimizers.SGD(0.1, clipnorm=0.1),
    "SGD clipvalue": optimizers.SGD(0.1, clipvalue=0.02),
    "SGD global_clipnorm": optimizers.SGD(0.1, global_clipnorm=0.2),
    "SGD ema": optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=7),
    "SGD accumulation": optimizers.SGD(0.1, gradient_accumulation_steps=3),
    "RMSprop": optimizers.RMSprop(RATE),
    "RMSprop momentum": optimizers.RMSprop(0.005, momentum=0.8, rho=0.8, epsilon=1e-5),
    "RMSprop centered": optimizers.RMSprop(RATE, centered=True, epsilon=1e-3),
    "Adam": optimizers.Adam(RATE),
    "Adam amsgrad": optimizers.Adam(RATE, amsgrad=True, beta_1=0.8, beta_2=0.9, epsilon=1e-4),
    "Adam accumulation": optimizers.Adam(RATE, gradient_accumulation_steps=4, use_ema=True),
    "AdamW": optimizers.AdamW(RATE),
    "AdamW weight decay": optimizers.AdamW(RATE, weight_decay=0.2, clipnorm=0.3),
    "Adamax": optimizers.Adamax(RATE),
    "Nadam": optimizers.Nadam(RATE),
    "Nadam betas": optimizers.Nadam(RATE, beta_1=0.7, beta_2=0.9),
    "Adagrad": optimizers.Adagrad(0.1),
    "Adagrad initial": optimizers.Adagrad(0.1, initial_accumulator_value=0.5),
    "Adadelta": optimizers.Adadelta(1.0),
    "Adadelta rho": optimizers.Adadelta(1.0, rho=0.8, epsilon=1e-4),
    "Lion": optimizers.Lion(0.005),
    "Lion weight decay": optimizers.Lion(0.005, weight_decay=0.1, beta_1=0.8, beta_2=0.95),
    "Ftrl": optimizers.Ftrl(0.1),
    "Ftrl regularized": optimizers.Ftrl(
        0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.02, l2_shrinkage_regularization_strength=0.03, beta=0.1,
    ),
    "Adafactor": optimizers.Adafactor(RATE),
    "Adafactor absolute": optimizers.Adafactor(RATE, relative_step=False, clip_threshold=0.5),
    "Lamb": optimizers.Lamb(RATE),
    "SGD scheduled": optimizers.SGD(schedules.ExponentialDecay(0.2, 10, 0.5)),
}

SCHEDULES = [
    schedules.ExponentialDecay(0.1, 10, 0.5), schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True),
    schedules.InverseTimeDecay(0.1, 10, 0.5), schedules.InverseTimeDecay(0.1, 10, 0.5, staircase=True),
    schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.05, 0.01]),
    schedules.PolynomialDecay(0.1, 20), schedules.PolynomialDecay(0.1, 20, 0.01, power=2.0, cycle=True),
    schedules.CosineDecay(0.1, 20), schedules.CosineDecay(0.0, 20, alpha=0.1, warmup_target=0.1, warmup_steps=8),
    schedules.CosineDecayRestarts(0.1, 7), schedules.CosineDecayRestarts(0.1, 7, t_mul=1.0, m_mul=0.5, alpha=0.1),
]
RATE_STEPS = [0, 1, 3, 7, 8, 9, 10, 11, 15, 19, 20, 21, 27, 28, 29, 40, 57, 100]

CLASSES, NUMBERS, SHARES, ANY, POSITIVES, BITS = "classes", "one_hot", "shares", "any", "positive", "bits"
LOSSES = {
    "CategoricalCrossentropy": (DENSE, NUMBERS, losses.CategoricalCrossentropy()),
    "CategoricalCrossentropy smoothing": (DENSE, NUMBERS, losses.CategoricalCrossentropy(label_smoothing=0.1)),
    "CategoricalCrossentropy logits": (LINEAR, NUMBERS, losses.CategoricalCrossentropy(from_logits=True)),
    "CategoricalCrossentropy of shares": (POSITIVE, NUMBERS, losses.CategoricalCrossentropy()),
    "SparseCategoricalCrossentropy": (DENSE, CLASSES, losses.SparseCategoricalCrossentropy()),
    "SparseCategoricalCrossentropy logits": (LINEAR, CLASSES, losses.SparseCategoricalCrossentropy(from_logits=True)),
    "SparseCategoricalCrossentropy ignoring": (DENSE, CLASSES, losses.SparseCategoricalCrossentropy(ignore_class=1)),
    "SparseCategoricalCrossentropy of shares": ([*SIGMOID, SAME], CLASSES, losses.SparseCategoricalCrossentropy()),
    "BinaryCrossentropy": (SIGMOID, BITS, losses.BinaryCrossentropy()),
    "BinaryCrossentropy smoothing": (SIGMOID, BITS, losses.BinaryCrossentropy(label_smoothing=0.2)),
    "BinaryCrossentropy logits": (LINEAR, BITS, losses.BinaryCrossentropy(from_logits=True)),
    "BinaryCrossentropy of shares": ([*DENSE, SAME], BITS, losses.BinaryCrossentropy()),
    "CategoricalFocalCrossentropy": (DENSE, NUMBERS, losses.CategoricalFocalCrossentropy()),
    "CategoricalFocalCrossentropy logits": (
        LINEAR, NUMBERS, losses.CategoricalFocalCrossentropy(alpha=0.5, gamma=1.5, from_logits=True, label_smoothing=0.1),
    ),
    "BinaryFocalCrossentropy": (SIGMOID, BITS, losses.BinaryFocalCrossentropy()),
    "BinaryFocalCrossentropy balanced": (
        LINEAR, BITS, losses.BinaryFocalCrossentropy(apply_class_balancing=True, gamma=1.5, from_logits=True),
    ),
    "MeanSquaredError": (LINEAR, ANY, losses.MeanSquaredError()),
    "MeanSquaredError sum": (LINEAR, ANY, losses.MeanSquaredError(reduction="sum")),
    "MeanAbsoluteError": (LINEAR, ANY, losses.MeanAbsoluteError()),
    "MeanAbsolutePercentageError": (LINEAR, POSITIVES, losses.MeanAbsolutePercentageError()),
    "MeanSquaredLogarithmicError": (POSITIVE, POSITIVES, losses.MeanSquaredLogarithmicError()),
    "Huber": (LINEAR, ANY, losses.Huber(delta=0.5)),
    "LogCosh": (LINEAR, ANY, losses.LogCosh()),
    "Poisson": (POSITIVE, POSITIVES, losses.Poisson()),
    "KLDivergence": (DENSE, SHARES, losses.KLDivergence()),
    "Hinge": (LINEAR, BITS, losses.Hinge()),
    "Hinge of numbers": (LINEAR, ANY, losses.Hinge()),
    "SquaredHinge": (LINEAR, BITS, losses.SquaredHinge()),
    "CategoricalHinge": (LINEAR, NUMBERS, losses.CategoricalHinge()),
    "CosineSimilarity": (LINEAR, ANY, losses.CosineSimilarity()),
}

PENALTIES = {
    "l1": {"kernel_regularizer": regularizers.L1(0.01)},
    "l2": {"kernel_regularizer": regularizers.L2(0.02), "bias_regularizer": regularizers.L2(0.1)},
    "l1_l2": {"kernel_regularizer": regularizers.L1L2(0.01, 0.02)},
    "orthogonal": {"kernel_regularizer": regularizers.OrthogonalRegularizer(0.1)},
    "orthogonal columns": {"kernel_regularizer": regularizers.OrthogonalRegularizer(0.1, mode="columns")},
    "max_norm": {"kernel_constraint": constraints.MaxNorm(0.8)},
    "non_neg": {"kernel_constraint": constraints.NonNeg(), "bias_constraint": constraints.NonNeg()},
    "unit_norm": {"kernel_constraint": constraints.UnitNorm(axis=1)},
    "min_max_norm": {"kernel_constraint": constraints.MinMaxNorm(0.9, 1.0, rate=0.5)},
}


def formula(name, shape):
    u = hashed(name, int(np.prod(shape))).reshape(shape)
    kind = name.split("/")[-1]
    if kind.endswith("kernel"):
        return (u * np.sqrt(3.0 / np.prod(shape[:-1]))).astype(np.float32)
    if kind == "gamma":
        return (1.0 + 0.1 * u).astype(np.float32)
    if kind in ("moving_variance", "variance"):
        return (1.0 + 0.5 * u).astype(np.float32)
    return (0.1 * u).astype(np.float32)


def batch(i, shape, kind):
    x = hashed(f"inputs {i}", SAMPLES * int(np.prod(shape))).reshape(SAMPLES, *shape).astype(np.float32)
    u = hashed(f"targets {i}", SAMPLES * 3).reshape(SAMPLES, 3)
    classes = np.minimum((u[:, 0] + 1) / 2 * 3, 2).astype(np.int64)
    y = {
        CLASSES: classes.astype(np.float32),
        NUMBERS: np.eye(3)[classes],
        SHARES: (u + 1.5) / (u + 1.5).sum(axis=1, keepdims=True),
        ANY: u,
        POSITIVES: u + 1.5,
        BITS: (u > 0).astype(np.float32),
    }[kind].astype(np.float32)
    return x, y


def build(network, settings=None):
    """The Keras model, its weights by Emberline's names: `(name, variable, shape that the formula has)`."""
    shape, *rows = network
    values = {"input": keras.Input(shape, name="input")}
    last, variables = "input", []
    for name, kind, given, *inputs in rows:
        given = {key: tuple(map(tuple, v)) if key in ("padding", "cropping") and isinstance(v, list) else v for key, v in given.items()}
        given |= (settings or {}).get(name, {})
        inputs = [values[i] for i in inputs[0]] if inputs else [values[last]]
        if kind == "MultiHeadAttention":
            features = inputs[0].shape[-1]
            layer = kl.MultiHeadAttention(given["heads"], given["key_dim"], name=name)
            values[name] = layer(inputs[0], inputs[0])
            for ours, part in [("query", layer.query_dense), ("key", layer.key_dense), ("value", layer.value_dense), ("output", layer.output_dense)]:
                variables.append((f"{name}/{ours}_kernel", part.kernel, (features, features)))
                variables.append((f"{name}/{ours}_bias", part.bias, (features,)))
        elif kind.startswith("Separable"):
            layer = getattr(kl, kind)(name=name, **given)
            values[name] = layer(inputs[0])
            depthwise, *rest = layer.weights
            variables.append((f"{name}_depthwise/kernel", depthwise, tuple(depthwise.shape)))
            variables += [(f"{name}/{v.name.removeprefix('pointwise_')}", v, tuple(v.shape)) for v in rest]
        elif kind == "Bidirectional":
            given = dict(given)
            cell, merge = getattr(kl, given.pop("cell")), given.pop("merge_mode", "concat")
            layer = kl.Bidirectional(cell(**given), merge_mode=merge, name=name)
            values[name] = layer(inputs[0])
            for ours, part in [("forward", layer.forward_layer), ("backward", layer.backward_layer)]:
                variables += [(f"{name}/{ours}_{v.name}", v, tuple(v.shape)) for v in part.weights]
        else:
            if kind == "TimeDistributed":
                inner, settings_of_inner = given["layer"]
                given = {"layer": getattr(kl, inner)(**settings_of_inner)}
            layer = (OWN.get(kind) or getattr(kl, kind))(name=name, **given)
            values[name] = layer(inputs if len(inputs) > 1 else inputs[0])
            variables += [(f"{name}/{v.name}", v, tuple(v.shape)) for v in layer.weights if v.name not in ("count", "seed_generator_state")]
        last = name
    model = keras.Model(values["input"], values[last])
    for name, variable, shape in variables:
        variable.assign(formula(name, shape).reshape(variable.shape))
    for layer in model.layers:
        # What `Normalization` computes with follows its weights only when it is asked to.
        if isinstance(layer, kl.Normalization):
            layer.finalize_state()
    return model, variables


def digits(value):
    return float(f"{float(value):.8g}")


def fewer(value):
    """Enough for what grows along 50 steps."""
    return float(f"{float(value):.6g}")


def summary(values):
    """The norm, and up to five numbers evenly apart."""
    flat = values.reshape(-1)
    return [fewer(np.linalg.norm(flat.astype(np.float64)))] + [fewer(v) for v in flat[:: max(flat.size // 5, 1)][:5]]


def plain(value):
    return json.loads(json.dumps(value, default=lambda v: float(v) if np.ndim(v) == 0 else np.asarray(v).tolist()))


def serialized_loss(loss):
    """With all settings: Keras leaves out the delta of Huber's loss."""
    serialized = plain(losses.serialize(loss))
    if isinstance(loss, losses.Huber):
        serialized["config"] |= plain(loss._fn_kwargs)
    return serialized


def case(name, network, optimizer, loss, targets, settings=None, frozen=(), classes=None, weighted=False):
    if len(sys.argv) > 1 and not any(part in name for part in sys.argv[1:]):
        return None
    keras.backend.clear_session()
    model, variables = build(network, settings)
    for layer in frozen:
        model.get_layer(layer).trainable = False
    optimizer = optimizer.__class__.from_config(optimizer.get_config())
    serialized = plain(optimizers.serialize(optimizer))
    # Steps are few and small: compiling them takes longer than making them.
    model.compile(optimizer, loss, run_eagerly=True)
    found = []
    for step in range(STEPS):
        x, y = batch(step % BATCHES, network[0], targets)
        weights = (hashed(f"weights {step % BATCHES}", SAMPLES) + 1).astype(np.float32) if weighted else None
        model.reset_metrics()
        found.append(fewer(model.train_on_batch(x, y, sample_weight=weights, class_weight=classes)))
    optimizer.finalize_variable_values(model.trainable_variables)
    print(f"{name}: {found[0]:.4g} to {found[-1]:.4g}", flush=True)
    options = {}
    for layer, given in (settings or {}).items():
        for key, value in given.items():
            weight, _, kind = key.rpartition("_")
            kinds = options.setdefault(layer, {}).setdefault(kind + "s", {})
            kinds[weight] = plain((regularizers if kind == "regularizer" else constraints).serialize(value))
    return {
        "name": name, "network": network, "optimizer": serialized, "loss": serialized_loss(loss), "targets": targets,
        "layers": options, "frozen": list(frozen), "class_weight": classes or {}, "weighted": weighted, "losses": found,
        "weights": {ours: summary(v.numpy()) for ours, v, _ in variables},
    }


def cases():
    entropy = losses.SparseCategoricalCrossentropy()
    adam = optimizers.Adam(0.01)
    sgd = optimizers.SGD(0.1)
    for name, optimizer in OPTIMIZERS.items():
        yield case(f"optimizer {name}", DENSE, optimizer, entropy, CLASSES)
    for name, network in LAYERS.items():
        yield case(f"layer {name}", network, sgd, entropy, CLASSES)
    for name, (network, targets, loss) in LOSSES.items():
        yield case(f"loss {name}", network, sgd if "Percentage" not in name else optimizers.SGD(1e-3), loss, targets)
    for name, settings in PENALTIES.items():
        yield case(f"penalty {name}", DENSE, sgd, entropy, CLASSES, settings={"hidden": settings})
    yield case("all of a small CNN", CNN, adam, entropy, CLASSES)
    yield case("frozen convolution and batch normalization", CNN, adam, entropy, CLASSES, frozen=["conv", "bn"])
    yield case("class weights", DENSE, sgd, entropy, CLASSES, classes={0: 1.0, 1: 2.5, 2: 0.25})
    yield case("class weights of one-hot targets", DENSE, sgd, losses.CategoricalCrossentropy(), NUMBERS, classes={0: 1.0, 1: 2.5, 2: 0.25})
    yield case("sample weights", DENSE, sgd, entropy, CLASSES, weighted=True)


METRICS = {
    CLASSES: ["accuracy", "sparse_categorical_accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=2)],
    NUMBERS: [
        "accuracy", "categorical_accuracy", keras.metrics.TopKCategoricalAccuracy(k=2), "binary_accuracy", "mse", "mae", "cosine_similarity",
        keras.metrics.Precision(thresholds=0.4), keras.metrics.Recall(thresholds=0.3), keras.metrics.AUC(), keras.metrics.RootMeanSquaredError(),
    ],
}


def metrics():
    """What `evaluate` gives for the first weights."""
    for targets, given in METRICS.items():
        model, _ = build(DENSE)
        loss = losses.SparseCategoricalCrossentropy() if targets == CLASSES else losses.CategoricalCrossentropy()
        model.compile(sgd := optimizers.SGD(0.1), loss, metrics=given)
        x, y = (np.concatenate(parts) for parts in zip(*(batch(i, DENSE[0], targets) for i in range(BATCHES))))
        found = model.evaluate(x, y, batch_size=SAMPLES, return_dict=True, verbose=0)
        serialized = [m if isinstance(m, str) else plain(keras.metrics.serialize(m)) for m in given]
        names = [m if isinstance(m, str) else m.name for m in given]
        yield {"targets": targets, "loss": digits(found["loss"]), "metrics": serialized, "values": [digits(found[n]) for n in names]}


CALLBACKS = [
    ("EarlyStopping", {"monitor": "val_loss", "patience": 2, "min_delta": 0.002}, 0.5),
    ("EarlyStopping", {"monitor": "val_loss", "patience": 3, "restore_best_weights": True, "start_from_epoch": 2}, 2.0),
    ("EarlyStopping", {"monitor": "val_accuracy", "patience": 2, "mode": "max"}, 0.5),
    ("EarlyStopping", {"monitor": "loss", "patience": 2, "baseline": 0.5}, 0.5),
    ("ReduceLROnPlateau", {"monitor": "val_loss", "patience": 2, "factor": 0.5, "min_delta": 0.005}, 0.5),
    ("ReduceLROnPlateau", {"monitor": "val_loss", "patience": 1, "factor": 0.1, "cooldown": 2, "min_lr": 0.01, "min_delta": 0.02}, 0.5),
]


def callbacks():
    """What `fit` makes of 25 epochs with a callback: the first three batches train, the others validate."""
    for name, settings, rate in CALLBACKS:
        model, variables = build(DENSE)
        model.compile(optimizers.SGD(rate), losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
        parts = [batch(i, DENSE[0], CLASSES) for i in range(BATCHES)]
        (x, y), validation = ((np.concatenate(p) for p in zip(*some)) for some in (parts[:3], parts[3:]))
        rates = []
        watch = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: rates.append(digits(model.optimizer.learning_rate.numpy())))
        callback = getattr(keras.callbacks, name)(**settings)
        history = model.fit(
            x, y, SAMPLES, epochs=25, validation_data=tuple(validation), validation_batch_size=SAMPLES, shuffle=False, verbose=0,
            callbacks=[watch, callback],
        ).history
        print(f"{name}: {len(rates)} epochs, rate {rates[0]} to {rates[-1]}", flush=True)
        yield {
            "callback": name, "settings": settings, "learning_rate": rate, "rates": rates,
            "values": {key: [fewer(v) for v in history[key]] for key in ("loss", "accuracy", "val_loss", "val_accuracy")},
            "weights": {ours: summary(v.numpy()) for ours, v, _ in variables},
        }


def written(golden):
    """JSON with a line for every case."""
    dump = lambda value: json.dumps(value, separators=(",", ":"))
    lines = lambda value: "[\n" + ",\n".join(map(dump, value)) + "\n]" if isinstance(value, list) else dump(value)
    return "{\n" + ",\n".join(f"{dump(key)}:{lines(value)}" for key, value in golden.items()) + "\n}\n"


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    # Only the parts that were asked for are made anew.
    kept = json.loads(TARGET.read_text()) if len(sys.argv) > 1 else {"cases": []}
    made = [made for made in cases() if made]
    names = {c["name"] for c in made}
    golden = {
        "origin": f"keras {keras.__version__}",
        "cases": [c for c in kept["cases"] if c["name"] not in names] + made,
        "schedules": [
            {"schedule": plain(schedules.serialize(s)), "rates": [digits(s(step)) for step in RATE_STEPS]} for s in SCHEDULES
        ],
        "rate_steps": RATE_STEPS,
        "metrics": list(metrics()),
        "callbacks": list(callbacks()),
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(written(golden))
    print(f"{len(golden['cases'])} cases, {TARGET.stat().st_size} bytes")
