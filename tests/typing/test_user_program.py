"""A user's own mypy, strict, accepts a program that uses the library, and sees what is wrong in one."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

HERE = Path(__file__).parent
WRONG = """from mmreco.models import EASE, MODELS
EASE(l1=1)
EASE(l2='much')
EASE().fit([['a']])
EASE().recommend(['user'])
for name, model in MODELS.items():
    model().train()
"""


@pytest.mark.timeout(600)
def test_mypy_accepts_what_is_right_and_sees_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", str(HERE / "mypy.ini")]
    command += ["--cache-dir", str(tmp_path / "cache"), str(HERE / "user_program.py"), str(wrong)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = [line.rpartition("/")[2].split(":")[:2] for line in done.stdout.splitlines() if ": error:" in line]
    assert errors == [["wrong.py", str(line)] for line in (2, 3, 4, 5, 7)], done.stdout + done.stderr
