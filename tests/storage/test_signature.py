"""A signature tells whose an artefact is."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from mmreco.errors import DataError
from mmreco.storage.artefact import current, publish, verify
from mmreco.storage.signature import read_key, sign, verify_signature

KEY, OTHER = bytes(range(32)), bytes(32)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    with publish(tmp_path / "thing", "Thing") as path:
        (path / "a.txt").write_text("one")
    return tmp_path / "thing"


def forge(folder: Path) -> None:
    """Change a file and have every hash agree."""
    path = current(folder)
    (path / "a.txt").write_text("two")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["a.txt"] = hashlib.sha256(b"two").hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))
    digest = hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    (folder / "CURRENT").write_text(f"{path.name} {digest}")


def test_what_was_signed_is_known_again_by_the_key_alone(saved: Path) -> None:
    sign(saved, KEY)
    assert verify_signature(saved, KEY).path == current(saved)
    with pytest.raises(DataError, match="another key"):
        verify_signature(saved, OTHER)
    sign(saved, OTHER)
    verify_signature(saved, OTHER)
    assert sorted(p.name for p in saved.iterdir()) == ["CURRENT", "SIGNATURE", "g-000001"]


def test_a_forgery_with_right_hashes_is_found(saved: Path) -> None:
    sign(saved, KEY)
    forge(saved)
    assert verify(saved).kind == "Thing"
    with pytest.raises(DataError, match="another key, or the manifest was changed"):
        verify_signature(saved, KEY)


def test_a_signature_covers_one_generation(saved: Path) -> None:
    with pytest.raises(DataError, match="not signed"):
        verify_signature(saved, KEY)
    sign(saved, KEY)
    with publish(saved, "Thing") as path:
        (path / "a.txt").write_text("two")
    with pytest.raises(DataError, match="g-000001, g-000002 counts; sign it again"):
        verify_signature(saved, KEY)
    sign(saved, KEY)
    verify_signature(saved, KEY)


def test_keys_and_files_that_are_none(saved: Path, tmp_path: Path) -> None:
    for key in (b"short", "text" * 10, b"x" * 70_000):
        with pytest.raises(DataError, match="expected 16 to"):
            sign(saved, key)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="cannot be read"):
        read_key(tmp_path / "none")
    (tmp_path / "key").write_bytes(KEY)
    assert read_key(tmp_path / "key") == KEY
    with pytest.raises(DataError, match="no mmreco artefact"):
        sign(tmp_path / "none", KEY)
    (tmp_path / "notes").write_text("mine")
    os.symlink(tmp_path / "notes", saved / "SIGNATURE")
    with pytest.raises(DataError, match="SIGNATURE"):
        sign(saved, KEY)
    (saved / "SIGNATURE").unlink()
    (saved / "SIGNATURE").write_text("Yours sincerely")
    with pytest.raises(DataError, match="no signature"):
        sign(saved, KEY)
    assert (tmp_path / "notes").read_text() == "mine"
