"""Showing: items as cards, and pages as HTML. Everything is escaped by jinja2; no page holds or lets in a script."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pyarrow as pa
from markupsafe import Markup, escape

from mmreco.arrays import I64
from mmreco.data.catalogue import Catalogue
from mmreco.pages import Page
from mmreco.text.segmentation import is_chinese

__all__ = ["Card", "Shelf", "address", "cards", "price", "rendered", "shelves_of", "style"]

_FOLDER = Path(__file__).parent / "templates"
_SHOWN = ("title", "brand", "category", "price", "image", "text")


@dataclass(frozen=True)
class Card:
    """What is shown of an item; "" for what is not known."""

    item_id: str
    title: str
    brand: str
    category: str
    price: str
    text: str
    has_picture: bool

    @property
    def path(self) -> str:
        """The id as it stands in an address."""
        return quote(self.item_id, safe="")


@dataclass(frozen=True)
class Shelf:
    """Cards under a title with the reason for them; `personal` where it follows from what the visitor did."""

    kind: str
    title: str
    reason: str
    cards: list[Card]
    personal: bool


_PERSONAL = ("for_you", "because")


def cards(catalogue: Catalogue, rows: I64 | Sequence[int]) -> list[Card]:
    """The cards of these item rows."""
    names = [name for name in _SHOWN if name in catalogue.table.column_names]
    chosen = pa.array(rows, pa.int64())
    known = catalogue.table.select(names).take(chosen).to_pylist() if names else [{} for _ in rows]
    return [
        Card(
            item_id=item,
            title=facts.get("title") or item,
            brand=_listed(facts.get("brand")),
            category=_listed(facts.get("category")),
            price=price(facts.get("price")),
            text=facts.get("text") or "",
            has_picture=bool(facts.get("image")),
        )
        for item, facts in zip(catalogue.items.ids(rows), known, strict=True)
    ]


def shelves_of(page: Page) -> list[Shelf]:
    """The shelves of a composed page."""
    return [
        Shelf(one.kind, one.title, one.reason, cards(page.catalogue, one.rows), one.kind in _PERSONAL)
        for one in page.shelves
    ]


def price(value: float | None) -> str:
    """A price as it is shown; "" for none."""
    return "" if value is None or not math.isfinite(value) else f"{value:,.2f}".removesuffix(".00")


def rendered(template: str, **shown: Any) -> str:
    """The document of a template."""
    document: str = _environment().get_template(template).render(**shown)
    return document


@cache
def style() -> tuple[str, str]:
    """The name of the style sheet, which changes with it, and the sheet."""
    text = (_FOLDER / "window.css").read_text(encoding="utf-8")
    return f"/style-{hashlib.sha256(text.encode()).hexdigest()[:12]}.css", text


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"lang": _lang, "filled": _filled}
    environment.globals["address"] = address
    return environment


def _lang(text: str) -> Markup:
    return Markup(' lang="zh-Hans"') if is_chinese(text) else Markup("")


def _filled(sentence: str, **names: object) -> Markup:
    """A sentence with its names put in, escaped like it."""
    text = str(escape(sentence))
    for name, value in names.items():
        text = text.replace("{" + name + "}", str(escape(value)))
    return Markup(text)  # both were escaped


def address(path: str, **query: object) -> str:
    """A path of this shop with what is asked, e.g. "/search?q=red"; empty values are left out."""
    parts = [f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value not in (None, "", 0)]
    return path + ("?" + "&".join(parts) if parts else "")


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
