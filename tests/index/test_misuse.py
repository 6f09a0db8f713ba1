"""Thirty-odd plausible misuses of the room's doors: each a typed error that says what was expected, or right."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError, MMRecoError
from mmreco.index import BatchingIndex, VectorIndex, forget

VECTORS = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
IDS = IdMap.of([f"i{row}" for row in range(40)])
SHOP = Embeddings(IDS, VECTORS)
QUERIES = VECTORS[:3]


@pytest.fixture
def index() -> VectorIndex:
    return VectorIndex(SHOP, device="cpu")


REFUSED: dict[str, tuple[Callable[[VectorIndex], object], str]] = {
    "an array": (lambda _: VectorIndex(VECTORS), r"VectorIndex: an array of shape \(40, 6\); expected Embeddings"),
    "a list": (lambda _: VectorIndex([[1.0]]), "VectorIndex: a list; expected Embeddings"),
    "a path": (lambda _: VectorIndex("index/"), "VectorIndex: a str; expected Embeddings"),
    "an index": (lambda index: VectorIndex(index), "VectorIndex: a VectorIndex; expected Embeddings"),
    "no quality": (lambda _: VectorIndex(SHOP, quality=None), "quality=None: expected 'exact'"),
    "wrong quality": (lambda _: VectorIndex(SHOP, quality="Exact"), "quality='Exact': neither a word"),
    "memory as text": (lambda _: VectorIndex(SHOP, memory="1 GB"), "memory='1 GB': expected bytes"),
    "memory true": (lambda _: VectorIndex(SHOP, memory=True), "memory=True: expected bytes"),
    "device 0": (lambda _: VectorIndex(SHOP, device=0), "device=0: expected 'auto', 'cpu' or 'cuda'"),
    "torch device": (lambda _: VectorIndex(SHOP, device=torch.device("cpu")), "device=.*: expected 'auto'"),
    "k none": (lambda index: index.search(QUERIES, None), "k=None: expected a whole number"),
    "k huge": (lambda index: index.search(QUERIES, 10**12), "k=1000000000000: expected 1 to 1,000,000"),
    "k beyond int64": (lambda index: index.search(QUERIES, 10**30), "k=10+: expected 1 to"),
    "k negative": (lambda index: index.search(QUERIES, -1), "k=-1: expected 1 to"),
    "k float": (lambda index: index.search(QUERIES, 3.0), "k=3.0: expected a whole number"),
    "k true": (lambda index: index.search(QUERIES, True), "k=True: expected a whole number"),
    "k text": (lambda index: index.search(QUERIES, "3"), "k='3': expected a whole number"),
    "k array": (lambda index: index.search(QUERIES, np.array([3])), "k=.*: expected a whole number"),
    "one query": (lambda index: index.search(QUERIES[0], 3), r"queries: .*\(6,\); expected numbers of shape \(n, 6\)"),
    "ragged queries": (lambda index: index.search([[1.0], [1.0, 2.0]], 3), "queries: not an array of numbers"),
    "generator": (lambda index: index.search((q for q in QUERIES), 3), "queries: a generator; expected numbers"),
    "text query": (lambda index: index.search("red dress", 3), "queries: .*expected numbers"),
    "ids as queries": (lambda index: index.search(["i1"], 3), "queries: .*expected numbers"),
    "embeddings as queries": (lambda index: index.search(SHOP, 3), "queries: a Embeddings; expected numbers"),
    "complex queries": (lambda index: index.search(QUERIES * 1j, 3), "queries: complex64"),
    "queries with gradients": (
        lambda index: index.search(torch.tensor(QUERIES, requires_grad=True), 3),
        "queries: not an array of numbers",
    ),
    "where by rows": (lambda index: index.search(QUERIES, 3, where=[1, 2]), "where: int64 of shape"),
    "where of ids": (lambda index: index.search(QUERIES, 3, where=["i1"]), "where: <U2 of shape"),
    "where of text": (lambda index: index.search(QUERIES, 3, where="a == 1"), r"say where=mask\(catalogue"),
    "where ragged": (lambda index: index.search(QUERIES, 3, where=[[True], [True, False]]), "where: not an array"),
    "where transposed": (
        lambda index: index.search(QUERIES, 3, where=np.ones((40, 3), dtype=bool)),
        r"where: bool of shape \(40, 3\); expected bool of shape \(40,\), or \(3, 40\)",
    ),
    "where of two lines": (
        lambda index: index.search(QUERIES, 3, where=np.ones((2, 40), dtype=bool)),
        r"or \(3, 40\) with a line for each query",
    ),
    "exclude ids": (lambda index: index.search(QUERIES, 3, exclude=[["i1"]] * 3), "exclude: a list; expected Inter"),
    "exclude rows": (lambda index: index.search(QUERIES, 3, exclude=np.zeros(3)), "exclude: an array .*expected Inter"),
    "exclude few": (
        lambda index: index.search(QUERIES, 3, exclude=Interactions.from_histories([[]], items=IDS)),
        "exclude: 1 users for 3 queries",
    ),
    "exclude others": (
        lambda index: index.search(QUERIES, 3, exclude=Interactions.from_histories([[]] * 3, items=IDS.take([1]))),
        "exclude: over 1 items that are not the 40 of this index",
    ),
    "add array": (lambda index: index.add(VECTORS), "add: an array of shape"),
    "add again": (lambda index: index.add(SHOP), r"add: 40 of 40 ids already exist, first 'i0'; use update\(\)"),
    "update ids": (lambda index: index.update(["i1"]), "update: a list; expected Embeddings"),
    "remove one": (lambda index: index.remove("i1"), "remove: 'i1' is a single value; give a list"),
    "remove rows": (lambda index: index.remove([1, 2]), "remove: 1 at position 0 is not a string"),
    "remove none": (lambda index: index.remove(None), "remove: None; expected a list of ids"),
    "remove unknown": (lambda index: index.remove(["i1", "x"]), "1 of 2 ids unknown, first 'x'"),
    "tune as percent": (lambda index: index.tune(95), "recall=95: expected a number above 0 and at most 1"),
    "tune as text": (lambda index: index.tune("0.9"), "recall='0.9': expected a number above 0"),
    "tune seed": (lambda _: VectorIndex(SHOP, quality="IVF2,Flat", device="cpu").tune(seed="a"), "seed='a'"),
    "save nowhere": (lambda index: index.save(None), "folder=None: expected a path"),
    "load nowhere": (lambda _: VectorIndex.load("no/such/folder"), "no mmreco artefact here"),
    "load bytes": (lambda _: VectorIndex.load(b"index"), "folder=b'index': expected a path"),
    "forget one": (lambda _: forget("folder", "i1"), "forget: 'i1' is a single value; give a list"),
    "forget nowhere": (lambda _: forget(None, ["i1"]), "folder=None: expected a path"),
    "batching an array": (lambda _: BatchingIndex(VECTORS), "BatchingIndex: .*expected an index"),
    "batching none": (lambda index: BatchingIndex(index, most=0), "most=0: expected 1 or more"),
    "batching text": (lambda index: BatchingIndex(index, most="9"), "most='9': expected a whole number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_misuse_is_refused_with_what_was_expected(index: VectorIndex, name: str) -> None:
    call, said = REFUSED[name]
    with pytest.raises(MMRecoError, match=said) as caught:
        call(index)
    assert isinstance(caught.value, (DataError, IncompatibleError, KeyError))


RIGHT: dict[str, Callable[[VectorIndex], object]] = {
    "k of numpy": lambda index: index.search(QUERIES, np.int64(3)),
    "k of numpy, small": lambda index: index.search(QUERIES, np.uint8(3)),
    "lists": lambda index: index.search(QUERIES.tolist(), 3),
    "a tensor": lambda index: index.search(torch.tensor(QUERIES), 3),
    "float64": lambda index: index.search(QUERIES.astype(np.float64), 3),
    "columns first": lambda index: index.search(np.asfortranarray(QUERIES), 3),
    "where as a list": lambda index: index.search(QUERIES, 3, where=[True] * 40),
    "where as lists": lambda index: index.search(QUERIES, 3, where=[[True] * 40] * 3),
    "read-only": lambda index: index.search(SHOP.vectors[:3], 3),
    "batching": lambda index: BatchingIndex(index).search(QUERIES, np.int32(3)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_meant_is_done(index: VectorIndex, name: str) -> None:
    found = RIGHT[name](index)
    np.testing.assert_array_equal(found.rows, index.search(QUERIES, 3).rows)  # type: ignore[attr-defined]


def test_ids_may_come_in_any_list(index: VectorIndex, tmp_path: Path) -> None:
    gone = ["i3", "i5"]
    for ids in (gone, tuple(gone), np.array(gone), pa.array(gone), IdMap.of(gone), (each for each in gone), set(gone)):
        assert len(index.remove(ids).ids.rows(gone, missing="mark")) == 2  # type: ignore[arg-type]
    index.save(tmp_path / "index")
    assert len(forget(tmp_path / "index", np.array(gone))) == 38  # type: ignore[arg-type]


def test_a_wide_answer_is_as_wide_as_asked_for(index: VectorIndex) -> None:
    found = index.search(QUERIES[:1], 100_000)
    assert found.rows.shape == (1, 100_000)
    assert (found.rows[0, :40] >= 0).all()
    assert (found.rows[0, 40:] == -1).all()
