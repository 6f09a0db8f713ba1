"""Pictures behind addresses of the web: an optional step of a batch job, off unless asked for, and on a short leash.

Who writes an address into a catalogue decides what a machine inside the shop's network connects to (server-side request
forgery). So hosts are listed by name, redirects are not followed, the name is resolved once, every address it has must
be a public one, and the connection goes to just the address that was looked at.
"""

import http.client
import math
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from mmreco.embedding.deadline import Deadline, DeadlineSocket, resolve
from mmreco.embedding.public_addresses import is_public
from mmreco.errors import DataError

__all__ = ["Fetcher", "WebFile"]

_PORTS: Final = {"https": 443, "http": 80}
_PIECE: Final = 1 << 16  # bytes read at a time
_TRIED: Final = 4  # addresses of a host


@dataclass(frozen=True, kw_only=True)
class Fetcher:
    """Fetches files from the hosts it is allowed to, and from nowhere else.

    Parameters
    ----------
    hosts : names as they stand in the addresses, e.g. "images.shop.example"
        Compared whole and without regard to case; nothing below a name is allowed with it.
    schemes : optional
        "https", and "http" where it must be.
    largest : bytes of a file, 1 or more, optional
    seconds : above 0, optional
        For a file in all, from resolving the name to the last byte.

    Raises
    ------
    DataError
        No host is given, a host is not a plain name, or an option is out of range.

    Notes
    -----
    Only the schemes' own ports, no names and passwords, no proxy, no cookies, one try. Certificates are checked.
    """

    hosts: Iterable[str]
    schemes: tuple[str, ...] = ("https",)
    largest: int = 32 << 20
    seconds: float = 20.0
    _allowed: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.hosts, str):
            raise DataError(f"Fetcher: hosts={self.hosts!r}; expected a list of names")
        allowed = frozenset(host.lower() for host in self.hosts)
        odd = [host for host in allowed if not _is_name(host)]
        if not allowed or odd:
            raise DataError(
                f"Fetcher: hosts {sorted(allowed)}; expected one name or more, each like 'img.shop.example'"
            )
        if not set(self.schemes) <= _PORTS.keys() or not self.schemes:
            raise DataError(f"Fetcher: schemes={self.schemes}; expected 'https', 'http' or both")
        if self.largest < 1 or not 0 < self.seconds < math.inf:
            raise DataError(
                f"Fetcher: largest={self.largest}, seconds={self.seconds}; expected both above 0, and finite"
            )
        object.__setattr__(self, "_allowed", allowed)

    def fetch(self, address: str) -> bytes:
        """The bytes behind `address`, of http or https.

        Raises
        ------
        DataError
            The address is not allowed (nothing is connected to then), the host does not answer, answers with
            anything but 200 (a redirect, say), with no or too many bytes, or too slowly.
        """
        scheme, host, target = self._allowed_parts(address)
        deadline = Deadline.of(self.seconds, host)
        last: OSError | http.client.HTTPException | None = None
        for one in _public(host, _PORTS[scheme], deadline)[:_TRIED]:
            try:
                return self._exchange(scheme, host, one, target, deadline)
            except DataError:
                raise
            except (OSError, http.client.HTTPException) as error:
                last = error
        raise DataError(f"{host}: no answer ({type(last).__name__}: {str(last)[:120]})") from last

    def _allowed_parts(self, address: str) -> tuple[str, str, str]:
        """Scheme, host and what to ask it for, of an address that is allowed."""
        shown = repr(address)[:80]
        if not isinstance(address, str) or not address.isascii() or not address.isprintable() or " " in address:
            raise DataError(f"address {shown}: expected plain characters, percent-encoded")
        if "\\" in address or "#" in address:
            raise DataError(f"address {shown}: a backslash or a fragment; expected a plain address")
        try:
            parts = urlsplit(address)
            port, host = parts.port, (parts.hostname or "").lower()
        except ValueError as error:
            raise DataError(f"address {shown}: {error}") from error
        if parts.scheme not in self.schemes:
            raise DataError(f"address {shown}: scheme {parts.scheme!r}; expected {' or '.join(self.schemes)}")
        if "@" in parts.netloc or "%" in parts.netloc:
            raise DataError(f"address {shown}: a name, password or escape in the host; expected the plain host")
        if host not in self._allowed:
            raise DataError(f"address {shown}: host {host!r} is not on the list of hosts")
        if port not in (None, _PORTS[parts.scheme]):
            raise DataError(f"address {shown}: port {port}; expected {_PORTS[parts.scheme]}")
        return parts.scheme, host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _exchange(self, scheme: str, host: str, address: str, target: str, deadline: Deadline) -> bytes:
        connection = http.client.HTTPConnection(host, _PORTS[scheme])
        with socket.create_connection((address, _PORTS[scheme]), timeout=deadline.left()) as plain:
            wire = plain
            if scheme == "https":
                wire = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
            with wire:
                connection.sock = DeadlineSocket(wire, deadline)
                connection.request(
                    "GET", target, headers={"User-Agent": "mmreco", "Accept": "image/*", "Connection": "close"}
                )
                with connection.getresponse() as response:
                    return self._content(response, host)

    def _content(self, response: http.client.HTTPResponse, host: str) -> bytes:
        if response.status != 200:
            raise DataError(f"{host}: status {response.status}; expected 200 (redirects are not followed)")
        if (response.length or 0) > self.largest:
            raise DataError(f"{host}: {response.length:,} bytes announced; the limit is {self.largest:,}")
        data = bytearray()
        while len(data) <= self.largest:
            piece = response.read1(min(_PIECE, self.largest + 1 - len(data)))
            if not piece:
                break
            data += piece
        if len(data) > self.largest:
            raise DataError(f"{host}: more than {self.largest:,} bytes, the limit")
        if not data or response.length:
            raise DataError(f"{host}: {'an empty answer' if not data else 'the answer was cut short'}")
        return bytes(data)


@dataclass(frozen=True)
class WebFile:
    """A content behind a URL, for `embed`: read by the thread that needs it, refused when it cannot be fetched.

    Parameters
    ----------
    fetcher : what may be connected to
    address : of the file
    """

    fetcher: Fetcher
    address: str

    def read(self) -> bytes:
        """The file's bytes.

        Raises
        ------
        DataError
            As `Fetcher.fetch`.
        """
        return self.fetcher.fetch(self.address)


def _is_name(host: str) -> bool:
    labels = host.split(".")
    return (
        len(host) < 254
        and len(labels) > 1
        and all(part and part.isascii() and part.replace("-", "").isalnum() for part in labels)
        and not labels[-1].isdigit()  # 127.1 is an address to many resolvers
        and not labels[-1].startswith("0x")
    )


def _public(host: str, port: int, deadline: Deadline) -> list[str]:
    """The host's addresses, all of which must be public."""
    addresses = resolve(host, port, deadline)
    inside = [address for address in addresses if not is_public(address)]
    if inside or not addresses:
        raise DataError(f"{host}: resolves to {inside[0] if inside else 'nothing'}; expected public addresses only")
    return addresses
