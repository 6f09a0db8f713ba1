"""The shop window in a real browser: the whole journey at the width of a phone and of a desk, and by keyboard.

Skipped, and says so, where Chromium or its driver is not installed. With MMRECO_AXE naming a copy of axe-core's
`axe.min.js`, every page is checked for accessibility and contrast, in the light and in the dark.
"""

import json
import os
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from mmreco.datasets.synthetic import SyntheticShop
from mmreco.service.app import create_app
from mmreco.service.events import EventStore
from mmreco.service.live_shop import LiveShop

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(browser: Any, pictured: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a window that is served by a thread here."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(pictured / "artefact", folder / "artefact")
    store = EventStore.open(folder / "events.db")
    app = create_app(LiveShop(folder / "artefact", store), window=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield f"http://localhost:{port}"
    server.should_exit = True
    thread.join(30)
    store.close()


class Shopper:
    """Somebody at a browser of some width, who looks at every page for faults."""

    def __init__(self, browser: Any, address: str, width: int) -> None:
        self.browser, self.address = browser, address
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(f"{address}/icon.svg")
        browser.delete_all_cookies()
        browser.get_log("browser")

    def go(self, path: str) -> None:
        self.browser.get(self.address + path)
        self.check()

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return list(self.browser.find_elements("css selector", selector))

    def click(self, selector: str) -> None:
        """Click, and wait until another page is there."""
        self.browser.execute_script("document.documentElement.dataset.old = '1'")
        self.find(selector).click()
        self._until_new()
        self.check()

    def choose(self, selector: str, value: str) -> None:
        self.find(f"{selector} option[value='{value}']").click()

    @property
    def heading(self) -> str:
        return str(self.find("h1").text)

    @property
    def kinds(self) -> list[str]:
        return [one.get_attribute("data-kind") for one in self.all("[data-kind]")]

    @property
    def items(self) -> list[str]:
        return [one.get_attribute("data-item") for one in self.all("[data-item]")]

    def check(self) -> None:
        """No fault in the console, no script, no page wider than its window, no picture that is broken or unnamed."""
        assert self.browser.get_log("browser") == []
        run = self.browser.execute_script
        assert run("return document.scripts.length") == 0
        assert run("return document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert run("return [...document.images].every(i => i.alt)")
        broken = self.browser.execute_async_script(
            "const done = arguments[0];"
            "Promise.allSettled([...document.images].map(i => (i.loading = 'eager', i.decode())))"
            ".then(all => done(all.filter(one => one.status != 'fulfilled').length))"
        )
        assert broken == 0
        assert len(self.all("main")) == len(self.all("h1")) == 1
        assert self.browser.execute_script("return getComputedStyle(document.querySelector('.top')).display") == "grid"
        self._axe()

    def _axe(self) -> None:
        axe = os.environ.get("MMRECO_AXE")
        if not axe:
            return
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            if scheme == "light":
                self.browser.execute_script(Path(axe).read_text(encoding="utf-8"))
            found = self.browser.execute_async_script(
                "const done = arguments[0]; axe.run().then(r => done(r.violations))"
            )
            assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []

    def _until_new(self) -> None:
        for _ in range(200):
            ready = "return !document.documentElement.dataset.old && document.readyState == 'complete'"
            if self.browser.execute_script(ready):
                return
            time.sleep(0.05)
        raise AssertionError("no other page came")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_whole_journey(browser: Any, address: str, pictured: Path, plant: SyntheticShop, width: int) -> None:
    shopper = Shopper(browser, address, width)
    shopper.go("/?language=en")
    stranger = shopper.kinds, shopper.items
    assert "for_you" not in shopper.kinds

    popular = "[data-kind=popular] [data-item]"  # one click changes the page
    first = shopper.find(popular).get_attribute("data-item")
    shopper.click(popular)
    seen = shopper.heading
    assert "similar" in shopper.kinds
    shopper.click(".brand")
    assert shopper.kinds[:2] == ["for_you", "because"]
    assert seen in shopper.find("[data-kind=because] h2").text
    assert f"“{seen}”" in shopper.find(".changed").text
    assert shopper.items != stranger[1]

    shopper.click(".why")
    assert shopper.heading.startswith("Why am I shown")
    assert f"you looked at “{seen}”" in shopper.find(".said").text

    shopper.find("#find").send_keys("red dress")
    shopper.click(".find button")
    assert shopper.heading == "Results for “red dress”"
    shopper.choose("#by-category", "dress")
    shopper.choose("#sort", "cheap")
    shopper.click(".filters button")
    costs = [float(one.text.replace(",", "")) for one in shopper.all(".grid .price")]
    assert costs == sorted(costs)
    assert len(costs) == len(plant.truth.rows(category="dress"))

    shopper.click("[hreflang]")  # to Chinese, on the same page
    assert shopper.heading == "“red dress”的搜索结果"
    shopper.find("#find").clear()
    shopper.find("#find").send_keys("红色连衣裙")
    shopper.click(".find button")
    assert shopper.heading == "“红色连衣裙”的搜索结果"
    facts = dict(zip(plant.catalogue.items.ids(range(120)), plant.catalogue.column("category"), strict=True))
    assert facts[shopper.items[0]] == "dress"
    shopper.click("[hreflang]")

    wanted = plant.catalogue.items.ids([int(plant.truth.pictured.argmax())])[0]
    shopper.click("a[href='/photo']")
    shopper.find("#picture").send_keys(str(pictured / "pictures" / f"{wanted}.jpg"))
    shopper.click("button.main")
    assert shopper.items[0] == wanted
    shopper.choose("#box", "top")
    shopper.click(".asked button")
    assert shopper.all(".box-top .frame")
    photo, frame = shopper.find(".framed img").rect, shopper.find(".frame").rect
    assert abs(frame["height"] - photo["height"] / 2) < 2
    assert abs(frame["y"] - photo["y"]) < 2

    shopper.click("[data-item]")
    shopper.find("#question").send_keys("Is the colour true?")
    shopper.click(".question button")
    assert "What customers wrote on “Is the colour true?”" in shopper.find(".reviews").text
    shopper.click("button.main")
    assert shopper.heading == "Your cart"
    assert shopper.find(".count").text == "1"
    shopper.click(".cart button")
    assert not shopper.all(".count")
    shopper.go(f"/items/{first}")
    shopper.click("button.main")
    shopper.click("form[action='/order'] button")
    assert "Thank you" in shopper.find("[role=status]").text

    shopper.click("a[href='/my-data']")
    did = [one.text for one in shopper.all("tbody td:nth-child(2)")]
    assert {"looked at", "put into the cart", "bought"} == set(did)
    cookies = "; ".join(f"{one['name']}={one['value']}" for one in browser.get_cookies())
    asked = urllib.request.Request(shopper.find("a[download]").get_attribute("href"), headers={"Cookie": cookies})
    with urllib.request.urlopen(asked) as exported:
        assert len(json.load(exported)["events"]) == len(did)
    shopper.click("button.danger")
    assert f"{len(did)} events were erased" in shopper.find("[role=status]").text
    shopper.click(".brand")
    assert (shopper.kinds, shopper.items) == stranger


def test_by_keyboard_alone(browser: Any, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    shopper = Shopper(browser, address, 1280)
    shopper.go("/?language=en")
    browser.find_element("css selector", "body").send_keys(Keys.TAB)
    active = "return document.activeElement.{}"
    assert browser.execute_script(active.format("className")) == "skip"
    reached = []
    for _ in range(20):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        style = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid"
        box = browser.switch_to.active_element.rect
        assert box["width"] > 0
        assert box["height"] > 0
        reached.append(browser.execute_script(active.format("outerHTML"))[:60])
    for part in (
        'class="brand"',
        'id="find"',
        "<button>",
        'href="/photo"',
        'href="/cart"',
        'href="/my-data"',
        "hreflang",
    ):
        assert any(part in one for one in reached), part
    assert any("data-item" in one for one in reached)
    shopper.go("/")
    browser.find_element("css selector", "body").send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.ENTER)  # skips to the content
    assert browser.execute_script(active.format("id")) == "content"
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.execute_script(active.format("dataset.item")) == shopper.items[0]
