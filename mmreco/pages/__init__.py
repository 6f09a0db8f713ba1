"""Pages: shelves of items for a shopper, composed of anything that recommends, and rendered as HTML."""

from mmreco.pages.composer import ArrangesShelves, PageComposer
from mmreco.pages.html import embedded_picture, page_html
from mmreco.pages.options import PageOptions
from mmreco.pages.page import Page, Shelf
from mmreco.pages.words import KINDS, LANGUAGES

__all__ = [
    "KINDS",
    "LANGUAGES",
    "ArrangesShelves",
    "Page",
    "PageComposer",
    "PageOptions",
    "Shelf",
    "embedded_picture",
    "page_html",
]
