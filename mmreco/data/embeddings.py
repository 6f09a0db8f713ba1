"""Embeddings: vectors with the ids they belong to, and the mark of the encoder that made them.

On disk they are plain files inside an artefact (`mmreco.storage.artefact`)::

    embeddings.json   dim, dtype, rows, fingerprint
    rows.parquet      row r: the id of vector r, and other facts of it
    vectors.npy       `(rows, dim)`, little-endian, so that it can be memory-mapped
    scales.npy        `(rows,)`, only where dtype is int8: what the numbers of row r are multiplied by
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmreco.arguments import require_kind, row_numbers
from mmreco.arrays import F32, I64, Bool, frozen, require_finite
from mmreco.data.ids import IdMap
from mmreco.errors import DataError, IncompatibleError
from mmreco.storage.artefact import publish, read_artefact

__all__ = ["DTYPES", "Embeddings", "read_vectors", "write_rows"]

_MAPPED = 64 << 20  # bytes; a larger file of vectors is memory-mapped, a smaller one is read
_BLOCK = 1 << 14  # rows handed to the file at a time
DTYPES = ("float32", "float16", "int8")
"""How a number of a vector may be stored. In memory it is float32 always."""


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """One float32 vector an id.

    Parameters
    ----------
    ids : IdMap of `n` ids
        Whose vectors these are. Items without the content (no picture, say) are simply not in it.
    vectors : shape `(n, dim)`, float32
        Finite, C-contiguous; copied only if it is neither float32 nor contiguous. May be memory-mapped.
    fingerprint : optional
        What made the vectors (model, weights' hash, preprocessing), so that two of them are never mixed.

    Raises
    ------
    DataError
        `vectors` is not `(n, dim)` with `dim` >= 1, or holds NaN or infinity (the first row is named).

    Examples
    --------
    >>> titles = Embeddings(IdMap.of(["a", "b"]), np.eye(2, dtype=np.float32))
    >>> titles.aligned(IdMap.of(["b", "c"]))[1]
    array([ True, False])
    """

    ids: IdMap
    vectors: F32
    fingerprint: str = ""

    def __post_init__(self) -> None:
        require_kind("embeddings: ids", self.ids, IdMap)
        vectors = frozen(self.vectors, np.float32)
        if vectors.ndim != 2 or len(vectors) != len(self.ids) or vectors.shape[1] < 1:
            raise DataError(f"embeddings: vectors of shape {vectors.shape} for {len(self.ids)} ids; expected (n, dim)")
        require_finite(vectors, "embeddings")
        object.__setattr__(self, "vectors", vectors)

    @classmethod
    def load(cls, folder: str | Path) -> "Embeddings":
        """The embeddings that `save` or `mmreco.embed(store=folder)` left in `folder`, memory-mapped when large.

        Every file is checked against its SHA-256 first. Rows come in the order in which they were
        written: for a store, the order of the input of its last complete run.

        Raises
        ------
        DataError
            There are none, the run that should have made them is unfinished, or a file is damaged or missing.
        IncompatibleError
            The folder holds something else, or vectors of another dtype.
        """
        top = Path(folder)
        if (top / "shards").is_dir() and not (top / "CURRENT").exists():
            done = sum((shard / "CURRENT").exists() for shard in (top / "shards").iterdir())
            raise DataError(f"{top}: unfinished, {done} shards so far; run the same embed() on it again to finish")
        return read_artefact(top, cls.__name__, lambda artefact: cls._read(artefact.path))

    def save(self, folder: str | Path) -> None:
        """Save them to the artefact `folder`, in one step: readers see the old ones until all is there.

        Raises
        ------
        DataError
            `folder` holds something that is not an artefact.
        """
        about = {"dim": self.dim, "rows": len(self), "fingerprint": self.fingerprint}
        with publish(folder, type(self).__name__, about) as path:
            self._write(path)

    def _write(self, path: Path) -> None:
        blocks = (self.vectors[start : start + _BLOCK] for start in range(0, len(self), _BLOCK))
        write_rows(path, {"id": self.ids.array}, blocks, dim=self.dim, fingerprint=self.fingerprint)

    @classmethod
    def _read(cls, path: Path) -> "Embeddings":
        about = json.loads((path / "embeddings.json").read_text(encoding="utf-8"))
        if about["dtype"] not in DTYPES:
            raise IncompatibleError(
                f"{path}: vectors of {about['dtype']}; this version of mmreco reads {', '.join(DTYPES)}"
            )
        vectors = read_vectors(path, slice(None))
        return cls(IdMap(pq.read_table(path / "rows.parquet", columns=["id"])["id"]), vectors, about["fingerprint"])

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Embeddings({len(self)} x {self.dim})"

    def vectors_of(self, rows: I64) -> F32:
        """The vectors of `rows`, shape `(m,)`, as `(m, dim)`.

        Raises
        ------
        DataError
            They are no rows of these ids.
        """
        return np.asarray(self.vectors[row_numbers("rows", rows, len(self))])

    def aligned(self, items: IdMap) -> tuple[F32, Bool]:
        """The vectors in the order of `items`, shape `(len(items), dim)`, and which of them exist.

        An item without a vector gets zeros and False.
        """
        rows = self.ids.rows(items.array, missing="mark")
        known = rows >= 0
        out = np.zeros((len(items), self.dim), dtype=np.float32)
        out[known] = self.vectors[rows[known]]
        return out, known


def read_vectors(path: Path, rows: Any) -> F32:
    """These rows (an index or a slice) of the vectors that `write_rows` left, as float32.

    Memory-mapped when large, unless they were stored in fewer bytes.

    Parameters
    ----------
    path : the folder
    rows : an index, shape `(m,)`, or a slice
    """
    file = path / "vectors.npy"
    mapped: Any = "r" if file.stat().st_size > _MAPPED else None
    vectors: Any = np.load(file, mmap_mode=mapped, allow_pickle=False)[rows]
    if vectors.dtype == np.int8:
        scales: F32 = np.load(path / "scales.npy", allow_pickle=False)[rows]
        vectors = vectors.astype(np.float32) * scales[:, None]
    wide: F32 = vectors if vectors.dtype == np.float32 else vectors.astype(np.float32)
    return wide


def write_rows(
    path: Path,
    columns: Mapping[str, pa.Array],
    blocks: Iterable[F32],
    *,
    dim: int,
    fingerprint: str,
    dtype: str = "float32",
) -> None:
    """The three files of embeddings, written into the existing folder `path` one block of vectors at a time.

    Parameters
    ----------
    path : an existing folder
    columns : "id" and other facts of each row, all of one length `n`
    blocks : arrays of shape `(b, dim)` that make up `(n, dim)` together
    dim : 1 or more
        Width of a vector.
    fingerprint : what made the vectors
    dtype : one of `DTYPES`
        How a number is stored.

    Raises
    ------
    DataError
        The blocks are not `(n, dim)` together.
    """
    table = pa.table(dict(columns))
    kind = np.dtype(dtype).newbyteorder("<")
    header = {"descr": kind.str, "fortran_order": False, "shape": (table.num_rows, dim)}
    written = 0
    scales = [np.empty(0, dtype=np.float32)]
    with (path / "vectors.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            if block.ndim != 2 or block.shape[1] != dim:
                raise DataError(f"{path}: a block of shape {block.shape}; expected (rows, {dim})")
            if dtype == "int8":
                scales.append((np.abs(block).max(axis=1) / 127).astype(np.float32))  # (rows of the block,)
                block = np.rint(block / np.where(scales[-1] > 0, scales[-1], 1)[:, None])
            file.write(np.ascontiguousarray(block, dtype=kind).data)
            written += len(block)
    if written != table.num_rows:
        raise DataError(f"{path}: {written} vectors for {table.num_rows} ids")
    if dtype == "int8":
        np.save(path / "scales.npy", np.concatenate(scales), allow_pickle=False)
    pq.write_table(table, path / "rows.parquet")
    about = {"dim": dim, "dtype": dtype, "rows": written, "fingerprint": fingerprint}
    (path / "embeddings.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
