"""Where vectors are put, and how the best of many scores are found, as on a GPU."""

import numpy as np
import pytest
import torch

from mmreco.errors import DataError
from mmreco.index.device import Place, TorchScan, _top, choose
from mmreco.index.query import Excluded, QueryBatch

GB = 1 << 30


def machine(monkeypatch: pytest.MonkeyPatch, *free_gb: float) -> None:
    """A machine with a GPU for each of these."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(free_gb))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free_gb))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (int(free_gb[number] * GB), 200 * GB))


@pytest.mark.parametrize(
    ("free", "needed", "expected"),
    [
        ((10, 30), 20, Place(("cuda:1",))),
        ((10, 30), 5, Place(("cuda:1",))),  # the roomier one
        ((30, 30), 40, Place(("cuda:0", "cuda:1"))),
        ((30, 30), 60, Place(("cuda:0", "cuda:1"), half=True)),
        ((30,), 40, Place(("cuda:0",), half=True)),
        ((5, 30), 40, Place(("cuda:1",), half=True)),
        ((30,), 60, Place()),
        ((), 1, Place()),
    ],
)
def test_vectors_go_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, free: tuple[float, ...], needed: float, expected: Place
) -> None:
    machine(monkeypatch, *free)
    assert choose("auto", int(needed * GB)) == expected
    assert choose("cpu", int(needed * GB)) == Place()
    if expected.devices:
        assert choose("cuda", int(needed * GB)) == expected
    else:
        with pytest.raises(DataError, match="device='cuda'"):
            choose("cuda", int(needed * GB))


def test_halves_are_kept_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 100)
    assert choose("auto", GB, half=True) == Place(("cuda:0",), half=True)
    with pytest.raises(DataError, match="device='tpu': expected 'auto', 'cpu' or 'cuda'"):
        choose("tpu", GB)


@pytest.mark.parametrize("columns", [1, 5, 1_000, 4_099, 100_003])
@pytest.mark.parametrize("k", [1, 10, 900])
def test_the_greatest_are_found_by_groups(columns: int, k: int) -> None:
    torch.manual_seed(columns + k)
    scores = torch.randn(3, columns)
    scores[1] = scores[1].sort().values  # the best all in the last groups
    scores[2, columns // 3 :] = -torch.inf
    best, places = _top(scores, k)
    expected = scores.topk(min(k, columns), dim=1).values
    torch.testing.assert_close(best.sort(descending=True).values, expected)
    torch.testing.assert_close(scores.gather(1, places), best)
    assert all(len(line.unique()) == line.numel() for line in places)


def test_vectors_too_long_for_halves_and_queries_of_any_length() -> None:
    rng = np.random.default_rng(0)
    vectors = (1e6 * rng.standard_normal((500, 8))).astype(np.float32)
    queries = (rng.standard_normal((4, 8)) * [[1e-8], [1], [1e8], [0]]).astype(np.float32)
    scan = TorchScan(vectors, Place(("cpu", "cpu"), half=True))
    found = scan.best(QueryBatch(queries, None, Excluded.none(), 500), 60)
    assert found.shape == (4, 60)
    true = np.argsort(-(queries @ vectors.T), axis=1)[:, :20]
    assert all(np.isin(best, line).all() for best, line in zip(true[:3], found[:3], strict=True))
