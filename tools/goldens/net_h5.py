"""Writes crates/emberline-net/tests/fixtures/keras*.h5 and keras_values.txt with Keras 3 and h5py.

    pip install keras tensorflow-cpu;  python tools/goldens/net_h5.py

- keras_weights.h5: weights alone, in the layout and with the types of Keras 2 that the files of Keras Applications have;
  keras_model.h5: a whole model in that layout.
- keras_values.txt: the tensors in both, under the names that Emberline gives them.
- keras_3.h5: weights in the layout of Keras 3, which is refused.
"""

import os
import pathlib
import shutil

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format

OUT = pathlib.Path(__file__).parents[2] / "crates/emberline-net/tests/fixtures"


def network():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.BatchNormalization(name="conv_bn")(x)
    x = keras.layers.DepthwiseConv2D(3, use_bias=False, name="wise")(x)
    x = keras.layers.SeparableConv2D(5, 3, use_bias=False, name="separable")(x)
    stem = keras.Sequential(
        [keras.layers.Conv2D(2, 1, name="stem_conv"), keras.layers.LayerNormalization(name="stem_norm")], name="stem"
    )
    x = stem(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(3, name="scores")(x))


def main():
    keras.utils.set_random_seed(3)
    model = network()
    for weight in model.weights:
        weight.assign(np.round(np.random.uniform(-4, 4, weight.shape) * 16) / 16)
    with h5py.File(OUT / "keras_weights.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
        # Keras 2 wrote names in fields of one length.
        for group, attribute in [(file, "layer_names")] + [(file[layer.name], "weight_names") for layer in model.layers]:
            names = list(group.attrs[attribute])
            group.attrs[attribute] = [name.encode() for name in names]
    model.save(OUT / "keras_model.h5")
    model.save_weights(OUT / "keras_3.weights.h5")
    shutil.move(OUT / "keras_3.weights.h5", OUT / "keras_3.h5")
    lines = []
    layers = [leaf for layer in model.layers for leaf in getattr(layer, "layers", [layer])]
    for layer in layers:
        for weight in layer.weights:
            name = weight.name if isinstance(layer, keras.layers.SeparableConv2D) else weight.name.replace("depthwise_", "")
            shape = "x".join(map(str, weight.shape))
            values = " ".join(repr(float(v)) for v in np.asarray(weight).flatten())
            lines.append(f"{layer.name}/{name}|{shape}|{values}")
    (OUT / "keras_values.txt").write_text("\n".join(sorted(lines)) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
