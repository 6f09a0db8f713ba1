"""A catalogue in parts: jobs that run apart, on other machines or other days, and their stores put together again."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding.store import Refusal, ShardStore, hashes, packed
from mmreco.errors import DataError, IncompatibleError
from mmreco.storage.artefact import open_artefact

__all__ = ["merge", "part_of", "stream_part"]

_PART = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})", re.ASCII)


def part_of(
    ids: IdMap, contents: Sequence[Any], part: str = "1/1", *, limit: int | None = None
) -> tuple[IdMap, list[Any]]:
    """The items of one part of a catalogue, in their order.

    Which part an item belongs to follows from its id alone, so a catalogue that grows or is listed in another order
    keeps its parts, and a part's store is resumed as any other.

    Parameters
    ----------
    ids : `n` items
    contents : `n` contents
    part : "i/n", optional
        Part `i` of `n`, from "1/n" to "n/n".
    limit : 1 or more, optional
        At most so many items of it.

    Raises
    ------
    DataError
        `part` or `limit` is not of that form, or there are more or fewer contents than ids.

    Examples
    --------
    >>> ids = IdMap.of(["a", "b", "c", "d"])
    >>> parts = [part_of(ids, "ABCD", f"{i}/2")[1] for i in (1, 2)]
    >>> sorted(parts[0] + parts[1])
    ['A', 'B', 'C', 'D']
    """
    if len(contents) != len(ids):
        raise DataError(f"{len(contents)} contents for {len(ids)} ids; give None where an item has none")
    mine, names = _chosen(part, limit), ids.array.to_pylist()
    rows = [row for row, name in enumerate(names) if mine(name)][: limit or None]
    return ids.take(np.array(rows, dtype=np.int64)), [contents[row] for row in rows]


def stream_part(
    pairs: Iterable[tuple[str, Any]], part: str = "1/1", *, limit: int | None = None
) -> Iterator[tuple[str, Any]]:
    """As `part_of`, of a stream of `pairs`, an id and its content each.

    Raises
    ------
    DataError
        `part` or `limit` is not of that form.
    """
    mine = _chosen(part, limit)

    def stream() -> Iterator[tuple[str, Any]]:
        given = 0
        for name, content in pairs:
            if mine(name):
                yield name, content
                given += 1
                if given == limit:
                    return

    return stream()


def merge(stores: Sequence[str | Path], out: str | Path) -> Embeddings:
    """The stores of several jobs as one, which a later `embed` of the whole catalogue goes on with.

    Every store is checked against its manifest first. Rows come in the order of the stores.

    Parameters
    ----------
    stores : complete stores, 1 or more, of one encoder
    out : a new folder, or a store

    Raises
    ------
    DataError
        A store is missing, unfinished or damaged, or two hold the same id (the first is named).
    IncompatibleError
        They are of different encoders, widths or dtypes.
    """
    if not stores:
        raise DataError("merge: no stores; expected one or more")
    opened = [open_artefact(store, Embeddings.__name__) for store in stores]
    marks = [tuple(one.about.get(key) for key in ("fingerprint", "dim", "dtype")) for one in opened]
    odd = [at for at, mark in enumerate(marks) if mark != marks[0]]
    if odd:
        raise IncompatibleError(
            f"merge: {stores[odd[0]]} is of another encoder, width or dtype than {stores[0]}: "
            f"{str(marks[odd[0]])[:60]} against {str(marks[0])[:60]}"
        )
    owners: dict[str, int] = {}
    digests, refused = [packed([])], []
    about = opened[0].about
    with ShardStore.open(
        out, fingerprint=str(about["fingerprint"]), dim=int(about["dim"]), dtype=str(about.get("dtype", "float32"))
    ) as whole:
        for at, one in enumerate(opened):
            if not (one.path / "refused.parquet").exists():
                raise DataError(f"merge: {stores[at]} was not written by embed(); it has no hashes of contents")
            rows = pq.read_table(one.path / "rows.parquet", columns=["id", "hash"])
            for name in rows["id"].to_pylist():
                other = owners.setdefault(name, at)
                if other != at:
                    raise DataError(f"merge: {stores[other]} and {stores[at]} both hold {name!r}; embed each item once")
            digests.append(hashes(rows["hash"]))
            whole.ledger.add(digests[-1], one.path, ())
            table = pq.read_table(one.path / "refused.parquet").to_pydict()
            refused += [
                Refusal(name, digest or b"", reason)
                for name, digest, reason in zip(table["id"], table["hash"], table["reason"], strict=True)
            ]
        return whole.finish(IdMap.of(list(owners)), np.concatenate(digests), refused)


def _chosen(part: str, limit: int | None) -> Any:
    """Whether an id belongs to the part, as a function."""
    match = _PART.fullmatch(part)
    if not match or int(match[1]) > int(match[2]):
        raise DataError(f"part {part!r}: expected i/n with i from 1 to n, e.g. 2/8")
    if limit is not None and limit < 1:
        raise DataError(f"limit={limit}: expected 1 or more")
    index, n = int(match[1]) - 1, int(match[2])
    return lambda name: n == 1 or int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) % n == index
