"""Sentences of a review, Chinese or English, as places in its text."""

import re

__all__ = ["sentence_spans", "sentences"]

# A full stop ends a sentence before a space or at the end: not inside 3.5 or www.shop.com.
_END = re.compile(r"[。！？；!?…\n]+[”’\"')）]*|\.+[”’\"')]*(?=\s|$)|\.(?=[A-Z][a-z])")
_PAUSE = re.compile(r"[，,、：:]\s*|\s+(?:but|and|because|although)\s+", re.IGNORECASE)
_LONGEST = 240  # characters; a longer sentence is parted at its pauses
_WORD = re.compile(r"[^\W_]")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where each sentence begins and ends, in order; what holds no letter or digit is no sentence.

    Examples
    --------
    >>> sentence_spans("Warm. Size 3.5 fits! 很好")
    [(0, 5), (6, 20), (21, 23)]
    """
    spans, start = [], 0
    for match in _END.finditer(text):
        spans.append((start, match.end()))
        start = match.end()
    spans.append((start, len(text)))
    parts = [part for begin, end in spans for part in _parted(text, begin, end)]
    return [(begin, end) for begin, end in (_trimmed(text, *part) for part in parts) if _WORD.search(text, begin, end)]


def sentences(text: str) -> list[str]:
    """The sentences of a text.

    Examples
    --------
    >>> sentences("质量很好。物流慢！Size runs small.")
    ['质量很好。', '物流慢！', 'Size runs small.']
    """
    return [text[begin:end] for begin, end in sentence_spans(text)]


def _parted(text: str, begin: int, end: int) -> list[tuple[int, int]]:
    """One sentence as pieces that are not too long, cut at pauses."""
    found = []
    while end - begin > _LONGEST:
        pauses = [m.end() for m in _PAUSE.finditer(text, begin, begin + _LONGEST) if m.end() - begin > _LONGEST // 4]
        cut = pauses[-1] if pauses else begin + _LONGEST
        found.append((begin, cut))
        begin = cut
    return [*found, (begin, end)]


def _trimmed(text: str, begin: int, end: int) -> tuple[int, int]:
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    return begin, end
