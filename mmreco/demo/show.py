"""What the demo found, as a page with pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmreco.data.answer import Answer
from mmreco.data.catalogue import Catalogue
from mmreco.data.shop import PlantedShop
from mmreco.data.split import Holdout
from mmreco.evaluation import Report
from mmreco.recommender import Recommender
from mmreco.report import Card, Gallery, curves, heading, metrics_table, page, prose, row

__all__ = ["Findings", "report"]

_CUTS = (1, 2, 5, 10, 20)
_SHOWN = 8  # items a row


@dataclass(frozen=True)
class Findings:
    """Everything the page is made from."""

    shop: PlantedShop
    catalogue: Catalogue
    recommender: Recommender
    test: Holdout
    reports: Mapping[str, Report]
    cold: Mapping[str, float]
    queries: Mapping[str, int]
    picture_precision: float


def report(found: Findings, path: Path, *, shoppers: int, queries: Sequence[str]) -> Path:
    """Write the page to `path`, which comes back."""
    gallery = Gallery()
    shop, recommender = found.shop, found.recommender
    events = shop.interactions
    blocks = [
        prose(
            f"A planted shop of {len(found.catalogue):,} products and {len(events):,} shoppers with "
            f"{events.n_events:,} events over nine weeks. Pictures are drawn, titles and reviews are Chinese and "
            "English, tastes are known. Everything below was learnt from the log, the words and the pictures alone."
        ),
        heading("Each shopper's last event, held out"),
        prose(f"{len(found.test):,} shoppers, the whole catalogue ranked, what a shopper had already left out."),
        metrics_table(found.reports, ["ndcg@10", "recall@10", "mrr@10", "coverage@10"]),
        curves({n: [(k, r[f"recall@{k}"]) for k in _CUTS] for n, r in found.reports.items()}, x="k", y="recall@k"),
        prose(
            f"Products nobody has ever clicked make up {found.cold['share']:.1%} of what is recommended. Of those "
            f"that shoppers click in the week after the log, {found.cold['recall@20']:.1%} stand among the twenty "
            f"recommended; by chance it would be {found.cold['chance@20']:.1%}."
        ),
        heading("Some shoppers"),
    ]
    never = shop.truth.never_clicked
    chosen = np.linspace(0, len(found.test) - 1, shoppers).astype(int)
    ids = found.test.histories.users.ids(chosen)
    answer = recommender.recommend(ids, k=_SHOWN)
    for line, (user, number) in enumerate(zip(ids, chosen, strict=True)):
        history = found.test.histories.history(number)[::-1][:_SHOWN]
        target = found.test.targets.history(number)
        blocks += [
            heading(user, level=3),
            prose("Latest events, the newest first; then what is recommended."),
            row([_card(found.catalogue, int(r)) for r in history], gallery),
            row(_cards(answer, line, found.catalogue, {int(r): "clicked next" for r in target}, never), gallery),
        ]
    blocks.append(heading("Like this one"))
    pictured = np.flatnonzero(shop.truth.pictured)
    asked = pictured[np.linspace(0, len(pictured) - 1, 4).astype(int)[1:3]]
    alike = recommender.similar(found.catalogue.items.ids(asked), k=_SHOWN)
    for line, item in enumerate(asked):
        cards = [_card(found.catalogue, int(item), "asked"), *_cards(alike, line, found.catalogue, {}, never)]
        blocks.append(row(cards, gallery))
    blocks.append(heading("In words"))
    answer = recommender.search(text=queries, k=_SHOWN)
    for line, query in enumerate(queries):
        blocks += [heading(f"“{query}”", level=3), row(_cards(answer, line, found.catalogue, {}, never), gallery)]
    blocks += [
        heading("By picture"),
        prose(
            f"Over 50 new photographs, {found.picture_precision:.0%} of the ten answers have the category and the "
            "colour of the product in the picture."
        ),
    ]
    paths = found.catalogue.images()
    looked = [int(r) for r in pictured[np.linspace(0, len(pictured) - 1, 5).astype(int)[1:4]]]
    answer = recommender.search(image=[str(paths[r]) for r in looked], k=_SHOWN)
    for line, item in enumerate(looked):
        cards = [_card(found.catalogue, item, "asked"), *_cards(answer, line, found.catalogue, {}, never)]
        blocks.append(row(cards, gallery))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page("mmreco: a shop in one vector space", blocks, gallery), encoding="utf-8")
    return path


def _cards(answer: Answer, line: int, catalogue: Catalogue, notes: Mapping[int, str], never: np.ndarray) -> list[Card]:
    cards = []
    for item, score in zip(answer.ranking.rows[line], answer.scores[line], strict=True):
        if item >= 0:
            note = notes.get(int(item), "new, never clicked" if never[item] else "")
            cards.append(_card(catalogue, int(item), " · ".join(filter(None, [f"{score:.2f}", note]))))
    return cards


def _card(catalogue: Catalogue, item: int, note: str = "") -> Card:
    one = catalogue.take([item])
    return Card(one.images()[0], one.column("title")[0] or one.items.ids([0])[0], note)
