"""Artefacts: folders that are either whole or refused.

A folder holds numbered generations and a pointer::

    artefact/
      CURRENT          the generation that counts and the SHA-256 of its manifest, replaced in one step
      g-000007/
        manifest.json  format, kind, what the writer says about it, SHA-256 of every file
        ...            safetensors, parquet, a FAISS index

A writer fills a new generation, syncs it to the disk, writes the manifest last and then moves the
pointer, so that a kill at any moment leaves the old generation answering. A reader checks every hash
before it opens a file, because neither FAISS nor safetensors nor parquet notices a flipped bit itself.
Nothing is ever pickled.

One writer at a time holds a lock on the folder, and a second is refused; any number of readers hold one on the
generation they read, so that it is retired after them. The locks are the system's, on the folders themselves:
they leave no files and end with their process.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mmreco.errors import DataError, IncompatibleError
from mmreco.storage.lock import hold, reading, sweeping, unread

__all__ = ["FORMAT", "Artefact", "current", "open_artefact", "publish", "read_artefact", "settled", "verify"]

Read = TypeVar("Read")

FORMAT = 1
_GENERATION = re.compile(r"g-(\d{6,12})")
_POINTER = re.compile(r"(g-\d{6,12}) ([0-9a-f]{64})")
_MANIFEST_LIMIT = 64 << 20  # bytes; a larger manifest is not ours
_ATTEMPTS = 20  # a reader may point at a generation that a writer retires before it is held


@dataclass(frozen=True)
class Artefact:
    """A verified generation: its folder and what its writer said about it."""

    path: Path
    kind: str
    about: Mapping[str, Any]


@contextmanager
def publish(folder: str | Path, kind: str, about: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """A new generation of the artefact at `folder` to write into; it counts once the block ends well.

    Parameters
    ----------
    folder : created when missing
    kind : what is stored, e.g. "Recommender"
    about : plain JSON values kept in the manifest, optional

    Raises
    ------
    DataError
        `folder` exists and holds something that is not an artefact, or another writer is at work on it.
    """
    top = Path(folder)
    if top.exists() and (not top.is_dir() or (any(top.iterdir()) and not _generations(top))):
        raise DataError(f"{top} exists and is not an mmreco artefact; choose a new or empty folder")
    top.mkdir(parents=True, exist_ok=True)
    with hold(top):
        number = max((int(_number(g)) for g in _generations(top)), default=0) + 1
        fresh = top / f"g-{number:06d}"
        yield from _published(fresh, kind, about)
        _retire(top, fresh)


def _published(fresh: Path, kind: str, about: Mapping[str, Any] | None) -> Iterator[Path]:
    top = fresh.parent
    fresh.mkdir()
    try:
        yield fresh
        files = {str(p.relative_to(fresh).as_posix()): _sha256(p, sync=True) for p in _files(fresh)}
        manifest = {"format": FORMAT, "kind": kind, "about": dict(about or {}), "files": files}
        _write(fresh / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False))
        for below in [*(p for p in fresh.rglob("*") if p.is_dir()), fresh, top]:
            _sync_folder(below)
        _write(top / ".CURRENT", f"{fresh.name} {_sha256(fresh / 'manifest.json')}")
        os.replace(top / ".CURRENT", top / "CURRENT")
        _sync_folder(top)
    except BaseException:
        if not _counts(fresh):  # a fault after the pointer moved must not take away what it points to
            shutil.rmtree(fresh, ignore_errors=True)
        raise


def read_artefact(folder: str | Path, kind: str | None, read: Callable[[Artefact], Read]) -> Read:
    """What `read` makes of the current generation at `folder`, which stays on the disk until it is done.

    Raises
    ------
    DataError, IncompatibleError
        As `open_artefact`, and whatever `read` raises.
    """
    top = Path(folder)
    for attempt in range(_ATTEMPTS):
        pointer = _pointer(top)
        try:
            with reading(pointer[0]):
                made = read(_checked(*pointer, kind))
            _sweep(top, pointer[0])
            return made
        except (DataError, OSError) as error:
            if attempt == _ATTEMPTS - 1 or _pointer(top) == pointer:
                if isinstance(error, OSError):
                    raise DataError(f"{folder}: the artefact cannot be read ({error})") from error
                raise
    raise DataError(f"{folder}: the artefact changed {_ATTEMPTS} times while it was read; try again")


def settled(folder: str | Path) -> bool:
    """Whether only the current generation is left at `folder`, once every other that nobody reads is removed.

    Raises
    ------
    DataError, IncompatibleError
        As `open_artefact`.
    """
    counts = open_artefact(folder).path
    return not _leftovers(Path(folder), counts)


def _sweep(top: Path, counts: Path) -> None:
    """Remove what a killed writer left beside the generation `counts`, which was found whole."""
    try:
        if _leftovers(top, counts):
            with sweeping(top) as still:
                if still and current(top) == counts:
                    _retire(top, counts)
    except (DataError, OSError):  # the pointer was damaged meanwhile, or the disk is not ours to write to
        return


def _leftovers(top: Path, counts: Path) -> list[Path]:
    rest = [old for old in _generations(top) if old != counts]
    return [*rest, *(p for p in (top / ".CURRENT",) if p.exists())]


def _retire(top: Path, counts: Path) -> None:
    """Remove all but the generation `counts` that nobody reads; the caller sees to it that nobody writes."""
    for old in _leftovers(top, counts):
        if old.name == ".CURRENT":
            old.unlink(missing_ok=True)
            continue
        with unread(old) as alone:
            if alone:
                shutil.rmtree(old, ignore_errors=True)


def open_artefact(folder: str | Path, kind: str | None = None) -> Artefact:
    """The current generation at `folder`, every file checked against its SHA-256.

    A writer may retire it while its files are opened; `read_artefact` sees to that.

    Raises
    ------
    DataError
        There is no artefact, or a file is missing, added or changed.
    IncompatibleError
        It holds another `kind`, or was written in a format this version does not read.
    """
    return read_artefact(folder, kind, lambda found: found)


def verify(folder: str | Path) -> Artefact:
    """As `open_artefact` for any kind: nothing but the check.

    Raises
    ------
    DataError
        As `open_artefact`.
    """
    return open_artefact(folder)


def current(folder: str | Path) -> Path | None:
    """The generation that `folder` points to, unchecked; None where there is no pointer yet.

    Raises
    ------
    DataError
        The pointer is damaged.
    """
    return _pointer(Path(folder))[0] if (Path(folder) / "CURRENT").exists() else None


def _checked(path: Path, digest: str, kind: str | None) -> Artefact:
    if path.is_symlink():
        raise DataError(f"{path}: a link; an artefact holds plain files and folders only")
    manifest = _manifest(path / "manifest.json", digest)
    if manifest["format"] != FORMAT:
        raise IncompatibleError(f"{path}: format {manifest['format']}; this version of mmreco reads {FORMAT}")
    if kind is not None and manifest["kind"] != kind:
        raise IncompatibleError(f"{path}: holds a {manifest['kind']}; expected a {kind}")
    expected: dict[str, str] = manifest["files"]
    found = {str(p.relative_to(path).as_posix()): p for p in _files(path)}
    found.pop("manifest.json", None)
    if found.keys() != expected.keys():
        odd = sorted(found.keys() ^ expected.keys())
        raise DataError(f"{path}: {len(odd)} files missing or added, first {odd[0]!r}; restore the artefact or refit")
    for name, digest in expected.items():
        if _sha256(found[name]) != digest:
            raise DataError(f"{path / name}: damaged, its SHA-256 is not the manifest's; restore the artefact or refit")
    return Artefact(path, manifest["kind"], manifest["about"])


def _manifest(path: Path, digest: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MANIFEST_LIMIT:
            raise DataError(f"{path}: {path.stat().st_size} bytes, more than a manifest can be")
        if _sha256(path) != digest:
            raise DataError(f"{path}: damaged, its SHA-256 is not the one in CURRENT; restore the artefact or refit")
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; this is no complete mmreco artefact") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: damaged, not JSON ({error})") from error
    shape = {"format": int, "kind": str, "about": dict, "files": dict}
    if not isinstance(manifest, dict) or any(not isinstance(manifest.get(k), t) for k, t in shape.items()):
        raise DataError(f"{path}: not an mmreco manifest; expected the keys {', '.join(shape)}")
    return manifest


def _pointer(top: Path) -> tuple[Path, str]:
    try:
        text = (top / "CURRENT").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{top}: no mmreco artefact here (no readable CURRENT); give the folder save() wrote"
        ) from error
    found = _POINTER.fullmatch(text)
    if not found:
        raise DataError(f"{top / 'CURRENT'}: damaged, {text[:40]!r} names no generation")
    return top / found[1], found[2]


def _counts(generation: Path) -> bool:
    try:
        return current(generation.parent) == generation
    except DataError:
        return True  # unknown, so nothing is removed


def _generations(top: Path) -> list[Path]:
    return [p for p in top.iterdir() if _GENERATION.fullmatch(p.name)]


def _number(generation: Path) -> str:
    return generation.name.removeprefix("g-")


def _files(path: Path) -> list[Path]:
    found = []
    for p in sorted(path.rglob("*")):
        if p.is_symlink() or not (p.is_file() or p.is_dir()):
            raise DataError(f"{p}: a link or special file; an artefact holds plain files only")
        if p.is_file():
            found.append(p)
    return found


def _sha256(path: Path, *, sync: bool = False) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if sync:
            os.fsync(file.fileno())
    return digest


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
