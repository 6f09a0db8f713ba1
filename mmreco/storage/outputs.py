"""Files for people: reports, figures and pictures, written again only where mmreco wrote them.

A folder remembers in `.mmreco-files` what was written into it, a line a file as `sha256sum` prints it, noted before the
file itself so that a kill leaves nothing unknown. A file of the same name that is not listed there, or whose bytes
are others, is somebody else's: it is refused before the first write. No link is followed.
"""

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from mmreco.arguments import path_of
from mmreco.errors import DataError

__all__ = ["OutputFolder"]

_LIST, _FIRST = ".mmreco-files", "# mmreco wrote these files\n"
_LINE = re.compile(r"^([0-9a-f]{64})  ([^/\n]+)$", re.MULTILINE)
_LIST_LIMIT = 1 << 28  # bytes


class OutputFolder:
    """A folder of files for people; made by `open`."""

    def __init__(self, folder: Path, written: dict[str, set[str]]) -> None:
        self.folder = folder
        self._written = written
        self._listed = os.path.lexists(folder / _LIST)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The folder at this path, created when missing.

        Raises
        ------
        DataError
            It is not a folder, it cannot be made, or its list of files is a link or not mmreco's.
        """
        top = path_of("folder", folder)
        if os.path.lexists(top) and not top.is_dir():
            raise DataError(f"{top} exists and is not a folder; choose another")
        try:
            top.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{top}: cannot be made ({error.strerror})") from error
        written: dict[str, set[str]] = {}
        if os.path.lexists(top / _LIST):
            text = _plain(top / _LIST).decode("utf-8", "replace")
            if not text.startswith(_FIRST):
                raise DataError(f"{top / _LIST}: {text[:40]!r} is not how mmreco begins it; choose another folder")
            for match in _LINE.finditer(text):  # a kill may have cut a line short
                written.setdefault(match[2], set()).add(match[1])
        return cls(top, written)

    def inside(self, name: str) -> "OutputFolder":
        """The folder of this name in it.

        Raises
        ------
        DataError
            It is a link, or as `open`.
        """
        if (self.folder / name).is_symlink():
            raise DataError(f"{self.folder / name}: a link, which is not followed; choose another folder")
        return OutputFolder.open(self.folder / name)

    def require_free(self, names: Iterable[str]) -> None:
        """Nothing, where files of these names are missing or mmreco's own.

        Raises
        ------
        DataError
            One is not, with its path.
        """
        for name in names:
            path = self.folder / name
            if not os.path.lexists(path):
                continue
            listed = self._written.get(name)
            if listed is None or hashlib.sha256(_plain(path)).hexdigest() not in listed:
                raise DataError(
                    f"{path}: there already, and not as mmreco wrote it; move it away or choose another folder"
                )

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file in one step, in place of the one that mmreco wrote before; its path.

        Raises
        ------
        DataError
            As `require_free`, or the disk is full, say.
        """
        self.require_free([name])
        raw = content.encode("utf-8") if isinstance(content, str) else content
        digest = hashlib.sha256(raw).hexdigest()
        path, staged = self.folder / name, self.folder / f".mmreco-{secrets.token_hex(8)}"
        try:
            if digest not in self._written.setdefault(name, set()):
                self._note(f"\n{digest}  {name}\n")
                self._written[name].add(digest)
            with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                file.write(raw)
            staged.replace(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
        return path

    def _note(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        with open(os.open(self.folder / _LIST, flags, 0o666), "a", encoding="utf-8") as file:
            file.write(line if self._listed else _FIRST + line)
        self._listed = True


def _plain(path: Path) -> bytes:
    """What a plain file holds; no link, pipe or device is opened."""
    try:
        shape = path.lstat()
        if not stat.S_ISREG(shape.st_mode) or shape.st_size > _LIST_LIMIT:
            raise DataError(f"{path}: a link, a special file or a very large one, not mmreco's; choose another folder")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
