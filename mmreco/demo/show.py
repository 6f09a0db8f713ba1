"""What the demo found, as a page with pictures.

Shoppers, products and pictures are taken at even distances or by the seed, not chosen by hand: good answers and
bad ones stand there as they came.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmreco.arrays import I64
from mmreco.data.answer import Answer
from mmreco.data.catalogue import Catalogue
from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS, STYLES, Kind, Tastes
from mmreco.datasets.synthetic.shop import SyntheticShop
from mmreco.demo.pages import page_blocks
from mmreco.evaluation import Report
from mmreco.recommender import Recommender
from mmreco.report import Card, Gallery, chips, curves, heading, metrics_table, mosaic, page, prose, row, tiles
from mmreco.splitting import Holdout
from mmreco.storage.outputs import OutputFolder

__all__ = ["Findings", "report"]

_SHOWN = 8  # items a row
_SHOPPERS = 5
_PAGES = 2  # shoppers whose page is shown
_ASKED = 3  # items, and pictures, that are asked about
_MOSAIC = 42


@dataclass(frozen=True)
class Findings:
    """Everything the page is made from.

    Parameters
    ----------
    cuts : widths at which `reports` were measured
    photographs : row of a product and path of a new picture of it, as often as pictures were asked about
    """

    shop: SyntheticShop
    catalogue: Catalogue
    recommender: Recommender
    test: Holdout
    reports: Mapping[str, Report]
    cuts: Sequence[int]
    cold: Mapping[str, float]
    queries: Mapping[str, int]
    picture_precision: float
    photographs: Sequence[tuple[int, Path]]


def report(found: Findings, path: Path) -> Path:
    """Write the page to `path`, which comes back."""
    gallery = Gallery()
    blocks = [
        *_opening(found, gallery),
        *_figures(found),
        *_shoppers(found, gallery),
        *page_blocks(found.recommender, _some(found, _PAGES), gallery),
        *_arrivals(found, gallery),
        *_alike(found, gallery),
        *_words(found, gallery),
        *_pictures(found, gallery),
    ]
    events = found.shop.interactions
    lead = (
        f"A synthetic shop of {len(found.catalogue):,} products and {len(events):,} shoppers, who left "
        f"{events.n_events:,} events in nine weeks. Tastes are known, so every answer can be checked. "
        "What follows was learnt from the log, the words and the pictures alone."
    )
    written = page("mmreco: pictures, words and behaviour in one space", blocks, gallery, lead=lead)
    return OutputFolder.open(path.parent).write(path.name, written)


def _opening(found: Findings, gallery: Gallery) -> Iterator[str]:
    pictured = np.flatnonzero(found.shop.truth.pictured)
    titles, paths = found.catalogue.column("title"), found.catalogue.images()
    shown = [(paths[r], titles[r]) for r in _spread(pictured, _MOSAIC)]
    yield mosaic([(path, title) for path, title in shown if path is not None], gallery)
    best, knn, popular = (found.reports[name]["ndcg@10"] for name in ("SharedSpace", "ItemKNN", "Popular"))
    cold = found.cold
    yield tiles(
        [
            (f"{best:.3f}", "NDCG@10 on each shopper's next click", f"Popular {popular:.3f}, ItemKNN {knn:.3f}"),
            (f"{cold['share']:.1%}", "of what is recommended was never clicked", "one product in ten is new"),
            (f"{cold['recall@20']:.1%}", "recall@20 of new products", f"by chance {cold['chance@20']:.1%}"),
            *(
                (f"{right} of 10", f"“{query}”", "answers that are red dresses")
                for query, right in found.queries.items()
            ),
            (
                f"{found.picture_precision:.0%}",
                "same category and colour by picture",
                f"{len(found.photographs)} pictures",
            ),
        ]
    )


def _figures(found: Findings) -> Iterator[str]:
    yield heading("What comes next", gloss="下一次点击")
    yield prose(
        f"The last event of {len(found.test):,} shoppers is held out. Each model ranks the whole catalogue, "
        "without what the shopper has had already."
    )
    yield metrics_table(found.reports, ["ndcg@10", "recall@10", "mrr@10", "coverage@10"])
    yield curves(
        {name: [(k, r[f"recall@{k}"]) for k in found.cuts] for name, r in found.reports.items()}, x="k", y="recall@k"
    )
    if found.recommender.model.scores_:
        passes = list(enumerate(found.recommender.model.scores_, start=1))
        yield prose("Training stops when the validation split has nothing more to gain.")
        yield curves({"SharedSpace": passes}, x="pass", y="NDCG@10 on validation")


def _some(found: Findings, n: int) -> list[str]:
    """The ids of `n` shoppers at even distances."""
    return found.test.histories.users.ids(_spread(np.arange(len(found.test)), n))


def _shoppers(found: Findings, gallery: Gallery) -> Iterator[str]:
    yield heading("Some shoppers", gloss="几位顾客")
    yield prose(
        "The tastes beside each name are those the shoppers were made with; the model never saw them. The marked event "
        "is the one held out."
    )
    never = found.shop.truth.never_clicked
    chosen = _spread(np.arange(len(found.test)), _SHOPPERS)
    ids = found.test.histories.users.ids(chosen)
    planted = found.shop.interactions.users.rows(ids)
    answer = found.recommender.recommend(ids, k=_SHOWN)
    for line, (user, number) in enumerate(zip(ids, chosen, strict=True)):
        before = found.test.histories.history(number)[-(_SHOWN - 1) :]
        after = found.test.targets.history(number)
        yield heading(user, level=3)
        yield chips(_tastes(found.shop.truth.tastes, int(planted[line])), label="true taste")
        came = [_card(found.catalogue, r) for r in before]
        held = [_card(found.catalogue, r, badge="next", strong=True) for r in after]
        yield row([*came, *held], gallery, label="Clicks, oldest first · 最近点击")
        yield row(_cards(answer, line, never, hits=after), gallery, label="Recommended · 推荐")


def _arrivals(found: Findings, gallery: Gallery) -> Iterator[str]:
    never = found.shop.truth.never_clicked
    yield heading("New products", gloss="新品")
    yield prose(
        f"{int(never.sum())} products arrive when the log ends; no one has clicked them, and words, picture and plain "
        f"facts alone place them. They make up {found.cold['share']:.1%} of what is recommended. When a shopper "
        f"first clicks one in the week after, it stands among the twenty just recommended to them from the whole "
        f"catalogue in {found.cold['recall@20']:.1%} of cases; by chance it would in {found.cold['chance@20']:.1%}."
    )
    rows = found.recommender.model.recommend(histories=found.test.histories).rows
    shown = np.bincount(rows[rows >= 0], minlength=len(never)) * never
    often = [r for r in np.argsort(-shown, kind="stable")[:_SHOWN] if shown[r]]
    if often:
        cards = [_card(found.catalogue, r, f"in {shown[r]:,} top tens", "new") for r in often]
        yield row(cards, gallery, label="New, and most often recommended")


def _alike(found: Findings, gallery: Gallery) -> Iterator[str]:
    yield heading("Like this one", gloss="相似商品")
    yield prose("The nearest products in the space; the first of each row is the one asked about.")
    asked = _spread(np.flatnonzero(found.shop.truth.pictured), _ASKED)
    answer = found.recommender.similar(found.catalogue.items.ids(asked), k=_SHOWN - 1)
    for line, item in enumerate(asked):
        first = _card(found.catalogue, item, badge="asked", strong=True)
        yield row([first, *_cards(answer, line, found.shop.truth.never_clicked)], gallery)


def _words(found: Findings, gallery: Gallery) -> Iterator[str]:
    yield heading("In words", gloss="文字搜索")
    answer = found.recommender.search(text=list(found.queries), k=_SHOWN)
    for line, (query, right) in enumerate(found.queries.items()):
        yield heading(f"“{query}”", level=3)
        yield prose(f"{right} of the first ten are red dresses.")
        yield row(_cards(answer, line, found.shop.truth.never_clicked), gallery)


def _pictures(found: Findings, gallery: Gallery) -> Iterator[str]:
    yield heading("By picture", gloss="以图搜图")
    yield prose(
        f"{len(found.photographs)} products are photographed anew, from another angle and before another backdrop. "
        f"Of the ten other products found for each, {found.picture_precision:.0%} have its category and its colour."
    )
    asked = found.photographs[:_ASKED]
    answer = found.recommender.search(image=[path for _, path in asked], k=_SHOWN - 1)
    for line, (item, path) in enumerate(asked):
        title = found.catalogue.column("title")[item]
        first = Card(path, f"A new picture of: {title}", badge="asked", strong=True)
        yield row([first, *_cards(answer, line, found.shop.truth.never_clicked)], gallery)


# ---- cards and words


def _cards(answer: Answer, line: int, never: np.ndarray, *, hits: Sequence[int] | I64 = ()) -> list[Card]:
    cards = []
    for item, score in zip(answer.ranking.rows[line], answer.scores[line], strict=True):
        if item < 0:
            continue
        hit = bool(np.isin(item, hits))
        badge = "clicked next" if hit else "new" if never[item] else ""
        cards.append(_card(answer.catalogue, item, f"{score:.2f}", badge, strong=hit))
    return cards


def _card(catalogue: Catalogue, item: int, note: str = "", badge: str = "", *, strong: bool = False) -> Card:
    one = catalogue.take([item])
    return Card(one.images()[0], one.column("title")[0] or one.items.ids([0])[0], note, badge, strong)


def _tastes(tastes: Tastes, user: int) -> list[str]:
    """The strongest of what was planted in a shopper, in words; where a share drifted far, from and to."""
    said = []
    for kinds, shares in ((CATEGORIES, tastes.category[user]), (COLOURS, tastes.colour[user])):
        strongest = np.argsort(-shares.max(axis=0), kind="stable")[:2]
        said += [_share(kinds[kind], shares[0, kind], shares[1, kind]) for kind in strongest]
    style = int(tastes.style[user].argmax())
    said.append(_share(STYLES[style], tastes.style[user, style], tastes.style[user, style]))
    said.append(f"{np.exp(tastes.dearness[user]):.1f} × the usual price")
    return said


def _share(kind: Kind, first: float, last: float) -> str:
    drifted = abs(last - first) >= 0.1
    return f"{kind.name} {f'{first:.0%} → {last:.0%}' if drifted else f'{last:.0%}'}"


def _spread(rows: I64, n: int) -> I64:
    """`n` of `rows` at even distances, neither the first nor the last."""
    return np.asarray(rows[((np.arange(n) + 0.5) * len(rows) / n).astype(np.int64)], dtype=np.int64)
