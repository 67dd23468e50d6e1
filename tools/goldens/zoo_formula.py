"""Golden values of the named networks with weights that a formula gives: what Keras Applications and torchvision compute.

Writes `crates/emberline-zoo/goldens/NAME.json` (`NAME.pytorch.json` where torchvision's network is the card's second origin),
which is part of the library. Nobody needs the trained weights for it: every number of a tensor is a hash of the tensor's
name in the origin's files and of its index, scaled by the fan-in, so that Emberline computes the same ones
(`src/formula.rs`). Names and axes of the origin's files are part of what is proven, and so is the preprocessing: the picture
is drawn as bytes, and the origin's own `preprocess_input` or means make the input of it.

The pictures are smaller than those the networks are used with, where the network's definition allows it.

    pip install keras tensorflow-cpu;          python zoo_formula.py keras [--files DIR] [NAME...]
    apt-get install python3-torchvision;       python3 zoo_formula.py torchvision [--files DIR] [NAME...]

With `--files` it writes no answers but the weights, of networks of full size, in the origin's own format: what the ignored
test of `src/formula.rs` reads.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "crates/emberline-zoo/goldens"
LABELS = [line.split("\t")[0] for line in (ROOT / "crates/emberline-zoo/src/labels/imagenet.tsv").read_text().splitlines()]
SAMPLES = 32

# Where weights are written, if they are and not answers.
FILES = None

# Name: side, variance that a kernel keeps or makes of what goes in, two inner layers, features, logits.
KERAS = {
    "VGG16": (64, 2.0, "block2_pool", "block4_conv3", "block5_pool", "logits"),
    "VGG19": (64, 1.5, "block2_pool", "block4_conv4", "block5_pool", "logits"),
    "ResNet50": (96, 0.5, "conv2_block3_out", "conv4_block6_out", "avg_pool", "logits"),
    "ResNet101": (96, 0.5, "conv2_block3_out", "conv4_block23_out", "avg_pool", "logits"),
    "ResNet152": (96, 0.25, "conv2_block3_out", "conv4_block36_out", "avg_pool", "logits"),
    "ResNet50V2": (97, 1.0, "conv2_block3_out", "conv4_block6_out", "avg_pool", "logits"),
    "InceptionV3": (139, 2.0, "mixed2", "mixed7", "avg_pool", "logits"),
    "Xception": (107, 1.0, "block3_sepconv2_bn", "block9_sepconv3_bn", "avg_pool", "logits"),
    "MobileNet": (96, 2.0, "conv_pw_5_relu", "conv_pw_11_relu", "global_average_pooling2d", "reshape_2"),
    "MobileNetV2": (97, 1.0, "block_3_depthwise_relu", "block_12_add", "global_average_pooling2d", "logits"),
    "MobileNetV3Large": (97, 1.0, "expanded_conv_5_add", "expanded_conv_11_add", "global_average_pooling2d", "logits"),
    "DenseNet121": (96, 1.0, "conv3_block12_concat", "pool4_pool", "avg_pool", "logits"),
    "EfficientNetB0": (97, 1.0, "block3b_add", "block6d_add", "avg_pool", "logits"),
    "EfficientNetB1": (96, 1.0, "block3b_add", "block6d_add", "avg_pool", "logits"),
    "EfficientNetB2": (99, 1.0, "block3b_add", "block6d_add", "avg_pool", "logits"),
    "EfficientNetB3": (96, 1.0, "block3b_add", "block6d_add", "avg_pool", "logits"),
    "ConvNeXtTiny": (
        96, 1.0, "convnext_tiny_stage_1_block_2_layer_scale", "convnext_tiny_stage_3_block_0_gelu",
        "convnext_tiny_head_layernorm", "logits",
    ),
}

# The same of torchvision's networks; for a layer that is called otherwise there, `ours=theirs`. `<` is the module's input.
TORCHVISION = {
    "AlexNet": (224, 2.0, "features.5", "features.10", "classifier.5", "logits=classifier.6"),
    "ResNet18": (96, 1.0, "layer1.1.relu_1=layer1.1", "layer3.1.relu_1=layer3.1", "avgpool", "logits=fc"),
    "VGG16": (64, 2.0, "block2_pool=features.9", "block4_conv3=features.22", "block5_pool=features.30", "logits=classifier.6"),
    "VGG19": (64, 2.0, "block2_pool=features.9", "block4_conv4=features.26", "block5_pool=features.36", "logits=classifier.6"),
    "ResNet50": (96, 1.0, "conv2_block3_out=layer1.2", "conv4_block6_out=layer3.5", "avg_pool=avgpool", "logits=fc"),
    "ResNet101": (96, 1.0, "conv2_block3_out=layer1.2", "conv4_block23_out=layer3.22", "avg_pool=avgpool", "logits=fc"),
    "ResNet152": (96, 1.0, "conv2_block3_out=layer1.2", "conv4_block36_out=layer3.35", "avg_pool=avgpool", "logits=fc"),
    "DenseNet121": (
        96, 1.0, "conv3_block12_concat=features.transition2.norm<", "pool4_pool=features.transition3.pool",
        "avg_pool=classifier<", "logits=classifier",
    ),
    "ViTB16": (
        96, 1.0, "encoder.layers.encoder_layer_3.self_attention", "encoder.layers.encoder_layer_8.add_1=encoder.layers.encoder_layer_8",
        "class_features=heads.head<", "logits=heads.head",
    ),
}
# Of networks that are not used with pictures of 224 pixels.
KERAS_SIDES = {"InceptionV3": 299, "Xception": 299, "EfficientNetB1": 240, "EfficientNetB2": 260, "EfficientNetB3": 300}
SECOND_ORIGIN = ["VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152", "DenseNet121"]


def hashed(name, count):
    """Numbers in [-1, 1): SplitMix64 over the FNV-1a hash of the name, the upper 24 bits of each."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0


def formula(name, kind, shape, fan_in, gain):
    """A tensor of the file. `kind` is `kernel`, `scale`, `variance` or `offset`."""
    u = hashed(name, int(np.prod(shape))).reshape(shape)
    if kind == "kernel":
        values = u * np.sqrt(3.0 * gain / fan_in)
    elif kind == "scale":
        values = 1.0 + 0.1 * u
    elif kind == "variance":
        values = 1.0 + 0.5 * u
    else:
        values = 0.1 * u
    return values.astype(np.float32)


def picture(side):
    """`[side, side, 3]` bytes: rings around a point, at another distance and phase in every channel."""
    x, y = np.meshgrid(np.arange(side, dtype=np.int64), np.arange(side, dtype=np.int64))
    channels = []
    for channel in range(3):
        square = (x - side // 3) ** 2 * (channel + 1) + (y - side // 2) ** 2 * (3 - channel)
        wave = (square // 48 + 40 * channel) % 512
        channels.append(np.minimum(wave, 511 - wave))
    return np.stack(channels, axis=2).astype(np.uint8)


def number(value):
    return float(f"{value:.8g}")


def summary(values):
    """Every so-many-th value of one sample, channels last, and the Euclidean norm of all. All channels have their turn."""
    flat = np.ascontiguousarray(values).reshape(-1)
    step = max(flat.size // SAMPLES, 1)
    while math.gcd(step, values.shape[-1]) > 1:
        step -= 1
    return {
        "shape": list(values.shape),
        "norm": number(np.linalg.norm(flat.astype(np.float64))),
        "step": step,
        "samples": [number(v) for v in flat[::step][:SAMPLES]],
    }


def write(name, suffix, origin, side, gain, layers, order):
    """`order` is the names of the layers; the last are the logits."""
    logits = layers[order[-1]].reshape(-1).astype(np.float64)
    exponents = np.exp(logits - logits.max())
    probabilities = exponents / exponents.sum()
    top = np.argsort(-logits, kind="stable")[:6]
    gaps = -np.diff(logits[top]) / np.abs(logits).max()
    deviations = {layer: float(f"{values.std():.3g}") for layer, values in layers.items()}
    print(f"{name}{suffix}: top {top[:5].tolist()}, least gap {gaps.min():.1e}, deviations {deviations}", flush=True)
    # Ten times what rounding makes of them, and more: the order of the classes is then a matter of the network.
    assert gaps.min() > 1e-4, "another side will tell the classes apart better"
    assert probabilities[top].min() > 1e-30, "a lower gain will leave the classes probable enough to be told apart"
    golden = {
        "origin": origin,
        "formula": {"side": side, "gain": gain},
        "pictures": [
            {
                "width": side,
                "height": side,
                "layers": {layer: summary(layers[layer]) for layer in order},
                "top": [{"id": LABELS[i], "probability": number(probabilities[i])} for i in top[:5]],
            }
        ],
    }
    (TARGET / f"{name}{suffix}.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


def keras_kind(layer, variable):
    """The tensor's name in Keras' HDF5 files, its kind and its fan-in."""
    import keras

    name, shape = variable.name, variable.shape
    if isinstance(layer, keras.layers.SeparableConv2D):
        # Keras 3 calls both kernels by what they are.
        fan_in = shape[2] if "pointwise" in name else shape[0] * shape[1]
        return f"{layer.name}/{name}", "kernel", fan_in
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return f"{layer.name}/kernel", "kernel", shape[0] * shape[1]
    if len(shape) > 1:
        return f"{layer.name}/kernel", "kernel", int(np.prod(shape[:-1]))
    if type(layer).__name__ == "LayerScale":
        name = "gamma"
    kind = "scale" if name == "gamma" else "variance" if "variance" in name else "offset"
    return f"{layer.name}/{name}", kind, None


def leaves(layer):
    import keras

    return [leaf for part in layer.layers for leaf in leaves(part)] if isinstance(layer, keras.Model) else [layer]


def with_keras(names):
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    for name in names:
        side, gain, *order = KERAS[name]
        if FILES:
            side, gain = KERAS_SIDES.get(name, 224), 1.0
        keras.backend.clear_session()
        # `None` for weights leaves out what EfficientNets do for those of ImageNet alone; the graph is asked for with them.
        constructor = getattr(keras.applications, name)
        if name.startswith("EfficientNet"):
            constructor = efficientnet(constructor)
        network = constructor(weights=None, input_shape=(side, side, 3), classifier_activation=None)
        for layer in leaves(network):
            for variable in layer.weights:
                if variable.name == "count":
                    continue
                path, kind, fan_in = keras_kind(layer, variable)
                variable.assign(formula(path, kind, tuple(variable.shape), fan_in, gain))
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()
        if FILES:
            with h5py.File(FILES / f"{name}.Keras.h5", "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, network)
            continue
        module = {"MobileNetV3Large": "mobilenet_v3", "ConvNeXtTiny": "convnext", "ResNet50V2": "resnet_v2"}.get(name)
        module = module or {"V": name.lower(), "R": "resnet", "I": "inception_v3", "X": "xception", "D": "densenet", "E": "efficientnet"}.get(name[0])
        module = module or {"MobileNet": "mobilenet", "MobileNetV2": "mobilenet_v2"}[name]
        preprocess = getattr(keras.applications, module).preprocess_input
        image = preprocess(picture(side).astype(np.float32)[None])
        # The classifier without its activation gives the logits.
        theirs = {ours: "predictions" if ours in ("logits", "reshape_2") else ours for ours in order}
        if name == "MobileNetV3Large":
            theirs["logits"] = "logits"
        if name == "ConvNeXtTiny":
            theirs["logits"] = "convnext_tiny_head_dense"
        outputs = keras.Model(network.input, [network.get_layer(theirs[ours]).output for ours in order])
        values = outputs(image, training=False)
        layers = {}
        for ours, value in zip(order, values):
            value = np.asarray(value)[0]
            layers[ours] = value.reshape(-1) if ours == "global_average_pooling2d" else value
        write(name, "", f"keras {keras.__version__}", side, gain, layers, order)


def efficientnet(constructor):
    """The constructor, with the second rescaling that Keras adds for ImageNet's weights and no others."""
    import keras
    from keras.src.applications import efficientnet as module
    from keras.src.utils import file_utils

    def build(weights, input_shape, classifier_activation):
        load, fetch = module.Functional.load_weights, file_utils.get_file
        obtain = module.imagenet_utils.obtain_input_shape
        module.Functional.load_weights = lambda *_args, **_settings: None
        file_utils.get_file = lambda *_args, **_settings: ""
        module.imagenet_utils.obtain_input_shape = lambda shape, **_settings: shape
        try:
            return constructor(weights="imagenet", input_shape=input_shape, classifier_activation=classifier_activation)
        finally:
            module.Functional.load_weights, file_utils.get_file = load, fetch
            module.imagenet_utils.obtain_input_shape = obtain

    return build


def torch_kind(network, name, tensor):
    """The kind and the fan-in of a tensor of a state dict."""
    import torch

    module_name, _, part = name.rpartition(".")
    module = network.get_submodule(module_name)
    if part == "running_var":
        return "variance", None
    if name in ("class_token", "encoder.pos_embedding"):
        return "offset", None
    if part.endswith("weight") and tensor.dim() > 1:
        return "kernel", int(np.prod(tensor.shape[1:]))
    norms = (torch.nn.BatchNorm2d, torch.nn.LayerNorm)
    return ("scale" if part == "weight" and isinstance(module, norms) else "offset"), None


def with_torchvision(names):
    import torch
    import torchvision

    for name in names:
        side, gain, *order = TORCHVISION[name]
        if FILES:
            side, gain = 224, 1.0
        settings = {"image_size": side} if name == "ViTB16" else {}
        constructor = "vit_b_16" if name == "ViTB16" else name.lower()
        network = getattr(torchvision.models, constructor)(weights=None, **settings).eval()
        if name.startswith("VGG") and not FILES:
            # Of 224 pixels, pooling to 7 x 7 changes nothing and the classifier takes what there is; so here.
            network.avgpool = torch.nn.Identity()
            network.classifier[0] = torch.nn.Linear(512 * (side // 32) ** 2, 4096)
        state = network.state_dict()
        for tensor_name, tensor in state.items():
            if tensor_name.endswith("num_batches_tracked"):
                continue
            kind, fan_in = torch_kind(network, tensor_name, tensor)
            tensor.copy_(torch.from_numpy(formula(tensor_name, kind, tuple(tensor.shape), fan_in, gain)))
        if FILES:
            torch.save(state, FILES / f"{name}.PyTorch.pth")
            continue
        layers, hooks = {}, []
        for entry in order:
            ours, _, theirs = entry.partition("=")
            theirs = theirs or ours
            keep = lambda value, ours=ours: layers.update({ours: torch_values(value)})
            module = network.get_submodule(theirs.rstrip("<"))
            if theirs.endswith("<"):
                hooks.append(module.register_forward_pre_hook(lambda _m, inputs, keep=keep: keep(inputs[0])))
            else:
                hooks.append(module.register_forward_hook(lambda _m, _i, output, keep=keep: keep(output)))
        # torchvision's transforms, without the resizing and cropping.
        mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
        image = ((picture(side).astype(np.float32) / 255 - mean) / deviation).transpose(2, 0, 1)[None]
        with torch.no_grad():
            network(torch.from_numpy(np.ascontiguousarray(image)))
        order = [entry.partition("=")[0] for entry in order]
        suffix = ".pytorch" if name in SECOND_ORIGIN else ""
        write(name, suffix, f"torchvision {torchvision.__version__}", side, gain, layers, order)


def torch_values(value):
    import torch

    value = value[0] if isinstance(value, tuple) else value
    value = value.detach()[0].clone()
    if value.dim() == 3:
        value = value.permute(1, 2, 0)
        value = value.reshape(-1) if value.shape[:2] == torch.Size([1, 1]) else value
    return value.contiguous().numpy()


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    table, run = {"keras": (KERAS, with_keras), "torchvision": (TORCHVISION, with_torchvision)}[sys.argv[1]]
    names = sys.argv[2:]
    if names[:1] == ["--files"]:
        FILES, names = Path(names[1]), names[2:]
    run(names or list(table))
