"""What shoppers want next, for many requests in one pass: small ones of the same options are put together."""

from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from mmreco.data.answer import Answer
from mmreco.service import schemas as of
from mmreco.service.batching import Batching
from mmreco.service.live_shop import LiveShop
from mmreco.service.measures import Measures

__all__ = ["Recommending", "answers"]

_FEW = 4  # questions of a request that is put together with others


class _Kind(NamedTuple):
    by_user: bool
    k: int
    exclude_seen: bool | None


class Recommending:
    """Answers `Recommend`, each request from one state of the shop, as JSON."""

    def __init__(self, shop: LiveShop, measures: Measures) -> None:
        self._shop, self._measures = shop, measures
        self._batching: Batching[of.Recommend, bytes] = Batching(self._answered)

    @staticmethod
    def small(body: of.Recommend) -> bool:
        """Whether a request is one that is put together with others: a few questions, of all items."""
        questions = body.users if body.users is not None else body.history or []
        return len(questions) <= _FEW and body.where is None and body.allow is None and body.refuse is None

    async def ask(self, body: of.Recommend) -> bytes:
        """The answer to a small request, as JSON of `Answers`.

        Raises
        ------
        DataError
            As `Recommender.recommend`.
        """
        return await self._batching.ask(_Kind(body.users is not None, body.k, body.exclude_seen), body)

    def _answered(self, kind: Hashable, bodies: Sequence[of.Recommend]) -> list[bytes]:
        now, body = self._shop.serving, bodies[0]
        if body.users is not None:
            users = [user for one in bodies for user in one.users or []]
            inside = [self._shop.known_as(user) for user in users]
            called = dict(zip(inside, users, strict=True))  # nobody hears of a pseudonym
            answer = now.recommender.recommend(inside, k=body.k, exclude_seen=body.exclude_seen)
        else:
            called = {}
            histories = [history for one in bodies for history in one.history or []]
            answer = now.recommender.recommend(history=histories, k=body.k, exclude_seen=body.exclude_seen)
        self._measures.count(answer)
        whole, start, parts = answers(answer, now.generation, called=called), 0, []
        for one in bodies:
            end = start + len(one.users or one.history or [])
            parts.append(_part(whole, whole.answers[start:end], one).model_dump_json().encode())
            start = end
        return parts


def _part(whole: of.Answers, own: list[of.Named], body: of.Recommend) -> of.Answers:
    """The lines of one request, with what of its own is unknown."""
    missing = frozenset(whole.unknown)
    if body.users is not None:
        unknown = [user for user in dict.fromkeys(body.users) if user in missing]
    else:
        unknown = [item for history in body.history or [] for item in history if item in missing]
        for place, line in enumerate(own):
            line.question = str(place)
    return of.Answers(answers=own, unknown=unknown, notes=whole.notes, generation=whole.generation)


def answers(
    answer: Answer, generation: str, variant: str | None = None, called: Mapping[str, str] = MappingProxyType({})
) -> of.Answers:
    """The answer as it goes out; `called` gives users their own names back."""
    titles = answer.catalogue.table["title"] if answer.catalogue.has("title") else None
    named = []
    for q, ids in enumerate(answer.ids()):
        places = zip(ids, answer.scores[q].tolist(), answer.ranking.rows[q].tolist(), strict=False)
        found = [
            of.Found(item_id=i, score=score, title=None if titles is None else titles[row].as_py())
            for i, score, row in places
        ]
        asked, popular = answer.questions[q], bool(answer.popular[q])
        named.append(of.Named(question=called.get(asked, asked), popular=popular, items=found, variant=variant))
    return of.Answers(
        answers=named,
        unknown=[called.get(one, one) for one in answer.unknown],
        notes=list(answer.notes),
        generation=generation,
    )
