"""Emberline on Spark, workers of one core each, from `binaryFile` and EfficientNetLite0:

- speed: images per second against (a) what people write, a pandas UDF with Pillow and onnxruntime, the same network in the same
  ONNX file; (b) Emberline without Spark, on as many cores;
- tuning: time and passes of the network over all images, against MLlib's own CrossValidator over the same featurizer;
- scaling: two workers against one;
- killed: what `kill -9` of an executor costs, in the middle of a transform and of a tuning.

    cargo xtask bench spark [speed] [tuning] [scaling] [killed] [--images N] [--rounds N] [--tiny]

Spark has started and the workers have loaded the network before anything is timed; the best of the rounds counts, in turns. The
two sides on Spark have Python processes of their own, so that neither finds what the other has prepared.
"""

import argparse
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time

import pyspark

from common import pictures

CORES = 2
NETWORK = "EfficientNetLite0"


def session(images, workers=CORES):
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_HOME", str(pathlib.Path(pyspark.__file__).parent))
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local-cluster[{workers},1,1024]")
    options = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    # Tasks of some 25 pictures, so that both workers are busy to the end: Spark counts each file as this much and its size.
    options["spark.sql.files.maxPartitionBytes"] = str((4 << 20) if images.count > 100 else (512 << 10))
    options["spark.sql.files.openCostInBytes"] = str(64 << 10)
    # Java only moves bytes here; its optimising compiler would take a quarter of the cores through a job as short as this.
    for side in ("driver", "executor"):
        options[f"spark.{side}.extraJavaOptions"] = "-XX:TieredStopAtLevel=1"
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


def noop(df):
    df.write.format("noop").mode("overwrite").save()


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def featurizer():
    import emberline.ml

    return emberline.ml.DeepImageFeaturizer(inputCol="content", outputCol="features", modelName=NETWORK)


def about(images):
    return f"{images.count} JPEGs of 640x480, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


class Images:
    """A folder of pictures, and how often something is measured."""

    def __init__(self, work, count, rounds):
        self.work, self.count, self.rounds = work, count, rounds
        self.folder = pictures.folder(work / "images", count)


def speed(images):
    import emberline
    import emberline.ml

    stage = featurizer()
    stage.save(images.work / "featurizer.ember")
    onnx = str(next((images.work / "featurizer.ember").rglob("*.onnx")))
    spark = session(images)
    embedded = emberline.Session(threads=CORES)
    local = emberline.ml.DeepImageFeaturizer(inputCol="image", outputCol="features", modelName=NETWORK)
    usual = pandas_udf_of(onnx)

    def on_spark():
        noop(stage.transform(read(spark, images.folder)).select("features"))

    def pandas_udf():
        # Spark starts other Python processes for other settings of them; this one is about errors alone.
        spark.conf.set("spark.sql.execution.pyspark.udf.hideTraceback.enabled", "true")
        df = read(spark, images.folder)
        noop(df.select(usual(df.content).alias("features")))
        spark.conf.unset("spark.sql.execution.pyspark.udf.hideTraceback.enabled")

    def without_spark():
        rows = local.transform(embedded.read_images(images.folder)).select("features").cache().count()
        assert rows == images.count

    sides = {"Emberline on Spark": on_spark, "(a) pandas UDF": pandas_udf, "(b) Emberline without Spark": without_spark}
    for side in sides.values():
        side()
    seconds = {name: [] for name in sides}
    for _ in range(images.rounds):
        for name, side in sides.items():
            seconds[name].append(timed(side))
    spark.stop()
    print(f"speed: {about(images)}; {CORES} workers of one core, best of {images.rounds}")
    ours = min(seconds["Emberline on Spark"])
    for name, found in seconds.items():
        best = min(found)
        print(f"  {name:30} {images.count / best:8.1f} images/s   {best / ours:.2f}x the first one's time")


def labelled(spark, images):
    """Pictures with one of three labels by their names."""
    from pyspark.sql import functions as F

    number = F.regexp_extract("path", "([0-9]+).jpg$", 1).cast("int")
    return read(spark, images.folder).withColumn("label", (number % 3).cast("double")).select("content", "label")


def counting(passed):
    """A function that passes rows on and counts them."""

    def count(batches):
        for batch in batches:
            passed.add(batch.num_rows)
            yield batch

    return count


def tuning(images):
    import pyspark.ml
    from pyspark.ml.classification import LogisticRegression as TheirLogisticRegression
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator as TheirEvaluator
    from pyspark.ml.tuning import CrossValidator as TheirCrossValidator
    from pyspark.ml.tuning import ParamGridBuilder as TheirGrid

    import emberline.ml
    import emberline.spark
    from emberline.ml.classification import LogisticRegression
    from emberline.ml.evaluation import MulticlassClassificationEvaluator
    from emberline.ml.tuning import CrossValidator, ParamGridBuilder

    spark = session(images)
    values, folds = ([0.001, 0.01, 0.1], 3) if images.count > 100 else ([0.01], 2)
    ours, theirs = spark.sparkContext.accumulator(0), spark.sparkContext.accumulator(0)
    df = labelled(spark, images)
    noop(featurizer().transform(df))

    class Counted(pyspark.ml.Transformer):
        """Behind the featurizer: every row that comes has passed the network."""

        def _transform(self, dataset):
            return dataset.mapInArrow(counting(theirs), dataset.schema)

    def emberlines():
        # Nothing is kept of what this reads, so each row that is read passes the network.
        rows = df.mapInArrow(counting(ours), df.schema)
        lr = LogisticRegression(maxIter=20)
        tuned = CrossValidator(
            estimator=emberline.ml.Pipeline(stages=[featurizer(), lr]),
            estimatorParamMaps=ParamGridBuilder().addGrid(lr.regParam, values).build(),
            evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
            numFolds=folds,
        )
        tuned.fit(rows)

    def mllibs():
        lr = TheirLogisticRegression(maxIter=20)
        stages = [emberline.spark.on_spark(featurizer()), Counted(), lr]
        tuned = TheirCrossValidator(
            estimator=pyspark.ml.Pipeline(stages=stages),
            estimatorParamMaps=TheirGrid().addGrid(lr.regParam, values).build(),
            evaluator=TheirEvaluator(metricName="accuracy"),
            numFolds=folds,
        )
        tuned.fit(df)

    first, second = timed(emberlines), timed(mllibs)
    print(f"tuning: {about(images)}; {len(values)} candidates, {folds} folds, {CORES} workers of one core")
    for name, seconds, passed in (("Emberline", first, ours), ("MLlib", second, theirs)):
        passes = passed.value / images.count
        print(f"  {name:12} {seconds:7.1f} s   {passes:5.1f} passes over the images   {seconds / first:.2f}x the first one's time")
    spark.stop()


def scaling(images):
    found = {}
    for workers in (1, 2):
        spark = session(images, workers)
        df = read(spark, images.folder)

        def network(df=df):
            noop(featurizer().transform(df).select("features"))

        def rows(df=df):
            # All that Spark does but for the network: bytes to Python, and as many numbers back.
            noop(df.select("content").mapInArrow(numbers, "features array<double>"))

        network(), rows()
        found[workers] = [min(timed(side) for _ in range(images.rounds)) for side in (network, rows)]
        spark.stop()
    print(f"scaling: {about(images)}; workers of one core, best of {images.rounds}")
    for workers, (all_of_it, without) in found.items():
        print(f"  {workers} worker(s) {images.count / all_of_it:8.1f} images/s   {all_of_it:6.1f} s, of which Spark alone {without:.1f} s")
    print(f"  two against one: {found[1][0] / found[2][0]:.2f}x")


def numbers(batches):
    """Rows of 1,280 numbers, as the network gives."""
    import numpy
    import pyarrow

    for batch in batches:
        zeros = pyarrow.array(numpy.zeros(1_280 * batch.num_rows))
        offsets = pyarrow.array(numpy.arange(batch.num_rows + 1, dtype=numpy.int32) * 1_280)
        yield pyarrow.RecordBatch.from_pydict({"features": pyarrow.ListArray.from_arrays(offsets, zeros)})


def executors(spark):
    """The processes of the executors."""

    def parents(batches):
        import pyarrow

        for _ in batches:
            time.sleep(0.5)
            parent = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1]
            yield pyarrow.RecordBatch.from_pydict({"pid": [int(parent)]})

    return sorted({row.pid for row in spark.range(0, 4, 1, 4).mapInArrow(parents, "pid long").collect()})


def undisturbed_and_killed(spark, name, work, tasks_min):
    """Times work as it is, and with an executor killed when half of a stage's tasks are done."""
    whole = timed(work)
    tracker, state = spark.sparkContext.statusTracker(), {}
    victim = executors(spark)[0]

    def watch():
        while "over" not in state:
            for number in tracker.getActiveStageIds():
                stage = tracker.getStageInfo(number)
                if stage is None or stage.numTasks < tasks_min:
                    continue
                if "done" not in state and stage.numCompletedTasks * 2 >= stage.numTasks:
                    os.kill(victim, signal.SIGKILL)
                    state["done"], state["tasks"] = stage.numCompletedTasks, stage.numTasks
                if "done" in state:
                    state["again"] = max(state.get("again", 0), stage.numFailedTasks)
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        killed = timed(work)
    finally:
        state["over"] = True
        watcher.join()
    if "done" not in state:
        print(f"  {name:10} {whole:6.1f} s, over before an executor could be killed")
        return
    print(
        f"  {name:10} {whole:6.1f} s undisturbed, {killed:6.1f} s with an executor killed when {state['done']} of {state['tasks']} "
        f"tasks were done; {state['again']} tasks ran again"
    )


def killed(images):
    import emberline.ml
    from emberline.ml.classification import LinearSVC
    from emberline.ml.evaluation import BinaryClassificationEvaluator
    from emberline.ml.tuning import CrossValidator, ParamGridBuilder

    spark = session(images)
    df = labelled(spark, images).selectExpr("content", "double(label > 0) AS label")
    svc = LinearSVC(maxIter=300, tol=1e-12)
    tuned = CrossValidator(
        estimator=emberline.ml.Pipeline(stages=[featurizer(), svc]),
        estimatorParamMaps=ParamGridBuilder().addGrid(svc.regParam, [0.0001 * 2**i for i in range(8)]).build(),
        evaluator=BinaryClassificationEvaluator(),
        numFolds=5,
    )
    transform = featurizer().transform(df).select("features")
    noop(transform)
    print(f"killed: {about(images)}; {CORES} workers of one core")
    undisturbed_and_killed(spark, "transform", lambda: noop(transform), 2)
    noop(transform)
    undisturbed_and_killed(spark, "tuning", lambda: tuned.fit(df), 40)
    spark.stop()


BENCHES = {"speed": speed, "tuning": tuning, "scaling": scaling, "killed": killed}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", help=", ".join(BENCHES), default=[])
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a few pictures, to see that it works: speed, if nothing is named")
    arguments = parser.parse_args()
    count, rounds = (24, 1) if arguments.tiny else (arguments.images, arguments.rounds)
    for what in arguments.what or (["speed"] if arguments.tiny else BENCHES):
        with tempfile.TemporaryDirectory() as work:
            BENCHES[what](Images(pathlib.Path(work), count, rounds))


if __name__ == "__main__":
    sys.exit(main())
