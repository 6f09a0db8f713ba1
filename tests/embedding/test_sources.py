"""Where contents come from: tar streams, object stores, parts of a catalogue and their stores put together."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hashing_encoders import HashedPictures

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding.embed import embed, embed_stream
from mmreco.embedding.partition import merge, part_of, stream_part
from mmreco.embedding.sources import stored_contents, tar_contents
from mmreco.errors import DataError, IncompatibleError


def archive(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return path


# ---- tar


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_members_come_as_ids_and_bytes(tmp_path: Path, mode: str) -> None:
    first = archive(tmp_path / "0.tar", {"a/x.front.jpg": b"1", "a/x.json": b"{}", "y.PNG": b"2"}, mode)
    second = archive(tmp_path / "1.tar", {"z.webp": b"3", "empty.jpg": b""}, mode)
    found = list(tar_contents([first, str(second)]))
    assert found[:3] == [("a/x", b"1"), ("y", b"2"), ("z", b"3")]
    assert found[3][0] == "empty"
    assert "empty file" in str(found[3][1])


def test_links_are_refused_and_nothing_is_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        link = tarfile.TarInfo("../out.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    [(name, content)] = tar_contents([tmp_path / "0.tar"])
    assert name == "../out"  # an id is a name and nothing more
    assert "not a plain file" in str(content)
    assert [p.name for p in tmp_path.rglob("*")] == ["work", "0.tar"] or not (tmp_path / "out.jpg").exists()


def test_a_damaged_archive_ends_and_the_next_goes_on(tmp_path: Path) -> None:
    whole = archive(tmp_path / "0.tar", {f"{n}.jpg": bytes([n]) * 5_000 for n in range(1, 9)})
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:20_000])
    after = archive(tmp_path / "1.tar", {"last.jpg": b"9"})
    found = list(tar_contents([cut, tmp_path / "none.tar", after]))
    good = [name for name, content in found if isinstance(content, bytes)]
    assert good == ["1", "2", "3", "last"]
    bad = {Path(name).name: str(content) for name, content in found if not isinstance(content, bytes)}
    assert bad["cut.tar"].startswith("archive unreadable after 4 members")
    assert "no such file" in bad["none.tar"]


def test_a_long_archive_takes_no_memory(tmp_path: Path) -> None:
    import tracemalloc

    def peak(n: int) -> int:
        path = archive(tmp_path / f"{n}.tar", {f"{row}.jpg": b"x" * 600 for row in range(n)})
        tracemalloc.start()
        assert sum(1 for _ in tar_contents([path])) == n
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(2_000) < peak(200) + 50_000


def test_a_stream_is_embedded_resumed_and_its_doubles_are_refused(tmp_path: Path) -> None:
    members = {f"{row}.jpg": b"picture %d" % row for row in range(30)} | {"7.png": b"other", "13.gif": b"BAD 1"}
    tar = archive(tmp_path / "0.tar", members)
    done = embed_stream(HashedPictures(), tar_contents([tar]), store=tmp_path / "store", shard_size=8, workers=2)
    assert done.embeddings.ids.array.to_pylist() == [str(row) for row in range(30)]
    reasons = dict(zip(done.refused["id"].to_pylist(), done.refused["reason"].to_pylist(), strict=True))
    assert reasons == {"7": "the id '7' came before in the stream", "13": "the id '13' came before in the stream"}
    whole = embed(HashedPictures(), IdMap.of([str(r) for r in range(30)]), list(members.values())[:30])
    np.testing.assert_array_equal(done.embeddings.vectors, whole.embeddings.vectors)
    again = embed_stream(HashedPictures(), tar_contents([tar]), store=tmp_path / "store")
    assert (again.embedded, again.skipped, again.refused.num_rows) == (0, 30, 2)


def test_ids_of_a_stream_that_cannot_be_ids() -> None:
    done = embed_stream(HashedPictures(), [("a", b"1"), ("\udcff", b"2"), ("", b"3"), ("b", b"4")])
    assert done.embeddings.ids.array.to_pylist() == ["a", "b"]
    assert done.refused["id"].to_pylist() == ["\\udcff", ""]
    assert done.refused["reason"].to_pylist() == ["the id '\\udcff' is not Unicode", "the id '' is empty"]
    with pytest.raises(DataError, match="id 7 is a int"):
        embed_stream(HashedPictures(), [(7, b"1")])  # type: ignore[list-item]


# ---- object stores


@pytest.fixture
def bucket() -> Iterator[Any]:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/photos", recursive=True)


def test_an_object_store_is_embedded(bucket: Any, tmp_path: Path) -> None:
    for row in range(12):
        bucket.pipe(f"/photos/sub/{row:02d}.jpg", b"picture %d" % row if row != 5 else b"")
    ids, contents = stored_contents("memory://photos")
    assert ids.array.to_pylist() == [f"{row:02d}" for row in range(12)]
    bucket.rm("/photos/sub/03.jpg")  # gone between listing and reading
    done = embed(HashedPictures(), ids, contents, store=tmp_path / "store", workers=2)
    reasons = dict(zip(done.refused["id"].to_pylist(), done.refused["reason"].to_pylist(), strict=True))
    assert reasons.keys() == {"03", "05"}
    assert "FileNotFoundError" in reasons["03"]
    assert reasons["05"] == "empty file"
    right = embed(HashedPictures(), IdMap.of(["11"]), [b"picture 11"]).embeddings.vectors[0]
    np.testing.assert_array_equal(done.embeddings.vectors[-1], right)


def test_an_object_store_without_files_or_with_doubles(bucket: Any) -> None:
    bucket.pipe("/photos/a/x.jpg", b"1")
    with pytest.raises(DataError, match="memory://photos/b: no files there"):
        stored_contents("memory://photos/b")
    bucket.pipe("/photos/b/x.png", b"2")
    ids, contents = stored_contents("memory://photos")
    assert ids.array.to_pylist() == ["x", "x.png"]
    assert "both have the id 'x'" in str(contents[1])


# ---- parts


def test_parts_make_up_the_catalogue_and_do_not_move() -> None:
    ids = IdMap.of([f"sku-{row}" for row in range(500)])
    parts = [part_of(ids, range(500), f"{i}/4") for i in range(1, 5)]
    assert sorted(row for _, rows in parts for row in rows) == list(range(500))
    assert all(90 < len(rows) < 160 for _, rows in parts)
    for names, rows in parts:
        assert names.array.to_pylist() == [f"sku-{row}" for row in rows]
    more = IdMap.of([f"sku-{row}" for row in reversed(range(600))])
    grown = part_of(more, list(reversed(range(600))), "2/4")[1]
    assert {row for row in grown if row < 500} == set(parts[1][1])
    assert part_of(ids, range(500), limit=3)[1] == [0, 1, 2]
    pairs = ((f"sku-{row}", row) for row in range(500))
    assert [row for _, row in stream_part(pairs, "2/4", limit=5)] == parts[1][1][:5]


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "1/0", "a/b", "1/2 ", "-1/2"])
def test_a_part_that_is_none(part: str) -> None:
    with pytest.raises(DataError, match="expected i/n"):
        part_of(IdMap.of(["a"]), ["x"], part)
    with pytest.raises(DataError, match="limit=0"):
        stream_part([], "1/1", limit=0)


def test_the_stores_of_parts_become_one_that_is_gone_on_with(tmp_path: Path) -> None:
    ids = IdMap.of([f"sku-{row}" for row in range(60)])
    contents = [b"BAD %d" % row if row == 13 else b"picture %d" % row for row in range(60)]
    for i in (1, 2, 3):
        embed(HashedPictures(), *part_of(ids, contents, f"{i}/3"), store=tmp_path / f"part-{i}")
    stores = [tmp_path / f"part-{i}" for i in (1, 2, 3)]
    merged = merge(stores, tmp_path / "whole")
    assert len(merged) == 59
    alone = embed(HashedPictures(), ids, contents).embeddings
    np.testing.assert_array_equal(merged.aligned(alone.ids)[0], alone.vectors)
    done = embed(HashedPictures(), ids, contents, store=tmp_path / "whole")
    assert (done.embedded, done.skipped, done.refused.num_rows) == (0, 59, 1)
    np.testing.assert_array_equal(Embeddings.load(tmp_path / "whole").vectors, alone.vectors)
    with pytest.raises(DataError, match="both hold 'sku-"):
        merge([stores[0], stores[0]], tmp_path / "twice")


def test_stores_of_two_encoders_are_not_merged(tmp_path: Path) -> None:
    one, other = HashedPictures(), HashedPictures("other")
    embed(one, IdMap.of(["a"]), [b"1"], store=tmp_path / "a")
    embed(other, IdMap.of(["b"]), [b"2"], store=tmp_path / "b")
    with pytest.raises(IncompatibleError, match="another encoder"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    with pytest.raises(DataError, match="no stores"):
        merge([], tmp_path / "c")


# ---- how a number is kept


@pytest.mark.parametrize(("dtype", "least", "bytes_a_number"), [("float16", 0.999999, 2), ("int8", 0.9999, 1)])
def test_vectors_kept_in_fewer_bytes(tmp_path: Path, dtype: str, least: float, bytes_a_number: int) -> None:
    ids, contents = IdMap.of([str(row) for row in range(200)]), [b"picture %d" % row for row in range(200)]
    exact = embed(HashedPictures(), ids, contents).embeddings.vectors
    done = embed(HashedPictures(), ids, contents, store=tmp_path / "store", shard_size=50, dtype=dtype)
    assert done.embeddings.vectors.dtype == np.float32
    cosines = (done.embeddings.vectors * exact).sum(axis=1) / np.linalg.norm(done.embeddings.vectors, axis=1)
    assert least < cosines.min() < 1
    [file] = (tmp_path / "store").rglob("vectors.npy")
    assert file.stat().st_size == 128 + exact.size * bytes_a_number
    again = embed(HashedPictures(), ids, contents, store=tmp_path / "store", dtype=dtype)
    assert again.skipped == 200
    np.testing.assert_array_equal(again.embeddings.vectors, done.embeddings.vectors)
    wide = embed(HashedPictures(), ids, contents, store=tmp_path / "store")  # another dtype: all again
    assert wide.embedded == 200
    with pytest.raises(DataError, match="dtype='int4'"):
        embed(HashedPictures(), ids, contents, dtype="int4")
