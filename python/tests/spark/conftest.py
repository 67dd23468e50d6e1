"""A Spark session of two workers, each a process of its own: in the JVM of this process, or behind Spark Connect.

``EMBERLINE_SPARK`` says which: ``classic``, ``connect``, or the address of a server (``sc://...``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest

import emberline.spark

SERVER = os.environ.get("EMBERLINE_SPARK", "classic")
MASTER = os.environ.get("EMBERLINE_SPARK_MASTER", "local-cluster[2,1,1024]")

os.environ.setdefault("SPARK_HOME", str(Path(pyspark.__file__).parent))
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ["PYSPARK_PYTHON"] = sys.executable
# The JVMs live for seconds: what takes long to compile never pays.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The session."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    if SERVER == "classic":
        builder = builder.master(MASTER)
    else:
        builder = builder.remote(MASTER if SERVER == "connect" else SERVER)
    if SERVER in ("classic", "connect"):
        options = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        }
        for key, value in options.items():
            builder = builder.config(key, value)
    session = builder.getOrCreate()
    if SERVER.startswith("sc://"):
        # A server that is somewhere, and may take no files.
        emberline.spark.set_store(tmp_path_factory.mktemp("store"))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def folder(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of ``photos``, and one file that is none."""
    folder = tmp_path_factory.mktemp("flat")
    for file in sorted(photos.rglob("*.png")):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "broken.png").write_bytes(b"not a picture")
    return folder


@pytest.fixture(scope="session")
def files(spark: Any, folder: Path) -> Any:
    """The pictures as ``binaryFile`` reads them, with a ``label`` by their names."""
    from pyspark.sql import functions as F

    name = F.element_at(F.split("path", "/"), -1)
    df = spark.read.format("binaryFile").load(str(folder)).select("path", "content")
    return df.withColumn("label", F.regexp_extract(name, "^[a-z]+", 0)).repartition(4, "path")
