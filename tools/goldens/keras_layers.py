"""Every layer of `keras.layers` by itself: its configuration as Keras saves it, and what it gives for inputs and weights that a
formula computes. Writes crates/emberline-net/tests/fixtures/keras_layers.json.

Weights and inputs are `hashed(name, count)` of zoo_formula.py with the names `{case}/weight/{place}` and
`{case}/input/{place}`, so that only configurations and answers are stored.

    python tools/goldens/keras_layers.py check FOLDER

loads every file in a folder that the test `written_layers_for_keras` wrote with real Keras, and compares its answers with those.
"""

import json
import os
import re
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, str(Path(__file__).parent))

import keras
import numpy as np
from keras import layers as L
from zoo_formula import hashed

TARGET = Path(__file__).parents[2] / "crates/emberline-net/tests/fixtures/keras_layers.json"
BATCH = 2

# Settings that change nothing at inference and would fill the file.
DROPPED = re.compile(r".*(initializer|regularizer|constraint)$")
BORING = {"name", "trainable", "dtype", "seed", "dtype_policy", "build_config", "module", "registered_name", "quantization_config"}

cases = []


def slim(value):
    """A configuration without what says nothing about inference."""
    if isinstance(value, dict):
        return {k: slim(v) for k, v in value.items() if k not in BORING and not DROPPED.match(k)}
    if isinstance(value, (list, tuple)):
        return [slim(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def values_of(name, shape, kind):
    u = hashed(name, int(np.prod(shape))).reshape(shape)
    if kind == "variance":
        u = 1.0 + 0.5 * u
    if isinstance(kind, int):
        u = np.floor((u + 1.0) / 2.0 * kind)
    if isinstance(kind, float):
        u = u * kind
    return u.astype(np.float32)


def case(layer, *shapes, inputs=1.0, call=None):
    """One layer over inputs of these shapes, in which `inputs` is the greatest size, or how many whole numbers there are."""
    name = f"{type(layer).__name__}/{len(cases)}"
    tensors = [values_of(f"{name}/input/{i}", (BATCH, *shape), inputs) for i, shape in enumerate(shapes)]
    call = call or {}

    def run():
        if isinstance(layer, (L.MultiHeadAttention, L.GroupQueryAttention)):
            query, value, *key = tensors
            return layer(query, value, *(key and [key[0]]), **call)
        return layer(tensors[0] if len(tensors) == 1 else tensors, **call)

    run()
    for i, variable in enumerate(layer.weights):
        kind = "variance" if "variance" in variable.name else 1.0
        variable.assign(values_of(f"{name}/weight/{i}", tuple(variable.shape), kind))
    if isinstance(layer, L.Normalization):
        layer.finalize_state()
    output = np.asarray(run(), dtype=np.float32)
    assert np.isfinite(output).all(), name
    cases.append(
        {
            "class": type(layer).__name__,
            "config": slim(layer.get_config()) | call,
            "inputs": [list(shape) for shape in shapes],
            "input_kind": inputs,
            "weights": [[variable.path.rpartition("/")[2], list(variable.shape)] for variable in layer.weights],
            "shape": list(output.shape[1:]),
            "output": [float(f"{value:.7g}") for value in output.reshape(-1)],
        }
    )


def windows():
    shapes = {1: (9, 4), 2: (7, 6, 4), 3: (5, 4, 3, 4)}
    for axes, shape in shapes.items():
        small = shape[:-1] + (2,)
        conv, transpose = getattr(L, f"Conv{axes}D"), getattr(L, f"Conv{axes}DTranspose")
        case(conv(3, 3, activation="relu"), small)
        case(conv(2, 2, strides=2, padding="same", use_bias=False), small)
        case(conv(2, 2, dilation_rate=2, groups=2), shape)
        case(transpose(3, 3, strides=2, padding="same", activation="relu"), small)
        case(transpose(2, 3, strides=2), small)
        case(transpose(2, 2, strides=3, padding="valid", use_bias=False), small)
        case(transpose(2, 3, strides=2, padding="same", output_padding=1), small)
        case(transpose(2, 4, strides=2, padding="same"), small)
        for kind in ("Max", "Average"):
            pool = getattr(L, f"{kind}Pooling{axes}D")
            case(pool(2), small)
            case(pool(3, strides=2, padding="same"), small)
            case(getattr(L, f"Global{kind}Pooling{axes}D")(), small)
            case(getattr(L, f"Global{kind}Pooling{axes}D")(keepdims=True), small)
            adaptive = getattr(L, f"Adaptive{kind}Pooling{axes}D")
            case(adaptive(2), small)
            case(adaptive(3), small)
        case(getattr(L, f"ZeroPadding{axes}D")(2), small)
        case(getattr(L, f"Cropping{axes}D")(1), small)
        case(getattr(L, f"UpSampling{axes}D")(2), small)
    case(L.Conv1D(3, 3, padding="causal", dilation_rate=2), (9, 2))
    case(L.Conv2D(3, (3, 2), strides=(2, 1), padding="same", activation="softmax"), (7, 6, 2))
    for axes, shape in ((1, (9, 2)), (2, (7, 6, 2))):
        wise, separable = getattr(L, f"DepthwiseConv{axes}D"), getattr(L, f"SeparableConv{axes}D")
        case(wise(3, depth_multiplier=2, padding="same", activation="tanh"), shape)
        case(wise(2, strides=2, use_bias=False), shape)
        case(separable(3, 3, depth_multiplier=2, activation="relu"), shape)
        case(separable(3, 2, padding="same", use_bias=False), shape)
    case(L.ZeroPadding1D((1, 2)), (4, 2))
    case(L.ZeroPadding2D(((1, 2), (0, 3))), (4, 3, 2))
    case(L.ZeroPadding3D(((1, 0), (0, 2), (1, 1))), (2, 3, 2, 2))
    case(L.Cropping1D((0, 2)), (5, 2))
    case(L.Cropping2D(((1, 0), (2, 1))), (5, 6, 2))
    case(L.Cropping3D(((1, 0), (0, 1), (1, 1))), (3, 3, 4, 2))
    case(L.UpSampling1D(3), (4, 2))
    case(L.UpSampling2D((2, 3), interpolation="bilinear"), (4, 3, 2))
    case(L.UpSampling2D(2, interpolation="bicubic"), (5, 4, 2))
    case(L.UpSampling3D((1, 2, 3)), (2, 2, 2, 2))


def dense():
    for shape in ((6,), (3, 6), (2, 3, 6), (2, 2, 3, 4)):
        case(L.Dense(4, activation="relu"), shape)
    case(L.Dense(3, use_bias=False, activation="softmax"), (4, 6))
    case(L.EinsumDense("ab,bc->ac", output_shape=5, bias_axes="c"), (4,))
    case(L.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d", activation="relu"), (3, 4))
    case(L.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de"), (3, 4))
    case(L.EinsumDense("abcd,cde->abe", output_shape=(None, 5), bias_axes="e"), (3, 2, 4))
    case(L.EinsumDense("...x,xy->...y", output_shape=5, bias_axes="y"), (3, 2, 4))
    case(L.EinsumDense("abc,bd->adc", output_shape=(5, None), bias_axes="d"), (3, 4))
    case(L.EinsumDense("ab...,bc->ac...", output_shape=(5,), bias_axes="c"), (3, 4))
    case(L.Embedding(7, 3), (5,), inputs=7)
    case(L.ReversibleEmbedding(7, 3), (5,), inputs=7)
    case(L.ReversibleEmbedding(7, 3, tie_weights=False), (5,), inputs=7)


def normalisations():
    for shape in ((5,), (4, 3), (3, 4, 2), (2, 3, 2, 2)):
        case(L.BatchNormalization(), shape)
        case(L.LayerNormalization(), shape)
        case(L.RMSNormalization(), shape)
        case(L.UnitNormalization(), shape)
    case(L.BatchNormalization(axis=1, scale=False), (3, 4, 2))
    case(L.BatchNormalization(axis=1, center=False, epsilon=0.1), (4, 3))
    case(L.LayerNormalization(axis=1), (4, 3))
    case(L.LayerNormalization(axis=(2, 3)), (3, 4, 2))
    case(L.LayerNormalization(axis=(1, 2), center=False), (3, 4, 2))
    case(L.LayerNormalization(scale=False), (4, 3))
    case(L.LayerNormalization(center=False), (3, 4, 2))
    case(L.LayerNormalization(rms_scaling=True), (4, 3))
    case(L.RMSNormalization(axis=(1, 2)), (4, 3))
    case(L.GroupNormalization(groups=2), (3, 2, 4))
    case(L.GroupNormalization(groups=2, center=False), (6,))
    case(L.GroupNormalization(groups=-1, scale=False), (5, 4))
    case(L.GroupNormalization(groups=2, axis=1), (4, 3))
    case(L.GroupNormalization(groups=2), (2, 3, 2, 4))
    case(L.UnitNormalization(axis=(1, 2)), (3, 4, 2))
    case(L.SpectralNormalization(L.Conv2D(3, 2)), (5, 4, 2))
    case(L.SpectralNormalization(L.Dense(3)), (5,))
    case(L.Normalization(), (3, 4, 2))
    case(L.Normalization(axis=None), (3, 4))
    case(L.Normalization(axis=(1, 2)), (3, 4))
    case(L.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 2.0, 4.0]), (4, 3))
    case(L.Normalization(axis=None, mean=1.5, variance=2.0, invert=True), (4, 3))
    case(L.Rescaling(2.0, offset=-1.0), (4, 3))
    case(L.Rescaling(scale=[1.0, 2.0, 3.0], offset=[0.5, 0.0, 1.0]), (4, 2, 3))


def activations():
    names = [n for n in dir(keras.activations) if n[0] != "_"]
    for name in names:
        if name in ("get", "serialize", "deserialize", "threshold"):
            continue
        for shape in ((6,), (2, 3, 4)):
            case(L.Activation(name), shape, inputs=8.0)
    case(L.Activation("softmax"), (3, 5), inputs=8.0)
    case(L.Dense(3, activation="gelu"), (4,), inputs=8.0)
    case(L.ReLU(), (3, 4))
    case(L.ReLU(max_value=2.0, negative_slope=0.25, threshold=1.0), (3, 4), inputs=4.0)
    case(L.ReLU(negative_slope=0.1, threshold=0.5), (3, 4), inputs=4.0)
    case(L.ReLU(max_value=6.0), (3, 4), inputs=8.0)
    case(L.ReLU(max_value=3.0), (3, 4), inputs=8.0)
    case(L.LeakyReLU(0.2), (3, 4))
    case(L.ELU(1.5), (3, 4))
    case(L.PReLU(), (3, 4))
    case(L.PReLU(shared_axes=[1, 2]), (3, 4, 2))
    case(L.PReLU(shared_axes=[2]), (3, 4, 2))
    case(L.Softmax(), (3, 4))
    case(L.Softmax(axis=1), (3, 4, 2))
    case(L.Softmax(axis=(1, 2)), (3, 4, 2), inputs=4.0)


def reshapes():
    case(L.Flatten(), (3, 2, 2))
    case(L.Flatten(), (5,))
    case(L.Reshape((4, -1)), (3, 4, 2))
    case(L.Reshape((2, 3, 2)), (12,))
    case(L.Reshape((2, 2, 2, 3)), (4, 6))
    case(L.Permute((2, 1)), (3, 4))
    case(L.Permute((3, 1, 2)), (3, 4, 2))
    case(L.Permute((4, 2, 1, 3)), (3, 4, 2, 2))
    case(L.RepeatVector(3), (4,))
    case(L.Resizing(4, 3), (5, 7, 2))
    case(L.Resizing(9, 11), (5, 7, 2))
    case(L.Resizing(4, 9, interpolation="nearest"), (5, 7, 2))
    case(L.Resizing(3, 12, interpolation="bicubic"), (5, 7, 2))
    case(L.Resizing(4, 4, crop_to_aspect_ratio=True), (5, 8, 2))
    case(L.CenterCrop(3, 4), (6, 7, 2))
    case(L.CenterCrop(6, 4), (4, 7, 2))
    case(L.RandomCrop(3, 4), (6, 7, 2), call={"training": False})


def merges():
    a, b = (3, 4), (3, 4)
    for kind in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        case(getattr(L, kind)(), a, b, a)
        case(getattr(L, kind)(), (2, 3, 2), (1, 1, 2))
        case(getattr(L, kind)(), (2, 3, 2), (3, 2))
    case(L.Subtract(), a, b)
    case(L.Concatenate(), (3, 4), (3, 2), (3, 1))
    case(L.Concatenate(axis=1), (3, 4), (2, 4))
    case(L.Concatenate(axis=2), (2, 3, 2), (2, 1, 2))
    case(L.Dot(axes=1), (4,), (4,))
    case(L.Dot(axes=(2, 1)), (3, 4), (4, 5))
    case(L.Dot(axes=-1, normalize=True), (3, 4), (5, 4))
    case(L.Dot(axes=(1, 2), normalize=True), (4,), (3, 4))


def sequences():
    for kind in ("SimpleRNN", "LSTM", "GRU"):
        layer = getattr(L, kind)
        case(layer(3), (5, 2))
        case(layer(3, return_sequences=True), (5, 2))
        case(layer(3, return_sequences=True, go_backwards=True, use_bias=False), (5, 2))
        case(layer(3, go_backwards=True, activation="relu"), (5, 2))
        case(layer(2, activation="softsign", dropout=0.5), (5, 2))
        case(layer(2, activation="linear"), (4, 2))
        if kind != "SimpleRNN":
            case(layer(2, recurrent_activation="hard_sigmoid", activation="elu"), (4, 2))
        for merge in ("concat", "sum", "mul", "ave"):
            case(L.Bidirectional(layer(2, return_sequences=merge != "mul"), merge_mode=merge), (4, 3))
        case(L.Bidirectional(layer(2), backward_layer=layer(2, go_backwards=True, activation="sigmoid")), (4, 3))
        cell = getattr(L, f"{kind}Cell")
        case(L.RNN(cell(3), return_sequences=True), (4, 2))
        case(L.RNN([cell(3), cell(2)], go_backwards=True), (4, 2))
    case(L.GRU(3, reset_after=False), (5, 2))
    case(L.GRU(3, reset_after=False, return_sequences=True, use_bias=False), (5, 2))
    case(L.Bidirectional(L.GRU(2, reset_after=False)), (4, 3))
    case(L.TimeDistributed(L.Dense(3, activation="relu")), (4, 2))
    case(L.TimeDistributed(L.Conv2D(3, 2)), (3, 4, 3, 2))
    case(L.TimeDistributed(L.SeparableConv1D(3, 2)), (3, 4, 2))
    case(L.TimeDistributed(L.GlobalAveragePooling1D()), (3, 4, 2))
    case(L.TimeDistributed(L.LSTM(3)), (3, 4, 2))
    case(L.TimeDistributed(L.BatchNormalization()), (3, 4, 2))
    case(L.TimeDistributed(L.Flatten()), (3, 4, 2, 2))
    for causal in (False, True):
        call = {"use_causal_mask": causal}
        case(L.Attention(), (3, 4), (5, 4), call=call)
        case(L.Attention(use_scale=True, score_mode="concat"), (3, 4), (5, 4), (5, 4), call=call)
        case(L.AdditiveAttention(), (3, 4), (5, 4), call=call)
        case(L.MultiHeadAttention(2, 3), (4, 6), (5, 6), call=call)
        case(L.GroupQueryAttention(3, 4, 2), (4, 6), (5, 6), call=call)
    case(L.Attention(use_scale=True), (3, 4), (5, 2), (5, 4))
    case(L.Attention(score_mode="concat"), (3, 4), (5, 4))
    case(L.AdditiveAttention(use_scale=False), (3, 4), (5, 2), (5, 4))
    case(L.MultiHeadAttention(2, 3, value_dim=2, output_shape=5, use_bias=False), (4, 6), (5, 4), (5, 3))
    case(L.MultiHeadAttention(3, 2, dropout=0.5), (4, 6), (4, 6))
    case(L.GroupQueryAttention(3, 4, 4, use_bias=False), (4, 6), (5, 6), (5, 2))


def categories():
    case(L.Discretization(bin_boundaries=[-1.0, 0.0, 0.5, 2.0]), (6,), inputs=3.0)
    case(L.CategoryEncoding(num_tokens=5, output_mode="multi_hot"), (3,), inputs=5)
    case(L.CategoryEncoding(num_tokens=5, output_mode="count"), (4,), inputs=5)
    case(L.CategoryEncoding(num_tokens=5, output_mode="one_hot"), (1,), inputs=5)
    case(L.CategoryEncoding(num_tokens=5, output_mode="one_hot"), (3,), inputs=5)
    case(L.IntegerLookup(vocabulary=[5, 3, 1, 8]), (6,), inputs=9)
    case(L.IntegerLookup(vocabulary=[5, 3, 1, 8], mask_token=0), (6,), inputs=9)


def identities():
    shape = (4, 5, 3)
    for name in (
        "Identity", "ActivityRegularization", "AugMix", "RandAugment",
    ):
        case(getattr(L, name)(), shape, call={} if name in ("Identity", "ActivityRegularization") else {"training": False})
    for layer in (L.Dropout(0.5), L.AlphaDropout(0.5), L.GaussianDropout(0.5), L.GaussianNoise(0.5), L.SpatialDropout2D(0.5)):
        case(layer, shape)
    case(L.SpatialDropout1D(0.5), (4, 3))
    case(L.SpatialDropout3D(0.5), (2, 2, 2, 3))
    off = {"training": False}
    for layer in (
        L.RandomBrightness(0.5), L.RandomColorDegeneration(0.5), L.RandomColorJitter(), L.RandomContrast(0.5),
        L.RandomElasticTransform(), L.RandomErasing(), L.RandomFlip(), L.RandomGaussianBlur(), L.RandomGrayscale(), L.RandomHue(0.5),
        L.RandomInvert(), L.RandomPerspective(), L.RandomPosterization(4), L.RandomRotation(0.5), L.RandomSaturation(0.5),
        L.RandomSharpness(0.5), L.RandomShear(), L.RandomTranslation(0.5, 0.5), L.RandomZoom(0.5), L.CutMix(), L.MixUp(),
        L.Equalization(), L.Solarization(0.5, 0.5),
    ):
        case(layer, shape, call=off)


def written(folder):
    """The files that this library wrote: name, path, inputs, and what is to come out."""
    for place, known in enumerate(json.loads(TARGET.read_text())["cases"]):
        name = f"{known['class']}/{place}"
        path = folder / f"{name.replace('/', '_')}.keras"
        if path.exists():
            kind, shapes = known["input_kind"], known["inputs"]
            inputs = [values_of(f"{name}/input/{i}", (BATCH, *shape), kind) for i, shape in enumerate(shapes)]
            yield name, path, inputs, known["output"]
    # Layers that Keras has not got, which are written as several: their input and output lie beside them.
    for path in sorted(folder.glob("*.json")):
        known = json.loads(path.read_text())
        inputs = [np.array(known["input"], np.float32).reshape(known["shape"])]
        yield path.stem, path.with_suffix(".keras"), inputs, known["output"]


def check(folder):
    """The files that this library wrote, in real Keras."""
    worst, failed, count = 0.0, [], 0
    for name, path, inputs, output in written(folder):
        count += 1
        try:
            model = keras.models.load_model(path)
            found = np.asarray(model(inputs if len(inputs) > 1 else inputs[0], training=False)).ravel()
            expected = np.array(output, np.float32)
            far = float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))
        except Exception as error:
            failed.append(f"{name}: {str(error)[:300]}")
            continue
        worst = max(worst, far)
        if not far <= 1e-5:
            failed.append(f"{name}: differs by {far:.1e}")
    print(f"{count} files, {len(failed)} fail; the largest difference is {worst:.1e}")
    sys.exit("\n".join(failed))


if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        check(Path(sys.argv[2]))
    for group in (windows, dense, normalisations, activations, reshapes, merges, sequences, categories, identities):
        group()
    # Some classes have several names.
    names = {}
    for name in dir(L):
        if name[0].isupper() and isinstance(getattr(L, name), type):
            names[name] = getattr(L, name).__name__
    golden = {"keras": keras.__version__, "names": names, "cases": cases}
    TARGET.write_text(json.dumps(golden, separators=(",", ":")).replace('{"class"', '\n{"class"') + "\n")
    print(f"{len(cases)} cases, {TARGET.stat().st_size} bytes, {len(names)} names")
