"""One spelling for what readers take as one: width, case, and traditional against simplified Chinese characters.

Characters are folded one by one with the table of OpenCC (Kuo, "Open Chinese Convert", 2010), read from the package
`opencc-python-reimplemented` without running it. Where a traditional character has several simplified ones the
commonest is taken: both the texts and the queries are folded, so that a wrong choice is the same on both sides.
"""

import importlib.util
import unicodedata
from functools import cache
from pathlib import Path

from mmreco.errors import MissingExtraError
from mmreco.text.bounds import bounded

__all__ = ["fold", "to_simplified"]


def fold(text: str) -> str:
    """The first 100,000 characters of a text in one width (Unicode NFKC), one case and simplified characters.

    Raises
    ------
    MissingExtraError
        The package with the table of characters is not installed.

    Examples
    --------
    >>> fold("紅色連衣裙 Ｔ－Shirt")
    '红色连衣裙 t-shirt'
    """
    if text.isascii():
        return bounded(text).lower()
    return to_simplified(unicodedata.normalize("NFKC", bounded(text)).casefold())


def to_simplified(text: str) -> str:
    """The text with each traditional Chinese character replaced by its simplified one; all others as they are.

    Raises
    ------
    MissingExtraError
        The package with the table of characters is not installed.
    """
    return text if text.isascii() else text.translate(_table())


@cache
def _table() -> dict[int, str]:
    spec = importlib.util.find_spec("opencc")
    path = None if spec is None or spec.origin is None else Path(spec.origin).parent / "dictionary" / "TSCharacters.txt"
    if path is None or not path.is_file():
        raise MissingExtraError(
            "the table of traditional characters is not installed; run: pip install opencc-python-reimplemented"
        )
    pairs = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line)
    return {ord(old): new.split()[0] for old, new in pairs if len(old) == 1}
