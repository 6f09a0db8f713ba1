"""Contest: what a comparison is run on, and the models that take part, with what each of them needs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, MissingExtraError
from mmreco.evaluation import EvaluationContext
from mmreco.models import MODELS, ScoreModel, VectorModel
from mmreco.models.hybrid import Hybrid, ReciprocalRank, Switching, Weighted
from mmreco.protocols import Recommends
from mmreco.splitting import Holdout, by_time, leave_last_out

__all__ = ["PROTOCOLS", "Contest", "demo", "entries", "movies"]

_TEMPORAL = 0.8  # the share of the events before the moment

PROTOCOLS: dict[str, Callable[[Interactions], tuple[Interactions, Holdout]]] = {
    "leave-last-out": leave_last_out,
    "temporal": lambda events: by_time(events, _TEMPORAL),
}
"""How events are split, by the name on the command line."""

_HYBRIDS: dict[str, tuple[type[Any], tuple[str, ...], dict[str, Any]]] = {
    "Weighted": (Weighted, ("EASE", "UserKNN"), {}),
    "ReciprocalRank": (ReciprocalRank, ("EASE", "UserKNN"), {}),
    "Switching": (Switching, ("ItemKNN", "EASE"), {"at": (10,)}),
}


@dataclass(frozen=True, eq=False)
class Contest:
    """A catalogue with its log, and what can be learnt from its content; encoded once, when first asked for.

    Reviews have no part in it: those of held-out events would tell.

    Parameters
    ----------
    title : for the report
    catalogue, events : over the same items
    seed : of whatever is drawn
    """

    title: str
    catalogue: Catalogue
    events: Interactions
    seed: int = 0

    @cached_property
    def words(self) -> Embeddings | None:
        """What is written about the items, by a lexical encoder; None where nothing is."""
        from mmreco.embedding.catalogue import encode_content
        from mmreco.encoders.text.lexical import LexicalEncoder

        shop = self._told
        written = [text for text in shop.texts() if text]
        if not written:
            return None
        encoder = LexicalEncoder(seed=self.seed).fit(written)
        return encode_content({"text": encoder}, shop)[0]["text"]

    @cached_property
    def content(self) -> dict[str, Embeddings]:
        """Every modality there is: words, sentences where their encoder is installed, pictures."""
        from mmreco.embedding.catalogue import encode_content
        from mmreco.encoders.image.encoder import ImageEncoder
        from mmreco.encoders.text.encoder import TextEncoder

        found = {} if self.words is None else {"text": self.words}
        encoders: dict[str, Any] = {}
        if found:
            with suppress(MissingExtraError):  # the lexical encoder has read the texts already
                encoders["text1"] = TextEncoder("offline")
        if sum(path is not None for path in self.catalogue.images()) > 1:
            encoders["image"] = ImageEncoder.fit(self.catalogue, text=self.words, seed=self.seed)
        content, _ = encode_content(encoders, self._told)
        return {**found, **{name: vectors for name, vectors in content.items() if len(vectors)}}

    @cached_property
    def attributes(self) -> Attributes:
        """Category, brand, price and the words of the title, where they are known."""
        from mmreco.text.title_tokens import with_title_tokens

        return Attributes.from_catalogue(with_title_tokens(self.catalogue))

    def known(self, train: Interactions) -> EvaluationContext:
        """What the measures beyond accuracy may know."""
        categories = None
        if self.catalogue.has("category"):
            categories = Attributes.from_catalogue(self.catalogue, columns=["category"], at_least=1)
        return EvaluationContext(train, categories, self.words)

    @property
    def _told(self) -> Catalogue:
        """The catalogue with its categories, where these are lists, among what is written."""
        if not self.catalogue.has("category"):
            return self.catalogue
        kinds = self.catalogue.column("category")
        if not any(isinstance(kind, (list, tuple)) for kind in kinds):
            return self.catalogue
        titles = self.catalogue.column("title") if self.catalogue.has("title") else [None] * len(kinds)
        lines = [f"{title or ''} ({', '.join(kind or ())})" for title, kind in zip(titles, kinds, strict=True)]
        columns = {name: self.catalogue.table[name] for name in self.catalogue.table.column_names}
        return Catalogue(self.catalogue.items, pa.table({**columns, "title": lines}))


def demo(folder: Path, seed: int, *, n_items: int = 1_200, n_users: int = 3_000) -> Contest:
    """The planted shop, with its pictures drawn into `folder`."""
    from mmreco.datasets.synthetic import synthetic_shop
    from mmreco.datasets.synthetic.pictures import draw

    shop = synthetic_shop(n_items, n_users, seed)
    catalogue = draw(shop, folder / "pictures", seed=seed)
    return Contest("The planted shop", catalogue, shop.interactions, seed)


def movies(folder: Path, seed: int) -> Contest:
    """MovieLens-1M from the folder it lies in."""
    from mmreco.datasets.movielens import movielens

    return Contest("MovieLens-1M", *movielens(folder), seed=seed)


def entries(contest: Contest, names: Sequence[str] | None, minutes: float | None = None) -> Mapping[str, Any]:
    """The models of these names, all when None, as `compare` takes them; each may train for so many minutes.

    Raises
    ------
    DataError
        There is no such model, or one of those named needs content and there is none.
    """
    every: dict[str, Callable[[], Any]] = {
        "SharedSpace": lambda: _space(contest, minutes),  # the longest first
        **{name: lambda name=name: _plain(name, seed=contest.seed, minutes=minutes) for name in reversed(list(MODELS))},  # type: ignore[misc]
        **{name: lambda name=name: _hybrid(name) for name in _HYBRIDS},  # type: ignore[misc]
        "LogisticProfile": lambda: _profile(contest),
        "ContentKNN": lambda: _content_knn(contest),
    }
    unknown = [name for name in names or () if name not in every]
    if unknown:
        raise DataError(f"model {unknown[0]!r}: expected {', '.join(every)}")
    if names is None and not contest.content:
        del every["ContentKNN"], every["SharedSpace"]
    return {name: every[name]() for name in (every if names is None else names)}


def _plain(name: str, **options: Any) -> ScoreModel | VectorModel:
    """A model of `MODELS`, with those of the options that it has."""
    made: type[Any] = MODELS[name]
    known = {field.name for field in fields(made)}
    model: ScoreModel | VectorModel = made(**{key: value for key, value in options.items() if key in known})
    return model


def _hybrid(name: str) -> Hybrid:
    """A hybrid of models that are quick to fit, and differ in what they see."""
    made, parts, options = _HYBRIDS[name]
    hybrid: Hybrid = made(parts=[MODELS[part]() for part in parts], **options)
    return hybrid


def _profile(contest: Contest) -> Callable[[Interactions], Recommends]:
    from mmreco.models.logistic import LogisticProfile

    return lambda train: LogisticProfile(seed=contest.seed).fit(train, catalogue=contest.catalogue)


def _content_knn(contest: Contest) -> Callable[[Interactions], Recommends]:
    from mmreco.models.contentknn import ContentKNN

    content = contest.content  # here, so that the clock of the fit does not run
    if not content:
        raise DataError("ContentKNN: the catalogue has neither texts nor pictures to compare")
    return lambda train: ContentKNN().fit(train, content=content)


def _space(contest: Contest, minutes: float | None) -> Callable[[Interactions], Recommends]:
    from mmreco.models.sharedspace import SharedSpace

    content, attributes = contest.content, contest.attributes
    return lambda train: SharedSpace(seed=contest.seed, minutes=minutes).fit(
        train, content=content, attributes=attributes
    )
