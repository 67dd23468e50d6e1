"""One logistic regression against scikit-learn and pyspark.ml: two classes, ten classes, and elastic net, with the same
objective on the same data.

    cargo xtask bench --release logistic_regression [--rows N --columns N --classes N] [--tiny]

Each one fits in a process of its own. Its time is that of the fit, without reading the data; its memory is the process's
peak, with the data (pyspark's is the Java machine's). Reported is also how far a fit's objective lies above the lowest of all. pyspark takes part
where it and Java are installed: pip install pyspark==4.3.0 (Spark 4 needs Java 17).
"""

import argparse
import importlib.util
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from common import features

REG_PARAM = 0.01
ELASTIC_NET_REG_PARAM, ELASTIC_NET_PARAM = 0.003, 0.5
ITERATIONS_MAX = 1_000
SPARK_CORES = 2
# Where the gradient is this small, both are at the optimum for any purpose; saga measures the change of coefficients.
TOLERANCE, SAGA_TOLERANCE = 1e-6, 1e-4


def read(work):
    labels = np.fromfile(work / "y.f32", np.float32).astype(np.int64)
    return np.fromfile(work / "x.f32", np.float32).reshape(len(labels), -1), labels


def objective(x, y, coefficients, intercepts, reg_param, elastic_net_param):
    """MLlib's: the mean loss and the penalty, without standardization."""
    margins = x.astype(np.float64) @ coefficients.T + intercepts
    if len(coefficients) == 1:
        margins = np.hstack([np.zeros_like(margins), margins])
    largest = margins.max(axis=1)
    log_sums = largest + np.log(np.exp(margins - largest[:, None]).sum(axis=1))
    loss = (log_sums - margins[np.arange(len(y)), y]).mean()
    ridge, lasso = (coefficients**2).sum() / 2, np.abs(coefficients).sum()
    return loss + reg_param * ((1 - elastic_net_param) * ridge + elastic_net_param * lasso)


def peak_of(process="self"):
    """The most memory that a running process has had, in MiB; getrusage also counts what its parent had."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def emberline(work, reg_param, elastic_net_param):
    x, y = work / "x.f32", work / "y.f32"
    columns = os.path.getsize(x) // os.path.getsize(y)
    command = ["logistic_fits", x, y, columns, 0, elastic_net_param, reg_param]
    answer = json.loads(subprocess.run([str(part) for part in command], check=True, capture_output=True).stdout)
    (fit,) = answer["fits"]
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return answer["seconds"], answer["iterations"], memory, fit["coefficients"], fit["intercepts"]


def scikit_learn(work, reg_param, elastic_net_param):
    from sklearn.linear_model import LogisticRegression

    x, y = read(work)
    # In double precision, without which its line search gives up early.
    x = x.astype(np.float64)
    saga = {"solver": "saga", "l1_ratio": elastic_net_param, "tol": SAGA_TOLERANCE, "random_state": 0}
    settings = saga if elastic_net_param else {"solver": "lbfgs", "tol": TOLERANCE}
    start = time.perf_counter()
    model = LogisticRegression(C=1 / (len(y) * reg_param), max_iter=ITERATIONS_MAX, **settings).fit(x, y)
    seconds = time.perf_counter() - start
    return seconds, model.n_iter_.max(), peak_of(), model.coef_, model.intercept_


def pyspark(work, reg_param, elastic_net_param):
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.linalg import DenseVector
    from pyspark.sql import SparkSession

    def part_rows(part):
        x, y = read(work)
        return ((float(y[row]), DenseVector(x[row])) for row in range(part, len(y), SPARK_CORES))

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{SPARK_CORES}]").config("spark.driver.memory", "4g")
    session = builder.config("spark.ui.enabled", "false").getOrCreate()
    parts = session.sparkContext.range(SPARK_CORES, numSlices=SPARK_CORES)
    table = parts.flatMap(part_rows).toDF(["label", "features"]).cache()
    table.count()
    estimator = LogisticRegression(
        regParam=reg_param, elasticNetParam=elastic_net_param, standardization=False, maxIter=ITERATIONS_MAX, tol=TOLERANCE
    )
    estimator.copy({estimator.maxIter: 1}).fit(table)  # The Java machine compiles what it runs often.
    start = time.perf_counter()
    model = estimator.fit(table)
    seconds = time.perf_counter() - start
    memory = peak_of(session.sparkContext._gateway.proc.pid)
    coefficients, intercepts = model.coefficientMatrix.toArray(), model.interceptVector.toArray()
    return seconds, model.summary.totalIterations, memory, coefficients, intercepts


PEERS = {"emberline": emberline, "scikit-learn": scikit_learn, "pyspark.ml": pyspark}


def why_without_spark():
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed"
    return None if shutil.which("java") else "there is no Java"


def fit_alone(peer, work, reg_param, elastic_net_param):
    """The whole of a process of its own."""
    answer = PEERS[peer](pathlib.Path(work), float(reg_param), float(elastic_net_param))
    json.dump(dict(zip(("seconds", "iterations", "memory", "coefficients", "intercepts"), answer)), sys.stdout,
              default=lambda value: value.tolist())


def compare(work, title, reg_param, elastic_net_param, peers):
    x, y = read(work)
    print(title)
    answers = {}
    for peer in peers:
        command = [sys.executable, __file__, "--alone", peer, work, reg_param, elastic_net_param]
        out = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE).stdout
        answers[peer] = answer = json.loads(out)
        coefficients = np.reshape(answer["coefficients"], (-1, x.shape[1]))
        answer["objective"] = objective(x, y, coefficients, answer["intercepts"], reg_param, elastic_net_param)
    lowest = min(answer["objective"] for answer in answers.values())
    for peer, answer in answers.items():
        print(
            f"  {peer:<13} {answer['seconds']:8.2f} s {answer['memory']:7.0f} MiB  {answer['iterations']:4} iterations"
            f"  {answer['seconds'] / answers['emberline']['seconds']:6.1f}x emberline's time"
            f"  objective above the lowest by {answer['objective'] / lowest - 1:.1e} of it"
        )


def main():
    if sys.argv[1:2] == ["--alone"]:
        return fit_alone(*sys.argv[2:])
    parser = argparse.ArgumentParser()
    for name, default in (("rows", 20_000), ("columns", 2_048), ("classes", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--tiny", action="store_true", help="a small problem, to see that it works; without pyspark")
    a = parser.parse_args()
    if a.tiny:
        a.rows, a.columns, a.classes = 200, 8, 3
    peers = ["emberline", "scikit-learn"]
    reason = "a Java machine starts too slowly for a small problem" if a.tiny else why_without_spark()
    if reason:
        print(f"pyspark.ml is left out: {reason}")
    else:
        peers.append("pyspark.ml")
    print(f"{a.rows} x {a.columns}, {os.cpu_count()} cores")
    for classes in (2, a.classes):
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            x, y = features.labelled(a.rows, a.columns, classes)
            x.tofile(work / "x.f32")
            y.astype(np.float32).tofile(work / "y.f32")
            compare(work, f"{classes} classes, ridge {REG_PARAM}", REG_PARAM, 0.0, peers)
            if classes == 2:
                title = f"{classes} classes, elastic net {ELASTIC_NET_REG_PARAM}, {ELASTIC_NET_PARAM:.0%} lasso"
                compare(work, title, ELASTIC_NET_REG_PARAM, ELASTIC_NET_PARAM, peers)


if __name__ == "__main__":
    sys.exit(main())
