"""embed_on_ray(): what embed() does, by many hands; killed and taken up again, nothing is lost or doubled.

`MMRECO_RAY_ROWS=20000` makes as many rows; this file run as a program is the job that gets killed.
"""

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.distributed.embedding import _Worker, _Writer, embed_on_ray
from mmreco.embedding.embed import embed
from mmreco.errors import DataError

ROWS = int(os.environ.get("MMRECO_RAY_ROWS", "600"))
SHARD = max(20, ROWS // 40)


class Slow:
    """Text in, its hash out, a millisecond each; some are refused."""

    fingerprint, dim = "slow", 16

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        bad = [text for text in contents if "BAD" in text]
        if bad:
            raise DataError(f"cannot read {bad[0]!r}")
        time.sleep(self.seconds * len(contents))
        raw = b"".join(hashlib.blake2b(text.encode(), digest_size=2 * self.dim).digest() for text in contents)
        vectors = np.frombuffer(raw, dtype=np.int16).reshape(len(contents), self.dim).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def catalogue(n: int) -> tuple[IdMap, list[str | None]]:
    contents: list[str | None] = [f"title {row}" for row in range(n)]
    contents[::100] = [f"BAD {row}" for row in range(0, n, 100)]
    contents[7], contents[8], contents[9] = None, "title 1", " "
    return IdMap.of([f"sku-{row}" for row in range(n)]), contents


def job(store: Path) -> None:
    import ray

    logging.disable()
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        object_store_memory=100_000_000,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    done = embed_on_ray(Slow(0.001), *catalogue(ROWS), store=store, shard_size=SHARD, batch_size=16, actors=2)
    print(json.dumps([done.embedded, done.skipped, done.refused.num_rows]))


def test_the_hands_and_the_writer_agree_with_embed(tmp_path: Path) -> None:
    from mmreco.embedding.store import ShardStore

    ids, contents = catalogue(300)
    whole = embed(Slow(), ids, contents, store=tmp_path / "whole", shard_size=50)
    for first in (120, 300):  # a run that ended in the middle, and one that goes on with it
        with ShardStore.open(tmp_path / "store", fingerprint="slow", dim=16) as store:
            worker = _Worker(Slow(), np.sort(store.ledger.digests()))
            writer = _Writer(ids, store, 16, 40)
            rows = [row for row in range(first) if contents[row] is not None]
            for start in reversed(range(0, len(rows), 13)):  # batches come back in any order
                some = rows[start : start + 13]
                writer.take(worker({"row": np.array(some), "content": [contents[row] for row in some]}))
            if first == 300:
                embeddings, made, skipped, refused = writer.end()
    assert embeddings.ids == whole.embeddings.ids
    np.testing.assert_array_equal(embeddings.vectors, whole.embeddings.vectors)
    assert [r.id for r in refused] == whole.refused["id"].to_pylist()
    assert [r.reason for r in refused] == whole.refused["reason"].to_pylist()
    assert made + skipped == len(embeddings)
    assert skipped >= 80  # of the 120 at most one shard is done again
    again = embed(Slow(), ids, contents, store=tmp_path / "store")  # embed() goes on with what Ray left
    assert (again.embedded, again.skipped) == (0, len(embeddings))


@pytest.fixture
def killable(tmp_path: Path) -> Path:
    pytest.importorskip("ray")
    if not os.environ.get("MMRECO_RAY"):
        pytest.skip("starts Ray, which takes a minute; set MMRECO_RAY=1")
    return tmp_path / "store"


@pytest.mark.timeout(900)
def test_three_kills_and_a_resume(killable: Path) -> None:
    def started() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, __file__, str(killable)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    done = 0
    for _ in range(3):
        process = started()
        while process.poll() is None:
            shards = len(list((killable / "shards").glob("*/CURRENT"))) if (killable / "shards").is_dir() else 0
            if shards >= done + 3:
                os.killpg(process.pid, signal.SIGKILL)  # driver and, with it, this job's Ray
                done = shards
                break
            time.sleep(0.05)
        process.communicate()
        assert done, "it ended before it could be killed"
    said, _ = started().communicate(timeout=600)
    embedded, skipped, refused = json.loads(said.splitlines()[-1])
    ids, contents = catalogue(ROWS)
    right = embed(Slow(), ids, contents)
    got = Embeddings.load(killable)
    assert got.ids == right.embeddings.ids  # nothing missing, nothing doubled
    np.testing.assert_array_equal(got.vectors, right.embeddings.vectors)
    assert (embedded + skipped, refused) == (len(got), right.refused.num_rows)
    assert skipped >= done * SHARD * 0.9


def test_what_is_asked_of_ray(tmp_path: Path) -> None:
    ids, contents = catalogue(20)
    for options in ({"actors": 0}, {"gpus": -1.0}, {"batch_size": 0}, {"shard_size": 0}):
        with pytest.raises(DataError, match=f"{next(iter(options))}="):
            embed_on_ray(Slow(), ids, contents, store=tmp_path / "s", **options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="19 contents for 20 ids"):
        embed_on_ray(Slow(), ids, contents[:-1], store=tmp_path / "s")


if __name__ == "__main__":
    job(Path(sys.argv[1]))
