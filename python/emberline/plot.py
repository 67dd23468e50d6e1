"""Pictures of results, drawn by matplotlib (``pip install 'emberline[plot]'``)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emberline._html import _thumbnail, class_names
from emberline.column import col, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from emberline.dataframe import DataFrame
    from emberline.ml.param import Param

__all__ = ["confusion_matrix", "learning_curves", "tuning", "worst_mistakes"]


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as pyplot
    except ImportError as error:
        raise ImportError("pictures are drawn by matplotlib: pip install 'emberline[plot]'") from error
    return pyplot


def confusion_matrix(
    df: DataFrame, labelCol: str = "label", predictionCol: str = "prediction", ax: Axes | None = None
) -> Axes:
    """How often each label was predicted as which: labels down, predictions across. Rows with a null are left out."""
    counts = (
        df.select(col(labelCol).cast("DOUBLE").alias("label"), col(predictionCol).cast("DOUBLE").alias("prediction"))
        .filter("label IS NOT NULL AND prediction IS NOT NULL")
        .to_arrow()
        .group_by(["label", "prediction"])
        .aggregate([([], "count_all")])
        .to_pylist()
    )
    size = int(max((max(row["label"], row["prediction"]) for row in counts), default=-1)) + 1
    matrix = np.zeros((size, size), dtype=np.int64)
    for row in counts:
        matrix[int(row["label"]), int(row["prediction"])] = row["count_all"]
    names = class_names(df.schema.field(predictionCol))[:size]
    names += [str(i) for i in range(len(names), size)]
    axes: Axes = ax or _pyplot().subplots()[1]
    axes.imshow(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="label", xticks=range(size), yticks=range(size), yticklabels=names)
    axes.set_xticks(range(size), names, rotation=45, ha="right")
    for (i, j), count in np.ndenumerate(matrix):
        if count:
            dark = count > matrix[i].sum() / 2
            axes.text(j, i, str(count), ha="center", va="center", color="white" if dark else "black")
    return axes


def learning_curves(history: Any, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """How training went, a picture for each metric, with its validation's line beside it.

    ``history`` is a dict of lists, as Keras has it (``{"loss": [...], "val_loss": [...]}``), something with such a
    ``history``, or the training summary of a logistic regression.
    """
    if not isinstance(history, Mapping):
        found = getattr(history, "history", None)
        history = found if isinstance(found, Mapping) else {"objective": history.objectiveHistory}
    metrics = [name for name in history if not (name.startswith("val_") and name[4:] in history)]
    if not metrics:
        raise ValueError("history: expected a list of numbers for each metric, found none")
    if axes is None:
        size = (4.2 * len(metrics), 3.2)
        axes = list(_pyplot().subplots(1, len(metrics), figsize=size, squeeze=False, layout="constrained")[1].flat)
    for ax, name in zip(axes, metrics):
        first, step = (0, "iteration") if name == "objective" else (1, "epoch")
        for label, values in (("training", history[name]), ("validation", history.get(f"val_{name}"))):
            if values is not None:
                marker = "o" if len(values) < 30 else None
                ax.plot(range(first, first + len(values)), values, label=label, marker=marker, markersize=3)
        ax.set(xlabel=step, ylabel=name)
        if f"val_{name}" in history:
            ax.legend()
    return list(axes)


def tuning(model: Any, param: Param[Any], ax: Axes | None = None) -> Axes:
    """A validator's metrics against one param, a line for each combination of the others, with the folds' deviation."""
    maps = model.getEstimatorParamMaps()
    metrics = list(getattr(model, "avgMetrics", None) or model.validationMetrics)
    deviations = list(getattr(model, "stdMetrics", None) or [0.0] * len(metrics))
    lines: dict[str, list[tuple[Any, float, float]]] = {}
    for candidate, metric, deviation in zip(maps, metrics, deviations):
        if param not in candidate:
            raise ValueError(
                f"{param.name}: no param of the candidates; they have {', '.join(p.name for p in candidate)}"
            )
        name = ", ".join(f"{p.name}={value}" for p, value in candidate.items() if p != param)
        lines.setdefault(name, []).append((candidate[param], metric, deviation))
    axes: Axes = ax or _pyplot().subplots()[1]
    for name, points in lines.items():
        x, y, error = zip(*sorted(points, key=lambda point: point[0]))
        axes.errorbar(x, y, yerr=error, label=name or None, marker="o", capsize=3)
    values = [candidate[param] for candidate in maps]
    if all(isinstance(v, (int, float)) and v > 0 for v in values) and max(values) >= 100 * min(values):
        axes.set_xscale("log")
    axes.set(xlabel=param.name, ylabel=model.getEvaluator().getOrDefault("metricName"))
    if len(lines) > 1:
        axes.legend()
    return axes


def worst_mistakes(
    df: DataFrame,
    labelCol: str = "label",
    predictionCol: str = "prediction",
    probabilityCol: str = "probability",
    imageCol: str = "image",
    n: int = 12,
) -> Figure:
    """The images that were predicted wrongly with the greatest probability, under each what it was taken for."""
    sure = f"array_max({quoted(probabilityCol)})"
    wrong = (
        df.filter(f"{quoted(predictionCol)} <> CAST({quoted(labelCol)} AS DOUBLE)")
        .selectExpr(
            _thumbnail(imageCol),
            f"{quoted(labelCol)} AS label",
            f"{quoted(predictionCol)} AS prediction",
            f"{sure} AS probability",
        )
        .orderBy(col("probability").desc())
        .take(n)
    )
    names = class_names(df.schema.field(predictionCol))
    pyplot = _pyplot()
    columns = min(max(len(wrong), 1), 4)
    rows = max(-(-len(wrong) // columns), 1)
    figure, grid = pyplot.subplots(rows, columns, figsize=(2.4 * columns, 2.8 * rows), squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    if not wrong:
        grid.flat[0].text(0.5, 0.5, "no mistakes", ha="center")

    def named(value: Any) -> str:
        number = int(value)
        return names[number] if number < len(names) else str(number)

    for axes, row in zip(grid.flat, wrong):
        file = row[0].thumbnail
        if file is not None:
            axes.imshow(pyplot.imread(io.BytesIO(file), format="png" if file.startswith(b"\x89PNG") else "jpeg"))
        title = f"{named(row.label)}\ntaken for {named(row.prediction)}, {row.probability:.0%}"
        axes.set_title(title, fontsize=9)
    figure.tight_layout()
    return figure
