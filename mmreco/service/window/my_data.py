"""MyData: what the shop holds of a visitor, shown to them and to nobody else."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.explain.explanation import title
from mmreco.profiles import profile
from mmreco.recommender import Recommender
from mmreco.service.window.storefront import Storefront
from mmreco.service.window.visitor import Visitor

__all__ = ["MyData"]

_OTHERS = 100  # shoppers that tell what is usual
_LATEST = 100  # events of the visitor that a profile is made from


class MyData:
    """What the shop holds of a visitor: events, and the profile they make.

    A profile says how far a visitor's taste is from the usual; what is usual is taken from a hundred shoppers.
    """

    def __init__(self, front: Storefront) -> None:
        self.front = front
        self._others: tuple[Recommender, int, list[list[str]]] | None = None

    def shown(self, visitor: Visitor) -> dict[str, Any] | None:
        """Events, the latest first, and the profile; None where there is nothing."""
        events = self.events(visitor)
        if not events:
            return None
        return {"user_id": visitor.user_id, "events": events[::-1], "profile": self.profile(visitor)}

    def exported(self, visitor: Visitor) -> str:
        """All of it as JSON, the events in full."""
        events = self.events(visitor)
        held = {
            "user_id": visitor.user_id,
            "cart": list(visitor.cart),
            "language": visitor.language,
            "events": events,
            "profile": self.profile(visitor) if events else None,
        }
        return json.dumps(held, ensure_ascii=False, indent=2)

    def events(self, visitor: Visitor) -> list[dict[str, Any]]:
        """What the visitor did, oldest first."""
        recommender = self.front.recommender
        log, catalogue = recommender.histories([self.front.known_as(visitor)]), recommender.catalogue
        names = log.items.ids(log.items_flat)
        rows = catalogue.items.rows(names, missing="mark") if names else np.zeros(0, dtype=np.int64)
        times = [None] * len(names) if log.times is None else [_written(at) for at in log.times.tolist()]
        return [
            {
                "time": time,
                "event": log.event_names[kind],
                "item_id": item,
                "title": item if row < 0 else title(catalogue, row),
                "weight": weight,
            }
            for time, kind, item, row, weight in zip(
                times, log.event_types.tolist(), names, rows.tolist(), log.weights.tolist(), strict=True
            )
        ]

    def profile(self, visitor: Visitor) -> dict[str, list[Any]]:
        """What the visitor is taken to like, best first: facets with their shares, and words."""
        recommender = self.front.recommender
        own = recommender.histories([self.front.known_as(visitor)])
        latest = own.items.ids(own.items_flat[-_LATEST:])
        everybody = [latest, *self._usual(recommender)]
        shop = _excerpt(recommender.catalogue, everybody)
        made = profile(shop, users=["0"]).frame().to_pylist()[0]
        likes: dict[str, list[Any]] = {}
        for name in made:
            if f"{name}_share" in made:
                pairs = zip(made[name], made[f"{name}_share"], strict=True)
                likes[name] = [{"value": value, "share": share} for value, share in pairs]
        return {**likes, "words": made["words"]}

    def _usual(self, recommender: Recommender) -> list[list[str]]:
        """What some shoppers turned to, chosen at even distances; looked up anew once anybody is forgotten."""
        held, forgotten = self._others, len(self.front.shop.store.forgotten())
        if held is None or held[0] is not recommender or held[1] != forgotten:
            log = recommender.dataset.interactions
            chosen = np.unique(np.linspace(0, max(0, len(log) - 1), min(_OTHERS, len(log))).astype(np.int64))
            others = [log.items.ids(log.history(line)[-_LATEST:]) for line in chosen.tolist()]
            held = self._others = recommender, forgotten, others
        return held[2]


def _excerpt(catalogue: Catalogue, histories: list[list[str]]) -> Dataset:
    """The part of a catalogue that these histories touch, with them; the users are numbered from "0"."""
    named = list(dict.fromkeys(item for one in histories for item in one))
    rows = catalogue.items.rows(named, missing="mark") if named else np.zeros(0, dtype=np.int64)
    part = catalogue.take(rows[rows >= 0])
    return Dataset(part, Interactions.from_histories(histories, items=part.items))


def _written(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
