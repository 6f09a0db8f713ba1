"""GoesWith: what was chosen together with the items of a cart, in one visit, more often than chance would have it."""

from dataclasses import dataclass

import numpy as np

from mmreco.arrays import I64
from mmreco.baskets.associations import baskets, bought_together
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking

__all__ = ["GoesWith"]

_LOOKS = ("view", "click", "impression")  # events that say less than a choice
_LEAST = 3  # baskets
_PARTNERS = 50  # a single item's answers that are added up over a cart


@dataclass(frozen=True, eq=False)
class GoesWith:
    """The baskets of a log, asked what completes a cart; see `mmreco.baskets.bought_together`.

    Parameters
    ----------
    carts : a basket a user; None where the log has no times, so that nothing is known to go together
    owners : shape `(n_baskets,)`, int64, optional
        Whose each basket is; with them `least` counts distinct people.
    least : how many must have had a pair in one basket
    """

    carts: Interactions | None
    owners: I64 | None = None
    least: int = _LEAST

    @classmethod
    def of(cls, log: Interactions, *, least_people: int = 1) -> "GoesWith":
        """The baskets of carts, purchases and what else is more than a look; of all events where there is no more.

        Parameters
        ----------
        log : of all people
        least_people : 1 or more
            Pairs that fewer distinct people had in one basket are not answered.
        """
        if log.times is None or not log.n_events:
            return cls(None)
        chosen = [number for number, name in enumerate(log.event_names) if name not in _LOOKS]
        more = np.isin(log.event_types, chosen)
        carts = baskets(log.keep(more) if more.any() else log)
        if least_people <= 1:
            return cls(carts)
        names = [name.rpartition("#")[0] for name in carts.users.ids(range(len(carts)))]
        return cls(carts, log.users.rows(names), max(_LEAST, least_people))

    def complete(self, carts: Interactions, k: int) -> Ranking:
        """The `k` items that go with each cart, best first; an item's score is its sum over the cart.

        Parameters
        ----------
        carts : `n` carts, over the items of the log
        k : 1 or more

        Raises
        ------
        DataError
            `k` is below 1.
        """
        scores = np.full((len(carts), len(carts.items)), -np.inf, dtype=np.float32)
        if self.carts is None or not carts.n_events:
            return Ranking.from_scores(scores, k)
        asked = np.unique(carts.items_flat)
        pairs = bought_together(self.carts, asked, _PARTNERS, least_support=self.least, owners=self.owners).ranking
        for line in range(len(carts)):
            held = carts.history(line)
            rows = pairs.rows[np.searchsorted(asked, np.unique(held))]  # (cart, partners)
            there = rows >= 0
            found = np.unique(rows[there])
            scores[line, found] = 0
            values = pairs.scores[np.searchsorted(asked, np.unique(held))]
            np.add.at(scores[line], rows[there], values[there])
            scores[line, held] = -np.inf
        return Ranking.from_scores(scores, k)
