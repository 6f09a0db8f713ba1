"""Where the pictures of a table's items lie: paths in a column, or files named like the ids."""

import logging
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from mmreco.errors import DataError
from mmreco.tables.columns import Column

__all__ = ["picture_paths"]

_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
_log = logging.getLogger(__name__)


def picture_paths(ids: pa.Array, column: Column | None, paths: pa.Array | None, folder: Path) -> list[str | None]:
    """The picture of each id in `folder`, None where there is none; how many have one is logged.

    Names are compared in one Unicode form, so that a disk that writes accents apart (macOS) meets ids that do not.

    Parameters
    ----------
    ids : `n` strings
    column, paths : the column of paths relative to `folder`, as it was given and as text
        Without it the file whose name, less its suffix, is the id is taken.
    folder : where the pictures lie

    Raises
    ------
    DataError
        There is no such folder, a path leaves it, or two pictures are named like one id.
    """
    if not folder.is_dir():
        raise DataError(f"images={str(folder)!r}: no such folder")
    if column is None or paths is None:
        pictures = _by_name(ids.to_pylist(), folder)
    else:
        pictures = list(_by_path(column, paths.to_pylist(), folder))
    count = sum(picture is not None for picture in pictures)
    level = logging.INFO if count or not pictures else logging.WARNING
    hint = "" if count or not pictures else "; is it the right folder, and are files named like the ids?"
    _log.log(level, "%d of %d items have a picture in %s%s", count, len(pictures), folder, hint)
    return pictures


def _by_name(ids: list[str], folder: Path) -> list[str | None]:
    files: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() in _PICTURES and entry.is_file() and _is_unicode(entry.path):
                files.setdefault(_one_form(stem), []).append(entry.path)
    pictures: list[str | None] = []
    for name in ids:
        there = files.get(_one_form(name), [])
        if len(there) > 1:
            exact = [path for path in there if os.path.splitext(os.path.basename(path))[0] == name]
            if len(exact) != 1:
                two = " and ".join(repr(os.path.basename(path)) for path in there[:2])
                raise DataError(f"images={str(folder)!r}: {two} are both named like item {name!r}; keep one of them")
            there = exact
        pictures.append(there[0] if there else None)
    return pictures


def _by_path(column: Column, paths: list[str | None], folder: Path) -> Iterator[str | None]:
    top = os.path.abspath(folder)
    for row, path in enumerate(paths):
        if not path:
            yield None
            continue
        whole = os.path.normpath(os.path.join(top, path))
        if not whole.startswith(top.rstrip(os.sep) + os.sep):
            raise DataError(f"column {column.name!r}, row {row}: {path!r} leaves the folder images={str(folder)!r}")
        inside = os.path.relpath(whole, top)
        forms = dict.fromkeys([inside, unicodedata.normalize("NFC", inside), unicodedata.normalize("NFD", inside)])
        yield next((os.path.join(folder, form) for form in forms if _is_file(os.path.join(top, form))), None)


def _is_file(path: str) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:  # a NUL in the path
        return False


def _is_unicode(path: str) -> bool:
    """Whether a file's name can be written as text; one that cannot is no item's."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _one_form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
