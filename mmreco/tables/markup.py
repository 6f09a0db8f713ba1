"""Markup and entities taken out of a shop's texts, once, where they are read.

Suppliers hand on descriptions as HTML. Left in, `<p>&nbsp;` is what all items of one supplier have in common, and an
encoder finds them alike for that. What only looks like a tag (`a < b`, `<3`, `<unknown>`) stays, and so does every
text without markup, to the byte.
"""

import html
import logging
import re

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["clean_markup", "without_markup"]

_log = logging.getLogger(__name__)

_BLOCKS = """
address article aside audio area base blockquote body br button canvas caption center col colgroup dd details div dl dt
embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html iframe img input
legend li link main map meta nav noscript object ol option p param path pre script section select source style summary
svg table tbody td textarea tfoot th thead title tr track ul video
"""
_INLINE = """
a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp small span strike strong sub
sup time tt u var wbr
"""
_STANDS_FOR = {**dict.fromkeys(_BLOCKS.split(), "\n"), **dict.fromkeys(_INLINE.split(), "")}
_SUSPECT = r"<[a-zA-Z/!?]|&[#a-zA-Z][0-9a-zA-Z]*;"
_LONGEST = 4_000  # characters of a tag
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)\s*(/?|[a-zA-Z_:@][\w:.-]*\s*=.*)>", re.DOTALL)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[ \n]*")
_DROPPED = ("script", "style")  # with what stands between


def without_markup(name: str, texts: pa.Array) -> pa.Array:
    """The column of large strings without markup; null where nothing else was there."""
    suspect = pc.match_substring_regex(texts, _SUSPECT).fill_null(False)
    if not pc.any(suspect).as_py():
        return texts
    values = texts.to_pylist()
    changed = 0
    for row in suspect.to_numpy(zero_copy_only=False).nonzero()[0].tolist():
        cleaned = clean_markup(values[row])
        changed += cleaned != values[row]
        values[row] = cleaned or None
    if changed:
        _log.info("column %r: markup was taken out of %d of %d texts", name, changed, len(values))
    return pa.array(values, pa.large_string())


def clean_markup(text: str) -> str:
    """`text` without tags of HTML, its entities as the characters they stand for; twice, for what was escaped twice.

    Examples
    --------
    >>> clean_markup("<p>Wool&nbsp;coat</p><p>a &lt; b &amp; <b>c</b></p>")
    'Wool coat\\na < b & c'
    >>> clean_markup("I <3 R&D, x<y")
    'I <3 R&D, x<y'
    """
    cleaned = text
    for _ in range(2):
        once = _ENTITY.sub(lambda match: html.unescape(match[0]), _without_tags(cleaned))
        if once == cleaned:
            break
        cleaned = once
    if cleaned == text:
        return text
    cleaned = _without_tags(cleaned)
    return _LINES.sub("\n", _SPACES.sub(" ", cleaned)).strip()


def _without_tags(text: str) -> str:
    """Tags of known elements dropped, those that break a line as one; linear in the length."""
    pieces: list[str] = []
    start, at = 0, text.find("<")
    never: set[str] = set()  # ends that do not come any more, so that they are looked for once
    while at >= 0:
        end, put = _tag_end(text, at, never)
        if end < 0:
            at = text.find("<", at + 1)
            continue
        pieces += [text[start:at], put]
        start, at = end, text.find("<", end)
    return "".join([*pieces, text[start:]]) if pieces else text


def _tag_end(text: str, at: int, never: set[str]) -> tuple[int, str]:
    """Where the tag that begins at `at` ends, or -1, and what stands for it."""
    if text.startswith("<!--", at):
        return _behind("-->", text, at, never), " "
    close = text.find(">", at, at + _LONGEST)
    if close < 0:
        return -1, ""
    if text.startswith(("<!DOCTYPE", "<!doctype", "<![CDATA[", "<?xml"), at):
        return close + 1, " "
    match = _TAG.fullmatch(text, at, close + 1)
    name = match[1].lower() if match else ""
    if name in _DROPPED and text[at + 1] != "/":
        return max(_behind(f"</{name}>", text, close, never), close + 1), " "
    return (close + 1, _STANDS_FOR[name]) if name in _STANDS_FOR else (-1, "")


def _behind(end: str, text: str, at: int, never: set[str]) -> int:
    """The place behind the next `end`, in small or capital letters; -1 if there is none."""
    if end in never:
        return -1
    places = [place for place in (text.find(end, at), text.find(end.upper(), at)) if place >= 0]
    if not places:
        never.add(end)
        return -1
    return min(places) + len(end)
