"""What an index counts: words, the pieces of Chinese words, and codes in one writing.

A Chinese word also counts by its characters and pairs of characters, so that 半身裙 and 裙子 share something. A code
that is written with hyphens or slashes (F9K-1015) also counts as one word (f9k1015), as does a number with its unit
(16 GB, 16gb).
"""

import hashlib
import re

from mmreco.text.folding import fold
from mmreco.text.segmentation import Segmenter, is_chinese
from mmreco.text.stemming import stem

__all__ = ["PIECE", "codes", "compact", "joined", "key", "marked", "pieces", "trigrams", "words"]

PIECE = 0.2  # weight of a piece of a Chinese word, or of a code's joined writing, against 1 for the word

_JOINT = re.compile(r"[a-z0-9]+(?:[-/_.][a-z0-9]+)+")
_MEASURE = re.compile(r"(?<![a-z0-9])(\d+(?:\.\d+)?) ([a-z]{1,3})(?![a-z0-9])")
_CODE = re.compile(r"(?<![a-z0-9])(?=[a-z0-9/_-]*\d)[a-z0-9]+(?:[-/_][a-z0-9]+)*(?![a-z0-9])")
_UNIT = re.compile(r"\d+[a-z]{0,4}|\d+x\d+[a-z]*|[a-z]\d")
_DIGIT = re.compile("[0-9]")
_NOT_ALNUM = re.compile(r"[\W_]+")
_SHORTEST = 5  # characters of a code; what is shorter is a size or a count


def words(text: str, segmenter: Segmenter) -> list[str]:
    """The stemmed words of a text, in order."""
    return [stem(word) for word in segmenter.segment(text)]


def pieces(word: str) -> list[str]:
    """The characters and pairs of characters of a Chinese word, itself left out; none of another word."""
    if len(word) < 2 or word.isascii() or not is_chinese(word):
        return []
    found = dict.fromkeys((*word, *(word[at : at + 2] for at in range(len(word) - 1))))
    return [piece for piece in found if piece != word]


def joined(text: str) -> list[str]:
    """Codes and measures of a text, each as one word: F9K-1015 is f9k1015, 16 GB is 16gb."""
    if not _has_digit(text):
        return []
    folded = fold(text)
    found = [compact(match.group()) for match in _JOINT.finditer(folded)]
    found += [match[1] + match[2] for match in _MEASURE.finditer(folded)]
    return [word for word in dict.fromkeys(found) if _has_digit(word)]


def codes(text: str) -> list[str]:
    """The model codes of a text, as one word each: letters with digits, or at least six digits; no measures.

    Examples
    --------
    >>> codes("Belkin WiFi Range Extender, 16GB, White (F9K-1015)")
    ['f9k1015']
    """
    if not _has_digit(text):
        return []
    found = dict.fromkeys(compact(match.group()) for match in _CODE.finditer(fold(text)))
    return [
        code
        for code in found
        if len(code) >= _SHORTEST and (not _UNIT.fullmatch(code) or (code.isdigit() and len(code) > _SHORTEST))
    ]


def _has_digit(text: str) -> bool:
    return bool(_DIGIT.search(text)) if text.isascii() else any(letter.isdigit() for letter in text)


def compact(text: str) -> str:
    """The letters and digits of a text alone, folded."""
    return _NOT_ALNUM.sub("", fold(text))


def key(written: str) -> int:
    """64 bits that stand for what is written, in the form `compact` gives it; 0 for nothing."""
    if not written:
        return 0
    return int.from_bytes(hashlib.blake2b(written.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def trigrams(text: str) -> frozenset[str]:
    """The three-letter pieces of a text's words, folded, edges marked; what two writings of a name have in common.

    Examples
    --------
    >>> sorted(trigrams("Red hat"))
    ['^ha', '^re', 'at$', 'ed$', 'hat', 'red']
    """
    return frozenset(word[at : at + 3] for word in marked(text).split() for at in range(len(word) - 2))


def marked(text: str) -> str:
    """The words of a text, folded, with marked edges: what holds each of its `trigrams`, and no other three letters.

    Examples
    --------
    >>> marked("Red hat")
    '^red$ ^hat$'
    """
    return " ".join(f"^{word}$" for word in _NOT_ALNUM.split(fold(text)) if word)
