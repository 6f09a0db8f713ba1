"""A moment, as people write it, in milliseconds."""

from datetime import UTC, datetime, timedelta

import numpy as np

from mmreco.errors import DataError

__all__ = ["moment_ms"]


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
