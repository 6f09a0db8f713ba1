"""Nothing that mmreco did not make is deleted or opened for writing."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding.embed import embed
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError
from mmreco.storage.artefact import current, open_artefact, publish
from mmreco.storage.lock import hold

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links")

ENCODER = LexicalEncoder(dim=2).fit(["red hat", "blue coat", "red coat"])


def run_embed(folder: Path) -> None:
    embed(ENCODER, IdMap.of(["a", "b"]), ["red hat", "blue coat"], store=folder)


def run_publish(folder: Path) -> None:
    with publish(folder, "Embeddings") as path:
        (path / "a.txt").write_text("one")


def photos(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "photo.jpg").write_bytes(b"mine")
    return folder


def state(folder: Path) -> dict[str, bytes | str]:
    """What lies under a folder: links as links, files by what they hold."""
    return {
        str(p.relative_to(folder)): os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else "folder"
        for p in sorted(folder.rglob("*"))
    }


def link_shards(top: Path, outside: Path) -> None:
    run_embed(top)
    (top / "shards").rmdir()
    (outside / "shard-000001").mkdir()
    photos(outside / "shard-000001")
    (top / "shards").symlink_to(outside)


def link_shard(top: Path, outside: Path) -> None:
    run_embed(top)
    (top / "shards" / "shard-000001").symlink_to(outside)


def own_shards(top: Path, outside: Path) -> None:
    photos(top / "shards" / "spring")


def own_shard_of_that_name(top: Path, outside: Path) -> None:
    photos(top / "shards" / "shard-000001")


def own_photos(top: Path, outside: Path) -> None:
    photos(top / "g-photos")


def own_dates(top: Path, outside: Path) -> None:
    photos(top / "g-20240131")


def own_manifest(top: Path, outside: Path) -> None:
    (photos(top / "g-000001") / "manifest.json").write_text('{"name": "web app", "icons": []}')


def link_pointer(top: Path, outside: Path) -> None:
    top.mkdir()
    (outside / "notes.txt").write_text("mine")
    (top / "CURRENT").symlink_to(outside / "notes.txt")


def link_old_pointer(top: Path, outside: Path) -> None:
    (outside / "notes.txt").write_text("mine")
    top.mkdir()
    (top / ".CURRENT").symlink_to(outside / "notes.txt")


def link_lock(top: Path, outside: Path) -> None:
    (outside / "notes.txt").write_text("mine")
    top.mkdir()
    (top / "lock").symlink_to(outside / "notes.txt")


def own_pointer(top: Path, outside: Path) -> None:
    top.mkdir()
    (top / "CURRENT").write_text("release 3")


REFUSED = [link_shards, link_shard, own_shards, own_shard_of_that_name, own_photos, own_dates, own_manifest]
REFUSED += [link_pointer, link_old_pointer, link_lock, own_pointer]
STORE_ONLY = [link_shards, link_shard]


@pytest.mark.parametrize("prepare", REFUSED)
@pytest.mark.parametrize("write", [run_embed, run_publish])
def test_a_folder_of_something_else_is_refused_and_untouched(tmp_path: Path, prepare, write) -> None:
    top, outside = tmp_path / "store", photos(tmp_path / "outside")
    prepare(top, outside)
    before = state(tmp_path)
    if write is run_publish and prepare in STORE_ONLY:  # these are artefacts; only the store looks at its shards
        run_publish(top)
        after = state(tmp_path)
        assert {k: v for k, v in after.items() if k.startswith("outside")} == {
            k: v for k, v in before.items() if k.startswith("outside")
        }
        return
    with pytest.raises(DataError):
        write(top)
    assert state(tmp_path) == before


@pytest.mark.parametrize("name", ["g-photos", "g-20240131", "g-000009", ".CURRENT", "lock", "notes"])
@pytest.mark.parametrize("write", [run_embed, run_publish])
@pytest.mark.parametrize("linked", [False, True])
def test_what_lies_beside_an_artefact_stays(tmp_path: Path, name: str, write, linked: bool) -> None:
    top, outside = tmp_path / "store", photos(tmp_path / "outside")
    run_embed(top)
    if linked:
        (top / name).symlink_to(outside)
    else:
        photos(top / name)
    beside = state(top / name)
    for _ in range(2):
        write(top)
        open_artefact(top)
    assert state(top / name) == beside
    assert state(outside) == {"photo.jpg": b"mine"}


def test_files_put_into_a_generation_outlive_it(tmp_path: Path) -> None:
    run_publish(tmp_path / "thing")
    old = current(tmp_path / "thing")
    photos(old / "mine")
    (old / "away").symlink_to(photos(tmp_path / "outside"))
    run_publish(tmp_path / "thing")
    assert sorted(p.name for p in old.iterdir()) == ["away", "manifest.json", "mine"]
    assert (old / "mine" / "photo.jpg").read_bytes() == (tmp_path / "outside" / "photo.jpg").read_bytes() == b"mine"
    assert open_artefact(tmp_path / "thing").path != old


def test_a_link_as_the_folder_itself_is_the_owners_wish(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    run_embed(tmp_path / "store")
    assert len(Embeddings.load(tmp_path / "disk")) == 2


# ---- modes


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
def test_all_files_have_the_mode_of_a_plainly_made_one(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        run_embed(tmp_path / "store")
        ENCODER.save(tmp_path / "encoder")
    finally:
        os.umask(before)
    for top in (tmp_path / "store", tmp_path / "encoder"):
        files = {stat.S_IMODE(p.stat().st_mode) for p in top.rglob("*") if p.is_file()}
        folders = {stat.S_IMODE(p.stat().st_mode) for p in [top, *top.rglob("*")] if p.is_dir()}
        assert files == {0o666 & ~umask}
        assert folders == {0o777 & ~umask}


# ---- one lock


def some(n: int = 3) -> Embeddings:
    return Embeddings(IdMap.of([f"i{r}" for r in range(n)]), np.eye(n, 2, dtype=np.float32) + 1)


def test_embeddings_are_not_saved_into_a_store_where_embed_is_at_work(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mmreco.embedding.store import ShardStore\n"
        "with ShardStore.open(Path(sys.argv[1]), fingerprint='x', dim=2):\n"
        "    print('in', flush=True); input()"
    )
    run_embed(tmp_path / "store")
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(DataError, match="another writer is at work on it"):
            some().save(tmp_path / "store")
        other.communicate("\n")
    some().save(tmp_path / "store")


def test_what_a_run_reads_cannot_save_into_its_own_store(tmp_path: Path) -> None:
    def contents():
        yield "red hat"
        with pytest.raises(DataError, match="another writer is at work on it"):
            some().save(tmp_path / "store")
        yield "blue coat"

    run_embed(tmp_path / "store")
    assert len(embed(ENCODER, IdMap.of(["a", "b"]), contents(), store=tmp_path / "store").embeddings) == 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_keeps_no_lock_and_takes_nothing_away(tmp_path: Path) -> None:
    top = tmp_path / "thing"
    run_publish(top)
    reading, writing = os.pipe()
    waiting, ready = os.pipe()
    child = 0
    try:
        with publish(top, "Embeddings") as path:
            (path / "a.txt").write_text("two")
            child = os.fork()
            if not child:
                os.close(writing)
                os.write(ready, b"!")
                os.read(reading, 1)  # until the parent is through
                raise SystemExit
    except BaseException:
        if child:
            raise
        os._exit(0)  # the child, having left the block
    if not child:
        os._exit(1)
    os.read(waiting, 1)
    with hold(top):  # the child is still there
        assert (open_artefact(top).path / "a.txt").read_text() == "two"
    os.close(writing)
    assert os.waitpid(child, 0)[1] == 0
    assert (open_artefact(top).path / "a.txt").read_text() == "two"


# ---- faults of the disk


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        PermissionError(13, "Permission denied"),
        RuntimeError("faiss: write error: 3 != 4 (No space left on device)"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_error_with_the_path_and_the_old_generation_answers(tmp_path: Path, error) -> None:
    run_publish(tmp_path / "thing")

    def fail() -> None:
        with publish(tmp_path / "thing", "Embeddings"):
            raise error

    with pytest.raises(DataError, match=r"thing: cannot be written \((No space|Permission)"):
        fail()
    assert (open_artefact(tmp_path / "thing").path / "a.txt").read_text() == "one"
    assert len(list((tmp_path / "thing").iterdir())) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    for write in (run_embed, run_publish):
        with pytest.raises(DataError, match="cannot be written"):
            write(tmp_path / "locked" / "thing")


def test_what_is_whole_and_something_else_is_a_typed_error(tmp_path: Path) -> None:
    with publish(tmp_path / "thing", "Embeddings") as path:
        (path / "embeddings.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="whole, but not what a Embeddings is made of"):
        Embeddings.load(tmp_path / "thing")
