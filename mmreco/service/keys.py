"""API keys: who may ask, write and erase. Compared in constant time; kept as hashes, so that no dump shows one."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmreco.errors import DataError

__all__ = ["RIGHTS", "Keys"]

RIGHTS = ("ask", "write", "erase")
_SHORTEST = 16


@dataclass(frozen=True)
class Keys:
    """Names, rights and hashes of keys; made by `parse` or `read`.

    Parameters
    ----------
    keys : the SHA-256 of each key to its name and its rights

    Examples
    --------
    >>> keys = Keys.parse("shop ask,write 0123456789abcdef")
    >>> name, rights = keys.rights_of("0123456789abcdef")
    >>> name, sorted(rights)
    ('shop', ['ask', 'write'])
    """

    keys: Mapping[bytes, tuple[str, frozenset[str]]]

    @classmethod
    def parse(cls, text: str) -> "Keys":
        """The keys in `text`: lines of a name, rights parted by commas, and the key; `#` begins a remark.

        Raises
        ------
        DataError
            A line has not three words, names an unknown right, or a key is shorter than 16 characters or there twice.
        """
        keys: dict[bytes, tuple[str, frozenset[str]]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 3:
                raise DataError(f"keys, line {number}: {len(words)} words; expected a name, rights, and a key")
            name, rights, key = words
            wrong = [right for right in rights.split(",") if right not in RIGHTS]
            if wrong:
                raise DataError(f"keys, line {number}: no right {wrong[0]!r}; there are {', '.join(RIGHTS)}")
            if len(key) < _SHORTEST:
                raise DataError(f"keys, line {number}: a key of {len(key)} characters; expected {_SHORTEST} or more")
            if _hash(key) in keys:
                raise DataError(f"keys, line {number}: the key is there already; expected one key a line")
            keys[_hash(key)] = name, frozenset(rights.split(","))
        return cls(keys)

    @classmethod
    def read(cls, path: str | Path) -> "Keys":
        """The keys in the file at `path`, as `parse` reads them.

        Raises
        ------
        DataError
            The file cannot be read, holds no key, or as `parse`.
        """
        try:
            keys = cls.parse(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"keys: {path} cannot be read ({error})") from error
        if not keys:
            raise DataError(f"keys: {path} holds none; expected a line such as: shop ask,write KEY")
        return keys

    def rights_of(self, key: str) -> tuple[str, frozenset[str]] | None:
        """The name and the rights of `key`; None for one that is not known. Takes as long for any key."""
        given, found = _hash(key), None
        for own, who in self.keys.items():
            if hmac.compare_digest(own, given):
                found = who
        return found

    def __len__(self) -> int:
        return len(self.keys)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
