"""A few kills of the whole service; `benchmarks/service_kills.py` counts more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from postgres import NOT_INSTALLED, binaries

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "service_kills.py"


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_what_was_acknowledged_outlives_the_service(store: str) -> None:
    if store == "postgresql":
        pytest.importorskip("psycopg", reason="needs mmreco[postgres]")
        if binaries() is None:
            pytest.skip(NOT_INSTALLED)
    words = [sys.executable, str(SCRIPT), "--kills", "3", "--store", store]
    done = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] == 3
    assert found["acknowledged"] > 0
    assert found["lost"] == 0
