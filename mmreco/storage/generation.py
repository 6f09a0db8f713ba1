"""One generation of an artefact: how it begins, is completed, checked and removed.

A generation is a folder `g-000007` with a manifest from its first moment on: it is made under the name
`.mmreco-g-000007`, gets a manifest marked unfinished and only then its own name. So a folder without mmreco's
manifest was not made by mmreco, whatever its name, and is never touched. Links are never followed.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmreco.errors import DataError, IncompatibleError

__all__ = [
    "FORMAT",
    "Artefact",
    "begin",
    "check",
    "complete",
    "generations",
    "kind_of",
    "leftovers",
    "manifest_bytes",
    "read_pointer",
    "remove",
    "sync_folder",
    "write_new",
]

FORMAT = 1
MANIFEST = "manifest.json"
POINTER = "CURRENT"
_NAME = re.compile(r"g-(\d{6,12})")
_STAGED = re.compile(r"\.mmreco-g-\d{6,12}")
_POINTER_TEXT = re.compile(r"(g-\d{6,12}) ([0-9a-f]{64})")
_MANIFEST_LIMIT = 64 << 20  # bytes; a larger manifest is not ours
_SHAPE = {"format": int, "kind": str, "about": dict, "files": dict}


@dataclass(frozen=True)
class Artefact:
    """A verified generation: its folder and what its writer said about it.

    Parameters
    ----------
    path : the generation's folder
    kind : what it holds, e.g. "ItemKNN"
    about : what its writer said about it, as JSON holds it
    """

    path: Path
    kind: str
    about: Mapping[str, Any]


# ---- made


def begin(top: Path, kind: str) -> Path:
    """A new generation of `top` to write into, marked unfinished until `complete`."""
    number = max((int(path.name.removeprefix("g-")) for path in generations(top)), default=0) + 1
    while os.path.lexists(top / f"g-{number:06d}") or os.path.lexists(top / f".mmreco-g-{number:06d}"):
        number += 1
    staged, fresh = top / f".mmreco-g-{number:06d}", top / f"g-{number:06d}"
    staged.mkdir()
    _write_manifest(staged / MANIFEST, {"format": FORMAT, "kind": kind, "about": {}, "files": {}, "unfinished": True})
    staged.rename(fresh)
    return fresh


def complete(fresh: Path, kind: str, about: Mapping[str, Any]) -> None:
    """Give every file the mode of a plainly made one, sync all of it, write the manifest and move the pointer."""
    file_mode, folder_mode = stat.S_IMODE((fresh / MANIFEST).stat().st_mode), stat.S_IMODE(fresh.stat().st_mode)
    digests = {}
    for path in _files(fresh):
        path.chmod(file_mode)
        if path.name != MANIFEST or path.parent != fresh:
            digests[path.relative_to(fresh).as_posix()] = _sha256(path, sync=True)
    manifest = {"format": FORMAT, "kind": kind, "about": dict(about), "files": digests}
    _write_manifest(fresh / f"{MANIFEST}.new", manifest)
    (fresh / f"{MANIFEST}.new").replace(fresh / MANIFEST)
    for folder in (path for path in fresh.rglob("*") if path.is_dir()):
        folder.chmod(folder_mode)
        sync_folder(folder)
    sync_folder(fresh)
    sync_folder(fresh.parent)
    write_new(fresh / POINTER, f"{fresh.name} {_sha256(fresh / MANIFEST)}")
    (fresh / POINTER).replace(fresh.parent / POINTER)
    sync_folder(fresh.parent)


def write_new(path: Path, text: str) -> None:
    """Write a file that must not be there yet, and sync it to the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the disk hold the names in this folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---- read


def read_pointer(top: Path) -> tuple[Path, str]:
    """The generation that counts and the SHA-256 of its manifest, both unchecked.

    Raises
    ------
    DataError
        There is no pointer, it is a link or no plain file, it cannot be read, or it is damaged.
    """
    path = top / POINTER
    try:
        text = _plain_bytes(path, 200).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError) as error:
        raise DataError(
            f"{top}: no mmreco artefact here (no readable CURRENT); give the folder save() wrote"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    match = _POINTER_TEXT.fullmatch(text)
    if not match:
        raise DataError(f"{path}: damaged, {text[:40]!r} names no generation")
    return top / match[1], match[2]


def check(path: Path, digest: str, kind: str | None) -> Artefact:
    """The generation at `path`, whose manifest has the SHA-256 `digest`, once every file was checked.

    Raises
    ------
    DataError
        A file is missing, added, changed or a link.
    IncompatibleError
        It holds another `kind`, or has a format this version does not read.
    """
    if path.is_symlink():
        raise DataError(f"{path}: a link; an artefact holds plain files and folders only")
    manifest = _parsed(path / MANIFEST, manifest_bytes(path, digest))
    if manifest["format"] != FORMAT:
        raise IncompatibleError(f"{path}: format {manifest['format']}; this version of mmreco reads {FORMAT}")
    if kind is not None and manifest["kind"] != kind:
        raise IncompatibleError(f"{path}: holds a {manifest['kind']}; expected a {kind}")
    expected: dict[str, str] = manifest["files"]
    there = {file.relative_to(path).as_posix(): file for file in _files(path)}
    there.pop(MANIFEST, None)
    if there.keys() != expected.keys():
        odd = sorted(there.keys() ^ expected.keys())
        raise DataError(f"{path}: {len(odd)} files missing or added, first {odd[0]!r}; restore the artefact or refit")
    for name, right in expected.items():
        if _sha256(there[name]) != right:
            raise DataError(f"{path / name}: damaged, its SHA-256 is not the manifest's; restore the artefact or refit")
    return Artefact(path, manifest["kind"], manifest["about"])


def manifest_bytes(path: Path, digest: str) -> bytes:
    """The manifest of the generation at `path`, which must have this SHA-256.

    Raises
    ------
    DataError
        It is missing, too large, no plain file, or another.
    """
    file = path / MANIFEST
    try:
        raw = _plain_bytes(file, _MANIFEST_LIMIT)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{file}: missing; this is no complete mmreco artefact") from error
    if hashlib.sha256(raw).hexdigest() != digest:
        raise DataError(f"{file}: damaged, its SHA-256 is not the one in CURRENT; restore the artefact or refit")
    return raw


# ---- told from what is not mmreco's, and removed


def generations(top: Path) -> list[Path]:
    """The folders in `top` that mmreco made as generations: by name and by manifest."""
    return [path for path in top.iterdir() if _NAME.fullmatch(path.name) and _own_manifest(path) is not None]


def kind_of(path: Path) -> str | None:
    """What a generation says it holds, unchecked; None where this is no generation of mmreco's."""
    manifest = _own_manifest(path) if _NAME.fullmatch(path.name) else None
    return None if manifest is None else str(manifest["kind"])


def leftovers(top: Path, counts: Path | None) -> list[Path]:
    """What killed or replaced writers left in `top`, besides the generation that counts."""
    old = [path for path in generations(top) if path != counts and _removable(path)]
    return old + [path for path in top.iterdir() if _STAGED.fullmatch(path.name) and _is_bare(path)]


def remove(path: Path) -> None:
    """Delete a leftover as far as mmreco wrote it: links, and files that its manifest does not list, stay."""
    with suppress(OSError):
        if _STAGED.fullmatch(path.name):
            _remove_bare(path)
            return
        for file in _own_files(path):
            file.unlink()
        for folder, _, _ in os.walk(path, topdown=False):
            if folder != str(path):
                with suppress(OSError):
                    os.rmdir(folder)
        if _is_bare(path):
            staged = path.with_name(f".mmreco-{path.name}")  # without a manifest only this name tells whose it is
            path.rename(staged)
            _remove_bare(staged)


def _remove_bare(path: Path) -> None:
    (path / MANIFEST).unlink(missing_ok=True)
    path.rmdir()


def _is_bare(path: Path) -> bool:
    """Whether this is a folder with nothing but a manifest in it, or nothing at all."""
    if path.is_symlink() or not path.is_dir():
        return False
    names = os.listdir(path)
    if names != [MANIFEST]:
        return not names
    if _STAGED.fullmatch(path.name):  # where a kill may have left half a manifest
        return stat.S_ISREG((path / MANIFEST).lstat().st_mode)
    return _own_manifest(path) is not None


def _removable(path: Path) -> bool:
    return _is_bare(path) or _is_hollow(path) or next(_own_files(path), None) is not None


def _is_hollow(path: Path) -> bool:
    """Whether a generation has nothing but its manifest and empty folders: its removal was killed midway."""
    if _own_manifest(path) is None:
        return False
    entries = [entry for entry in path.rglob("*") if entry != path / MANIFEST]
    return all(entry.is_dir() and not entry.is_symlink() for entry in entries)


def _own_files(path: Path) -> Iterator[Path]:
    """The plain files of a generation that its writer wrote, the manifest excepted."""
    manifest = _own_manifest(path)
    if manifest is None:
        return
    listed = None if manifest.get("unfinished") else {*manifest["files"], POINTER, f"{MANIFEST}.new"}
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder) / name
            inside = file.relative_to(path).as_posix()
            mine = inside != MANIFEST and (listed is None or inside in listed)
            if mine and stat.S_ISREG(file.lstat().st_mode):
                yield file


def _own_manifest(path: Path) -> dict[str, Any] | None:
    if path.is_symlink() or not path.is_dir():
        return None
    try:
        return _parsed(path / MANIFEST, _plain_bytes(path / MANIFEST, _MANIFEST_LIMIT))
    except (OSError, DataError):
        return None


def _parsed(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: damaged, not JSON ({error})") from error
    if not isinstance(manifest, dict) or any(not isinstance(manifest.get(key), kind) for key, kind in _SHAPE.items()):
        raise DataError(f"{path}: not an mmreco manifest; expected the keys {', '.join(_SHAPE)}")
    return manifest


def _plain_bytes(path: Path, limit: int) -> bytes:
    """What a plain file holds, `limit` bytes at most; no link, pipe or device is opened."""
    shape = path.lstat()
    if not stat.S_ISREG(shape.st_mode):
        raise DataError(f"{path}: a link or special file; an artefact holds plain files only")
    if shape.st_size > limit:
        raise DataError(f"{path}: {shape.st_size} bytes; expected at most {limit}")
    return path.read_bytes()


def _files(path: Path) -> list[Path]:
    files = []
    for entry in sorted(path.rglob("*")):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise DataError(f"{entry}: a link or special file; an artefact holds plain files only")
        if entry.is_file():
            files.append(entry)
    return files


def _sha256(path: Path, *, sync: bool = False) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if sync:
            os.fsync(file.fileno())
    return digest


def _write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    write_new(path, json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False))
