"""How many threads a small step should take: measured, at the start and again when steps turn slow.

A step of a small network is as fast on one thread as on several, and on a busy machine torch's threads wait for each
other in a loop: a step then takes 15 to 60 times as long. One thread never waits. A large step gains from more. So
both are tried for a few steps, and one thread is kept unless several are clearly faster.
"""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from statistics import median
from types import TracebackType
from typing import Self, TypeVar

import torch

__all__ = ["MeasuredThreads"]

Item = TypeVar("Item")

_WARM_UP = 1  # steps after a change that say nothing
_TRIED = 4  # steps measured with each number of threads
_GAIN = 1.25  # how much faster several threads must be
_SLOW = 2.5  # times the measured step from which the choice is made again
_WATCHED = 24  # the latest steps, whose median is compared


class MeasuredThreads:
    """Torch's number of threads for a run of steps on the CPU; restored at the end.

    `OMP_NUM_THREADS`, where it is set, is obeyed and nothing is measured. The order of sums, and so the last digits of
    a result, can depend on the number of threads: set it to 1 where results must be equal bit by bit on a machine
    where several threads pay.

    Parameters
    ----------
    enabled : optional
        Whether to measure; False on a GPU.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._most = torch.get_num_threads()
        self._measures = enabled and self._most > 1 and "OMP_NUM_THREADS" not in os.environ
        self._plan: list[int] = []
        self._seconds: dict[int, list[float]] = {}
        self._usual = 0.0
        self._latest: deque[float] = deque(maxlen=_WATCHED)

    def __enter__(self) -> Self:
        if self._measures:
            self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.set_num_threads(self._most)

    def over(self, steps: Iterable[Item]) -> Iterator[Item]:
        """The same steps; the time from asking for one until the next is asked for is taken."""
        rest = iter(steps)
        while True:
            if self._plan and self._plan[0] != torch.get_num_threads():
                torch.set_num_threads(self._plan[0])
            begun = time.perf_counter()
            try:
                item = next(rest)
            except StopIteration:
                return
            yield item
            if self._measures:
                self._note(time.perf_counter() - begun)

    def _begin(self) -> None:
        """Try one thread, then all."""
        self._seconds = {1: [], self._most: []}
        self._plan = [number for number in self._seconds for _ in range(_WARM_UP + _TRIED)]

    def _note(self, seconds: float) -> None:
        if not self._plan:
            self._latest.append(seconds)
            if len(self._latest) == _WATCHED and median(self._latest) > _SLOW * self._usual:
                self._begin()
            return
        self._seconds[self._plan.pop(0)].append(seconds)
        if self._plan:
            return
        medians = {number: median(taken[_WARM_UP:]) for number, taken in self._seconds.items()}
        chosen = self._most if medians[1] > _GAIN * medians[self._most] else 1
        self._usual = medians[chosen]
        self._latest.clear()
        torch.set_num_threads(chosen)
