"""The store of vectors: found by content, whole or refused, one writer; and Embeddings on disk."""

import hashlib
import json
import mmap
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data import embeddings as embeddings_module
from mmreco.data.embeddings import Embeddings, read_vectors, write_rows
from mmreco.data.ids import IdMap
from mmreco.embedding.store import Ledger, Refusal, ShardStore, packed
from mmreco.errors import DataError, IncompatibleError
from mmreco.storage.artefact import publish, verify
from mmreco.storage.generation import begin

DIM = 4


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def vector(text: str) -> np.ndarray:
    return np.random.default_rng(list(text.encode())).normal(size=DIM).astype(np.float32)


def opened(folder: Path, fingerprint: str = "fake"):
    return ShardStore.open(folder, fingerprint=fingerprint, dim=DIM)


def put(store: ShardStore, texts: list[str], refused: list[str] = []) -> None:  # noqa: B006
    store.append(
        [f"id-{t}" for t in texts],
        [digest(t) for t in texts],
        np.array([vector(t) for t in texts], np.float32).reshape(-1, DIM),
        [Refusal(f"id-{t}", digest(t), "broken") for t in refused],
    )


def end(store: ShardStore, texts: list[str]) -> Embeddings:
    return store.finish(IdMap.of([f"id-{t}" for t in texts]), packed(digest(t) for t in texts), [])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "store"


# ---- the ledger


class TestLedger:
    @given(
        st.lists(st.lists(st.binary(min_size=0, max_size=3), max_size=6), max_size=4),
        st.lists(st.binary(min_size=0, max_size=3), max_size=8),
    )
    def test_finds_what_a_dict_finds(self, sources: list[list[bytes]], asked: list[bytes]) -> None:
        # digests that differ in their last bytes only, many of which are zero: what numpy would drop
        def full(tail: bytes) -> bytes:
            return b"\1" * 28 + tail.rjust(3, b"\0") + b"\0"

        ledger, twin = Ledger(), {}
        for number, tails in enumerate(sources):
            vectors = np.array([[number, row] for row in range(len(tails))], np.float32).reshape(-1, 2)
            ledger.add(packed(map(full, tails)), vectors, [])
            for row, tail in enumerate(tails):
                twin.setdefault(full(tail), (number, row))
        ledger.seal()
        places = ledger.places(packed(map(full, asked)))
        assert (places >= 0).tolist() == [full(tail) in twin for tail in asked]
        assert [ledger.holds(full(tail)) for tail in asked] == (places >= 0).tolist()
        found = [full(tail) for tail in asked if full(tail) in twin]
        got = [tuple(row) for block in ledger.vectors(places[places >= 0], 2) for row in block]
        assert got == [twin[tail] for tail in found]

    def test_holds_only_what_was_there_when_sealed(self) -> None:
        ledger = Ledger()
        ledger.seal()
        ledger.add(packed([digest("a")]), np.ones((1, DIM), np.float32), [(digest("b"), "broken")])
        assert not ledger.holds(digest("a"))
        assert ledger.places(packed([digest("a"), digest("b")])).tolist() == [0, -1]
        assert ledger.reason(digest("b")) == "broken"
        assert ledger.reason(digest("a")) is None


# ---- embeddings on disk


def is_mapped(array: object) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


def some(n: int = 50) -> Embeddings:
    vectors = np.random.default_rng(0).normal(size=(n, DIM)).astype(np.float32)
    return Embeddings(IdMap.of([f"品-{row}" for row in range(n)]), vectors, "fake/1")


@pytest.mark.parametrize("n", [0, 1, 50])
@pytest.mark.parametrize("mapped", [False, True])
def test_written_embeddings_are_read_alike(folder: Path, n: int, mapped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings_module, "_MAPPED", 0 if mapped else 1 << 30)
    given_, kept = some(n), 0
    for _ in range(2):  # a second time over the first
        given_.save(folder)
        got = Embeddings.load(folder)
        kept += is_mapped(got.vectors)
        np.testing.assert_array_equal(got.vectors, given_.vectors)
        assert got.ids == given_.ids
        assert got.fingerprint == "fake/1"
        assert not got.vectors.flags.writeable
    assert kept == (2 if mapped else 0)


def test_every_flipped_bit_of_written_embeddings_is_found(folder: Path) -> None:
    some().save(folder)
    draw = random.Random(0)
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "manifest.json"]
    assert {p.name for p in files} == {"CURRENT", "vectors.npy", "rows.parquet", "embeddings.json"}
    for path in files:
        whole = path.read_bytes()
        for _ in range(25):
            flipped = bytearray(whole)
            flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
            path.write_bytes(flipped)
            with pytest.raises(DataError):
                Embeddings.load(folder)
        path.unlink()
        with pytest.raises(DataError, match=r"missing|no mmreco artefact"):
            Embeddings.load(folder)
        path.write_bytes(whole)
    assert len(Embeddings.load(folder)) == 50


def test_readers_meet_one_whole_generation_while_others_are_published(folder: Path) -> None:
    def written(number: int) -> Embeddings:
        return Embeddings(IdMap.of([f"{number}-{row}" for row in range(20)]), np.full((20, DIM), number, np.float32))

    def look() -> int:
        looks = 0
        while not over.is_set():
            got = Embeddings.load(folder)
            assert {name.partition("-")[0] for name in got.ids.array.to_pylist()} == {str(int(got.vectors[0, 0]))}
            assert (got.vectors == got.vectors[0, 0]).all()
            looks += 1
        return looks

    over = threading.Event()
    written(0).save(folder)
    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(look) for _ in range(3)]
        try:
            for number in range(1, 40):
                written(number).save(folder)
        finally:
            over.set()
        assert min(reader.result() for reader in readers) >= 3


def test_reading_a_folder_of_something_else(folder: Path) -> None:
    with pytest.raises(DataError, match="no mmreco artefact"):
        Embeddings.load(folder)
    with publish(folder, "Recommender") as path:
        (path / "a.txt").write_text("a", encoding="utf-8")
    with pytest.raises(IncompatibleError, match=r"Recommender.*expected a Embeddings"):
        Embeddings.load(folder)


def test_vectors_of_an_unknown_dtype_are_refused(folder: Path) -> None:
    with publish(folder, "Embeddings") as path:
        some()._write(path)
        about = json.loads((path / "embeddings.json").read_text(encoding="utf-8"))
        (path / "embeddings.json").write_text(json.dumps(about | {"dtype": "float64"}), encoding="utf-8")
    with pytest.raises(IncompatibleError, match=r"float64.*float32"):
        Embeddings.load(folder)


@pytest.mark.parametrize(
    ("blocks", "said"), [([np.ones((2, DIM), np.float32)], "2 vectors for 3 ids"), ([np.ones((3, 5))], "3, 5")]
)
def test_rows_and_vectors_must_agree(tmp_path: Path, blocks: list[np.ndarray], said: str) -> None:
    with pytest.raises(DataError, match=said):
        write_rows(tmp_path, {"id": some(3).ids.array}, blocks, dim=DIM, fingerprint="")


# ---- the store


def test_a_run_is_published_in_the_order_asked_and_leaves_no_shards(folder: Path) -> None:
    with opened(folder) as store:
        put(store, ["a", "b"], ["x"])
        put(store, ["c"])
        assert len(list((folder / "shards").iterdir())) == 2
        got = end(store, ["c", "a"])
    np.testing.assert_array_equal(got.vectors, [vector("c"), vector("a")])
    assert got.ids.ids([0, 1]) == ["id-c", "id-a"]
    assert got.fingerprint == "fake"
    assert list((folder / "shards").iterdir()) == []
    rows = pq.read_table(verify(folder).path / "rows.parquet").to_pydict()
    assert rows == {"id": ["id-c", "id-a"], "hash": [digest("c"), digest("a")]}


def test_a_shard_says_what_it_holds(folder: Path) -> None:
    with opened(folder) as store:
        put(store, ["a", "b"], ["x"])
        shard = verify(folder / "shards" / "shard-000001")
        assert shard.about == {"fingerprint": "fake", "dim": DIM, "dtype": "float32", "rows": 2, "refused": 1}
        refused = pq.read_table(shard.path / "refused.parquet").to_pylist()
    assert refused == [{"id": "id-x", "hash": digest("x"), "reason": "broken"}]


def test_an_unfinished_run_is_taken_up_and_says_so_to_readers(folder: Path) -> None:
    with opened(folder) as store:
        put(store, ["a"], ["x"])
        put(store, ["b"])
    with pytest.raises(DataError, match="unfinished, 2 shards"):
        Embeddings.load(folder)
    with opened(folder) as store:
        assert [store.ledger.holds(digest(t)) for t in "abx"] == [True, True, False]
        assert store.ledger.reason(digest("x")) == "broken"
        put(store, ["c"])
        assert len(end(store, ["a", "b", "c"])) == 3


def test_the_old_result_answers_while_a_run_is_unfinished(folder: Path) -> None:
    with opened(folder) as store:
        put(store, ["a"])
        end(store, ["a"])
    with opened(folder) as store:
        put(store, ["b"])
        assert Embeddings.load(folder).ids.ids([0]) == ["id-a"]
    assert len(Embeddings.load(folder)) == 1


def test_an_unchanged_run_writes_nothing(folder: Path) -> None:
    with opened(folder) as store:
        put(store, ["a", "b"])
        end(store, ["a", "b"])
    before = verify(folder).path
    with opened(folder) as store:
        assert store.ledger.holds(digest("a"))
        end(store, ["a", "b"])
    assert verify(folder).path == before
    with opened(folder) as store:
        end(store, ["b", "a"])
    assert verify(folder).path != before


def test_what_a_kill_left_behind_is_swept(folder: Path) -> None:
    with opened(folder) as store:
        put(store, ["a"])
        end(store, ["a"])
        put(store, ["b"])
    (begin(folder, "Embeddings") / "vectors.npy").write_bytes(b"half")
    (folder / "shards" / "shard-000007").mkdir()
    (begin(folder / "shards" / "shard-000007", "Shard") / "vectors.npy").write_bytes(b"half")
    with opened(folder) as store:
        assert store.ledger.holds(digest("b"))
    assert sorted(p.name for p in folder.glob("g-*")) == [verify(folder).path.name]
    assert [p.name for p in (folder / "shards").iterdir()] == ["shard-000001"]


@pytest.mark.parametrize("name", ["vectors.npy", "rows.parquet", "refused.parquet", "embeddings.json", "CURRENT"])
def test_a_damaged_shard_is_dropped_and_the_others_stand(
    folder: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(folder) as store:
        put(store, ["a"], ["x"])
        put(store, ["b"])
    path = next((folder / "shards" / "shard-000001").rglob(name))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 4
    path.write_bytes(whole)
    with opened(folder) as store:
        assert not store.ledger.holds(digest("a"))
        assert store.ledger.holds(digest("b"))
    assert "damaged shard is embedded again" in caplog.text
    assert not (folder / "shards" / "shard-000001").exists()


@pytest.mark.parametrize("name", ["CURRENT", "vectors.npy", "rows.parquet"])
def test_a_damaged_result_is_an_error_and_nothing_is_deleted(folder: Path, name: str) -> None:
    with opened(folder) as store:
        put(store, ["a"])
        end(store, ["a"])
    before = sorted(folder.rglob("*"))
    path = next(p for p in before if p.name == name)
    whole = bytearray(path.read_bytes())
    whole[-2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DataError), opened(folder):
        pass
    assert sorted(folder.rglob("*")) == before


def test_another_encoder_starts_afresh_and_the_old_answers_until_it_is_done(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(folder) as store:
        put(store, ["a"])
        end(store, ["a"])
        put(store, ["b"])
    with opened(folder, "other") as store:
        assert not store.ledger.holds(digest("a"))
        assert not store.ledger.holds(digest("b"))
        assert Embeddings.load(folder).fingerprint == "fake"
        put(store, ["a"])
        assert end(store, ["a"]).fingerprint == "other"
    assert "another encoder's" in caplog.text
    assert list((folder / "shards").iterdir()) == []


def test_a_store_does_not_lose_everything_to_a_folder_that_is_not_mounted(folder: Path) -> None:
    with opened(folder) as store:
        put(store, ["a"])
        end(store, ["a"])
    with opened(folder) as store, pytest.raises(DataError, match=r"all 1 contents.*'id-a': no such file.*keeps the 1"):
        store.finish(IdMap.of([]), packed([]), [Refusal("id-a", b"", "no such file")])
    assert len(Embeddings.load(folder)) == 1


def test_a_run_with_a_content_in_no_shard_is_not_published(folder: Path) -> None:
    with opened(folder) as store:
        put(store, ["a"])
        with pytest.raises(DataError, match="1 of 2 contents are in no shard"):
            end(store, ["a", "b"])


def test_plainly_written_embeddings_can_become_a_store(folder: Path) -> None:
    some().save(folder)
    with opened(folder, "fake/1") as store:
        put(store, ["a"])
        assert len(Embeddings.load(folder)) == 50
        assert len(end(store, ["a"])) == 1


def test_a_second_writer_is_refused(folder: Path) -> None:
    with opened(folder), pytest.raises(DataError, match="another writer is at work on it"), opened(folder):
        pass
    with opened(folder):
        pass


def test_a_second_process_is_refused_and_a_dead_one_holds_nothing(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from mmreco.embedding.store import ShardStore\n"
        f"with ShardStore.open(Path(sys.argv[1]), fingerprint='fake', dim={DIM}):\n"
        "    print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(DataError, match="another writer is at work on it"), opened(folder):
            pass
        other.kill()
        other.wait()
    with opened(folder) as store:
        put(store, ["a"])


def test_a_folder_of_something_else_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match="not a store of embeddings"), opened(folder):
        pass
    with pytest.raises(DataError, match="not a store of embeddings"), opened(folder / "holiday.jpg"):
        pass
    assert [p.name for p in folder.iterdir()] == ["holiday.jpg"]


def test_an_artefact_of_another_kind_is_left_alone(folder: Path) -> None:
    with publish(folder, "Recommender") as path:
        (path / "a.txt").write_text("a", encoding="utf-8")
    before = sorted(folder.rglob("*"))
    with pytest.raises(IncompatibleError, match="Recommender"), opened(folder):
        pass
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("largest", [0.2, 0.5, 0.8])
def test_eight_bits_cost_what_is_said(folder: Path, largest: float) -> None:
    rng, dim, n = np.random.default_rng(0), 256, 50
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    vectors[:, 0] = 0
    vectors *= np.sqrt(1 - largest**2) / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:, 0] = largest  # a unit vector in which one number stands out
    folder.mkdir()
    ids = IdMap.of([str(row) for row in range(n)])
    write_rows(folder, {"id": ids.array}, [vectors], dim=dim, fingerprint="", dtype="int8")
    kept = read_vectors(folder, slice(None))
    lost = 1 - (kept * vectors).sum(axis=1) / np.linalg.norm(kept, axis=1)
    np.testing.assert_allclose(lost.mean(), dim * (np.abs(vectors).max(axis=1) ** 2).mean() / 387_000, rtol=0.15)
