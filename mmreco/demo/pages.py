"""The demo's pages: what some shoppers would see, shelf by shelf, and why the first item stands there."""

from collections.abc import Iterator, Sequence

from mmreco.pages import Page, PageOptions
from mmreco.recommender import Recommender
from mmreco.report import Card, Gallery, heading, prose, row, sentences

__all__ = ["page_blocks"]

_SHELVES, _WIDTH = 5, 8
_PER_BRAND = 2


def page_blocks(recommender: Recommender, shoppers: Sequence[str], gallery: Gallery) -> Iterator[str]:
    """The home page of each of these shoppers: its shelves, and the checked reasons for the first item of the first."""
    yield heading("A page for each", gloss="每人一页")
    yield prose(
        f"The home page as it is composed: {_SHELVES} shelves at most, no item twice, no more than {_PER_BRAND} of a "
        "brand on a shelf. Below it stand the reasons for its first item. Each was checked by asking the model again "
        "without what it names; one that changes nothing is not given."
    )
    options = PageOptions(shelves=_SHELVES, width=_WIDTH, caps={"brand": _PER_BRAND})
    for user in shoppers:
        page = recommender.page("home", user=user, options=options)
        yield heading(user, level=3)
        for shelf in page.shelves:
            yield row(_cards(page, shelf.rows.tolist()), gallery, label=f"{shelf.title} · {shelf.reason}")
        yield sentences(_reasons(recommender, page, user))


def _cards(page: Page, rows: Sequence[int]) -> list[Card]:
    shown = page.catalogue.take(rows)
    titles, pictures, ids = shown.column("title"), shown.images(), shown.items.array.to_pylist()
    return [Card(picture, title or item) for picture, title, item in zip(pictures, titles, ids, strict=True)]


def _reasons(recommender: Recommender, page: Page, user: str) -> list[str]:
    if not page.shelves:
        return []
    found = recommender.explain(user, page.catalogue.items.ids(page.shelves[0].rows[:1])[0])
    return [*found.sentences("en"), *found.sentences("zh")]
