"""Storefront: what every page of the window needs: the shop, its menu, and the frame around a page."""

import time
from collections.abc import Sequence
from typing import Any

from fastapi import HTTPException, Request, Response

from mmreco.data.catalogue import Catalogue
from mmreco.pages import Page, PageOptions
from mmreco.pages.page import PageName
from mmreco.recommender import Recommender
from mmreco.service.events import NewEvent
from mmreco.service.experiments.running import Experiment
from mmreco.service.live_shop import LiveShop
from mmreco.service.pictures import Pictures
from mmreco.service.window.facets import Choices
from mmreco.service.window.showing import rendered, style
from mmreco.service.window.visitor import Visitor
from mmreco.service.window.words import words

__all__ = ["Storefront", "row_of"]

_TAGS = {"en": "en", "zh": "zh-Hans"}
_WEIGHTS = {"view": 1.0, "cart": 2.0, "purchase": 4.0}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",  # whoever goes back sees what a click has changed
}


class Storefront:
    """The shop as the window shows it.

    Parameters
    ----------
    shop : what answers
    pictures : of its items
    experiment : whose variants make the pages, optional
    """

    def __init__(self, shop: LiveShop, pictures: Pictures, experiment: Experiment | None = None) -> None:
        self.shop, self.pictures, self.experiment = shop, pictures, experiment
        self._choices: Choices | None = None

    @property
    def recommender(self) -> Recommender:
        """What answers now."""
        return self.shop.serving.recommender

    def choices_of(self, catalogue: Catalogue) -> Choices:
        """What a catalogue can be narrowed to, looked up once a catalogue."""
        held = self._choices
        if held is None or held.catalogue is not catalogue:
            held = self._choices = Choices(catalogue)
        return held

    def known_as(self, visitor: Visitor) -> str:
        """What a visitor is called inside."""
        return self.shop.known_as(visitor.user_id)

    def options(self, visitor: Visitor) -> PageOptions:
        """How large pages are."""
        return PageOptions(language=visitor.language)

    def composed(self, name: PageName, visitor: Visitor, *, cart: Sequence[str] = (), item: str | None = None) -> Page:
        """The shelves of a page for a visitor, by their variant where there is an experiment.

        A visitor whose cookie has not come back may be a robot: what they are shown is not written down.

        Raises
        ------
        UnknownIdError
            `item` or something in `cart` is not in the catalogue.
        """
        user, options = self.known_as(visitor), self.options(visitor)
        if self.experiment is None:
            return self.recommender.page(name, user=user, options=options, cart=cart, item=item)
        shown = not visitor.is_new
        return self.experiment.page(name, user=user, options=options, shown=shown, cart=cart, item=item).page

    def tell(self, visitor: Visitor, event: str, item_ids: Sequence[str]) -> None:
        """Write down what a visitor did; it counts in the next page.

        Raises
        ------
        DBAPIError
            It could not be written.
        """
        now = int(time.time() * 1000)
        self.shop.observe([NewEvent(self.known_as(visitor), item, event, _WEIGHTS[event], now) for item in item_ids])

    def page(self, template: str, request: Request, visitor: Visitor, *, status: int = 200, **shown: Any) -> Response:
        """A page by its template, in the visitor's language, with the cookies that keep the visitor."""
        other = "en" if visitor.language == "zh" else "zh"
        elsewhere = request.url.include_query_params(language=other)
        here = request.method == "GET" and status == 200
        document = rendered(
            template,
            say=words(visitor.language),
            visitor=visitor,
            tag=_TAGS[visitor.language],
            other_tag=_TAGS[other],
            elsewhere=f"{elsewhere.path}?{elsewhere.query}" if here else f"/?language={other}",
            menu=self.choices_of(self.recommender.catalogue).menu,
            style_name=style()[0],
            **shown,
        )
        response = Response(document, status, _HEADERS, media_type="text/html")
        visitor.remember(request, response)
        return response


def row_of(catalogue: Catalogue, item_id: str) -> int:
    """The row of an item.

    Raises
    ------
    HTTPException
        404: there is no such item.
    """
    row = int(catalogue.items.rows([item_id], missing="mark")[0])
    if row < 0:
        raise HTTPException(404)
    return row
