"""Fixture of `emberline-ml`'s predictors: what pyspark.ml and scikit-learn answer on small problems.

    pip install pyspark numpy scikit-learn         # Spark 4 needs Java 17
    python tools/goldens/predictors.py             # all
    python tools/goldens/predictors.py hinge       # or some of the sections, the others staying as they are

As in `ml.py`, the data come from formulas that the tests compute again (`tests/it/predictors.rs`). Spark stops short of the
optimum of hinges and of bounded problems, so the exact optima of these are computed beside.
"""

import json
import sys

import numpy as np
from pyspark.ml.classification import LinearSVC, LogisticRegression, NaiveBayes, OneVsRest
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.linalg import Matrices, Vectors
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession
from scipy.optimize import minimize
from sklearn.neighbors import KNeighborsClassifier

from ml import OUT, TOLERANCES, problem_data, uniform, write

LINEAR = [
    dict(name="squares", rows=120, features=5),
    dict(name="ridge", rows=120, features=5, regParam=0.3),
    dict(name="ridge_unstandardized", rows=120, features=5, regParam=0.3, standardization=False),
    dict(name="elastic_net", rows=120, features=8, regParam=0.2, elasticNetParam=0.5),
    dict(name="lasso_unstandardized", rows=120, features=8, regParam=0.1, elasticNetParam=1.0, standardization=False),
    dict(name="weighted", rows=120, features=5, regParam=0.05, weighted=True),
    dict(name="no_intercept", rows=120, features=5, regParam=0.1, fitIntercept=False),
    dict(name="constant_feature", rows=128, features=5, regParam=0.1, constant=True),
    dict(name="constant_label", rows=20, features=3, noise=0.0, constant_label=True),
]
HINGE = [
    dict(name="ridge", rows=150, features=5, classes=2, noise=2.0, regParam=0.1),
    dict(name="weak_ridge", rows=150, features=5, classes=2, noise=2.0, regParam=0.01),
    dict(name="unstandardized", rows=150, features=5, classes=2, noise=2.0, regParam=0.1, standardization=False),
    dict(name="weighted", rows=160, features=6, classes=2, noise=2.0, regParam=0.05, weighted=True),
    dict(name="no_intercept", rows=150, features=5, classes=2, noise=2.0, regParam=0.05, fitIntercept=False),
]
BOUNDS = [
    dict(name="binomial_not_negative", rows=150, features=5, classes=2, noise=3.0, lowerBoundsOnCoefficients=[0.0] * 5),
    dict(name="binomial_boxed", rows=150, features=5, classes=2, noise=2.0, regParam=0.05,
         lowerBoundsOnCoefficients=[-1.0, -0.1, -9.0, 0.1, -0.3], upperBoundsOnCoefficients=[1.0, 0.0, 9.0, 0.5, 1.0],
         lowerBoundsOnIntercepts=[0.2]),
    dict(name="multinomial_boxed", rows=180, features=4, classes=3, noise=2.0, regParam=0.02,
         lowerBoundsOnCoefficients=[-0.3] * 12, upperBoundsOnCoefficients=[0.2] * 12,
         lowerBoundsOnIntercepts=[-0.2] * 3, upperBoundsOnIntercepts=[0.3] * 3),
]
SETTINGS = ["regParam", "elasticNetParam", "fitIntercept", "standardization"]


def frame(spark, columns, rows):
    return spark.createDataFrame(rows, columns).coalesce(1).cache()


def settings_of(p):
    settings = {name: p[name] for name in SETTINGS if name in p}
    if p.get("weighted"):
        settings["weightCol"] = "weight"
    return settings


def classified(spark, p):
    x, labels, weights = problem_data(p)
    weights = weights or [1.0] * len(x)
    return frame(spark, ["label", "weight", "features"], [(y, w, Vectors.dense(v)) for v, y, w in zip(x, labels, weights)])


def linear_data(p):
    x, _, _ = problem_data(dict(p, classes=1, noise=0.0))
    labels, weights = [], []
    for i, row in enumerate(x):
        if p.get("constant"):
            row[2] = 3.5
        label = 2.0
        for j, value in enumerate(row):
            label += value * (uniform(30, j) - 0.5)
        label += uniform(31, i) - 0.5
        labels.append(7.0 if p.get("constant_label") else label)
        weights.append(0.0 if i % 17 == 0 else 0.25 + 2.0 * uniform(5, i))
    return x, labels, weights


def linear(spark):
    problems = []
    for p in LINEAR:
        rows = [(y, w, Vectors.dense(v)) for v, y, w in zip(*linear_data(p))]
        data = frame(spark, ["label", "weight", "features"], rows)
        answers = []
        for solver in ["normal", "l-bfgs"]:
            model = LinearRegression(**settings_of(p), **TOLERANCES["tight"], solver=solver).fit(data)
            summary = model.summary
            answers.append(dict(
                solver=solver, coefficients=model.coefficients.toArray().tolist(), intercept=model.intercept,
                objectiveHistory=list(summary.objectiveHistory), totalIterations=summary.totalIterations,
                metrics=dict(rmse=summary.rootMeanSquaredError, mse=summary.meanSquaredError, mae=summary.meanAbsoluteError,
                             r2=str(summary.r2), var=summary.explainedVariance),
                prediction=[row.prediction for row in model.transform(data).limit(5).collect()],
            ))
            print("linear", p["name"], solver, summary.totalIterations)
        problems.append({**p, "answers": answers})
    return problems


def hinge(spark):
    problems = []
    for p in HINGE:
        data = classified(spark, p)
        answers = {}
        for kind, stop in TOLERANCES.items():
            model = LinearSVC(**settings_of(p), **stop).fit(data)
            summary = model.summary()
            first = model.transform(data).limit(5).collect()
            answers[kind] = dict(
                **stop, coefficients=model.coefficients.toArray().tolist(), intercept=model.intercept,
                objective=summary.objectiveHistory[-1], iterations=summary.totalIterations,
                raw=[v for row in first for v in row.rawPrediction.toArray().tolist()],
                prediction=[row.prediction for row in model.transform(data).collect()],
            )
            print("hinge", p["name"], kind, summary.totalIterations)
        problems.append({**p, "answers": answers, "exact": exact_hinge(p)})
    return problems


def standardized(p):
    """Features, labels, weights, and the features' weighted unbiased deviations."""
    x, y, w = problem_data(p)
    x, y = np.array(x), np.array(y)
    w = np.ones(len(y)) if w is None else np.array(w)
    mean = w @ x / w.sum()
    deviation = np.sqrt(w @ (x - mean) ** 2 / (w.sum() - (w @ w) / w.sum()))
    return x, y, w, deviation


def exact_hinge(p):
    """The optimum of Spark's objective: a smoothed hinge tells which rows lie on the kink, linear equations the rest."""
    x, y, w, deviation = standardized(p)
    scale = deviation if p.get("standardization", True) else np.ones(x.shape[1])
    intercept = p.get("fitIntercept", True)
    z = np.column_stack([x / scale, np.ones(len(y))]) if intercept else x / scale
    penalty = np.full(z.shape[1], p["regParam"])
    penalty[x.shape[1]:] = 0.0
    sign, share = 2 * y - 1, w / w.sum()

    def smoothed(beta, width):
        short = 1.0 - sign * (z @ beta)
        slope = np.clip(short / width, 0.0, 1.0)
        value = share @ np.where(short > width, short - width / 2, slope * short / 2) + penalty @ beta**2 / 2
        return value, -(share * sign * slope) @ z + penalty * beta

    beta = np.zeros(z.shape[1])
    for width in 10.0 ** -np.arange(0.0, 7.0, 0.5):
        beta = minimize(smoothed, beta, (width,), jac=True, method="L-BFGS-B", options=dict(maxiter=10**5, maxfun=10**6, ftol=0, gtol=1e-12, maxcor=30)).x
    for distance in 10.0 ** np.arange(-6.0, -1.0, 0.25):
        short = 1.0 - sign * (z @ beta)
        kink, wrong = (np.abs(short) < distance) & (share > 0), (short >= distance) & (share > 0)
        # penalty * beta = sum of share * sign * z over wrong rows + sum of a * sign * z over those on the kink, margins 1 there.
        on = (sign[:, None] * z)[kink]
        system = np.block([[np.diag(penalty), -on.T], [on, np.zeros((len(on), len(on)))]])
        right = np.concatenate([(share * sign)[wrong] @ z[wrong], np.ones(len(on))])
        solution = np.linalg.lstsq(system, right, rcond=None)[0]
        found, a = solution[:z.shape[1]], solution[z.shape[1]:]
        short = 1.0 - sign * (z @ found)
        fits = np.abs(system @ solution - right).max() < 1e-12 and (a >= -1e-12).all() and (a <= share[kink] + 1e-12).all()
        if fits and (short[wrong] > 0).all() and (short[~wrong & ~kink & (share > 0)] < 0).all():
            objective = share @ np.maximum(0.0, short) + penalty @ found**2 / 2
            coefficients = found[:x.shape[1]] / scale
            return dict(coefficients=coefficients.tolist(), intercept=found[-1] if intercept else 0.0, objective=objective)
    raise AssertionError(p["name"])


def bayes_data(kind, rows=90, features=6, classes=3):
    out = []
    for i in range(rows):
        label = float(int(uniform(32, i) * classes))
        row = []
        for j in range(features):
            value = uniform(33, i * features + j) + (0.4 if j % classes == label else 0.0)
            row.append(float(int(value * 5.0)) if kind in ["multinomial", "complement"] else float(value > 0.6) if kind == "bernoulli" else value * 3.0 - 1.0)
        out.append((label, 0.25 + 2.0 * uniform(34, i), Vectors.dense(row)))
    return out


def bayes(spark):
    cases = []
    for kind in ["multinomial", "complement", "bernoulli", "gaussian"]:
        for weighted, smoothing in [(False, 1.0), (True, 0.5)]:
            data = frame(spark, ["label", "weight", "features"], bayes_data(kind))
            settings = dict(weightCol="weight") if weighted else {}
            model = NaiveBayes(modelType=kind, smoothing=smoothing, **settings).fit(data)
            rows = model.transform(data).collect()
            flat = lambda column, count: [v for row in rows[:count] for v in row[column].toArray().tolist()]
            decided = NaiveBayes(modelType=kind, smoothing=smoothing, thresholds=[0.2, 0.5, 0.7], **settings).fit(data)
            cases.append(dict(
                modelType=kind, weighted=weighted, smoothing=smoothing, pi=model.pi.toArray().tolist(),
                theta=model.theta.toArray().ravel().tolist(), sigma=model.sigma.toArray().ravel().tolist(),
                raw=flat("rawPrediction", 5), probability=flat("probability", 5),
                prediction=[row.prediction for row in rows],
                thresholded=[row.prediction for row in decided.transform(data).collect()],
            ))
    return cases


def one_vs_rest(spark):
    p = dict(rows=180, features=5, classes=3, noise=1.0, weighted=True)
    data = classified(spark, p)
    cases = []
    for classifier in ["LogisticRegression", "NaiveBayes"]:
        inner = LogisticRegression(regParam=0.01, tol=1e-13, maxIter=1000) if classifier == "LogisticRegression" else NaiveBayes(modelType="gaussian")
        model = OneVsRest(classifier=inner, weightCol="weight").fit(data)
        rows = model.transform(data).collect()
        cases.append(dict(
            classifier=classifier, problem=p, raw=[v for row in rows[:5] for v in row.rawPrediction.toArray().tolist()],
            prediction=[row.prediction for row in rows],
        ))
    return cases


def blobs(rows=90, features=4, k=3, spread=1.0):
    """Rows around k centres on the axes; the cluster is the row's number modulo k."""
    out = []
    for i in range(rows):
        row = []
        for j in range(features):
            row.append((8.0 if j == i % k else 1.0) + spread * (uniform(35, i * features + j) - 0.5))
        out.append((i, float(i % k), 0.25 + 2.0 * uniform(36, i), Vectors.dense(row)))
    return out


def clusters(spark):
    cases = []
    data = frame(spark, ["id", "prediction", "weight", "features"], blobs()).drop("prediction").cache()
    for distance in ["euclidean", "cosine"]:
        for weighted in [False, True]:
            for mode in ["k-means||", "random"]:
                settings = dict(weightCol="weight") if weighted else {}
                for seed in range(50):
                    model = KMeans(k=3, tol=0.0, distanceMeasure=distance, initMode=mode, seed=seed, **settings).fit(data)
                    if min(model.summary.clusterSizes) == 30:
                        break
                cases.append(dict(
                    distanceMeasure=distance, weighted=weighted, initMode=mode,
                    centers=sorted(center.tolist() for center in model.clusterCenters()),
                    trainingCost=model.summary.trainingCost, numIter=model.summary.numIter,
                    sizes=list(model.summary.clusterSizes),
                ))
                print("k-means", distance, weighted, mode, model.summary.numIter, model.summary.clusterSizes)
    return cases


def silhouettes(spark):
    cases = []
    data = frame(spark, ["id", "prediction", "weight", "features"], blobs(spread=14.0) + [(90, 3.0, 1.5, Vectors.dense([9.0, 9.0, -1.0, 2.0]))])
    for distance in ["squaredEuclidean", "cosine"]:
        for weighted in [False, True]:
            evaluator = ClusteringEvaluator(distanceMeasure=distance)
            if weighted:
                evaluator.setWeightCol("weight")
            cases.append(dict(distanceMeasure=distance, weighted=weighted, value=evaluator.evaluate(data)))
    return cases


def neighbors(_):
    p = dict(rows=140, features=6, classes=3, noise=1.5)
    x, labels, _ = problem_data(p)
    cases = []
    for metric in ["euclidean", "cosine"]:
        for weights in ["uniform", "distance"]:
            for k in [1, 4, 7]:
                # A tree's distances keep the digits that scikit-learn's product of matrices loses near 0.
                algorithm = "kd_tree" if metric == "euclidean" else "brute"
                model = KNeighborsClassifier(k, weights=weights, metric=metric, algorithm=algorithm).fit(x[:120], labels[:120])
                asked = x[110:]
                cases.append(dict(metric=metric, weights=weights, k=k, problem=p, probability=model.predict_proba(asked).ravel().tolist(),
                                  prediction=model.predict(asked).tolist()))
    return cases


def bounds(spark):
    problems = []
    for p in BOUNDS:
        data = classified(spark, p)
        d, sets = p["features"], p["classes"] if p["classes"] > 2 else 1
        settings = settings_of(p)
        for name in ["lowerBoundsOnCoefficients", "upperBoundsOnCoefficients"]:
            if name in p:
                settings[name] = Matrices.dense(sets, d, np.array(p[name]).reshape(sets, d).ravel(order="F").tolist())
        for name in ["lowerBoundsOnIntercepts", "upperBoundsOnIntercepts"]:
            if name in p:
                settings[name] = Vectors.dense(p[name])
        model = LogisticRegression(**settings, **TOLERANCES["tight"]).fit(data)
        problems.append({**p, "answers": dict(
            coefficients=model.coefficientMatrix.toArray().ravel().tolist(), intercepts=model.interceptVector.toArray().tolist(),
            objective=model.summary.objectiveHistory[-1], iterations=model.summary.totalIterations), "exact": exact_bounded(p)})
        print("bounds", p["name"], model.summary.totalIterations)
    return problems


def exact_bounded(p):
    """The optimum of Spark's objective within bounds: L-BFGS-B tells which parameters are free, Newton's method finds those."""
    x, y, w, deviation = standardized(p)
    n, d = x.shape
    sets = p["classes"] if p["classes"] > 2 else 1
    total, reg = w.sum(), p.get("regParam", 0.0)
    one = np.column_stack([x / deviation, np.ones(n)])
    shape = (sets, d + 1)
    penalty = np.broadcast_to(np.append(np.full(d, reg), 0.0), shape).ravel()

    def evaluate(flat):
        margins = one @ flat.reshape(shape).T
        full = margins if sets > 1 else np.column_stack([np.zeros(n), margins[:, 0]])
        top = full.max(axis=1)
        log_sum = top + np.log(np.exp(full - top[:, None]).sum(axis=1))
        share = np.exp(full - log_sum[:, None])
        own = np.arange(full.shape[1]) == y[:, None]
        residual = (share - own)[:, -sets:]
        value = w @ (log_sum - full[own]) / total + penalty @ flat**2 / 2
        gradient = ((w[:, None] * residual).T @ one / total).ravel() + penalty * flat
        share = share[:, -sets:]
        hessian = np.zeros((len(flat), len(flat)))
        for a in range(sets):
            for b in range(sets):
                v = w * (share[:, a] * (a == b) - share[:, a] * share[:, b]) / total
                hessian[a * (d + 1):(a + 1) * (d + 1), b * (d + 1):(b + 1) * (d + 1)] = one.T @ (v[:, None] * one)
        return value, gradient, hessian + np.diag(penalty)

    def side(name, infinity):
        coefficients = np.array(p.get(f"{name}BoundsOnCoefficients", [infinity] * sets * d)).reshape(sets, d) * deviation
        intercepts = np.array(p.get(f"{name}BoundsOnIntercepts", [infinity] * sets))
        return np.column_stack([coefficients, intercepts]).ravel()

    lower, upper = side("lower", -np.inf), side("upper", np.inf)
    start = np.clip(np.zeros(len(lower)), lower, upper)
    options = dict(maxiter=10000, ftol=1e-16, gtol=1e-12)
    flat = minimize(lambda v: evaluate(v)[:2], start, jac=True, method="L-BFGS-B", bounds=list(zip(lower, upper)), options=options).x
    for _ in range(20):
        value, gradient, hessian = evaluate(flat)
        held = ((flat <= lower) & (gradient > 0)) | ((flat >= upper) & (gradient < 0))
        free = ~held
        flat[free] -= np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        flat = np.clip(flat, lower, upper)
    value, gradient, _ = evaluate(flat)
    inside = (flat > lower) & (flat < upper)
    assert np.abs(gradient[inside]).max(initial=0.0) < 1e-12 and (gradient[flat <= lower] >= 0).all() and (gradient[flat >= upper] <= 0).all()
    parameters = flat.reshape(shape)
    return dict(coefficients=(parameters[:, :d] / deviation).ravel().tolist(), intercepts=parameters[:, d].tolist(), objective=value)


def summaries(spark):
    cases = []
    for p in [dict(rows=150, features=5, classes=2, noise=3.0, weighted=True), dict(rows=180, features=5, classes=3, noise=3.0)]:
        data = classified(spark, p)
        settings = settings_of(p)
        model = LogisticRegression(regParam=0.01, **TOLERANCES["tight"], **settings).fit(data)
        case = dict(problem=p)
        for name, s in [("training", model.summary), ("evaluated", model.evaluate(data.limit(100)))]:
            values = dict(
                accuracy=s.accuracy, labels=list(s.labels), weightedPrecision=s.weightedPrecision, weightedRecall=s.weightedRecall,
                weightedTruePositiveRate=s.weightedTruePositiveRate, weightedFalsePositiveRate=s.weightedFalsePositiveRate,
                weightedFMeasure=s.weightedFMeasure(0.5), precisionByLabel=list(s.precisionByLabel), recallByLabel=list(s.recallByLabel),
                truePositiveRateByLabel=list(s.truePositiveRateByLabel), falsePositiveRateByLabel=list(s.falsePositiveRateByLabel),
                fMeasureByLabel=list(s.fMeasureByLabel(2.0)),
            )
            if p["classes"] == 2:
                points = lambda table: [v for row in table.collect() for v in row]
                values.update(areaUnderROC=s.areaUnderROC, roc=points(s.roc), pr=points(s.pr), precisionByThreshold=points(s.precisionByThreshold)[:20],
                              recallByThreshold=points(s.recallByThreshold)[:20], fMeasureByThreshold=points(s.fMeasureByThreshold)[:20])
            case[name] = values
        cases.append(case)
    return cases


def main():
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", False).config("spark.sql.shuffle.partitions", 1).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    sections = {f.__name__: f for f in [linear, hinge, bayes, one_vs_rest, clusters, silhouettes, neighbors, bounds, summaries]}
    path = OUT / "predictors.json"
    content = json.loads(path.read_text())["content"] if len(sys.argv) > 1 else {}
    for name in sys.argv[1:] or sections:
        content[name] = sections[name](spark)
        write("predictors.json", content)


if __name__ == "__main__":
    sys.exit(main())
