"""Fixtures of `emberline-ml`: what pyspark.ml answers on small problems.

    pip install pyspark numpy            # Spark 4 needs Java 17
    python tools/goldens/ml.py           # all
    python tools/goldens/ml.py logistic  # or some of: logistic metrics features

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
from pyspark.ml.feature import (
    PCA,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    SQLTransformer,
    StandardScaler,
    StringIndexer,
    VectorAssembler,
    VectorSizeHint,
)
from pyspark.ml.linalg import DenseVector, SparseVector, Vectors, VectorUDT
from pyspark.mllib.evaluation import MulticlassMetrics
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

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


def vectors_data(rows, features):
    """Vectors whose scales and shifts differ by feature; the third feature is constant."""
    def number(i, j):
        base = uniform(17, i * features + j) + uniform(18, i * features + j) - 1.0
        return 3.7 if j == 2 else base * SCALES[j % 4] + SHIFTS[j % 4]
    return [[number(i, j) for j in range(features)] for i in range(rows)]


def features(spark):
    stages = [scalers, normalizer, pca, assembler, one_hot, indexer, sql]
    write("features.json", {stage.__name__: stage(spark) for stage in stages})


def plain(value):
    """As JSON: vectors as lists, what is not finite as a text."""
    if isinstance(value, (DenseVector, SparseVector)):
        return plain(value.toArray().tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def column(frame, name):
    """The values of a column, or what Spark says is wrong with them."""
    return attempt(lambda: plain([row[name] for row in frame.select(name).collect()]))


def attempt(call):
    try:
        return call()
    except Exception as error:
        return dict(error=" ".join(str(error).split())[:300])


def vector_schema(others, vector):
    """A schema of some columns in SQL's words, and one of vectors."""
    return StructType.fromDDL(others).add(vector, VectorUDT())


def vectors_frame(spark, rows):
    return spark.createDataFrame([(Vectors.dense(v),) for v in rows], ["x"]).coalesce(1).cache()


def scalers(spark):
    out = []
    for rows, nan in [(40, False), (40, True), (1, False)]:
        data = vectors_data(rows, 6)
        if nan:
            data[1][0] = float("nan")
        frame = vectors_frame(spark, data)
        case = dict(rows=rows, features=6, nan=nan, standard=[], minMax=[])
        for mean, std in [(False, True), (True, True), (True, False), (False, False)]:
            model = StandardScaler(inputCol="x", outputCol="y", withMean=mean, withStd=std).fit(frame)
            case["mean"], case["std"] = plain(model.mean), plain(model.std)
            case["standard"].append(dict(withMean=mean, withStd=std, output=column(model.transform(frame.limit(3)), "y")))
        for least, most in [(0.0, 1.0), (-2.0, 5.0)]:
            model = MinMaxScaler(inputCol="x", outputCol="y", min=least, max=most).fit(frame)
            case["originalMin"], case["originalMax"] = plain(model.originalMin), plain(model.originalMax)
            case["minMax"].append(dict(min=least, max=most, output=column(model.transform(frame.limit(3)), "y")))
        out.append(case)
    return out


def normalizer(spark):
    data = [*vectors_data(4, 6), [0.0] * 6, [1.0, float("nan"), -3.0, 0.0, 0.0, 2.0]]
    frame = vectors_frame(spark, data)
    powers = [1.0, 1.5, 2.0, 3.0, float("inf")]
    return [
        dict(p=plain(p), output=column(Normalizer(inputCol="x", outputCol="y", p=p).transform(frame), "y")) for p in powers
    ]


def pca(spark):
    out = []
    for rows, size, k in [(40, 6, 3), (300, 12, 12), (9, 20, 4)]:
        frame = vectors_frame(spark, vectors_data(rows, size))
        model = PCA(inputCol="x", outputCol="y", k=k).fit(frame)
        components = model.pc.toArray().T.ravel().tolist()
        case = dict(rows=rows, features=size, k=k, components=components, explainedVariance=plain(model.explainedVariance))
        out.append({**case, "output": column(model.transform(frame.limit(3)), "y")})
    return out


# The tests make these tables with the same SQL.
MIXED = """SELECT * FROM VALUES (1, 0.5D, true), (CAST(NULL AS INT), 2.0D, false), (3, CAST('NaN' AS DOUBLE), true),
           (4, CAST(NULL AS DOUBLE), CAST(NULL AS BOOLEAN)), (5, -0.25D, false) AS t (n, x, b)"""


def assembler(spark):
    vectors = [[10.0, 11.0], [20.0, 21.0], [30.0, 31.0], [40.0, float("nan")], [50.0, float("nan")]]
    mixed = [tuple(row) for row in spark.sql(MIXED).collect()]
    schema = "n int, x double, b boolean"
    out = {}
    for invalid in ["error", "skip", "keep"]:
        stage = VectorAssembler(inputCols=["b", "x", "v", "n"], outputCol="y", handleInvalid=invalid)
        for null_vector in [False, True]:
            rows = [(*row, Vectors.dense(v)) for row, v in zip(mixed, vectors)]
            if null_vector:
                rows = [(*mixed[0], None), rows[4]]
            frame = spark.createDataFrame(rows, vector_schema(schema, "v")).coalesce(1)
            frame = VectorSizeHint(inputCol="v", size=2, handleInvalid="optimistic").transform(frame)
            out[invalid + ("_null_vector" if null_vector else "")] = column(stage.transform(frame), "y")
    return out


def one_hot(spark):
    learned = spark.createDataFrame([(0.0, 1.0), (3.0, 0.0), (1.0, 0.0), (2.0, 1.0)], ["a", "b"]).coalesce(1)
    cases = []
    for drop in [True, False]:
        for invalid in ["error", "keep"]:
            settings = dict(dropLast=drop, handleInvalid=invalid)
            model = OneHotEncoder(inputCols=["a", "b"], outputCols=["c", "d"], **settings).fit(learned)
            for values in [[0.0, 2.0, 3.0, 1.5, None], [0.0, 4.0], [0.0, -1.0], [0.0, float("nan")]]:
                frame = spark.createDataFrame([(v, 1.0) for v in values], "a double, b double").coalesce(1)
                answers = model.transform(frame)
                cases.append(dict(**settings, values=plain(values), c=column(answers, "c"), d=column(answers, "d")))
    refused = {}
    for name, value in dict(fraction=1.5, negative=-1.0, null=None, nan=float("nan")).items():
        frame = spark.createDataFrame([(0.0,), (value,)], "a double").coalesce(1)
        refused[name] = attempt(lambda: OneHotEncoder(inputCol="a", outputCol="c").fit(frame).categorySizes)
    words = spark.createDataFrame([("a",), ("b",), ("c",)], ["s"]).coalesce(1)
    indexed = StringIndexer(inputCol="s", outputCol="a", handleInvalid="keep").fit(words).transform(words)
    sizes = OneHotEncoder(inputCol="a", outputCol="c").fit(indexed.limit(1)).categorySizes
    return dict(cases=cases, refused=refused, sizes_from_labels=sizes)


LABELLED = """SELECT * FROM VALUES ('b', 2.5D), ('a', 1.0D), (CAST(NULL AS STRING), 1.0D), ('b', CAST('NaN' AS DOUBLE)),
              ('c', CAST(NULL AS DOUBLE)), ('a', 10.0D) AS t (s, x)"""


def indexer(spark):
    learned = spark.sql(LABELLED).coalesce(1)
    given = spark.sql(LABELLED + " UNION ALL SELECT 'new', 1.0D").coalesce(1)
    cases = []
    for order in ["frequencyDesc", "frequencyAsc", "alphabetDesc", "alphabetAsc"]:
        for invalid in ["error", "skip", "keep"]:
            stage = StringIndexer(inputCols=["s", "x"], outputCols=["i", "j"], stringOrderType=order, handleInvalid=invalid)
            model = stage.fit(learned)
            answers = model.transform(given)
            cases.append(dict(order=order, invalid=invalid, labels=[list(labels) for labels in model.labelsArray],
                              i=column(answers, "i"), j=column(answers, "j")))
    missing = StringIndexer(inputCol="s", outputCol="i").fit(learned).transform(given.drop("s")).columns
    return dict(cases=cases, missing=missing)


STATEMENTS = [
    "SELECT *, (v1 + v2) AS v3, (v1 * v2) AS rawProduct FROM __THIS__",
    "SELECT a, a + b AS sumOfBoth FROM (SELECT v1 AS a, v2 AS b FROM __THIS__ WHERE id <> 2) AS t",
    "SELECT id % 2 AS odd, SUM(v1) AS total, COUNT(*) AS n FROM __THIS__ GROUP BY id % 2 ORDER BY odd",
    "WITH t AS (SELECT id, v1 FROM __THIS__) SELECT t.id, u.v2 FROM t JOIN __THIS__ AS u ON t.id = u.id ORDER BY t.id DESC",
]


def sql(spark):
    frame = spark.createDataFrame([(0, 1.0, 3.0), (2, 2.0, 5.0), (3, 4.0, -1.0)], "id int, v1 double, v2 double").coalesce(1)
    answers = [SQLTransformer(statement=statement).transform(frame) for statement in STATEMENTS]
    return [
        dict(statement=statement, columns=answer.columns, rows=[[float(v) for v in row] for row in answer.collect()])
        for statement, answer in zip(STATEMENTS, answers)
    ]


def write(name, content):
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(pyspark=pyspark.__version__, content=content), indent=None, separators=(",", ":"))
    (OUT / name).write_text(text + "\n")


def main():
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", False).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    sections = {section.__name__: section for section in [logistic, metrics, features]}
    for name in sys.argv[1:] or sections:
        sections[name](spark)


if __name__ == "__main__":
    main()
