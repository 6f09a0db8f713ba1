"""What visitors do: the cart, an order, a photo to search by, and being forgotten."""

import base64
import io
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from mmreco.data.answer import Answer
from mmreco.data.boxes import Box
from mmreco.detection.drawing import framed
from mmreco.encoders.image.decoding import Picture, open_picture
from mmreco.errors import DataError
from mmreco.service.audit import record
from mmreco.service.limits import ID, QUERY
from mmreco.service.pictures import jpeg
from mmreco.service.window.my_data import MyData
from mmreco.service.window.photo_boxes import PhotoBoxes
from mmreco.service.window.showing import cards, price, shelves_of
from mmreco.service.window.storefront import Storefront, row_of
from mmreco.service.window.visitor import Visitor, require_own_form

__all__ = ["doing"]

_SIDE = 480  # pixels of an uploaded photo that are looked at
_FOUND = 24
_BASE64 = 1 << 20
ItemId = Annotated[str, Form(min_length=1, max_length=ID)]


def doing(front: Storefront) -> APIRouter:
    """The routes of these acts. Forms of other sites' pages are refused."""
    router = APIRouter()
    own_form = [Depends(require_own_form)]
    data, parts = MyData(front), PhotoBoxes.beside(front.shop.artefact)

    @router.get("/cart")
    def cart(request: Request) -> Response:
        return _cart(front, request, Visitor.of(request), ordered=False)

    @router.post("/cart", dependencies=own_form)
    def put_into_cart(request: Request, item: ItemId) -> Response:
        visitor = Visitor.of(request)
        row_of(front.recommender.catalogue, item)
        fuller = visitor.with_item(item)
        if fuller is not visitor:
            front.tell(visitor, "cart", [item])
        return _to("/cart", request, fuller)

    @router.post("/cart/remove", dependencies=own_form)
    def take_out_of_cart(request: Request, item: ItemId) -> Response:
        return _to("/cart", request, Visitor.of(request).without_items((item,)))

    @router.post("/order", dependencies=own_form)
    def order(request: Request) -> Response:
        visitor, items = Visitor.of(request), front.recommender.catalogue.items
        there = [item for item in visitor.cart if items.rows([item], missing="mark")[0] >= 0]
        if there:
            front.tell(visitor, "purchase", there)
        return _cart(front, request, visitor.without_items(visitor.cart), ordered=bool(there))

    @router.get("/photo")
    def photo_form(request: Request) -> Response:
        return front.page("photo.html", request, Visitor.of(request), boxes=parts.names, problem="")

    @router.post("/photo", dependencies=own_form)
    def photo(
        request: Request,
        picture: UploadFile | None = None,
        again: Annotated[str, Form(max_length=_BASE64)] = "",
        box: Annotated[str, Form()] = "",
        words: Annotated[str, Form(max_length=QUERY)] = "",
    ) -> Response:
        visitor = Visitor.of(request)
        part = box if box in parts.names else parts.names[0]
        try:
            opened = open_picture(base64.b64decode(again, validate=True) if again else _bytes(picture), size=_SIDE)
        except (DataError, ValueError):
            return front.page("photo.html", request, visitor, status=422, boxes=parts.names, problem="photo_unreadable")
        try:
            looked_at = parts.of(opened, part)
            answer = _alike(front, opened, looked_at, words.strip())
        except DataError:
            return front.page("photo.html", request, visitor, status=422, boxes=parts.names, problem="photo_none")
        if part == "found" and looked_at is None:
            part = "whole"
        drawn = framed(opened, looked_at) if part == "found" and looked_at is not None else opened
        found = answer.ranking.rows[0]
        return front.page(
            "photo_results.html",
            request,
            visitor,
            cards=cards(answer.catalogue, found[found >= 0]),
            photo=base64.b64encode(_written(opened)).decode(),
            shown=base64.b64encode(_written(drawn)).decode(),
            box=part,
            boxes=parts.names,
            words=words.strip(),
        )

    @router.get("/my-data")
    def my_data(request: Request) -> Response:
        visitor = Visitor.of(request)
        return front.page("my_data.html", request, visitor, data=data.shown(visitor), erased=None)

    @router.get("/my-data.json")
    def export(request: Request) -> Response:
        saved = {"Content-Disposition": 'attachment; filename="my-data.json"', "Cache-Control": "no-store"}
        exported = data.exported(Visitor.of(request))
        record(front.shop.store, "a visitor", "export", 1)
        return Response(exported, 200, saved, media_type="application/json")

    @router.post("/forget", dependencies=own_form)
    def forget(request: Request) -> Response:
        visitor = Visitor.of(request)
        erased = front.shop.forget(front.known_as(visitor))
        record(front.shop.store, "a visitor", "forget", erased)
        nobody = Visitor(visitor.token, True, (), visitor.language)
        response = front.page("my_data.html", request, nobody, data=None, erased=erased)
        visitor.leave(response)
        return response

    return router


def _to(path: str, request: Request, visitor: Visitor) -> Response:
    response = RedirectResponse(path, 303)
    visitor.remember(request, response)
    return response


def _cart(front: Storefront, request: Request, visitor: Visitor, *, ordered: bool) -> Response:
    recommender = front.recommender
    catalogue = recommender.catalogue
    rows = catalogue.items.rows(list(visitor.cart), missing="mark").tolist() if visitor.cart else []
    there = [row for row in rows if row >= 0]
    items = catalogue.items.ids(there)
    page = front.composed("cart", visitor, cart=items) if items else front.composed("home", visitor)
    costs = catalogue.table["price"].take(there).to_pylist() if catalogue.has("price") and there else []
    return front.page(
        "cart.html",
        request,
        visitor,
        items=cards(catalogue, there),
        total=price(sum(costs)) if costs and None not in costs else "",
        shelves=shelves_of(page),
        ordered=ordered,
    )


def _alike(front: Storefront, photo: Picture, box: Box | None, words: str) -> Answer:
    """What looks like this part of a photo, and matches the words if there are any."""
    text = [words] if words else None
    boxes = None if box is None else [box]
    return front.recommender.search(image=[_written(photo)], boxes=boxes, text=text, k=_FOUND)


def _bytes(picture: UploadFile | None) -> bytes:
    return b"" if picture is None else picture.file.read()


def _written(photo: Picture) -> bytes:
    written = io.BytesIO()
    photo.save(written, "PNG")
    return jpeg(written.getvalue(), _SIDE)
