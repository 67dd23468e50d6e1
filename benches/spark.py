"""Images per second on Spark, two workers of one core, from `binaryFile` to EfficientNetLite0 features: (a) what people write, a
pandas UDF with Pillow and onnxruntime, the same network in the same ONNX file; (b) Emberline without Spark, on as many cores.

    cargo xtask bench spark [--images N] [--rounds N] [--tiny]

Spark has started and the workers have loaded the network before anything is timed; the best of the rounds counts, in turns.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

import pyspark

from common import pictures

CORES = 2
NETWORK = "EfficientNetLite0"


def session():
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_HOME", str(pathlib.Path(pyspark.__file__).parent))
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local-cluster[{CORES},1,1024]")
    options = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    # Tasks of some 25 pictures, so that both workers are busy to the end: Spark counts each file as this much and its size.
    options["spark.sql.files.maxPartitionBytes"] = str(4 << 20)
    options["spark.sql.files.openCostInBytes"] = str(64 << 10)
    for key, value in options.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def read(spark, images):
    return spark.read.format("binaryFile").load(str(images)).select("path", "content")


def pandas_udf_of(onnx):
    """The usual way: an iterator UDF that makes its session once per task."""
    from pyspark.sql.functions import pandas_udf

    def features(batches):
        import io

        import numpy
        import onnxruntime
        import pandas
        from PIL import Image

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        network = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        name = network.get_inputs()[0].name

        def one(content):
            with Image.open(io.BytesIO(content)) as image:
                image = image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
            tensor = (numpy.asarray(image, dtype=numpy.float32) - 127) / 128
            tensor = numpy.ascontiguousarray(tensor.transpose(2, 0, 1)[None])
            return network.run(None, {name: tensor})[0].reshape(-1)

        for batch in batches:
            yield pandas.Series([one(content) for content in batch])

    import collections.abc

    import pandas

    features.__annotations__ = {
        "batches": collections.abc.Iterator[pandas.Series],
        "return": collections.abc.Iterator[pandas.Series],
    }
    return pandas_udf(features, "array<float>")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a few pictures, to see that it works")
    arguments = parser.parse_args()
    count, rounds = (16, 1) if arguments.tiny else (arguments.images, arguments.rounds)

    import emberline
    import emberline.ml

    featurizer = emberline.ml.DeepImageFeaturizer(inputCol="content", outputCol="features", modelName=NETWORK)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        images = pictures.folder(work / "images", count)
        featurizer.save(work / "featurizer.ember")
        onnx = str(next((work / "featurizer.ember").rglob("*.onnx")))
        spark = session()
        embedded = emberline.Session(threads=CORES)
        local = emberline.ml.DeepImageFeaturizer(inputCol="image", outputCol="features", modelName=NETWORK)
        usual = pandas_udf_of(onnx)

        def on_spark():
            featurizer.transform(read(spark, images)).select("features").write.format("noop").mode("overwrite").save()

        def pandas_udf():
            df = read(spark, images)
            df.select(usual(df.content).alias("features")).write.format("noop").mode("overwrite").save()

        def without_spark():
            rows = local.transform(embedded.read_images(images)).select("features").cache().count()
            assert rows == count

        sides = {"Emberline on Spark": on_spark, "(a) pandas UDF": pandas_udf, "(b) Emberline without Spark": without_spark}
        best = {}
        for side in sides.values():
            side()
        for _ in range(rounds):
            for name, side in sides.items():
                start = time.perf_counter()
                side()
                seconds = time.perf_counter() - start
                best[name] = min(seconds, best.get(name, seconds))
        spark.stop()
    print(f"{count} JPEGs of 640x480 to {NETWORK} features, {CORES} workers of one core, best of {rounds},", end=" ")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    ours = best["Emberline on Spark"]
    for name, seconds in best.items():
        print(f"  {name:30} {count / seconds:8.1f} images/s   {seconds / ours:.2f}x the first one's time")


if __name__ == "__main__":
    sys.exit(main())
