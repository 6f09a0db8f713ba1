"""A progress bar for long work, off unless asked for."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

__all__ = ["progress"]

T = TypeVar("T")


def progress(
    iterable: Iterable[T], *, total: int | None = None, description: str = "", shown: bool = False
) -> Iterator[T]:
    """The same items, with a bar (rate, time left) on standard error while they pass when `shown`.

    Where standard error is no terminal but a log, the bar is written twice a minute.
    """
    every = 0.1 if sys.stderr.isatty() else 30.0
    bar = tqdm(iterable, total=total, desc=description or None, disable=not shown, leave=False, mininterval=every)
    return iter(bar)
