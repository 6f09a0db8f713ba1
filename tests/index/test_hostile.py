"""Artefacts whose hashes are right and whose content is hostile: refused or answered, never a crash or a hang."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import DataError, MMRecoError
from mmreco.index.vector import VectorIndex
from mmreco.storage.artefact import publish

pytest.importorskip("faiss")

N, DIM = 1_200, 16
KINDS = ["HNSW16,SQ8", "IVF32,SQ8", "IVF32,PQ8x6", "IVF32_HNSW16,SQ8", "PCA8,IVF32,SQ4", "SQfp16", "IVF32,PQ8x4fs"]
KINDS += ["Flat", "HNSW16,Flat", "IVF32,Flat", "PQ8x4"]
_REFUSED, _RAW = 1, 2


def vectors() -> F32:
    return np.random.default_rng(0).standard_normal((N, DIM)).astype(np.float32)


def shop() -> Embeddings:
    return Embeddings(IdMap.of([f"i{row}" for row in range(N)]), vectors())


def mutated(whole: bytes, rng: np.random.Generator) -> bytes:
    """Bits, counts and stretches changed, oftener where the headers are."""
    raw = bytearray(whole)
    for _ in range(int(rng.integers(1, 4))):
        end = [len(raw), min(len(raw), 400)][int(rng.integers(2))]
        at = int(rng.integers(end)) if rng.random() < 0.8 else len(raw) - 1 - int(rng.integers(min(len(raw), 600)))
        counts = [0, 1, N - 1, N, 1 << 20, (1 << 31) - 1, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]
        count = counts[int(rng.integers(len(counts)))]
        match int(rng.integers(5)):
            case 0:
                raw[at] ^= 1 << int(rng.integers(8))
            case 1:
                raw[at : at + 4] = (count % (1 << 32)).to_bytes(4, "little")
            case 2:
                raw[at : at + 8] = count.to_bytes(8, "little")
            case 3:
                raw[at : at + 8] = rng.bytes(8)
            case 4:
                del raw[at : at + int(rng.integers(1, 64))]
    return bytes(raw)


def outcome(path: Path) -> str:
    """What comes of loading and using the index at `path`, in a child that may die of it."""
    told, tells = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        signal.setitimer(signal.ITIMER_PROF, 10)  # of its own time: others may be at work here
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        code = _RAW
        try:
            index, queries = VectorIndex._read(path, device="cpu"), vectors()[:70]
            for batch in (queries[:1], queries):
                assert index.search(batch, 10).rows.max() < N
            index.search(queries[:3], 10, where=np.arange(N) % 3 == 0)
            if index._state.segments is not None:
                index._state.segments.structure.grown(queries)
            index.add(Embeddings(IdMap.of(["new"]), queries[:1])).search(queries, 3)
            code = 0
        except MMRecoError:
            code = _REFUSED
        except BaseException as error:
            os.write(tells, repr(error)[:300].encode())
        finally:
            os._exit(code)
    os.close(tells)
    status = os.waitpid(child, 0)[1]
    with open(told, "rb") as words:
        raw = words.read().decode()
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return {0: "answered", _REFUSED: "refused"}.get(os.WEXITSTATUS(status), f"raw error {raw}")


def outcomes(folder: Path, quality: str, rounds: int) -> Counter[str]:
    VectorIndex(shop(), quality=quality, device="cpu")._write(folder)
    file = folder / "structure.faiss"
    whole, rng = file.read_bytes(), np.random.default_rng(rounds)
    counts: Counter[str] = Counter()
    for _ in range(rounds):
        file.write_bytes(mutated(whole, rng))
        counts[outcome(folder)] += 1
    print(f"FAISS files: {rounds:,} of {quality}, seed {rounds}: {dict(counts)}")
    return counts


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("quality", KINDS)
def test_a_mutated_structure_never_kills(tmp_path: Path, quality: str) -> None:
    counts = outcomes(tmp_path, quality, 12)
    assert counts.keys() <= {"answered", "refused"}, counts


@pytest.mark.fuzz
@pytest.mark.timeout(7_200)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("quality", KINDS)
def test_five_thousand_mutated_structures(tmp_path: Path, quality: str) -> None:
    counts = outcomes(tmp_path, quality, 5_000 // len(KINDS) + 1)
    assert counts.keys() <= {"answered", "refused"}, counts


def test_a_kind_that_cannot_be_checked_is_built_anew(tmp_path: Path) -> None:
    index = VectorIndex(shop(), quality="IVF32,PQ8x4fs", device="cpu")
    index._write(tmp_path)
    loaded = VectorIndex._read(tmp_path, device="cpu")
    assert loaded.report()["factory"] == "IVF32,PQ8x4fs"
    assert loaded.report()["recall"] > 0.5


@pytest.mark.parametrize("quality", ["PQ8x4", "HNSW16,PQ8x4"])
def test_damaged_product_codes_never_reach_the_reader_of_faiss(tmp_path: Path, quality: str) -> None:
    index = VectorIndex(shop(), quality=quality, device="cpu")
    index._write(tmp_path)
    (tmp_path / "structure.faiss").write_bytes((tmp_path / "structure.faiss").read_bytes()[:100] + b"\xff" * 400)
    assert VectorIndex._read(tmp_path, device="cpu").search(vectors()[:1], 1).rows.tolist() == [[0]]


@pytest.mark.parametrize(
    "fields",
    [
        {"effort": {"search": 10**30, "fetch": 1.0}},
        {"effort": {"search": 0, "fetch": 1.0}},
        {"effort": {"search": 16, "fetch": 1e300}},
        {"effort": {"search": 16, "fetch": float("nan")}},
        {"effort": {"search": 16, "fetch": float("inf")}},
        {"effort": [16]},
        {"effort": None},
        {"recall": float("nan")},
        {"recall": [1]},
        {"recall": 10**400},
        {"memory": -1},
        {"memory": "1"},
        {"quality": None},
        {"quality": "IVF8,SQ8" * 100_000},
        {"quality": "HNSW1000000,Flat"},
        {"quality": "IVF999999999,Flat"},
        {"factory": ["IVF8,SQ8"] * 100_000},
    ],
)
def test_hostile_settings_are_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    with publish(tmp_path / "index", "VectorIndex") as path:
        VectorIndex(shop(), quality="IVF8,SQ8", device="cpu")._write(path)
        settings = json.loads((path / "index.json").read_text())
        (path / "index.json").write_text(json.dumps(settings | fields))
    with pytest.raises(DataError):
        VectorIndex.load(tmp_path / "index", device="cpu")


@pytest.mark.parametrize("name", ["rows.npy", "tail.npy", "index.json", "structure.faiss"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04" + bytes(40),
        b"[" * 60_000,
        b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (4000000000000,), }".ljust(128)
        + bytes(8),
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(128) + bytes(8),
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }".ljust(128) + bytes(8),
        b"\x93NUMPY\x01\x00v\x00" + b"(" * 118,
    ],
    ids=range(8),
)
def test_hostile_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with publish(tmp_path / "index", "VectorIndex") as path:
        VectorIndex(shop(), quality="IVF8,SQ8", device="cpu")._write(path)
        (path / name).write_bytes(content)
    with pytest.raises(DataError):
        VectorIndex.load(tmp_path / "index", device="cpu")
