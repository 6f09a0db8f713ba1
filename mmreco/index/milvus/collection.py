"""A collection of Milvus: made, filled, compared with what was sent, and asked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32, I64
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import DataError, IncompatibleError, MissingExtraError
from mmreco.index.exact.scan import Scan
from mmreco.index.item_vectors import ItemVectors
from mmreco.index.tuning import Sample

__all__ = [
    "NAME",
    "NULLS_FROM",
    "answers",
    "connected",
    "create",
    "current",
    "fill",
    "filter_columns",
    "holds",
    "reached",
    "verify",
    "version",
]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
"""What Milvus takes as a name."""

NULLS_FROM = (2, 5)
"""The first version of the server whose fields may be without a value."""

_BUILT = {"HNSW": {"M": 32, "efConstruction": 200}}  # older servers have no defaults
_BATCH = 1_000  # rows sent, and queries asked, together
_AWAY = 2  # Milvus' code for a server that cannot be reached
_LATER = ("UNAVAILABLE", "DEADLINE_EXCEEDED")  # gRPC's names of the same
_COMPARED = 1_000  # ids compared before a collection is trusted
_LONGEST = 65_535  # bytes of a text
_KINDS = ((pa.types.is_boolean, "BOOL"), (pa.types.is_integer, "INT64"), (pa.types.is_floating, "DOUBLE"))


def connected(uri: str) -> Any:
    """A client of the server, or of the file.

    Raises
    ------
    MissingExtraError
        pymilvus is not installed.
    ConnectionError, DataError
        As `reached`.
    """
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise MissingExtraError("pymilvus is not installed: pip install 'mmreco[milvus]'") from error
    with reached():
        return MilvusClient(uri)


@contextmanager
def reached() -> Iterator[None]:
    """Says in Python's and mmreco's errors what the server says in its own.

    Raises
    ------
    ConnectionError
        The server cannot be reached.
    DataError
        It refused something else.
    """
    import grpc
    from pymilvus import MilvusException

    try:
        yield
    except MilvusException as error:
        raise _told(error.code, error.message) from error
    except grpc.RpcError as error:  # the client hands on what it does not ask again
        raise _told(error.code(), error.details()) from error


def _told(code: Any, said: str) -> Exception:
    """The error for a code of Milvus, or of gRPC where nobody answered for Milvus."""
    if code == _AWAY or getattr(code, "name", "") in _LATER:
        return ConnectionError(f"Milvus cannot be reached, ask again later: {said}")
    return DataError(f"Milvus refused: {said}")


def version(client: Any) -> tuple[int, int]:
    """Major and minor version of the server, or of milvus-lite, whose 2.5 knows what the server's knows."""
    numbers = re.search(r"(\d+)\.(\d+)", client.get_server_version())
    return (0, 0) if numbers is None else (int(numbers[1]), int(numbers[2]))


def current(client: Any, name: str) -> str:
    """The collection the alias points to, "" for none."""
    for collection in client.list_collections():
        if re.fullmatch(rf"{name}_g\d+", collection) and name in client.list_aliases(collection)["aliases"]:
            return str(collection)
    return ""


def holds(client: Any, name: str, ids: IdMap) -> bool:
    """Whether the collection has as many items, and a sample of them the same ids."""
    if int(client.query(name, filter="", output_fields=["count(*)"])[0]["count(*)"]) != len(ids):
        return False
    rows: I64 = np.unique(np.linspace(0, max(0, len(ids) - 1), _COMPARED).astype(np.int64))[: len(ids)]
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        listed = ",".join(map(str, part))
        stored = client.query(name, filter=f"row in [{listed}]", output_fields=["row", "item_id"], limit=_BATCH)
        if {int(hit["row"]): hit["item_id"] for hit in stored} != dict(zip(map(int, part), ids.ids(part), strict=True)):
            return False
    return True


def filter_columns(catalogue: Catalogue, ids: IdMap) -> dict[str, tuple[str, list[Any]]]:
    """Name, Milvus' type and values of each column it can filter by, in the order of `ids`."""
    rows = pa.array(catalogue.items.rows(ids.array))
    columns = {}
    for name in catalogue.table.column_names:
        column = catalogue.table[name].combine_chunks().take(rows)
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        kind = "VARCHAR" if text else next((milvus for test, milvus in _KINDS if test(column.type)), "")
        if kind and NAME.fullmatch(name) and name not in ("row", "vector", "item_id"):
            columns[name] = kind, column.to_pylist()
    return columns


def create(client: Any, name: str, embeddings: Embeddings, columns: dict[str, Any], index_type: str) -> None:
    """A new, empty collection with a field for each column.

    Raises
    ------
    IncompatibleError
        There are columns, and the server is too old for fields without a value.
    """
    from pymilvus import DataType

    if columns and version(client) < NULLS_FROM:
        raise IncompatibleError(
            f"this Milvus is {client.get_server_version()} and has no fields without a value, as columns of a "
            "catalogue need; expected 2.5 or later, or no catalogue="
        )

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("row", DataType.INT64, is_primary=True)
    schema.add_field("item_id", DataType.VARCHAR, max_length=_LONGEST)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=embeddings.dim)
    for column, (kind, _) in columns.items():
        longest = {"max_length": _LONGEST} if kind == "VARCHAR" else {}
        schema.add_field(column, DataType[kind], nullable=True, **longest)
    index = client.prepare_index_params()
    index.add_index("vector", index_type=index_type, metric_type="IP", params=_BUILT.get(index_type, {}))
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")


def fill(client: Any, name: str, embeddings: Embeddings, columns: dict[str, Any]) -> None:
    """Send all rows, and load the collection.

    Raises
    ------
    DataError
        An id is longer than Milvus takes.
    """
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


def verify(client: Any, name: str, embeddings: Embeddings, least: float) -> None:
    """Compare what is stored with what was sent.

    Raises
    ------
    DataError
        The count or the recall on a sample falls short.
    """
    stored = int(client.query(name, filter="", output_fields=["count(*)"])[0]["count(*)"])
    if stored != len(embeddings):
        raise DataError(f"{name}: {stored} of {len(embeddings)} items stored; the alias stays where it was")
    if not stored:
        return
    sample = Sample(ItemVectors(Scan(embeddings.vectors)))
    rows = np.full((len(sample.queries), sample.width), -1, dtype=np.int64)
    answers(client, name, sample.queries, sample.width, "", rows, np.empty(rows.shape, dtype=np.float32))
    recall = sample.as_near(rows)
    if recall < least:
        raise DataError(f"{name}: recall@10 of {recall:.3f} on a sample, below {least}; the alias stays where it was")


def answers(client: Any, name: str, queries: F32, k: int, expression: str, rows: I64, scores: F32) -> None:
    """Milvus' answers, written into `rows` and `scores`.

    Raises
    ------
    ConnectionError, DataError
        As `reached`.
    """
    for start in range(0, len(queries), _BATCH):
        part = list(queries[start : start + _BATCH])
        with reached():
            answers = client.search(name, part, limit=k, filter=expression, anns_field="vector", output_fields=["row"])
        for line, hits in enumerate(answers, start):
            rows[line, : len(hits)] = [hit["row"] for hit in hits]
            scores[line, : len(hits)] = [hit["distance"] for hit in hits]
