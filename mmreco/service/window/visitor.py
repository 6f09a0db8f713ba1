"""Visitor: who looks at the window, by a random session cookie, and what lies in their cart.

The store never holds the cookie, only a hash of it: who reads the store cannot take a visitor's place, and no cookie
can be made that stands for a customer of the log.
"""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from fastapi import HTTPException, Request, Response

from mmreco.pages.words import LANGUAGES

__all__ = ["Visitor", "require_own_form"]

_WHO, _CART, _LANGUAGE = "mmreco_visitor", "mmreco_cart", "mmreco_language"
_TOKEN = re.compile(r"[\w-]{32}", re.ASCII)
_MOST = 30  # items of a cart
_LONGEST = 3000  # bytes of the cart's cookie; browsers keep 4096
_OWN = ("same-origin", "none")


@dataclass(frozen=True)
class Visitor:
    """Who looks.

    Parameters
    ----------
    token : the cookie's value
    is_new : whether the browser has not shown yet that it keeps the cookie
    cart : item ids, the first put in first
    language : "en" or "zh"
    """

    token: str
    is_new: bool
    cart: tuple[str, ...]
    language: str

    @classmethod
    def of(cls, request: Request) -> "Visitor":
        """The visitor that a request comes from."""
        token = request.cookies.get(_WHO, "")
        known = _TOKEN.fullmatch(token) is not None
        asked = request.query_params.get("language", request.cookies.get(_LANGUAGE, ""))
        if asked not in LANGUAGES:
            asked = "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
        cart = _read(request.cookies.get(_CART, ""))
        return cls(token if known else secrets.token_urlsafe(24), not known, cart, asked)

    @property
    def user_id(self) -> str:
        """The id that the shop keeps events under."""
        return f"visitor-{hashlib.sha256(self.token.encode()).hexdigest()[:32]}"

    def with_item(self, item_id: str) -> "Visitor":
        """With one more item in the cart; as before where it is full or has the item."""
        fuller = replace(self, cart=(*self.cart, item_id))
        fits = len(fuller.cart) <= _MOST and len(_written(fuller.cart)) <= _LONGEST
        return fuller if fits and item_id not in self.cart else self

    def without_items(self, item_ids: tuple[str, ...]) -> "Visitor":
        """With these items no more in the cart."""
        return replace(self, cart=tuple(item for item in self.cart if item not in item_ids))

    def remember(self, request: Request, response: Response) -> None:
        """Have the browser send this visitor with its next request, until it is closed."""
        secure = request.url.scheme == "https"
        for name, value in ((_WHO, self.token), (_CART, _written(self.cart)), (_LANGUAGE, self.language)):
            if not value and name in request.cookies:
                response.delete_cookie(name, httponly=True, samesite="lax", secure=secure)
            elif request.cookies.get(name, "") != value:
                response.set_cookie(name, value, httponly=True, samesite="lax", secure=secure)

    def leave(self, response: Response) -> None:
        """Have the browser drop all it was given."""
        for name in (_WHO, _CART):
            response.delete_cookie(name, httponly=True, samesite="lax")


def require_own_form(request: Request) -> None:
    """Refuse what another site's page has the browser send (403).

    Browsers say where a form stands in `Sec-Fetch-Site`, older ones in `Origin`; what says neither is no such browser.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = site in _OWN if site is not None else origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not own:
        raise HTTPException(403, "the form was on a page of another site's")


def _read(cookie: str) -> tuple[str, ...]:
    try:
        items = json.loads(unquote(cookie)) if cookie else []
    except ValueError:
        return ()
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        return ()
    return tuple(dict.fromkeys(items))[:_MOST]


def _written(cart: tuple[str, ...]) -> str:
    return quote(json.dumps(list(cart), separators=(",", ":")), safe="") if cart else ""
