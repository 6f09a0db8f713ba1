"""Assignment: which variant of an experiment a user belongs to, by a keyed hash: the same one at every restart.

HMAC-SHA-256 of the experiment's name and the user's id, under a key that outsiders do not have, read as a number from 0
to 1; the variants share that line by their shares. Another name gives another, independent draw. Nothing is kept.
"""

import hashlib
import hmac
from collections.abc import Mapping

from mmreco.errors import DataError

__all__ = ["assign", "require_shares"]

_BITS = 53  # as many as a float holds exactly


def assign(user: str, shares: Mapping[str, float], *, experiment: str, key: bytes) -> str:
    """The variant of this user.

    Parameters
    ----------
    user : an id
    shares : the variants in their order, with the share of users each gets
        To change shares moves users at the borders; an experiment that ran is better given a new name.
    experiment : its name
    key : a secret

    Raises
    ------
    DataError
        The shares do not sum up to 1, or one is not above 0.

    Examples
    --------
    >>> assign("user-9", {"old": 0.5, "new": 0.5}, experiment="home", key=b"secret")
    'old'
    """
    require_shares(shares)
    digest = hmac.new(key, f"{experiment}\0{user}".encode(), hashlib.sha256).digest()
    place = int.from_bytes(digest[:8], "big") >> (64 - _BITS)
    end = 0.0
    for name, share in shares.items():
        end += share
        if place < end * 2**_BITS:
            return name
    return name


def require_shares(shares: Mapping[str, float]) -> None:
    """Check that `shares`, one a variant, can be used.

    Raises
    ------
    DataError
        There is no variant, the shares do not sum up to 1, or one is not above 0.
    """
    wrong = [name for name, share in shares.items() if not 0 < share <= 1]
    if wrong:
        raise DataError(f"variant {wrong[0]!r}: a share of {shares[wrong[0]]}; expected above 0, up to 1")
    if not shares or abs(sum(shares.values()) - 1) > 1e-9:
        raise DataError(f"variants {dict(shares)}: shares of {sum(shares.values()):g} together; expected 1")
