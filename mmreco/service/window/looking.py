"""The pages that are looked at: home, new arrivals, a product, why, search."""

import logging
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from mmreco.explain.explanation import title
from mmreco.questions.privacy import scrub
from mmreco.recommender import Recommender
from mmreco.service.limits import QUERY
from mmreco.service.window.facets import SORTS, sorted_rows
from mmreco.service.window.showing import address, cards, shelves_of, style
from mmreco.service.window.storefront import Storefront, row_of
from mmreco.service.window.visitor import Visitor

__all__ = ["looking"]

_LATEST = 50  # items of a history that a reason is looked for in
_FOUND = 200  # results at most
_STEP = 48  # results of a page
_REVIEWS = 3
_NO_PICTURE = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><path fill="#999" d="M0 0h4v4H0z"/></svg>"""
_ICON = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" \
fill="#9c3a29"/><path d="M8 12h16l-1.5 12h-13z" fill="#fff"/><path d="M12 12a4 4 0 0 1 8 0" fill="none" stroke="#fff" \
stroke-width="2"/></svg>"""
_SVG = "image/svg+xml"
_log = logging.getLogger(__name__)
Words = Annotated[str, Query(max_length=QUERY)]


def looking(front: Storefront) -> APIRouter:
    """The routes of these pages."""
    router = APIRouter()

    @router.get("/")
    def home(request: Request) -> Response:
        visitor, recommender = Visitor.of(request), front.recommender
        page = front.composed("home", visitor, cart=_there(recommender, visitor.cart))
        return front.page("home.html", request, visitor, shelves=shelves_of(page), latest=_latest(front, visitor))

    @router.get("/new")
    def new_arrivals(request: Request) -> Response:
        visitor = Visitor.of(request)
        page = front.composed("new_arrivals", visitor)
        return front.page("home.html", request, visitor, shelves=shelves_of(page), latest=None, heading="new")

    @router.get("/items/{item_id:path}")
    def item(item_id: str, request: Request, question: Words = "") -> Response:
        visitor, recommender = Visitor.of(request), front.recommender
        catalogue = recommender.catalogue
        card = cards(catalogue, [row_of(catalogue, item_id)])[0]
        if not question and _is_look(request, visitor, front, item_id):
            try:
                front.tell(visitor, "view", [item_id])
            except SQLAlchemyError as error:  # the page is shown all the same
                _log.error("a look could not be written down: %s", str(error).splitlines()[0])
        page = front.composed("detail", visitor, item=item_id)
        reviews = _reviews(recommender, item_id)
        answered = recommender.ask(item_id, question) if question.strip() and reviews else None
        return front.page(
            "item.html",
            request,
            visitor,
            item=card,
            shelves=shelves_of(page),
            reviews=reviews,
            answered=answered,
        )

    @router.get("/why/{item_id:path}")
    def why(item_id: str, request: Request) -> Response:
        visitor, catalogue = Visitor.of(request), front.recommender.catalogue
        card = cards(catalogue, [row_of(catalogue, item_id)])[0]
        return front.page("why.html", request, visitor, item=card, sentences=_sentences(front, visitor, item_id))

    @router.get("/search")
    def search(
        request: Request,
        q: Words = "",
        category: Words = "",
        brand: Words = "",
        price: Words = "",
        sort: Words = "best",
        n: Annotated[int, Query(ge=1, le=_FOUND)] = _STEP,
    ) -> Response:
        visitor, recommender = Visitor.of(request), front.recommender
        catalogue = recommender.catalogue
        choices = front.choices_of(catalogue)
        chosen = {"category": category, "brand": brand, "price": price}
        asked = q.strip()
        if not asked:
            answer = recommender.recommend(
                [front.known_as(visitor)], k=_FOUND, where=choices.where(chosen), exclude_seen=False
            )
        else:
            who = None if not _history(front, visitor) else [front.known_as(visitor)]
            answer = recommender.search(text=[asked], k=_FOUND, users=who, where=choices.where(chosen))
        rows = catalogue.items.rows(answer.ids()[0], missing="mark")
        rows = sorted_rows(catalogue, rows[rows >= 0], sort if sort in SORTS else "best")
        return front.page(
            "search.html",
            request,
            visitor,
            query=asked,
            chosen=chosen,
            sort=sort,
            sorts=[name for name in SORTS if name != "new" or catalogue.has("created")],
            choices=choices.of(rows, chosen),
            cards=cards(catalogue, rows[:n]),
            found=len(rows),
            more=address("/search", q=asked, **chosen, sort=sort, n=min(n + _STEP, _FOUND)) if len(rows) > n else "",
        )

    @router.get("/pictures/{item_id:path}")
    def picture(item_id: str) -> Response:
        made = front.pictures.of(front.recommender, item_id)
        kept = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return Response(made or _NO_PICTURE, 200, kept, media_type="image/jpeg" if made else _SVG)

    @router.get("/style-{version}.css")
    def sheet(version: str) -> Response:
        kept = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(style()[1], 200, kept, media_type="text/css")

    @router.get("/favicon.ico")  # asked for by browsers that show no page
    @router.get("/icon.svg")
    def icon() -> Response:
        return Response(_ICON, 200, {"Cache-Control": "public, max-age=31536000"}, media_type=_SVG)

    return router


def _history(front: Storefront, visitor: Visitor) -> list[str]:
    """The items a visitor turned to, oldest first."""
    log = front.recommender.histories([front.known_as(visitor)])
    return log.items.ids(log.items_flat)


def _there(recommender: Recommender, item_ids: tuple[str, ...]) -> list[str]:
    """Those of these items that the catalogue has."""
    rows = recommender.catalogue.items.rows(list(item_ids), missing="mark") if item_ids else np.zeros(0)
    return [item for item, row in zip(item_ids, rows, strict=True) if row >= 0]


def _latest(front: Storefront, visitor: Visitor) -> dict[str, str] | None:
    """What the visitor did last: the event, and what the item is called."""
    catalogue, log = front.recommender.catalogue, front.recommender.histories([front.known_as(visitor)])
    for row, event in zip(log.items_flat[::-1].tolist(), log.event_types[::-1].tolist(), strict=True):
        name = log.items.ids([row])[0]
        place = int(catalogue.items.rows([name], missing="mark")[0])
        if place >= 0:
            return {"event": log.event_names[event], "title": title(catalogue, place)}
    return None


def _is_look(request: Request, visitor: Visitor, front: Storefront, item_id: str) -> bool:
    """Whether somebody looks who keeps the cookie: no robot, no page fetched ahead, no reload."""
    fetched = "prefetch" in request.headers.get("sec-purpose", "")
    whole = request.headers.get("sec-fetch-dest", "document") == "document"
    if visitor.is_new or fetched or not whole:
        return False
    history = _history(front, visitor)
    return not history or history[-1] != item_id


def _sentences(front: Storefront, visitor: Visitor, item_id: str) -> list[str]:
    """Why the item is shown to the visitor, what they did with it itself left aside; none where nothing leads to it."""
    history, recommender = _history(front, visitor), front.recommender
    others = [item for item in history if item != item_id][-_LATEST:]
    if not others or recommender.model is None:
        return []
    own = item_id not in history and len(others) == len(history)
    why = recommender.explain(front.known_as(visitor) if own else None, item_id, history=None if own else others)
    return why.sentences(visitor.language) if why.events else []


def _reviews(recommender: Recommender, item_id: str) -> dict[str, object] | None:
    """Stars, their number, and the most helpful reviews with words; None where there are none."""
    reviews = recommender.reviews
    if reviews is None:
        return None
    row = int(reviews.items.rows([item_id], missing="mark")[0])
    if row < 0 or reviews.starts[row] == reviews.starts[row + 1]:
        return None
    own = np.arange(reviews.starts[row], reviews.starts[row + 1])
    stars = reviews.ratings[own]
    written = [at for at in own[np.argsort(-reviews.helpful[own], kind="stable")].tolist() if reviews.texts[at]]
    return {
        "n": len(own),
        "stars": f"{float(np.nanmean(stars)):.1f}" if np.isfinite(stars).any() else "",
        "quotes": [
            {
                "text": scrub(reviews.texts[at]),
                "stars": f"{float(reviews.ratings[at]):g}" if np.isfinite(reviews.ratings[at]) else "",
            }
            for at in written[:_REVIEWS]
        ],
    }
