"""Rules of a shop for a shelf: caps that always hold, quotas that are met before anything else, logged exploration.

What the quotas need is set aside first, within the caps; the other places then go to the best that caps and the set
aside items leave. So no order of candidates, and no draw, can break a cap, or a quota that can be met.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from mmreco.arguments import require_kind, require_mapping, require_whole
from mmreco.arrays import F64, I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError
from mmreco.rerank import Exploration
from mmreco.rerank.columns import codes

__all__ = ["Filling", "Rules", "fill"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What must hold on a shelf.

    Parameters
    ----------
    caps : column to number, e.g. `{"brand": 2}`
        At most so many items of one value. Items of unknown value are not limited.
    quotas : column to value to number, e.g. `{"label": {"own": 1}}`
        At least so many items of the value, as far as the candidates, the places and the caps allow.
    exploration : places where an item is drawn by chance, and how often; optional

    Raises
    ------
    DataError
        A number is not a whole one, a cap is below 1 or a quota below 0.
    """

    caps: Mapping[str, int] = field(default_factory=dict)
    quotas: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    exploration: Exploration | None = None

    def __post_init__(self) -> None:
        for name in ("caps", "quotas"):
            object.__setattr__(self, name, MappingProxyType(dict(require_mapping(name, getattr(self, name)))))
        if self.exploration is not None:
            require_kind("exploration", self.exploration, Exploration)
        for column, most in self.caps.items():
            require_whole(f"caps[{column!r}]", most)
        for column, each in self.quotas.items():
            if not isinstance(each, Mapping):
                raise DataError(f'quotas: {column!r}: {each!r}; expected a number a value, e.g. {{"own": 1}}')
            for value, least in each.items():
                require_whole(f"quotas[{column!r}][{value!r}]", least, least=0)


def fill(
    catalogue: Catalogue | None,
    rows: I64,
    k: int,
    rules: Rules,
    rng: np.random.Generator | None = None,
) -> tuple[I64, F64]:
    """The items of a shelf out of candidates, and the probability of each to stand where it stands, given those above.

    Parameters
    ----------
    catalogue : whose columns the rules name; None where they name none
    rows : shape `(m,)`
        Different item rows, best first.
    k : 1 or more
        Places; the shelf is shorter where candidates or caps do not fill them.
    rules : caps, quotas and how much is explored
    rng : what draws where there is exploration

    Raises
    ------
    DataError
        There are rules and no catalogue, or a rule names a column that the catalogue has not, or one that holds
        neither text nor whole numbers nor lists of them.
    """
    filling = Filling(catalogue, rows, k, rules)
    chosen: list[int] = []
    chances: list[float] = []
    for place in range(min(k, len(rows))):
        allowed = filling.allowed()
        if not allowed.any():
            break
        best, chance = int(allowed.argmax()), 1.0
        exploration = rules.exploration
        if exploration is not None and rng is not None and place in exploration.places:
            best, chance = _drawn(allowed, exploration.rate, rng)
        filling.choose(best)
        chosen.append(best)
        chances.append(chance)
    return rows[np.array(chosen, dtype=np.int64)], np.array(chances, dtype=np.float64)


class Filling:
    """A shelf while it is filled: which candidates may stand at the next place.

    Parameters
    ----------
    catalogue, rules : as `fill`
    rows : shape `(m,)`
        Different item rows, best first.
    k : places

    Raises
    ------
    DataError
        As `fill`.
    """

    def __init__(self, catalogue: Catalogue | None, rows: I64, k: int, rules: Rules) -> None:
        self._marks = _Marks.of(catalogue, rows, rules)
        reserved = self._marks.reserve(k)  # places among `rows` that must be on the shelf
        self._left = self._marks.room(reserved)
        self._open = np.ones(len(rows), dtype=bool)
        self._waiting = np.zeros(len(rows), dtype=bool)
        self._waiting[reserved] = True
        self._owed, self._places = len(reserved), k

    def allowed(self) -> Bool:
        """Which candidates may come next, shape `(m,)`."""
        if self._owed >= self._places:
            return self._open & self._waiting
        return self._open & (self._waiting | self._marks.fits(self._left))

    def choose(self, candidate: int) -> None:
        """This candidate, one that is allowed, stands at the next place."""
        self._open[candidate] = False
        self._places -= 1
        if self._waiting[candidate]:
            self._waiting[candidate], self._owed = False, self._owed - 1
        else:
            self._marks.take(self._left, candidate)


@dataclass(frozen=True, eq=False)
class _Marks:
    """The values of candidates that caps and quotas look at; `(m, w)` codes a cap, `(m,)` marks a quota."""

    n: int
    values: list[I64]
    most: list[int]
    wanted: list[Bool]
    least: list[int]

    @classmethod
    def of(cls, catalogue: Catalogue | None, rows: I64, rules: Rules) -> "_Marks":
        values, most, wanted, least = [], [], [], []
        if catalogue is None and (rules.caps or rules.quotas):
            raise DataError("rules: caps and quotas need catalogue=, whose columns they name")
        if catalogue is None:
            return cls(len(rows), [], [], [], [])
        for column in {**rules.caps, **rules.quotas}:
            coded = codes(catalogue, column, rows)
            if column in rules.caps:
                values.append(coded.values)
                most.append(int(rules.caps[column]))
            for value, number in rules.quotas.get(column, {}).items():
                wanted.append((coded.values == coded.number.get(value, -2)).any(axis=1))
                least.append(int(number))
        return cls(len(rows), values, most, wanted, least)

    def reserve(self, k: int) -> list[int]:
        """The candidates that meet the quotas, the rarest quota first; at most `k`, the first that fit."""
        reserved: list[int] = []
        left = self.room([])
        for quota in sorted(range(len(self.wanted)), key=lambda q: int(self.wanted[q].sum()) - self.least[q]):
            missing = self.least[quota] - int(self.wanted[quota][reserved].sum())
            for candidate in np.flatnonzero(self.wanted[quota]).tolist():
                if missing <= 0 or len(reserved) == k:
                    break
                if candidate not in reserved and self.fits(left)[candidate]:
                    reserved.append(candidate)
                    self.take(left, candidate)
                    missing -= 1
        return reserved

    def room(self, taken: list[int]) -> list[I64]:
        """How many more items of each value the caps allow, an array a cap."""
        left = []
        for values, most in zip(self.values, self.most, strict=True):
            left.append(np.full(int(values.max(initial=-1)) + 2, most, dtype=np.int64))  # the last is of -1
        for candidate in taken:
            self.take(left, candidate)
        return left

    def take(self, left: list[I64], candidate: int) -> None:
        """One item less of its values."""
        for room, values in zip(left, self.values, strict=True):
            own = values[candidate]
            room[own[own >= 0]] -= 1

    def fits(self, left: list[I64]) -> Bool:
        """Which candidates the caps leave, shape `(m,)`."""
        fits: Bool = np.ones(self.n, dtype=bool)
        for room, values in zip(left, self.values, strict=True):
            fits = fits & ((room[values] > 0) | (values < 0)).all(axis=1)
        return fits


def _drawn(allowed: Bool, rate: float, rng: np.random.Generator) -> tuple[int, float]:
    """A candidate and its chance: by chance among all that are allowed, or the best of them."""
    best, many = int(allowed.argmax()), int(allowed.sum())
    explore, which = rng.random() < rate, int(rng.integers(many))
    chosen = int(np.flatnonzero(allowed)[which]) if explore else best
    return chosen, rate / many + (1 - rate) * (chosen == best)
