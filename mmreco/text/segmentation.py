"""Words of a text: jieba for Chinese, letters, their marks and digits for the rest, stop words left out.

Chinese is cut by jieba (Sun, 2012: a prefix dictionary, the most likely path through it, and a hidden
Markov model for words it does not hold), or by rjieba, the same algorithm in Rust, when that is
installed. jieba is loaded on the first Chinese text, not on import. Its dictionary cache, a marshalled
file with a predictable name in the shared temporary folder, is neither read nor written: the dictionary
is read from jieba's own package, which costs a second once a process.
"""

import importlib
import importlib.resources
import re
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from mmreco.errors import DataError
from mmreco.text.bounds import bounded, marks_class
from mmreco.text.folding import to_simplified

__all__ = ["STOP_WORDS", "Segmenter", "is_chinese", "segment", "segment_all"]

# Negations (no, not, 不, 没, 别) are absent on purpose: they turn a review round.
_STOP = """
a about after all also am an and any are as at be because been before being but by can could did do does
doing for from had has have having he her here him his how i if in into is it its itself just me more
most my of on once only or other our ours own same she should so some such than that the their them then
there these they this those through to too until up very was we were what when where which while who whom
why will with would you your yours
的 了 和 与 及 或 是 在 也 就 都 而 着 被 把 让 给 对 从 到 向 于 以 为 因为 所以 如果 但 但是 而且 并 并且 或者
我 你 您 他 她 它 我们 你们 他们 她们 它们 自己 这 那 这个 那个 这些 那些 这样 那样 这里 那里 哪 哪个 什么 怎么
个 一个 之 其 此 该 各 每 某 等 吧 吗 呢 啊 呀 哦 嗯 嘛 哈 啦 地 得 还 又 再 才 已 已经 曾 将 会 要 可 可以 能
上 下 里 中 有 说 去 来 一 些 一些 一下
"""
STOP_WORDS: frozenset[str] = frozenset(_STOP.split())

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_HIRAGANA, _KATAKANA, _HANGUL = "\u3041-\u309f", "\u30a0-\u30ff\u31f0-\u31ff", "\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff"
_KANA = re.compile(f"[{_HIRAGANA}{_KATAKANA}]")
_WRITINGS = re.compile(f"[{_HIRAGANA}]+|[{_KATAKANA}]+|[{_HANGUL}]+|[^{_HIRAGANA}{_KATAKANA}{_HANGUL}]+")
# Points and vowel signs of Hebrew and Arabic, which most writers leave out, and what only shapes letters: soft hyphens,
# joiners, the Arabic bar, variation selectors. A word is the same with and without them.
_UNWRITTEN = (
    *((0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5), (0x05C7, 0x05C7)),
    *((0x0610, 0x061A), (0x064B, 0x0652), (0x0656, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06DC), (0x06DF, 0x06E8)),
    *((0x06EA, 0x06ED), (0x0640, 0x0640), (0x00AD, 0x00AD), (0x200C, 0x200D), (0x20E3, 0x20E3), (0xFE00, 0xFE0F)),
)
_DROPPED = str.maketrans({"’": "'", "-": None})
_SHAPING = {code: None for first, last in _UNWRITTEN for code in range(first, last + 1)}
_POSSESSIVE = re.compile(r"['’]s$")

_RUN = 1_000  # characters without a blank or a stop that are cut at a time: jieba's time is quadratic in their number
_Cut = Callable[[str], Iterable[str]]
_loading = threading.Lock()
_loaded: list[_Cut] = []  # the cutter of this process, once it is loaded
_dictionary: list[tuple[dict[str, int], int]] = []  # jieba's own words, how often each is written, and the sum


def segment(text: str) -> list[str]:
    """The words of `text` in order, folded to one width, case and spelling, stop words left out.

    Full-width letters and other compatibility forms are folded first (Unicode NFKC), traditional Chinese characters to
    simplified ones, and the points of Hebrew and Arabic are left out. Japanese is cut where its writing changes, from
    Chinese characters to either kana. Marks that make a letter (Hindi, Thai) stay. Of
    a text the first 100,000 characters count (see `mmreco.text.bounds`).

    Raises
    ------
    DataError
        `text` is not a string.

    Examples
    --------
    >>> segment("红色的连衣裙，Women's T-Shirt １.５ 米")
    ['红色', '连衣裙', 'women', 'tshirt', '1.5', '米']
    """
    if not isinstance(text, str):
        raise DataError(f"segment: expected a text, given {type(text).__name__} {str(text)[:40]!r}")
    return _words(text, lambda run: _cutter()(run))


def _words(text: str, cut: "_Cut") -> list[str]:
    words: list[str] = []
    pattern = _word(text.isascii())
    for run in _runs(pattern, _in_one_form(text)):
        if _HAN.search(run):
            parts = (run[start : start + _RUN] for start in range(0, len(run), _RUN))
            for piece in (piece for part in parts for piece in cut(part.upper())):  # the dictionary writes T恤 and U盘
                word = _small(piece)
                if word.isalnum():
                    words.append(word)
                else:  # 1.5, or the apostrophe that jieba hands on
                    words.extend(pattern.findall(word))
        else:
            words.append(_POSSESSIVE.sub("", _small(run)).translate(_DROPPED))
    return [word for word in words if word not in STOP_WORDS]


def _runs(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    """The words of a text, Chinese ones still together; Japanese ones end where the kind of writing changes."""
    for match in pattern.finditer(text):
        run = match.group()
        if run.isascii() or not _KANA.search(run):
            yield run
        else:
            yield from _WRITINGS.findall(run)


def _small(word: str) -> str:
    """The word in small letters, alike for whoever writes capitals: STRASSE and Straße, İSTANBUL and istanbul."""
    return word.lower() if word.isascii() else word.casefold().replace("i\u0307", "i")


def _in_one_form(text: str) -> str:
    """The text in one width and one spelling: simplified characters, no points, nothing that only shapes letters."""
    if text.isascii():
        return bounded(text)
    folded = unicodedata.normalize("NFKC", bounded(text)).translate(_SHAPING)
    return to_simplified(folded) if _HAN.search(folded) else folded


@cache
def _word(ascii_only: bool) -> re.Pattern[str]:
    """Letters and digits of any script with the marks they carry, an apostrophe inside a word, a point inside a number.

    Also the hyphen after a first letter that stands alone (t-shirt, v-neck), which is dropped later: T-shirt and tshirt
    are one word.
    """
    marks = "" if ascii_only else f"{marks_class()}*"
    letters = rf"(?:[^\W_]{marks})+" if marks else r"[^\W_]+"
    inside = rf"(?:['’](?=[^\W\d_])|(?<=\d)\.(?=\d)){letters}"
    return re.compile(rf"(?:(?<![^\W_])[A-Za-z]-(?=[A-Za-z]{{2}}))?{letters}(?:{inside})*")


def segment_all(texts: Sequence[str]) -> list[list[str]]:
    """The words of each text; equal texts are cut once.

    Raises
    ------
    DataError
        A text is not a string; its position is named.

    Examples
    --------
    >>> segment_all(["Red dress", "", "Red dress"])
    [['red', 'dress'], [], ['red', 'dress']]
    """
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"texts: row {row} is {text!r:.40}; expected a string")
    words = {text: segment(text) for text in dict.fromkeys(texts)}
    return [words[text] for text in texts]


@dataclass(frozen=True)
class Segmenter:
    """The words of texts where a shop's own words are not cut.

    Parameters
    ----------
    words : optional
        Words that jieba's dictionary may lack: brands, materials, names of series.

    Examples
    --------
    >>> Segmenter(("墨柳",)).segment("墨柳紅色連衣裙")
    ['墨柳', '红色', '连衣裙']
    """

    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        folded = (_in_one_form(word).strip() for word in self.words)
        object.__setattr__(self, "words", tuple(dict.fromkeys(word for word in folded if word)))

    def __getstate__(self) -> dict[str, object]:
        return {"words": self.words}  # jieba's own state cannot be pickled; it is loaded again

    def segment(self, text: str) -> list[str]:
        """As `segment`, with the shop's words.

        Raises
        ------
        DataError
            `text` is not a string.
        """
        if not isinstance(text, str):
            raise DataError(f"segment: expected a text, given {type(text).__name__} {str(text)[:40]!r}")
        return _words(text, self._cut)

    @cached_property
    def _cut(self) -> "_Cut":
        with _loading:
            own = [word for word in self.words if is_chinese(word)]
            return _jieba(own) if own else _cutter_unlocked()


def is_chinese(text: str) -> bool:
    """Whether `text` holds at least one Chinese character.

    Examples
    --------
    >>> is_chinese("T恤"), is_chinese("shirt")
    (True, False)
    """
    return _HAN.search(text) is not None


def _cutter() -> _Cut:
    if _loaded:
        return _loaded[0]
    with _loading:
        return _cutter_unlocked()


def _cutter_unlocked() -> _Cut:
    if not _loaded:
        _loaded.append(_rjieba() or _jieba())
    return _loaded[0]


def _rjieba() -> _Cut | None:
    try:
        cut: _Cut = importlib.import_module("rjieba").cut
    except ImportError:
        return None
    return cut


def _jieba(words: Sequence[str] = ()) -> _Cut:
    with warnings.catch_warnings(action="ignore", category=Warning):
        # jieba 0.42.1 warns while it is compiled (invalid escapes) and imports pkg_resources where there is one,
        # which warns as well; neither is the caller's affair, and both would be errors under -W error.
        jieba = importlib.import_module("jieba")
    tokenizer = jieba.Tokenizer()
    # What Tokenizer.initialize does, less its cache file and its lines on stderr.
    if not _dictionary:
        with importlib.resources.files(jieba).joinpath("dict.txt").open("rb") as file:
            _dictionary.append(tokenizer.gen_pfdict(file))
    frequencies, tokenizer.total = _dictionary[0]
    tokenizer.FREQ = dict(frequencies) if words else frequencies
    tokenizer.initialized = True
    for word in words:
        tokenizer.add_word(word.upper())
    cut: _Cut = tokenizer.cut
    return cut
