"""Words of pages in English and Chinese: titles and reasons of shelves, and what a page says besides."""

from collections.abc import Mapping
from types import MappingProxyType

from mmreco.errors import DataError

__all__ = ["KINDS", "LANGUAGES", "shelf_words", "words"]

LANGUAGES = ("en", "zh")

# kind -> language -> title, reason; {item} is what the shelf starts from, {place} where the shopper is
_SHELVES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "for_you": {
        "en": ("Picked for you", "Chosen from what you looked at and bought."),
        "zh": ("为您推荐", "根据您的浏览和购买挑选。"),
    },
    "because": {
        "en": ("Because you chose {item}", "Like it, or often chosen by those who chose it."),
        "zh": ("因为您选过“{item}”", "与它相似，或常被选它的顾客选中。"),
    },
    "new": {
        "en": ("New for you", "Just arrived, the ones nearest to your taste first."),
        "zh": ("新品速递", "刚刚上架，最合您口味的在前。"),
    },
    "again": {
        "en": ("Again?", "You bought these before."),
        "zh": ("再来一份？", "您之前买过这些。"),
    },
    "complements": {
        "en": ("Completes your cart", "Often chosen together with what is in your cart."),
        "zh": ("搭配购物车", "常与您购物车里的商品一起选购。"),
    },
    "together": {
        "en": ("Goes well with it", "Often chosen together with this item."),
        "zh": ("搭配购买", "常与这件商品一起选购。"),
    },
    "similar": {
        "en": ("More like this", "Similar to the item you are looking at."),
        "zh": ("相似商品", "与您正在看的商品相似。"),
    },
    "near": {
        "en": ("Popular near you", "What shoppers in {place} choose most."),
        "zh": ("您附近的热门", "{place}的顾客最常选择。"),
    },
    "popular": {
        "en": ("Popular now", "What most shoppers choose."),
        "zh": ("热门商品", "大多数顾客的选择。"),
    },
    "recent": {
        "en": ("Seen lately", "Where you left off."),
        "zh": ("最近浏览", "从上次看到的地方继续。"),
    },
    "results": {
        "en": ("Results", ""),
        "zh": ("搜索结果", ""),
    },
    "newest": {
        "en": ("Newest", "The latest arrivals."),
        "zh": ("最新上架", "最近到货。"),
    },
}  # fmt: skip
KINDS = tuple(_SHELVES)

_LOOKED = {"en": "Because you looked at {item}", "zh": "因为您看过“{item}”"}
_BECAUSE: Mapping[str, Mapping[str, str]] = {
    "view": _LOOKED,
    "click": _LOOKED,
    "cart": {"en": "Because you put {item} into the cart", "zh": "因为您加购了“{item}”"},
    "purchase": {"en": "Because you bought {item}", "zh": "因为您买过“{item}”"},
}

_PAGES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "home": "Welcome", "detail": "Item", "cart": "Your cart", "new_arrivals": "New arrivals",
        "search": "Search", "nothing": "There is nothing to show yet.", "skip": "Skip to the content",
        "no_picture": "No picture", "found": "Results for “{query}”", "currency": "{price}",
    },
    "zh": {
        "home": "欢迎光临", "detail": "商品", "cart": "购物车", "new_arrivals": "新品",
        "search": "搜索", "nothing": "暂时没有可以展示的商品。", "skip": "跳到正文",
        "no_picture": "暂无图片", "found": "“{query}”的搜索结果", "currency": "{price}",
    },
}  # fmt: skip


def shelf_words(kind: str, language: str, *, item: str = "", place: str = "", event: str = "") -> tuple[str, str]:
    """The title and the reason of a shelf; `event` is what the shopper did with the item that it starts from."""
    title, reason = _SHELVES[kind][require_language(language)]
    if kind == "because":
        title = _BECAUSE.get(event, {}).get(language, title)
    return title.replace("{item}", item), reason.replace("{place}", place)


def words(language: str) -> Mapping[str, str]:
    """What a page says besides its shelves, by name."""
    return MappingProxyType(_PAGES[require_language(language)])


def require_language(language: str) -> str:
    """`language`, if pages are written in it.

    Raises
    ------
    DataError
        They are not.
    """
    if language not in LANGUAGES:
        raise DataError(f"language={language!r}: expected one of {', '.join(LANGUAGES)}")
    return language
