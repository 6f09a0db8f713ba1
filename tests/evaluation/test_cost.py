"""Time and memory of a piece of work."""

import sys
import time

import numpy as np
import pytest

from mmreco.evaluation.cost import Watch


def test_seconds_are_those_of_the_block() -> None:
    with Watch() as cost:
        time.sleep(0.05)
    assert 0.04 < cost.seconds < 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_memory_is_the_most_that_was_held_and_not_what_came_before() -> None:
    np.ones(160 << 20, dtype=np.uint8).sum()  # a peak before the block
    with Watch() as cost:
        held = np.ones(80 << 20, dtype=np.uint8)  # above 32 MiB the allocator asks the system: nothing freed serves it
        del held
    if np.isnan(cost.memory_mb):
        pytest.skip("this system does not let a process reset its peak")
    assert 60 < cost.memory_mb < 120
    with Watch() as idle:
        pass
    assert idle.memory_mb < 10


def test_an_error_passes_through() -> None:
    with pytest.raises(KeyError), Watch() as cost:
        raise KeyError
    assert cost.seconds >= 0
