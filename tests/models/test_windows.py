import numpy as np

from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.models.windows import padded

ITEMS = IdMap.of([f"i{row}" for row in range(50)])


def log(lengths: list[int]) -> Interactions:
    return Interactions.from_histories(
        [[f"i{(u + s) % 50}" for s in range(n)] for u, n in enumerate(lengths)], items=ITEMS
    )


def test_padding_stands_at_the_end() -> None:
    rows, real = padded(log([3, 2]), np.array([0, 3]), np.array([3, 2]))
    assert rows.tolist() == [[0, 1, 2], [1, 2, 0]]
    assert real.tolist() == [[True, True, True], [True, True, False]]
