"""Where the pictures of a table's items lie: paths in a column, or files named like the ids."""

import os
from pathlib import Path

import pyarrow as pa

from mmreco.errors import DataError
from mmreco.tables.columns import Column

__all__ = ["picture_paths"]

_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def picture_paths(ids: pa.Array, column: Column | None, paths: pa.Array | None, folder: Path) -> list[str | None]:
    """The picture of each id in `folder`, None where there is none.

    Parameters
    ----------
    column, paths : the column of paths relative to `folder`, as it was given and as text
        Without it the file whose name, less its suffix, is the id is taken.

    Raises
    ------
    DataError
        There is no such folder, or a path leaves it.
    """
    if not folder.is_dir():
        raise DataError(f"images={str(folder)!r}: no such folder")
    if column is None or paths is None:
        named: dict[str, str] = {}
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                stem, suffix = os.path.splitext(entry.name)
                if suffix.lower() in _PICTURES and entry.is_file():
                    named.setdefault(stem, entry.path)
        return [named.get(i) for i in ids.to_pylist()]
    found: list[str | None] = []
    top = os.path.abspath(folder)
    for row, path in enumerate(paths.to_pylist()):
        whole = os.path.normpath(os.path.join(top, path)) if path else None
        if whole is not None and not whole.startswith(top.rstrip(os.sep) + os.sep):
            raise DataError(f"column {column.name!r}, row {row}: {path!r} leaves the folder images={str(folder)!r}")
        found.append(os.path.join(folder, os.path.relpath(whole, top)) if whole and os.path.isfile(whole) else None)
    return found
