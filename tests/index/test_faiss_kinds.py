"""Which kinds of index a file of FAISS holds is told without FAISS, wherever in the file they are named."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmreco.errors import DataError
from mmreco.index.faiss_kinds import holds_known_kinds

faiss = pytest.importorskip("faiss")

N, DIM = 700, 16
KNOWN = ["Flat", "SQ8", "SQfp16", "HNSW8,Flat", "HNSW8,SQ8", "IVF8,Flat", "IVF8,SQ8", "IVF8,PQ4x4", "IVF8_HNSW8,SQ4"]
KNOWN += ["PCA8,IVF8,SQ8", "PCAR8,HNSW8,SQ8", "RR8,Flat", "OPQ4,IVF8,PQ4x4", "IDMap,HNSW8,SQ8"]
OTHERS = [
    "PQ4x4",
    "HNSW8,PQ4x4",
    "PCA8,PQ4x4",
    "IVF8,PQ4x4fs",
    "IVF16(PQ4x4),Flat",
    "L2norm,Flat",
    "IVF8,RaBitQ",
    "NSG8",
]


def built(factory: str) -> Any:
    index, vectors = faiss.index_factory(DIM, factory, faiss.METRIC_INNER_PRODUCT), np.random.default_rng(0)
    rows = vectors.standard_normal((N, DIM)).astype(np.float32)
    index.train(rows)
    if factory.startswith("IDMap"):
        index.add_with_ids(rows, np.arange(N))
    else:
        index.add(rows)
    return index


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "structure.faiss"


@pytest.mark.parametrize("factory", KNOWN)
def test_known_kinds_are_known(file: Path, factory: str) -> None:
    faiss.write_index(built(factory), str(file))
    assert holds_known_kinds(file)


def test_a_graph_of_a_gpu_is_known(file: Path) -> None:
    graph = faiss.IndexHNSWCagra(DIM, 8, faiss.METRIC_INNER_PRODUCT)
    graph.add(np.random.default_rng(0).standard_normal((N, DIM)).astype(np.float32))
    faiss.write_index(graph, str(file))
    assert holds_known_kinds(file)


@pytest.mark.parametrize("factory", OTHERS)
def test_other_kinds_are_not(file: Path, factory: str) -> None:
    faiss.write_index(built(factory), str(file))
    assert not holds_known_kinds(file)


def test_a_kind_is_found_however_far_inside_it_is_named(file: Path) -> None:
    faiss.write_index(built("HNSW8,SQ8"), str(file))
    whole = file.read_bytes()
    graph, neighbours = whole.index(b"IxSQ"), 1 << 22
    n_before = struct.unpack_from("<Q", whole, graph - 20 - 8 - 4 * _neighbours(whole))[0]
    assert n_before == _neighbours(whole)
    start = graph - 20 - 8 - 4 * n_before
    inflated = whole[:start] + struct.pack("<Q", neighbours) + bytes(4 * neighbours) + whole[graph - 20 :]
    file.write_bytes(inflated)
    assert holds_known_kinds(file)
    file.write_bytes(inflated.replace(b"IxSQ", b"IxPq"))
    assert not holds_known_kinds(file)


def _neighbours(whole: bytes) -> int:
    """How many neighbours the graph of a file stores."""
    at = 37
    for width in (8, 4, 4, 8):
        at += 8 + width * struct.unpack_from("<Q", whole, at)[0]
    count: int = struct.unpack_from("<Q", whole, at)[0]
    return count


def test_lists_in_another_file_are_never_opened(file: Path) -> None:
    faiss.write_index(built("IVF8,Flat"), str(file))
    file.write_bytes(file.read_bytes().replace(b"ilar", b"ilod"))
    assert not holds_known_kinds(file)


def test_kinds_inside_each_other_without_end_are_not_followed(file: Path) -> None:
    numbered = b"IxMp" + struct.pack("<iqqqBi", DIM, N, 1 << 20, 1 << 20, 1, 0)
    file.write_bytes(numbered * 10_000)
    assert not holds_known_kinds(file)


@pytest.mark.parametrize("content", [b"", b"IxF", b"IxFI" + bytes(20), b"\x93NUMPY" + bytes(90), b"PK\x03\x04" * 30])
def test_what_is_no_file_of_faiss_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(DataError, match="not a FAISS index"):
        holds_known_kinds(file)


@pytest.mark.parametrize("factory", KNOWN)
def test_a_file_that_ends_too_early_is_refused_or_left_to_faiss(file: Path, factory: str) -> None:
    faiss.write_index(built(factory), str(file))
    whole = file.read_bytes()
    for end in range(0, 400, 7):
        file.write_bytes(whole[:end])
        with pytest.raises(DataError, match="not a FAISS index"):
            holds_known_kinds(file)
