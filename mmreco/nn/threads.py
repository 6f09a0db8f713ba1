"""How many threads a small step should take: measured, at the start and again when steps turn slow.

A step of a small network is as fast on one thread as on several, and on a busy machine torch's threads wait for each
other in a loop: a step then takes 15 to 60 times as long. One thread never waits. A large step gains from more. So
both are tried for a few steps, and one thread is kept unless several are clearly faster. Work that has no steps of one
size (texts of any length) is decided by a probe instead.
"""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from statistics import median
from types import TracebackType
from typing import Self, TypeVar

import torch

__all__ = ["MeasuredThreads", "probed_threads"]

Item = TypeVar("Item")

_WARM_UP = 1  # steps after a change that say nothing
_TRIED = 4  # steps measured with each number of threads
_GAIN = 1.25  # how much faster several threads must be
_SLOW = 2.5  # times the measured step from which the choice is made again
_WATCHED = 24  # the latest steps, whose median is compared
_LASTS = 20.0  # seconds for which what a probe said holds
_PROBE = (256, 384)  # a matrix to multiply: a millisecond or so


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


@contextmanager
def probed_threads(*, enabled: bool = True) -> Iterator[None]:
    """Torch's number of threads for the work inside, on the CPU: all where a probe gains by them, one otherwise.

    The probe takes some milliseconds and holds for 20 seconds. `OMP_NUM_THREADS`, where it is set, is obeyed.

    Parameters
    ----------
    enabled : optional
        Whether to probe; False on a GPU.
    """
    most = torch.get_num_threads()
    if not enabled or most == 1 or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    try:
        torch.set_num_threads(_Probe.chosen(most))
        yield
    finally:
        torch.set_num_threads(most)


class _Probe:
    """What the last probe of this process said, and when."""

    _said: tuple[float, int] | None = None

    @classmethod
    def chosen(cls, most: int) -> int:
        """The number of threads: 1 or `most`."""
        said = cls._said
        if said is None or time.perf_counter() - said[0] > _LASTS:
            one = _probed(1)
            said = cls._said = (time.perf_counter(), most if one > _GAIN * _probed(most) else 1)
        return said[1]


def _probed(number: int) -> float:
    """Seconds of a multiplication on so many threads."""
    torch.set_num_threads(number)
    rows, square = torch.ones(_PROBE), torch.ones(_PROBE[1], _PROBE[1])
    seconds = []
    for _ in range(_WARM_UP + _TRIED):
        begun = time.perf_counter()
        for _ in range(4):
            rows = torch.tanh(rows @ square)
        seconds.append(time.perf_counter() - begun)
    return median(seconds[_WARM_UP:])
