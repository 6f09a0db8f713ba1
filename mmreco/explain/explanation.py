"""Explanation: why an item was recommended, each reason measured, and the sentences that say so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError
from mmreco.explain.facts import Fact
from mmreco.explain.wording import LANGUAGES, Words

__all__ = ["CarryingEvent", "Explanation", "OrderExplanation"]


@dataclass(frozen=True)
class CarryingEvent:
    """An item of the history that carries the answer, with what was measured without it.

    Parameters
    ----------
    row : of the item in the history
    event : the name of its latest event, e.g. "purchase"
    rank_without : place of the explained item without it alone, from 1
        One more than the places looked at where it is below them.
    score_drop : how much lower the explained item's score is without it alone
    """

    row: int
    event: str
    rank_without: int
    score_drop: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why one item was recommended to one history.

    Every reason was checked by asking the model without it; one that changes nothing is not here.

    Parameters
    ----------
    catalogue : the titles are from
    item : row of the explained item
    k : width of the answer that is explained
    rank : place of the item with the whole history, from 1; more than `k` where it is not in the answer
    score : with the whole history
    events : what carries it, the weightiest first
    rank_without : place without all of `events`
        One more than the places looked at where it is below them.
    modalities : share of each modality, by name, of what all of them bring; empty where none was left out
    facts : what the item shares with `events`
    phrases : word for word from good reviews of the item
    rules : rank without each rule, by name; only rules that moved it
    """

    catalogue: Catalogue
    item: int
    k: int
    rank: int
    score: float
    events: tuple[CarryingEvent, ...]
    rank_without: int
    modalities: Mapping[str, float] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    phrases: tuple[str, ...] = ()
    rules: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "modalities", MappingProxyType(dict(self.modalities)))
        object.__setattr__(self, "rules", MappingProxyType(dict(self.rules)))

    @property
    def decisive(self) -> bool:
        """Whether the item is among the first `k`, and is not without `events`."""
        return bool(self.events) and self.rank <= self.k < self.rank_without

    def sentences(self, language: str = "en") -> list[str]:
        """The reasons in words, the weightiest first.

        Parameters
        ----------
        language : "en" or "zh"

        Raises
        ------
        DataError
            There is no such language.
        """
        words = _words(language)
        said = []
        if self.events:
            names = words.listed([words.event(e.event, title(self.catalogue, e.row)) for e in self.events])
            said.append(words.carried(names))
            if self.decisive:
                said.append(words.decisive(self.k, len(self.events)))
            elif self.rank_without > self.rank:
                said.append(words.lower(self.rank, self.rank_without))
        for fact in self.facts:
            names = words.listed([words.quoted(title(self.catalogue, row)) for row in fact.rows])
            said.append(words.fact(fact.column, fact.value, names))
        for name, share in sorted(self.modalities.items(), key=lambda pair: -pair[1]):
            if share >= 0.01:
                said.append(words.modality(name, share))
        said += [words.review(phrase) for phrase in self.phrases]
        said += [words.rule(name, rank, self.rank) for name, rank in self.rules.items()]
        return said


@dataclass(frozen=True, eq=False)
class OrderExplanation:
    """Why item `above` stands above item `below` for one history.

    Parameters
    ----------
    catalogue : the titles are from
    above, below : item rows
    margin : how much higher the score of `above` is
    events : rows of the history with how much smaller the margin is without each, the weightiest first
    margin_without : the margin without all of `events`; below 0 where the order turns
    facts : what `above` shares with `events` and `below` does not
    """

    catalogue: Catalogue
    above: int
    below: int
    margin: float
    events: tuple[tuple[int, float], ...]
    margin_without: float
    facts: tuple[Fact, ...] = ()

    @property
    def decisive(self) -> bool:
        """Whether the order turns without `events`."""
        return bool(self.events) and self.margin > 0 > self.margin_without

    def sentences(self, language: str = "en") -> list[str]:
        """The reasons in words of `language`, "en" or "zh".

        Raises
        ------
        DataError
            There is no such language.
        """
        words = _words(language)
        if not self.events:
            return []
        names = words.listed([words.quoted(title(self.catalogue, row)) for row, _ in self.events])
        pair = title(self.catalogue, self.above), title(self.catalogue, self.below)
        said = [words.above(*pair, names)]
        if self.decisive:
            said.append(words.turned(len(self.events)))
        for fact in self.facts:
            shared = words.listed([words.quoted(title(self.catalogue, row)) for row in fact.rows])
            said.append(words.fact(fact.column, fact.value, shared))
        return said


def title(catalogue: Catalogue, row: int) -> str:
    """What an item is called: its title, or its id."""
    written = catalogue.table["title"][row].as_py() if "title" in catalogue.table.column_names else None
    return written or catalogue.items.ids([row])[0]


def _words(language: str) -> Words:
    if language not in LANGUAGES:
        raise DataError(f"language={language!r}: expected one of {', '.join(LANGUAGES)}")
    return LANGUAGES[language]
