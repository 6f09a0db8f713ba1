"""profile: all that is known of each shopper, as one value and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmreco.arrays import F64, I64
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.moment import newest
from mmreco.profiles.affinities import Affinities, affinities, evidence
from mmreco.profiles.facets import Facet, facets
from mmreco.profiles.lifecycle import LifeStages, life_stages, next_purchases, recency_frequency_money
from mmreco.profiles.propensity import purchase_propensity
from mmreco.profiles.words import user_words

__all__ = ["Profiles", "profile"]

_PURCHASE = "purchase"


@dataclass(frozen=True, eq=False, repr=False)
class Profiles:
    """What is known of `n` shoppers.

    Parameters
    ----------
    log : `n` users
        The events that all rests on.
    facets, affinities : by name, e.g. "category" and "colour"
    words : a list of words with weights a shopper, largest first
    rfm : recency, frequency and money, a row a shopper; None where the log has no times
    stages : "new", "active", "lapsing", "lost" or "unknown" a shopper; None where the log has no times
    propensity : shape `(n,)`, or None
        The probability of a purchase in the next 14 days; None where the log has no purchases or no times.
    repeats : what is due to be bought again, as `next_purchases` gives it; None where the log has no times
    """

    log: Interactions
    facets: Mapping[str, Facet]
    affinities: Mapping[str, Affinities]
    words: tuple[tuple[tuple[str, float], ...], ...]
    rfm: pa.Table | None
    stages: tuple[str, ...] | None
    propensity: F64 | None
    repeats: pa.Table | None

    def __len__(self) -> int:
        """The number of shoppers."""
        return len(self.log)

    def __repr__(self) -> str:
        return f"Profiles({len(self)} shoppers: {', '.join(self.affinities)})"

    def evidence(self, user: int, facet: str, value: str) -> I64:
        """The places in the log of the events that an affinity rests on, oldest first.

        Parameters
        ----------
        user : a row
        facet : its name, e.g. "category"
        value : of the facet, e.g. "dress"
        """
        return evidence(self.log, self.facets[facet], user, self.affinities[facet].values.index(value))

    def frame(self, *, top: int = 3, n_words: int = 5) -> pa.Table:
        """A row a shopper: the largest affinities of each facet, words, and the numbers there are.

        Columns: `user_id`; for each facet its values as a list, best first, and their shares in `<facet>_share`;
        `words`; `recency`, `frequency`, `money`; `life_stage`; `propensity`. pandas and polars read it as it is.

        Parameters
        ----------
        top : 1 or more
            Values of each facet.
        n_words : 0 or more
            Words of each shopper.
        """
        columns: dict[str, pa.Array | Sequence[object]] = {"user_id": self.log.users.array}
        for name, found in self.affinities.items():
            order = np.argsort(-found.share, axis=1, kind="stable")[:, :top]
            there = np.take_along_axis(found.events, order, axis=1) > 0
            shares = np.take_along_axis(found.share, order, axis=1)
            columns[name] = [
                [found.values[c] for c, ok in zip(line, fine, strict=True) if ok]
                for line, fine in zip(order.tolist(), there.tolist(), strict=True)
            ]
            columns[f"{name}_share"] = [
                [round(s, 4) for s, ok in zip(line, fine, strict=True) if ok]
                for line, fine in zip(shares.tolist(), there.tolist(), strict=True)
            ]
        columns["words"] = [[word for word, _ in words[:n_words]] for words in self.words]
        if self.rfm is not None:
            columns |= {name: self.rfm[name] for name in ("recency", "frequency", "money")}
        if self.stages is not None:
            columns["life_stage"] = self.stages
        if self.propensity is not None:
            columns["propensity"] = self.propensity
        return pa.table(columns)


def profile(
    dataset: Dataset,
    *,
    users: Sequence[str] | None = None,
    vocabularies: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    prior: float = 2.0,
    half_life_days: float | None = None,
    stages: LifeStages | None = None,
) -> Profiles:
    """What is known of the shoppers of a dataset: affinities, words, numbers, life stage, what they will buy again.

    Parameters
    ----------
    dataset : the shop, with a log
    users : ids, optional
        Of whom; all when omitted. What is usual is learnt from all of them in either case.
    vocabularies : optional
        See `facets`; colours in English and Chinese when omitted.
    prior, half_life_days : see `affinities`
    stages : see `life_stages`, optional

    Raises
    ------
    UnknownIdError
        A user is not in the dataset.
    DataError
        A column of the catalogue holds what it must not, or a parameter is outside its range.

    Examples
    --------
    >>> from mmreco.datasets.synthetic import synthetic_shop
    >>> shop = synthetic_shop(n_items=100, n_users=40)
    >>> profile(shop.dataset, users=["user-07"]).frame().num_rows
    1
    """
    log = dataset.interactions
    rows = np.arange(len(log)) if users is None else log.users.rows(users)
    sides = facets(dataset.catalogue, vocabularies=vocabularies)
    everyone = {
        name: affinities(log, facet, prior=prior, half_life_days=half_life_days) for name, facet in sides.items()
    }
    own = log if users is None else log.take(rows)
    words = user_words(dataset)
    rfm = moods = propensity = repeats = None
    if log.times is not None:
        event = _PURCHASE if _PURCHASE in log.event_names else None
        rfm = recency_frequency_money(log, dataset.catalogue, event=event).take(pa.array(rows))
        every = life_stages(log, stages)
        moods = tuple(every[row] for row in rows.tolist())
        end = newest(log.times)
        repeats = next_purchases(log, event=event)
        if event is not None and log.n_events and int(log.times.min()) < end - 14 * 86_400_000:
            propensity = purchase_propensity(log)[rows]
        if users is not None:
            repeats = repeats.filter(pc.is_in(repeats["user_id"], own.users.array))
    return Profiles(
        own,
        MappingProxyType(sides),
        MappingProxyType({name: _taken(found, rows, own) for name, found in everyone.items()}),
        tuple(tuple(words[row]) for row in rows.tolist()),
        rfm,
        moods,
        propensity,
        repeats,
    )


def _taken(found: Affinities, rows: I64, own: Interactions) -> Affinities:
    return Affinities(own.users, found.values, found.share[rows], found.lift[rows], found.events[rows])
