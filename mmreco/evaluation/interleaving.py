"""Team-draft interleaving: one list out of two models, whose clicks say which of the two people prefer.

Source: Radlinski, Kurup, Joachims, "How does clickthrough data reflect retrieval quality?", 2008. The team with fewer
picks adds its best item that is not there yet; a coin decides between equals. A click counts for the team that picked
the item, and a list is won by the team with more clicks.

Deviations: where one model has nothing left, the other fills the list, and those items belong to no team. The coins
follow from the seed, the user and the history, so that a list stays as it is until the user does something.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt

from mmreco.arrays import I64
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.errors import DataError
from mmreco.evaluation.proportions import Interval, wilson
from mmreco.protocols import Recommends

__all__ = ["Credit", "Drafted", "TeamDraft", "credit", "team_draft"]


class Drafted(NamedTuple):
    """`n` lists of `k` places.

    Parameters
    ----------
    ranking : the lists; scores are those of the places, `k` at the top and 1 at the bottom
    teams : shape `(n, k)`, int64
        0 where the first model picked, 1 where the second did, -1 for nobody.
    """

    ranking: Ranking
    teams: I64


class Credit(NamedTuple):
    """Who won how many lists, and the share of the second among those that somebody won, with Wilson's interval.

    The interval lies above a half where people prefer the second, below where they prefer the first. It takes lists to
    be independent: give the wins of whole users where one user sees many.
    """

    first: int
    second: int
    ties: int
    share: Interval


@final
@dataclass(frozen=True, kw_only=True)
class TeamDraft:
    """A model that interleaves the lists of two others by team draft.

    Parameters
    ----------
    first, second : what recommends, over the same items
    seed : 0 or more
        Of the coins.

    Examples
    --------
    >>> from mmreco.data.dataset import Dataset
    >>> from mmreco.data.ids import IdMap
    >>> from mmreco.models import EASE, Popular
    >>> log = Interactions.from_histories([["a", "b"], ["a", "c"]], items=IdMap.of(["a", "b", "c"]))
    >>> shop = Dataset.from_interactions(log)
    >>> both = TeamDraft(first=Popular().fit(shop), second=EASE(l2=1.0).fit(shop))
    >>> both.recommend(Request(Interactions.from_histories([["a"]], items=shop.items), k=2)).k
    2
    """

    first: Recommends
    second: Recommends
    seed: int = 0

    def recommend(self, request: Request, /) -> Ranking:
        """The interleaved list of each question of `request`."""
        return self.draft(request).ranking

    def draft(self, request: Request) -> Drafted:
        """The same for `request`, with whose pick each item is."""
        pair = [np.asarray(model.recommend(request).rows) for model in (self.first, self.second)]
        return team_draft(*pair, coins=_coins(self.seed, request.histories, request.k))


def team_draft(first: I64, second: I64, *, coins: npt.NDArray[np.bool_]) -> Drafted:
    """The lists of two models interleaved, and whose pick each item is.

    Parameters
    ----------
    first, second : shape `(n, k)`, int64
        Best first, -1 at the end of short ones.
    coins : shape `(n, k)`, bool
        Whether the first picks before the second, a coin a round; as many as places are enough.

    Raises
    ------
    DataError
        The shapes differ.
    """
    if first.ndim != 2 or first.shape != second.shape or coins.shape != first.shape:
        raise DataError(
            f"team draft: lists {first.shape} and {second.shape}, coins {coins.shape}; expected the same (n, k)"
        )
    n, k = first.shape
    rows, teams = np.full((n, k), -1, dtype=np.int64), np.full((n, k), -1, dtype=np.int64)
    for line in range(n):
        _fill(rows[line], teams[line], (first[line].tolist(), second[line].tolist()), coins[line].tolist())
    scores = np.where(rows >= 0, np.arange(k, 0, -1, dtype=np.float32), np.float32(-np.inf))
    return Drafted(Ranking(rows, scores), teams)


def credit(teams: npt.ArrayLike, clicks: npt.ArrayLike, *, level: float = 0.95) -> Credit:
    """Who won, from whose pick each item was and whether it was clicked.

    Parameters
    ----------
    teams : shape `(n, k)`, as `Drafted` has them
    clicks : shape `(n, k)`, bool or a number of clicks
    level : between 0 and 1
        Of the interval.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> won = credit([[0, 1], [1, 0], [0, 1]], [[0, 1], [1, 0], [1, 1]])
    >>> won.first, won.second, won.ties
    (0, 2, 1)
    """
    whose, how_many = np.asarray(teams), np.asarray(clicks).astype(np.int64)
    if whose.ndim != 2 or whose.shape != how_many.shape:
        raise DataError(f"credit: teams {whose.shape}, clicks {how_many.shape}; expected the same (n, k)")
    lead = (how_many * (whose == 1)).sum(axis=1) - (how_many * (whose == 0)).sum(axis=1)
    first, second = int((lead < 0).sum()), int((lead > 0).sum())
    return Credit(first, second, len(lead) - first - second, wilson(second, first + second, level=level))


def _fill(rows: I64, teams: I64, lists: tuple[list[int], list[int]], coins: list[bool]) -> None:
    taken: set[int] = set()
    picks, at, rounds = [0, 0], [0, 0], 0
    for place in range(len(rows)):
        for team in (0, 1):
            while at[team] < len(rows) and lists[team][at[team]] in taken:
                at[team] += 1
        left = [team for team in (0, 1) if at[team] < len(rows) and lists[team][at[team]] >= 0]
        if not left:
            return
        if len(left) == 1:
            team, teams[place] = left[0], -1
        else:
            if picks[0] == picks[1]:
                team, rounds = (0 if coins[rounds] else 1), rounds + 1
            else:
                team = 0 if picks[0] < picks[1] else 1
            teams[place] = team
        rows[place] = lists[team][at[team]]
        taken.add(int(rows[place]))
        picks[team] += 1


def _coins(seed: int, histories: Interactions, k: int) -> npt.NDArray[np.bool_]:
    coins = np.empty((len(histories), k), dtype=np.bool_)
    for line, user in enumerate(histories.users.ids(range(len(histories)))):
        told = f"{seed}\0{user}\0".encode() + np.ascontiguousarray(histories.history(line)).tobytes()
        draw = int.from_bytes(hashlib.sha256(told).digest()[:8], "big")
        coins[line] = np.random.default_rng(draw).random(k) < 0.5
    return coins
