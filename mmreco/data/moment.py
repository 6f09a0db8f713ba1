"""A moment, as people write it, in milliseconds; and the newest of a log."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np

from mmreco.arrays import I64
from mmreco.errors import DataError

__all__ = ["moment_ms", "newest", "soon"]

_DAY = 86_400_000  # milliseconds
_ENOUGH = 20  # events that tell how long a log is


def moment_ms(at: datetime | str | int) -> int:
    """A moment as milliseconds since 1970 UTC, rounded up: the first that is not before it.

    Parameters
    ----------
    at : a datetime or ISO 8601 text (without a zone, it is UTC), or whole milliseconds

    Raises
    ------
    DataError
        `at` is none of these.
    """
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError as error:
            raise DataError(f"at={at!r}: expected ISO 8601 text, e.g. '2026-12-01'") from error
    if isinstance(at, datetime) and at == at:  # pandas' "not a time" equals nothing
        aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return -((datetime(1970, 1, 1, tzinfo=UTC) - aware) // timedelta(milliseconds=1))
    if isinstance(at, (int, np.integer)) and not isinstance(at, bool) and abs(int(at)) < 2**63:
        return int(at)
    raise DataError(
        f"at={at!r:.80}: expected a datetime, ISO 8601 text, or whole milliseconds since 1970 UTC, below 2**63"
    )


def soon() -> int:
    """A day from now, in milliseconds since 1970 UTC: what is later cannot have happened yet, whatever the zone."""
    return int(time.time() * 1000) + _DAY


def newest(times: I64) -> int:
    """The newest of these moments, shape `(e,)`, less those that can only be errors; 0 of none.

    One event in 2099 would make all others equally old. So what lies in the future does not count where something
    does not, and neither does the last thousandth where it begins later than all the rest is long.
    """
    if not len(times):
        return 0
    past = times[times <= soon()]
    times = np.sort(past if len(past) else times)
    last = len(times) - 1 - max(1, len(times) // 1_000)
    if last >= _ENOUGH and times[-1] - times[last] > times[last] - times[0]:
        return int(times[last])
    return int(times[-1])
