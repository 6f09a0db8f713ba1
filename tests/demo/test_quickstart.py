"""The newcomer's command, in a process of its own, and what it says to copy."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mmreco import Dataset, Recommender
from mmreco.demo.quickstart import quick_shop
from mmreco.errors import DataError

COMMAND = [sys.executable, "-c", "from mmreco.cli import app; app(prog_name='mmreco')", "quickstart"]
SMALL = ["--items", "64", "--users", "40"]


def test_a_shop_is_made(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "my shop", "--no-serve", *SMALL], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "my shop"
    files = {name: folder / f"{name}.parquet" for name in ("items", "events", "reviews")}
    dataset = Dataset.read(**files, images=folder / "pictures")
    assert len(dataset) == 64
    assert len(dataset.interactions) == 40
    assert set(pq.read_schema(files["events"]).names) >= {"user_id", "item_id", "event", "weight", "timestamp"}
    recommender = Recommender.load(folder / "artefact")
    assert set(recommender.dataset.content) == {"text", "image"}
    for path in recommender.catalogue.images():
        assert path is None or path.is_absolute()
    item = re.search(r'"item_id": "([^"]+)"', done.stdout)
    assert item is not None
    assert "serve.sh --port 8000" in done.stdout
    for script in ("fit.sh", "serve.sh"):
        subprocess.run(["sh", "-n", folder / script], check=True)
    again = subprocess.run(
        [*COMMAND, "my shop", "--no-serve"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert again.returncode == 2
    assert "not empty" in again.stderr


def test_a_taken_port_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = str(held.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "shop", "--port", port], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 2
    assert f"port {port} is taken" in done.stderr
    assert not (tmp_path / "shop").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="not empty"):
        quick_shop(tmp_path / "shop")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_two_lines_to_copy_show_that_a_click_counts(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs mmreco[serve]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "said").open("w", encoding="utf-8") as said:
        server = subprocess.Popen(
            [*COMMAND, "shop", "--port", str(port), *SMALL], cwd=tmp_path, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        _await(f"http://localhost:{port}/readyz", server)
        words = (tmp_path / "said").read_text(encoding="utf-8")
        ask, tell = re.findall(r"curl .*", words)
        before, taken, after = (_run(line) for line in (ask, tell, ask))
        assert taken["accepted"] == 1
        assert before["answers"][0]["popular"]
        assert not after["answers"][0]["popular"]
        assert before["answers"][0]["items"] != after["answers"][0]["items"]
        with urllib.request.urlopen(f"http://localhost:{port}/") as page:
            assert b"Welcome" in page.read()
    finally:
        server.terminate()
        server.wait(60)


def _await(address: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert server.poll() is None
        try:
            urllib.request.urlopen(address).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.25)
        else:
            return
    raise AssertionError(f"{address} does not answer")


def _run(line: str) -> dict[str, list[dict[str, object]]]:
    answer: dict[str, list[dict[str, object]]] = json.loads(subprocess.check_output(["sh", "-c", line], timeout=60))
    return answer
