"""What a page must be like: how varied, within which limits, and where it may try something new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from mmreco.arguments import require_kind, require_mapping, require_number, require_whole, require_width
from mmreco.errors import DataError

__all__ = ["Calibration", "Exploration", "Method", "RerankOptions"]

Method = Literal["mmr", "msd", "dpp", "ssd"]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The page keeps the proportions of the shopper's own history (Steck, 2018).

    Parameters
    ----------
    weight : 0 to 1
        Steck's lambda: 0 is relevance and variety alone, 1 the proportions alone.
    column : a column of the catalogue
        Whose values are kept in proportion; an item with a list of values is shared out among them.

    Raises
    ------
    DataError
        `weight` is outside its range.
    """

    weight: float = 0.5
    column: str = "category"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", require_number("calibration weight", self.weight, least=0, most=1))


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """At some places of a page the candidate is drawn at random, and its probability is logged.

    Parameters
    ----------
    places : from 0, the top
        Where something may be drawn; places beyond the page are ignored.
    rate : 0 to 1
        How often it is; otherwise the place is filled as any other.

    Raises
    ------
    DataError
        A place is below 0, or `rate` is outside its range.
    """

    places: tuple[int, ...]
    rate: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.places, str) or not isinstance(self.places, (Sequence, np.ndarray)):
            raise DataError(
                f"exploration places {self.places!r}: expected a list of places, from 0, the top of the page"
            )
        places = tuple(require_whole("exploration places: one", place, least=0) for place in self.places)
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "rate", require_number("exploration rate", self.rate, least=0, most=1))


@dataclass(frozen=True, kw_only=True)
class RerankOptions:
    """How `rerank` makes a page of a ranking.

    Parameters
    ----------
    k : 1 or more
        Items a page.
    diversity : 0 to 1
        0 keeps the order of the scores, 1 looks at variety alone.
    method : "mmr", "msd", "dpp" or "ssd"
        How variety is measured; see `mmreco.rerank.gains`.
    caps : column to number, e.g. `{"brand": 2}`
        At most so many items of one value of the column. A cap always holds: a page is rather short. Items of unknown
        value are not limited; an item with a list of values counts for each of them.
    minimums : column to value to number, e.g. `{"segment": {"tail": 2}}`
        At least so many items of this value, as far as the candidates and the caps allow.
    boosts : column to weight, e.g. `{"margin": 0.1, "created": 0.2}`
        What is added to the scaled score of an item. Numbers are scaled to 0..1 among the candidates of a question; a
        time counts 1 for the newest item of the catalogue and half for each 30 days before. Unknown counts 0.
    duplicates : above 0, up to 1, optional
        Candidates whose cosine to an item on the page is at least this are variants of it and take no place.
    calibration, exploration : optional

    Raises
    ------
    DataError
        A value is outside its range.
    """

    k: int = 10
    diversity: float = 0.3
    method: Method = "mmr"
    caps: Mapping[str, int] = field(default_factory=dict)
    minimums: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    boosts: Mapping[str, float] = field(default_factory=dict)
    duplicates: float | None = None
    calibration: Calibration | None = None
    exploration: Exploration | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", require_width(self.k))
        object.__setattr__(self, "diversity", require_number("diversity", self.diversity, least=0, most=1))
        for name in ("caps", "minimums", "boosts"):
            object.__setattr__(self, name, MappingProxyType(dict(require_mapping(name, getattr(self, name)))))
        if self.method not in get_args(Method):
            raise DataError(f"method={self.method!r}: expected one of {', '.join(get_args(Method))}")
        for column, most in self.caps.items():
            require_whole(f"caps[{column!r}]", most)
        for column, each in self.minimums.items():
            if not isinstance(each, Mapping):
                raise DataError(f'minimums: {column!r}: {each!r}; expected a number a value, e.g. {{"tail": 2}}')
            for value, least in each.items():
                require_whole(f"minimums[{column!r}][{value!r}]", least, least=0)
        for column, weight in self.boosts.items():
            require_number(f"boosts: {column!r}", weight)
        if self.duplicates is not None:
            require_number("duplicates", self.duplicates, above=0, most=1)
        if self.calibration is not None:
            require_kind("calibration", self.calibration, Calibration)
        if self.exploration is not None:
            require_kind("exploration", self.exploration, Exploration)
