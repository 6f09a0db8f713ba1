"""PageOptions: how large pages are and which rules of the shop they keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmreco.arguments import require_whole
from mmreco.pages.rules import Rules
from mmreco.pages.words import require_language
from mmreco.rerank import Exploration

__all__ = ["PageOptions"]

_RESULTS = 2  # a page of results is so many times as wide as a shelf


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """How large pages are and which rules of the shop they keep.

    Parameters
    ----------
    shelves : 1 or more
        A page has so many at most.
    width : 1 or more
        Items of a shelf at most.
    fewest : 1 or more
        A shelf with fewer items is left out, and its items may stand elsewhere; search results are always shown.
    caps : column to number, e.g. `{"brand": 2}`
        At most so many items of one value on a shelf. A cap always holds.
    quotas : column to value to number, e.g. `{"label": {"own": 1}}`
        At least so many items of the value on a shelf, as far as its candidates and the caps allow.
    exploration : places of a shelf where an item is drawn by chance, and how often; optional
        The chances are logged with the page.
    language : "en" or "zh"

    Raises
    ------
    DataError
        A value lies outside its range.
    """

    shelves: int = 6
    width: int = 10
    fewest: int = 3
    caps: Mapping[str, int] = field(default_factory=dict)
    quotas: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    exploration: Exploration | None = None
    language: str = "en"
    rules: Rules = field(init=False, repr=False)

    def width_of(self, kind: str) -> int:
        """Items at most of a shelf of `kind`, e.g. "for_you"; results have two rows."""
        return self.width * (_RESULTS if kind == "results" else 1)

    def __post_init__(self) -> None:
        for name in ("shelves", "width", "fewest"):
            object.__setattr__(self, name, require_whole(name, getattr(self, name)))
        require_language(self.language)
        object.__setattr__(self, "rules", Rules(caps=self.caps, quotas=self.quotas, exploration=self.exploration))
