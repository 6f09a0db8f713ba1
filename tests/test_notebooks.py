"""The notebooks run, at a small size, and end with a picture; nothing of their output is kept in them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "examples" / "notebooks").glob("*.py"))
WITHOUT_DATA = {"page_layouts"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    if notebook.stem not in WITHOUT_DATA and "MMRECO_DATA" not in os.environ:
        pytest.skip("MMRECO_DATA is not set")
    settings = {"MMRECO_SMALL": "1", "MMRECO_OUT": str(tmp_path), "MPLBACKEND": "agg", "MPLCONFIGDIR": str(tmp_path)}
    path = os.pathsep.join([str(notebook.parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, notebook],
        env={**os.environ, **settings, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["small"] is True
    assert (tmp_path / f"{notebook.stem}.png").stat().st_size > 5_000


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_can_be_opened(notebook: Path) -> None:
    jupytext = pytest.importorskip("jupytext")
    book = jupytext.read(notebook)
    kinds = [cell.cell_type for cell in book.cells]
    assert kinds[0] == "markdown"
    assert kinds.count("code") >= 4
    assert all(not cell.get("outputs") for cell in book.cells)
