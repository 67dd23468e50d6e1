"""A whole regularization path of multinomial logistic regression on every fold: `linear::fit_many`, which solves all of
them together, against scikit-learn's LogisticRegressionCV with a job per core, the same objective, on the same data.

    cargo xtask bench regularisation_path [--rows N --columns N --classes N --values N --folds N] [--tiny]

The data are features as a network gives them: non-negative, single precision, most of them small. Reported are both
times and, fit by fit, how far our objective is above scikit-learn's; negative means below.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

from common import features

STRENGTHS = (1e-3, 1.0)


def objective(x, y, coefficients, intercepts, strength):
    margins = x @ coefficients.T + intercepts
    largest = margins.max(axis=1)
    log_sums = largest + np.log(np.exp(margins - largest[:, None]).sum(axis=1))
    loss = (log_sums - margins[np.arange(len(y)), y]).mean()
    return loss + strength / 2 * (coefficients**2).sum()


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("rows", 5_000), ("columns", 1_280), ("classes", 7), ("values", 10), ("folds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only-ours", action="store_true", help="for sizes that scikit-learn takes too long for")
    parser.add_argument("--tiny", action="store_true", help="a small problem, to see that it works")
    a = parser.parse_args()
    if a.tiny:
        a.rows, a.columns, a.classes, a.values, a.folds = 120, 8, 3, 3, 2
    strengths = np.logspace(np.log10(STRENGTHS[0]), np.log10(STRENGTHS[1]), a.values)
    x, y = features.labelled(a.rows, a.columns, a.classes)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        x.tofile(work / "x.f32")
        y.astype(np.float32).tofile(work / "y.f32")
        command = ["logistic_fits", work / "x.f32", work / "y.f32", a.columns, a.folds, 0, *strengths]
        answer = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    ours = json.loads(answer)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{a.values} strengths x {a.folds} folds on {a.rows} x {a.columns}, {a.classes} classes, {os.cpu_count()} cores")
    print(f"  emberline                       {ours['seconds']:8.1f} s   {ours['iterations']} iterations, peak {memory:.0f} MiB")
    if a.only_ours:
        return

    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import PredefinedSplit

    folds = np.arange(a.rows) % a.folds
    train_rows = a.rows - a.rows // a.folds
    x64 = x.astype(np.float64)
    start = time.perf_counter()
    peer = LogisticRegressionCV(
        Cs=1 / (strengths * train_rows), cv=PredefinedSplit(folds), n_jobs=os.cpu_count(), max_iter=1_000,
        l1_ratios=(0,), use_legacy_attributes=True,
    ).fit(x64, y)
    seconds = time.perf_counter() - start
    print(f"  scikit-learn LogisticRegressionCV {seconds:6.1f} s   {seconds / ours['seconds']:.1f}x emberline's time")
    worst = -np.inf
    paths = np.stack([peer.coefs_paths_[label] for label in range(a.classes)], axis=-2)
    for i, strength in enumerate(strengths):
        for fold in range(a.folds):
            train = folds != fold
            path = paths[fold, np.argsort(-peer.Cs_)[np.argsort(np.argsort(strengths))][i]].reshape(a.classes, -1)
            theirs = objective(x64[train], y[train], path[:, :-1], path[:, -1], strength)
            worst = max(worst, (ours["fits"][i * a.folds + fold]["objective"] - theirs) / theirs)
    print(f"  our objective above theirs, at most {worst:.1e} of it")


if __name__ == "__main__":
    sys.exit(main())
