"""What every text encoder asks of its texts, and what it does to them first: checks, blanks and bounds.

A text that shows nothing (blanks, zero-width characters, fillers) says nothing. Texts and queries come from strangers,
so their length is bounded before anything is normalised: ordering the combining marks of one letter takes time
quadratic in their number, and Unicode's Stream-Safe Text Format (UAX #15, section 13) allows 30 of them.
"""

import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from functools import cache
from typing import Any, Final

from mmreco.errors import DataError

__all__ = ["LONGEST", "bounded", "is_blank", "require_texts"]

LONGEST: Final = 100_000
"""Characters of a text that are read at most, where the model sets no smaller bound."""

_MARKS: Final = 30  # of one letter
_HUGE: Final = 1_000_000  # characters looked at for blanks to be left out
_FILLERS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and signs by category, yet blank
_BLANKS: Final = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))  # controls, formats and separators
_INVISIBLE: Final = _BLANKS | {"Mn", "Me"}  # and marks without a letter
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def require_texts(texts: Any) -> list[str]:
    """The texts as a list.

    Raises
    ------
    DataError
        It is one string, a generator or anything else without order and length, or a text is no string or not
        Unicode; the first is named.
    """
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Collection) or isinstance(texts, (Mapping, Set)):
        given = f"the text {texts!r:.40}" if isinstance(texts, str) else f"a {type(texts).__name__}"
        raise DataError(f"texts: given {given}; expected a list of texts, e.g. ['red dress']")
    every = list(texts)
    for row, text in enumerate(every):
        if not isinstance(text, str):
            raise DataError(f"texts: row {row} is {text!r:.40}; expected a string")
        half = None if text.isascii() else _SURROGATE.search(text)
        if half:
            raise DataError(
                f"texts: row {row} is not Unicode, half a character at {half.start()} ({text[:20]!r}); "
                "decode it again, or replace what cannot be decoded"
            )
    return every


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: no character, or only blanks, zero-width characters and fillers."""
    return all(unicodedata.category(character) in _INVISIBLE or character in _FILLERS for character in text)


def bounded(text: str, longest: int = LONGEST) -> str:
    """The text, cut to `longest` characters and 30 combining marks a letter; linear in its length.

    Of a text that is cut, runs of characters that show nothing count as one blank, so that they push no word out.
    """
    if not text.isascii():
        text = _many_marks().sub(r"\1", text)
    if len(text) <= longest:
        return text
    return _invisible_runs().sub(" ", text[:_HUGE].lstrip()).lstrip()[:longest]


@cache
def _many_marks() -> re.Pattern[str]:
    marks = _class_of(character for character in _every_character() if unicodedata.combining(character))
    return re.compile(f"({marks}{{{_MARKS}}}){marks}+")


@cache
def _invisible_runs() -> re.Pattern[str]:
    blanks = [character for character in _every_character() if unicodedata.category(character) in _BLANKS]
    return re.compile(f"{_class_of([*blanks, *_FILLERS])}{{2,}}")


def _every_character() -> Iterator[str]:
    return map(chr, range(sys.maxunicode + 1))


def _class_of(characters: Iterable[str]) -> str:
    """A character class of a regular expression, as ranges."""
    ranges: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges) + "]"
