"""How much of a text is read, and whether there is anything to read in it.

A text that shows nothing (blanks, zero-width characters, fillers) says nothing. Texts and queries come from strangers,
so their length is bounded before anything is normalised: ordering the combining marks of one letter takes time
quadratic in their number, and Unicode's Stream-Safe Text Format (UAX #15, section 13) allows 30 of them.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

__all__ = ["LONGEST", "bounded", "is_blank", "marks_class"]

LONGEST: Final = 100_000
"""Characters of a text that are read at most, where the model sets no smaller bound."""

_MARKS: Final = 30  # of one letter
_HUGE: Final = 1_000_000  # characters searched for blanks to drop
_FILLERS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and signs by category, yet blank
_INVISIBLE: Final = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Mc", "Me"))  # controls, blanks, marks alone


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: no character, or only blanks, zero-width characters and fillers."""
    return not any(
        character not in _FILLERS and unicodedata.category(character) not in _INVISIBLE for character in text
    )


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
    marks = _class_of(character for character in _characters() if unicodedata.combining(character))
    return re.compile(f"({marks}{{{_MARKS}}}){marks}+")


@cache
def _invisible_runs() -> re.Pattern[str]:
    blanks = [c for c in _characters() if unicodedata.category(c) in ("Cc", "Cf", "Zs", "Zl", "Zp")]
    return re.compile(f"{_class_of([*blanks, *_FILLERS])}{{2,}}")


def _characters() -> Iterator[str]:
    """All that are assigned, as far as they are marks or blanks: the first two planes, and the variation selectors."""
    yield from map(chr, range(0x20000))
    yield from map(chr, range(0xE0000, 0xE0200))


@cache
def marks_class() -> str:
    """The class of all marks that letters carry, as part of a regular expression."""
    return _class_of(c for c in _characters() if unicodedata.category(c) in ("Mn", "Mc", "Me"))


def _class_of(characters: Iterable[str]) -> str:
    """A character class of a regular expression, as ranges."""
    ranges: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges) + "]"
