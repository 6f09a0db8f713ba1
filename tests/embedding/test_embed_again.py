"""embed() run again: after a change, an interruption, or a fault at any write."""

import contextlib
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hashing_encoders import HashedPictures, HashedTexts, assert_each_has_its_own, names, texts

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding import contents as contents_module
from mmreco.embedding.embed import EmbedResult, embed, folder_pictures
from mmreco.errors import DataError
from mmreco.storage.artefact import verify


def run(
    store: Path, ids: Sequence[str], contents: Sequence[Any], fingerprint: str = "texts"
) -> tuple[EmbedResult, list]:
    encoder = HashedTexts(fingerprint)
    done = embed(encoder, IdMap.of(ids), contents, store=store, shard_size=10, batch_size=4)
    return done, encoder.seen


def test_only_new_and_changed_content_is_embedded(tmp_path: Path) -> None:
    store, ids, contents = tmp_path / "store", [f"i{row}" for row in range(50)], texts(50)
    assert len(run(store, ids, contents)[1]) == 50
    done, seen = run(store, ids, contents)
    assert (seen, done.skipped, done.embedded) == ([], 50, 0)

    contents[7], contents[30] = "changed", None
    ids, contents = [*ids, "new"], [*contents, "brand new"]
    order = list(range(51))
    random.Random(0).shuffle(order)
    order.remove(3)  # gone from the input
    ids, contents = [ids[r] for r in order], [contents[r] for r in order]
    done, seen = run(store, ids, contents)
    assert sorted(seen) == ["brand new", "changed"]
    assert (done.embedded, done.skipped, done.refused.num_rows) == (2, 47, 0)
    assert_each_has_its_own(done, IdMap.of(ids), contents)
    assert Embeddings.load(store).ids == done.embeddings.ids

    done, seen = run(store, [f"renamed-{name}" for name in ids], contents)
    assert seen == []
    assert len(done.embeddings) == 49
    assert_each_has_its_own(done, IdMap.of([f"renamed-{name}" for name in ids]), contents)


def test_a_picture_that_was_mended_or_renamed_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name, content in {"a": b"a", "b": b"BAD", "c": b"c"}.items():
        (tmp_path / "p" / f"{name}.jpg").write_bytes(content)
    done = embed(HashedPictures(), *folder_pictures(tmp_path / "p"), store=tmp_path / "store")
    assert done.refused["id"].to_pylist() == ["b"]
    (tmp_path / "p" / "b.jpg").write_bytes(b"good now")
    (tmp_path / "p" / "c.jpg").rename(tmp_path / "p" / "z.webp")
    encoder = HashedPictures()
    done = embed(encoder, *folder_pictures(tmp_path / "p"), store=tmp_path / "store")
    assert (done.embedded, done.skipped, done.refused.num_rows) == (1, 2, 0)
    assert encoder.seen == [b"good now"]
    assert_each_has_its_own(done, IdMap.of(["a", "b", "z"]), [b"a", b"good now", b"c"])


def test_a_path_given_as_text_is_a_path_to_an_encoder_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    done = embed(HashedPictures(), names(1), [str(tmp_path / "a.jpg")], store=tmp_path / "store")
    assert_each_has_its_own(done, names(1), [b"a"])
    (tmp_path / "a.jpg").write_bytes(b"another")
    done = embed(HashedPictures(), names(1), [str(tmp_path / "a.jpg")], store=tmp_path / "store")
    assert_each_has_its_own(done, names(1), [b"another"])


def test_another_encoder_embeds_all_again(tmp_path: Path) -> None:
    store, ids = tmp_path / "store", [f"i{row}" for row in range(25)]
    run(store, ids, texts(25))
    done, seen = run(store, ids, texts(25), fingerprint="other")
    assert (len(seen), done.skipped, done.embeddings.fingerprint) == (25, 0, "other")
    assert Embeddings.load(store).fingerprint == "other"


def test_what_a_complete_run_refused_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, contents = tmp_path / "store", ["a", "BAD", "b"]
    done, _ = run(store, ["a", "b", "c"], contents)
    assert done.refused.num_rows == 1
    before = verify(store).path
    done, seen = run(store, ["a", "b", "c"], contents)
    assert (seen, done.skipped, done.refused.num_rows) == ([], 2, 1)
    assert verify(store).path == before  # nothing changed, nothing written
    contents_read = contents_module.read
    monkeypatch.setattr("mmreco.embedding.run.read", lambda c: ("fine now", contents_read(c)[1]))
    done, seen = run(store, ["a", "b", "c"], contents)
    assert (seen, done.embedded, done.refused.num_rows) == (["fine now"], 1, 0)


class Stop(BaseException):
    """What no `except` of ours may swallow."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop, MemoryError, RuntimeError])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, error: type[BaseException], workers: int) -> None:
    def feed() -> Iterator[str]:
        yield from texts(100)[:47]
        raise error

    store, encoder, threads = tmp_path / "store", HashedTexts(), threading.active_count()
    with pytest.raises(error):
        embed(encoder, names(100), feed(), store=store, shard_size=10, batch_size=2, workers=workers)
    assert threading.active_count() == threads
    with pytest.raises(DataError, match="unfinished, 4 shards"):
        Embeddings.load(store)
    again = HashedTexts()
    done = embed(again, names(100), texts(100), store=store, shard_size=10, batch_size=2, workers=workers)
    assert (done.skipped, done.embedded) == (40, 60)
    assert again.seen == texts(100)[40:]
    assert_each_has_its_own(done, names(100), texts(100))


# ---- a fault at each write


def faults(monkeypatch: pytest.MonkeyPatch, at: int, error: Callable[[], BaseException]) -> list[str]:
    """Make the `at`-th of the calls that touch the disk fail; the calls so far are listed."""
    calls: list[str] = []

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == at:
                raise error()
            return real(*args, **options)

        return call

    for name in ("fsync", "replace", "mkdir", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, wrapped(name, getattr(os, name)))
    monkeypatch.setattr(pq, "write_table", wrapped("write_table", pq.write_table))
    header = np.lib.format.write_array_header_1_0
    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", wrapped("vectors", header))
    monkeypatch.setattr(Path, "write_text", wrapped("write_text", Path.write_text))
    return calls


@pytest.mark.parametrize(
    ("before", "error"),
    [(False, lambda: OSError(28, "No space left on device")), (True, Stop)],
    ids=["first run, disk full", "second run, stopped"],
)
def test_a_fault_at_each_write_loses_nothing(
    tmp_path: Path, error: Callable[[], Any], before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents, old = texts(6), texts(3)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the test is about order and faults, and is to be quick
    seen: set[str] = set()
    for at in range(1, 1000):
        store = tmp_path / f"store-{at}"
        if before:
            run_small(HashedTexts(), store, old)
        encoder = HashedTexts()
        with pytest.MonkeyPatch.context() as patch:
            calls = faults(patch, at, error)
            with contextlib.suppress(DataError, Stop):
                run_small(encoder, store, contents)
        seen.update(calls)
        if len(calls) < at:
            break  # a run without a fault
        if before:  # some complete run answers, and nothing in between
            assert len(Embeddings.load(store)) in (3, 6)
        again = HashedTexts()
        done = run_small(again, store, contents)
        assert_each_has_its_own(done, names(6), contents)
        assert len(done.embeddings) == 6
        assert len(again.seen) <= (3 if before else 6)
        assert len(set(encoder.seen) & set(again.seen)) <= 4  # one shard
        assert sorted(p.name for p in store.iterdir()) == ["CURRENT", verify(store).path.name, "shards"]
        assert list((store / "shards").iterdir()) == []
    assert at > 40
    assert seen >= {"fsync", "replace", "mkdir", "write_table", "vectors", "write_text"}


def run_small(encoder: HashedTexts, store: Path, contents: list[str]) -> EmbedResult:
    return embed(encoder, names(len(contents)), contents, store=store, shard_size=4, batch_size=2)
