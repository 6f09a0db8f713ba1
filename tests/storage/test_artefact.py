"""Artefacts are whole or refused."""

import contextlib
import hashlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmreco.errors import DataError, IncompatibleError
from mmreco.storage.artefact import current, open_artefact, publish, verify
from mmreco.storage.generation import begin


def save(folder: Path, word: str = "one") -> None:
    with publish(folder, "Thing", {"word": word}) as path:
        (path / "a.txt").write_text(word)
        (path / "inner").mkdir()
        (path / "inner" / "b.bin").write_bytes(bytes(range(200)))


def word(folder: Path) -> str:
    found = open_artefact(folder, "Thing")
    assert (found.path / "a.txt").read_text() == found.about["word"]
    return str(found.about["word"])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save(tmp_path / "thing")
    return tmp_path / "thing"


def generation(folder: Path) -> Path:
    return current(folder)


def test_a_new_generation_replaces_the_old(saved: Path) -> None:
    assert word(saved) == "one"
    save(saved, "two")
    assert word(saved) == "two"
    assert sorted(p.name for p in saved.iterdir()) == ["CURRENT", "g-000002"]


def test_every_flipped_bit_is_found(saved: Path) -> None:
    rng = random.Random(0)
    files = [p for p in saved.rglob("*") if p.is_file()]
    for _ in range(300):
        path = rng.choice(files)
        whole = path.read_bytes()
        raw = bytearray(whole)
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        path.write_bytes(raw)
        if path.name == "manifest.json":
            # nothing vouches for the manifest: a flip in it is found unless it only changed words about the thing
            with contextlib.suppress(DataError, IncompatibleError):
                assert verify(saved).path == generation(saved)
        else:
            with pytest.raises(DataError):
                verify(saved)
        path.write_bytes(whole)
    assert word(saved) == "one"


def test_files_missing_added_or_shortened_are_found(saved: Path) -> None:
    path = generation(saved) / "inner" / "b.bin"
    whole = path.read_bytes()
    path.unlink()
    with pytest.raises(DataError, match=r"1 files missing or added, first 'inner/b\.bin'"):
        verify(saved)
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"b\.bin: damaged, its SHA-256"):
        verify(saved)
    path.write_bytes(whole)
    (generation(saved) / "more.txt").write_text("x")
    with pytest.raises(DataError, match="missing or added"):
        verify(saved)


@pytest.mark.parametrize("text", ["", "g-1", "../thing", "/etc", "g-000001/../..", "g-000009", "\0", "红"])
def test_a_damaged_pointer_is_refused(saved: Path, text: str) -> None:
    (saved / "CURRENT").write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        verify(saved)


def test_a_flipped_bit_of_the_pointer_or_of_the_manifest_is_found(saved: Path) -> None:
    rng = np.random.default_rng(0)
    for path in (saved / "CURRENT", generation(saved) / "manifest.json"):
        whole = path.read_bytes()
        for bit in rng.choice(8 * len(whole), 100, replace=False):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << (bit % 8)
            path.write_bytes(damaged)
            with pytest.raises(DataError):
                verify(saved)
        path.write_bytes(whole)


def test_a_pointer_that_is_no_text_or_gone_is_refused(saved: Path) -> None:
    (saved / "CURRENT").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="no mmreco artefact here"):
        verify(saved)
    (saved / "CURRENT").unlink()
    with pytest.raises(DataError, match="no mmreco artefact here"):
        verify(saved)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"format": 1}',
        '{"format": "1", "kind": "Thing", "about": {}, "files": {}}',
    ],
)
def test_a_damaged_manifest_is_refused(saved: Path, text: str) -> None:
    (generation(saved) / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="manifest"):
        verify(saved)


def test_another_kind_and_another_format_are_incompatible(saved: Path) -> None:
    with pytest.raises(IncompatibleError, match="holds a Thing; expected a Recommender"):
        open_artefact(saved, "Recommender")
    path = generation(saved) / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "format": 99}))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (saved / "CURRENT").write_text(f"{path.parent.name} {digest}")
    with pytest.raises(IncompatibleError, match="format 99"):
        verify(saved)


def test_foreign_folders_are_neither_read_nor_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no mmreco artefact here"):
        verify(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(DataError, match="not an mmreco artefact"):
            save(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_writer_that_dies_leaves_the_old_generation(saved: Path, error: type[BaseException]) -> None:
    def write_half() -> None:
        with publish(saved, "Thing") as path:
            (path / "a.txt").write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert word(saved) == "one"
    assert sorted(p.name for p in saved.iterdir()) == ["CURRENT", "g-000001"]


def test_what_a_killed_writer_left_is_ignored_and_swept(saved: Path) -> None:
    (begin(saved, "Thing") / "a.txt").write_text("half")
    (saved / ".mmreco-g-000007").mkdir()
    assert word(saved) == "one"
    assert sorted(p.name for p in saved.iterdir()) == ["CURRENT", "g-000001"]
    save(saved, "two")
    assert word(saved) == "two"


@pytest.mark.parametrize("gone", [("a.txt",), ("a.txt", "inner/b.bin"), ("a.txt", "inner/b.bin", "inner")])
def test_a_removal_that_was_killed_is_finished(saved: Path, gone: tuple[str, ...]) -> None:
    old = Path(shutil.copytree(generation(saved), saved / "g-000000"))
    for name in gone:
        (old / name).rmdir() if (old / name).is_dir() else (old / name).unlink()
    save(saved, "two")
    assert sorted(path.name for path in saved.iterdir()) == ["CURRENT", "g-000002"]


def test_links_are_refused(saved: Path, tmp_path: Path) -> None:
    inside = generation(saved) / "a.txt"
    (tmp_path / "elsewhere.txt").write_text("one")
    inside.unlink()
    inside.symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(DataError, match="a link"):
        verify(saved)
    inside.unlink()
    inside.write_text("one")
    assert word(saved) == "one"
    whole = generation(saved)
    shutil.move(whole, tmp_path / "moved")
    whole.symlink_to(tmp_path / "moved")
    with pytest.raises(DataError, match="a link"):
        verify(saved)
    with pytest.raises(DataError, match="a link"), publish(tmp_path / "new", "Thing") as path:
        (path / "a").symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(DataError, match="no mmreco artefact here"):
        verify(tmp_path / "new")
