"""The fetcher of addresses: nothing is connected to that is not on the list, whatever the address looks like."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hashing_encoders import HashedPictures

from mmreco.data.ids import IdMap
from mmreco.embedding import fetching as fetch
from mmreco.embedding.embed import embed
from mmreco.embedding.fetching import Fetcher, WebFile
from mmreco.embedding.public_addresses import is_public
from mmreco.errors import DataError

FORGED = [
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "https://localhost/x.jpg",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://0.0.0.0/",
    "https://0/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/",
    "https://10.0.0.1/",
    "https://[fd00::1]/",
    "https://img.shop.example@127.0.0.1/",
    "https://127.0.0.1@img.shop.example/",
    "https://user:word@img.shop.example/",
    "https://img.shop.example:22/",
    "https://img.shop.example:8080/",
    "https://img.shop.example.evil.example/",
    "https://evil-img.shop.example/",
    "https://sub.img.shop.example/",
    "https://img.shop.example\\@evil.example/",
    "https://img.shop.example#@evil.example/",
    "https://evil.example#img.shop.example",
    "https://img.shop.example%2eevil.example/",
    "https://img.shop.example\r\nHost: evil.example/",
    "https://img.shop.example /",
    "https://img。shop.example/",
    "//img.shop.example/x.jpg",
    "file:///etc/passwd",
    "gopher://img.shop.example/_x",
    "ftp://img.shop.example/x",
    "data:image/png;base64,AAAA",
    "http://img.shop.example/",
    "https://img.shop.example:99999/",
    "https://[img.shop.example]/",
    "https://",
    "",
]
INSIDE = ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1"]
INSIDE += ["fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::", "240.0.0.1"]
INSIDE += ["168.63.129.16", "192.0.0.192", "::10.0.0.1", "64:ff9b:1::a00:1", "fec0::1", "fec0::a:b", "100.100.100.200"]
INSIDE += [
    "::ffff:8.8.8.8",
    "::ffff:0:10.0.0.1",
    "64:ff9b::808:808",
    "2001::1",
    "2001:db8::1",
    "2002:808:808::1",
    "ff0e::1",
]
INSIDE += ["100::1", "3fff::1", "5f00::1", "fe80::1", "192.0.2.1", "198.18.0.1", "192.88.99.1", "255.255.255.255"]
INSIDE += ["2a00:1450:4001::5efe:a00:1", "2a00:1450:4001::200:5efe:a00:1", "fd00:ec2::254", "1::1", "4000::1", "", "x"]
PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "1.1.1.1",
    "172.15.0.1",
    "192.0.1.1",
    "2a00:1450:4001:81b::200e",
    "2606:4700::1111",
]


def test_public_addresses_are_told_from_all_others() -> None:
    assert [address for address in INSIDE if is_public(address)] == []
    assert [address for address in PUBLIC if not is_public(address)] == []


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []

    def noted(address: Any, *_: Any, **__: Any) -> Any:
        made.append(address)
        raise ConnectionRefusedError("noted")

    monkeypatch.setattr(socket, "create_connection", noted)
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: noted(address))
    return made


def resolves(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)


@pytest.mark.parametrize("address", FORGED)
def test_forged_addresses_connect_to_nothing(
    address: str, connections: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves(monkeypatch, "93.184.216.34")
    with pytest.raises(DataError):
        Fetcher(hosts=["img.shop.example"]).fetch(address)
    assert connections == []


@pytest.mark.parametrize("inside", [address for address in INSIDE if address])
def test_a_listed_name_that_resolves_inside_connects_to_nothing(
    inside: str, connections: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for found in ([inside], ["93.184.216.34", inside]):
        resolves(monkeypatch, *found)
        with pytest.raises(DataError, match="expected public addresses only"):
            Fetcher(hosts=["img.shop.example"]).fetch("https://img.shop.example/x.jpg")
    assert connections == []


def test_the_address_looked_at_is_the_one_connected_to(connections: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, "93.184.216.34")
    with pytest.raises(DataError, match=r"no answer .*noted"):
        Fetcher(hosts=["IMG.shop.example"]).fetch("https://img.SHOP.example/x.jpg")
    assert connections == [("93.184.216.34", 443)]


class Answers(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://img.shop.example/good")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/gone" else 200)
        if self.path == "/announced":
            self.send_header("Content-Length", "5000")
        if self.path == "/short":
            self.send_header("Content-Length", "50")
        self.end_headers()
        if self.path == "/slow":
            for _ in range(40):
                time.sleep(0.05)
                self.wfile.write(b"x")
                self.wfile.flush()
        elif self.path in ("/large", "/announced"):
            self.wfile.write(b"x" * 5000)
        elif self.path != "/empty":
            self.wfile.write(b"picture 1" if self.path.startswith("/good") else b"x")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fetcher]:
    """A fetcher whose one host is served from here; only what counts as public is bent for it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setattr(fetch, "_PORTS", {"http": server.server_address[1], "https": 1})
    monkeypatch.setattr(fetch, "_public", lambda *_: ["127.0.0.1"])
    monkeypatch.setattr(Answers, "asked", [])
    yield Fetcher(hosts=["img.shop.example"], schemes=("http",), largest=1_000, seconds=0.6)
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_comes_back(served: Fetcher) -> None:
    assert served.fetch("http://img.shop.example/good?v=2") == b"picture 1"
    assert Answers.asked == ["/good?v=2"]
    for path, said in {
        "moved": "status 302; expected 200",
        "gone": "status 404",
        "large": "more than 1,000 bytes",
        "announced": "5,000 bytes announced",
        "short": "cut short|no answer",
        "empty": "an empty answer",
        "slow": "took too long|timed out",
    }.items():
        started = time.monotonic()
        with pytest.raises(DataError, match=said):
            served.fetch(f"http://img.shop.example/{path}")
        assert time.monotonic() - started < 5
    assert Answers.asked.count("/good") == 0  # the redirect was not followed


def test_a_batch_of_addresses(served: Fetcher) -> None:
    addresses = ["http://img.shop.example/good", "http://img.shop.example/gone", "http://localhost/x"]
    contents = [WebFile(served, address) for address in addresses]
    done = embed(HashedPictures(), IdMap.of(["a", "b", "c"]), contents, workers=2)
    assert done.embeddings.ids.array.to_pylist() == ["a"]
    assert [r["id"] for r in done.refused.to_pylist()] == ["b", "c"]


@pytest.mark.parametrize(
    "hosts", [[], ["127.0.0.1"], ["localhost"], ["*.shop.example"], ["a.b/c"], ["[::1]"], ["x.0x7f"]]
)
def test_hosts_are_plain_names(hosts: list[str]) -> None:
    with pytest.raises(DataError, match="Fetcher: hosts"):
        Fetcher(hosts=hosts)


def test_options() -> None:
    wrong = [{"schemes": ("file",)}, {"largest": 0}, {"seconds": 0}, {"seconds": float("inf")}]
    for options in ({"hosts": "img.shop.example"}, *wrong):
        with pytest.raises(DataError, match="Fetcher"):
            Fetcher(**{"hosts": ["img.shop.example"], **options})  # type: ignore[arg-type]


# ---- servers that drip


def dripping(first: bytes, drip: bytes) -> tuple[socket.socket, threading.Thread]:
    """A server that sends `first`, then `drip` ten times a second, for ever."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            wire, _ = server.accept()
            with wire:
                wire.sendall(first)
                for _ in range(600):
                    wire.sendall(drip)
                    time.sleep(0.1)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return server, thread


DRIPS = {
    "status": (b"", b"H"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nX-Drip: ", b"1"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "content": (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a chunk's size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"X: 1\r\n"),
}


@pytest.mark.parametrize("kind", DRIPS)
def test_a_dripping_server_is_left_at_the_deadline(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server, thread = dripping(*DRIPS[kind])
    monkeypatch.setattr(fetch, "_PORTS", {"http": server.getsockname()[1], "https": 1})
    monkeypatch.setattr(fetch, "_public", lambda *_: ["127.0.0.1"])
    started = time.monotonic()
    with pytest.raises(DataError):
        Fetcher(hosts=["img.shop.example"], schemes=("http",), seconds=0.5).fetch("http://img.shop.example/x")
    assert time.monotonic() - started < 3
    thread.join(5)
    server.close()


def test_a_dripping_handshake_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    server, thread = dripping(b"\x16\x03\x03\x40\x00", b"\x00")
    monkeypatch.setattr(fetch, "_PORTS", {"https": server.getsockname()[1]})
    monkeypatch.setattr(fetch, "_public", lambda *_: ["127.0.0.1"])
    started = time.monotonic()
    with pytest.raises(DataError):
        Fetcher(hosts=["img.shop.example"], seconds=0.5).fetch("https://img.shop.example/x")
    assert time.monotonic() - started < 3
    thread.join(5)
    server.close()


def test_a_resolver_that_hangs_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [None] * (not free.wait(20)))
    started = time.monotonic()
    with pytest.raises(DataError, match="took too long to be resolved"):
        Fetcher(hosts=["img.shop.example"], seconds=0.3).fetch("https://img.shop.example/x")
    assert time.monotonic() - started < 3
    free.set()
