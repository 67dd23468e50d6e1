"""Fixtures of `emberline-ml`: what pyspark.ml answers on small problems.

    pip install pyspark numpy            # Spark 4 needs Java 17
    python tools/goldens/ml.py           # all
    python tools/goldens/ml.py logistic  # or one of: logistic metrics

The data come from a formula of integers and of exactly rounded sums and products, which the tests compute again
(`tests/it/linear.rs`), so the fixtures hold only the settings and Spark's answers. Every problem is solved twice: at the
default tolerance, where Spark stops a little short of the optimum, and at a tight one, where it does not.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyspark
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import (
    BinaryClassificationEvaluator,
    MulticlassClassificationEvaluator,
    RegressionEvaluator,
)
from pyspark.ml.linalg import Vectors
from pyspark.mllib.evaluation import MulticlassMetrics
from pyspark.sql import SparkSession

OUT = Path(__file__).parents[2] / "crates/emberline-ml/tests/fixtures"
MASK = (1 << 64) - 1
SCALES = [1.0, 10.0, 0.125, 3.0]
SHIFTS = [0.0, 5.0, -1.0, 0.5]

# Which rows, which likelihood and which penalty. `values`: plain (scales and shifts that differ by feature), constant
# (the same with a constant feature), image (non-negative single-precision, as a network's features are).
PROBLEMS = [
    dict(name="binomial", rows=150, features=5, classes=2, noise=3.0),
    dict(name="binomial_ridge_unstandardized", rows=150, features=5, classes=2, noise=2.0, regParam=0.1, standardization=False),
    dict(name="binomial_elastic_net", rows=150, features=8, classes=2, noise=2.0, regParam=0.05, elasticNetParam=0.5),
    dict(name="binomial_lasso_unstandardized", rows=150, features=8, classes=2, noise=2.0, regParam=0.02, elasticNetParam=1.0, standardization=False),
    dict(name="binomial_weighted", rows=160, features=6, classes=2, noise=2.0, regParam=0.01, weighted=True),
    dict(name="binomial_no_intercept", rows=150, features=5, classes=2, noise=2.0, regParam=0.05, fitIntercept=False),
    dict(name="binomial_constant_feature", rows=120, features=5, classes=2, noise=2.0, regParam=0.01, values="constant"),
    dict(name="binomial_nearly_separable", rows=200, features=4, classes=2, noise=0.3),
    dict(name="multinomial", rows=180, features=5, classes=3, noise=3.0),
    dict(name="multinomial_ridge", rows=200, features=6, classes=4, noise=2.0, regParam=0.1),
    dict(name="multinomial_elastic_net", rows=200, features=8, classes=3, noise=2.0, regParam=0.03, elasticNetParam=0.4),
    dict(name="multinomial_elastic_net_unstandardized", rows=200, features=8, classes=3, noise=2.0, regParam=0.02, elasticNetParam=0.6, standardization=False),
    dict(name="multinomial_weighted_no_intercept", rows=200, features=6, classes=3, noise=2.0, regParam=0.02, weighted=True, fitIntercept=False, values="constant"),
    dict(name="multinomial_of_two_classes", rows=150, features=5, classes=2, noise=2.0, regParam=0.05, family="multinomial"),
    dict(name="multinomial_image_features", rows=120, features=40, classes=5, noise=1.0, regParam=0.01, values="image"),
    dict(name="binomial_one_class", rows=20, features=3, classes=1, noise=1.0),
    dict(name="multinomial_one_class", rows=20, features=3, classes=1, noise=1.0, family="multinomial"),
]
TOLERANCES = {"default": dict(tol=1e-6, maxIter=100), "tight": dict(tol=1e-13, maxIter=1000)}
METRICS = [
    "f1", "accuracy", "weightedPrecision", "weightedRecall", "weightedTruePositiveRate", "weightedFalsePositiveRate",
    "weightedFMeasure", "truePositiveRateByLabel", "falsePositiveRateByLabel", "precisionByLabel", "recallByLabel",
    "fMeasureByLabel", "logLoss", "hammingLoss",
]


def uniform(stream, index):
    """A number in [0, 1): splitmix64 of the place."""
    z = ((stream << 32) + index + 1) * 0x9E3779B97F4A7C15 & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return ((z ^ z >> 31) >> 11) * 2.0**-53


def problem_data(p):
    """Features, labels and weights of a problem."""
    n, d, k = p["rows"], p["features"], p["classes"]
    values = p.get("values", "plain")
    x, labels, weights = [], [], []
    for i in range(n):
        base = [uniform(1, i * d + j) + uniform(2, i * d + j) - 1.0 for j in range(d)]
        if values == "image":
            row = [float(np.float32(max(b * 0.75 + 0.25, 0.0))) for b in base]
        else:
            row = [b * SCALES[j % 4] + SHIFTS[j % 4] for j, b in enumerate(base)]
        if values == "constant":
            row[2] = 3.7
        scores = []
        for c in range(k):
            score = p["noise"] * (uniform(3, i * k + c) - 0.5)
            for j in range(d):
                score += base[j] * (uniform(4, c * d + j) - 0.5)
            scores.append(score)
        x.append(row)
        labels.append(float(scores.index(max(scores))))
        weights.append(0.0 if i % 17 == 0 else 0.25 + 2.0 * uniform(5, i))
    return x, labels, weights if p.get("weighted") else None


def logistic(spark):
    names = ["regParam", "elasticNetParam", "fitIntercept", "standardization", "family"]
    problems = []
    for p in PROBLEMS:
        x, labels, weights = problem_data(p)
        rows = [(y, w, Vectors.dense(v)) for v, y, w in zip(x, labels, weights or [1.0] * len(x))]
        frame = spark.createDataFrame(rows, ["label", "weight", "features"]).coalesce(1).cache()
        answers = {}
        for kind, stop in TOLERANCES.items():
            settings = {name: p[name] for name in names if name in p}
            if weights:
                settings["weightCol"] = "weight"
            model = LogisticRegression(**settings, **stop).fit(frame)
            first = model.transform(frame.limit(5)).collect()
            answers[kind] = dict(
                **stop,
                numClasses=model.numClasses,
                coefficients=model.coefficientMatrix.toArray().ravel().tolist(),
                intercepts=[str(v) if np.isinf(v) else v for v in model.interceptVector.toArray().tolist()],
                objective=model.summary.objectiveHistory[-1],
                iterations=model.summary.totalIterations,
                probability=[v for row in first for v in row.probability.toArray().tolist()],
                prediction=[row.prediction for row in first],
            )
            print(p["name"], kind, model.summary.totalIterations, "iterations")
        problems.append({**p, "answers": answers})
    write("logistic.json", problems)


def metrics_data(classes, rows):
    """Labels, predictions, probabilities and weights; the last class is predicted but never true."""
    out = []
    for i in range(rows):
        label = float(int(uniform(6, i) * (classes - 1)))
        prediction = label if uniform(7, i) < 0.6 else float(int(uniform(8, i) * classes))
        shares = [uniform(9, i * classes + c) + (1.0 if float(c) == prediction else 0.0) for c in range(classes)]
        if i == 3:
            shares = [1.0 if c == label else 0.0 for c in range(classes)]
        if i == 4:
            shares = [0.0 if c == label else 1.0 for c in range(classes)]
        total = sum(shares)
        out.append((label, prediction, [s / total for s in shares], 0.25 + 2.0 * uniform(10, i)))
    return out


def metrics(spark):
    write("metrics.json", dict(multiclass=multiclass(spark), binary=binary(spark), regression=regression(spark)))


def multiclass(spark):
    classes, n = 4, 80
    data = metrics_data(classes, n)
    rows = [(y, p, Vectors.dense(q), w) for y, p, q, w in data]
    frame = spark.createDataFrame(rows, ["label", "prediction", "probability", "weight"]).coalesce(1).cache()
    cases = []
    for weighted in [False, True]:
        for label, beta in [(0.0, 1.0), (2.0, 0.5), (1.0, 2.0)]:
            values = {}
            for name in METRICS:
                evaluator = MulticlassClassificationEvaluator(metricName=name, metricLabel=label, beta=beta)
                if weighted:
                    evaluator.setWeightCol("weight")
                values[name] = evaluator.evaluate(frame)
                values[name + "_larger"] = evaluator.isLargerBetter()
            cases.append(dict(weighted=weighted, metricLabel=label, beta=beta, values=values))
        tuples = [(p, y, w) if weighted else (p, y) for y, p, _, w in data]
        matrix = MulticlassMetrics(spark.sparkContext.parallelize(tuples)).confusionMatrix()
        cases[-1]["confusion"] = matrix.toArray().ravel().tolist()
    return dict(classes=classes, rows=n, cases=cases)


def binary(spark):
    """Scores in sixteenths (so that many are equal) and all different."""
    cases = []
    for rows, ties in [(90, True), (90, False)]:
        data = []
        for i in range(rows):
            label = float(uniform(11, i) < 0.4)
            score = uniform(12, i) + 0.5 * label
            data.append((float(int(score * 16.0)) / 16.0 if ties else score, label, 0.25 + 2.0 * uniform(13, i)))
        frame = spark.createDataFrame(data, ["rawPrediction", "label", "weight"]).coalesce(1).cache()
        for weighted in [False, True]:
            for bins in [0, 1000, 10]:
                evaluator = BinaryClassificationEvaluator(numBins=bins)
                if weighted:
                    evaluator.setWeightCol("weight")
                values = {m: evaluator.setMetricName(m).evaluate(frame) for m in ["areaUnderROC", "areaUnderPR"]}
                cases.append(dict(rows=rows, ties=ties, weighted=weighted, numBins=bins, values=values))
    return cases


def regression(spark):
    rows, cases = 70, []
    data = []
    for i in range(rows):
        label = 4.0 * uniform(14, i) + 1.0
        data.append((label, label + uniform(15, i) - 0.4, 0.25 + 2.0 * uniform(16, i)))
    frame = spark.createDataFrame(data, ["label", "prediction", "weight"]).coalesce(1).cache()
    for weighted in [False, True]:
        for origin in [False, True]:
            evaluator = RegressionEvaluator(throughOrigin=origin)
            if weighted:
                evaluator.setWeightCol("weight")
            names = ["rmse", "mse", "r2", "mae", "var"]
            values = {m: evaluator.setMetricName(m).evaluate(frame) for m in names}
            cases.append(dict(rows=rows, weighted=weighted, throughOrigin=origin, values=values))
    return cases


def write(name, content):
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(pyspark=pyspark.__version__, content=content), indent=None, separators=(",", ":"))
    (OUT / name).write_text(text + "\n")


def main():
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", False).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for name in sys.argv[1:] or ["logistic", "metrics"]:
        {"logistic": logistic, "metrics": metrics}[name](spark)


if __name__ == "__main__":
    main()
