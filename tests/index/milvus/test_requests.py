"""What is sent to Milvus, and what is made of its answers: against a client that is played here, without a server."""

import re
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.milvus import collection
from mmreco.index.milvus.index import MilvusIndex
from mmreco.protocols import Searches
from mmreco.testing.indexes import IndexContract


class Client:
    """A few collections in memory, searched exactly, with filters over rows alone."""

    collections: ClassVar[dict[str, list[dict[str, Any]]]] = {}
    aliases: ClassVar[dict[str, str]] = {}
    sent: ClassVar[list[str]] = []
    fault: ClassVar[Exception | None] = None
    version: ClassVar[str] = "v2.3.5-lite"

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def get_server_version(self) -> str:
        return self.version

    def list_collections(self) -> list[str]:
        return list(self.collections)

    def list_aliases(self, name: str) -> dict[str, list[str]]:
        return {"aliases": [alias for alias, to in self.aliases.items() if to == name]}

    def create_alias(self, name: str, alias: str) -> None:
        self.aliases[alias] = name

    alter_alias = create_alias

    def drop_collection(self, name: str) -> None:
        del self.collections[name]

    def create_schema(self, **_: object) -> SimpleNamespace:
        return SimpleNamespace(add_field=lambda *args, **options: None)

    def prepare_index_params(self) -> SimpleNamespace:
        return SimpleNamespace(add_index=lambda *args, **options: None)

    def create_collection(self, name: str, **_: object) -> None:
        self.collections[name] = []

    def load_collection(self, name: str) -> None:
        assert name in self.collections

    def describe_collection(self, name: str) -> dict[str, Any]:
        dim = len(self.collections[name][0]["vector"])
        text, vector = SimpleNamespace(name="VARCHAR"), SimpleNamespace(name="FLOAT_VECTOR")
        fields = [{"name": "vector", "params": {"dim": dim}, "type": vector}, {"name": "item_id", "type": text}]
        return {"fields": fields}

    def insert(self, name: str, rows: list[dict[str, Any]]) -> None:
        self.collections[name] += rows

    def query(self, name: str, *, output_fields: list[str], limit: int = 0, **options: str) -> list[dict[str, Any]]:
        rows = self.collections[self.aliases.get(name, name)]
        expression = options["filter"]
        if not expression:
            return [{"count(*)": len(rows)}]
        return [rows[row] for row in self._allowed(expression, len(rows))]

    def search(self, name: str, data: list[Any], *, limit: int, **options: Any) -> list[list[dict[str, Any]]]:
        if self.fault is not None:
            raise self.fault
        self.sent.append(options["filter"])
        rows = self.collections[self.aliases.get(name, name)]
        allowed = np.array(self._allowed(options["filter"], len(rows)), dtype=np.int64)
        scores = np.array(data) @ np.array([row["vector"] for row in rows]).T
        answers = []
        for line in scores:
            best = allowed[np.argsort(-line[allowed], kind="stable")[:limit]]
            answers.append([{"row": int(row), "distance": float(line[row])} for row in best])
        return answers

    @staticmethod
    def _allowed(expression: str, n: int) -> list[int]:
        if not expression:
            return list(range(n))
        if expression == "row < 0":
            return []
        parts = re.fullmatch(r"row (in|not in) \[([\d,]*)\]", expression)
        assert parts is not None, expression
        rows = {int(row) for row in parts[2].split(",")}
        return [row for row in range(n) if (row in rows) == (parts[1] == "in")]


class PlayedError(Exception):
    """What the client raises."""

    def __init__(self, code: object, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class PlayedRpcError(Exception):
    """What the client hands on as it came."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code, self.details = lambda: SimpleNamespace(name=code), lambda: f"it was {code.lower()}"


@pytest.fixture(autouse=True)
def _played(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("pymilvus")
    types = type("DataType", (), {"__class_getitem__": classmethod(lambda cls, name: name)})
    module.MilvusClient = Client  # type: ignore[attr-defined]
    module.DataType = types  # type: ignore[attr-defined]
    module.MilvusException = PlayedError  # type: ignore[attr-defined]
    for name in ("INT64", "VARCHAR", "FLOAT_VECTOR"):
        setattr(types, name, name)
    monkeypatch.setitem(sys.modules, "pymilvus", module)
    rpc = ModuleType("grpc")
    rpc.RpcError = PlayedRpcError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "grpc", rpc)
    yield
    Client.sent.clear()


class TestMilvus(IndexContract):
    def make(self, embeddings: Embeddings) -> Searches:
        return MilvusIndex.build(embeddings, "http://played", "items")


def shop() -> Embeddings:
    return TestMilvus().embeddings


def test_filters_that_queries_share_are_sent_once() -> None:
    index = MilvusIndex.build(shop(), "http://played", "other")
    Client.sent.clear()
    where = np.zeros((5, len(index)), dtype=bool)
    where[:3, :2] = True
    where[3:, 5:] = True
    index.search(shop().vectors[:5], 3, where=where)
    assert Client.sent == ["row in [0,1]", "row not in [0,1,2,3,4]"]


def test_what_is_no_catalogue_is_refused() -> None:
    with pytest.raises(DataError, match=r"MilvusIndex\.build: an array .* expected Embeddings"):
        MilvusIndex.build(shop().vectors, "http://played")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="name='1': expected letters"):
        MilvusIndex.build(shop(), "http://played", "1")
    with pytest.raises(DataError, match="name=None: expected letters"):
        MilvusIndex.build(shop(), "http://played", None)  # type: ignore[arg-type]


def test_a_server_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    index = MilvusIndex.build(shop(), "http://played", "away")
    monkeypatch.setattr(Client, "fault", PlayedError(2, "Fail connecting to server on played"))
    with pytest.raises(ConnectionError, match="Milvus cannot be reached, ask again later: Fail connecting"):
        index.search(shop().vectors[:1], 3)
    monkeypatch.setattr(Client, "fault", PlayedError(1100, "cannot parse expression"))
    with pytest.raises(DataError, match="Milvus refused: cannot parse"):
        index.search(shop().vectors[:1], 3)
    monkeypatch.setattr(Client, "fault", None)
    assert index.search(shop().vectors[:1], 3).rows.shape == (1, 3)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (PlayedError(SimpleNamespace(name="UNAVAILABLE"), "not ready"), ConnectionError, "ask again later: not ready"),
        (PlayedRpcError("DEADLINE_EXCEEDED"), ConnectionError, "ask again later: it was deadline_exceeded"),
        (PlayedRpcError("UNAUTHENTICATED"), DataError, "Milvus refused: it was unauthenticated"),
        (PlayedRpcError("RESOURCE_EXHAUSTED"), DataError, "Milvus refused: it was resource_exhausted"),
    ],
)
def test_what_grpc_says_for_a_server_is_said(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, kind: type[Exception], said: str
) -> None:
    index = MilvusIndex.build(shop(), "http://played", "silent")
    monkeypatch.setattr(Client, "fault", fault)
    with pytest.raises(kind, match=said):
        index.search(shop().vectors[:1], 3)


def test_what_a_server_refuses_while_an_index_is_opened_or_built(monkeypatch: pytest.MonkeyPatch) -> None:
    MilvusIndex.build(shop(), "http://played", "opened")
    for code, kind, said in (
        (2, ConnectionError, "Milvus cannot be reached, ask again later: down"),
        (65535, DataError, "Milvus refused: down"),
    ):

        def faulty(*_: object, raised: int = code, **__: object) -> None:
            raise PlayedError(raised, "down")

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(Client, "describe_collection", faulty)
            with pytest.raises(kind, match=said):
                MilvusIndex(shop().ids, "http://played", "opened")
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(Client, "insert", faulty)
            with pytest.raises(kind, match=said):
                MilvusIndex.build(shop(), "http://played", "built")
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(Client, "__init__", faulty)
            with pytest.raises(kind, match=said):
                MilvusIndex(shop().ids, "http://played", "opened")


@pytest.mark.parametrize(
    ("version", "known"), [("v2.3.5-lite", (2, 3)), ("2.6.0", (2, 6)), ("milvus_lite-3.2", (3, 2))]
)
def test_versions_are_read(monkeypatch: pytest.MonkeyPatch, version: str, known: tuple[int, int]) -> None:
    monkeypatch.setattr(Client, "version", version)
    assert collection.version(Client("http://played")) == known


def test_an_old_server_takes_no_columns_that_may_be_empty() -> None:
    embeddings = shop()
    catalogue = Catalogue(
        embeddings.ids, pa.table({"price": [None] * len(embeddings.ids)}, pa.schema([("price", pa.float64())]))
    )
    with pytest.raises(
        IncompatibleError, match=r"this Milvus is v2\.3\.5-lite .* expected 2\.5 or later, or no catalogue="
    ):
        collection.create(
            Client("http://played"), "old_g1", embeddings, collection.filter_columns(catalogue, embeddings.ids), "FLAT"
        )
    assert "old_g1" not in Client.collections
