"""What notebooks show, and scikit-learn's transformer."""

from __future__ import annotations

import io
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from pictures import NETWORK

import emberline
from emberline import Session, _progress, lit
from emberline.ml.classification import LogisticRegression
from emberline.ml.evaluation import MulticlassClassificationEvaluator
from emberline.ml.feature import DeepImageFeaturizer, StringIndexer
from emberline.ml.tuning import CrossValidator, ParamGridBuilder


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name == "src"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_images_are_thumbnails(session: Session, photos: Path) -> None:
    df = session.read_images(photos, label="folder")
    page = Tags(df._repr_html_())
    assert page.tags.count("img") == 10 and page.tags.count("tr") == 11
    assert all(source.startswith("data:image/jpeg;base64,/9j/") for source in page.sources)
    assert "only the first 10 rows" in page.text
    assert len(df._repr_html_()) < 400_000


def test_texts_are_escaped_and_cut(session: Session, tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>"
    df = session.createDataFrame({evil: [evil, "y" * 10_000], "n": [1, None]})
    page = df._repr_html_()
    assert "<script" not in page and "&lt;script&gt;" in page and len(page) < 2_000
    (tmp_path / "broken.png").write_bytes(b"no")
    assert "no image" in session.read_images(tmp_path)._repr_html_()
    wide = session.createDataFrame({f"c{i}": [i] for i in range(50)})
    assert "only 30 of 50 columns" in wide._repr_html_()


def test_features_are_kept(session: Session, photos: Path, tmp_path: Path) -> None:
    images = session.read_images(photos)
    featurizer = DeepImageFeaturizer(inputCol="image", outputCol="features", modelName=NETWORK)
    expected = featurizer.transform(images).to_numpy("features")
    cache = emberline.FeatureCache(tmp_path / "features", bytesMax=1 << 20)
    empty = {"entries": 0, "bytes": 0, "bytesMax": 1 << 20, "found": 0, "added": 0}
    assert emberline.FeatureCache(tmp_path / "features").stats() == empty
    emberline.set_feature_cache(cache)
    try:
        for _ in range(2):
            assert np.array_equal(featurizer.transform(images).to_numpy("features"), expected)
            assert cache.stats()["entries"] == 18
        cache.clear()
        assert cache.stats()["entries"] == 0 and cache.path == tmp_path / "features"
    finally:
        emberline.set_feature_cache(None)


def test_predictions_are_shown_by_name(predicted: emberline.DataFrame, session: Session) -> None:
    page = predicted.select("label", "prediction")._repr_html_()
    assert "<small>(0)</small>" in page and "blue" in page
    guesses = "[named_struct('class', 'n1', 'description', '<b>', 'probability', 0.25)]"
    assert "&lt;b&gt; <small>25.0%</small>" in session.sql(f"SELECT {guesses} AS seen")._repr_html_()
    summary = LogisticRegression().fit({"features": np.eye(2), "label": [0.0, 1.0]}).summary
    assert "totalIterations" in summary._repr_html_() and "<td" in summary._repr_html_()


def test_progress_is_a_bar_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    display.HTML = str  # type: ignore[attr-defined]
    display.display = lambda html, display_id: (shown.append(html), SimpleNamespace(update=shown.append))[1]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    place = _progress._shown()
    assert isinstance(place, _progress._Notebook)
    state = {"what": "Fitting <b>", "read": 20, "evaluated": 20, "failed": 1, "seconds": 2.0}
    place.show(state)
    place.show({**state, "trials": 6, "trialsDone": 2})
    place.end()
    assert shown[0] == "<small>Fitting &lt;b&gt;: 2 s, 20 images, 10/s, 1 failed</small>"
    assert '<progress value="2" max="6">' in shown[1] and "2 of 6 trials" in shown[1] and shown[2] == ""
    ipython.get_ipython = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert _progress._shown() is None


def test_answers_of_functions_show_label_and_probability(session: Session) -> None:
    df = session.sql("SELECT named_struct('label', 'a<b', 'probability', 0.5) AS objects")
    assert "a&lt;b <small>50.0%</small>" in df._repr_html_()


@pytest.fixture
def predicted(session: Session, photos: Path) -> emberline.DataFrame:
    """The pictures, whose classes a model takes from two numbers that tell only two of three apart."""
    df = session.read_images(photos, label="folder")
    df = StringIndexer(inputCol="label", outputCol="index").fit(df).transform(df).cache()
    index = df.to_numpy("index")
    rows = df.to_arrow().append_column(
        "features", session.createDataFrame({"f": np.stack([index == 0, index * 0], 1).astype(float)}).to_arrow()["f"]
    )
    table = session.createDataFrame(rows)
    return LogisticRegression(labelCol="index", regParam=0.1).fit(table).transform(table)


def test_plots(predicted: emberline.DataFrame, session: Session, points: emberline.DataFrame) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from emberline import plot

    axes = plot.confusion_matrix(predicted, labelCol="index")
    counts = {tuple(map(int, text.get_position())): int(text.get_text()) for text in axes.texts}
    assert sum(counts.values()) == 18 and counts[0, 0] == 6
    assert [label.get_text() for label in axes.get_yticklabels()] == ["blue", "green", "red"]
    figure = plot.worst_mistakes(predicted, labelCol="index", n=3)
    titles = [axes.get_title() for axes in figure.axes]
    assert len([title for title in titles if "taken for" in title]) == 3
    assert all(axes.images for axes in figure.axes[:3])

    lr = LogisticRegression()
    grid = ParamGridBuilder().addGrid(lr.regParam, [0.001, 0.1, 10.0]).addGrid(lr.fitIntercept, [True, False]).build()
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    model = CrossValidator(estimator=lr, estimatorParamMaps=grid, evaluator=evaluator).fit(points)
    axes = plot.tuning(model, lr.regParam)
    assert axes.get_xlabel() == "regParam" and axes.get_ylabel() == "accuracy" and axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["fitIntercept=True", "fitIntercept=False"]
    with pytest.raises(ValueError, match="maxIter"):
        plot.tuning(model, lr.maxIter)

    loss, accuracy = plot.learning_curves({"loss": [3.0, 1.0], "val_loss": [3.5, 2.0], "accuracy": [0.5, 0.75]})
    assert [line.get_ydata().tolist() for line in loss.lines] == [[3, 1], [3.5, 2]] and len(accuracy.lines) == 1
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == ("epoch", "loss", "accuracy")
    (objective,) = plot.learning_curves(model.bestModel.summary)
    assert len(objective.lines[0].get_ydata()) == model.bestModel.summary.totalIterations + 1
    with pytest.raises(ValueError, match="history"):
        plot.learning_curves({})


def test_a_transformer_of_scikit_learn(photos: Path) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression as SklearnRegression
    from sklearn.pipeline import make_pipeline

    from emberline.sklearn import DeepImageFeaturizer as Features

    paths = sorted(photos.glob("*/*.png"))
    labels = [path.parent.name for path in paths]
    pipeline = clone(make_pipeline(Features(NETWORK), SklearnRegression(max_iter=50)))
    assert pipeline.fit(paths, labels).score(paths, labels) == 1.0
    features = Features(NETWORK).fit_transform([paths[3].read_bytes(), paths[0].read_bytes()])
    assert features.shape == (2, 1280)
    assert np.array_equal(features[1], Features(NETWORK).transform([str(paths[0])])[0])
    with pytest.raises(ValueError, match=r"none.png"):
        Features(NETWORK).transform([str(photos / "none.png")])


def test_encoded_images_are_images(session: Session, photos: Path) -> None:
    file = next(photos.glob("red/*.png"))
    df = session.createDataFrame({"image": [file.read_bytes()]}).withColumn("w", lit(1))
    assert df.selectExpr("image_width(image) AS w").first().w == 64 + int(file.stem.removeprefix("red"))
