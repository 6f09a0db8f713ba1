"""What re-ranking answers: the page, the chance each item had to stand where it stands, and its variants."""

from dataclasses import dataclass

import numpy as np

from mmreco.arrays import F64, I64, Bool, frozen
from mmreco.data.ranking import Ranking

__all__ = ["Reranked"]


@dataclass(frozen=True, eq=False, repr=False)
class Reranked:
    """`n` pages of `k` places.

    Parameters
    ----------
    ranking : `n` questions, `k` wide
        Its scores are those of the places, `k` at the top and 1 at the bottom: the order is what was decided.
    propensities : shape `(n, k)`, float64
        The probability that this item stood at this place, given those above it: 1 where nothing is drawn. NaN where
        the page is short.
    explored : shape `(n, k)`, bool
        Whether the item was drawn by chance.
    candidates : shape `(n, m)`, int64
        The item rows the page was made from, -1 for none.
    variant_of : shape `(n, m)`, int64
        The place on the page that each candidate is a variant of, -1 for none.
    """

    ranking: Ranking
    propensities: F64
    explored: Bool
    candidates: I64
    variant_of: I64

    def __post_init__(self) -> None:
        for name, dtype in (
            ("propensities", np.float64),
            ("explored", np.bool_),
            ("candidates", np.int64),
            ("variant_of", np.int64),
        ):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))

    def __len__(self) -> int:
        """The number of pages."""
        return len(self.ranking)

    def __repr__(self) -> str:
        return f"Reranked({len(self)} pages of {self.ranking.k})"

    def variants(self, question: int, place: int) -> I64:
        """The item rows that a `place` (from 0) of a `question` (its row) stands for besides its own, best first."""
        rows: I64 = self.candidates[question][self.variant_of[question] == place]
        return rows
