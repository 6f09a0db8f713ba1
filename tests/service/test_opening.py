"""A service that is still loading says so, and becomes ready by itself."""

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from mmreco.errors import DataError
from mmreco.service import opening
from mmreco.service.app import create_app
from mmreco.service.live_shop import LiveShop
from mmreco.service.opening import Opening

HOME = "http://127.0.0.1"


def until(done: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
    assert done()


def test_it_says_that_it_is_not_ready_until_it_is(live: LiveShop) -> None:
    loaded = threading.Event()

    def make() -> object:
        loaded.wait(20)
        return create_app(live)

    with TestClient(Opening(make), base_url=HOME) as client:  # type: ignore[arg-type]
        assert client.get("/healthz").status_code == 200
        for answer in (client.get("/readyz"), client.post("/v1/recommend", json={"history": [[]]})):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.headers["content-type"] == "application/problem+json"
        loaded.set()
        until(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/v1/recommend", json={"history": [[]]}).status_code == 200
        assert live._thread is not None
        assert live._thread.is_alive()
    assert not live._thread.is_alive()


def test_what_fails_is_tried_again(
    live: LiveShop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "_AGAIN_SECONDS", 0.01)
    faults = [OperationalError("", {}, Exception("away")), DataError("damaged"), DataError("damaged")]

    def make() -> object:
        if faults:
            raise faults.pop()
        return create_app(live)

    with TestClient(Opening(make), base_url=HOME) as client:  # type: ignore[arg-type]
        until(lambda: client.get("/readyz").status_code == 200)
    assert caplog.text.count("damaged") == 1
    assert "away" in caplog.text
