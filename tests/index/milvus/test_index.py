"""Milvus answers as FAISS does: milvus-lite, or the server that `MMRECO_MILVUS` names."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from milvus_place import NAME, place

from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError
from mmreco.filters.parser import mask
from mmreco.index.milvus import collection
from mmreco.index.milvus.filter import to_milvus
from mmreco.index.milvus.index import MilvusIndex
from mmreco.index.vector import VectorIndex
from mmreco.protocols import Searches

pymilvus = pytest.importorskip("pymilvus")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the client's own libraries
N, DIM = 300, 8


def shop(seed: int = 0) -> Embeddings:
    vectors = np.random.default_rng(seed).standard_normal((N, DIM)).astype(np.float32)
    return Embeddings(IdMap.of([f"sku-{row}" for row in range(N)]), vectors)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    rng = np.random.default_rng(1)
    return Catalogue.from_frame(
        pa.table(
            {
                "item_id": [f"sku-{row}" for row in range(N)],
                "price": [float(p) if p > 50 else None for p in rng.integers(0, 300, N)],
                "category": [["dress", "红色", None][c] for c in rng.integers(0, 3, N)],
                "brand": [["dress", 'O"Neil\\', "", None][c] for c in rng.integers(0, 4, N)],
                "cost": [float(p) if p > 50 else None for p in rng.integers(0, 300, N)],
                "stock": pa.array([int(c) if c else None for c in rng.integers(-3, 4, N)]),
                "sold": [[True, False, None][c] for c in rng.integers(0, 3, N)],
                "sizes": [["S", "M"]] * N,
            }
        )
    )


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with place(tmp_path_factory.mktemp("milvus")) as address:
        yield address


@pytest.fixture(scope="module")
def index(uri: str) -> MilvusIndex:
    return MilvusIndex.build(shop(), uri, NAME)


@pytest.fixture(scope="module")
def filled(uri: str, catalogue: Catalogue) -> MilvusIndex:
    """The same with the columns of the catalogue; skipped where the server is too old for them."""
    client = collection.connected(uri)
    if collection.version(client) < collection.NULLS_FROM:
        with pytest.raises(IncompatibleError, match=r"fields without a value.*expected 2\.5 or later"):
            MilvusIndex.build(shop(), uri, f"{NAME}_filled", catalogue=catalogue)
        assert not [name for name in client.list_collections() if name.startswith(f"{NAME}_filled")]
        pytest.skip("this server has no fields without a value: Milvus 2.5 or later has")
    return MilvusIndex.build(shop(), uri, f"{NAME}_filled", catalogue=catalogue)


def test_the_same_best_ten_as_faiss_whatever_is_asked(index: MilvusIndex, catalogue: Catalogue) -> None:
    assert isinstance(index, Searches)
    local = VectorIndex(shop(), device="cpu")
    rng = np.random.default_rng(2)
    queries = rng.standard_normal((20, DIM)).astype(np.float32)
    users = IdMap.of([str(line) for line in range(20)])
    lines, rows = np.repeat(np.arange(20), 15), rng.integers(N, size=300)
    exclude = Interactions.from_events(users, local.embeddings.ids, lines, rows)
    filters = [
        None,
        "price < 150 and category == 'dress'",
        "category in ['红色'] or price is null",
        "not category == 'dress'",
        "item_id == 'sku-3'",
        "price < 0",
    ]
    for expression in filters:
        where = None if expression is None else mask(catalogue, expression)
        for barred in (None, exclude):
            found = index.search(queries, 10, where=where, exclude=barred)
            expected = local.search(queries, 10, where=where, exclude=barred)
            np.testing.assert_array_equal(found.rows, expected.rows)
            np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_milvus_filters_by_the_stored_columns_itself(filled: MilvusIndex, catalogue: Catalogue) -> None:
    said = "price > 200 and category == 'dress'"
    stored = filled._client.query(filled.name, filter=said, output_fields=["item_id"], limit=N)
    assert sorted(hit["item_id"] for hit in stored) == sorted(
        catalogue.items.ids(np.flatnonzero(mask(catalogue, said)))
    )


TESTS = [
    "price < 150",
    "price != 100.0",
    "200 >= price",
    "100 <= price < 200",
    "price > cost",
    "category == brand",
    "category != brand",
    "category == '红色'",
    "category != 'dress'",
    "category >= 'e'",
    "brand == 'O\"Neil\\\\'",
    "brand in ['', 'dress']",
    "brand not in ['', 'dress']",
    "brand in []",
    "stock < 1.5",
    "stock >= -1.5",
    "stock == 2",
    "stock == 2.5",
    "stock != 2.5",
    "stock in [1, 2.0, 3.5]",
    "stock not in [1, 3.5]",
    "stock < 1e30",
    "stock >= -1e30",
    "stock > 99999999999999999999",
    "stock is null",
    "sold",
    "sold == false",
    "sold != true",
    "sold is not null",
    "item_id in ['sku-3', 'sku-77', 'none']",
]


def random_expression(rng: np.random.Generator, depth: int) -> str:
    """Tests joined by and, or, not."""
    if not depth or rng.random() < 0.2:
        return str(rng.choice(TESTS))
    if rng.random() < 0.4:
        return f"not ({random_expression(rng, depth - 1)})"
    word = rng.choice(["and", "or"])
    return "(" + f" {word} ".join(random_expression(rng, depth - 1) for _ in range(int(rng.integers(2, 4)))) + ")"


def test_expressions_are_true_of_the_same_items_in_milvus(filled: MilvusIndex, catalogue: Catalogue) -> None:
    rng = np.random.default_rng(3)
    expressions = [*TESTS, *(f"not {test}" for test in TESTS), *(random_expression(rng, 3) for _ in range(60))]
    for said in expressions:
        stored = filled._client.query(
            filled.name, filter=to_milvus(said, filled.columns), output_fields=["row"], limit=N
        )
        assert sorted(hit["row"] for hit in stored) == np.flatnonzero(mask(catalogue, said)).tolist(), said


def test_an_expression_is_searched_by(filled: MilvusIndex, catalogue: Catalogue) -> None:
    queries = np.random.default_rng(4).standard_normal((5, DIM)).astype(np.float32)
    for said in ("not (price > 200 or category == 'dress')", "stock == 2.5"):
        expected = VectorIndex(shop(), device="cpu").search(queries, 10, where=mask(catalogue, said))
        np.testing.assert_array_equal(filled.search(queries, 10, where=said).rows, expected.rows)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("sizes == 'S'", "no field 'sizes' in Milvus; there are item_id, price"),
        ("row == 1", "no field 'row'"),
        ("price == 'x'", "price holds number; cannot be compared with 'x'"),
        ("price == true", "price holds number; cannot be compared with True"),
        ("price == brand", "price holds number, brand text; cannot compare them"),
        ("brand", "brand holds text; expected a comparison after it"),
        ("1 < 2", "two values and no column to compare"),
        ("price <", "expected a column or a value"),
    ],
)
def test_what_milvus_cannot_be_asked_is_pointed_at(filled: MilvusIndex, said: str, error: str) -> None:
    with pytest.raises(DataError, match=error):
        filled.search(shop().vectors[:1], 3, where=said)


def test_a_new_build_takes_the_alias_and_the_old_collection_goes(uri: str) -> None:
    first = MilvusIndex.build(shop(), uri, f"{NAME}_other")
    before = collection.current(first._client, first.name)
    again = MilvusIndex.build(shop(1), uri, f"{NAME}_other")
    there = [c for c in again._client.list_collections() if c.startswith(f"{NAME}_other_")]
    assert there == [collection.current(again._client, again.name)] != [before]
    queries = shop(1).vectors[:5] * 10
    expected = VectorIndex(shop(1), device="cpu").search(queries, 10).rows
    np.testing.assert_array_equal(first.search(queries, 10).rows, expected)  # by the alias, at once
    np.testing.assert_array_equal(MilvusIndex(shop().ids, uri, f"{NAME}_other").search(queries, 10).rows, expected)


def test_what_was_not_stored_whole_never_counts(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = MilvusIndex.build(shop(), uri, f"{NAME}_safe")
    stored = collection.current(kept._client, kept.name)
    fill = collection.fill

    def lossy(client: object, name: str, embeddings: Embeddings, columns: dict[str, object]) -> None:
        half = Embeddings(embeddings.ids.take(range(200)), embeddings.vectors[:200])
        fill(client, name, half, columns)

    def muddled(client: object, name: str, embeddings: Embeddings, columns: dict[str, object]) -> None:
        fill(client, name, Embeddings(embeddings.ids, embeddings.vectors[::-1].copy()), columns)

    for broken, said in ((lossy, "200 of 300 items stored"), (muddled, "recall@10 of 0")):
        monkeypatch.setattr(collection, "fill", broken)
        with pytest.raises(DataError, match=said):
            MilvusIndex.build(shop(1), uri, f"{NAME}_safe")
        assert [c for c in kept._client.list_collections() if c.startswith(f"{NAME}_safe_")] == [stored]
    assert kept.search(shop().vectors[:1] * 10, 1).rows.shape == (1, 1)


def test_two_that_build_at_once_do_not_mix(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process builds the same while this one has made its collection and not filled it yet."""
    name, fill = f"{NAME}_both", collection.fill
    monkeypatch.setattr(collection, "fill", lambda *args: (other(), fill(*args)))

    def other() -> None:
        monkeypatch.setattr(collection, "fill", fill)
        MilvusIndex.build(shop(), uri, name)

    built = MilvusIndex.build(shop(), uri, name)
    assert len([c for c in built._client.list_collections() if c.startswith(f"{name}_")]) == 1
    queries = shop().vectors[:5] * 10
    np.testing.assert_array_equal(built.search(queries, 10).rows, VectorIndex(shop()).search(queries, 10).rows)


def test_bad_questions_are_refused(index: MilvusIndex, uri: str) -> None:
    queries = shop().vectors[:2]
    with pytest.raises(DataError, match="queries: NaN or infinity"):
        index.search(np.full((1, DIM), np.nan, dtype=np.float32), 3)
    with pytest.raises(DataError, match=r"queries: float32 of shape \(2, 7\)"):
        index.search(queries[:, :7], 3)
    with pytest.raises(DataError, match="k=0"):
        index.search(queries, 0)
    with pytest.raises(DataError, match="where: "):
        index.search(queries, 3, where=np.ones(3, dtype=bool))
    with pytest.raises(DataError, match="exclude: 1 users for 2 queries"):
        index.search(queries, 3, exclude=Interactions.from_histories([[]], items=shop().ids))
    with pytest.raises(IncompatibleError, match="over 1 items"):
        index.search(queries, 3, exclude=Interactions.from_histories([[], []], items=IdMap.of(["x"])))
    with pytest.raises(DataError, match="name='a b'"):
        MilvusIndex.build(shop(), uri, "a b")
    with pytest.raises(DataError, match="no collection under the alias 'mmreco_test_none'"):
        MilvusIndex(shop().ids, uri, f"{NAME}_none")
    with pytest.raises(IncompatibleError, match="over other items than these 1"):
        MilvusIndex(IdMap.of(["x"]), uri, NAME)


@pytest.mark.usefixtures("index")
def test_padding_where_fewer_are_allowed(index: MilvusIndex) -> None:
    where = np.arange(N) < 2
    found = index.search(shop().vectors[:3], 5, where=where).rows
    assert ((found >= 0).sum(axis=1) == 2).all()


def test_a_missing_client_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    from mmreco.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mmreco\[milvus\]'"):
        MilvusIndex(shop().ids, str(tmp_path / "x.db"))


def test_the_last_item_may_go(uri: str) -> None:
    nothing = Embeddings(IdMap.of([]), np.zeros((0, DIM), dtype=np.float32))
    index = MilvusIndex.build(nothing, uri, "mmreco_test_nothing")
    assert index.search(shop().vectors[:2], 3).rows.tolist() == [[-1] * 3] * 2
