"""What threads load ahead of its use."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["prefetch"]

Loaded = TypeVar("Loaded")


def prefetch(
    load: Callable[[Any], Loaded], contents: Iterable[Any], workers: int, *, window: int
) -> Generator[Loaded, None, None]:
    """What `load` makes of each content, in order, with at most `window` of them loaded ahead by threads."""
    if not workers:
        yield from map(load, contents)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="prefetch")
    try:
        waiting: deque[Future[Loaded]] = deque()
        for content in contents:
            waiting.append(pool.submit(load, content))
            if len(waiting) > window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
