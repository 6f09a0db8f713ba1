"""`import mmreco` is quick, light and needs no network; so is the command's `--help`."""

import os
import subprocess
import sys
import time

HEAVY = ("torch", "faiss", "timm", "transformers", "sentence_transformers", "torchvision", "sklearn", "pyarrow")


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "120"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy() -> None:
    loaded = python("import sys, mmreco; print(*sorted({name.partition('.')[0] for name in sys.modules}))").split()
    assert "mmreco" in loaded
    assert set(loaded).isdisjoint(HEAVY)


def test_import_takes_under_half_a_second() -> None:
    code = "import time; start = time.perf_counter(); import mmreco; print(time.perf_counter() - start)"
    assert min(float(python(code)) for _ in range(3)) < 0.5


def test_import_and_first_use_work_with_sockets_blocked() -> None:
    said = python(
        "import socket\n"
        "def refuse(*_, **__): raise OSError('no network here')\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse\n"
        "import mmreco\n"
        "ids = mmreco.IdMap.of(['a', 'b'])\n"
        "print(ids.rows(['b'])[0], mmreco.Recommender.__name__)\n"
    )
    assert said.split() == ["1", "Recommender"]


def test_the_values_need_no_torch() -> None:
    loaded = python(
        "import sys, mmreco; mmreco.Interactions, mmreco.Catalogue, mmreco.Ranking; print('torch' in sys.modules)"
    )
    assert loaded.strip() == "False"


def test_help_is_quick_and_loads_no_torch() -> None:
    start = time.perf_counter()
    said = python(
        "import sys\n"
        "from mmreco.cli import app\n"
        "try:\n"
        "    app(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "print('heavy:', *sorted(set(sys.modules) & {'torch', 'faiss', 'timm', 'transformers'}))\n"
    )
    assert "recommend" in said
    assert said.splitlines()[-1].strip() == "heavy:"
    assert time.perf_counter() - start < 5
