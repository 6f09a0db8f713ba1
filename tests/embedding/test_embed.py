"""embed(): every item's vector, whatever breaks on the way."""

import logging
import os
import random
import threading
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hashing_encoders import DIM, HashedPictures, HashedTexts, assert_each_has_its_own, names, texts

from mmreco.data import embeddings as embeddings_module
from mmreco.data.embeddings import Embeddings
from mmreco.embedding import contents as contents_module
from mmreco.embedding.embed import embed, folder_pictures
from mmreco.errors import DataError
from mmreco.storage.artefact import verify


@pytest.fixture(params=[False, True], ids=["memory", "store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "store" if request.param else None


# ---- equality, alignment, refusal


@pytest.mark.parametrize("n", [0, 1, 7, 40])
@pytest.mark.parametrize(("shard_size", "batch_size"), [(1, 1), (10, 3), (1024, 64)])
def test_vectors_are_the_encoder_s(store: Path | None, n: int, shard_size: int, batch_size: int) -> None:
    contents = texts(n)
    done = embed(HashedTexts(), names(n), contents, store=store, shard_size=shard_size, batch_size=batch_size)
    assert (len(done.embeddings), done.embedded, done.skipped, done.refused.num_rows) == (n, n, 0, 0)
    assert done.embeddings.fingerprint == "texts"
    assert done.seconds > 0
    if n:
        np.testing.assert_array_equal(done.embeddings.vectors, HashedTexts().encode(contents))
    if store:
        assert Embeddings.load(store).ids == names(n)


@pytest.mark.parametrize("workers", [0, 3])
def test_refusals_keep_their_ids_and_everyone_else_their_vectors(store: Path | None, workers: int) -> None:
    n, draw = 2000, random.Random(1)
    contents: list[Any] = texts(n)
    bad = sorted(draw.sample(range(n), 20))
    for row, kind in zip(bad, ["BAD {}", "NAN {}", "  \n", "\ud800 {}"] * 5, strict=True):
        contents[row] = kind.format(row)
    for row in set(range(0, n, 97)) - set(bad):
        contents[row] = None
    done = embed(HashedTexts(), names(n), contents, store=store, shard_size=300, batch_size=16, workers=workers)
    assert_each_has_its_own(done, names(n), contents)
    assert done.refused["id"].to_pylist() == [f"sku-{row}" for row in bad]
    assert len(done.embeddings) == done.embedded == n - 20 - sum(c is None for c in contents)
    reasons = done.refused["reason"].to_pylist()
    assert reasons[:3] == [f"cannot read 'BAD {bad[0]}'", "its vector holds NaN or infinity", "empty text"]
    assert reasons[3].startswith("text is not Unicode: surrogates not allowed at character 0")
    if store:
        held = pq.read_table(verify(store).path / "refused.parquet")
        assert held["id"].to_pylist() == done.refused["id"].to_pylist()


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_pictures_are_prepared_ahead_and_encoded_in_batches(store: Path | None, workers: int, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    contents = [b"BAD" if row % 50 == 7 else b"ODD" if row % 50 == 9 else b"%d" % row for row in range(200)]
    for row, content in enumerate(contents):
        (tmp_path / "pictures" / f"{row:03d}.jpg").write_bytes(content)
    ids, paths = folder_pictures(tmp_path / "pictures")
    assert ids.ids([0, 199]) == ["000", "199"]
    encoder = HashedPictures()
    done = embed(encoder, ids, paths, store=store, shard_size=64, batch_size=16, workers=workers)
    assert_each_has_its_own(done, ids, contents)
    assert done.refused.to_pydict() == {
        "id": [f"{row:03d}" for row in range(200) if row % 50 in (7, 9)],
        "reason": ["no picture", "odd"] * 4,
    }
    assert max(encoder.batches) == 16
    here = threading.current_thread().name
    assert encoder.threads == {here} if not workers else here not in encoder.threads


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty text"),
        (" \t\n\u3000", "empty text"),
        ("x" * 1_000_001, "text of 1,000,001 characters; the limit is 1,000,000"),
        ("\udcff", "text is not Unicode"),
        (float("nan"), "content is a float; expected str, Path or bytes"),
        (Path("/no/such/file"), "cannot read the file: No such file or directory"),
        (Path("/no/such\0file"), "cannot read the file: embedded null|cannot read the file: open: embedded null"),
        (Path("/"), "cannot read the file: Is a directory|not a plain file"),
        (Path(os.devnull), "not a plain file"),
    ],
)
def test_absurd_contents_are_refused_by_name(content: Any, said: str) -> None:
    encoder = HashedTexts()
    done = embed(encoder, names(3), ["first", content, "last"])
    assert done.refused["id"].to_pylist() == ["sku-1"]
    assert any(done.refused["reason"][0].as_py().startswith(reason) for reason in said.split("|"))
    assert encoder.seen == ["first", "last"]


def test_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents_module, "LARGEST_FILE", 10)
    for name, content in {"empty": b"", "good": b"0123456789", "huge": b"0123456789a"}.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    ids, paths = folder_pictures(tmp_path)
    done = embed(HashedPictures(), ids, paths)
    assert done.embeddings.ids.ids([0]) == ["good"]
    assert dict(zip(done.refused["id"].to_pylist(), done.refused["reason"].to_pylist(), strict=True)) == {
        "empty": "empty file",
        "huge": "file of 11 bytes; the limit is 10",
        "pipe": "not a plain file",
        "round": "cannot read the file: Too many levels of symbolic links",
    }


def test_one_bad_content_among_many_costs_few_calls() -> None:
    contents = texts(512)
    contents[300] = "BAD"
    encoder = HashedTexts()
    done = embed(encoder, names(512), contents, batch_size=64)
    assert done.refused.num_rows == 1
    assert encoder.calls <= 2 * 9 + 1  # by halving
    assert sorted(encoder.seen) == sorted(set(contents) - {"BAD"})  # and nothing twice


def test_equal_contents_are_encoded_once(store: Path | None) -> None:
    contents = ["same", "other", "same", "BAD", "same", "BAD"] * 10
    encoder = HashedTexts()
    done = embed(encoder, names(60), contents, store=store)
    assert sorted(encoder.seen) == ["other", "same"]
    assert (done.embedded, done.refused.num_rows) == (40, 20)
    assert_each_has_its_own(done, names(60), contents)


def test_no_content_is_neither_vector_nor_refusal(store: Path | None) -> None:
    done = embed(HashedTexts(), names(3), [None, "a", None], store=store)
    assert done.embeddings.ids.ids([0]) == ["sku-1"]
    assert (done.embedded, done.skipped, done.refused.num_rows) == (1, 0, 0)
    assert repr(done) == "EmbedResult(1 embedded, 0 skipped, 0 refused)"


def test_everything_refused_is_an_answer_too(store: Path | None) -> None:
    done = embed(HashedTexts(), names(2), ["BAD", " "], store=store)
    assert done.embeddings.vectors.shape == (0, DIM)
    assert done.refused["reason"].to_pylist() == ["cannot read 'BAD'", "empty text"]


# ---- bad calls


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("n", "given"), [(5, 4), (5, 6), (0, 1)])
def test_as_many_contents_as_ids(store: Path | None, n: int, given: int, workers: int) -> None:
    with pytest.raises(DataError, match=f"{given} contents for {n} ids"):
        embed(HashedTexts(), names(n), texts(given), store=store)
    with pytest.raises(DataError, match=f"more contents than the {n} ids|{given} contents for {n} ids"):
        embed(HashedTexts(), names(n), (t for t in texts(given)), store=store, workers=workers)


@pytest.mark.parametrize("option", [{"shard_size": 0}, {"batch_size": -1}, {"workers": -1}])
def test_options_out_of_range(option: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=f"{next(iter(option))}="):
        embed(HashedTexts(), names(1), texts(1), **option)


def test_an_encoder_that_breaks_its_promise_stops_the_job() -> None:
    with pytest.raises(DataError, match=r"shape \(2, 8\) for 2 contents; expected \(2, 9\)"):
        embed(HashedTexts(dim=9), names(2), texts(2))


def test_being_short_of_files_is_no_fault_of_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: Any) -> int:
        raise OSError(24, "Too many open files")

    (tmp_path / "a.jpg").write_bytes(b"a")
    monkeypatch.setattr(contents_module.os, "open", short)
    with pytest.raises(OSError, match="Too many open files"):
        embed(HashedPictures(), names(1), [tmp_path / "a.jpg"])


# ---- memory, words


def test_memory_does_not_grow_with_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wide:
        fingerprint, dim = "wide", 2048

        def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
            return np.full((len(contents), 2048), 1 / 2048**0.5, np.float32)

    monkeypatch.setattr(embeddings_module, "_MAPPED", 0)
    peaks = []
    for n in (500, 4_000):  # 4 and 32 MiB of vectors
        ids = names(n)
        tracemalloc.start()
        done = embed(
            Wide(), ids, (f"title {row}" for row in range(n)), store=tmp_path / f"{n}", shard_size=250, batch_size=25
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(done.embeddings) == n
    assert peaks[1] - peaks[0] < 4 << 20  # a sixth of what the vectors alone grew by


def test_the_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mmreco"):
        embed(HashedTexts(), names(3), ["a", "b", None])
        embed(HashedTexts(), names(3), ["a", " ", None])
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
    assert "3 items: 2 embedded, 0 skipped, 0 refused," in caplog.messages[0]
    assert "1 refused (first 'sku-1': empty text)" in caplog.messages[1]


def test_a_bar_is_shown_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    embed(HashedTexts(), names(3), texts(3))
    assert capsys.readouterr() == ("", "")
    embed(HashedTexts(), names(3), texts(3), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "embedding" in err


# ---- folders


def test_the_ids_of_a_folder_are_its_names_without_the_ending(tmp_path: Path) -> None:
    for name in ("b.png", "a.tar.gz", "品-1.jpeg", "none", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "below").mkdir()
    ids, paths = folder_pictures(str(tmp_path))
    assert ids.array.to_pylist() == ["a.tar", "b", "none", "品-1"]
    assert [p.name for p in paths] == ["a.tar.gz", "b.png", "none", "品-1.jpeg"]


def test_unusable_folders_are_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        folder_pictures(tmp_path / "none")
    with pytest.raises(DataError, match="no files in it"):
        folder_pictures(tmp_path)


class Lengths(HashedTexts):
    def encode(self, contents: Sequence[Any], *, batch_size: int = 64) -> np.ndarray:
        return np.ones((len(contents), self.dim), dtype=np.float32)


def test_names_that_can_be_no_id_cost_their_file_alone(tmp_path: Path) -> None:
    for name in (b"a.jpg", b"a.png", b"a.png.jpg", b"b.jpg", b"\xff.jpg"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    ids, contents = folder_pictures(tmp_path)
    assert ids.array.to_pylist() == ["a", "a.png", "b", "a.png'", "\\udcff.jpg"]
    done = embed(Lengths(), ids, contents)
    assert done.embeddings.ids.array.to_pylist() == ["a", "a.png", "b"]
    reasons = dict(zip(done.refused["id"].to_pylist(), done.refused["reason"].to_pylist(), strict=True))
    assert "'a.jpg' and 'a.png' both have the id 'a'" in reasons["a.png'"]
    assert "is not Unicode" in reasons["\\udcff.jpg"]
