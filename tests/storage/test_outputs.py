"""Reports, figures and pictures are written over what mmreco wrote, and over nothing else."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.evaluation.comparison import Result
from mmreco.evaluation.report import Report
from mmreco.evaluation.results_store import ResultsStore
from mmreco.storage.artefact import publish
from mmreco.storage.outputs import OutputFolder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links")


def test_what_was_written_is_written_again(tmp_path: Path) -> None:
    for words in ("one", "two", "two", "one"):
        path = OutputFolder.open(tmp_path / "out").write("report.html", words)
        assert path.read_text() == words
    assert sorted(os.listdir(tmp_path / "out")) == [".mmreco-files", "report.html"]
    OutputFolder.open(tmp_path / "out").inside("pictures").write("a.jpg", b"\xff\xd8")
    assert (tmp_path / "out" / "pictures" / "a.jpg").read_bytes() == b"\xff\xd8"


def test_a_file_of_somebody_else_stays(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(DataError, match=r"report\.html: there already, and not as mmreco wrote it"):
        OutputFolder.open(tmp_path).write("report.html", "other")
    assert os.listdir(tmp_path) == ["report.html"]
    out = OutputFolder.open(tmp_path / "out")
    out.write("report.html", "ours")
    (tmp_path / "out" / "report.html").write_text("ours, and a remark of mine")
    with pytest.raises(DataError, match="not as mmreco wrote it"):
        OutputFolder.open(tmp_path / "out").write("report.html", "new")
    assert "remark" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("name", ["report.html", ".mmreco-files", "pictures"])
def test_no_link_is_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "notes.txt").write_text("mine")
    target = tmp_path / "outside" if name == "pictures" else tmp_path / "outside" / "notes.txt"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(target)

    def write() -> None:
        out = OutputFolder.open(tmp_path / "out")
        out.write("report.html", "x")
        out.inside("pictures").write("a.jpg", "x")

    with pytest.raises(DataError, match="link"):
        write()
    assert (tmp_path / "outside" / "notes.txt").read_text() == "mine"
    assert os.listdir(tmp_path / "outside") == ["notes.txt"]


def test_a_list_that_is_not_ours_and_one_that_a_kill_cut_short(tmp_path: Path) -> None:
    (tmp_path / ".mmreco-files").write_text("my own list")
    with pytest.raises(DataError, match="is not how mmreco begins it"):
        OutputFolder.open(tmp_path)
    out = OutputFolder.open(tmp_path / "out")
    out.write("a", "1")
    with (tmp_path / "out" / ".mmreco-files").open("a") as file:
        file.write("\n0123456789")
    again = OutputFolder.open(tmp_path / "out")
    again.write("b", "2")
    OutputFolder.open(tmp_path / "out").require_free(["a", "b", "c"])
    with pytest.raises(DataError, match="exists and is not a folder"):
        OutputFolder.open(tmp_path / "out" / "a")


def result() -> Result:
    users = IdMap.of(["u"])
    report = Report("Popular", {"ndcg@10": 1.0}, {"ndcg@10": np.ones(1)}, users, 0, 0.1, {})
    return Result(report, 0.1, 1.0, np.zeros((1, 10), dtype=np.int64))


def test_results_are_cleared_and_folders_of_that_name_stay(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path / "results", "x")
    for name in ("Popular", "EASE"):
        store.save(name, "m", result())
    (tmp_path / "results" / "model-EASE" / "notes.txt").write_text("mine")
    (tmp_path / "results" / "model-of-mine").mkdir()
    (tmp_path / "results" / "model-of-mine" / "weights.bin").write_text("mine")
    (tmp_path / "outside").mkdir()
    (tmp_path / "results" / "model-link").symlink_to(tmp_path / "outside")
    with publish(tmp_path / "results" / "model-other", "Recommender") as path:
        (path / "a.txt").write_text("another artefact")
    with publish(tmp_path / "outside", "Compared") as path:
        (path / "a.txt").write_text("behind a link")
    ResultsStore.clear(tmp_path / "results")
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file() or p.is_symlink())
    assert left == [
        "outside/CURRENT",
        "outside/g-000001/a.txt",
        "outside/g-000001/manifest.json",
        "results/model-EASE/notes.txt",
        "results/model-link",
        "results/model-of-mine/weights.bin",
        "results/model-other/CURRENT",
        "results/model-other/g-000001/a.txt",
        "results/model-other/g-000001/manifest.json",
    ]
    assert store.load("Popular", "m", IdMap.of(["u"])) is None
    ResultsStore.clear(tmp_path / "nothing")
