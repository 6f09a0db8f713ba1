"""How well a model foretells what users did next: `evaluate(model, test, k)` gives a `Report`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco import metrics
from mmreco.arrays import Bool, frozen
from mmreco.data.ids import IdMap
from mmreco.data.ranking import Ranking
from mmreco.data.split import Holdout
from mmreco.errors import DataError
from mmreco.progress import progress as shown_progress
from mmreco.protocols import Recommends

__all__ = ["Report", "evaluate"]


@dataclass(frozen=True, eq=False, repr=False)
class Report(Mapping[str, float]):
    """The metrics of one model on one held-out split, read like a dict: `report["ndcg@10"]`.

    Parameters
    ----------
    model : the model's name
    figures : metric name with cut-off, e.g. "ndcg@10", to its value
        Per-user metrics are means over the users counted.
    per_user : the same names, where there is a value a user, to shape `(n,)`
        For tests and confidence intervals; in the order of `users`.
    users : IdMap of the `n` users counted
    skipped : how many users had no target and were not counted
    seconds : time `recommend` took in all
    """

    model: str
    figures: Mapping[str, float]
    per_user: Mapping[str, npt.NDArray[np.float64]]
    users: IdMap
    skipped: int
    seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))
        arrays = {name: frozen(array, np.float64) for name, array in self.per_user.items()}
        object.__setattr__(self, "per_user", MappingProxyType(arrays))

    @property
    def n(self) -> int:
        """The number of users counted."""
        return len(self.users)

    def __getitem__(self, name: str) -> float:
        return self.figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def __repr__(self) -> str:
        cutoffs = sorted({int(name.partition("@")[2]) for name in self})
        names = list(dict.fromkeys(name.partition("@")[0] for name in self))
        without = f", {self.skipped} without targets not counted" if self.skipped else ""
        lines = [f"{self.model}: {self.n} users{without}, {self.seconds:.2f} s"]
        lines.append(" " * 10 + "".join(f"{'@' + str(k):>10}" for k in cutoffs))
        lines += [f"{name:<10}" + "".join(f"{self[f'{name}@{k}']:>10.4f}" for k in cutoffs) for name in names]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: every metric by name, and `model`, `users`, `skipped`, `seconds`."""
        about = {"model": self.model, "users": self.n, "skipped": self.skipped, "seconds": round(self.seconds, 4)}
        return {**dict(self), **about}


def evaluate(
    model: Recommends,
    test: Holdout,
    k: int | Sequence[int] = 10,
    *,
    exclude_seen: bool = True,
    where: Bool | None = None,
    batch_size: int = 1_024,
    progress: bool = False,
) -> Report:
    """How well the model's answers to `test.histories` hold `test.targets`: a `Report`.

    The ranking is always over the full catalogue, never over sampled items. Users without targets are not counted,
    and `Report.skipped` says how many.

    Parameters
    ----------
    model : anything that recommends
    test : histories, and what each of these users did next
    k : 1 or more, or several
        Cut-offs; the model is asked once, for the largest.
    exclude_seen : optional
        Whether items of the history are left out of the answer. Targets among them can then never be hit.
    where : shape `(n_items,)` of bool, optional
        Items that may be answered, e.g. those on sale at the time.
    batch_size : optional
        Users asked at a time.
    progress : optional
        Whether to show a bar.

    Returns
    -------
    Report
        `ndcg`, `recall`, `precision`, `f1`, `hit_rate`, `mrr`, `map` (means over users), `novelty` (bits, by the
        popularity in `test.histories`), `coverage` and `gini` (over the catalogue), each `@k`.

    Raises
    ------
    DataError
        A cut-off or `batch_size` is below 1, or no user has a target.
    """
    cutoffs = sorted({int(c) for c in ([k] if isinstance(k, int) else k)})
    if not cutoffs or cutoffs[0] < 1 or batch_size < 1:
        raise DataError(f"k={k!r}, batch_size={batch_size}: expected numbers of 1 or more")
    counted = np.flatnonzero(test.targets.lengths > 0)
    if not len(counted):
        raise DataError(f"test: none of {len(test.targets)} users has a target; there is nothing to measure")
    asked = test.take(counted)
    histories, targets = asked.histories, asked.targets
    parts = []
    seconds = 0.0
    batches = range(0, len(counted), batch_size)
    for start in shown_progress(batches, description=type(model).__name__, shown=progress):
        batch = histories.take(np.arange(start, min(start + batch_size, len(counted))))
        began = time.perf_counter()
        parts.append(model.recommend(batch, cutoffs[-1], exclude_seen=exclude_seen, where=where))
        seconds += time.perf_counter() - began
    ranking = Ranking(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))

    values: dict[str, float] = {}
    arrays: dict[str, npt.NDArray[np.float64]] = {}
    n_items = len(targets.items)
    for cutoff in cutoffs:
        top = ranking.top(cutoff)
        found = {**metrics.per_user(top, targets), "novelty": metrics.novelty(top, test.histories)}
        for name, array in found.items():
            arrays[f"{name}@{cutoff}"] = array
            known = array[~np.isnan(array)]  # a user without any answer has no novelty
            values[f"{name}@{cutoff}"] = float(known.mean()) if len(known) else 0.0
        values[f"coverage@{cutoff}"] = metrics.coverage(top, n_items)
        values[f"gini@{cutoff}"] = metrics.gini(top, n_items)
    return Report(type(model).__name__, values, arrays, histories.users, len(test.targets) - len(counted), seconds)
