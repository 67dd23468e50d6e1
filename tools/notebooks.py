"""Runs the notebooks of examples/notebooks, each in an empty folder, and keeps what they show.

python tools/notebooks.py [--check] [NAME...]

With ``--check``, nothing is written: a notebook must run, and what is kept of it must be of a run from top to bottom,
and small. The package must be on the path, and ``examples/`` is put there.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples/notebooks"
#: A cell that takes longer hangs.
CELL_SECONDS_MAX = 600
KEPT_BYTES_MAX = 400_000


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as scratch:
        NotebookClient(
            notebook,
            timeout=CELL_SECONDS_MAX,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": scratch}},
            config=Config({"KernelManager": {"transport": "ipc"}}),
        ).execute()
    return notebook


def written(notebook: nbformat.NotebookNode) -> str:
    """The notebook as a file, without what differs from machine to machine: progress, versions, ids."""
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.clear()
        for output in cell.get("outputs", []):
            output.pop("metadata", None)
        cell_outputs = [o for o in cell.get("outputs", []) if not is_ended_progress(o)]
        if cell.cell_type == "code":
            cell.outputs = cell_outputs
            for output in cell_outputs:
                if output.output_type in ("display_data", "execute_result"):
                    output["metadata"] = {}
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return nbformat.writes(notebook, indent=1) + "\n"


def is_ended_progress(output: nbformat.NotebookNode) -> bool:
    """Whether it is what a bar leaves."""
    return output.output_type == "display_data" and output.data.get("text/html") == ""


def wrong_with(path: Path) -> str | None:
    """What is wrong with what is kept."""
    if path.stat().st_size > KEPT_BYTES_MAX:
        return f"{path.stat().st_size} bytes, at most {KEPT_BYTES_MAX}"
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        return f"not kept from one run from top to bottom: {counts}"
    return None


def main() -> None:
    check = "--check" in sys.argv[1:]
    names = [name for name in sys.argv[1:] if name != "--check"]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "examples"), os.environ.get("PYTHONPATH", "")])
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        text = written(run(path))
        if not check:
            path.write_text(text)
        reason = wrong_with(path)
        if reason:
            sys.exit(f"{path.relative_to(ROOT)}: {reason}; run tools/notebooks.py")
        print(f"{path.relative_to(ROOT)}: runs")


if __name__ == "__main__":
    main()
