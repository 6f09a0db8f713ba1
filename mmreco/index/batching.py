"""BatchingIndex: the queries of many threads that meet are searched for together.

A matrix product over the items costs little more for sixteen queries than for one, on a CPU and more so on a GPU. So a
service in which every request asks for itself gains by having one of them ask for all that wait: the way inference
servers batch (Yu et al., "Orca: a distributed serving system for Transformer-based generative models", 2022), with no
time spent waiting for company. Put one in front of the index of each GPU.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Lock

import numpy as np

from mmreco.arrays import F32, Bool
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.protocols import Searches

__all__ = ["BatchingIndex"]


class BatchingIndex:
    """An index for many threads: concurrent calls are answered by one search.

    A call that comes when nothing is being searched is served at once. Those that come meanwhile are served together
    when it is done, in the order in which they came. Answers and errors are those each would have had alone.

    Parameters
    ----------
    index : any `Searches`
    most : 1 or more
        Queries in one search, unless a single call has more.

    Raises
    ------
    DataError
        `index` does not search, or `most` is not a whole number of 1 or more.

    Examples
    --------
    >>> from mmreco.data.embeddings import Embeddings
    >>> from mmreco.index.vector import VectorIndex
    >>> shop = Embeddings(IdMap.of(["hat", "cap", "shoe"]), np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]))
    >>> index = BatchingIndex(VectorIndex(shop))
    >>> index.search(np.array([[1.0, 0.0]]), k=2).ids(shop.ids)
    [['hat', 'cap']]
    """

    def __init__(self, index: Searches, *, most: int = 1_024) -> None:
        if not isinstance(index, Searches):
            raise DataError(f"BatchingIndex: a {type(index).__name__}; expected an index, with a method search")
        if isinstance(most, bool) or not isinstance(most, (int, np.integer)):
            raise DataError(f"most={most!r}: expected a whole number of 1 or more")
        if most < 1:
            raise DataError(f"most={most}: expected 1 or more")
        self.index, self.most = index, int(most)
        self._begin()

    def _begin(self) -> None:
        self._waiting: list[_Call] = []
        self._searching = False
        self._gate = Lock()  # of these two
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, object]:
        return {"index": self.index, "most": self.most}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._begin()

    def search(
        self, queries: F32, k: int, *, where: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each query, as the index itself answers.

        Parameters
        ----------
        queries, k, where, exclude : as `VectorIndex.search`
        """
        call = _Call(queries, k, where, exclude)
        if self._process != os.getpid():  # a forked child: the threads that searched and waited are not in it
            self._begin()
        with self._gate:
            self._waiting.append(call)
            if self._searching:
                first = False
            else:
                first = self._searching = True
        if not first:
            try:
                call.woken.wait()
            except BaseException:
                self._leave(call)
                raise
        if call.answer is None:  # it is this thread's turn to search
            self._serve(call)
        if isinstance(call.answer, Exception):
            raise call.answer
        assert call.answer is not None
        return call.answer

    def _serve(self, own: "_Call") -> None:
        """Search for all that wait, `own` the first of them; then wake who comes next."""
        calls = self._next()
        try:
            alike: dict[object, list[_Call]] = {}
            for call in calls:
                alike.setdefault(call.kind, []).append(call)
            for group in alike.values():
                self._together(group)
        finally:  # an interrupt strikes the thread that happened to search: the others go on
            left = [call for call in calls if call.answer is None and call is not own]
            with self._gate:
                self._waiting = left + self._waiting
                self._hand_on()
            for call in calls:
                if call.answer is not None:
                    call.woken.set()

    def _hand_on(self) -> None:
        """Wake who has waited longest, to search next; the gate is closed."""
        self._searching = bool(self._waiting)
        for call in self._waiting[:1]:
            call.woken.set()

    def _leave(self, call: "_Call") -> None:
        """A thread that waited was interrupted: it must not be the one that others wait for."""
        with self._gate:
            if call in self._waiting:
                self._waiting.remove(call)
                if call.woken.is_set():
                    self._hand_on()

    def _next(self) -> "list[_Call]":
        """Calls that have waited longest, as many as one search takes."""
        with self._gate:
            sizes = np.cumsum([call.size for call in self._waiting])
            many = max(1, int(np.searchsorted(sizes, self.most, side="right")))
            taken, self._waiting = self._waiting[:many], self._waiting[many:]
        return taken

    def _together(self, calls: "list[_Call]") -> None:
        first = calls[0]
        if len(calls) > 1:
            try:
                queries = np.concatenate([call.queries for call in calls])
                where = np.concatenate([call.where for call in calls]) if first.own_filters else first.where
                ranking = self.index.search(queries, first.k, where=where, exclude=_joined(calls))
            except Exception:  # whose fault it is shows when each is searched for alone
                pass
            else:
                ends = np.cumsum([call.size for call in calls])
                for call, stop in zip(calls, ends.tolist(), strict=True):
                    own = slice(stop - call.size, stop)
                    call.answer = Ranking(ranking.rows[own], ranking.scores[own])
                return
        for call in calls:
            try:
                call.answer = self.index.search(call.queries, call.k, where=call.where, exclude=call.exclude)
            except Exception as error:
                call.answer = error


@dataclass(eq=False)
class _Call:
    queries: F32
    k: int
    where: Bool | None
    exclude: Interactions | None
    answer: Ranking | Exception | None = field(default=None, init=False)
    woken: Event = field(default_factory=Event, init=False)
    size: int = field(default=1, init=False)  # queries
    kind: object = field(default=None, init=False)  # equal for calls that one search can answer
    own_filters: bool = field(default=False, init=False)  # whether `where` has a line for each query

    def __post_init__(self) -> None:
        """In the thread that calls, so that arguments of the wrong type trouble no other."""
        self.kind = id(self)  # to be searched for alone
        try:
            given = np.asarray(self.queries)
            items = None if self.exclude is None else self.exclude.items.checksum
            mask = None if self.where is None else np.asarray(self.where)
            self.own_filters = mask is not None and mask.ndim == 2 and len(mask) == len(given)
            where = None if mask is None else (mask.dtype, mask.shape, mask.tobytes())
            if mask is not None and self.own_filters:
                where = (mask.dtype, mask.shape[1:], b"")
            kind = (given.shape[1:], given.dtype, self.k, where, items)
            hash(kind)
            if given.ndim and (self.exclude is None or len(self.exclude) == len(given)):
                self.size, self.kind = len(given), kind
        except (AttributeError, TypeError, ValueError):
            return


def _joined(calls: Sequence[_Call]) -> Interactions | None:
    """What each call excludes, one user a query."""
    given = [call.exclude for call in calls if call.exclude is not None]
    if not given:
        return None
    lengths = np.concatenate([each.lengths for each in given])
    rows = np.concatenate([each.items_flat for each in given])
    users = IdMap.of([str(number) for number in range(len(lengths))])
    return Interactions.from_events(users, given[0].items, np.repeat(np.arange(len(lengths)), lengths), rows)
