"""A run of embed() killed at any moment: nothing lost, nothing doubled, at most one shard done twice.

`MMRECO_KILLS=200` makes as many kills; this file run as a program is what starts the runs that get killed.
"""

import hashlib
import json
import logging
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding.embed import embed
from mmreco.errors import DataError
from mmreco.storage.artefact import verify

KILLS = int(os.environ.get("MMRECO_KILLS", "10"))
ITEMS, SHARD, DIM = 400, 40, 16


class Logged:
    """Pictures in, their hash out, slowly; what it encoded stays noted in a file when its process is killed."""

    fingerprint, dim = "logged", DIM

    def __init__(self, log: Path) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def encode(self, contents: Sequence[bytes], *, batch_size: int = 64) -> np.ndarray:
        return self.encode_prepared([self.prepare(content) for content in contents])

    def prepare(self, content: bytes) -> bytes:
        if content.startswith(b"broken"):
            raise DataError("broken")
        return content

    def encode_prepared(self, batch: Sequence[bytes]) -> np.ndarray:
        os.write(self.log, b"".join(content + b"\n" for content in batch))
        raw = [hashlib.blake2b(content, digest_size=2 * DIM).digest() for content in batch]
        vectors = np.frombuffer(b"".join(raw), dtype=np.int16).reshape(len(batch), DIM).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def contents() -> list[bytes]:
    return [b"broken %d" % row if row % 100 == 13 else b"picture %d" % row for row in range(ITEMS)]


def job(store: Path, log: Path) -> None:
    ids = IdMap.of([f"sku-{row}" for row in range(ITEMS)])
    embed(Logged(log), ids, contents(), store=store, shard_size=SHARD, batch_size=16, workers=2)


def serve() -> None:
    """Runs of `job` in processes of their own, forked from this one that has everything imported."""
    logging.disable()
    os.fsync = lambda _: None  # what a killed process wrote, the kernel has; syncing only slows the test down
    IdMap.of(["warm"])  # Arrow loads pandas at its first use: once here, not in every run
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                job(*map(Path, json.loads(line)))
                status = 0
            except BaseException:
                traceback.print_exc()
            print("done", flush=True)
            os._exit(status)
        print(pid, flush=True)
        sys.stdin.readline()  # until then the process is not reaped, and its number is nobody else's
        print("status", os.waitpid(pid, 0)[1], flush=True)


class Server:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def run(self, store: Path, log: Path, seconds: float) -> bool:
        """Whether a run ended by itself within these seconds; it is killed otherwise."""
        given, said = self.process.stdin, self.process.stdout
        assert given is not None
        assert said is not None
        given.write(json.dumps([str(store), str(log)]).encode() + b"\n")
        pid = int(said.readline())
        if not select.select([said], [], [], seconds)[0]:
            os.kill(pid, signal.SIGKILL)
        given.write(b"reap\n")
        while not (line := said.readline()).startswith(b"status"):
            assert line == b"done\n"
        status = int(line.split()[1])
        assert status in (0, signal.SIGKILL)
        return status == 0


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    assert server.process.stdin is not None
    assert server.process.stdout is not None
    server.process.stdin.close()
    server.process.stdout.close()
    assert server.process.wait(10) == 0


def noted(log: Path) -> Counter[str]:
    return Counter(log.read_text(encoding="utf-8").splitlines()) if log.exists() else Counter()


def test_killed_runs_end_as_an_uninterrupted_one(tmp_path: Path, server: Server) -> None:
    draw, kills, stores, most, phases = random.Random(KILLS), 0, 0, 0, Counter[str]()
    seconds = 60.0
    for _ in range(2):
        shutil.rmtree(tmp_path / "whole", ignore_errors=True)
        started = time.perf_counter()
        assert server.run(tmp_path / "whole", tmp_path / "whole.log", 60)
        seconds = min(seconds, time.perf_counter() - started)
    right = Embeddings.load(tmp_path / "whole")
    assert len(right) == ITEMS - ITEMS // 100
    while kills < KILLS:
        stores += 1
        store, log = tmp_path / f"store-{stores}", tmp_path / f"{stores}.log"
        ended, here = False, 0
        while not ended:
            before = noted(log)
            ended = server.run(store, log, draw.uniform(0, seconds) if kills < KILLS and here < 8 else 60)
            if not ended:
                kills, here = kills + 1, here + 1
                phases[phase(store)] += 1
            twice = sum(content in before for content in noted(log) - before)
            assert twice <= SHARD
            most = max(most, twice)
        got = Embeddings.load(store)
        assert got.ids == right.ids  # nothing missing, nothing doubled, the order kept
        np.testing.assert_array_equal(got.vectors, right.vectors)
        assert set(noted(log)) == set(noted(tmp_path / "whole.log"))
        assert sorted(p.name for p in store.iterdir()) == ["CURRENT", verify(store).path.name, "shards"]
        assert list((store / "shards").iterdir()) == []
    print(f"{kills} kills over {stores} stores, {dict(phases)}; most done twice after one kill: {most} of {SHARD}")


def phase(store: Path) -> str:
    """What a killed run was at."""
    if not (store / "shards").exists():
        return "opening"
    if (store / "CURRENT").exists():
        return "sweeping up"
    halves = [p for p in (store / "shards").iterdir() if not (p / "CURRENT").exists()]
    return "publishing" if (store / "g-000001").exists() else "writing a shard" if halves else "between shards"


if __name__ == "__main__":
    serve()
