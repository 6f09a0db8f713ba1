"""Pages in a real browser: headless Chromium, at the width of a phone and of a desk.

Skipped, and says so, where Chromium or its driver is not installed. With MMRECO_AXE naming a copy of axe-core's
`axe.min.js`, accessibility and contrast are checked too. MMRECO_SCREENSHOTS names a folder to keep the pictures in.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.models.itemknn import ItemKNN
from mmreco.pages import PageComposer, PageOptions, page_html

pytestmark = pytest.mark.browser
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def documents(shop: Dataset, model: ItemKNN, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    shopper = shop.interactions.take([0])
    written = {}
    for language in ("en", "zh"):
        composer = PageComposer(
            model,
            shop,
            similar=model.similar,
            complements=lambda carts, k: model.recommend(histories=carts, k=k),
            search=lambda queries, k: model.recommend(histories=shop.interactions.take([5]), k=k),
            options=PageOptions(caps={"brand": 2}, language=language),
        )
        pages = {
            "home": composer.home(shopper),
            "detail": composer.detail([3], histories=shopper),
            "cart": composer.cart(shopper.last(2), histories=shopper),
            "search": composer.search(["红色 dress"], histories=shopper),
            "stranger": composer.home(Interactions.from_histories([[]], items=shop.items)),
        }
        for name, made in pages.items():
            path = folder / f"{name}-{language}.html"
            path.write_text(page_html(made[0], price=lambda value: f"¥{value:,.0f}"), encoding="utf-8")
            written[path.stem] = path
    return written


def opened(browser: Any, path: Path, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["home-en", "home-zh", "detail-en", "cart-zh", "search-zh", "stranger-en"])
def test_a_page_is_sound(browser: Any, documents: dict[str, Path], name: str, width: int) -> None:
    opened(browser, documents[name], width)
    assert browser.get_log("browser") == []
    shown = browser.execute_script("return [...document.querySelectorAll('a.item')].map(a => a.dataset.item)")
    assert len(shown) == len(set(shown)) > 10
    assert browser.execute_script("return [...document.images].every(i => i.alt)")
    broken = browser.execute_async_script(
        "const done = arguments[0];"
        "Promise.allSettled([...document.images].map(i => (i.loading = 'eager', i.decode())))"
        ".then(all => done(all.filter(one => one.status != 'fulfilled').length))"
    )
    assert broken == 0
    wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0  # the page itself is not scrolled sideways; shelves are
    styled = browser.execute_script("return getComputedStyle(document.querySelector('.items')).display")
    assert styled == "grid"  # the policy lets in the page's own style
    folder = os.environ.get("MMRECO_SCREENSHOTS")
    if folder:
        assert browser.save_screenshot(str(Path(folder) / f"{name}-{width}.png"))


def test_the_keyboard_reaches_items_and_focus_is_seen(browser: Any, documents: dict[str, Path]) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    opened(browser, documents["home-en"], 1280)
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.execute_script("return document.activeElement.className") == "skip"
    browser.switch_to.active_element.send_keys(Keys.TAB)
    reached = []
    for _ in range(12):
        reached.append(browser.execute_script("return document.activeElement.dataset.item"))
        outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        seen = browser.execute_script(
            "const r = document.activeElement.getBoundingClientRect();"
            "const x = (r.left + r.right) / 2, y = r.top + 20;"
            "return x > 0 && x < innerWidth && y > 0 && y < innerHeight"
        )
        assert seen
        browser.switch_to.active_element.send_keys(Keys.TAB)
    expected = browser.execute_script("return [...document.querySelectorAll('a.item')].map(a => a.dataset.item)")
    assert reached == expected[:12]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["home-en", "home-zh", "detail-zh", "search-en", "stranger-zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, documents: dict[str, Path], name: str, width: int, scheme: str) -> None:
    axe = os.environ.get("MMRECO_AXE")
    if not axe:
        pytest.skip("MMRECO_AXE names no copy of axe.min.js")
    opened(browser, documents[name], width)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_script(Path(axe).read_text(encoding="utf-8"))
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(r => done(r.violations))")
    assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []
