"""Tables and sessions: what goes in comes out, lazily, and errors are Python's."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import emberline
from emberline import Row, Session, col, expr, lit


def test_names_of_spark(session: Session) -> None:
    df = session.createDataFrame({"label": ["cat", "dog", "cat", None], "width": [64, 32, 16, 8]})
    assert df.columns == ["label", "width"]
    assert df.dtypes == [("label", "string"), ("width", "int64")]
    assert df.filter("width > 20").count() == 2
    assert df.where((col("width") >= 16) & ~(col("label") == "dog")).select("width").collect() == [(64,), (16,)]
    assert df.withColumn("half", col("width") / 2 + 1).orderBy("half").first().half == 5
    assert df.withColumn("width", lit(1)).select("width").distinct().collect() == [Row(width=1)]
    assert df.selectExpr("width * 2 AS twice").take(1) == [Row(twice=128)]
    assert df.select("*", (col("width") + 1).alias("more")).columns == ["label", "width", "more"]
    assert df.orderBy(col("width").desc()).select("width").collect() == [(64,), (32,), (16,), (8,)]
    assert df.orderBy("label").first().label is None
    assert df.drop("label", "nothing").columns == ["width"]
    assert df.withColumnRenamed("label", "what").columns == ["what", "width"]
    assert df.union(df).count() == 8
    assert df.filter(col("label").isNull()).count() == 1
    assert df.filter(col("label").isin("cat", "bird")).count() == 2
    assert df.filter(col("width").between(10, 40)).count() == 2
    assert df.withColumn("text", expr("upper(label)")).first().text == "CAT"
    assert df.filter(df.width + 0 == df["width"]).count() == 4
    with pytest.raises(AttributeError, match="neither"):
        _ = df.nothing
    assert df.limit(2).cache().count() == 2
    assert [row.width for row in df.take(3)] == [64, 32, 16]
    assert session.createDataFrame({"index": [7], "count": [8]}).first() == Row(index=7, count=8)
    assert session.sql("SELECT 7 AS index").first().index == 7 and Row(a=1).index(1) == 0
    assert df.head().asDict() == {"label": "cat", "width": 64}


#: Files that real Keras saved.
KERAS = Path(__file__).resolve().parents[2] / "crates/emberline-net/tests/fixtures/keras"


class LiveModel:
    """What a ``keras.Model`` is told by."""

    def get_config(self) -> dict[str, object]:
        """The model's settings."""
        return {}

    def save(self, path: str) -> None:
        """Writes the model as a file of Keras."""
        Path(path).write_bytes((KERAS / "shared.keras").read_bytes())


def test_networks_are_listed(session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    network = emberline.Network("ResNet50")
    # What `keras.applications.ResNet50().summary()` says.
    assert network.parameters == 25_636_712 and network.layer("conv1_conv").shape == (112, 112, 64)
    assert network.layer("conv1_conv").kind == "Conv2D" and network.layer("conv1_conv").parameters == 9_472
    assert network.inputs == {"image": (224, 224, 3)} and network.outputs == [network.layers[-1].name]
    assert network.featureLayer in network.cutLayers and len(network.labels) == 1000 and network.licence
    assert 3.8e9 < network.multiplyAdds < 4.2e9
    rows = session.createDataFrame(network.layers).filter("kind = 'Dense'").collect()
    assert [row.parameters for row in rows] == [2_049_000]
    network.summary()
    out = capsys.readouterr().out
    assert "112×112×64" in out and "yes: the features" in out and len(out.splitlines()) == len(network.layers) + 3
    for shared in (emberline.Network(KERAS / "shared.keras"), emberline.Network(LiveModel())):
        assert [(layer.name, layer.parameters) for layer in shared.layers][:2] == [("shared", 24), ("shared_call_1", 0)]
        assert list(shared.inputs) == ["second", "first"] and shared.cutLayers == [] and shared.featureLayer is None
    shared.summary()
    assert "worth" not in capsys.readouterr().out
    with pytest.raises(KeyError, match="no layer nothing; it has pool1_pool"):
        network.layer("nothing")
    with pytest.raises(ValueError, match=r"`Nothing`.*EfficientNetLite0"):
        emberline.Network("Nothing")
    with pytest.raises(FileNotFoundError, match=r"nothing\.keras"):
        emberline.Network("nothing.keras")
    (tmp_path / "notes").write_text("no model")
    with pytest.raises(ValueError, match="notes"):
        emberline.Network(tmp_path / "notes")


def test_names_keep_their_case_and_quotes(session: Session) -> None:
    df = session.createDataFrame({"Label": [1], 'a"b': [2], "with space": [3]})
    assert df.select('a"b', "Label").collect() == [(2, 1)]
    assert df.filter(col("with space") == 3).count() == 1
    assert df.filter(lit("it's") == "it's").count() == 1


def test_rows(session: Session) -> None:
    row = session.sql("SELECT 1 AS a, named_struct('x', 2, 'y', [3, 4]) AS b").first()
    assert row.a == row["a"] == row[0] == 1
    assert row.b.y == [3, 4] and row.asDict(recursive=True) == {"a": 1, "b": {"x": 2, "y": [3, 4]}}
    assert "a" in row and pickle.loads(pickle.dumps(row)) == row
    with pytest.raises(AttributeError):
        _ = row.c
    with pytest.raises(KeyError):
        _ = row["c"]


def test_show(session: Session, capsys: pytest.CaptureFixture[str], photos: Path) -> None:
    session.createDataFrame({"name": ["a" * 30, "b"], "v": [1.5, None]}).show()
    assert capsys.readouterr().out == (
        "+--------------------+----+\n|                name|   v|\n+--------------------+----+\n"
        "|aaaaaaaaaaaaaaaaa...| 1.5|\n|                   b|NULL|\n+--------------------+----+\n"
    )
    session.read_images(photos).select("image", "width").show(1)
    out = capsys.readouterr().out
    assert "64x48x3" in out and "only showing top 1 rows" in out


def test_arrow_in_and_out(session: Session) -> None:
    table = pa.table({"a": [1, 2, None], "b": ["x", None, "z"], "c": [[1.0, 2.0], [3.0, 4.0], None]})
    df = session.createDataFrame(table)
    assert df.schema.field("c").type == pa.list_(pa.float64(), 2)
    out = pa.table(df)
    assert out.select(["a", "b"]).equals(table.select(["a", "b"]))
    assert out["c"].to_pylist() == table["c"].to_pylist()
    assert pa.RecordBatchReader.from_stream(df).read_all().equals(out)
    assert pa.table(session.createDataFrame(df)).equals(out)
    streamed = pa.Table.from_batches(df.iter_batches())
    assert sorted(streamed["a"].to_pylist(), key=str) == sorted(table["a"].to_pylist(), key=str)


def test_pandas(session: Session) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"name": ["a", "b"], "v": [np.array([1.0, 2.0]), np.array([3.0, 4.0])]}, index=[5, 7])
    df = session.createDataFrame(frame)
    assert df.columns == ["name", "v"]
    assert df.to_numpy("v").tolist() == [[1, 2], [3, 4]]
    back = df.toPandas()
    assert back["name"].tolist() == ["a", "b"] and back["v"][1].tolist() == [3, 4]


def test_polars(session: Session) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"name": ["a", "b"], "x": [1, 2]})
    assert polars.DataFrame(session.createDataFrame(frame)).equals(frame)


def test_a_matrix_keeps_rows_order_and_type(session: Session) -> None:
    for dtype in (np.float32, np.float64):
        x = np.random.default_rng(1).normal(size=(5000, 7)).astype(dtype)
        df = session.createDataFrame({"x": x, "i": np.arange(5000)})
        found = df.to_numpy("x")
        assert found.dtype == dtype and np.array_equal(found, x)
        assert np.array_equal(df.to_numpy("i"), np.arange(5000))
    empty = df.filter("i < 0")
    assert empty.to_numpy("x").shape == (0, 7) and empty.collect() == []
    missing = session.createDataFrame(pa.table({"x": pa.array([[1.0, 2.0], None], pa.list_(pa.float64(), 2))}))
    assert np.array_equal(missing.to_numpy("x"), [[1, 2], [np.nan, np.nan]], equal_nan=True)


def test_memory_of_a_table_outlives_what_gave_it(session: Session) -> None:
    x = np.arange(200_000.0).reshape(-1, 2)
    df = session.createDataFrame({"x": x})
    matrix = df.to_numpy("x")
    del x
    gc.collect()
    junk = [np.full(200_000, 7.0) for _ in range(4)]
    assert df.to_numpy("x").sum() == matrix.sum() == sum(range(200_000))
    del df
    gc.collect()
    assert matrix[-1].tolist() == [199_998, 199_999] and len(junk) == 4


def test_a_matrix_goes_in_without_a_copy(session: Session) -> None:
    x = np.zeros((3000, 4), dtype=np.float32)
    df = session.createDataFrame({"name": ["a"] * 3000, "x": x, "twice": 2 * x.astype(float)})
    x[2999, 3] = 7
    assert df.to_numpy("x")[2999, 3] == 7 and df.columns == ["name", "x", "twice"]
    assert df.filter("name = 'a'").to_numpy("twice").shape == (3000, 4)
    only = session.createDataFrame({"x": x})
    assert only.count() == 3000 and np.array_equal(only.to_numpy("x"), x)
    part = session.createDataFrame(pa.table({"x": pa.array(x.tolist(), pa.list_(pa.float32(), 4))}).slice(2990, 9))
    assert np.array_equal(part.to_numpy("x"), x[2990:2999])


def test_random_split(session: Session) -> None:
    df = session.createDataFrame({"x": list(range(100)), "label": [i % 4 for i in range(100)]})
    parts = df.randomSplit([0.6, 0.2, 0.2], seed=5, stratify="label")
    assert [part.count() for part in parts] == [60, 20, 20]
    seen = sorted(row.x for part in parts for row in part.collect())
    assert seen == list(range(100))
    again = df.randomSplit([0.6, 0.2, 0.2], seed=5, stratify="label")
    assert [sorted(p.to_numpy("x")) for p in again] == [sorted(p.to_numpy("x")) for p in parts]
    with pytest.raises(ValueError, match="weights"):
        df.randomSplit([0.0, 0.0])


def test_parquet_appears_whole_or_not_at_all(session: Session, tmp_path: Path) -> None:
    df = session.createDataFrame({"x": np.eye(3), "name": ["a", "b", "c"]})
    path = tmp_path / "t.parquet"
    df.write.parquet(path)
    assert session.read_parquet(path).orderBy("name").to_numpy("x").tolist() == np.eye(3).tolist()
    with pytest.raises(FileExistsError):
        df.write.parquet(path)
    df.limit(1).write.mode("overwrite").parquet(path)
    assert session.read_parquet(path).count() == 1
    bad = session.sql("SELECT 1 / (value - 3) AS x FROM generate_series(1, 5)")
    with pytest.raises(ValueError, match=r"(?i)divide"):
        bad.write.parquet(tmp_path / "bad.parquet")
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]


def test_errors_are_of_pythons_types(session: Session, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no/such"):
        session.read_images("no/such/folder")
    with pytest.raises(FileNotFoundError):
        session.read_parquet(tmp_path / "none.parquet")
    with pytest.raises(ValueError, match="sampleRatio: expected a number from 0 to 1, found 2"):
        session.read_images(tmp_path, sampleRatio=2)
    with pytest.raises(ValueError, match="label"):
        session.read_images(tmp_path, label="file")
    with pytest.raises(ValueError, match=r"(?i)nothing"):
        session.sql("SELECT * FROM nothing")
    with pytest.raises(ValueError, match=r"(?i)sql"):
        session.sql("SELEC 1")
    df = session.createDataFrame({"a": [1]})
    with pytest.raises(ValueError, match="zzz"):
        df.filter("zzz = 1")
    with pytest.raises(KeyError):
        df["zzz"]
    with pytest.raises(TypeError, match="Column"):
        df.withColumn("b", "a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no rows"):
        session.createDataFrame([])
    with pytest.raises(ValueError, match="truth"):
        bool(col("a") == 1)


def test_tables_and_functions_have_names(session: Session, points: emberline.DataFrame) -> None:
    session.register_table("points", points)
    assert session.table("points").count() == session.sql("SELECT count(*) AS n FROM points").first().n == 120
    assert session.deregister_function("nobody") is False


def test_ctrl_c_ends_a_query_within_a_second(session: Session) -> None:
    # What is started in the background of a shell ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    endless = "SELECT a.value + b.value AS x FROM generate_series(1, 200000) a CROSS JOIN generate_series(1, 200000) b"
    df = session.sql(endless).filter("x < 0")
    interrupt = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    began = time.monotonic()
    interrupt.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            df.count()
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 1.5


def test_other_threads_run_meanwhile(session: Session) -> None:
    turns = 0
    done = threading.Event()

    def turn() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0.001)

    thread = threading.Thread(target=turn)
    thread.start()
    session.sql("SELECT count(*) FROM generate_series(1, 3000) a CROSS JOIN generate_series(1, 3000) b").collect()
    seen = turns
    done.set()
    thread.join()
    assert seen > 1


def test_progress_is_told_to_who_asks(session: Session, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[dict[str, object]] = []
    emberline.set_progress(told.append)
    try:
        session.sql("SELECT count(*) FROM generate_series(1, 6000) a CROSS JOIN generate_series(1, 6000) b").collect()
    finally:
        emberline.set_progress(None)
    assert told and told[0]["what"] == "Reading" and told[0]["failed"] == 0
    assert capfd.readouterr().err == ""


def test_import_waits_for_neither_numpy_nor_arrow() -> None:
    code = (
        "import sys, emberline; print([m for m in ('numpy', 'pyarrow', 'onnxruntime', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
