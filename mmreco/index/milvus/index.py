"""The same promise on Milvus: vectors in, ranking out, for catalogues beyond one machine.

Parquet stays the truth: a collection is built from `Embeddings`, counted and compared with an exact search, and only
then does the alias move to it, so readers see the old catalogue or the new one and never half of one. Say
`pip install 'mmreco[milvus]'`; a path ending in `.db` in place of a server's address opens milvus-lite here.
"""

import re
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32, I64, Bool, require_finite
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError, MissingExtraError
from mmreco.index.arguments import mask_over
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.milvus.filter import NONE, told
from mmreco.index.query import Excluded
from mmreco.index.tuning import Sample

__all__ = ["MilvusIndex"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_BATCH = 1_000  # rows sent, and queries asked, together
_COMPARED = 1_000  # ids compared before a collection is trusted
_WIDEST = 16_384  # answers a query, Milvus' own limit
_LONGEST = 65_535  # bytes of a text
_KINDS = ((pa.types.is_boolean, "BOOL"), (pa.types.is_integer, "INT64"), (pa.types.is_floating, "DOUBLE"))


class MilvusIndex:
    """A collection in Milvus that answers with the rows of `ids`.

    Parameters
    ----------
    ids : the items, as they were when `build` made the collection
    uri : a server's address, or a path ending in `.db`
    name : the alias `build` was given

    Raises
    ------
    MissingExtraError
        pymilvus is not installed.
    DataError
        There is no such collection.
    IncompatibleError
        The collection is over other items.

    Attributes
    ----------
    columns : the type in Milvus of each field an expression may name
    """

    def __init__(self, ids: IdMap, uri: str, name: str = "items") -> None:
        self.ids = ids
        self.name = name
        self._client = _client(uri)
        found = _alias(self._client, name)
        if not found:
            raise DataError(f"{uri}: no collection under the alias {name!r}; say MilvusIndex.build(...) first")
        about = self._client.describe_collection(found)
        if not _is_over(self._client, found, ids):
            raise IncompatibleError(f"{uri}: {name!r} is over other items than these {len(ids)}; build it again")
        self.dim = next(int(f["params"]["dim"]) for f in about["fields"] if f["name"] == "vector")
        self.columns = {f["name"]: f["type"].name for f in about["fields"] if f["name"] not in ("row", "vector")}

    @classmethod
    def build(
        cls,
        embeddings: Embeddings,
        uri: str,
        name: str = "items",
        *,
        catalogue: Catalogue | None = None,
        index_type: str = "FLAT",
        least: float = 0.95,
    ) -> "MilvusIndex":
        """A new collection of these vectors, verified, to which the alias `name` then points.

        Parameters
        ----------
        catalogue : optional
            Its columns of text, numbers and truth values are stored beside the vectors, for Milvus' own filters.
        index_type : of Milvus, e.g. "FLAT" (exact) or "HNSW"
        least : recall@10 on a sample below which the alias stays where it was

        Raises
        ------
        MissingExtraError
            pymilvus is not installed.
        DataError
            `name` is none Milvus takes, an id is too long, or what was stored is not what was sent: the count or the
            recall falls short, and the collection is dropped again.
        """
        if not _NAME.fullmatch(name):
            raise DataError(f"name={name!r}: expected letters, digits and _, not beginning with a digit")
        client = _client(uri)
        old = _alias(client, name)
        taken = [int(c.rpartition("_g")[2]) for c in client.list_collections() if re.fullmatch(rf"{name}_g\d+", c)]
        fresh = f"{name}_g{max(taken, default=0) + 1}"
        columns = {} if catalogue is None else _columns(catalogue, embeddings.ids)
        try:
            _create(client, fresh, embeddings, columns, index_type)
            _fill(client, fresh, embeddings, columns)
            _verify(client, fresh, embeddings, least)
        except BaseException:
            client.drop_collection(fresh)
            raise
        if old:
            client.alter_alias(fresh, name)
            client.drop_collection(old)
        else:
            client.create_alias(fresh, name)
        return cls(embeddings.ids, uri, name)

    def __len__(self) -> int:
        return len(self.ids)

    def search(
        self, queries: F32, k: int, *, where: Bool | str | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each query by inner product, best first; see `VectorIndex.search`.

        Parameters
        ----------
        where : a mask over the items, or an expression over `columns` in the language of `mmreco.filters.parser`
            Milvus filters by an expression itself; of a mask it is sent the rows, which a large catalogue has too
            many of.

        Raises
        ------
        DataError
            `queries` is not `(n, dim)` or holds NaN or infinity, `k` < 1, `where` is neither a mask over the items nor
            such an expression, `exclude` has not `n` users, or more than 16,384 answers a query would be needed.
        IncompatibleError
            `exclude` is over other items.
        """
        asked = np.ascontiguousarray(queries, dtype=np.float32)
        if asked.ndim != 2 or asked.shape[1] != self.dim:
            raise DataError(f"queries: of shape {asked.shape}; expected (n, {self.dim})")
        require_finite(asked, "queries")
        if k < 1:
            raise DataError(f"k={k}: expected 1 or more")
        expression = (
            told(where, self.columns)
            if isinstance(where, str)
            else _expression(mask_over(len(self), len(asked), where))
        )
        barred = Excluded.none()
        if exclude is not None:
            if len(exclude) != len(asked):
                raise DataError(f"exclude: {len(exclude)} users for {len(asked)} queries; expected one user a query")
            if exclude.items != self.ids:
                raise IncompatibleError(f"exclude: over {len(exclude.items)} items that are not those of this index")
            barred = Excluded.of(exclude.users_flat, exclude.items_flat, len(self))
        most = int(barred.counts(len(asked)).max(initial=0))
        wide = min(len(self), k + most)
        if wide > _WIDEST:
            raise DataError(f"k={k} and {most} exclusions: Milvus answers at most {_WIDEST} a query")
        rows = np.full((len(asked), max(wide, k)), -1, dtype=np.int64)
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        if wide:
            _answers(self._client, self.name, asked, wide, expression, rows, scores)
        barred.strike(rows)
        return Ranking.from_scores(scores, k, rows=rows)


def _client(uri: str) -> Any:
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise MissingExtraError("pymilvus is not installed: pip install 'mmreco[milvus]'") from error
    return MilvusClient(uri)


def _alias(client: Any, name: str) -> str:
    """The collection the alias points to, "" for none."""
    for collection in client.list_collections():
        if re.fullmatch(rf"{name}_g\d+", collection) and name in client.list_aliases(collection)["aliases"]:
            return str(collection)
    return ""


def _is_over(client: Any, name: str, ids: IdMap) -> bool:
    """Whether the collection has as many items, and a sample of them the same ids."""
    if int(client.query(name, filter="", output_fields=["count(*)"])[0]["count(*)"]) != len(ids):
        return False
    rows: I64 = np.unique(np.linspace(0, max(0, len(ids) - 1), _COMPARED).astype(np.int64))[: len(ids)]
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        said = ",".join(map(str, part))
        stored = client.query(name, filter=f"row in [{said}]", output_fields=["row", "item_id"], limit=_BATCH)
        if {int(hit["row"]): hit["item_id"] for hit in stored} != dict(zip(map(int, part), ids.ids(part), strict=True)):
            return False
    return True


def _columns(catalogue: Catalogue, ids: IdMap) -> dict[str, tuple[str, list[Any]]]:
    """Name, Milvus' type and values of each column it can filter by, in the order of `ids`."""
    rows = pa.array(catalogue.items.rows(ids.array))
    found = {}
    for name in catalogue.table.column_names:
        column = catalogue.table[name].combine_chunks().take(rows)
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        kind = "VARCHAR" if text else next((milvus for test, milvus in _KINDS if test(column.type)), "")
        if kind and _NAME.fullmatch(name) and name not in ("row", "vector", "item_id"):
            found[name] = kind, column.to_pylist()
    return found


def _create(client: Any, name: str, embeddings: Embeddings, columns: dict[str, Any], index_type: str) -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("row", DataType.INT64, is_primary=True)
    schema.add_field("item_id", DataType.VARCHAR, max_length=_LONGEST)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=embeddings.dim)
    for column, (kind, _) in columns.items():
        longest = {"max_length": _LONGEST} if kind == "VARCHAR" else {}
        schema.add_field(column, DataType[kind], nullable=True, **longest)
    index = client.prepare_index_params()
    index.add_index("vector", index_type=index_type, metric_type="IP")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")


def _fill(client: Any, name: str, embeddings: Embeddings, columns: dict[str, Any]) -> None:
    for start in range(0, len(embeddings), _BATCH):
        rows = range(start, min(start + _BATCH, len(embeddings)))
        ids = embeddings.ids.ids(rows)
        if max(len(each.encode()) for each in ids) > _LONGEST:
            raise DataError(f"ids: longer than {_LONGEST} bytes among rows {rows.start}..{rows.stop - 1}")
        sent = [
            {"row": row, "item_id": ids[row - start], "vector": embeddings.vectors[row]}
            | {column: values[row] for column, (_, values) in columns.items()}
            for row in rows
        ]
        client.insert(name, sent)
    client.load_collection(name)


def _verify(client: Any, name: str, embeddings: Embeddings, least: float) -> None:
    stored = int(client.query(name, filter="", output_fields=["count(*)"])[0]["count(*)"])
    if stored != len(embeddings):
        raise DataError(f"{name}: {stored} of {len(embeddings)} items stored; the alias stays where it was")
    sample = Sample(ItemVectors(Scan(embeddings.vectors)))
    rows = np.full((len(sample.queries), sample.width), -1, dtype=np.int64)
    _answers(client, name, sample.queries, sample.width, "", rows, np.empty(rows.shape, dtype=np.float32))
    recall = sample.of(rows)
    if recall < least:
        raise DataError(f"{name}: recall@10 of {recall:.3f} on a sample, below {least}; the alias stays where it was")


def _answers(client: Any, name: str, queries: F32, k: int, expression: str, rows: I64, scores: F32) -> None:
    """Milvus' answers, written into `rows` and `scores`."""
    for start in range(0, len(queries), _BATCH):
        part = list(queries[start : start + _BATCH])
        answers = client.search(name, part, limit=k, filter=expression, anns_field="vector", output_fields=["row"])
        for line, hits in enumerate(answers, start):
            rows[line, : len(hits)] = [hit["row"] for hit in hits]
            scores[line, : len(hits)] = [hit["distance"] for hit in hits]


def _expression(where: Bool | None) -> str:
    """What Milvus is told of a mask: the rows it allows, or those it does not, whichever are fewer."""
    if where is None or where.all():
        return ""
    if not where.any():
        return NONE
    fewer = np.count_nonzero(where) * 2 <= len(where)
    rows = np.flatnonzero(where if fewer else ~where)
    return f"row {'in' if fewer else 'not in'} [{','.join(map(str, rows))}]"
