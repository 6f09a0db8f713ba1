"""Experiment: each user is answered by one variant, the same at every restart, and what was shown is written down."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from mmreco.data.answer import Answer
from mmreco.data.catalogue import Catalogue
from mmreco.data.ranking import Ranking
from mmreco.evaluation.assignment import assign
from mmreco.evaluation.exploration import explore
from mmreco.evaluation.interleaving import team_draft
from mmreco.pages import Page, PageOptions
from mmreco.pages.page import PageName
from mmreco.rerank import rerank
from mmreco.service.experiments.exposures import Exposure, ExposureLog, now
from mmreco.service.experiments.settings import ExperimentSettings, Variant
from mmreco.service.live_shop import LiveShop, Serving

__all__ = ["Experiment", "PagePart", "Part"]

_CANDIDATES = 200  # from which a page is re-ranked
_POOL = 2  # times the width of a page: from which one in random order is drawn
_IN_ORDER = ("results", "recent", "again")  # shelves of what was asked for, or had, which stay as they are
_NARROWING = ("where", "allow", "refuse")


class Part(NamedTuple):
    """Questions of one request that one variant answers: their places, the variant's name, and what it says."""

    places: list[int]
    variant: str
    answer: Answer
    generation: str


class PagePart(NamedTuple):
    """A page, the variant it is from, None where pages take no part, and the generation that answered."""

    page: Page
    variant: str | None
    generation: str


@dataclass(frozen=True, eq=False)
class _Arm:
    variant: Variant
    shop: LiveShop
    own: bool  # whether the shop is the arm's alone

    def fresh(self) -> Serving:
        """What answers, with every event in it; the main shop's has them already."""
        if self.own:
            with suppress(SQLAlchemyError):  # questions need no store
                self.shop.catch_up()
        return self.shop.serving

    def answer(self, serving: Serving, options: Mapping[str, Any], k: int) -> tuple[Answer, list[list[float | None]]]:
        """The answers of `k` places, with the chance of each item at its place."""
        width = max(k, _CANDIDATES if self.variant.rerank else 0, _POOL * k if self.variant.explore else 0)
        answer = serving.recommender.recommend(**{**options, "k": width})
        ranking, chances = self._shown(serving, answer.catalogue, answer.ranking, k)
        return replace(answer, ranking=ranking), chances

    def page(self, serving: Serving, name: PageName, user: str, options: PageOptions, asked: Mapping[str, Any]) -> Page:
        """A page of the variant, with the chance of each item at its place."""
        plain = self.variant.rerank is None and not self.variant.explore
        wide = options if plain else replace(options, width=_POOL * options.width)
        page = serving.recommender.page(name, user=user, options=wide, **asked)
        if plain:
            return page
        shelves = []
        for shelf in page.shelves:
            k = min(len(shelf), options.width_of(shelf.kind))
            if shelf.kind in _IN_ORDER:
                shelves.append(replace(shelf, rows=shelf.rows[:k], propensities=shelf.propensities[:k]))
                continue
            falling = np.arange(len(shelf), 0, -1, dtype=np.float32)
            ranking = Ranking(shelf.rows[None], falling[None])
            ranking, (chances,) = self._shown(serving, page.catalogue, ranking, k)
            rows = ranking.rows[0][ranking.rows[0] >= 0]
            shelves.append(replace(shelf, rows=rows, propensities=np.array(chances, dtype=np.float64)))
        return replace(page, shelves=tuple(shelf for shelf in shelves if len(shelf)))

    def _shown(
        self, serving: Serving, catalogue: Catalogue, ranking: Ranking, k: int
    ) -> tuple[Ranking, list[list[float | None]]]:
        """`k` places of a ranking, re-ranked and explored as the variant has it, with the chance of each item there."""
        if self.variant.rerank is not None:
            wanted = replace(self.variant.rerank, k=min(_POOL * k, ranking.k) if self.variant.explore else k)
            vectors = serving.recommender.vectors
            ranking = rerank(ranking, wanted, catalogue=catalogue, embeddings=vectors).ranking
        if not self.variant.explore:
            ranking = ranking.top(k)
            return ranking, [[1.0] * int(n) for n in (ranking.rows >= 0).sum(axis=1)]
        shown = explore(ranking, k, rate=self.variant.explore, seed=secrets.randbits(63))
        there = shown.ranking.rows >= 0
        chances = [line[own].tolist() for line, own in zip(shown.propensities, there, strict=True)]
        return shown.ranking, chances


class Experiment:
    """Variants over one event store.

    Parameters
    ----------
    settings : its name and variants
    shop : what answers where a variant names no artefact of its own

    Raises
    ------
    DataError, IncompatibleError
        An artefact cannot be loaded, or a variant cannot answer with it.
    """

    def __init__(self, settings: ExperimentSettings, shop: LiveShop) -> None:
        self.settings, self.exposures = settings, ExposureLog(shop.store)
        self._key = bytes.fromhex(shop.store.pseudonym(f"experiment {settings.name}"))
        self._arms = {}
        for name, variant in settings.variants.items():
            own = variant.artefact is not None
            home = _beside(shop, variant.artefact) if variant.artefact else shop
            self._arms[name] = _Arm(variant, home, own)
            if own:
                shop.beside.append(home)
        for arm in self._arms.values():  # what cannot answer is refused before anybody asks
            arm.answer(arm.shop.serving, {"history": [[]]}, 1)

    def start(self) -> None:
        """Keep the variants' own artefacts up to date, and write exposures down."""
        for arm in self._arms.values():
            if arm.own:
                arm.shop.start()
        self.exposures.start()

    def stop(self) -> None:
        """Write what waits; look no more."""
        self.exposures.stop()
        for arm in self._arms.values():
            if arm.own:
                arm.shop.stop()

    def variant_of(self, user: str) -> str:
        """The variant a user belongs to, by a hash under a key of the event store's."""
        return assign(user, self.settings.shares, experiment=self.settings.name, key=self._key)

    def serving_of(self, user: str) -> Serving:
        """What answers this user, for what is neither re-ranked nor logged."""
        return self._arms[next(iter(self._arms)) if self.settings.interleave else self.variant_of(user)].fresh()

    def recommend(self, users: Sequence[str], *, k: int, **options: Any) -> list[Part]:
        """What each user wants next, by the variant they belong to, or interleaved; what is shown is written down.

        Parameters
        ----------
        users : their ids
        k : 1 or more
        options : as `Recommender.recommend` takes them

        Raises
        ------
        DataError
            As `Recommender.recommend`.
        """
        narrowed = any(options.get(name) is not None for name in _NARROWING)
        if self.settings.interleave:
            return [self._interleaved(users, k, options)]
        places: dict[str, list[int]] = {}
        for place, user in enumerate(users):
            places.setdefault(self.variant_of(user), []).append(place)
        parts = []
        for name, own in places.items():
            arm = self._arms[name]
            serving = arm.fresh()
            answer, chances = arm.answer(serving, {**options, "users": [users[place] for place in own]}, k)
            parts.append(Part(own, name, answer, serving.generation))
            for place, ids, chance in zip(own, answer.ids(), chances, strict=True):
                self._show(name, users[place], ids, [None] * len(ids) if narrowed else chance)
        return parts

    def page(self, name: PageName, *, user: str, options: PageOptions, shown: bool = True, **asked: Any) -> PagePart:
        """A page for a user, by the variant they belong to; what is shown is written down.

        A shelf of a variant that re-ranks or explores is made of the first candidates of twice its width, each shelf by
        itself; results, and what the shopper had, stay in their order. With `interleave` every page is the first
        variant's, and none is written down.

        Parameters
        ----------
        name : which page, e.g. "home"
        user : the id
        options : how large the page is, and which rules it keeps
        shown : optional
            False where nobody may be looking: the page is not written down.
        asked : as `Recommender.page` takes it

        Raises
        ------
        DataError, UnknownIdError
            As `Recommender.page`.
        """
        if self.settings.interleave:
            serving = self.serving_of(user)
            page = serving.recommender.page(name, user=user, options=options, **asked)
            return PagePart(page, None, serving.generation)
        variant = self.variant_of(user)
        arm = self._arms[variant]
        serving = arm.fresh()
        page = arm.page(serving, name, user, options, asked)
        if shown:
            items = page.catalogue.items.ids(page.rows)
            chances = [chance for shelf in page.shelves for chance in shelf.propensities.tolist()]
            kinds = [shelf.kind for shelf in page.shelves for _ in range(len(shelf))]
            self._show(variant, user, items, chances, page=name, shelves=kinds)
        return PagePart(page, variant, serving.generation)

    def _interleaved(self, users: Sequence[str], k: int, options: Mapping[str, Any]) -> Part:
        asked = {**options, "users": list(users)}
        servings = [arm.fresh() for arm in self._arms.values()]
        first, second = (arm.answer(now_, asked, k)[0] for arm, now_ in zip(self._arms.values(), servings, strict=True))
        items = first.catalogue.items
        theirs = np.full_like(second.ranking.rows, -1)
        for line, ids in enumerate(second.ids()):  # in the first one's rows; what it does not have is left out
            rows = items.rows(ids, missing="mark")
            rows = rows[rows >= 0]
            theirs[line, : len(rows)] = rows
        width = max(first.ranking.k, theirs.shape[1])
        lists = zip(users, first.ids(), second.ids(), strict=True)
        coins = np.stack([self._coins(user, one, other) for user, one, other in lists])
        drafted = team_draft(_wide(first.ranking.rows, width), _wide(theirs, width), coins=coins[:, :width])
        answer = replace(first, ranking=drafted.ranking)
        for user, ids, teams in zip(users, answer.ids(), drafted.teams, strict=True):
            self._show("interleaved", user, ids, [None] * len(ids), teams[: len(ids)].tolist())
        generation = ",".join(dict.fromkeys(one.generation for one in servings))
        return Part(list(range(len(users))), "interleaved", answer, generation)

    def _coins(self, user: str, first: list[str], second: list[str]) -> Any:
        """As many as any list is wide; the same while both lists are."""
        told = "\0".join([user, *first, "", *second]).encode()
        seed = int.from_bytes(hmac.new(self._key, told, hashlib.sha256).digest()[:8], "big")
        return np.random.default_rng(seed).random(_CANDIDATES) < 0.5

    def _show(
        self,
        variant: str,
        user: str,
        items: Sequence[str],
        chances: Sequence[float | None],
        teams: Sequence[int] | None = None,
        page: str | None = None,
        shelves: Sequence[str] = (),
    ) -> None:
        if not items:
            return
        share, place = self.settings.shares.get(variant, 1.0), 0
        if teams is None:
            place = list(self._arms).index(variant)
        about = self.settings.name, variant, place, share, user, now()
        self.exposures.add(Exposure(*about, items, chances, teams, page, shelves))


def _beside(shop: LiveShop, artefact: Path) -> LiveShop:
    """Another artefact over the same store, kept by the same rules."""
    kept = {"keep_days": shop.keep_days, "popular_from": shop.popular_from, "names": shop.names}
    return LiveShop(artefact, shop.store, **kept)  # type: ignore[arg-type]  # the shop's own options


def _wide(rows: Any, width: int) -> Any:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=-1)
