"""The route that composes pages: shelves with titles and reasons as JSON, or the page itself as HTML."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mmreco.explain.explanation import title
from mmreco.pages import PageOptions, page_html
from mmreco.pages.page import PageName
from mmreco.service.access import Access
from mmreco.service.experiments.running import Experiment, PagePart
from mmreco.service.limits import HISTORY
from mmreco.service.live_shop import LiveShop
from mmreco.service.pictures import Pictures
from mmreco.service.schemas import Id, Query, Strict

__all__ = ["paging"]

_HTML = "text/html; charset=utf-8"


class PageAsked(Strict):
    """A known user, or the history of a stranger, oldest item first; and what the page is about."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user": "user-9"}]})
    user: Id | None = None
    history: list[Id] = Field(default_factory=list, max_length=HISTORY)
    item: Id | None = Field(None, description="What a detail page is about.")
    cart: list[Id] = Field(default_factory=list, max_length=HISTORY, description="What lies in the cart.")
    query: Query | None = Field(None, description="What a search page answers.")
    language: Literal["en", "zh"] = "en"
    shelves: Annotated[int, Field(ge=1, le=20, description="Shelves at most.")] = 6
    width: Annotated[int, Field(ge=1, le=50, description="Items a shelf at most.")] = 10
    seed: Annotated[int, Field(ge=0, lt=2**63, description="Of what is explored.")] = 0

    @model_validator(mode="after")
    def _one_shopper(self) -> "PageAsked":
        if self.user is not None and self.history:
            raise ValueError("give user or history, one of the two")
        return self


class Placed(BaseModel):
    """An item on a shelf; `propensity` is the probability that it stood where it stands."""

    item_id: str
    title: str
    propensity: float


class ShelfAnswer(BaseModel):
    """A row of items under a title, with the reason for it."""

    kind: str
    title: str
    reason: str
    items: list[Placed]


class PageAnswer(BaseModel):
    """Shelves, the top one first; no item stands on two of them."""

    name: str
    language: str
    item: str | None
    query: str | None
    shelves: list[ShelfAnswer]
    generation: str = Field(description="Of the artefact that answered.")
    variant: str | None = Field(None, description="Of the experiment, where the user takes part.")


def paging(shop: LiveShop, pictures: Pictures, access: Access, experiment: Experiment | None = None) -> APIRouter:
    """The route `/v1/page/{name}`."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(access.needs("ask"))], tags=["ask"])

    @router.post("/page/{name}", response_model=PageAnswer, responses={200: {"content": {"text/html": {}}}})
    def page(name: PageName, body: PageAsked, request: Request) -> Response | PageAnswer:
        """A page composed for one shopper. With `Accept: text/html` it is a document, pictures held in it."""
        now = shop.serving
        options = PageOptions(language=body.language, shelves=body.shelves, width=body.width)
        asked = body.model_dump(exclude={"user", "language", "shelves", "width"})
        user = None if body.user is None else shop.known_as(body.user)
        if experiment is not None and user is not None:
            made = experiment.page(name, user=user, options=options, **asked)
        else:
            made = PagePart(now.recommender.page(name, user=user, options=options, **asked), None, now.generation)
        if "text/html" in request.headers.get("accept", ""):
            return Response(page_html(made.page, picture=pictures.embedded), media_type=_HTML)
        return _answer(made)

    return router


def _answer(made: PagePart) -> PageAnswer:
    page, catalogue = made.page, made.page.catalogue
    shelves = [
        ShelfAnswer(
            kind=shelf.kind,
            title=shelf.title,
            reason=shelf.reason,
            items=[
                Placed(item_id=item, title=title(catalogue, row), propensity=chance)
                for item, row, chance in zip(
                    catalogue.items.ids(shelf.rows), shelf.rows.tolist(), shelf.propensities.tolist(), strict=True
                )
            ],
        )
        for shelf in page.shelves
    ]
    subject = None if page.subject is None else catalogue.items.ids([page.subject])[0]
    return PageAnswer(
        name=page.name,
        language=page.language,
        item=subject,
        query=page.query,
        shelves=shelves,
        generation=made.generation,
        variant=made.variant,
    )
