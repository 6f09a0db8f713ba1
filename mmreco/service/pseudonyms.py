"""Pseudonyms: keyed hashes in place of users' ids, made at the door, so that nothing inside ever sees an id.

HMAC-SHA-256 (RFC 2104) of the id, 64 hexadecimal digits. Who has the key can tell whether a pseudonym is of an id they
know; nobody else can, and no one can undo it. Without the key, or with another, the same user is a stranger.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from mmreco.errors import DataError
from mmreco.storage.signature import read_key

__all__ = ["Pseudonyms"]

_DOMAIN = b"mmreco user 1\n"  # so that the key's other uses give none of these


@dataclass(frozen=True)
class Pseudonyms:
    """Ids to pseudonyms.

    Parameters
    ----------
    key : 16 bytes to 64 KiB
        A secret, best 32 random bytes (`openssl rand 32 > users.key`).

    Examples
    --------
    >>> Pseudonyms(b"0123456789abcdef").of("user-9")[:8]
    'ca8c1f52'
    """

    key: bytes = field(repr=False)

    @classmethod
    def read(cls, path: str | Path) -> "Pseudonyms":
        """The pseudonyms under the key in a file.

        Raises
        ------
        DataError
            The file cannot be read, or holds fewer than 16 bytes or more than 64 KiB.
        """
        return cls(read_key(path))

    def of(self, user_id: str) -> str:
        """The pseudonym of an id."""
        return hmac.new(self.key, _DOMAIN + user_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def table(self, table: pa.Table, columns: Iterable[str] = ("user_id",)) -> pa.Table:
        """The table with pseudonyms in place of the ids in these columns; nulls stay.

        Raises
        ------
        DataError
            There is no such column.
        """
        for name in columns:
            if name not in table.column_names:
                raise DataError(f"pseudonymise: no column {name!r}; there are {', '.join(table.column_names)}")
            encoded = table[name].cast(pa.large_string()).combine_chunks().dictionary_encode()
            own = pa.array([self.of(user) for user in encoded.dictionary.to_pylist()], pa.large_string())
            table = table.set_column(table.column_names.index(name), name, own.take(encoded.indices))
        return table
