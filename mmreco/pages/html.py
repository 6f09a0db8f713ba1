"""HTML of pages: one document each, responsive, readable without scripts, by keyboard and by screen readers.

Everything is escaped by jinja2. The page's own content security policy lets in its style sheet, by hash, and pictures
alone; no script can run.
"""

import base64
import hashlib
import io
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import quote

import jinja2
import pyarrow as pa
from markupsafe import Markup

from mmreco.arrays import I64
from mmreco.data.catalogue import Catalogue
from mmreco.encoders.image.decoding import open_picture
from mmreco.errors import DataError
from mmreco.pages.page import Page
from mmreco.pages.words import words
from mmreco.text.segmentation import is_chinese

__all__ = ["embedded_picture", "page_html"]

_FOLDER = Path(__file__).parent / "templates"
_SIZE = 240  # pixels of the longer side of an embedded picture
_TAGS = {"en": "en", "zh": "zh-Hans"}


def page_html(
    page: Page,
    *,
    link: Callable[[str], str] | None = None,
    picture: Callable[[Path], str | None] | None = None,
    price: Callable[[float], str] | None = None,
) -> str:
    """The page as one HTML document.

    Parameters
    ----------
    page : as a `PageComposer` composes it
    link : an item's id to the address of its page, optional
        "/items/" and the id when omitted.
    picture : the path of an item's picture to its address, optional
        None for one that cannot be shown. When omitted, pictures are made small and held in the document itself.
    price : a number to what is shown, optional
        E.g. `lambda value: f"¥{value:.0f}"`.

    Raises
    ------
    DataError
        An address would run a script: links and pictures begin with "/", "#", "http:", "https:" or, for pictures,
        "data:image/".
    """
    say = words(page.language)
    title = say[page.name] if page.query is None else say["found"].replace("{query}", page.query)
    show = _Items(
        page.catalogue,
        (lambda item: f"/items/{quote(item, safe='')}") if link is None else link,
        embedded_picture if picture is None else picture,
        _price if price is None else price,
    )
    shelves = [
        {"kind": shelf.kind, "title": shelf.title, "reason": shelf.reason, "cards": show.items(shelf.rows)}
        for shelf in page.shelves
    ]
    hero = None
    if page.subject is not None:
        hero = show.items([page.subject])[0]
        title = hero["title"] or title
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    document: str = _template().render(
        html_language=_TAGS[page.language],
        title=title,
        words=say,
        shelves=shelves,
        hero=hero,
        style=Markup(style),  # our own file
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        image_sources="data:" if picture is None else "'self' data: https:",
    )
    return document


def embedded_picture(path: Path) -> str | None:
    """The picture at `path` as a data URL, 240 pixels at most; None for one that cannot be read."""
    try:
        opened = open_picture(path, size=_SIZE)
    except DataError:
        return None
    opened.thumbnail((_SIZE, _SIZE))
    written = io.BytesIO()
    opened.save(written, "JPEG", quality=82, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"


class _Items:
    """What is shown of items."""

    def __init__(
        self,
        catalogue: Catalogue,
        link: Callable[[str], str],
        picture: Callable[[Path], str | None],
        price: Callable[[float], str],
    ) -> None:
        self.catalogue, self.link, self.picture, self.price = catalogue, link, picture, price

    def items(self, rows: I64 | list[int]) -> list[dict[str, str]]:
        """Id, title, note, price, address and picture of each; "" for what is not known."""
        names = [n for n in ("title", "brand", "price", "image") if n in self.catalogue.table.column_names]
        known = self.catalogue.table.select(names).take(pa.array(rows, pa.int64())).to_pylist()
        known = known if names else [{} for _ in rows]
        shown = []
        for item, facts in zip(self.catalogue.items.ids(rows), known, strict=True):
            path, cost = facts.get("image"), facts.get("price")
            source = self.picture(Path(path)) if path else None
            shown.append(
                {
                    "id": item,
                    "title": facts.get("title") or item,
                    "note": str(facts.get("brand") or ""),
                    "price": "" if cost is None or not math.isfinite(cost) else self.price(float(cost)),
                    "href": _safe(self.link(item), ("/", "#", "http:", "https:")),
                    "picture": "" if not source else _safe(source, ("/", "http:", "https:", "data:image/")),
                }
            )
        return shown


def _safe(address: str, begins: tuple[str, ...]) -> str:
    if not address.lower().startswith(begins):
        raise DataError(f"page: the address {address[:60]!r}; expected one that begins with {', '.join(begins)}")
    return address


def _price(value: float) -> str:
    return f"{value:,.2f}".removesuffix(".00")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["is_chinese"] = is_chinese
    return environment.get_template("page.html")
