"""One deadline over a whole exchange: names, handshakes, headers and content, however slowly they drip."""

import io
import socket
import threading
from dataclasses import dataclass
from time import monotonic
from typing import Any

from mmreco.errors import DataError

__all__ = ["Deadline", "DeadlineSocket", "resolve"]


@dataclass(frozen=True)
class Deadline:
    """A moment after which nothing is waited for.

    Parameters
    ----------
    until : seconds of the monotonic clock
    host : for the message
    """

    until: float
    host: str

    @classmethod
    def of(cls, seconds: float, host: str) -> "Deadline":
        """The moment so many seconds from now."""
        return cls(monotonic() + seconds, host)

    def left(self) -> float:
        """Seconds that are left, above 0.

        Raises
        ------
        DataError
            None are.
        """
        seconds = self.until - monotonic()
        if seconds <= 0:
            raise DataError(f"{self.host}: took too long")
        return seconds


class DeadlineSocket:
    """As much of a socket as `http.client` uses; each wait is for what is left until the deadline.

    A socket's own timeout is per read, so that a server which sends a byte now and then holds its reader for ever.
    """

    def __init__(self, wire: socket.socket, deadline: Deadline) -> None:
        self._wire, self._deadline = wire, deadline

    def sendall(self, data: Any) -> None:
        """Send all of it."""
        self._wire.settimeout(self._deadline.left())
        self._wire.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """The stream of what is received."""
        return io.BufferedReader(_Received(self._wire, self._deadline))

    def close(self) -> None:
        """Nothing: whoever opened the socket closes it."""


class _Received(io.RawIOBase):
    def __init__(self, wire: socket.socket, deadline: Deadline) -> None:
        self._wire, self._deadline = wire, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._wire.settimeout(self._deadline.left())
        return self._wire.recv_into(buffer)


def resolve(host: str, port: int, deadline: Deadline) -> list[str]:
    """The host's addresses, as the system's resolver has them, each once.

    Raises
    ------
    DataError
        There is no such host, or the resolver takes too long.
    """
    answer: list[list[str] | OSError | UnicodeError] = []

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.append(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    asking = threading.Thread(target=ask, daemon=True, name="resolve")  # the resolver knows no deadline
    asking.start()
    asking.join(deadline.left())
    if not answer:
        raise DataError(f"{host}: took too long to be resolved")
    if isinstance(answer[0], Exception):
        raise DataError(f"{host}: no such host ({answer[0]})") from answer[0]
    return answer[0]
