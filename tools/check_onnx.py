"""Checks ONNX files with `onnx.checker` (shapes inferred strictly) and runs each in onnxruntime on zeros.

cargo run -p emberline-zoo --example write_networks -- FOLDER
pip install onnx onnxruntime;  python tools/check_onnx.py FOLDER
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = {
        port.name: np.zeros([s if isinstance(s, int) else 1 for s in port.shape], np.float32)
        for port in session.get_inputs()
    }
    shapes = [value.shape for value in session.run(None, feeds)]
    print(f"{path.name}: checked and run, {shapes}")
