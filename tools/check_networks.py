"""Checks ONNX files with `onnx.checker` (shapes inferred strictly), runs each in onnxruntime, and compares the answers
with those of the `.keras` file beside it in real Keras.

cargo run --release -p emberline-zoo --example write_networks -- FOLDER
pip install onnx onnxruntime keras tensorflow-cpu;  python tools/check_networks.py FOLDER
"""

import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-4
failed = []
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [port] = session.get_inputs()
    image = np.random.default_rng(1).uniform(-1, 1, [1, *port.shape[1:]]).astype(np.float32)
    [expected] = session.run(None, {port.name: image})
    model = keras.models.load_model(path.with_suffix(".keras"))
    found = np.asarray(model(image, training=False))
    far = float(np.abs(found - expected).max() / np.abs(expected).max())
    spread = float(np.std(expected) / np.abs(expected).max())
    ok = found.shape == expected.shape and far <= TOLERANCE
    print(
        f"{path.stem}: {len(model.layers)} layers in Keras, {found.shape}, differs by {far:.1e} (spread {spread:.2f})",
        flush=True,
    )
    if not ok:
        failed.append(path.stem)
sys.exit(f"{', '.join(failed)}: differ by more than {TOLERANCE}" if failed else 0)
