"""A stored index survives kills, damage, a second writer and readers, and forgets when told to."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmreco.arrays import F32
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import DataError, UnknownIdError
from mmreco.index import forget
from mmreco.index.structure import Structure
from mmreco.index.vector import VectorIndex
from mmreco.storage import artefact
from mmreco.storage.artefact import open_artefact, publish, verify
from mmreco.storage.lock import hold, reading

faiss = pytest.importorskip("faiss")

N, DIM = 600, 16
KILLS = 2
BITS = 40
PUBLICATIONS = 8


def vectors(n: int, seed: int = 0) -> F32:
    drawn = np.random.default_rng(seed).standard_normal((n, DIM))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def shop(n: int, seed: int = 0) -> VectorIndex:
    held = Embeddings(IdMap.of([f"sku-{row}-of-{seed}" for row in range(n)]), vectors(n, seed))
    return VectorIndex(held, quality="IVF8,SQ8", device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shop(N).save(tmp_path / "index")
    return tmp_path / "index"


def test_numbers_of_numpy_are_saved(tmp_path: Path) -> None:
    held = Embeddings(IdMap.of([str(row) for row in range(N)]), vectors(N))
    index = VectorIndex(held, quality=np.str_("IVF8,SQ8"), memory=np.int64(1 << 30), device="cpu")
    index.save(tmp_path / "index")
    assert VectorIndex.load(tmp_path / "index", device="cpu").memory == 1 << 30


# ---- damage


def test_every_flipped_bit_is_found(folder: Path) -> None:
    rng = np.random.default_rng(0)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    assert {"structure.faiss", "rows.npy", "vectors.npy", "rows.parquet"} <= {p.name for p in files}
    for number in range(BITS):
        path = files[number % len(files)]
        whole = path.read_bytes()
        damaged = bytearray(whole)
        bit = int(rng.integers(8 * len(whole)))
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        with pytest.raises(DataError):
            VectorIndex.load(folder) if number % 10 == 0 else verify(folder)
        path.write_bytes(whole)
    assert len(VectorIndex.load(folder)) == N


def test_a_file_cannot_claim_more_memory_than_it_has_bytes(folder: Path) -> None:
    """The manifest is the wall; behind it, FAISS itself is held to the file's size."""
    path = open_artefact(folder).path / "structure.faiss"
    before = faiss.get_deserialization_vector_byte_limit()
    raw = path.read_bytes()
    at = raw.find((8 * DIM).to_bytes(8, "little"))  # how many numbers the eight centres have
    assert at > 0
    for claim in (1 << 24, 1 << 40, 1 << 62):
        path.write_bytes(raw[:at] + claim.to_bytes(8, "little") + raw[at + 8 :])
        with pytest.raises(DataError, match=r"structure\.faiss: not a FAISS index"):
            Structure.read(faiss, path, "IVF8,SQ8", (N, DIM))
    assert faiss.get_deserialization_vector_byte_limit() == before


# ---- faults


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_fault_at_any_step_leaves_the_old_index(folder: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    new = shop(50, seed=1)
    true, step = getattr(os, call), 0
    for fault in range(40):
        step = 0

        def failing(*args: object, _fault: int = fault, **kwargs: object) -> object:
            nonlocal step
            step += 1
            if step == _fault + 1:
                raise OSError(28, "No space left on device")
            return true(*args, **kwargs)

        monkeypatch.setattr(artefact.os, call, failing)
        try:
            new.save(folder)
            monkeypatch.setattr(artefact.os, call, true)
            break
        except DataError:
            monkeypatch.setattr(artefact.os, call, true)
            assert len(VectorIndex.load(folder)) in (N, 50)  # whole, whichever counts
    else:
        pytest.fail("never ran out of steps")
    assert len(VectorIndex.load(folder)) == 50
    assert len(list(folder.iterdir())) == 2


_WRITER = """
import sys, numpy as np
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.index.vector import VectorIndex
for number in range(1, 10_000):
    held = Embeddings(IdMap.of([f"{number}-{row}" for row in range(40)]), np.full((40, 4), number, dtype=np.float32))
    VectorIndex(held, device="cpu").save(sys.argv[1])
    print(number, flush=True)
"""


def test_kills_leave_the_last_acknowledged_index_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    rng = np.random.default_rng(0)
    acknowledged = 0
    for _ in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        time.sleep(float(rng.random()) * 0.05)
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            acknowledged = int(line) if line.endswith("\n") else acknowledged
        writer.wait()
        writer.stdout.close()
        index = VectorIndex.load(folder)
        assert acknowledged <= float(index.embeddings.vectors[0, 0]) <= acknowledged + 1
        assert (index.embeddings.vectors == index.embeddings.vectors[0, 0]).all()
        assert len(list(folder.iterdir())) == 2


# ---- one writer, many readers


def test_a_second_writer_is_refused(folder: Path) -> None:
    code = f"""
from mmreco.storage.lock import hold
from pathlib import Path
with hold(Path({str(folder)!r})):
    print("held", flush=True)
    input()
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(DataError, match="another writer is at work on it"):
        shop(20, seed=1).save(folder)
    assert len(VectorIndex.load(folder)) == N  # readers may
    other.communicate("\n")
    shop(20, seed=1).save(folder)
    assert len(VectorIndex.load(folder)) == 20


def test_a_writer_may_publish_inside_his_own_lock(folder: Path) -> None:
    with hold(folder):
        shop(20, seed=1).save(folder)
        with hold(folder):
            pass
    assert len(VectorIndex.load(folder)) == 20


def test_what_is_read_is_retired_after_its_readers(folder: Path) -> None:
    old = open_artefact(folder).path
    with reading(old):
        shop(20, seed=1).save(folder)
        assert old.is_dir()
        assert len(VectorIndex.load(folder)) == 20
        assert old.is_dir()
    VectorIndex.load(folder)
    assert not old.exists()


def test_a_damaged_pointer_takes_nothing_away(folder: Path) -> None:
    text = (folder / "CURRENT").read_text()
    (folder / "CURRENT").write_text(text.replace("g-000001", "g-000003"))
    with pytest.raises(DataError):
        VectorIndex.load(folder)
    (folder / "CURRENT").write_text(text)
    assert len(VectorIndex.load(folder)) == N


_READER = """
import sys
from mmreco.index.vector import VectorIndex
import numpy as np
print("ready", flush=True)
seen = 0
while True:
    index = VectorIndex.load(sys.argv[1], device="cpu")
    number = int(index.embeddings.vectors[0, 0])
    assert (index.embeddings.vectors == number).all() and index.embeddings.ids.ids([3]) == [f"{number}-3"]
    assert (index.search(np.ones((1, 4), dtype=np.float32), 3).scores == 4.0 * number).all()
    seen += 1
    if number == int(sys.argv[2]):
        break
print(seen, flush=True)
"""


def test_readers_see_exactly_one_generation(tmp_path: Path) -> None:
    folder = tmp_path / "index"

    def save(number: int) -> None:
        held = Embeddings(
            IdMap.of([f"{number}-{row}" for row in range(40)]), np.full((40, 4), number, dtype=np.float32)
        )
        VectorIndex(held, device="cpu").save(folder)

    save(1)
    command = [sys.executable, "-c", _READER, str(folder), str(PUBLICATIONS)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for number in range(2, PUBLICATIONS + 1):
        save(number)
    for reader in readers:
        said, _ = reader.communicate(timeout=120)
        assert reader.returncode == 0
        assert int(said) >= 1


# ---- forget


def test_what_is_forgotten_is_in_no_file(folder: Path) -> None:
    secret = "sku-77-of-0"
    vector = vectors(N)[77].tobytes()
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert any(vector in p.read_bytes() for p in files)
    index = forget(folder, [secret, "sku-5-of-0"])
    assert len(index) == N - 2
    for path in folder.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert secret.encode() not in raw
            assert vector not in raw
            if path.suffix == ".parquet":
                assert secret not in pq.read_table(path)["id"].to_pylist()
    loaded = VectorIndex.load(folder)
    assert secret not in loaded.embeddings.ids.ids(range(len(loaded)))
    assert loaded.report()["dead"] == 0
    with pytest.raises(UnknownIdError, match="sku-77-of-0"):
        forget(folder, [secret])


def test_forgetting_waits_for_readers_and_says_so(folder: Path) -> None:
    with reading(open_artefact(folder).path), pytest.raises(DataError, match=r"still read after 0\.1 s"):
        forget(folder, ["sku-1-of-0"], patience=0.1)
    assert len(VectorIndex.load(folder)) == N - 1
    assert len(list(folder.iterdir())) == 2


def test_forgetting_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no mmreco artefact here"):
        forget(tmp_path / "none", ["a"])


# ---- settings


def test_a_loaded_index_keeps_its_life(tmp_path: Path) -> None:
    index = shop(N).remove([f"sku-{row}-of-0" for row in range(50)])
    index = index.add(Embeddings(IdMap.of(["a", "b"]), vectors(2, 9)))
    index.save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index", device="cpu")
    assert {**loaded.report(), "bytes": 0} == {**index.report(), "bytes": 0}  # what was removed is not stored
    assert (loaded.report()["dead"], loaded.report()["tail"]) == (50, 2)
    queries = vectors(20, 3)
    np.testing.assert_array_equal(loaded.search(queries, 10).rows, index.search(queries, 10).rows)
    further = loaded.add(
        Embeddings(IdMap.of(["c"]), vectors(1, 10))
    ).compact()  # the mapped structure is not written to
    assert len(further) == N - 47


@pytest.mark.parametrize("said", ["[]", "{", '{"recall": 1}', '{"quality": "IVF8,SQ8", "factory": "IVF8,SQ8"}'])
def test_settings_that_are_none_are_refused(tmp_path: Path, said: str) -> None:
    with publish(tmp_path / "index", "VectorIndex") as path:
        shop(N)._write(path)
        (path / "index.json").write_text(said)
    with pytest.raises(DataError, match=r"index\.json"):
        VectorIndex.load(tmp_path / "index", device="cpu")


def test_rows_that_are_not_the_items_are_refused(tmp_path: Path) -> None:
    with publish(tmp_path / "index", "VectorIndex") as path:
        shop(N)._write(path)
        np.save(path / "rows.npy", np.zeros(N, dtype=np.int64))
    with pytest.raises(DataError, match="rows that are not the 600 items"):
        VectorIndex.load(tmp_path / "index", device="cpu")
    assert json.loads((open_artefact(tmp_path / "index").path / "index.json").read_text())["factory"] == "IVF8,SQ8"
