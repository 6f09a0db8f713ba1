"""What a piece of work cost: seconds, and how far memory rose."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Watch"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Watch:
    """Times a `with` block, and sees how far the process's memory rose above where it stood.

    Attributes
    ----------
    seconds : how long the block took
    memory_mb : MiB between what the process held before and the most it held meanwhile
        Memory that was free inside the process before, and is used again, does not show. NaN where the system cannot
        tell (it is Linux that can).
    """

    def __enter__(self) -> Self:
        self.seconds, self.memory_mb = 0.0, float("nan")
        self._before = _held("VmRSS") if _forgotten() else float("nan")
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._began
        self.memory_mb = max(0.0, _held("VmHWM") - self._before) if self._before == self._before else float("nan")


def _forgotten() -> bool:
    """Have the system forget the most that was held so far; whether it could."""
    if sys.platform != "linux":
        return False
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:  # a sandbox may forbid it
        return False
    return True


def _held(name: str) -> float:
    """A figure of the process's status, in MiB."""
    for line in _STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return float("nan")
