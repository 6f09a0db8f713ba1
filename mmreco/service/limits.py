"""Limits: how much one request may be, and how many may be at work."""

from dataclasses import dataclass, fields

from mmreco.arguments import require_whole

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the service accepts; the rest is refused before any work is done.

    Parameters
    ----------
    body : bytes of a request's body, pictures apart
    picture : bytes of a request with a picture
    waiting : requests at work and in the queue together; above it the answer is 503
    per_minute : requests a minute of one key, or of everybody where there are no keys

    Raises
    ------
    DataError
        A limit is not a whole number of 1 or more.
    """

    body: int = 1 << 20
    picture: int = 8 << 20
    waiting: int = 64
    per_minute: int = 60_000

    def __post_init__(self) -> None:
        for one in fields(self):
            require_whole(one.name, getattr(self, one.name))


# What the descriptions of requests say, and so no dial: wide enough for a page, small enough for a second's work.
BATCH = 100  # questions a request
EVENTS = 1000  # events a request
WIDTH = 200  # answers a question
ID = 512  # characters of an id
QUERY = 1000  # characters of a query
WHERE = 4000  # characters of a filter
HISTORY = 1000  # items of a history
