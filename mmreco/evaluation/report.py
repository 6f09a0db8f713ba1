"""Report: the figures of one model on one held-out split."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from mmreco.arrays import frozen
from mmreco.data.ids import IdMap

__all__ = ["Report"]


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
    segments : "new", "light", "heavy" users, and "head", "tail", "cold" items, to figures of their own
        Each with `users`, how many it counts. A segment of items counts only the targets in it; empty ones are
        left out.
    """

    model: str
    figures: Mapping[str, float]
    per_user: Mapping[str, npt.NDArray[np.float64]]
    users: IdMap
    skipped: int
    seconds: float
    segments: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))
        arrays = {name: frozen(array, np.float64) for name, array in self.per_user.items()}
        object.__setattr__(self, "per_user", MappingProxyType(arrays))
        parts = {name: MappingProxyType(dict(part)) for name, part in self.segments.items()}
        object.__setattr__(self, "segments", MappingProxyType(parts))

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
        names = list(dict.fromkeys(name.partition("@")[0] for name in self))
        cuts = sorted({name.partition("@")[2] for name in self if "@" in name}, key=lambda c: int(c.split()[0]))
        without = f", {self.skipped} without targets not counted" if self.skipped else ""
        width = max(10, *(len(name) + 1 for name in names))
        lines = [f"{self.model}: {self.n} users{without}, {self.seconds:.2f} s"]
        lines.append(" " * width + "".join(f"{'@' + cut:>{_wide(cut)}}" for cut in cuts))
        for name in names:
            if name in self:
                lines.append(f"{name:<{width}}" + f"{self[name]:>10.4f}".ljust(sum(map(_wide, cuts))))
            else:
                lines.append(f"{name:<{width}}" + "".join(f"{self[f'{name}@{cut}']:>{_wide(cut)}.4f}" for cut in cuts))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: every metric by name, and `model`, `users`, `skipped`, `seconds`, `segments` if any."""
        about = {"model": self.model, "users": self.n, "skipped": self.skipped, "seconds": round(self.seconds, 4)}
        parts = {"segments": {name: dict(part) for name, part in self.segments.items()}} if self.segments else {}
        return {**dict(self), **about, **parts}


def _wide(cut: str) -> int:
    return max(10, len(cut) + 3)
